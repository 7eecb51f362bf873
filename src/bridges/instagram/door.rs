//! The door of today's API: what it gives for a code lasts an hour, and is exchanged at once for what lasts sixty days.
//!
//! Owns that a credential is renewed while it is still good: one that has ended cannot be, and the person would have to
//! sign in again. Source: developers.facebook.com, "Instagram API with Instagram Login", "Get a long-lived access token"
//! and "Refresh a long-lived token".

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use url::Url;

use super::error;
use crate::bridges::error::Error;
use crate::bridges::http::{Header, Http};
use crate::bridges::oauth2::OAuth2Door;
use crate::bridges::sign_in::{Begun, Grant, SignInApi};
use crate::bridges::value::{Credential, Secret};
use crate::bridges::wire::{Text, document};

/// How long the first token lasts; its reply does not say so.
const SHORT_LIFE: Duration = Duration::from_secs(3_600);

/// The door of professional accounts.
pub struct GraphDoor {
    pub(super) door: OAuth2Door,
    pub(super) http: Arc<dyn Http>,
    pub(super) base_url: Url,
    pub(super) client_secret: Secret,
    pub(super) user_agent: String,
}

#[derive(Deserialize)]
struct WireLong {
    access_token: String,
    expires_in: Text,
}

impl GraphDoor {
    /// Asks for a credential that lasts long, in exchange for this one.
    async fn exchange(&self, path: &str, query: &[(&str, &str)], of: &Grant) -> Result<Grant, Error> {
        let Credential::Bearer(token) = &of.credential else {
            return Err(Error::unsupported("Instagram takes no tokens of OAuth 1.0a"));
        };
        let mut url = self.base_url.clone();
        url.path_segments_mut().expect("an http address has a path").pop_if_empty().push(path);
        url.query_pairs_mut().extend_pairs(query).append_pair("access_token", token.reveal());
        let headers = [Header::new("accept", "application/json"), Header::new("user-agent", self.user_agent.as_str())];
        let reply = self.http.get(&url, &headers).await?;
        match reply.status {
            200 => {}
            300..=399 => return Err(Error::malformed("Instagram's API does not redirect, and this reply does")),
            _ => return Err(error::classify(&reply)),
        }
        let long: WireLong = document(&reply.body, error::reported)?;
        let life: u64 =
            long.expires_in.0.parse().map_err(|_| Error::malformed("the token does not say how long it lasts"))?;
        Ok(Grant {
            credential: Credential::bearer(&long.access_token),
            refresh: None,
            // Half of it: whoever comes to use it after that renews it, and has the other half to do so.
            expires_in: Some(Duration::from_secs(life / 2)),
            scopes: of.scopes.clone(),
        })
    }
}

#[async_trait]
impl SignInApi for GraphDoor {
    async fn begin(&self, callback: &Url, state: &str) -> Result<Begun, Error> {
        self.door.begin(callback, state).await
    }

    async fn finish(&self, callback: &Url, kept: &Secret, answer: &BTreeMap<String, String>) -> Result<Grant, Error> {
        let short = self.door.finish(callback, kept, answer).await?;
        let query = [("grant_type", "ig_exchange_token"), ("client_secret", self.client_secret.reveal())];
        match self.exchange("access_token", &query, &short).await {
            Ok(long) => Ok(long),
            Err(error) => {
                // It proves who somebody is all the same.
                tracing::warn!(class = error.class(), "Instagram did not exchange a token: {error}");
                Ok(Grant { expires_in: short.expires_in.or(Some(SHORT_LIFE)), ..short })
            }
        }
    }

    async fn refresh(&self, grant: &Grant) -> Result<Grant, Error> {
        self.exchange("refresh_access_token", &[("grant_type", "ig_refresh_token")], grant).await
    }
}
