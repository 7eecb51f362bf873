//! Reading a long JSON list out of a file in constant memory.
//!
//! Owns that no more than one element is held at a time, however large the file: an export of twelve years may be larger
//! than the memory of the machine. An element that is whole JSON but not what is looked for is handed on as an error,
//! and the next one is read; JSON that is broken ends the reading, since nothing after it can be trusted.

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::rc::Rc;

use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::error::Error;
use super::objects;

/// Largest single element: far more than any like, far less than the memory of a small machine.
const ELEMENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Longest prefix such as `window.YTD.like.part0 = `.
const PREFIX_BYTES_MAX: usize = 200;

/// Hands each element of a list to `take`.
///
/// - `path`: the keys that lead to the list; empty when the document is the list itself. Other keys are skipped. A list
///   that occurs twice is read twice; one that is `null` is not there.
/// - `take`: breaks to stop early.
/// - returns: whether the list was there.
/// - errors: when the JSON is broken, or something else stands where the list should be.
pub fn each<T: DeserializeOwned>(
    input: impl Read,
    path: &[&str],
    take: &mut dyn FnMut(Result<T, Error>) -> ControlFlow<()>,
) -> Result<bool, Error> {
    let length = Rc::new(Cell::new(Length::Free));
    let mut state = State { take, length: Rc::clone(&length), found: false, stopped: false };
    let mut reader = serde_json::Deserializer::from_reader(BufReader::new(Metered { input, length }));
    let outcome = Level { path, state: &mut state }.deserialize(&mut reader);
    if state.stopped {
        return Ok(true);
    }
    outcome.map_err(broken)?;
    // What follows is not read: the script form of a list ends like a statement, with `;`.
    Ok(state.found)
}

fn broken(error: serde_json::Error) -> Error {
    if error.is_eof() { Error::malformed("the file ends in the middle") } else { Error::malformed(error.to_string()) }
}

/// Reads a small document whole.
///
/// - `limit_bytes`: more is refused, not cut.
pub fn whole<T: DeserializeOwned>(input: impl Read, limit_bytes: usize) -> Result<T, Error> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(limit_bytes).expect("limits are small") + 1;
    input.take(limit).read_to_end(&mut bytes).map_err(|error| Error::malformed(error.to_string()))?;
    if bytes.len() > limit_bytes {
        return Err(Error::malformed(format!("the file is larger than {limit_bytes} bytes")));
    }
    let text = bytes.trim_ascii_end();
    let text = text.strip_suffix(b";").unwrap_or(text);
    objects::from_slice(text).map_err(broken)
}

/// Skips an assignment such as `window.YTD.like.part0 = ` and gives the rest. A file without one is left as it is.
///
/// The names before `=` may hold only letters, digits, dots and underscores, so that nothing else is taken for one.
pub fn skip_prefix<R: Read>(input: R) -> Result<impl Read, Error> {
    let mut input = BufReader::new(input);
    let mut skipped = Vec::new();
    loop {
        let buffer = input.fill_buf().map_err(|error| Error::malformed(error.to_string()))?;
        let Some(&byte) = buffer.first() else { break };
        let is_start = matches!(byte, b'[' | b'{' | b'"');
        if is_start || skipped.len() >= PREFIX_BYTES_MAX {
            break;
        }
        skipped.push(byte);
        input.consume(1);
    }
    let prefix = String::from_utf8_lossy(&skipped);
    let prefix = prefix.trim_start_matches('\u{feff}').trim();
    let is_assignment = prefix.trim_start_matches(';').trim().strip_suffix('=').is_some_and(|name| {
        let name = name.trim();
        name.starts_with("window.") && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_'))
    });
    // What was no assignment belongs to the document, and the parser says what is wrong with it.
    let kept = if is_assignment || prefix.is_empty() { Vec::new() } else { skipped };
    Ok(io::Cursor::new(kept).chain(input))
}

/// A reader that refuses to go on inside an element that is too long.
struct Metered<R> {
    input: R,
    length: Rc<Cell<Length>>,
}

/// What is being read.
#[derive(Clone, Copy)]
enum Length {
    /// Something that is skipped, and so held by nobody.
    Free,
    /// An element or a key, of which so many bytes have come.
    Held(usize),
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        if let Length::Held(bytes) = self.length.get() {
            if bytes > ELEMENT_BYTES_MAX {
                return Err(io::Error::other("one element is larger than any like"));
            }
            self.length.set(Length::Held(bytes + count));
        }
        Ok(count)
    }
}

struct State<'a, T> {
    take: &'a mut dyn FnMut(Result<T, Error>) -> ControlFlow<()>,
    length: Rc<Cell<Length>>,
    found: bool,
    stopped: bool,
}

/// One level of the way to the list.
struct Level<'a, 's, T> {
    path: &'a [&'a str],
    state: &'s mut State<'a, T>,
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Level<'_, '_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Level<'_, '_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.first() {
            Some(key) => write!(f, "an object with `{key}`"),
            None => f.write_str("a list"),
        }
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        if self.path.is_empty() { Ok(()) } else { Err(E::invalid_type(de::Unexpected::Unit, &self)) }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((wanted, rest)) = self.path.split_first() else {
            return Err(de::Error::invalid_type(de::Unexpected::Map, &self));
        };
        loop {
            self.state.length.set(Length::Held(0));
            let Some(key) = map.next_key::<String>()? else { return Ok(()) };
            if key == *wanted {
                map.next_value_seed(Level { path: rest, state: &mut *self.state })?;
            } else {
                self.state.length.set(Length::Free);
                map.next_value::<IgnoredAny>()?;
            }
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        if !self.path.is_empty() {
            return Err(de::Error::invalid_type(de::Unexpected::Seq, &self));
        }
        self.state.found = true;
        loop {
            self.state.length.set(Length::Held(0));
            let Some(element) = list.next_element::<Box<RawValue>>()? else { return Ok(()) };
            let read =
                objects::from_slice(element.get().as_bytes()).map_err(|error| Error::malformed(error.to_string()));
            if (self.state.take)(read).is_break() {
                self.state.stopped = true;
                return Err(de::Error::custom("nothing more is wanted"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str, path: &[&str]) -> (Result<bool, Error>, Vec<Option<u32>>) {
        let mut found = Vec::new();
        let outcome = each(json.as_bytes(), path, &mut |item: Result<u32, Error>| {
            found.push(item.ok());
            ControlFlow::Continue(())
        });
        (outcome, found)
    }

    #[test]
    fn a_list_is_found_under_its_keys_and_the_rest_is_skipped() {
        let numbers = vec![Some(1), Some(2)];
        assert_eq!(read("[1,2]", &[]), (Ok(true), numbers.clone()));
        assert_eq!(read(r#"{"x":[7],"a":{"y":{},"b":[1,2]},"z":1}"#, &["a", "b"]), (Ok(true), numbers));
        assert_eq!(read(r#"{"x":[7]}"#, &["a"]), (Ok(false), vec![]));
        assert_eq!(read(r#"{"a":null}"#, &["a"]), (Ok(false), vec![]));
        assert_eq!(read(r#"{"a":3}"#, &["a"]).0.unwrap_err().class(), "malformed");
        assert_eq!(read(r#"{"a":[1]}"#, &[]).0.unwrap_err().class(), "malformed");
        assert_eq!(read("[1]", &["a"]).0.unwrap_err().class(), "malformed");
    }

    #[test]
    fn a_bad_element_is_one_error_and_broken_json_is_the_end() {
        assert_eq!(read(r#"[1,"x",{"a":[]},4]"#, &[]), (Ok(true), vec![Some(1), None, None, Some(4)]));
        let (outcome, found) = read("[1,2", &[]);
        assert!(outcome.unwrap_err().message().contains("ends in the middle"));
        assert_eq!(found, [Some(1), Some(2)]);
        assert_eq!(read("[1,oops,3]", &[]).1, [Some(1)]);
        assert_eq!(read("", &[]).0.unwrap_err().class(), "malformed");
    }

    #[test]
    fn reading_stops_when_nothing_more_is_wanted() {
        let mut count = 0;
        let outcome = each(&b"[1,2,oops"[..], &[], &mut |_: Result<u32, Error>| {
            count += 1;
            if count == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!((outcome, count), (Ok(true), 2));
    }

    /// A list that never ends.
    struct Endless(&'static [u8], usize);

    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            for byte in buffer.iter_mut() {
                *byte = if self.1 == 0 { b'[' } else { self.0[(self.1 - 1) % self.0.len()] };
                self.1 += 1;
            }
            Ok(buffer.len())
        }
    }

    #[test]
    fn many_elements_pass_and_one_endless_element_is_refused() {
        let mut count = 0;
        let outcome = each(Endless(b"1234567,", 0), &[], &mut |_: Result<u32, Error>| {
            count += 1;
            if count == 2_000_000 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(outcome, Ok(true), "16 MB of elements are no problem");
        let endless = |bytes| each(Endless(bytes, 0), &[], &mut |_: Result<u32, Error>| ControlFlow::Continue(()));
        assert!(endless(b"[").unwrap_err().message().contains("larger than any like"));
        assert!(endless(b" ").unwrap_err().message().contains("larger than any like"));
    }

    #[test]
    fn an_assignment_before_the_list_is_skipped_and_nothing_else_is() {
        let check = |text: &str, expected: &str| {
            let mut rest = String::new();
            skip_prefix(text.as_bytes()).unwrap().read_to_string(&mut rest).unwrap();
            assert_eq!(rest, expected, "{text}");
        };
        check("window.YTD.like.part0 = [1]", "[1]");
        check("\u{feff} ;window.YTD.like.part12=\n[ 1 ];", "[ 1 ];");
        check("window.__THAR_CONFIG = {}", "{}");
        check(" [1]", "[1]");
        check("alert(1) = [1]", "alert(1) = [1]");
        check("<html>window.a = [", "<html>window.a = [");
        check("", "");
        check(&"x".repeat(500), &"x".repeat(500));
    }

    #[test]
    fn a_statement_may_end_with_a_semicolon() {
        assert_eq!(read("[1];\n", &[]), (Ok(true), vec![Some(1)]));
        assert_eq!(read("[1]\n \n", &[]), (Ok(true), vec![Some(1)]));
        assert_eq!(whole::<Vec<u32>>(&b"[1];"[..], 10), Ok(vec![1]));
        assert_eq!(whole::<Vec<u32>>(&b"[1,2,3,4,5]"[..], 10).unwrap_err().class(), "malformed");
    }
}
