//! What a tweet and an account become, whichever API they came from.
//!
//! Owns that the same tweet gives the same id, address, words and time from both APIs and from the archive. The words
//! are as their author wrote them: escapes undone, short links spelt out, the address of a picture left out. The owner
//! of a retweet is the author of what was retweeted, or nobody: a retweet is not a work. Source: docs.x.com.

use std::time::Duration;

use serde::Deserialize;

use super::url;
use crate::bridges::error::Error;
use crate::bridges::value::{ActorKind, LikeItem, Media, MediaKind, Mention, Post, PostKind, Profile};
use crate::bridges::wire::{Listed, described, titled, written};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};
use crate::domain::time::Timestamp;

const PLATFORM: Platform = Platform::Twitter;
/// Ids count up until here; from here on they hold their time. The first of them: 2010-11-04.
const FIRST_TIMED_ID: u64 = 29_700_859_247;
/// Milliseconds since 1970 from which the time in an id counts.
const ID_EPOCH_MILLIS: u64 = 1_288_834_974_657;

/// A tweet, and whether the world may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tweet {
    pub post: Post,
    /// Its author shows it to chosen people only: nobody else may learn of it.
    pub is_protected: bool,
}

impl Tweet {
    /// The post, unless it is not for everybody.
    pub fn public(self) -> Result<Post, Error> {
        if self.is_protected {
            return Err(Error::Forbidden { message: "the author's tweets are protected".to_owned() });
        }
        Ok(self.post)
    }
}

/// The tweets that everybody may see, as likes; the others are only named. No API tells when a like was given.
pub fn likes(found: Listed<Tweet>) -> Listed<LikeItem> {
    let (protected, open): (Vec<Tweet>, Vec<Tweet>) = found.items.into_iter().partition(|tweet| tweet.is_protected);
    let items = open.into_iter().map(|tweet| LikeItem { post: tweet.post, liked_at: None }).collect();
    let hidden = protected.into_iter().map(|tweet| tweet.post.id).chain(found.hidden).collect();
    Listed { items, hidden, unreadable: found.unreadable }
}

/// An account, of which some replies tell only the number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Author {
    pub id: Option<String>,
    pub handle: Option<String>,
    pub is_protected: bool,
}

/// A tweet in one form for both APIs.
#[derive(Default)]
pub(super) struct Parts {
    pub id: String,
    pub author: Author,
    /// Still escaped.
    pub text: String,
    pub links: Vec<WireUrl>,
    pub media: Vec<(Media, Option<Duration>)>,
    pub tags: Vec<String>,
    pub mentions: Vec<Mention>,
    pub published: Option<Timestamp>,
    pub is_sensitive: bool,
    /// The tweet that this one only passes on, and its author as far as known.
    pub original: Option<(String, Author)>,
    /// The tweet that this one answers.
    pub answered: Option<String>,
}

impl Parts {
    pub fn tweet(self) -> Result<Tweet, Error> {
        let id = object(&self.id)?;
        let text = words(&self.text, &self.links);
        let title = titled(&text).unwrap_or_else(|| format!("Tweet {}", self.id));
        let is_protected = self.author.is_protected;
        let (author, alias_url) = match self.original {
            Some((original, author)) => (author, Some(url::permalink(&original))),
            None => (self.author, None),
        };
        let thumbnail_url = self.media.first().and_then(|(media, _)| match media.kind {
            MediaKind::Image => Some(media.url.clone()),
            _ => media.poster.clone(),
        });
        let post = Post {
            owner: author.id.map(|id| account(&id)).transpose()?,
            owner_handle: written(author.handle),
            description: described(Some(text)),
            thumbnail_url,
            published: self.published.or_else(|| time_in_id(&self.id)),
            duration: self.media.iter().find_map(|(_, duration)| *duration),
            attachments: self.media.into_iter().map(|(media, _)| media).collect(),
            tags: self.tags,
            mentions: self.mentions,
            is_sensitive: self.is_sensitive,
            alias_url,
            in_reply_to: self.answered.as_deref().map(object).transpose()?,
            ..Post::new(id, PostKind::Text, title, url::permalink(&self.id))
        };
        Ok(Tweet { post, is_protected })
    }
}

/// A short link in a text, and what it stands for.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct WireUrl {
    pub url: Option<String>,
    pub expanded_url: Option<String>,
    /// The link to a picture or film of the tweet itself.
    pub media_key: Option<String>,
}

impl WireUrl {
    /// Where it leads, in full. Never the shortener's own address, which proves nothing.
    pub fn target(&self) -> Option<&str> {
        self.expanded_url.as_deref().filter(|target| !is_short(target))
    }
}

#[derive(Default, Deserialize)]
pub(super) struct WireUrls {
    pub urls: Option<Vec<WireUrl>>,
}

/// The `entities` of an account: the same in both APIs.
#[derive(Default, Deserialize)]
pub(super) struct WireUserEntities {
    pub url: Option<WireUrls>,
    pub description: Option<WireUrls>,
}

/// An account in one form for both APIs.
pub(super) struct UserParts {
    pub id: String,
    pub handle: String,
    pub name: Option<String>,
    pub description: Option<String>,
    pub url: Option<String>,
    pub entities: Option<WireUserEntities>,
    pub avatar_url: Option<String>,
}

impl UserParts {
    pub fn profile(self) -> Result<Profile, Error> {
        let entities = self.entities.unwrap_or_default();
        let in_url = entities.url.and_then(|urls| urls.urls).unwrap_or_default();
        let in_bio = entities.description.and_then(|urls| urls.urls).unwrap_or_default();
        let website = in_url.iter().find_map(WireUrl::target).map(str::to_owned);
        // Very old replies have the address itself where the short one stands today.
        let website = website.or_else(|| self.url.filter(|url| !is_short(url)));
        Ok(Profile {
            id: account(&self.id)?,
            profile_url: url::profile(&self.handle),
            handle: self.handle,
            display_name: written(self.name.map(|name| unescaped(&name))),
            bio: written(self.description.map(|text| words(&text, &in_bio))),
            website: written(website),
            links: in_bio.iter().filter_map(WireUrl::target).map(str::to_owned).collect(),
            avatar_url: written(self.avatar_url),
            kind: ActorKind::Person,
            refuses_bridges: Some(false),
        })
    }
}

/// An id that the platform wrote. The rule of decimal digits is for what goes into a request; see [`url::is_id`].
pub(super) fn object(id: &str) -> Result<ObjectRef, Error> {
    Ok(ObjectRef::new(PLATFORM, checked(id)?)?)
}

pub(super) fn account(id: &str) -> Result<ExternalId, Error> {
    Ok(ExternalId::new(PLATFORM, checked(id)?)?)
}

fn checked(id: &str) -> Result<&str, Error> {
    let is_plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if !id.is_empty() && id.len() <= 64 && is_plain && id != "0" {
        Ok(id)
    } else {
        Err(Error::malformed(format!("`{id}` is no id of a tweet or an account")))
    }
}

/// When a tweet was written, by its id; `None` for the ids of before. Ids of accounts hold no time.
pub(super) fn time_in_id(id: &str) -> Option<Timestamp> {
    let number: u64 = id.parse().ok().filter(|number| *number >= FIRST_TIMED_ID)?;
    let millis = (number >> 22) + ID_EPOCH_MILLIS;
    // Both APIs cut the fraction off, and the same tweet must have the same time from every source.
    i64::try_from(millis / 1_000).ok().map(Timestamp::from_seconds)
}

/// The words of a text as its author wrote them.
pub(super) fn words(text: &str, links: &[WireUrl]) -> String {
    let mut text = unescaped(text);
    for link in links {
        let Some(short) = link.url.as_deref().filter(|short| !short.is_empty()) else { continue };
        if link.media_key.is_some() {
            text = text.replace(short, "");
        } else if let Some(target) = link.target() {
            text = text.replace(short, target);
        }
    }
    text.trim().to_owned()
}

/// Twitter escapes exactly these three, once.
pub(super) fn unescaped(text: &str) -> String {
    // The ampersand last: `&amp;lt;` is what somebody writes who means `&lt;`.
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

fn is_short(text: &str) -> bool {
    let rest = text.trim().strip_prefix("https://").or_else(|| text.trim().strip_prefix("http://"));
    rest.is_some_and(|rest| rest == "t.co" || rest.starts_with("t.co/"))
}

/// The film file of a post: the best that a browser plays. The lists of pieces (m3u8) have no bit rate.
pub(super) fn best_film(
    variants: impl Iterator<Item = (Option<u64>, Option<String>, Option<String>)>,
) -> Option<String> {
    variants
        .filter(|(_, content_type, _)| content_type.as_deref() == Some("video/mp4"))
        .filter_map(|(bit_rate, _, url)| Some((bit_rate.unwrap_or(0), url?)))
        .max_by_key(|(bit_rate, _)| *bit_rate)
        .map(|(_, url)| url)
}

/// A picture or film of a tweet.
///
/// - `still`: the picture itself, or the first frame of the film.
/// - `film`: `None` when the platform gives no file away; then it is a link to the tweet's own page.
pub(super) fn medium(kind: &str, still: Option<String>, film: Option<String>, page: &str) -> Option<Media> {
    match (kind, film) {
        ("photo", _) => Some(Media::new(MediaKind::Image, still?)),
        ("video" | "animated_gif", Some(film)) => Some(Media {
            media_type: Some("video/mp4".to_owned()),
            poster: still,
            ..Media::new(MediaKind::Video, film)
        }),
        ("video" | "animated_gif", None) => Some(Media { poster: still, ..Media::new(MediaKind::Link, page) }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(short: &str, target: &str) -> WireUrl {
        WireUrl { url: Some(short.into()), expanded_url: Some(target.into()), media_key: None }
    }

    #[test]
    fn words_are_unescaped_once_and_short_links_are_spelt_out() {
        let links =
            [link("https://t.co/a1", "https://mira.example/tides?a=1&b=2"), link("https://t.co/b2", "https://t.co/c3")];
        let text = "Ebb &amp; flow &lt;3 &amp;lt; https://t.co/a1 https://t.co/b2";
        let expected = "Ebb & flow <3 &lt; https://mira.example/tides?a=1&b=2 https://t.co/b2";
        assert_eq!(words(text, &links), expected);
        let picture =
            WireUrl { media_key: Some("3_1".into()), ..link("https://t.co/d4", "https://x.com/m/status/1/photo/1") };
        assert_eq!(words("Low tide https://t.co/d4", &[picture]), "Low tide");
    }

    #[test]
    fn an_id_tells_its_time_to_the_second_and_old_ids_tell_none() {
        assert_eq!(time_in_id("1212092628029698048").unwrap().to_string(), "2019-12-31T19:26:16Z");
        assert_eq!(time_in_id("145344012"), None);
        assert_eq!(time_in_id("like-1"), None);
        assert_eq!(time_in_id("18446744073709551615").map(|at| at.seconds() > 0), Some(true));
    }

    #[test]
    fn the_best_film_is_the_mp4_of_the_highest_rate() {
        let variant = |rate: Option<u64>, kind: &str, url: &str| (rate, Some(kind.to_owned()), Some(url.to_owned()));
        let variants = [
            variant(None, "application/x-mpegURL", "list"),
            variant(Some(256_000), "video/mp4", "small"),
            variant(Some(2_176_000), "video/mp4", "large"),
            variant(Some(9_000_000), "video/webm", "other"),
        ];
        assert_eq!(best_film(variants.into_iter()).as_deref(), Some("large"));
        assert_eq!(best_film([variant(Some(0), "video/mp4", "gif")].into_iter()).as_deref(), Some("gif"));
        assert_eq!(best_film(std::iter::empty()), None);
    }
}
