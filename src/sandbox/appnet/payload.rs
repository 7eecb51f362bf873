//! App.net's and pnut.io's documents in their full documented shape, filled from the world.
//!
//! Owns that nothing is trimmed to what a connector reads, and that annotations come only when they were asked for.

use serde_json::{Value, json};

use crate::domain::identity::Platform;
use crate::sandbox::model::{Post, User, UserKind, World};
use crate::sandbox::oauth::v2::Bearer;
use crate::sandbox::reply::Request;

const PLATFORM: Platform = Platform::AppNet;

/// Whose words a document uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    AppNet,
    Pnut,
}

impl Dialect {
    /// What a list of likes is called.
    pub const fn likes(self) -> &'static str {
        match self {
            Dialect::AppNet => "stars",
            Dialect::Pnut => "bookmarks",
        }
    }
}

/// Which annotations come along.
#[derive(Clone, Copy, Debug)]
pub struct Notes {
    of_people: bool,
    of_posts: bool,
}

impl Notes {
    pub const NONE: Notes = Notes { of_people: false, of_posts: false };
    pub const ALL: Notes = Notes { of_people: true, of_posts: true };

    pub fn asked(request: &Request) -> Notes {
        let is_on = |names: [&str; 4]| names.iter().any(|name| request.query.get(*name).is_some_and(|it| it == "1"));
        Notes {
            of_people: is_on(["include_annotations", "include_user_annotations", "include_raw", "include_user_raw"]),
            of_posts: is_on(["include_annotations", "include_post_annotations", "include_raw", "include_post_raw"]),
        }
    }
}

pub fn user(world: &World, user: &User, dialect: Dialect, notes: Notes) -> Value {
    let bio = user.bio.clone().unwrap_or_default();
    let kind = match user.kind {
        UserKind::Person => "human",
        UserKind::Organization => "feed",
        UserKind::Bot => "bot",
    };
    let posts = world.posts.iter().filter(|post| post.platform == PLATFORM && post.owner == user.id).count();
    let stars = world.likes_of(PLATFORM, &user.id).len();
    let homepage = user.website.as_ref().map(|url| ("directory.homepage", json!({ "url": url })));
    let image = |what: &str, size: u32| {
        let url = format!("https://files.example/{}/{what}.png", user.id);
        json!({ "height": size, "width": size, "is_default": true, "url": url, "link": url })
    };
    let mut shown = json!({
        "id": user.id,
        "username": user.handle,
        "name": user.name.clone().unwrap_or_else(|| user.handle.clone()),
        "created_at": user.created_at.to_string(),
        "locale": "en_US",
        "timezone": "Europe/Oslo",
        "type": kind,
        "follows_you": false,
        "you_blocked": false,
        "you_follow": false,
        "you_muted": false,
    });
    match dialect {
        Dialect::AppNet => {
            shown["canonical_url"] = json!(format!("https://alpha.app.net/{}", user.handle));
            shown["avatar_image"] = image("avatar", 200);
            shown["cover_image"] = image("cover", 960);
            shown["description"] = json!({ "text": bio, "html": html(&bio), "entities": entities(&bio, dialect) });
            shown["counts"] = json!({ "followers": 0, "following": 0, "posts": posts, "stars": stars });
        }
        Dialect::Pnut => {
            shown["guid"] = json!(format!("u-{}", user.id));
            shown["content"] = json!({
                "text": bio, "html": html(&bio), "entities": entities(&bio, dialect),
                "avatar_image": image("avatar", 200), "cover_image": image("cover", 960),
            });
            shown["counts"] = json!({
                "bookmarks": stars, "clients": 0, "followers": 0, "following": 0, "posts": posts, "users": 0,
            });
        }
    }
    if notes.of_people {
        annotate(&mut shown, dialect, homepage.into_iter().collect());
    }
    shown
}

/// - `viewer`: for whom it is shown.
pub fn post(world: &World, post: &Post, viewer: Option<&User>, dialect: Dialect, notes: Notes) -> Value {
    let owner = world.user(PLATFORM, &post.owner).expect("the owner of a post is never deleted without it");
    let text = post.description.clone().or_else(|| post.title.clone()).unwrap_or_else(|| post.name.clone());
    let tags: String = post.tags.iter().map(|tag| format!(" #{tag}")).collect();
    let text = format!("{text}{tags}");
    let stars = world.likes.iter().filter(|like| like.platform == PLATFORM && like.post == post.id).count();
    let is_starred =
        viewer.is_some_and(|viewer| world.likes_of(PLATFORM, &viewer.id).iter().any(|like| like.post == post.id));
    let mut shown = json!({
        "id": post.id,
        "user": user(world, owner, dialect, notes),
        "created_at": post.created_at.to_string(),
        "thread_id": post.id,
        "you_reposted": false,
    });
    let mut all = Vec::new();
    match dialect {
        Dialect::AppNet => {
            shown["canonical_url"] = json!(format!("https://alpha.app.net/{}/post/{}", owner.handle, post.id));
            shown["text"] = json!(text);
            shown["html"] = html(&text);
            shown["entities"] = entities(&text, dialect);
            shown["source"] = json!({ "client_id": "kA7bQx2m", "link": "https://alpha.app.net", "name": "Alpha" });
            shown["machine_only"] = json!(false);
            for (name, count) in [("num_replies", 0), ("num_reposts", 0), ("num_stars", stars)] {
                shown[name] = json!(count);
            }
            shown["you_starred"] = json!(is_starred);
        }
        Dialect::Pnut => {
            shown["guid"] = json!(format!("p-{}", post.id));
            shown["is_nsfw"] = json!(post.is_sensitive);
            shown["content"] = json!({ "text": text, "html": html(&text), "entities": entities(&text, dialect) });
            shown["source"] = json!({ "id": "c1", "link": "https://beta.pnut.io", "name": "Beta" });
            shown["counts"] = json!({ "bookmarks": stars, "replies": 0, "reposts": 0, "threads": 0 });
            shown["you_bookmarked"] = json!(is_starred);
        }
    }
    if let Some(title) = &post.title {
        let url = format!("https://files.example/{}.jpg", post.id);
        let photo = json!({
            "version": "1.0", "type": "photo", "width": 1200, "height": 800, "title": title, "url": url,
            "thumbnail_url": format!("https://files.example/{}_s.jpg", post.id),
            "thumbnail_width": 200, "thumbnail_height": 133,
        });
        all.push(("oembed", photo));
    }
    if notes.of_posts {
        annotate(&mut shown, dialect, all);
    }
    shown
}

pub fn token(world: &World, owner: &User, bearer: Option<&Bearer>, dialect: Dialect) -> Value {
    let client = bearer.map(|bearer| bearer.client.as_str()).unwrap_or_default();
    json!({
        "app": { "client_id": client, "link": "https://node.example", "name": "Sandbox" },
        "scopes": bearer.map(Bearer::scopes).unwrap_or_default(),
        "limits": { "following": 40, "max_file_size": 10_000_000 },
        "storage": { "available": 8_787_479_688_u64, "used": 0 },
        "user": user(world, owner, dialect, Notes::NONE),
    })
}

fn annotate(shown: &mut Value, dialect: Dialect, notes: Vec<(&str, Value)>) {
    let (field, prefix) = match dialect {
        Dialect::AppNet => ("annotations", "net.app.core"),
        Dialect::Pnut => ("raw", "io.pnut.core"),
    };
    let list: Vec<Value> =
        notes.into_iter().map(|(name, value)| json!({ "type": format!("{prefix}.{name}"), "value": value })).collect();
    shown[field] = json!(list);
}

fn html(text: &str) -> Value {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    json!(format!("<span itemscope=\"https://app.net/schemas/Post\">{text}</span>"))
}

/// Links and tags with their places, counted in characters.
fn entities(text: &str, dialect: Dialect) -> Value {
    let (mut links, mut tags, mut place) = (Vec::new(), Vec::new(), 0);
    for word in text.split(' ') {
        let length = word.chars().count();
        if word.starts_with("https://") || word.starts_with("http://") {
            let field = if dialect == Dialect::AppNet { "url" } else { "link" };
            links.push(json!({ field: word, "text": word, "pos": place, "len": length }));
        } else if let Some(tag) = word.strip_prefix('#').filter(|tag| !tag.is_empty()) {
            let field = if dialect == Dialect::AppNet { "name" } else { "text" };
            tags.push(json!({ field: tag, "pos": place, "len": length }));
        }
        place += length + 1;
    }
    match dialect {
        Dialect::AppNet => json!({ "hashtags": tags, "links": links, "mentions": [] }),
        Dialect::Pnut => json!({ "tags": tags, "links": links, "mentions": [] }),
    }
}
