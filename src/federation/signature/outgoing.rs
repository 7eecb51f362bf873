//! Signing what we send, so that every server of the fediverse and our own strict rules accept it.
//!
//! The canonical string is built by `http-signature-normalization`, as in Lemmy and the federation library; our own
//! verifier builds it independently, so each is a test of the other. A request is signed anew, with a new Date, at
//! every attempt.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http_signature_normalization::Config;
use url::{Position, Url};

use super::body_digest;
use crate::domain::time::Timestamp;
use crate::federation::keys::{KeyError, RsaKeyPair};

/// Headers to send with a request, names in lower case.
pub type Headers = Vec<(&'static str, String)>;

/// Why a request could not be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    #[error("`{0}` has no host to send a request to")]
    NoHost(String),
    #[error("the signing key could not be used")]
    Key(#[from] KeyError),
}

/// A key and the id under which its public part is published. Cheap to clone.
#[derive(Clone)]
pub struct RequestSigner {
    key_id: String,
    key: RsaKeyPair,
}

impl RequestSigner {
    /// - `key_id`: the URL of the key, such as `https://alpha.example/instance#main-key`.
    pub fn new(key_id: &Url, key: RsaKeyPair) -> RequestSigner {
        // A URL contains no quote and no backslash outside its percent-encoding, which the header could not carry.
        RequestSigner { key_id: key_id.as_str().replace('"', "%22"), key }
    }

    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The headers for a POST: `(request-target)`, `host`, `date`, `digest` and `content-type` are signed.
    pub fn sign_post(&self, url: &Url, content_type: &str, body: &[u8], now: Timestamp) -> Result<Headers, SignError> {
        let digest = format!("SHA-256={}", BASE64.encode(body_digest(body)));
        self.sign("POST", url, now, vec![("digest", digest), ("content-type", content_type.to_owned())])
    }

    /// The headers for a GET: `(request-target)`, `host` and `date` are signed.
    pub fn sign_get(&self, url: &Url, now: Timestamp) -> Result<Headers, SignError> {
        self.sign("GET", url, now, Vec::new())
    }

    fn sign(&self, method: &str, url: &Url, now: Timestamp, more: Headers) -> Result<Headers, SignError> {
        let mut headers = vec![("host", host(url)?), ("date", http_date(now))];
        headers.extend(more);
        let signed: BTreeMap<String, String> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        // Plain Date instead of `(created)`: every server understands it, and the crate then asks no clock.
        let signature = Config::new()
            .mastodon_compat()
            .begin_sign(method, &url[Position::BeforePath..Position::AfterQuery], signed)
            .expect("host and date are among the headers")
            .sign(self.key_id.clone(), |text| self.key.sign(text.as_bytes()).map(|bytes| BASE64.encode(bytes)))?;
        headers.push(("signature", signature.signature_header()));
        Ok(headers)
    }
}

impl fmt::Debug for RequestSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestSigner({})", self.key_id)
    }
}

/// The `Host` header that belongs to a URL: with the port where it is not the default of the scheme.
fn host(url: &Url) -> Result<String, SignError> {
    let host = url.host_str().ok_or_else(|| SignError::NoHost(url.to_string()))?;
    Ok(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

fn http_date(time: Timestamp) -> String {
    let seconds = u64::try_from(time.seconds()).expect("we send nothing before 1970");
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::keys::tests::PAIR;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    fn now() -> Timestamp {
        "2013-07-04T00:11:09.5Z".parse().unwrap()
    }

    #[test]
    fn the_host_names_a_port_that_is_not_the_default() {
        let check = |text: &str, expected: &str| assert_eq!(host(&url(text)).as_deref(), Ok(expected));
        check("https://beta.example/inbox", "beta.example");
        check("https://beta.example:443/inbox", "beta.example");
        check("https://beta.example:8443/inbox", "beta.example:8443");
        check("http://[::1]:81/inbox", "[::1]:81");
        assert_eq!(host(&url("mailto:a@beta.example")), Err(SignError::NoHost("mailto:a@beta.example".into())));
    }

    #[test]
    fn a_post_carries_what_it_signs() {
        let signer = RequestSigner::new(&url("https://alpha.example/instance#main-key"), PAIR.clone());
        let headers = signer.sign_post(&url("https://beta.example/inbox"), "application/activity+json", b"{}", now());
        let headers: BTreeMap<_, _> = headers.unwrap().into_iter().collect();
        assert_eq!(headers["host"], "beta.example");
        assert_eq!(headers["date"], "Thu, 04 Jul 2013 00:11:09 GMT");
        assert_eq!(headers["digest"], "SHA-256=RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=");
        assert_eq!(headers["content-type"], "application/activity+json");
        let names = r#"headers="(request-target) content-type date digest host""#;
        assert!(headers["signature"].contains(names), "{}", headers["signature"]);
        assert!(
            headers["signature"].starts_with(r#"keyId="https://alpha.example/instance#main-key",algorithm="hs2019""#)
        );
    }
}
