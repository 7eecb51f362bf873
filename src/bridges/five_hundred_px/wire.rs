//! 500px's replies, read into our values. Pure functions over bytes, shared by the client, the reader of saved pages
//! and `bridge decode`.
//!
//! Owns what each field means. Pictures come as `images`, a list in some replies and one object in others, or as the
//! older `image_url`; their addresses are never altered. A favourite has no time. What is never guessed is an id.
//! Source: 500px's API documentation, "Formats and Terms".

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::error::reported;
use super::url::photo_url;
use crate::bridges::error::Error;
use crate::bridges::value::{ActorKind, LikeItem, Liker, Media, MediaKind, Post, PostKind, Profile};
use crate::bridges::wire::{
    Id, Listed, Seen, Text, described, document, item, items, seen_items, time, titled, written,
};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};

const PLATFORM: Platform = Platform::FiveHundredPx;
/// The list that holds the favourites of an account.
pub const FAVORITES: &str = "user_favorites";
/// The kind of gallery that took its place in December 2015.
pub const FAVORITES_KIND: &str = "5";

/// One page of a list, as the reply counts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub found: Listed<T>,
    /// From 1.
    pub page: u32,
    /// Of the whole list; 0 or 1 when it is empty.
    pub pages: u32,
    /// Which list it is; the pages of a gallery do not say.
    pub feature: Option<String>,
    /// Whose list it is, where the reply says.
    pub of: Option<ExternalId>,
}

#[derive(Deserialize)]
struct WirePhoto {
    id: Id,
    user_id: Option<Id>,
    name: Option<String>,
    description: Option<String>,
    created_at: Option<String>,
    #[serde(default)]
    privacy: bool,
    #[serde(default)]
    nsfw: bool,
    /// 1 is a photo that is there.
    status: Option<Text>,
    license_type: Option<Text>,
    tags: Option<Value>,
    images: Option<Value>,
    image_url: Option<Value>,
    user: Option<WireAuthor>,
}

#[derive(Deserialize)]
struct WireAuthor {
    id: Id,
    username: Option<String>,
}

#[derive(Deserialize)]
struct WireImage {
    size: Option<Text>,
    url: Option<String>,
    https_url: Option<String>,
}

#[derive(Deserialize)]
struct WirePage {
    feature: Option<String>,
    filters: Option<Value>,
    current_page: Text,
    total_pages: Text,
    photos: Vec<Value>,
}

#[derive(Deserialize)]
struct WireUser {
    id: Id,
    username: String,
    fullname: Option<String>,
    about: Option<String>,
    userpic_url: Option<String>,
    /// Providers and names; some servers write an empty one as a list.
    contacts: Option<Value>,
}

#[derive(Deserialize)]
struct WireGallery {
    id: Id,
    kind: Option<Text>,
}

/// Reads a document. A report of an error where a document should be is that error, whatever it came in.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    match reported(bytes) {
        Some(error) => Err(error),
        None => document(bytes, reported),
    }
}

fn number(text: &Text, what: &str) -> Result<u32, Error> {
    text.0.parse().map_err(|_| Error::malformed(format!("`{}` is no number of {what}", text.0)))
}

fn page_of<T>(wire: WirePage, read: impl Fn(Post) -> T) -> Result<Page<T>, Error> {
    let of = wire.filters.and_then(|filters| item::<Id>(filters.get("user_id")?.clone()).ok());
    Ok(Page {
        found: seen_items(wire.photos, |photo: WirePhoto| {
            let id = ObjectRef::new(PLATFORM, &photo.id.0)?;
            Ok(visible_post(photo)?.map_or(Seen::Hidden(id), |post| Seen::Open(read(post))))
        })?,
        page: number(&wire.current_page, "a page")?,
        pages: number(&wire.total_pages, "pages")?,
        feature: wire.feature,
        of: of.map(|id| ExternalId::new(PLATFORM, &id.0)).transpose()?,
    })
}

/// Likes from `GET /v1/photos?feature=user_favorites` or from the items of a gallery, in the order given.
///
/// - errors: when the page says that it is of another list.
pub fn favorites(bytes: &[u8]) -> Result<Page<LikeItem>, Error> {
    let page = page_of(parse(bytes)?, |post| LikeItem { post, liked_at: None })?;
    let other = page.feature.as_deref().filter(|feature| *feature != FAVORITES);
    match other {
        Some(feature) => Err(Error::malformed(format!("a page of `{feature}` and not of favourites"))),
        None => Ok(page),
    }
}

/// Posts from `GET /v1/photos` of any feature.
pub fn photos(bytes: &[u8]) -> Result<Page<Post>, Error> {
    page_of(parse(bytes)?, |post| post)
}

/// A photo from `GET /v1/photos/{id}`, or from the reply to a vote.
///
/// - errors: [`Error::Forbidden`] for a hidden one; [`Error::NotFound`] for one that is not active.
pub fn photo(bytes: &[u8]) -> Result<Post, Error> {
    #[derive(Deserialize)]
    struct Reply {
        photo: WirePhoto,
    }
    let Reply { photo } = parse(bytes)?;
    if photo.privacy {
        return Err(Error::Forbidden { message: "the photo is private".to_owned() });
    }
    visible_post(photo)?.ok_or_else(|| Error::NotFound { message: "the photo is not active".to_owned() })
}

/// A like from one photo of a saved list; `None` when it is hidden or not active.
pub(super) fn saved_like(value: Value) -> Result<Option<LikeItem>, Error> {
    Ok(visible_post(item(value)?)?.map(|post| LikeItem { post, liked_at: None }))
}

/// A photo that is public and there; nobody may learn of others.
fn visible_post(photo: WirePhoto) -> Result<Option<Post>, Error> {
    if photo.privacy || photo.status.as_ref().is_some_and(|status| status.0 != "1") {
        return Ok(None);
    }
    let author = photo.user.as_ref().map(|user| &user.id);
    if let (Some(one), Some(other)) = (author, &photo.user_id)
        && one != other
    {
        return Err(Error::malformed("the photo names two owners"));
    }
    let owner = author.or(photo.user_id.as_ref()).map(|id| ExternalId::new(PLATFORM, &id.0)).transpose()?;
    let name = written(photo.name);
    let pictures = pictures(photo.images, photo.image_url);
    let attachments = pictures.last().map(|url| Media {
        // 500px knows no description for those who cannot see; its own pages give the name.
        alt: name.clone(),
        ..Media::new(MediaKind::Image, url.clone())
    });
    let title = name.as_deref().and_then(titled).unwrap_or_else(|| untitled(&photo.id.0));
    let id = ObjectRef::new(PLATFORM, &photo.id.0)?;
    Ok(Some(Post {
        owner,
        owner_handle: photo.user.and_then(|user| written(user.username)),
        description: described(photo.description),
        thumbnail_url: pictures.first().cloned(),
        published: photo.created_at.as_deref().map(time).transpose()?,
        licence: photo.license_type.as_ref().and_then(licence).map(str::to_owned),
        attachments: attachments.into_iter().collect(),
        tags: photo.tags.and_then(|tags| item(tags).ok()).unwrap_or_default(),
        is_sensitive: photo.nsfw,
        ..Post::new(id, PostKind::Image, title, photo_url(&photo.id.0))
    }))
}

pub(super) fn untitled(id: &str) -> String {
    format!("Photo {id}")
}

/// The addresses of the picture as they came, smallest first.
fn pictures(images: Option<Value>, image_url: Option<Value>) -> Vec<String> {
    let listed = |value: Option<Value>| match value {
        Some(Value::Array(values)) => values,
        Some(value) => vec![value],
        None => Vec::new(),
    };
    let mut images: Vec<(u32, String)> = listed(images)
        .into_iter()
        .filter_map(|value| item::<WireImage>(value).ok())
        .filter_map(|image| {
            let size = image.size.and_then(|size| size.0.parse().ok()).unwrap_or(0);
            Some((size, image.https_url.or(image.url)?))
        })
        .collect();
    images.sort_by_key(|(size, _)| *size);
    let mut urls: Vec<String> = images.into_iter().map(|(_, url)| url).collect();
    if urls.is_empty() {
        urls = listed(image_url).into_iter().filter_map(|url| item(url).ok()).collect();
    }
    urls.retain(|url| is_absolute(url));
    urls
}

/// 500px writes its own placeholder as a path without a host.
fn is_absolute(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

/// The words for a licence. 500px named no version of the Creative Commons licences, so none is claimed here.
fn licence(id: &Text) -> Option<&'static str> {
    Some(match id.as_str() {
        "1" => "CC BY-NC",
        "2" => "CC BY-NC-ND",
        "3" => "CC BY-NC-SA",
        "4" => "CC BY",
        "5" => "CC BY-ND",
        "6" => "CC BY-SA",
        "7" => "https://creativecommons.org/publicdomain/mark/1.0/",
        "8" => "https://creativecommons.org/publicdomain/zero/1.0/",
        // 0 is 500px's own, which allows nothing; an unknown one means none.
        _ => return None,
    })
}

/// The galleries of favourites from `GET /v1/users/{id}/galleries?kinds=5`, by number.
///
/// - returns: those of the right kind, even if the server did not look at `kinds`; and whether there are more pages.
pub fn galleries(bytes: &[u8]) -> Result<(Listed<String>, bool), Error> {
    #[derive(Deserialize)]
    struct Reply {
        current_page: Text,
        total_pages: Text,
        galleries: Vec<Value>,
    }
    let reply: Reply = parse(bytes)?;
    let found = items(reply.galleries, |gallery: WireGallery| {
        let is_other = gallery.kind.is_some_and(|kind| kind.0 != FAVORITES_KIND);
        Ok((!is_other).then_some(gallery.id.0))
    })?;
    let has_more = number(&reply.current_page, "a page")? < number(&reply.total_pages, "pages")?;
    Ok((found, has_more))
}

/// Who voted for a photo, from `GET /v1/photos/{id}/votes`. A vote is no favourite, and makes no flattr.
pub fn voters(bytes: &[u8]) -> Result<Listed<Liker>, Error> {
    #[derive(Deserialize)]
    struct Reply {
        users: Vec<Value>,
    }
    let Reply { users } = parse(bytes)?;
    items(users, |user: WireUser| {
        let account = ExternalId::new(PLATFORM, &user.id.0)?;
        Ok(Some(Liker { account, handle: user.username, liked_at: None }))
    })
}

/// A profile from `GET /v1/users/show` or `GET /v1/users`.
pub fn profile(bytes: &[u8]) -> Result<Profile, Error> {
    #[derive(Deserialize)]
    struct Reply {
        user: WireUser,
    }
    let Reply { user } = parse(bytes)?;
    let website = user.contacts.and_then(|contacts| item(contacts.get("website")?.clone()).ok());
    Ok(Profile {
        id: ExternalId::new(PLATFORM, &user.id.0)?,
        profile_url: format!("https://500px.com/{}", user.username),
        handle: user.username,
        display_name: written(user.fullname),
        bio: described(user.about),
        website: written(website),
        // What else stands in `contacts` are names at other services, not addresses.
        links: Vec::new(),
        avatar_url: written(user.userpic_url).filter(|url| is_absolute(url)),
        kind: ActorKind::Person,
        refuses_bridges: Some(false),
    })
}
