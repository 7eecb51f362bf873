//! Noticing: what a platform says of an account or a post becomes an identity, an object and a bridged actor here.
//!
//! Owns the rule that the stable id decides: a rename changes the handle of the same actor. A post that is new is told to
//! the followers of its author's actor. Who is an actor of the fediverse already gets no second one here, and what the
//! server of a post has said of it is not overwritten by who only knows of it.

use crate::domain::id::{ActorId, ObjectId};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};
use crate::domain::time::{Month, Timestamp};
use crate::flows::{Instance, register};
use crate::storage::identities::{Identity, Object, SeenIdentity, SeenObject};
use crate::storage::people::ActorKind;
use crate::storage::{self, Tx, fediverse, identities, inbox, outbox, people};

/// A post, with its author where the platform names one.
#[derive(Clone, Debug)]
pub struct SeenPost {
    pub object: ObjectRef,
    pub owner: Option<SeenIdentity>,
    pub title: String,
    pub url: String,
    pub published_at: Option<Timestamp>,
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
    let mut identity = identities::save_identity(tx, seen, now)?;
    if seen.external_id.platform() == Platform::Fediverse {
        return Ok(identity);
    }
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
    Ok(identity)
}

/// Stores what a platform says of a post, and lets the followers of its author know when it is new.
pub fn post(tx: &mut Tx, instance: &Instance, seen: &SeenPost, now: Timestamp) -> Result<Object, storage::Error> {
    let is_native = seen.object.platform() == Platform::Fediverse;
    // A like of our own proxy is a like of what it stands for.
    if is_native
        && let Some(own) = instance.parse_object_uri(seen.object.object())
        && let Some(known) = identities::object_by_ref(tx, &own)?
    {
        return Ok(known);
    }
    if is_native
        && seen.owner.is_none()
        && let Some(known) = identities::object_by_ref(tx, &seen.object)?.filter(|known| known.owner_id.is_some())
    {
        return Ok(known);
    }
    let owner = match &seen.owner {
        // What a post says of its author is less than the author says.
        Some(owner) if is_native => match identities::identity_by_external_id(tx, &owner.external_id)? {
            Some(known) => Some(known),
            None => Some(identity(tx, instance, owner, now)?),
        },
        Some(owner) => Some(identity(tx, instance, owner, now)?),
        None => None,
    };
    let seen = SeenObject {
        object: seen.object.clone(),
        owner: owner.as_ref().map(|owner| owner.id),
        title: seen.title.clone(),
        url: seen.url.clone(),
        published_at: seen.published_at,
    };
    let (object, is_new) = identities::save_object(tx, &seen, now)?;
    let owner = owner.filter(|owner| is_new && !owner.is_refused);
    if let Some(actor) = owner.and_then(|owner| owner.actor_id)
        && inbox::count_followers(tx, ActorId(actor))? > 0
    {
        outbox::push_event(tx, "create", &object.id.to_string(), now)?;
    }
    Ok(object)
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
pub fn author(
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
