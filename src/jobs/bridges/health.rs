//! How the bridges fare, put together: what is stored, what is configured, and what this process knows.
//!
//! Owns the one word for a bridge that commands and pages show, and that polling stops where its budget ends.

use std::sync::Arc;

use super::JobError;
use crate::bridges::{self, Meter, Quota};
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;
use crate::federation::Node;
use crate::flows::watch_bridge::{self, Budget, Exchange};
use crate::storage::bridge_health::{self, Count, Health};
use crate::storage::{self, connections};

/// How a bridge is, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Ok,
    /// It failed for everybody when it was asked last.
    Failing,
    /// By the operator, until resumed.
    Paused,
    Off,
    /// No API tells of likes: people bring a file.
    FileOnly,
}

impl State {
    /// As programs read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Failing => "failing",
            State::Paused => "paused",
            State::Off => "off",
            State::FileOnly => "file only",
        }
    }

    fn of(node: &Node, platform: Platform, health: &Health) -> State {
        let Some(bridge) = node.bridges.get(platform) else {
            // Likes of the fediverse arrive by themselves.
            return if platform == Platform::Fediverse { State::Ok } else { State::Off };
        };
        let able = bridge.capabilities();
        let lists_likes = bridge.live().is_some() && (able.lists_likes_of_others || able.lists_own_likes);
        match () {
            () if health.is_paused() => State::Paused,
            () if health.failures > 0 => State::Failing,
            () if !lists_likes && platform != Platform::Fediverse => State::FileOnly,
            () => State::Ok,
        }
    }
}

/// A bridge as the operator sees it.
#[derive(Clone, Debug)]
pub struct Report {
    pub platform: Platform,
    pub state: State,
    pub health: Health,
    pub connections: Count,
    /// Connections that are due and wait for their turn.
    pub due: i64,
    pub budget: Budget,
}

/// How every bridge fares, in the order of [`Platform::ALL`].
pub async fn reports(node: &Node) -> Result<Vec<Report>, JobError> {
    let now = node.now();
    let rows = node
        .db
        .read(move |tx| {
            let due = connections::due_by_platform(tx, now)?;
            let mut rows = Vec::new();
            for (platform, health) in bridge_health::all(tx)? {
                let due = due.iter().find(|(slug, _)| slug == platform.slug()).map_or(0, |(_, count)| *count);
                rows.push((platform, health, bridge_health::count_connections(tx, platform)?, due));
            }
            Ok::<_, storage::Error>(rows)
        })
        .await?;
    let report = |(platform, health, connections, due): (Platform, Health, Count, i64)| Report {
        platform,
        state: State::of(node, platform, &health),
        budget: budget(node, platform, &health, now),
        health,
        connections,
        due,
    };
    Ok(rows.into_iter().map(report).collect())
}

/// The word for every bridge, and nothing else: for the front door.
pub async fn states(node: &Node) -> Result<Vec<(Platform, State)>, JobError> {
    let rows = node.db.read(bridge_health::all).await?;
    Ok(rows.into_iter().map(|(platform, health)| (platform, State::of(node, platform, &health))).collect())
}

/// Pauses or resumes the reading of a platform, at once and over restarts.
///
/// - returns: whether that changed anything.
pub async fn set_paused(node: &Node, platform: Platform, is_paused: bool) -> Result<bool, JobError> {
    let at = is_paused.then(|| node.now());
    let is_changed = node.write(move |tx| bridge_health::set_paused(tx, platform, at)).await?;
    if let Some(meter) = node.bridges.meter(platform) {
        meter.set_paused(is_paused);
    }
    Ok(is_changed)
}

/// What polling may still ask of a platform.
pub(super) fn budget(node: &Node, platform: Platform, health: &Health, now: Timestamp) -> Budget {
    watch_bridge::budget(health, node.config.bridge.requests_per_hour_max(platform), now)
}

/// What came of asking a platform, as it is put down.
pub(super) fn exchange(
    node: &Node,
    platform: Platform,
    at: Timestamp,
    outcome: Result<(), bridges::Error>,
    is_shared: bool,
    quota: Quota,
) -> Exchange {
    let requests = node.bridges.meter(platform).map_or(0, |meter| meter.take_new());
    Exchange { at, outcome, is_shared, quota, requests }
}

/// The budget of one round of polling: counted by what really goes out, look-ups beside it included.
pub(super) struct Allowance {
    meter: Option<Arc<Meter>>,
    before: u64,
    left: Option<u64>,
}

impl Allowance {
    /// For what the operator asks for by name.
    pub fn unlimited() -> Allowance {
        Allowance { meter: None, before: 0, left: None }
    }

    pub fn of(node: &Node, platform: Platform, health: &Health, now: Timestamp) -> Allowance {
        let left = match budget(node, platform, health, now) {
            Budget::Unlimited => None,
            Budget::Left(left) => Some(left),
            Budget::Until(_) => Some(0),
        };
        let meter = node.bridges.meter(platform).cloned();
        Allowance { before: meter.as_ref().map_or(0, |meter| meter.sent()), meter, left }
    }

    pub fn is_spent(&self) -> bool {
        let sent = self.meter.as_ref().map_or(0, |meter| meter.sent().saturating_sub(self.before));
        self.left.is_some_and(|left| sent >= left)
    }
}
