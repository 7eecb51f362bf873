//! Addresses of App.net and pnut.io, read without the network.
//!
//! Owns the exact list of hosts and the alphabet of names. Both networks write the number of a post into its address:
//! a pasted post needs no look-up to know its id, and the id is the one that API and export give. Source:
//! docs/bridges/appnet.md.

use super::{Dialect, PLATFORM};
use crate::bridges::reference::{ParsedRef, Parts, RefKind, ReferenceError, parts};
use crate::bridges::wire::is_decimal_id;

/// First segments that are pages of alpha.app.net itself and never a person.
const RESERVED: [&str; 22] = [
    "about",
    "account",
    "api",
    "browse",
    "conversations",
    "directory",
    "explore",
    "favicon",
    "global",
    "hashtags",
    "intent",
    "interactions",
    "join",
    "login",
    "logout",
    "mentions",
    "messages",
    "omo",
    "search",
    "settings",
    "signup",
    "stream",
];

/// Reads an address of alpha.app.net, posts.app.net, beta.pnut.io, pnut.io or posts.pnut.io.
pub fn parse(text: &str) -> Result<ParsedRef, ReferenceError> {
    let Parts { host, segments } = parts(text)?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (host.as_str(), segments.as_slice()) {
        ("alpha.app.net", [name, "post", number, ..]) if is_person(name) && is_decimal_id(number) => {
            let name = name.to_ascii_lowercase();
            let url = format!("https://alpha.app.net/{name}/post/{number}");
            Ok(post(Dialect::AppNet, Some(name), number, url))
        }
        ("alpha.app.net", [name]) if is_person(name) => Ok(person(Dialect::AppNet, name)),
        ("posts.app.net", [number]) if is_decimal_id(number) => {
            Ok(post(Dialect::AppNet, None, number, Dialect::AppNet.post_url(number)))
        }
        ("posts.pnut.io", [number]) if is_decimal_id(number) => {
            Ok(post(Dialect::Pnut, None, number, Dialect::Pnut.post_url(number)))
        }
        ("beta.pnut.io" | "pnut.io", [name]) => match name.strip_prefix('@') {
            Some(name) if is_name(name) => Ok(person(Dialect::Pnut, name)),
            _ => Err(ReferenceError::NothingThere(PLATFORM)),
        },
        ("alpha.app.net" | "posts.app.net" | "posts.pnut.io" | "beta.pnut.io" | "pnut.io", _) => {
            Err(ReferenceError::NothingThere(PLATFORM))
        }
        _ => Err(ReferenceError::UnknownHost),
    }
}

fn post(dialect: Dialect, name: Option<String>, number: &str, canonical_url: String) -> ParsedRef {
    ParsedRef {
        platform: PLATFORM,
        kind: RefKind::Post,
        user_hint: name,
        post_id: Some(dialect.marked(number)),
        canonical_url,
        needs_resolve: false,
    }
}

fn person(dialect: Dialect, name: &str) -> ParsedRef {
    let name = name.to_ascii_lowercase();
    ParsedRef {
        platform: PLATFORM,
        kind: RefKind::User,
        canonical_url: dialect.profile_url(&name),
        user_hint: Some(name),
        post_id: None,
        needs_resolve: true,
    }
}

/// Letters, digits and underscores, at most 20.
pub(super) fn is_name(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn is_person(text: &str) -> bool {
    is_name(text) && !RESERVED.iter().any(|word| word.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, kind: RefKind, user: Option<&str>, id: Option<&str>, canonical_url: &str) {
        let found = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let seen = (found.kind, found.user_hint.as_deref(), found.post_id.as_deref(), found.canonical_url.as_str());
        assert_eq!(seen, (kind, user, id, canonical_url), "{text}");
        assert_eq!(found.needs_resolve, id.is_none(), "{text}");
        assert_eq!(parse(&found.canonical_url).as_ref(), Ok(&found), "{text}: reads back");
    }

    #[test]
    fn every_spelling_of_a_post_gives_its_id() {
        let canonical = "https://alpha.app.net/mira/post/914440";
        for text in [
            "https://alpha.app.net/mira/post/914440",
            "http://www.alpha.app.net/Mira/post/914440/?utm_source=x#reply",
            "alpha.app.net/mira/post/914440/stars",
            "https://ALPHA.APP.NET/mira//post/914440",
        ] {
            check(text, RefKind::Post, Some("mira"), Some("914440"), canonical);
        }
        check("https://posts.app.net/914440", RefKind::Post, None, Some("914440"), "https://posts.app.net/914440");
        let big = "9007199254740993";
        check(&format!("posts.app.net/{big}"), RefKind::Post, None, Some(big), &format!("https://posts.app.net/{big}"));
    }

    #[test]
    fn the_same_number_on_the_other_network_is_another_post() {
        check("https://posts.pnut.io/914440", RefKind::Post, None, Some("pnut-914440"), "https://posts.pnut.io/914440");
    }

    #[test]
    fn people_are_found_by_their_page() {
        check("alpha.app.net/Mira_9", RefKind::User, Some("mira_9"), None, "https://alpha.app.net/mira_9");
        check("https://beta.pnut.io/@Mira", RefKind::User, Some("mira"), None, "https://beta.pnut.io/@mira");
        check("https://pnut.io/@mira", RefKind::User, Some("mira"), None, "https://beta.pnut.io/@mira");
    }

    #[test]
    fn other_pages_name_nobody() {
        for text in [
            "https://alpha.app.net/",
            "https://alpha.app.net/global",
            "https://alpha.app.net/Hashtags/maps",
            "https://alpha.app.net/intent/post/7",
            "https://alpha.app.net/mira/post",
            "https://alpha.app.net/mira/post/0914440",
            "https://alpha.app.net/mira/post/1e3",
            "https://alpha.app.net/mira/files/7",
            "https://alpha.app.net/a-name-with-hyphens",
            "https://alpha.app.net/a_name_of_more_than_twenty",
            "https://posts.app.net/mira",
            "https://posts.pnut.io/pnut-7",
            "https://beta.pnut.io/mira",
            "https://beta.pnut.io/@mira/7",
        ] {
            assert_eq!(parse(text), Err(ReferenceError::NothingThere(PLATFORM)), "{text}");
        }
    }

    #[test]
    fn look_alikes_are_refused() {
        let check = |text: &str, expected| assert_eq!(parse(text), Err(expected), "{text}");
        check("https://alpha.app.net.evil.example/mira/post/7", ReferenceError::UnknownHost);
        check("https://alpha-app.net/mira/post/7", ReferenceError::UnknownHost);
        check("https://app.net/mira/post/7", ReferenceError::UnknownHost);
        check("https://\u{430}lpha.app.net/mira/post/7", ReferenceError::UnknownHost);
        check("https://posts.pnut.io.evil.example/7", ReferenceError::UnknownHost);
        check("https://alpha.app.net@evil.example/mira/post/7", ReferenceError::NotPlain);
        check("https://alpha.app.net:8443/mira/post/7", ReferenceError::NotPlain);
        check("https://alpha.app.net/mira%2Fpost%2F7", ReferenceError::NotAnAddress);
    }
}
