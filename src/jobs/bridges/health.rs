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
    /// It failed for everybody when it was asked last, or for every connection.
    Failing,
    /// Until the platform answers again, or the budget of polling begins anew.
    Waiting,
    /// It was never asked anything.
    Untried,
    /// The platform answers nobody without keys, and none are configured.
    NoKeys,
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
            State::Waiting => "waiting",
            State::Untried => "not tried yet",
            State::NoKeys => "no keys",
            State::Paused => "paused",
            State::Off => "off",
            State::FileOnly => "file only",
        }
    }

    /// - `is_failing_for_all`: whether every connection fails that has no excuse.
    fn of(node: &Node, platform: Platform, health: &Health, is_failing_for_all: bool, now: Timestamp) -> State {
        let Some(bridge) = node.bridges.get(platform) else {
            // Likes of the fediverse arrive by themselves.
            return if platform == Platform::Fediverse { State::Ok } else { State::Off };
        };
        let able = bridge.capabilities();
        let lists_likes = bridge.live().is_some() && (able.lists_likes_of_others || able.lists_own_likes);
        let is_never_asked = health.last_success_at.is_none() && health.last_error_at.is_none();
        match () {
            () if health.is_paused() => State::Paused,
            () if bridge.live().is_some() && !bridge.is_ready() => State::NoKeys,
            () if health.failures > 0 => State::Failing,
            () if !lists_likes && platform != Platform::Fediverse => State::FileOnly,
            () if waits_until(node, platform, health, now).is_some() => State::Waiting,
            () if is_failing_for_all => State::Failing,
            () if is_never_asked && platform != Platform::Fediverse => State::Untried,
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
    /// What is left of the shared allowance, and until when; `None` when nothing of this window is known.
    pub quota: Option<(i64, Option<Timestamp>)>,
    /// Until when polling asks nothing: because of a limit that was met, or of the budget.
    pub waits_until: Option<Timestamp>,
}

impl Report {
    /// When the next connection is really read.
    pub fn next_poll(&self) -> Option<Timestamp> {
        let due_at = self.connections.next_poll_at.map(Timestamp::from_micros)?;
        Some(self.waits_until.map_or(due_at, |until| until.max(due_at)))
    }
}

/// How every bridge fares, in the order of [`Platform::ALL`].
pub async fn reports(node: &Node) -> Result<Vec<Report>, JobError> {
    let now = node.now();
    let (rows, due, counts) = node
        .db
        .read(move |tx| {
            let due = connections::due_by_platform(tx, now)?;
            Ok::<_, storage::Error>((bridge_health::all(tx)?, due, bridge_health::count_connections(tx)?))
        })
        .await?;
    let report = |(platform, health): (Platform, Health)| {
        let connections = counts.get(platform.slug()).copied().unwrap_or_default();
        // An account that is gone is only that account's.
        let there = connections.active - connections.excused;
        let is_failing_for_all = there > 0 && connections.failing - connections.excused >= there;
        Report {
            platform,
            state: State::of(node, platform, &health, is_failing_for_all, now),
            budget: budget(node, platform, &health, now),
            quota: watch_bridge::quota(&health, now),
            waits_until: waits_until(node, platform, &health, now),
            connections,
            due: due.iter().find(|(slug, _)| slug == platform.slug()).map_or(0, |(_, count)| *count),
            health,
        }
    };
    Ok(rows.into_iter().map(report).collect())
}

/// The word for every bridge, and nothing else: for the front door, where nothing is counted.
pub async fn states(node: &Node) -> Result<Vec<(Platform, State)>, JobError> {
    let now = node.now();
    let rows = node
        .db
        .read(|tx| {
            let mut rows = Vec::new();
            for (platform, health) in bridge_health::all(tx)? {
                rows.push((platform, health, bridge_health::is_failing_for_all(tx, platform)?));
            }
            Ok::<_, storage::Error>(rows)
        })
        .await?;
    let state = |(platform, health, is_failing): (Platform, Health, bool)| {
        (platform, State::of(node, platform, &health, is_failing, now))
    };
    Ok(rows.into_iter().map(state).collect())
}

/// Until when polling asks nothing of a platform: because of a limit that was met, or of the budget.
fn waits_until(node: &Node, platform: Platform, health: &Health, now: Timestamp) -> Option<Timestamp> {
    let spent_until = match budget(node, platform, health, now) {
        Budget::Until(until) => Some(until),
        Budget::Unlimited | Budget::Left(_) => None,
    };
    limited_until(node, platform, health, now).max(spent_until)
}

/// Until when a platform asks all of us to wait; `None` when it does not, or not any more.
pub(super) fn limited_until(node: &Node, platform: Platform, health: &Health, now: Timestamp) -> Option<Timestamp> {
    let known = node.bridges.meter(platform).and_then(|meter| meter.limited_until());
    let kept = health.limited_until.map(Timestamp::from_micros);
    known.max(kept).filter(|until| *until > now)
}

/// Whether a platform has asked all of us to wait since a round began.
pub(super) fn is_limited(node: &Node, platform: Platform) -> bool {
    node.bridges.meter(platform).is_some_and(|meter| meter.limited_until().is_some())
}

/// Pauses or resumes the reading of a platform, at once and over restarts.
///
/// - returns: whether that changed anything.
pub async fn set_paused(node: &Node, platform: Platform, is_paused: bool) -> Result<bool, JobError> {
    let at = is_paused.then(|| node.now());
    let is_changed = node.write(move |tx| bridge_health::set_paused(tx, platform, at)).await?;
    if let Some(meter) = node.bridges.meter(platform) {
        meter.set_paused(is_paused);
        if !is_paused {
            meter.forget_bills();
        }
    }
    Ok(is_changed)
}

/// What polling may still ask of a platform.
pub(super) fn budget(node: &Node, platform: Platform, health: &Health, now: Timestamp) -> Budget {
    watch_bridge::budget(health, node.config.bridge.requests_per_hour_max(platform), now)
}

/// What came of asking a platform, as it is put down.
///
/// - `sent`: requests that went out for it: see [`meter::counted`](crate::bridges::meter::counted).
pub(super) fn exchange(
    node: &Node,
    platform: Platform,
    at: Timestamp,
    (outcome, sent): (Result<(), bridges::Error>, u64),
    is_shared: bool,
    quota: Quota,
) -> Exchange {
    let meter = node.bridges.meter(platform);
    let resets_at = quota.resets_at.map(|at| meter.map_or(at, |meter| meter.by_our_clock(at)));
    Exchange {
        at,
        outcome,
        is_shared,
        quota: Quota { resets_at, ..quota },
        requests: meter.map_or(0, |meter| meter.take_new()),
        is_asked: sent > 0,
        limited_until: meter.and_then(|meter| meter.limited_until()),
    }
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
