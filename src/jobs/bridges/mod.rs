//! Bridges at work: patrons' likes are read, claims are checked, accounts are looked up.
//!
//! Owns the waiting: a rate limit is obeyed to the second, a failure backs off, and one bridge that is down never holds
//! another. What was read is handed to the flows as values.

mod claims;
mod likes;

use super::JobError;
use crate::bridges::{self, Access, Post, Profile, Who};
use crate::domain::identity::Platform;
use crate::federation::Node;
use crate::flows::notice::{self, SeenPost};
use crate::storage;
use crate::storage::connections;
use crate::storage::identities::{Identity, SeenIdentity};

pub use claims::{Checked, check_account, check_before_payout, check_claim, check_identity};
pub use likes::read_likes;

/// Reads what is due. Says whether anything was done.
pub async fn step(node: &Node) -> Result<bool, JobError> {
    let now = node.now();
    let due = node.db.read(move |tx| connections::due_connections(tx, now, 20)).await?;
    let checks = node.db.read(move |tx| connections::due_claim_checks(tx, now, 20)).await?;
    let looks = node.db.read(move |tx| storage::claims::due_looks(tx, now, 20)).await?;
    let is_busy = !due.is_empty() || !checks.is_empty() || !looks.is_empty();
    for connection in due {
        read_likes(node, connection).await?;
    }
    for check in checks {
        claims::check_peer_claim(node, check).await?;
    }
    for identity in looks {
        claims::look_again(node, &identity).await?;
    }
    Ok(is_busy)
}

pub async fn count_due(node: &Node) -> Result<i64, JobError> {
    let now = node.now();
    Ok(node
        .db
        .read(move |tx| {
            let connections = connections::due_connections(tx, now, 1_000)?.len();
            let checks = connections::due_claim_checks(tx, now, 1_000)?.len();
            let looks = storage::claims::due_looks(tx, now, 1_000)?.len();
            Ok::<i64, storage::Error>(i64::try_from(connections + checks + looks).unwrap_or(i64::MAX))
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

/// Asks the platform for an account and stores what it says.
pub async fn look_up(node: &Node, platform: Platform, who: &Who) -> Result<(Profile, Identity), LookUpError> {
    let bridge = node.bridges.get(platform).cloned().ok_or(LookUpError::SwitchedOff(platform))?;
    let live = bridge.live().ok_or(LookUpError::SwitchedOff(platform))?;
    let profile = live.profile(who, &Access::Instance).await?;
    let (instance, seen, now) = (node.instance.clone(), seen_identity(&profile), node.now());
    let identity = node
        .write(move |tx| notice::identity(tx, &instance, &seen, now))
        .await
        .map_err(|error| LookUpError::Job(error.into()))?;
    Ok((profile, identity))
}

/// Stores what a platform said of one post.
pub async fn note_post(node: &Node, post: &Post) -> Result<crate::domain::id::ObjectId, JobError> {
    let (instance, seen, now) = (node.instance.clone(), seen_post(post), node.now());
    Ok(node.write(move |tx| notice::post(tx, &instance, &seen, now)).await?.id)
}

/// A post as the flows take it. Its author is known by the stable id, or not at all.
fn seen_post(post: &Post) -> SeenPost {
    let owner = post.owner.clone().map(|external_id| {
        let handle = post.owner_handle.clone().unwrap_or_else(|| external_id.account().to_owned());
        SeenIdentity {
            profile_url: profile_url(external_id.platform(), &handle),
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

/// Where people find an account of which only the handle is known.
fn profile_url(platform: Platform, handle: &str) -> String {
    match platform {
        Platform::GitHub => format!("https://github.com/{handle}"),
        _ => String::new(),
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
