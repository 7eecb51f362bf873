//! The clock: the one place that asks for the time.
//!
//! Owns that business time (months, deadlines, what is written into the books) comes from one source that tests and the
//! demo can move. The Date of an HTTP request is transport, and always the real time.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::domain::time::Timestamp;

/// The variable that names the file of a virtual clock; refused together with a public domain.
pub const CLOCK_VARIABLE: &str = "FEDFLATTR_TEST_CLOCK";

/// Where the time comes from.
#[derive(Clone, Debug)]
pub enum Clock {
    System,
    /// A file that holds an RFC 3339 time, shared by the instances of a demo and moved by it.
    File(PathBuf),
}

impl Clock {
    pub fn now(&self) -> Timestamp {
        match self {
            Clock::System => wall_time(),
            Clock::File(path) => read(path),
        }
    }
}

/// The real time, for what is about transport and not about money.
pub fn wall_time() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the machine's clock is set after 1970");
    Timestamp::from_micros(i64::try_from(since.as_micros()).expect("microseconds since 1970 fit 63 bits"))
}

/// Something that is left alone for a while, in real time.
#[derive(Debug, Default)]
pub struct Pause(AtomicI64);

impl Pause {
    pub fn begin(&self, length: Duration) {
        self.0.store(wall_time().plus(length).micros(), Ordering::Relaxed);
    }

    pub fn is_over(&self) -> bool {
        wall_time().micros() >= self.0.load(Ordering::Relaxed)
    }
}

/// Moves a virtual clock; replaced in one step, so that no reader sees half a time.
pub fn set(path: &Path, time: Timestamp) -> std::io::Result<()> {
    let next = path.with_extension("next");
    std::fs::write(&next, time.to_string())?;
    std::fs::rename(next, path)
}

fn read(path: &Path) -> Timestamp {
    let text = std::fs::read_to_string(path);
    let text = text.unwrap_or_else(|error| panic!("the virtual clock {} cannot be read: {error}", path.display()));
    text.trim().parse().unwrap_or_else(|error| panic!("the virtual clock {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_clock_stands_still_until_it_is_moved() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("clock");
        let clock = Clock::File(path.clone());
        for text in ["2013-06-01T00:00:00Z", "2013-07-04T00:00:00.000001Z"] {
            set(&path, text.parse().unwrap()).unwrap();
            assert_eq!(clock.now().to_string(), text);
            assert_eq!(clock.now(), clock.now());
        }
    }
}
