//! Accounts of the fediverse whose likes count at a peer, how their likes were sent, and what accounts of patrons gave here.
//!
//! Owns no decision: whose source an account is decides [`crate::flows::like_source`].

use diesel::dsl::{exists, not};
use diesel::prelude::*;
use diesel::select;

use super::schema::{given_likes, inbox_envelopes, like_sources, undone_likes};
use super::{Result, Tx, storable};
use crate::domain::id::{ObjectId, PatronId};
use crate::domain::time::Timestamp;

/// An account as a peer announced it.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct LikeSource {
    pub account: String,
    pub home_uri: String,
    /// Stands in the profile of the account when the peer is right.
    pub backlink: String,
    /// `waiting`, `proved`, or `failed`: named by the peer, and not shown by the profile.
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

/// A peer says that an account is nobody's there any more. Says whether it had named it.
pub fn withdraw(tx: &mut Tx, account: &str, home_uri: &str, backlink: &str) -> Result<bool> {
    let count = both!(tx, |db| diesel::delete(like_sources::table.find((account, home_uri)))
        .filter(like_sources::backlink.eq(backlink))
        .execute(db))?;
    Ok(count > 0)
}

/// Those whose profiles are to be read, again or for the first time.
pub fn due(tx: &mut Tx, now: Timestamp, limit: i64) -> Result<Vec<LikeSource>> {
    Ok(both!(tx, |db| like_sources::table
        .filter(like_sources::next_at.le(now.micros()))
        .order((like_sources::next_at, like_sources::account))
        .limit(limit)
        .load(db))?)
}

pub fn count_due(tx: &mut Tx, now: Timestamp) -> Result<i64> {
    Ok(both!(tx, |db| like_sources::table.filter(like_sources::next_at.le(now.micros())).count().get_result(db))?)
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

/// Notes what the profile said.
///
/// - `next_at`: when it is read again.
pub fn set_state(tx: &mut Tx, source: &LikeSource, state: &str, next_at: Timestamp) -> Result<()> {
    let none: Option<String> = None;
    both!(tx, |db| diesel::update(like_sources::table.find((&source.account, &source.home_uri)))
        .set((
            like_sources::state.eq(state),
            like_sources::attempts.eq(0),
            like_sources::next_at.eq(next_at.micros()),
            like_sources::last_error.eq(none),
        ))
        .execute(db))?;
    Ok(())
}

/// The profile could not be read, which says nothing: it is asked for again.
pub fn postpone(tx: &mut Tx, source: &LikeSource, reason: &str, next_at: Timestamp) -> Result<()> {
    both!(tx, |db| diesel::update(like_sources::table.find((&source.account, &source.home_uri)))
        .set((
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

/// A like that an account of a patron gave by itself.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Given {
    pub like_uri: String,
    pub actor_uri: String,
    #[diesel(deserialize_as = i64)]
    pub patron_id: PatronId,
    #[diesel(deserialize_as = i64)]
    pub object_id: ObjectId,
    /// When it was seen first, here or by a peer.
    pub given_at: i64,
}

/// Keeps such a like, once.
pub fn save_given(
    tx: &mut Tx,
    (like_uri, actor_uri): (&str, &str),
    patron: PatronId,
    object: ObjectId,
    at: Timestamp,
) -> Result<()> {
    both!(tx, |db| diesel::insert_into(given_likes::table)
        .values((
            given_likes::like_uri.eq(like_uri),
            given_likes::actor_uri.eq(actor_uri),
            given_likes::patron_id.eq(patron.0),
            given_likes::object_id.eq(object.0),
            given_likes::given_at.eq(at.micros()),
        ))
        .on_conflict_do_nothing()
        .execute(db))?;
    Ok(())
}

/// The like of an account under an id.
pub fn given(tx: &mut Tx, like_uri: &str, actor_uri: &str) -> Result<Option<Given>> {
    Ok(both!(tx, |db| given_likes::table.find((like_uri, actor_uri)).first(db).optional())?)
}

/// Whether the same account has liked the same post for the same patron after this like, and has not undone that.
pub fn has_newer(tx: &mut Tx, like: &Given) -> Result<bool> {
    Ok(both!(tx, |db| select(exists(
        given_likes::table
            .filter(given_likes::object_id.eq(like.object_id.0))
            .filter(given_likes::patron_id.eq(like.patron_id.0))
            .filter(given_likes::actor_uri.eq(&like.actor_uri))
            .filter(given_likes::given_at.gt(like.given_at))
            .filter(not(exists(
                undone_likes::table
                    .filter(undone_likes::like_uri.eq(given_likes::like_uri))
                    .filter(undone_likes::actor_uri.eq(given_likes::actor_uri)),
            ))),
    ))
    .get_result(db))?)
}
