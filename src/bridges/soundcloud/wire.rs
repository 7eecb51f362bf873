//! SoundCloud's replies, read into our values. Pure functions over bytes, shared by the client and `bridge decode`.
//!
//! Owns what each field means, and that an id is a URN whichever of its forms came: `urn`, the older `id`, or the end
//! of `uri`. How damaged fields are treated is in [`crate::bridges::wire`]. Source: docs/bridges/soundcloud.md.

use std::time::Duration;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::url::{Kind, kind_of, urn, urn_in};
use crate::bridges::error::Error;
use crate::bridges::value::{ActorKind, LikeItem, Liker, Media, MediaKind, Post, PostKind, Profile};
use crate::bridges::wire::{
    Listed, Seen, Text, described, document, items, seen_items, time, titled, written, written_time,
};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};
use crate::domain::time::Timestamp;

const PLATFORM: Platform = Platform::SoundCloud;
const SITE: &str = "https://soundcloud.com/";

#[derive(Deserialize)]
struct WireUser {
    urn: Option<String>,
    id: Option<Text>,
    uri: Option<String>,
    /// The name in addresses.
    permalink: String,
    /// What people see.
    username: Option<String>,
    description: Option<String>,
    website: Option<String>,
    avatar_url: Option<String>,
}

/// A track or a set; the two share every field that is read.
#[derive(Deserialize)]
struct WireSound {
    kind: Option<String>,
    urn: Option<String>,
    id: Option<Text>,
    uri: Option<String>,
    title: Option<String>,
    description: Option<String>,
    /// Milliseconds.
    duration: Option<u64>,
    genre: Option<String>,
    tag_list: Option<String>,
    artwork_url: Option<String>,
    permalink_url: Option<String>,
    created_at: Option<String>,
    license: Option<String>,
    sharing: Option<String>,
    embeddable_by: Option<String>,
    user: Option<WireUser>,
}

#[derive(Deserialize)]
struct WireWebProfile {
    service: Option<String>,
    url: Option<String>,
}

/// One page of a list, its items not yet read.
pub struct Page {
    pub data: Vec<Value>,
    /// Where the next page is; `None` at the end.
    pub next: Option<String>,
    /// The list came without an envelope, as in the older interface: it does not say whether it goes on.
    pub is_bare: bool,
}

/// A profile from `GET /users/{urn}` or `/me`, without the further links.
pub fn profile(bytes: &[u8]) -> Result<Profile, Error> {
    profile_of(parse(bytes)?)
}

fn profile_of(user: WireUser) -> Result<Profile, Error> {
    Ok(Profile {
        id: account(&user)?,
        profile_url: format!("{SITE}{}", user.permalink),
        handle: user.permalink,
        display_name: written(user.username),
        bio: written(user.description),
        website: written(user.website),
        links: Vec::new(),
        avatar_url: picture(user.avatar_url),
        kind: ActorKind::Person,
        refuses_bridges: Some(false),
    })
}

/// The further links of a profile, from `GET /users/{urn}/web-profiles`.
pub fn web_profiles(bytes: &[u8]) -> Result<Vec<String>, Error> {
    let page = page(bytes)?;
    let read = items(page.data, |link: WireWebProfile| match (link.service, link.url) {
        (None, None) => Err(Error::malformed("this is no link of a profile")),
        (_, url) => Ok(written(url)),
    })?;
    Ok(read.items)
}

/// The envelope of a list, or a list without one.
pub fn page(bytes: &[u8]) -> Result<Page, Error> {
    match parse::<Value>(bytes)? {
        Value::Array(data) => Ok(Page { data, next: None, is_bare: true }),
        Value::Object(mut map) => match (map.remove("collection"), map.remove("next_href")) {
            (Some(Value::Array(data)), None | Some(Value::Null)) => Ok(Page { data, next: None, is_bare: false }),
            (Some(Value::Array(data)), Some(Value::String(next))) => {
                Ok(Page { data, next: written(Some(next)), is_bare: false })
            }
            _ => Err(super::error::reported(bytes).unwrap_or_else(|| Error::malformed("there is no list in it"))),
        },
        _ => Err(Error::malformed("there is no list in it")),
    }
}

/// A public track or set, from `GET /tracks/{urn}` or `/playlists/{urn}`.
///
/// - errors: [`Error::Forbidden`] when its owner keeps it private.
pub fn post(bytes: &[u8]) -> Result<Post, Error> {
    let sound: WireSound = parse(bytes)?;
    if is_private(&sound) {
        return Err(Error::Forbidden { message: "the sound is private".to_owned() });
    }
    // No field of a sound must be there, so a report passes for one, but for its id.
    post_of(sound).map_err(|error| super::error::reported(bytes).unwrap_or(error))
}

/// Tracks and sets of a list, in the order given; private ones, which a token of their owner sees, are only named.
pub fn posts(data: Vec<Value>) -> Result<Listed<Post>, Error> {
    seen_items(data, |sound: WireSound| match is_private(&sound) {
        true => Ok(Seen::Hidden(ObjectRef::new(PLATFORM, &name_of(&sound)?.1)?)),
        false => post_of(sound).map(Seen::Open),
    })
}

/// Likes from `/users/{urn}/likes/tracks` and its like; SoundCloud does not say when they were given.
pub fn likes(data: Vec<Value>) -> Result<Listed<LikeItem>, Error> {
    let Listed { items, hidden, unreadable } = posts(data)?;
    Ok(Listed { items: items.into_iter().map(|post| LikeItem { post, liked_at: None }).collect(), hidden, unreadable })
}

/// Who likes a track, from `GET /tracks/{urn}/favoriters`.
pub fn likers(data: Vec<Value>) -> Result<Listed<Liker>, Error> {
    items(data, |user: WireUser| Ok(Some(Liker { account: account(&user)?, handle: user.permalink, liked_at: None })))
}

/// What an address leads to, from the body of the 302 that `/resolve` answers with.
pub fn location(bytes: &[u8]) -> Result<(Kind, String), Error> {
    #[derive(Deserialize)]
    struct WireFound {
        location: String,
    }
    let found: WireFound = parse(bytes)?;
    urn_in(&found.location).ok_or_else(|| Error::malformed("the address found holds no id that we know"))
}

/// The id of a thing in whichever form it came.
pub(super) fn urn_of(kind: Kind, known: Option<&str>, id: Option<&Text>, uri: Option<&str>) -> Result<String, Error> {
    let by_urn = || known.filter(|text| kind_of(text) == Some(kind)).map(str::to_owned);
    let by_id = || urn(kind, id?.as_str());
    let by_uri = || urn_in(uri?).filter(|(found, _)| *found == kind).map(|(_, urn)| urn);
    // A URN of another kind is a thing of another kind, whatever else it says.
    let is_other = known.and_then(kind_of).is_some_and(|found| found != kind);
    let found = if is_other { None } else { by_urn().or_else(by_id).or_else(by_uri) };
    found.ok_or_else(|| Error::malformed(format!("there is no id of one of the {}", kind.as_str())))
}

fn account(user: &WireUser) -> Result<ExternalId, Error> {
    let urn = urn_of(Kind::User, user.urn.as_deref(), user.id.as_ref(), user.uri.as_deref())?;
    Ok(ExternalId::new(PLATFORM, &urn)?)
}

fn is_private(sound: &WireSound) -> bool {
    sound.sharing.as_deref().is_some_and(|sharing| sharing != "public")
}

/// What a sound is, and its URN.
fn name_of(sound: &WireSound) -> Result<(Kind, String), Error> {
    let kind = match sound.kind.as_deref() {
        Some("track") => Kind::Track,
        Some("playlist") => Kind::Playlist,
        Some(other) => return Err(Error::malformed(format!("`{other}` is neither a track nor a set"))),
        None => sound.urn.as_deref().and_then(kind_of).unwrap_or(Kind::Track),
    };
    let urn = urn_of(kind, sound.urn.as_deref(), sound.id.as_ref(), sound.uri.as_deref())?;
    Ok((kind, urn))
}

fn post_of(sound: WireSound) -> Result<Post, Error> {
    let (kind, urn) = name_of(&sound)?;
    let id = ObjectRef::new(PLATFORM, &urn)?;
    let owner = sound.user.as_ref().map(account).transpose()?;
    let player = player(kind, &urn);
    // Newer replies end the address with whose app asked for it.
    let page = sound.permalink_url.as_deref().and_then(|url| url.split(['?', '#']).next());
    let page = page.filter(|url| url.starts_with(SITE)).map(str::to_owned);
    let thumbnail_url = picture(sound.artwork_url);
    let is_embeddable = sound.embeddable_by.as_deref().is_none_or(|who| who == "all");
    let url = page.unwrap_or_else(|| player.clone());
    // The stream itself needs a token and is not for others to pass on: the player is what may be shown.
    let shown = Media {
        media_type: Some("text/html".to_owned()),
        poster: thumbnail_url.clone(),
        ..Media::new(MediaKind::Link, if is_embeddable { player } else { url.clone() })
    };
    let post_kind = if kind == Kind::Track { PostKind::Audio } else { PostKind::Collection };
    let title = sound.title.as_deref().and_then(titled).unwrap_or_else(|| "Untitled".to_owned());
    Ok(Post {
        owner,
        owner_handle: sound.user.map(|user| user.permalink),
        description: described(sound.description),
        thumbnail_url,
        published: sound.created_at.as_deref().map(written_at).transpose()?,
        licence: written(sound.license),
        attachments: vec![shown],
        tags: tags(sound.genre.as_deref(), sound.tag_list.as_deref()),
        duration: sound.duration.map(Duration::from_millis),
        ..Post::new(id, post_kind, title, url)
    })
}

fn player(kind: Kind, urn: &str) -> String {
    let api = format!("https://api.soundcloud.com/{}/{urn}", kind.as_str());
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("url", &api).finish();
    format!("https://w.soundcloud.com/player/?{query}")
}

fn picture(url: Option<String>) -> Option<String> {
    url.filter(|url| url.starts_with("https://"))
}

/// `2019/01/15 15:40:49 +0000`, or the standard form.
pub(super) fn written_at(text: &str) -> Result<Timestamp, Error> {
    written_time(text, "%Y/%m/%d %H:%M:%S %z").or_else(|_| time(text))
}

/// The genre and the tags, each once: words between spaces, or several in quotes.
fn tags(genre: Option<&str>, list: Option<&str>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut add = |tag: &str| {
        let tag = tag.trim();
        // `geo:lat=60.39` is for machines.
        if !tag.is_empty()
            && !tag.contains('=')
            && !found.iter().any(|known| known.to_lowercase() == tag.to_lowercase())
        {
            found.push(tag.to_owned());
        }
    };
    add(genre.unwrap_or_default());
    for (place, part) in list.unwrap_or_default().split('"').enumerate() {
        if place % 2 == 1 {
            add(part);
        } else {
            part.split_whitespace().for_each(&mut add);
        }
    }
    found
}

/// Reads a document. A report of an error where a document should be is that error, whatever it came in.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    document(bytes, super::error::reported)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_words_or_quoted_and_come_once() {
        let check = |genre: &str, list: &str, expected: &[&str]| assert_eq!(tags(Some(genre), Some(list)), expected);
        check("Field", "sea \"slow water\" geo:lat=60.39 Sea field", &["Field", "sea", "slow water"]);
        check("", "\"open quote", &["open quote"]);
        check("", "  ", &[]);
    }

    #[test]
    fn an_id_is_the_urn_in_whichever_form_it_came() {
        let check = |known: Option<&str>, id: Option<&str>, uri: Option<&str>, expected: Option<&str>| {
            let id = id.map(|id| Text(id.to_owned()));
            let found = urn_of(Kind::Track, known, id.as_ref(), uri).ok();
            assert_eq!(found.as_deref(), expected, "{known:?} {id:?} {uri:?}");
        };
        let urn = Some("soundcloud:tracks:771");
        check(urn, Some("5"), Some("https://api.soundcloud.com/tracks/6"), urn);
        check(None, Some("771"), None, urn);
        check(None, None, Some("https://api.soundcloud.com/tracks/771"), urn);
        check(Some("souncloud:tracks:771"), None, Some("https://api.soundcloud.com/tracks/soundcloud:tracks:771"), urn);
        check(Some("soundcloud:playlists:5"), Some("771"), None, None);
        check(None, Some("7.5"), Some("https://api.soundcloud.com/playlists/771"), None);
        check(None, None, None, None);
    }
}
