//! Watching the bridges: what an exchange with a platform says of it, and how much polling may still ask.
//!
//! Owns two rules. A platform fails when it fails for everybody, never because one account there is gone or has taken
//! back its consent. And polling leaves a tenth of a shared allowance for those who wait in front of a page: claims and
//! look-ups.

use std::time::Duration;

use crate::bridges::{self, Quota};
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;
use crate::storage::bridge_health::{self, Health};
use crate::storage::{self, Tx};

const HOUR: Duration = Duration::from_secs(3_600);
const HOUR_SECONDS: i64 = 3_600;
/// The shortest windows last a minute: ends that are closer are one.
const SAME_END: Duration = Duration::from_secs(30);
/// The part of an allowance that polling leaves.
const RESERVE: i64 = 10;

/// What came of one or more requests to a platform.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub at: Timestamp,
    pub outcome: Result<(), bridges::Error>,
    /// Whether they went out on the instance's own allowance: only that is everybody's.
    pub is_shared: bool,
    pub quota: Quota,
    /// Requests since the last exchange was noted.
    pub requests: u64,
    /// Whether one of them went out for this: what was refused before that says nothing of the platform.
    pub is_asked: bool,
    /// Until when the platform asks all of us to wait, as this process knows it.
    pub limited_until: Option<Timestamp>,
}

/// Puts down what came of an exchange.
pub fn note(tx: &mut Tx, platform: Platform, exchange: &Exchange) -> Result<(), storage::Error> {
    let before = bridge_health::of(tx, platform)?;
    bridge_health::save(tx, &after(before, exchange))
}

/// How a platform fares after an exchange.
pub fn after(mut health: Health, exchange: &Exchange) -> Health {
    let at = exchange.at.micros();
    let hour_at = start_of_hour(exchange.at).micros();
    if health.hour_at != hour_at {
        (health.hour_at, health.requests) = (hour_at, 0);
    }
    health.requests = health.requests.saturating_add(count(exchange.requests));
    if !exchange.is_asked {
        return health;
    }
    note_limit(&mut health, exchange);
    match &exchange.outcome {
        Ok(()) => (health.last_success_at, health.failures) = (Some(at), 0),
        Err(error) => {
            health.last_error_at = Some(at);
            health.last_error_class = Some(error.class().to_owned());
            health.last_error = Some(error.message().to_owned());
            match is_the_platforms(error, exchange.is_shared) {
                Some(true) => health.failures += 1,
                // It answered, if not what we hoped for.
                Some(false) => health.failures = 0,
                None => {}
            }
        }
    }
    if exchange.is_shared {
        note_quota(&mut health, exchange);
    }
    health
}

/// A limit holds until it is over, or the platform answers what was asked with what the instance has.
fn note_limit(health: &mut Health, exchange: &Exchange) {
    let kept = health.limited_until.filter(|until| {
        let is_lifted = exchange.outcome.is_ok() && exchange.is_shared;
        *until > exchange.at.micros() && !is_lifted
    });
    health.limited_until = exchange.limited_until.map(Timestamp::micros).max(kept);
}

/// Whether a failure is everybody's; `None` for a limit, which says nothing of whether the platform is well, and for what
/// a connector refuses by itself.
fn is_the_platforms(error: &bridges::Error, is_shared: bool) -> Option<bool> {
    use bridges::Error::*;
    match error {
        RateLimited { .. } | Unsupported { .. } => None,
        // The bill is the app's, whoever it asks for.
        Transient { .. } | Malformed { .. } | PaymentRequired { .. } => Some(true),
        Unauthorized { .. } | Forbidden { .. } => Some(is_shared),
        NotFound { .. } | Gone { .. } => Some(false),
    }
}

fn note_quota(health: &mut Health, exchange: &Exchange) {
    let told = match (&exchange.outcome, exchange.quota.remaining) {
        (Err(bridges::Error::RateLimited { until: Some(until), .. }), _) => Some((0, Some(until.micros()))),
        (_, Some(remaining)) => Some((count(remaining), exchange.quota.resets_at.map(Timestamp::micros))),
        _ => None,
    };
    let Some((remaining, resets_at)) = told else { return };
    // Another end is another window; the same end, told by a clock of whole seconds, is not always the same to us.
    let is_same_end = match (health.quota_resets_at, resets_at) {
        (Some(before), Some(now)) => u128::from(before.abs_diff(now)) < SAME_END.as_micros(),
        (before, now) => before == now,
    };
    let is_new = !is_same_end || ends_at(health).is_none_or(|end| end <= exchange.at);
    let highest = if is_new { None } else { health.quota_highest };
    health.quota_highest = Some(highest.map_or(remaining, |highest| highest.max(remaining)));
    health.quota_remaining = Some(remaining);
    health.quota_resets_at = resets_at;
    health.quota_seen_at = Some(exchange.at.micros());
}

/// What is left of the allowance by now, and until when where the platform named an end. `None` when its window is over.
pub fn quota(health: &Health, now: Timestamp) -> Option<(i64, Option<Timestamp>)> {
    let left = health.quota_remaining.filter(|_| ends_at(health).is_some_and(|end| end > now))?;
    Some((left, health.quota_resets_at.map(Timestamp::from_micros)))
}

/// When what is known of the allowance is of no use any more. A platform that names no end is believed for an hour.
fn ends_at(health: &Health) -> Option<Timestamp> {
    let unnamed = health.quota_seen_at.map(|seen| Timestamp::from_micros(seen).plus(HOUR));
    health.quota_resets_at.map(Timestamp::from_micros).or(unnamed)
}

/// How much polling may ask of a platform at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// Nobody set a limit, and the platform named none: limits are obeyed when they are met.
    Unlimited,
    /// So many requests.
    Left(u64),
    /// Nothing before then.
    Until(Timestamp),
}

impl Budget {
    pub fn is_spent(self) -> bool {
        matches!(self, Budget::Until(_))
    }
}

/// What polling may still ask.
///
/// - `per_hour`: what the operator allows in each hour of the clock, look-ups included.
pub fn budget(health: &Health, per_hour: Option<u64>, now: Timestamp) -> Budget {
    let by_quota = ends_at(health).filter(|end| *end > now).zip(health.quota_remaining).map(|(end, remaining)| {
        let reserve = health.quota_highest.unwrap_or(0).div_euclid(RESERVE);
        (remaining - reserve, end)
    });
    let hour = start_of_hour(now);
    let used = if health.hour_at == hour.micros() { health.requests } else { 0 };
    let by_hour = per_hour.map(|allowed| (count(allowed) - used, hour.plus(HOUR)));
    // The one that leaves less; of two that leave nothing, the one that lasts longer.
    let tightest = by_quota.into_iter().chain(by_hour).min_by_key(|(left, end)| ((*left).max(0), -end.micros()));
    match tightest {
        None => Budget::Unlimited,
        Some((left, end)) => match u64::try_from(left) {
            Ok(left) if left > 0 => Budget::Left(left),
            _ => Budget::Until(end),
        },
    }
}

fn start_of_hour(at: Timestamp) -> Timestamp {
    Timestamp::from_seconds(at.seconds().div_euclid(HOUR_SECONDS) * HOUR_SECONDS)
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_000 * HOUR_SECONDS + seconds)
    }

    fn answered(seconds: i64, remaining: Option<u64>, resets: i64) -> Exchange {
        let quota = Quota { remaining, resets_at: remaining.map(|_| at(resets)) };
        let outcome = Ok(());
        Exchange { at: at(seconds), outcome, is_shared: true, quota, requests: 1, is_asked: true, limited_until: None }
    }

    fn failed(seconds: i64, error: bridges::Error, is_shared: bool) -> Exchange {
        Exchange { outcome: Err(error), is_shared, ..answered(seconds, None, 0) }
    }

    fn fresh() -> Health {
        Health::unknown(Platform::GitHub)
    }

    #[test]
    fn a_platform_fails_only_when_it_fails_for_everybody() {
        let message = String::from("no");
        let check = |error: bridges::Error, is_shared: bool, expected: i64| {
            let class = error.class();
            let health = after(Health { failures: 2, ..fresh() }, &failed(0, error, is_shared));
            assert_eq!((health.failures, health.last_error_class.as_deref()), (expected, Some(class)));
            assert_eq!(health.last_error_at, Some(at(0).micros()));
        };
        check(bridges::Error::transient("502"), false, 3);
        check(bridges::Error::malformed("{"), true, 3);
        check(bridges::Error::Unauthorized { expired: false, message: message.clone() }, true, 3);
        check(bridges::Error::Unauthorized { expired: true, message: message.clone() }, false, 0);
        check(bridges::Error::NotFound { message: message.clone() }, true, 0);
        check(bridges::Error::RateLimited { until: None, message: message.clone() }, true, 2);
        check(bridges::Error::unsupported("no way to ask for it"), true, 2);
        check(bridges::Error::PaymentRequired { message }, false, 3);
        let well = after(Health { failures: 2, ..fresh() }, &answered(5, None, 0));
        assert_eq!((well.failures, well.last_success_at), (0, Some(at(5).micros())));
    }

    #[test]
    fn what_never_went_out_says_nothing_of_the_platform() {
        let failing = Health { failures: 2, ..fresh() };
        for error in [bridges::Error::malformed("no such handle"), bridges::Error::NotFound { message: "no".into() }] {
            let refused = Exchange { is_asked: false, requests: 0, ..failed(0, error, true) };
            assert_eq!(after(failing.clone(), &refused), Health { hour_at: at(0).micros(), ..failing.clone() });
        }
    }

    #[test]
    fn a_limit_is_kept_until_it_is_over_or_lifted() {
        let limited = Exchange { limited_until: Some(at(900)), ..answered(1, None, 0) };
        let met = after(fresh(), &limited);
        assert_eq!(met.limited_until, Some(at(900).micros()));
        // Somebody's own allowance says nothing of ours, and another process may not know of it.
        let own = Exchange { is_shared: false, ..answered(2, None, 0) };
        assert_eq!(after(met.clone(), &own).limited_until, Some(at(900).micros()));
        assert_eq!(after(met.clone(), &answered(2, None, 0)).limited_until, None);
        assert_eq!(after(met, &failed(900, bridges::Error::transient("502"), true)).limited_until, None);
    }

    #[test]
    fn polling_leaves_a_tenth_of_what_the_platform_allows() {
        let mut health = after(fresh(), &answered(0, Some(60), 1_800));
        assert_eq!(budget(&health, None, at(0)), Budget::Left(54));
        // By our clock the end is told to the second or so.
        health = after(health, &answered(1, Some(7), 1_801));
        assert_eq!(budget(&health, None, at(1)), Budget::Left(1));
        health = after(health, &answered(2, Some(6), 1_800));
        assert_eq!(budget(&health, None, at(2)), Budget::Until(at(1_800)));
        assert_eq!(budget(&health, None, at(1_800)), Budget::Unlimited, "the window is over");
        // A new window with a smaller allowance keeps a tenth of its own.
        health = after(health, &answered(1_900, Some(20), 5_000));
        assert_eq!(budget(&health, None, at(1_900)), Budget::Left(18));
    }

    #[test]
    fn a_limit_that_was_met_stops_polling_until_it_ends() {
        let until = Some(at(900));
        let limited = bridges::Error::RateLimited { until, message: String::new() };
        let met = after(after(fresh(), &answered(0, Some(60), 1_800)), &failed(1, limited.clone(), true));
        assert_eq!(budget(&met, None, at(1)), Budget::Until(at(900)));
        assert_eq!(budget(&met, None, at(900)), Budget::Unlimited);
        // The allowance of one person is nobody else's.
        let own = after(fresh(), &failed(1, limited, false));
        assert_eq!(budget(&own, None, at(1)), Budget::Unlimited);
    }

    #[test]
    fn the_operators_limit_counts_every_request_of_the_hour() {
        let mut health = fresh();
        for second in 0..9 {
            health = after(health, &answered(second, None, 0));
        }
        assert_eq!(budget(&health, Some(10), at(9)), Budget::Left(1));
        health = after(health, &answered(9, None, 0));
        assert_eq!(budget(&health, Some(10), at(10)), Budget::Until(at(HOUR_SECONDS)));
        assert_eq!(budget(&health, Some(10), at(HOUR_SECONDS)), Budget::Left(10));
        // The tighter of the two holds.
        health = after(health, &answered(HOUR_SECONDS, Some(4), 2 * HOUR_SECONDS));
        assert_eq!(budget(&health, Some(10), at(HOUR_SECONDS)), Budget::Left(4));
    }
}
