//! The meter in front of one platform: it counts what goes out, hears the platform's clock, and can be closed.
//!
//! Owns that nothing is asked of a platform that the operator has paused, whoever wants to ask: every connector's client
//! goes through here.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::http::{Http, HttpFailure, HttpReply, HttpRequest};
use crate::domain::time::Timestamp;

/// Counts the requests to one platform. What it knows is of this process alone.
pub struct Meter {
    http: Arc<dyn Http>,
    sent: AtomicU64,
    noted: AtomicU64,
    is_paused: AtomicBool,
    clock: Mutex<Option<Timestamp>>,
}

impl Meter {
    pub fn new(http: Arc<dyn Http>) -> Meter {
        Meter {
            http,
            sent: AtomicU64::new(0),
            noted: AtomicU64::new(0),
            is_paused: AtomicBool::new(false),
            clock: Mutex::default(),
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
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Http for Meter {
    async fn send(&self, request: &HttpRequest) -> Result<HttpReply, HttpFailure> {
        if self.is_paused() {
            return Err(HttpFailure::Paused);
        }
        self.sent.fetch_add(1, Ordering::Relaxed);
        let reply = self.http.send(request).await?;
        if let Some(date) = reply.headers.sent_at() {
            *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = Some(date);
        }
        Ok(reply)
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::bridges::Error;

    /// Answers everything, with a date.
    struct Answers;

    #[async_trait]
    impl Http for Answers {
        async fn send(&self, _: &HttpRequest) -> Result<HttpReply, HttpFailure> {
            let headers = [("Date", "Mon, 01 Jul 2013 00:00:00 GMT")].into_iter().collect();
            Ok(HttpReply { status: 200, headers, body: Vec::new() })
        }
    }

    #[tokio::test]
    async fn a_paused_platform_is_asked_nothing() {
        let meter = Meter::new(Arc::new(Answers));
        let url = Url::parse("https://api.example/likes").unwrap();
        assert!(meter.get(&url, &[]).await.is_ok());
        assert_eq!((meter.sent(), meter.take_new(), meter.take_new()), (1, 1, 0));
        assert_eq!(meter.clock().unwrap().to_string(), "2013-07-01T00:00:00Z");
        meter.set_paused(true);
        let refused = meter.get(&url, &[]).await.unwrap_err();
        assert_eq!((refused.clone(), meter.sent()), (HttpFailure::Paused, 1));
        assert!(Error::from(refused).is_worth_retrying(), "it will be read again when the operator wants it");
        meter.set_paused(false);
        assert!(meter.get(&url, &[]).await.is_ok());
    }
}
