//! A list of likes that a person brings: any table with a column of SoundCloud addresses.
//!
//! SoundCloud hands out no file whose layout is known, so this reads what people can make: a spreadsheet, the output of
//! a tool, a plain list of addresses. Owns the caution that goes with it: only a file that calls itself likes is read,
//! so that an archive's list of own uploads is never taken for them, and only a column that says when something was
//! *liked* gives a time. Most addresses hold no id; see [`super::is_unresolved`].

use std::io::Read;
use std::ops::ControlFlow;

use super::table::Rows;
use super::url as address;
use crate::bridges::error::Error;
use crate::bridges::reference::{ParsedRef, RefKind};
use crate::bridges::value::{LikeItem, Post, PostKind};
use crate::bridges::wire::{time, written_time};
use crate::bridges::{ExportFile, ExportOwner, Member};
use crate::domain::identity::{ObjectRef, Platform};
use crate::domain::time::Timestamp;

/// Rows that may stand above the first address: a title, a note, the names of the columns.
const PREAMBLE_ROWS_MAX: u32 = 20;

/// A list of likes, as a table.
pub struct List;

/// Where things stand in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Columns {
    address: usize,
    date: Option<usize>,
}

impl ExportFile for List {
    fn member(&self, path: &str) -> Option<Member> {
        let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
        let (stem, ending) = name.rsplit_once('.')?;
        let is_likes = ["like", "favorite", "favourite"].iter().any(|word| stem.contains(word));
        match ending {
            "csv" | "tsv" | "txt" if is_likes => Some(Member::Likes),
            "csv" | "tsv" => Some(Member::Unreadable(
                "only a list that calls itself likes is read, such as likes.csv: rename the file if it is one",
            )),
            "json" | "html" | "xlsx" | "ods" if is_likes => {
                Some(Member::Unreadable("a list of likes is read as CSV or as a text with one address in each line"))
            }
            _ => None,
        }
    }

    /// A list tells nothing of its owner.
    fn owner(&self, _: &str, _: &mut dyn Read) -> Result<ExportOwner, Error> {
        Ok(ExportOwner::default())
    }

    fn likes(
        &self,
        _: &str,
        input: &mut dyn Read,
        take: &mut dyn FnMut(Result<LikeItem, Error>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let mut rows = Rows::open(input)?;
        let mut columns: Option<Columns> = None;
        let mut header: Vec<String> = Vec::new();
        let mut number = 0_u32;
        while let Some(row) = rows.next_row()? {
            number = number.saturating_add(1);
            if row.iter().all(String::is_empty) {
                continue;
            }
            let found = match columns {
                Some(columns) => columns,
                None => match detect(&header, &row) {
                    Some(found) => *columns.insert(found),
                    None if number > PREAMBLE_ROWS_MAX => break,
                    None => {
                        header = row;
                        continue;
                    }
                },
            };
            if take(like(&row, found).map_err(|reason| in_row(number, &reason))).is_break() {
                return Ok(());
            }
        }
        match columns {
            Some(_) => Ok(()),
            None => Err(Error::malformed("the list has no column of soundcloud.com addresses")),
        }
    }
}

fn in_row(number: u32, reason: &Error) -> Error {
    Error::malformed(format!("row {number}: {}", reason.message()))
}

/// The columns, by the first row in which a track or a set stands.
fn detect(header: &[String], row: &[String]) -> Option<Columns> {
    let address = row.iter().position(|cell| liked(cell).is_ok())?;
    let says_when = |name: &String| {
        let name: String = name.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
        let is_like = ["liked", "favorited", "favourited"].iter().any(|word| name.contains(word));
        is_like
            || matches!(name.as_str(), "date" | "time" | "timestamp" | "when" | "likedate" | "liketime" | "dateadded")
    };
    let date = if header.is_empty() {
        // Without names, only a single date can mean the like.
        let mut dates = (0..row.len()).filter(|place| matches!(date(&row[*place]), Ok(Some(_))));
        dates.next().filter(|_| dates.next().is_none())
    } else {
        // `Liked tracks` may be the name of the column of addresses.
        (0..header.len()).find(|place| *place != address && says_when(&header[*place]))
    };
    Some(Columns { address, date })
}

/// The address of something that can be liked.
fn liked(cell: &str) -> Result<ParsedRef, Error> {
    let found = address::parse(cell).map_err(|error| Error::malformed(error.to_string()))?;
    match found.kind {
        RefKind::Post | RefKind::Set => Ok(found),
        _ => Err(Error::malformed("this address names a person, not a track or a set")),
    }
}

fn like(row: &[String], columns: Columns) -> Result<LikeItem, Error> {
    let cell = row.get(columns.address).map(String::as_str).unwrap_or_default();
    let found = liked(cell)?;
    let liked_at = match columns.date.and_then(|place| row.get(place)) {
        Some(cell) => date(cell)?,
        None => None,
    };
    let kind = if found.kind == RefKind::Set { PostKind::Collection } else { PostKind::Audio };
    // The address stands for the id until the platform was asked.
    let id = ObjectRef::new(Platform::SoundCloud, found.post_id.as_deref().unwrap_or(&found.canonical_url))?;
    let title = found.canonical_url.trim_start_matches("https://").to_owned();
    let post = Post { owner_handle: found.user_hint, ..Post::new(id, kind, title, found.canonical_url) };
    Ok(LikeItem { post, liked_at })
}

/// A time in a form that can be read in one way only. A day without a zone is one of UTC; `01/02/2013` is refused.
fn date(cell: &str) -> Result<Option<Timestamp>, Error> {
    let cell = cell.trim();
    if cell.is_empty() {
        return Ok(None);
    }
    let in_utc = |text: String, form: &str| written_time(&text, form);
    time(cell)
        .or_else(|_| written_time(cell, "%Y/%m/%d %H:%M:%S %z"))
        .or_else(|_| written_time(cell, "%Y-%m-%d %H:%M:%S %z"))
        .or_else(|_| in_utc(format!("{} +0000", cell.trim_end_matches(" UTC")), "%Y-%m-%d %H:%M:%S %z"))
        .or_else(|_| in_utc(format!("{cell} +0000"), "%Y-%m-%dT%H:%M:%S %z"))
        .or_else(|_| in_utc(format!("{cell} +0000"), "%Y-%m-%d %H:%M %z"))
        .or_else(|_| in_utc(format!("{cell} 00:00:00 +0000"), "%Y-%m-%d %H:%M:%S %z"))
        .or_else(|_| in_utc(format!("{cell} 00:00:00 +0000"), "%Y/%m/%d %H:%M:%S %z"))
        .map(Some)
        .map_err(|_| Error::malformed(format!("`{cell}` is no date such as 2013-06-02 or 2013-06-02T08:00:00Z")))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::bridges::archive::{Archive, Limits};
    use crate::bridges::soundcloud::is_unresolved;

    fn read(text: &str) -> Result<Vec<Result<LikeItem, Error>>, Error> {
        let mut found = Vec::new();
        let mut archive = Archive::open(Cursor::new(text.as_bytes().to_vec()), "likes.csv", Limits::default())?;
        archive.likes(&List, &mut |item| {
            found.push(item);
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// Each item as `id@time`, or `!` for one that could not be read.
    fn check(text: &str, expected: &[&str]) {
        let shown = |item: Result<LikeItem, Error>| match item {
            Ok(LikeItem { post, liked_at: None }) => post.id.object().to_owned(),
            Ok(LikeItem { post, liked_at: Some(at) }) => format!("{}@{at}", post.id.object()),
            Err(_) => "!".to_owned(),
        };
        let found: Vec<String> = read(text).unwrap().into_iter().map(shown).collect();
        assert_eq!(found, expected, "{text}");
    }

    const TIDE: &str = "https://soundcloud.com/mira-lund/tide";

    #[test]
    fn the_column_of_addresses_is_found_wherever_it_stands() {
        check(
            "https://soundcloud.com/mira-lund/tide\nsoundcloud.com/mira-lund/sets/coast\n",
            &[TIDE, "https://soundcloud.com/mira-lund/sets/coast"],
        );
        let named = "My likes\n\nTitle;Artist page;Track;Liked at\n\
                     Tide;soundcloud.com/mira-lund;https://m.soundcloud.com/Mira-Lund/tide?x=1;2013-06-02 08:00:00\n";
        check(named, &["https://soundcloud.com/mira-lund/tide@2013-06-02T08:00:00Z"]);
        check("a,https://api.soundcloud.com/tracks/771\n", &["soundcloud:tracks:771"]);
    }

    #[test]
    fn a_like_without_an_id_is_named_by_its_address_and_says_so() {
        let like = read(TIDE).unwrap().remove(0).unwrap();
        assert!(is_unresolved(&like.post.id));
        assert_eq!((like.post.url.as_str(), like.post.owner), (TIDE, None));
        assert_eq!(like.post.owner_handle.as_deref(), Some("mira-lund"));
        let known = read("https://w.soundcloud.com/player/?url=https%3A//api.soundcloud.com/tracks/771").unwrap();
        assert!(!is_unresolved(&known[0].as_ref().unwrap().post.id));
    }

    #[test]
    fn a_time_is_believed_only_when_it_is_that_of_the_like() {
        let at = |header: &str| format!("{header}\n{TIDE},2013-06-02\n");
        let dated = [format!("{TIDE}@2013-06-02T00:00:00Z")];
        check(&at("url,date"), &[&dated[0]]);
        check(&at("liked tracks,Favorited At"), &[&dated[0]]);
        check(&at("url,created_at"), &[TIDE]);
        check(&at("url,uploaded"), &[TIDE]);
        check(
            &format!("{TIDE},2013/06/02 08:00:00 +0000"),
            &["https://soundcloud.com/mira-lund/tide@2013-06-02T08:00:00Z"],
        );
        check(&format!("2013-01-01,{TIDE},2013-06-02"), &[TIDE]);
        check(&format!("url,date\n{TIDE},\n"), &[TIDE]);
        check(&format!("url,date\n{TIDE},01/02/2013\n"), &["!"]);
    }

    #[test]
    fn a_row_that_cannot_be_read_is_one_error_with_its_number() {
        let text = format!("url\n{TIDE}\nhttps://evil.example/a/b\nhttps://soundcloud.com/mira-lund\n\n{TIDE}\n");
        check(&text, &[TIDE, "!", "!", TIDE]);
        let found = read(&text).unwrap();
        assert!(found[1].as_ref().unwrap_err().message().starts_with("row 3: "), "{found:?}");
    }

    #[test]
    fn what_holds_no_likes_is_refused() {
        for text in ["", "url\n", "a,b\n1,2\n", "https://soundcloud.com/mira-lund\n", "<html>", "\"open"] {
            assert_eq!(read(text).unwrap_err().class(), "malformed", "{text}");
        }
        let many = format!("{}{TIDE}\n", "x\n".repeat(50));
        assert_eq!(read(&many).unwrap_err().class(), "malformed");
    }

    #[test]
    fn only_a_file_that_calls_itself_likes_is_read() {
        for path in ["likes.csv", "export/My Likes.TSV", "favourites.txt", "sc-favorites-2013.csv"] {
            assert_eq!(List.member(path), Some(Member::Likes), "{path}");
        }
        for path in ["tracks.csv", "likes.json", "export/followings.csv"] {
            assert!(matches!(List.member(path), Some(Member::Unreadable(_))), "{path}");
        }
        for path in ["readme.txt", "likes", "cover.jpg"] {
            assert_eq!(List.member(path), None, "{path}");
        }
    }
}
