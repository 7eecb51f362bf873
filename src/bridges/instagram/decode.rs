//! The kinds of Instagram file that `bridge decode` reads, each through the decoder that production uses.

use serde_json::{Value, json};

use super::{error, export, graph, wire};
use crate::bridges::ExportFile;
use crate::bridges::decode::{
    Decoder, KindInfo, error_json, export_json, like_json, list_json, owner_json, post_json, profile_json,
};
use crate::bridges::error::Error;
use crate::domain::identity::Platform;

pub const DECODER: Decoder = Decoder { platform: Platform::Instagram, kinds: KINDS, read: decode };

const KINDS: &[KindInfo] = &[
    KindInfo { name: "user", description: "GET /v1/users/{id} or /v1/users/self of the closed API" },
    KindInfo { name: "media", description: "GET /v1/media/shortcode/{code} or /v1/media/{id}" },
    KindInfo { name: "liked", description: "GET /v1/users/self/media/liked: likes, and where the next page starts" },
    KindInfo { name: "media-list", description: "GET /v1/users/{id}/media/recent and other lists of posts" },
    KindInfo { name: "token", description: "POST /oauth/access_token: whose token it is; the token is not shown" },
    KindInfo { name: "oembed", description: "GET /oembed: a post by its media id" },
    KindInfo { name: "notices", description: "a push of the closed API: what changed" },
    KindInfo { name: "subscriptions", description: "GET /v1/subscriptions: what is pushed" },
    KindInfo { name: "graph-user", description: "GET /me of the API of today" },
    KindInfo { name: "graph-media", description: "GET /me/media of the API of today" },
    KindInfo { name: "export-likes", description: "liked_posts.json of an export, in either shape" },
    KindInfo { name: "export-owner", description: "personal_information.json of an export" },
    KindInfo { name: "error", description: "the body of a refusal" },
];

/// Reads a file of one of [`KINDS`]; other kinds are refused before.
fn decode(kind: &str, bytes: &[u8]) -> Result<Value, Error> {
    Ok(match kind {
        "user" => profile_json(&wire::profile(bytes)?),
        "media" => post_json(&wire::media(bytes)?),
        "liked" => page(wire::liked(bytes)?, like_json),
        "media-list" => page(wire::posts(bytes)?, post_json),
        "token" => profile_json(&wire::token_owner(bytes)?),
        "oembed" => post_json(&wire::oembed(bytes)?),
        "notices" => list_json(&wire::notices(bytes)?, |notice| {
            json!({
                "subject": notice.subject,
                "id": notice.id,
                "changed": notice.changed,
                "at": notice.at.map(|at| at.to_string()),
            })
        }),
        "subscriptions" => list_json(
            &wire::subscriptions(bytes)?,
            |(subject, aspect)| json!({ "subject": subject, "changed": aspect }),
        ),
        "graph-user" => profile_json(&graph::profile(bytes)?),
        "graph-media" => page(graph::posts(bytes, None)?, post_json),
        "export-likes" => export_json(|take| export::Export.likes("liked_posts.json", &mut &*bytes, take))?,
        "export-owner" => {
            let owner = export::Export.owner("personal_information.json", &mut &*bytes)?;
            owner_json(&owner)
        }
        "error" => match error::reported(bytes) {
            Some(error) => error_json(&error),
            None => return Err(Error::malformed("this is not a refusal")),
        },
        other => return Err(Error::unsupported(format!("no kind `{other}`"))),
    })
}

fn page<T>(page: wire::Page<T>, shown: fn(&T) -> Value) -> Value {
    let mut list = list_json(&page.found, shown);
    list["next"] = json!(page.next);
    list
}
