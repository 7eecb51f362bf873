//! Noticing: what a platform says of an account or a post becomes an identity, an object and a bridged actor here.
//!
//! Owns the rule that the stable id decides: a rename changes the handle of the same actor, and followers are told. What a
//! post says of its author is the name alone; it never overwrites what the author's own profile said. Who is an actor of
//! the fediverse already gets no second one here, and what the server of a post has said of it is not overwritten by who
//! only knows of it.

use std::time::Duration;

use crate::domain::id::{ActorId, IdentityId, ObjectId};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};
use crate::domain::time::{Month, Timestamp};
use crate::flows::{Instance, feed, flattr, proxied, register};
use crate::storage::identities::{Identity, Object, SeenIdentity, SeenObject};
use crate::storage::people::ActorKind;
use crate::storage::posts::{self, ProfileDetails};
use crate::storage::{self, Tx, fediverse, identities, inbox, outbox, people};

/// How often it is noted that an account still bears its name.
const SEEN_EVERY: Duration = Duration::from_secs(24 * 3_600);

/// A post, with its author where the platform names one.
#[derive(Clone, Debug)]
pub struct SeenPost {
    pub object: ObjectRef,
    pub owner: Option<SeenIdentity>,
    pub title: String,
    pub url: String,
    pub published_at: Option<Timestamp>,
}

/// What only an account's own profile says.
#[derive(Clone, Debug)]
pub struct SeenProfile {
    /// `person`, `organization` or `bot`.
    pub kind: &'static str,
    pub website: Option<String>,
}

/// The user name of a bridged actor: `torvalds.github`, reduced to what fediverse handles can carry.
pub fn bridged_username(handle: &str, id: &ExternalId) -> String {
    let plain: String = handle
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') { c } else { '-' })
        .collect();
    let plain = plain.trim_matches(|c| matches!(c, '.' | '-'));
    if plain.is_empty() {
        format!("{}.{}", encode(id.account()), id.platform())
    } else {
        format!("{plain}.{}", id.platform())
    }
}

fn encode(account: &str) -> String {
    account.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

/// Stores what a platform says of an account, with its bridged actor.
pub fn identity(
    tx: &mut Tx,
    instance: &Instance,
    seen: &SeenIdentity,
    now: Timestamp,
) -> Result<Identity, storage::Error> {
    let (identity, is_changed) = save(tx, instance, seen, now)?;
    if is_changed {
        tell_followers(tx, identity.id, "update_actor", identity.id.0, now)?;
    }
    Ok(identity)
}

/// Stores what only an account's own profile says of it.
pub fn details(tx: &mut Tx, identity: &Identity, more: &SeenProfile, now: Timestamp) -> Result<(), storage::Error> {
    let details =
        ProfileDetails { identity_id: identity.id, kind: more.kind.to_owned(), website: more.website.clone() };
    if identity.is_refused || posts::profile(tx, identity.id)?.as_ref() == Some(&details) {
        return Ok(());
    }
    posts::save_profile(tx, &details)?;
    if let Some(actor) = identity.actor_id {
        let actor_type = match more.kind {
            "organization" => "Organization",
            "bot" => "Service",
            _ => "Person",
        };
        people::set_actor_type(tx, ActorId(actor), actor_type)?;
    }
    tell_followers(tx, identity.id, "update_actor", identity.id.0, now)
}

/// Says also whether an account that was known looks otherwise than before.
fn save(
    tx: &mut Tx,
    instance: &Instance,
    seen: &SeenIdentity,
    now: Timestamp,
) -> Result<(Identity, bool), storage::Error> {
    let before = identities::identity_by_external_id(tx, &seen.external_id)?;
    let mut identity = identities::save_identity(tx, seen, now)?;
    if seen.external_id.platform() == Platform::Fediverse {
        return Ok((identity, false));
    }
    let is_changed = before.is_some_and(|before| {
        let shown = |it: &Identity| {
            (it.handle.clone(), it.display_name.clone(), it.avatar_url.clone(), it.bio.clone(), it.profile_url.clone())
        };
        shown(&before) != shown(&identity)
    });
    let username = bridged_username(&seen.handle, &seen.external_id);
    let label = seen.external_id.platform().label();
    match identity.actor_id {
        // Nobody is made for somebody who does not want to be here.
        None if identity.is_refused => {}
        None => {
            let uri = instance.bridged_actor_uri(seen.external_id.platform().slug(), seen.external_id.account());
            let summary = format!("A proxy of a public {label} account. Its owner has not claimed it.");
            let name = &seen.display_name;
            let kind = ActorKind::Bridged;
            let actor = register::make_local_actor(tx, instance, &uri, kind, "Person", &username, name, &summary, now)?;
            identities::set_identity_actor(tx, identity.id, actor)?;
            identity.actor_id = Some(actor.0);
        }
        Some(actor) => {
            let actor = ActorId(actor);
            let known = people::actor(tx, actor)?.ok_or_else(|| storage::Error::corrupt("actor", actor))?;
            if known.username != username || known.display_name != seen.display_name {
                people::rename_actor(tx, actor, &username, &seen.display_name, &known.summary)?;
            }
        }
    }
    Ok((identity, is_changed))
}

/// The author of a post, of whom the post says the name alone.
fn author(tx: &mut Tx, instance: &Instance, seen: &SeenIdentity, now: Timestamp) -> Result<Identity, storage::Error> {
    let known = identities::identity_by_external_id(tx, &seen.external_id)?;
    // Of the fediverse only the author's own document says who they are.
    if seen.external_id.platform() == Platform::Fediverse
        && let Some(known) = known
    {
        return Ok(known);
    }
    let Some(known) = known.filter(|known| known.actor_id.is_some()) else {
        return identity(tx, instance, seen, now);
    };
    if known.handle == seen.handle && known.seen_at > now.minus(SEEN_EVERY).micros() {
        return Ok(known);
    }
    let has_own_name = known.display_name != known.handle;
    let merged = SeenIdentity {
        display_name: if has_own_name { known.display_name } else { seen.display_name.clone() },
        avatar_url: seen.avatar_url.clone().or(known.avatar_url),
        bio: if seen.bio.is_empty() { known.bio } else { seen.bio.clone() },
        ..seen.clone()
    };
    identity(tx, instance, &merged, now)
}

/// Stores what a platform says of a post. What was held for a post without an author is handed on soon after its author
/// has become known: see [`crate::flows::claim::resolve`].
pub fn post(tx: &mut Tx, instance: &Instance, seen: &SeenPost, now: Timestamp) -> Result<Object, storage::Error> {
    if seen.object.platform() == Platform::Fediverse
        && let Some(known) = known_native(tx, seen, now)?
    {
        return Ok(known);
    }
    let (object, is_new) = listed_post(tx, instance, seen, now)?;
    if let Some(owner) = object.owner().filter(|_| is_new) {
        feed::noticed(tx, &object, owner, now)?;
    }
    Ok(object)
}

/// A post that a stranger names: noted without an author when it is new, since a stranger's word never names a payee.
///
/// - `url`: where it was named.
pub fn named(tx: &mut Tx, object: &ObjectRef, url: &str, now: Timestamp) -> Result<Object, storage::Error> {
    if let Some(known) = identities::object_by_ref(tx, object)? {
        return Ok(known);
    }
    let (title, url) = (object.to_string(), url.to_owned());
    let seen = SeenObject { object: object.clone(), owner: None, title, url, published_at: None };
    Ok(identities::save_object(tx, &seen, now)?.0)
}

/// A native post that is known better than a listing of likes can say.
fn known_native(tx: &mut Tx, seen: &SeenPost, now: Timestamp) -> Result<Option<Object>, storage::Error> {
    // A like of a proxy, ours or another instance's, is a like of what it stands for.
    if let Some(object) = proxied(seen.object.object()) {
        return named(tx, &object, &seen.url, now).map(Some);
    }
    if seen.owner.is_some() {
        return Ok(None);
    }
    Ok(identities::object_by_ref(tx, &seen.object)?.filter(|known| known.owner_id.is_some()))
}

/// As [`post`], of a post out of its author's own listing, which says more than that it is there. Says whether it is new.
pub(super) fn listed_post(
    tx: &mut Tx,
    instance: &Instance,
    seen: &SeenPost,
    now: Timestamp,
) -> Result<(Object, bool), storage::Error> {
    let owner = match &seen.owner {
        Some(owner) => Some(author(tx, instance, owner, now)?.id),
        None => None,
    };
    let seen = SeenObject {
        object: seen.object.clone(),
        owner,
        title: seen.title.clone(),
        url: seen.url.clone(),
        published_at: seen.published_at,
    };
    let known = identities::object_by_ref(tx, &seen.object)?;
    let object = identities::save_known_object(tx, &seen, known.as_ref(), now)?;
    if let Some(owner) = owner.filter(|_| known.as_ref().is_some_and(|known| known.owner_id.is_none())) {
        posts::note_resolved(tx, object.id)?;
        posts::end_check(tx, object.id)?;
        flattr::owner_known(tx, object.id, owner, now)?;
    }
    Ok((object, known.is_none()))
}

/// Notes that the followers of an account's actor are to be told something, if there are any.
pub(super) fn tell_followers(
    tx: &mut Tx,
    owner: IdentityId,
    kind: &str,
    subject: i64,
    now: Timestamp,
) -> Result<(), storage::Error> {
    let actor = identities::identity(tx, owner)?.and_then(|identity| identity.actor_id);
    if let Some(actor) = actor
        && inbox::count_followers(tx, ActorId(actor))? > 0
    {
        outbox::push_event(tx, kind, &subject.to_string(), now)?;
    }
    Ok(())
}

/// Stores what a platform says of many posts, as [`post`] does for one. Those whose author it does not name, as files do
/// not, are stored in few statements: they make nobody known, and nobody waits for them.
///
/// - `seen`: no post may stand there twice.
/// - returns: the id of each, in the same order.
pub fn posts(
    tx: &mut Tx,
    instance: &Instance,
    seen: &[&SeenPost],
    now: Timestamp,
) -> Result<Vec<ObjectId>, storage::Error> {
    let mut ids = vec![None; seen.len()];
    let (mut places, mut plain) = (Vec::new(), Vec::new());
    for (place, seen) in seen.iter().enumerate() {
        // A post of the fediverse may be one of ours under another name, or known better.
        if seen.owner.is_some() || seen.object.platform() == Platform::Fediverse {
            ids[place] = Some(post(tx, instance, seen, now)?.id);
            continue;
        }
        places.push(place);
        plain.push(SeenObject {
            object: seen.object.clone(),
            owner: None,
            title: seen.title.clone(),
            url: seen.url.clone(),
            published_at: seen.published_at,
        });
    }
    for (place, id) in places.into_iter().zip(identities::save_objects(tx, &plain, now)?) {
        ids[place] = Some(id);
    }
    Ok(ids.into_iter().map(|id| id.expect("each was saved, by itself or with the others")).collect())
}

/// Stores what the server of a post says of it, whose author was not known: likes of it may now be made known.
///
/// - `open_since`: the oldest month that still takes likes.
pub fn author_of(
    tx: &mut Tx,
    instance: &Instance,
    seen: &SeenPost,
    open_since: Month,
    now: Timestamp,
) -> Result<Object, storage::Error> {
    let object = post(tx, instance, seen, now)?;
    fediverse::end_look(tx, object.id)?;
    for flattr in fediverse::counting_for(tx, object.id, open_since)? {
        outbox::push_event(tx, "like", &flattr.to_string(), now)?;
    }
    Ok(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_become_user_names() {
        let id: ExternalId = "flickr:2654@N00".parse().unwrap();
        assert_eq!(bridged_username("Torvalds", &id), "torvalds.flickr");
        assert_eq!(bridged_username("Ana Perez", &id), "ana-perez.flickr");
        assert_eq!(bridged_username("..", &id), "2654-n00.flickr");
    }
}
