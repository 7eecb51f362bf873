//! The documents of Flickr, in the documented shape.
//!
//! Owns their mixture: numbers as text in one field and as numbers in the next, texts wrapped in `_content` in one
//! reply and bare in another. Source: flickr.com/services/api, flickr.com/services/api/misc.urls.html.

use serde_json::{Value, json};

use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;
use crate::sandbox::model::{Post, PostKind, User, World};

const SITE: &str = "https://www.flickr.com";
const SERVER: &str = "3128";
const BASE58: &[u8] = b"123456789abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ";

/// Number, name and address of each licence.
const LICENCES: [(u8, &str, &str, &str); 11] = [
    (0, "", "All Rights Reserved", ""),
    (4, "CC-BY-2.0", "Attribution License", "https://creativecommons.org/licenses/by/2.0/"),
    (6, "CC-BY-ND-2.0", "Attribution-NoDerivs License", "https://creativecommons.org/licenses/by-nd/2.0/"),
    (
        3,
        "CC-BY-NC-ND-2.0",
        "Attribution-NonCommercial-NoDerivs License",
        "https://creativecommons.org/licenses/by-nc-nd/2.0/",
    ),
    (2, "CC-BY-NC-2.0", "Attribution-NonCommercial License", "https://creativecommons.org/licenses/by-nc/2.0/"),
    (
        1,
        "CC-BY-NC-SA-2.0",
        "Attribution-NonCommercial-ShareAlike License",
        "https://creativecommons.org/licenses/by-nc-sa/2.0/",
    ),
    (5, "CC-BY-SA-2.0", "Attribution-ShareAlike License", "https://creativecommons.org/licenses/by-sa/2.0/"),
    (7, "", "No known copyright restrictions", "https://www.flickr.com/commons/usage/"),
    (8, "", "United States Government Work", "http://www.usa.gov/copyright.shtml"),
    (9, "CC0-1.0", "Public Domain Dedication (CC0)", "https://creativecommons.org/publicdomain/zero/1.0/"),
    (10, "", "Public Domain Mark", "https://creativecommons.org/publicdomain/mark/1.0/"),
];

/// The number of a licence; a scenario names it by number, by its usual short name or by its address.
fn licence(post: &Post) -> u8 {
    let Some(name) = post.licence.as_deref() else { return 0 };
    let is_meant = |(number, short, _, url): &&(u8, &str, &str, &str)| {
        name == number.to_string() || (!short.is_empty() && name == *short) || (!url.is_empty() && name == *url)
    };
    LICENCES.iter().find(is_meant).map_or(0, |(number, ..)| *number)
}

pub fn licences() -> Value {
    let all = LICENCES.iter().map(|(id, _, name, url)| json!({ "id": id.to_string(), "name": name, "url": url }));
    json!({ "licenses": { "license": all.collect::<Vec<_>>() } })
}

fn content(text: &str) -> Value {
    json!({ "_content": text })
}

/// What stands in the address of a file, so that it cannot be guessed.
pub fn secret(id: &str) -> String {
    let number: u64 = id.parse().unwrap_or_default();
    format!("{:010x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24)
}

fn owner<'a>(world: &'a World, post: &Post) -> &'a User {
    world.user(Platform::Flickr, &post.owner).expect("a photo ends with its owner")
}

fn title(post: &Post) -> &str {
    post.title.as_deref().unwrap_or(&post.name)
}

fn media(post: &Post) -> &'static str {
    if post.kind == PostKind::Video { "video" } else { "photo" }
}

/// A photo in a list.
///
/// - `extras`: what was asked for beyond the least, separated by commas.
pub fn photo(world: &World, post: &Post, extras: &str, faved: Option<Timestamp>) -> Value {
    let owner = owner(world, post);
    let secret = secret(&post.id);
    let is_public = u8::from(!post.is_private);
    let mut shown = json!({
        "id": post.id, "owner": owner.id, "secret": secret, "server": SERVER, "farm": 4, "title": title(post),
        "ispublic": is_public, "isfriend": 0, "isfamily": 0,
    });
    if let Some(at) = faved {
        shown["date_faved"] = json!(at.seconds().to_string());
    }
    for extra in extras.split(',').map(str::trim) {
        match extra {
            "description" => shown["description"] = content(post.description.as_deref().unwrap_or_default()),
            "license" => shown["license"] = json!(licence(post).to_string()),
            "date_upload" => shown["dateupload"] = json!(post.created_at.seconds().to_string()),
            "owner_name" => shown["ownername"] = json!(owner.name.as_deref().unwrap_or(&owner.handle)),
            "path_alias" => shown["pathalias"] = json!(owner.handle),
            "tags" => shown["tags"] = json!(post.tags.join(" ")),
            "media" => {
                shown["media"] = json!(media(post));
                shown["media_status"] = json!("ready");
            }
            _ => size(&mut shown, extra, &post.id, &secret),
        }
    }
    shown
}

/// `url_l` and its measures, as the other sizes.
fn size(shown: &mut Value, extra: &str, id: &str, secret: &str) {
    let sizes = [("n", "_n", 320), ("m", "", 500), ("z", "_z", 640), ("c", "_c", 800), ("l", "_b", 1024)];
    let wanted = extra.strip_prefix("url_");
    if let Some((letter, suffix, width)) = sizes.into_iter().find(|(letter, ..)| wanted == Some(letter)) {
        let url = format!("https://live.staticflickr.com/{SERVER}/{id}_{secret}{suffix}.jpg");
        shown[format!("url_{letter}")] = json!(url);
        shown[format!("width_{letter}")] = json!(width);
        shown[format!("height_{letter}")] = json!((width * 2 / 3).to_string());
    }
}

/// The reply of flickr.photos.getInfo.
pub fn info(world: &World, post: &Post) -> Value {
    let owner = owner(world, post);
    let tags = post.tags.iter().enumerate().map(|(place, tag)| {
        let normal: String = tag.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        json!({
            "id": format!("1-{}-{place}", post.id), "author": owner.id, "authorname": owner.handle, "raw": tag,
            "_content": normal, "machine_tag": 0,
        })
    });
    let mut photo = json!({
        "id": post.id, "secret": secret(&post.id), "server": SERVER, "farm": 4,
        "dateuploaded": post.created_at.seconds().to_string(), "isfavorite": 0, "license": licence(post).to_string(),
        "safety_level": if post.is_sensitive { "2" } else { "0" }, "rotation": 0,
        "owner": {
            "nsid": owner.id, "username": owner.handle, "realname": owner.name, "location": "", "iconserver": "0",
            "iconfarm": 0, "path_alias": owner.handle,
        },
        "title": content(title(post)),
        "description": content(post.description.as_deref().unwrap_or_default()),
        "visibility": { "ispublic": u8::from(!post.is_private), "isfriend": 0, "isfamily": 0 },
        "dates": {
            "posted": post.created_at.seconds().to_string(), "taken": "2013-06-01 00:00:00", "takengranularity": 0,
            "takenunknown": "1", "lastupdate": world.now.seconds().to_string(),
        },
        "views": "0", "comments": { "_content": 0 }, "notes": { "note": [] }, "people": { "haspeople": 0 },
        "tags": { "tag": tags.collect::<Vec<_>>() },
        "urls": { "url": [{
            "type": "photopage", "_content": format!("{SITE}/photos/{}/{}/", owner.handle, post.id),
        }] },
        "media": media(post),
    });
    if post.kind == PostKind::Video {
        photo["video"] =
            json!({ "ready": 1, "failed": 0, "pending": 0, "duration": "60", "width": "640", "height": "360" });
    }
    json!({ "photo": photo })
}

/// The reply of flickr.photos.getSizes.
pub fn sizes(post: &Post) -> Value {
    let (id, secret) = (&post.id, secret(&post.id));
    let sizes =
        [("Square", "_s", 75, 75), ("Small", "_m", 240, 160), ("Medium", "", 500, 333), ("Large", "_b", 1024, 683)];
    let all = sizes.into_iter().map(|(label, suffix, width, height)| {
        json!({
            "label": label, "width": width, "height": height.to_string(), "media": "photo",
            "source": format!("https://live.staticflickr.com/{SERVER}/{id}_{secret}{suffix}.jpg"),
        })
    });
    json!({ "sizes": { "canblog": 0, "canprint": 0, "candownload": 1, "size": all.collect::<Vec<_>>() } })
}

/// The reply of flickr.people.getInfo, without the website.
pub fn person(world: &World, user: &User) -> Value {
    let count = world.posts.iter().filter(|post| post.platform == Platform::Flickr && post.owner == user.id).count();
    json!({ "person": {
        "id": user.id, "nsid": user.id, "ispro": 0, "is_deleted": 0, "iconserver": "0", "iconfarm": 0,
        "path_alias": user.handle, "has_stats": 0,
        "username": content(&user.handle),
        "realname": content(user.name.as_deref().unwrap_or_default()),
        "description": content(user.bio.as_deref().unwrap_or_default()),
        "location": content(""),
        "photosurl": content(&format!("{SITE}/photos/{}/", user.handle)),
        "profileurl": content(&format!("{SITE}/people/{}/", user.handle)),
        "photos": { "firstdate": content(&user.created_at.seconds().to_string()), "count": { "_content": count } },
    } })
}

/// The reply of flickr.profile.getProfile: the only one with the website.
pub fn profile(user: &User) -> Value {
    json!({ "profile": {
        "id": user.id, "nsid": user.id, "join_date": user.created_at.seconds().to_string(), "occupation": "",
        "hometown": "", "first_name": user.name, "last_name": "",
        "website": user.website.as_deref().unwrap_or_default(),
        "description": user.bio.as_deref().unwrap_or_default(), "city": "", "country": "",
    } })
}

/// The reply of the methods that lead from a name or a token to an account.
pub fn named(user: &User) -> Value {
    json!({ "user": { "id": user.id, "nsid": user.id, "username": content(&user.handle) } })
}

/// A person who likes a photo.
pub fn faver(user: &User, at: Timestamp) -> Value {
    json!({
        "nsid": user.id, "username": user.handle, "realname": user.name.as_deref().unwrap_or_default(),
        "favedate": at.seconds().to_string(), "iconserver": "0", "iconfarm": 0, "contact": 0, "friend": 0, "family": 0,
    })
}

/// `account_profile.json` of the export file.
pub fn export_account(world: &World, user: &User) -> Value {
    let faves = world.likes_of(Platform::Flickr, &user.id).len();
    json!({
        "real_name": user.name.as_deref().unwrap_or_default(), "join_date": "2005-08-31 03:47:36",
        "description": user.bio.as_deref().unwrap_or_default(), "email": "somebody@sandbox.invalid",
        "website_url": user.website.as_deref().unwrap_or_default(),
        "profile_url": format!("{SITE}/people/{}/", user.handle),
        "nsid": user.id, "path_alias": user.handle, "screen_name": user.handle, "pro_user": "no",
        "stats": { "faves_count": faves.to_string() },
    })
}

/// A favourite of the export file: neither owner nor time.
pub fn export_fave(id: &str) -> Value {
    let mut number: u64 = id.parse().unwrap_or_default();
    let mut code = String::new();
    while number > 0 {
        code.insert(0, char::from(BASE58[usize::try_from(number % 58).expect("less than 58")]));
        number /= 58;
    }
    json!({ "photo_id": id, "photo_url": format!("http://flic.kr/p/{code}") })
}
