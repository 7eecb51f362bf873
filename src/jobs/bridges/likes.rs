//! Reading likes: one connection's listing, page by page, each handed to a flow.
//!
//! Owns that a failure of one connection is its own and that a limit is obeyed to the second, by everybody who shares
//! it. Where the reading stands is in the database after every page, so an interruption costs one page at most.

use std::sync::PoisonError;
use std::time::Duration;

use super::health::{self, Allowance};
use super::when::{BACKOFF_MIN, Place, backoff, end_of_limit, next_poll, pause_platform};
use super::{JobError, credentials, notes, seen_post};
use crate::bridges::{
    self, Access, Bridge, Capabilities, Credential, Cursor, LikeOrder, LikePage, LikesQuery, LikesReply, LiveApi,
    Quota, Who, meter,
};
use crate::domain::identity::{ExternalId, Platform};
use crate::domain::time::Timestamp;
use crate::federation::Node;
use crate::flows::connect::{self, After, Changed, ConnectError, Habit, Page, PassKind, View};
use crate::flows::prove_account;
use crate::flows::watch_bridge::{self, Exchange};
use crate::storage::connections::{self, Connection, Pass};
use crate::storage::grants::Purpose;
use crate::storage::{self, Tx};

/// A listing longer than this is a loop of the platform's or an attack, not a person.
const PAGES_MAX: u32 = 2_000;
/// A platform that bills each item is asked no more often.
const METERED_EVERY: Duration = Duration::from_secs(24 * 3_600);
/// Pages that one connection reads before others have their turn.
const PAGES_PER_TURN: u32 = 20;

/// How a turn of a connection ended, for those who wait behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    pub changed: Changed,
    /// The shared allowance is used up until then.
    pub paused_until: Option<Timestamp>,
    pub end: TurnEnd,
}

/// Where a turn has left a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnEnd {
    /// Everything was read that was to be read.
    Done,
    /// There is more to read.
    More,
    /// Something went wrong, and the next turn is later: the connection says what and when.
    PutOff,
    /// Somebody else reads it at this moment.
    Elsewhere,
}

impl Turn {
    fn of(changed: Changed, end: TurnEnd) -> Turn {
        Turn { changed, paused_until: None, end }
    }
}

/// That a connection is being read: two readers of one listing would each spoil the other's pass.
struct Reserved<'a> {
    node: &'a Node,
    connection: i64,
}

impl<'a> Reserved<'a> {
    fn take(node: &'a Node, connection: i64) -> Option<Reserved<'a>> {
        let is_free = node.readings.lock().unwrap_or_else(PoisonError::into_inner).insert(connection);
        is_free.then_some(Reserved { node, connection })
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.node.readings.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.connection);
    }
}

/// Reads the likes of one connection and applies what changed. A failure of the platform is no error here: the
/// connection is put off, with what the next turn needs.
pub async fn read_likes(node: &Node, connection: &Connection, now: Timestamp) -> Result<Turn, JobError> {
    read_within(node, connection, now, &Allowance::unlimited()).await
}

/// Reads a connection to the end of its pass, because the operator asks for it: turn after turn, whatever the budget.
pub async fn read_now(node: &Node, id: i64) -> Result<Option<(Turn, Connection)>, JobError> {
    let mut changed = Changed::default();
    let reserved = Reserved::take(node, id);
    loop {
        let Some(connection) = node.db.read(move |tx| connections::connection(tx, id)).await? else { return Ok(None) };
        let mut turn = match &reserved {
            None => Turn::of(changed, TurnEnd::Elsewhere),
            Some(_) => take_turn(node, &connection, node.now(), &Allowance::unlimited()).await?,
        };
        changed.add(turn.changed);
        if turn.end != TurnEnd::More {
            turn.changed = changed;
            let after = node.db.read(move |tx| connections::connection(tx, id)).await?;
            return Ok(after.map(|after| (turn, after)));
        }
    }
}

/// Reads the likes of one connection within the allowance of its round.
pub(super) async fn read_within(
    node: &Node,
    connection: &Connection,
    now: Timestamp,
    allowance: &Allowance,
) -> Result<Turn, JobError> {
    match Reserved::take(node, connection.id) {
        None => Ok(Turn::of(Changed::default(), TurnEnd::Elsewhere)),
        Some(_reserved) => take_turn(node, connection, now, allowance).await,
    }
}

async fn take_turn(
    node: &Node,
    connection: &Connection,
    now: Timestamp,
    allowance: &Allowance,
) -> Result<Turn, JobError> {
    let account = external_id(connection)?;
    let platform = account.platform();
    let Some(bridge) = node.bridges.get(platform).cloned() else {
        return put_off(node, connection, notes::SWITCHED_OFF, now).await;
    };
    let Some(live) = bridge.live() else {
        return put_off(node, connection, notes::NO_API, now).await;
    };
    if prove_account::is_by_name(account.account()) {
        // Whoever bears the name today is not known to be the patron.
        let reason = "only the name of this account is known: connect it once more, by signing in or with its address";
        return put_off(node, connection, reason, now).await;
    }
    let able = bridge.capabilities();
    let (own, sent) = meter::counted(credentials::of(node, &*bridge, &account, Purpose::Likes)).await;
    let own = match own? {
        Ok(own) => own,
        Err(error) => return fail(node, connection, platform, (error, sent), (false, Quota::default()), now).await,
    };
    let has_ended = own.is_none() && credentials::has_ended(node, &account).await?;
    let Some((who, access)) = asked_as(able, account.clone(), own) else {
        let reason = match has_ended {
            true => notes::GRANT_ENDED,
            false => notes::ONLY_ITSELF,
        };
        return put_off(node, connection, reason, now).await;
    };
    let is_shared = access == Access::Instance;
    let mut reading = Reading {
        node,
        connection,
        live,
        query: LikesQuery { who, access, cursor: None, etag: None },
        habit: habit(&*bridge),
        platform,
        is_shared,
        has_ended,
        now,
        changed: Changed::default(),
        quota: Quota::default(),
        allowance,
    };
    let (ended, sent) = meter::counted(reading.run()).await;
    let ended = ended?;
    let (changed, quota, id) = (std::mem::take(&mut reading.changed), reading.quota, connection.id);
    match ended {
        Ended::Done => {
            tracing::info!(
                platform = %connection.platform,
                "read the likes of {}: {} new, {} taken back, {} of before",
                connection.handle, changed.flattrs, changed.taken_back, changed.baseline
            );
            Ok(Turn::of(changed, TurnEnd::Done))
        }
        Ended::TurnOver => {
            let exchange = health::exchange(node, platform, now, (Ok(()), sent), is_shared, quota);
            node.write(move |tx| {
                connections::set_next_poll(tx, id, now)?;
                watch_bridge::note(tx, platform, &exchange)
            })
            .await?;
            Ok(Turn::of(changed, TurnEnd::More))
        }
        Ended::Failed(bridges::Error::Unauthorized { message, .. })
            if let Access::User(own) = &reading.query.access =>
        {
            // Expired before its time, or taken back at the platform: the renewal tells which.
            let reason = match credentials::renew(node, &*bridge, &account, Purpose::Likes, own).await? {
                Ok(Some(_)) => {
                    node.write(move |tx| connections::set_next_poll(tx, id, now.plus(BACKOFF_MIN))).await?;
                    return Ok(Turn::of(changed, TurnEnd::PutOff));
                }
                Ok(None) => format!("{message}{}", notes::SIGN_IN_AGAIN),
                Err(error) => error.to_string(),
            };
            put_off(node, connection, &reason, now).await
        }
        Ended::Failed(error) => {
            let mut turn = fail(node, connection, platform, (error, sent), (is_shared, quota), now).await?;
            turn.changed = changed;
            Ok(turn)
        }
    }
}

/// Puts a connection off after a failure that is not the platform's: the others go on.
pub async fn put_off(node: &Node, connection: &Connection, reason: &str, now: Timestamp) -> Result<Turn, JobError> {
    tracing::warn!(platform = %connection.platform, "could not read the likes of {}: {reason}", connection.handle);
    let next = now.plus(backoff(place(node, connection)?, connection.failures));
    let (id, reason) = (connection.id, reason.to_owned());
    node.write(move |tx| connections::postpone(tx, id, next, &reason)).await?;
    Ok(Turn::of(Changed::default(), TurnEnd::PutOff))
}

/// Puts a connection off after a failure of the platform; a limit holds for all who share the allowance.
async fn fail(
    node: &Node,
    connection: &Connection,
    platform: Platform,
    (error, sent): (bridges::Error, u64),
    (is_shared, quota): (bool, Quota),
    now: Timestamp,
) -> Result<Turn, JobError> {
    let (id, reason) = (connection.id, error.to_string());
    let place = place(node, connection)?;
    let next = match &error {
        bridges::Error::RateLimited { until, .. } => {
            let until = end_of_limit(*until, place, connection.failures, now);
            tracing::warn!(platform = %platform, "{platform} asks to wait until {until}");
            until
        }
        _ => {
            tracing::warn!(platform = %platform, "could not read the likes of {}: {reason}", connection.handle);
            now.plus(backoff(place, connection.failures))
        }
    };
    let exchange = health::exchange(node, platform, now, (Err(error), sent), is_shared, quota);
    let limited_until = exchange.limited_until;
    node.write(move |tx| {
        connections::postpone(tx, id, next, &reason)?;
        if let Some(until) = limited_until {
            pause_platform(tx, platform, until)?;
        }
        watch_bridge::note(tx, platform, &exchange)
    })
    .await?;
    Ok(Turn { changed: Changed::default(), paused_until: limited_until, end: TurnEnd::PutOff })
}

fn place(node: &Node, connection: &Connection) -> Result<Place, storage::Error> {
    let platform = connection.platform.parse();
    let platform = platform.map_err(|_| storage::Error::corrupt("platform", &connection.platform))?;
    Ok(Place::of(&node.instance.host, platform, connection.id))
}

/// In whose name a listing is asked for; `None` when it has to be the account's own and there is no credential.
fn asked_as(able: &Capabilities, account: ExternalId, own: Option<Credential>) -> Option<(Who, Access)> {
    match own {
        Some(credential) if able.lists_own_likes => Some((Who::TokenOwner, Access::User(credential))),
        _ if able.lists_likes_of_others => Some((Who::Id(account), Access::Instance)),
        _ => None,
    }
}

fn habit(bridge: &dyn Bridge) -> Habit {
    let able = bridge.capabilities();
    Habit { is_newest_first: able.like_order == LikeOrder::NewestFirst, is_metered: able.is_metered }
}

/// How the reading of one connection ended.
enum Ended {
    /// The connection is at rest, and says so already.
    Done,
    /// There is more to read, and others wait.
    TurnOver,
    Failed(bridges::Error),
}

/// One turn of one connection.
struct Reading<'a> {
    node: &'a Node,
    connection: &'a Connection,
    live: &'a dyn LiveApi,
    query: LikesQuery,
    habit: Habit,
    platform: Platform,
    is_shared: bool,
    /// What the account granted has ended, and it is read as anybody sees it.
    has_ended: bool,
    now: Timestamp,
    changed: Changed,
    /// What the platform said last of the allowance.
    quota: Quota,
    allowance: &'a Allowance,
}

impl Reading<'_> {
    async fn run(&mut self) -> Result<Ended, JobError> {
        let (id, habit, now) = (self.connection.id, self.habit, self.now);
        let view = if self.is_shared { View::Public } else { View::Own };
        let mut pass = self.node.write(move |tx| connect::begin(tx, id, habit, view, now)).await?;
        for _ in 0..PAGES_PER_TURN {
            if self.allowance.is_spent() {
                break;
            }
            // Only a pass for new likes may be answered by "nothing is new".
            let may_skip = pass.pages == 0 && PassKind::of(&pass)? == PassKind::Newest;
            self.query.cursor = pass.cursor.as_deref().map(Cursor::new);
            let is_of_view = self.connection.view.as_deref() == Some(view.as_str());
            self.query.etag = self.connection.etag.clone().filter(|_| may_skip && is_of_view);
            let page = match self.live.likes(&self.query).await {
                Ok(LikesReply::Page(page)) => page,
                Ok(LikesReply::NotModified { quota }) => {
                    self.hear(quota);
                    let mut finish = self.finish();
                    self.node
                        .write(move |tx| {
                            connect::not_modified(tx, id)?;
                            finish.carry_out(tx, 0).map_err(ConnectError::from)
                        })
                        .await?;
                    return Ok(Ended::Done);
                }
                Err(error) => return self.broken_off(&pass, error).await,
            };
            if is_circle(&pass, &page) {
                let error = bridges::Error::malformed("the pages of this listing do not come to an end");
                return self.broken_off(&pass, error).await;
            }
            match self.apply(page).await? {
                After::Page(next) => pass = next,
                After::Done { .. } => return Ok(Ended::Done),
            }
        }
        Ok(Ended::TurnOver)
    }

    /// How the connection is left when this reply was the last that was wanted.
    fn finish(&self) -> Finish {
        let (connection, interval) = (self.connection.id, self.node.config.bridge.poll_interval(self.platform));
        let interval = if self.habit.is_metered { interval.max(METERED_EVERY) } else { interval };
        Finish {
            node: self.node.clone(),
            connection,
            platform: self.platform,
            now: self.now,
            next_poll: next_poll(Place::of(&self.node.instance.host, self.platform, connection), self.now, interval),
            is_shared: self.is_shared,
            has_ended: self.has_ended,
            quota: self.quota,
            exchange: None,
        }
    }

    fn hear(&mut self, quota: Quota) {
        if quota != Quota::default() {
            self.quota = quota;
        }
    }

    async fn apply(&mut self, page: LikePage) -> Result<After, JobError> {
        self.hear(page.quota);
        let page = Page {
            likes: page.items.iter().map(|item| (seen_post(self.node, &item.post), item.liked_at)).collect(),
            hidden: page.hidden,
            unreadable: page.unreadable,
            next: page.next.map(|cursor| cursor.as_str().to_owned()),
            etag: page.etag,
            seen_at: self.now,
        };
        let (instance, id, habit) = (self.node.instance.clone(), self.connection.id, self.habit);
        let mut finish = self.finish();
        let (changed, after) = self
            .node
            .write(move |tx| {
                let (changed, after) = connect::apply(tx, &instance, id, habit, &page)?;
                if let After::Done { unreadable } = &after {
                    finish.carry_out(tx, *unreadable)?;
                }
                Ok::<_, ConnectError>((changed, after))
            })
            .await?;
        self.changed.add(changed);
        Ok(after)
    }

    /// A pass waits for better times where waiting helps. Where it does not, its place in the listing is the first
    /// suspect: cursors expire.
    async fn broken_off(&mut self, pass: &Pass, error: bridges::Error) -> Result<Ended, JobError> {
        if !error.is_worth_retrying() && pass.cursor.is_some() {
            let id = self.connection.id;
            self.node.write(move |tx| connect::abandon(tx, id)).await?;
        }
        Ok(Ended::Failed(error))
    }
}

/// The end of a poll, written with its last page: a transaction of its own would cost every poll one more sync.
struct Finish {
    node: Node,
    connection: i64,
    platform: Platform,
    now: Timestamp,
    next_poll: Timestamp,
    is_shared: bool,
    has_ended: bool,
    quota: Quota,
    /// Made once, also when the transaction is run again.
    exchange: Option<Exchange>,
}

impl Finish {
    fn carry_out(&mut self, tx: &mut Tx, unreadable: i64) -> Result<(), storage::Error> {
        let Finish { node, platform, now, is_shared, quota, .. } = self;
        // It was answered, so it was asked.
        let make = || health::exchange(node, *platform, *now, (Ok(()), 1), *is_shared, *quota);
        let exchange = self.exchange.get_or_insert_with(make);
        let note = match unreadable {
            0 => self.has_ended.then(|| notes::PUBLIC_ONLY.to_owned()),
            _ => Some(format!("{unreadable}{}", notes::NOT_UNDERSTOOD)),
        };
        connections::save_success(tx, self.connection, self.now, self.next_poll, note.as_deref())?;
        watch_bridge::note(tx, self.platform, exchange)
    }
}

/// Whether a listing leads back to where it came from, or is longer than any person's.
fn is_circle(pass: &Pass, page: &LikePage) -> bool {
    let Some(next) = &page.next else { return false };
    let places = [&pass.cursor, &pass.mark];
    places.iter().any(|place| place.as_deref() == Some(next.as_str())) || pass.pages + 1 >= i64::from(PAGES_MAX)
}

fn external_id(connection: &Connection) -> Result<ExternalId, storage::Error> {
    let text = format!("{}:{}", connection.platform, connection.account);
    text.parse().map_err(|_| storage::Error::Corrupt { what: "connection", value: text.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn a_platform_that_hides_likes_is_read_only_with_the_own_credential() {
        let able = Capabilities {
            lists_likes_of_others: false,
            lists_own_likes: true,
            dates_likes: false,
            like_order: LikeOrder::Anywhere,
            reads_export: true,
            sign_in: bridges::SignIn::OAuth2Pkce,
            backlink_fields: &[],
            page_size_max: Some(100),
            is_metered: true,
        };
        let account = ExternalId::new(Platform::Twitter, "7").unwrap();
        assert_eq!(asked_as(&able, account.clone(), None), None);
        let own = asked_as(&able, account.clone(), Some(Credential::bearer("t")));
        assert_eq!(own, Some((Who::TokenOwner, Access::User(Credential::bearer("t")))));
        let open = Capabilities { lists_likes_of_others: true, lists_own_likes: false, ..able };
        let others = Some((Who::Id(account.clone()), Access::Instance));
        assert_eq!(asked_as(&open, account, Some(Credential::bearer("t"))), others);
    }
}
