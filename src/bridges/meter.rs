//! The meter in front of one platform: it counts what goes out, hears the platform's clock, and can be closed.
//!
//! Owns that nothing is asked of a platform that the operator has paused or that has asked us to wait, whoever wants to
//! ask: every connector's client goes through here. A limit that is met leaves here by our own clock, so nothing behind
//! this door compares two clocks.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use super::error::Error;
use super::http::{Http, HttpFailure, HttpReply, HttpRequest};
use super::limits::{Holds, Limits};
use crate::domain::time::Timestamp;

/// Our own clock.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Counts the requests to one platform. What it knows is of this process alone.
pub struct Meter {
    http: Arc<dyn Http>,
    limits: Limits,
    now: Now,
    sent: AtomicU64,
    noted: AtomicU64,
    is_paused: AtomicBool,
    heard: Mutex<Option<Heard>>,
    holds: Mutex<Holds>,
}

/// The platform's clock in its last reply, and ours when that came.
#[derive(Clone, Copy)]
struct Heard {
    theirs: Timestamp,
    ours: Timestamp,
}

tokio::task_local! {
    static SENT: Arc<AtomicU64>;
}

/// Does something, and says how many requests really went out for it; what goes on beside it does not count.
pub async fn counted<T>(work: impl Future<Output = T>) -> (T, u64) {
    let sent = Arc::new(AtomicU64::new(0));
    let done = SENT.scope(Arc::clone(&sent), work).await;
    (done, sent.load(Ordering::Relaxed))
}

impl Meter {
    pub fn new(http: Arc<dyn Http>, limits: Limits, now: Now) -> Meter {
        Meter {
            http,
            limits,
            now,
            sent: AtomicU64::new(0),
            noted: AtomicU64::new(0),
            is_paused: AtomicBool::new(false),
            heard: Mutex::default(),
            holds: Mutex::default(),
        }
    }

    /// Requests since this process began.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Requests since this was asked last, for whoever writes them down.
    pub fn take_new(&self) -> u64 {
        let sent = self.sent();
        sent.saturating_sub(self.noted.swap(sent, Ordering::Relaxed))
    }

    pub fn set_paused(&self, is_paused: bool) {
        self.is_paused.store(is_paused, Ordering::Relaxed);
    }

    pub fn is_paused(&self) -> bool {
        self.is_paused.load(Ordering::Relaxed)
    }

    /// What the platform's clock said in its last reply.
    pub fn clock(&self) -> Option<Timestamp> {
        lock(&self.heard).map(|heard| heard.theirs)
    }

    /// A moment of the platform's clock by ours. Its clock tells whole seconds: the result is late by less than one, and
    /// never early.
    pub fn by_our_clock(&self, theirs: Timestamp) -> Timestamp {
        lock(&self.heard).map_or(theirs, |heard| heard.convert(theirs))
    }

    /// Until when the platform answers nothing that is asked with what the instance has.
    pub fn limited_until(&self) -> Option<Timestamp> {
        let now = (self.now)();
        lock(&self.holds).limited_until(&self.limits, now)
    }

    /// Asks again although the platform wanted money: somebody may have paid.
    pub fn forget_bills(&self) {
        lock(&self.holds).forget_bills();
    }

    fn count(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
        // Outside of what is counted for itself there is nothing to count in.
        let _ = SENT.try_with(|sent| sent.fetch_add(1, Ordering::Relaxed));
    }

    fn uncount(&self) {
        self.sent.fetch_sub(1, Ordering::Relaxed);
        let _ = SENT.try_with(|sent| sent.fetch_sub(1, Ordering::Relaxed));
    }

    /// What a reply means for the requests after it.
    fn judge(&self, request: &HttpRequest, mut reply: HttpReply) -> Result<HttpReply, HttpFailure> {
        let ours = (self.now)();
        let heard = match reply.headers.sent_at() {
            Some(theirs) => {
                let heard = Heard { theirs, ours };
                *lock(&self.heard) = Some(heard);
                heard
            }
            None => {
                // Times that count from the reply count from when it came.
                let theirs = second_after(ours);
                let date = SystemTime::UNIX_EPOCH + Duration::from_secs(theirs.seconds().unsigned_abs());
                reply.headers.push("date", httpdate::fmt_http_date(date));
                Heard { theirs, ours: theirs }
            }
        };
        if reply.status < 400 {
            lock(&self.holds).answered(&self.limits, request, ours);
            return Ok(reply);
        }
        match self.limits.class_of(&reply) {
            Error::RateLimited { until, message } => {
                let until = until.map(|until| heard.convert(until));
                let until = lock(&self.holds).limited(&self.limits, request, until, &message, ours);
                Err(HttpFailure::Limited { until, message })
            }
            Error::PaymentRequired { message } => {
                lock(&self.holds).unpaid(&self.limits, request, &message, ours);
                Ok(reply)
            }
            _ => Ok(reply),
        }
    }
}

impl Heard {
    fn convert(self, theirs: Timestamp) -> Timestamp {
        let offset = self.theirs.micros().saturating_sub(self.ours.micros());
        Timestamp::from_micros(theirs.micros().saturating_sub(offset))
    }
}

fn second_after(time: Timestamp) -> Timestamp {
    let second = time.floor_to_second();
    if second == time { second } else { second.plus(Duration::from_secs(1)) }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Http for Meter {
    async fn send(&self, request: &HttpRequest) -> Result<HttpReply, HttpFailure> {
        if self.is_paused() {
            return Err(HttpFailure::Paused);
        }
        let now = (self.now)();
        if let Some(refusal) = lock(&self.holds).refusal(&self.limits, request, now) {
            return Err(refusal);
        }
        self.count();
        let reply = self.http.send(request).await;
        if matches!(reply, Err(HttpFailure::NotAllowed(_))) {
            // Our own guard: nothing went out.
            self.uncount();
        }
        self.judge(request, reply?)
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::super::limits::Counts;
    use super::*;

    /// Answers with a status and headers, whatever is asked.
    struct Answers(u16, &'static [(&'static str, &'static str)]);

    #[async_trait]
    impl Http for Answers {
        async fn send(&self, _: &HttpRequest) -> Result<HttpReply, HttpFailure> {
            Ok(HttpReply { status: self.0, headers: self.1.iter().copied().collect(), body: Vec::new() })
        }
    }

    const DATE: (&str, &str) = ("Date", "Mon, 01 Jul 2013 00:00:00 GMT");

    fn classify(reply: &HttpReply) -> Error {
        match reply.status {
            429 => Error::RateLimited { until: reply.headers.retry_at(), message: "slow down".to_owned() },
            status => Error::of_status(status, "no".to_owned()),
        }
    }

    /// - `clock`: ours, in microseconds.
    fn meter(status: u16, headers: &'static [(&'static str, &'static str)], clock: &Arc<AtomicU64>) -> Meter {
        let clock = Arc::clone(clock);
        let now = move || Timestamp::from_micros(i64::try_from(clock.load(Ordering::Relaxed)).unwrap());
        Meter::new(Arc::new(Answers(status, headers)), Limits::new(Counts::App, classify, None), Arc::new(now))
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn clock_at(text: &str) -> Arc<AtomicU64> {
        Arc::new(AtomicU64::new(at(text).micros().unsigned_abs()))
    }

    fn url() -> Url {
        Url::parse("https://api.example/likes").unwrap()
    }

    #[tokio::test]
    async fn a_paused_platform_is_asked_nothing() {
        let meter = meter(200, &[DATE], &clock_at("2013-07-01T00:00:00Z"));
        let (asked, sent) = counted(meter.get(&url(), &[])).await;
        assert!(asked.is_ok() && sent == 1);
        assert_eq!((meter.sent(), meter.take_new(), meter.take_new()), (1, 1, 0));
        assert_eq!(meter.clock().unwrap().to_string(), "2013-07-01T00:00:00Z");
        meter.set_paused(true);
        let (refused, sent) = counted(meter.get(&url(), &[])).await;
        let refused = refused.unwrap_err();
        assert_eq!((refused.clone(), meter.sent(), sent), (HttpFailure::Paused, 1, 0));
        assert!(Error::from(refused).is_worth_retrying(), "it will be read again when the operator wants it");
        meter.set_paused(false);
        assert!(meter.get(&url(), &[]).await.is_ok());
    }

    #[tokio::test]
    async fn a_limit_is_answered_here_until_it_ends_by_our_own_clock() {
        // Our clock is 90 seconds ahead of the platform's.
        let clock = clock_at("2013-07-01T00:01:30Z");
        let meter = meter(429, &[DATE, ("Retry-After", "60")], &clock);
        let until = at("2013-07-01T00:02:30Z");
        let limited = HttpFailure::Limited { until, message: "slow down".to_owned() };
        for (now, sent) in [("2013-07-01T00:01:30Z", 1), ("2013-07-01T00:02:29.999999Z", 1)] {
            clock.store(at(now).micros().unsigned_abs(), Ordering::Relaxed);
            assert_eq!(meter.get(&url(), &[]).await, Err(limited.clone()));
            assert_eq!((meter.sent(), meter.limited_until()), (sent, Some(until)));
        }
        assert_eq!(Error::from(limited).class(), "rate_limited");
        clock.store(until.micros().unsigned_abs(), Ordering::Relaxed);
        assert_eq!(meter.limited_until(), None);
        assert!(meter.get(&url(), &[]).await.is_err());
        assert_eq!(meter.sent(), 2);
    }

    #[tokio::test]
    async fn seconds_without_a_date_count_from_when_the_reply_came() {
        let meter = meter(429, &[("Retry-After", "60")], &clock_at("2013-07-01T00:00:00.25Z"));
        let refused = meter.get(&url(), &[]).await.unwrap_err();
        let until = at("2013-07-01T00:01:01Z");
        assert_eq!(refused, HttpFailure::Limited { until, message: "slow down".to_owned() });
        assert_eq!(meter.clock(), None, "that was our own clock");
    }

    #[tokio::test]
    async fn a_platform_that_wants_money_is_left_alone() {
        let meter = meter(402, &[DATE], &clock_at("2013-07-01T00:00:00Z"));
        assert_eq!(meter.get(&url(), &[]).await.unwrap().status, 402, "the connector says it in its own words");
        let refused = meter.get(&url(), &[]).await.unwrap_err();
        assert_eq!((Error::from(refused).class(), meter.sent()), ("payment_required", 1));
        meter.forget_bills();
        assert!(meter.get(&url(), &[]).await.is_ok());
    }
}
