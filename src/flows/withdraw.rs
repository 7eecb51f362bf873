//! Withdrawing: a post that its platform does not show any more is gone here too, and may come back.
//!
//! Owns what goes with it: flattrs that are not divided yet stop counting, followers are told, and its text is forgotten.
//! What was divided before is settled.

use crate::domain::id::ObjectId;
use crate::domain::time::Timestamp;
use crate::flows::{flattr, notice};
use crate::storage::{self, Tx, identities, posts};

/// A post is gone. Says how many flattrs count no more; `None` when it was gone before.
pub fn withdraw(tx: &mut Tx, object: ObjectId, now: Timestamp) -> Result<Option<usize>, storage::Error> {
    let Some(object) = identities::object(tx, object)?.filter(|object| !object.is_deleted) else { return Ok(None) };
    posts::set_deleted(tx, object.id, now)?;
    let stopped = flattr::object_gone(tx, object.id, now)?;
    if let Some(owner) = object.owner() {
        notice::tell_followers(tx, owner, "delete", object.id.0, now)?;
    }
    Ok(Some(stopped))
}

/// A post that was gone is on its platform. Says how many flattrs count again; `None` when it was not gone.
pub fn restore(tx: &mut Tx, object: ObjectId, now: Timestamp) -> Result<Option<usize>, storage::Error> {
    let Some(mut object) = identities::object(tx, object)?.filter(|object| object.is_deleted) else { return Ok(None) };
    posts::set_restored(tx, object.id)?;
    object.is_deleted = false;
    let again = flattr::object_back(tx, &object, now)?;
    let was_said = posts::details(tx, object.id)?.is_some_and(|details| details.said_at.is_some());
    if let Some(owner) = object.owner().filter(|_| was_said) {
        notice::tell_followers(tx, owner, "create", object.id.0, now)?;
    }
    Ok(Some(again))
}
