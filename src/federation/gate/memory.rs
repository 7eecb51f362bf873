//! What the gate remembers for a minute, so that repeating a request does not repeat its fetches.
//!
//! Owns the bounds: strangers choose the names that are kept here, so their number is limited and nothing is written down.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::OwnedMutexGuard;

/// How long something is remembered.
const KEPT: Duration = Duration::from_secs(60);

/// With names of at most 2,000 bytes this is 2 MB.
const ENTRIES_MAX: usize = 1_000;

/// The memory of one process.
#[derive(Debug, Default)]
pub struct Memory {
    /// Actors that could not be read, or that did not sign what was sent in their name; with the reason.
    pub failed: Recently,
    /// Actors that were read again because a proof did not fit.
    pub reread: Recently,
    /// One fetch at a time for each actor: whoever waits finds what the first one fetched.
    pub turns: Turns,
}

/// Names with a text each, for a minute.
#[derive(Debug, Default)]
pub struct Recently(Mutex<HashMap<String, (Instant, String)>>);

impl Recently {
    pub fn note(&self, name: &str, text: impl Into<String>, now: Instant) {
        let mut entries = lock(&self.0);
        if entries.len() >= ENTRIES_MAX && !entries.contains_key(name) {
            entries.retain(|_, (at, _)| is_recent(*at, now));
            let oldest = entries.iter().min_by_key(|(_, (at, _))| *at).map(|(name, _)| name.clone());
            if let Some(oldest) = oldest.filter(|_| entries.len() >= ENTRIES_MAX) {
                entries.remove(&oldest);
            }
        }
        entries.insert(name.to_owned(), (now, text.into()));
    }

    /// What was noted in the last minute.
    pub fn get(&self, name: &str, now: Instant) -> Option<String> {
        lock(&self.0).get(name).filter(|(at, _)| is_recent(*at, now)).map(|(_, text)| text.clone())
    }
}

fn is_recent(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) < KEPT
}

/// Turns by name; as many as there are requests that hold or await one.
#[derive(Debug, Default)]
pub struct Turns(Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// Waits until nobody else has this name's turn.
    pub async fn take(&self, name: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = lock(&self.0);
            turns.retain(|_, turn| turn.strong_count() > 0);
            let turn = turns.get(name).and_then(Weak::upgrade).unwrap_or_default();
            turns.insert(name.to_owned(), Arc::downgrade(&turn));
            turn
        };
        turn.lock_owned().await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_forgotten_after_a_minute() {
        let (recently, start) = (Recently::default(), Instant::now());
        recently.note("a", "no answer", start);
        assert_eq!(recently.get("a", start + Duration::from_secs(59)).as_deref(), Some("no answer"));
        assert_eq!(recently.get("a", start + Duration::from_secs(60)), None);
        assert_eq!(recently.get("b", start), None);
    }

    #[test]
    fn however_many_names_come_only_the_newest_are_kept() {
        let (recently, start) = (Recently::default(), Instant::now());
        let at = |number: usize| start + Duration::from_millis(number as u64);
        for number in 0..3 * ENTRIES_MAX {
            recently.note(&number.to_string(), "", at(number));
        }
        assert_eq!(lock(&recently.0).len(), ENTRIES_MAX);
        let last = 3 * ENTRIES_MAX - 1;
        assert!(recently.get(&last.to_string(), at(last)).is_some());
        assert!(recently.get("0", at(last)).is_none());
        // A name that is known already drives nobody out.
        recently.note(&last.to_string(), "", at(last));
        assert_eq!(lock(&recently.0).len(), ENTRIES_MAX);
    }

    #[tokio::test]
    async fn turns_are_for_each_name_and_are_not_kept() {
        let turns = Turns::default();
        let held = turns.take("a").await;
        let other = turns.take("b").await;
        let waiting = tokio::time::timeout(Duration::from_millis(20), turns.take("a")).await;
        assert!(waiting.is_err(), "two have one turn");
        drop((held, other));
        drop(turns.take("a").await);
        assert_eq!(lock(&turns.0).len(), 1);
    }
}
