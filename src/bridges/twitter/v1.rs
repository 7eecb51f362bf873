//! The replies of version 1.1 of Twitter's API. Pure functions over bytes, shared by the client and `bridge decode`.
//!
//! Owns that `id_str` is read and `id` only where there is no other: many writers of JSON keep numbers as floats, and a
//! rounded id is another tweet. Pages are cut by the ids of tweets, so the smallest id of a page leads to the next.
//! Source: docs.x.com ("Standard v1.1"), developer.twitter.com as it was.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::wire::{Author, Parts, Tweet, UserParts, WireUrl, WireUserEntities, account, best_film, medium};
use super::{error, url};
use crate::bridges::error::Error;
use crate::bridges::value::{Media, Mention, Profile, Quota};
use crate::bridges::wire::{Listed, Text, document, epoch, item, list, twitter_time};

#[derive(Deserialize)]
struct WireStatus {
    id: Option<Text>,
    id_str: Option<Text>,
    text: Option<String>,
    full_text: Option<String>,
    display_text_range: Option<(usize, usize)>,
    created_at: Option<String>,
    user: Option<WireAuthor>,
    entities: Option<WireEntities>,
    extended_entities: Option<WireEntities>,
    possibly_sensitive: Option<bool>,
    in_reply_to_status_id_str: Option<Text>,
    retweeted_status: Option<Box<WireStatus>>,
}

#[derive(Deserialize)]
struct WireAuthor {
    id: Option<Text>,
    id_str: Option<Text>,
    screen_name: Option<String>,
    #[serde(default)]
    protected: bool,
}

#[derive(Deserialize)]
struct WireProfile {
    id: Option<Text>,
    id_str: Option<Text>,
    screen_name: String,
    name: Option<String>,
    description: Option<String>,
    url: Option<String>,
    entities: Option<WireUserEntities>,
    profile_image_url: Option<String>,
    profile_image_url_https: Option<String>,
}

#[derive(Default, Deserialize)]
struct WireEntities {
    urls: Option<Vec<WireUrl>>,
    hashtags: Option<Vec<WireTag>>,
    user_mentions: Option<Vec<Value>>,
    media: Option<Vec<WireMedia>>,
}

#[derive(Deserialize)]
struct WireMention {
    screen_name: String,
    id_str: Option<Text>,
}

#[derive(Deserialize)]
struct WireTag {
    text: String,
}

#[derive(Deserialize)]
struct WireMedia {
    #[serde(rename = "type")]
    kind: String,
    /// The short link in the text.
    url: Option<String>,
    media_url: Option<String>,
    media_url_https: Option<String>,
    ext_alt_text: Option<String>,
    sizes: Option<WireSizes>,
    original_info: Option<WireSize>,
    video_info: Option<WireFilm>,
}

#[derive(Deserialize)]
struct WireSizes {
    large: Option<WireSize>,
}

#[derive(Clone, Copy, Deserialize)]
struct WireSize {
    #[serde(alias = "width")]
    w: u32,
    #[serde(alias = "height")]
    h: u32,
}

#[derive(Deserialize)]
struct WireFilm {
    duration_millis: Option<u64>,
    variants: Option<Vec<WireVariant>>,
}

#[derive(Deserialize)]
struct WireVariant {
    bitrate: Option<u64>,
    content_type: Option<String>,
    url: Option<String>,
}

/// A profile from `GET /1.1/users/show.json` or `/1.1/account/verify_credentials.json`.
pub fn profile(bytes: &[u8]) -> Result<Profile, Error> {
    let user: WireProfile = document(bytes, error::reported)?;
    UserParts {
        id: id(user.id_str, user.id)?,
        handle: user.screen_name,
        name: user.name,
        description: user.description,
        url: user.url,
        entities: user.entities,
        avatar_url: user.profile_image_url_https.or(user.profile_image_url),
    }
    .profile()
}

/// A tweet from `GET /1.1/statuses/show.json`, in the classic or the extended form; liking one answers the same.
pub fn status(bytes: &[u8]) -> Result<Tweet, Error> {
    // Every field of a tweet may be missing, so a report of an error is one without any.
    read_status(document(bytes, error::reported)?).map_err(|error| error::reported(bytes).unwrap_or(error))
}

/// Tweets from `GET /1.1/favorites/list.json` or `/1.1/statuses/user_timeline.json`, in the order given.
pub fn statuses(bytes: &[u8]) -> Result<Listed<Tweet>, Error> {
    list(bytes, error::reported, |status: WireStatus| read_status(status).map(Some))
}

/// The `max_id` of the next page: one below the smallest id of this one, which the next page would repeat.
///
/// - returns: `None` at the end. A page may be short of tweets that are gone, so only an empty one is the end.
pub fn next_max_id(page: &Listed<Tweet>) -> Result<Option<u64>, Error> {
    let mut smallest: Option<u64> = None;
    for tweet in &page.items {
        let id = tweet.post.id.object();
        let number: u64 = id.parse().map_err(|_| Error::malformed(format!("`{id}` is no number to page by")))?;
        smallest = Some(smallest.map_or(number, |smallest| smallest.min(number)));
    }
    Ok(smallest.and_then(|smallest| smallest.checked_sub(1)).filter(|max_id| *max_id > 0))
}

/// What is left of one allowance, from `GET /1.1/application/rate_limit_status.json`.
///
/// - `path`: such as `/favorites/list`.
pub fn quota_of(bytes: &[u8], path: &str) -> Result<Option<Quota>, Error> {
    #[derive(Deserialize)]
    struct WireStatus {
        resources: serde_json::Map<String, Value>,
    }
    #[derive(Deserialize)]
    struct WireLimit {
        remaining: u64,
        reset: Text,
    }
    let status: WireStatus = document(bytes, error::reported)?;
    let Some(limit) = status.resources.values().find_map(|family| family.get(path)) else { return Ok(None) };
    let limit: WireLimit = crate::bridges::wire::item(limit.clone())?;
    Ok(Some(Quota { remaining: Some(limit.remaining), resets_at: Some(epoch(&limit.reset)?) }))
}

fn id(text: Option<Text>, number: Option<Text>) -> Result<String, Error> {
    let id = text.or(number).ok_or_else(|| Error::malformed("a thing without an id"))?;
    Ok(id.0)
}

fn author(user: Option<WireAuthor>) -> Author {
    let Some(user) = user else { return Author::default() };
    Author { id: user.id_str.or(user.id).map(|id| id.0), handle: user.screen_name, is_protected: user.protected }
}

fn read_status(status: WireStatus) -> Result<Tweet, Error> {
    let id = id(status.id_str, status.id)?;
    let page = url::permalink(&id);
    // The extended form leaves `text` out, and cuts the names before a reply and the links after it by a range.
    let text = match (status.full_text, status.text) {
        (Some(text), _) => shown(&text, status.display_text_range),
        (None, Some(text)) => text,
        (None, None) => return Err(Error::malformed("a tweet without a text")),
    };
    let entities = status.entities.unwrap_or_default();
    // `entities` knows only the first picture of several, and no films.
    let extended = status.extended_entities.and_then(|entities| entities.media);
    let media = extended.or(entities.media).unwrap_or_default();
    let mut links = entities.urls.unwrap_or_default();
    links.extend(media.iter().map(|media| WireUrl {
        url: media.url.clone(),
        expanded_url: None,
        media_key: Some(String::new()),
    }));
    let original = match status.retweeted_status {
        Some(original) => {
            let id = self::id(original.id_str, original.id)?;
            Some((id, author(original.user)))
        }
        None => None,
    };
    Parts {
        id,
        author: author(status.user),
        text,
        links,
        media: media.into_iter().filter_map(|media| attached(media, &page)).collect(),
        tags: entities.hashtags.into_iter().flatten().map(|tag| tag.text).collect(),
        mentions: entities.user_mentions.into_iter().flatten().filter_map(mentioned).collect(),
        published: status.created_at.as_deref().map(twitter_time).transpose()?,
        is_sensitive: status.possibly_sensitive.unwrap_or(false),
        original,
        answered: status.in_reply_to_status_id_str.map(|id| id.0),
    }
    .tweet()
}

/// The part of a text that is shown. The range counts characters of the escaped text; one that does not fit is ignored.
fn shown(text: &str, range: Option<(usize, usize)>) -> String {
    let Some((start, end)) = range else { return text.to_owned() };
    if start < end && end <= text.chars().count() {
        text.chars().skip(start).take(end - start).collect()
    } else {
        text.to_owned()
    }
}

fn attached(media: WireMedia, page: &str) -> Option<(Media, Option<Duration>)> {
    let still = media.media_url_https.or(media.media_url);
    let film = media.video_info.as_ref().and_then(|film| {
        let variants = film.variants.iter().flatten();
        best_film(variants.map(|it| (it.bitrate, it.content_type.clone(), it.url.clone())))
    });
    let duration = media.video_info.and_then(|film| film.duration_millis).filter(|millis| *millis > 0);
    let size = media.original_info.or(media.sizes.and_then(|sizes| sizes.large));
    let found = medium(&media.kind, still, film, page)?;
    let found =
        Media { alt: media.ext_alt_text, width: size.map(|size| size.w), height: size.map(|size| size.h), ..found };
    Some((found, duration.map(Duration::from_millis)))
}

/// Somebody who is named in the text. One that is damaged is no reason to lose the tweet.
fn mentioned(value: Value) -> Option<Mention> {
    let WireMention { screen_name, id_str } = item(value).ok()?;
    Some(Mention { handle: screen_name, account: id_str.and_then(|id| account(&id.0).ok()) })
}
