//! Flickr addresses, names and short forms, read without the network.
//!
//! Owns the exact list of hosts and the base58 of `flic.kr`, by which a short address gives its photo's number offline.
//! Every address of a photo has one canonical form, the short one: it is made of the number alone, so the address with
//! the owner's name, the one with the owner's number and the address of the picture file agree. Source:
//! flickr.com/services/api/misc.urls.html.

use crate::bridges::reference::{ParsedRef, Parts, RefKind, ReferenceError, parts};
use crate::bridges::wire::is_decimal_id;
use crate::domain::identity::Platform;

const PLATFORM: Platform = Platform::Flickr;
const BASE58: &[u8; 58] = b"123456789abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ";
const NAME_CHARS_MAX: usize = 60;

/// What stands where a person's name would and is none: below `/photos/` and `/people/`.
const RESERVED: [&str; 12] = [
    "tags",
    "upload",
    "organize",
    "me",
    "you",
    "friends",
    "contacts",
    "search",
    "favorites",
    "recent",
    "public",
    "random",
];

/// A person as people type it: `mira`, `@mira`, `26545877@N00`, or the address of the page.
///
/// - returns: the alias in the case given, or the NSID. `None` when it is neither; a screen name, which may have
///   spaces, is found only on Flickr.
pub fn handle(text: &str) -> Option<String> {
    let text = text.trim();
    let name = text.strip_prefix('@').unwrap_or(text);
    if is_nsid(name) || (is_alias(name) && !is_reserved(name)) {
        return Some(name.to_owned());
    }
    let reference = parse(text).ok()?;
    if reference.kind == RefKind::User { reference.user_hint } else { None }
}

/// Reads an address of flickr.com, flic.kr or of a picture file.
pub fn parse(text: &str) -> Result<ParsedRef, ReferenceError> {
    let Parts { host, segments } = parts(text)?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match host.as_str() {
        "flickr.com" | "secure.flickr.com" => main_site(&segments),
        "flic.kr" => short(&segments),
        host if is_picture_host(host) => picture(&segments),
        _ => Err(ReferenceError::UnknownHost),
    }
}

fn nothing<T>() -> Result<T, ReferenceError> {
    Err(ReferenceError::NothingThere(PLATFORM))
}

fn main_site(segments: &[&str]) -> Result<ParsedRef, ReferenceError> {
    let [section @ ("photos" | "people"), who, below @ ..] = segments else { return nothing() };
    if !is_nsid(who) && (!is_alias(who) || is_reserved(who)) {
        return nothing();
    }
    match below {
        [id, ..] if *section == "photos" && is_decimal_id(id) => Ok(post(id, Some(who))),
        ["sets" | "albums", id, ..] if is_decimal_id(id) => Ok(ParsedRef {
            platform: PLATFORM,
            kind: RefKind::Set,
            user_hint: Some((*who).to_owned()),
            // The number of an album is no number of a photo: nothing here can be liked by it.
            post_id: None,
            canonical_url: format!("https://www.flickr.com/photos/{}/albums/{id}", who.to_ascii_lowercase()),
            needs_resolve: true,
        }),
        // Favourites, galleries, tags and the rest below a person are that person's.
        _ => Ok(user(who)),
    }
}

fn short(segments: &[&str]) -> Result<ParsedRef, ReferenceError> {
    match segments {
        ["p", code, ..] => match decoded(code) {
            Some(id) => Ok(post(&id, None)),
            None => Ok(opaque(&format!("p/{code}"))),
        },
        // Albums, streams and groups in short form name nobody by themselves.
        [kind @ ("s" | "ps" | "g" | "gg" | "y"), code, ..] => Ok(opaque(&format!("{kind}/{code}"))),
        _ => nothing(),
    }
}

/// `https://live.staticflickr.com/<server>/<id>_<secret>_<size>.jpg`, and the older hosts with the farm in their name.
fn picture(segments: &[&str]) -> Result<ParsedRef, ReferenceError> {
    let Some((id, _)) = segments.last().and_then(|file| file.split_once('_')) else { return nothing() };
    if is_decimal_id(id) { Ok(post(id, None)) } else { nothing() }
}

fn is_picture_host(host: &str) -> bool {
    let is_farm = |name: &str| {
        name.strip_prefix("farm")
            .is_some_and(|n| !n.is_empty() && n.len() <= 3 && n.bytes().all(|b| b.is_ascii_digit()))
    };
    match host.split_once('.') {
        Some((farm, "staticflickr.com" | "static.flickr.com")) => farm == "live" || is_farm(farm),
        _ => host == "static.flickr.com",
    }
}

fn post(id: &str, who: Option<&str>) -> ParsedRef {
    ParsedRef {
        platform: PLATFORM,
        kind: RefKind::Post,
        user_hint: who.map(str::to_owned),
        post_id: Some(id.to_owned()),
        canonical_url: short_url(id),
        needs_resolve: false,
    }
}

fn user(who: &str) -> ParsedRef {
    // The case of an alias is kept for asking; of one page there is one address.
    let page = if is_nsid(who) { who.to_owned() } else { who.to_ascii_lowercase() };
    ParsedRef {
        platform: PLATFORM,
        kind: RefKind::User,
        user_hint: Some(who.to_owned()),
        post_id: None,
        canonical_url: format!("https://www.flickr.com/people/{page}/"),
        needs_resolve: !is_nsid(who),
    }
}

/// A short form that does not tell by itself what it leads to.
fn opaque(path: &str) -> ParsedRef {
    ParsedRef {
        platform: PLATFORM,
        kind: RefKind::Opaque,
        user_hint: None,
        post_id: None,
        canonical_url: format!("https://flic.kr/{path}"),
        needs_resolve: true,
    }
}

/// The short address of a photo, made of its number alone.
pub(super) fn short_url(id: &str) -> String {
    match encoded(id) {
        Some(code) => format!("https://flic.kr/p/{code}"),
        None => format!("https://www.flickr.com/photo.gne?id={id}"),
    }
}

/// A number in Flickr's base58. `None` when it is none or larger than any that Flickr gives out.
fn encoded(id: &str) -> Option<String> {
    let mut number: u128 = id.parse().ok().filter(|number| *number > 0)?;
    let mut code = Vec::new();
    while number > 0 {
        code.push(BASE58[usize::try_from(number % 58).expect("less than 58")]);
        number /= 58;
    }
    code.reverse();
    String::from_utf8(code).ok()
}

/// The number that a short code spells.
fn decoded(code: &str) -> Option<String> {
    let mut number: u128 = 0;
    for byte in code.bytes() {
        let digit = BASE58.iter().position(|known| *known == byte)?;
        number = number.checked_mul(58)?.checked_add(u128::try_from(digit).expect("less than 58"))?;
    }
    Some(number.to_string()).filter(|id| is_decimal_id(id))
}

/// `26545877@N00`: the stable id of an account.
pub(super) fn is_nsid(text: &str) -> bool {
    let Some((number, farm)) = text.split_once("@N") else { return false };
    is_decimal_id(number) && farm.len() == 2 && farm.bytes().all(|b| b.is_ascii_digit())
}

/// The name that a person chose once for the addresses of their pages.
pub(super) fn is_alias(text: &str) -> bool {
    (1..=NAME_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
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
            "https://www.flickr.com/photos/mira-lund/2418735092/",
            "http://flickr.com/photos/26545877@N00/2418735092",
            "https://m.flickr.com/photos/26545877%40N00/2418735092/in/faves-1@N00/",
            "flickr.com/photos/mira-lund/2418735092/sizes/l/?utm_source=x#c1",
            "https://secure.flickr.com/photos/mira-lund/2418735092/lightbox/",
            "https://flic.kr/p/4FJDFb",
            "http://flic.kr/p/4FJDFb/",
            "https://live.staticflickr.com/3128/2418735092_0a1b2c3d4e_b.jpg",
            "https://farm4.staticflickr.com/3128/2418735092_0a1b2c3d4e.jpg",
            "http://farm4.static.flickr.com/3128/2418735092_0a1b2c3d4e_m.jpg",
        ] {
            let found = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(found.kind, RefKind::Post, "{text}");
            assert_eq!(found.post_id.as_deref(), Some("2418735092"), "{text}");
            assert_eq!(found.canonical_url, "https://flic.kr/p/4FJDFb", "{text}");
            assert!(!found.needs_resolve, "{text}");
        }
    }

    #[test]
    fn a_short_code_spells_its_number_and_back() {
        // Numbers around the length of the alphabet, and one above 2^53.
        for (id, code) in [("1", "2"), ("57", "Z"), ("58", "21"), ("3400", "21C"), ("9007199254740993", "2dknRmrjUH")] {
            assert_eq!(encoded(id).as_deref(), Some(code));
            assert_eq!(decoded(code).as_deref(), Some(id));
        }
        assert_eq!(decoded("1"), None, "0 is no photo");
        for code in ["", "0", "O", "I", "l", "4FJD_b", "\u{e4}", &"Z".repeat(40)] {
            assert_eq!(decoded(code), None, "{code}");
        }
        assert_eq!(encoded(&"9".repeat(50)), None);
    }

    #[test]
    fn a_short_code_that_spells_nothing_has_to_be_asked_about() {
        for text in ["https://flic.kr/p/0OIl", "https://flic.kr/s/aHsjB", "https://flic.kr/ps/2tNYr"] {
            let found = parse(text).unwrap();
            assert_eq!((found.kind, found.needs_resolve, found.post_id), (RefKind::Opaque, true, None), "{text}");
        }
    }

    #[test]
    fn people_and_albums_are_told_apart() {
        let check = |text: &str, kind: RefKind, who: &str, canonical_url: &str, needs_resolve: bool| {
            let found = parse(text).unwrap();
            assert_eq!((found.kind, found.user_hint.as_deref()), (kind, Some(who)), "{text}");
            assert_eq!((found.canonical_url.as_str(), found.needs_resolve), (canonical_url, needs_resolve), "{text}");
        };
        let page = "https://www.flickr.com/people/mira-lund/";
        check("https://flickr.com/photos/Mira-Lund/", RefKind::User, "Mira-Lund", page, true);
        check("https://flickr.com/people/mira-lund", RefKind::User, "mira-lund", page, true);
        check("https://flickr.com/photos/mira-lund/favorites", RefKind::User, "mira-lund", page, true);
        let page = "https://www.flickr.com/people/26545877@N00/";
        check("https://flickr.com/photos/26545877@N00", RefKind::User, "26545877@N00", page, false);
        let album = "https://www.flickr.com/photos/mira/albums/721576";
        check("https://flickr.com/photos/mira/sets/721576/", RefKind::Set, "mira", album, true);
    }

    #[test]
    fn pages_of_flickr_itself_and_foreign_hosts_are_refused() {
        let check = |text: &str, expected| assert_eq!(parse(text), Err(expected), "{text}");
        for word in RESERVED {
            check(&format!("https://flickr.com/photos/{word}/7"), ReferenceError::NothingThere(PLATFORM));
        }
        for path in ["", "explore", "groups/x", "photos", "photos/a b%20", "photos/7@N0/1", "services/api", "photo.gne"]
        {
            check(&format!("https://flickr.com/{}", path.replace(' ', "%20")), ReferenceError::NothingThere(PLATFORM));
        }
        for host in [
            "flickr.com.evil.example",
            "evil-flickr.com",
            "fl\u{456}ckr.com",
            "api.flickr.com",
            "flic.kr.evil.example",
            "farm.staticflickr.com",
            "farmx.staticflickr.com",
            "live.staticflickr.com.evil.example",
        ] {
            check(&format!("https://{host}/photos/mira/7_a.jpg"), ReferenceError::UnknownHost);
        }
        check("https://flickr.com@evil.example/photos/mira/7", ReferenceError::NotPlain);
        check("https://flickr.com:444/photos/mira/7", ReferenceError::NotPlain);
    }

    #[test]
    fn a_person_is_read_as_people_type_it() {
        for text in ["Mira", "@Mira", " Mira ", "https://flickr.com/photos/Mira/"] {
            assert_eq!(handle(text).as_deref(), Some("Mira"), "{text}");
        }
        assert_eq!(handle("26545877@N00").as_deref(), Some("26545877@N00"));
        for text in ["", "@", "mi ra", "a/b", "../x", "me", "https://flickr.com/photos/mira/7", &"x".repeat(61)] {
            assert_eq!(handle(text), None, "{text}");
        }
    }
}
