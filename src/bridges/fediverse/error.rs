//! Refusals of servers, translated into the classes of [`Error`], and their allowance headers.
//!
//! Owns the one classifier. Mastodon says what is wrong in `error`; the time at which a limit ends is written out, as
//! ISO 8601 and not as seconds. Source: docs.joinmastodon.org/api/rate-limits, methods/*, entities/Error.

use serde::Deserialize;

use crate::bridges::error::{Error, readable};
use crate::bridges::http::{Headers, HttpReply};
use crate::bridges::objects;
use crate::bridges::value::Quota;
use crate::bridges::wire;

#[derive(Deserialize)]
struct WireError {
    error: String,
    error_description: Option<String>,
}

/// What is left of the allowance that is nearest to its end.
pub fn quota(headers: &Headers) -> Quota {
    Quota {
        remaining: headers.number("x-ratelimit-remaining"),
        resets_at: headers.get("x-ratelimit-reset").and_then(|text| wire::time(text).ok()),
    }
}

/// The error that a reply with a failing status stands for.
pub fn classify(reply: &HttpReply) -> Error {
    let body: Option<WireError> = objects::from_slice(&reply.body).ok();
    let message = body.map_or_else(|| format!("HTTP {}", reply.status), |body| described(reply.status, &body));
    classified(reply.status, &reply.headers, &message)
}

/// The error that a body reports by itself, when it is known only as bytes. `None` when it does not look like a report.
pub fn reported(bytes: &[u8]) -> Option<Error> {
    let body: WireError = objects::from_slice(bytes).ok()?;
    let word = body.error.to_ascii_lowercase();
    let status = match word.as_str() {
        "record not found" | "not found" => 404,
        "too many requests" | "throttled" => 429,
        "gone" => 410,
        "this action is outside the authorized scopes" | "this action is not allowed" => 403,
        "invalid_grant" | "invalid_client" | "unauthorized_client" => 401,
        _ if word.contains("access token") || word.contains("authenticated user") => 401,
        _ => 422,
    };
    Some(classified(status, &Headers::default(), &described(status, &body)))
}

fn classified(status: u16, headers: &Headers, message: &str) -> Error {
    let message = readable(message);
    let word = message.to_ascii_lowercase();
    match status {
        401 => Error::Unauthorized { expired: word.contains("expired"), message },
        // Said of a token that speaks for an app and for nobody.
        422 if word.contains("authenticated user") => Error::Unauthorized { expired: false, message },
        429 => Error::RateLimited { until: quota(headers).resets_at.or_else(|| headers.retry_at()), message },
        _ => Error::of_status(status, message),
    }
}

fn described(status: u16, body: &WireError) -> String {
    let described = body.error_description.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
    format!("HTTP {status}: {}{described}", body.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> HttpReply {
        HttpReply { status, headers: headers.iter().copied().collect(), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn each_refusal_has_its_class() {
        let check = |status: u16, body: &str, class: &str| {
            assert_eq!(classify(&reply(status, &[], body)).class(), class, "{status} {body}");
        };
        check(401, r#"{"error":"The access token is invalid"}"#, "unauthorized");
        check(401, r#"{"error":"The access token was revoked"}"#, "unauthorized");
        check(401, r#"{"error":"The access token expired"}"#, "unauthorized_expired");
        check(403, r#"{"error":"This action is outside the authorized scopes"}"#, "forbidden");
        check(404, r#"{"error":"Record not found"}"#, "not_found");
        check(410, "", "gone");
        check(422, r#"{"error":"This method requires an authenticated user"}"#, "unauthorized");
        check(422, r#"{"error":"Validation failed: Redirect URI must be an absolute URI."}"#, "malformed");
        check(429, r#"{"error":"Too many requests"}"#, "rate_limited");
        check(503, r#"{"error":"There was a temporary problem serving your request"}"#, "transient");
        check(502, "<html>", "transient");
        check(302, "", "malformed");
    }

    #[test]
    fn a_limit_ends_when_its_header_says_in_words() {
        let until = |headers: &[(&str, &str)]| match classify(&reply(429, headers, "{}")) {
            Error::RateLimited { until, .. } => until.map(|at| at.to_string()),
            other => panic!("not a limit: {other}"),
        };
        let reset = ("X-RateLimit-Reset", "2013-07-01T00:05:00.000000Z");
        assert_eq!(until(&[reset]).as_deref(), Some("2013-07-01T00:05:00Z"));
        let after = [("retry-after", "61"), ("date", "Mon, 01 Jul 2013 00:00:00 GMT")];
        assert_eq!(until(&after).as_deref(), Some("2013-07-01T00:01:01Z"));
        assert_eq!(until(&[("x-ratelimit-reset", "1372638600")]), None, "seconds are not what it sends");
    }

    #[test]
    fn a_report_is_classified_by_its_body_alone() {
        let check = |body: &str, class: Option<&str>| {
            assert_eq!(reported(body.as_bytes()).map(|error| error.class()), class, "{body}");
        };
        check(r#"{"error":"Record not found"}"#, Some("not_found"));
        check(r#"{"error":"The access token was revoked"}"#, Some("unauthorized"));
        check(
            r#"{"error":"invalid_grant","error_description":"The provided grant is expired"}"#,
            Some("unauthorized_expired"),
        );
        check(r#"{"error":"Too many requests"}"#, Some("rate_limited"));
        check(r#"{"id":"1"}"#, None);
        check("[]", None);
    }
}
