//! The fediverse as a platform: what its servers know this instance as, and posts whose authors are looked for.
//!
//! Owns that an app is kept sealed, and that a post is asked for only while a flattr or a share of it waits for its author.

use diesel::dsl::{exists, not};
use diesel::prelude::*;

use super::schema::{author_looks, fediverse_apps, flattrs, objects, shares};
use super::{Result, Tx, storable};
use crate::domain::flattr::Standing;
use crate::domain::id::ObjectId;
use crate::domain::identity::Platform;
use crate::domain::time::{Month, Timestamp};
use crate::storage::identities::Object;
use crate::storage::months::Outcome;

/// The sealed app of this instance at a server.
pub fn app(tx: &mut Tx, server: &str) -> Result<Option<String>> {
    Ok(both!(tx, |db| fediverse_apps::table.find(server).select(fediverse_apps::sealed).first(db).optional())?)
}

/// Keeps an app in the place of an earlier one at the same server.
pub fn save_app(tx: &mut Tx, server: &str, sealed: &str, now: Timestamp) -> Result<()> {
    let values = (fediverse_apps::sealed.eq(sealed), fediverse_apps::registered_at.eq(now.micros()));
    both!(tx, |db| diesel::insert_into(fediverse_apps::table)
        .values((fediverse_apps::server.eq(server), values))
        .on_conflict(fediverse_apps::server)
        .do_update()
        .set(values)
        .execute(db))?;
    Ok(())
}

/// Posts of the fediverse without a known author, for which flattrs of an open month count or shares wait, and that are
/// due.
pub fn posts_without_author(tx: &mut Tx, open_since: Month, now: Timestamp, limit: i64) -> Result<Vec<Object>> {
    Ok(both!(tx, |db| objects::table
        .filter(objects::platform.eq(Platform::Fediverse.slug()))
        .filter(objects::owner_id.is_null())
        .filter(objects::is_deleted.eq(false))
        .filter(
            exists(
                flattrs::table
                    .filter(flattrs::object_id.eq(objects::id))
                    .filter(flattrs::standing.eq(Standing::Counting.as_str()))
                    .filter(flattrs::month.ge(open_since.to_string())),
            )
            .or(objects::id.eq_any(
                shares::table
                    .inner_join(flattrs::table)
                    .filter(shares::identity_id.is_null())
                    .filter(shares::outcome.eq(Outcome::Held.as_str()))
                    .select(flattrs::object_id),
            )),
        )
        .filter(not(exists(
            author_looks::table
                .filter(author_looks::object_id.eq(objects::id))
                .filter(author_looks::next_at.gt(now.micros())),
        )))
        .order(objects::id)
        .limit(limit)
        .load(db))?)
}

/// How often the server of a post was asked in vain.
pub fn attempts(tx: &mut Tx, object: ObjectId) -> Result<i64> {
    let found =
        both!(tx, |db| author_looks::table.find(object.0).select(author_looks::attempts).first::<i64>(db).optional())?;
    Ok(found.unwrap_or(0))
}

/// Notes that a server did not name the author of a post, and when it is asked again.
pub fn save_failed_look(tx: &mut Tx, object: ObjectId, reason: &str, next_at: Timestamp) -> Result<()> {
    let (reason, next_at) = (storable(reason), next_at.micros());
    both!(tx, |db| diesel::insert_into(author_looks::table)
        .values((
            author_looks::object_id.eq(object.0),
            author_looks::attempts.eq(1),
            author_looks::next_at.eq(next_at),
            author_looks::last_error.eq(&reason),
        ))
        .on_conflict(author_looks::object_id)
        .do_update()
        .set((
            author_looks::attempts.eq(author_looks::attempts + 1),
            author_looks::next_at.eq(next_at),
            author_looks::last_error.eq(&reason),
        ))
        .execute(db))?;
    Ok(())
}

/// The author of a post is known: nothing is asked any more.
pub fn end_look(tx: &mut Tx, object: ObjectId) -> Result<()> {
    both!(tx, |db| diesel::delete(author_looks::table.find(object.0)).execute(db))?;
    Ok(())
}

/// The counting flattrs for one post in a month and after.
pub fn counting_for(tx: &mut Tx, object: ObjectId, since: Month) -> Result<Vec<i64>> {
    Ok(both!(tx, |db| flattrs::table
        .filter(flattrs::object_id.eq(object.0))
        .filter(flattrs::month.ge(since.to_string()))
        .filter(flattrs::standing.eq(Standing::Counting.as_str()))
        .order(flattrs::id)
        .select(flattrs::id)
        .load(db))?)
}
