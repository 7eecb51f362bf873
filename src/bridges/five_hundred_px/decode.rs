//! The kinds of 500px file that `bridge decode` reads, each through the decoder that production uses.

use serde_json::{Value, json};

use super::wire::Page;
use super::{error, export, wire};
use crate::bridges::decode::{
    Decoder, KindInfo, error_json, export_json, like_json, liker_json, list_json, post_json, profile_json,
};
use crate::bridges::error::Error;
use crate::domain::identity::Platform;

pub const DECODER: Decoder = Decoder { platform: Platform::FiveHundredPx, kinds: KINDS, read: decode };

const KINDS: &[KindInfo] = &[
    KindInfo { name: "favorites", description: "GET /v1/photos?feature=user_favorites, or the items of a gallery" },
    KindInfo { name: "photos", description: "GET /v1/photos of any feature" },
    KindInfo { name: "photo", description: "GET /v1/photos/{id}, or the reply to a vote" },
    KindInfo { name: "votes", description: "GET /v1/photos/{id}/votes" },
    KindInfo { name: "user", description: "GET /v1/users/show or /v1/users: a profile" },
    KindInfo { name: "galleries", description: "GET /v1/users/{id}/galleries: those of favourites" },
    KindInfo { name: "error", description: "a refusal: {status, error}" },
    KindInfo { name: "saved-pages", description: "saved pages of favourites, one or a list, as they are imported" },
    KindInfo { name: "saved-list", description: "a list of addresses of photos, as it is imported" },
];

/// Reads a file of one of [`KINDS`]; other kinds are refused before.
fn decode(kind: &str, bytes: &[u8]) -> Result<Value, Error> {
    Ok(match kind {
        "favorites" => page(&wire::favorites(bytes)?, like_json),
        "photos" => page(&wire::photos(bytes)?, post_json),
        "photo" => post_json(&wire::photo(bytes)?),
        "votes" => list_json(&wire::voters(bytes)?, liker_json),
        "user" => profile_json(&wire::profile(bytes)?),
        "galleries" => {
            let (found, has_more) = wire::galleries(bytes)?;
            json!({ "items": found.items, "unreadable": found.unreadable, "has_more": has_more })
        }
        "error" => {
            error_json(&error::reported(bytes).ok_or_else(|| Error::malformed("this is no refusal of 500px's"))?)
        }
        "saved-pages" => export_json(|take| export::pages(bytes, take))?,
        "saved-list" => export_json(|take| export::list(bytes, take))?,
        other => return Err(Error::unsupported(format!("no kind `{other}`"))),
    })
}

fn page<T>(page: &Page<T>, shown: fn(&T) -> Value) -> Value {
    json!({
        "feature": page.feature,
        "of": page.of.as_ref().map(ToString::to_string),
        "page": page.page,
        "pages": page.pages,
        "items": page.found.items.iter().map(shown).collect::<Vec<_>>(),
        "unreadable": page.found.unreadable,
    })
}
