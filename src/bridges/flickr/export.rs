//! What Flickr gives out under "Request my Flickr data", read without a key and without the network.
//!
//! Owns two facts of that file: a favourite in it has neither owner nor time. The owner is left unknown until it is
//! asked for; nothing is guessed. The number of the photo is what counts, and its address is made of it: the one in the
//! file may be damaged. Source: files of early 2026, as public readers of them describe it.

use std::io::{Cursor, Read};
use std::ops::ControlFlow;

use serde::Deserialize;

use super::wire::{account, bare_post};
use crate::bridges::error::Error;
use crate::bridges::stream;
use crate::bridges::value::LikeItem;
use crate::bridges::wire::{Id, written};
use crate::bridges::{ExportFile, ExportOwner, Member};

/// The file of the account is a few kilobytes.
const PROFILE_BYTES_MAX: usize = 1024 * 1024;
/// So much is looked at to find what the list is called.
const HEAD_BYTES: u64 = 4_096;
/// What the list may be called; the second is unconfirmed.
const LIST_NAMES: [&str; 2] = ["faves", "favorites"];

/// The reader of Flickr's export file.
pub struct Export;

#[derive(Deserialize)]
struct WireFave {
    photo_id: Id,
}

#[derive(Deserialize)]
struct WireAccount {
    nsid: String,
    path_alias: Option<String>,
}

/// Whose file it is, from `account_profile.json`.
pub fn owner(input: impl Read) -> Result<ExportOwner, Error> {
    let found: WireAccount = stream::whole(input, PROFILE_BYTES_MAX)?;
    let id = account(&found.nsid)?;
    let handle = written(found.path_alias).unwrap_or(found.nsid);
    Ok(ExportOwner { id: Some(id), handle: Some(handle) })
}

/// The likes of `faves_part001.json` and its sisters.
pub fn likes(
    mut input: impl Read,
    take: &mut dyn FnMut(Result<LikeItem, Error>) -> ControlFlow<()>,
) -> Result<(), Error> {
    let mut head = Vec::new();
    input.by_ref().take(HEAD_BYTES).read_to_end(&mut head).map_err(|error| Error::malformed(error.to_string()))?;
    let name = list_name(&head);
    let path: &[&str] = if head.trim_ascii_start().starts_with(b"[") { &[] } else { &[name] };
    let is_there = stream::each(Cursor::new(head).chain(input), path, &mut |fave: Result<WireFave, Error>| {
        take(fave.and_then(|fave| Ok(LikeItem { post: bare_post(&fave.photo_id)?, liked_at: None })))
    })?;
    if is_there { Ok(()) } else { Err(Error::malformed("the file holds no list of favourites")) }
}

/// Which of the names the file uses, by which comes first.
fn list_name(head: &[u8]) -> &'static str {
    let text = String::from_utf8_lossy(head);
    let place = |name: &&str| text.find(&format!("\"{name}\"")).unwrap_or(usize::MAX);
    LIST_NAMES.into_iter().min_by_key(place).expect("there are names")
}

impl ExportFile for Export {
    fn member(&self, path: &str) -> Option<Member> {
        let name = path.rsplit('/').next()?.to_ascii_lowercase();
        let is_list = name.starts_with("faves") || name.starts_with("favorites");
        match name.rsplit_once('.')? {
            ("account_profile", "json") => Some(Member::Owner),
            (_, "json") if is_list => Some(Member::Likes),
            (_, "html") if is_list => Some(Member::Unreadable("a web page: ask Flickr for your data, which is JSON")),
            _ => None,
        }
    }

    fn owner(&self, _path: &str, input: &mut dyn Read) -> Result<ExportOwner, Error> {
        owner(input)
    }

    fn likes(
        &self,
        _path: &str,
        input: &mut dyn Read,
        take: &mut dyn FnMut(Result<LikeItem, Error>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        likes(input, take)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> (Result<(), Error>, Vec<Result<String, &'static str>>) {
        let mut found = Vec::new();
        let outcome = likes(json.as_bytes(), &mut |item| {
            found.push(item.map(|item| item.post.id.object().to_owned()).map_err(|error| error.class()));
            ControlFlow::Continue(())
        });
        (outcome, found)
    }

    #[test]
    fn the_members_of_the_archive_are_told_apart() {
        let check = |path: &str, expected: Option<Member>| assert_eq!(Export.member(path), expected, "{path}");
        check("account_profile.json", Some(Member::Owner));
        check("72157_0a1b/faves_part001.json", Some(Member::Likes));
        check("faves_part012.json", Some(Member::Likes));
        check("Favorites.json", Some(Member::Likes));
        check("account_testimonials.json", None);
        check("photo_2418735092.json", None);
        check("faves", None);
        assert!(matches!(Export.member("faves.html"), Some(Member::Unreadable(_))));
    }

    #[test]
    fn the_list_is_found_under_either_name_and_bare() {
        let item = r#"[{"photo_id":"9007199254740993","photo_url":"http://flic.kr/p/x"},{"photo_id":7}]"#;
        let expected = vec![Ok("9007199254740993".to_owned()), Ok("7".to_owned())];
        for json in [
            format!(r#"{{"faves":{item}}}"#),
            format!(r#"{{"count":2,"favorites":{item}}}"#),
            format!(r#"{{"faves":{item},"favorites":[]}}"#),
            item.to_owned(),
        ] {
            assert_eq!(read(&json), (Ok(()), expected.clone()), "{json}");
        }
        assert_eq!(read(r#"{"faves":[]}"#), (Ok(()), vec![]));
    }

    #[test]
    fn a_file_without_the_list_or_cut_short_is_refused() {
        for json in ["", "{}", r#"{"photos":[]}"#, "<html>", r#"{"faves":7}"#, r#"{"faves":[{"photo_id":"7"}"#] {
            assert_eq!(read(json).0.unwrap_err().class(), "malformed", "{json}");
        }
        let (outcome, found) = read(r#"{"faves":[{"photo_id":"x7"},{"no":1},{"photo_id":"8"}]}"#);
        assert_eq!((outcome, found), (Ok(()), vec![Err("malformed"), Err("malformed"), Ok("8".to_owned())]));
    }

    #[test]
    fn a_favourite_of_the_file_has_neither_owner_nor_time_and_an_address_of_its_number() {
        let json = r#"{"faves":[{"photo_id":"2418735092","photo_url":"http://flic.kr/p/ABCDE"}]}"#;
        let mut found = Vec::new();
        likes(json.as_bytes(), &mut |item| {
            found.push(item.unwrap());
            ControlFlow::Continue(())
        })
        .unwrap();
        let post = &found[0].post;
        assert_eq!((&post.owner, &post.owner_handle, found[0].liked_at), (&None, &None, None));
        assert_eq!(post.url, "https://flic.kr/p/4FJDFb");
    }
}
