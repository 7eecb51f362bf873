//! Instagram's refusals, translated into the classes of [`Error`].
//!
//! Owns the one classifier for three forms: the envelope of the old API (`meta`), the same without its envelope at the
//! door, and the `error` of the API of today. The status tells little: a token that ended comes as 400, and some
//! refusals come with 200. No form says when a limit ends. Source: docs/bridges/instagram.md.

use serde::Deserialize;

use crate::bridges::error::{Error, readable};
use crate::bridges::http::{Headers, HttpReply};
use crate::bridges::objects;
use crate::bridges::value::Quota;

#[derive(Deserialize)]
struct WireBody {
    meta: Option<WireMeta>,
    /// At the door the same fields stand without `meta`.
    #[serde(flatten)]
    bare: WireMeta,
    error: Option<WireGraphError>,
}

#[derive(Deserialize)]
struct WireMeta {
    code: Option<u16>,
    error_type: Option<String>,
    error_message: Option<String>,
}

#[derive(Deserialize)]
struct WireGraphError {
    message: Option<String>,
    code: Option<i64>,
    error_subcode: Option<i64>,
}

/// What is left of the allowance, by the headers of any reply of the old API. It never says when more comes.
pub fn quota(headers: &Headers) -> Quota {
    Quota { remaining: headers.number("x-ratelimit-remaining"), resets_at: None }
}

/// The error that a reply with a failing status stands for.
pub fn classify(reply: &HttpReply) -> Error {
    // The old API sends 503 as well when too much was asked; then nothing of the allowance is left.
    let error = if reply.status == 503 && quota(&reply.headers).remaining == Some(0) {
        Error::RateLimited { until: None, message: "HTTP 503 with no requests left".to_owned() }
    } else {
        reported(&reply.body).unwrap_or_else(|| Error::of_status(reply.status, format!("HTTP {}", reply.status)))
    };
    match error {
        // Only a server in between may know better.
        Error::RateLimited { until: None, message } => Error::RateLimited { until: reply.headers.retry_at(), message },
        other => other,
    }
}

/// The error that a body reports by itself, whatever status it came with. `None` when it is no report.
pub fn reported(bytes: &[u8]) -> Option<Error> {
    let body: WireBody = objects::from_slice(bytes).ok()?;
    if let Some(error) = body.error {
        return Some(by_number(error));
    }
    let meta = body.meta.unwrap_or(body.bare);
    // An envelope says `code: 200` when all is well.
    let is_refusal = meta.error_type.is_some() || meta.code.is_some_and(|code| code >= 300);
    is_refusal.then(|| by_meta(meta))
}

fn by_meta(meta: WireMeta) -> Error {
    let kind = meta.error_type.unwrap_or_default();
    let code = meta.code.map(|code| format!("HTTP {code}: ")).unwrap_or_default();
    let told = meta.error_message.unwrap_or_default();
    let message = readable(&format!("{code}{kind}: {told}"));
    match kind.as_str() {
        // Ended and taken back look alike; whoever holds the means to renew may try.
        "OAuthAccessTokenException" => Error::Unauthorized { expired: true, message },
        "OAuthParameterException" | "no authenticated user" => Error::Unauthorized { expired: false, message },
        "OAuthPermissionsException" | "OAuthForbiddenException" | "APINotAllowedError" | "APISubscriptionError" => {
            Error::Forbidden { message }
        }
        "APINotFoundError" => Error::NotFound { message },
        "OAuthRateLimitException" | "APIRateLimitError" => Error::RateLimited { until: None, message },
        "APIInvalidParametersError" => Error::Malformed { message },
        // At the door: a code that was used or is too old, a client that nobody knows.
        "OAuthException" => Error::Unauthorized { expired: false, message },
        _ => Error::of_status(meta.code.unwrap_or(400), message),
    }
}

/// The numbers of the Graph API.
fn by_number(error: WireGraphError) -> Error {
    let code = error.code.unwrap_or_default();
    let message = readable(&format!("code {code}: {}", error.message.unwrap_or_default()));
    match (code, error.error_subcode) {
        (190, Some(463)) => Error::Unauthorized { expired: true, message },
        (190, _) => Error::Unauthorized { expired: message.to_ascii_lowercase().contains("expired"), message },
        (102, _) => Error::Unauthorized { expired: false, message },
        (4 | 17 | 32 | 613, _) => Error::RateLimited { until: None, message },
        (1 | 2, _) => Error::Transient { message },
        (3 | 10 | 200..=299, _) => Error::Forbidden { message },
        // 100 means a wrong question; its subcode 33 means that the thing asked about is not there for us.
        (100, Some(33)) | (24 | 803, _) => Error::NotFound { message },
        _ => Error::Malformed { message },
    }
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
    fn each_kind_of_the_old_envelope_has_its_class() {
        let meta = |code: u16, kind: &str, class: &str| {
            let meta = format!(r#"{{"code":{code},"error_type":"{kind}","error_message":"m"}}"#);
            check(code, &format!(r#"{{"meta":{meta}}}"#), class);
            check(code, &meta, class);
            let with_200 = reported(format!(r#"{{"meta":{meta},"data":null}}"#).as_bytes());
            assert_eq!(with_200.map(|error| error.class()), Some(class), "{kind} in a reply with status 200");
        };
        meta(400, "OAuthAccessTokenException", "unauthorized_expired");
        meta(400, "OAuthParameterException", "unauthorized");
        meta(400, "no authenticated user", "unauthorized");
        meta(400, "OAuthPermissionsException", "forbidden");
        meta(400, "APINotAllowedError", "forbidden");
        meta(400, "APINotFoundError", "not_found");
        meta(429, "OAuthRateLimitException", "rate_limited");
        meta(400, "APIInvalidParametersError", "malformed");
        meta(400, "SomethingNew", "malformed");
        meta(503, "SomethingNew", "transient");
    }

    #[test]
    fn each_number_of_the_new_api_has_its_class() {
        let graph = |code: i64, subcode: &str, class: &str| {
            let body = format!(
                r#"{{"error":{{"message":"m","type":"OAuthException","code":{code}{subcode},"fbtrace_id":"x"}}}}"#
            );
            check(400, &body, class);
        };
        graph(190, "", "unauthorized");
        graph(190, r#","error_subcode":463"#, "unauthorized_expired");
        graph(4, "", "rate_limited");
        graph(10, "", "forbidden");
        graph(200, "", "forbidden");
        graph(2, "", "transient");
        graph(100, "", "malformed");
        graph(100, r#","error_subcode":33"#, "not_found");
    }

    #[test]
    fn a_limit_names_no_time_and_an_outage_is_none() {
        assert_eq!(classify(&reply(429, &[], "")), Error::RateLimited { until: None, message: "HTTP 429".into() });
        check(503, "<html>", "transient");
        let full = reply(503, &[("X-Ratelimit-Remaining", "0")], "");
        assert_eq!(classify(&full).class(), "rate_limited");
        check(404, "<html>", "not_found");
        check(200, "<html>", "malformed");
    }

    #[test]
    fn what_is_well_is_no_report() {
        for body in [r#"{"meta":{"code":200},"data":[]}"#, "{}", "[]", r#"{"id":"7"}"#, "<html>"] {
            assert_eq!(reported(body.as_bytes()), None, "{body}");
        }
    }
}
