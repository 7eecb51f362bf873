//! The inbox: raw bytes first, processing later, nothing acknowledged is lost.
//!
//! Owns receiving once: one row for an activity id, with the digest of the first body that came under it.

use diesel::dsl::count_star;
use diesel::prelude::*;

use super::schema::{follows, inbox};
use super::{Result, Tx, storable};
use crate::domain::id::ActorId;
use crate::domain::time::Timestamp;

/// An activity that passed the gate.
#[derive(Debug, Clone)]
pub struct Received {
    pub activity_uri: String,
    pub digest: String,
    pub signer_uri: String,
    pub body: String,
    pub received_at: Timestamp,
    pub about: About,
}

/// What an activity can change, as far as anybody waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// A like or its undoing: a freeze waits for it.
    Likes,
    /// A message of a channel: a statement's end waits for it, and no month does.
    Settlement,
    Other,
}

impl About {
    const fn as_str(self) -> &'static str {
        match self {
            About::Likes => "like",
            About::Settlement => "settlement",
            About::Other => "other",
        }
    }
}

/// What the inbox says to an activity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    New,
    /// The same bytes came before.
    Repeat,
    /// Other bytes came before under this id; the first body stays.
    Differs {
        first_body: String,
    },
}

#[derive(Debug, Clone, Queryable)]
pub struct InboxRow {
    pub id: i64,
    pub activity_uri: String,
    pub digest: String,
    pub signer_uri: String,
    pub body: String,
    pub received_at: i64,
    pub state: String,
    pub outcome: Option<String>,
    pub attempts: i64,
    pub next_at: i64,
    pub kind: String,
}

impl InboxRow {
    pub fn is_settlement(&self) -> bool {
        self.kind == About::Settlement.as_str()
    }
}

pub fn store(tx: &mut Tx, received: &Received) -> Result<Stored> {
    let inserted = both!(tx, |db| diesel::insert_into(inbox::table)
        .values((
            inbox::activity_uri.eq(&received.activity_uri),
            inbox::digest.eq(&received.digest),
            inbox::signer_uri.eq(&received.signer_uri),
            inbox::body.eq(&received.body),
            inbox::received_at.eq(received.received_at.micros()),
            inbox::state.eq("new"),
            inbox::attempts.eq(0),
            inbox::next_at.eq(received.received_at.micros()),
            inbox::kind.eq(received.about.as_str()),
        ))
        .on_conflict_do_nothing()
        .execute(db))?;
    if inserted == 1 {
        return Ok(Stored::New);
    }
    let (digest, first_body): (String, String) = both!(tx, |db| inbox::table
        .filter(inbox::activity_uri.eq(&received.activity_uri))
        .select((inbox::digest, inbox::body))
        .first(db))?;
    Ok(if digest == received.digest { Stored::Repeat } else { Stored::Differs { first_body } })
}

/// As [`store`], and keeps how a new one was sent, for an activity whose signature another instance will have to verify.
pub fn store_with_envelope(tx: &mut Tx, received: &Received, envelope: Option<&str>) -> Result<Stored> {
    let stored = store(tx, received)?;
    if let (Stored::New, Some(envelope)) = (&stored, envelope) {
        let id: i64 = both!(tx, |db| inbox::table
            .filter(inbox::activity_uri.eq(&received.activity_uri))
            .select(inbox::id)
            .first(db))?;
        super::like_sources::save_envelope(tx, id, envelope)?;
    }
    Ok(stored)
}

/// The rows that wait to be processed, oldest first.
pub fn due(tx: &mut Tx, now: Timestamp, limit: i64) -> Result<Vec<InboxRow>> {
    Ok(both!(tx, |db| inbox::table
        .filter(inbox::state.eq("new"))
        .filter(inbox::next_at.le(now.micros()))
        .order(inbox::id)
        .limit(limit)
        .load(db))?)
}

/// Ends a row, once. `false` when another worker ended it: then nothing of this transaction may stay.
pub fn finish(tx: &mut Tx, id: i64, state: &str, outcome: &str) -> Result<bool> {
    let changed = both!(tx, |db| diesel::update(inbox::table.find(id))
        .filter(inbox::state.eq("new"))
        .set((inbox::state.eq(state), inbox::outcome.eq(storable(outcome))))
        .execute(db))?;
    Ok(changed == 1)
}

/// Notes a failed attempt and when to try again.
pub fn postpone(tx: &mut Tx, id: i64, reason: &str, next_at: Timestamp) -> Result<()> {
    both!(tx, |db| diesel::update(inbox::table.find(id))
        .filter(inbox::state.eq("new"))
        .set((
            inbox::outcome.eq(storable(reason)),
            inbox::attempts.eq(inbox::attempts + 1),
            inbox::next_at.eq(next_at.micros()),
        ))
        .execute(db))?;
    Ok(())
}

/// Looks again at a message that was set aside, because its sender repeats it; it may have come at a bad time.
///
/// - returns: whether there was one.
pub fn revive(tx: &mut Tx, activity_uri: &str, body: &str, now: Timestamp) -> Result<bool> {
    let changed = both!(tx, |db| diesel::update(inbox::table)
        .filter(inbox::activity_uri.eq(activity_uri))
        .filter(inbox::state.eq("quarantined"))
        .set((inbox::state.eq("new"), inbox::body.eq(body), inbox::attempts.eq(0), inbox::next_at.eq(now.micros()),))
        .execute(db))?;
    Ok(changed == 1)
}

/// Makes what waits from one host due now. Says how many rows.
pub fn retry_now(tx: &mut Tx, host: &str, now: Timestamp) -> Result<usize> {
    let from_host = |scheme: &str| format!("{scheme}://{}/%", host.replace(['%', '_', '\\'], ""));
    Ok(both!(tx, |db| diesel::update(inbox::table)
        .filter(inbox::state.eq("new"))
        .filter(inbox::signer_uri.like(from_host("https")).or(inbox::signer_uri.like(from_host("http"))))
        .set(inbox::next_at.eq(now.micros()))
        .execute(db))?)
}

/// Makes what waits from one sender due now: what it waited for may be here.
pub fn wake(tx: &mut Tx, signer_uri: &str, now: Timestamp) -> Result<()> {
    both!(tx, |db| diesel::update(inbox::table)
        .filter(inbox::signer_uri.eq(signer_uri))
        .filter(inbox::state.eq("new"))
        .filter(inbox::kind.eq(About::Settlement.as_str()))
        .set(inbox::next_at.eq(now.micros()))
        .execute(db))?;
    Ok(())
}

/// Whether a message of a channel that this actor sent until then is still to be heard.
pub fn is_unheard(tx: &mut Tx, signer_uri: &str, until: Timestamp) -> Result<bool> {
    let waiting: i64 = both!(tx, |db| inbox::table
        .filter(inbox::signer_uri.eq(signer_uri))
        .filter(inbox::state.eq("new"))
        .filter(inbox::kind.eq_any([About::Settlement.as_str(), ""]))
        .filter(inbox::received_at.le(until.micros()))
        .select(count_star())
        .first(db))?;
    Ok(waiting > 0)
}

/// How many likes and undoings that came before `before` are not processed yet. A freeze waits for them, and for nothing
/// else: a message of a channel may wait for ever for what its sender never sends.
pub fn open_before(tx: &mut Tx, before: Timestamp) -> Result<i64> {
    Ok(both!(tx, |db| inbox::table
        .filter(inbox::state.eq("new"))
        .filter(inbox::kind.eq_any([About::Likes.as_str(), ""]))
        .filter(inbox::received_at.lt(before.micros()))
        .select(count_star())
        .first(db))?)
}

pub fn count_by_state(tx: &mut Tx) -> Result<Vec<(String, i64)>> {
    Ok(both!(tx, |db| inbox::table
        .group_by(inbox::state)
        .select((inbox::state, count_star()))
        .order(inbox::state)
        .load(db))?)
}

/// How many rows wait and are due.
pub fn count_due(tx: &mut Tx, now: Timestamp) -> Result<i64> {
    Ok(both!(tx, |db| inbox::table
        .filter(inbox::state.eq("new"))
        .filter(inbox::next_at.le(now.micros()))
        .select(count_star())
        .first(db))?)
}

/// The body of an activity, as it came.
pub fn body_of(tx: &mut Tx, activity_uri: &str) -> Result<Option<String>> {
    Ok(both!(tx, |db| inbox::table
        .filter(inbox::activity_uri.eq(activity_uri))
        .select(inbox::body)
        .first(db)
        .optional())?)
}

pub fn row(tx: &mut Tx, id: i64) -> Result<Option<InboxRow>> {
    Ok(both!(tx, |db| inbox::table.find(id).first(db).optional())?)
}

/// The newest rows, for the operator.
pub fn newest(tx: &mut Tx, limit: i64) -> Result<Vec<InboxRow>> {
    Ok(both!(tx, |db| inbox::table.order(inbox::id.desc()).limit(limit).load(db))?)
}

#[derive(Debug, Clone, Queryable)]
pub struct Follow {
    pub id: i64,
    pub follower_uri: String,
    pub follower_inbox: String,
    #[diesel(deserialize_as = i64)]
    pub followee_id: ActorId,
    pub follow_uri: String,
    pub created_at: i64,
}

/// Records a follow. A repeat replaces the id of the Follow and is answered again.
pub fn save_follow(
    tx: &mut Tx,
    followee: ActorId,
    follower_uri: &str,
    follower_inbox: &str,
    follow_uri: &str,
    now: Timestamp,
) -> Result<()> {
    both!(tx, |db| diesel::insert_into(follows::table)
        .values((
            follows::follower_uri.eq(follower_uri),
            follows::follower_inbox.eq(follower_inbox),
            follows::followee_id.eq(followee.0),
            follows::follow_uri.eq(follow_uri),
            follows::created_at.eq(now.micros()),
        ))
        .on_conflict((follows::followee_id, follows::follower_uri))
        .do_update()
        .set((follows::follow_uri.eq(follow_uri), follows::follower_inbox.eq(follower_inbox)))
        .execute(db))?;
    Ok(())
}

/// Ends a follow. Says whether there was one.
pub fn end_follow(tx: &mut Tx, followee: ActorId, follower_uri: &str) -> Result<bool> {
    let deleted = both!(tx, |db| diesel::delete(follows::table)
        .filter(follows::followee_id.eq(followee.0))
        .filter(follows::follower_uri.eq(follower_uri))
        .execute(db))?;
    Ok(deleted == 1)
}

/// Ends all follows of an actor that is gone.
pub fn end_follows_of(tx: &mut Tx, followee: ActorId) -> Result<usize> {
    Ok(both!(tx, |db| diesel::delete(follows::table.filter(follows::followee_id.eq(followee.0))).execute(db))?)
}

pub fn follow_by_uri(tx: &mut Tx, follow_uri: &str) -> Result<Option<Follow>> {
    Ok(both!(tx, |db| follows::table.filter(follows::follow_uri.eq(follow_uri)).first(db).optional())?)
}

pub fn followers(tx: &mut Tx, followee: ActorId) -> Result<Vec<Follow>> {
    Ok(both!(tx, |db| follows::table.filter(follows::followee_id.eq(followee.0)).order(follows::id).load(db))?)
}

pub fn count_followers(tx: &mut Tx, followee: ActorId) -> Result<i64> {
    Ok(both!(tx, |db| follows::table.filter(follows::followee_id.eq(followee.0)).select(count_star()).first(db))?)
}
