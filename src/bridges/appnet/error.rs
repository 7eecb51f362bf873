//! What App.net and pnut.io refuse, translated into the classes of [`Error`], and their allowance headers.
//!
//! Owns the one classifier. Every reply has `meta.code`, a copy of the status; where the two differ (JSONP and some
//! proxies answer 200 to everything) the code in the body counts. Times are given in seconds to go, from the `Date` of
//! the reply. Source: appdotnet/api-spec, make-request/{responses,rate-limits}.

use std::time::Duration;

use serde::Deserialize;

use crate::bridges::error::{Error, readable};
use crate::bridges::http::{Headers, HttpReply};
use crate::bridges::objects;
use crate::bridges::value::Quota;
use crate::domain::time::Timestamp;

/// A window is an hour or a minute; a reset beyond a day is not in seconds to go and is not believed.
const RESET_SECONDS_MAX: u64 = 86_400;

#[derive(Deserialize)]
struct WireReport {
    meta: WireReportMeta,
}

#[derive(Deserialize)]
struct WireReportMeta {
    code: u16,
    error_slug: Option<String>,
    error_message: Option<String>,
}

/// What is left of the allowance, by the headers of any reply.
pub fn quota(headers: &Headers) -> Quota {
    Quota { remaining: headers.number("x-ratelimit-remaining"), resets_at: resets_at(headers) }
}

fn resets_at(headers: &Headers) -> Option<Timestamp> {
    let seconds = headers.number("x-ratelimit-reset").filter(|seconds| *seconds <= RESET_SECONDS_MAX)?;
    Some(headers.sent_at()?.plus(Duration::from_secs(seconds)))
}

/// The error that a reply with a failing status stands for.
pub fn classify(reply: &HttpReply) -> Error {
    match objects::from_slice::<WireReport>(&reply.body) {
        Ok(WireReport { meta }) if meta.code >= 400 => classify_parts(meta.code, &reply.headers, &meta),
        _ => {
            let nothing = WireReportMeta { code: reply.status, error_slug: None, error_message: None };
            classify_parts(reply.status, &reply.headers, &nothing)
        }
    }
}

/// The error that a body reports by itself, whatever status it came with. `None` when it does not look like a report.
pub fn reported(bytes: &[u8]) -> Option<Error> {
    let WireReport { meta } = objects::from_slice(bytes).ok()?;
    (meta.code >= 400).then(|| classify_parts(meta.code, &Headers::default(), &meta))
}

fn classify_parts(status: u16, headers: &Headers, meta: &WireReportMeta) -> Error {
    let slug = meta.error_slug.as_deref().unwrap_or_default();
    let parts = [slug, meta.error_message.as_deref().unwrap_or_default()];
    let described: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let message = match described.as_slice() {
        [] => format!("HTTP {status}"),
        parts => readable(&format!("HTTP {status}: {}", parts.join(": "))),
    };
    match (status, slug) {
        (_, "token-expired") => Error::Unauthorized { expired: true, message },
        // `invalid-token` and `not-authorized`: damaged, or taken back by the person.
        (401, _) => Error::Unauthorized { expired: false, message },
        (429, _) => Error::RateLimited { until: headers.retry_at().or_else(|| resets_at(headers)), message },
        // A quota of the account is full: waiting does not empty it.
        (507, _) => Error::Forbidden { message },
        _ => Error::of_status(status, message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str = "Mon, 01 Jul 2013 00:00:00 GMT";

    fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> HttpReply {
        HttpReply { status, headers: headers.iter().copied().collect(), body: body.as_bytes().to_vec() }
    }

    fn report(code: u16, slug: &str) -> String {
        format!(r#"{{"meta":{{"code":{code},"error_slug":"{slug}","error_message":"No."}}}}"#)
    }

    #[test]
    fn each_refusal_has_its_class() {
        let check = |status: u16, body: &str, class: &str| {
            assert_eq!(classify(&reply(status, &[], body)).class(), class, "{status} {body}");
        };
        check(401, &report(401, "token-expired"), "unauthorized_expired");
        check(401, &report(401, "invalid-token"), "unauthorized");
        check(401, &report(401, "not-authorized"), "unauthorized");
        check(401, "", "unauthorized");
        check(402, "", "payment_required");
        check(403, &report(403, ""), "forbidden");
        check(404, &report(404, ""), "not_found");
        check(410, "<html>Goodbye</html>", "gone");
        check(429, &report(429, ""), "rate_limited");
        check(400, &report(400, "redirect-uri-required"), "malformed");
        check(405, "", "malformed");
        check(302, "", "malformed");
        check(500, "", "transient");
        check(503, "<html>", "transient");
        check(507, &report(507, ""), "forbidden");
        check(200, &report(401, "token-expired"), "unauthorized_expired");
        check(502, &report(429, ""), "rate_limited");
    }

    #[test]
    fn a_wait_is_counted_from_the_date_of_the_reply() {
        let until = |headers: &[(&str, &str)]| match classify(&reply(429, headers, "")) {
            Error::RateLimited { until, .. } => until.map(|until| until.to_string()),
            other => panic!("not a limit: {other}"),
        };
        let date = ("date", SENT);
        assert_eq!(until(&[date, ("retry-after", "61")]).as_deref(), Some("2013-07-01T00:01:01Z"));
        assert_eq!(until(&[date, ("x-ratelimit-reset", "90")]).as_deref(), Some("2013-07-01T00:01:30Z"));
        let both = [date, ("x-ratelimit-reset", "3600"), ("retry-after", "5")];
        assert_eq!(until(&both).as_deref(), Some("2013-07-01T00:00:05Z"));
        assert_eq!(until(&[("retry-after", "61")]), None, "seconds from when?");
        assert_eq!(until(&[date, ("x-ratelimit-reset", "1372636800")]), None, "not seconds to go");
        let quota = quota(&[date, ("x-ratelimit-remaining", "7"), ("X-RateLimit-Reset", "1")].into_iter().collect());
        assert_eq!((quota.remaining, quota.resets_at.unwrap().to_string().as_str()), (Some(7), "2013-07-01T00:00:01Z"));
    }

    #[test]
    fn a_report_is_told_from_a_document() {
        assert_eq!(reported(report(404, "").as_bytes()).unwrap().class(), "not_found");
        assert_eq!(reported(br#"{"data":{},"meta":{"code":200}}"#), None);
        assert_eq!(reported(b"[]"), None);
        assert_eq!(reported(b"<html>"), None);
    }
}
