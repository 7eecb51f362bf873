//! Vimeo addresses and vanity names, read without the network.
//!
//! Owns the exact list of hosts, the reserved first segments and the alphabet of names. The hash of an unlisted video
//! is a key, so it is dropped: who may see such a video is not for us to pass on. Source: docs/bridges/vimeo.md.

use crate::bridges::reference::{ParsedRef, Parts, RefKind, ReferenceError, parts};
use crate::bridges::wire::is_decimal_id;
use crate::domain::identity::Platform;

const PLATFORM: Platform = Platform::Vimeo;
/// Longest vanity name that is believed.
const NAME_CHARS_MAX: usize = 100;

/// First segments that are pages of Vimeo itself and never a person.
const RESERVED: [&str; 41] = [
    "about",
    "album",
    "api",
    "app",
    "blog",
    "business",
    "categories",
    "channels",
    "create",
    "enterprise",
    "event",
    "events",
    "explore",
    "features",
    "groups",
    "help",
    "home",
    "jobs",
    "join",
    "library",
    "live",
    "login",
    "manage",
    "me",
    "ondemand",
    "ott",
    "plus",
    "pricing",
    "privacy",
    "pro",
    "search",
    "settings",
    "showcase",
    "solutions",
    "stats",
    "stock",
    "terms",
    "upgrade",
    "upload",
    "videos",
    "watch",
];

/// Whether a text can be the name in a profile's address. Digits alone are the address of a video.
pub fn is_name(text: &str) -> bool {
    let is_plain = !text.is_empty() && text.len() <= NAME_CHARS_MAX && text.bytes().all(|b| b.is_ascii_alphanumeric());
    let is_reserved = RESERVED.iter().any(|word| text.eq_ignore_ascii_case(word));
    is_plain && !is_reserved && !text.bytes().all(|b| b.is_ascii_digit())
}

/// `user5675338`: the name of an account that chose none, which holds its number.
pub fn number_in_name(name: &str) -> Option<&str> {
    let digits = name.get(..4).filter(|prefix| prefix.eq_ignore_ascii_case("user")).map(|_| &name[4..])?;
    is_decimal_id(digits).then_some(digits)
}

/// Reads an address of vimeo.com or player.vimeo.com.
pub fn parse(text: &str) -> Result<ParsedRef, ReferenceError> {
    let Parts { host, segments } = parts(text)?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match host.as_str() {
        "vimeo.com" => main_site(&segments),
        "player.vimeo.com" => match segments.as_slice() {
            ["video", id, ..] => video(id),
            _ => Err(ReferenceError::NothingThere(PLATFORM)),
        },
        _ => Err(ReferenceError::UnknownHost),
    }
}

fn main_site(segments: &[&str]) -> Result<ParsedRef, ReferenceError> {
    match segments {
        // `<id>/<hash>` is the same video; so are its pages of comments and likes. `/videos/<id>:<hash>` is the form
        // of the API.
        ["channels" | "ondemand", _, id] | ["groups", _, "videos", id] | ["album" | "showcase", _, "video", id] => {
            video(id)
        }
        ["videos", id] => video(id.split_once(':').map_or(*id, |(id, _)| id)),
        [id, ..] if id.bytes().all(|b| b.is_ascii_digit()) => video(id),
        [name, rest @ ..] if is_name(name) => person(name, rest),
        _ => Err(ReferenceError::NothingThere(PLATFORM)),
    }
}

fn video(id: &str) -> Result<ParsedRef, ReferenceError> {
    if !is_decimal_id(id) {
        return Err(ReferenceError::NothingThere(PLATFORM));
    }
    Ok(ParsedRef {
        platform: PLATFORM,
        kind: RefKind::Post,
        user_hint: None,
        post_id: Some(id.to_owned()),
        canonical_url: format!("https://vimeo.com/{id}"),
        needs_resolve: false,
    })
}

fn person(name: &str, rest: &[&str]) -> Result<ParsedRef, ReferenceError> {
    let name = name.to_ascii_lowercase();
    let profile = format!("https://vimeo.com/{name}");
    // What else stands below a name has an address of its own choice, from which no id can be read.
    let is_profile = matches!(rest, [] | ["videos" | "likes" | "about" | "albums" | "collections" | "following", ..]);
    let (kind, canonical_url) =
        if is_profile { (RefKind::User, profile) } else { (RefKind::Opaque, format!("{profile}/{}", rest.join("/"))) };
    Ok(ParsedRef {
        platform: PLATFORM,
        kind,
        user_hint: Some(name),
        post_id: None,
        canonical_url,
        needs_resolve: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_video_gives_the_same_id() {
        for text in [
            "https://vimeo.com/258684937",
            "http://www.vimeo.com/258684937?share=copy#t=10s",
            "vimeo.com/258684937/",
            "https://vimeo.com/258684937/0a1b2c3d4e",
            "https://vimeo.com/258684937/comments",
            "https://vimeo.com/channels/staffpicks/258684937",
            "https://vimeo.com/groups/animation/videos/258684937",
            "https://vimeo.com/ondemand/harbour/258684937",
            "https://vimeo.com/album/12/video/258684937",
            "https://vimeo.com/showcase/12/video/258684937",
            "https://player.vimeo.com/video/258684937?h=0a1b2c3d4e",
            "https://vimeo.com/videos/258684937:0a1b2c3d4e",
        ] {
            let found = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((found.kind, found.post_id.as_deref()), (RefKind::Post, Some("258684937")), "{text}");
            assert_eq!((found.canonical_url.as_str(), found.needs_resolve), ("https://vimeo.com/258684937", false));
        }
    }

    #[test]
    fn a_number_above_two_to_the_53_keeps_its_digits() {
        assert_eq!(parse("vimeo.com/9007199254740993").unwrap().post_id.as_deref(), Some("9007199254740993"));
    }

    #[test]
    fn people_are_told_from_what_stands_below_them() {
        let check = |text: &str, kind, name: &str, canonical: &str| {
            let found = parse(text).unwrap();
            assert_eq!((found.kind, found.user_hint.as_deref()), (kind, Some(name)), "{text}");
            assert_eq!(found.canonical_url, canonical, "{text}");
        };
        check("https://vimeo.com/MiraLund", RefKind::User, "miralund", "https://vimeo.com/miralund");
        check("https://vimeo.com/user5675338/likes", RefKind::User, "user5675338", "https://vimeo.com/user5675338");
        check("https://vimeo.com/mira/harbour", RefKind::Opaque, "mira", "https://vimeo.com/mira/harbour");
        assert_eq!(number_in_name("user5675338"), Some("5675338"));
        assert_eq!(number_in_name("userland"), None);
    }

    #[test]
    fn pages_of_vimeo_itself_and_foreign_hosts_are_refused() {
        let check = |text: &str, expected| assert_eq!(parse(text), Err(expected), "{text}");
        for word in RESERVED {
            check(&format!("https://vimeo.com/{word}"), ReferenceError::NothingThere(PLATFORM));
        }
        for path in ["", "channels/staffpicks", "ondemand/harbour", "007", "mira-lund", "groups/a/7"] {
            check(&format!("https://vimeo.com/{path}"), ReferenceError::NothingThere(PLATFORM));
        }
        check("https://player.vimeo.com/7", ReferenceError::NothingThere(PLATFORM));
        for host in ["vimeo.com.evil.example", "evilvimeo.com", "vime\u{43e}.com", "vimeo.co", "x.vimeo.com"] {
            check(&format!("https://{host}/7"), ReferenceError::UnknownHost);
        }
        check("https://vimeo.com@evil.example/7", ReferenceError::NotPlain);
        check("https://vimeo.com:444/7", ReferenceError::NotPlain);
    }
}
