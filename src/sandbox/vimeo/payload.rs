//! Vimeo's documents in their documented shape, filled from the world.
//!
//! Owns that nothing is trimmed to what a connector reads, and that `interactions` tell what the *asker* did.

use serde_json::{Value, json};

use super::liked_at;
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;
use crate::sandbox::model::{Post, User, World};

/// The people of the site read these pages; the API is elsewhere.
const SITE: &str = "https://vimeo.com";

/// `2013-06-01T00:00:00+00:00`
pub fn date(at: Timestamp) -> String {
    at.floor_to_second().to_string().replace('Z', "+00:00")
}

fn pictures(uri: &str, place: &str, id: &str, sizes: &[(u32, u32)]) -> Value {
    let sizes = sizes.iter().map(|(width, height)| {
        let link = format!("https://i.vimeocdn.com/{place}/{id}_{width}x{height}?r=pad");
        json!({ "width": width, "height": height, "link": link, "link_with_play_button": link })
    });
    json!({
        "uri": format!("{uri}/pictures/{id}"),
        "active": true,
        "type": "custom",
        "sizes": sizes.collect::<Vec<Value>>(),
        "resource_key": "0",
    })
}

/// The document of `GET /users/{id}`.
pub fn user(user: &User) -> Value {
    let uri = format!("/users/{}", user.id);
    let connection = |name: &str| json!({ "uri": format!("{uri}/{name}"), "options": ["GET"], "total": 0 });
    // Vimeo takes any text for an address, and shows it as it was typed.
    let websites: Vec<Value> =
        user.website.iter().map(|link| json!({ "name": null, "link": link, "description": null })).collect();
    json!({
        "uri": uri,
        "name": user.name.as_ref().unwrap_or(&user.handle),
        "link": format!("{SITE}/{}", user.handle),
        "location": null,
        "bio": user.bio,
        "short_bio": null,
        "created_time": date(user.created_at),
        "account": "basic",
        "content_filter": ["language", "drugs", "violence", "nudity", "safe", "unrated"],
        "pictures": pictures(&uri, "portrait", &user.id, &[(30, 30), (300, 300)]),
        "websites": websites,
        "metadata": {
            "connections": { "likes": connection("likes"), "videos": connection("videos") },
            "interactions": { "follow": { "added": false, "added_time": null, "uri": null } },
        },
        "preferences": { "videos": { "privacy": { "view": "anybody", "embed": "public" } } },
        "resource_key": "0",
        "available_for_hire": false,
    })
}

/// The document of `GET /videos/{id}`.
///
/// - `me`: who asks.
pub fn video(world: &World, post: &Post, me: Option<&str>) -> Value {
    let owner = world.user(Platform::Vimeo, &post.owner).expect("a video ends with its owner");
    let uri = format!("/videos/{}", post.id);
    let liked_at = me.and_then(|me| liked_at(world, me, &post.id));
    let likes = world.likes.iter().filter(|like| like.platform == Platform::Vimeo && like.post == post.id).count();
    let tags = post.tags.iter().map(|tag| {
        let canonical = tag.to_lowercase();
        json!({ "uri": format!("/tags/{tag}"), "name": tag, "tag": tag, "canonical": canonical, "metadata": {} })
    });
    let interactions = me.map(|me| {
        json!({
            "watchlater": { "uri": null, "options": ["GET"], "added": false, "added_time": null },
            "like": {
                "uri": format!("/users/{me}/likes/{}", post.id),
                "options": ["GET", "PUT", "DELETE"],
                "added": liked_at.is_some(),
                "added_time": liked_at.map(date),
            },
        })
    });
    let created = date(post.created_at);
    json!({
        "uri": uri,
        "name": post.title.as_ref().unwrap_or(&post.name),
        "description": post.description,
        "type": "video",
        "link": format!("{SITE}/{}", post.id),
        "duration": 81,
        "width": 1920,
        "height": 1080,
        "language": null,
        "embed": { "html": format!("<iframe src=\"https://player.vimeo.com/video/{}\"></iframe>", post.id) },
        "created_time": created,
        "modified_time": created,
        "release_time": created,
        "content_rating": if post.is_sensitive { ["nudity"] } else { ["safe"] },
        "license": post.licence,
        "privacy": {
            "view": if post.is_private { "nobody" } else { "anybody" },
            "embed": "public",
            "download": false,
            "add": true,
            "comments": "anybody",
        },
        "pictures": pictures(&uri, "video", &post.id, &[(100, 75), (640, 360), (1280, 720)]),
        "tags": tags.collect::<Vec<Value>>(),
        "stats": { "plays": null },
        "categories": [],
        "metadata": {
            "connections": { "likes": { "uri": format!("{uri}/likes"), "options": ["GET"], "total": likes } },
            "interactions": interactions,
        },
        "user": user(owner),
        "status": "available",
        "transcode": { "status": "complete" },
        "resource_key": "0",
    })
}

/// The documents of `GET /creativecommons`.
pub fn licences() -> Vec<Value> {
    let named = [
        ("by", "Attribution"),
        ("by-sa", "Attribution Share Alike"),
        ("by-nd", "Attribution No Derivatives"),
        ("by-nc", "Attribution Non-Commercial"),
        ("by-nc-sa", "Attribution Non-Commercial Share Alike"),
        ("by-nc-nd", "Attribution Non-Commercial No Derivatives"),
        ("cc0", "Public Domain Dedication"),
    ];
    let shown = |(code, name)| json!({ "code": code, "name": name, "uri": format!("/creativecommons/{code}") });
    named.into_iter().map(shown).collect()
}
