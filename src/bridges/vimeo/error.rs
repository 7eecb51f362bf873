//! Vimeo's refusals, translated into the classes of [`Error`], and its allowance headers.
//!
//! Owns the one classifier. The number in the body (`error_code`) is more exact than the status where Vimeo gives one.
//! A limit names its end in `X-RateLimit-Reset`, as seconds since 1970 or as a date, by the reports of two client
//! libraries: both are read. Source: docs/bridges/vimeo.md, "Limits and errors".

use serde::Deserialize;

use crate::bridges::error::{Error, readable};
use crate::bridges::http::{Headers, HttpReply, http_time};
use crate::bridges::objects;
use crate::bridges::value::Quota;
use crate::bridges::wire::{Text, epoch, time};
use crate::domain::time::Timestamp;

#[derive(Deserialize)]
struct WireError {
    error: Option<String>,
    developer_message: Option<String>,
    error_code: Option<Text>,
    error_description: Option<String>,
    #[serde(default)]
    invalid_parameters: Vec<WireInvalid>,
}

#[derive(Deserialize)]
struct WireInvalid {
    field: Option<String>,
    error_code: Option<Text>,
}

impl WireError {
    fn code(&self) -> Option<u32> {
        self.error_code.as_ref()?.0.parse().ok()
    }

    /// The reason of a door, which has no number but a word.
    fn word(&self) -> Option<&str> {
        self.error_description.as_ref().and(self.error.as_deref())
    }
}

/// What is left of the allowance, by the headers of any reply.
pub fn quota(headers: &Headers) -> Quota {
    Quota {
        remaining: headers.number("x-ratelimit-remaining"),
        resets_at: headers.get("x-ratelimit-reset").and_then(reset),
    }
}

fn reset(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    epoch(&Text(text.to_owned())).or_else(|_| time(text)).ok().or_else(|| http_time(text))
}

/// The error that a reply with a failing status stands for.
pub fn classify(reply: &HttpReply) -> Error {
    let body: Option<WireError> = objects::from_slice(&reply.body).ok();
    let told = format!("HTTP {}", reply.status);
    classified(reply.status, &told, &reply.headers, body.as_ref())
}

/// The error that a body reports by itself, when it is known only as bytes. `None` when it does not look like a report.
pub fn reported(bytes: &[u8]) -> Option<Error> {
    let body: WireError = objects::from_slice(bytes).ok()?;
    body.error.as_ref()?;
    // The status belongs to the words, but nobody has seen it.
    Some(classified(status_of(&body), "", &Headers::default(), Some(&body)))
}

/// The status that belongs to a report which came without one.
fn status_of(body: &WireError) -> u16 {
    let text = body.error.as_deref().unwrap_or_default().to_ascii_lowercase();
    match body.word() {
        Some("server_error" | "temporarily_unavailable") => 503,
        Some("invalid_grant" | "invalid_client" | "unauthorized_client" | "invalid_token") => 401,
        Some("access_denied" | "insufficient_scope") => 403,
        _ if body.error_code.is_none() && text.contains("try again") => 503,
        // What we asked was wrong, as far as can be told.
        _ => 400,
    }
}

/// - `told`: the status as it came; empty when none did.
fn classified(status: u16, told: &str, headers: &Headers, body: Option<&WireError>) -> Error {
    let message = readable(&body.map_or_else(|| told.to_owned(), |body| described(told, body)));
    let expired =
        message.to_ascii_lowercase().contains("expired") || body.and_then(WireError::word) == Some("invalid_grant");
    // A limit and an outage are what their status says, whatever number a proxy left in the body.
    if status == 429 {
        return Error::RateLimited { until: until(headers), message };
    }
    if status == 408 || status >= 500 {
        return Error::Transient { message };
    }
    match body.and_then(WireError::code) {
        Some(1001 | 2203 | 2300..=2302 | 8000 | 8003) => Error::Unauthorized { expired, message },
        Some(1002) => Error::Forbidden { message },
        Some(1003 | 5000) => Error::NotFound { message },
        Some(7000) => Error::Transient { message },
        Some(9000) => Error::RateLimited { until: until(headers), message },
        _ => match status {
            401 => Error::Unauthorized { expired, message },
            _ => Error::of_status(status, message),
        },
    }
}

/// When a limit ends: its reset, else `retry-after`.
fn until(headers: &Headers) -> Option<Timestamp> {
    quota(headers).resets_at.or_else(|| headers.retry_at())
}

fn described(told: &str, body: &WireError) -> String {
    let code = body.error_code.as_ref().map(|code| format!("code {}", code.0));
    let number: Vec<&str> = [Some(told), code.as_deref()].into_iter().flatten().filter(|it| !it.is_empty()).collect();
    let said = [&body.error, &body.error_description, &body.developer_message].into_iter().flatten();
    let mut parts = vec![number.join(", ")];
    parts.extend(said.cloned());
    parts.retain(|part| !part.is_empty());
    let mut text = parts.join(": ");
    for invalid in &body.invalid_parameters {
        let code = invalid.error_code.as_ref().map_or("", Text::as_str);
        text = format!("{text}; {} {code}", invalid.field.as_deref().unwrap_or("?"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> HttpReply {
        HttpReply { status, headers: headers.iter().copied().collect(), body: body.as_bytes().to_vec() }
    }

    fn check(status: u16, body: &str, class: &str) {
        assert_eq!(classify(&reply(status, &[], body)).class(), class, "{status} {body}");
    }

    #[test]
    fn each_refusal_has_its_class() {
        check(400, r#"{"error":"x","error_code":2204,"invalid_parameters":[{"field":"page"}]}"#, "malformed");
        check(400, r#"{"error":"x","error_code":2300}"#, "unauthorized");
        check(401, r#"{"error":"You must provide a valid authenticated access token."}"#, "unauthorized");
        check(401, r#"{"error":"The access token has expired.","error_code":8003}"#, "unauthorized_expired");
        check(401, "", "unauthorized");
        check(402, "{}", "payment_required");
        check(403, r#"{"error":"no","error_code":3200}"#, "forbidden");
        check(403, r#"{"error":"no","error_code":1003}"#, "not_found");
        check(404, r#"{"error":"The requested video couldn't be found.","error_code":5000}"#, "not_found");
        check(410, "", "gone");
        check(429, r#"{"error":"Too many API requests.","error_code":9000}"#, "rate_limited");
        check(200, r#"{"error":"busy","error_code":"7000"}"#, "transient");
        check(500, r#"{"error":"Something strange occurred.","error_code":5000}"#, "transient");
        check(502, "<html>", "transient");
        check(408, "", "transient");
        check(302, "", "malformed");
    }

    #[test]
    fn a_limit_lasts_until_its_reset_in_either_form() {
        for text in ["1372638660", "2013-07-01T00:31:00+00:00", "Mon, 01 Jul 2013 00:31:00 GMT"] {
            let found = classify(&reply(429, &[("X-RateLimit-Reset", text), ("X-RateLimit-Remaining", "0")], "{}"));
            let Error::RateLimited { until, .. } = found else { panic!("{text}: {found}") };
            assert_eq!(until.map(|at| at.to_string()).as_deref(), Some("2013-07-01T00:31:00Z"), "{text}");
        }
        let headers = [("retry-after", "61"), ("date", "Mon, 01 Jul 2013 00:00:00 GMT")];
        let Error::RateLimited { until, .. } = classify(&reply(429, &headers, "")) else { panic!("429 is a limit") };
        assert_eq!(until.map(|at| at.to_string()).as_deref(), Some("2013-07-01T00:01:01Z"));
        let odd = reply(429, &[("x-ratelimit-reset", "1507651200000")], "");
        assert!(matches!(classify(&odd), Error::RateLimited { until: None, .. }), "milliseconds are not believed");
    }

    #[test]
    fn a_report_is_classified_by_its_body_alone() {
        let check = |body: &str, class: Option<&str>| {
            assert_eq!(reported(body.as_bytes()).map(|error| error.class()), class, "{body}");
        };
        check(r#"{"error":"x","error_code":5000,"link":null}"#, Some("not_found"));
        check(r#"{"error":"Something strange occurred. Please try again."}"#, Some("transient"));
        check(r#"{"error":"server_error","error_description":"x"}"#, Some("transient"));
        check(r#"{"error":"invalid_grant","error_description":"x"}"#, Some("unauthorized_expired"));
        check(r#"{"error":"no such field"}"#, Some("malformed"));
        check(r#"{"uri":"/videos/1"}"#, None);
        check("[]", None);
        check(r#"["x","y","5000",null,[]]"#, None);
        let told = |body: &str| reported(body.as_bytes()).unwrap().message().to_owned();
        assert_eq!(told(r#"{"error":"gone","error_code":5000}"#), "code 5000: gone", "no status came");
        assert_eq!(told(r#"{"error":"Please try again."}"#), "Please try again.");
    }
}
