//! How often somebody may try: guesses of passwords and questions to platforms, counted in memory.
//!
//! Owns three counters for a sign-in: the name from one address (a forgetful person), the address (one attacker, many
//! names) and the name (many attackers, one name). The last is wide, so that nobody can lock another out with a few
//! requests. A restart forgets; the cost of one hash stays.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many in which time.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    pub count_max: u32,
    pub window: Duration,
}

const WINDOW: Duration = Duration::from_secs(15 * 60);
const NAME_AND_ADDRESS: Limit = Limit { count_max: 8, window: WINDOW };
const ADDRESS: Limit = Limit { count_max: 40, window: WINDOW };
const NAME: Limit = Limit { count_max: 200, window: WINDOW };
/// Questions to platforms that one person may cause: their allowance is shared by everybody here.
const LOOK_UP: Limit = Limit { count_max: 20, window: WINDOW };

/// Keys that are kept; beyond it, those whose window is over are thrown away, and then the oldest half.
const KEYS_MAX: usize = 20_000;

/// Counters of one process.
#[derive(Default)]
pub struct Counters(Mutex<HashMap<String, (u32, Instant)>>);

/// Shared by all workers. Keys begin with the instance, since a test may run several in one process.
static COUNTERS: LazyLock<Counters> = LazyLock::new(Counters::default);

impl Counters {
    /// Whether a key has reached its limit.
    fn is_over(&self, key: &str, limit: Limit, now: Instant) -> bool {
        let counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = counters.get(key).filter(|(_, since)| now.duration_since(*since) < limit.window);
        known.is_some_and(|(count, _)| *count >= limit.count_max)
    }

    fn add(&self, key: String, window: Duration, now: Instant) {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counters.len() >= KEYS_MAX {
            counters.retain(|_, (_, since)| now.duration_since(*since) < window);
        }
        if counters.len() >= KEYS_MAX {
            let mut times: Vec<Instant> = counters.values().map(|(_, since)| *since).collect();
            times.sort_unstable();
            let middle = times[times.len() / 2];
            counters.retain(|_, (_, since)| *since > middle);
        }
        let (count, since) = counters.entry(key).or_insert((0, now));
        if now.duration_since(*since) >= window {
            (*count, *since) = (0, now);
        }
        *count += 1;
    }

    fn forget(&self, key: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

/// The counters of one attempt to sign in.
pub struct Attempt([(String, Limit); 3]);

impl Attempt {
    /// - `host`: of the instance; `address`: of the client.
    pub fn new(host: &str, name: &str, address: &str) -> Attempt {
        let name: String = name.chars().take(64).collect();
        Attempt([
            (format!("{host} both {address} {name}"), NAME_AND_ADDRESS),
            (format!("{host} address {address}"), ADDRESS),
            (format!("{host} name {name}"), NAME),
        ])
    }

    pub fn is_refused(&self) -> bool {
        let now = Instant::now();
        self.0.iter().any(|(key, limit)| COUNTERS.is_over(key, *limit, now))
    }

    /// Counted before the password is looked at: guesses that come at once must not all be the first.
    pub fn count(&self) {
        for (key, limit) in &self.0 {
            COUNTERS.add(key.clone(), limit.window, Instant::now());
        }
    }

    /// The right password: what this person mistyped before is forgotten. The address keeps its count.
    pub fn succeeded(&self) {
        COUNTERS.forget(&self.0[0].0);
    }
}

/// Counts a question to a platform. `false` when this login has asked too often.
pub fn may_look_up(host: &str, login: i64) -> bool {
    may_ask(format!("{host} look-up {login}"))
}

/// The same for somebody who is not signed in, by the address of the client.
pub fn may_look_up_from(host: &str, address: &str) -> bool {
    may_ask(format!("{host} look-up from {address}"))
}

fn may_ask(key: String) -> bool {
    let is_over = COUNTERS.is_over(&key, LOOK_UP, Instant::now());
    if !is_over {
        COUNTERS.add(key, LOOK_UP.window, Instant::now());
    }
    !is_over
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_holds_for_its_window_and_not_longer() {
        let counters = Counters::default();
        let limit = Limit { count_max: 2, window: Duration::from_secs(60) };
        let start = Instant::now();
        for _ in 0..2 {
            assert!(!counters.is_over("a", limit, start));
            counters.add("a".into(), limit.window, start);
        }
        assert!(counters.is_over("a", limit, start));
        assert!(!counters.is_over("b", limit, start));
        assert!(!counters.is_over("a", limit, start + limit.window));
        counters.forget("a");
        assert!(!counters.is_over("a", limit, start));
    }

    #[test]
    fn memory_is_bounded() {
        let counters = Counters::default();
        let start = Instant::now();
        for number in 0..2 * KEYS_MAX {
            let now = start + Duration::from_nanos(number as u64);
            counters.add(number.to_string(), Duration::from_secs(900), now);
        }
        assert!(counters.0.lock().unwrap().len() <= KEYS_MAX);
    }

    #[test]
    fn guessing_one_name_from_one_address_leaves_the_owner_elsewhere_in_peace() {
        let guess = Attempt::new("limit.test", "ana", "203.0.113.5");
        for _ in 0..8 {
            assert!(!guess.is_refused());
            guess.count();
        }
        assert!(guess.is_refused());
        assert!(!Attempt::new("limit.test", "ana", "203.0.113.6").is_refused());
        assert!(!Attempt::new("limit.test", "ben", "203.0.113.5").is_refused());
        guess.succeeded();
        assert!(!guess.is_refused());
    }
}
