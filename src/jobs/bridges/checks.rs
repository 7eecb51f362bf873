//! Asking for single posts: whether one that is missing from a listing is gone, and whose one is that counts.
//!
//! Owns the bound: a few questions to each platform a minute, and none where each costs money and only the author is
//! wanted, since the claimant's own list tells that too.

use std::time::Duration;

use futures_util::future::join_all;

use super::when::{Place, backoff, end_of_limit, pause_platform};
use super::{JobError, health, seen_details, seen_post};
use crate::bridges::{self, Access, Bridge, Quota, meter};
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;
use crate::federation::Node;
use crate::flows::feed::{self, Found};
use crate::flows::watch_bridge;
use crate::storage::identities::Object;
use crate::storage::posts::{self, PostCheck};
use crate::storage::{self, Tx};

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
fn due(
    tx: &mut Tx,
    node: &Node,
    platform: Platform,
    now: Timestamp,
) -> Result<Vec<(PostCheck, Object)>, storage::Error> {
    let Some(bridge) = node.bridges.get(platform).filter(|bridge| bridge.live().is_some()) else {
        return Ok(Vec::new());
    };
    let is_metered = bridge.capabilities().is_metered;
    let mut due = posts::due_checks(tx, platform, now, AT_ONCE_MAX)?;
    due.retain(|(check, _)| check.is_missing() || !is_metered);
    Ok(due)
}

/// How many questions wait for nothing but us, by platform.
pub(super) fn due_by_platform(tx: &mut Tx, node: &Node, now: Timestamp) -> Result<Vec<(String, i64)>, storage::Error> {
    let mut counts = Vec::new();
    if !posts::is_any_check_due(tx, now)? {
        return Ok(counts);
    }
    for platform in Platform::ALL {
        let count = due(tx, node, platform, now)?.len();
        counts.push((platform.slug().to_owned(), i64::try_from(count).unwrap_or(AT_ONCE_MAX)));
    }
    Ok(counts)
}

/// Asks a platform what is to be asked. Says whether there was anything.
pub(super) async fn ask_platform(node: &Node, platform: Platform, now: Timestamp) -> Result<bool, JobError> {
    let shared = node.clone();
    let due = node.db.read(move |tx| due(tx, &shared, platform, now)).await?;
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
    let place = Place::of(&node.instance.host, platform, id.0);
    let reference = object.object_ref()?;
    let (asked, sent) = meter::counted(live.post(&reference, Some(&object.url), &Access::Instance)).await;
    let outcome = asked.as_ref().map(|_| ()).map_err(Clone::clone);
    let exchange = health::exchange(node, platform, now, (outcome, sent), true, Quota::default());
    node.write(move |tx| watch_bridge::note(tx, platform, &exchange)).await?;
    let found = match asked {
        Ok(post) => Found::There(Box::new((seen_post(node, &post), seen_details(&post)))),
        Err(bridges::Error::Gone { .. }) => Found::Gone,
        // Hidden from us proves nothing by itself; the author's own public listing does not show it either.
        Err(bridges::Error::NotFound { .. } | bridges::Error::Forbidden { .. }) if check.is_missing() => Found::Gone,
        Err(bridges::Error::RateLimited { until, message }) => {
            let until = end_of_limit(until, place, check.failures, now);
            node.write(move |tx| {
                posts::postpone_check(tx, id, until, &message)?;
                pause_platform(tx, platform, until)
            })
            .await?;
            return Ok(true);
        }
        Err(error) => {
            let (next, reason) = (now.plus(backoff(place, check.failures)), error.to_string());
            node.write(move |tx| posts::postpone_check(tx, id, next, &reason)).await?;
            return Ok(health::is_limited(node, platform));
        }
    };
    if matches!(found, Found::Gone) {
        tracing::info!(object = %id, "{platform}:{} is gone", object.object);
    }
    let instance = node.instance.clone();
    node.write(move |tx| feed::checked(tx, &instance, id, &found, now)).await?;
    Ok(false)
}
