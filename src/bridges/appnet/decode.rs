//! The kinds of file of App.net and pnut.io that `bridge decode` reads, each through the decoder that production uses.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Dialect, PLATFORM, error, export, media, wire};
use crate::bridges::ExportFile;
use crate::bridges::decode::{
    Decoder, KindInfo, error_json, export_json, like_json, list_json, media_json, owner_json, post_json, profile_json,
    refusals_json,
};
use crate::bridges::error::Error;

pub const DECODER: Decoder = Decoder { platform: PLATFORM, kinds: KINDS, read: decode };

const KINDS: &[KindInfo] = &[
    KindInfo { name: "user", description: "GET /users/{id} of App.net: a profile" },
    KindInfo { name: "post", description: "GET /posts/{id} of App.net" },
    KindInfo { name: "posts", description: "GET /users/{id}/posts of App.net" },
    KindInfo { name: "stars", description: "GET /users/{id}/stars of App.net: likes, without times" },
    KindInfo { name: "token", description: "GET /token of App.net: whose a token is, and what it allows" },
    KindInfo { name: "file", description: "GET /files/{id} of App.net: an attachment" },
    KindInfo { name: "error", description: "the body of a refusal, or an object of them by name" },
    KindInfo { name: "pnut-user", description: "GET /users/{id} of pnut.io: a profile" },
    KindInfo { name: "pnut-post", description: "GET /posts/{id} of pnut.io" },
    KindInfo { name: "pnut-posts", description: "GET /users/{id}/posts of pnut.io" },
    KindInfo { name: "pnut-bookmarks", description: "GET /users/{id}/bookmarks of pnut.io: likes, without times" },
    KindInfo { name: "export-user", description: "user.json of an export of App.net: whose file it is" },
    KindInfo { name: "export-stars", description: "stars.json of an export of App.net: likes, without times" },
];

/// Reads a file of one of [`KINDS`]; other kinds are refused before.
fn decode(kind: &str, bytes: &[u8]) -> Result<Value, Error> {
    let (dialect, kind) = match kind.strip_prefix("pnut-") {
        Some(kind) => (Dialect::Pnut, kind),
        None => (Dialect::AppNet, kind),
    };
    Ok(match kind {
        "user" => profile_json(&wire::profile(bytes, dialect)?),
        "post" => post_json(&wire::post(bytes, dialect)?),
        "posts" => page(wire::posts(bytes, dialect)?, post_json),
        "stars" | "bookmarks" => page(wire::likes(bytes, dialect)?, like_json),
        "token" => token(bytes)?,
        "file" => {
            let file: Value = wire::data(bytes)?;
            media_json(&media::file(&file).ok_or_else(|| Error::malformed("the file has no address"))?)
        }
        "error" => refusals_json(bytes, |body| error::reported(body).as_ref().map(error_json))?,
        "export-user" => {
            let owner = export::Export.owner("user.json", &mut &bytes[..])?;
            owner_json(&owner)
        }
        "export-stars" => export_json(|take| export::Export.likes("stars.json", &mut &bytes[..], take))?,
        other => return Err(Error::unsupported(format!("no kind `{other}`"))),
    })
}

fn page<T>(page: wire::Page<T>, shown: fn(&T) -> Value) -> Value {
    let mut list = list_json(&page.found, shown);
    list["next"] = json!(page.next);
    list
}

fn token(bytes: &[u8]) -> Result<Value, Error> {
    #[derive(Deserialize)]
    struct WireToken {
        app: WireApp,
        scopes: Vec<String>,
        user: Option<Value>,
    }
    #[derive(Deserialize)]
    struct WireApp {
        client_id: String,
    }
    let WireToken { app, scopes, user } = wire::data(bytes)?;
    let user = user.map(|user| wire::profile_of(user, Dialect::AppNet)).transpose()?;
    Ok(json!({ "client_id": app.client_id, "scopes": scopes, "user": user.as_ref().map(profile_json) }))
}
