//! Asking for single posts: whether one that is missing from a listing is gone, and whose one is that counts.
//!
//! Owns the bound: a few questions to each platform a minute, and none where each costs money and only the author is
//! wanted, since the claimant's own list tells that too.

use std::time::Duration;

use futures_util::future::join_all;

use super::waiting::{backoff, end_of_limit, pause_platform};
use super::{JobError, seen_details, seen_post};
use crate::bridges::{self, Access, Bridge};
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;
use crate::federation::Node;
use crate::flows::feed::{self, Found};
use crate::storage::identities::Object;
use crate::storage::posts::{self, PostCheck};

/// Questions to one platform, and how long it is left alone after them.
const AT_ONCE_MAX: i64 = 10;
const TURN_EVERY: Duration = Duration::from_secs(60);

/// Asks the platforms whose turn it is. Says whether any was asked.
pub async fn ask_due(node: &Node, now: Timestamp) -> Result<bool, JobError> {
    let rounds = Platform::ALL.map(|platform| ask_platform(node, platform, now));
    let mut is_busy = false;
    for outcome in join_all(rounds).await {
        is_busy |= outcome?;
    }
    Ok(is_busy)
}

/// The questions that can be put to a platform at this moment.
async fn due(node: &Node, platform: Platform, now: Timestamp) -> Result<Vec<(PostCheck, Object)>, JobError> {
    let Some(bridge) = node.bridges.get(platform).filter(|bridge| bridge.live().is_some()) else {
        return Ok(Vec::new());
    };
    let is_metered = bridge.capabilities().is_metered;
    let mut due = node.db.read(move |tx| posts::due_checks(tx, platform, now, AT_ONCE_MAX)).await?;
    due.retain(|(check, _)| check.is_missing() || !is_metered);
    Ok(due)
}

/// How many questions wait for nothing but us.
pub async fn count_due(node: &Node, now: Timestamp) -> Result<i64, JobError> {
    let mut count = 0;
    for platform in Platform::ALL {
        count += due(node, platform, now).await?.len();
    }
    Ok(i64::try_from(count).unwrap_or(i64::MAX))
}

async fn ask_platform(node: &Node, platform: Platform, now: Timestamp) -> Result<bool, JobError> {
    let due = due(node, platform, now).await?;
    let Some(bridge) = node.bridges.get(platform).cloned().filter(|_| !due.is_empty()) else { return Ok(false) };
    node.write(move |tx| posts::set_turn(tx, platform, now.plus(TURN_EVERY))).await?;
    for (check, object) in due {
        if ask(node, &*bridge, &check, &object, now).await? {
            break;
        }
    }
    Ok(true)
}

/// Asks for one post. Says whether the platform wants to be left alone.
async fn ask(
    node: &Node,
    bridge: &dyn Bridge,
    check: &PostCheck,
    object: &Object,
    now: Timestamp,
) -> Result<bool, JobError> {
    let Some(live) = bridge.live() else { return Ok(false) };
    let (id, platform) = (object.id, bridge.platform());
    let asked = live.post(&object.object_ref()?, Some(&object.url), &Access::Instance).await;
    let found = match asked {
        Ok(post) => Found::There(Box::new((seen_post(node, &post), seen_details(&post)))),
        Err(bridges::Error::Gone { .. }) => Found::Gone,
        // Hidden from us proves nothing by itself; the author's own public listing does not show it either.
        Err(bridges::Error::NotFound { .. } | bridges::Error::Forbidden { .. }) if check.is_missing() => Found::Gone,
        Err(bridges::Error::RateLimited { until, message }) => {
            let until = end_of_limit(until, id.0, check.failures, now);
            node.write(move |tx| {
                posts::postpone_check(tx, id, until, &message)?;
                pause_platform(tx, platform, until)
            })
            .await?;
            return Ok(true);
        }
        Err(error) => {
            let (next, reason) = (now.plus(backoff(id.0, check.failures)), error.to_string());
            node.write(move |tx| posts::postpone_check(tx, id, next, &reason)).await?;
            return Ok(false);
        }
    };
    if matches!(found, Found::Gone) {
        tracing::info!(object = %id, "{platform}:{} is gone", object.object);
    }
    let instance = node.instance.clone();
    node.write(move |tx| feed::checked(tx, &instance, id, &found, now)).await?;
    Ok(false)
}
