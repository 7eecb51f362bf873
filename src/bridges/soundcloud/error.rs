//! SoundCloud's refusals, translated into the classes of [`Error`].
//!
//! Owns the one classifier. There are no headers about limits: when one ends stands in the body, if anywhere. A token
//! that has ended and one that was revoked are refused alike; [`super::client`] knows which kind was sent.
//! Source: docs/bridges/soundcloud.md, "Limits and errors".

use serde::Deserialize;

use super::wire::written_at;
use crate::bridges::error::{Error, readable};
use crate::bridges::http::{Headers, HttpReply};
use crate::bridges::objects;
use crate::domain::time::Timestamp;

#[derive(Deserialize)]
struct WireError {
    code: Option<u16>,
    message: Option<String>,
    error: Option<String>,
    /// `401 - Unauthorized`
    status: Option<String>,
    spam_warning_urn: Option<String>,
    errors: Option<Vec<WireDetail>>,
}

#[derive(Deserialize)]
struct WireDetail {
    error_message: Option<String>,
    meta: Option<WireMeta>,
}

#[derive(Deserialize)]
struct WireMeta {
    rate_limit: Option<WireLimit>,
    reset_time: Option<String>,
}

#[derive(Deserialize)]
struct WireLimit {
    group: Option<String>,
}

impl WireError {
    fn details(&self) -> impl Iterator<Item = &WireDetail> {
        self.errors.iter().flatten()
    }

    /// The status that the body repeats, or that its form betrays.
    fn status(&self) -> Option<u16> {
        let said = self.status.as_ref().and_then(|text| text.split(' ').next()?.parse().ok());
        let is_limit =
            self.spam_warning_urn.is_some() || self.details().any(|it| it.meta.as_ref().is_some_and(is_limit));
        self.code.or(said).or(is_limit.then_some(429)).filter(|status| *status >= 400)
    }

    /// When the last of the limits ends.
    fn reset(&self) -> Option<Timestamp> {
        self.details().filter_map(|it| written_at(it.meta.as_ref()?.reset_time.as_deref()?).ok()).max()
    }
}

fn is_limit(meta: &WireMeta) -> bool {
    meta.rate_limit.is_some() || meta.reset_time.is_some()
}

/// The error that a reply with a failing status stands for.
pub fn classify(reply: &HttpReply) -> Error {
    let body: Option<WireError> = objects::from_slice(&reply.body).ok();
    classified(reply.status, &reply.headers, body.as_ref())
}

/// The error that a body reports by itself, when it is known only as bytes. `None` when it does not look like a report.
pub fn reported(bytes: &[u8]) -> Option<Error> {
    let body: WireError = objects::from_slice(bytes).ok()?;
    Some(classified(body.status()?, &Headers::default(), Some(&body)))
}

fn classified(status: u16, headers: &Headers, body: Option<&WireError>) -> Error {
    let message = readable(&body.map_or_else(|| format!("HTTP {status}"), |body| described(status, body)));
    let word = body.and_then(|body| body.message.as_deref().or(body.error.as_deref())).unwrap_or_default();
    match status {
        // A door's word for a code or a refresh token that was good once, and is used or too old.
        400 | 401 if word.contains("invalid_grant") => Error::Unauthorized { expired: true, message },
        401 => Error::Unauthorized { expired: word.to_ascii_lowercase().contains("expired"), message },
        429 => Error::RateLimited { until: body.and_then(WireError::reset).or_else(|| headers.retry_at()), message },
        status => Error::of_status(status, message),
    }
}

fn described(status: u16, body: &WireError) -> String {
    let mut text = format!("HTTP {status}");
    for part in [&body.message, &body.error].into_iter().flatten().filter(|part| !part.is_empty()) {
        text = format!("{text}: {part}");
    }
    for detail in body.details() {
        let group = detail.meta.as_ref().and_then(|meta| meta.rate_limit.as_ref()?.group.as_ref());
        for part in [detail.error_message.as_ref(), group].into_iter().flatten() {
            text = format!("{text}; {part}");
        }
    }
    text
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
        check(400, r#"{"code":400,"message":"bad"}"#, "malformed");
        check(400, r#"{"code":400,"message":"invalid_grant"}"#, "unauthorized_expired");
        check(
            401,
            r#"{"code":401,"message":"","status":"401 - Unauthorized","errors":[],"error":null}"#,
            "unauthorized",
        );
        check(401, r#"{"code":401,"message":"invalid_client"}"#, "unauthorized");
        check(401, "", "unauthorized");
        check(402, "", "payment_required");
        check(403, "{}", "forbidden");
        check(404, r#"{"code":404,"message":"not found"}"#, "not_found");
        check(410, "", "gone");
        check(422, r#"{"code":422,"message":"x"}"#, "malformed");
        check(429, "", "rate_limited");
        check(500, "", "transient");
        check(503, "<html>", "transient");
        check(302, "", "malformed");
    }

    #[test]
    fn a_limit_lasts_until_the_reset_in_its_body() {
        let detail = |at: &str| format!(r#"{{"meta":{{"rate_limit":{{"group":"plays"}},"reset_time":"{at}"}}}}"#);
        let body = format!(
            r#"{{"errors":[{},{}]}}"#,
            detail("2013/07/01 00:31:00 +0000"),
            detail("2013/07/01 02:30:00 +0200")
        );
        let until = |headers: &[(&str, &str)], body: &str| match classify(&reply(429, headers, body)) {
            Error::RateLimited { until, .. } => until.map(|at| at.to_string()),
            other => panic!("not a limit: {other}"),
        };
        assert_eq!(until(&[], &body).as_deref(), Some("2013-07-01T00:31:00Z"), "the later of both");
        let headers = [("retry-after", "61"), ("date", "Mon, 01 Jul 2013 00:00:00 GMT")];
        assert_eq!(until(&headers, "{}").as_deref(), Some("2013-07-01T00:01:01Z"));
        assert_eq!(until(&[], r#"{"code":429,"spam_warning_urn":"soundcloud:spam-warnings:1"}"#), None);
        assert_eq!(until(&[], &detail("soon")), None);
    }

    #[test]
    fn a_report_is_classified_by_its_body_alone() {
        let check = |body: &str, class: Option<&str>| {
            assert_eq!(reported(body.as_bytes()).map(|error| error.class()), class, "{body}");
        };
        check(r#"{"code":404,"message":"x","link":"y"}"#, Some("not_found"));
        check(r#"{"status":"401 - Unauthorized"}"#, Some("unauthorized"));
        check(r#"{"errors":[{"meta":{"rate_limit":{"group":"plays"}}}]}"#, Some("rate_limited"));
        check(r#"{"status":"302 - Found","location":"x"}"#, None);
        check(r#"{"code":200}"#, None);
        check(r#"{"message":"hello"}"#, None);
        check("[]", None);
    }
}
