//! Instagram's documents in their documented shape, filled from the world.
//!
//! Owns the three names of one post (its number, the number with its owner's, the shortcode), and that the export file
//! writes each byte of a text as a letter of its own, as Instagram does.

use serde_json::{Map, Value, json};

use crate::domain::identity::Platform;
use crate::sandbox::model::{Like, Missing, Post, PostKind, User, UserKind, World};
use crate::sandbox::reply::Request;

const SITE: &str = "https://www.instagram.com";

/// The number in base 64 with the letters of RFC 4648, section 5.
pub fn shortcode(id: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let Ok(mut number) = id.parse::<u64>() else { return id.to_owned() };
    let mut code = String::new();
    while number > 0 {
        code.insert(0, char::from(LETTERS[(number % 64) as usize]));
        number /= 64;
    }
    code
}

pub fn media_id(post: &Post) -> String {
    format!("{}_{}", post.id, post.owner)
}

fn link(post: &Post) -> String {
    let form = if post.kind == PostKind::Video { "reel" } else { "p" };
    format!("{SITE}/{form}/{}/", shortcode(&post.id))
}

fn words(post: &Post) -> Option<String> {
    post.description.clone().or_else(|| post.title.clone())
}

fn avatar(user: &User) -> String {
    format!("https://images.instagram.com/profiles/profile_{}_75sq.jpg", user.id)
}

/// The short form that stands inside other documents.
pub fn short_user(user: &User) -> Value {
    json!({
        "id": user.id,
        "username": user.handle,
        "full_name": user.name.clone().unwrap_or_default(),
        "profile_picture": avatar(user),
    })
}

/// The document of `GET /v1/users/{id}`.
pub fn user(world: &World, user: &User) -> Value {
    let count = world.posts.iter().filter(|post| post.platform == Platform::Instagram && post.owner == user.id).count();
    let mut shown = short_user(user);
    shown["bio"] = json!(user.bio.clone().unwrap_or_default());
    shown["website"] = json!(user.website.clone().unwrap_or_default());
    shown["counts"] = json!({ "media": count, "follows": 0, "followed_by": 0 });
    shown
}

fn file(post: &Post, name: &str, size: u32, ending: &str) -> Value {
    json!({
        "url": format!("https://images.instagram.com/media/{}_{name}.{ending}", post.id),
        "width": size,
        "height": size,
    })
}

/// The document of a post.
pub fn media(world: &World, post: &Post, viewer: &str) -> Value {
    let owner = world.user(Platform::Instagram, &post.owner).expect("a post ends with its owner");
    let likes = world.likes.iter().filter(|like| like.platform == Platform::Instagram && like.post == post.id);
    let created = post.created_at.seconds().to_string();
    let caption = words(post).map(|text| {
        json!({ "id": format!("{}1", post.id), "created_time": created, "text": text, "from": short_user(owner) })
    });
    let mut shown = json!({
        "id": media_id(post),
        "type": if post.kind == PostKind::Video { "video" } else { "image" },
        "link": link(post),
        "created_time": created,
        "caption": caption,
        "tags": post.tags,
        "user": short_user(owner),
        "users_in_photo": [],
        "filter": "Normal",
        "location": null,
        "attribution": null,
        "comments": { "count": 0, "data": [] },
        "likes": { "count": likes.clone().count(), "data": [] },
        "user_has_liked": likes.clone().any(|like| like.user == viewer),
        "images": {
            "thumbnail": file(post, "5", 150, "jpg"),
            "low_resolution": file(post, "6", 306, "jpg"),
            "standard_resolution": file(post, "7", 612, "jpg"),
        },
    });
    if post.kind == PostKind::Video {
        shown["videos"] = json!({
            "low_resolution": file(post, "102", 480, "mp4"),
            "standard_resolution": file(post, "101", 640, "mp4"),
        });
    }
    shown
}

/// Keeps what was asked for; `id` always comes.
fn asked(full: Value, request: &Request) -> Value {
    let fields = request.query.get("fields").cloned().unwrap_or_default();
    let names: Vec<&str> = fields.split([',', '{']).map(str::trim).collect();
    let Value::Object(full) = full else { unreachable!("the literals here are objects") };
    let is_wanted =
        |(name, value): &(String, Value)| !value.is_null() && (name == "id" || names.contains(&name.as_str()));
    Value::Object(full.into_iter().filter(is_wanted).collect::<Map<String, Value>>())
}

/// The document of `GET /me` today. `biography` and `website` belong to another interface and do not come.
pub fn graph_user(user: &User, request: &Request) -> Value {
    let full = json!({
        "id": format!("25{}", user.id),
        "user_id": user.id,
        "username": user.handle,
        "name": user.name,
        "account_type": if user.kind == UserKind::Organization { "BUSINESS" } else { "MEDIA_CREATOR" },
        "profile_picture_url": avatar(user),
        "followers_count": 0,
        "media_count": 0,
    });
    asked(full, request)
}

/// A post in the list of `GET /me/media` today.
pub fn graph_media(world: &World, post: &Post, request: &Request) -> Value {
    let owner = world.user(Platform::Instagram, &post.owner).expect("a post ends with its owner");
    let is_film = post.kind == PostKind::Video;
    let at = chrono::DateTime::from_timestamp(post.created_at.seconds(), 0).expect("a year that exists");
    let full = json!({
        "id": format!("17{}", post.id),
        "caption": words(post),
        "media_type": if is_film { "VIDEO" } else { "IMAGE" },
        "media_url": file(post, if is_film { "101" } else { "7" }, 0, if is_film { "mp4" } else { "jpg" })["url"],
        "thumbnail_url": is_film.then(|| file(post, "5", 0, "jpg")["url"].clone()),
        "permalink": link(post),
        "timestamp": at.format("%Y-%m-%dT%H:%M:%S+0000").to_string(),
        "username": owner.handle,
    });
    asked(full, request)
}

/// `liked_posts.json`, the shape until about 2025.
pub fn liked_posts(world: &World, likes: &[&Like]) -> Result<Value, Missing> {
    let rows: Result<Vec<Value>, Missing> = likes
        .iter()
        .map(|like| {
            let post = world.post(Platform::Instagram, &like.post)?;
            let owner = world.user(Platform::Instagram, &post.owner)?;
            let item = json!({ "href": link(post), "value": "\u{1f44d}", "timestamp": like.at.seconds() });
            Ok(json!({ "title": owner.handle, "string_list_data": [item] }))
        })
        .collect();
    Ok(json!({ "likes_media_likes": rows? }))
}

/// `liked_posts.json`, the shape of 2026: every value with its label.
pub fn labelled_posts(world: &World, likes: &[&Like]) -> Result<Value, Missing> {
    let address = |url: String| json!({ "label": "URL", "value": url.clone(), "href": url });
    let row = |like: &&Like| {
        let post = world.post(Platform::Instagram, &like.post)?;
        let owner = world.user(Platform::Instagram, &post.owner)?;
        let tag = |tag: &String| json!({ "dict": [{ "label": "Name", "value": tag }], "title": "" });
        let owned = json!([
            address(format!("{SITE}/{}/", owner.handle)),
            { "label": "Name", "value": owner.name.clone().unwrap_or_default() },
            { "label": "Username", "value": owner.handle },
        ]);
        Ok(json!({
            "timestamp": like.at.seconds(),
            "media": [],
            "fbid": post.id,
            "label_values": [
                address(link(post)),
                { "label": "Caption", "value": words(post).unwrap_or_default() },
                { "label": "Title", "value": "" },
                { "dict": post.tags.iter().map(tag).collect::<Vec<Value>>(), "title": "Hashtags" },
                { "dict": [{ "dict": owned, "title": "" }], "title": "Owner" },
            ],
        }))
    };
    likes.iter().map(row).collect::<Result<Vec<Value>, Missing>>().map(Value::Array)
}

/// `personal_information.json`.
pub fn personal(user: &User) -> Value {
    let field = |value: &str| json!({ "href": "", "value": value, "timestamp": 0 });
    json!({ "profile_user": [{
        "title": "User Information",
        "media_map_data": {},
        "string_map_data": {
            "Username": field(&user.handle),
            "Name": field(user.name.as_deref().unwrap_or_default()),
        },
    }] })
}

/// A document in which each byte beyond ASCII is a letter of its own.
pub fn in_letters(document: &Value) -> Vec<u8> {
    let mut out = String::new();
    for byte in document.to_string().bytes() {
        if byte.is_ascii() { out.push(char::from(byte)) } else { out.push_str(&format!("\\u{byte:04x}")) }
    }
    out.into_bytes()
}
