//! The one door from a bridge to the network.
//!
//! Owns the contract that a client must keep: it never follows a redirect, since the bridge decides which host may see
//! its token; it bounds time and size; it reports a body that was cut short as a failure, not as a reply. The guarded
//! client of the server implements [`Http`]; [`LoopbackHttp`] is for the sandbox and tests and can reach nothing else.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use futures_util::StreamExt;
use url::{Host, Url};

use super::error::{Error, readable};
use crate::domain::time::Timestamp;

/// The largest body that [`LoopbackHttp`] reads.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// A longer wait than a day is not believed.
const RETRY_AFTER_SECONDS_MAX: u64 = 86_400;
/// Nor is a date beyond the year 5138 or so: some platforms write milliseconds now and then.
const EPOCH_SECONDS_MAX: i64 = 100_000_000_000;

/// A header of a request. The value may be a token, so this type has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    pub name: &'static str,
    pub value: String,
}

impl Header {
    pub fn new(name: &'static str, value: impl Into<String>) -> Header {
        Header { name, value: value.into() }
    }
}

/// What is done at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Put,
    Delete,
}

impl Method {
    pub const fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
        }
    }
}

/// A request. Its headers, its body and the query of its address may hold tokens, so `Debug` shows none of them.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    pub method: Method,
    pub url: Url,
    pub headers: Vec<Header>,
    pub body: Option<Vec<u8>>,
}

impl HttpRequest {
    pub fn get(url: Url, headers: Vec<Header>) -> HttpRequest {
        HttpRequest { method: Method::Get, url, headers, body: None }
    }

    /// A POST of form fields, `application/x-www-form-urlencoded`.
    pub fn form(url: Url, mut headers: Vec<Header>, fields: &[(&str, &str)]) -> HttpRequest {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        headers.push(Header::new("content-type", "application/x-www-form-urlencoded"));
        HttpRequest { method: Method::Post, url, headers, body: Some(body.into_bytes()) }
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpRequest({} {})", self.method.as_str(), self.url.host_str().unwrap_or("no host"))
    }
}

/// What came back, whatever its status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpReply {
    pub status: u16,
    pub headers: Headers,
    pub body: Vec<u8>,
}

/// The headers of a reply; names are compared without regard to case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// The first header of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }

    /// When `Retry-After` lets us ask again, by the platform's own clock: it is a moment, or seconds from the `Date` of
    /// the reply (RFC 9110, section 10.2.3). More than a day is cut short. Seconds without a `Date` have no start here;
    /// [`super::meter`] gives every reply one.
    pub(crate) fn retry_at(&self) -> Option<Timestamp> {
        let text = self.get("retry-after")?.trim();
        match text.parse::<u64>() {
            Ok(seconds) => Some(self.sent_at()?.plus(Duration::from_secs(seconds.min(RETRY_AFTER_SECONDS_MAX)))),
            Err(_) => http_time(text),
        }
    }

    /// When the platform sent the reply, by its own clock.
    pub(crate) fn sent_at(&self) -> Option<Timestamp> {
        http_time(self.get("date")?)
    }

    /// A header that is a whole number, such as what is left of an allowance.
    pub(crate) fn number<T: FromStr>(&self, name: &str) -> Option<T> {
        self.get(name)?.trim().parse().ok()
    }
}

/// A moment as HTTP writes it (RFC 9110, section 5.6.7).
pub(crate) fn http_time(text: &str) -> Option<Timestamp> {
    let since = httpdate::parse_http_date(text.trim()).ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    epoch_time(i64::try_from(since.as_secs()).ok()?)
}

/// A moment in seconds since 1970; `None` when it cannot be meant so.
pub(crate) fn epoch_time(seconds: i64) -> Option<Timestamp> {
    (0..=EPOCH_SECONDS_MAX).contains(&seconds).then(|| Timestamp::from_seconds(seconds))
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Headers {
        Headers(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpFailure {
    #[error("no answer in time")]
    Timeout,
    #[error("no connection: {0}")]
    Unreachable(String),
    /// The connection ended inside the reply.
    #[error("the reply broke off: {0}")]
    Broken(String),
    #[error("the reply is larger than {0} bytes")]
    TooLarge(usize),
    /// Our own guard forbids the address; retrying cannot help.
    #[error("this address is not allowed: {0}")]
    NotAllowed(String),
    /// See [`super::meter`].
    #[error("the operator has paused this bridge")]
    Paused,
    /// The platform asks us to wait; by our own clock.
    #[error("{message}")]
    Limited { until: Timestamp, message: String },
    /// The platform wants money, and was not asked again yet.
    #[error("{0}")]
    Unpaid(String),
}

impl From<HttpFailure> for Error {
    fn from(failure: HttpFailure) -> Error {
        match failure {
            HttpFailure::NotAllowed(_) => Error::Forbidden { message: readable(&failure.to_string()) },
            HttpFailure::TooLarge(_) => Error::malformed(failure.to_string()),
            HttpFailure::Limited { until, message } => Error::RateLimited { until: Some(until), message },
            HttpFailure::Unpaid(message) => Error::PaymentRequired { message },
            HttpFailure::Timeout | HttpFailure::Unreachable(_) | HttpFailure::Broken(_) | HttpFailure::Paused => {
                Error::transient(failure.to_string())
            }
        }
    }
}

/// A client that keeps the contract of this module.
#[async_trait]
pub trait Http: Send + Sync {
    /// Sends one request and reads its whole reply. A redirect is a reply like any other.
    async fn send(&self, request: &HttpRequest) -> Result<HttpReply, HttpFailure>;

    async fn get(&self, url: &Url, headers: &[Header]) -> Result<HttpReply, HttpFailure> {
        self.send(&HttpRequest::get(url.clone(), headers.to_vec())).await
    }
}

/// A plain client that reaches loopback addresses only, so it can never become a way around the guarded one.
pub struct LoopbackHttp {
    client: reqwest::Client,
}

impl LoopbackHttp {
    pub fn new() -> LoopbackHttp {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(REQUEST_TIMEOUT)
            .no_proxy()
            .build()
            .expect("a client without options from outside can always be built");
        LoopbackHttp { client }
    }
}

impl Default for LoopbackHttp {
    fn default() -> Self {
        LoopbackHttp::new()
    }
}

impl fmt::Debug for LoopbackHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoopbackHttp")
    }
}

/// Literal addresses only: a name could resolve to anything.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        Some(Host::Domain(_)) | None => false,
    }
}

/// The text of a client error without its address, which may hold a token.
fn failure(error: reqwest::Error) -> HttpFailure {
    let error = error.without_url();
    if error.is_timeout() {
        HttpFailure::Timeout
    } else if error.is_connect() {
        HttpFailure::Unreachable(error.to_string())
    } else {
        HttpFailure::Broken(error.to_string())
    }
}

#[async_trait]
impl Http for LoopbackHttp {
    async fn send(&self, request: &HttpRequest) -> Result<HttpReply, HttpFailure> {
        let url = &request.url;
        if !is_loopback(url) {
            return Err(HttpFailure::NotAllowed(url.host_str().unwrap_or("no host").to_owned()));
        }
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Delete => reqwest::Method::DELETE,
        };
        let mut sent = self.client.request(method, url.clone());
        for header in &request.headers {
            sent = sent.header(header.name, header.value.as_str());
        }
        if let Some(body) = &request.body {
            sent = sent.body(body.clone());
        }
        let reply = sent.send().await.map_err(failure)?;
        let status = reply.status().as_u16();
        let headers = reply
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let mut body = Vec::new();
        let mut chunks = reply.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            body.extend_from_slice(&chunk.map_err(failure)?);
            if body.len() > BODY_BYTES_MAX {
                return Err(HttpFailure::TooLarge(BODY_BYTES_MAX));
            }
        }
        Ok(HttpReply { status, headers, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_loopback_client_reaches_nothing_else() {
        for url in ["https://api.github.com/user", "http://localhost/", "http://10.0.0.1/", "http://[::2]/"] {
            let refused = LoopbackHttp::new().get(&Url::parse(url).unwrap(), &[]).await;
            assert!(matches!(refused, Err(HttpFailure::NotAllowed(_))), "{url}");
        }
    }

    #[test]
    fn a_request_in_debug_output_shows_no_token() {
        let url = Url::parse("https://api.example/likes?access_token=16C7e42F").unwrap();
        let headers = vec![Header::new("authorization", "Bearer 16C7e42F")];
        let request = HttpRequest::form(url, headers, &[("client_secret", "16C7e42F")]);
        assert_eq!(format!("{request:?}"), "HttpRequest(POST api.example)");
        assert_eq!(request.body.as_deref(), Some(&b"client_secret=16C7e42F"[..]));
    }

    #[test]
    fn a_wait_counts_from_the_date_of_the_reply() {
        let check = |pairs: &[(&str, &str)], expected: Option<&str>| {
            let headers: Headers = pairs.iter().copied().collect();
            assert_eq!(headers.retry_at().map(|at| at.to_string()).as_deref(), expected, "{pairs:?}");
        };
        let date = ("Date", "Mon, 01 Jul 2013 00:00:00 GMT");
        check(&[("retry-after", "61"), date], Some("2013-07-01T00:01:01Z"));
        check(&[("Retry-After", "99999999"), date], Some("2013-07-02T00:00:00Z"));
        check(&[("retry-after", "Mon, 01 Jul 2013 00:30:00 GMT")], Some("2013-07-01T00:30:00Z"));
        check(&[("retry-after", "61")], None);
        check(&[("retry-after", "soon"), date], None);
        check(&[date], None);
    }

    #[test]
    fn header_names_ignore_case() {
        let headers: Headers = [("ETag", "\"1\"")].into_iter().collect();
        assert_eq!(headers.get("etag"), Some("\"1\""));
    }
}
