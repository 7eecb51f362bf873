//! What a connector understood of a file, as JSON for people: the ground of `bridge decode`.
//!
//! Owns the rendering of the values of [`super::value`]. It shows those values and nothing else, so a field that the
//! connector does not read cannot look as if it did. Runs the production decoders, never a copy.

use serde_json::{Value, json};

use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;

use super::error::Error;
use super::github;
use super::value::{LikeItem, Liker, Post, Profile, Quota};

/// A kind of file that [`decode`] reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindInfo {
    pub name: &'static str,
    pub description: &'static str,
}

/// The kinds of file that are known of a platform; empty when its connector reads none.
pub fn kinds(platform: Platform) -> &'static [KindInfo] {
    match platform {
        Platform::GitHub => github::decode::KINDS,
        _ => &[],
    }
}

/// Reads a reply or a recorded exchange of a platform with the production decoder.
///
/// - `kind`: a name from [`kinds`].
/// - errors: [`Error::Unsupported`] for an unknown kind; the class of the error when the file is a reply that reports
///   one; [`Error::Malformed`] when it is not what `kind` says.
pub fn decode(platform: Platform, kind: &str, bytes: &[u8]) -> Result<Value, Error> {
    if !kinds(platform).iter().any(|known| known.name == kind) {
        let known: Vec<&str> = kinds(platform).iter().map(|known| known.name).collect();
        return Err(Error::unsupported(format!("{platform} has no kind `{kind}`; it has: {}", known.join(", "))));
    }
    match platform {
        Platform::GitHub => github::decode::decode(kind, bytes),
        _ => unreachable!("a platform without kinds was refused above"),
    }
}

fn time(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, |at| Value::String(at.to_string()))
}

pub(crate) fn profile_json(profile: &Profile) -> Value {
    json!({
        "id": profile.id.to_string(),
        "handle": profile.handle,
        "display_name": profile.display_name,
        "bio": profile.bio,
        "website": profile.website,
        "links": profile.links,
        "profile_url": profile.profile_url,
        "avatar_url": profile.avatar_url,
        "kind": profile.kind.as_str(),
    })
}

pub(crate) fn post_json(post: &Post) -> Value {
    json!({
        "id": post.id.to_string(),
        "kind": post.kind.as_str(),
        "owner": post.owner.as_ref().map(ToString::to_string),
        "owner_handle": post.owner_handle,
        "title": post.title,
        "url": post.url,
        "description": post.description,
        "thumbnail_url": post.thumbnail_url,
        "published": time(post.published),
        "licence": post.licence,
    })
}

pub(crate) fn like_json(item: &LikeItem) -> Value {
    json!({ "liked_at": time(item.liked_at), "post": post_json(&item.post) })
}

pub(crate) fn liker_json(liker: &Liker) -> Value {
    json!({ "liked_at": time(liker.liked_at), "account": liker.account.to_string(), "handle": liker.handle })
}

pub(crate) fn quota_json(quota: &Quota) -> Value {
    json!({ "remaining": quota.remaining, "resets_at": time(quota.resets_at) })
}

pub(crate) fn error_json(error: &Error) -> Value {
    let mut shown = json!({ "class": error.class(), "message": error.message() });
    if let Error::RateLimited { until, .. } = error {
        shown["until"] = time(*until);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_kind_is_refused_with_the_known_ones() {
        let error = decode(Platform::GitHub, "wallet", b"{}").unwrap_err();
        assert_eq!(error.class(), "unsupported");
        assert!(error.message().contains("starred"), "{error}");
        assert_eq!(decode(Platform::Fediverse, "user", b"{}").unwrap_err().class(), "unsupported");
    }
}
