//! What the replies of all platforms have in common: lenient where leniency is safe, exact where an id is at stake.
//!
//! Owns the tolerance: unknown fields are ignored, missing optional ones are absent, one damaged item of a list is
//! counted instead of losing the others. What is never guessed is an id: digits are kept as they came, and a float,
//! which would be another account, is refused.

use std::fmt;

use chrono::DateTime;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::error::Error;
use super::objects;
use crate::domain::identity::ObjectRef;
use crate::domain::time::{TimeError, Timestamp};

/// Longest description that is kept; a release may carry a whole changelog.
pub const DESCRIPTION_CHARS_MAX: usize = 10_000;
/// Longest title that is kept; where a text stands in for a title, its beginning does.
pub const TITLE_CHARS_MAX: usize = 200;
/// A time beyond this is not in seconds (some recordings hold milliseconds) and is not believed: about the year 5138.
const EPOCH_SECONDS_MAX: i64 = 100_000_000_000;

/// A text that some platforms write as a number: the exact digits that came. A float is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text(pub String);

impl Text {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a whole number")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Whether a text is a decimal id: digits without a leading zero, of a length that a platform gives out.
pub fn is_decimal_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 30 && text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0')
}

/// A decimal id, as a number or as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Id(pub String);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Id, D::Error> {
        let Text(text) = Text::deserialize(deserializer)?;
        if is_decimal_id(&text) {
            Ok(Id(text))
        } else {
            Err(de::Error::invalid_value(de::Unexpected::Str(&text), &"a whole number as an id"))
        }
    }
}

/// The items of a list that could be read, and the number of those that could not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    pub items: Vec<T>,
    /// Posts that stand in the list and are not for everybody. Of these no more is taken than that they are there: what
    /// is hidden is not taken back.
    pub hidden: Vec<ObjectRef>,
    pub unreadable: u32,
}

/// An item of a list, by who may see it.
pub enum Seen<T> {
    Open(T),
    /// Its owner shows it to chosen people only.
    Hidden(ObjectRef),
    /// Left out on purpose.
    Skipped,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Listed { items: Vec::new(), hidden: Vec::new(), unreadable: 0 }
    }
}

/// Reads a document.
///
/// - `reported`: the error that a body reports by itself. A report where a document should be is that error, whatever
///   status it came with.
pub fn document<T: DeserializeOwned>(bytes: &[u8], reported: fn(&[u8]) -> Option<Error>) -> Result<T, Error> {
    objects::from_slice(bytes).map_err(|error| not_the_document(bytes, &error, reported))
}

/// Reads a list item by item; see [`items`].
pub fn list<W: DeserializeOwned, T>(
    bytes: &[u8],
    reported: fn(&[u8]) -> Option<Error>,
    read: impl Fn(W) -> Result<Option<T>, Error>,
) -> Result<Listed<T>, Error> {
    items(document(bytes, reported)?, read)
}

/// Reads the items of a list that came inside a document.
///
/// - `read`: `None` leaves an item out on purpose.
/// - returns: what could be read, in order. One damaged item is counted.
/// - errors: the first item's, when no item is what we think: then the list is another one.
pub fn items<W: DeserializeOwned, T>(
    values: Vec<Value>,
    read: impl Fn(W) -> Result<Option<T>, Error>,
) -> Result<Listed<T>, Error> {
    seen_items(values, |wire| Ok(read(wire)?.map_or(Seen::Skipped, Seen::Open)))
}

/// As [`items`], of a list that names what not everybody may see.
pub fn seen_items<W: DeserializeOwned, T>(
    values: Vec<Value>,
    read: impl Fn(W) -> Result<Seen<T>, Error>,
) -> Result<Listed<T>, Error> {
    let count = values.len();
    let mut found = Listed { items: Vec::with_capacity(count), ..Listed::default() };
    let mut refusals = Vec::new();
    for value in values {
        match item(value).and_then(&read) {
            Ok(Seen::Open(value)) => found.items.push(value),
            Ok(Seen::Hidden(object)) => found.hidden.push(object),
            Ok(Seen::Skipped) => {}
            Err(error) => refusals.push(error),
        }
    }
    if refusals.len() == count && count > 0 {
        return Err(refusals.swap_remove(0));
    }
    found.unreadable = u32::try_from(refusals.len()).expect("a bounded body holds fewer items");
    Ok(found)
}

/// Reads one value out of a document.
pub fn item<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    objects::from_value(value).map_err(|error| Error::malformed(error.to_string()))
}

fn not_the_document(bytes: &[u8], error: &serde_json::Error, reported: fn(&[u8]) -> Option<Error>) -> Error {
    if let Some(reported) = reported(bytes) {
        return reported;
    }
    if bytes.trim_ascii_start().starts_with(b"<") {
        return Error::malformed("a web page came instead of JSON");
    }
    if error.is_eof() {
        return Error::malformed("the JSON ends in the middle");
    }
    Error::malformed(error.to_string())
}

/// `2013-06-02T08:00:00Z`, with or without a fraction (RFC 3339).
pub fn time(text: &str) -> Result<Timestamp, Error> {
    text.trim().parse().map_err(|error: TimeError| Error::malformed(error.to_string()))
}

/// Seconds since 1970, as a number or as text.
pub fn epoch(text: &Text) -> Result<Timestamp, Error> {
    let seconds: Option<i64> = text.0.trim().parse().ok();
    seconds
        .filter(|seconds| (0..=EPOCH_SECONDS_MAX).contains(seconds))
        .map(Timestamp::from_seconds)
        .ok_or_else(|| Error::malformed(format!("`{}` is not a time in seconds", text.0)))
}

/// `Wed Feb 22 20:26:41 +0000 2012`, as Twitter wrote it and others copied.
pub fn twitter_time(text: &str) -> Result<Timestamp, Error> {
    written_time(text, "%a %b %d %H:%M:%S %z %Y")
}

/// A time in a form of the platform's own, with a zone in it.
///
/// - `form`: in the language of chrono, such as `%Y/%m/%d %H:%M:%S %z`.
pub fn written_time(text: &str, form: &str) -> Result<Timestamp, Error> {
    DateTime::parse_from_str(text.trim(), form)
        .map(|at| Timestamp::from_micros(at.timestamp_micros()))
        .map_err(|_| Error::malformed(format!("`{text}` is not a time such as {form}")))
}

/// A text that somebody wrote: platforms send `""` and `null` alike for an empty field.
pub fn written(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

/// A description, bounded.
pub fn described(text: Option<String>) -> Option<String> {
    written(text).map(|text| text.chars().take(DESCRIPTION_CHARS_MAX).collect())
}

/// The first line of a text as a title; `None` when there is nothing to read in it.
pub fn titled(text: &str) -> Option<String> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let mut title: String = line.chars().filter(|c| !c.is_control()).take(TITLE_CHARS_MAX).collect();
    if line.chars().count() > TITLE_CHARS_MAX {
        title.push('\u{2026}');
    }
    Some(title)
}

/// The address of the next page in a `Link` header (RFC 8288).
pub fn next_link(header: &str) -> Option<&str> {
    let mut rest = header;
    while let Some(start) = rest.find('<') {
        let target = &rest[start + 1..];
        let (target, after) = target.split_once('>')?;
        // Parameters run up to the next link; a comma inside quotes does not occur in what platforms send.
        let end = after.find('<').unwrap_or(after.len());
        let is_next = after[..end].split([';', ',']).any(|parameter| {
            let parameter = parameter.trim();
            parameter
                .strip_prefix("rel=")
                .is_some_and(|kinds| kinds.trim_matches('"').split_ascii_whitespace().any(|kind| kind == "next"))
        });
        if is_next {
            return Some(target);
        }
        rest = &after[end..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Item {
        id: Text,
    }

    fn none(_: &[u8]) -> Option<Error> {
        None
    }

    #[test]
    fn a_number_keeps_its_digits_and_a_float_is_refused() {
        let read = |json: &str| serde_json::from_str::<Text>(json).ok().map(|text| text.0);
        assert_eq!(read("9007199254740993").as_deref(), Some("9007199254740993"));
        assert_eq!(read("18446744073709551615").as_deref(), Some("18446744073709551615"));
        assert_eq!(read("\"2654@N00\"").as_deref(), Some("2654@N00"));
        assert_eq!(read("1e3"), None);
        assert_eq!(read("18446744073709551616"), None, "larger than a whole number goes: it would come as a float");
        assert_eq!(read("7.0"), None);
        assert_eq!(read("null"), None);
        assert!(serde_json::from_str::<Id>("\"007\"").is_err());
        assert!(serde_json::from_str::<Id>("0").is_err());
    }

    #[test]
    fn one_damaged_item_is_counted_and_a_list_of_nothing_else_is_another_list() {
        let read = |item: Item| Ok((item.id.0 != "0").then_some(item.id.0));
        let found = list(br#"[{"id":1},{"no":2},{"id":"0"},{"id":3.5}]"#, none, read).unwrap();
        assert_eq!(found, Listed { items: vec!["1".to_owned()], hidden: vec![], unreadable: 2 });
        assert_eq!(list(br#"[{"no":2}]"#, none, read).unwrap_err().class(), "malformed");
        assert_eq!(list(b"[]", none, read).unwrap(), Listed::default());
        assert!(list(b"<html>", none, read).unwrap_err().message().contains("web page"));
        assert!(list(br#"[{"id":1}"#, none, read).unwrap_err().message().contains("ends in the middle"));
    }

    #[test]
    fn each_way_to_write_a_time_gives_the_same_moment() {
        let moment = Timestamp::from_seconds(1_329_942_401);
        assert_eq!(time("2012-02-22T20:26:41.000Z").unwrap(), moment);
        assert_eq!(twitter_time("Wed Feb 22 20:26:41 +0000 2012").unwrap(), moment);
        assert_eq!(written_time("2012/02/22 20:26:41 +0000", "%Y/%m/%d %H:%M:%S %z").unwrap(), moment);
        assert_eq!(epoch(&Text("1329942401".into())).unwrap(), moment);
        for text in ["", "-1", "1507651200000", "9223372036854775808", "1.5"] {
            assert!(epoch(&Text(text.into())).is_err(), "{text}");
        }
        assert!(twitter_time("2012-02-22").is_err());
    }

    #[test]
    fn a_title_is_the_first_line_and_bounded() {
        assert_eq!(titled("\n  Harbour at dawn \nmore").as_deref(), Some("Harbour at dawn"));
        assert_eq!(titled(" \n "), None);
        assert_eq!(titled(&"x".repeat(500)).unwrap().chars().count(), TITLE_CHARS_MAX + 1);
    }

    #[test]
    fn the_next_page_is_found_among_the_links() {
        let check = |header: &str, expected: Option<&str>| assert_eq!(next_link(header), expected, "{header}");
        check(r#"<https://a/?page=2>; rel="next", <https://a/?page=5>; rel="last""#, Some("https://a/?page=2"));
        check(r#"<https://a/?page=4>; rel="prev", <https://a/?page=1>; rel="first""#, None);
        check(r#"<https://a/?x=1,2;3>; title="next"; rel="prev next""#, Some("https://a/?x=1,2;3"));
        check("<https://a/?page=2>; rel=next", Some("https://a/?page=2"));
        check("<https://a/?page=2", None);
        check("", None);
    }
}
