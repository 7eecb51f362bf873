//! What App.net and pnut.io send, turned into the values of [`crate::bridges`].
//!
//! Owns the leniency: unknown fields are ignored, one damaged item of a list is counted, a damaged annotation is left
//! out. And its limit: a list that does not say whether there is more is refused, since an end that is none would make
//! likes look taken back. Source: appdotnet/api-spec (resources/{user,post}, make-request/pagination).

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Dialect;
use super::media::{Annotations, address};
use crate::bridges::error::Error;
use crate::bridges::value::{ActorKind, LikeItem, Post, PostKind, Profile};
use crate::bridges::wire::{Id, Listed, Text, described, document, item, items, time, titled, written};

/// Longest id of a page that is believed.
const PAGE_ID_CHARS_MAX: usize = 100;

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub found: Listed<T>,
    /// What to ask for as `before_id`; `None` at the end.
    pub next: Option<String>,
}

#[derive(Deserialize)]
struct Envelope {
    data: Option<Value>,
    meta: WireMeta,
}

#[derive(Deserialize)]
struct WireMeta {
    min_id: Option<Text>,
    more: Option<bool>,
}

#[derive(Deserialize)]
struct WireUser {
    id: Id,
    username: String,
    name: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    canonical_url: Option<String>,
    verified_domain: Option<String>,
    description: Option<WireText>,
    avatar_image: Option<WireImage>,
    annotations: Option<Value>,
    // pnut.io
    content: Option<WireText>,
    verified: Option<WireVerified>,
    raw: Option<Value>,
}

#[derive(Default, Deserialize)]
struct WireText {
    text: Option<String>,
    entities: Option<WireEntities>,
    avatar_image: Option<WireImage>,
}

#[derive(Default, Deserialize)]
struct WireEntities {
    #[serde(default)]
    links: Vec<Value>,
    #[serde(default)]
    hashtags: Vec<Value>,
    /// What pnut.io calls them.
    #[serde(default)]
    tags: Vec<Value>,
}

/// `url`, or `link` in pnut's first version. No alias of serde's: a reply with both would be refused.
#[derive(Deserialize)]
struct WireImage {
    url: Option<String>,
    link: Option<String>,
}

#[derive(Deserialize)]
struct WireVerified {
    domain: Option<String>,
    link: Option<String>,
    url: Option<String>,
}

/// Only what is needed of an owner: the rest of a user may be missing here.
#[derive(Deserialize)]
struct WireOwner {
    id: Id,
    username: String,
}

#[derive(Deserialize)]
struct WirePost {
    id: Id,
    user: Option<WireOwner>,
    created_at: Option<String>,
    canonical_url: Option<String>,
    text: Option<String>,
    html: Option<String>,
    entities: Option<WireEntities>,
    annotations: Option<Value>,
    #[serde(default)]
    is_deleted: bool,
    /// It has no text, and is for programs alone.
    #[serde(default)]
    machine_only: bool,
    /// Of a person, never of a post.
    username: Option<Value>,
    repost_of: Option<Box<WirePost>>,
    reply_to: Option<Id>,
    // pnut.io
    content: Option<WireText>,
    #[serde(default)]
    is_nsfw: bool,
    raw: Option<Value>,
}

/// Opens the envelope. A report of an error inside is that error, whatever status it came with.
fn opened(bytes: &[u8]) -> Result<(Value, WireMeta), Error> {
    let envelope: Envelope = document(bytes, super::error::reported)?;
    match (super::error::reported(bytes), envelope.data) {
        (Some(error), _) => Err(error),
        (None, Some(data)) => Ok((data, envelope.meta)),
        (None, None) => Err(Error::malformed("the envelope is empty")),
    }
}

pub(super) fn data<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    item(opened(bytes)?.0)
}

/// A profile from `GET /users/{id}`.
pub fn profile(bytes: &[u8], dialect: Dialect) -> Result<Profile, Error> {
    profile_of(opened(bytes)?.0, dialect)
}

/// A user object without an envelope.
pub fn profile_of(user: Value, dialect: Dialect) -> Result<Profile, Error> {
    let user: WireUser = item(user)?;
    let (text, notes) = match (dialect, user.content) {
        (Dialect::AppNet, None) => (user.description.unwrap_or_default(), user.annotations),
        (Dialect::Pnut, Some(content)) => (content, user.raw),
        (Dialect::AppNet, Some(_)) => return Err(other_network("person", Dialect::Pnut)),
        (Dialect::Pnut, None) => return Err(other_network("person", Dialect::AppNet)),
    };
    let notes = Annotations::read(notes.as_ref());
    let kind = match user.kind.as_deref() {
        Some("feed" | "bot") => ActorKind::Bot,
        _ => ActorKind::Person,
    };
    let homepage = notes.address("directory.homepage", "url");
    let (domain, verified) = match user.verified {
        Some(verified) => (verified.domain, address(verified.link.or(verified.url).as_deref())),
        None => (user.verified_domain, None),
    };
    let domain = written(domain);
    let written_links = text.entities.iter().flat_map(|entities| &entities.links).filter_map(link);
    let mut links: Vec<String> = Vec::new();
    for found in [verified, notes.address("directory.blog", "url")].into_iter().flatten().chain(written_links) {
        if !links.contains(&found) {
            links.push(found);
        }
    }
    let avatar = user.avatar_image.or(text.avatar_image).and_then(|image| image.url.or(image.link));
    Ok(Profile {
        id: dialect.account(&user.id.0)?,
        profile_url: address(user.canonical_url.as_deref()).unwrap_or_else(|| dialect.profile_url(&user.username)),
        handle: user.username,
        display_name: written(user.name),
        bio: written(text.text),
        website: homepage.or(domain),
        links,
        avatar_url: address(avatar.as_deref()),
        kind,
        refuses_bridges: Some(false),
    })
}

/// A post from `GET /posts/{id}`.
pub fn post(bytes: &[u8], dialect: Dialect) -> Result<Post, Error> {
    let wire: WirePost = data(bytes)?;
    read_post(wire, dialect)?.ok_or_else(|| Error::Gone { message: "the post is deleted".to_owned() })
}

/// Posts from `GET /users/{id}/posts`. Reposts are the work of others, and deleted posts are none: both are left out.
pub fn posts(bytes: &[u8], dialect: Dialect) -> Result<Page<Post>, Error> {
    page(bytes, |wire: WirePost| if wire.repost_of.is_some() { Ok(None) } else { read_post(wire, dialect) })
}

/// Likes from `GET /users/{id}/stars` or `/bookmarks`, in the order of their posts.
pub fn likes(bytes: &[u8], dialect: Dialect) -> Result<Page<LikeItem>, Error> {
    page(bytes, |wire| like(wire, dialect))
}

/// A like as an element of a list. `None` for a post that was deleted.
pub fn like_of(value: Value, dialect: Dialect) -> Result<Option<LikeItem>, Error> {
    like(item(value)?, dialect)
}

fn like(wire: WirePost, dialect: Dialect) -> Result<Option<LikeItem>, Error> {
    // A repost cannot be starred; should one be listed, the work is the original's.
    let original = match wire {
        WirePost { repost_of: Some(original), .. } => *original,
        wire => wire,
    };
    Ok(read_post(original, dialect)?.map(|post| LikeItem { post, liked_at: None }))
}

fn page<T>(bytes: &[u8], read: impl Fn(WirePost) -> Result<Option<T>, Error>) -> Result<Page<T>, Error> {
    let (data, meta) = opened(bytes)?;
    let Value::Array(values) = data else { return Err(Error::malformed("one object came instead of a list")) };
    let found = items(values, read)?;
    let next = match (meta.more, meta.min_id) {
        (Some(false), _) => None,
        (Some(true), Some(min_id)) => Some(checked_page_id(&min_id.0)?.to_owned()),
        (Some(true), None) => return Err(Error::malformed("there is more, but not where")),
        (None, _) => return Err(Error::malformed("the list does not say whether there is more")),
    };
    Ok(Page { found, next })
}

/// An id of a page is opaque, and goes into a query.
pub(super) fn checked_page_id(text: &str) -> Result<&str, Error> {
    let fits = !text.is_empty() && text.len() <= PAGE_ID_CHARS_MAX && text.bytes().all(|b| b.is_ascii_graphic());
    if fits { Ok(text) } else { Err(Error::malformed("the id of the next page has an unknown form")) }
}

fn read_post(wire: WirePost, dialect: Dialect) -> Result<Option<Post>, Error> {
    // People, files and channels have ids and owners too.
    let is_written = wire.text.is_some() || wire.html.is_some() || wire.content.is_some();
    if wire.username.is_some() || !(is_written || wire.is_deleted || wire.machine_only) {
        return Err(Error::malformed("this is no post: nothing is written in it"));
    }
    if wire.is_deleted {
        return Ok(None);
    }
    let (text, entities, notes) = match (dialect, wire.content) {
        (Dialect::AppNet, None) => (wire.text, wire.entities, wire.annotations),
        (Dialect::Pnut, Some(content)) => (content.text, content.entities, wire.raw),
        (Dialect::AppNet, Some(_)) => return Err(other_network("post", Dialect::Pnut)),
        (Dialect::Pnut, None) => return Err(other_network("post", Dialect::AppNet)),
    };
    let notes = Annotations::read(notes.as_ref());
    let number = &wire.id.0;
    let owner = wire.user.as_ref().map(|user| dialect.account(&user.id.0)).transpose()?;
    // A post for machines has no text.
    let title = text.as_deref().and_then(titled).unwrap_or_else(|| format!("Post {number}"));
    let url = address(wire.canonical_url.as_deref()).unwrap_or_else(|| dialect.post_url(number));
    let WireEntities { hashtags, tags, .. } = entities.unwrap_or_default();
    Ok(Some(Post {
        owner,
        owner_handle: wire.user.map(|user| user.username),
        description: described(text),
        thumbnail_url: notes.thumbnail(),
        published: wire.created_at.as_deref().map(time).transpose()?,
        attachments: notes.attachments(),
        tags: hashtags.iter().chain(&tags).filter_map(tag).collect(),
        is_sensitive: wire.is_nsfw,
        alias_url: notes.address("crosspost", "canonical_url"),
        in_reply_to: wire.reply_to.map(|answered| dialect.object(&answered.0)).transpose()?,
        ..Post::new(dialect.object(number)?, PostKind::Text, title, url)
    }))
}

/// The address of a link in a text: `url` on App.net, `link` in pnut's first version.
fn link(value: &Value) -> Option<String> {
    address(value["url"].as_str().or(value["link"].as_str()))
}

fn tag(value: &Value) -> Option<String> {
    value["name"].as_str().or(value["text"].as_str()).filter(|tag| !tag.is_empty()).map(str::to_owned)
}

/// The ids of the two networks overlap, so a form that belongs to the other one must not be read as this one's.
fn other_network(what: &str, other: Dialect) -> Error {
    Error::malformed(format!("this {what} has the form of `{}`", other.as_str()))
}
