//! The replies of version 2 of Twitter's API. Pure functions over bytes, shared by the client and `bridge decode`.
//!
//! Owns the joining of a tweet with what stands apart from it in `includes`: its author and its pictures. An empty list
//! has no `data` at all, and status 200 may carry complaints about parts (`errors`) beside data, or instead of it.
//! Source: docs.x.com ("X API v2 data dictionary").

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::wire::{Author, Parts, Tweet, UserParts, WireUrl, WireUserEntities, account, best_film, medium, object};
use super::{error, url};
use crate::bridges::error::Error;
use crate::bridges::objects;
use crate::bridges::value::{Liker, Media, Mention, Profile};
use crate::bridges::wire::{Listed, Text, document, is_decimal_id, item, items, time};
use crate::domain::identity::ObjectRef;

/// What is asked for beyond the default of an id and a text.
pub const TWEET_FIELDS: &str = "created_at,author_id,entities,attachments,possibly_sensitive,referenced_tweets";
pub const EXPANSIONS: &str = "author_id,attachments.media_keys";
pub const USER_FIELDS: &str = "username,url,description,entities,profile_image_url,protected";
pub const MEDIA_FIELDS: &str = "url,preview_image_url,variants,alt_text,type,width,height,duration_ms";

#[derive(Deserialize)]
struct Envelope {
    data: Option<Value>,
    #[serde(default)]
    includes: WireIncludes,
    meta: Option<WireMeta>,
    /// Complaints about parts, beside the data.
    errors: Option<Vec<Value>>,
}

/// A complaint about one thing of a reply that has others.
#[derive(Default, Deserialize)]
#[serde(default)]
struct WirePartial {
    resource_type: Option<String>,
    resource_id: Option<Text>,
    value: Option<Value>,
    parameter: Option<String>,
}

impl WirePartial {
    /// Whether it is about an item of the list, not about what an item names: its author, its pictures, what it answers.
    fn is_of_list(&self) -> bool {
        let is_tweet = self.resource_type.as_deref() == Some("tweet");
        is_tweet && !self.parameter.as_deref().is_some_and(|of| of.starts_with("referenced_tweets"))
    }

    fn object(&self) -> Option<ObjectRef> {
        let value = self.value.as_ref().and_then(Value::as_str);
        let id = self.resource_id.as_ref().map(Text::as_str).or(value).filter(|id| is_decimal_id(id))?;
        object(id).ok()
    }
}

#[derive(Default, Deserialize)]
struct WireIncludes {
    users: Option<Vec<Value>>,
    media: Option<Vec<Value>>,
    tweets: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct WireMeta {
    result_count: Option<u64>,
    next_token: Option<String>,
}

#[derive(Clone, Deserialize)]
struct WireUser {
    id: Text,
    username: String,
    #[serde(default)]
    protected: bool,
}

#[derive(Deserialize)]
struct WireProfile {
    id: Text,
    username: String,
    name: Option<String>,
    description: Option<String>,
    url: Option<String>,
    entities: Option<WireUserEntities>,
    profile_image_url: Option<String>,
}

#[derive(Deserialize)]
struct WireTweet {
    id: Text,
    text: String,
    author_id: Option<Text>,
    created_at: Option<String>,
    entities: Option<WireEntities>,
    attachments: Option<WireAttachments>,
    #[serde(default)]
    possibly_sensitive: bool,
    referenced_tweets: Option<Vec<WireReference>>,
}

#[derive(Default, Deserialize)]
struct WireEntities {
    urls: Option<Vec<WireUrl>>,
    hashtags: Option<Vec<WireTag>>,
    mentions: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct WireMention {
    username: String,
    id: Option<Text>,
}

#[derive(Deserialize)]
struct WireTag {
    tag: String,
}

#[derive(Deserialize)]
struct WireAttachments {
    media_keys: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct WireReference {
    #[serde(rename = "type")]
    kind: String,
    id: Text,
}

#[derive(Deserialize)]
struct WireMedia {
    media_key: String,
    #[serde(rename = "type")]
    kind: String,
    url: Option<String>,
    preview_image_url: Option<String>,
    alt_text: Option<String>,
    width: Option<u32>,
    height: Option<u32>,
    duration_ms: Option<u64>,
    variants: Option<Vec<WireVariant>>,
}

#[derive(Clone, Deserialize)]
struct WireVariant {
    bit_rate: Option<u64>,
    content_type: Option<String>,
    url: Option<String>,
}

/// What `includes` holds, by id. What cannot be read there is as if it were not there.
struct Included {
    users: BTreeMap<String, Author>,
    media: BTreeMap<String, WireMedia>,
    /// The author of each.
    tweets: BTreeMap<String, String>,
}

impl Included {
    fn read(includes: WireIncludes) -> Included {
        #[derive(Deserialize)]
        struct WireOriginal {
            id: Text,
            author_id: Text,
        }
        let users = readable::<WireUser>(includes.users).map(|user| {
            let author = Author { id: None, handle: Some(user.username), is_protected: user.protected };
            (user.id.0, author)
        });
        let media = readable::<WireMedia>(includes.media).map(|media| (media.media_key.clone(), media));
        let tweets = readable::<WireOriginal>(includes.tweets).map(|tweet| (tweet.id.0, tweet.author_id.0));
        Included { users: users.collect(), media: media.collect(), tweets: tweets.collect() }
    }

    fn author(&self, id: Option<String>) -> Author {
        let known = id.as_ref().and_then(|id| self.users.get(id)).cloned().unwrap_or_default();
        Author { id, ..known }
    }
}

fn readable<T: serde::de::DeserializeOwned>(values: Option<Vec<Value>>) -> impl Iterator<Item = T> {
    values.into_iter().flatten().filter_map(|value| objects::from_value(value).ok())
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub found: Listed<T>,
    pub next_token: Option<String>,
}

/// A profile from `GET /2/users/{id}`, `/2/users/by/username/{name}` or `/2/users/me`.
pub fn profile(bytes: &[u8]) -> Result<Profile, Error> {
    let (data, _) = one(bytes)?;
    let user: WireProfile = crate::bridges::wire::item(data)?;
    UserParts {
        id: user.id.0,
        handle: handle(user.username)?,
        name: user.name,
        description: user.description,
        url: user.url,
        entities: user.entities,
        avatar_url: user.profile_image_url,
    }
    .profile()
}

/// A tweet from `GET /2/tweets/{id}`, or a message of a stream, which has the same form.
pub fn tweet(bytes: &[u8]) -> Result<Tweet, Error> {
    let (data, includes) = one(bytes)?;
    read_tweet(crate::bridges::wire::item(data)?, &Included::read(includes))
}

/// Tweets from `GET /2/users/{id}/liked_tweets` or `/2/users/{id}/tweets`, in the order given.
pub fn tweets(bytes: &[u8]) -> Result<Page<Tweet>, Error> {
    let Many { data, includes, next_token, errors } = many(bytes)?;
    let included = Included::read(includes);
    let mut found = items(data, |tweet: WireTweet| read_tweet(tweet, &included).map(Some))?;
    // A tweet that is withheld stands in the list all the same, under its number or without any.
    for error in errors.iter().filter(|error| error.is_of_list()) {
        match error.object() {
            Some(object) if found.items.iter().all(|tweet| tweet.post.id != object) => found.hidden.push(object),
            Some(_) => {}
            None => found.unreadable += 1,
        }
    }
    Ok(Page { found, next_token })
}

/// Who likes a tweet, from `GET /2/tweets/{id}/liking_users`: today only for tweets of the token's own account.
pub fn likers(bytes: &[u8]) -> Result<Page<Liker>, Error> {
    let Many { data, next_token, .. } = many(bytes)?;
    let found = items(data, |user: WireUser| {
        Ok(Some(Liker { account: account(&user.id.0)?, handle: handle(user.username)?, liked_at: None }))
    })?;
    Ok(Page { found, next_token })
}

/// What `POST` and `DELETE /2/users/{id}/likes` answer: whether the tweet is liked now.
pub fn liked(bytes: &[u8]) -> Result<bool, Error> {
    #[derive(Deserialize)]
    struct WireLiked {
        liked: bool,
    }
    let (data, _) = one(bytes)?;
    crate::bridges::wire::item::<WireLiked>(data).map(|answer| answer.liked)
}

fn one(bytes: &[u8]) -> Result<(Value, WireIncludes), Error> {
    let envelope: Envelope = document(bytes, error::reported)?;
    match envelope.data {
        Some(data) => Ok((data, envelope.includes)),
        None => Err(error::reported(bytes).unwrap_or_else(|| Error::malformed("the reply has no data"))),
    }
}

/// A list, opened.
struct Many {
    data: Vec<Value>,
    includes: WireIncludes,
    next_token: Option<String>,
    errors: Vec<WirePartial>,
}

fn many(bytes: &[u8]) -> Result<Many, Error> {
    let envelope: Envelope = document(bytes, error::reported)?;
    let meta = envelope.meta;
    let next_token = meta.as_ref().and_then(|meta| meta.next_token.clone()).filter(|token| !token.is_empty());
    let (includes, errors) = (envelope.includes, readable::<WirePartial>(envelope.errors).collect());
    match envelope.data {
        Some(Value::Array(data)) => Ok(Many { data, includes, next_token, errors }),
        Some(_) => Err(Error::malformed("there is one thing where a list should be")),
        // Only a count of nothing makes an absent list an empty one.
        None if meta.is_some_and(|meta| meta.result_count == Some(0)) => {
            Ok(Many { data: Vec::new(), includes, next_token, errors })
        }
        None => {
            Err(error::reported(bytes).unwrap_or_else(|| Error::malformed("the reply has neither data nor a count")))
        }
    }
}

fn read_tweet(tweet: WireTweet, included: &Included) -> Result<Tweet, Error> {
    let entities = tweet.entities.unwrap_or_default();
    let keys = tweet.attachments.and_then(|attachments| attachments.media_keys).unwrap_or_default();
    let page = url::permalink(&tweet.id.0);
    let media = keys.iter().filter_map(|key| attached(included.media.get(key)?, &page)).collect();
    let mut named = tweet.referenced_tweets.unwrap_or_default();
    let answered =
        named.iter().find(|reference| reference.kind == "replied_to").map(|reference| reference.id.0.clone());
    named.retain(|reference| reference.kind == "retweeted");
    let passed_on = named.into_iter().next();
    let original = passed_on.map(|reference| {
        let author = included.author(included.tweets.get(&reference.id.0).cloned());
        (reference.id.0, author)
    });
    Parts {
        id: tweet.id.0,
        author: included.author(tweet.author_id.map(|id| id.0)),
        text: tweet.text,
        links: entities.urls.unwrap_or_default(),
        media,
        tags: entities.hashtags.into_iter().flatten().map(|tag| tag.tag).collect(),
        mentions: entities.mentions.into_iter().flatten().filter_map(mentioned).collect(),
        published: tweet.created_at.as_deref().map(time).transpose()?.map(|at| at.floor_to_second()),
        is_sensitive: tweet.possibly_sensitive,
        original,
        answered,
    }
    .tweet()
}

fn attached(media: &WireMedia, page: &str) -> Option<(Media, Option<Duration>)> {
    let variants = media.variants.iter().flatten().cloned();
    let film = best_film(variants.map(|variant| (variant.bit_rate, variant.content_type, variant.url)));
    let still = if media.kind == "photo" { media.url.clone() } else { media.preview_image_url.clone() };
    let found = medium(&media.kind, still, film, page)?;
    let found = Media { alt: media.alt_text.clone(), width: media.width, height: media.height, ..found };
    Some((found, media.duration_ms.filter(|millis| *millis > 0).map(Duration::from_millis)))
}

fn handle(name: String) -> Result<String, Error> {
    if name.is_empty() { Err(Error::malformed("an account without a name")) } else { Ok(name) }
}

/// Somebody who is named in the text. One that is damaged is no reason to lose the tweet.
fn mentioned(value: Value) -> Option<Mention> {
    let WireMention { username, id } = item(value).ok()?;
    Some(Mention { handle: username, account: id.and_then(|id| account(&id.0).ok()) })
}
