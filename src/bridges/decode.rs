//! What a connector understood of a file, as JSON for people: the ground of `bridge decode`.
//!
//! Owns the rendering of the values of [`super::value`]. It shows those values and nothing else, so a field that the
//! connector does not read cannot look as if it did. Runs the production decoders, never a copy.

use std::ops::ControlFlow;

use serde_json::{Value, json};

use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;

use super::error::Error;
use super::value::{LikeItem, Liker, Media, Mention, Post, Profile, Quota};
use super::wire::Listed;
use super::{ExportOwner, appnet, fediverse, five_hundred_px, flickr, github, instagram, soundcloud, twitter, vimeo};

/// A kind of file that [`decode`] reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindInfo {
    pub name: &'static str,
    pub description: &'static str,
}

/// How the files of one platform are read.
#[derive(Clone, Copy)]
pub struct Decoder {
    pub platform: Platform,
    pub kinds: &'static [KindInfo],
    /// Reads a file of one of `kinds`; others are refused before.
    pub read: fn(&str, &[u8]) -> Result<Value, Error>,
}

/// One line for each platform. A decoder needs no configuration, so these work for bridges that are switched off.
const DECODERS: &[Decoder] = &[
    twitter::decode::DECODER,
    instagram::decode::DECODER,
    vimeo::decode::DECODER,
    soundcloud::decode::DECODER,
    appnet::decode::DECODER,
    github::decode::DECODER,
    flickr::decode::DECODER,
    five_hundred_px::decode::DECODER,
    fediverse::decode::DECODER,
];

fn decoder(platform: Platform) -> Option<&'static Decoder> {
    DECODERS.iter().find(|decoder| decoder.platform == platform)
}

/// The kinds of file that are known of a platform; empty when its connector reads none.
pub fn kinds(platform: Platform) -> &'static [KindInfo] {
    decoder(platform).map_or(&[], |decoder| decoder.kinds)
}

/// Reads a reply or a recorded exchange of a platform with the production decoder.
///
/// - `kind`: a name from [`kinds`].
/// - errors: [`Error::Unsupported`] for an unknown kind; the class of the error when the file is a reply that reports
///   one; [`Error::Malformed`] when it is not what `kind` says.
pub fn decode(platform: Platform, kind: &str, bytes: &[u8]) -> Result<Value, Error> {
    match decoder(platform) {
        Some(decoder) if decoder.kinds.iter().any(|known| known.name == kind) => (decoder.read)(kind, bytes),
        _ => {
            let known: Vec<&str> = kinds(platform).iter().map(|known| known.name).collect();
            Err(Error::unsupported(format!("{platform} has no kind `{kind}`; it has: {}", known.join(", "))))
        }
    }
}

/// What a list holds, and how many items could not be understood.
pub(crate) fn list_json<T>(found: &Listed<T>, shown: fn(&T) -> Value) -> Value {
    json!({ "items": found.items.iter().map(shown).collect::<Vec<_>>(), "unreadable": found.unreadable })
}

pub(crate) fn owner_json(owner: &ExportOwner) -> Value {
    json!({ "id": owner.id.as_ref().map(ToString::to_string), "handle": owner.handle })
}

/// What hands out likes one by one, such as [`super::ExportFile::likes`].
pub(crate) type TakeLike<'a> = &'a mut dyn FnMut(Result<LikeItem, Error>) -> ControlFlow<()>;

/// The likes of a file that a platform gave its user. A file in which no row is a like is another one.
pub(crate) fn export_json(read: impl FnOnce(TakeLike) -> Result<(), Error>) -> Result<Value, Error> {
    let mut found = Listed::default();
    let mut refusal = None;
    read(&mut |item| {
        match item {
            Ok(item) => found.items.push(item),
            Err(error) => {
                found.unreadable += 1;
                refusal.get_or_insert(error);
            }
        }
        ControlFlow::Continue(())
    })?;
    match refusal {
        Some(error) if found.items.is_empty() => Err(error),
        _ => Ok(list_json(&found, like_json)),
    }
}

/// One refusal of a platform's, or several under names or in a list.
///
/// - `read`: shows one body, when it is a refusal.
pub(crate) fn refusals_json(bytes: &[u8], read: impl Fn(&[u8]) -> Option<Value>) -> Result<Value, Error> {
    if let Some(shown) = read(bytes) {
        return Ok(shown);
    }
    let one = |value: &Value| read(value.to_string().as_bytes());
    match serde_json::from_slice(bytes) {
        Ok(Value::Array(values)) if !values.is_empty() => {
            let shown: Option<Value> = values.iter().map(one).collect();
            shown.ok_or_else(|| Error::malformed("an element of the list is no refusal"))
        }
        Ok(Value::Object(named)) if !named.is_empty() => {
            let shown = named.iter().map(|(name, value)| {
                let shown = one(value).ok_or_else(|| Error::malformed(format!("`{name}` is no refusal")))?;
                Ok((name.clone(), shown))
            });
            Ok(Value::Object(shown.collect::<Result<_, Error>>()?))
        }
        _ => Err(Error::malformed("this is no refusal")),
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

/// A post; of what only some platforms have, only what this one has.
pub(crate) fn post_json(post: &Post) -> Value {
    let mut shown = json!({
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
    });
    if !post.attachments.is_empty() {
        shown["attachments"] = post.attachments.iter().map(media_json).collect();
    }
    if !post.tags.is_empty() {
        shown["tags"] = json!(post.tags);
    }
    if !post.mentions.is_empty() {
        let named = |mention: &Mention| json!({ "handle": mention.handle, "id": mention.account.as_ref().map(ToString::to_string) });
        shown["mentions"] = post.mentions.iter().map(named).collect();
    }
    if let Some(place) = &post.place {
        shown["place"] = json!(place);
    }
    if post.is_sensitive {
        shown["is_sensitive"] = Value::Bool(true);
    }
    if let Some(duration) = post.duration {
        shown["duration_seconds"] = json!(duration.as_secs_f64());
    }
    if let Some(alias) = &post.alias_url {
        shown["alias_url"] = json!(alias);
    }
    if let Some(answered) = &post.in_reply_to {
        shown["in_reply_to"] = json!(answered.to_string());
    }
    shown
}

pub(crate) fn media_json(media: &Media) -> Value {
    let mut shown = json!({ "kind": media.kind.as_str(), "url": media.url });
    for (name, text) in [("media_type", &media.media_type), ("alt", &media.alt), ("poster", &media.poster)] {
        if let Some(text) = text {
            shown[name] = json!(text);
        }
    }
    for (name, pixels) in [("width", media.width), ("height", media.height)] {
        if let Some(pixels) = pixels {
            shown[name] = json!(pixels);
        }
    }
    shown
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
        assert!(Platform::ALL.iter().all(|platform| !kinds(*platform).is_empty()), "every platform has its kinds");
    }

    #[test]
    fn no_platform_has_two_decoders_and_no_decoder_two_kinds_of_one_name() {
        for (place, decoder) in DECODERS.iter().enumerate() {
            assert!(DECODERS[..place].iter().all(|other| other.platform != decoder.platform), "{}", decoder.platform);
            for (place, kind) in decoder.kinds.iter().enumerate() {
                let is_new = decoder.kinds[..place].iter().all(|other| other.name != kind.name);
                assert!(is_new, "{} {}", decoder.platform, kind.name);
            }
        }
    }
}
