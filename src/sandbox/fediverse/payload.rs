//! Mastodon's documents in their full documented shape, filled from the world.
//!
//! Owns that nothing is trimmed to what a connector reads: texts are HTML, links are cut into pieces for the eye, and an
//! account of another server is shown as one. The sandbox signs nothing, so its accounts publish no key.

use serde_json::{Value, json};

use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;
use crate::sandbox::model::{Post, PostKind, User, UserKind, World};

const PLATFORM: Platform = Platform::Fediverse;
const PUBLIC: &str = "https://www.w3.org/ns/activitystreams#Public";

/// `2013-06-01T00:00:00.000Z`, with as many digits behind the seconds as asked for.
pub fn time(at: Timestamp, digits: usize) -> String {
    at.floor_to_second().to_string().replace('Z', &format!(".{}Z", "0".repeat(digits)))
}

/// The host of an address, with its port.
pub fn host(base: &str) -> &str {
    base.split("://").nth(1).unwrap_or(base)
}

/// The server of an account that is on another one.
pub fn other_server<'w>(world: &'w World, user_id: &str) -> Option<&'w str> {
    world.kept.get(&(PLATFORM, format!("server:{user_id}")))?.as_str()
}

fn server_of<'a>(world: &'a World, user: &User, base: &'a str) -> &'a str {
    other_server(world, &user.id).unwrap_or(base)
}

pub fn actor_uri(world: &World, user: &User, base: &str) -> String {
    format!("{}/users/{}", server_of(world, user, base), user.handle)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// A text as Mastodon shows it: paragraphs, and addresses as links whose beginning and end the eye does not see.
pub fn html(text: &str) -> String {
    let words = text.split(' ').map(|word| match word.split_once("://") {
        Some((scheme @ ("http" | "https"), rest)) => {
            let (shown, hidden) = rest.split_at(rest.char_indices().nth(30).map_or(rest.len(), |(place, _)| place));
            format!(
                "<a href=\"{}\" rel=\"nofollow noopener noreferrer\" target=\"_blank\"><span class=\"invisible\">\
                 {scheme}://</span><span class=\"ellipsis\">{}</span><span class=\"invisible\">{}</span></a>",
                escaped(word),
                escaped(shown),
                escaped(hidden)
            )
        }
        _ => escaped(word),
    });
    format!("<p>{}</p>", words.collect::<Vec<String>>().join(" "))
}

fn field(name: &str, value: &str) -> Value {
    json!({ "name": name, "value": html(value).replace("<p>", "").replace("</p>", ""), "verified_at": null })
}

/// The Account entity; the CredentialAccount of the person whose token asks.
pub fn account(world: &World, user: &User, base: &str, is_own: bool) -> Value {
    let server = server_of(world, user, base);
    let acct = match other_server(world, &user.id) {
        Some(server) => format!("{}@{}", user.handle, host(server)),
        None => user.handle.clone(),
    };
    let count = world.posts.iter().filter(|post| post.platform == PLATFORM && post.owner == user.id).count();
    let fields: Vec<Value> = user.website.iter().map(|website| field("Website", website)).collect();
    let picture = format!("{server}/avatars/original/missing.png");
    let mut shown = json!({
        "id": user.id,
        "username": user.handle,
        "acct": acct,
        "display_name": user.name.clone().unwrap_or_default(),
        "locked": false,
        "bot": user.kind == UserKind::Bot,
        "discoverable": true,
        "indexable": false,
        "group": user.kind == UserKind::Organization,
        "created_at": time(user.created_at, 3),
        "note": user.bio.as_deref().map(html).unwrap_or_default(),
        "url": format!("{server}/@{}", user.handle),
        "uri": actor_uri(world, user, base),
        "avatar": picture,
        "avatar_static": picture,
        "header": format!("{server}/headers/original/missing.png"),
        "header_static": format!("{server}/headers/original/missing.png"),
        "followers_count": 0,
        "following_count": 0,
        "statuses_count": count,
        "last_status_at": null,
        "hide_collections": false,
        "noindex": false,
        "emojis": [],
        "roles": [],
        "fields": fields,
    });
    if world.kept.get(&(PLATFORM, "version".to_owned())) == Some(&json!("4.1")) {
        shown.as_object_mut().expect("a literal object").remove("uri");
    }
    if is_own {
        shown["source"] = json!({
            "privacy": "public",
            "sensitive": false,
            "language": "en",
            "note": user.bio,
            "fields": user.website.iter().map(|website| json!({ "name": "Website", "value": website, "verified_at": null })).collect::<Vec<Value>>(),
            "follow_requests_count": 0,
        });
        shown["role"] = json!({ "id": "-99", "name": "", "permissions": "65536", "color": "", "highlighted": false });
    }
    shown
}

fn uri_of(world: &World, post: &Post, base: &str) -> (String, String) {
    let owner = world.user(PLATFORM, &post.owner).expect("a post ends with its author");
    let server = server_of(world, owner, base);
    if let Some(uri) = world.kept.get(&(PLATFORM, format!("uri:{}", post.id))).and_then(Value::as_str) {
        return (uri.to_owned(), uri.to_owned());
    }
    (format!("{server}/users/{}/statuses/{}", owner.handle, post.id), format!("{server}/@{}/{}", owner.handle, post.id))
}

fn text_of(post: &Post) -> String {
    let text = post.description.as_deref().or(post.title.as_deref()).unwrap_or(&post.name);
    let tags: String = post.tags.iter().map(|tag| format!(" #{tag}")).collect();
    html(&format!("{text}{tags}"))
}

/// The Status entity.
pub fn status(world: &World, post: &Post, base: &str) -> Value {
    let owner = world.user(PLATFORM, &post.owner).expect("a post ends with its author");
    let (uri, url) = uri_of(world, post, base);
    let server = server_of(world, owner, base);
    let likes = world.likes.iter().filter(|like| like.platform == PLATFORM && like.post == post.id).count();
    let kind = match post.kind {
        PostKind::Image => Some("image"),
        PostKind::Video => Some("video"),
        PostKind::Audio => Some("audio"),
        _ => None,
    };
    let media = kind.map(|kind| {
        let file = format!("{server}/media/{}.bin", post.id);
        json!({
            "id": post.id,
            "type": kind,
            "url": file,
            "preview_url": format!("{server}/media/{}-small.png", post.id),
            "remote_url": null,
            "preview_remote_url": null,
            "text_url": null,
            "meta": { "original": { "width": 1200, "height": 800, "size": "1200x800", "aspect": 1.5 } },
            "description": post.title,
            "blurhash": "UFBWY:8_0Jxv4mx]t8t64.%M-:IUWGWAt6M}",
        })
    });
    let tags: Vec<Value> =
        post.tags.iter().map(|tag| json!({ "name": tag, "url": format!("{base}/tags/{tag}") })).collect();
    json!({
        "id": post.id,
        "created_at": time(post.created_at, 3),
        "in_reply_to_id": null,
        "in_reply_to_account_id": null,
        "sensitive": post.is_sensitive,
        "spoiler_text": "",
        "visibility": if post.is_private { "private" } else { "public" },
        "language": "en",
        "uri": uri,
        "url": url,
        "replies_count": 0,
        "reblogs_count": 0,
        "favourites_count": likes,
        "quotes_count": 0,
        "edited_at": null,
        "content": text_of(post),
        "reblog": null,
        "application": null,
        "account": account(world, owner, base, false),
        "media_attachments": media.into_iter().collect::<Vec<Value>>(),
        "mentions": [],
        "tags": tags,
        "emojis": [],
        "card": null,
        "poll": null,
    })
}

fn context() -> Value {
    json!([
        "https://www.w3.org/ns/activitystreams",
        "https://w3id.org/security/v1",
        {
            "manuallyApprovesFollowers": "as:manuallyApprovesFollowers",
            "toot": "http://joinmastodon.org/ns#",
            "discoverable": "toot:discoverable",
            "schema": "http://schema.org#",
            "PropertyValue": "schema:PropertyValue",
            "value": "schema:value",
            "sensitive": "as:sensitive",
            "Hashtag": "as:Hashtag",
        },
    ])
}

/// The ActivityStreams document of an account.
pub fn actor(world: &World, user: &User, base: &str) -> Value {
    let uri = actor_uri(world, user, base);
    let kind = match user.kind {
        UserKind::Person => "Person",
        UserKind::Organization => "Group",
        UserKind::Bot => "Service",
    };
    let mut attachment: Vec<Value> = Vec::new();
    if let Some(website) = &user.website {
        let value = field("Website", website)["value"].clone();
        attachment.push(json!({ "type": "PropertyValue", "name": "Website", "value": value }));
    }
    if let Some(link) = world.kept.get(&(PLATFORM, format!("payment:{}", user.id))) {
        attachment.push(json!({ "type": "Link", "name": "Thank me", "rel": "payment", "href": link }));
    }
    let mut document = json!({
        "@context": context(),
        "id": uri,
        "type": kind,
        "following": format!("{uri}/following"),
        "followers": format!("{uri}/followers"),
        "inbox": format!("{uri}/inbox"),
        "outbox": format!("{uri}/outbox"),
        "featured": format!("{uri}/collections/featured"),
        "preferredUsername": user.handle,
        "name": user.name.clone().unwrap_or_default(),
        "summary": user.bio.as_deref().map(html).unwrap_or_default(),
        "url": format!("{}/@{}", server_of(world, user, base), user.handle),
        "manuallyApprovesFollowers": false,
        "discoverable": true,
        "published": time(user.created_at, 0).replace(".Z", "Z"),
        "tag": [],
        "attachment": attachment,
        "endpoints": { "sharedInbox": format!("{base}/inbox") },
    });
    // FEP-0036.
    if let Some(flag) = world.kept.get(&(PLATFORM, format!("bridgeable:{}", user.id))) {
        document["@context"]
            .as_array_mut()
            .expect("a list")
            .push(json!({ "bridgeable": "https://w3id.org/fep/0036#bridgeable" }));
        document["bridgeable"] = flag.clone();
    }
    document
}

/// The ActivityStreams document of a post.
pub fn note(world: &World, post: &Post, base: &str) -> Value {
    let owner = world.user(PLATFORM, &post.owner).expect("a post ends with its author");
    let (uri, url) = uri_of(world, post, base);
    let actor = actor_uri(world, owner, base);
    let media_type = match post.kind {
        PostKind::Image => Some("image/png"),
        PostKind::Video => Some("video/mp4"),
        PostKind::Audio => Some("audio/mpeg"),
        _ => None,
    };
    let attachment: Vec<Value> = media_type
        .map(|media_type| {
            json!({
                "type": "Document",
                "mediaType": media_type,
                "url": format!("{base}/media/{}.bin", post.id),
                "name": post.title,
                "width": 1200,
                "height": 800,
            })
        })
        .into_iter()
        .collect();
    let tags: Vec<Value> = post
        .tags
        .iter()
        .map(|tag| json!({ "type": "Hashtag", "href": format!("{base}/tags/{tag}"), "name": format!("#{tag}") }))
        .collect();
    json!({
        "@context": context(),
        "id": uri,
        "type": "Note",
        "summary": null,
        "inReplyTo": null,
        "published": post.created_at.floor_to_second().to_string(),
        "url": url,
        "attributedTo": actor,
        "to": [PUBLIC],
        "cc": [format!("{actor}/followers")],
        "sensitive": post.is_sensitive,
        "content": text_of(post),
        "contentMap": { "en": text_of(post) },
        "attachment": attachment,
        "tag": tags,
        "replies": { "id": format!("{uri}/replies"), "type": "Collection" },
        "likes": { "id": format!("{uri}/likes"), "type": "Collection", "totalItems": 0 },
        "shares": { "id": format!("{uri}/shares"), "type": "Collection", "totalItems": 0 },
    })
}
