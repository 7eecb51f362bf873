//! Bridges at work: patrons' likes are read, claims are checked, accounts are looked up.
//!
//! Owns the waiting: a rate limit is obeyed to the second, a failure backs off, and neither a bridge that is down nor a
//! connection that is broken holds up another. So each kind of work on each platform is a task of its own, and no round
//! waits for all of them. What was read is handed to the flows as values.

mod authors;
mod checks;
mod claim_sign_in;
mod claims;
mod consent;
pub mod credentials;
pub mod find;
pub mod health;
mod likes;
pub mod notes;
mod posts;
mod sources;
pub mod try_out;
mod when;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, FuturesUnordered, StreamExt};

use super::JobError;
use crate::bridges::{self, Access, Bridge, Post, Profile, Quota, Who, meter};
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;
use crate::fault;
use crate::federation::Node;
use crate::flows::consent::{self as consent_flow, Reading};
use crate::flows::feed::SeenDetails;
use crate::flows::notice::{self, SeenPost, SeenProfile};
use crate::flows::watch_bridge;
use crate::storage::identities::{Identity, SeenIdentity};
use crate::storage::posts::{FullForm, Medium};
use crate::storage::{self, bridge_health, connections, feeds};
use health::Allowance;

pub use authors::look_for_authors;
pub use checks::ask_due;
pub use claim_sign_in::{SignedIn, claim_signed_in, end_sign_in, signed_in_as};
pub use claims::{Checked, check_account, check_before_payout, check_claim, check_identity};
pub use consent::{begin_opt_out, check_opt_out, opt_out_signed_in, read_consents};
pub use likes::{Turn, TurnEnd, read_likes, read_now};
pub use posts::{read_feeds, resolve_known};
pub use sources::check_sources;
pub(super) use when::{Place, end_of_limit};

/// Connections of one platform that are taken up in one round, and how many of them at the same time.
const ROUND_MAX: i64 = 20;
const AT_ONCE_MAX: usize = 4;
/// Claims and profiles of one platform that are looked at in one round.
const LOOKS_MAX: i64 = 20;
/// More that are due than this are not counted.
const COUNTED_MAX: i64 = 1_000;

/// One kind of work on one platform: it waits for no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Work {
    platform: Platform,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Likes,
    ClaimChecks,
    Looks,
    Consents,
    Posts,
    PostChecks,
    /// What was held for posts whose authors have become known: nobody is asked.
    Resolved,
    /// Whose native posts are: their own servers are asked.
    Authors,
    /// Accounts that peers announce as sources of likes.
    Sources,
}

/// Does what is due, until the process ends.
pub async fn run(node: &Node) {
    let interval = Duration::from_millis(node.config.jobs.poll_interval_milliseconds);
    let mut at_work = FuturesUnordered::new();
    let mut taken = BTreeSet::new();
    loop {
        // The bell is heard from before the look, so that nothing queued meanwhile is missed.
        let bell = node.wake.notified();
        match due_work(node, node.now()).await {
            Ok(due) => {
                for (work, _) in due {
                    if taken.insert(work) {
                        at_work.push(carry_out(node, work, interval));
                    }
                }
            }
            Err(error) => tracing::error!(job = "bridges", "bridges failed: {}", fault::explain(&error)),
        }
        tokio::select! {
            Some(work) = at_work.next() => {
                taken.remove(&work);
            }
            () = bell => {}
            () = tokio::time::sleep(interval) => {}
        }
    }
}

/// Does one round of one kind of work. A failure of ours is told, and the work rests for a moment.
async fn carry_out(node: &Node, work: Work, rest: Duration) -> Work {
    if let Err(error) = round(node, work).await {
        let (platform, reason) = (work.platform, fault::explain(&error));
        tracing::error!(job = "bridges", platform = %platform, "the bridge to {platform} failed: {reason}");
        tokio::time::sleep(rest).await;
    }
    work
}

async fn round(node: &Node, Work { platform, kind }: Work) -> Result<(), JobError> {
    let now = node.now();
    match kind {
        Kind::Likes => read_platform(node, platform, now).await?,
        Kind::ClaimChecks => {
            let due = move |tx: &mut storage::Tx| connections::due_claim_checks(tx, platform, now, LOOKS_MAX);
            for check in node.db.read(due).await? {
                if health::is_limited(node, platform) {
                    break;
                }
                claims::check_peer_claim(node, check).await?;
            }
        }
        Kind::Looks => {
            let due = move |tx: &mut storage::Tx| storage::claims::due_looks(tx, platform, now, LOOKS_MAX);
            for identity in node.db.read(due).await? {
                if health::is_limited(node, platform) {
                    break;
                }
                claims::look_again(node, &identity).await?;
            }
        }
        Kind::Consents => {
            consent::read_platform(node, platform, now).await?;
        }
        Kind::Posts => {
            posts::read_platform(node, platform, now).await?;
        }
        Kind::PostChecks => {
            checks::ask_platform(node, platform, now).await?;
        }
        Kind::Resolved => {
            posts::resolve_platform(node, platform, now).await?;
        }
        Kind::Authors => {
            look_for_authors(node, now).await?;
        }
        Kind::Sources => {
            check_sources(node, now).await?;
        }
    }
    Ok(())
}

/// What is due at a moment, with how much of it. Nothing is on a platform that the operator has paused or that asks us to
/// wait, and no likes or posts where the budget of polling is used up.
async fn due_work(node: &Node, now: Timestamp) -> Result<Vec<(Work, i64)>, JobError> {
    let shared = node.clone();
    let (healths, likes, looks, consents, checks, feeds, questions, resolved, native) = node
        .db
        .read(move |tx| {
            let healths = bridge_health::all(tx)?;
            let likes = connections::due_by_platform(tx, now)?;
            let looks = storage::claims::due_looks_by_platform(tx, now)?;
            let consents = consent::due_by_platform(tx, now)?;
            let mut checks = Vec::new();
            if connections::count_due_claim_checks(tx, now)? > 0 {
                for platform in Platform::ALL {
                    let due = connections::due_claim_checks(tx, platform, now, COUNTED_MAX)?.len();
                    checks.push((platform.slug().to_owned(), i64::try_from(due).unwrap_or(COUNTED_MAX)));
                }
            }
            let feeds = feeds::due_by_platform(tx, now)?;
            let questions = checks::due_by_platform(tx, &shared, now)?;
            let resolved = storage::posts::resolved_by_platform(tx)?;
            let native = (authors::count_due(tx, now)?, storage::like_sources::count_due(tx, now)?);
            Ok::<_, storage::Error>((healths, likes, looks, consents, checks, feeds, questions, resolved, native))
        })
        .await?;
    let mut work = Vec::new();
    for (platform, health) in healths {
        if let Some(meter) = node.bridges.meter(platform) {
            // Another process of this instance may have been told.
            meter.set_paused(health.is_paused());
        }
        let count = |counts: &[(String, i64)]| {
            counts.iter().find(|(slug, _)| slug == platform.slug()).map_or(0, |(_, count)| *count)
        };
        if count(&resolved) > 0 {
            work.push((Work { platform, kind: Kind::Resolved }, count(&resolved)));
        }
        if health.is_paused() || health::limited_until(node, platform, &health, now).is_some() {
            continue;
        }
        if platform == Platform::Fediverse && node.bridges.get(platform).is_some() {
            let kinds = [(Kind::Authors, native.0), (Kind::Sources, native.1)];
            work.extend(
                kinds.into_iter().filter(|(_, count)| *count > 0).map(|(kind, count)| (Work { platform, kind }, count)),
            );
        }
        let is_spent = health::budget(node, platform, &health, now).is_spent();
        let kinds = [
            (Kind::Likes, &likes),
            (Kind::ClaimChecks, &checks),
            (Kind::Looks, &looks),
            (Kind::Consents, &consents),
            (Kind::Posts, &feeds),
            (Kind::PostChecks, &questions),
        ];
        for (kind, counts) in kinds {
            let is_polling = matches!(kind, Kind::Likes | Kind::Posts | Kind::PostChecks);
            if count(counts) > 0 && !(is_polling && is_spent) {
                work.push((Work { platform, kind }, count(counts)));
            }
        }
    }
    Ok(work)
}

/// Reads one round of the connections that are due: all platforms side by side, a few connections of each. Says whether
/// there were any.
///
/// - errors: only when the database fails; everything else is put down beside the connection that it befell.
pub async fn read_due(node: &Node, now: Timestamp) -> Result<bool, JobError> {
    let due = due_work(node, now).await?;
    let platforms = due.iter().filter(|(work, _)| work.kind == Kind::Likes).map(|(work, _)| work.platform);
    let outcomes = join_all(platforms.map(|platform| read_platform(node, platform, now))).await;
    let is_busy = !outcomes.is_empty();
    outcomes.into_iter().collect::<Result<(), JobError>>()?;
    Ok(is_busy)
}

async fn read_platform(node: &Node, platform: Platform, now: Timestamp) -> Result<(), JobError> {
    let (due, health) = node
        .db
        .read(move |tx| {
            let due = connections::due_connections(tx, platform, now, ROUND_MAX)?;
            Ok::<_, storage::Error>((due, bridge_health::of(tx, platform)?))
        })
        .await?;
    let allowance = Allowance::of(node, platform, &health, now);
    // Raised by the first that meets the limit: it put the others off already, those that wait here included.
    let is_limited = AtomicBool::new(false);
    let is_any_read = AtomicBool::new(false);
    let turns = stream::iter(due).map(|connection| {
        let (is_limited, is_any_read, allowance) = (&is_limited, &is_any_read, &allowance);
        async move {
            if is_limited.load(Ordering::Relaxed) || allowance.is_spent() {
                return Ok(());
            }
            match likes::read_within(node, &connection, now, allowance).await {
                Ok(turn) => {
                    is_limited.fetch_or(turn.paused_until.is_some(), Ordering::Relaxed);
                    is_any_read.fetch_or(turn.end != TurnEnd::Elsewhere, Ordering::Relaxed);
                    Ok(())
                }
                Err(error) => {
                    let reason = fault::explain(&error);
                    likes::put_off(node, &connection, &reason, now).await.map(|_| ())
                }
            }
        }
    });
    let outcomes: Vec<Result<(), JobError>> = turns.buffer_unordered(AT_ONCE_MAX).collect().await;
    outcomes.into_iter().collect::<Result<(), JobError>>()?;
    if !is_any_read.into_inner() {
        // All that is due is in other hands: it is looked at again later, not at once.
        tokio::time::sleep(Duration::from_millis(node.config.jobs.poll_interval_milliseconds)).await;
    }
    Ok(())
}

/// How much is due on platforms, without what is paused or waits for a budget.
pub async fn count_due(node: &Node) -> Result<i64, JobError> {
    Ok(due_work(node, node.now()).await?.into_iter().map(|(_, count)| count).sum())
}

/// Why an account cannot be looked up or a claim not be verified.
#[derive(Debug, thiserror::Error)]
pub enum LookUpError {
    #[error("the bridge to {0} is switched off")]
    SwitchedOff(Platform),
    #[error("{} has no API that this instance can ask", .0.label())]
    NoApi(Platform),
    #[error("the operator has paused the bridge to {0}")]
    Paused(Platform),
    #[error("{0}")]
    Platform(#[from] bridges::Error),
    #[error("the profile does not show {0} yet")]
    NoBacklink(String),
    #[error("{0}")]
    Job(#[from] JobError),
}

/// Whether no API tells this instance what anybody likes there: what people bring is all there is, and an account as the
/// source of it is known by its name.
pub fn is_known_by_name(bridge: &dyn Bridge) -> bool {
    let able = bridge.capabilities();
    bridge.live().is_none() || !(able.lists_likes_of_others || able.lists_own_likes)
}

/// Asks the platform for an account and stores what it says; what its profile says of being bridged is obeyed at once.
pub async fn look_up(node: &Node, platform: Platform, who: &Who) -> Result<(Profile, Identity), LookUpError> {
    look_up_as(node, platform, who, &Access::Instance).await
}

/// The same in somebody's name.
async fn look_up_as(
    node: &Node,
    platform: Platform,
    who: &Who,
    access: &Access,
) -> Result<(Profile, Identity), LookUpError> {
    let seen_at = node.now();
    let profile = ask(node, platform, who, access).await?;
    let identity = note_profile(node, &profile, seen_at).await?;
    Ok((profile, identity))
}

/// Asks the platform for an account and stores nothing.
async fn ask(node: &Node, platform: Platform, who: &Who, access: &Access) -> Result<Profile, LookUpError> {
    let bridge = node.bridges.get(platform).cloned().ok_or(LookUpError::SwitchedOff(platform))?;
    let live = bridge.live().ok_or(LookUpError::NoApi(platform))?;
    if node.bridges.meter(platform).is_some_and(|meter| meter.is_paused()) {
        return Err(LookUpError::Paused(platform));
    }
    let (looked, sent) = meter::counted(live.profile(who, access)).await;
    let outcome = looked.as_ref().map(|_| ()).map_err(Clone::clone);
    let is_shared = *access == Access::Instance;
    let exchange = health::exchange(node, platform, node.now(), (outcome, sent), is_shared, Quota::default());
    node.write(move |tx| watch_bridge::note(tx, platform, &exchange))
        .await
        .map_err(|error| LookUpError::Job(error.into()))?;
    Ok(looked?)
}

/// Stores what a platform said of an account.
///
/// - `seen_at`: before the platform was asked.
async fn note_profile(node: &Node, profile: &Profile, seen_at: Timestamp) -> Result<Identity, JobError> {
    let (instance, reading, now) = (node.instance.clone(), reading_of(profile, seen_at), node.now());
    let more = SeenProfile { kind: profile.kind.as_str(), website: profile.website.clone() };
    let noted = node.write(move |tx| {
        let identity = consent_flow::hear(tx, &instance, &reading, now)?;
        notice::details(tx, &identity, &more, now)?;
        Ok::<_, consent_flow::ConsentError>(identity)
    });
    Ok(noted.await?)
}

fn reading_of(profile: &Profile, seen_at: Timestamp) -> Reading {
    Reading { seen: seen_identity(profile), said: bridges::consent::said(profile), seen_at }
}

/// Stores what a platform said of one post.
pub async fn note_post(node: &Node, post: &Post) -> Result<crate::domain::id::ObjectId, JobError> {
    let (instance, seen, now) = (node.instance.clone(), seen_post(node, post), node.now());
    Ok(node.write(move |tx| notice::post(tx, &instance, &seen, now)).await?.id)
}

/// A post as the flows take it. Its author is known by the stable id, or not at all.
pub(super) fn seen_post(node: &Node, post: &Post) -> SeenPost {
    let owner = post.owner.clone().map(|external_id| {
        let handle = post.owner_handle.clone().unwrap_or_else(|| external_id.account().to_owned());
        SeenIdentity {
            profile_url: node
                .bridges
                .get(external_id.platform())
                .map(|bridge| bridge.profile_url(&handle))
                .unwrap_or_default(),
            display_name: handle.clone(),
            handle,
            external_id,
            avatar_url: None,
            bio: String::new(),
        }
    });
    SeenPost {
        object: post.id.clone(),
        owner,
        title: post.title.clone(),
        url: post.url.clone(),
        published_at: post.published,
    }
}

/// What a post is beside title and address, as the flows take it.
pub(super) fn seen_details(post: &Post) -> SeenDetails {
    let media = post.attachments.iter().map(|medium| Medium {
        kind: medium.kind.as_str().to_owned(),
        url: medium.url.clone(),
        media_type: medium.media_type.clone(),
        alt: medium.alt.clone(),
        width: medium.width,
        height: medium.height,
        poster: medium.poster.clone(),
    });
    SeenDetails {
        kind: post.kind.as_str(),
        thumbnail_url: post.thumbnail_url.clone(),
        full: FullForm {
            description: post.description.clone(),
            licence: post.licence.clone(),
            tags: post.tags.clone(),
            media: media.collect(),
            is_sensitive: post.is_sensitive,
            duration_seconds: post.duration.map(|duration| duration.as_secs()),
            alias_url: post.alias_url.clone(),
            in_reply_to: post.in_reply_to.as_ref().map(|object| object.object().to_owned()),
        },
    }
}

fn seen_identity(profile: &Profile) -> SeenIdentity {
    SeenIdentity {
        external_id: profile.id.clone(),
        handle: profile.handle.clone(),
        display_name: profile.display_name.clone().unwrap_or_else(|| profile.handle.clone()),
        profile_url: profile.profile_url.clone(),
        avatar_url: profile.avatar_url.clone(),
        bio: profile.bio.clone().unwrap_or_default(),
    }
}
