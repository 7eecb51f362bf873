//! What a profile says about being bridged: the tag, the flag, and the addresses by which owners opt out and in.
//!
//! Owns the form of these addresses: `https://<any host>/opt-out/<32 hex digits>` and `/opt-in/` likewise. Only the owner
//! can write into a profile, so the address of whatever instance is the owner's word to all of them. The form is narrow,
//! so that no other page that happens to be called so is taken for one.

use url::Url;

use super::Profile;
use super::backlink::{address, words};
use crate::domain::consent::{Said, has_tag};

/// Hexadecimal digits in a token.
const TOKEN_LENGTH: usize = 32;

/// What a profile says.
pub fn said(profile: &Profile) -> Said {
    let mut said = Said {
        has_tag: profile.display_name.as_deref().is_some_and(has_tag),
        has_flag: profile.refuses_bridges == Some(true),
        is_partial: profile.refuses_bridges.is_none(),
        ..Said::default()
    };
    for text in profile.backlink_texts() {
        said.has_tag |= has_tag(text);
        for url in words(text).filter_map(address) {
            if let Some(found) = token_of(&url, "opt-out") {
                said.opt_outs.push(found);
            } else if let Some(found) = token_of(&url, "opt-in") {
                said.opt_ins.push(found);
            }
        }
    }
    said
}

/// `host/token` of an address of this kind.
fn token_of(url: &Url, kind: &str) -> Option<String> {
    let mut segments = url.path().strip_prefix('/')?.trim_end_matches('/').split('/');
    let (found, token) = (segments.next()?, segments.next()?);
    let is_token = token.len() == TOKEN_LENGTH && token.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let is_ours = found == kind && is_token && segments.next().is_none() && url.query().is_none();
    let host = url.host_str().filter(|_| is_ours)?;
    Some(match url.port() {
        None => format!("{host}/{token}"),
        Some(port) => format!("{host}:{port}/{token}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridges::ActorKind;
    use crate::domain::identity::{ExternalId, Platform};

    const TOKEN: &str = "00112233445566778899aabbccddeeff";

    fn said_in(website: &str, bio: &str) -> Said {
        said(&Profile {
            id: ExternalId::new(Platform::GitHub, "7").unwrap(),
            handle: "mira".into(),
            display_name: Some("Mira".into()),
            bio: Some(bio.into()),
            website: Some(website.into()),
            links: Vec::new(),
            profile_url: "https://github.com/mira".into(),
            avatar_url: None,
            kind: ActorKind::Person,
            refuses_bridges: Some(false),
        })
    }

    #[test]
    fn an_address_of_any_instance_is_the_owners_word() {
        let found = said_in(&format!("node.example/opt-out/{TOKEN}"), "");
        assert_eq!(found.opt_outs, [format!("node.example/{TOKEN}")]);
        let found = said_in("", &format!("No thanks: http://localhost:4000/opt-out/{TOKEN}/."));
        assert_eq!(found.opt_outs, [format!("localhost:4000/{TOKEN}")]);
        let found = said_in(&format!("https://node.example/opt-in/{TOKEN}"), "");
        assert_eq!((found.opt_ins.len(), found.is_no()), (1, false));
        assert!(said_in("", "#nobridge").is_no());
    }

    #[test]
    fn other_pages_are_not_taken_for_it() {
        for text in [
            "https://shop.example/opt-out/newsletter".to_owned(),
            "https://node.example/opt-out".to_owned(),
            format!("https://node.example/opt-out/{TOKEN}/more"),
            format!("https://node.example/opt-out/{TOKEN}?x=1"),
            format!("https://node.example/x/opt-out/{TOKEN}"),
            format!("https://node.example/opt-out/{}", TOKEN.to_uppercase()),
            format!("https://node.example/opt-out/{TOKEN}0"),
            format!("https://evil@node.example/opt-out/{TOKEN}"),
            format!("https://other.example/?next=https://node.example/opt-out/{TOKEN}"),
        ] {
            assert_eq!(said_in(&text, &text), Said::default(), "{text}");
        }
    }
}
