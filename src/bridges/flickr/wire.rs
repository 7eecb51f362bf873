//! Flickr's replies about photos, read into our values. Pure functions over bytes, shared by the client and
//! `bridge decode`; [`super::people`] reads those about accounts.
//!
//! Owns what each field means. Flickr wraps texts as `{"_content": ...}` in some replies and not in others, and writes
//! numbers as text or as numbers; both are read everywhere. What is never guessed is an id. Source: the methods'
//! pages below flickr.com/services/api.

use std::time::Duration;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::error::{reported, unwrapped};
use super::tables::licence_address;
use super::url::{is_nsid, short_url};
use crate::bridges::error::Error;
use crate::bridges::objects;
use crate::bridges::value::{LikeItem, Media, MediaKind, Post, PostKind};
use crate::bridges::wire::{Id, Listed, Seen, Text, described, document, epoch, items, seen_items, titled, written};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};

const PLATFORM: Platform = Platform::Flickr;
/// What is asked for with every list, so that a post needs no request of its own.
pub const EXTRAS: &str =
    "description,license,date_upload,owner_name,path_alias,media,tags,url_n,url_m,url_z,url_c,url_l";

/// One page of a list, as the reply counts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub found: Listed<T>,
    /// From 1.
    pub page: u32,
    /// Of the whole list; 0 or 1 when it is empty.
    pub pages: u32,
}

/// A text, bare or wrapped.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Content {
    Bare(Text),
    Wrapped {
        #[serde(rename = "_content")]
        content: Option<Text>,
    },
}

pub(super) fn text(content: Option<Content>) -> Option<String> {
    let text = match content? {
        Content::Bare(text) => text,
        Content::Wrapped { content } => content?,
    };
    written(Some(text.0))
}

/// A part that only adorns a post: damage in it is no reason to lose the post.
fn adornment<T: DeserializeOwned>(value: Option<Value>) -> Option<T> {
    objects::from_value(value?).ok()
}

fn is_zero(flag: Option<&Text>) -> bool {
    flag.is_some_and(|flag| flag.0 == "0")
}

pub(super) fn account(nsid: &str) -> Result<ExternalId, Error> {
    if is_nsid(nsid) {
        Ok(ExternalId::new(PLATFORM, nsid)?)
    } else {
        Err(Error::malformed(format!("`{nsid}` is not the id of an account on Flickr")))
    }
}

/// Reads a document, with or without the call around it. A report of an error is that error.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    // First, since every field of a small document may be optional, and a report would pass for an empty one.
    match reported(bytes) {
        Some(error) => Err(error),
        None => document(unwrapped(bytes), reported),
    }
}

/// A photo or film in a list.
#[derive(Deserialize)]
struct WirePhoto {
    id: Id,
    owner: String,
    secret: Option<Text>,
    server: Option<Text>,
    title: Option<Content>,
    description: Option<Content>,
    ispublic: Option<Text>,
    date_faved: Option<Text>,
    dateupload: Option<Text>,
    license: Option<Text>,
    safety_level: Option<Text>,
    pathalias: Option<String>,
    /// Separated by spaces, in the normal form that has none inside.
    tags: Option<String>,
    media: Option<String>,
    #[serde(flatten)]
    sizes: Sizes,
}

#[derive(Default, Deserialize)]
struct Sizes {
    url_l: Option<String>,
    width_l: Option<Text>,
    height_l: Option<Text>,
    url_c: Option<String>,
    width_c: Option<Text>,
    height_c: Option<Text>,
    url_z: Option<String>,
    width_z: Option<Text>,
    height_z: Option<Text>,
    url_m: Option<String>,
    width_m: Option<Text>,
    height_m: Option<Text>,
    url_n: Option<String>,
}

impl Sizes {
    /// The largest up to 1,024 pixels. The original is not among them: its owner may keep it to themselves.
    fn largest(&self) -> Option<Media> {
        let all = [
            (&self.url_l, &self.width_l, &self.height_l),
            (&self.url_c, &self.width_c, &self.height_c),
            (&self.url_z, &self.width_z, &self.height_z),
            (&self.url_m, &self.width_m, &self.height_m),
        ];
        all.into_iter().find_map(|(url, width, height)| {
            let url = written(url.clone())?;
            let pixels = |text: &Option<Text>| text.as_ref().and_then(|text| text.0.parse().ok());
            Some(Media { width: pixels(width), height: pixels(height), ..Media::new(MediaKind::Image, url) })
        })
    }
}

#[derive(Deserialize)]
struct WirePhotos {
    photos: WireList,
}

#[derive(Deserialize)]
struct WireList {
    page: Text,
    pages: Text,
    photo: Vec<Value>,
}

pub(super) fn number(text: &Text, what: &str) -> Result<u32, Error> {
    text.0.parse().map_err(|_| Error::malformed(format!("`{}` is no number of {what}", text.0)))
}

fn page_of<T>(bytes: &[u8], read: impl Fn(WirePhoto) -> Result<T, Error>) -> Result<Page<T>, Error> {
    let WirePhotos { photos } = parse(bytes)?;
    let found = seen_items(photos.photo, |photo: WirePhoto| {
        // A token of its owner sees them; nobody else may learn of them, so nobody can be paid for them.
        if is_zero(photo.ispublic.as_ref()) {
            return Ok(Seen::Hidden(ObjectRef::new(PLATFORM, &photo.id.0)?));
        }
        read(photo).map(Seen::Open)
    })?;
    Ok(Page { found, page: number(&photos.page, "a page")?, pages: number(&photos.pages, "pages")? })
}

/// Likes from `flickr.favorites.getPublicList` or `getList`, newest first.
pub fn favorites(bytes: &[u8]) -> Result<Page<LikeItem>, Error> {
    page_of(bytes, |photo| {
        // Only a list of favourites dates them; without it these are photos of another list.
        let faved = photo.date_faved.as_ref().ok_or_else(|| Error::malformed("this photo is nobody's favourite"))?;
        let liked_at = Some(epoch(faved)?);
        Ok(LikeItem { post: listed_post(photo)?, liked_at })
    })
}

/// Posts from `flickr.people.getPublicPhotos`.
pub fn photos(bytes: &[u8]) -> Result<Page<Post>, Error> {
    page_of(bytes, listed_post)
}

fn listed_post(photo: WirePhoto) -> Result<Post, Error> {
    let WirePhoto { secret, server, .. } = &photo;
    let files = Files::new(&photo.id.0, server.as_ref(), secret.as_ref());
    let picture = photo.sizes.largest().or_else(|| files.as_ref().map(Files::medium));
    let thumbnail = written(photo.sizes.url_n.clone()).or_else(|| files.as_ref().map(Files::small));
    let tags = photo.tags.unwrap_or_default();
    let basics = Basics {
        id: photo.id,
        owner: account(&photo.owner)?,
        alias: photo.pathalias,
        title: text(photo.title),
        is_film: photo.media.as_deref() == Some("video"),
        page: None,
    };
    Ok(Post {
        description: described(text(photo.description)),
        published: photo.dateupload.as_ref().map(epoch).transpose()?,
        licence: photo.license.as_ref().and_then(licence_address).map(str::to_owned),
        tags: tags.split_ascii_whitespace().filter(|tag| !is_machine_tag(tag)).map(str::to_owned).collect(),
        is_sensitive: is_sensitive(photo.safety_level.as_ref()),
        ..basics.post(picture, thumbnail)?
    })
}

/// What makes a post, from whichever reply.
struct Basics {
    id: Id,
    owner: ExternalId,
    alias: Option<String>,
    title: Option<String>,
    is_film: bool,
    page: Option<String>,
}

impl Basics {
    fn post(self, picture: Option<Media>, thumbnail_url: Option<String>) -> Result<Post, Error> {
        let kind = if self.is_film { PostKind::Video } else { PostKind::Image };
        let handle = written(self.alias).unwrap_or_else(|| self.owner.account().to_owned());
        let page = self.page.unwrap_or_else(|| format!("https://www.flickr.com/photos/{handle}/{}/", self.id.0));
        let attachment = if self.is_film {
            // Flickr hands no film file out to others: its page shows it.
            let poster = picture.map(|picture| picture.url);
            Some(Media {
                poster,
                media_type: Some("text/html".to_owned()),
                ..Media::new(MediaKind::Link, page.clone())
            })
        } else {
            // Flickr's own pages give the title as the alternative text of a picture.
            picture.map(|picture| Media {
                alt: self.title.clone(),
                media_type: media_type(&picture.url).map(str::to_owned),
                ..picture
            })
        };
        let title = self.title.as_deref().and_then(titled).unwrap_or_else(|| untitled(&self.id.0));
        Ok(Post {
            owner: Some(self.owner),
            owner_handle: Some(handle),
            thumbnail_url,
            attachments: attachment.into_iter().collect(),
            ..Post::new(ObjectRef::new(PLATFORM, &self.id.0)?, kind, title, page)
        })
    }
}

/// The addresses of a photo's files, made of its parts. The original is never among them: it has a secret of its own.
struct Files {
    stem: String,
}

impl Files {
    fn new(id: &str, server: Option<&Text>, secret: Option<&Text>) -> Option<Files> {
        let is_part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric());
        let (server, secret) = (server?.as_str(), secret?.as_str());
        // Server 0: the file is not there yet.
        let is_there = is_part(server) && is_part(secret) && server != "0";
        is_there.then(|| Files { stem: format!("https://live.staticflickr.com/{server}/{id}_{secret}") })
    }

    /// 500 pixels: the largest that every photo has, however small it was uploaded.
    fn medium(&self) -> Media {
        Media::new(MediaKind::Image, format!("{}.jpg", self.stem))
    }

    /// 240 pixels.
    fn small(&self) -> String {
        format!("{}_m.jpg", self.stem)
    }
}

fn media_type(url: &str) -> Option<&'static str> {
    match url.rsplit_once('.')?.1 {
        "jpg" | "jpeg" => Some("image/jpeg"),
        "png" => Some("image/png"),
        "gif" => Some("image/gif"),
        _ => None,
    }
}

pub(super) fn untitled(id: &str) -> String {
    format!("Photo {id}")
}

/// `film:iso=100`: written by programs for programs.
fn is_machine_tag(tag: &str) -> bool {
    tag.split_once(':').is_some_and(|(_, rest)| rest.contains('='))
}

/// 0 is safe, 1 is moderate, 2 is restricted.
fn is_sensitive(level: Option<&Text>) -> bool {
    level.is_some_and(|level| !matches!(level.as_str(), "0" | ""))
}

#[derive(Deserialize)]
struct WireInfo {
    id: Id,
    secret: Option<Text>,
    server: Option<Text>,
    dateuploaded: Option<Text>,
    license: Option<Text>,
    safety_level: Option<Text>,
    owner: WireOwner,
    title: Option<Content>,
    description: Option<Content>,
    visibility: Option<WireVisibility>,
    media: Option<String>,
    tags: Option<Value>,
    urls: Option<Value>,
    video: Option<Value>,
}

#[derive(Deserialize)]
struct WireOwner {
    nsid: String,
    path_alias: Option<String>,
}

#[derive(Deserialize)]
struct WireVisibility {
    ispublic: Option<Text>,
}

#[derive(Deserialize)]
struct WireTags {
    tag: Vec<WireTag>,
}

#[derive(Deserialize)]
struct WireTag {
    /// As its author wrote it.
    raw: Option<Text>,
    #[serde(rename = "_content")]
    normal: Option<Text>,
    machine_tag: Option<Text>,
}

#[derive(Deserialize)]
struct WireUrls {
    url: Vec<WireUrl>,
}

#[derive(Deserialize)]
struct WireUrl {
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "_content")]
    address: String,
}

#[derive(Deserialize)]
struct WireVideo {
    /// Seconds.
    duration: Text,
}

/// A photo or film from `flickr.photos.getInfo`.
///
/// - errors: [`Error::Forbidden`] for one that is not public, which only a token of its owner or of friends sees.
pub fn photo(bytes: &[u8]) -> Result<Post, Error> {
    #[derive(Deserialize)]
    struct Reply {
        photo: WireInfo,
    }
    let Reply { photo } = parse(bytes)?;
    if photo.visibility.is_some_and(|visibility| is_zero(visibility.ispublic.as_ref())) {
        return Err(Error::Forbidden { message: "the photo is private".to_owned() });
    }
    let files = Files::new(&photo.id.0, photo.server.as_ref(), photo.secret.as_ref());
    let tags = adornment::<WireTags>(photo.tags).map(|tags| tags.tag).unwrap_or_default();
    let urls = adornment::<WireUrls>(photo.urls).map(|urls| urls.url).unwrap_or_default();
    let duration = adornment::<WireVideo>(photo.video).and_then(|video| video.duration.0.parse().ok());
    let basics = Basics {
        id: photo.id,
        owner: account(&photo.owner.nsid)?,
        alias: photo.owner.path_alias,
        title: text(photo.title),
        is_film: photo.media.as_deref() == Some("video"),
        page: urls.into_iter().find(|url| url.kind == "photopage").map(|url| url.address),
    };
    let picture = files.as_ref().map(Files::medium);
    Ok(Post {
        description: described(text(photo.description)),
        published: photo.dateuploaded.as_ref().map(epoch).transpose()?,
        licence: photo.license.as_ref().and_then(licence_address).map(str::to_owned),
        tags: tags
            .into_iter()
            .filter(|tag| tag.machine_tag.as_ref().is_none_or(|flag| flag.0 != "1"))
            .filter_map(|tag| written(tag.raw.or(tag.normal).map(|tag| tag.0)))
            .filter(|tag| !is_machine_tag(tag))
            .collect(),
        is_sensitive: is_sensitive(photo.safety_level.as_ref()),
        duration: duration.map(Duration::from_secs),
        ..basics.post(picture, files.as_ref().map(Files::small))?
    })
}

/// The files of a photo from `flickr.photos.getSizes`, smallest first.
pub fn sizes(bytes: &[u8]) -> Result<Listed<Media>, Error> {
    #[derive(Deserialize)]
    struct Reply {
        sizes: List,
    }
    #[derive(Deserialize)]
    struct List {
        size: Vec<Value>,
    }
    #[derive(Deserialize)]
    struct Size {
        source: String,
        width: Option<Text>,
        height: Option<Text>,
        media: Option<String>,
    }
    let Reply { sizes } = parse(bytes)?;
    items(sizes.size, |size: Size| {
        let pixels = |text: Option<Text>| text.and_then(|text| text.0.parse().ok());
        let kind = if size.media.as_deref() == Some("video") { MediaKind::Video } else { MediaKind::Image };
        let media_type = media_type(&size.source).map(str::to_owned);
        let (width, height) = (pixels(size.width), pixels(size.height));
        Ok(Some(Media { width, height, media_type, ..Media::new(kind, size.source) }))
    })
}

/// A post of which only the number is known, as in the export file.
pub(super) fn bare_post(id: &Id) -> Result<Post, Error> {
    Ok(Post::new(ObjectRef::new(PLATFORM, &id.0)?, PostKind::Image, untitled(&id.0), short_url(&id.0)))
}
