//! Reading posts: the recent posts of accounts that somebody follows or has claimed, page by page, each handed to a flow.
//!
//! Owns in whose name an account is asked for: with the credential by which its owner claimed it where one is stored, else
//! with the instance's. Where the reading stands is in the database after every page. An allowance that is shared is obeyed
//! together with the readers of likes: see [`super::when`].

use std::time::Duration;

use futures_util::future::join_all;

use super::health::{self, Allowance};
use super::when::{BACKOFF_MIN, Place, backoff, end_of_limit, next_poll, pause_platform};
use super::{JobError, credentials, seen_details, seen_post};
use crate::bridges::{self, Access, Cursor, LiveApi, Post, PostKind, PostsOf, Quota, meter};
use crate::domain::id::IdentityId;
use crate::domain::identity::{ExternalId, Platform};
use crate::domain::time::Timestamp;
use crate::federation::Node;
use crate::flows::claim::{self, Released};
use crate::flows::feed::{self, After, Page, SeenDetails};
use crate::flows::notice::SeenPost;
use crate::flows::watch_bridge::{self, Exchange};
use crate::storage::feeds::{self, Feed};
use crate::storage::grants::Purpose;
use crate::storage::{self, bridge_health, identities, posts};

/// Accounts of one platform that are taken up in one round, and pages that one of them reads.
const ROUND_MAX: i64 = 10;
const PAGES_PER_TURN: u32 = 10;
/// Repositories whose releases are looked at in one turn.
const BELOW_MAX: usize = 3;
/// News of an account may be this old: its posts take more questions than one patron's likes.
const EVERY: Duration = Duration::from_secs(3_600);
/// Where each item costs money, an account is read once a day at most.
const METERED_EVERY: Duration = Duration::from_secs(24 * 3_600);

/// Reads the accounts that are due: all platforms side by side.
pub async fn read_feeds(node: &Node, now: Timestamp) -> Result<bool, JobError> {
    let rounds = Platform::ALL.map(|platform| read_platform(node, platform, now));
    let mut is_busy = false;
    for outcome in join_all(rounds).await {
        is_busy |= outcome?;
    }
    Ok(is_busy)
}

/// Reads a few accounts of one platform, within its budget. Says whether any was due.
pub(super) async fn read_platform(node: &Node, platform: Platform, now: Timestamp) -> Result<bool, JobError> {
    let (due, health) = node
        .db
        .read(move |tx| {
            let due = feeds::due(tx, platform, now, ROUND_MAX)?;
            Ok::<_, storage::Error>((due, bridge_health::of(tx, platform)?))
        })
        .await?;
    let allowance = Allowance::of(node, platform, &health, now);
    let is_busy = !due.is_empty();
    for feed in due {
        if allowance.is_spent() {
            break;
        }
        let paused_until = match read_feed(node, platform, &feed, now).await {
            Ok(paused_until) => paused_until,
            Err(error) => {
                put_off(node, &feed, &crate::fault::explain(&error), now).await?;
                None
            }
        };
        // The others were put off with it.
        if paused_until.is_some() {
            break;
        }
    }
    Ok(is_busy)
}

/// Reads one account's posts. A failure of the platform is no error here: the account is put off.
///
/// - returns: until when the shared allowance is used up, when it is.
async fn read_feed(
    node: &Node,
    platform: Platform,
    feed: &Feed,
    now: Timestamp,
) -> Result<Option<Timestamp>, JobError> {
    let id = feed.identity_id;
    let Some(bridge) = node.bridges.get(platform).cloned() else {
        return put_off(node, feed, "the bridge is switched off", now).await;
    };
    let Some(live) = bridge.live() else {
        return put_off(node, feed, "this platform has no API", now).await;
    };
    let is_metered = bridge.capabilities().is_metered;
    let row = node.db.read(move |tx| identities::identity(tx, id)).await?;
    let row = row.ok_or_else(|| storage::Error::Corrupt { what: "identity", value: id.to_string() })?;
    let account = row.external_id()?;
    let Some(begun) = node.write(move |tx| feed::begin(tx, id, is_metered, now)).await? else { return Ok(None) };
    let access = match credentials::of(node, &*bridge, &account, Purpose::Claim).await? {
        Ok(Some(own)) => Access::User(own),
        Ok(None) => Access::Instance,
        Err(error) => return put_off(node, feed, &error.to_string(), now).await,
    };
    let mut reading = Reading {
        node,
        live,
        account: &account,
        identity: id,
        access,
        now,
        repositories: Vec::new(),
        quota: Quota::default(),
    };
    let (ended, sent) = meter::counted(reading.run(begun)).await;
    match ended? {
        Ended::Done { unreadable } => {
            let (below, sent) = meter::counted(reading.below()).await;
            if let Err(error) = below? {
                return fail(&reading, feed, (error, sent)).await;
            }
            let note = (unreadable > 0).then(|| format!("{unreadable} posts could not be understood"));
            let interval = node.config.bridge.poll_interval(platform);
            let interval = interval.max(if is_metered { METERED_EVERY } else { EVERY });
            let next = next_poll(Place::of(&node.instance.host, platform, id.0), now, interval);
            // It was answered, so it was asked.
            let exchange = reading.exchange((Ok(()), 1));
            node.write(move |tx| {
                feeds::save_success(tx, id, now, next, note.as_deref())?;
                watch_bridge::note(tx, platform, &exchange)
            })
            .await?;
            tracing::debug!(account = %account, "read the posts of {account}");
            Ok(None)
        }
        Ended::TurnOver => {
            node.write(move |tx| feeds::set_next_poll(tx, id, now)).await?;
            Ok(None)
        }
        Ended::Failed(bridges::Error::Unauthorized { message, .. }) if let Access::User(own) = &reading.access => {
            let reason = match credentials::renew(node, &*bridge, &account, Purpose::Claim, own).await? {
                Ok(Some(_)) => {
                    node.write(move |tx| feeds::set_next_poll(tx, id, now.plus(BACKOFF_MIN))).await?;
                    return Ok(None);
                }
                Ok(None) => message,
                Err(error) => error.to_string(),
            };
            put_off(node, feed, &reason, now).await
        }
        Ended::Failed(error) => fail(&reading, feed, (error, sent)).await,
    }
}

/// Puts an account off; the others go on.
async fn put_off(node: &Node, feed: &Feed, reason: &str, now: Timestamp) -> Result<Option<Timestamp>, JobError> {
    let id = feed.identity_id;
    tracing::info!(platform = %feed.platform, identity = %id, "could not read the posts of identity {id}: {reason}");
    let platform = feed.platform.parse().map_err(|_| storage::Error::corrupt("platform", &feed.platform))?;
    let next = now.plus(backoff(Place::of(&node.instance.host, platform, id.0), feed.failures));
    let reason = reason.to_owned();
    node.write(move |tx| feeds::postpone(tx, id, next, &reason)).await?;
    Ok(None)
}

/// Puts an account off after a failure of the platform; a limit holds for all who share the allowance.
async fn fail(
    reading: &Reading<'_>,
    feed: &Feed,
    (error, sent): (bridges::Error, u64),
) -> Result<Option<Timestamp>, JobError> {
    let (platform, id, now) = (reading.account.platform(), feed.identity_id, reading.now);
    let reason = error.to_string();
    let place = Place::of(&reading.node.instance.host, platform, id.0);
    let next = match &error {
        bridges::Error::RateLimited { until, .. } => {
            let until = end_of_limit(*until, place, feed.failures, now);
            tracing::warn!(platform = %platform, "{platform} asks to wait until {until}");
            until
        }
        _ => {
            tracing::info!(platform = %platform, identity = %id, "could not read the posts of identity {id}: {reason}");
            now.plus(backoff(place, feed.failures))
        }
    };
    let exchange = reading.exchange((Err(error), sent));
    let limited_until = exchange.limited_until;
    let noted = reading.node.write(move |tx| {
        feeds::postpone(tx, id, next, &reason)?;
        if let Some(until) = limited_until {
            pause_platform(tx, platform, until)?;
        }
        watch_bridge::note(tx, platform, &exchange)
    });
    noted.await?;
    Ok(limited_until)
}

enum Ended {
    Done {
        unreadable: i64,
    },
    /// There is more to read, and others wait.
    TurnOver,
    Failed(bridges::Error),
}

/// One turn of one account.
struct Reading<'a> {
    node: &'a Node,
    live: &'a dyn LiveApi,
    account: &'a ExternalId,
    identity: IdentityId,
    access: Access,
    now: Timestamp,
    /// The first that were listed.
    repositories: Vec<Post>,
    quota: Quota,
}

impl Reading<'_> {
    fn exchange(&self, outcome: (Result<(), bridges::Error>, u64)) -> Exchange {
        let is_shared = self.access == Access::Instance;
        health::exchange(self.node, self.account.platform(), self.now, outcome, is_shared, self.quota)
    }

    async fn run(&mut self, mut feed: Feed) -> Result<Ended, JobError> {
        let of = PostsOf::Account(self.account.clone());
        for _ in 0..PAGES_PER_TURN {
            let cursor = feed.cursor.as_deref().map(Cursor::new);
            let page = match self.live.posts(&of, cursor.as_ref(), &self.access).await {
                Ok(page) => page,
                Err(error) => return self.broken_off(&feed, error).await,
            };
            if page.next.is_some() && page.next == cursor {
                let error = bridges::Error::malformed("the pages of this listing do not come to an end");
                return self.broken_off(&feed, error).await;
            }
            self.quota = page.quota;
            let repositories = page.items.iter().filter(|post| post.kind == PostKind::Repository).cloned();
            self.repositories.extend(repositories.take(BELOW_MAX.saturating_sub(self.repositories.len())));
            let page = Page {
                posts: self.own(&page.items),
                unreadable: page.unreadable,
                next: page.next.map(|cursor| cursor.as_str().to_owned()),
                seen_at: self.now,
            };
            let (instance, identity) = (self.node.instance.clone(), self.identity);
            match self.node.write(move |tx| feed::apply(tx, &instance, identity, &page)).await? {
                After::Page(next) => feed = *next,
                After::Done { unreadable } => return Ok(Ended::Done { unreadable }),
            }
        }
        Ok(Ended::TurnOver)
    }

    /// The account's own posts of a listing: what it only passes on is somebody else's.
    fn own(&self, items: &[Post]) -> Vec<(SeenPost, SeenDetails)> {
        let own = items.iter().filter(|post| post.owner.as_ref().is_none_or(|owner| owner == self.account));
        own.map(|post| {
            let mut post = post.clone();
            // The platform lists it as theirs, whether or not it says so again beside each.
            post.owner = Some(self.account.clone());
            (seen_post(self.node, &post), seen_details(&post))
        })
        .collect()
    }

    /// Reads what hangs below the newest posts: the releases of repositories, which no listing of an account shows.
    async fn below(&self) -> Result<Result<(), bridges::Error>, JobError> {
        for repository in &self.repositories {
            let of = PostsOf::Post(repository.id.clone());
            let page = match self.live.posts(&of, None, &self.access).await {
                Ok(page) => page,
                Err(bridges::Error::NotFound { .. } | bridges::Error::Unsupported { .. }) => continue,
                Err(error) => return Ok(Err(error)),
            };
            let below = self.own(&page.items);
            let (instance, identity, now) = (self.node.instance.clone(), self.identity, self.now);
            self.node.write(move |tx| feed::apply_below(tx, &instance, identity, &below, now)).await?;
        }
        Ok(Ok(()))
    }

    /// A pass waits for better times where waiting helps. Where it does not, its place in the listing is the first
    /// suspect: cursors expire.
    async fn broken_off(&self, feed: &Feed, error: bridges::Error) -> Result<Ended, JobError> {
        if !error.is_worth_retrying() && feed.cursor.is_some() {
            let identity = self.identity;
            self.node.write(move |tx| feed::abandon(tx, identity)).await?;
        }
        Ok(Ended::Failed(error))
    }
}

/// Hands on what was held for posts whose authors have become known. Says whether there was anything.
pub async fn resolve_known(node: &Node, now: Timestamp) -> Result<bool, JobError> {
    let mut is_busy = false;
    for platform in Platform::ALL {
        is_busy |= resolve_platform(node, platform, now).await?;
    }
    Ok(is_busy)
}

pub(super) async fn resolve_platform(node: &Node, platform: Platform, now: Timestamp) -> Result<bool, JobError> {
    let resolved = node.db.read(move |tx| posts::resolved(tx, Some(platform), 100)).await?;
    let is_busy = !resolved.is_empty();
    for object in resolved {
        let instance = node.instance.clone();
        let Released { shares, .. } = node.write(move |tx| claim::resolve(tx, &instance, object, now)).await?;
        if shares > 0 {
            tracing::info!(object = %object, "the author of object {object} is known: {shares} shares are released");
        }
    }
    Ok(is_busy)
}
