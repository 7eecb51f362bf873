//! GitHub addresses and logins, read without the network.
//!
//! Owns the exact list of hosts, the reserved first segments and the alphabet of logins, so that a login can go into a
//! request path without a second thought. Source: docs/bridges/github.md.

use crate::bridges::reference::{ParsedRef, Parts, RefKind, ReferenceError, parts};
use crate::domain::identity::Platform;

const PLATFORM: Platform = Platform::GitHub;

/// First segments that are pages of GitHub itself and never a login.
const RESERVED: [&str; 21] = [
    "orgs",
    "topics",
    "settings",
    "marketplace",
    "sponsors",
    "about",
    "features",
    "explore",
    "login",
    "join",
    "search",
    "notifications",
    "pulls",
    "issues",
    "trending",
    "collections",
    "events",
    "pricing",
    "security",
    "site",
    "apps",
];

/// A login as people type it: `mira`, `@mira`, or the address of the profile.
///
/// - returns: the login in the case given; GitHub ignores case. `None` when it is none.
pub fn login(text: &str) -> Option<String> {
    let text = text.trim();
    let name = text.strip_prefix('@').unwrap_or(text);
    if is_login(name) && !is_reserved(name) {
        return Some(name.to_owned());
    }
    let reference = parse(text).ok()?;
    if reference.kind == RefKind::User { reference.user_hint } else { None }
}

/// Reads an address of github.com, gist.github.com, `<login>.github.io`, or `git@github.com:owner/repo.git`.
pub fn parse(text: &str) -> Result<ParsedRef, ReferenceError> {
    let text = text.trim();
    // The form of `git clone` is no URL; its user name is always `git`.
    if let Some(path) = text.strip_prefix("git@github.com:") {
        return main_site(&parts(&format!("https://github.com/{path}"))?.segments);
    }
    let Parts { host, segments } = parts(text)?;
    match host.as_str() {
        "github.com" => main_site(&segments),
        "gist.github.com" => gist(&segments),
        _ => pages_site(&host),
    }
}

fn main_site(segments: &[String]) -> Result<ParsedRef, ReferenceError> {
    let nothing = Err(ReferenceError::NothingThere(PLATFORM));
    let Some(owner) = segments.first() else { return nothing };
    if !is_login(owner) || is_reserved(owner) {
        return nothing;
    }
    let owner = owner.to_ascii_lowercase();
    let Some(name) = segments.get(1) else {
        return Ok(reference(RefKind::User, owner.clone(), format!("https://github.com/{owner}")));
    };
    let name = name.strip_suffix(".git").unwrap_or(name).to_ascii_lowercase();
    if !is_repository_name(&name) {
        return nothing;
    }
    let repository = format!("https://github.com/{owner}/{name}");
    // A tag keeps its case, and may contain slashes that were cut into segments.
    if let [releases, tag, rest @ ..] = &segments[2..]
        && releases == "releases"
        && tag == "tag"
        && !rest.is_empty()
    {
        return Ok(reference(RefKind::Post, owner, format!("{repository}/releases/tag/{}", rest.join("/"))));
    }
    Ok(reference(RefKind::Repo, owner, repository))
}

/// A gist can be starred only on the site, in no list that an API gives: it is at most a hint at its author.
fn gist(segments: &[String]) -> Result<ParsedRef, ReferenceError> {
    match segments {
        [user, id, ..] if is_login(user) && id.bytes().all(|b| b.is_ascii_hexdigit()) => {
            let user = user.to_ascii_lowercase();
            Ok(reference(RefKind::Opaque, user.clone(), format!("https://gist.github.com/{user}/{id}")))
        }
        _ => Err(ReferenceError::NothingThere(PLATFORM)),
    }
}

fn pages_site(host: &str) -> Result<ParsedRef, ReferenceError> {
    match host.strip_suffix(".github.io") {
        Some(user) if is_login(user) => {
            Ok(reference(RefKind::Opaque, user.to_owned(), format!("https://{user}.github.io")))
        }
        _ => Err(ReferenceError::UnknownHost),
    }
}

/// No address of GitHub holds a stable id: each has to be resolved.
fn reference(kind: RefKind, user: String, canonical_url: String) -> ParsedRef {
    ParsedRef { platform: PLATFORM, kind, user_hint: Some(user), post_id: None, canonical_url, needs_resolve: true }
}

/// Owner, repository and tag of a canonical address that [`parse`] made.
pub(super) fn path_of(reference: &ParsedRef) -> Option<(&str, &str, Option<&str>)> {
    let path = reference.canonical_url.strip_prefix("https://github.com/")?;
    let (owner, rest) = path.split_once('/')?;
    Some(match rest.split_once("/releases/tag/") {
        Some((name, tag)) => (owner, name, Some(tag)),
        None => (owner, rest, None),
    })
}

/// Letters, digits and inner hyphens, at most 39. Some old logins end in a hyphen.
pub(super) fn is_login(text: &str) -> bool {
    (1..=39).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !text.starts_with('-')
}

fn is_repository_name(text: &str) -> bool {
    (1..=100).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && !matches!(text, "." | "..")
}

fn is_reserved(text: &str) -> bool {
    RESERVED.iter().any(|word| word.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, kind: RefKind, user: &str, canonical_url: &str) {
        let found = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(found, reference(kind, user.into(), canonical_url.into()), "{text}");
    }

    #[test]
    fn every_spelling_of_a_repository_is_one_reference() {
        for text in [
            "https://github.com/Mira/Map-Tools",
            "http://www.github.com/mira/map-tools/",
            "github.com/mira/map-tools.git",
            "git@github.com:mira/map-tools.git",
            "https://github.com/mira/map-tools/blob/main/README.md?plain=1#L3",
            "https://github.com/mira/map-tools/issues/7",
            "https://github.com/mira/map-tools/releases",
        ] {
            check(text, RefKind::Repo, "mira", "https://github.com/mira/map-tools");
        }
    }

    #[test]
    fn a_release_keeps_its_tag() {
        let tag = "https://github.com/mira/map-tools/releases/tag/v1.0-RC/2";
        check(tag, RefKind::Post, "mira", tag);
        assert_eq!(path_of(&parse(tag).unwrap()), Some(("mira", "map-tools", Some("v1.0-RC/2"))));
    }

    #[test]
    fn people_gists_and_pages_are_told_apart() {
        check("https://github.com/Mira", RefKind::User, "mira", "https://github.com/mira");
        check("https://gist.github.com/mira/0a1b2c", RefKind::Opaque, "mira", "https://gist.github.com/mira/0a1b2c");
        check("https://mira.github.io/maps/", RefKind::Opaque, "mira", "https://mira.github.io");
    }

    #[test]
    fn pages_of_github_itself_and_foreign_hosts_are_refused() {
        let check = |text: &str, expected| assert_eq!(parse(text), Err(expected), "{text}");
        for word in RESERVED {
            check(&format!("https://github.com/{word}/x"), ReferenceError::NothingThere(PLATFORM));
        }
        check("https://github.com/", ReferenceError::NothingThere(PLATFORM));
        check("https://github.com/-mira", ReferenceError::NothingThere(PLATFORM));
        check("https://github.com/mira/%2e%2e%2e%20", ReferenceError::NothingThere(PLATFORM));
        for host in
            ["github.com.evil.example", "evil-github.com", "githu\u{432}.com", "a.b.github.io", "api.github.com"]
        {
            check(&format!("https://{host}/mira"), ReferenceError::UnknownHost);
        }
        check("https://github.com@evil.example/mira", ReferenceError::NotPlain);
        check("https://github.com:444/mira", ReferenceError::NotPlain);
    }

    #[test]
    fn a_login_is_read_as_people_type_it() {
        for text in ["Mira", "@Mira", " Mira "] {
            assert_eq!(login(text).as_deref(), Some("Mira"), "{text}");
        }
        assert_eq!(login("https://github.com/Mira").as_deref(), Some("mira"));
        for text in ["", "@", "mi ra", "a/b", "../x", "settings", "https://github.com/mira/maps", &"x".repeat(40)] {
            assert_eq!(login(text), None, "{text}");
        }
    }
}
