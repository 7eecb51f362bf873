//! SoundCloud's ids and addresses, read without the network.
//!
//! Owns that each thing has one id: the URN, whether SoundCloud writes it so, as a bare number, or as the end of an
//! address. And the exact list of hosts, the reserved words, and the refusal of private addresses, whose last part
//! (`s-XXXX`) is a key. Source: docs/bridges/soundcloud.md.

use url::Url;

use crate::bridges::reference::{ParsedRef, Parts, RefKind, ReferenceError, parts};
use crate::bridges::wire::is_decimal_id;
use crate::domain::identity::Platform;

const PLATFORM: Platform = Platform::SoundCloud;
const NAME_CHARS_MAX: usize = 255;
/// Where short addresses live; what stands behind one only a request can tell.
pub const SHORT_SITE: &str = "https://on.soundcloud.com/";

/// First segments that are pages of SoundCloud itself and never a person.
const RESERVED: [&str; 27] = [
    "charts",
    "checkout",
    "community-guidelines",
    "connect",
    "discover",
    "feed",
    "for-artists",
    "imprint",
    "jobs",
    "library",
    "login",
    "logout",
    "messages",
    "mobile",
    "notifications",
    "oembed",
    "pages",
    "people",
    "player",
    "search",
    "settings",
    "signin",
    "stations",
    "stream",
    "tags",
    "upload",
    "you",
];
/// Pages of a person that are no track.
const PERSONAL: [&str; 13] = [
    "albums",
    "comments",
    "followers",
    "following",
    "groups",
    "likes",
    "playlists",
    "popular-tracks",
    "recommended",
    "reposts",
    "spotlight",
    "toptracks",
    "tracks",
];

/// What an id names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    User,
    Track,
    Playlist,
}

impl Kind {
    /// As in URNs and in paths of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::User => "users",
            Kind::Track => "tracks",
            Kind::Playlist => "playlists",
        }
    }

    fn named(text: &str) -> Option<Kind> {
        [Kind::User, Kind::Track, Kind::Playlist].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// The URN of a thing of this kind: of a URN, or of the number that it was before.
pub fn urn(kind: Kind, text: &str) -> Option<String> {
    match kind_of(text) {
        Some(found) => (found == kind).then(|| text.to_owned()),
        None => is_decimal_id(text).then(|| format!("soundcloud:{}:{text}", kind.as_str())),
    }
}

/// What a URN names; `None` for any other text.
pub fn kind_of(urn: &str) -> Option<Kind> {
    let (kind, id) = urn.strip_prefix("soundcloud:")?.split_once(':')?;
    let is_plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    Kind::named(kind).filter(|_| !id.is_empty() && id.len() <= 100 && is_plain)
}

/// The URN at the end of an address of the API, which may hold either form. The address is not believed to be one of
/// ours: nothing but the id is taken from it.
pub fn urn_in(address: &str) -> Option<(Kind, String)> {
    let path = address.split(['?', '#']).next()?;
    let mut segments = path.rsplit('/').filter(|segment| !segment.is_empty());
    let id = segments.next()?.replace("%3A", ":").replace("%3a", ":");
    let kind = Kind::named(segments.next()?)?;
    Some((kind, urn(kind, &id)?))
}

/// Whether a text can be the name in a profile's address.
pub fn is_name(text: &str) -> bool {
    text.len() >= 3 && is_slug(text) && !RESERVED.contains(&text)
}

fn is_slug(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    !text.is_empty() && text.len() <= NAME_CHARS_MAX && text.bytes().all(is_plain)
}

/// Reads an address of soundcloud.com, its API, its player or its short form.
pub fn parse(text: &str) -> Result<ParsedRef, ReferenceError> {
    let Parts { host, segments } = parts(text)?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match host.as_str() {
        "soundcloud.com" => main_site(&segments),
        "on.soundcloud.com" => short(&segments),
        "api.soundcloud.com" => api(&segments),
        "w.soundcloud.com" => player(text, &segments),
        _ => Err(ReferenceError::UnknownHost),
    }
}

fn nothing() -> ReferenceError {
    ReferenceError::NothingThere(PLATFORM)
}

fn main_site(segments: &[&str]) -> Result<ParsedRef, ReferenceError> {
    let Some((user, rest)) = segments.split_first() else { return Err(nothing()) };
    let user = user.to_ascii_lowercase();
    if !is_name(&user) || rest.iter().any(|segment| is_key(segment)) {
        return Err(nothing());
    }
    let slug = |segment: &str| Some(segment.to_ascii_lowercase()).filter(|slug| is_slug(slug)).ok_or_else(nothing);
    let (kind, path) = match rest {
        [] | ["sets"] => (RefKind::User, user.clone()),
        [page, ..] if PERSONAL.contains(&page.to_ascii_lowercase().as_str()) => (RefKind::User, user.clone()),
        ["sets", set, ..] => (RefKind::Set, format!("{user}/sets/{}", slug(set)?)),
        [track, ..] => (RefKind::Post, format!("{user}/{}", slug(track)?)),
    };
    Ok(ParsedRef {
        platform: PLATFORM,
        kind,
        user_hint: Some(user),
        post_id: None,
        canonical_url: format!("https://soundcloud.com/{path}"),
        needs_resolve: kind != RefKind::User,
    })
}

/// `s-AbC12` at the end of a private address.
fn is_key(segment: &str) -> bool {
    segment.strip_prefix("s-").is_some_and(|key| key.len() >= 4 && key.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn short(segments: &[&str]) -> Result<ParsedRef, ReferenceError> {
    let [code] = segments else { return Err(nothing()) };
    if code.len() > NAME_CHARS_MAX || !code.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(nothing());
    }
    Ok(ParsedRef {
        platform: PLATFORM,
        kind: RefKind::Post,
        user_hint: None,
        post_id: None,
        canonical_url: format!("{SHORT_SITE}{code}"),
        needs_resolve: true,
    })
}

fn api(segments: &[&str]) -> Result<ParsedRef, ReferenceError> {
    let [kind, id] = segments else { return Err(nothing()) };
    let kind = Kind::named(kind).ok_or_else(nothing)?;
    let urn = urn(kind, id).ok_or_else(nothing)?;
    let (kind, post_id) = match kind {
        Kind::User => (RefKind::Opaque, None),
        Kind::Track => (RefKind::Post, Some(urn.clone())),
        Kind::Playlist => (RefKind::Set, Some(urn.clone())),
    };
    let canonical_url = format!("https://api.soundcloud.com/{}/{urn}", segments[0]);
    Ok(ParsedRef { platform: PLATFORM, kind, user_hint: None, post_id, canonical_url, needs_resolve: false })
}

/// The player shows what its `url` names: an address of the site or of the API, and no other player.
fn player(text: &str, segments: &[&str]) -> Result<ParsedRef, ReferenceError> {
    let text = text.trim();
    let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("https://{text}")) };
    let url = url.map_err(|_| ReferenceError::NotAnAddress)?;
    let shown = url.query_pairs().find(|(name, _)| name == "url").ok_or_else(nothing)?.1.into_owned();
    let is_private = shown.contains("secret_token") || url.query_pairs().any(|(name, _)| name == "secret_token");
    if segments != ["player"] || is_private {
        return Err(nothing());
    }
    let Parts { host, segments } = parts(&shown)?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match host.as_str() {
        "soundcloud.com" => main_site(&segments),
        "api.soundcloud.com" => api(&segments),
        _ => Err(ReferenceError::UnknownHost),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, kind: RefKind, canonical: &str, post_id: Option<&str>) {
        let found = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((found.kind, found.canonical_url.as_str()), (kind, canonical), "{text}");
        assert_eq!(found.post_id.as_deref(), post_id, "{text}");
        let is_post = matches!(kind, RefKind::Post | RefKind::Set);
        assert_eq!(found.needs_resolve, is_post && post_id.is_none(), "{text}");
    }

    #[test]
    fn every_spelling_of_a_track_or_a_set_gives_the_same_address() {
        let track = "https://soundcloud.com/mira-lund/tide";
        for text in [
            track,
            "http://www.soundcloud.com/Mira-Lund/Tide/?si=1#t=0:10",
            "m.soundcloud.com/mira-lund/tide",
            "https://soundcloud.com/mira-lund/tide/comments",
            "https://w.soundcloud.com/player/?url=https%3A//soundcloud.com/mira-lund/tide&color=%23ff5500",
        ] {
            check(text, RefKind::Post, track, None);
        }
        let set = "https://soundcloud.com/mira-lund/sets/coast";
        check("https://m.soundcloud.com/mira-lund/sets/coast?x=1", RefKind::Set, set, None);
        check("https://on.soundcloud.com/AbC12", RefKind::Post, "https://on.soundcloud.com/AbC12", None);
        for text in
            ["https://soundcloud.com/mira-lund", "soundcloud.com/mira-lund/likes", "soundcloud.com/mira-lund/sets"]
        {
            check(text, RefKind::User, "https://soundcloud.com/mira-lund", None);
        }
    }

    #[test]
    fn an_address_that_holds_the_id_gives_the_urn_in_either_form() {
        let (urn, api) = (
            "soundcloud:tracks:9007199254740995",
            "https://api.soundcloud.com/tracks/soundcloud:tracks:9007199254740995",
        );
        for text in [
            "https://api.soundcloud.com/tracks/9007199254740995",
            api,
            "https://api.soundcloud.com/tracks/soundcloud%3Atracks%3A9007199254740995?x=1",
            "https://w.soundcloud.com/player/?url=https%3A//api.soundcloud.com/tracks/9007199254740995&auto_play=true",
            concat!(
                "w.soundcloud.com/player?url=https%3A%2F%2Fapi.soundcloud.com%2Ftracks%2F",
                "soundcloud%253Atracks%253A9007199254740995"
            ),
        ] {
            check(text, RefKind::Post, api, Some(urn));
        }
        let set = "https://api.soundcloud.com/playlists/soundcloud:playlists:88";
        check("https://api.soundcloud.com/playlists/88", RefKind::Set, set, Some("soundcloud:playlists:88"));
    }

    #[test]
    fn private_addresses_are_refused() {
        for text in [
            "https://soundcloud.com/mira-lund/tide/s-AbC12",
            "https://soundcloud.com/mira-lund/sets/coast/s-AbC12",
            "https://w.soundcloud.com/player/?url=https%3A//api.soundcloud.com/tracks/7%3Fsecret_token%3Ds-AbC12",
        ] {
            assert_eq!(parse(text), Err(nothing()), "{text}");
        }
    }

    #[test]
    fn pages_of_soundcloud_itself_and_foreign_hosts_are_refused() {
        let check = |text: &str, expected| assert_eq!(parse(text), Err(expected), "{text}");
        for word in RESERVED {
            check(&format!("https://soundcloud.com/{word}/x"), nothing());
        }
        for path in ["", "ab", "mira.lund", "mira-lund/a.b", "mira-lund/sets/a%20b"] {
            check(&format!("https://soundcloud.com/{path}"), nothing());
        }
        check("https://on.soundcloud.com/a-b", nothing());
        check("https://api.soundcloud.com/tracks/7.5", nothing());
        check("https://api.soundcloud.com/tracks/soundcloud:users:7", nothing());
        check("https://api.soundcloud.com/me/likes", nothing());
        check("https://w.soundcloud.com/player/?url=https%3A//evil.example/a/b", ReferenceError::UnknownHost);
        check("https://w.soundcloud.com/player/", nothing());
        for host in ["soundcloud.com.evil.example", "evilsoundcloud.com", "s\u{43e}undcloud.com", "x.soundcloud.com"] {
            check(&format!("https://{host}/mira-lund/tide"), ReferenceError::UnknownHost);
        }
        check("https://soundcloud.com@evil.example/mira-lund/tide", ReferenceError::NotPlain);
        check("https://soundcloud.com:444/mira-lund/tide", ReferenceError::NotPlain);
    }

    #[test]
    fn an_id_is_taken_from_a_location_and_nothing_else_is() {
        let check = |text: &str, expected: Option<(Kind, &str)>| {
            assert_eq!(urn_in(text), expected.map(|(kind, urn)| (kind, urn.to_owned())), "{text}");
        };
        check("https://api.soundcloud.com/tracks/771?client_id=x", Some((Kind::Track, "soundcloud:tracks:771")));
        check("/users/soundcloud:users:7", Some((Kind::User, "soundcloud:users:7")));
        check(
            "https://api.soundcloud.com/playlists/soundcloud%3Aplaylists%3A88",
            Some((Kind::Playlist, "soundcloud:playlists:88")),
        );
        check("https://api.soundcloud.com/tracks/soundcloud:playlists:88", None);
        check("https://api.soundcloud.com/tracks/", None);
        check("https://api.soundcloud.com/tracks/../7", None);
        check("", None);
    }
}
