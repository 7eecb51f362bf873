//! The proof of a claim that needs no sign-in: the claim's address stands in the profile.
//!
//! Owns the rule of what counts as standing there: the whole address as one word, equal in every part. A prefix, a
//! longer path, another host that looks alike or an address inside another one is no proof. Any instance runs the same
//! check, so it is a pure function of a profile that was read by stable id. Source: docs/bridges/README.md.

use url::Url;

use super::value::Profile;

/// Whether the profile carries `claim_url`.
///
/// - `claim_url`: absolute http or https with a path of its own. The bare front page of an instance is no claim: many
///   link to it without meaning one.
pub fn proves(profile: &Profile, claim_url: &str) -> bool {
    let Some(claim) = Url::parse(claim_url).ok().filter(|url| is_plain(url) && url.path() != "/") else {
        return false;
    };
    profile.backlink_texts().flat_map(words).filter_map(address).any(|found| is_same(&found, &claim))
}

/// The words of a text that may be addresses: cut at white space and at the brackets and quotes of markdown and HTML.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '\'' | '(' | ')' | '[' | ']' | '|' | '`'))
        .map(|word| word.trim_end_matches(['.', ',', ';', ':', '!', '?']))
        .filter(|word| !word.is_empty())
}

/// A word as an address. Some platforms store a website without its scheme; it was https then.
pub(super) fn address(word: &str) -> Option<Url> {
    let url = if word.contains("://") { Url::parse(word) } else { Url::parse(&format!("https://{word}")) };
    url.ok().filter(is_plain)
}

fn is_plain(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none()
}

/// Equal in scheme, host, port, path and query; one slash at the end of the path does not matter.
fn is_same(a: &Url, b: &Url) -> bool {
    let path = |url: &Url| url.path().strip_suffix('/').unwrap_or(url.path()).to_owned();
    a.origin() == b.origin() && path(a) == path(b) && a.query() == b.query()
}

#[cfg(test)]
mod tests {
    use crate::bridges::value::ActorKind;
    use crate::domain::identity::{ExternalId, Platform};

    use super::*;

    const CLAIM: &str = "https://node.example/claim/7f3a9c";

    fn profile(website: &str, bio: &str) -> Profile {
        Profile {
            id: ExternalId::new(Platform::GitHub, "9007199254740993").unwrap(),
            handle: "mira".into(),
            display_name: None,
            bio: Some(bio.into()),
            website: Some(website.into()),
            links: Vec::new(),
            profile_url: "https://github.com/mira".into(),
            avatar_url: None,
            kind: ActorKind::Person,
            refuses_bridges: Some(false),
        }
    }

    fn check(text: &str, expected: bool) {
        assert_eq!(proves(&profile(text, ""), CLAIM), expected, "as website: {text}");
        assert_eq!(proves(&profile("", text), CLAIM), expected, "as bio: {text}");
    }

    #[test]
    fn the_whole_address_proves_wherever_it_stands() {
        check("https://node.example/claim/7f3a9c", true);
        check("https://node.example/claim/7f3a9c/", true);
        check("HTTPS://Node.Example/claim/7f3a9c", true);
        check("node.example/claim/7f3a9c", true);
        check("I make maps. Thank me: https://node.example/claim/7f3a9c.", true);
        check("[thank me](https://node.example/claim/7f3a9c)", true);
        check("<a href=\"https://node.example/claim/7f3a9c\">x</a>", true);
    }

    #[test]
    fn a_prefix_a_longer_path_or_a_look_alike_proves_nothing() {
        for text in [
            "",
            "https://node.example/claim/7f3a9",
            "https://node.example/claim/7f3a9c1",
            "https://node.example/claim/7f3a9c/more",
            "https://node.example/claim/7F3A9C",
            "https://node.example/claim/7f3a9c?x=1",
            "https://node.example/claim/7f3a9c#x",
            "https://node.example.evil.example/claim/7f3a9c",
            "https://evilnode.example/claim/7f3a9c",
            "https://n\u{43e}de.example/claim/7f3a9c",
            "https://node.example@evil.example/claim/7f3a9c",
            "https://me@node.example/claim/7f3a9c",
            "https://node.example:8443/claim/7f3a9c",
            "http://node.example/claim/7f3a9c",
            "https://evil.example/?to=https://node.example/claim/7f3a9c",
            "https://evil.example/https://node.example/claim/7f3a9c",
            "https://node.example/claim/7f3a9c\u{200b}",
            "ftp://node.example/claim/7f3a9c",
        ] {
            check(text, false);
        }
    }

    #[test]
    fn the_front_page_of_an_instance_is_no_claim() {
        assert!(!proves(&profile("https://node.example/", ""), "https://node.example/"));
        assert!(!proves(&profile("https://node.example", ""), "https://node.example"));
        assert!(!proves(&profile("nonsense", ""), "nonsense"));
    }

    #[test]
    fn further_links_of_the_profile_count_too() {
        let mut profile = profile("", "");
        assert!(!proves(&profile, CLAIM));
        profile.links.push(CLAIM.into());
        assert!(proves(&profile, CLAIM));
    }
}
