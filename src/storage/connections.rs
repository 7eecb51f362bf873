//! Accounts of patrons as sources of likes, and claims that wait to be checked.

use std::collections::HashSet;

use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel::upsert::excluded;

use super::schema::{claim_checks, connection_hidden, connection_likes, connection_passes, connections};
use super::{ROWS_MAX, Result, Tx};
use crate::domain::id::{ObjectId, PatronId};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};
use crate::domain::time::Timestamp;

#[derive(Debug, Clone, Queryable)]
pub struct Connection {
    pub id: i64,
    #[diesel(deserialize_as = i64)]
    pub patron_id: PatronId,
    pub platform: String,
    pub account: String,
    pub handle: String,
    pub is_active: bool,
    pub baseline_at: Option<i64>,
    pub newest_like_at: Option<i64>,
    pub etag: Option<String>,
    pub next_poll_at: i64,
    pub last_success_at: Option<i64>,
    pub last_error: Option<String>,
    /// From when on dated likes count; unknown for the oldest connections.
    pub connected_at: Option<i64>,
    /// When the last pass began that saw every newer like.
    pub caught_up_at: Option<i64>,
    /// When the last pass over the whole listing began.
    pub full_at: Option<i64>,
    pub pass_number: i64,
    /// Since the last success.
    pub failures: i64,
    /// New likes wait for the patron's yes.
    pub asks_first: bool,
    /// As whom the listing was read last: `own` or `public`.
    pub view: Option<String>,
    /// The first pass whose reader was shown no more than the one of today.
    pub basis_pass: i64,
}

/// Connects an account to a patron. `None` when another patron has connected it: one account is the source of one patron.
pub fn connect(
    tx: &mut Tx,
    patron: PatronId,
    account: &ExternalId,
    handle: &str,
    now: Timestamp,
) -> Result<Option<Connection>> {
    both!(tx, |db| diesel::insert_into(connections::table)
        .values((
            connections::patron_id.eq(patron.0),
            connections::platform.eq(account.platform().slug()),
            connections::account.eq(account.account()),
            connections::handle.eq(handle),
            connections::is_active.eq(true),
            connections::next_poll_at.eq(now.micros()),
            connections::connected_at.eq(now.micros()),
            connections::pass_number.eq(0),
            connections::failures.eq(0),
            connections::asks_first.eq(false),
        ))
        .on_conflict_do_nothing()
        .execute(db))?;
    let row: Connection = both!(tx, |db| connections::table
        .filter(connections::platform.eq(account.platform().slug()))
        .filter(connections::account.eq(account.account()))
        .first(db))?;
    Ok(Some(row).filter(|row| row.patron_id == patron))
}

pub fn connection(tx: &mut Tx, id: i64) -> Result<Option<Connection>> {
    Ok(both!(tx, |db| connections::table.find(id).first(db).optional())?)
}

pub fn connections_of(tx: &mut Tx, patron: PatronId) -> Result<Vec<Connection>> {
    Ok(both!(tx, |db| connections::table.filter(connections::patron_id.eq(patron.0)).order(connections::id).load(db))?)
}

pub fn connections(tx: &mut Tx) -> Result<Vec<Connection>> {
    Ok(both!(tx, |db| connections::table.order(connections::id).load(db))?)
}

/// The connections of one platform that are due, the one that has waited longest first.
pub fn due_connections(tx: &mut Tx, platform: Platform, now: Timestamp, limit: i64) -> Result<Vec<Connection>> {
    Ok(both!(tx, |db| connections::table
        .filter(connections::is_active.eq(true))
        .filter(connections::platform.eq(platform.slug()))
        .filter(connections::next_poll_at.le(now.micros()))
        .order((connections::next_poll_at, connections::id))
        .limit(limit)
        .load(db))?)
}

/// Platforms on which connections are due, with how many.
pub fn due_by_platform(tx: &mut Tx, now: Timestamp) -> Result<Vec<(String, i64)>> {
    Ok(both!(tx, |db| connections::table
        .filter(connections::is_active.eq(true))
        .filter(connections::next_poll_at.le(now.micros()))
        .group_by(connections::platform)
        .select((connections::platform, count_star()))
        .load(db))?)
}

/// The connection of an account.
pub fn connection_to(tx: &mut Tx, account: &ExternalId) -> Result<Option<Connection>> {
    Ok(both!(tx, |db| connections::table
        .filter(connections::platform.eq(account.platform().slug()))
        .filter(connections::account.eq(account.account()))
        .first(db)
        .optional())?)
}

/// The connections of a platform by the handle that their accounts bore last, without regard to case.
pub fn connections_by_handle(tx: &mut Tx, platform: Platform, handle: &str) -> Result<Vec<Connection>> {
    let all: Vec<Connection> =
        both!(tx, |db| connections::table.filter(connections::platform.eq(platform.slug())).load(db))?;
    Ok(all.into_iter().filter(|row| row.handle.eq_ignore_ascii_case(handle)).collect())
}

/// Ends a poll in which everything went well.
pub fn save_success(tx: &mut Tx, id: i64, at: Timestamp, next_poll_at: Timestamp, note: Option<&str>) -> Result<()> {
    both!(tx, |db| diesel::update(connections::table.find(id))
        .set((
            connections::next_poll_at.eq(next_poll_at.micros()),
            connections::last_success_at.eq(at.micros()),
            connections::last_error.eq(note),
            connections::failures.eq(0),
        ))
        .execute(db))?;
    Ok(())
}

/// Puts a poll off. A pass that is under way stays.
pub fn postpone(tx: &mut Tx, id: i64, next_poll_at: Timestamp, error: &str) -> Result<()> {
    both!(tx, |db| diesel::update(connections::table.find(id))
        .set((
            connections::next_poll_at.eq(next_poll_at.micros()),
            connections::last_error.eq(error),
            connections::failures.eq(connections::failures + 1),
        ))
        .execute(db))?;
    Ok(())
}

/// Makes a connection due at a time, and leaves everything else.
pub fn set_next_poll(tx: &mut Tx, id: i64, at: Timestamp) -> Result<()> {
    both!(tx, |db| diesel::update(connections::table.find(id))
        .set(connections::next_poll_at.eq(at.micros()))
        .execute(db))?;
    Ok(())
}

/// Lets all connections of a platform wait: they share one allowance.
pub fn pause_platform(tx: &mut Tx, platform: Platform, until: Timestamp) -> Result<usize> {
    Ok(both!(tx, |db| diesel::update(connections::table)
        .filter(connections::platform.eq(platform.slug()))
        .filter(connections::next_poll_at.lt(until.micros()))
        .set(connections::next_poll_at.eq(until.micros()))
        .execute(db))?)
}

pub fn set_etag(tx: &mut Tx, id: i64, etag: Option<&str>) -> Result<()> {
    both!(tx, |db| diesel::update(connections::table.find(id)).set(connections::etag.eq(etag)).execute(db))?;
    Ok(())
}

pub fn set_newest_like(tx: &mut Tx, id: i64, at: Timestamp) -> Result<()> {
    both!(tx, |db| diesel::update(connections::table.find(id))
        .set(connections::newest_like_at.eq(at.micros()))
        .execute(db))?;
    Ok(())
}

/// Everything newer than the pass that began then was seen.
pub fn set_caught_up(tx: &mut Tx, id: i64, at: i64) -> Result<()> {
    both!(tx, |db| diesel::update(connections::table.find(id)).set(connections::caught_up_at.eq(at)).execute(db))?;
    Ok(())
}

/// The whole listing was read, by the pass that began then.
pub fn set_full(tx: &mut Tx, id: i64, at: i64) -> Result<()> {
    both!(tx, |db| diesel::update(connections::table.find(id)).set(connections::full_at.eq(at)).execute(db))?;
    Ok(())
}

/// A pass over a listing that is under way.
#[derive(Debug, Clone, Queryable)]
pub struct Pass {
    pub connection_id: i64,
    pub number: i64,
    pub kind: String,
    pub started_at: i64,
    pub cursor: Option<String>,
    pub pages: i64,
    pub repeats: i64,
    pub unreadable: i64,
    pub is_moved: bool,
    /// A place in the listing that this pass has been at.
    pub mark: Option<String>,
}

impl Pass {
    /// What is read beside the passes, out of a file: it has its place among them and ends none.
    pub fn beside(connection: &Connection, now: Timestamp) -> Pass {
        Pass {
            connection_id: connection.id,
            number: connection.pass_number,
            kind: "file".to_owned(),
            started_at: now.micros(),
            cursor: None,
            pages: 0,
            repeats: 0,
            unreadable: 0,
            is_moved: false,
            mark: None,
        }
    }
}

pub fn pass_of(tx: &mut Tx, connection: i64) -> Result<Option<Pass>> {
    Ok(both!(tx, |db| connection_passes::table.find(connection).first(db).optional())?)
}

/// Begins a pass with the next number; one that was under way is forgotten.
pub fn begin_pass(tx: &mut Tx, connection: i64, kind: &str, now: Timestamp) -> Result<Pass> {
    let number: i64 = both!(tx, |db| diesel::update(connections::table.find(connection))
        .set(connections::pass_number.eq(connections::pass_number + 1))
        .returning(connections::pass_number)
        .get_result(db))?;
    end_pass(tx, connection)?;
    both!(tx, |db| diesel::insert_into(connection_passes::table)
        .values((
            connection_passes::connection_id.eq(connection),
            connection_passes::number.eq(number),
            connection_passes::kind.eq(kind),
            connection_passes::started_at.eq(now.micros()),
            connection_passes::pages.eq(0),
            connection_passes::repeats.eq(0),
            connection_passes::unreadable.eq(0),
            connection_passes::is_moved.eq(false),
        ))
        .execute(db))?;
    pass_of(tx, connection)?.ok_or_else(|| super::Error::corrupt("connection pass", connection))
}

pub fn save_pass(tx: &mut Tx, pass: &Pass) -> Result<()> {
    both!(tx, |db| diesel::update(connection_passes::table.find(pass.connection_id))
        .set((
            connection_passes::cursor.eq(pass.cursor.as_deref()),
            connection_passes::pages.eq(pass.pages),
            connection_passes::repeats.eq(pass.repeats),
            connection_passes::unreadable.eq(pass.unreadable),
            connection_passes::is_moved.eq(pass.is_moved),
            connection_passes::mark.eq(pass.mark.as_deref()),
        ))
        .execute(db))?;
    Ok(())
}

pub fn end_pass(tx: &mut Tx, connection: i64) -> Result<()> {
    both!(tx, |db| diesel::delete(connection_passes::table.find(connection)).execute(db))?;
    Ok(())
}

/// Notes as whom the listing is read from now on.
pub fn set_view(tx: &mut Tx, id: i64, view: &str, basis_pass: i64) -> Result<()> {
    both!(tx, |db| diesel::update(connections::table.find(id))
        .set((connections::view.eq(view), connections::basis_pass.eq(basis_pass)))
        .execute(db))?;
    Ok(())
}

/// Ends the first import: what was liked until now pays nothing.
pub fn set_baseline(tx: &mut Tx, id: i64, at: Timestamp) -> Result<()> {
    both!(tx, |db| diesel::update(connections::table.find(id))
        .set(connections::baseline_at.eq(at.micros()))
        .execute(db))?;
    Ok(())
}

/// What becomes of new likes of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// Each is a flattr.
    All,
    /// Each waits for the patron's yes.
    Confirm,
    /// The source is not read.
    Off,
}

impl Setting {
    pub const ALL: [Setting; 3] = [Setting::All, Setting::Confirm, Setting::Off];

    pub const fn as_str(self) -> &'static str {
        match self {
            Setting::All => "all",
            Setting::Confirm => "confirm",
            Setting::Off => "off",
        }
    }

    pub fn parse(text: &str) -> Option<Setting> {
        Setting::ALL.into_iter().find(|setting| setting.as_str() == text)
    }
}

impl Connection {
    pub fn setting(&self) -> Setting {
        match (self.is_active, self.asks_first) {
            (false, _) => Setting::Off,
            (true, true) => Setting::Confirm,
            (true, false) => Setting::All,
        }
    }
}

pub fn set_setting(tx: &mut Tx, id: i64, setting: Setting) -> Result<()> {
    let values =
        (connections::is_active.eq(setting != Setting::Off), connections::asks_first.eq(setting == Setting::Confirm));
    both!(tx, |db| diesel::update(connections::table.find(id)).set(values).execute(db))?;
    Ok(())
}

/// Makes every connection due now. A limit that still holds is met again.
pub fn poll_platform_now(tx: &mut Tx, platform: Platform, now: Timestamp) -> Result<usize> {
    Ok(both!(tx, |db| diesel::update(connections::table)
        .filter(connections::platform.eq(platform.slug()))
        .filter(connections::is_active.eq(true))
        .set(connections::next_poll_at.eq(now.micros()))
        .execute(db))?)
}

pub fn poll_now(tx: &mut Tx, now: Timestamp) -> Result<usize> {
    Ok(both!(tx, |db| diesel::update(connections::table)
        .filter(connections::is_active.eq(true))
        .set(connections::next_poll_at.eq(now.micros()))
        .execute(db))?)
}

#[derive(Debug, Clone, Queryable)]
pub struct ConnectionLike {
    pub id: i64,
    pub connection_id: i64,
    #[diesel(deserialize_as = i64)]
    pub object_id: ObjectId,
    pub liked_at: Option<i64>,
    pub is_baseline: bool,
    pub is_gone: bool,
    /// The last pass that listed it.
    pub seen_in_pass: i64,
}

pub fn like_of(tx: &mut Tx, connection: i64, object: ObjectId) -> Result<Option<ConnectionLike>> {
    Ok(likes_of(tx, connection, &[object])?.pop())
}

/// What is known of these posts as likes of a connection, in no order.
pub fn likes_of(tx: &mut Tx, connection: i64, objects: &[ObjectId]) -> Result<Vec<ConnectionLike>> {
    let mut known = Vec::new();
    for part in objects.chunks(ROWS_MAX) {
        let ids: Vec<i64> = part.iter().map(|object| object.0).collect();
        let rows: Vec<ConnectionLike> = both!(tx, |db| connection_likes::table
            .filter(connection_likes::connection_id.eq(connection))
            .filter(connection_likes::object_id.eq_any(&ids))
            .load(db))?;
        known.extend(rows);
    }
    Ok(known)
}

/// Likes that stand and that no pass since this one has listed.
pub fn likes_not_seen_since(tx: &mut Tx, connection: i64, pass: i64) -> Result<Vec<ConnectionLike>> {
    Ok(both!(tx, |db| connection_likes::table
        .filter(connection_likes::connection_id.eq(connection))
        .filter(connection_likes::is_gone.eq(false))
        .filter(connection_likes::seen_in_pass.lt(pass))
        .order(connection_likes::id)
        .load(db))?)
}

/// Likes that stand and that this pass was the last to list.
pub fn count_last_seen_in(tx: &mut Tx, connection: i64, pass: i64) -> Result<i64> {
    Ok(both!(tx, |db| connection_likes::table
        .filter(connection_likes::connection_id.eq(connection))
        .filter(connection_likes::is_gone.eq(false))
        .filter(connection_likes::seen_in_pass.eq(pass))
        .count()
        .get_result(db))?)
}

/// Notes that a pass lists these likes, which stand as they were.
pub fn set_seen(tx: &mut Tx, likes: &[i64], pass: i64) -> Result<()> {
    for part in likes.chunks(ROWS_MAX) {
        both!(tx, |db| diesel::update(connection_likes::table.filter(connection_likes::id.eq_any(part)))
            .set(connection_likes::seen_in_pass.eq(pass))
            .execute(db))?;
    }
    Ok(())
}

/// A like in a listing, as it is written.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = connection_likes, treat_none_as_default_value = false)]
pub struct ListedLike {
    pub connection_id: i64,
    pub object_id: i64,
    pub liked_at: Option<i64>,
    pub is_baseline: bool,
    pub is_gone: bool,
    pub seen_in_pass: i64,
}

/// Notes likes in a listing; no post may stand there twice.
pub fn save_likes(tx: &mut Tx, likes: &[ListedLike]) -> Result<()> {
    for part in likes.chunks(ROWS_MAX) {
        both!(tx, |db| diesel::insert_into(connection_likes::table)
            .values(part)
            .on_conflict((connection_likes::connection_id, connection_likes::object_id))
            .do_update()
            .set((
                connection_likes::liked_at.eq(excluded(connection_likes::liked_at)),
                connection_likes::is_baseline.eq(excluded(connection_likes::is_baseline)),
                connection_likes::is_gone.eq(excluded(connection_likes::is_gone)),
                connection_likes::seen_in_pass.eq(excluded(connection_likes::seen_in_pass)),
            ))
            .execute(db))?;
    }
    Ok(())
}

/// Notes posts that stand in a listing and that not everybody may see.
pub fn save_hidden(tx: &mut Tx, connection: i64, hidden: &[ObjectRef]) -> Result<()> {
    let rows: Vec<_> = hidden
        .iter()
        .map(|object| (connection_hidden::connection_id.eq(connection), connection_hidden::object.eq(object.object())))
        .collect();
    for part in rows.chunks(ROWS_MAX) {
        both!(tx, |db| diesel::insert_into(connection_hidden::table)
            .values(part.to_vec())
            .on_conflict_do_nothing()
            .execute(db))?;
    }
    Ok(())
}

/// The ids on their platform of posts that not everybody could see when the account was first read.
pub fn hidden_of(tx: &mut Tx, connection: i64) -> Result<HashSet<String>> {
    let objects: Vec<String> = both!(tx, |db| connection_hidden::table
        .filter(connection_hidden::connection_id.eq(connection))
        .select(connection_hidden::object)
        .load(db))?;
    Ok(objects.into_iter().collect())
}

pub fn set_gone(tx: &mut Tx, like: i64) -> Result<()> {
    both!(tx, |db| diesel::update(connection_likes::table.find(like))
        .set(connection_likes::is_gone.eq(true))
        .execute(db))?;
    Ok(())
}

/// What was listed under one name of a post was listed under the other; where both were, the other stays.
pub fn move_likes(tx: &mut Tx, from: ObjectId, to: ObjectId) -> Result<()> {
    let listed: Vec<ConnectionLike> =
        both!(tx, |db| connection_likes::table.filter(connection_likes::object_id.eq(from.0)).load(db))?;
    for like in listed {
        if like_of(tx, like.connection_id, to)?.is_some() {
            both!(tx, |db| diesel::delete(connection_likes::table.find(like.id)).execute(db))?;
        } else {
            both!(tx, |db| diesel::update(connection_likes::table.find(like.id))
                .set(connection_likes::object_id.eq(to.0))
                .execute(db))?;
        }
    }
    Ok(())
}

/// A peer's claim, to be checked against the platform's own profile.
#[derive(Debug, Clone)]
pub struct NewClaimCheck {
    pub identity: ExternalId,
    pub home: String,
    pub creator: String,
    pub token: String,
    /// The claimant's newest sign-in at the platform, by the peer's word.
    pub signed_in_at: Option<Timestamp>,
    /// Since when the claim is proved, by the peer's word.
    pub proved_since: Option<Timestamp>,
}

#[derive(Debug, Clone, Queryable)]
pub struct ClaimCheck {
    pub id: i64,
    pub identity: String,
    pub home_uri: String,
    pub creator_uri: String,
    pub token: String,
    pub state: String,
    pub attempts: i64,
    pub next_at: i64,
    pub last_error: Option<String>,
    pub signed_in_at: Option<i64>,
    pub proved_since: Option<i64>,
}

/// Queues a check; one that is announced again is looked at again, and what it says now counts.
pub fn queue_claim_check(tx: &mut Tx, check: &NewClaimCheck, now: Timestamp) -> Result<()> {
    let said = (
        claim_checks::signed_in_at.eq(check.signed_in_at.map(Timestamp::micros)),
        claim_checks::proved_since.eq(check.proved_since.map(Timestamp::micros)),
    );
    both!(tx, |db| diesel::insert_into(claim_checks::table)
        .values((
            claim_checks::identity.eq(check.identity.to_string()),
            claim_checks::home_uri.eq(&check.home),
            claim_checks::creator_uri.eq(&check.creator),
            claim_checks::token.eq(&check.token),
            claim_checks::state.eq("waiting"),
            claim_checks::attempts.eq(0),
            claim_checks::next_at.eq(now.micros()),
            said,
        ))
        .on_conflict((claim_checks::identity, claim_checks::home_uri, claim_checks::token))
        .do_update()
        .set((
            claim_checks::state.eq("waiting"),
            claim_checks::attempts.eq(0),
            claim_checks::next_at.eq(now.micros()),
            said,
        ))
        .execute(db))?;
    Ok(())
}

/// The claims of a home that rest on sign-ins are judged again: our operator takes its word on other platforms now.
pub fn recheck_signed_in(tx: &mut Tx, home: &str, now: Timestamp) -> Result<()> {
    both!(tx, |db| diesel::update(claim_checks::table)
        .filter(claim_checks::home_uri.eq(home))
        .filter(claim_checks::signed_in_at.is_not_null())
        .set((claim_checks::state.eq("waiting"), claim_checks::next_at.eq(now.micros())))
        .execute(db))?;
    Ok(())
}

pub fn count_due_claim_checks(tx: &mut Tx, now: Timestamp) -> Result<i64> {
    Ok(both!(tx, |db| claim_checks::table
        .filter(claim_checks::state.eq("waiting"))
        .filter(claim_checks::next_at.le(now.micros()))
        .count()
        .get_result(db))?)
}

/// Checks that are due on one platform.
pub fn due_claim_checks(tx: &mut Tx, platform: Platform, now: Timestamp, limit: i64) -> Result<Vec<ClaimCheck>> {
    Ok(both!(tx, |db| claim_checks::table
        .filter(claim_checks::state.eq("waiting"))
        .filter(claim_checks::identity.like(format!("{platform}:%")))
        .filter(claim_checks::next_at.le(now.micros()))
        .order(claim_checks::id)
        .limit(limit)
        .load(db))?)
}

pub fn claim_checks(tx: &mut Tx) -> Result<Vec<ClaimCheck>> {
    Ok(both!(tx, |db| claim_checks::table.order(claim_checks::id.desc()).limit(200).load(db))?)
}

pub fn end_claim_check(tx: &mut Tx, id: i64, state: &str, error: Option<&str>, next_at: Timestamp) -> Result<()> {
    both!(tx, |db| diesel::update(claim_checks::table.find(id))
        .set((
            claim_checks::state.eq(state),
            claim_checks::attempts.eq(claim_checks::attempts + 1),
            claim_checks::last_error.eq(error),
            claim_checks::next_at.eq(next_at.micros()),
        ))
        .execute(db))?;
    Ok(())
}
