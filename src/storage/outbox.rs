//! The outbox: what is to be said (events), what was said (outgoing), and to whom it still must be brought (deliveries).
//!
//! Owns the order of deliveries: within one ordering key and inbox, the oldest first, the others wait.

use diesel::dsl::{count_star, exists, not};
use diesel::prelude::*;

use super::schema::{deliveries, outbox_events, outgoing};
use super::{Result, Tx, storable};
use crate::domain::id::ActorId;
use crate::domain::time::Timestamp;

#[derive(Debug, Clone, Queryable)]
pub struct Event {
    pub id: i64,
    pub kind: String,
    pub subject: String,
    pub created_at: i64,
    pub is_done: bool,
}

/// Notes that something is to be said; in the transaction of its effect.
pub fn push_event(tx: &mut Tx, kind: &str, subject: &str, now: Timestamp) -> Result<()> {
    both!(tx, |db| diesel::insert_into(outbox_events::table)
        .values((
            outbox_events::kind.eq(kind),
            outbox_events::subject.eq(subject),
            outbox_events::created_at.eq(now.micros()),
            outbox_events::is_done.eq(false),
        ))
        .execute(db))?;
    Ok(())
}

pub fn open_events(tx: &mut Tx, limit: i64) -> Result<Vec<Event>> {
    Ok(both!(tx, |db| outbox_events::table
        .filter(outbox_events::is_done.eq(false))
        .order(outbox_events::id)
        .limit(limit)
        .load(db))?)
}

/// Ends an event, once. `false` when another worker ended it.
pub fn finish_event(tx: &mut Tx, id: i64) -> Result<bool> {
    let changed = both!(tx, |db| diesel::update(outbox_events::table.find(id))
        .filter(outbox_events::is_done.eq(false))
        .set(outbox_events::is_done.eq(true))
        .execute(db))?;
    Ok(changed == 1)
}

#[derive(Debug, Clone, Queryable)]
pub struct Outgoing {
    pub id: i64,
    pub activity_uri: String,
    #[diesel(deserialize_as = i64)]
    pub actor_id: ActorId,
    pub activity_type: String,
    pub body: String,
    pub created_at: i64,
}

/// Stores what is said, once for its id. Returns the row's id, and whether it is new.
pub fn save_outgoing(
    tx: &mut Tx,
    activity_uri: &str,
    actor: ActorId,
    activity_type: &str,
    body: &str,
    now: Timestamp,
) -> Result<(i64, bool)> {
    let inserted: Option<i64> = both!(tx, |db| diesel::insert_into(outgoing::table)
        .values((
            outgoing::activity_uri.eq(activity_uri),
            outgoing::actor_id.eq(actor.0),
            outgoing::activity_type.eq(activity_type),
            outgoing::body.eq(body),
            outgoing::created_at.eq(now.micros()),
        ))
        .on_conflict_do_nothing()
        .returning(outgoing::id)
        .get_result(db)
        .optional())?;
    if let Some(id) = inserted {
        return Ok((id, true));
    }
    let id =
        both!(tx, |db| outgoing::table.filter(outgoing::activity_uri.eq(activity_uri)).select(outgoing::id).first(db))?;
    Ok((id, false))
}

pub fn outgoing(tx: &mut Tx, id: i64) -> Result<Option<Outgoing>> {
    Ok(both!(tx, |db| outgoing::table.find(id).first(db).optional())?)
}

pub fn outgoing_by_uri(tx: &mut Tx, activity_uri: &str) -> Result<Option<Outgoing>> {
    Ok(both!(tx, |db| outgoing::table.filter(outgoing::activity_uri.eq(activity_uri)).first(db).optional())?)
}

/// What an actor said to the public, newest first, before the row `before`.
pub fn outgoing_of(tx: &mut Tx, actor: ActorId, kind: &str, before: i64, limit: i64) -> Result<Vec<Outgoing>> {
    Ok(both!(tx, |db| outgoing::table
        .filter(outgoing::actor_id.eq(actor.0))
        .filter(outgoing::activity_type.eq(kind))
        .filter(outgoing::id.lt(before))
        .order(outgoing::id.desc())
        .limit(limit)
        .load(db))?)
}

pub fn count_outgoing_of(tx: &mut Tx, actor: ActorId, kind: &str) -> Result<i64> {
    Ok(both!(tx, |db| outgoing::table
        .filter(outgoing::actor_id.eq(actor.0))
        .filter(outgoing::activity_type.eq(kind))
        .select(count_star())
        .first(db))?)
}

#[derive(Debug, Clone, Queryable)]
pub struct Delivery {
    pub id: i64,
    pub outgoing_id: i64,
    pub inbox: String,
    pub host: String,
    pub class: String,
    pub ordering_key: String,
    pub state: String,
    pub attempts: i64,
    pub first_at: i64,
    pub next_at: i64,
    pub last_status: Option<i64>,
    pub last_error: Option<String>,
    pub lease_until: i64,
}

impl Delivery {
    /// Whether it carries a message about money, which is repeated until it is taken.
    pub fn is_settlement(&self) -> bool {
        self.class == "settlement"
    }
}

/// A delivery to be queued.
pub struct NewDelivery<'a> {
    pub outgoing: i64,
    pub inbox: &'a str,
    pub host: &'a str,
    pub class: &'a str,
    pub ordering_key: &'a str,
}

pub fn queue_delivery(tx: &mut Tx, delivery: &NewDelivery, now: Timestamp) -> Result<()> {
    both!(tx, |db| diesel::insert_into(deliveries::table)
        .values((
            deliveries::outgoing_id.eq(delivery.outgoing),
            deliveries::inbox.eq(delivery.inbox),
            deliveries::host.eq(delivery.host),
            deliveries::class.eq(delivery.class),
            deliveries::ordering_key.eq(delivery.ordering_key),
            deliveries::state.eq("waiting"),
            deliveries::attempts.eq(0),
            deliveries::first_at.eq(now.micros()),
            deliveries::next_at.eq(now.micros()),
            deliveries::lease_until.eq(0),
        ))
        .on_conflict_do_nothing()
        .execute(db))?;
    Ok(())
}

/// Deliveries that are due and not before an older one of their key and inbox; also those that a worker has in hand.
macro_rules! due {
    ($older:ident, $now:expr) => {
        deliveries::table.filter(deliveries::state.eq("waiting")).filter(deliveries::next_at.le($now)).filter(not(
            exists(
                $older
                    .filter($older.field(deliveries::ordering_key).eq(deliveries::ordering_key))
                    .filter($older.field(deliveries::inbox).eq(deliveries::inbox))
                    .filter($older.field(deliveries::state).eq("waiting"))
                    .filter($older.field(deliveries::id).lt(deliveries::id)),
            ),
        ))
    };
}

/// A worker's hold on deliveries. It is about whether a process lives, so it counts by the real clock.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    pub now: Timestamp,
    pub until: Timestamp,
}

/// Takes up to `limit` deliveries that are due and that nobody has in hand.
pub fn lease_due(tx: &mut Tx, now: Timestamp, lease: Lease, limit: i64) -> Result<Vec<Delivery>> {
    let older = diesel::alias!(deliveries as older);
    let (now, wall) = (now.micros(), lease.now.micros());
    macro_rules! candidates {
        () => {
            due!(older, now)
                .filter(deliveries::lease_until.le(wall))
                .order((deliveries::next_at, deliveries::id))
                .limit(limit)
                .select(deliveries::all_columns)
        };
    }
    let rows: Vec<Delivery> = match tx {
        Tx::Sqlite(db) => candidates!().load(*db)?,
        Tx::Postgres(db) => candidates!().for_update().skip_locked().load(*db)?,
    };
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    both!(tx, |db| diesel::update(deliveries::table)
        .filter(deliveries::id.eq_any(&ids))
        .set(deliveries::lease_until.eq(lease.until.micros()))
        .execute(db))?;
    Ok(rows)
}

/// How many deliveries are due or in hand; those that wait for an older one are not.
pub fn count_due(tx: &mut Tx, now: Timestamp) -> Result<i64> {
    let older = diesel::alias!(deliveries as older);
    let now = now.micros();
    Ok(both!(tx, |db| due!(older, now).select(count_star()).first(db))?)
}

/// Whether there is anything to take in hand.
pub fn has_due(tx: &mut Tx, now: Timestamp, wall: Timestamp) -> Result<bool> {
    let older = diesel::alias!(deliveries as older);
    let now = now.micros();
    let found: Option<i64> = both!(tx, |db| due!(older, now)
        .filter(deliveries::lease_until.le(wall.micros()))
        .select(deliveries::id)
        .first(db)
        .optional())?;
    Ok(found.is_some())
}

/// Why a delivery has ended that was not given up: what it brings is not to be said any more.
const WITHDRAWN: &str = "withdrawn";

/// Writes down how an attempt ended.
pub struct Attempt<'a> {
    pub state: &'a str,
    pub next_at: Timestamp,
    pub status: Option<i64>,
    pub error: Option<&'a str>,
}

/// How an attempt ended. One that was withdrawn while it was under way is not tried again.
pub fn save_attempt(tx: &mut Tx, id: i64, attempt: &Attempt) -> Result<()> {
    both!(tx, |db| diesel::update(deliveries::table.find(id))
        .filter(deliveries::last_error.is_null().or(deliveries::last_error.ne(WITHDRAWN)))
        .set((
            deliveries::state.eq(attempt.state),
            deliveries::attempts.eq(deliveries::attempts + 1),
            deliveries::next_at.eq(attempt.next_at.micros()),
            deliveries::last_status.eq(attempt.status),
            deliveries::last_error.eq(attempt.error.map(storable)),
            deliveries::lease_until.eq(0),
        ))
        .execute(db))?;
    Ok(())
}

/// Ends what still waits of one activity, because something else is said in its place.
pub fn cancel_waiting(tx: &mut Tx, activity_uri: &str) -> Result<usize> {
    let Some(row) = outgoing_by_uri(tx, activity_uri)? else { return Ok(0) };
    Ok(both!(tx, |db| diesel::update(deliveries::table)
        .filter(deliveries::outgoing_id.eq(row.id))
        .filter(deliveries::state.eq("waiting"))
        .set((deliveries::state.eq("dead"), deliveries::last_error.eq(WITHDRAWN)))
        .execute(db))?)
}

/// Ends what still waits of all that an actor said.
pub fn cancel_waiting_of(tx: &mut Tx, actor: ActorId) -> Result<usize> {
    Ok(both!(tx, |db| diesel::update(deliveries::table)
        .filter(
            deliveries::outgoing_id.eq_any(outgoing::table.filter(outgoing::actor_id.eq(actor.0)).select(outgoing::id))
        )
        .filter(deliveries::state.eq("waiting"))
        .set((deliveries::state.eq("dead"), deliveries::last_error.eq(WITHDRAWN)))
        .execute(db))?)
}

/// Takes an activity out of the list of what its actor said to the public.
pub fn unlist(tx: &mut Tx, activity_uri: &str) -> Result<()> {
    both!(tx, |db| diesel::update(outgoing::table.filter(outgoing::activity_uri.eq(activity_uri)))
        .set(outgoing::activity_type.eq("Withdrawn"))
        .execute(db))?;
    Ok(())
}

/// Makes every delivery to a host due now that has not arrived, also those given up: the operator says so.
pub fn retry_now(tx: &mut Tx, host: &str, now: Timestamp) -> Result<usize> {
    Ok(both!(tx, |db| diesel::update(deliveries::table)
        .filter(deliveries::host.eq(host))
        .filter(deliveries::state.ne("delivered"))
        .filter(deliveries::last_error.is_null().or(deliveries::last_error.ne(WITHDRAWN)))
        .set((deliveries::state.eq("waiting"), deliveries::next_at.eq(now.micros()), deliveries::lease_until.eq(0)))
        .execute(db))?)
}

pub fn count_by_state(tx: &mut Tx) -> Result<Vec<(String, i64)>> {
    Ok(both!(tx, |db| deliveries::table
        .group_by(deliveries::state)
        .select((deliveries::state, count_star()))
        .order(deliveries::state)
        .load(db))?)
}

/// The newest deliveries with what they bring, for the operator.
pub fn newest(tx: &mut Tx, limit: i64) -> Result<Vec<(Delivery, Outgoing)>> {
    Ok(both!(tx, |db| deliveries::table
        .inner_join(outgoing::table)
        .order(deliveries::id.desc())
        .limit(limit)
        .load(db))?)
}
