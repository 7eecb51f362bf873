//! Flickr's refusals, translated into the classes of [`Error`].
//!
//! Owns the one classifier. Flickr answers 200 and says `stat: fail` in the body, with a code that most methods share;
//! only what stands in front of its interface uses HTTP statuses. A refused signature comes as a form of OAuth, whose
//! `debug_sbs` repeats the token: nothing of such a body but the name of the problem is kept. Source: the `errors` of
//! flickr.reflection.getMethodInfo.

use serde::Deserialize;

use crate::bridges::error::{Error, readable};
use crate::bridges::http::HttpReply;
use crate::bridges::objects;
use crate::bridges::wire::Text;

#[derive(Deserialize)]
struct Report {
    stat: String,
    code: Option<Text>,
    message: Option<String>,
}

/// The error that a reply with a failing status stands for.
pub fn classify(reply: &HttpReply) -> Error {
    let message = format!("HTTP {}", reply.status);
    match reply.status {
        429 => Error::RateLimited { until: reply.headers.retry_at(), message },
        300..=399 => Error::Malformed { message: format!("{message}: a redirect, and Flickr's interface has none") },
        // A 404 without a code is not a photo that is missing: there is no interface at this address.
        status => reported(&reply.body).unwrap_or_else(|| Error::of_status(status, message)),
    }
}

/// The error that a body reports by itself, whatever status it came with. `None` when it is no report.
pub fn reported(bytes: &[u8]) -> Option<Error> {
    if let Some(problem) = oauth_problem(bytes) {
        return Some(problem);
    }
    let report: Report = objects::from_slice(unwrapped(bytes)).ok()?;
    if report.stat != "fail" {
        return None;
    }
    let code = report.code.map_or_else(String::new, |code| code.0);
    Some(by_code(&code, &report.message.unwrap_or_default()))
}

/// The class of a code of Flickr's.
pub(super) fn by_code(code: &str, text: &str) -> Error {
    let message = readable(&format!("fail {code}: {text}"));
    match code {
        // 1 is "not found" of whatever was asked for: a user, a photo, an address.
        "1" => Error::NotFound { message },
        // A private photo; an own photo; a favourite already.
        "2" | "3" | "99" => Error::Forbidden { message },
        "5" => Error::Gone { message },
        "0" | "10" | "105" | "106" => Error::Transient { message },
        // Wrong and missing signatures, and tokens that people took back. Flickr's tokens never expire, so nothing can
        // be renewed: the person signs in again.
        "96" | "97" | "98" => Error::Unauthorized { expired: is_expired(text), message },
        // "Key has expired" too: that needs the operator, and no renewal helps.
        "100" => Error::Unauthorized { expired: false, message },
        // 95 (not over TLS), 111, 112, 114 to 116 and what we do not know: our request is wrong.
        _ => Error::Malformed { message },
    }
}

fn is_expired(text: &str) -> bool {
    text.to_ascii_lowercase().contains("expired")
}

fn oauth_problem(bytes: &[u8]) -> Option<Error> {
    let body = bytes.trim_ascii();
    if !body.starts_with(b"oauth_problem=") {
        return None;
    }
    let (_, problem) = url::form_urlencoded::parse(body).next()?;
    let message = readable(&problem);
    Some(match problem.as_ref() {
        "nonce_used" => Error::Transient { message },
        // A clock is wrong, ours most likely. Asking again does not set it.
        "timestamp_refused" => Error::Malformed { message },
        _ => Error::Unauthorized { expired: is_expired(&problem), message },
    })
}

/// A body without the call `jsonFlickrApi(...)` that Flickr puts around it when a proxy drops `nojsoncallback`.
pub(super) fn unwrapped(bytes: &[u8]) -> &[u8] {
    let body = bytes.trim_ascii();
    let Some(inner) = body.strip_prefix(b"jsonFlickrApi(") else { return body };
    let inner = inner.strip_suffix(b";").unwrap_or(inner).trim_ascii_end();
    inner.strip_suffix(b")").unwrap_or(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> HttpReply {
        HttpReply { status, headers: headers.iter().copied().collect(), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn each_code_has_its_class_whether_number_or_text() {
        let check = |code: &str, class: &str| {
            for code in [code.to_owned(), format!("\"{code}\"")] {
                let body = format!(r#"{{"stat":"fail","code":{code},"message":"m"}}"#);
                assert_eq!(reported(body.as_bytes()).map(|error| error.class()), Some(class), "{body}");
                let called = format!("jsonFlickrApi({body})");
                assert_eq!(reported(called.as_bytes()).map(|error| error.class()), Some(class), "{called}");
            }
        };
        for (codes, class) in [
            (&["1"][..], "not_found"),
            (&["2", "3", "99"], "forbidden"),
            (&["5"], "gone"),
            (&["96", "97", "98", "100"], "unauthorized"),
            (&["0", "10", "105", "106"], "transient"),
            (&["95", "111", "112", "114", "115", "116", "7000"], "malformed"),
        ] {
            codes.iter().for_each(|code| check(code, class));
        }
    }

    #[test]
    fn an_expired_key_is_not_a_token_that_could_be_renewed() {
        let expired = |code: &str, text: &str| by_code(code, text).class();
        assert_eq!(expired("100", "Invalid API Key (Key has expired)"), "unauthorized");
        assert_eq!(expired("98", "Token expired"), "unauthorized_expired");
    }

    #[test]
    fn a_reply_that_is_well_or_foreign_reports_nothing() {
        for body in [r#"{"stat":"ok"}"#, r#"{"code":1,"message":"m"}"#, "[]", "", "<html>", r#"{"stat":1}"#] {
            assert_eq!(reported(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn a_refused_signature_never_repeats_what_was_signed() {
        let body = "oauth_problem=signature_invalid&debug_sbs=GET&oauth_token%3D72157-secret";
        let error = classify(&reply(401, &[], body));
        assert_eq!((error.class(), error.message()), ("unauthorized", "signature_invalid"));
        let check = |problem: &str, class: &str| {
            assert_eq!(reported(format!("oauth_problem={problem}").as_bytes()).unwrap().class(), class, "{problem}");
        };
        check("token_expired", "unauthorized_expired");
        check("token_rejected", "unauthorized");
        check("timestamp_refused", "malformed");
        check("nonce_used", "transient");
    }

    #[test]
    fn each_status_has_its_class_and_a_report_comes_first() {
        let check = |status: u16, body: &str, class: &str| {
            assert_eq!(classify(&reply(status, &[], body)).class(), class, "{status} {body}");
        };
        check(302, "", "malformed");
        check(401, "", "unauthorized");
        check(403, "<html>", "forbidden");
        check(404, "", "not_found");
        check(410, "", "gone");
        check(418, "", "malformed");
        check(500, r#"{"stat":"fail","code":105,"message":"m"}"#, "transient");
        check(503, "<html>", "transient");
        check(400, r#"{"stat":"fail","code":98,"message":"m"}"#, "unauthorized");
    }

    #[test]
    fn a_limit_lasts_as_long_as_it_says_if_it_says() {
        let until = |headers: &[(&str, &str)]| match classify(&reply(429, headers, "<html>slow down")) {
            Error::RateLimited { until, .. } => until.map(|until| until.to_string()),
            other => panic!("not a limit: {other}"),
        };
        let date = ("date", "Mon, 01 Jul 2013 00:00:00 GMT");
        assert_eq!(until(&[("retry-after", "61"), date]).as_deref(), Some("2013-07-01T00:01:01Z"));
        assert_eq!(until(&[date]), None);
    }
}
