//! Reading likes: one connection's listing, page by page, each handed to a flow.
//!
//! Owns that a failure of one connection is its own and that a limit is obeyed to the second, by everybody who shares
//! it. Where the reading stands is in the database after every page, so an interruption costs one page at most.

use super::waiting::{BACKOFF_MIN, backoff, end_of_limit, pause_platform};
use super::{JobError, credentials, seen_post};
use crate::bridges::listing::PAGES_MAX;
use crate::bridges::{
    self, Access, Bridge, Capabilities, Credential, Cursor, LikeOrder, LikePage, LikesQuery, LikesReply, LiveApi, Who,
};
use crate::domain::identity::{ExternalId, Platform};
use crate::domain::time::Timestamp;
use crate::federation::Node;
use crate::flows::connect::{self, After, Changed, Habit, Page, PassKind};
use crate::storage;
use crate::storage::connections::{self, Connection, Pass};
use crate::storage::grants::Purpose;

/// Pages that one connection reads before others have their turn.
const PAGES_PER_TURN: u32 = 20;

/// How a turn of a connection ended, for those who wait behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    pub changed: Changed,
    /// The shared allowance is used up until then.
    pub paused_until: Option<Timestamp>,
}

impl Turn {
    fn of(changed: Changed) -> Turn {
        Turn { changed, paused_until: None }
    }
}

/// Reads the likes of one connection and applies what changed. A failure of the platform is no error here: the
/// connection is put off, with what the next turn needs.
pub async fn read_likes(node: &Node, connection: &Connection, now: Timestamp) -> Result<Turn, JobError> {
    let account = external_id(connection)?;
    let Some(bridge) = node.bridges.get(account.platform()).cloned() else {
        return put_off(node, connection, "the bridge is switched off", now).await;
    };
    let Some(live) = bridge.live() else {
        return put_off(node, connection, "this platform has no API for likes", now).await;
    };
    let able = bridge.capabilities();
    let own = match credentials::of(node, &*bridge, &account, Purpose::Likes).await? {
        Ok(own) => own,
        Err(error) => return fail(node, connection, account.platform(), &error, false, now).await,
    };
    let has_ended = own.is_none() && credentials::has_ended(node, &account).await?;
    let Some((who, access)) = asked_as(able, account.clone(), own) else {
        let reason = match has_ended {
            true => "what the account granted has ended: it has to sign in again",
            false => "this platform shows likes only to the account itself, which has to sign in",
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
        now,
        changed: Changed::default(),
    };
    let ended = reading.run().await?;
    let changed = reading.changed;
    let platform = reading.platform()?;
    match ended {
        Ended::Done { unreadable } => {
            let ended = "what the account granted has ended: sign in again; until then its public likes are read";
            let note = match unreadable {
                0 => has_ended.then(|| ended.to_owned()),
                _ => Some(format!("{unreadable} items could not be understood")),
            };
            let next = now.plus(node.config.bridge.poll_interval(platform));
            let id = connection.id;
            node.write(move |tx| connections::save_success(tx, id, now, next, note.as_deref())).await?;
            tracing::info!(
                platform = %connection.platform,
                "read the likes of {}: {} new, {} taken back, {} of before",
                connection.handle, changed.flattrs, changed.taken_back, changed.baseline
            );
            Ok(Turn::of(changed))
        }
        Ended::TurnOver => {
            let id = connection.id;
            node.write(move |tx| connections::set_next_poll(tx, id, now)).await?;
            Ok(Turn::of(changed))
        }
        Ended::Failed(bridges::Error::Unauthorized { message, .. }) if !is_shared => {
            // Expired before its time, or taken back at the platform: the renewal tells which.
            let reason = match credentials::renew(node, &*bridge, &account, Purpose::Likes).await? {
                Ok(Some(_)) => {
                    let id = connection.id;
                    node.write(move |tx| connections::set_next_poll(tx, id, now.plus(BACKOFF_MIN))).await?;
                    return Ok(Turn::of(changed));
                }
                Ok(None) => format!("{message}: the account has to sign in again"),
                Err(error) => error.to_string(),
            };
            put_off(node, connection, &reason, now).await
        }
        Ended::Failed(error) => {
            let mut turn = fail(node, connection, platform, &error, is_shared, now).await?;
            turn.changed = changed;
            Ok(turn)
        }
    }
}

/// Puts a connection off after a failure that is not the platform's: the others go on.
pub async fn put_off(node: &Node, connection: &Connection, reason: &str, now: Timestamp) -> Result<Turn, JobError> {
    tracing::warn!(platform = %connection.platform, "could not read the likes of {}: {reason}", connection.handle);
    let next = now.plus(backoff(connection.id, connection.failures));
    let (id, reason) = (connection.id, reason.to_owned());
    node.write(move |tx| connections::postpone(tx, id, next, &reason)).await?;
    Ok(Turn::of(Changed::default()))
}

/// Puts a connection off after a failure of the platform; a limit holds for all who share the allowance.
async fn fail(
    node: &Node,
    connection: &Connection,
    platform: Platform,
    error: &bridges::Error,
    is_shared: bool,
    now: Timestamp,
) -> Result<Turn, JobError> {
    let bridges::Error::RateLimited { until, .. } = error else {
        return put_off(node, connection, &error.to_string(), now).await;
    };
    let until = end_of_limit(*until, connection.id, connection.failures, now);
    tracing::warn!(platform = %platform, "{platform} asks to wait until {until}");
    let (id, reason) = (connection.id, error.to_string());
    node.write(move |tx| {
        connections::postpone(tx, id, until, &reason)?;
        if is_shared {
            pause_platform(tx, platform, until)?;
        }
        Ok::<(), storage::Error>(())
    })
    .await?;
    Ok(Turn { changed: Changed::default(), paused_until: is_shared.then_some(until) })
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
    Done {
        unreadable: i64,
    },
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
    now: Timestamp,
    changed: Changed,
}

impl Reading<'_> {
    fn platform(&self) -> Result<Platform, storage::Error> {
        Ok(external_id(self.connection)?.platform())
    }

    async fn run(&mut self) -> Result<Ended, JobError> {
        let (id, habit, now) = (self.connection.id, self.habit, self.now);
        let mut pass = self.node.write(move |tx| connect::begin(tx, id, habit, now)).await?;
        for _ in 0..PAGES_PER_TURN {
            // Only a pass for new likes may be answered by "nothing is new".
            let may_skip = pass.pages == 0 && PassKind::of(&pass)? == PassKind::Newest;
            self.query.cursor = pass.cursor.as_deref().map(Cursor::new);
            self.query.etag = self.connection.etag.clone().filter(|_| may_skip);
            let page = match self.live.likes(&self.query).await {
                Ok(LikesReply::Page(page)) => page,
                Ok(LikesReply::NotModified { .. }) => {
                    self.node.write(move |tx| connect::not_modified(tx, id)).await?;
                    return Ok(Ended::Done { unreadable: 0 });
                }
                Err(error) => return self.broken_off(&pass, error).await,
            };
            if is_circle(&pass, &page) {
                let error = bridges::Error::malformed("the pages of this listing do not come to an end");
                return self.broken_off(&pass, error).await;
            }
            match self.apply(page).await? {
                After::Page(next) => pass = next,
                After::Done { unreadable } => return Ok(Ended::Done { unreadable }),
            }
        }
        Ok(Ended::TurnOver)
    }

    async fn apply(&mut self, page: LikePage) -> Result<After, JobError> {
        let page = Page {
            likes: page.items.iter().map(|item| (seen_post(self.node, &item.post), item.liked_at)).collect(),
            unreadable: page.unreadable,
            next: page.next.map(|cursor| cursor.as_str().to_owned()),
            etag: page.etag,
            seen_at: self.now,
        };
        let (instance, id, habit) = (self.node.instance.clone(), self.connection.id, self.habit);
        let (changed, after) = self.node.write(move |tx| connect::apply(tx, &instance, id, habit, &page)).await?;
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

/// Whether a listing leads back to where it came from, or is longer than any person's.
fn is_circle(pass: &Pass, page: &LikePage) -> bool {
    let Some(next) = &page.next else { return false };
    pass.cursor.as_deref() == Some(next.as_str()) || pass.pages + 1 >= i64::from(PAGES_MAX)
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
