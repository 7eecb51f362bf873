//! Addresses of tweets and people on twitter.com and x.com, read without the network.
//!
//! Owns the exact list of hosts, the reserved first segments, and what a handle and an id look like, so that both can
//! go into a request without a second thought. One tweet has one canonical address, without the handle: the site finds
//! a tweet by its number alone and ignores the name before it. Source: docs/bridges/twitter.md.

use crate::bridges::reference::{ParsedRef, Parts, RefKind, ReferenceError, parts};
use crate::domain::identity::Platform;

const PLATFORM: Platform = Platform::Twitter;

/// First segments that are pages of the site itself and never a handle.
const RESERVED: [&str; 17] = [
    "i",
    "home",
    "search",
    "hashtag",
    "intent",
    "share",
    "login",
    "explore",
    "settings",
    "notifications",
    "messages",
    "compose",
    "tos",
    "privacy",
    "about",
    "signup",
    "logout",
];
/// Longest code of a short address; they have ten characters today.
const SHORT_CODE_MAX: usize = 20;

/// Where people find a tweet, whoever bears which handle.
pub fn permalink(id: &str) -> String {
    format!("https://x.com/i/web/status/{id}")
}

/// Where people find whoever bears a handle now.
pub fn profile(handle: &str) -> String {
    format!("https://x.com/{handle}")
}

/// Reads an address of twitter.com, x.com or the shortener t.co.
pub fn parse(text: &str) -> Result<ParsedRef, ReferenceError> {
    let Parts { host, segments } = parts(text)?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match host.as_str() {
        "twitter.com" | "x.com" => main_site(&segments),
        "t.co" => short(&segments),
        _ => Err(ReferenceError::UnknownHost),
    }
}

fn main_site(segments: &[&str]) -> Result<ParsedRef, ReferenceError> {
    let nothing = Err(ReferenceError::NothingThere(PLATFORM));
    match segments {
        ["i", "web", "status" | "statuses", id, ..] | ["i", "status", id, ..] | ["statuses", id] if is_id(id) => {
            Ok(post(None, id))
        }
        ["i", "user", id] if is_id(id) => {
            Ok(reference(RefKind::User, None, None, format!("https://x.com/i/user/{id}")))
        }
        [handle, "status" | "statuses", id, ..] if is_handle(handle) && !is_reserved(handle) && is_id(id) => {
            Ok(post(Some(handle.to_ascii_lowercase()), id))
        }
        // What follows a handle is a list of theirs (`/with_replies`, `/likes`), but a damaged tweet is no person.
        [_, "status" | "statuses", ..] => nothing,
        [handle, ..] if is_handle(handle) && !is_reserved(handle) => {
            let handle = handle.to_ascii_lowercase();
            let canonical_url = profile(&handle);
            Ok(reference(RefKind::User, Some(handle), None, canonical_url))
        }
        _ => nothing,
    }
}

/// A short address says nothing by itself: it has to be asked where it leads.
fn short(segments: &[&str]) -> Result<ParsedRef, ReferenceError> {
    match segments {
        [code] if is_short_code(code) => {
            let canonical_url = format!("https://t.co/{code}");
            Ok(ParsedRef { needs_resolve: true, ..reference(RefKind::Post, None, None, canonical_url) })
        }
        _ => Err(ReferenceError::NothingThere(PLATFORM)),
    }
}

fn is_short_code(text: &str) -> bool {
    (1..=SHORT_CODE_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn post(user_hint: Option<String>, id: &str) -> ParsedRef {
    reference(RefKind::Post, user_hint, Some(id.to_owned()), permalink(id))
}

fn reference(kind: RefKind, user_hint: Option<String>, post_id: Option<String>, canonical_url: String) -> ParsedRef {
    ParsedRef { platform: PLATFORM, kind, user_hint, post_id, canonical_url, needs_resolve: false }
}

/// A decimal number that fits 64 bits, without a leading zero.
pub(super) fn is_id(text: &str) -> bool {
    !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u64>().is_ok()
}

/// Letters, digits and underscores, at most 15.
pub(super) fn is_handle(text: &str) -> bool {
    (1..=15).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn is_reserved(text: &str) -> bool {
    RESERVED.iter().any(|word| word.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_tweet_is_one_address_and_one_id() {
        for text in [
            "https://twitter.com/Mira_Lund/status/9007199254740993",
            "https://x.com/mira_lund/status/9007199254740993?s=20&t=abc#top",
            "http://www.twitter.com/mira_lund/statuses/9007199254740993/",
            "mobile.twitter.com/mira_lund/status/9007199254740993/photo/1",
            "https://mobile.x.com/mira_lund/status/9007199254740993/video/2",
            "https://m.twitter.com/anybody/status/9007199254740993",
            "https://twitter.com/i/web/status/9007199254740993",
            "https://x.com/i/status/9007199254740993",
            "https://twitter.com/statuses/9007199254740993",
        ] {
            let found = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(found.kind, RefKind::Post, "{text}");
            assert_eq!(found.post_id.as_deref(), Some("9007199254740993"), "{text}");
            assert_eq!(found.canonical_url, "https://x.com/i/web/status/9007199254740993", "{text}");
            assert!(!found.needs_resolve, "{text}");
        }
    }

    #[test]
    fn the_handle_in_an_address_is_a_hint_in_lower_case() {
        let hint = |text: &str| parse(text).unwrap().user_hint;
        assert_eq!(hint("https://x.com/Mira_Lund/status/7").as_deref(), Some("mira_lund"));
        assert_eq!(hint("https://x.com/i/web/status/7"), None);
        let person = parse("https://twitter.com/Mira_Lund?lang=de").unwrap();
        assert_eq!((person.kind, person.canonical_url.as_str()), (RefKind::User, "https://x.com/mira_lund"));
        assert_eq!(parse("https://x.com/mira_lund/likes").unwrap().kind, RefKind::User);
        assert_eq!(parse("https://x.com/i/user/783").unwrap().canonical_url, "https://x.com/i/user/783");
    }

    #[test]
    fn a_short_address_has_to_be_asked() {
        let found = parse("https://t.co/JWSPztfoyt").unwrap();
        assert!(found.needs_resolve);
        assert_eq!(found.post_id, None);
        assert_eq!(parse("https://t.co/"), Err(ReferenceError::NothingThere(PLATFORM)));
        assert_eq!(parse("https://t.co/a/b"), Err(ReferenceError::NothingThere(PLATFORM)));
    }

    #[test]
    fn pages_of_the_site_and_foreign_hosts_are_refused() {
        let check = |text: &str, expected| assert_eq!(parse(text), Err(expected), "{text}");
        for word in RESERVED {
            check(&format!("https://x.com/{word}"), ReferenceError::NothingThere(PLATFORM));
            check(
                &format!("https://x.com/{word}/status/7"),
                match word {
                    "i" => continue,
                    _ => ReferenceError::NothingThere(PLATFORM),
                },
            );
        }
        for path in ["", "sixteen_letters_", "mi-ra", "mira/status/07", "mira/status/7x", "mira/status/", "i/user/x"] {
            check(&format!("https://x.com/{path}"), ReferenceError::NothingThere(PLATFORM));
        }
        check("https://x.com/mira/status/18446744073709551616", ReferenceError::NothingThere(PLATFORM));
        for host in
            ["x.com.evil.example", "evil-x.com", "tw\u{456}tter.com", "api.twitter.com", "vxtwitter.com", "xx.com"]
        {
            check(&format!("https://{host}/mira/status/7"), ReferenceError::UnknownHost);
        }
        check("https://x.com@evil.example/mira", ReferenceError::NotPlain);
        check("https://u:p@x.com/mira", ReferenceError::NotPlain);
        check("https://x.com:8443/mira", ReferenceError::NotPlain);
    }
}
