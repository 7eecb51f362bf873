//! The file of likes that Instagram gives its users, in both shapes that are known.
//!
//! Owns three repairs. Texts are bytes of UTF-8 that were written as if each were a letter, and are put together again.
//! Labels are in the language of the account, so the newer shape is read by its structure and not by its words. And a
//! list may stand under a key or be the document itself. What the file tells: the post, its author's handle (never the
//! number, so never whom to pay), and when it was liked. Source: docs/bridges/instagram.md, "The export file".

use std::io::{BufRead, BufReader, Read};
use std::ops::ControlFlow;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::url;
use super::wire::{object, untitled};
use crate::bridges::error::Error;
use crate::bridges::reference::RefKind;
use crate::bridges::stream;
use crate::bridges::value::{LikeItem, Post, PostKind};
use crate::bridges::wire::{Text, described, epoch, titled};
use crate::bridges::{ExportFile, ExportOwner, Member};

const OWNER_BYTES_MAX: usize = 1024 * 1024;
/// What Instagram calls a handle, in some languages; elsewhere it is told by its form.
const LABELS: [&str; 12] = [
    "username",
    "benutzername",
    "nom d’utilisateur",
    "nom d'utilisateur",
    "nombre de usuario",
    "nome utente",
    "nome de usuário",
    "gebruikersnaam",
    "användarnamn",
    "brugernavn",
    "nazwa użytkownika",
    "имя пользователя",
];
/// How deep boxes stand in boxes in the newer shape; what is deeper is not looked at.
const DEPTH_MAX: usize = 6;

/// The reader of the export file.
pub struct Export;

/// A row of the older shape.
#[derive(Deserialize)]
struct WireTitled {
    title: Option<String>,
    string_list_data: Vec<WireLink>,
}

#[derive(Deserialize)]
struct WireLink {
    href: Option<String>,
    timestamp: Option<Text>,
}

/// A row of the newer shape.
#[derive(Deserialize)]
struct WireLabelled {
    timestamp: Option<Text>,
    label_values: Vec<WireField>,
}

/// A field, or a box with a title and more fields inside.
#[derive(Deserialize)]
struct WireField {
    label: Option<String>,
    value: Option<String>,
    href: Option<String>,
    dict: Option<Vec<WireField>>,
}

impl ExportFile for Export {
    fn member(&self, path: &str) -> Option<Member> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let (stem, ending) = name.rsplit_once('.')?;
        let is_likes = stem == "likes"
            || stem.strip_prefix("liked_posts").is_some_and(|rest| {
                rest.is_empty() || rest.strip_prefix('_').is_some_and(|part| part.bytes().all(|b| b.is_ascii_digit()))
            });
        match (ending, is_likes) {
            ("json", true) => Some(Member::Likes),
            ("html", true) => Some(Member::Unreadable(
                "this export is made of web pages: ask Instagram for it once more, in the format JSON",
            )),
            ("json", false) if stem == "personal_information" => Some(Member::Owner),
            _ => None,
        }
    }

    fn owner(&self, _path: &str, input: &mut dyn Read) -> Result<ExportOwner, Error> {
        let document: Value = stream::whole(input, OWNER_BYTES_MAX)?;
        let fields = document.pointer("/profile_user/0/string_map_data").and_then(Value::as_object);
        let fields = fields.ok_or_else(|| Error::malformed("the file names no owner"))?;
        // The number of the account stands nowhere in the file.
        Ok(ExportOwner { id: None, handle: own_handle(fields) })
    }

    fn likes(
        &self,
        _path: &str,
        input: &mut dyn Read,
        take: &mut dyn FnMut(Result<LikeItem, Error>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let mut input = BufReader::new(input);
        let is_there = if first_byte(&mut input)? == Some(b'[') {
            stream::each(input, &[], &mut |row: Result<WireLabelled, Error>| take(row.and_then(labelled)))?
        } else {
            stream::each(input, &["likes_media_likes"], &mut |row: Result<WireTitled, Error>| match row {
                Err(error) => take(Err(error)),
                Ok(row) => titled_row(&row).into_iter().try_for_each(&mut *take),
            })?
        };
        if is_there {
            return Ok(());
        }
        Err(Error::unsupported(
            "this list does not say which posts were liked (exports before 2020 did not): ask Instagram for a new one",
        ))
    }
}

/// The handle among what somebody has told Instagram. The words for the fields are in the language of the account: one
/// that is known decides, else the only value that has the form of a handle. Two that could be one are none.
fn own_handle(fields: &Map<String, Value>) -> Option<String> {
    let is_label = |label: &str| LABELS.contains(&repaired(label).trim().to_lowercase().as_str());
    let values = |fields: Vec<(&String, &Value)>| -> Vec<String> {
        let texts = fields.into_iter().filter_map(|(_, field)| field.get("value")?.as_str().map(repaired));
        texts.filter(|text| url::is_handle(text)).collect()
    };
    let mut found = values(fields.iter().filter(|(label, _)| is_label(label)).collect());
    if found.is_empty() {
        found = values(fields.iter().collect());
        // Handles are written small, and hardly ever in digits alone, whatever stands beside them.
        found.retain(|text| !text.bytes().any(|b| b.is_ascii_uppercase()) && !text.bytes().all(|b| b.is_ascii_digit()));
    }
    found.sort();
    found.dedup();
    if let [_] = found.as_slice() { found.pop() } else { None }
}

/// The first byte that is no space, without taking it.
fn first_byte(input: &mut impl BufRead) -> Result<Option<u8>, Error> {
    loop {
        let buffer = input.fill_buf().map_err(|error| Error::malformed(error.to_string()))?;
        let Some(&byte) = buffer.first() else { return Ok(None) };
        // A mark of the byte order stands before nothing but a document.
        if !byte.is_ascii_whitespace() && !matches!(byte, 0xef | 0xbb | 0xbf) {
            return Ok(Some(byte));
        }
        input.consume(1);
    }
}

fn titled_row(row: &WireTitled) -> Vec<Result<LikeItem, Error>> {
    let handle = row.title.as_deref().map(repaired);
    if row.string_list_data.is_empty() {
        return vec![Err(Error::malformed("a like without a post"))];
    }
    // `value` is a thumb or the handle once more, and tells nothing.
    let read = |link: &WireLink| like(link.href.as_deref(), handle.clone(), None, Vec::new(), link.timestamp.as_ref());
    row.string_list_data.iter().map(read).collect()
}

fn labelled(row: WireLabelled) -> Result<LikeItem, Error> {
    let is_post = |field: &WireField| {
        let text = field.href.as_deref().or(field.value.as_deref());
        text.is_some_and(|text| url::parse(text).is_ok_and(|found| found.kind == RefKind::Post))
    };
    let place = row.label_values.iter().position(is_post).ok_or_else(|| Error::malformed("a like without a post"))?;
    let address = &row.label_values[place];
    let address = address.href.as_deref().or(address.value.as_deref());
    // The caption is the first text behind the address, in every language.
    let caption = row.label_values[place + 1..].iter().find(|field| field.dict.is_none());
    let caption = caption.and_then(|field| field.value.as_deref()).map(repaired);
    let (mut handle, mut tags) = (None, Vec::new());
    for field in &row.label_values {
        gather(field.dict.as_deref().unwrap_or_default(), &mut handle, &mut tags, 0);
    }
    like(address, handle, caption, tags, row.timestamp.as_ref())
}

/// What boxes hold: one with the address of a person is the owner, one with a single name is a tag.
fn gather(fields: &[WireField], handle: &mut Option<String>, tags: &mut Vec<String>, depth: usize) {
    if depth > DEPTH_MAX {
        return;
    }
    let mut person = None;
    let mut names = Vec::new();
    for field in fields {
        if let Some(inner) = &field.dict {
            gather(inner, handle, tags, depth + 1);
            continue;
        }
        let Some(value) = field.value.as_deref().map(repaired) else { continue };
        let linked = field.href.as_deref().unwrap_or(&value);
        match url::parse(linked) {
            // A bare name is read as a host, so only what is written as an address is one.
            Ok(found) if linked.contains("://") && found.kind == RefKind::User => person = found.user_hint,
            _ => names.push((field.label.as_deref() == Some("Username"), value)),
        }
    }
    match person {
        Some(by_address) => {
            // The handle stands last; the name that people read stands before it.
            let named = names.iter().find(|(is_named, _)| *is_named).or(names.last());
            let named = named.map(|(_, value)| value.clone()).filter(|value| url::is_handle(value));
            handle.get_or_insert(named.unwrap_or(by_address));
        }
        None => tags.extend(match names.as_slice() {
            [(_, tag)] if !tag.trim().is_empty() => Some(tag.trim_start_matches('#').to_owned()),
            _ => None,
        }),
    }
}

fn like(
    address: Option<&str>,
    handle: Option<String>,
    caption: Option<String>,
    tags: Vec<String>,
    at: Option<&Text>,
) -> Result<LikeItem, Error> {
    let found = address.and_then(|address| url::parse(address).ok());
    let code = found.and_then(|found| found.post_id).ok_or_else(|| Error::malformed("a like without a post"))?;
    let handle = handle.filter(|handle| url::is_handle(handle));
    let title = caption.as_deref().and_then(titled).unwrap_or_else(|| untitled(handle.as_deref()));
    let is_film = address.is_some_and(|address| address.contains("/reel/") || address.contains("/tv/"));
    let kind = if is_film { PostKind::Video } else { PostKind::Image };
    let post = Post {
        owner_handle: handle,
        description: described(caption),
        tags,
        ..Post::new(object(&code)?, kind, title, url::permalink(&code))
    };
    Ok(LikeItem { post, liked_at: at.map(epoch).transpose()? })
}

/// A text as it was before each byte of it was taken for a letter. One that is whole already stays as it is.
pub(super) fn repaired(text: &str) -> String {
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    match bytes {
        Some(bytes) if !text.is_ascii() => String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned()),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_letters_are_put_together_and_whole_ones_stay() {
        assert_eq!(repaired("Z\u{c3}\u{bc}rich \u{f0}\u{9f}\u{91}\u{8d}"), "Z\u{fc}rich \u{1f44d}");
        for whole in ["plain", "Z\u{fc}rich", "\u{1f44d}", "\u{5c0f}\u{6b63}", ""] {
            assert_eq!(repaired(whole), whole);
        }
    }
}
