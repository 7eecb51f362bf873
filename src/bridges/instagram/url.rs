//! Addresses of posts and people on Instagram, read without the network.
//!
//! Owns the exact list of hosts, the reserved first segments, and what a handle and a shortcode look like, so that both
//! can go into a request without a second thought. A post is named by its shortcode, whose case counts; a numeric media
//! id is the same number written in another base. Source: docs/bridges/instagram.md.

use crate::bridges::reference::{ParsedRef, Parts, RefKind, ReferenceError, parts};
use crate::domain::identity::Platform;

const PLATFORM: Platform = Platform::Instagram;

/// First segments that are pages of the site itself and never a handle.
const RESERVED: [&str; 17] = [
    "p",
    "reel",
    "reels",
    "tv",
    "stories",
    "explore",
    "accounts",
    "direct",
    "about",
    "developer",
    "legal",
    "web",
    "api",
    "graphql",
    "tags",
    "locations",
    "oauth",
];
const POST_FORMS: [&str; 4] = ["p", "reel", "reels", "tv"];
/// The digits of a shortcode (RFC 4648, section 5).
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Those of private accounts carry a key of 28 characters behind the eleven of the number.
const SHORTCODE_MAX: usize = 64;

/// Where people find a post: the same for photos, films and whatever Instagram calls them next.
pub fn permalink(shortcode: &str) -> String {
    format!("https://www.instagram.com/p/{shortcode}/")
}

/// Where people find whoever bears a handle now.
pub fn profile(handle: &str) -> String {
    format!("https://www.instagram.com/{handle}/")
}

/// Reads an address of instagram.com or instagr.am.
pub fn parse(text: &str) -> Result<ParsedRef, ReferenceError> {
    let Parts { host, segments } = parts(text)?;
    if !matches!(host.as_str(), "instagram.com" | "instagr.am") {
        return Err(ReferenceError::UnknownHost);
    }
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        [form, code, ..] if POST_FORMS.contains(form) && is_shortcode(code) => Ok(post(None, code)),
        [handle, form, code, ..] if is_person(handle) && POST_FORMS.contains(form) && is_shortcode(code) => {
            Ok(post(Some(handle.to_ascii_lowercase()), code))
        }
        // `/mira/p/` is a damaged post and no person; `/mira/tagged/` is a page of hers.
        [handle, rest @ ..] if is_person(handle) && rest.first().is_none_or(|form| !POST_FORMS.contains(form)) => {
            let handle = handle.to_ascii_lowercase();
            Ok(ParsedRef {
                platform: PLATFORM,
                kind: RefKind::User,
                canonical_url: profile(&handle),
                user_hint: Some(handle),
                post_id: None,
                needs_resolve: false,
            })
        }
        // Stories are gone after a day and can be liked in no list that anybody gives away.
        _ => Err(ReferenceError::NothingThere(PLATFORM)),
    }
}

fn post(user_hint: Option<String>, code: &str) -> ParsedRef {
    ParsedRef {
        platform: PLATFORM,
        kind: RefKind::Post,
        user_hint,
        post_id: Some(code.to_owned()),
        canonical_url: permalink(code),
        needs_resolve: false,
    }
}

/// The shortcode in an address that a reply of the platform's own holds, on whichever of its hosts.
pub(super) fn shortcode_in(link: &str) -> Option<String> {
    let url = url::Url::parse(link).ok()?;
    let host = url.host_str()?;
    let is_own = ["instagram.com", "instagr.am"]
        .iter()
        .any(|known| host == *known || host.strip_suffix(known).is_some_and(|rest| rest.ends_with('.')));
    let mut segments = url.path_segments()?;
    let _form = segments.find(|segment| POST_FORMS.contains(segment)).filter(|_| is_own)?;
    segments.next().filter(|code| is_shortcode(code)).map(str::to_owned)
}

/// The shortcode of a numeric media id: the number in base 64. The owner behind `_` is not part of it.
pub(super) fn shortcode_of(media_id: &str) -> Option<String> {
    let mut number: u64 = media_id.split('_').next()?.parse().ok().filter(|number| *number > 0)?;
    let mut digits = Vec::new();
    while number > 0 {
        digits.push(char::from(DIGITS[usize::try_from(number % 64).expect("below 64")]));
        number /= 64;
    }
    Some(digits.into_iter().rev().collect())
}

pub(super) fn is_shortcode(text: &str) -> bool {
    (1..=SHORTCODE_MAX).contains(&text.len()) && text.bytes().all(|b| DIGITS.contains(&b))
}

/// Letters, digits, dots and underscores, at most 30; no dot at an end and no two together.
pub(super) fn is_handle(text: &str) -> bool {
    (1..=30).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_'))
        && !text.starts_with('.')
        && !text.ends_with('.')
        && !text.contains("..")
}

fn is_person(text: &str) -> bool {
    is_handle(text) && !RESERVED.iter().any(|word| word.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_post_is_one_address_and_its_case_counts() {
        for text in [
            "https://www.instagram.com/p/BG9_t-x/",
            "http://instagram.com/p/BG9_t-x?igshid=abc&utm_source=x#y",
            "instagr.am/p/BG9_t-x",
            "https://m.instagram.com/reel/BG9_t-x/",
            "https://instagram.com/reels/BG9_t-x",
            "https://www.instagram.com/tv/BG9_t-x/?hl=de",
            "https://www.instagram.com/Mira.Lund/p/BG9_t-x/",
            "https://www.instagram.com/mira.lund/reel/BG9_t-x/",
            "https://www.instagram.com/p/BG9_t-x/embed/captioned/",
        ] {
            let found = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((found.kind, found.post_id.as_deref()), (RefKind::Post, Some("BG9_t-x")), "{text}");
            assert_eq!(found.canonical_url, "https://www.instagram.com/p/BG9_t-x/", "{text}");
        }
        assert_ne!(parse("instagram.com/p/abc").unwrap().post_id, parse("instagram.com/p/ABC").unwrap().post_id);
        let hint = parse("https://instagram.com/Mira.Lund/p/abc").unwrap().user_hint;
        assert_eq!(hint.as_deref(), Some("mira.lund"));
    }

    #[test]
    fn people_are_known_by_a_handle_in_lower_case() {
        for text in ["https://instagram.com/Mira.Lund", "instagr.am/mira.lund/", "www.instagram.com/mira.lund/tagged/"]
        {
            let found = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((found.kind, found.user_hint.as_deref()), (RefKind::User, Some("mira.lund")), "{text}");
            assert_eq!(found.canonical_url, "https://www.instagram.com/mira.lund/");
        }
    }

    #[test]
    fn stories_pages_of_the_site_and_foreign_hosts_are_refused() {
        let check = |text: &str, expected| assert_eq!(parse(text), Err(expected), "{text}");
        for word in RESERVED {
            check(&format!("https://instagram.com/{word}"), ReferenceError::NothingThere(PLATFORM));
        }
        for path in ["", "stories/mira/123", "p/", "p/a$b", "mira/p/", ".mira", "mira.", "mi..ra", "p/x%20y"] {
            check(&format!("https://instagram.com/{path}"), ReferenceError::NothingThere(PLATFORM));
        }
        check(&format!("https://instagram.com/{}", "x".repeat(31)), ReferenceError::NothingThere(PLATFORM));
        for host in ["instagram.com.evil.example", "evil-instagram.com", "instagr\u{e0}m.com", "api.instagram.com"] {
            check(&format!("https://{host}/p/abc"), ReferenceError::UnknownHost);
        }
        check("https://instagram.com@evil.example/p/abc", ReferenceError::NotPlain);
        check("https://u:p@instagram.com/p/abc", ReferenceError::NotPlain);
        check("https://instagram.com:444/p/abc", ReferenceError::NotPlain);
    }

    #[test]
    fn a_media_id_and_a_link_give_the_same_shortcode() {
        // 1*64^2 + 2*64 + 63
        assert_eq!(shortcode_of("4287_77").as_deref(), Some("BC_"));
        assert_eq!(shortcode_of("9007199254740993").as_deref(), Some("gAAAAAAAB"));
        assert_eq!(shortcode_of("0"), None);
        assert_eq!(shortcode_of("x_7"), None);
        for link in
            ["http://instagram.com/p/BC_/", "https://www.instagram.com/reel/BC_/", "http://old.instagr.am/p/BC_/"]
        {
            assert_eq!(shortcode_in(link).as_deref(), Some("BC_"), "{link}");
        }
        for link in
            ["https://evil.example/p/BC_/", "https://evilinstagr.am/p/BC_/", "https://instagram.com/mira/", "p/BC_"]
        {
            assert_eq!(shortcode_in(link), None, "{link}");
        }
    }
}
