//! The kinds of Twitter file that `bridge decode` reads, each through the decoder that production uses.
//!
//! A recorded exchange (`{request, status, headers, body}`), or a list of them, is read for its body; one that was
//! refused is the error that it stands for.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::wire::{Tweet, likes};
use super::{error, export, v1, v2};
use crate::bridges::ExportFile;
use crate::bridges::decode::{
    Decoder, KindInfo, error_json, export_json, like_json, liker_json, list_json, owner_json, post_json, profile_json,
    quota_json,
};
use crate::bridges::error::Error;
use crate::bridges::http::{Headers, HttpReply};
use crate::bridges::objects;
use crate::domain::identity::Platform;

pub const DECODER: Decoder = Decoder { platform: Platform::Twitter, kinds: KINDS, read: decode };

const KINDS: &[KindInfo] = &[
    KindInfo { name: "user", description: "GET /2/users/{id}, /2/users/by/username/{name} or /2/users/me" },
    KindInfo { name: "tweet", description: "GET /2/tweets/{id}, or a message of a stream" },
    KindInfo { name: "liked-tweets", description: "GET /2/users/{id}/liked_tweets: likes, and whether more follow" },
    KindInfo { name: "tweets", description: "GET /2/users/{id}/tweets" },
    KindInfo { name: "liking-users", description: "GET /2/tweets/{id}/liking_users" },
    KindInfo { name: "liked", description: "POST or DELETE /2/users/{id}/likes" },
    KindInfo { name: "user-v1", description: "GET /1.1/users/show.json" },
    KindInfo { name: "status", description: "GET /1.1/statuses/show.json, POST /1.1/favorites/create.json" },
    KindInfo { name: "favorites", description: "GET /1.1/favorites/list.json: likes, and where the next page starts" },
    KindInfo { name: "timeline", description: "GET /1.1/statuses/user_timeline.json" },
    KindInfo { name: "rate-limit-status", description: "GET /1.1/application/rate_limit_status.json" },
    KindInfo { name: "app-token", description: "POST /oauth2/token; the token itself is not shown" },
    KindInfo { name: "export-likes", description: "data/like.js of an archive, with or without its assignment" },
    KindInfo { name: "export-account", description: "data/account.js of an archive" },
    KindInfo { name: "export-manifest", description: "data/manifest.js of an archive" },
    KindInfo { name: "error", description: "the body of a refusal, several by name, or a refused exchange" },
];

/// A recorded HTTP exchange.
#[derive(Deserialize)]
struct Exchange {
    status: u16,
    headers: Map<String, Value>,
    body: Value,
}

impl Exchange {
    fn into_reply(self) -> HttpReply {
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let headers: Headers = self.headers.into_iter().map(|(name, value)| (name, text(value))).collect();
        let body = match self.body {
            Value::String(text) => text.into_bytes(),
            other => other.to_string().into_bytes(),
        };
        HttpReply { status: self.status, headers, body }
    }
}

/// What a file holds beside the plain body of a reply.
enum Recorded {
    Bare,
    Exchanges(Vec<HttpReply>),
    /// Several bodies, each under a name of the recorder's.
    Named(Map<String, Value>),
}

fn recorded(bytes: &[u8]) -> Recorded {
    if let Ok(exchange) = objects::from_slice::<Exchange>(bytes) {
        return Recorded::Exchanges(vec![exchange.into_reply()]);
    }
    if let Ok(exchanges) = objects::from_slice::<Vec<Exchange>>(bytes)
        && !exchanges.is_empty()
    {
        return Recorded::Exchanges(exchanges.into_iter().map(Exchange::into_reply).collect());
    }
    let known = ["data", "meta", "errors", "error", "title", "id", "like", "resources", "token_type"];
    match objects::from_slice::<Map<String, Value>>(bytes) {
        Ok(named)
            if !named.is_empty()
                && named.values().all(Value::is_object)
                && !known.iter().any(|key| named.contains_key(*key)) =>
        {
            Recorded::Named(named)
        }
        _ => Recorded::Bare,
    }
}

/// Reads a file of one of [`KINDS`]; other kinds are refused before.
fn decode(kind: &str, bytes: &[u8]) -> Result<Value, Error> {
    match kind {
        "export-likes" => return export_likes(bytes),
        "export-account" => return export::Archive.owner("account.js", &mut &*bytes).map(|owner| owner_json(&owner)),
        "export-manifest" => return export::Archive.owner("manifest.js", &mut &*bytes).map(|owner| owner_json(&owner)),
        _ => {}
    }
    match recorded(bytes) {
        Recorded::Bare => one(kind, bytes),
        Recorded::Named(named) => {
            let shown = named.into_iter().map(|(name, body)| Ok((name, one(kind, body.to_string().as_bytes())?)));
            shown.collect::<Result<Map<_, _>, Error>>().map(Value::Object)
        }
        Recorded::Exchanges(replies) => {
            let mut shown = replies.iter().map(|reply| exchanged(kind, reply)).collect::<Result<Vec<_>, Error>>()?;
            Ok(if shown.len() == 1 { shown.remove(0) } else { Value::Array(shown) })
        }
    }
}

fn exchanged(kind: &str, reply: &HttpReply) -> Result<Value, Error> {
    match (kind, reply.status) {
        ("error", 400..) => Ok(error_json(&error::classify(reply))),
        (_, 300..) => Err(error::classify(reply)),
        _ => one(kind, &reply.body),
    }
}

fn one(kind: &str, bytes: &[u8]) -> Result<Value, Error> {
    Ok(match kind {
        "user" => profile_json(&v2::profile(bytes)?),
        "tweet" => post_json(&v2::tweet(bytes)?.post),
        "liked-tweets" => {
            let v2::Page { found, next_token } = v2::tweets(bytes)?;
            with_next(list_json(&likes(found), like_json), json!(next_token))
        }
        "tweets" => {
            let v2::Page { found, next_token } = v2::tweets(bytes)?;
            with_next(list_json(&found, tweet_json), json!(next_token))
        }
        "liking-users" => {
            let v2::Page { found, next_token } = v2::likers(bytes)?;
            with_next(list_json(&found, liker_json), json!(next_token))
        }
        "liked" => json!({ "liked": v2::liked(bytes)? }),
        "user-v1" => profile_json(&v1::profile(bytes)?),
        "status" => post_json(&v1::status(bytes)?.post),
        "favorites" => {
            let found = v1::statuses(bytes)?;
            let next = v1::next_max_id(&found)?.map(|max_id| max_id.to_string());
            with_next(list_json(&likes(found), like_json), json!(next))
        }
        "timeline" => list_json(&v1::statuses(bytes)?, tweet_json),
        "rate-limit-status" => {
            let quota = v1::quota_of(bytes, "/favorites/list")?;
            json!({ "favorites": quota.as_ref().map(quota_json) })
        }
        "app-token" => token(bytes)?,
        "error" => match error::reported(bytes) {
            Some(error) => error_json(&error),
            None => return Err(Error::malformed("neither a refusal nor a recorded exchange that was refused")),
        },
        other => return Err(Error::unsupported(format!("no kind `{other}`"))),
    })
}

fn tweet_json(tweet: &Tweet) -> Value {
    post_json(&tweet.post)
}

fn with_next(mut shown: Value, next: Value) -> Value {
    shown["next"] = next;
    shown
}

/// That a token came, and of which type.
fn token(bytes: &[u8]) -> Result<Value, Error> {
    #[derive(Deserialize)]
    struct WireToken {
        token_type: String,
        access_token: String,
    }
    let token: WireToken = crate::bridges::wire::document(bytes, error::reported)?;
    Ok(json!({ "token_type": token.token_type, "has_token": !token.access_token.is_empty() }))
}

fn export_likes(bytes: &[u8]) -> Result<Value, Error> {
    // A recorder may have written the assignment and the rows apart from each other.
    #[derive(Deserialize)]
    struct Wrapped {
        prefix: String,
        records: Value,
    }
    let unwrapped = objects::from_slice::<Wrapped>(bytes).ok().map(|it| format!("{}{}", it.prefix, it.records));
    let mut input = unwrapped.as_deref().map_or(bytes, str::as_bytes);
    export_json(|take| export::Archive.likes("data/like.js", &mut input, take))
}
