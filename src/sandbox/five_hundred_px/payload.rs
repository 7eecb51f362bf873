//! The documents of 500px, in the documented shape.
//!
//! Owns their variety: a short and a full form, pictures as a list where several sizes were asked for and as one object
//! where not, times with the offset of Toronto. Source: 500px/legacy-api-documentation, basics, formats and terms.

use chrono::{DateTime, FixedOffset, SecondsFormat};
use serde_json::{Value, json};

use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;
use crate::sandbox::model::{Post, User, World};

const SECONDS_WEST: i32 = 5 * 3_600;

/// How photos were asked for.
#[derive(Clone, Debug, Default)]
pub struct Look {
    pub sizes: Vec<u8>,
    pub has_tags: bool,
}

/// An id as JSON shows it: a number, however large.
pub fn number(id: &str) -> Value {
    id.parse::<u64>().map_or_else(|_| json!(id), |number| json!(number))
}

fn time(at: Timestamp) -> String {
    let offset = FixedOffset::west_opt(SECONDS_WEST).expect("five hours are an offset");
    let at = DateTime::from_timestamp(at.seconds(), 0).expect("the sandbox lives in our time");
    at.with_timezone(&offset).to_rfc3339_opts(SecondsFormat::Secs, false)
}

fn owner<'a>(world: &'a World, post: &Post) -> &'a User {
    world.user(Platform::FiveHundredPx, &post.owner).expect("a photo ends with its owner")
}

fn licence(post: &Post) -> u8 {
    match post.licence.as_deref() {
        Some("1" | "CC BY-NC") => 1,
        Some("2" | "CC BY-NC-ND") => 2,
        Some("3" | "CC BY-NC-SA") => 3,
        Some("4" | "CC BY") => 4,
        Some("5" | "CC BY-ND") => 5,
        Some("6" | "CC BY-SA") => 6,
        Some("7") => 7,
        Some("8") => 8,
        _ => 0,
    }
}

fn picture(id: &str, size: u8) -> String {
    format!("http://pcdn.500px.net/{id}/16666558d7ba410f50922f86f736888d8cfaf9bb/{size}.jpg")
}

/// The short form, as lists have it.
pub fn short_photo(world: &World, post: &Post, look: &Look) -> Value {
    let largest = look.sizes.iter().copied().max().unwrap_or(2);
    let image = |size: u8| json!({ "size": size, "url": picture(&post.id, size) });
    let images = match look.sizes.as_slice() {
        [] => image(largest),
        [one] => image(*one),
        several => several.iter().map(|size| image(*size)).collect(),
    };
    let likes = world.likes.iter().filter(|like| like.platform == Platform::FiveHundredPx && like.post == post.id);
    let mut shown = json!({
        "id": number(&post.id),
        "name": post.title.as_deref().unwrap_or(&post.name),
        "description": post.description.as_deref().unwrap_or_default(),
        "times_viewed": 1, "rating": 42.5, "created_at": time(post.created_at), "category": 0,
        "privacy": post.is_private, "width": 750, "height": 500, "votes_count": 0,
        "favorites_count": likes.count(), "comments_count": 0, "nsfw": post.is_sensitive,
        "license_type": licence(post),
        "image_url": picture(&post.id, largest), "images": images,
        "user": short_user(owner(world, post)),
    });
    if look.has_tags {
        shown["tags"] = json!(post.tags);
    }
    shown
}

/// The full form, of a photo asked for alone.
pub fn full_photo(world: &World, post: &Post, look: &Look) -> Value {
    let mut shown = short_photo(world, post, look);
    let more = json!({
        "user_id": number(&post.owner), "status": 1, "camera": "", "lens": null, "focal_length": "35", "iso": "400",
        "shutter_speed": "1/20", "aperture": "2", "location": null, "latitude": null, "longitude": null,
        "taken_at": null, "hi_res_uploaded": 0, "for_sale": false, "sales_count": 0,
    });
    if let (Some(shown), Value::Object(more)) = (shown.as_object_mut(), more) {
        shown.extend(more);
    }
    shown
}

pub fn short_user(user: &User) -> Value {
    json!({
        "id": number(&user.id), "username": user.handle, "firstname": user.name.as_deref().unwrap_or_default(),
        "lastname": "", "city": null, "country": null,
        "fullname": user.name.as_deref().unwrap_or(&user.handle),
        "userpic_url": "/graphics/userpic.png", "upgrade_status": 0,
    })
}

/// The profile form. A website is stored without its scheme.
pub fn full_user(world: &World, user: &User) -> Value {
    let count = world.posts.iter().filter(|post| post.platform == user.platform && post.owner == user.id).count();
    let mut contacts = json!({});
    if let Some(website) = &user.website {
        let bare = website.strip_prefix("https://").or_else(|| website.strip_prefix("http://")).unwrap_or(website);
        contacts["website"] = json!(bare);
    }
    let mut shown = short_user(user);
    let more = json!({
        "birthday": null, "sex": 0, "state": null, "registration_date": time(user.created_at),
        "about": user.bio.as_deref().unwrap_or_default(), "domain": format!("{}.500px.com", user.handle),
        "locale": "en", "show_nude": false, "contacts": contacts, "equipment": {}, "photos_count": count,
        "galleries_count": 1, "affection": 0, "friends_count": 0, "followers_count": 0,
    });
    if let (Some(shown), Value::Object(more)) = (shown.as_object_mut(), more) {
        shown.extend(more);
    }
    shown
}

/// The number of a user's gallery of favourites.
pub fn gallery_id(user: &User) -> String {
    format!("7{}", user.id)
}

pub fn gallery(user: &User) -> Value {
    json!({
        "id": number(&gallery_id(user)), "user_id": number(&user.id), "name": "Favorite", "description": "",
        "subtitle": null, "privacy": 0, "kind": 5, "items_count": 0,
    })
}
