//! Finding: what a text that somebody pasted names, as an account or a post of ours.
//!
//! Owns that reading the text touches no network and that a platform is asked only when the caller says so. What is
//! found by an address is the same as what the live API and an export file name: the object id decides.

use super::{JobError, LookUpError, look_up, note_post};
use crate::bridges::{Access, ParsedRef, RefKind, ReferenceError, Who};
use crate::domain::identity::{ObjectRef, Platform};
use crate::federation::Node;
use crate::flows::notice::{self, SeenPost};
use crate::storage::identities::{self, Identity, Object};
use crate::storage::{self, Tx};

/// What a pasted text names, before anybody was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pasted {
    /// `@torvalds@github`: whoever bears the handle now.
    Handle(Platform, String),
    /// A post of ours or `platform:id`.
    Object(ObjectRef),
    /// An address of a platform.
    Address(ParsedRef),
}

impl Pasted {
    pub fn platform(&self) -> Platform {
        match self {
            Pasted::Handle(platform, _) => *platform,
            Pasted::Object(object) => object.platform(),
            Pasted::Address(reference) => reference.platform,
        }
    }

    /// The handle of the person that is named, where it is one.
    pub fn handle(&self) -> Option<&str> {
        match self {
            Pasted::Handle(_, handle) => Some(handle),
            Pasted::Address(reference) if reference.kind == RefKind::User => reference.user_hint.as_deref(),
            _ => None,
        }
    }

    /// The post that is named, where the text holds its stable id.
    fn object(&self) -> Option<ObjectRef> {
        match self {
            Pasted::Object(object) => Some(object.clone()),
            Pasted::Address(reference) if !reference.needs_resolve && reference.kind != RefKind::User => {
                ObjectRef::new(reference.platform, reference.post_id.as_deref()?).ok()
            }
            _ => None,
        }
    }
}

/// An account or a post that this instance knows.
#[derive(Clone, Debug)]
pub enum Found {
    Account(Identity),
    Post(Object),
}

/// Reads a text without asking anybody.
pub fn read(node: &Node, text: &str) -> Result<Pasted, ReferenceError> {
    let text = text.trim();
    if let Some(object) = node.instance.parse_object_uri(text) {
        return Ok(Pasted::Object(object));
    }
    let is_word = !text.contains(['/', ' ']);
    if let Some((handle, platform)) = text.trim_start_matches('@').rsplit_once('@')
        && let Ok(platform) = platform.parse()
        && is_word
        && !handle.is_empty()
    {
        return Ok(Pasted::Handle(platform, handle.to_owned()));
    }
    if let Some((platform, object)) = text.split_once(':')
        && let Ok(platform) = platform.parse()
        && is_word
        && let Ok(object) = ObjectRef::new(platform, object)
    {
        return Ok(Pasted::Object(object));
    }
    node.bridges.parse_reference(text).map(Pasted::Address)
}

/// What is known here of it.
pub async fn known(node: &Node, pasted: &Pasted) -> Result<Option<Found>, storage::Error> {
    let (object, platform, handle) = (pasted.object(), pasted.platform(), pasted.handle().map(str::to_owned));
    node.db
        .read(move |tx: &mut Tx| {
            Ok(match (object, handle) {
                (Some(object), _) => identities::object_by_ref(tx, &object)?.map(Found::Post),
                (None, Some(handle)) => {
                    identities::identity_by_handle(tx, platform.slug(), &handle)?.map(Found::Account)
                }
                (None, None) => None,
            })
        })
        .await
}

/// Asks the platform, and notes what it says. A post whose platform cannot be asked is noted by its id alone, without an
/// author, as one out of an export file is.
pub async fn ask(node: &Node, pasted: &Pasted) -> Result<Found, LookUpError> {
    let platform = pasted.platform();
    if let Some(handle) = pasted.handle() {
        let (_, identity) = look_up(node, platform, &Who::Handle(handle.to_owned())).await?;
        return Ok(Found::Account(identity));
    }
    let bridge = node.bridges.get(platform).cloned().ok_or(LookUpError::SwitchedOff(platform))?;
    let id = match (bridge.live(), pasted) {
        (Some(live), Pasted::Address(reference)) => {
            note_post(node, &live.resolve(reference, &Access::Instance).await?).await?
        }
        (Some(live), _) => {
            let object = pasted.object().ok_or(LookUpError::SwitchedOff(platform))?;
            note_post(node, &live.post(&object, None, &Access::Instance).await?).await?
        }
        (None, _) => {
            let object = pasted.object().ok_or(LookUpError::SwitchedOff(platform))?;
            let url = match pasted {
                Pasted::Address(reference) => reference.canonical_url.clone(),
                _ => String::new(),
            };
            let (instance, now) = (node.instance.clone(), node.now());
            let seen = SeenPost { title: object.to_string(), object, owner: None, url, published_at: None };
            let noted = node.write(move |tx| notice::post(tx, &instance, &seen, now)).await;
            noted.map_err(JobError::from)?.id
        }
    };
    let object = node.db.read(move |tx| identities::object(tx, id)).await.map_err(JobError::from)?;
    Ok(Found::Post(object.ok_or_else(|| JobError::from(storage::Error::corrupt("object", id)))?))
}
