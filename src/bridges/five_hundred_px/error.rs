//! 500px's refusals, translated into the classes of [`Error`].
//!
//! Owns the one classifier. A refusal is an HTTP status with `{"status", "error"}`; the body counts where the status is
//! lost, as in a saved file. A key that 500px switched off comes as 403, like a photo of somebody who left: no proof
//! that anything is gone. Source: the "Errors" of each page of 500px's API documentation.

use serde::Deserialize;

use crate::bridges::error::{Error, readable};
use crate::bridges::http::{Headers, HttpReply};
use crate::bridges::objects;
use crate::bridges::wire::Text;

#[derive(Deserialize)]
struct Report {
    status: Text,
    error: Option<String>,
}

/// The error that a reply with a failing status stands for.
pub fn classify(reply: &HttpReply) -> Error {
    let report: Option<Report> = objects::from_slice(&reply.body).ok();
    let text = report.and_then(|report| report.error).unwrap_or_default();
    by_status(reply.status, &reply.headers, &text)
}

/// The error that a body reports by itself, whatever status it came with. `None` when it is no report: success has the
/// same shape, with the status 200.
pub fn reported(bytes: &[u8]) -> Option<Error> {
    let report: Report = objects::from_slice(bytes).ok()?;
    let status = report.status.0.parse().ok().filter(|status| (400..600).contains(status))?;
    Some(by_status(status, &Headers::default(), &report.error?))
}

fn by_status(status: u16, headers: &Headers, text: &str) -> Error {
    let message = readable(format!("HTTP {status}: {text}").trim_end_matches([':', ' ']));
    match status {
        401 => Error::Unauthorized { expired: text.to_ascii_lowercase().contains("expired"), message },
        429 => Error::RateLimited { until: headers.retry_at(), message },
        _ => Error::of_status(status, message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> HttpReply {
        HttpReply { status, headers: headers.iter().copied().collect(), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn each_status_has_its_class_with_a_body_or_without() {
        for (status, class) in [
            (302, "malformed"),
            (400, "malformed"),
            (401, "unauthorized"),
            (402, "payment_required"),
            (403, "forbidden"),
            (404, "not_found"),
            (410, "gone"),
            (418, "malformed"),
            (429, "rate_limited"),
            (500, "transient"),
            (503, "transient"),
        ] {
            assert_eq!(classify(&reply(status, &[], "<html>")).class(), class, "{status}");
            let body = format!(r#"{{"status":{status},"error":"words"}}"#);
            let error = classify(&reply(status, &[], &body));
            assert_eq!((error.class(), error.message()), (class, format!("HTTP {status}: words").as_str()));
        }
        let expired = r#"{"status":401,"error":"Token has expired"}"#;
        assert_eq!(classify(&reply(401, &[], expired)).class(), "unauthorized_expired");
    }

    #[test]
    fn a_key_that_was_switched_off_proves_nothing_gone() {
        let body = br#"{"error":"Application is deactivated, please contact us.","status":403}"#;
        let error = reported(body).unwrap();
        assert_eq!(error.class(), "forbidden");
        assert!(error.message().contains("deactivated"));
    }

    #[test]
    fn a_success_with_the_shape_of_a_refusal_is_none() {
        for body in
            [r#"{"status":200,"message":"done","error":"None"}"#, r#"{"error":"x"}"#, "[]", "", r#"{"status":1}"#]
        {
            assert_eq!(reported(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn a_limit_lasts_as_long_as_it_says_if_it_says() {
        let until = |headers: &[(&str, &str)]| match classify(&reply(429, headers, "")) {
            Error::RateLimited { until, .. } => until.map(|until| until.to_string()),
            other => panic!("not a limit: {other}"),
        };
        let date = ("date", "Mon, 01 Jul 2013 00:00:00 GMT");
        assert_eq!(until(&[("retry-after", "61"), date]).as_deref(), Some("2013-07-01T00:01:01Z"));
        assert_eq!(until(&[date]), None);
    }
}
