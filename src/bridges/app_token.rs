//! The token of the instance itself, for platforms that answer nobody without one (RFC 6749, section 4.4).
//!
//! Owns how often one is fetched: platforms count these tokens (SoundCloud gives out 50 in 12 hours), so one is kept
//! until it is refused, and a fresh one that is refused at once is not followed by another. It needs no clock of ours:
//! times are those of the platform's own `Date` headers.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;

use super::error::Error;
use super::http::{Header, Http, HttpRequest};
use super::oauth2;
use super::objects;
use super::value::Secret;
use crate::domain::time::Timestamp;

/// A token that never worked is fetched again after this time: 48 in 12 hours.
const FETCH_INTERVAL: Duration = Duration::from_secs(15 * 60);

/// How the token is asked for.
#[derive(Clone, Debug)]
pub struct AppTokenConfig {
    pub token_url: Url,
    pub client_id: String,
    pub client_secret: Secret,
    /// What the platform takes it for; most want none.
    pub scope: Option<&'static str>,
    pub user_agent: String,
}

/// The instance's token, fetched when first needed.
pub struct AppToken {
    config: AppTokenConfig,
    http: Arc<dyn Http>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    token: Option<Secret>,
    fetched_at: Option<Timestamp>,
    has_worked: bool,
}

impl AppToken {
    pub fn new(config: AppTokenConfig, http: Arc<dyn Http>) -> AppToken {
        AppToken { config, http, kept: Mutex::default() }
    }

    /// The token to use now.
    pub async fn get(&self) -> Result<Secret, Error> {
        let mut kept = self.kept.lock().await;
        match &kept.token {
            Some(token) => Ok(token.clone()),
            None => self.fetch(&mut kept).await,
        }
    }

    /// Notes that the platform took the token.
    pub async fn worked(&self, token: &Secret) {
        let mut kept = self.kept.lock().await;
        if kept.token.as_ref() == Some(token) {
            kept.has_worked = true;
        }
    }

    /// Another token for one that was refused; `None` when it is too early to ask for one.
    ///
    /// - `refused_at`: by the platform's clock, where it told.
    pub async fn renew(&self, refused: &Secret, refused_at: Option<Timestamp>) -> Option<Result<Secret, Error>> {
        let mut kept = self.kept.lock().await;
        if let Some(other) = kept.token.clone().filter(|token| token != refused) {
            return Some(Ok(other));
        }
        let is_due = match (kept.fetched_at, refused_at) {
            (Some(fetched_at), Some(refused_at)) => refused_at >= fetched_at.plus(FETCH_INTERVAL),
            _ => false,
        };
        if kept.has_worked || is_due { Some(self.fetch(&mut kept).await) } else { None }
    }

    async fn fetch(&self, kept: &mut Kept) -> Result<Secret, Error> {
        use base64::Engine;
        #[derive(Deserialize)]
        struct Fetched {
            access_token: String,
        }
        let config = &self.config;
        let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encoded(&config.client_id), encoded(config.client_secret.reveal()));
        let pair = base64::engine::general_purpose::STANDARD.encode(pair);
        let headers = vec![
            Header::new("accept", "application/json"),
            Header::new("authorization", format!("Basic {pair}")),
            Header::new("user-agent", config.user_agent.as_str()),
        ];
        let mut fields = vec![("grant_type", "client_credentials")];
        fields.extend(config.scope.map(|scope| ("scope", scope)));
        let reply = self.http.send(&HttpRequest::form(config.token_url.clone(), headers, &fields)).await?;
        // The text of a parser may quote the token.
        let fetched: Fetched = objects::from_slice(&oauth2::normal_form(&reply)?)
            .map_err(|_| Error::malformed("the token reply is no token"))?;
        let token = Secret::new(fetched.access_token);
        *kept = Kept { token: Some(token.clone()), fetched_at: reply.headers.sent_at(), has_worked: false };
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as Lock;

    use async_trait::async_trait;

    use super::*;
    use crate::bridges::http::{HttpFailure, HttpReply};

    /// Gives out `t-1`, `t-2` and so on, at the times of its clock.
    struct Counter {
        given: Lock<u32>,
        date: Lock<&'static str>,
    }

    #[async_trait]
    impl Http for Counter {
        async fn send(&self, request: &HttpRequest) -> Result<HttpReply, HttpFailure> {
            assert_eq!(request.body.as_deref(), Some(&b"grant_type=client_credentials&scope=public"[..]));
            let mut given = self.given.lock().unwrap();
            *given += 1;
            let body = format!(r#"{{"access_token":"t-{given}","expires_in":3599}}"#).into_bytes();
            let headers = [("date", *self.date.lock().unwrap())].into_iter().collect();
            Ok(HttpReply { status: 200, headers, body })
        }
    }

    fn app() -> (AppToken, Arc<Counter>) {
        let counter = Arc::new(Counter { given: Lock::default(), date: Lock::new("Sat, 01 Jun 2013 00:00:00 GMT") });
        let config = AppTokenConfig {
            token_url: Url::parse("https://api.example/token").unwrap(),
            client_id: "client".into(),
            client_secret: Secret::new("hush"),
            scope: Some("public"),
            user_agent: "fedflattr-test".into(),
        };
        (AppToken::new(config, counter.clone()), counter)
    }

    #[tokio::test]
    async fn one_token_is_kept_until_it_is_refused() {
        let (app, counter) = app();
        let first = app.get().await.unwrap();
        assert_eq!(app.get().await.unwrap(), first);
        app.worked(&first).await;
        let second = app.renew(&first, None).await.unwrap().unwrap();
        assert_ne!(second, first);
        assert_eq!(app.renew(&first, None).await.unwrap().unwrap(), second, "another request has renewed it already");
        assert_eq!(*counter.given.lock().unwrap(), 2);
    }

    #[tokio::test]
    async fn a_token_that_never_worked_is_not_followed_by_another_for_a_while() {
        let (app, counter) = app();
        let token = app.get().await.unwrap();
        let at = |seconds: i64| Some(Timestamp::from_seconds(1_370_044_800 + seconds));
        assert!(app.renew(&token, None).await.is_none());
        assert!(app.renew(&token, at(899)).await.is_none());
        assert!(app.renew(&token, at(900)).await.is_some());
        assert_eq!(*counter.given.lock().unwrap(), 2);
    }
}
