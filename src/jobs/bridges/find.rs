//! Finding: what a text that somebody pasted names, as an account or a post of ours.
//!
//! Owns that reading the text touches no network and that a platform is asked only when the caller says so. What is
//! found by an address is the same as what the live API and an export file name: the object id decides. Where the text
//! holds that id, a platform that cannot be asked keeps nobody from naming the post.

use super::{JobError, LookUpError, look_up, note_post};
use crate::bridges::{self, Access, ParsedRef, RefKind, ReferenceError, Who, fediverse};
use crate::domain::id::ObjectId;
use crate::domain::identity::{ObjectRef, Platform};
use crate::federation::Node;
use crate::flows::notice::{self, SeenPost};
use crate::flows::proxied;
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
            Pasted::Address(reference)
                if !reference.needs_resolve && !matches!(reference.kind, RefKind::User | RefKind::Opaque) =>
            {
                ObjectRef::new(reference.platform, reference.post_id.as_deref()?).ok()
            }
            _ => None,
        }
    }

    /// Whether nothing but the platform knows what this names: an address without a stable id.
    pub fn needs_asking(&self) -> bool {
        matches!(self, Pasted::Address(reference) if reference.kind != RefKind::User) && self.object().is_none()
    }

    /// The address under which a post without a stable id may be known.
    fn address(&self) -> Option<&str> {
        match self {
            Pasted::Address(reference) if self.needs_asking() => Some(&reference.canonical_url),
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
    // Ours, or another instance's proxy, which stands for the post that its path names.
    if let Some(object) = node.instance.parse_object_uri(text).or_else(|| proxied(text)) {
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
    if let Some((_, host)) = text.strip_prefix('@').and_then(|named| named.rsplit_once('@'))
        && is_word
    {
        return named_at(node, text, host);
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

/// `@mira.github@here.example`, as our own pages write it, or `@mira@social.example`.
fn named_at(node: &Node, text: &str, host: &str) -> Result<Pasted, ReferenceError> {
    let fediverse::url::Handle { user, host: server } =
        fediverse::url::handle(text).ok_or(ReferenceError::NotAnAddress)?;
    if host.eq_ignore_ascii_case(&node.instance.host) {
        let bridged = user.rsplit_once('.').and_then(|(handle, slug)| Some((handle, slug.parse().ok()?)));
        let (handle, platform) = bridged.ok_or(ReferenceError::NotAnAddress)?;
        return Ok(Pasted::Handle(platform, handle.to_owned()));
    }
    // Whether a server of this machine may be asked is for the bridge to say.
    fediverse::url::server(&server, true).ok_or(ReferenceError::NotAnAddress)?;
    match node.bridges.get(Platform::Fediverse) {
        Some(_) => Ok(Pasted::Handle(Platform::Fediverse, format!("{user}@{server}"))),
        None => Err(ReferenceError::UnknownHost),
    }
}

/// What is known here of it.
pub async fn known(node: &Node, pasted: &Pasted) -> Result<Option<Found>, storage::Error> {
    let (object, platform, handle) = (pasted.object(), pasted.platform(), pasted.handle().map(str::to_owned));
    let address = pasted.address().map(str::to_owned);
    node.db
        .read(move |tx: &mut Tx| {
            Ok(match (object, handle, address) {
                (Some(object), _, _) => identities::object_by_ref(tx, &object)?.map(Found::Post),
                (None, Some(handle), _) => {
                    identities::identity_by_handle(tx, platform.slug(), &handle)?.map(Found::Account)
                }
                (None, None, Some(address)) => {
                    let found = identities::objects_by_url(tx, platform, &address)?;
                    // A server of the fediverse may well tell capital letters apart.
                    let is_it = |object: &Object| platform != Platform::Fediverse || object.url == address;
                    found.into_iter().find(is_it).map(Found::Post)
                }
                (None, None, None) => None,
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
    let id = match (ask_for_post(node, pasted).await, pasted.object()) {
        (Ok(post), _) => note_post(node, &post).await?,
        (Err(error), Some(object)) if is_unanswerable(&error) => note_by_id(node, pasted, object).await?,
        (Err(error), _) => return Err(error),
    };
    let object = node.db.read(move |tx| identities::object(tx, id)).await.map_err(JobError::from)?;
    Ok(Found::Post(object.ok_or_else(|| JobError::from(storage::Error::corrupt("object", id)))?))
}

async fn ask_for_post(node: &Node, pasted: &Pasted) -> Result<bridges::Post, LookUpError> {
    let platform = pasted.platform();
    let bridge = node.bridges.get(platform).cloned().ok_or(LookUpError::SwitchedOff(platform))?;
    let live = bridge.live().ok_or(LookUpError::NoApi(platform))?;
    if node.bridges.meter(platform).is_some_and(|meter| meter.is_paused()) {
        return Err(LookUpError::Paused(platform));
    }
    Ok(match pasted {
        Pasted::Address(reference) => live.resolve(reference, &Access::Instance).await?,
        _ => {
            let object = pasted.object().ok_or(LookUpError::NoApi(platform))?;
            let wanted = object.clone();
            let known = node.db.read(move |tx| identities::object_by_ref(tx, &wanted)).await.map_err(JobError::from)?;
            let hint = known.map(|known| known.url).filter(|url| !url.is_empty());
            live.post(&object, hint.as_deref(), &Access::Instance).await?
        }
    })
}

/// Whether the platform does not answer us, whatever was asked, and waiting does not help.
fn is_unanswerable(error: &LookUpError) -> bool {
    use bridges::Error::{Forbidden, PaymentRequired, Unauthorized, Unsupported};
    match error {
        LookUpError::NoApi(_) | LookUpError::Paused(_) => true,
        LookUpError::Platform(error) => {
            matches!(error, Unauthorized { .. } | Forbidden { .. } | Unsupported { .. } | PaymentRequired { .. })
        }
        _ => false,
    }
}

/// Notes a post of which nothing is known but its id and perhaps its address. What is known already stays.
async fn note_by_id(node: &Node, pasted: &Pasted, object: ObjectRef) -> Result<ObjectId, LookUpError> {
    let url = match pasted {
        Pasted::Address(reference) => reference.canonical_url.clone(),
        _ => String::new(),
    };
    let (instance, now) = (node.instance.clone(), node.now());
    let noted = node
        .write(move |tx| {
            if let Some(known) = identities::object_by_ref(tx, &object)? {
                return Ok(known.id);
            }
            let seen = SeenPost {
                title: object.to_string(),
                object: object.clone(),
                owner: None,
                url: url.clone(),
                published_at: None,
            };
            Ok(notice::post(tx, &instance, &seen, now)?.id)
        })
        .await;
    noted.map_err(|error: storage::Error| LookUpError::Job(error.into()))
}
