//! What hangs on a post or a person: annotations on App.net, `raw` on pnut.io.
//!
//! Owns that only what can be linked to becomes an attachment. `html` of an embedding is never read: by the platform's
//! own word nobody checked it. A damaged or unknown annotation is left out; it costs a picture, not a like. Source:
//! appdotnet/object-metadata.

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::bridges::value::{Media, MediaKind};
use crate::bridges::wire::{Text, written};

/// Annotations by type, in the order given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Annotations(Vec<(String, Value)>);

impl Annotations {
    /// From a list of `{type, value}`, or from the newer form: an object of lists by type.
    pub fn read(value: Option<&Value>) -> Annotations {
        let mut found = Vec::new();
        match value {
            Some(Value::Array(list)) => {
                for item in list {
                    if let (Some(kind), Some(value)) = (item["type"].as_str(), item.get("value")) {
                        found.push((kind.to_owned(), value.clone()));
                    }
                }
            }
            Some(Value::Object(by_type)) => {
                for (kind, values) in by_type {
                    found.extend(values.as_array().into_iter().flatten().map(|value| (kind.clone(), value.clone())));
                }
            }
            _ => {}
        }
        Annotations(found)
    }

    /// The values of one type; the two networks differ in its first part only.
    fn of(&self, name: &str) -> impl Iterator<Item = &Value> {
        let names = [format!("net.app.core.{name}"), format!("io.pnut.core.{name}")];
        self.0.iter().filter(move |(kind, _)| names.contains(kind)).map(|(_, value)| value)
    }

    /// An address that an annotation holds under a key.
    pub fn address(&self, name: &str, key: &str) -> Option<String> {
        self.of(name).find_map(|value| address(value[key].as_str()))
    }

    /// Pictures, films and sounds.
    pub fn attachments(&self) -> Vec<Media> {
        let embedded = self.of("oembed").filter_map(embedded);
        let files = self.of("attachments").flat_map(|value| value["+net.app.core.file_list"].as_array());
        // An address that ends would soon lead nowhere.
        let files = files.flatten().filter(|file| file["url_expires"].is_null()).filter_map(file);
        embedded.chain(files).collect()
    }

    /// The first still picture that stands for the post.
    pub fn thumbnail(&self) -> Option<String> {
        let shown = |value: &Value| {
            let photo = (value["type"] == "photo").then(|| address(value["url"].as_str())).flatten();
            address(value["thumbnail_url"].as_str()).or_else(|| address(value["poster_url"].as_str())).or(photo)
        };
        self.of("oembed").find_map(shown)
    }
}

/// Only what a page may link to.
pub(super) fn address(text: Option<&str>) -> Option<String> {
    let url = Url::parse(text?.trim()).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then(|| text.unwrap_or_default().trim().to_owned())
}

#[derive(Deserialize)]
struct WireEmbedded {
    #[serde(rename = "type")]
    kind: String,
    url: Option<String>,
    embeddable_url: Option<String>,
    poster_url: Option<String>,
    thumbnail_url: Option<String>,
    title: Option<String>,
    description: Option<String>,
    width: Option<Text>,
    height: Option<Text>,
}

fn embedded(value: &Value) -> Option<Media> {
    let wire: WireEmbedded = WireEmbedded::deserialize(value).ok()?;
    let kind = match wire.kind.as_str() {
        "photo" => MediaKind::Image,
        "html5video" => MediaKind::Video,
        "audio" => MediaKind::Audio,
        _ => MediaKind::Link,
    };
    // A film or a player that is only HTML is shown by the page that holds it.
    let url = if kind == MediaKind::Link { wire.embeddable_url.or(wire.url) } else { wire.url };
    let poster = wire.poster_url.or(wire.thumbnail_url).filter(|_| kind != MediaKind::Image);
    Some(Media {
        alt: written(wire.description).or_else(|| written(wire.title)),
        width: pixels(wire.width),
        height: pixels(wire.height),
        poster: address(poster.as_deref()),
        ..Media::new(kind, address(url.as_deref())?)
    })
}

fn pixels(text: Option<Text>) -> Option<u32> {
    text.and_then(|text| text.0.parse().ok())
}

#[derive(Deserialize)]
struct WireFile {
    kind: Option<String>,
    mime_type: Option<String>,
    name: Option<String>,
    url: Option<String>,
    url_permanent: Option<String>,
    image_info: Option<WireSize>,
}

#[derive(Deserialize)]
struct WireSize {
    width: Option<Text>,
    height: Option<Text>,
}

/// A file that somebody uploaded. `None` without an address that can be linked to.
pub(super) fn file(value: &Value) -> Option<Media> {
    let wire = WireFile::deserialize(value).ok()?;
    let family = wire.mime_type.as_deref().and_then(|mime| mime.split('/').next()).or(wire.kind.as_deref());
    let kind = match family {
        Some("image") => MediaKind::Image,
        Some("video") => MediaKind::Video,
        Some("audio") => MediaKind::Audio,
        _ => MediaKind::Link,
    };
    let (width, height) = wire.image_info.map_or((None, None), |size| (size.width, size.height));
    Some(Media {
        media_type: written(wire.mime_type),
        alt: written(wire.name),
        width: pixels(width),
        height: pixels(height),
        ..Media::new(kind, address(wire.url_permanent.as_deref().or(wire.url.as_deref()))?)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_and_an_object_of_lists_say_the_same() {
        let value = json!({ "type": "photo", "url": "https://i.example/1.jpg", "width": 240, "title": "Tide tables" });
        let list = json!([{ "type": "net.app.core.oembed", "value": value }]);
        let object = json!({ "io.pnut.core.oembed": [value] });
        for raw in [list, object] {
            let found = Annotations::read(Some(&raw)).attachments();
            assert_eq!((found.len(), found[0].kind, found[0].width), (1, MediaKind::Image, Some(240)));
            assert_eq!(found[0].alt.as_deref(), Some("Tide tables"));
        }
        assert_eq!(Annotations::read(None), Annotations::read(Some(&json!("x"))));
    }

    #[test]
    fn a_film_of_html_is_a_link_and_its_html_is_not_read() {
        let raw = json!([
            { "type": "net.app.core.oembed", "value": { "type": "video", "html": "<script>x</script>",
              "embeddable_url": "https://film.example/7", "thumbnail_url": "https://film.example/7.jpg" } },
            { "type": "net.app.core.oembed", "value": { "type": "html5video", "url": "https://film.example/8.mp4",
              "poster_url": "https://film.example/8.jpg", "width": "970" } },
            { "type": "net.app.core.oembed", "value": { "type": "rich", "html": "<b>only</b>" } },
            { "type": "net.app.core.oembed", "value": { "type": "photo", "url": "javascript:alert(1)" } },
            { "type": "net.app.core.oembed", "value": "damaged" },
        ]);
        let all = Annotations::read(Some(&raw));
        let found = all.attachments();
        assert_eq!(found.iter().map(|media| media.kind).collect::<Vec<_>>(), [MediaKind::Link, MediaKind::Video]);
        assert_eq!(found[1].poster.as_deref(), Some("https://film.example/8.jpg"));
        assert_eq!(all.thumbnail().as_deref(), Some("https://film.example/7.jpg"));
        assert!(!format!("{found:?}").contains("script"));
    }

    #[test]
    fn a_file_counts_when_its_address_stays() {
        let raw = json!([{ "type": "net.app.core.attachments", "value": { "+net.app.core.file_list": [
            { "mime_type": "audio/mpeg", "url": "https://f.example/1", "name": "Surf" },
            { "mime_type": "image/png", "url": "https://f.example/2", "url_expires": "2013-06-01T00:00:00Z" },
        ] } }]);
        let found = Annotations::read(Some(&raw)).attachments();
        assert_eq!((found.len(), found[0].kind, found[0].alt.as_deref()), (1, MediaKind::Audio, Some("Surf")));
    }
}
