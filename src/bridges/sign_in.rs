//! Signing in at a platform: how a person proves there who they are, and lets us read in their name.
//!
//! Owns the three steps that fit both OAuth 1.0a and OAuth 2, so that pages and storage know one path: begin, send the
//! person to the platform, finish with what the platform sent them back with. What was kept between begin and finish
//! never leaves this instance; whose account it is says [`super::LiveApi::profile`] of [`super::Who::TokenOwner`].

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use url::Url;

use super::error::Error;
use super::value::{Credential, Secret};

/// A sign-in that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Where to send the person.
    pub url: Url,
    /// What the return is recognised by: the `state` of OAuth 2, the `oauth_token` of OAuth 1.0a.
    pub key: String,
    /// What [`SignInApi::finish`] needs again: the proof key of OAuth 2 (may be empty), the secret of the request token.
    pub kept: Secret,
}

/// What a person granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub credential: Credential,
    /// To get a new credential with; some platforms accept each one only once.
    pub refresh: Option<Secret>,
    /// From now; `None` when the platform does not say or it does not end.
    pub expires_in: Option<Duration>,
    /// As granted, which may be less than was asked for. Empty when the platform does not say.
    pub scopes: Vec<String>,
}

/// The door of a platform.
#[async_trait]
pub trait SignInApi: Send + Sync {
    /// Begins a sign-in.
    ///
    /// - `callback`: our page that the platform sends the person back to.
    /// - `state`: unguessable and new for each sign-in; the caller compares it where it comes back.
    async fn begin(&self, callback: &Url, state: &str) -> Result<Begun, Error>;

    /// Whether the person has to say first which account it is: where a platform is many servers, only that tells whose
    /// door it is.
    fn needs_handle(&self) -> bool {
        false
    }

    /// As [`SignInApi::begin`], for the account that a person named; a platform with one door does not look at the name.
    async fn begin_for(&self, _handle: &str, callback: &Url, state: &str) -> Result<Begun, Error> {
        self.begin(callback, state).await
    }

    /// Ends a sign-in.
    ///
    /// - `callback`: the same as at the beginning.
    /// - `kept`: from [`Begun`].
    /// - `answer`: the query with which the person came back. The caller has found the sign-in by its key.
    /// - errors: [`Error::Forbidden`] when the person said no.
    async fn finish(&self, callback: &Url, kept: &Secret, answer: &BTreeMap<String, String>) -> Result<Grant, Error>;

    /// A new credential for one that has expired or is about to.
    ///
    /// - errors: [`Error::Unauthorized`] when the person has to sign in again; [`Error::Unsupported`] where credentials
    ///   are not renewed.
    async fn refresh(&self, grant: &Grant) -> Result<Grant, Error>;
}

/// What a person who said no comes back with: `error=access_denied` (OAuth 2), `denied=` or `oauth_problem=` (1.0a).
pub(crate) fn refused(answer: &BTreeMap<String, String>) -> Option<Error> {
    if answer.contains_key("denied") {
        return Some(Error::Forbidden { message: "the person did not allow it".to_owned() });
    }
    let problem = answer.get("error").or_else(|| answer.get("oauth_problem"))?;
    let described = answer.get("error_description").unwrap_or(problem);
    let message = super::error::readable(described);
    Some(match problem.as_str() {
        "access_denied" | "user_denied" | "user_refused" | "permission_denied" => Error::Forbidden { message },
        "temporarily_unavailable" | "server_error" => Error::Transient { message },
        _ => Error::Malformed { message },
    })
}
