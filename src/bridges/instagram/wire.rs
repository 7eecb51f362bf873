//! The replies of the API that closed in 2020. Pure functions over bytes, shared by the client and `bridge decode`.
//!
//! Owns that a post is named by its shortcode, never by the compound media id, which holds the owner and which neither
//! exports nor addresses know. Reads the form of 2011 too: numbers for types and ids, `message` for `text`, times
//! written out. Source: docs/bridges/instagram.md; the reference of the API is not online any more.

use serde::Deserialize;
use serde_json::Value;

use super::{error, url};
use crate::bridges::error::Error;
use crate::bridges::value::{ActorKind, LikeItem, Media, MediaKind, Post, PostKind, Profile};
use crate::bridges::wire::{
    Listed, Text, described, document, epoch, item, items, time, titled, written, written_time,
};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};
use crate::domain::time::Timestamp;

const PLATFORM: Platform = Platform::Instagram;

#[derive(Deserialize)]
struct Envelope {
    data: Option<Value>,
    pagination: Option<WirePagination>,
}

#[derive(Deserialize)]
struct WirePagination {
    next_url: Option<String>,
    next_max_like_id: Option<Text>,
    next_max_id: Option<Text>,
}

#[derive(Deserialize)]
pub(super) struct WireUser {
    pub id: Text,
    pub username: String,
    full_name: Option<String>,
    bio: Option<String>,
    website: Option<String>,
    profile_picture: Option<String>,
}

#[derive(Deserialize)]
struct WireMedia {
    id: Text,
    #[serde(rename = "type")]
    kind: Option<Text>,
    link: Option<String>,
    created_time: Option<Text>,
    caption: Option<WireCaption>,
    tags: Option<Vec<String>>,
    location: Option<Value>,
    user: Option<WireOwner>,
    images: Option<WireFiles>,
    videos: Option<WireFiles>,
    carousel_media: Option<Vec<WirePart>>,
}

/// One picture or film of several.
#[derive(Deserialize)]
struct WirePart {
    images: Option<WireFiles>,
    videos: Option<WireFiles>,
}

#[derive(Deserialize)]
struct WireOwner {
    id: Text,
    username: Option<String>,
}

#[derive(Deserialize)]
struct WireCaption {
    text: Option<String>,
    /// So it was called in 2011.
    message: Option<String>,
}

#[derive(Deserialize)]
struct WireFiles {
    standard_resolution: Option<WireFile>,
    /// So the best one was called in 2011.
    high_resolution: Option<WireFile>,
    low_resolution: Option<WireFile>,
    thumbnail: Option<WireFile>,
}

#[derive(Clone, Deserialize)]
struct WireFile {
    url: String,
    width: Option<u32>,
    height: Option<u32>,
}

impl WireFiles {
    fn best(&self) -> Option<&WireFile> {
        [&self.standard_resolution, &self.high_resolution, &self.low_resolution, &self.thumbnail]
            .into_iter()
            .find_map(Option::as_ref)
    }

    fn smallest(&self) -> Option<&WireFile> {
        self.thumbnail.as_ref().or(self.low_resolution.as_ref()).or_else(|| self.best())
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub found: Listed<T>,
    /// The id below which the next page starts. Never the address of that page, which holds the token.
    pub next: Option<String>,
}

/// A profile from `GET /v1/users/{id}` or `/v1/users/self`.
pub fn profile(bytes: &[u8]) -> Result<Profile, Error> {
    read_profile(item(data(bytes)?.0)?)
}

/// Who bears a handle, from `GET /v1/users/search`, which finds names that only begin alike as well.
pub fn found_by_name(bytes: &[u8], handle: &str) -> Result<Option<ExternalId>, Error> {
    let users = items(listed(bytes)?.0, |user: WireUser| Ok(Some(user)))?;
    let found = users.items.into_iter().find(|user| user.username.eq_ignore_ascii_case(handle));
    found.map(|user| account(&user.id.0)).transpose()
}

/// A post from `GET /v1/media/shortcode/{code}` or `/v1/media/{id}`.
pub fn media(bytes: &[u8]) -> Result<Post, Error> {
    read_media(item(data(bytes)?.0)?)
}

/// Likes from `GET /v1/users/self/media/liked`, in the order given. Instagram does not tell when each was given.
pub fn liked(bytes: &[u8]) -> Result<Page<LikeItem>, Error> {
    let (values, pagination) = listed(bytes)?;
    let read = |media: WireMedia| Ok(Some(LikeItem { post: read_media(media)?, liked_at: None }));
    Ok(Page { found: items(values, read)?, next: next(pagination, "max_like_id", |it| it.next_max_like_id.take()) })
}

/// Posts from `GET /v1/users/{id}/media/recent` and the other lists of posts.
pub fn posts(bytes: &[u8]) -> Result<Page<Post>, Error> {
    let (values, pagination) = listed(bytes)?;
    let found = items(values, |media: WireMedia| read_media(media).map(Some))?;
    Ok(Page { found, next: next(pagination, "max_id", |it| it.next_max_id.take()) })
}

/// Whose token it is, from `POST /oauth/access_token`. The token itself is not read here.
pub fn token_owner(bytes: &[u8]) -> Result<Profile, Error> {
    #[derive(Deserialize)]
    struct WireToken {
        user: WireUser,
    }
    read_profile(document::<WireToken>(bytes, error::reported)?.user)
}

/// A post from `GET /oembed`, which knows the media id and no shortcode.
pub fn oembed(bytes: &[u8]) -> Result<Post, Error> {
    #[derive(Deserialize)]
    struct WireEmbed {
        media_id: Text,
        title: Option<String>,
        author_name: Option<String>,
        author_id: Option<Text>,
        url: Option<String>,
        thumbnail_url: Option<String>,
        width: Option<u32>,
        height: Option<u32>,
    }
    let found: WireEmbed = document(bytes, error::reported)?;
    let code = url::shortcode_of(&found.media_id.0).ok_or_else(|| no_name(&found.media_id.0))?;
    let title = found.title.as_deref().and_then(titled).unwrap_or_else(|| untitled(found.author_name.as_deref()));
    let picture = found.thumbnail_url.or(found.url);
    let image = |url: String| Media { width: found.width, height: found.height, ..Media::new(MediaKind::Image, url) };
    Ok(Post {
        owner: found.author_id.map(|id| account(&id.0)).transpose()?,
        owner_handle: written(found.author_name),
        description: described(found.title),
        attachments: picture.clone().map(image).into_iter().collect(),
        thumbnail_url: picture,
        ..Post::new(object(&code)?, PostKind::Image, title, url::permalink(&code))
    })
}

/// What Instagram pushed to us: that something changed, never what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub subject: String,
    pub id: String,
    pub changed: String,
    pub at: Option<Timestamp>,
}

/// The notices of one push.
pub fn notices(bytes: &[u8]) -> Result<Listed<Notice>, Error> {
    #[derive(Deserialize)]
    struct WireNotice {
        object: String,
        object_id: Text,
        changed_aspect: String,
        time: Option<Text>,
    }
    crate::bridges::wire::list(bytes, error::reported, |notice: WireNotice| {
        let at = notice.time.as_ref().map(epoch).transpose()?;
        Ok(Some(Notice { subject: notice.object, id: notice.object_id.0, changed: notice.changed_aspect, at }))
    })
}

/// What is pushed to us, from `GET /v1/subscriptions`: (subject, aspect) of each.
pub fn subscriptions(bytes: &[u8]) -> Result<Listed<(String, String)>, Error> {
    #[derive(Deserialize)]
    struct WireSubscription {
        object: String,
        aspect: String,
    }
    items(listed(bytes)?.0, |found: WireSubscription| Ok(Some((found.object, found.aspect))))
}

/// The `data` of a reply. A refusal inside a reply with status 200 is that refusal.
fn data(bytes: &[u8]) -> Result<(Value, Option<WirePagination>), Error> {
    if let Some(error) = error::reported(bytes) {
        return Err(error);
    }
    let envelope: Envelope = document(bytes, error::reported)?;
    let data = envelope.data.ok_or_else(|| Error::malformed("the reply has no data"))?;
    Ok((data, envelope.pagination))
}

fn listed(bytes: &[u8]) -> Result<(Vec<Value>, Option<WirePagination>), Error> {
    match data(bytes)? {
        (Value::Array(values), pagination) => Ok((values, pagination)),
        _ => Err(Error::malformed("there is one thing where a list should be")),
    }
}

/// Where the next page starts, by its own field, or by the parameter in the address of the next page.
fn next(
    pagination: Option<WirePagination>,
    parameter: &str,
    field: impl Fn(&mut WirePagination) -> Option<Text>,
) -> Option<String> {
    let mut pagination = pagination?;
    let by_address = |url: String| {
        let url = ::url::Url::parse(&url).ok()?;
        url.query_pairs().find(|(name, _)| name == parameter).map(|(_, value)| value.into_owned())
    };
    let found = field(&mut pagination).map(|text| text.0).or_else(|| pagination.next_url.and_then(by_address));
    found.filter(|id| !id.is_empty())
}

pub(super) fn account(id: &str) -> Result<ExternalId, Error> {
    if crate::bridges::wire::is_decimal_id(id) {
        Ok(ExternalId::new(PLATFORM, id)?)
    } else {
        Err(Error::malformed(format!("`{id}` is not the number of an account")))
    }
}

pub(super) fn object(shortcode: &str) -> Result<ObjectRef, Error> {
    Ok(ObjectRef::new(PLATFORM, shortcode)?)
}

/// `2011-01-20T12:04:54+0000`, as both the oldest and the newest API write it, or seconds since 1970.
pub(super) fn any_time(text: &Text) -> Result<Timestamp, Error> {
    if text.0.bytes().all(|b| b.is_ascii_digit()) {
        return epoch(text);
    }
    written_time(&text.0, "%Y-%m-%dT%H:%M:%S%z").or_else(|_| time(&text.0))
}

fn no_name(id: &str) -> Error {
    Error::malformed(format!("the media `{id}` has no shortcode"))
}

pub(super) fn untitled(handle: Option<&str>) -> String {
    handle.map_or_else(|| "A post on Instagram".to_owned(), |handle| format!("A post by {handle}"))
}

fn read_profile(user: WireUser) -> Result<Profile, Error> {
    if user.username.is_empty() {
        return Err(Error::malformed("an account without a name"));
    }
    Ok(Profile {
        id: account(&user.id.0)?,
        profile_url: url::profile(&user.username),
        handle: user.username,
        display_name: written(user.full_name),
        bio: written(user.bio),
        website: written(user.website),
        links: Vec::new(),
        avatar_url: written(user.profile_picture),
        kind: ActorKind::Person,
        refuses_bridges: Some(false),
    })
}

fn read_media(media: WireMedia) -> Result<Post, Error> {
    // An account has an id too, from which a shortcode could be made that names nothing.
    if media.link.is_none() && media.images.is_none() && media.videos.is_none() {
        return Err(no_name(&media.id.0));
    }
    let by_link = media.link.as_deref().and_then(url::shortcode_in);
    let code = by_link.or_else(|| url::shortcode_of(&media.id.0)).ok_or_else(|| no_name(&media.id.0))?;
    let handle = media.user.as_ref().and_then(|user| user.username.clone());
    let caption = media.caption.and_then(|caption| caption.text.or(caption.message));
    let title = caption.as_deref().and_then(titled).unwrap_or_else(|| untitled(handle.as_deref()));
    let thumbnail_url = media.images.as_ref().and_then(WireFiles::smallest).map(|file| file.url.clone());
    let kind = match media.kind.as_ref().map(Text::as_str) {
        Some("video" | "2") => PostKind::Video,
        _ => PostKind::Image,
    };
    let parts = media.carousel_media.unwrap_or_default();
    let attachments = if parts.is_empty() {
        attached(media.images.as_ref(), media.videos.as_ref()).into_iter().collect()
    } else {
        parts.iter().filter_map(|part| attached(part.images.as_ref(), part.videos.as_ref())).collect()
    };
    Ok(Post {
        owner: media.user.map(|user| account(&user.id.0)).transpose()?,
        owner_handle: written(handle),
        description: described(caption),
        thumbnail_url,
        published: media.created_time.as_ref().map(any_time).transpose()?,
        attachments,
        tags: media.tags.unwrap_or_default(),
        // A place may be known by its coordinates alone, and those are nobody's name for it.
        place: media.location.and_then(|place| written(place["name"].as_str().map(str::to_owned))),
        ..Post::new(object(&code)?, kind, title, url::permalink(&code))
    })
}

/// A film where there is one, with its still, or a picture.
fn attached(images: Option<&WireFiles>, videos: Option<&WireFiles>) -> Option<Media> {
    let still = images.and_then(WireFiles::best);
    let (kind, file, poster) = match videos.and_then(WireFiles::best) {
        Some(film) => (MediaKind::Video, film, still.map(|still| still.url.clone())),
        None => (MediaKind::Image, still?, None),
    };
    let media_type = (kind == MediaKind::Video).then(|| "video/mp4".to_owned());
    Some(Media { media_type, width: file.width, height: file.height, poster, ..Media::new(kind, file.url.clone()) })
}
