//! Addresses that people paste, read without touching the network.
//!
//! Owns the refusals that are the same on all platforms: userinfo, foreign ports, hosts that only look alike. Each
//! platform adds its own path forms. Source: docs/bridges/README.md.

use url::Url;

use crate::domain::identity::Platform;

/// Longest text that is read as an address.
const TEXT_BYTES_MAX: usize = 2_000;

/// What an address names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefKind {
    User,
    Post,
    Repo,
    Set,
    /// Of this platform, but nothing that can be liked or paid; at most a hint at the creator.
    Opaque,
}

/// An address that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedRef {
    pub platform: Platform,
    pub kind: RefKind,
    /// The handle in the address: a hint, since handles move.
    pub user_hint: Option<String>,
    /// The stable object id, where the address holds it.
    pub post_id: Option<String>,
    /// The same for every spelling of one address.
    pub canonical_url: String,
    /// The stable id is not in the address: ask the platform.
    pub needs_resolve: bool,
}

/// Why an address is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    #[error("this is not a web address")]
    NotAnAddress,
    #[error("no bridge here knows this host")]
    UnknownHost,
    #[error("an address with a user name, a password or a port of its own is not accepted")]
    NotPlain,
    #[error("this page of {0} names neither a person nor a post")]
    NothingThere(Platform),
}

/// An address cut into what the platforms look at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    /// Lower case, without `www.`, `m.` and `mobile.`.
    pub host: String,
    /// Decoded once; no empty ones.
    pub segments: Vec<String>,
}

/// Cuts an address into host and path; the query and the fragment, which carry only tracking, are dropped.
///
/// - errors: when it is no http(s) address, not a plain one, or a segment still hides a separator after decoding once.
pub(crate) fn parts(text: &str) -> Result<Parts, ReferenceError> {
    let text = text.trim();
    if text.is_empty() || text.len() > TEXT_BYTES_MAX || text.contains(char::is_whitespace) {
        return Err(ReferenceError::NotAnAddress);
    }
    let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("https://{text}")) };
    let url = url.map_err(|_| ReferenceError::NotAnAddress)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(ReferenceError::NotAnAddress);
    }
    if !url.username().is_empty() || url.password().is_some() || url.port().is_some() {
        return Err(ReferenceError::NotPlain);
    }
    // The URL parser has already mapped international names to their ASCII form.
    let host = url.domain().ok_or(ReferenceError::UnknownHost)?.to_ascii_lowercase();
    let host = ["www.", "mobile.", "m."].iter().find_map(|prefix| host.strip_prefix(prefix)).unwrap_or(&host);
    let segments = url.path_segments().ok_or(ReferenceError::NotAnAddress)?;
    let segments = segments.filter(|segment| !segment.is_empty()).map(decoded).collect::<Option<Vec<_>>>();
    Ok(Parts { host: host.to_owned(), segments: segments.ok_or(ReferenceError::NotAnAddress)? })
}

/// Percent-decoding, once. `None` when the result is not text or could be read as another path.
fn decoded(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'%' {
            let digits = after.get(..2)?;
            bytes.push(hex::decode(digits).ok()?[0]);
            rest = &after[2..];
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    let is_tricky = text == "." || text == ".." || text.contains(['/', '\\']) || text.chars().any(char::is_control);
    (!is_tricky).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, host: &str, segments: &[&str]) {
        let found = parts(text).unwrap();
        assert_eq!((found.host.as_str(), found.segments), (host, segments.iter().map(|s| s.to_string()).collect()));
    }

    #[test]
    fn tracking_and_mobile_hosts_are_dropped() {
        check("https://www.github.com/a/b?utm_source=x#readme", "github.com", &["a", "b"]);
        check("http://M.Vimeo.com//12/", "vimeo.com", &["12"]);
        check("github.com/a%2Db", "github.com", &["a-b"]);
    }

    #[test]
    fn what_could_mislead_is_refused() {
        let check = |text: &str, expected| assert_eq!(parts(text), Err(expected), "{text}");
        check("https://github.com@evil.example/a", ReferenceError::NotPlain);
        check("https://u:p@github.com/a", ReferenceError::NotPlain);
        check("https://github.com:8443/a", ReferenceError::NotPlain);
        check("https://github.com/a%2F..%2Fb", ReferenceError::NotAnAddress);
        check("https://github.com/a%00", ReferenceError::NotAnAddress);
        check("https://github.com/a%zz", ReferenceError::NotAnAddress);
        check("javascript://github.com/a", ReferenceError::NotAnAddress);
        check("https://127.0.0.1/a", ReferenceError::UnknownHost);
        check("two words", ReferenceError::NotAnAddress);
        check("", ReferenceError::NotAnAddress);
    }
}
