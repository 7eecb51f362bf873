//! Whose posts are read, when, and how far a reading has come.
//!
//! Owns the rows of passes over an account's own listing, as [`super::connections`] does for likes.

use diesel::dsl::count_star;
use diesel::prelude::*;

use super::identities::Identity;
use super::schema::feeds;
use super::{Result, Tx, storable};
use crate::domain::id::IdentityId;
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;

/// Before the first page of a pass: everything is still to be read.
pub const NOTHING_READ: i64 = i64::MAX;

/// An account whose posts are read, with the pass that is under way.
#[derive(Clone, Debug, Queryable)]
pub struct Feed {
    #[diesel(deserialize_as = i64)]
    pub identity_id: IdentityId,
    pub platform: String,
    pub begun_at: i64,
    pub baseline_at: Option<i64>,
    pub full_at: Option<i64>,
    pub next_poll_at: i64,
    pub last_success_at: Option<i64>,
    pub last_error: Option<String>,
    pub failures: i64,
    pub pass_number: i64,
    pub pass_kind: Option<String>,
    pub pass_started_at: i64,
    pub cursor: Option<String>,
    pub pages: i64,
    pub unreadable: i64,
    pub read_to: Option<i64>,
}

pub fn feed(tx: &mut Tx, identity: IdentityId) -> Result<Option<Feed>> {
    Ok(both!(tx, |db| feeds::table.find(identity.0).first(db).optional())?)
}

/// Begins to read an account's posts; one that is read already is read next.
///
/// - `whole`: its listing is to be read to the end, although it was before.
pub fn begin(tx: &mut Tx, identity: &Identity, whole: bool, now: Timestamp) -> Result<()> {
    both!(tx, |db| diesel::insert_into(feeds::table)
        .values((
            feeds::identity_id.eq(identity.id.0),
            feeds::platform.eq(&identity.platform),
            feeds::begun_at.eq(now.micros()),
            feeds::next_poll_at.eq(now.micros()),
            feeds::failures.eq(0),
            feeds::pass_number.eq(0),
            feeds::pass_started_at.eq(0),
            feeds::pages.eq(0),
            feeds::unreadable.eq(0),
        ))
        .on_conflict_do_nothing()
        .execute(db))?;
    if whole {
        let never: Option<i64> = None;
        let no_pass: Option<String> = None;
        both!(tx, |db| diesel::update(feeds::table.find(identity.id.0))
            .set((
                feeds::full_at.eq(never),
                feeds::pass_kind.eq(no_pass.clone()),
                feeds::cursor.eq(no_pass),
                feeds::next_poll_at.eq(now.micros()),
            ))
            .execute(db))?;
    }
    Ok(())
}

pub fn end(tx: &mut Tx, identity: IdentityId) -> Result<()> {
    both!(tx, |db| diesel::delete(feeds::table.find(identity.0)).execute(db))?;
    Ok(())
}

/// Feeds of one platform that are due, the one that has waited longest first.
pub fn due(tx: &mut Tx, platform: Platform, now: Timestamp, limit: i64) -> Result<Vec<Feed>> {
    Ok(both!(tx, |db| feeds::table
        .filter(feeds::platform.eq(platform.slug()))
        .filter(feeds::next_poll_at.le(now.micros()))
        .order((feeds::next_poll_at, feeds::identity_id))
        .limit(limit)
        .load(db))?)
}

/// How many feeds are due, by platform.
pub fn due_by_platform(tx: &mut Tx, now: Timestamp) -> Result<Vec<(String, i64)>> {
    Ok(both!(tx, |db| feeds::table
        .filter(feeds::next_poll_at.le(now.micros()))
        .group_by(feeds::platform)
        .select((feeds::platform, count_star()))
        .load(db))?)
}

/// Begins a pass with the next number.
pub fn begin_pass(tx: &mut Tx, identity: IdentityId, kind: &str, now: Timestamp) -> Result<Feed> {
    let no_cursor: Option<String> = None;
    Ok(both!(tx, |db| diesel::update(feeds::table.find(identity.0))
        .set((
            feeds::pass_number.eq(feeds::pass_number + 1),
            feeds::pass_kind.eq(Some(kind)),
            feeds::pass_started_at.eq(now.micros()),
            feeds::cursor.eq(no_cursor),
            feeds::pages.eq(0),
            feeds::unreadable.eq(0),
            feeds::read_to.eq(Some(NOTHING_READ)),
        ))
        .get_result(db))?)
}

/// Stores how far a pass has come.
pub fn save_pass(tx: &mut Tx, feed: &Feed) -> Result<()> {
    both!(tx, |db| diesel::update(feeds::table.find(feed.identity_id.0))
        .set((
            feeds::cursor.eq(feed.cursor.as_deref()),
            feeds::pages.eq(feed.pages),
            feeds::unreadable.eq(feed.unreadable),
            feeds::read_to.eq(feed.read_to),
        ))
        .execute(db))?;
    Ok(())
}

/// Ends the pass that is under way.
///
/// - `baseline_at`, `full_at`: as they are from now on.
pub fn end_pass(tx: &mut Tx, identity: IdentityId, baseline_at: Option<i64>, full_at: Option<i64>) -> Result<()> {
    let none: Option<String> = None;
    both!(tx, |db| diesel::update(feeds::table.find(identity.0))
        .set((
            feeds::pass_kind.eq(none.clone()),
            feeds::cursor.eq(none),
            feeds::baseline_at.eq(baseline_at),
            feeds::full_at.eq(full_at),
        ))
        .execute(db))?;
    Ok(())
}

/// Ends a poll in which everything went well.
pub fn save_success(
    tx: &mut Tx,
    identity: IdentityId,
    at: Timestamp,
    next: Timestamp,
    note: Option<&str>,
) -> Result<()> {
    both!(tx, |db| diesel::update(feeds::table.find(identity.0))
        .set((
            feeds::next_poll_at.eq(next.micros()),
            feeds::last_success_at.eq(at.micros()),
            feeds::last_error.eq(note),
            feeds::failures.eq(0),
        ))
        .execute(db))?;
    Ok(())
}

/// Puts a poll off. A pass that is under way stays.
pub fn postpone(tx: &mut Tx, identity: IdentityId, next: Timestamp, error: &str) -> Result<()> {
    both!(tx, |db| diesel::update(feeds::table.find(identity.0))
        .set((
            feeds::next_poll_at.eq(next.micros()),
            feeds::last_error.eq(storable(error)),
            feeds::failures.eq(feeds::failures + 1),
        ))
        .execute(db))?;
    Ok(())
}

pub fn set_next_poll(tx: &mut Tx, identity: IdentityId, at: Timestamp) -> Result<()> {
    both!(tx, |db| diesel::update(feeds::table.find(identity.0)).set(feeds::next_poll_at.eq(at.micros())).execute(db))?;
    Ok(())
}

/// Lets all feeds of a platform wait: they share one allowance.
pub fn pause_platform(tx: &mut Tx, platform: Platform, until: Timestamp) -> Result<()> {
    both!(tx, |db| diesel::update(feeds::table)
        .filter(feeds::platform.eq(platform.slug()))
        .filter(feeds::next_poll_at.lt(until.micros()))
        .set(feeds::next_poll_at.eq(until.micros()))
        .execute(db))?;
    Ok(())
}
