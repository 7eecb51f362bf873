//! The form of an activity: JSON that every reader understands alike, with members that can be stored.
//!
//! Owns what is refused before anybody is asked for a key. A member that stands twice has one value here and another for
//! the next reader, and a NUL fits into SQLite and not into PostgreSQL: neither may depend on who reads.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use url::Url;

use super::GateError;
use crate::domain::settlement::host_of;

/// Far longer than any address in use.
const ADDRESS_LENGTH_MAX: usize = 2_000;

/// An activity as far as the gate looks into it.
#[derive(Debug)]
pub struct Activity {
    pub id: String,
    pub actor: String,
    pub document: Value,
}

/// Reads the body of a request.
///
/// - errors: [`GateError::Malformed`], and [`GateError::ForeignId`] for an id that is not the actor's to give.
pub fn read(body: &[u8]) -> Result<Activity, GateError> {
    let document = parse(body).map_err(|error| malformed(error.to_string()))?;
    let (id, actor) = (address(&document, "id")?, address(&document, "actor")?);
    let kind = document.get("type").and_then(Value::as_str).ok_or_else(|| malformed("`type` is missing"))?;
    refuse_control("type", kind)?;
    let object = document.get("object");
    if let Some(object) = object.and_then(Value::as_str) {
        refuse_control("object", object)?;
    }
    if let Some(id) = object.and_then(|object| object.get("id")).and_then(Value::as_str) {
        refuse_control("object.id", id)?;
    }
    if host_of(&id) != host_of(&actor) {
        return Err(GateError::ForeignId);
    }
    Ok(Activity { id, actor, document })
}

/// Parses JSON that has one meaning and can be stored: no member twice in an object, no NUL in a text.
pub fn parse(body: &[u8]) -> serde_json::Result<Value> {
    serde_json::from_slice(body).map(|Strict(document)| document)
}

fn malformed(text: impl Into<String>) -> GateError {
    GateError::Malformed(text.into())
}

/// An absolute address whose host stands in the text as every parser reads it: origins are compared as texts later on.
fn address(document: &Value, name: &str) -> Result<String, GateError> {
    let refused = || malformed(format!("`{name}` is not an address"));
    let text = document.get(name).and_then(Value::as_str).filter(|text| text.len() <= ADDRESS_LENGTH_MAX);
    let text = text.ok_or_else(refused)?;
    refuse_control(name, text)?;
    let url = Url::parse(text).map_err(|_| refused())?;
    let host = url.host_str().filter(|_| matches!(url.scheme(), "https" | "http")).ok_or_else(refused)?;
    let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    // A parser of URLs forgives spaces around it, a user name before the host, and backslashes.
    if host != host_of(text) || text.contains(char::is_whitespace) {
        return Err(malformed(format!("`{name}` is not an address in its normal form")));
    }
    Ok(text.to_owned())
}

fn refuse_control(name: &str, text: &str) -> Result<(), GateError> {
    match text.chars().any(char::is_control) {
        true => Err(malformed(format!("`{name}` contains a control character"))),
        false => Ok(()),
    }
}

/// A JSON value in which no object has a member twice and no text a NUL.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number is not finite"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        refuse_nul(text)?;
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            refuse_nul(&name)?;
            if object.contains_key(&name) {
                let shown: String = name.chars().take(40).collect();
                return Err(A::Error::custom(format!("the member {shown:?} appears twice")));
            }
            let Strict(value) = members.next_value()?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

fn refuse_nul<E: Error>(text: &str) -> Result<(), E> {
    if text.contains('\0') { Err(E::custom("a text contains the character NUL")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn like() -> Value {
        json!({
            "id": "https://social.example:8443/likes/1",
            "type": "Like",
            "actor": "https://social.example:8443/users/rosa",
            "object": "https://node.example/bridge/github/objects/1",
        })
    }

    #[track_caller]
    fn refused(body: &str, reason: &str) {
        match read(body.as_bytes()) {
            Err(GateError::Malformed(text)) => assert!(text.contains(reason), "{body:?}: {text}"),
            other => panic!("{body:?}: {other:?}"),
        }
    }

    #[test]
    fn what_is_read_is_what_any_reader_of_json_reads() {
        let mut document = like();
        document["more"] = json!([null, true, -1, u64::MAX, 0.1, 1e300, "\u{1f600}\t", { "a": { "a": [] } }]);
        assert_eq!(read(document.to_string().as_bytes()).unwrap().document, document);
        for body in ["", "{", "[1, 2]", "{} {}", "\"text\"", "{\"id\":1e999}", "{\"id\":\"\\ud800\"}"] {
            assert!(matches!(read(body.as_bytes()), Err(GateError::Malformed(_))), "{body}");
        }
        let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        assert!(matches!(read(deep.as_bytes()), Err(GateError::Malformed(_))));
    }

    #[test]
    fn a_member_that_appears_twice_is_refused_at_any_depth() {
        let like = like().to_string();
        let with = |more: &str| format!("{},{more}}}", like.trim_end_matches('}'));
        refused(&with(r#""actor":"https://social.example:8443/users/eve""#), r#"the member "actor" appears twice"#);
        refused(&with(r#""actor":"https://social.example:8443/users/rosa""#), r#"the member "actor" appears twice"#);
        refused(&with(r#""\u0069d":"https://social.example:8443/2""#), r#"the member "id" appears twice"#);
        refused(&with(r#""proof":{"a":[{"sum":"1","sum":"2"}]}"#), r#"the member "sum" appears twice"#);
        refused(&with(r#""\n\u001b[2J":1,"\n\u001b[2J":2"#), r#"the member "\n\u{1b}[2J" appears twice"#);
        assert!(read(with(r#""a":{"sum":"1"},"b":{"sum":"2"}"#).as_bytes()).is_ok());
    }

    #[test]
    fn nul_is_refused_in_every_text() {
        let with = |more: Value| {
            let mut document = like();
            document["more"] = more;
            document.to_string()
        };
        refused(&with(json!("a\0b")), "the character NUL");
        refused(&with(json!([{ "content": ["\0"] }])), "the character NUL");
        refused(&with(json!({ "a\0": 1 })), "the character NUL");
        refused(&like().to_string().replace("Like", "Like\0"), "control character");
        assert!(read(with(json!("a\\u0000")).as_bytes()).is_ok(), "a backslash and four noughts are no NUL");
    }

    #[test]
    fn control_characters_are_refused_in_what_names_things() {
        for control in ['\t', '\n', '\u{1b}', '\u{7f}', '\u{85}'] {
            for name in ["id", "actor", "type", "object"] {
                let mut document = like();
                document[name] = json!(format!("{}{control}", document[name].as_str().unwrap()));
                refused(&document.to_string(), &format!("`{name}` contains a control character"));
            }
            let mut document = like();
            document["object"] = json!({ "id": format!("https://node.example/{control}1") });
            refused(&document.to_string(), "`object.id` contains a control character");
            document = like();
            document["content"] = json!(format!("a line{control}and another"));
            assert!(read(document.to_string().as_bytes()).is_ok(), "prose may have {control:?}");
        }
    }

    #[test]
    fn the_host_of_an_address_stands_in_its_text() {
        let check = |actor: &str, reason: &str| {
            let mut document = like();
            document["actor"] = json!(actor);
            refused(&document.to_string(), reason);
        };
        check("social.example", "`actor` is not an address");
        check("mailto:rosa@social.example", "`actor` is not an address");
        check("ftp://social.example/", "`actor` is not an address");
        check(&format!("https://social.example/{}", "a".repeat(2_000)), "`actor` is not an address");
        check(" https://social.example:8443/users/rosa", "in its normal form");
        check("https://social.example:8443/users/ro sa", "in its normal form");
        check("https://social.example:8443@evil.example/", "in its normal form");
        check("https://evil.example\\@social.example:8443/", "in its normal form");
        check("https:social.example:8443/users/rosa", "in its normal form");
        check("https://SOCIAL.example:8443/users/rosa", "in its normal form");
        let mut document = like();
        document["actor"] = json!("https://social.example/users/rosa");
        let result = read(document.to_string().as_bytes());
        assert!(matches!(result, Err(GateError::ForeignId)), "another port is another host: {result:?}");
    }
}
