//! What servers send, read into our values: Mastodon's entities, ActivityStreams documents, WebFinger.
//!
//! Owns whom a reply is believed about. A listing of one server names posts of others: of those it gives the URI and
//! nothing else, because title, address and author are for their own server to say. Source:
//! docs.joinmastodon.org/entities/{Account,Status,MediaAttachment}, the ActivityStreams vocabulary, RFC 7033, FEP-0ea0, FEP-0036.

use ::url::Url;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::url::{host_of, origin_of, uri as checked_uri};
use super::{error, html};
use crate::bridges::error::Error;
use crate::bridges::objects;
use crate::bridges::value::{ActorKind, LikeItem, Media, MediaKind, Post, PostKind, Profile};
use crate::bridges::wire::{Listed, Seen, Text, described, document, list, seen_items, time, titled, written};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};

const PLATFORM: Platform = Platform::Fediverse;
/// The three ways in which a document says that it is for everybody.
const PUBLIC: [&str; 3] = ["https://www.w3.org/ns/activitystreams#Public", "as:Public", "Public"];
/// What can be liked, and what it is here.
const OBJECT_TYPES: [&str; 9] = ["Note", "Article", "Question", "Page", "Event", "Image", "Video", "Audio", "Document"];
const ACTOR_TYPES: [&str; 5] = ["Person", "Service", "Application", "Organization", "Group"];

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    document(bytes, error::reported)
}

// --- Mastodon's entities ---

#[derive(Deserialize)]
struct WireAccount {
    id: Text,
    username: String,
    acct: String,
    /// Since Mastodon 4.2.
    uri: Option<String>,
    url: Option<String>,
    display_name: Option<String>,
    note: Option<String>,
    avatar: Option<String>,
    #[serde(default)]
    bot: bool,
    #[serde(default)]
    group: bool,
    #[serde(default)]
    fields: Vec<WireField>,
}

#[derive(Deserialize)]
struct WireField {
    name: String,
    value: String,
}

#[derive(Deserialize)]
struct WireStatus {
    uri: String,
    url: Option<String>,
    created_at: Option<String>,
    visibility: Option<String>,
    #[serde(default)]
    sensitive: bool,
    spoiler_text: Option<String>,
    content: Option<String>,
    account: WireAccount,
    reblog: Option<Box<WireStatus>>,
    #[serde(default)]
    media_attachments: Vec<WireMedia>,
    #[serde(default)]
    tags: Vec<WireTag>,
}

#[derive(Deserialize)]
struct WireMedia {
    #[serde(rename = "type")]
    kind: String,
    url: Option<String>,
    remote_url: Option<String>,
    preview_url: Option<String>,
    description: Option<String>,
    meta: Option<Value>,
}

#[derive(Deserialize)]
struct WireTag {
    name: String,
}

/// An account as its own server shows it.
#[derive(Clone, Debug)]
pub struct Account {
    /// Of this server's database; good for paths of its API and nothing else.
    pub api_id: String,
    pub username: String,
    /// Where the server tells it.
    pub uri: Option<String>,
    /// Its id is to be filled in, by the URI.
    shown: Shown,
}

#[derive(Clone, Debug)]
struct Shown {
    display_name: Option<String>,
    bio: Option<String>,
    links: Vec<String>,
    url: Option<String>,
    avatar_url: Option<String>,
    kind: ActorKind,
    refuses_bridges: Option<bool>,
}

/// An account from `GET /api/v1/accounts/verify_credentials` or `/accounts/lookup`.
///
/// - errors: also for an account of another server, which this one only knows of.
pub fn account(bytes: &[u8]) -> Result<Account, Error> {
    let account: WireAccount = parse(bytes)?;
    if account.acct.contains('@') {
        return Err(Error::malformed(format!("`{}` is an account of another server", account.acct)));
    }
    let html = account.fields.iter().map(|field| field.value.as_str()).chain(account.note.as_deref());
    let links = html.flat_map(html::links).collect();
    let fields = account.fields.iter().map(|field| format!("{}: {}", field.name, html::plain(&field.value)));
    let kind = match (account.group, account.bot) {
        (true, _) => ActorKind::Organization,
        (_, true) => ActorKind::Bot,
        _ => ActorKind::Person,
    };
    let shown = Shown {
        display_name: written(account.display_name),
        bio: bio(account.note.as_deref(), fields),
        links,
        url: written(account.url),
        avatar_url: written(account.avatar),
        kind,
        // Only the document for the fediverse says it.
        refuses_bridges: None,
    };
    Ok(Account { api_id: account.id.0, username: account.username, uri: account.uri, shown })
}

impl Account {
    /// The profile, once the URI is known.
    pub fn into_profile(self, uri: &Url) -> Result<Profile, Error> {
        profile(uri, &self.username, self.shown)
    }
}

fn bio<'a>(note: Option<&'a str>, fields: impl Iterator<Item = String> + 'a) -> Option<String> {
    let lines: Vec<String> = note.map(html::plain).into_iter().chain(fields).filter(|line| !line.is_empty()).collect();
    described(Some(lines.join("\n")))
}

fn profile(uri: &Url, username: &str, shown: Shown) -> Result<Profile, Error> {
    let host = host_of(uri).ok_or_else(|| Error::malformed("an account without a host"))?;
    // The page is linked to: it stands where the account does.
    let page = shown.url.filter(|url| Url::parse(url).is_ok_and(|url| url.origin() == uri.origin()));
    Ok(Profile {
        id: ExternalId::new(PLATFORM, uri.as_str())?,
        handle: format!("{username}@{host}"),
        display_name: shown.display_name,
        bio: shown.bio,
        website: None,
        links: shown.links,
        profile_url: page.unwrap_or_else(|| uri.to_string()),
        avatar_url: shown.avatar_url,
        kind: shown.kind,
        refuses_bridges: shown.refuses_bridges,
    })
}

/// Favourites from `GET /api/v1/favourites`, newest first.
///
/// - `server`: that was asked. Posts that are not for everybody are only named: nobody else may learn of them.
pub fn favourites(bytes: &[u8], server: &Url, allows_local: bool) -> Result<Listed<LikeItem>, Error> {
    seen_items(document(bytes, error::reported)?, |status: WireStatus| {
        let uri = status.reblog.as_ref().map_or(&status.uri, |original| &original.uri).clone();
        let hidden = || Ok(ObjectRef::new(PLATFORM, &uri).map_or(Seen::Skipped, Seen::Hidden));
        let open = |post| Ok(Seen::Open(LikeItem { post, liked_at: None }));
        status_post(status, server, allows_local)?.map_or_else(hidden, open)
    })
}

/// Posts from `GET /api/v1/accounts/:id/statuses`: those of this account that are for everybody.
pub fn statuses(bytes: &[u8], owner: &ExternalId, server: &Url, allows_local: bool) -> Result<Listed<Post>, Error> {
    let found = list(bytes, error::reported, |status: WireStatus| {
        if status.reblog.is_some() { Ok(None) } else { status_post(status, server, allows_local) }
    })?;
    let posts = found.items.into_iter().filter_map(|post| match &post.owner {
        // The list is of this account; a server that does not tell URIs of accounts says so by that.
        None if is_on(post.id.object(), server) => Some(Post { owner: Some(owner.clone()), ..post }),
        Some(author) if author == owner => Some(post),
        _ => None,
    });
    Ok(Listed { items: posts.collect(), hidden: found.hidden, unreadable: found.unreadable })
}

/// One post from `GET /api/v1/statuses/:id`, for `bridge decode`. It is read as its own server's word.
pub fn status(bytes: &[u8]) -> Result<Post, Error> {
    let status: WireStatus = parse(bytes)?;
    let server = Url::parse(&status.uri).map_err(|_| Error::malformed("`uri` is no address"))?;
    let post = status_post(status, &origin_of(&server), false)?;
    post.ok_or_else(|| Error::Forbidden { message: "the post is not for everybody".to_owned() })
}

fn is_on(uri: &str, server: &Url) -> bool {
    Url::parse(uri).is_ok_and(|url| url.origin() == server.origin())
}

fn status_post(status: WireStatus, server: &Url, allows_local: bool) -> Result<Option<Post>, Error> {
    let status = match status.reblog {
        Some(original) => *original,
        None => status,
    };
    if !matches!(status.visibility.as_deref(), Some("public" | "unlisted")) {
        return Ok(None);
    }
    // Nobody could be asked whose it is.
    let Some(uri) = checked_uri(&status.uri, allows_local) else { return Ok(None) };
    let id = ObjectRef::new(PLATFORM, &status.uri)?;
    if uri.origin() != server.origin() {
        return Ok(Some(Post::new(id, PostKind::Text, status.uri.clone(), status.uri)));
    }
    let text = status.content.as_deref().map(html::plain).unwrap_or_default();
    let title = written(status.spoiler_text).or_else(|| titled(&text)).unwrap_or_else(|| status.uri.clone());
    let attachments: Vec<Media> = status.media_attachments.into_iter().filter_map(media).collect();
    let page = status.url.filter(|url| is_on(url, server)).unwrap_or_else(|| status.uri.clone());
    let host = host_of(&uri).unwrap_or_default();
    let owner = status.account.uri.as_deref().filter(|owner| is_on(owner, server));
    Ok(Some(Post {
        owner: owner.map(|owner| ExternalId::new(PLATFORM, owner)).transpose()?,
        owner_handle: Some(format!("{}@{host}", status.account.username)),
        description: described(Some(text)),
        published: status.created_at.as_deref().map(time).transpose()?,
        thumbnail_url: attachments.iter().find_map(|media| media.poster.clone()),
        tags: status.tags.into_iter().map(|tag| tag.name).collect(),
        is_sensitive: status.sensitive,
        kind: kind_of(&attachments),
        attachments,
        ..Post::new(id, PostKind::Text, title, page)
    }))
}

fn kind_of(attachments: &[Media]) -> PostKind {
    match attachments.first().map(|media| media.kind) {
        Some(MediaKind::Image) => PostKind::Image,
        Some(MediaKind::Video) => PostKind::Video,
        Some(MediaKind::Audio) => PostKind::Audio,
        Some(MediaKind::Link) | None => PostKind::Text,
    }
}

fn media(wire: WireMedia) -> Option<Media> {
    let kind = match wire.kind.as_str() {
        "image" => MediaKind::Image,
        "video" | "gifv" => MediaKind::Video,
        "audio" => MediaKind::Audio,
        _ => MediaKind::Link,
    };
    let size = |name: &str| {
        let pixels = wire.meta.as_ref()?.pointer(&format!("/original/{name}"))?.as_u64()?;
        u32::try_from(pixels).ok()
    };
    let (width, height) = (size("width"), size("height"));
    Some(Media {
        alt: written(wire.description),
        width,
        height,
        poster: written(wire.preview_url),
        ..Media::new(kind, written(wire.url).or(written(wire.remote_url))?)
    })
}

// --- ActivityStreams documents ---

/// An account as its own server describes it to the fediverse.
///
/// - `asked`: the URI; a document that bears another is another account's.
pub fn actor(bytes: &[u8], asked: &Url) -> Result<Profile, Error> {
    let actor: Value = parse(bytes)?;
    is_itself(&actor, asked)?;
    let kind = match member(&actor, "type").filter(|kind| ACTOR_TYPES.contains(kind)) {
        Some("Person") => ActorKind::Person,
        Some("Organization" | "Group") => ActorKind::Organization,
        Some(_) => ActorKind::Bot,
        None => return Err(Error::malformed("this is not an account")),
    };
    let username =
        member(&actor, "preferredUsername").ok_or_else(|| Error::malformed("`preferredUsername` is missing"))?;
    let summary = member(&actor, "summary");
    let mut links: Vec<String> = summary.map(html::links).unwrap_or_default();
    let mut fields = Vec::new();
    for item in many(actor.get("attachment")) {
        match member(item, "type") {
            Some("PropertyValue") => {
                let value = member(item, "value").unwrap_or_default();
                links.extend(html::links(value));
                fields.push(format!("{}: {}", member(item, "name").unwrap_or_default(), html::plain(value)));
            }
            // FEP-0ea0.
            Some("Link") if has_rel(item, "payment") => links.extend(member(item, "href").map(str::to_owned)),
            _ => {}
        }
    }
    let shown = Shown {
        display_name: written(member(&actor, "name").map(html::plain)),
        bio: bio(summary, fields.into_iter()),
        links,
        url: page_of(&actor),
        avatar_url: many(actor.get("icon")).find_map(|icon| member(icon, "url")).map(str::to_owned),
        kind,
        // FEP-0036: absent or true is no refusal.
        refuses_bridges: Some(many(actor.get("bridgeable")).any(|flag| flag.as_bool() == Some(false))),
    };
    profile(asked, username, shown)
}

/// A post as its own server describes it to the fediverse.
///
/// - `asked`: the URI.
/// - errors: [`Error::Forbidden`] when it is not for everybody; when its author is said to be on another server, which has
///   not said so.
pub fn object(bytes: &[u8], asked: &Url) -> Result<Post, Error> {
    let object: Value = parse(bytes)?;
    is_itself(&object, asked)?;
    let kind = member(&object, "type").unwrap_or_default();
    if kind == "Tombstone" {
        return Err(Error::Gone { message: "the post was deleted".to_owned() });
    }
    if !OBJECT_TYPES.contains(&kind) {
        return Err(Error::malformed("this is not a post"));
    }
    let is_public = many(object.get("to")).chain(many(object.get("cc"))).any(|to| {
        let to = to.as_str();
        to.is_some_and(|to| PUBLIC.contains(&to))
    });
    if !is_public {
        return Err(Error::Forbidden { message: "the post is not for everybody".to_owned() });
    }
    // Another instance's proxy of a post elsewhere: whoever likes the original pays its author.
    if let (Some(platform), Some(original)) = (member(&object, "flattr:platform"), member(&object, "flattr:objectId")) {
        return Err(Error::unsupported(format!("this is a proxy of {platform}:{original}")));
    }
    let author = author(&object).ok_or_else(|| Error::malformed("`attributedTo` is missing"))?;
    if !is_on(author, asked) {
        return Err(Error::malformed("the post names an author on another server"));
    }
    let text = member(&object, "content").map(html::plain).unwrap_or_default();
    let title = ["name", "summary"].iter().find_map(|name| written(member(&object, name).map(html::plain)));
    let title = title.and_then(|title| titled(&title)).or_else(|| titled(&text)).unwrap_or_else(|| asked.to_string());
    let attachments: Vec<Media> = many(object.get("attachment")).filter_map(attached).collect();
    let page = page_of(&object).filter(|url| is_on(url, asked)).unwrap_or_else(|| asked.to_string());
    let tags = many(object.get("tag")).filter(|tag| member(tag, "type") == Some("Hashtag"));
    let usual = match kind {
        "Image" => PostKind::Image,
        "Video" => PostKind::Video,
        "Audio" => PostKind::Audio,
        _ => kind_of(&attachments),
    };
    Ok(Post {
        owner: Some(ExternalId::new(PLATFORM, author)?),
        owner_handle: name_in(author),
        description: described(Some(text)),
        published: member(&object, "published").and_then(|at| time(at).ok()),
        tags: tags.filter_map(|tag| member(tag, "name")).map(|name| name.trim_start_matches('#').to_owned()).collect(),
        is_sensitive: object.get("sensitive").and_then(Value::as_bool).unwrap_or(false),
        attachments,
        ..Post::new(ObjectRef::new(PLATFORM, asked.as_str())?, usual, title, page)
    })
}

/// The name of an account as its URI mostly spells it, until its own document says better.
fn name_in(uri: &str) -> Option<String> {
    let url = Url::parse(uri).ok()?;
    let name = url.path_segments()?.rfind(|segment| !segment.is_empty())?.trim_start_matches('@').to_owned();
    Some(format!("{name}@{}", host_of(&url)?))
}

/// Under which URI a document that was found at some address is known.
pub fn id(bytes: &[u8]) -> Result<String, Error> {
    let document: Value = parse(bytes)?;
    member(&document, "id").map(str::to_owned).ok_or_else(|| Error::malformed("the document has no `id`"))
}

fn is_itself(document: &Value, asked: &Url) -> Result<(), Error> {
    match member(document, "id") {
        Some(id) if id == asked.as_str() => Ok(()),
        Some(other) => Err(Error::malformed(format!("asked for {asked}, got {other}"))),
        None => Err(Error::malformed("the document has no `id`")),
    }
}

fn member<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A member that is one value or a list of them.
fn many(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    match value {
        Some(Value::Array(items)) => items.iter().collect::<Vec<_>>(),
        Some(Value::Null) | None => Vec::new(),
        Some(one) => vec![one],
    }
    .into_iter()
}

fn has_rel(link: &Value, wanted: &str) -> bool {
    many(link.get("rel")).filter_map(Value::as_str).any(|rel| rel.split_ascii_whitespace().any(|rel| rel == wanted))
}

/// The page for people: the plain address, or the first link to HTML.
fn page_of(document: &Value) -> Option<String> {
    let pages = many(document.get("url")).filter_map(|url| match url {
        Value::String(url) => Some(url.as_str()),
        link => member(link, "href").filter(|_| member(link, "mediaType").is_none_or(|kind| kind == "text/html")),
    });
    pages.map(str::to_owned).next()
}

/// The author: the one, or of several the first that is a person (video servers name the channel too).
fn author(object: &Value) -> Option<&str> {
    let named = || many(object.get("attributedTo"));
    let chosen = named().find(|value| member(value, "type") == Some("Person")).or_else(|| named().next())?;
    chosen.as_str().or_else(|| member(chosen, "id"))
}

fn attached(item: &Value) -> Option<Media> {
    let media_type = member(item, "mediaType").unwrap_or_default();
    let kind = match (media_type.split('/').next(), member(item, "type")) {
        (Some("image"), _) | (_, Some("Image")) => MediaKind::Image,
        (Some("video"), _) | (_, Some("Video")) => MediaKind::Video,
        (Some("audio"), _) | (_, Some("Audio")) => MediaKind::Audio,
        _ => MediaKind::Link,
    };
    let url = member(item, "url").or_else(|| member(item, "href")).or_else(|| member(item.get("url")?, "href"))?;
    let pixels = |name: &str| item.get(name).and_then(Value::as_u64).and_then(|pixels| u32::try_from(pixels).ok());
    Some(Media {
        media_type: written(Some(media_type.to_owned())),
        alt: member(item, "name").or_else(|| member(item, "summary")).map(str::to_owned),
        width: pixels("width"),
        height: pixels("height"),
        ..Media::new(kind, url)
    })
}

// --- WebFinger and apps ---

/// The URI of the account that a WebFinger reply (RFC 7033) is about.
pub fn webfinger(bytes: &[u8]) -> Result<String, Error> {
    #[derive(Deserialize)]
    struct Descriptor {
        #[serde(default)]
        links: Vec<Link>,
    }
    #[derive(Deserialize)]
    struct Link {
        rel: String,
        #[serde(rename = "type")]
        kind: Option<String>,
        href: Option<String>,
    }
    let found: Descriptor = parse(bytes)?;
    let is_actor = |link: &Link| {
        let kind = link.kind.as_deref().unwrap_or_default();
        link.rel == "self" && (kind == "application/activity+json" || kind.starts_with("application/ld+json"))
    };
    let link = found.links.into_iter().find(is_actor).and_then(|link| link.href);
    link.ok_or_else(|| Error::NotFound { message: "this name has no account in the fediverse".to_owned() })
}

/// The app from `POST /api/v1/apps`: its id and its secret.
pub fn app(bytes: &[u8]) -> Result<(String, String), Error> {
    #[derive(Deserialize)]
    struct WireApp {
        client_id: String,
        client_secret: String,
    }
    // The text of a parser may quote the secret.
    let app: WireApp = match objects::from_slice(bytes) {
        Ok(app) => app,
        Err(_) => return Err(error::reported(bytes).unwrap_or_else(|| Error::malformed("the reply is no app"))),
    };
    Ok((app.client_id, app.client_secret))
}
