//! The archive that Twitter gives its users: a ZIP of scripts that each assign one list.
//!
//! Owns what a row of `data/like.js` says and what it does not: the tweet and mostly its words, never its author nor
//! when it was liked. The owner of the archive stands in two other members, and both must agree.
//! Source: docs/bridges/twitter.md, "The archive".

use std::io::Read;
use std::ops::ControlFlow;

use serde::Deserialize;

use super::wire::{Author, Parts, account};
use crate::bridges::error::Error;
use crate::bridges::stream;
use crate::bridges::value::LikeItem;
use crate::bridges::wire::{Text, is_decimal_id};
use crate::bridges::{ExportFile, ExportOwner, Member};

/// The members that name the owner are small; the manifest lists every file of the archive.
const OWNER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The reader of the archive.
pub struct Archive;

#[derive(Deserialize)]
struct WireRow {
    like: WireLike,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireLike {
    tweet_id: Text,
    /// Absent for a tweet that was deleted or is protected.
    full_text: Option<String>,
}

#[derive(Deserialize)]
struct WireAccountRow {
    account: WireAccount,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAccount {
    account_id: Text,
    username: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireManifest {
    user_info: WireUserInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireUserInfo {
    account_id: Text,
    user_name: Option<String>,
}

/// The name of a member below `data/`, or of a bare file.
fn name_in_data(path: &str) -> Option<&str> {
    match path.rsplit_once('/') {
        None => Some(path),
        Some((folder, name)) => (folder.rsplit('/').next() == Some("data")).then_some(name),
    }
}

/// The digits in `like-part1.js` and so on; none in `like.js`.
fn part_of_likes(name: &str) -> Option<&str> {
    let rest = name.strip_prefix("like").and_then(|rest| rest.strip_suffix(".js"))?;
    let part = if rest.is_empty() { "" } else { rest.strip_prefix("-part").filter(|part| !part.is_empty())? };
    part.bytes().all(|b| b.is_ascii_digit()).then_some(part)
}

impl ExportFile for Archive {
    fn member(&self, path: &str) -> Option<Member> {
        match name_in_data(path) {
            Some(name) if part_of_likes(name).is_some() => return Some(Member::Likes),
            Some("account.js" | "manifest.js") => return Some(Member::Owner),
            _ => {}
        }
        let name = path.rsplit('/').next().unwrap_or(path);
        (name == "Your archive.html").then_some(Member::Unreadable(
            "this page only shows the archive: give the whole ZIP file, or data/like.js out of it",
        ))
    }

    fn is_further(&self, path: &str) -> bool {
        let part = name_in_data(path).and_then(part_of_likes).unwrap_or_default();
        part.bytes().any(|digit| digit != b'0')
    }

    fn owner(&self, path: &str, input: &mut dyn Read) -> Result<ExportOwner, Error> {
        let input = stream::skip_prefix(input)?;
        let (id, handle) = if path.ends_with("manifest.js") {
            let WireManifest { user_info } = stream::whole(input, OWNER_BYTES_MAX)?;
            (user_info.account_id, user_info.user_name)
        } else {
            let rows: Vec<WireAccountRow> = stream::whole(input, OWNER_BYTES_MAX)?;
            let [row] = <[WireAccountRow; 1]>::try_from(rows)
                .map_err(|rows| Error::malformed(format!("{} accounts where one should be", rows.len())))?;
            (row.account.account_id, row.account.username)
        };
        if !is_decimal_id(&id.0) {
            return Err(Error::malformed(format!("`{}` is not the number of an account", id.0)));
        }
        Ok(ExportOwner { id: Some(account(&id.0)?), handle })
    }

    fn likes(
        &self,
        _path: &str,
        input: &mut dyn Read,
        take: &mut dyn FnMut(Result<LikeItem, Error>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let input = stream::skip_prefix(input)?;
        let is_there = stream::each(input, &[], &mut |row: Result<WireRow, Error>| take(row.and_then(read)))?;
        if is_there { Ok(()) } else { Err(Error::malformed("the file holds no list of likes")) }
    }
}

fn read(row: WireRow) -> Result<LikeItem, Error> {
    let id = row.like.tweet_id.0;
    if !is_decimal_id(&id) {
        return Err(Error::malformed(format!("`{id}` is not the number of a tweet")));
    }
    // `expandedUrl` is not believed: it could lead anywhere, and the number makes the address.
    let parts =
        Parts { id, author: Author::default(), text: row.like.full_text.unwrap_or_default(), ..Parts::default() };
    Ok(LikeItem { post: parts.tweet()?.post, liked_at: None })
}
