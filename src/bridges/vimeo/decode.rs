//! The kinds of Vimeo file that `bridge decode` reads, each through the decoder that production uses.

use serde::Deserialize;
use serde_json::{Value, json};

use super::wire::{Times, WireUser, WireVideo};
use super::{error, wire};
use crate::bridges::decode::{
    Decoder, KindInfo, error_json, like_json, liker_json, post_json, profile_json, refusals_json,
};
use crate::bridges::error::Error;
use crate::bridges::wire::{Listed, Text, epoch, item};
use crate::domain::identity::{ObjectRef, Platform};

pub const DECODER: Decoder = Decoder { platform: Platform::Vimeo, kinds: KINDS, read: decode };

const KINDS: &[KindInfo] = &[
    KindInfo { name: "user", description: "GET /users/{id} or /me: a profile" },
    KindInfo { name: "user-fields", description: "a user in a recording whose id is a placeholder" },
    KindInfo { name: "video", description: "GET /videos/{id}: a public video" },
    KindInfo { name: "video-fields", description: "a video in a recording whose id is a placeholder" },
    KindInfo { name: "videos", description: "GET /users/{id}/videos: one page" },
    KindInfo { name: "likes", description: "GET /users/{id}/likes: one page, without times" },
    KindInfo { name: "own-likes", description: "GET /me/likes: one page, with the times that it tells" },
    KindInfo { name: "likers", description: "GET /videos/{id}/likes: one page of users" },
    KindInfo { name: "programmed", description: "GET /programmed/cinema: lists of videos in a page" },
    KindInfo { name: "album", description: "GET /albums/{id}: known, and not a thing that can be liked" },
    KindInfo { name: "category", description: "GET /categories/{name}: known, and not a thing that can be liked" },
    KindInfo { name: "licence", description: "one of GET /creativecommons" },
    KindInfo { name: "token", description: "POST /oauth/access_token: what was granted, without the token" },
    KindInfo { name: "error", description: "the body of a refusal, or several under names" },
];

/// Reads a file of one of [`KINDS`]; other kinds are refused before.
fn decode(kind: &str, bytes: &[u8]) -> Result<Value, Error> {
    Ok(match kind {
        "user" => profile_json(&wire::profile(bytes)?),
        "user-fields" => {
            let user: WireUser = wire::parse(bytes)?;
            if user.membership.is_none() && !user.uri.starts_with("/users/") {
                return Err(Error::malformed("this is no user"));
            }
            let membership = user.membership.and_then(|membership| membership.kind);
            json!({ "uri": user.uri, "display_name": user.name, "membership": membership })
        }
        "video" => post_json(&wire::video(bytes)?),
        "video-fields" => {
            let video: WireVideo = wire::parse(bytes)?;
            if video.duration.is_none() {
                return Err(Error::malformed("this is no video"));
            }
            // The facts want some id; the one of the recording is shown instead.
            let mut shown = post_json(&wire::facts(&video, ObjectRef::new(Platform::Vimeo, "0")?, "0")?);
            shown["id"] = Value::Null;
            shown["url"] = Value::Null;
            shown["attachments"] = Value::Null;
            shown["uri"] = json!(video.uri);
            shown
        }
        "videos" => paged(bytes, wire::videos, post_json)?,
        "likes" => paged(bytes, |data| wire::likes(data, Times::Foreign), like_json)?,
        "own-likes" => paged(bytes, |data| wire::likes(data, Times::Own), like_json)?,
        "likers" => paged(bytes, wire::likers, liker_json)?,
        "programmed" => programmed(bytes)?,
        "album" => named(bytes, "albums")?,
        "category" => named(bytes, "categories")?,
        "licence" => licence(bytes)?,
        "token" => token(bytes)?,
        "error" => refusals_json(bytes, |body| error::reported(body).as_ref().map(error_json))?,
        other => return Err(Error::unsupported(format!("no kind `{other}`"))),
    })
}

fn paged<T>(
    bytes: &[u8],
    read: impl Fn(Vec<Value>) -> Result<Listed<T>, Error>,
    shown: fn(&T) -> Value,
) -> Result<Value, Error> {
    let page = wire::page(bytes)?;
    let (total, next) = (page.total, page.next.clone());
    let found = read(page.data)?;
    let items: Vec<Value> = found.items.iter().map(shown).collect();
    Ok(json!({ "items": items, "unreadable": found.unreadable, "total": total, "next": next }))
}

fn programmed(bytes: &[u8]) -> Result<Value, Error> {
    #[derive(Deserialize)]
    struct WireProgramme {
        uri: String,
        name: String,
        content: Vec<Value>,
    }
    let page = wire::page(bytes)?;
    let total = page.total;
    let lists = page.data.into_iter().map(|value| {
        let list: WireProgramme = item(value)?;
        let found = wire::videos(list.content)?;
        let items: Vec<Value> = found.items.iter().map(post_json).collect();
        Ok(json!({ "uri": list.uri, "name": list.name, "items": items, "unreadable": found.unreadable }))
    });
    Ok(json!({ "lists": lists.collect::<Result<Vec<Value>, Error>>()?, "total": total }))
}

/// What has a name and an address, and nothing that is paid.
fn named(bytes: &[u8], kind: &str) -> Result<Value, Error> {
    #[derive(Deserialize)]
    struct WireNamed {
        uri: String,
        name: String,
        link: String,
        description: Option<String>,
        user: Option<WireUser>,
    }
    let found: WireNamed = wire::parse(bytes)?;
    if !found.uri.split('/').any(|segment| segment == kind) {
        return Err(Error::malformed(format!("`{}` is none of the {kind}", found.uri)));
    }
    let owner = found.user.map(|user| wire::number_in(&user.uri, "users")).transpose()?;
    let owner = owner.map(|id| format!("vimeo:{id}"));
    Ok(json!({
        "uri": found.uri,
        "name": found.name,
        "link": found.link,
        "description": found.description,
        "owner": owner,
    }))
}

fn licence(bytes: &[u8]) -> Result<Value, Error> {
    #[derive(Deserialize)]
    struct WireLicence {
        code: String,
        name: String,
        uri: String,
    }
    let found: WireLicence = wire::parse(bytes)?;
    Ok(json!({ "code": found.code, "name": found.name, "uri": found.uri }))
}

fn token(bytes: &[u8]) -> Result<Value, Error> {
    #[derive(Deserialize)]
    struct WireToken {
        access_token: String,
        refresh_token: Option<String>,
        token_type: Option<String>,
        scope: Option<String>,
        expires_on: Option<Text>,
        user: Option<WireUser>,
    }
    let found: WireToken = wire::parse(bytes)?;
    let ends = found.expires_on.as_ref().map(epoch).transpose()?;
    let account = found.user.map(|user| wire::number_in(&user.uri, "users")).transpose()?;
    Ok(json!({
        "has_token": !found.access_token.is_empty(),
        "has_refresh_token": found.refresh_token.is_some_and(|text| !text.is_empty()),
        "token_type": found.token_type,
        "scopes": found.scope.unwrap_or_default().split_ascii_whitespace().collect::<Vec<_>>(),
        "expires": ends.map(|at| at.to_string()),
        "account": account.map(|id| format!("vimeo:{id}")),
    }))
}
