//! The replies of the API of today, for professional accounts that signed in: who they are and what they posted.
//!
//! Owns that such a post has the same id as everywhere: the shortcode in its `permalink`, since the `id` here is known
//! to nobody else. There is no list of likes in this API. Source: developers.facebook.com, "Instagram API with
//! Instagram Login".

use serde::Deserialize;
use serde_json::Value;

use super::wire::{Page, account, any_time, object, untitled};
use super::{error, url};
use crate::bridges::error::Error;
use crate::bridges::value::{ActorKind, Media, MediaKind, Post, PostKind, Profile};
use crate::bridges::wire::{Text, described, document, item, items, titled, written};
use crate::domain::identity::ExternalId;

/// What is asked for of an account. `biography` and `website` belong to apps with Facebook Login, and asking others for them
/// fails; what a reply holds of them is read all the same.
pub const PROFILE_FIELDS: &str = "user_id,username,name,account_type,profile_picture_url";
pub const MEDIA_FIELDS: &str = "id,caption,media_type,media_url,thumbnail_url,permalink,timestamp,username,\
                                children{media_type,media_url,thumbnail_url}";

#[derive(Deserialize)]
struct WireProfile {
    /// The number of the account. `id` is another one for each app and names nobody elsewhere.
    user_id: Text,
    username: String,
    name: Option<String>,
    biography: Option<String>,
    website: Option<String>,
    profile_picture_url: Option<String>,
    account_type: Option<String>,
}

#[derive(Deserialize)]
struct WireMedia {
    caption: Option<String>,
    media_type: Option<String>,
    media_url: Option<String>,
    thumbnail_url: Option<String>,
    permalink: String,
    timestamp: Option<Text>,
    username: Option<String>,
    children: Option<WireChildren>,
}

#[derive(Deserialize)]
struct WireChildren {
    data: Vec<WireChild>,
}

#[derive(Deserialize)]
struct WireChild {
    media_type: Option<String>,
    media_url: Option<String>,
    thumbnail_url: Option<String>,
}

#[derive(Deserialize)]
struct Envelope {
    data: Vec<Value>,
    paging: Option<WirePaging>,
}

#[derive(Deserialize)]
struct WirePaging {
    cursors: Option<WireCursors>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct WireCursors {
    after: Option<String>,
}

/// The profile from `GET /me`: bare, or in a list of one, as the documentation shows it.
pub fn profile(bytes: &[u8]) -> Result<Profile, Error> {
    let value: Value = document(bytes, error::reported)?;
    if let Some(error) = error::reported(bytes) {
        return Err(error);
    }
    let value = match value.get("data") {
        Some(Value::Array(values)) if values.len() == 1 => values[0].clone(),
        _ => value,
    };
    let user: WireProfile = item(value)?;
    Ok(Profile {
        id: account(&user.user_id.0)?,
        profile_url: url::profile(&user.username),
        handle: user.username,
        display_name: written(user.name),
        bio: written(user.biography),
        website: written(user.website),
        links: Vec::new(),
        avatar_url: written(user.profile_picture_url),
        // BUSINESS is a firm by its own word; a MEDIA_CREATOR is a person.
        kind: if user.account_type.as_deref() == Some("BUSINESS") {
            ActorKind::Organization
        } else {
            ActorKind::Person
        },
        refuses_bridges: Some(false),
    })
}

/// Posts from `GET /me/media`.
///
/// - `owner`: whose token was used; the list itself names at most a handle.
pub fn posts(bytes: &[u8], owner: Option<&ExternalId>) -> Result<Page<Post>, Error> {
    if let Some(error) = error::reported(bytes) {
        return Err(error);
    }
    let envelope: Envelope = document(bytes, error::reported)?;
    // The last page has cursors too; only `next` says that there is more.
    let next = envelope.paging.filter(|paging| paging.next.is_some());
    let next = next.and_then(|paging| paging.cursors?.after);
    Ok(Page { found: items(envelope.data, |media: WireMedia| read_media(media, owner).map(Some))?, next })
}

fn read_media(media: WireMedia, owner: Option<&ExternalId>) -> Result<Post, Error> {
    let code = url::shortcode_in(&media.permalink)
        .ok_or_else(|| Error::malformed(format!("`{}` is no address of a post", media.permalink)))?;
    let title = media.caption.as_deref().and_then(titled).unwrap_or_else(|| untitled(media.username.as_deref()));
    let kind = if media.media_type.as_deref() == Some("VIDEO") { PostKind::Video } else { PostKind::Image };
    let children = media.children.map(|children| children.data).unwrap_or_default();
    let attachments: Vec<Media> = if children.is_empty() {
        attached(media.media_type.as_deref(), media.media_url.clone(), media.thumbnail_url.clone())
            .into_iter()
            .collect()
    } else {
        let parts = children.into_iter();
        parts.filter_map(|it| attached(it.media_type.as_deref(), it.media_url, it.thumbnail_url)).collect()
    };
    let picture = attachments.first().and_then(|media| match media.kind {
        MediaKind::Image => Some(media.url.clone()),
        _ => media.poster.clone(),
    });
    Ok(Post {
        owner: owner.cloned(),
        owner_handle: written(media.username),
        description: described(media.caption),
        thumbnail_url: media.thumbnail_url.or(picture),
        published: media.timestamp.as_ref().map(any_time).transpose()?,
        attachments,
        ..Post::new(object(&code)?, kind, title, url::permalink(&code))
    })
}

/// A film of a professional account may have no address of its own, when its music is somebody else's.
fn attached(kind: Option<&str>, url: Option<String>, still: Option<String>) -> Option<Media> {
    if kind == Some("VIDEO") {
        let film = Media::new(MediaKind::Video, url?);
        return Some(Media { media_type: Some("video/mp4".to_owned()), poster: still, ..film });
    }
    Some(Media::new(MediaKind::Image, url?))
}
