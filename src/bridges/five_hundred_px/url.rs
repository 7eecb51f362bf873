//! 500px addresses and names, read without the network.
//!
//! Owns the exact list of hosts and the pages that are no person's. `500px.com.cn` is another company's site with
//! numbers of its own, and is refused with every other look-alike. Source: docs/bridges/500px.md.

use crate::bridges::reference::{ParsedRef, Parts, RefKind, ReferenceError, parts};
use crate::bridges::wire::is_decimal_id;
use crate::domain::identity::Platform;

const PLATFORM: Platform = Platform::FiveHundredPx;
const NAME_CHARS_MAX: usize = 60;

/// First segments that are pages of 500px itself and never a name.
const RESERVED: [&str; 46] = [
    "about",
    "activity",
    "api",
    "apps",
    "awards",
    "blog",
    "categories",
    "collections",
    "contact",
    "contests",
    "creativecommons",
    "creators",
    "developers",
    "directory",
    "discover",
    "editors",
    "explore",
    "faq",
    "flow",
    "fresh",
    "galleries",
    "groups",
    "help",
    "jobs",
    "licensing",
    "login",
    "market",
    "messages",
    "mobile",
    "p",
    "photo",
    "photos",
    "popular",
    "press",
    "prime",
    "privacy",
    "quests",
    "search",
    "settings",
    "signup",
    "stories",
    "tag",
    "team",
    "terms",
    "upcoming",
    "upgrade",
];

/// A name as people type it: `mira`, `@mira`, or the address of the page.
///
/// - returns: the name in the case given. `None` when it is none.
pub fn handle(text: &str) -> Option<String> {
    let text = text.trim();
    let name = text.strip_prefix('@').unwrap_or(text);
    if is_username(name) && !is_reserved(name) {
        return Some(name.to_owned());
    }
    let reference = parse(text).ok()?;
    if reference.kind == RefKind::User { reference.user_hint } else { None }
}

/// Reads an address of 500px.com or of a picture file.
pub fn parse(text: &str) -> Result<ParsedRef, ReferenceError> {
    let Parts { host, segments } = parts(text)?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (host.as_str(), segments.as_slice()) {
        ("500px.com" | "web.500px.com", ["photo", id, ..]) => post(id),
        // `500px.com/p/<name>` is the newer form; an old name could not be `p`.
        ("500px.com" | "web.500px.com", ["p", name, below @ ..] | [name, below @ ..]) => page(name, below),
        ("500px.com" | "web.500px.com", []) => nothing(),
        ("pcdn.500px.net", [id, _, ..]) => post(id),
        ("pcdn.500px.net", _) => nothing(),
        _ => Err(ReferenceError::UnknownHost),
    }
}

fn nothing<T>() -> Result<T, ReferenceError> {
    Err(ReferenceError::NothingThere(PLATFORM))
}

fn post(id: &str) -> Result<ParsedRef, ReferenceError> {
    if !is_decimal_id(id) {
        return nothing();
    }
    Ok(ParsedRef {
        platform: PLATFORM,
        kind: RefKind::Post,
        // The words behind the number are the title of some day and say nothing of who made it.
        user_hint: None,
        post_id: Some(id.to_owned()),
        canonical_url: photo_url(id),
        needs_resolve: false,
    })
}

fn page(name: &str, below: &[&str]) -> Result<ParsedRef, ReferenceError> {
    if !is_username(name) || is_reserved(name) {
        return nothing();
    }
    let user = name.to_ascii_lowercase();
    let (kind, canonical_url) = match below {
        ["sets" | "galleries", set, ..] => (RefKind::Set, format!("https://500px.com/{user}/galleries/{set}")),
        _ => (RefKind::User, format!("https://500px.com/{user}")),
    };
    Ok(ParsedRef {
        platform: PLATFORM,
        kind,
        user_hint: Some(name.to_owned()),
        post_id: None,
        canonical_url,
        needs_resolve: true,
    })
}

/// The address of a photo, made of its number alone.
pub(super) fn photo_url(id: &str) -> String {
    format!("https://500px.com/photo/{id}")
}

/// What can be asked for as a name without changing the question.
pub(super) fn is_username(text: &str) -> bool {
    (1..=NAME_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && !text.starts_with('.')
}

fn is_reserved(text: &str) -> bool {
    RESERVED.iter().any(|word| word.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_photo_is_one_reference() {
        for text in [
            "https://500px.com/photo/4928401/northern-fulmar-by-axel",
            "http://www.500px.com/photo/4928401",
            "500px.com/photo/4928401/?ctx_page=1&from=user",
            "https://m.500px.com/photo/4928401#comments",
            "https://web.500px.com/photo/4928401/Titel-%C3%A4",
            "http://pcdn.500px.net/4928401/16666558/4.jpg",
        ] {
            let found = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(found, post("4928401").unwrap(), "{text}");
            assert_eq!(found.canonical_url, "https://500px.com/photo/4928401");
        }
        let large = parse("https://500px.com/photo/9007199254740993").unwrap();
        assert_eq!(large.post_id.as_deref(), Some("9007199254740993"));
    }

    #[test]
    fn people_and_sets_are_told_apart() {
        let check = |text: &str, kind: RefKind, who: &str, canonical_url: &str| {
            let found = parse(text).unwrap();
            assert_eq!((found.kind, found.user_hint.as_deref()), (kind, Some(who)), "{text}");
            assert_eq!((found.canonical_url.as_str(), found.needs_resolve), (canonical_url, true), "{text}");
        };
        check("https://500px.com/Mira_Lund", RefKind::User, "Mira_Lund", "https://500px.com/mira_lund");
        check("https://500px.com/p/mira?view=photos", RefKind::User, "mira", "https://500px.com/mira");
        check("https://500px.com/mira/favorites", RefKind::User, "mira", "https://500px.com/mira");
        check("https://500px.com/p/mira/galleries/ice", RefKind::Set, "mira", "https://500px.com/mira/galleries/ice");
    }

    #[test]
    fn pages_of_500px_itself_and_foreign_hosts_are_refused() {
        let check = |text: &str, expected| assert_eq!(parse(text), Err(expected), "{text}");
        for word in RESERVED.iter().filter(|word| !matches!(**word, "p" | "photo")) {
            check(&format!("https://500px.com/{word}/7"), ReferenceError::NothingThere(PLATFORM));
        }
        for path in ["", "photo", "photo/x7", "photo/007", "p", "p/settings", "mi%20ra", ".well-known/x"] {
            check(&format!("https://500px.com/{path}"), ReferenceError::NothingThere(PLATFORM));
        }
        check("https://pcdn.500px.net/7", ReferenceError::NothingThere(PLATFORM));
        for host in [
            "500px.com.cn",
            "500px.com.evil.example",
            "evil-500px.com",
            "50\u{43e}px.com",
            "api.500px.com",
            "mira.500px.com",
            "500px.org",
        ] {
            check(&format!("https://{host}/photo/7"), ReferenceError::UnknownHost);
        }
        check("https://500px.com@evil.example/photo/7", ReferenceError::NotPlain);
        check("https://500px.com:444/photo/7", ReferenceError::NotPlain);
    }

    #[test]
    fn a_name_is_read_as_people_type_it() {
        for text in ["Mira", "@Mira", " Mira ", "https://500px.com/p/Mira"] {
            assert_eq!(handle(text).as_deref(), Some("Mira"), "{text}");
        }
        for text in ["", "@", "mi ra", "a/b", "../x", "popular", "https://500px.com/photo/7", &"x".repeat(61)] {
            assert_eq!(handle(text), None, "{text}");
        }
    }
}
