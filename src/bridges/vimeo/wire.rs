//! Vimeo's replies, read into our values. Pure functions over bytes, shared by the client and `bridge decode`.
//!
//! Owns what each field means, and which videos may be shown: those that say of themselves that anybody may view them.
//! Ids stand in `uri` (`/videos/258684937`, `/users/152184`) and are never taken from anywhere else. How damaged fields
//! are treated is in [`crate::bridges::wire`]. Source: docs/bridges/vimeo.md.

use std::time::Duration;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::url::is_name;
use crate::bridges::error::Error;
use crate::bridges::value::{ActorKind, LikeItem, Liker, Media, MediaKind, Post, PostKind, Profile};
use crate::bridges::wire::{
    Listed, Seen, described, document, is_decimal_id, items, seen_items, time, titled, written,
};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};
use crate::domain::time::Timestamp;

const PLATFORM: Platform = Platform::Vimeo;
/// A thumbnail at least this wide is chosen where there is one.
const THUMBNAIL_WIDTH: u32 = 640;
const AVATAR_WIDTH: u32 = 288;

/// The fields that `WireVideo` reads; asking for no more raises the allowance.
pub const VIDEO_FIELDS: &str = "uri,name,description,link,duration,width,height,created_time,release_time,license,\
                                content_rating,status,privacy.view,privacy.embed,pictures.sizes,tags,user.uri,\
                                user.link,metadata.interactions.like";
/// The fields that `WireUser` reads.
pub const USER_FIELDS: &str = "uri,name,link,bio,pictures.sizes,websites";

#[derive(Deserialize)]
pub(super) struct WireUser {
    pub uri: String,
    pub name: Option<String>,
    link: Option<String>,
    bio: Option<String>,
    pictures: Option<WirePictures>,
    websites: Option<Vec<WireWebsite>>,
    pub membership: Option<WireMembership>,
}

#[derive(Deserialize)]
pub(super) struct WireMembership {
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

#[derive(Deserialize)]
struct WireWebsite {
    link: Option<String>,
}

#[derive(Deserialize)]
struct WirePictures {
    #[serde(default)]
    sizes: Vec<WireSize>,
}

#[derive(Deserialize)]
struct WireSize {
    width: Option<u32>,
    link: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct WireVideo {
    pub uri: String,
    name: Option<String>,
    description: Option<String>,
    link: Option<String>,
    /// Seconds.
    pub duration: Option<u64>,
    width: Option<u32>,
    height: Option<u32>,
    created_time: Option<String>,
    release_time: Option<String>,
    license: Option<String>,
    content_rating: Option<OneOrMany>,
    status: Option<String>,
    privacy: Option<WirePrivacy>,
    pictures: Option<WirePictures>,
    tags: Option<Vec<WireTag>>,
    user: Option<WireOwner>,
    metadata: Option<WireMetadata>,
}

/// A field that Vimeo writes as one word in some replies and as a list in others.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct WirePrivacy {
    view: Option<String>,
    embed: Option<String>,
}

#[derive(Deserialize)]
struct WireTag {
    name: Option<String>,
    canonical: Option<String>,
}

/// Only what is needed of an owner: the rest of a user may be missing here.
#[derive(Deserialize)]
struct WireOwner {
    uri: String,
    link: Option<String>,
}

#[derive(Deserialize)]
struct WireMetadata {
    interactions: Option<WireInteractions>,
}

#[derive(Deserialize)]
struct WireInteractions {
    like: Option<WireInteraction>,
}

/// What the owner of the token did, not the account whose likes are listed.
#[derive(Deserialize)]
struct WireInteraction {
    #[serde(default)]
    added: bool,
    added_time: Option<String>,
}

#[derive(Deserialize)]
struct WirePage {
    data: Vec<Value>,
    total: Option<u64>,
    paging: Option<WirePaging>,
}

#[derive(Deserialize)]
struct WirePaging {
    next: Option<String>,
}

/// One page of a list, its items not yet read.
pub struct Page {
    pub data: Vec<Value>,
    pub total: Option<u64>,
    /// Where the next page is, as Vimeo writes it: a path, or `None` at the end.
    pub next: Option<String>,
    /// Vimeo said what comes next, be it nothing.
    pub tells_next: bool,
}

/// The times of likes, where the token belongs to the account whose likes are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// The list is that of the token's owner.
    Own,
    /// Somebody else's: the times in it are not those of these likes.
    Foreign,
}

/// Whether a video may be shown.
enum Openness {
    Public,
    /// Its owner keeps it from us, or it cannot be played for good.
    Hidden(&'static str),
    /// It is being worked on; it was public and will be.
    InWork,
}

/// A profile from `GET /users/{id}` or `/me`.
pub fn profile(bytes: &[u8]) -> Result<Profile, Error> {
    profile_of(parse(bytes)?)
}

fn profile_of(user: WireUser) -> Result<Profile, Error> {
    let id = number_in(&user.uri, "users")?;
    let mut sites = user.websites.into_iter().flatten().filter_map(|site| written(site.link));
    let handle = handle_of(user.link.as_deref(), &id);
    Ok(Profile {
        profile_url: format!("https://vimeo.com/{handle}"),
        id: ExternalId::new(PLATFORM, &id)?,
        handle,
        display_name: written(user.name),
        bio: written(user.bio),
        website: sites.next(),
        links: sites.collect(),
        avatar_url: picture(user.pictures.as_ref(), AVATAR_WIDTH),
        kind: ActorKind::Person,
        refuses_bridges: Some(false),
    })
}

/// A video from `GET /videos/{id}`.
///
/// - errors: [`Error::Forbidden`] when not everybody may view it.
pub fn video(bytes: &[u8]) -> Result<Post, Error> {
    let video: WireVideo = parse(bytes)?;
    match openness(&video)? {
        Openness::Public => video_post(video),
        Openness::Hidden(reason) => Err(Error::Forbidden { message: format!("the video is not public: {reason}") }),
        Openness::InWork => Err(Error::transient("the video is still being processed")),
    }
}

/// The envelope of every list.
pub fn page(bytes: &[u8]) -> Result<Page, Error> {
    let page: WirePage = parse(bytes)?;
    let tells_next = page.paging.is_some();
    let next = page.paging.and_then(|paging| written(paging.next));
    Ok(Page { data: page.data, total: page.total, next, tells_next })
}

/// Videos from `GET /users/{id}/videos`; those that are not public are left out.
pub fn videos(data: Vec<Value>) -> Result<Listed<Post>, Error> {
    let found = likes(data, Times::Foreign)?;
    let items = found.items.into_iter().map(|item| item.post).collect();
    Ok(Listed { items, hidden: found.hidden, unreadable: found.unreadable })
}

/// Likes from `GET /users/{id}/likes` or `/me/likes`, in the order given; hidden videos are only named.
///
/// A video that is just being processed counts as unreadable: its absence from our list would look like an unlike.
pub fn likes(data: Vec<Value>, times: Times) -> Result<Listed<LikeItem>, Error> {
    let read = seen_items(data, |video: WireVideo| match openness(&video)? {
        Openness::Public => {
            let liked_at = if times == Times::Own { liked_at(&video)? } else { None };
            Ok(Seen::Open(Some(LikeItem { post: video_post(video)?, liked_at })))
        }
        Openness::Hidden(_) => Ok(Seen::Hidden(ObjectRef::new(PLATFORM, &number_in(&video.uri, "videos")?)?)),
        Openness::InWork => Ok(Seen::Open(None)),
    })?;
    let count = read.items.len();
    let items: Vec<LikeItem> = read.items.into_iter().flatten().collect();
    let in_work = u32::try_from(count - items.len()).expect("a bounded body holds fewer items");
    Ok(Listed { items, hidden: read.hidden, unreadable: read.unreadable + in_work })
}

/// Who likes a video, from `GET /videos/{id}/likes`; Vimeo does not say when.
pub fn likers(data: Vec<Value>) -> Result<Listed<Liker>, Error> {
    items(data, |user: WireUser| {
        let profile = profile_of(user)?;
        Ok(Some(Liker { account: profile.id, handle: profile.handle, liked_at: None }))
    })
}

fn openness(video: &WireVideo) -> Result<Openness, Error> {
    let view = video.privacy.as_ref().and_then(|privacy| privacy.view.as_deref());
    match view {
        Some("anybody") if video.uri.contains(':') => return Ok(Openness::Hidden("its address holds a key")),
        Some("anybody") => {}
        Some(_) => return Ok(Openness::Hidden("its owner restricts who may view it")),
        None => return Err(Error::malformed("the video does not say who may view it")),
    }
    Ok(match video.status.as_deref() {
        None | Some("available") => Openness::Public,
        Some("unavailable" | "quota_exceeded" | "total_cap_exceeded" | "transcoding_error" | "uploading_error") => {
            Openness::Hidden("it cannot be played")
        }
        Some(_) => Openness::InWork,
    })
}

fn liked_at(video: &WireVideo) -> Result<Option<Timestamp>, Error> {
    let like = video.metadata.as_ref().and_then(|it| it.interactions.as_ref()?.like.as_ref()).filter(|it| it.added);
    like.and_then(|like| like.added_time.as_deref()).map(time).transpose()
}

fn video_post(video: WireVideo) -> Result<Post, Error> {
    let number = number_in(&video.uri, "videos")?;
    let id = ObjectRef::new(PLATFORM, &number)?;
    let owner = video.user.as_ref().map(|user| number_in(&user.uri, "users")).transpose()?;
    let owner_handle = owner.as_deref().zip(video.user.as_ref()).map(|(id, user)| handle_of(user.link.as_deref(), id));
    Ok(Post {
        owner: owner.as_deref().map(|owner| ExternalId::new(PLATFORM, owner)).transpose()?,
        owner_handle,
        ..facts(&video, id, &number)?
    })
}

/// What a video says of itself, apart from whose it is.
pub(super) fn facts(video: &WireVideo, id: ObjectRef, number: &str) -> Result<Post, Error> {
    let page = format!("https://vimeo.com/{number}");
    let url = video.link.clone().filter(|link| link.starts_with("https://vimeo.com/")).unwrap_or(page);
    let title = video.name.as_deref().and_then(titled).unwrap_or_else(|| "Untitled".to_owned());
    let thumbnail_url = picture(video.pictures.as_ref(), THUMBNAIL_WIDTH);
    let published = video.release_time.as_deref().or(video.created_time.as_deref()).map(time).transpose()?;
    let is_embeddable = video.privacy.as_ref().is_some_and(|privacy| privacy.embed.as_deref() == Some("public"));
    // The files themselves come only for their owner's token and end within hours: the player is what lasts.
    let shown = if is_embeddable { format!("https://player.vimeo.com/video/{number}") } else { url.clone() };
    let player = Media {
        media_type: Some("text/html".to_owned()),
        width: video.width,
        height: video.height,
        poster: thumbnail_url.clone(),
        ..Media::new(MediaKind::Link, shown)
    };
    let tags =
        video.tags.iter().flatten().filter_map(|tag| written(tag.name.clone().or_else(|| tag.canonical.clone())));
    Ok(Post {
        description: described(video.description.clone()),
        thumbnail_url,
        published,
        licence: written(video.license.clone()).map(|word| licence(&word)),
        attachments: vec![player],
        tags: tags.collect(),
        is_sensitive: is_sensitive(video.content_rating.as_ref()),
        duration: video.duration.map(Duration::from_secs),
        ..Post::new(id, PostKind::Video, title, url)
    })
}

/// Vimeo's word names a Creative Commons licence without its version, which therefore is not ours to add.
fn licence(word: &str) -> String {
    match word {
        "cc0" => "CC0-1.0".to_owned(),
        word if word.starts_with("by") => format!("cc-{word}"),
        other => other.to_owned(),
    }
}

/// Ratings that keep a film from somebody; an advertisement, or no rating yet, keeps it from nobody.
fn is_sensitive(rating: Option<&OneOrMany>) -> bool {
    let is_strict = |word: &str| !matches!(word, "safe" | "unrated" | "advertisement");
    match rating {
        Some(OneOrMany::One(word)) => is_strict(word),
        Some(OneOrMany::Many(words)) => words.iter().any(|word| is_strict(word)),
        None => false,
    }
}

/// The narrowest picture of at least `width`, else the widest.
fn picture(pictures: Option<&WirePictures>, width: u32) -> Option<String> {
    let sizes = pictures?.sizes.iter().filter_map(|size| Some((size.width?, size.link.as_deref()?)));
    let sizes: Vec<(u32, &str)> = sizes.filter(|(_, link)| link.starts_with("https://")).collect();
    let wide = sizes.iter().filter(|(found, _)| *found >= width).min_by_key(|(found, _)| *found);
    wide.or_else(|| sizes.iter().max_by_key(|(found, _)| *found)).map(|(_, link)| (*link).to_owned())
}

/// The number in `/videos/258684937`, `/videos/258684937:0a1b2c3d4e` or `/users/152184`.
pub(super) fn number_in(uri: &str, kind: &str) -> Result<String, Error> {
    let number = uri.strip_prefix('/').and_then(|path| path.strip_prefix(kind)?.strip_prefix('/'));
    let number = number.map(|number| number.split_once(':').map_or(number, |(number, _)| number));
    match number.filter(|number| is_decimal_id(number)) {
        Some(number) => Ok(number.to_owned()),
        None => Err(Error::malformed(format!("`{uri}` names none of the {kind}"))),
    }
}

/// The name in the address of a profile; `user` and the number where it holds none.
fn handle_of(link: Option<&str>, id: &str) -> String {
    let name = link.and_then(|link| link.strip_prefix("https://vimeo.com/")).filter(|name| is_name(name));
    name.map_or_else(|| format!("user{id}"), str::to_owned)
}

/// Reads a document. A report of an error where a document should be is that error, whatever it came in.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    document(bytes, super::error::reported)
}
