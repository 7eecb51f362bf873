//! GitHub's refusals, translated into the classes of [`Error`], and its allowance headers.
//!
//! Owns the one classifier. A rate limit comes as 403 or 429, with or without `retry-after`; a 403 without a sign of a
//! limit is a refusal for good. Times are by GitHub's own clock: `reset` is absolute, `retry-after` counts from the
//! `Date` of the reply. Source: docs.github.com/rest/using-the-rest-api/{rate-limits,troubleshooting}.

use serde::Deserialize;

use crate::bridges::error::{Error, readable};
use crate::bridges::http::{Headers, HttpReply, epoch_time};
use crate::bridges::objects;
use crate::bridges::value::Quota;
use crate::domain::time::Timestamp;

#[derive(Deserialize)]
struct WireError {
    message: String,
    documentation_url: Option<String>,
    /// Newer replies repeat the HTTP status here, as text.
    status: Option<String>,
    #[serde(default)]
    errors: Vec<WireErrorDetail>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WireErrorDetail {
    Coded { resource: Option<String>, field: Option<String>, code: Option<String> },
    Text(String),
}

/// What is left of the allowance, by the headers of any reply.
pub fn quota(headers: &Headers) -> Quota {
    Quota {
        remaining: headers.number("x-ratelimit-remaining"),
        resets_at: headers.number("x-ratelimit-reset").and_then(epoch_time),
    }
}

/// The error that a reply with a failing status stands for.
pub fn classify(reply: &HttpReply) -> Error {
    let body: Option<WireError> = objects::from_slice(&reply.body).ok();
    let message = body.as_ref().map_or_else(|| format!("HTTP {}", reply.status), |body| described(reply.status, body));
    classify_parts(reply.status, &reply.headers, &message)
}

/// The error that a body reports by itself, when it is known only as bytes. `None` when it does not look like a report.
pub fn reported(bytes: &[u8]) -> Option<Error> {
    let body: WireError = objects::from_slice(bytes).ok()?;
    let status = body.status.as_deref().and_then(|status| status.parse().ok());
    // Any object may have a `message`; only GitHub's reports point at its documentation or name a status.
    if status.is_none() && body.documentation_url.is_none() && body.errors.is_empty() {
        return None;
    }
    let status = status.unwrap_or_else(|| status_by_message(&body));
    Some(classify_parts(status, &Headers::default(), &described(status, &body)))
}

/// The status that belongs to a report which does not repeat it.
fn status_by_message(body: &WireError) -> u16 {
    let message = body.message.to_ascii_lowercase();
    if message == "bad credentials" || message.starts_with("requires authentication") {
        401
    } else if message == "not found" {
        404
    } else if message.contains("rate limit") {
        429
    } else if message.starts_with("resource not accessible") || message.starts_with("must have") {
        403
    } else if message.contains("access blocked") {
        451
    } else {
        // "Validation Failed", "Problems parsing JSON": what we asked was wrong.
        422
    }
}

fn classify_parts(status: u16, headers: &Headers, message: &str) -> Error {
    let message = readable(message);
    match status {
        401 => Error::Unauthorized { expired: message.to_ascii_lowercase().contains("expired"), message },
        403 | 429 => match waiting(status, headers, &message) {
            Some(until) => Error::RateLimited { until, message },
            None => Error::Forbidden { message },
        },
        _ => Error::of_status(status, message),
    }
}

/// Until when to wait, if the refusal is a limit at all: `Some(None)` is a limit that names no time.
fn waiting(status: u16, headers: &Headers, message: &str) -> Option<Option<Timestamp>> {
    if headers.get("retry-after").is_some() {
        return Some(headers.retry_at());
    }
    let quota = quota(headers);
    if quota.remaining == Some(0) {
        return Some(quota.resets_at);
    }
    let message = message.to_ascii_lowercase();
    let is_limit = status == 429 || message.contains("rate limit") || message.contains("abuse detection");
    is_limit.then_some(None)
}

fn described(status: u16, body: &WireError) -> String {
    let mut text = format!("HTTP {status}: {}", body.message);
    for detail in &body.errors {
        match detail {
            WireErrorDetail::Coded { resource, field, code } => {
                let parts: Vec<&str> = [resource, field, code].into_iter().flatten().map(String::as_str).collect();
                text = format!("{text}; {}", parts.join(" "));
            }
            WireErrorDetail::Text(detail) => text = format!("{text}; {detail}"),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str = "Mon, 01 Jul 2013 00:00:00 GMT";

    fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> HttpReply {
        HttpReply { status, headers: headers.iter().copied().collect(), body: body.as_bytes().to_vec() }
    }

    fn check(status: u16, headers: &[(&str, &str)], body: &str, class: &str) {
        assert_eq!(classify(&reply(status, headers, body)).class(), class, "{status} {headers:?} {body}");
    }

    fn until(status: u16, headers: &[(&str, &str)], body: &str) -> Option<String> {
        match classify(&reply(status, headers, body)) {
            Error::RateLimited { until, .. } => until.map(|until| until.to_string()),
            other => panic!("not a limit: {other}"),
        }
    }

    #[test]
    fn each_status_has_its_class() {
        check(400, &[], r#"{"message":"Problems parsing JSON"}"#, "malformed");
        check(401, &[], r#"{"message":"Bad credentials"}"#, "unauthorized");
        check(401, &[], r#"{"message":"The token has expired"}"#, "unauthorized_expired");
        check(402, &[], "", "payment_required");
        check(403, &[], r#"{"message":"Resource not accessible by integration"}"#, "forbidden");
        check(404, &[], r#"{"message":"Not Found"}"#, "not_found");
        check(410, &[], "", "gone");
        check(451, &[], r#"{"message":"Repository access blocked"}"#, "gone");
        check(422, &[], r#"{"message":"Validation Failed","errors":[{"code":"invalid"},"text"]}"#, "malformed");
        check(500, &[], "", "transient");
        check(502, &[], "<html>Unicorn!</html>", "transient");
        check(503, &[], "", "transient");
        check(418, &[], "", "malformed");
    }

    #[test]
    fn a_primary_limit_lasts_until_its_reset_in_epoch_seconds() {
        let headers = [("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "1372638600"), ("Date", SENT)];
        for status in [403, 429] {
            assert_eq!(until(status, &headers, "{}").as_deref(), Some("2013-07-01T00:30:00Z"));
        }
    }

    #[test]
    fn a_secondary_limit_lasts_for_its_retry_after() {
        let headers = [("retry-after", "61"), ("date", SENT), ("x-ratelimit-remaining", "4000")];
        for status in [403, 429] {
            assert_eq!(until(status, &headers, "{}").as_deref(), Some("2013-07-01T00:01:01Z"));
        }
    }

    #[test]
    fn a_limit_that_names_no_time_is_still_a_limit() {
        let body = r#"{"message":"You have exceeded a secondary rate limit. Please wait a few minutes."}"#;
        assert_eq!(until(403, &[], body), None);
        assert_eq!(until(429, &[], ""), None);
        assert_eq!(until(403, &[("retry-after", "60")], body), None, "without a date the wait has no start");
    }

    #[test]
    fn a_reset_in_milliseconds_is_not_believed() {
        let headers: Headers = [("x-ratelimit-reset", "1507651200000")].into_iter().collect();
        assert_eq!(quota(&headers).resets_at, None);
        let headers: Headers = [("x-ratelimit-reset", "9223372036854775807")].into_iter().collect();
        assert_eq!(quota(&headers).resets_at, None);
    }

    #[test]
    fn a_report_is_classified_by_its_body_alone() {
        let check = |body: &str, class: Option<&str>| {
            assert_eq!(reported(body.as_bytes()).map(|error| error.class()), class, "{body}");
        };
        check(r#"{"message":"Not Found","documentation_url":"https://docs"}"#, Some("not_found"));
        check(r#"{"message":"Bad credentials","documentation_url":"https://docs"}"#, Some("unauthorized"));
        check(r#"{"message":"API rate limit exceeded for 192.0.2.1","documentation_url":"x"}"#, Some("rate_limited"));
        check(r#"{"message":"Gone","status":"410"}"#, Some("gone"));
        check(r#"{"message":"Validation Failed","errors":[{"code":"custom"}]}"#, Some("malformed"));
        check(r#"{"message":"hello"}"#, None);
        check("[]", None);
    }
}
