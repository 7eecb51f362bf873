//! How the bridge to each platform fares: one row for each platform that was ever asked or paused, and its connections
//! counted.

use std::collections::BTreeMap;

use diesel::dsl::{count_star, min};
use diesel::prelude::*;

use super::connections::Connection;
use super::schema::{bridge_health, connections};
use super::{Error, Result, Tx};
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;

/// How the words of an error begin that says nothing against the bridge: it is about one account only, or about waiting.
pub const EXCUSES: [&str; 3] =
    ["the platform does not know it: ", "it is gone from the platform: ", "the platform asks us to wait: "];

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Insertable)]
#[diesel(table_name = bridge_health, treat_none_as_default_value = false)]
pub struct Health {
    pub platform: String,
    pub paused_at: Option<i64>,
    pub last_success_at: Option<i64>,
    pub last_error_at: Option<i64>,
    pub last_error_class: Option<String>,
    pub last_error: Option<String>,
    /// Of the platform, not of one account there, since its last answer.
    pub failures: i64,
    /// Of the allowance that all readings share.
    pub quota_remaining: Option<i64>,
    /// The most that was left in the same window.
    pub quota_highest: Option<i64>,
    pub quota_resets_at: Option<i64>,
    pub quota_seen_at: Option<i64>,
    /// When the hour began of which `requests` are counted.
    pub hour_at: i64,
    pub requests: i64,
    /// Until when the platform asks all of us to wait.
    pub limited_until: Option<i64>,
}

impl Health {
    /// Of a platform that was never asked.
    pub fn unknown(platform: Platform) -> Health {
        Health {
            platform: platform.slug().to_owned(),
            paused_at: None,
            last_success_at: None,
            last_error_at: None,
            last_error_class: None,
            last_error: None,
            failures: 0,
            quota_remaining: None,
            quota_highest: None,
            quota_resets_at: None,
            quota_seen_at: None,
            hour_at: 0,
            requests: 0,
            limited_until: None,
        }
    }

    pub fn is_paused(&self) -> bool {
        self.paused_at.is_some()
    }
}

/// How one platform fares.
pub fn of(tx: &mut Tx, platform: Platform) -> Result<Health> {
    let row: Option<Health> = both!(tx, |db| bridge_health::table.find(platform.slug()).first(db).optional())?;
    Ok(row.unwrap_or_else(|| Health::unknown(platform)))
}

/// How every platform fares, in the order of [`Platform::ALL`].
pub fn all(tx: &mut Tx) -> Result<Vec<(Platform, Health)>> {
    let rows: Vec<Health> = both!(tx, |db| bridge_health::table.load(db))?;
    if let Some(row) = rows.iter().find(|row| row.platform.parse::<Platform>().is_err()) {
        return Err(Error::corrupt("platform", &row.platform));
    }
    let row_of = |platform: Platform| rows.iter().find(|row| row.platform == platform.slug()).cloned();
    let health = |platform| (platform, row_of(platform).unwrap_or_else(|| Health::unknown(platform)));
    Ok(Platform::ALL.into_iter().map(health).collect())
}

/// Writes everything but the pause, which is the operator's alone.
pub fn save(tx: &mut Tx, health: &Health) -> Result<()> {
    let values = (
        bridge_health::last_success_at.eq(health.last_success_at),
        bridge_health::last_error_at.eq(health.last_error_at),
        bridge_health::last_error_class.eq(&health.last_error_class),
        bridge_health::last_error.eq(&health.last_error),
        bridge_health::failures.eq(health.failures),
        bridge_health::quota_remaining.eq(health.quota_remaining),
        bridge_health::quota_highest.eq(health.quota_highest),
        bridge_health::quota_resets_at.eq(health.quota_resets_at),
        bridge_health::quota_seen_at.eq(health.quota_seen_at),
        bridge_health::hour_at.eq(health.hour_at),
        bridge_health::requests.eq(health.requests),
        bridge_health::limited_until.eq(health.limited_until),
    );
    both!(tx, |db| diesel::insert_into(bridge_health::table)
        .values((bridge_health::platform.eq(&health.platform), values))
        .on_conflict(bridge_health::platform)
        .do_update()
        .set(values)
        .execute(db))?;
    Ok(())
}

/// Pauses a platform from `at` on, or lets it be read again. One that is paused already keeps its time.
///
/// - returns: whether that changed anything.
pub fn set_paused(tx: &mut Tx, platform: Platform, at: Option<Timestamp>) -> Result<bool> {
    let mut health = of(tx, platform)?;
    if health.is_paused() == at.is_some() {
        return Ok(false);
    }
    health.paused_at = at.map(Timestamp::micros);
    both!(tx, |db| diesel::insert_into(bridge_health::table)
        .values(&health)
        .on_conflict(bridge_health::platform)
        .do_update()
        .set(bridge_health::paused_at.eq(health.paused_at))
        .execute(db))?;
    Ok(true)
}

/// The connections of a platform, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    pub active: i64,
    /// With a failure since their last success.
    pub failing: i64,
    /// Those of them that say nothing against the bridge: the account is gone, or has to wait.
    pub excused: i64,
    /// When the next is due.
    pub next_poll_at: Option<i64>,
}

/// The connections of every platform that has any.
pub fn count_connections(tx: &mut Tx) -> Result<BTreeMap<String, Count>> {
    let active: Vec<(String, i64, Option<i64>)> = both!(tx, |db| connections::table
        .filter(connections::is_active.eq(true))
        .group_by(connections::platform)
        .select((connections::platform, count_star(), min(connections::next_poll_at)))
        .load(db))?;
    let mut counts: BTreeMap<String, Count> = active
        .into_iter()
        .map(|(platform, active, next_poll_at)| (platform, Count { active, next_poll_at, ..Count::default() }))
        .collect();
    for (platform, failing) in count_failing(tx, "%")? {
        counts.entry(platform).or_default().failing = failing;
    }
    // Told by how the class begins: see `bridges::error::told`.
    for words in EXCUSES {
        for (platform, excused) in count_failing(tx, &format!("{words}%"))? {
            counts.entry(platform).or_default().excused += excused;
        }
    }
    Ok(counts)
}

/// Whether all active connections of a platform fail, but for those that are excused, and there is one. Without counting:
/// one that is read well is soon found.
pub fn is_failing_for_all(tx: &mut Tx, platform: Platform) -> Result<bool> {
    let well: Option<i64> = both!(tx, |db| connections::table
        .filter(connections::platform.eq(platform.slug()))
        .filter(connections::is_active.eq(true))
        .filter(connections::failures.eq(0))
        .select(connections::id)
        .first(db)
        .optional())?;
    if well.is_some() {
        return Ok(false);
    }
    let [lost, gone, waits] = EXCUSES;
    let failing: Option<i64> = both!(tx, |db| connections::table
        .filter(connections::platform.eq(platform.slug()))
        .filter(connections::is_active.eq(true))
        .filter(connections::last_error.not_like(format!("{gone}%")))
        .filter(connections::last_error.not_like(format!("{lost}%")))
        .filter(connections::last_error.not_like(format!("{waits}%")))
        .select(connections::id)
        .first(db)
        .optional())?;
    Ok(failing.is_some())
}

/// Connections with a failure whose words are like this.
fn count_failing(tx: &mut Tx, words: &str) -> Result<Vec<(String, i64)>> {
    Ok(both!(tx, |db| connections::table
        .filter(connections::is_active.eq(true))
        .filter(connections::failures.gt(0))
        .filter(connections::last_error.like(words))
        .group_by(connections::platform)
        .select((connections::platform, count_star()))
        .load(db))?)
}

/// A connection of a platform that is read, the one that went well last.
pub fn newest_read(tx: &mut Tx, platform: Platform) -> Result<Option<Connection>> {
    Ok(both!(tx, |db| connections::table
        .filter(connections::platform.eq(platform.slug()))
        .filter(connections::is_active.eq(true))
        .filter(connections::last_success_at.is_not_null())
        .order(connections::last_success_at.desc())
        .first(db)
        .optional())?)
}
