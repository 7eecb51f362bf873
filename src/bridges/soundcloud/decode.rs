//! The kinds of SoundCloud file that `bridge decode` reads, each through the decoder that production uses.

use std::ops::ControlFlow;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::url::Kind;
use super::wire::{urn_of, written_at};
use super::{error, export, wire};
use crate::bridges::ExportFile;
use crate::bridges::decode::{
    Decoder, KindInfo, error_json, like_json, liker_json, post_json, profile_json, refusals_json,
};
use crate::bridges::error::Error;
use crate::bridges::wire::{Listed, Text, item};
use crate::domain::identity::Platform;

pub const DECODER: Decoder = Decoder { platform: Platform::SoundCloud, kinds: KINDS, read: decode };

const KINDS: &[KindInfo] = &[
    KindInfo { name: "user", description: "GET /users/{urn} or /me: a profile without its further links" },
    KindInfo { name: "web-profiles", description: "GET /users/{urn}/web-profiles: the further links" },
    KindInfo { name: "track", description: "GET /tracks/{urn}" },
    KindInfo { name: "playlist", description: "GET /playlists/{urn}: a set" },
    KindInfo { name: "tracks", description: "GET /users/{urn}/tracks or /playlists: one page" },
    KindInfo { name: "likes", description: "GET /users/{urn}/likes/tracks or /me/favorites: one page" },
    KindInfo { name: "favoriters", description: "GET /tracks/{urn}/favoriters: one page of users" },
    KindInfo { name: "activities", description: "GET /me/activities: the tracks and sets in it" },
    KindInfo { name: "comment", description: "a comment: whose, and on which track" },
    KindInfo { name: "streams", description: "GET /tracks/{urn}/streams: which there are; never shown" },
    KindInfo { name: "resolve", description: "GET /resolve: what an address leads to" },
    KindInfo { name: "token", description: "POST /oauth/token: what was granted, without the token" },
    KindInfo { name: "error", description: "the body of a refusal, or several under names" },
    KindInfo { name: "likes-list", description: "a table with a column of addresses: likes that a person brings" },
];

/// Reads a file of one of [`KINDS`]; other kinds are refused before.
fn decode(kind: &str, bytes: &[u8]) -> Result<Value, Error> {
    Ok(match kind {
        "user" => profile_json(&wire::profile(bytes)?),
        "web-profiles" => json!({ "links": wire::web_profiles(bytes)? }),
        "track" => one(bytes, "track")?,
        "playlist" => one(bytes, "playlist")?,
        "tracks" => paged(bytes, wire::posts, post_json)?,
        "likes" => paged(bytes, wire::likes, like_json)?,
        "favoriters" => paged(bytes, wire::likers, liker_json)?,
        "activities" => activities(bytes)?,
        "comment" => comment(bytes)?,
        "streams" => streams(bytes)?,
        "resolve" => located(bytes)?,
        "token" => token(bytes)?,
        "error" => refusals_json(bytes, |body| match error::reported(body) {
            Some(report) => Some(error_json(&report)),
            None => located(body).ok(),
        })?,
        "likes-list" => likes_list(bytes)?,
        other => return Err(Error::unsupported(format!("no kind `{other}`"))),
    })
}

fn one(bytes: &[u8], kind: &str) -> Result<Value, Error> {
    #[derive(Deserialize)]
    struct WireKind {
        kind: Option<String>,
    }
    let found: WireKind = wire::parse(bytes)?;
    match found.kind {
        Some(found) if found != kind => Err(Error::malformed(format!("it is a {found}, not a {kind}"))),
        _ => Ok(post_json(&wire::post(bytes)?)),
    }
}

fn paged<T>(
    bytes: &[u8],
    read: impl Fn(Vec<Value>) -> Result<Listed<T>, Error>,
    shown: fn(&T) -> Value,
) -> Result<Value, Error> {
    let page = wire::page(bytes)?;
    let next = page.next.clone();
    let found = read(page.data)?;
    let items: Vec<Value> = found.items.iter().map(shown).collect();
    Ok(json!({ "items": items, "unreadable": found.unreadable, "next": next }))
}

fn activities(bytes: &[u8]) -> Result<Value, Error> {
    #[derive(Deserialize)]
    struct WireActivity {
        #[serde(rename = "type")]
        kind: String,
        created_at: Option<String>,
        origin: Value,
    }
    let page = wire::page(bytes)?;
    let next = page.next.clone();
    let read = page.data.into_iter().map(|value| {
        let found: WireActivity = item(value)?;
        let at = found.created_at.as_deref().map(written_at).transpose()?;
        let posts = wire::posts(vec![found.origin])?;
        let post = posts.items.first().map(post_json);
        Ok(json!({ "type": found.kind, "at": at.map(|at| at.to_string()), "post": post }))
    });
    Ok(json!({ "items": read.collect::<Result<Vec<Value>, Error>>()?, "next": next }))
}

fn comment(bytes: &[u8]) -> Result<Value, Error> {
    #[derive(Deserialize)]
    struct WireComment {
        body: String,
        created_at: String,
        track_urn: Option<String>,
        track_id: Option<Text>,
        user: Option<WireCommenter>,
        user_urn: Option<String>,
        user_id: Option<Text>,
    }
    #[derive(Deserialize)]
    struct WireCommenter {
        urn: Option<String>,
        id: Option<Text>,
        uri: Option<String>,
    }
    let found: WireComment = wire::parse(bytes)?;
    let inner = found.user.map(|user| urn_of(Kind::User, user.urn.as_deref(), user.id.as_ref(), user.uri.as_deref()));
    let account = urn_of(Kind::User, found.user_urn.as_deref(), found.user_id.as_ref(), None);
    let account = account.or_else(|error| inner.unwrap_or(Err(error)))?;
    let track = urn_of(Kind::Track, found.track_urn.as_deref(), found.track_id.as_ref(), None)?;
    Ok(json!({
        "account": format!("soundcloud:{account}"),
        "track": format!("soundcloud:{track}"),
        "at": written_at(&found.created_at)?.to_string(),
        "text": found.body,
    }))
}

/// The names alone: the addresses are keys to the sound.
fn streams(bytes: &[u8]) -> Result<Value, Error> {
    let found: Map<String, Value> = wire::parse(bytes)?;
    if found.is_empty() || !found.keys().all(|name| name.ends_with("_url")) {
        return Err(error::reported(bytes).unwrap_or_else(|| Error::malformed("these are no streams")));
    }
    // The order of members says nothing.
    let names: std::collections::BTreeSet<&String> = found.keys().collect();
    Ok(json!({ "streams": names }))
}

fn located(bytes: &[u8]) -> Result<Value, Error> {
    let (kind, urn) = wire::location(bytes)?;
    Ok(json!({ "found": format!("soundcloud:{urn}"), "among": kind.as_str() }))
}

fn token(bytes: &[u8]) -> Result<Value, Error> {
    #[derive(Deserialize)]
    struct WireToken {
        access_token: String,
        refresh_token: Option<String>,
        token_type: Option<String>,
        expires_in: Option<u64>,
        scope: Option<String>,
    }
    let found: WireToken = wire::parse(bytes)?;
    Ok(json!({
        "has_token": !found.access_token.is_empty(),
        "has_refresh_token": found.refresh_token.is_some_and(|text| !text.is_empty()),
        "token_type": found.token_type,
        "expires_in_seconds": found.expires_in,
        "scopes": found.scope.unwrap_or_default().split_ascii_whitespace().collect::<Vec<_>>(),
    }))
}

/// One report, or several under names of the recorder's, among which a found address may stand.
fn likes_list(mut bytes: &[u8]) -> Result<Value, Error> {
    let (mut items, mut refused) = (Vec::new(), Vec::new());
    export::List.likes("likes.csv", &mut bytes, &mut |item| {
        match item {
            Ok(item) => items.push(like_json(&item)),
            Err(error) => refused.push(error_json(&error)),
        }
        ControlFlow::Continue(())
    })?;
    Ok(json!({ "items": items, "refused": refused }))
}
