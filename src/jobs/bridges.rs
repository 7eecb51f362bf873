//! Bridges at work: patrons' likes are read, claims are checked, accounts are looked up.
//!
//! Owns the waiting: a rate limit is obeyed to the second, a failure backs off, and one bridge that is down never holds
//! another. What was read is handed to the flows as values.

use std::collections::BTreeSet;
use std::time::Duration;

use super::JobError;
use crate::bridges::listing::{self, Depth, Pass, PassEnd, Unlikes};
use crate::bridges::{self, Access, LikesQuery, Post, Profile, Who, proves};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};
use crate::domain::time::Timestamp;
use crate::federation::Node;
use crate::flows::claim;
use crate::flows::connect::{self, Look};
use crate::flows::notice::{self, SeenPost};
use crate::storage;
use crate::storage::connections::{self, ClaimCheck, Connection};
use crate::storage::identities::{self, Identity, SeenIdentity};

/// Reads what is due. Says whether anything was done.
pub async fn step(node: &Node) -> Result<bool, JobError> {
    let now = node.now();
    let due = node.db.read(move |tx| connections::due_connections(tx, now, 20)).await?;
    let checks = node.db.read(move |tx| connections::due_claim_checks(tx, now, 20)).await?;
    let is_busy = !due.is_empty() || !checks.is_empty();
    for connection in due {
        read_likes(node, connection).await?;
    }
    for check in checks {
        check_peer_claim(node, check).await?;
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
            Ok::<i64, storage::Error>(i64::try_from(connections + checks).unwrap_or(i64::MAX))
        })
        .await?)
}

/// Reads the likes of one connection and applies what changed.
pub async fn read_likes(node: &Node, connection: Connection) -> Result<connect::Changed, JobError> {
    let seen_at = node.now();
    let interval = Duration::from_secs(node.config.bridge.github.poll_interval_seconds);
    let account = external_id(&connection)?;
    let Some(bridge) = node.bridges.get(account.platform()).cloned() else {
        return postpone(node, &connection, "the bridge is switched off", seen_at.plus(interval)).await;
    };
    let Some(live) = bridge.live() else {
        return postpone(node, &connection, "this platform has no API for likes", seen_at.plus(interval)).await;
    };
    let mut query = LikesQuery::first(Who::Id(account), Access::Instance);
    query.etag.clone_from(&connection.etag);
    let first = listing::read(live, &query, Depth::All).await;
    if let PassEnd::Failed(error) = &first.end {
        let until = match error {
            bridges::Error::RateLimited { until: Some(until), .. } => (*until).max(seen_at),
            _ => seen_at.plus(interval),
        };
        if first.items.is_empty() {
            return postpone(node, &connection, &error.to_string(), until).await;
        }
    }
    let known = known_likes(node, connection.id).await?;
    let names: BTreeSet<ObjectRef> = known.iter().map(|(object, _)| object.clone()).collect();
    let mut unlikes = if first.end == PassEnd::NotModified {
        Unlikes::Certain(Vec::new())
    } else {
        listing::unlikes(&names, &first, None)
    };
    if unlikes == Unlikes::ReadAgain {
        query.etag = None;
        let second = listing::read(live, &query, Depth::All).await;
        unlikes = listing::unlikes(&names, &first, Some(&second));
    }
    let unliked = match unlikes {
        Unlikes::Certain(gone) => known.iter().filter(|(object, _)| gone.contains(object)).map(|(_, id)| *id).collect(),
        Unlikes::Unknown | Unlikes::ReadAgain => Vec::new(),
    };
    let look = look_of(&first, unliked, seen_at, interval);
    let (instance, id) = (node.instance.clone(), connection.id);
    let changed = node.write(move |tx| connect::apply(tx, &instance, id, &look)).await?;
    tracing::info!(
        platform = %connection.platform,
        "read the likes of {}: {} new, {} taken back, {} of before",
        connection.handle, changed.flattrs, changed.taken_back, changed.baseline
    );
    Ok(changed)
}

fn look_of(pass: &Pass, unliked: Vec<crate::domain::id::ObjectId>, seen_at: Timestamp, interval: Duration) -> Look {
    let mut likes = Vec::with_capacity(pass.items.len());
    for item in &pass.items {
        likes.push((seen_post(&item.post), item.liked_at));
    }
    let error = match &pass.end {
        PassEnd::Failed(error) => Some(error.to_string()),
        PassEnd::CompleteButFor { unreadable } => Some(format!("{unreadable} items could not be understood")),
        _ => None,
    };
    let next_poll_at = match &pass.end {
        PassEnd::Failed(bridges::Error::RateLimited { until: Some(until), .. }) => (*until).max(seen_at),
        _ => seen_at.plus(interval),
    };
    let is_complete = pass.is_complete() || pass.end == PassEnd::NotModified;
    Look { likes, unliked, is_complete, etag: pass.etag.clone(), seen_at, next_poll_at, error }
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

async fn postpone(
    node: &Node,
    connection: &Connection,
    reason: &str,
    next_poll_at: Timestamp,
) -> Result<connect::Changed, JobError> {
    tracing::warn!(platform = %connection.platform, "could not read the likes of {}: {reason}", connection.handle);
    let (id, reason) = (connection.id, reason.to_owned());
    node.write(move |tx| {
        let poll = connections::Poll {
            next_poll_at,
            error: Some(&reason),
            succeeded_at: None,
            newest_like_at: None,
            etag: None,
        };
        connections::save_poll(tx, id, &poll)
    })
    .await?;
    Ok(connect::Changed::default())
}

fn external_id(connection: &Connection) -> Result<ExternalId, storage::Error> {
    let text = format!("{}:{}", connection.platform, connection.account);
    text.parse().map_err(|_| storage::Error::Corrupt { what: "connection", value: text.clone() })
}

async fn known_likes(
    node: &Node,
    connection: i64,
) -> Result<Vec<(ObjectRef, crate::domain::id::ObjectId)>, storage::Error> {
    node.db
        .read(move |tx| {
            let mut known = Vec::new();
            for like in connections::likes_of(tx, connection)? {
                if let Some(object) = identities::object(tx, like.object_id)? {
                    known.push((object.object_ref()?, object.id));
                }
            }
            Ok(known)
        })
        .await
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

/// Looks for the backlink of a claim of ours on the profile, by the account's stable id, and verifies the claim.
pub async fn check_claim(node: &Node, token: &str) -> Result<claim::Released, LookUpError> {
    let owned = token.to_owned();
    let found = node
        .db
        .read(move |tx| match identities::claim_by_token(tx, &owned)? {
            None => Ok(None),
            Some(claim) => identities::identity(tx, claim.identity_id),
        })
        .await
        .map_err(|error: storage::Error| LookUpError::Job(error.into()))?;
    let identity = found.ok_or_else(|| LookUpError::Job(claim::ClaimError::NoSuchClaim.into()))?;
    let id = identity.external_id().map_err(|error| LookUpError::Job(error.into()))?;
    let (profile, _) = look_up(node, id.platform(), &Who::Id(id.clone())).await?;
    let url = claim::claim_url(&node.instance, token);
    if profile.id != id || !proves(&profile, &url) {
        return Err(LookUpError::NoBacklink(url));
    }
    let (instance, token, now) = (node.instance.clone(), token.to_owned(), node.now());
    node.write(move |tx| claim::verified(tx, &instance, &token, now))
        .await
        .map_err(|error| LookUpError::Job(error.into()))
}

/// Checks a claim that a peer announced. Only the platform's own profile decides.
async fn check_peer_claim(node: &Node, check: ClaimCheck) -> Result<(), JobError> {
    let corrupt = || storage::Error::Corrupt { what: "claim check", value: check.identity.clone() };
    let id: ExternalId = check.identity.parse().map_err(|_| corrupt())?;
    let base = check.home_uri.trim_end_matches("/instance");
    let url = format!("{base}/claim/{}", check.token);
    let now = node.now();
    let outcome = look_up(node, id.platform(), &Who::Id(id.clone())).await;
    let (state, reason, next_at) = match outcome {
        Ok((profile, _)) if profile.id == id && proves(&profile, &url) => {
            let (home, creator, token) = (check.home_uri.clone(), check.creator_uri.clone(), check.token.clone());
            let verified = node.write(move |tx| claim::verified_at_peer(tx, &id, &home, &creator, &token, now)).await;
            match verified {
                Ok(_) => ("verified", None, now),
                Err(claim::ClaimError::Storage(error)) => return Err(error.into()),
                Err(error) => ("failed", Some(error.to_string()), now),
            }
        }
        Ok(_) => ("failed", Some(format!("the profile does not show {url}")), now),
        Err(LookUpError::Job(JobError::Storage(error))) => return Err(error.into()),
        // The platform may answer later: an hour is soon enough for a claim.
        Err(error) if check.attempts < 48 => ("waiting", Some(error.to_string()), now.plus(Duration::from_secs(3_600))),
        Err(error) => ("failed", Some(error.to_string()), now),
    };
    tracing::info!(identity = %check.identity, state, "the claim on {} by {}: {state}", check.identity, check.home_uri);
    let id = check.id;
    node.write(move |tx| connections::end_claim_check(tx, id, state, reason.as_deref(), next_at)).await?;
    Ok(())
}
