//! Names in the fediverse: handles, servers, URIs, and tokens that belong to one server.
//!
//! Owns which servers may be asked at all: those with a name on the public web, by https; loopback ones too where an
//! instance is set up for tests. What a name resolves to is judged by the client that connects.

use ::url::{Host, Url};

use crate::bridges::error::Error;
use crate::bridges::reference::{ParsedRef, Parts, RefKind, ReferenceError, parts};
use crate::bridges::value::Secret;
use crate::domain::identity::Platform;

const PLATFORM: Platform = Platform::Fediverse;
/// Far longer than any address in use.
const URI_BYTES_MAX: usize = 1_000;
const USER_BYTES_MAX: usize = 100;

/// `mira@social.example`: a name on the server that gives it out, which need not be the server that has the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handle {
    pub user: String,
    pub host: String,
}

/// A handle as people type it: `@mira@social.example`, `mira@social.example`, `acct:mira@social.example`.
pub fn handle(text: &str) -> Option<Handle> {
    let text = text.trim();
    let text = text.strip_prefix("acct:").unwrap_or(text);
    let (user, host) = text.strip_prefix('@').unwrap_or(text).split_once('@')?;
    let host = host.to_ascii_lowercase();
    (is_user(user) && !host.is_empty() && !host.contains(|c: char| c == '@' || c == '/' || c.is_whitespace()))
        .then(|| Handle { user: user.to_owned(), host })
}

/// Letters, digits and a few signs; what other software allows beyond that cannot be typed into a handle.
pub(super) fn is_user(text: &str) -> bool {
    (1..=USER_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

/// The server of a host, as the address of its front page.
///
/// - `allows_local`: loopback addresses too, by http; for tests and demonstrations.
pub fn server(host: &str, allows_local: bool) -> Option<Url> {
    // What is no plain host would change the meaning of the address around it.
    let is_plain = host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':') || b >= 0x80);
    if !is_plain || host.is_empty() {
        return None;
    }
    let public = Url::parse(&format!("https://{host}/")).ok()?;
    if is_local(&public) {
        return Url::parse(&format!("http://{host}/")).ok().filter(|_| allows_local);
    }
    let is_name = public.domain().is_some_and(|name| name.contains('.') && !name.ends_with('.'));
    (is_name && public.port().is_none()).then_some(public)
}

/// The URI of an account or a post: absolute, on a server that may be asked, and written in the one form in which its own
/// server will be asked for it.
pub fn uri(text: &str, allows_local: bool) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|_| text.len() <= URI_BYTES_MAX && !text.contains(char::is_control))?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let scheme = if is_local(&url) { "http" } else { "https" };
    let may_be_asked = server(&host_of(&url)?, allows_local).is_some();
    (is_plain && url.as_str() == text && url.scheme() == scheme && may_be_asked).then_some(url)
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        _ => false,
    }
}

/// `social.example`, with a port where it is not the usual one.
pub fn host_of(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// The front page of the server that an address is on.
pub fn origin_of(url: &Url) -> Url {
    let mut origin = url.clone();
    origin.set_path("/");
    origin.set_query(None);
    origin.set_fragment(None);
    origin
}

/// A token together with the one server that may see it, as one secret.
pub fn bind(server: &Url, token: &str) -> Secret {
    Secret::new(format!("{} {token}", origin_of(server)))
}

/// The server and the token in what [`bind`] made.
pub fn bound(secret: &Secret) -> Result<(Url, &str), Error> {
    let (server, token) = secret.reveal().split_once(' ').ok_or_else(|| Error::malformed("a token of no server"))?;
    Ok((Url::parse(server).map_err(|_| Error::malformed("a token of no server"))?, token))
}

/// Reads a handle, or an address in the form that Mastodon gives to accounts and posts.
///
/// - errors: [`ReferenceError::UnknownHost`] for any other address, since every host may be a server of the fediverse and
///   nothing but the form tells.
pub fn parse(text: &str) -> Result<ParsedRef, ReferenceError> {
    let text = text.trim();
    if let Some(Handle { user, host }) = handle(text).filter(|_| !text.contains("://")) {
        let server = server(&host, false).ok_or(ReferenceError::NotAnAddress)?;
        return Ok(reference(RefKind::User, &user, &host, format!("{server}@{user}")));
    }
    let Parts { host, segments } = parts(text)?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (kind, user, path) = match segments.as_slice() {
        [name] => (RefKind::User, name.strip_prefix('@'), format!("/{name}")),
        ["users", user] => (RefKind::User, Some(*user), format!("/users/{user}")),
        [name, id] if is_number(id) => (RefKind::Post, name.strip_prefix('@'), format!("/{name}/{id}")),
        ["users", user, "statuses", id] if is_number(id) => {
            (RefKind::Post, Some(*user), format!("/users/{user}/statuses/{id}"))
        }
        _ => return Err(ReferenceError::UnknownHost),
    };
    let user = user.filter(|user| is_user(user)).ok_or(ReferenceError::UnknownHost)?;
    server(&host, false).ok_or(ReferenceError::UnknownHost)?;
    Ok(reference(kind, user, &host, format!("https://{host}{path}")))
}

fn is_number(text: &str) -> bool {
    (1..=30).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

/// The URI stands in no address that people see: it has to be asked for.
fn reference(kind: RefKind, user: &str, host: &str, canonical_url: String) -> ParsedRef {
    let user_hint = Some(format!("{user}@{host}"));
    ParsedRef { platform: PLATFORM, kind, user_hint, post_id: None, canonical_url, needs_resolve: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_read_as_people_type_it() {
        let mira = Handle { user: "Mira".into(), host: "social.example".into() };
        for text in ["@Mira@social.example", "Mira@Social.Example", " acct:Mira@social.example "] {
            assert_eq!(handle(text), Some(mira.clone()), "{text}");
        }
        for text in ["", "mira", "@mira", "mira@", "@@social.example", "mi ra@social.example", "mira@a@b", "mira@a/b"] {
            assert_eq!(handle(text), None, "{text}");
        }
    }

    #[test]
    fn only_public_names_are_servers_unless_tests_are_set_up() {
        let check = |host: &str, expected: Option<&str>, local: Option<&str>| {
            let found = |allows_local| server(host, allows_local).map(String::from);
            assert_eq!((found(false).as_deref(), found(true).as_deref()), (expected, local), "{host}");
        };
        check("social.example", Some("https://social.example/"), Some("https://social.example/"));
        check("127.0.0.1:8100", None, Some("http://127.0.0.1:8100/"));
        check("localhost:8100", None, Some("http://localhost:8100/"));
        check("social.localhost", None, Some("http://social.localhost/"));
        for host in ["", "social", "social.example:8443", "10.0.0.1", "social.example.", "a@b.example", "a.example/b"] {
            check(host, None, None);
        }
        check("b\u{fc}cher.example", Some("https://xn--bcher-kva.example/"), Some("https://xn--bcher-kva.example/"));
    }

    #[test]
    fn a_uri_is_absolute_plain_and_on_such_a_server() {
        assert!(uri("https://social.example/users/mira", false).is_some());
        for text in [
            "http://social.example/users/mira",
            "https://me@social.example/users/mira",
            "https://social.example:8443/users/mira",
            "https://127.0.0.1/users/mira",
            "http://127.0.0.1/users/mira",
            "https://social.example/users/mira#main-key",
            "tag:social.example,2013:mira",
            "/users/mira",
            "https://Social.example/users/mira",
            "https://social.example/users/../mira",
        ] {
            assert!(uri(text, false).is_none(), "{text}");
        }
        assert!(uri("http://127.0.0.1:8100/users/mira", true).is_some());
        assert!(uri("https://127.0.0.1:8100/users/mira", true).is_none(), "another scheme would be another origin");
    }

    #[test]
    fn a_token_names_the_server_that_may_see_it() {
        let server = Url::parse("https://social.example/users/mira?x=1").unwrap();
        let bound = bind(&server, "t 1");
        let (found, token) = super::bound(&bound).unwrap();
        assert_eq!((found.as_str(), token), ("https://social.example/", "t 1"));
        assert!(super::bound(&Secret::new("t1")).is_err());
    }

    #[test]
    fn addresses_of_accounts_and_posts_are_told_by_their_form() {
        let check = |text: &str, kind: RefKind, url: &str| {
            let found = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((found.kind, found.canonical_url.as_str()), (kind, url), "{text}");
            assert_eq!(found.user_hint.as_deref(), Some("mira@social.example"), "{text}");
        };
        check("@mira@social.example", RefKind::User, "https://social.example/@mira");
        check("https://social.example/@mira", RefKind::User, "https://social.example/@mira");
        check("https://social.example/users/mira", RefKind::User, "https://social.example/users/mira");
        check("https://social.example/@mira/1134?x=1#y", RefKind::Post, "https://social.example/@mira/1134");
        let status = "https://social.example/users/mira/statuses/1134";
        check(status, RefKind::Post, status);
    }

    #[test]
    fn what_misleads_or_has_another_form_is_refused() {
        let check = |text: &str, expected| assert_eq!(parse(text), Err(expected), "{text}");
        check("https://social.example@evil.example/@mira/1", ReferenceError::NotPlain);
        check("https://social.example:8443/@mira/1", ReferenceError::NotPlain);
        check("https://127.0.0.1/@mira/1", ReferenceError::UnknownHost);
        check("https://localhost/@mira/1", ReferenceError::UnknownHost);
        check("mira@127.0.0.1:8100", ReferenceError::NotAnAddress);
        // Another server's view of somebody: not the place to ask.
        check("https://social.example/@mira@art.example/1", ReferenceError::UnknownHost);
        for path in ["", "about", "@mira/media", "users/mira/outbox", "@mi%2Fra/1", "web/statuses/1"] {
            assert!(parse(&format!("https://social.example/{path}")).is_err(), "{path}");
        }
    }
}
