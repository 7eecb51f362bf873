//! Time as the books see it: instants in UTC, half-open months, and the calendar that every instance follows.
//!
//! Owns the month boundary and every deadline of a close. `domain` never asks for the time; it is given a [`Timestamp`] or
//! a [`Month`]. Source: docs/money.md, "The calendar".

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Datelike, SecondsFormat, TimeZone, Utc};

const MICROS_PER_SECOND: i64 = 1_000_000;
const HOUR_SECONDS: i64 = 3_600;
const DAY_SECONDS: i64 = 24 * HOUR_SECONDS;

/// An instant in UTC, to the microsecond: the precision that both databases keep.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A text that is not a moment or a month.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    #[error("`{0}` is not an RFC 3339 time such as 2013-07-01T00:00:00Z")]
    NotATimestamp(String),
    #[error("`{0}` is not a month: write it as 2013-06")]
    NotAMonth(String),
}

impl Timestamp {
    pub const fn from_micros(micros: i64) -> Timestamp {
        Timestamp(micros)
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub const fn micros(self) -> i64 {
        self.0
    }

    pub const fn from_seconds(seconds: i64) -> Timestamp {
        Timestamp(seconds * MICROS_PER_SECOND)
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, rounded towards the past.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(MICROS_PER_SECOND)
    }

    /// This instant without its fraction of a second: the precision of messages on the wire.
    pub const fn floor_to_second(self) -> Timestamp {
        Timestamp::from_seconds(self.seconds())
    }

    pub fn plus(self, duration: Duration) -> Timestamp {
        let micros = i64::try_from(duration.as_micros()).expect("durations here are at most years");
        Timestamp(self.0 + micros)
    }

    pub fn minus(self, duration: Duration) -> Timestamp {
        let micros = i64::try_from(duration.as_micros()).expect("durations here are at most years");
        Timestamp(self.0 - micros)
    }

    const fn plus_seconds(self, seconds: i64) -> Timestamp {
        Timestamp(self.0 + seconds * MICROS_PER_SECOND)
    }

    fn to_chrono(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).expect("timestamps here lie within a few thousand years of 1970")
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        DateTime::parse_from_rfc3339(text)
            .map(|time| Timestamp(time.with_timezone(&Utc).timestamp_micros()))
            .map_err(|_| TimeError::NotATimestamp(text.chars().take(40).collect()))
    }
}

/// RFC 3339 in UTC; a fraction is shown only where there is one.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_chrono().to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A calendar month in UTC, half open: from its first instant up to, and without, the first of the next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    year: i32,
    month: u32,
}

impl Month {
    /// The month in which an instant lies.
    pub fn containing(time: Timestamp) -> Month {
        let date = time.to_chrono();
        Month { year: date.year(), month: date.month() }
    }

    pub fn next(self) -> Month {
        if self.month == 12 { Month { year: self.year + 1, month: 1 } } else { Month { month: self.month + 1, ..self } }
    }

    pub fn previous(self) -> Month {
        if self.month == 1 { Month { year: self.year - 1, month: 12 } } else { Month { month: self.month - 1, ..self } }
    }

    /// The month `count` months later.
    pub fn plus(self, count: u32) -> Month {
        (0..count).fold(self, |month, _| month.next())
    }

    pub fn start(self) -> Timestamp {
        let first = Utc.with_ymd_and_hms(self.year, self.month, 1, 0, 0, 0);
        Timestamp(first.single().expect("the first of a month exists once in UTC").timestamp_micros())
    }

    /// New likes go to the next month and each patron's budget is reserved: the 1st of the next month, 00:00.
    pub fn cut_off(self) -> Timestamp {
        self.next().start()
    }

    /// The grace window ends and the month is divided for good: 72 hours after the cut-off, on the 4th.
    pub fn freeze(self) -> Timestamp {
        self.cut_off().plus_seconds(72 * HOUR_SECONDS)
    }

    /// The last second in which a statement of this month stands open: the 7th, 23:59:59.
    pub fn statement_expiry(self) -> Timestamp {
        self.cut_off().plus_seconds(7 * DAY_SECONDS - 1)
    }

    /// An Accept that reaches the debtor by now still binds: 24 hours after the expiry.
    pub fn accept_deadline(self) -> Timestamp {
        self.statement_expiry().plus_seconds(DAY_SECONDS)
    }

    /// Payments are due: the 10th, Flattr's own pay day.
    pub fn due(self) -> Timestamp {
        self.cut_off().plus_seconds(9 * DAY_SECONDS)
    }

    /// Ten days after the due date an unpaid obligation is overdue.
    pub fn overdue(self) -> Timestamp {
        self.due().plus_seconds(10 * DAY_SECONDS)
    }

    /// Thirty days after the due date it is a default.
    pub fn default_deadline(self) -> Timestamp {
        self.due().plus_seconds(30 * DAY_SECONDS)
    }

    /// When a share of this month that waits for its creator goes back to the patron: `months` months after month end.
    pub fn hold_expiry(self, months: u32) -> Timestamp {
        self.next().plus(months).start()
    }
}

impl FromStr for Month {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let refused = || TimeError::NotAMonth(text.chars().take(40).collect());
        let (year, month) = text.split_once('-').ok_or_else(refused)?;
        let digits = |part: &str, length| part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(year, 4) || !digits(month, 2) {
            return Err(refused());
        }
        let month: u32 = month.parse().map_err(|_| refused())?;
        let year: i32 = year.parse().map_err(|_| refused())?;
        if (1..=12).contains(&month) && year >= 1970 { Ok(Month { year, month }) } else { Err(refused()) }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl fmt::Debug for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_calendar_of_june_2013() {
        let june: Month = "2013-06".parse().unwrap();
        let check = |at: Timestamp, expected: &str| assert_eq!(at.to_string(), expected);
        check(june.start(), "2013-06-01T00:00:00Z");
        check(june.cut_off(), "2013-07-01T00:00:00Z");
        check(june.freeze(), "2013-07-04T00:00:00Z");
        check(june.statement_expiry(), "2013-07-07T23:59:59Z");
        check(june.accept_deadline(), "2013-07-08T23:59:59Z");
        check(june.due(), "2013-07-10T00:00:00Z");
        check(june.overdue(), "2013-07-20T00:00:00Z");
        check(june.default_deadline(), "2013-08-09T00:00:00Z");
        check(june.hold_expiry(3), "2013-10-01T00:00:00Z");
    }

    #[test]
    fn a_month_is_half_open() {
        let july: Month = "2013-07".parse().unwrap();
        assert_eq!(Month::containing(time("2013-06-30T23:59:59.999999Z")).to_string(), "2013-06");
        assert_eq!(Month::containing(july.start()), july);
        assert_eq!(Month::containing(time("2013-07-01T01:30:00+02:00")).to_string(), "2013-06");
    }

    #[test]
    fn months_cross_the_year() {
        let december: Month = "2013-12".parse().unwrap();
        assert_eq!(december.next().to_string(), "2014-01");
        assert_eq!(december.next().previous(), december);
        assert_eq!(december.plus(14).to_string(), "2015-02");
    }

    #[test]
    fn what_is_not_a_month_is_refused() {
        for text in ["", "2013", "2013-13", "2013-00", "2013-6", "13-06", "2013-06-01", "2013-0x", "+013-06"] {
            assert!(text.parse::<Month>().is_err(), "{text}");
        }
        assert!("yesterday".parse::<Timestamp>().is_err());
    }
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_instant_lies_in_exactly_the_month_that_contains_it(seconds in 0_i64..7_000_000_000) {
            let at = Timestamp::from_seconds(seconds);
            let month = Month::containing(at);
            prop_assert!(month.start() <= at && at < month.next().start());
            prop_assert_eq!(month.to_string().parse::<Month>().unwrap(), month);
            prop_assert_eq!(at.to_string().parse::<Timestamp>().unwrap(), at);
        }
    }
}
