//! The kinds of GitHub file that `bridge decode` reads, each through the decoder that production uses.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{error, wire};
use crate::bridges::decode::{
    Decoder, KindInfo, error_json, like_json, liker_json, list_json, post_json, profile_json, quota_json,
};
use crate::bridges::error::Error;
use crate::bridges::http::{Headers, HttpReply};
use crate::bridges::objects;
use crate::bridges::value::ActorKind;
use crate::bridges::wire::next_link;
use crate::domain::identity::Platform;

pub const DECODER: Decoder = Decoder { platform: Platform::GitHub, kinds: KINDS, read: decode };

const KINDS: &[KindInfo] = &[
    KindInfo { name: "user", description: "GET /users/{login} or /user/{id}: a profile" },
    KindInfo { name: "organization", description: "GET /orgs/{login} or /users/{login} of an organisation" },
    KindInfo { name: "user-graphql", description: "the GraphQL object User" },
    KindInfo { name: "repo", description: "GET /repos/{owner}/{repo}" },
    KindInfo { name: "repos", description: "GET /users/{login}/repos" },
    KindInfo { name: "starred", description: "GET /users/{login}/starred with star+json: likes with their times" },
    KindInfo { name: "stargazers", description: "GET /repos/{owner}/{repo}/stargazers with star+json" },
    KindInfo { name: "release", description: "GET /repos/{owner}/{repo}/releases/tags/{tag}" },
    KindInfo { name: "releases", description: "GET /repos/{owner}/{repo}/releases" },
    KindInfo { name: "error", description: "the body of a refusal, or a recorded exchange that was refused" },
    KindInfo { name: "link-header", description: "recorded exchanges: status, allowance and next page of each" },
];

/// A recorded HTTP exchange: `{request, status, headers, body}`.
#[derive(Deserialize)]
struct Exchange {
    status: u16,
    headers: serde_json::Map<String, Value>,
    #[serde(default)]
    body: Value,
}

impl Exchange {
    fn into_reply(self) -> HttpReply {
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let headers: Headers = self.headers.into_iter().map(|(name, value)| (name, text(value))).collect();
        HttpReply { status: self.status, headers, body: self.body.to_string().into_bytes() }
    }
}

/// Reads a file of one of [`KINDS`]; other kinds are refused before.
fn decode(kind: &str, bytes: &[u8]) -> Result<Value, Error> {
    Ok(match kind {
        "user" => profile_json(&wire::profile(bytes)?),
        "organization" => {
            let profile = wire::profile(bytes)?;
            if profile.kind != ActorKind::Organization {
                return Err(Error::malformed(format!("{} is not an organisation", profile.handle)));
            }
            profile_json(&profile)
        }
        "user-graphql" => profile_json(&wire::graphql_user(bytes)?),
        "repo" => post_json(&wire::repository(bytes)?),
        "repos" => list_json(&wire::repositories(bytes)?, post_json),
        "starred" => list_json(&wire::starred(bytes)?, like_json),
        "stargazers" => list_json(&wire::stargazers(bytes)?, liker_json),
        "release" => post_json(&wire::release(bytes, None)?),
        "releases" => list_json(&wire::releases(bytes, None)?, post_json),
        "error" => refusals(bytes)?,
        "link-header" => exchanges(bytes)?.into_iter().map(page).collect(),
        other => return Err(Error::unsupported(format!("no kind `{other}`"))),
    })
}

/// One exchange or a list of them.
fn exchanges(bytes: &[u8]) -> Result<Vec<HttpReply>, Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Recorded {
        Many(Vec<Exchange>),
        One(Exchange),
    }
    let recorded = objects::from_slice(bytes).map_err(|error| Error::malformed(error.to_string()))?;
    let exchanges = match recorded {
        Recorded::Many(exchanges) => exchanges,
        Recorded::One(exchange) => vec![exchange],
    };
    Ok(exchanges.into_iter().map(Exchange::into_reply).collect())
}

fn refusals(bytes: &[u8]) -> Result<Value, Error> {
    if let Some(error) = error::reported(bytes) {
        return Ok(error_json(&error));
    }
    let replies = exchanges(bytes).map_err(|_| Error::malformed("neither a refusal nor a recorded exchange"))?;
    replies
        .iter()
        .map(|reply| match reply.status {
            200..=399 => Err(Error::malformed("the recorded exchange was not refused")),
            _ => Ok(error_json(&error::classify(reply))),
        })
        .collect()
}

fn page(reply: HttpReply) -> Value {
    json!({
        "status": reply.status,
        "next": reply.headers.get("link").and_then(next_link),
        "etag": reply.headers.get("etag"),
        "quota": quota_json(&error::quota(&reply.headers)),
        "error": (reply.status >= 400).then(|| error_json(&error::classify(&reply))),
    })
}
