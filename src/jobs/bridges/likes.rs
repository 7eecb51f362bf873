//! Reading likes: one connection's listing becomes a look, which a flow applies.
//!
//! Owns that a rate limit is obeyed to the second and that a failure of one connection is its own.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{JobError, seen_post};
use crate::bridges::listing::{self, Depth, Pass, PassEnd, Unlikes};
use crate::bridges::{self, Access, LikesQuery, Who};
use crate::domain::identity::{ExternalId, ObjectRef};
use crate::domain::time::Timestamp;
use crate::federation::Node;
use crate::flows::connect::{self, Look};
use crate::storage;
use crate::storage::connections::{self, Connection};
use crate::storage::identities;

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
    let look = look_of(node, &first, unliked, seen_at, interval);
    let (instance, id) = (node.instance.clone(), connection.id);
    let changed = node.write(move |tx| connect::apply(tx, &instance, id, &look)).await?;
    tracing::info!(
        platform = %connection.platform,
        "read the likes of {}: {} new, {} taken back, {} of before",
        connection.handle, changed.flattrs, changed.taken_back, changed.baseline
    );
    Ok(changed)
}

fn look_of(
    node: &Node,
    pass: &Pass,
    unliked: Vec<crate::domain::id::ObjectId>,
    seen_at: Timestamp,
    interval: Duration,
) -> Look {
    let mut likes = Vec::with_capacity(pass.items.len());
    for item in &pass.items {
        likes.push((seen_post(node, &item.post), item.liked_at));
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
