//! When a connection or a feed is read again: after a success, and after a failure.
//!
//! Owns that no two connections come at the same time for long, here or on another instance, and that the same question
//! has the same answer after a restart: what looks like chance follows from the [`Place`] of the row.

use std::time::Duration;

use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;
use crate::storage::{self, Tx, connections, feeds, posts};

/// The shortest wait after a failure, and the longest.
pub(super) const BACKOFF_MIN: Duration = Duration::from_secs(60);
const BACKOFF_MAX: Duration = Duration::from_secs(24 * 3_600);

/// Where a row stands among all rows of all instances in the world, as a number that looks like chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::jobs) struct Place(u64);

impl Place {
    /// - `host`: of the instance: without it the first connection of each would come at the same moment.
    pub fn of(host: &str, platform: Platform, id: i64) -> Place {
        let text = host.bytes().chain([0]).chain(platform.slug().bytes());
        Place(mixed(text.fold(0, |seed, byte| mixed(seed ^ u64::from(byte))) ^ id as u64))
    }
}

/// Longer with each failure in a row, and a little different for each row, so that they do not come back all at once.
pub(super) fn backoff(place: Place, failures: i64) -> Duration {
    let doublings = u32::try_from(failures.clamp(0, 16)).expect("at most 16");
    let wait = BACKOFF_MIN.saturating_mul(1 << doublings).min(BACKOFF_MAX);
    // Of what names this failure: the same after a restart.
    let seed = place.0.wrapping_add(failures as u64);
    wait + wait.mul_f64((mixed(seed) >> 40) as f64 / (1_u64 << 24) as f64 / 4.0)
}

/// When a limit ends. One that names no time is tried again later and later; one that names the past, soon.
pub(in crate::jobs) fn end_of_limit(
    until: Option<Timestamp>,
    place: Place,
    failures: i64,
    now: Timestamp,
) -> Timestamp {
    until.map_or_else(|| now.plus(backoff(place, failures)), |until| until.max(now))
}

/// Lets everything wait that is asked of a platform with the instance's own allowance: likes, posts, single questions.
pub(super) fn pause_platform(tx: &mut Tx, platform: Platform, until: Timestamp) -> Result<(), storage::Error> {
    connections::pause_platform(tx, platform, until)?;
    feeds::pause_platform(tx, platform, until)?;
    posts::set_turn(tx, platform, until)
}

/// When a connection that was read is read again. Each has a place of its own in the interval and keeps to it, so that
/// thousands that were due together, after a limit or a restart, are spread from then on.
///
/// - returns: half an interval to one and a half from now; a whole one when the last turn was in its place.
pub(super) fn next_poll(place: Place, now: Timestamp, interval: Duration) -> Timestamp {
    let length = i64::try_from(interval.as_micros()).unwrap_or(i64::MAX).max(1);
    let place = (place.0 >> 1) as i64 % length;
    let earliest = now.micros() + length / 2;
    Timestamp::from_micros(earliest + (place - earliest).rem_euclid(length))
}

/// SplitMix64: small, well mixed, and the same on every machine.
fn mixed(seed: u64) -> u64 {
    let mut mixed = (seed ^ (seed >> 30)).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(id: i64) -> Place {
        Place::of("alpha.example", Platform::GitHub, id)
    }

    #[test]
    fn two_instances_come_at_different_moments() {
        let (now, interval) = (Timestamp::from_seconds(1_370_044_800), Duration::from_secs(900));
        let others =
            [Place::of("beta.example", Platform::GitHub, 1), Place::of("alpha.example", Platform::Flickr, 1), place(2)];
        for other in others {
            let apart = next_poll(other, now, interval).micros() - next_poll(place(1), now, interval).micros();
            assert!(apart.abs() > 1_000_000, "{apart} microseconds apart");
            assert_ne!(backoff(other, 0), backoff(place(1), 0));
        }
    }

    #[test]
    fn each_failure_waits_longer_and_no_two_rows_the_same() {
        let wait = |id, failures| backoff(place(id), failures);
        for failures in 0..10 {
            let doubled = (BACKOFF_MIN * (1 << failures)).min(BACKOFF_MAX);
            assert!(wait(7, failures) >= doubled && wait(7, failures) <= doubled.mul_f64(1.25), "{failures}");
        }
        assert!(wait(7, 1_000) >= BACKOFF_MAX);
        assert_ne!(wait(7, 3), wait(8, 3));
        assert_eq!(wait(7, 3), wait(7, 3));
    }

    #[test]
    fn ten_thousand_connections_that_were_due_together_are_spread_over_the_interval() {
        let (now, interval) = (Timestamp::from_seconds(1_370_044_800), Duration::from_secs(900));
        let mut minutes = [0_u32; 15];
        for id in 1..=10_000 {
            let next = next_poll(place(id), now, interval);
            assert!(next >= now.plus(interval / 2) && next < now.plus(interval + interval / 2), "{next}");
            let minute = next.micros().rem_euclid(900_000_000) / 60_000_000;
            minutes[usize::try_from(minute).unwrap()] += 1;
            // In its place, it comes once in an interval.
            assert_eq!(next_poll(place(id), next, interval), next.plus(interval));
        }
        assert!(minutes.iter().all(|count| (550..800).contains(count)), "{minutes:?}");
        assert!(next_poll(place(7), now, Duration::from_secs(1)) > now);
    }
}
