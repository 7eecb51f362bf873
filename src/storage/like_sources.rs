//! Accounts of the fediverse whose likes count at a peer, and how their likes were sent.
//!
//! Owns no decision: whose source an account is decides [`crate::flows::like_source`].

use diesel::dsl::exists;
use diesel::prelude::*;
use diesel::select;

use super::schema::{inbox_envelopes, like_sources};
use super::{Result, Tx, storable};
use crate::domain::time::Timestamp;

/// An account as a peer announced it.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct LikeSource {
    pub account: String,
    pub home_uri: String,
    /// Stands in the profile of the account when the peer is right.
    pub backlink: String,
    /// `waiting`, `proved` or `failed`.
    pub state: String,
    pub attempts: i64,
    pub next_at: i64,
    pub last_error: Option<String>,
}

/// Notes what a peer announced; what is announced again is looked at again.
pub fn announce(tx: &mut Tx, account: &str, home_uri: &str, backlink: &str, now: Timestamp) -> Result<()> {
    let values = (
        like_sources::backlink.eq(backlink),
        like_sources::state.eq("waiting"),
        like_sources::attempts.eq(0),
        like_sources::next_at.eq(now.micros()),
    );
    both!(tx, |db| diesel::insert_into(like_sources::table)
        .values((like_sources::account.eq(account), like_sources::home_uri.eq(home_uri), values))
        .on_conflict((like_sources::account, like_sources::home_uri))
        .do_update()
        .set(values)
        .execute(db))?;
    Ok(())
}

/// Those that wait to be checked.
pub fn due(tx: &mut Tx, now: Timestamp, limit: i64) -> Result<Vec<LikeSource>> {
    Ok(both!(tx, |db| like_sources::table
        .filter(like_sources::state.eq("waiting"))
        .filter(like_sources::next_at.le(now.micros()))
        .order((like_sources::next_at, like_sources::account))
        .limit(limit)
        .load(db))?)
}

pub fn count_due(tx: &mut Tx, now: Timestamp) -> Result<i64> {
    Ok(both!(tx, |db| like_sources::table
        .filter(like_sources::state.eq("waiting"))
        .filter(like_sources::next_at.le(now.micros()))
        .count()
        .get_result(db))?)
}

/// What the peers say of one account.
pub fn of_account(tx: &mut Tx, account: &str) -> Result<Vec<LikeSource>> {
    Ok(both!(tx, |db| like_sources::table
        .filter(like_sources::account.eq(account))
        .order(like_sources::home_uri)
        .load(db))?)
}

/// Whether any peer says that likes of this account count there.
pub fn is_announced(tx: &mut Tx, account: &str) -> Result<bool> {
    Ok(both!(tx, |db| select(exists(
        like_sources::table.filter(like_sources::account.eq(account)).filter(like_sources::state.ne("failed"))
    ))
    .get_result(db))?)
}

pub fn set_state(tx: &mut Tx, source: &LikeSource, state: &str) -> Result<()> {
    let none: Option<String> = None;
    both!(tx, |db| diesel::update(like_sources::table.find((&source.account, &source.home_uri)))
        .set((like_sources::state.eq(state), like_sources::last_error.eq(none)))
        .execute(db))?;
    Ok(())
}

/// The profile could not be read: it is asked for again, or given up.
pub fn postpone(tx: &mut Tx, source: &LikeSource, state: &str, reason: &str, next_at: Timestamp) -> Result<()> {
    both!(tx, |db| diesel::update(like_sources::table.find((&source.account, &source.home_uri)))
        .set((
            like_sources::state.eq(state),
            like_sources::attempts.eq(like_sources::attempts + 1),
            like_sources::next_at.eq(next_at.micros()),
            like_sources::last_error.eq(storable(reason)),
        ))
        .execute(db))?;
    Ok(())
}

/// Keeps how an activity was sent.
pub fn save_envelope(tx: &mut Tx, inbox: i64, envelope: &str) -> Result<()> {
    both!(tx, |db| diesel::insert_into(inbox_envelopes::table)
        .values((inbox_envelopes::inbox_id.eq(inbox), inbox_envelopes::envelope.eq(envelope)))
        .on_conflict_do_nothing()
        .execute(db))?;
    Ok(())
}

pub fn envelope(tx: &mut Tx, inbox: i64) -> Result<Option<String>> {
    Ok(both!(tx, |db| inbox_envelopes::table.find(inbox).select(inbox_envelopes::envelope).first(db).optional())?)
}
