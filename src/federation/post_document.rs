//! The document of a bridged post, in the form that its author's claim allows.
//!
//! Owns the two forms: until the author has claimed the account, title, link and the address of a thumbnail; afterwards all
//! that the platform says. Source: FEDERATION.md in this repository, "Posts". Media are never ours: attachments are links to where the
//! platform keeps them, and none where it forbids that its files are shown elsewhere. A post that is gone is a Tombstone.

use std::str::FromStr;

use serde_json::{Value, json};

use super::documents::{PUBLIC, post_context};
use super::rich_text::{Markup, escape, html, link, web_address};
use crate::domain::id::ActorId;
use crate::domain::identity::{ObjectRef, Platform};
use crate::domain::time::Timestamp;
use crate::flows::Instance;
use crate::storage::identities::{self, Object};
use crate::storage::people::{self, Actor};
use crate::storage::posts::{self, FullForm, Medium, PostDetails};
use crate::storage::{self, Tx};

/// A release with more to say than this is an article.
const NOTE_CHARS_MAX: usize = 2_000;

/// A post with all that its document is made of.
#[derive(Clone, Debug)]
pub struct Shown {
    pub object: Object,
    pub author: Option<Actor>,
    pub details: Option<PostDetails>,
    /// Of a claimed account.
    pub full: Option<FullForm>,
    /// Our address of the post that this one answers, where we know it.
    pub in_reply_to: Option<String>,
}

/// Reads what the document of a post is made of.
pub fn load(tx: &mut Tx, instance: &Instance, object: Object) -> Result<Shown, storage::Error> {
    let (mut author, mut is_claimed) = (None, false);
    if let Some(owner) = object.owner() {
        let identity = identities::identity(tx, owner)?;
        if let Some(actor) = identity.as_ref().and_then(|identity| identity.actor_id) {
            author = people::actor(tx, ActorId(actor))?;
        }
        let is_refused = identity.is_some_and(|identity| identity.is_refused);
        is_claimed = !is_refused && identities::verified_claim(tx, owner)?.is_some();
    }
    let details = posts::details(tx, object.id)?;
    let full = match details.as_ref().filter(|_| is_claimed) {
        Some(details) => details.full()?,
        None => None,
    };
    let mut in_reply_to = None;
    if let Some(answered) = full.as_ref().and_then(|full| full.in_reply_to.as_deref())
        && let Ok(platform) = object.platform.parse()
        && let Ok(answered) = ObjectRef::new(platform, answered)
    {
        let known = identities::object_by_ref(tx, &answered)?.filter(|known| !known.is_deleted);
        in_reply_to = known.map(|known| instance.object_uri(&known.platform, &known.object));
    }
    Ok(Shown { object, author, details, full, in_reply_to })
}

/// What is left of a post that is gone.
pub fn tombstone(instance: &Instance, shown: &Shown) -> Value {
    let deleted = shown.details.as_ref().and_then(|details| details.deleted_at).unwrap_or(shown.object.seen_at);
    json!({
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": instance.object_uri(&shown.object.platform, &shown.object.object),
        "type": "Tombstone",
        "formerType": "Note",
        "deleted": time(deleted),
    })
}

/// The document of a post.
pub fn write(instance: &Instance, shown: &Shown) -> Value {
    let Shown { object, author, details, full, in_reply_to } = shown;
    if object.is_deleted {
        return tombstone(instance, shown);
    }
    let uri = instance.object_uri(&object.platform, &object.object);
    let shows_files = may_show_files(&object.platform);
    let kind = details.as_ref().map_or("", |details| details.kind.as_str());
    let mut document = json!({
        "@context": post_context(),
        "id": uri,
        "type": "Note",
        "content": content(shown, kind),
        // The first address is ours, since Mastodon wants id and url on one host; the canonical one is FEP-fffd.
        "url": [uri],
        "to": [PUBLIC],
        "likes": format!("{uri}/likes"),
        "sensitive": full.as_ref().is_some_and(|full| full.is_sensitive),
        "flattr:platform": object.platform,
        "flattr:objectId": object.object,
        "published": time(object.published_at.unwrap_or(object.seen_at)),
        // FEP-0ea0: where its author is paid for it.
        "attachment": [{ "type": "Link", "rel": "payment", "name": "fedflattr", "href": uri }],
    });
    if web_address(&object.url).is_some() {
        let canonical = json!({ "type": "Link", "rel": "canonical", "mediaType": "text/html", "href": object.url });
        document["url"].as_array_mut().expect("written above").push(canonical);
    }
    if let Some(author) = author {
        document["attributedTo"] = json!(author.uri);
        document["cc"] = json!([format!("{}/followers", author.uri)]);
    }
    if let Some(edited) = details.as_ref().and_then(|details| details.edited_at) {
        document["updated"] = json!(time(edited));
    }
    let thumbnail = details.as_ref().and_then(|details| details.thumbnail_url.as_deref());
    if let Some(thumbnail) = thumbnail.filter(|url| web_address(url).is_some()) {
        // Where files may not be shown elsewhere, the address is said and nobody is asked to load it.
        match shows_files {
            true => document["image"] = json!({ "type": "Image", "url": thumbnail }),
            false => document["preview"] = json!({ "type": "Link", "href": thumbnail }),
        }
    }
    if let Some(full) = full {
        fill(&mut document, shown, full, kind, shows_files);
    }
    if let Some(answered) = in_reply_to {
        document["inReplyTo"] = json!(answered);
    }
    document
}

/// Adds what only the full form says.
fn fill(document: &mut Value, shown: &Shown, full: &FullForm, kind: &str, shows_files: bool) {
    let object = &shown.object;
    let is_long = full.description.as_ref().is_some_and(|text| text.chars().count() > NOTE_CHARS_MAX);
    let document_type = match kind {
        "repository" | "collection" => "Page",
        "release" if is_long => "Article",
        _ => "Note",
    };
    document["type"] = json!(document_type);
    if document_type != "Note" {
        document["name"] = json!(object.title);
    }
    if let Some(seconds) = full.duration_seconds {
        document["duration"] = json!(format!("PT{seconds}S"));
    }
    if let Some(licence) = full.licence.as_deref().and_then(|licence| licence_address(&object.platform, licence)) {
        document["license"] = json!(licence);
    }
    let names: Vec<String> = full.tags.iter().filter_map(|tag| hashtag(tag)).collect();
    if !names.is_empty() {
        document["tag"] = names.iter().map(|name| json!({ "type": "Hashtag", "name": name })).collect();
    }
    let addresses = document["url"].as_array_mut().expect("written above");
    for page in full.media.iter().filter(|medium| medium.kind == "link" && medium.url != object.url) {
        if web_address(&page.url).is_some() {
            addresses.push(json!({ "type": "Link", "mediaType": "text/html", "href": page.url }));
        }
    }
    if let Some(alias) = full.alias_url.as_deref().filter(|url| web_address(url).is_some()) {
        addresses.push(json!({ "type": "Link", "rel": "alternate", "mediaType": "text/html", "href": alias }));
    }
    if shows_files {
        let duration = document["duration"].clone();
        let attachments = document["attachment"].as_array_mut().expect("written above");
        // The payment link last: who shows pictures takes what comes first.
        for (place, medium) in full.media.iter().filter_map(|medium| attachment(medium, &duration)).enumerate() {
            attachments.insert(place, medium);
        }
    }
}

/// A file where the platform keeps it.
fn attachment(medium: &Medium, duration: &Value) -> Option<Value> {
    let document_type = match medium.kind.as_str() {
        "image" => "Image",
        "video" => "Video",
        "audio" => "Audio",
        _ => return None,
    };
    web_address(&medium.url)?;
    let mut document = json!({ "type": document_type, "url": medium.url });
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            document[name] = value;
        }
    };
    put("mediaType", medium.media_type.as_ref().map(|it| json!(it)));
    put("name", medium.alt.as_ref().map(|it| json!(it)));
    put("width", medium.width.map(|it| json!(it)));
    put("height", medium.height.map(|it| json!(it)));
    let poster = medium.poster.as_deref().filter(|url| web_address(url).is_some());
    put("icon", poster.map(|url| json!({ "type": "Image", "url": url })));
    put("duration", Some(duration.clone()).filter(|it| document_type != "Image" && it.is_string()));
    Some(document)
}

/// Whether a platform lets others show its files by linking to them.
pub(super) fn may_show_files(platform: &str) -> bool {
    !matches!(Platform::from_str(platform), Ok(Platform::Instagram | Platform::Vimeo | Platform::SoundCloud) | Err(_))
}

/// Title, text, tags, and where it all comes from.
fn content(shown: &Shown, kind: &str) -> String {
    let object = &shown.object;
    let platform = Platform::from_str(&object.platform);
    let label = platform.map_or(object.platform.as_str(), |platform| platform.label());
    let Some(full) = &shown.full else {
        return format!("<p>{}</p><p>Bridged from {}</p>", link(&object.url, &object.title), escape(label));
    };
    let mut parts = Vec::new();
    let text = full.description.as_deref().unwrap_or_default();
    // The title of a short message is its own beginning.
    let is_beginning = kind == "text" && text.trim_start().starts_with(object.title.trim_end_matches('\u{2026}'));
    if !is_beginning {
        parts.push(format!("<p>{}</p>", link(&object.url, &object.title)));
    }
    parts.push(html(text, markup(&object.platform, kind)));
    let names: Vec<String> = full.tags.iter().filter_map(|tag| hashtag(tag)).collect();
    let unsaid: Vec<String> = names.into_iter().filter(|name| !text.contains(name.as_str())).collect();
    if !unsaid.is_empty() {
        parts.push(format!("<p>{}</p>", escape(&unsaid.join(" "))));
    }
    let licence = match full.licence.as_deref().filter(|word| *word != "all-rights-reserved") {
        Some(word) => match licence_address(&object.platform, word) {
            Some(address) => format!(" \u{b7} Licence: {}", link(&address, word)),
            None => format!(" \u{b7} Licence: {}", escape(word)),
        },
        None => String::new(),
    };
    parts.push(format!("<p>Bridged from {}{licence}</p>", link(&object.url, label)));
    parts.concat()
}

/// In which form a platform gives its texts.
fn markup(platform: &str, kind: &str) -> Markup {
    match Platform::from_str(platform) {
        Ok(Platform::Flickr | Platform::FiveHundredPx) => Markup::Html,
        Ok(Platform::GitHub) if kind == "release" => Markup::Markdown,
        _ => Markup::Plain,
    }
}

/// `#lowtide`; `None` when nothing is left that a tag may have.
fn hashtag(tag: &str) -> Option<String> {
    let plain: String = tag.chars().filter(|letter| letter.is_alphanumeric() || *letter == '_').take(100).collect();
    (!plain.is_empty()).then(|| format!("#{plain}"))
}

/// The address of a licence, where the platform's word names exactly one.
fn licence_address(platform: &str, word: &str) -> Option<String> {
    if web_address(word).is_some() {
        return Some(word.to_owned());
    }
    let is_plain = word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '+'));
    match (Platform::from_str(platform), word) {
        (_, "CC0-1.0" | "no-rights-reserved") => Some("https://creativecommons.org/publicdomain/zero/1.0/".to_owned()),
        // GitHub writes the identifiers of SPDX.
        (Ok(Platform::GitHub), spdx) if is_plain => Some(format!("https://spdx.org/licenses/{spdx}.html")),
        _ => None,
    }
}

fn time(micros: i64) -> String {
    Timestamp::from_micros(micros).floor_to_second().to_string()
}

#[cfg(test)]
#[path = "post_document_tests.rs"]
mod tests;
