//! The one HTTP client of the project: reaches the public Internet, and nothing of our own network.
//!
//! Owns the guard around every URL that a stranger may have chosen. Addresses are checked where the connection is made,
//! after the name was resolved, so a name that resolves differently a moment later gains nothing; redirects are
//! followed by hand with every check repeated; time and size are bounded over the whole exchange. The table of
//! addresses is in [`super::address`], the connect-time check in `resolver`.

mod resolver;

use std::error::Error as StdError;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use std::{io, iter};

use ipnet::IpNet;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Method, Response, StatusCode, redirect};
use url::{Host, Url};

use super::address;
use super::signature::{RequestSigner, SignError};
use crate::domain::time::Timestamp;
use resolver::{GuardedResolver, LookupFailed};

/// Redirects that a GET follows.
const REDIRECTS_MAX: usize = 2;

/// Connections kept open to one host for the next request.
const IDLE_CONNECTIONS_PER_HOST_MAX: usize = 8;

/// Headers that were made for one URL, or that only its host may see: a redirect drops them.
const HEADERS_OF_ONE_URL: [&str; 6] = ["host", "date", "digest", "signature", "authorization", "cookie"];

/// What the client may do.
#[derive(Debug, Clone)]
pub struct Guard {
    /// Ranges that are permitted although they are not part of the public Internet. Empty on a public server.
    pub allowed: Vec<IpNet>,
    /// Whether `http:` URLs are permitted beside `https:`; for tests and demonstrations.
    pub allow_http: bool,
    /// For a whole exchange: resolving, connecting, redirects, and the last byte of the body.
    pub timeout: Duration,
    pub body_limit_bytes: usize,
    pub user_agent: String,
}

/// A complete answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// Where the answer came from, after redirects: what it says is true of this origin only.
    pub final_url: Url,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("URLs of the scheme `{0}` are not fetched")]
    Scheme(String),
    #[error("the URL contains a user name or a password")]
    UserInfo,
    #[error("the URL has no host")]
    NoHost,
    #[error("`{host}` is at {address}, which is not on the public Internet")]
    ForbiddenAddress { host: String, address: IpAddr },
    #[error("`{host}` could not be resolved")]
    Resolve { host: String, source: io::Error },
    #[error("the exchange took longer than {} s", .0.as_secs_f64())]
    Timeout(Duration),
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    #[error("more than {REDIRECTS_MAX} redirects")]
    TooManyRedirects,
    #[error("the redirect does not lead to a URL")]
    BadRedirect,
    #[error("`{0}` cannot be sent as a header")]
    BadHeader(String),
    #[error("the request could not be signed")]
    Sign(#[from] SignError),
    #[error("could not agree on a secure connection")]
    Tls(#[source] reqwest::Error),
    #[error("could not connect")]
    Connect(#[source] reqwest::Error),
    #[error("the connection broke")]
    Transfer(#[source] reqwest::Error),
    #[error("the HTTP client could not be set up")]
    Setup(#[source] reqwest::Error),
}

impl ClientError {
    /// A short name of the cause, for metrics and for the outcome of a delivery; never changes.
    pub const fn reason(&self) -> &'static str {
        match self {
            ClientError::Scheme(_) => "scheme",
            ClientError::UserInfo => "user-info",
            ClientError::NoHost => "no-host",
            ClientError::ForbiddenAddress { .. } => "forbidden-address",
            ClientError::Resolve { .. } => "resolve",
            ClientError::Timeout(_) => "timeout",
            ClientError::TooLarge(_) => "too-large",
            ClientError::TooManyRedirects => "too-many-redirects",
            ClientError::BadRedirect => "bad-redirect",
            ClientError::BadHeader(_) => "bad-header",
            ClientError::Sign(_) => "sign",
            ClientError::Tls(_) => "tls",
            ClientError::Connect(_) => "connect",
            ClientError::Transfer(_) => "transfer",
            ClientError::Setup(_) => "setup",
        }
    }
}

/// The guarded client. Cheap to clone; all clones share their connections.
#[derive(Debug, Clone)]
pub struct GuardedClient {
    client: reqwest::Client,
    guard: Arc<Guard>,
}

impl GuardedClient {
    pub fn new(guard: Guard) -> Result<GuardedClient, ClientError> {
        let guard = Arc::new(guard);
        let client = reqwest::Client::builder()
            .dns_resolver(GuardedResolver::new(Arc::clone(&guard)))
            .redirect(redirect::Policy::none())
            .https_only(!guard.allow_http)
            // A proxy would resolve names itself, behind our back.
            .no_proxy()
            .referer(false)
            .timeout(guard.timeout)
            .connect_timeout(guard.timeout)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_PER_HOST_MAX)
            .user_agent(&guard.user_agent)
            .build()
            .map_err(ClientError::Setup)?;
        Ok(GuardedClient { client, guard })
    }

    /// The client below, for the federation library. It checks addresses after resolving, follows no redirect and keeps
    /// the deadline, but it limits no size, and URLs with an address instead of a name must pass
    /// [`GuardedClient::check`] first: for these no resolver is asked.
    pub fn inner(&self) -> &reqwest::Client {
        &self.client
    }

    /// Judges a URL without the network. Names pass; what they resolve to is judged when connecting.
    pub fn check(&self, url: &Url) -> Result<(), ClientError> {
        match url.scheme() {
            "https" => {}
            "http" if self.guard.allow_http => {}
            other => return Err(ClientError::Scheme(other.to_owned())),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ClientError::UserInfo);
        }
        let address = match url.host() {
            None => return Err(ClientError::NoHost),
            Some(Host::Domain(_)) => return Ok(()),
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
        };
        self.check_address(url, address)
    }

    fn check_address(&self, url: &Url, address: IpAddr) -> Result<(), ClientError> {
        if address::is_permitted(address, &self.guard.allowed) {
            return Ok(());
        }
        Err(ClientError::ForbiddenAddress { host: url.host_str().unwrap_or_default().to_owned(), address })
    }

    /// Fetches a URL, following at most two redirects. A redirected request goes without the headers that were made for
    /// the first URL, such as a signature.
    pub async fn get(&self, url: &Url, headers: &[(&str, String)]) -> Result<Reply, ClientError> {
        self.follow(url, |_, hop| {
            let kept = headers.iter().filter(|(name, _)| {
                hop == 0 || !HEADERS_OF_ONE_URL.iter().any(|dropped| name.eq_ignore_ascii_case(dropped))
            });
            header_map(kept)
        })
        .await
    }

    /// Fetches a URL as it is: a redirect is an answer like any other.
    pub async fn get_once(&self, url: &Url, headers: &[(&str, String)]) -> Result<Reply, ClientError> {
        self.exchange(Method::GET, url, headers, Vec::new()).await
    }

    /// Fetches a URL with a signature, which is made anew for each redirect.
    ///
    /// - `headers`: more headers, not signed, such as `accept`.
    pub async fn get_signed(
        &self,
        url: &Url,
        headers: &[(&str, String)],
        signer: &RequestSigner,
        now: Timestamp,
    ) -> Result<Reply, ClientError> {
        self.follow(url, |url, _| header_map(signer.sign_get(url, now)?.iter().chain(headers))).await
    }

    /// Sends a body. No redirect is followed: a signed delivery is for one inbox, and a redirect is its outcome.
    pub async fn post(&self, url: &Url, headers: &[(&str, String)], body: Vec<u8>) -> Result<Reply, ClientError> {
        self.exchange(Method::POST, url, headers, body).await
    }

    /// One request and its answer; a redirect is an answer like any other.
    pub async fn exchange(
        &self,
        method: Method,
        url: &Url,
        headers: &[(&str, String)],
        body: Vec<u8>,
    ) -> Result<Reply, ClientError> {
        let headers = header_map(headers.iter())?;
        self.within_deadline(async {
            let response = self.send(method, url, headers, body).await?;
            self.read(response, url.clone()).await
        })
        .await
    }

    async fn follow(
        &self,
        url: &Url,
        headers: impl Fn(&Url, usize) -> Result<HeaderMap, ClientError>,
    ) -> Result<Reply, ClientError> {
        self.within_deadline(async {
            let mut url = url.clone();
            for hop in 0..=REDIRECTS_MAX {
                let response = self.send(Method::GET, &url, headers(&url, hop)?, Vec::new()).await?;
                match redirect_target(&response, &url)? {
                    None => return self.read(response, url).await,
                    Some(next) => url = next,
                }
            }
            Err(ClientError::TooManyRedirects)
        })
        .await
    }

    async fn within_deadline(
        &self,
        exchange: impl Future<Output = Result<Reply, ClientError>>,
    ) -> Result<Reply, ClientError> {
        let timeout = self.guard.timeout;
        tokio::time::timeout(timeout, exchange).await.unwrap_or(Err(ClientError::Timeout(timeout)))
    }

    async fn send(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Response, ClientError> {
        self.check(url)?;
        let request = self.client.request(method, url.clone()).headers(headers).body(body);
        let response = request.send().await.map_err(|error| self.explain(error))?;
        // The second path to the same claim: whatever chose the address, it is a permitted one.
        if let Some(address) = response.remote_addr().as_ref().map(SocketAddr::ip) {
            self.check_address(url, address)?;
        }
        Ok(response)
    }

    async fn read(&self, mut response: Response, final_url: Url) -> Result<Reply, ClientError> {
        let limit = self.guard.body_limit_bytes;
        if response.content_length().is_some_and(|length| length > limit as u64) {
            return Err(ClientError::TooLarge(limit));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.explain(error))? {
            if chunk.len() > limit - body.len() {
                return Err(ClientError::TooLarge(limit));
            }
            body.extend_from_slice(&chunk);
        }
        let headers = std::mem::take(response.headers_mut());
        Ok(Reply { status: response.status(), headers, body, final_url })
    }

    /// Finds the cause in the chain of errors that the HTTP stack wraps around it.
    fn explain(&self, error: reqwest::Error) -> ClientError {
        let lookup = causes(&error).find_map(|cause| cause.downcast_ref::<LookupFailed>()).cloned();
        if let Some(failed) = lookup {
            return failed.into();
        }
        let is_tls = causes(&error).any(|cause| cause.is::<rustls::Error>());
        if error.is_timeout() {
            ClientError::Timeout(self.guard.timeout)
        } else if is_tls {
            ClientError::Tls(error.without_url())
        } else if error.is_connect() {
            ClientError::Connect(error.without_url())
        } else {
            ClientError::Transfer(error.without_url())
        }
    }
}

/// Where a redirect leads; `None` when the answer is not one.
fn redirect_target(response: &Response, url: &Url) -> Result<Option<Url>, ClientError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = response.headers().get(LOCATION) else { return Ok(None) };
    let target = location.to_str().ok().and_then(|location| url.join(location).ok());
    target.map(Some).ok_or(ClientError::BadRedirect)
}

fn header_map<'a, N: AsRef<str> + 'a>(
    headers: impl Iterator<Item = &'a (N, String)>,
) -> Result<HeaderMap, ClientError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = name.as_ref();
        let refused = || ClientError::BadHeader(name.to_owned());
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
        map.append(header, HeaderValue::from_str(value).map_err(|_| refused())?);
    }
    Ok(map)
}

/// An error and what caused it. `io::Error` hides the error that it wraps from `source`.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    iter::successors(Some(error), |&error| match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner as &(dyn StdError + 'static)),
        None => error.source(),
    })
}

#[cfg(test)]
mod tests;
