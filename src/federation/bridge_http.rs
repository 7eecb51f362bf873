//! The guarded client, as bridges see it: every fetch of the product goes through one client.

use async_trait::async_trait;

use super::client::{ClientError, GuardedClient};
use crate::bridges::http::{Http, HttpFailure, HttpReply, HttpRequest, Method};

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
