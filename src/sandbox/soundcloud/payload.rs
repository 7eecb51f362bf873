//! SoundCloud's documents in their documented shape, filled from the world.
//!
//! Owns that nothing is trimmed to what a connector reads: a decoder that trips over a field trips here.

use serde_json::{Value, json};

use super::{SITE, is_of_kind};
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;
use crate::sandbox::model::{Post, User, World};

const API: &str = "https://api.soundcloud.com";

/// `2013/06/01 00:00:00 +0000`
pub fn date(at: Timestamp) -> String {
    let text = at.floor_to_second().to_string();
    text.replace('-', "/").replace('T', " ").replace('Z', " +0000")
}

/// How far a track may be heard where the asker is.
pub fn access<'a>(world: &'a World, post: &Post) -> &'a str {
    let kept = world.kept.get(&(Platform::SoundCloud, format!("access:{}", post.id)));
    kept.and_then(Value::as_str).unwrap_or("playable")
}

/// The page of a track or a set.
pub fn page(world: &World, post: &Post) -> String {
    let owner = world.user(Platform::SoundCloud, &post.owner).expect("a sound ends with its owner");
    let below = if is_of_kind(post, "playlists") { "sets/" } else { "" };
    format!("{SITE}/{}/{below}{}", owner.handle, post.name)
}

/// The document of `GET /users/{urn}`.
pub fn user(user: &User) -> Value {
    json!({
        "avatar_url": "https://i1.sndcdn.com/avatars-000-large.jpg",
        "city": null,
        "country": null,
        "created_at": date(user.created_at),
        "description": user.bio,
        "discogs_name": null,
        "first_name": null,
        "followers_count": 0,
        "followings_count": 0,
        "full_name": user.name.clone().unwrap_or_default(),
        "urn": user.id,
        "kind": "user",
        "last_modified": date(user.created_at),
        "last_name": null,
        "myspace_name": null,
        "permalink": user.handle,
        "permalink_url": format!("{SITE}/{}", user.handle),
        "plan": "Free",
        "playlist_count": 0,
        "public_favorites_count": 0,
        "reposts_count": 0,
        "subscriptions": [{ "product": { "id": "free", "name": "Free" } }],
        "track_count": 0,
        "uri": format!("{API}/users/{}", user.id),
        "username": user.name.as_ref().unwrap_or(&user.handle),
        "website": user.website,
        "website_title": null,
    })
}

/// One of `GET /users/{urn}/web-profiles`.
pub fn web_profile(url: &Value) -> Value {
    json!({
        "created_at": "2013/06/01 00:00:00 +0000",
        "id": 1,
        "urn": "soundcloud:web-profiles:1",
        "kind": "web-profile",
        "service": "personal",
        "title": "",
        "url": url,
        "username": null,
    })
}

/// The document of `GET /tracks/{urn}` or `/playlists/{urn}`.
pub fn sound(world: &World, post: &Post) -> Value {
    let owner = world.user(Platform::SoundCloud, &post.owner).expect("a sound ends with its owner");
    let is_set = is_of_kind(post, "playlists");
    let quoted = |tag: &String| if tag.contains(' ') { format!("\"{tag}\"") } else { tag.clone() };
    let likes = world.likes.iter().filter(|like| like.post == post.id).count();
    let kind = if is_set { "playlist" } else { "track" };
    let uri = format!("{API}/{kind}s/{}", post.id);
    let mut shown = json!({
        "kind": kind,
        "artwork_url": "https://i1.sndcdn.com/artworks-000-large.jpg",
        "created_at": date(post.created_at),
        "description": post.description,
        "downloadable": false,
        "duration": 40_000,
        "embeddable_by": "all",
        "genre": "",
        "urn": post.id,
        "label_name": null,
        "license": post.licence.as_deref().unwrap_or("all-rights-reserved"),
        "permalink_url": format!("{}?utm_medium=api&utm_campaign=social_sharing&utm_source=id_1", page(world, post)),
        "purchase_title": null,
        "purchase_url": null,
        "release_day": null,
        "sharing": if post.is_private { "private" } else { "public" },
        "streamable": true,
        "tag_list": post.tags.iter().map(quoted).collect::<Vec<_>>().join(" "),
        "title": post.title.as_ref().unwrap_or(&post.name),
        "uri": uri,
        "user": user(owner),
    });
    let more = if is_set {
        json!({
            "ean": null,
            "likes_count": likes,
            "playlist_type": "",
            "track_count": 0,
            "tracks": [],
            "tracks_uri": format!("{uri}/tracks"),
        })
    } else {
        json!({
            "access": access(world, post),
            "bpm": null,
            "comment_count": 0,
            "commentable": true,
            "favoritings_count": likes,
            "isrc": null,
            "playback_count": 0,
            "stream_url": format!("{uri}/stream"),
            "waveform_url": "https://wave.sndcdn.com/000.png",
        })
    };
    let more = more.as_object().expect("the literals here are objects").clone();
    shown.as_object_mut().expect("the literal above is an object").extend(more);
    shown
}
