//! HTTP signatures of draft-cavage-12: who sent this request, and that it was meant for us, here and now.
//!
//! Owns the strict rules (stricter than the federation library's, which stays behind as the second verifier): the
//! signed set contains `(request-target)`, `host`, a time and, where there is a body, `digest`; the host is ours; the
//! digest fits the body; the time lies in the window. Everything that can be judged without the key is judged in
//! [`check`], before anybody's key is fetched.
//!
//! Pure: takes methods, headers and the time as values and knows no web server. The `Signature` header is read in
//! [`parse`](parse()); outgoing requests are signed in `outgoing`. A valid signature says who sent a request; for
//! money it is no evidence (`domain::proof` is).

mod outgoing;
mod parse;

use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::SHA256;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::keys::RsaPublicKey;
use crate::domain::time::Timestamp;

pub use outgoing::{Headers, RequestSigner, SignError};
pub use parse::{Parameters, parse};

const REQUEST_TARGET: &str = "(request-target)";
const CREATED: &str = "(created)";
const EXPIRES: &str = "(expires)";

/// Headers of which a request has at most one; with two, we could check one while somebody else acts on the other.
const SINGLE_HEADERS: [&str; 5] = ["host", "date", "digest", "content-type", "content-length"];

/// Why a request is not believed: one variant for each cause.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("the request has no Signature header")]
    Missing,
    #[error("the request has more than one signature")]
    SeveralSignatures,
    #[error("the Signature header is malformed: {0}")]
    Malformed(&'static str),
    #[error("the signature parameter `{0}` appears twice")]
    DuplicateParameter(String),
    #[error("the signature parameter `{0}` is missing")]
    MissingParameter(&'static str),
    #[error("the signature covers no headers")]
    NothingSigned,
    #[error("`{0}` is listed twice in the signature")]
    SignedTwice(String),
    #[error("the signature algorithm `{0}` is not rsa-sha256 or hs2019")]
    WrongAlgorithm(String),
    #[error("the signature algorithm rsa-sha256 cannot cover `{0}`")]
    TimeNotOfAlgorithm(&'static str),
    #[error("the signature does not cover (request-target)")]
    TargetNotSigned,
    #[error("the signature does not cover the Host header")]
    HostNotSigned,
    #[error("the signature covers neither the Date header nor (created)")]
    TimeNotSigned,
    #[error("the signature does not cover the Digest header")]
    DigestNotSigned,
    #[error("the signature covers `{0}`, which the request does not have")]
    HeaderAbsent(String),
    #[error("the header `{0}` appears twice")]
    DuplicateHeader(&'static str),
    #[error("the header `{0}` contains other characters than printable ASCII")]
    BadHeader(String),
    #[error("the request is for the host `{0}`, which is not ours")]
    OtherHost(String),
    #[error("the Date header is not an HTTP date")]
    BadDate,
    #[error("the request was signed at {0}, too long ago")]
    Stale(Timestamp),
    #[error("the request was signed at {0}, in the future")]
    Future(Timestamp),
    #[error("the signature expired at {0}")]
    Expired(Timestamp),
    #[error("the Digest header is malformed")]
    BadDigest,
    #[error("the Digest header has no SHA-256 digest")]
    NoSha256,
    #[error("the Digest header does not fit the body")]
    OtherBody,
    #[error("the signature does not fit the request and the key")]
    BadSignature,
}

impl SignatureError {
    /// A short name of the cause, for metrics; never changes.
    pub const fn reason(&self) -> &'static str {
        match self {
            SignatureError::Missing => "missing",
            SignatureError::SeveralSignatures => "several-signatures",
            SignatureError::Malformed(_) => "malformed",
            SignatureError::DuplicateParameter(_) => "duplicate-parameter",
            SignatureError::MissingParameter(_) => "missing-parameter",
            SignatureError::NothingSigned => "nothing-signed",
            SignatureError::SignedTwice(_) => "signed-twice",
            SignatureError::WrongAlgorithm(_) => "wrong-algorithm",
            SignatureError::TimeNotOfAlgorithm(_) => "time-not-of-algorithm",
            SignatureError::TargetNotSigned => "target-not-signed",
            SignatureError::HostNotSigned => "host-not-signed",
            SignatureError::TimeNotSigned => "time-not-signed",
            SignatureError::DigestNotSigned => "digest-not-signed",
            SignatureError::HeaderAbsent(_) => "header-absent",
            SignatureError::DuplicateHeader(_) => "duplicate-header",
            SignatureError::BadHeader(_) => "bad-header",
            SignatureError::OtherHost(_) => "other-host",
            SignatureError::BadDate => "bad-date",
            SignatureError::Stale(_) => "stale",
            SignatureError::Future(_) => "future",
            SignatureError::Expired(_) => "expired",
            SignatureError::BadDigest => "bad-digest",
            SignatureError::NoSha256 => "no-sha256",
            SignatureError::OtherBody => "other-body",
            SignatureError::BadSignature => "bad-signature",
        }
    }
}

/// A received request, as far as signatures see it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub method: &'a str,
    /// Path and query, exactly as received.
    pub target: &'a str,
    /// Every header line as received, names in any case. For HTTP/2 the caller adds `:authority` as `host`.
    pub headers: &'a [(&'a str, &'a [u8])],
    pub body: &'a [u8],
}

/// How far the signed time of a request may be from our clock; both bounds included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub past: Duration,
    pub future: Duration,
}

impl Default for Window {
    /// One hour back, as the whole fediverse allows, and five minutes ahead for clocks that run fast.
    fn default() -> Window {
        Window { past: Duration::from_secs(60 * 60), future: Duration::from_secs(5 * 60) }
    }
}

/// What is ours to decide about requests: the hosts that we are (with a port where it is not the default) and the
/// window.
#[derive(Debug, Clone)]
pub struct Rules {
    pub hosts: Vec<String>,
    pub window: Window,
}

/// A request that keeps every rule, and whose signature is still to be verified with the key it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    key_id: String,
    signature: Vec<u8>,
    signing_string: String,
    signed_at: Timestamp,
}

/// A request that was signed with the key it names. Only [`Checked::verify`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    key_id: String,
    signed_at: Timestamp,
}

impl Checked {
    /// The key that the caller has to find: usually a URL with a fragment. Not authenticated yet.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Verifies with the key that [`Checked::key_id`] names. May be repeated with a key that was fetched anew.
    pub fn verify(&self, key: &RsaPublicKey) -> Result<Verified, SignatureError> {
        if key.verifies(self.signing_string.as_bytes(), &self.signature) {
            Ok(Verified { key_id: self.key_id.clone(), signed_at: self.signed_at })
        } else {
            Err(SignatureError::BadSignature)
        }
    }
}

impl Verified {
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The signed Date, or `(created)` where there is no signed Date.
    pub fn signed_at(&self) -> Timestamp {
        self.signed_at
    }
}

/// [`check`] and [`Checked::verify`] in one step, for a key that is known already.
pub fn verify(
    request: &Request<'_>,
    rules: &Rules,
    key: &RsaPublicKey,
    now: Timestamp,
) -> Result<Verified, SignatureError> {
    check(request, rules, now)?.verify(key)
}

/// Judges everything about a request but the cryptography.
///
/// - returns: what remains to be verified once the key is here.
///
/// Source: FEDERATION.md, "HTTP signatures"; draft-cavage-http-signatures-12, 2.1 to 2.5.
pub fn check(request: &Request<'_>, rules: &Rules, now: Timestamp) -> Result<Checked, SignatureError> {
    for name in SINGLE_HEADERS {
        if lines(request, name).nth(1).is_some() {
            return Err(SignatureError::DuplicateHeader(name));
        }
    }
    let parameters = parse(request)?;
    check_algorithm(&parameters)?;
    let has_body = !matches!(request.method, "GET" | "HEAD") || !request.body.is_empty();
    if !parameters.covers(REQUEST_TARGET) {
        return Err(SignatureError::TargetNotSigned);
    }
    if !parameters.covers("host") {
        return Err(SignatureError::HostNotSigned);
    }
    if !parameters.covers("date") && !parameters.covers(CREATED) {
        return Err(SignatureError::TimeNotSigned);
    }
    if has_body && !parameters.covers("digest") {
        return Err(SignatureError::DigestNotSigned);
    }
    // Building the string first proves that every covered header is there, once.
    let signing_string = signing_string(request, &parameters)?;
    let host = header(request, "host")?;
    if !rules.hosts.iter().any(|ours| ours.eq_ignore_ascii_case(&host)) {
        return Err(SignatureError::OtherHost(host));
    }
    let signed_at = check_time(request, &parameters, rules.window, now)?;
    if parameters.covers("digest") {
        check_digest(&header(request, "digest")?, request.body)?;
    }
    Ok(Checked { key_id: parameters.key_id, signature: parameters.signature, signing_string, signed_at })
}

/// `hs2019` says nothing of the algorithm and the key decides, which here is always RSA with SHA-256.
fn check_algorithm(parameters: &Parameters) -> Result<(), SignatureError> {
    match parameters.algorithm.as_deref() {
        None | Some("hs2019") => Ok(()),
        // Draft 12, 2.3: with an algorithm that starts with `rsa`, `(created)` and `(expires)` must produce an error.
        Some("rsa-sha256") => match [CREATED, EXPIRES].into_iter().find(|name| parameters.covers(name)) {
            Some(name) => Err(SignatureError::TimeNotOfAlgorithm(name)),
            None => Ok(()),
        },
        Some(other) => Err(SignatureError::WrongAlgorithm(other.to_owned())),
    }
}

/// Checks each time that is signed, and `expires` even where it is not: ignoring it could only help a replay.
fn check_time(
    request: &Request<'_>,
    parameters: &Parameters,
    window: Window,
    now: Timestamp,
) -> Result<Timestamp, SignatureError> {
    let within = |time: Timestamp| {
        if time < now.minus(window.past) {
            Err(SignatureError::Stale(time))
        } else if time > now.plus(window.future) {
            Err(SignatureError::Future(time))
        } else {
            Ok(time)
        }
    };
    let created = match parameters.created {
        Some(created) if parameters.covers(CREATED) => Some(within(created)?),
        _ => None,
    };
    let date = if parameters.covers("date") { Some(within(http_date(&header(request, "date")?)?)?) } else { None };
    if let Some(expires) = parameters.expires.filter(|expires| *expires < now) {
        return Err(SignatureError::Expired(expires));
    }
    date.or(created).ok_or(SignatureError::TimeNotSigned)
}

fn http_date(text: &str) -> Result<Timestamp, SignatureError> {
    let time = httpdate::parse_http_date(text).map_err(|_| SignatureError::BadDate)?;
    let since = time.duration_since(SystemTime::UNIX_EPOCH).map_err(|_| SignatureError::BadDate)?;
    let seconds = i64::try_from(since.as_secs()).map_err(|_| SignatureError::BadDate)?;
    Ok(Timestamp::from_seconds(seconds))
}

/// `SHA-256=base64`, perhaps beside digests of other algorithms (RFC 3230).
fn check_digest(header: &str, body: &[u8]) -> Result<(), SignatureError> {
    let mut sha256 = None;
    for part in header.split(',') {
        let (algorithm, value) = part.trim().split_once('=').ok_or(SignatureError::BadDigest)?;
        if algorithm.eq_ignore_ascii_case("sha-256") && sha256.replace(value).is_some() {
            return Err(SignatureError::BadDigest);
        }
    }
    let claimed = BASE64.decode(sha256.ok_or(SignatureError::NoSha256)?).map_err(|_| SignatureError::BadDigest)?;
    if claimed == body_digest(body) { Ok(()) } else { Err(SignatureError::OtherBody) }
}

fn body_digest(body: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&SHA256, body).as_ref().to_vec()
}

/// The text that is signed (draft 12, 2.3), in the order of the `headers` parameter.
///
/// `http-signature-normalization` builds it for what we send; here its builder does not serve: it leaves out a header
/// that is absent, keeps one of two and asks the system for the time.
fn signing_string(request: &Request<'_>, parameters: &Parameters) -> Result<String, SignatureError> {
    let mut lines = Vec::with_capacity(parameters.headers.len());
    for name in &parameters.headers {
        let time = |time: Option<Timestamp>| {
            time.map(|time| time.seconds().to_string()).ok_or_else(|| SignatureError::HeaderAbsent(name.clone()))
        };
        let value = match name.as_str() {
            REQUEST_TARGET => format!("{} {}", request.method.to_ascii_lowercase(), request.target),
            CREATED => time(parameters.created)?,
            EXPIRES => time(parameters.expires)?,
            name => header(request, name)?,
        };
        lines.push(format!("{name}: {value}"));
    }
    Ok(lines.join("\n"))
}

fn lines<'a>(request: &Request<'a>, name: &str) -> impl Iterator<Item = &'a [u8]> {
    let headers = request.headers.iter();
    headers.filter(move |(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
}

/// The value of a header; several lines of one name are joined, as draft 12, 2.3 says.
fn header(request: &Request<'_>, name: &str) -> Result<String, SignatureError> {
    let mut values = Vec::new();
    for line in lines(request, name) {
        // A control character could forge another line of the signed text.
        let printable = line.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
        let text = std::str::from_utf8(line).ok().filter(|_| printable);
        values.push(text.ok_or_else(|| SignatureError::BadHeader(name.to_owned()))?.trim());
    }
    if values.is_empty() { Err(SignatureError::HeaderAbsent(name.to_owned())) } else { Ok(values.join(", ")) }
}

#[cfg(test)]
mod tests;
