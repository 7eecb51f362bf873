//! The file that people took home when App.net closed: JSON in the form of its API.
//!
//! Owns that only what calls itself stars is read as likes: the file holds a person's own posts in the same form, and
//! nobody pays for those. Read element by element, so its size does not matter. No layout is documented; lists of
//! posts, the API's envelopes and lists of those are read alike. It is of App.net alone: pnut.io goes on.

use std::io::{BufRead, BufReader, Read};
use std::ops::ControlFlow;

use serde_json::Value;

use super::{Dialect, wire};
use crate::bridges::error::Error;
use crate::bridges::value::LikeItem;
use crate::bridges::{ExportFile, ExportOwner, Member, stream};

/// Largest file that names an owner: a user object with all its annotations.
const OWNER_BYTES_MAX: usize = 1024 * 1024;

/// The reader of the export.
pub struct Export;

impl ExportFile for Export {
    fn member(&self, path: &str) -> Option<Member> {
        let path = path.to_ascii_lowercase();
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", &path));
        let (stem, kind) = file.rsplit_once('.')?;
        let folder = folder.rsplit('/').next().unwrap_or(folder);
        let is_stars = |name: &str| {
            let rest = name.strip_prefix("starred").or_else(|| name.strip_prefix("stars"));
            // `stars`, `stars-2`, `starred_posts`; not `starships`.
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_', '.', ' ', '(']))
        };
        match kind {
            "json" if is_stars(stem) || is_stars(folder) => Some(Member::Likes),
            "json" if matches!(stem, "user" | "account" | "profile" | "me") => Some(Member::Owner),
            "html" | "csv" if is_stars(stem) => Some(Member::Unreadable("only the JSON form of the stars can be read")),
            _ => None,
        }
    }

    fn owner(&self, _path: &str, input: &mut dyn Read) -> Result<ExportOwner, Error> {
        let document: Value = stream::whole(input, OWNER_BYTES_MAX)?;
        let user = document.get("data").unwrap_or(&document).clone();
        let profile = wire::profile_of(user, Dialect::AppNet)?;
        Ok(ExportOwner { id: Some(profile.id), handle: Some(profile.handle) })
    }

    fn likes(
        &self,
        _path: &str,
        input: &mut dyn Read,
        take: &mut dyn FnMut(Result<LikeItem, Error>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let mut input = BufReader::new(input);
        let path: &[&str] = if begins_a_list(&mut input)? { &[] } else { &["data"] };
        let is_there = stream::each(input, path, &mut |element: Result<Value, Error>| match element {
            Err(error) => take(Err(error)),
            // A page with its envelope, as a saved reply of the API.
            Ok(Value::Object(mut page)) if page.contains_key("meta") && page.contains_key("data") => {
                match page.remove("data") {
                    Some(Value::Array(posts)) => posts.into_iter().try_for_each(|post| one(post, take)),
                    _ => take(Err(Error::malformed("a page without a list"))),
                }
            }
            Ok(post) => one(post, take),
        })?;
        if is_there { Ok(()) } else { Err(Error::malformed("the file holds no list of posts")) }
    }
}

fn one(post: Value, take: &mut dyn FnMut(Result<LikeItem, Error>) -> ControlFlow<()>) -> ControlFlow<()> {
    match wire::like_of(post, Dialect::AppNet).transpose() {
        Some(item) => take(item),
        None => ControlFlow::Continue(()),
    }
}

/// Whether the first character opens a list; the rest is left to be read.
fn begins_a_list(input: &mut impl BufRead) -> Result<bool, Error> {
    loop {
        let buffer = input.fill_buf().map_err(|error| Error::malformed(error.to_string()))?;
        match buffer.iter().position(|byte| !byte.is_ascii_whitespace()) {
            Some(place) => return Ok(buffer[place] == b'['),
            None if buffer.is_empty() => return Ok(true),
            None => {
                let blank = buffer.len();
                input.consume(blank);
            }
        }
    }
}
