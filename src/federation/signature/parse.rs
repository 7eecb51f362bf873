//! The `Signature` header: its parameters, read without guessing.
//!
//! Owns the grammar of draft-cavage-12, 2.1. What appears twice is refused: two readers would each take another one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::{CREATED, Request, SignatureError, header, lines};
use crate::domain::time::Timestamp;

/// Far more than anybody signs; bounds the work for a stranger.
const HEADERS_COUNT_MAX: usize = 32;

/// The parameters of a `Signature` header. Nothing here is authenticated yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    pub key_id: String,
    pub algorithm: Option<String>,
    /// Names in lower case, in the order in which they are signed.
    pub headers: Vec<String>,
    pub signature: Vec<u8>,
    pub created: Option<Timestamp>,
    pub expires: Option<Timestamp>,
}

impl Parameters {
    pub fn covers(&self, name: &str) -> bool {
        self.headers.iter().any(|signed| signed == name)
    }
}

/// Reads the one `Signature` header of a request.
///
/// Errors: no header, a second one (an `Authorization: Signature` counts), a parameter twice, one that is missing or
/// malformed, and an empty or repeating list of headers.
pub fn parse(request: &Request<'_>) -> Result<Parameters, SignatureError> {
    if lines(request, "signature").nth(1).is_some() {
        return Err(SignatureError::SeveralSignatures);
    }
    let text = header(request, "signature").map_err(|error| match error {
        SignatureError::HeaderAbsent(_) => SignatureError::Missing,
        other => other,
    })?;
    // The draft's other place for a signature, which the federation library prefers: the two must not disagree.
    if lines(request, "authorization").any(|line| line.get(..9).is_some_and(|s| s.eq_ignore_ascii_case(b"signature"))) {
        return Err(SignatureError::SeveralSignatures);
    }
    parse_text(&text)
}

fn parse_text(text: &str) -> Result<Parameters, SignatureError> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut rest = text;
    loop {
        let (name, value, after) = parameter(rest)?;
        if found.iter().any(|(known, _)| *known == name) {
            return Err(SignatureError::DuplicateParameter(name));
        }
        found.push((name, value));
        match after.trim_start().strip_prefix(',') {
            Some(next) => rest = next,
            None if after.trim().is_empty() => break,
            None => return Err(SignatureError::Malformed("parameters are separated by commas")),
        }
    }
    let mut take = |name: &'static str| {
        let index = found.iter().position(|(known, _)| known == name);
        index.map(|index| found.swap_remove(index).1)
    };
    let key_id = take("keyId").ok_or(SignatureError::MissingParameter("keyId"))?;
    let signature = take("signature").ok_or(SignatureError::MissingParameter("signature"))?;
    Ok(Parameters {
        key_id,
        algorithm: take("algorithm"),
        headers: header_names(take("headers"))?,
        signature: BASE64.decode(signature).map_err(|_| SignatureError::Malformed("`signature` is not base64"))?,
        created: unix_time(take("created"))?,
        expires: unix_time(take("expires"))?,
    })
}

/// One `name="value"` or `name=digits`, and what follows.
fn parameter(text: &str) -> Result<(String, String, &str), SignatureError> {
    let (name, rest) = text.split_once('=').ok_or(SignatureError::Malformed("a parameter is name=value"))?;
    let name = name.trim();
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
        return Err(SignatureError::Malformed("a parameter has a name of letters and digits"));
    }
    let (value, after) = match rest.trim_start().strip_prefix('"') {
        // No value that we accept contains a quote, so a backslash is refused rather than understood.
        Some(quoted) => quoted.split_once('"').ok_or(SignatureError::Malformed("a quote is not closed"))?,
        None => {
            let rest = rest.trim_start();
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            rest.split_at(end)
        }
    };
    if value.contains('\\') {
        return Err(SignatureError::Malformed("a value contains a backslash"));
    }
    Ok((name.to_owned(), value.to_owned(), after))
}

fn header_names(list: Option<String>) -> Result<Vec<String>, SignatureError> {
    // Draft 12, 2.1.6. It cannot pass the strict rules, and says so by what is not signed.
    let Some(list) = list else { return Ok(vec![CREATED.to_owned()]) };
    let mut names: Vec<String> = Vec::new();
    for name in list.split_ascii_whitespace().map(str::to_ascii_lowercase) {
        if names.contains(&name) {
            return Err(SignatureError::SignedTwice(name));
        }
        names.push(name);
        if names.len() > HEADERS_COUNT_MAX {
            return Err(SignatureError::Malformed("too many headers are signed"));
        }
    }
    if names.is_empty() { Err(SignatureError::NothingSigned) } else { Ok(names) }
}

/// Whole seconds since 1970, in at most 11 digits: until the year 5138.
fn unix_time(text: Option<String>) -> Result<Option<Timestamp>, SignatureError> {
    let Some(text) = text else { return Ok(None) };
    let is_time = (1..=11).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = text.parse().ok().filter(|_| is_time);
    seconds.map(Timestamp::from_seconds).map(Some).ok_or(SignatureError::Malformed("a time is not in whole seconds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = concat!(
        r#"keyId="https://b.example/u#main-key",algorithm="hs2019","#,
        r#"headers="(request-target) Host date",signature="c2ln""#
    );

    fn with(extra: &str) -> Result<Parameters, SignatureError> {
        parse_text(&format!("{GOOD}{extra}"))
    }

    #[test]
    fn all_parameters_are_read() {
        let parameters = with(r#", created=1402170695 , expires="1402170699",note="a=b, c""#).unwrap();
        assert_eq!(parameters.key_id, "https://b.example/u#main-key");
        assert_eq!(parameters.algorithm.as_deref(), Some("hs2019"));
        assert_eq!(parameters.headers, ["(request-target)", "host", "date"]);
        assert_eq!(parameters.signature, b"sig");
        assert_eq!(parameters.created, Some(Timestamp::from_seconds(1_402_170_695)));
        assert_eq!(parameters.expires, Some(Timestamp::from_seconds(1_402_170_699)));
    }

    #[test]
    fn without_a_list_only_created_is_signed() {
        let parameters = parse_text(r#"keyId="k",signature="c2ln""#).unwrap();
        assert_eq!(parameters.headers, [CREATED]);
        assert_eq!(parameters.algorithm, None);
    }

    #[test]
    fn a_parameter_that_appears_twice_is_refused() {
        for extra in [r#"keyId="other""#, r#"signature="c2ln""#, r#"headers="host""#, r#"algorithm="hs2019""#] {
            let name = extra.split('=').next().unwrap().to_owned();
            assert_eq!(with(&format!(",{extra}")), Err(SignatureError::DuplicateParameter(name)));
        }
        assert_eq!(with(",created=1,created=2"), Err(SignatureError::DuplicateParameter("created".into())));
    }

    #[test]
    fn what_does_not_follow_the_grammar_is_refused() {
        let check = |extra: &str| {
            let result = with(extra);
            assert!(matches!(result, Err(SignatureError::Malformed(_))), "{extra}: {result:?}");
        };
        check(",");
        check(";x=1");
        check(" x=1");
        check(",x");
        check(",=1");
        check(r#",x="1"#);
        check(r#",x="a\"b""#);
        check(",x=abc");
        check(",created=1.5");
        check(",created=-1");
        check(",created=");
        check(r#",created="+1""#);
        check(",created=999999999999");
        assert!(matches!(parse_text(""), Err(SignatureError::Malformed(_))));
        assert!(matches!(parse_text(r#"keyId="k",signature="%""#), Err(SignatureError::Malformed(_))));
    }

    #[test]
    fn key_and_signature_are_required() {
        assert_eq!(parse_text(r#"signature="c2ln""#), Err(SignatureError::MissingParameter("keyId")));
        assert_eq!(parse_text(r#"keyId="k""#), Err(SignatureError::MissingParameter("signature")));
        // Names are told apart by case.
        assert_eq!(parse_text(r#"keyid="k",signature="c2ln""#), Err(SignatureError::MissingParameter("keyId")));
    }

    #[test]
    fn a_list_of_headers_names_each_once_and_at_least_one() {
        let list = |names: &str| parse_text(&format!(r#"keyId="k",signature="c2ln",headers="{names}""#));
        assert_eq!(list(""), Err(SignatureError::NothingSigned));
        assert_eq!(list("  "), Err(SignatureError::NothingSigned));
        assert_eq!(list("date host Date"), Err(SignatureError::SignedTwice("date".into())));
        let many: Vec<String> = (0..=HEADERS_COUNT_MAX).map(|index| format!("x-{index}")).collect();
        assert!(matches!(list(&many.join(" ")), Err(SignatureError::Malformed(_))));
    }
}
