//! What people kept of 500px: pages of the old interface that they saved, and lists of addresses.
//!
//! Owns that only favourites are read as favourites: a saved page that says it is of another list is refused whole,
//! before any of it is handed out. 500px itself gives no export file. Neither form has times, and a bare address has
//! no owner; nothing is guessed.

use std::io::{BufRead, BufReader, Cursor, Read};
use std::ops::ControlFlow;

use serde_json::Value;

use super::{error, url, wire};
use crate::bridges::error::Error;
use crate::bridges::reference::RefKind;
use crate::bridges::stream;
use crate::bridges::value::{LikeItem, Post, PostKind};
use crate::bridges::wire::item;
use crate::bridges::{ExportFile, ExportOwner, Member};
use crate::domain::identity::{ObjectRef, Platform};

/// A page has at most 100 photos of a few kilobytes.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
const PROFILE_BYTES_MAX: usize = 1024 * 1024;
/// A line of a list: far more than an address and a title.
const LINE_BYTES_MAX: u64 = 16 * 1024;

type Take<'a> = &'a mut dyn FnMut(Result<LikeItem, Error>) -> ControlFlow<()>;

/// The reader of what people kept.
pub struct Saved;

/// Whose pages they are, from a saved profile (`users_show.json`).
pub fn owner(input: impl Read) -> Result<ExportOwner, Error> {
    let value: Value = stream::whole(input, PROFILE_BYTES_MAX)?;
    let profile = wire::profile(value.to_string().as_bytes())?;
    Ok(ExportOwner { id: Some(profile.id), handle: Some(profile.handle) })
}

/// The likes of a saved page, or of a list of such pages or of photos.
pub fn pages(input: impl Read, take: Take) -> Result<(), Error> {
    let mut input = BufReader::new(input);
    let start = first_byte(&mut input)?;
    let Some(start) = start else { return Err(Error::malformed("the file is empty")) };
    let input = Cursor::new([start]).chain(input);
    if start != b'[' {
        return page(stream::whole(input, PAGE_BYTES_MAX)?, take).map(|_| ());
    }
    let mut each = |element: Result<Value, Error>| match element {
        Ok(element) if element.get("photos").is_none() => hand(element, take),
        Ok(element) => page(element, take).unwrap_or_else(|error| take(Err(error))),
        Err(error) => take(Err(error)),
    };
    stream::each(input, &[], &mut each).map(|_| ())
}

/// The first byte that is no white space and no mark of the encoding.
fn first_byte(input: &mut BufReader<impl Read>) -> Result<Option<u8>, Error> {
    for byte in input.by_ref().bytes() {
        let byte = byte.map_err(|error| Error::malformed(error.to_string()))?;
        if !byte.is_ascii_whitespace() && !b"\xef\xbb\xbf".contains(&byte) {
            return Ok(Some(byte));
        }
    }
    Ok(None)
}

/// Hands out one page, or refuses it whole.
fn page(mut page: Value, take: Take) -> Result<ControlFlow<()>, Error> {
    if let Some(error) = error::reported(page.to_string().as_bytes()) {
        return Err(error);
    }
    if let Some(feature) = page.get("feature").and_then(Value::as_str)
        && feature != wire::FAVORITES
    {
        return Err(Error::malformed(format!("a page of `{feature}` and not of favourites")));
    }
    let photos = page.get_mut("photos").map(Value::take);
    let photos: Vec<Value> = item(photos.ok_or_else(|| Error::malformed("the file holds no list of photos"))?)?;
    for photo in photos {
        if hand(photo, take).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn hand(photo: Value, take: Take) -> ControlFlow<()> {
    match wire::saved_like(photo) {
        Ok(Some(like)) => take(Ok(like)),
        Ok(None) => ControlFlow::Continue(()),
        Err(error) => take(Err(error)),
    }
}

/// The likes of a list of addresses: one or more on a line, among whatever else stands there. Empty lines and those
/// that begin with `#` are passed over.
///
/// - errors: when not one line names a photo; when it is a saved page under the name of a list, whose addresses are of
///   anybody's photos.
pub fn list(input: impl Read, take: Take) -> Result<(), Error> {
    let mut input = BufReader::new(input);
    let head = input.fill_buf().map_err(|error| Error::malformed(error.to_string()))?;
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let inside = head.strip_prefix(b"[").map(<[u8]>::trim_ascii_start).unwrap_or(head);
    if head.starts_with(b"<") || inside.starts_with(b"{") {
        return Err(Error::malformed("a saved page and no list of addresses: let its name end in .json or .html"));
    }
    let (mut is_one_found, mut line) = (false, Vec::new());
    loop {
        line.clear();
        let count = input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        let count = count.map_err(|error| Error::malformed(error.to_string()))?;
        if count == 0 {
            break;
        }
        if !line.ends_with(b"\n") && line.len() as u64 == LINE_BYTES_MAX {
            return Err(Error::malformed("a line is longer than any list of addresses"));
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        for found in addresses(text) {
            is_one_found |= found.is_ok();
            if take(found).is_break() {
                return Ok(());
            }
        }
    }
    if is_one_found { Ok(()) } else { Err(Error::malformed("no line names a photo on 500px")) }
}

/// What a line names: at least one result.
fn addresses(line: &str) -> Vec<Result<LikeItem, Error>> {
    let is_gap = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '"' | '\'' | '<' | '>' | '(' | ')' | '|');
    let words = line.split(is_gap).filter(|word| word.contains("500px."));
    let found: Vec<_> = words.map(address).collect();
    if found.is_empty() { vec![Err(Error::malformed("a line without an address on 500px"))] } else { found }
}

fn address(word: &str) -> Result<LikeItem, Error> {
    let reference = url::parse(word).map_err(|error| Error::malformed(error.to_string()))?;
    let id = reference.post_id.filter(|_| reference.kind == RefKind::Post);
    let id = id.ok_or_else(|| Error::malformed(format!("{} is no photo", reference.canonical_url)))?;
    let object = ObjectRef::new(Platform::FiveHundredPx, &id)?;
    let post = Post::new(object, PostKind::Image, wire::untitled(&id), reference.canonical_url);
    Ok(LikeItem { post, liked_at: None })
}

impl ExportFile for Saved {
    fn member(&self, path: &str) -> Option<Member> {
        let name = path.rsplit('/').next()?.to_ascii_lowercase();
        let (stem, kind) = name.rsplit_once('.')?;
        let is_profile = (stem.starts_with("user") || stem.starts_with("profile"))
            && !["favorite", "favourite", "photo", "galler"].iter().any(|word| stem.contains(word));
        match kind {
            "json" if is_profile => Some(Member::Owner),
            "json" | "txt" | "csv" | "tsv" => Some(Member::Likes),
            "html" | "htm" => Some(Member::Unreadable(
                "a saved web page shows other photos too: paste the addresses of your favourites",
            )),
            _ => None,
        }
    }

    fn owner(&self, _path: &str, input: &mut dyn Read) -> Result<ExportOwner, Error> {
        owner(input)
    }

    fn likes(&self, path: &str, input: &mut dyn Read, take: Take) -> Result<(), Error> {
        if path.to_ascii_lowercase().ends_with(".json") { pages(input, take) } else { list(input, take) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Found = (Result<(), Error>, Vec<Result<String, &'static str>>);

    fn read(name: &str, text: &str) -> Found {
        let mut found = Vec::new();
        let outcome = Saved.likes(name, &mut text.as_bytes(), &mut |item| {
            found.push(item.map(|item| item.post.id.object().to_owned()).map_err(|error| error.class()));
            ControlFlow::Continue(())
        });
        (outcome, found)
    }

    fn ok(id: &str) -> Result<String, &'static str> {
        Ok(id.to_owned())
    }

    #[test]
    fn what_people_kept_is_told_apart_by_its_name() {
        let check = |path: &str, expected: Option<Member>| assert_eq!(Saved.member(path), expected, "{path}");
        check("users_show.json", Some(Member::Owner));
        check("500px/profile.json", Some(Member::Owner));
        check("user_favorites_1.json", Some(Member::Likes));
        check("page-2.JSON", Some(Member::Likes));
        check("favourites.txt", Some(Member::Likes));
        check("list.csv", Some(Member::Likes));
        check("photo.jpg", None);
        check("json", None);
        assert!(matches!(Saved.member("Favourites.html"), Some(Member::Unreadable(_))));
    }

    #[test]
    fn a_page_several_pages_and_bare_photos_are_read() {
        let one = r#"{"feature":"user_favorites","photos":[{"id":9007199254740993},{"id":7,"privacy":true},{"no":1}]}"#;
        let other = r#"{"current_page":2,"photos":[{"id":"8"}]}"#;
        let first = vec![ok("9007199254740993"), Err("malformed")];
        assert_eq!(read("a.json", one), (Ok(()), first.clone()));
        assert_eq!(read("a.json", &format!("\u{feff} [{one},{other}]")), (Ok(()), [first, vec![ok("8")]].concat()));
        assert_eq!(read("a.json", r#"[{"id":8},{"id":9.5}]"#), (Ok(()), vec![ok("8"), Err("malformed")]));
        assert_eq!(read("a.json", r#"{"photos":[]}"#), (Ok(()), vec![]));
    }

    #[test]
    fn a_page_of_another_list_is_refused_before_anything_is_handed_out() {
        // Wherever in the page it says so.
        for page in [r#"{"feature":"popular","photos":[{"id":7}]}"#, r#"{"photos":[{"id":7}],"feature":"popular"}"#] {
            let (outcome, found) = read("a.json", page);
            assert_eq!((outcome.unwrap_err().class(), found), ("malformed", vec![]), "{page}");
            let both = format!(r#"[{page},{{"photos":[{{"id":8}}]}}]"#);
            assert_eq!(read("a.json", &both), (Ok(()), vec![Err("malformed"), ok("8")]));
        }
        let refusal = r#"{"error":"Application is deactivated","status":403}"#;
        assert_eq!(read("a.json", refusal).0.unwrap_err().class(), "forbidden");
        for text in ["", "{}", r#"{"photos":7}"#, "<html>", r#"{"photos":[{"id":7}"#] {
            assert_eq!(read("a.json", text), (Err(read("a.json", text).0.unwrap_err()), vec![]), "{text}");
            assert_eq!(read("a.json", text).0.unwrap_err().class(), "malformed", "{text}");
        }
    }

    #[test]
    fn addresses_are_found_among_whatever_stands_on_a_line() {
        let text = "# my favourites\r\n\r\nhttps://500px.com/photo/7/fulmar\n\"A, b\";\"http://500px.com/photo/8\"\n\
                    [ice](https://www.500px.com/photo/9) 500px.com/photo/10\nhttps://500px.com/mira\nhello\n\
                    https://500px.com.evil.example/photo/11";
        let expected = vec![ok("7"), ok("8"), ok("9"), ok("10"), Err("malformed"), Err("malformed"), Err("malformed")];
        assert_eq!(read("a.txt", text), (Ok(()), expected));
    }

    #[test]
    fn a_list_without_photos_or_with_an_endless_line_is_refused() {
        assert_eq!(read("a.txt", "").0.unwrap_err().class(), "malformed");
        assert_eq!(read("a.txt", "hello\nworld").0.unwrap_err().class(), "malformed");
        for page in
            [r#"{"photos":[{"url":"https://500px.com/photo/7"}]}"#, "\u{feff}\n[ {", "<a href=\"500px.com/photo/7\">"]
        {
            assert_eq!(read("a.txt", page).0.unwrap_err().class(), "malformed", "{page}");
        }
        let endless = std::io::repeat(b'x');
        assert!(list(endless, &mut |_| ControlFlow::Continue(())).unwrap_err().message().contains("longer"));
    }

    #[test]
    fn reading_stops_when_nothing_more_is_wanted() {
        let count = |name: &str, text: &str| {
            let mut count = 0;
            let stop = &mut |_| {
                count += 1;
                ControlFlow::Break(())
            };
            Saved.likes(name, &mut text.as_bytes(), stop).unwrap();
            count
        };
        assert_eq!(count("a.json", r#"{"photos":[{"id":7},{"id":8}]}"#), 1);
        assert_eq!(count("a.json", r#"[{"photos":[{"id":7},{"id":8}]},{"photos":[{"id":9}]}]"#), 1);
        assert_eq!(count("a.txt", "500px.com/photo/7 500px.com/photo/8\n500px.com/photo/9"), 1);
    }
}
