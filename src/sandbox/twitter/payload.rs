//! Twitter's documents in their documented shape, filled from the world.
//!
//! Owns that texts are escaped and addresses in them shortened as Twitter does, so that a reader that takes either for
//! the author's own words is found out; and that version 2 shows no more than was asked for.

use std::collections::BTreeSet;

use chrono::DateTime;
use serde_json::{Map, Value, json};

use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;
use crate::sandbox::model::{Like, Missing, Post, PostKind, User, World};
use crate::sandbox::reply::{Reply, Request};

fn moment(at: Timestamp, form: &str) -> String {
    DateTime::from_timestamp(at.seconds(), 0).expect("the sandbox lives in years that exist").format(form).to_string()
}

fn older_time(at: Timestamp) -> String {
    moment(at, "%a %b %d %H:%M:%S +0000 %Y")
}

fn newer_time(at: Timestamp) -> String {
    moment(at, "%Y-%m-%dT%H:%M:%S.000Z")
}

fn number(id: &str) -> Value {
    id.parse::<u64>().map_or_else(|_| Value::String(id.to_owned()), Value::from)
}

/// The short address of a longer one: always the same.
fn short(address: &str) -> String {
    use aws_lc_rs::digest;
    let sum = hex::encode(digest::digest(&digest::SHA256, address.as_bytes()));
    format!("https://t.co/{}", &sum[..10])
}

/// A text as it is sent, and the addresses that were shortened in it.
fn shortened(text: &str, expanded_key: &str) -> (String, Vec<Value>) {
    let mut urls = Vec::new();
    let mut escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    for word in text.split_whitespace().filter(|word| word.starts_with("https://") || word.starts_with("http://")) {
        let (url, shown) = (short(word), word.replace('&', "&amp;"));
        escaped = escaped.replace(&shown, &url);
        let display = word.trim_start_matches("https://").trim_start_matches("http://");
        urls.push(json!({ "url": url, expanded_key: word, "display_url": display, "indices": [0, url.len()] }));
    }
    (escaped, urls)
}

fn words(post: &Post) -> String {
    post.description.clone().or_else(|| post.title.clone()).unwrap_or_else(|| post.name.clone())
}

fn asked(request: &Request, name: &str) -> BTreeSet<String> {
    request.query.get(name).map(|text| text.split(',').map(str::to_owned).collect()).unwrap_or_default()
}

/// Keeps the default fields and those that were asked for.
fn kept(full: Value, default: &[&str], asked: &BTreeSet<String>) -> Value {
    let Value::Object(full) = full else { unreachable!("the literals here are objects") };
    let is_wanted = |(name, value): &(String, Value)| {
        !value.is_null() && (default.contains(&name.as_str()) || asked.contains(name))
    };
    Value::Object(full.into_iter().filter(is_wanted).collect())
}

fn user_entities(user: &User) -> (String, Option<String>, Value) {
    let (description, in_description) = shortened(user.bio.as_deref().unwrap_or_default(), "expanded_url");
    let mut entities = Map::new();
    let url = user.website.as_ref().map(|website| short(website));
    if let (Some(website), Some(url)) = (&user.website, &url) {
        let one = json!({ "url": url, "expanded_url": website, "display_url": website, "indices": [0, url.len()] });
        entities.insert("url".to_owned(), json!({ "urls": [one] }));
    }
    entities.insert("description".to_owned(), json!({ "urls": in_description }));
    (description, url, Value::Object(entities))
}

/// An account in version 2.
pub fn user(user: &User, is_protected: bool, request: &Request) -> Value {
    let (description, url, entities) = user_entities(user);
    let full = json!({
        "id": user.id,
        "name": user.name.clone().unwrap_or_else(|| user.handle.clone()),
        "username": user.handle,
        "created_at": newer_time(user.created_at),
        "description": description,
        "entities": entities,
        "url": url.unwrap_or_default(),
        "protected": is_protected,
        "verified": false,
        "profile_image_url": format!("https://pbs.twimg.com/profile_images/{}_normal.jpg", user.id),
        "public_metrics": { "followers_count": 0, "following_count": 0, "tweet_count": 0, "listed_count": 0 },
    });
    kept(full, &["id", "name", "username"], &asked(request, "user.fields"))
}

/// An account in version 1.1.
pub fn older_user(user: &User) -> Value {
    let (description, url, entities) = user_entities(user);
    let mut entities = entities;
    if url.is_none()
        && let Some(entities) = entities.as_object_mut()
    {
        entities.remove("url");
    }
    json!({
        "id": number(&user.id),
        "id_str": user.id,
        "name": user.name.clone().unwrap_or_else(|| user.handle.clone()),
        "screen_name": user.handle,
        "location": "",
        "description": description,
        "url": url,
        "entities": entities,
        "protected": false,
        "followers_count": 0,
        "friends_count": 0,
        "listed_count": 0,
        "created_at": older_time(user.created_at),
        "favourites_count": 0,
        "utc_offset": null,
        "time_zone": null,
        "geo_enabled": false,
        "verified": false,
        "statuses_count": 0,
        "lang": null,
        "profile_image_url": format!("http://pbs.twimg.com/profile_images/{}_normal.jpg", user.id),
        "profile_image_url_https": format!("https://pbs.twimg.com/profile_images/{}_normal.jpg", user.id),
        "default_profile": true,
        "default_profile_image": false,
        "following": false,
        "follow_request_sent": false,
        "notifications": false,
    })
}

fn picture(post: &Post) -> String {
    format!("https://pbs.twimg.com/media/{}.jpg", post.id)
}

fn film(post: &Post, rate: u32) -> String {
    format!("https://video.twimg.com/{}/{rate}.mp4", post.id)
}

fn media_type(post: &Post) -> Option<&'static str> {
    match post.kind {
        PostKind::Image => Some("photo"),
        PostKind::Video => Some("video"),
        _ => None,
    }
}

fn media(post: &Post, request: &Request) -> Option<Value> {
    let kind = media_type(post)?;
    let is_film = kind == "video";
    let full = json!({
        "media_key": format!("3_{}", post.id),
        "type": kind,
        "url": (!is_film).then(|| picture(post)),
        "preview_image_url": is_film.then(|| picture(post)),
        "alt_text": post.title,
        "width": 1200,
        "height": 800,
        "duration_ms": is_film.then_some(12_500),
        "variants": is_film.then(|| json!([
            { "content_type": "application/x-mpegURL", "url": format!("https://video.twimg.com/{}.m3u8", post.id) },
            { "bit_rate": 256_000, "content_type": "video/mp4", "url": film(post, 256) },
            { "bit_rate": 2_176_000, "content_type": "video/mp4", "url": film(post, 2_176) },
        ])),
    });
    Some(kept(full, &["media_key", "type"], &asked(request, "media.fields")))
}

fn tweet(post: &Post, request: &Request) -> Value {
    let (mut text, mut urls) = shortened(&words(post), "expanded_url");
    let attached = media_type(post).map(|_| format!("3_{}", post.id));
    if let Some(key) = &attached {
        let page = format!("https://twitter.com/i/web/status/{}/photo/1", post.id);
        text = format!("{text} {}", short(&page));
        urls.push(
            json!({ "url": short(&page), "expanded_url": page, "display_url": "pic.twitter.com", "media_key": key }),
        );
    }
    let tags: Vec<Value> = post.tags.iter().map(|tag| json!({ "start": 0, "end": 1, "tag": tag })).collect();
    let mut entities = Map::new();
    if !urls.is_empty() {
        entities.insert("urls".to_owned(), Value::Array(urls));
    }
    if !tags.is_empty() {
        entities.insert("hashtags".to_owned(), Value::Array(tags));
    }
    let full = json!({
        "id": post.id,
        "text": text,
        "edit_history_tweet_ids": [post.id],
        "author_id": post.owner,
        "created_at": newer_time(post.created_at),
        "entities": (!entities.is_empty()).then_some(entities),
        "attachments": attached.map(|key| json!({ "media_keys": [key] })),
        "possibly_sensitive": post.is_sensitive,
        "lang": "en",
    });
    kept(full, &["id", "text", "edit_history_tweet_ids"], &asked(request, "tweet.fields"))
}

/// A reply of version 2 with tweets: one alone, or a page of a list.
pub fn envelope(world: &World, request: &Request, posts: &[&Post], next: Option<String>, is_one: bool) -> Reply {
    let tweets: Vec<Value> = posts.iter().map(|post| tweet(post, request)).collect();
    let expansions = asked(request, "expansions");
    let mut includes = Map::new();
    if expansions.contains("author_id") {
        let mut seen = BTreeSet::new();
        let authors = posts.iter().filter(|post| seen.insert(&post.owner)).filter_map(|post| {
            let author = world.user(Platform::Twitter, &post.owner).ok()?;
            Some(user(author, post.is_private, request))
        });
        includes.insert("users".to_owned(), authors.collect());
    }
    if expansions.contains("attachments.media_keys") {
        let media: Vec<Value> = posts.iter().filter_map(|post| media(post, request)).collect();
        if !media.is_empty() {
            includes.insert("media".to_owned(), Value::Array(media));
        }
    }
    let mut body = Map::new();
    let count = tweets.len();
    if is_one {
        body.insert("data".to_owned(), tweets.into_iter().next().unwrap_or_default());
    } else if count > 0 {
        // An empty list has no `data` at all.
        body.insert("data".to_owned(), Value::Array(tweets));
    }
    if !includes.is_empty() && count > 0 {
        body.insert("includes".to_owned(), Value::Object(includes));
    }
    if !is_one {
        let mut meta = json!({ "result_count": count });
        if let Some(next) = next {
            meta["next_token"] = json!(next);
        }
        body.insert("meta".to_owned(), meta);
    }
    Reply::json(200, &Value::Object(body))
}

/// A tweet of version 1.1, in the extended form when that was asked for.
pub fn status(world: &World, post: &Post, request: &Request, viewer: &str) -> Value {
    let owner = world.user(Platform::Twitter, &post.owner).expect("a tweet ends with its author");
    let mut author = older_user(owner);
    author["protected"] = json!(post.is_private);
    let (mut text, urls) = shortened(&words(post), "expanded_url");
    let range = json!([0, text.chars().count()]);
    let tags: Vec<Value> = post.tags.iter().map(|tag| json!({ "text": tag, "indices": [0, 1] })).collect();
    let mut entities = json!({ "hashtags": tags, "symbols": [], "user_mentions": [], "urls": urls });
    let page = format!("https://twitter.com/i/web/status/{}/photo/1", post.id);
    let pieces = format!("https://video.twimg.com/{}.m3u8", post.id);
    let media = media_type(post).map(|kind| {
        let size = json!({ "w": 1200, "h": 800, "resize": "fit" });
        let mut media = json!({
            "id": number(&post.id),
            "id_str": post.id,
            "indices": [0, 1],
            "media_url": picture(post).replace("https:", "http:"),
            "media_url_https": picture(post),
            "url": short(&page),
            "display_url": "pic.twitter.com",
            "expanded_url": page,
            "type": kind,
            "sizes": { "small": size, "thumb": size, "medium": size, "large": size },
        });
        if request.query.get("include_ext_alt_text").is_some_and(|wanted| wanted == "true") {
            media["ext_alt_text"] = json!(post.title);
        }
        if kind == "video" {
            media["video_info"] = json!({
                "aspect_ratio": [3, 2],
                "duration_millis": 12_500,
                "variants": [
                    { "content_type": "application/x-mpegURL", "url": pieces },
                    { "bitrate": 256_000, "content_type": "video/mp4", "url": film(post, 256) },
                    { "bitrate": 2_176_000, "content_type": "video/mp4", "url": film(post, 2_176) },
                ],
            });
        }
        media
    });
    if media.is_some() {
        text = format!("{text} {}", short(&page));
    }
    let is_liked = world.likes_of(Platform::Twitter, viewer).iter().any(|like| like.post == post.id);
    let mut shown = json!({
        "created_at": older_time(post.created_at),
        "id": number(&post.id),
        "id_str": post.id,
        "truncated": false,
        "source": "<a href=\"http://twitter.com\" rel=\"nofollow\">Twitter Web Client</a>",
        "in_reply_to_status_id": null,
        "in_reply_to_status_id_str": null,
        "in_reply_to_user_id": null,
        "in_reply_to_screen_name": null,
        "user": author,
        "geo": null,
        "coordinates": null,
        "place": null,
        "contributors": null,
        "is_quote_status": false,
        "retweet_count": 0,
        "favorite_count": world.likes.iter().filter(|like| like.post == post.id).count(),
        "favorited": is_liked,
        "retweeted": false,
        "possibly_sensitive": post.is_sensitive,
        "lang": "en",
    });
    if let Some(media) = media {
        entities["media"] = json!([media]);
        shown["extended_entities"] = json!({ "media": [media] });
    }
    shown["entities"] = entities;
    if request.query.get("tweet_mode").is_some_and(|mode| mode == "extended") {
        shown["full_text"] = json!(text);
        shown["display_text_range"] = range;
    } else {
        shown["text"] = json!(text);
    }
    shown
}

/// A row of `data/like.js`.
pub fn archived_like(world: &World, like: &Like) -> Result<Value, Missing> {
    let post = world.post(Platform::Twitter, &like.post)?;
    let mut row = json!({
        "tweetId": post.id,
        "expandedUrl": format!("https://twitter.com/i/web/status/{}", post.id),
    });
    // What is protected shows no words.
    if !post.is_private {
        row["fullText"] = json!(shortened(&words(post), "expanded_url").0);
    }
    Ok(json!({ "like": row }))
}

/// `data/account.js`.
pub fn account(user: &User) -> Value {
    json!([{ "account": {
        "email": format!("{}@example.invalid", user.handle),
        "createdVia": "web",
        "username": user.handle,
        "accountId": user.id,
        "createdAt": newer_time(user.created_at),
        "accountDisplayName": user.name.clone().unwrap_or_else(|| user.handle.clone()),
    } }])
}

/// `data/manifest.js`.
pub fn manifest(user: &User, now: Timestamp) -> Value {
    json!({
        "userInfo": { "accountId": user.id, "userName": user.handle, "displayName": user.name },
        "archiveInfo": { "sizeBytes": "0", "generationDate": newer_time(now), "isPartialArchive": false },
        "dataTypes": { "like": { "files": [{ "fileName": "data/like.js", "globalName": "YTD.like.part0" }] } },
    })
}
