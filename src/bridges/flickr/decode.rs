//! The kinds of Flickr file that `bridge decode` reads, each through the decoder that production uses.

use serde_json::{Value, json};

use super::wire::Page;
use super::{error, export, people, tables, wire};
use crate::bridges::decode::{
    Decoder, KindInfo, error_json, export_json, like_json, liker_json, media_json, owner_json, post_json, profile_json,
    refusals_json,
};
use crate::bridges::error::Error;
use crate::domain::identity::Platform;

pub const DECODER: Decoder = Decoder { platform: Platform::Flickr, kinds: KINDS, read: decode };

const KINDS: &[KindInfo] = &[
    KindInfo { name: "favorites", description: "flickr.favorites.getPublicList or getList: likes with their times" },
    KindInfo { name: "photos", description: "flickr.people.getPublicPhotos" },
    KindInfo { name: "photo", description: "flickr.photos.getInfo" },
    KindInfo { name: "sizes", description: "flickr.photos.getSizes: the files of a photo" },
    KindInfo { name: "favers", description: "flickr.photos.getFavorites: who likes a photo" },
    KindInfo { name: "person", description: "flickr.people.getInfo: a profile, without its website" },
    KindInfo { name: "profile", description: "flickr.profile.getProfile: the website of a profile" },
    KindInfo { name: "user", description: "flickr.urls.lookupUser, people.findByUsername or test.login" },
    KindInfo { name: "licences", description: "flickr.photos.licenses.getInfo, beside what the bridge knows" },
    KindInfo { name: "method", description: "flickr.reflection.getMethodInfo: the classes of a method's refusals" },
    KindInfo { name: "error", description: "a refusal (stat: fail), or an object or list of them" },
    KindInfo { name: "export-faves", description: "faves_part001.json of the export file" },
    KindInfo { name: "export-account", description: "account_profile.json of the export file" },
];

/// Reads a file of one of [`KINDS`]; other kinds are refused before.
fn decode(kind: &str, bytes: &[u8]) -> Result<Value, Error> {
    Ok(match kind {
        "favorites" => page(&wire::favorites(bytes)?, like_json),
        "photos" => page(&wire::photos(bytes)?, post_json),
        "photo" => post_json(&wire::photo(bytes)?),
        "sizes" => json!({ "items": wire::sizes(bytes)?.items.iter().map(media_json).collect::<Vec<_>>() }),
        "favers" => page(&people::likers(bytes)?, liker_json),
        "person" => profile_json(&people::person(bytes)?),
        "profile" => {
            let about = people::about(bytes)?;
            json!({ "id": about.id.to_string(), "website": about.website, "description": about.description })
        }
        "user" => json!({ "id": people::user(bytes)?.to_string() }),
        "licences" => licences(bytes)?,
        "method" => method(bytes)?,
        "error" => refusals_json(bytes, |body| error::reported(body).as_ref().map(error_json))?,
        "export-faves" => export_json(|take| export::likes(bytes, take))?,
        "export-account" => {
            let owner = export::owner(bytes)?;
            owner_json(&owner)
        }
        other => return Err(Error::unsupported(format!("no kind `{other}`"))),
    })
}

fn page<T>(page: &Page<T>, shown: fn(&T) -> Value) -> Value {
    json!({
        "page": page.page,
        "pages": page.pages,
        "items": page.found.items.iter().map(shown).collect::<Vec<_>>(),
        "unreadable": page.found.unreadable,
    })
}

fn licences(bytes: &[u8]) -> Result<Value, Error> {
    let found = tables::licences(bytes)?;
    let shown = found.items.iter().map(
        |licence| json!({ "id": licence.id, "name": licence.name, "url": licence.url, "is_known": licence.is_known }),
    );
    Ok(json!({ "items": shown.collect::<Vec<_>>(), "unreadable": found.unreadable }))
}

fn method(bytes: &[u8]) -> Result<Value, Error> {
    let method = tables::method(bytes)?;
    let shown = method.errors.iter().map(|(code, error)| json!({ "code": code, "error": error_json(error) }));
    Ok(json!({ "name": method.name, "needs_login": method.needs_login, "errors": shown.collect::<Vec<_>>() }))
}
