//! The guarded client, as bridges see it: every fetch of the product goes through one client.

use async_trait::async_trait;

use std::sync::Arc;

use super::client::{ClientError, GuardedClient};
use super::node::LocalKeys;
use crate::bridges::http::{Header, Http, HttpFailure, HttpReply, HttpRequest, Method};
use crate::clock::wall_time;

#[async_trait]
impl Http for GuardedClient {
    async fn send(&self, request: &HttpRequest) -> Result<HttpReply, HttpFailure> {
        let headers: Vec<(&str, String)> =
            request.headers.iter().map(|header| (header.name, header.value.clone())).collect();
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Delete => reqwest::Method::DELETE,
        };
        let body = request.body.clone().unwrap_or_default();
        match self.exchange(method, &request.url, &headers, body).await {
            Ok(reply) => {
                let text =
                    |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
                let headers = reply.headers.iter().map(|(name, value)| (name.as_str(), text(value))).collect();
                Ok(HttpReply { status: reply.status.as_u16(), headers, body: reply.body })
            }
            Err(error) => Err(failure(&error)),
        }
    }
}

/// The guarded client in the name of this instance: what it fetches is signed by the instance actor, since many servers
/// of the fediverse show their documents only to who says who they are.
pub struct SignedClient {
    pub client: GuardedClient,
    pub keys: Arc<LocalKeys>,
}

#[async_trait]
impl Http for SignedClient {
    async fn send(&self, request: &HttpRequest) -> Result<HttpReply, HttpFailure> {
        if request.method != Method::Get {
            return self.client.send(request).await;
        }
        // Checked first: a signature is not made for an address that we would not ask.
        self.client.check(&request.url).map_err(|error| failure(&error))?;
        let signed = self.keys.request.sign_get(&request.url, wall_time());
        let signed = signed.map_err(|error| HttpFailure::NotAllowed(error.to_string()))?;
        let mut request = request.clone();
        request.headers.extend(signed.into_iter().map(|(name, value)| Header::new(name, value)));
        self.client.send(&request).await
    }
}

fn failure(error: &ClientError) -> HttpFailure {
    match error {
        ClientError::Timeout(_) => HttpFailure::Timeout,
        ClientError::TooLarge(limit) => HttpFailure::TooLarge(*limit),
        ClientError::Transfer(_) => HttpFailure::Broken(error.to_string()),
        ClientError::Scheme(_)
        | ClientError::UserInfo
        | ClientError::NoHost
        | ClientError::ForbiddenAddress { .. }
        | ClientError::BadHeader(_) => HttpFailure::NotAllowed(error.to_string()),
        _ => HttpFailure::Unreachable(error.to_string()),
    }
}
