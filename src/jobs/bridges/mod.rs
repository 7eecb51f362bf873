//! Bridges at work: patrons' likes are read, claims are checked, accounts are looked up.
//!
//! Owns the waiting: a rate limit is obeyed to the second, a failure backs off, and neither a bridge that is down nor a
//! connection that is broken holds up another. What was read is handed to the flows as values.

mod authors;
mod claim_sign_in;
mod claims;
mod consent;
pub mod credentials;
pub mod find;
mod likes;
mod sources;

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};

use super::JobError;
use crate::bridges::{self, Access, Post, Profile, Who};
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;
use crate::fault;
use crate::federation::Node;
use crate::flows::consent::{self as consent_flow, Reading};
use crate::flows::notice::{self, SeenPost};
use crate::storage;
use crate::storage::connections;
use crate::storage::identities::{Identity, SeenIdentity};

pub use authors::look_for_authors;
pub use claim_sign_in::{SignedIn, claim_signed_in, end_sign_in, signed_in_as};
pub use claims::{Checked, check_account, check_before_payout, check_claim, check_identity};
pub use consent::{begin_opt_out, check_opt_out, read_consents};
pub use likes::{Turn, read_likes};
pub use sources::check_sources;

/// Connections of one platform that are taken up in one round, and how many of them at the same time.
const ROUND_MAX: i64 = 20;
const AT_ONCE_MAX: usize = 4;

/// Reads what is due. Says whether anything was done.
pub async fn step(node: &Node) -> Result<bool, JobError> {
    let now = node.now();
    let is_busy = read_due(node, now).await?;
    let checks = node.db.read(move |tx| connections::due_claim_checks(tx, now, 20)).await?;
    let looks = node.db.read(move |tx| storage::claims::due_looks(tx, now, 20)).await?;
    let is_busy = is_busy || !checks.is_empty() || !looks.is_empty();
    let is_busy = look_for_authors(node, now).await? > 0 || is_busy;
    let is_busy = check_sources(node, now).await? > 0 || is_busy;
    for check in checks {
        claims::check_peer_claim(node, check).await?;
    }
    for identity in looks {
        claims::look_again(node, &identity).await?;
    }
    Ok(consent::read_consents(node, now).await? || is_busy)
}

/// Reads the connections that are due: all platforms side by side, a few connections of each.
///
/// - errors: only when the database fails; everything else is put down beside the connection that it befell.
pub async fn read_due(node: &Node, now: Timestamp) -> Result<bool, JobError> {
    let rounds = Platform::ALL.map(|platform| read_platform(node, platform, now));
    let mut is_busy = false;
    for outcome in join_all(rounds).await {
        is_busy |= outcome?;
    }
    Ok(is_busy)
}

async fn read_platform(node: &Node, platform: Platform, now: Timestamp) -> Result<bool, JobError> {
    let due = node.db.read(move |tx| connections::due_connections(tx, platform, now, ROUND_MAX)).await?;
    let is_busy = !due.is_empty();
    // Raised by the first that meets the limit: it put the others off already, those that wait here included.
    let is_paused = AtomicBool::new(false);
    let turns = stream::iter(due).map(|connection| {
        let is_paused = &is_paused;
        async move {
            if is_paused.load(Ordering::Relaxed) {
                return Ok(());
            }
            match read_likes(node, &connection, now).await {
                Ok(turn) => {
                    is_paused.fetch_or(turn.paused_until.is_some(), Ordering::Relaxed);
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
    Ok(is_busy)
}

pub async fn count_due(node: &Node) -> Result<i64, JobError> {
    let now = node.now();
    let consents = consent::count_due(node, now).await?;
    Ok(node
        .db
        .read(move |tx| {
            let connections = connections::count_due(tx, now)?;
            let checks = connections::due_claim_checks(tx, now, 1_000)?.len();
            let looks = storage::claims::due_looks(tx, now, 1_000)?.len();
            let authors = authors::due(tx, now, 1_000)?.len() + storage::like_sources::due(tx, now, 1_000)?.len();
            let waiting = checks + looks + consents + authors;
            Ok::<i64, storage::Error>(connections + i64::try_from(waiting).unwrap_or(i64::MAX))
        })
        .await?)
}

/// Why an account cannot be looked up or a claim not be verified.
#[derive(Debug, thiserror::Error)]
pub enum LookUpError {
    #[error("the bridge to {0} is switched off")]
    SwitchedOff(Platform),
    #[error("{0}")]
    Platform(#[from] bridges::Error),
    #[error("the profile does not show {0} yet")]
    NoBacklink(String),
    #[error("{0}")]
    Job(#[from] JobError),
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
    let live = bridge.live().ok_or(LookUpError::SwitchedOff(platform))?;
    Ok(live.profile(who, access).await?)
}

/// Stores what a platform said of an account.
///
/// - `seen_at`: before the platform was asked.
async fn note_profile(node: &Node, profile: &Profile, seen_at: Timestamp) -> Result<Identity, JobError> {
    let (instance, reading, now) = (node.instance.clone(), reading_of(profile, seen_at), node.now());
    Ok(node.write(move |tx| consent_flow::hear(tx, &instance, &reading, now)).await?)
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
