//! The kinds of files of the fediverse that `bridge decode` reads, each through the decoder that production uses.

use ::url::Url;
use serde_json::{Value, json};

use super::{error, wire};
use crate::bridges::decode::{Decoder, KindInfo, error_json, like_json, list_json, post_json, profile_json};
use crate::bridges::error::Error;
use crate::domain::identity::Platform;

pub const DECODER: Decoder = Decoder { platform: Platform::Fediverse, kinds: KINDS, read: decode };

const KINDS: &[KindInfo] = &[
    KindInfo { name: "actor", description: "the ActivityStreams document of an account" },
    KindInfo { name: "object", description: "the ActivityStreams document of a post" },
    KindInfo { name: "account", description: "GET /api/v1/accounts/verify_credentials or /lookup: a profile" },
    KindInfo { name: "status", description: "GET /api/v1/statuses/:id, as its own server shows it" },
    KindInfo { name: "favourites", description: "GET /api/v1/favourites, the URIs that it names" },
    KindInfo { name: "webfinger", description: "GET /.well-known/webfinger" },
    KindInfo { name: "error", description: "the body of a refusal" },
];

/// Reads a file of one of [`KINDS`]; other kinds are refused before.
fn decode(kind: &str, bytes: &[u8]) -> Result<Value, Error> {
    Ok(match kind {
        "actor" => profile_json(&wire::actor(bytes, &itself(bytes)?)?),
        "object" => post_json(&wire::object(bytes, &itself(bytes)?)?),
        "account" => {
            let account = wire::account(bytes)?;
            let uri = account.uri.as_deref().and_then(|uri| Url::parse(uri).ok());
            let uri = uri.ok_or_else(|| Error::malformed("the account does not tell its URI: WebFinger would"))?;
            profile_json(&account.into_profile(&uri)?)
        }
        "status" => post_json(&wire::status(bytes)?),
        "favourites" => {
            // The server that was asked is not in the file: none is believed about anything but URIs.
            let nobody = Url::parse("https://nobody.invalid/").expect("a literal address");
            let found = wire::favourites(bytes, &nobody, false)?;
            list_json(&found, like_json)
        }
        "webfinger" => json!({ "account": format!("{}:{}", Platform::Fediverse, wire::webfinger(bytes)?) }),
        "error" => {
            error_json(&error::reported(bytes).ok_or_else(|| Error::malformed("this is not the body of a refusal"))?)
        }
        other => return Err(Error::unsupported(format!("no kind `{other}`"))),
    })
}

/// A document is read as if it had been found under the URI that it bears.
fn itself(bytes: &[u8]) -> Result<Url, Error> {
    Url::parse(&wire::id(bytes)?).map_err(|_| Error::malformed("`id` is no address"))
}
