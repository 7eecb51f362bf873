//! Twitter's refusals, translated into the classes of [`Error`], and its allowance headers.
//!
//! Owns the one classifier for both APIs: the problem documents of version 2, the numbered errors of version 1.1, and
//! the bare `error` that is older than both. A code or a problem type says more than the status, so it goes first. A
//! limit lasts until `x-rate-limit-reset`, in seconds since 1970; Twitter sends no `retry-after`.
//! Source: docs.x.com ("Response codes and errors"), docs/bridges/twitter.md.

use serde::Deserialize;
use serde_json::Value;

use crate::bridges::error::{Error, readable};
use crate::bridges::http::{Headers, HttpReply};
use crate::bridges::objects;
use crate::bridges::value::Quota;
use crate::bridges::wire::{Text, epoch};

/// A problem of version 2, at the top of a body or inside its `errors`.
#[derive(Deserialize)]
struct WireProblem {
    title: Option<String>,
    detail: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    status: Option<u16>,
    /// Of version 1.1, and inside the `errors` of some problems.
    code: Option<i64>,
    message: Option<String>,
    /// Older than both.
    error: Option<String>,
    errors: Option<Vec<Value>>,
    data: Option<Value>,
}

/// What is left of the allowance, by the headers of any reply.
pub fn quota(headers: &Headers) -> Quota {
    let reset = headers.get("x-rate-limit-reset").map(|text| Text(text.trim().to_owned()));
    Quota { remaining: headers.number("x-rate-limit-remaining"), resets_at: reset.and_then(|text| epoch(&text).ok()) }
}

/// The error that a reply with a failing status stands for.
pub fn classify(reply: &HttpReply) -> Error {
    let refusal = refusal(&reply.body).unwrap_or_default();
    by_parts(Some(reply.status), &reply.headers, &refusal)
}

/// The error that a body reports by itself, whatever status it came with. `None` when it is no report; a document that
/// has data as well as complaints about parts of it is none.
pub fn reported(bytes: &[u8]) -> Option<Error> {
    let refusal = refusal(bytes)?;
    Some(by_parts(refusal.status, &Headers::default(), &refusal))
}

/// What a body says about a refusal, in one form.
#[derive(Debug, Default, PartialEq, Eq)]
struct Refusal {
    code: Option<i64>,
    /// The last part of a problem's `type`; empty when it has none.
    problem: String,
    title: String,
    message: String,
    status: Option<u16>,
}

fn refusal(bytes: &[u8]) -> Option<Refusal> {
    let body: WireProblem = objects::from_slice(bytes).ok()?;
    if body.data.is_some() {
        return None;
    }
    let first = body.errors.iter().flatten().find_map(|error| {
        // The first form of version 1.1 wrote a list of texts.
        match error {
            Value::String(text) => Some(WireProblem { message: Some(text.clone()), ..nothing() }),
            other => objects::from_value::<WireProblem>(other.clone()).ok(),
        }
    });
    let is_problem = body.kind.is_some() && body.title.is_some();
    if !is_problem && first.is_none() && body.error.is_none() {
        return None;
    }
    // A problem at the top describes the whole reply; what its `errors` say is detail of it.
    let (told, detail) = if is_problem { (body, first) } else { (first.unwrap_or(body), None) };
    let kind = told.kind.unwrap_or_default();
    let problem = kind.rsplit_once("/problems/").map(|(_, name)| name.to_owned()).unwrap_or_default();
    let texts = [told.message, told.detail, told.error, detail.and_then(|detail| detail.message)];
    let title = told.title.unwrap_or_default();
    let message = texts
        .into_iter()
        .flatten()
        .fold(String::new(), |text, next| if text.is_empty() { next } else { format!("{text}; {next}") });
    let message = if message.is_empty() { title.clone() } else { message };
    Some(Refusal { code: told.code, problem, title, message, status: told.status })
}

fn nothing() -> WireProblem {
    WireProblem {
        title: None,
        detail: None,
        kind: None,
        status: None,
        code: None,
        message: None,
        error: None,
        errors: None,
        data: None,
    }
}

fn by_parts(status: Option<u16>, headers: &Headers, refusal: &Refusal) -> Error {
    let told = match (status, refusal.code) {
        (Some(status), Some(code)) => format!("HTTP {status}, code {code}: {}", refusal.message),
        (Some(status), None) => format!("HTTP {status}: {}", refusal.message),
        (None, Some(code)) => format!("code {code}: {}", refusal.message),
        (None, None) => refusal.message.clone(),
    };
    let message = readable(told.trim_end_matches([':', ' ']));
    let limited = || Error::RateLimited { until: quota(headers).resets_at, message: message.clone() };
    if let Some(error) = refusal.code.and_then(|code| by_code(code, &message, &limited)) {
        return error;
    }
    match refusal.problem.as_str() {
        "resource-not-found" => return Error::NotFound { message },
        // The month's reading is used up: the reset of the quarter hour does not end it.
        "usage-capped" => return Error::RateLimited { until: None, message },
        "not-authorized-for-resource"
        | "client-forbidden"
        | "unsupported-authentication"
        | "oauth1-permissions"
        | "disallowed-resource" => return Error::Forbidden { message },
        "invalid-request" => return Error::Malformed { message },
        "credits" => return Error::PaymentRequired { message },
        _ => {}
    }
    if refusal.title == "CreditsDepleted" {
        return Error::PaymentRequired { message };
    }
    by_status(status.or_else(|| status_by_text(refusal)), headers, message)
}

/// The numbers of version 1.1, which the other API uses inside some problems. `None` for one that says no more than
/// the status.
fn by_code(code: i64, message: &str, limited: &dyn Fn() -> Error) -> Option<Error> {
    let message = message.to_owned();
    Some(match code {
        // "Invalid or expired token": Twitter does not say which, so renewing is worth a try.
        89 => Error::Unauthorized { expired: true, message },
        // 32 could not authenticate, 99 and 215 bad authentication data.
        32 | 99 | 215 => Error::Unauthorized { expired: false, message },
        17 | 34 | 50 | 108 | 144 => Error::NotFound { message },
        // The account that was asked for is suspended, by Twitter's own word; 64 is the account that asks.
        63 => Error::Gone { message },
        // 139 is already liked, 179 a protected tweet, 326 a locked account, 453 not in what the operator has booked.
        64 | 87 | 139 | 160 | 179 | 220 | 226 | 261 | 326 | 453 => Error::Forbidden { message },
        88 | 185 => limited(),
        130 | 131 => Error::Transient { message },
        // Our clock is wrong: neither the token's fault nor cured by waiting.
        135 => Error::Malformed { message },
        _ => return None,
    })
}

fn by_status(status: Option<u16>, headers: &Headers, message: String) -> Error {
    let quota = quota(headers);
    match status {
        // Version 2 says the same for a token that ended and for one that was taken back. Renewing tells which it is.
        Some(401) => Error::Unauthorized { expired: true, message },
        // 420: how the oldest interface asked to wait.
        Some(420 | 429) => Error::RateLimited { until: quota.resets_at, message },
        Some(503) if quota.remaining == Some(0) => Error::RateLimited { until: quota.resets_at, message },
        Some(status) => Error::of_status(status, message),
        None => Error::Malformed { message },
    }
}

/// The status that belongs to a report which does not repeat it.
fn status_by_text(refusal: &Refusal) -> Option<u16> {
    let text = format!("{} {}", refusal.title, refusal.message).to_ascii_lowercase();
    let found = [
        ("not found", 404),
        ("could not find", 404),
        ("rate limit", 429),
        ("too many requests", 429),
        ("not authorized", 403),
        ("forbidden", 403),
        ("unauthorized", 401),
        ("over capacity", 503),
    ];
    found.iter().find(|(words, _)| text.contains(words)).map(|(_, status)| *status)
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

    fn until(status: u16, headers: &[(&str, &str)], body: &str) -> Option<String> {
        match classify(&reply(status, headers, body)) {
            Error::RateLimited { until, .. } => until.map(|until| until.to_string()),
            other => panic!("not a limit: {other}"),
        }
    }

    #[test]
    fn each_number_of_the_older_api_has_its_class() {
        let numbered = |status: u16, code: i64, class: &str| {
            check(status, &format!(r#"{{"errors":[{{"code":{code},"message":"what happened"}}]}}"#), class);
        };
        for code in [34, 50, 144] {
            numbered(404, code, "not_found");
        }
        numbered(403, 63, "gone");
        numbered(403, 64, "forbidden");
        numbered(429, 88, "rate_limited");
        numbered(401, 89, "unauthorized_expired");
        numbered(401, 32, "unauthorized");
        numbered(503, 130, "transient");
        numbered(500, 131, "transient");
        numbered(401, 135, "malformed");
        numbered(403, 139, "forbidden");
        numbered(403, 453, "forbidden");
        numbered(403, 160, "forbidden");
        numbered(400, 9_999, "malformed");
    }

    #[test]
    fn each_problem_of_the_newer_api_has_its_class() {
        let problem = |status: u16, kind: &str, class: &str| {
            let body = format!(
                r#"{{"title":"T","detail":"D","status":{status},"type":"https://api.twitter.com/2/problems/{kind}"}}"#
            );
            check(status, &body, class);
            assert_eq!(reported(body.as_bytes()).map(|error| error.class()), Some(class), "{body}");
        };
        problem(429, "usage-capped", "rate_limited");
        problem(404, "resource-not-found", "not_found");
        problem(403, "not-authorized-for-resource", "forbidden");
        problem(403, "client-forbidden", "forbidden");
        problem(403, "unsupported-authentication", "forbidden");
        problem(400, "invalid-request", "malformed");
        let plain = r#"{"title":"Unauthorized","type":"about:blank","status":401,"detail":"Unauthorized"}"#;
        check(401, plain, "unauthorized_expired");
        let credits =
            r#"{"title":"CreditsDepleted","detail":"no credits","type":"https://api.x.com/2/problems/credits"}"#;
        check(402, credits, "payment_required");
        assert_eq!(reported(credits.as_bytes()).map(|error| error.class()), Some("payment_required"));
    }

    #[test]
    fn a_refusal_with_status_200_is_a_refusal_and_a_partial_one_is_not() {
        let missing = r#"{"errors":[{"value":"7","detail":"Could not find user with id: [7].","title":"Not Found Error",
            "resource_type":"user","type":"https://api.twitter.com/2/problems/resource-not-found"}]}"#;
        assert_eq!(reported(missing.as_bytes()).map(|error| error.class()), Some("not_found"));
        let partial = r#"{"data":[{"id":"1","text":"x"}],"errors":[{"title":"Not Found Error","type":"about:blank"}]}"#;
        assert_eq!(reported(partial.as_bytes()), None);
        for no_report in ["[]", "{}", r#"{"meta":{"result_count":0}}"#, r#"{"text":"error","title":"x"}"#, "<html>"] {
            assert_eq!(reported(no_report.as_bytes()), None, "{no_report}");
        }
        let oldest = r#"{"error":"Not Found","request":"/1/statuses/show/1.json"}"#;
        assert_eq!(reported(oldest.as_bytes()).map(|error| error.class()), Some("not_found"));
    }

    #[test]
    fn a_limit_lasts_until_its_reset_in_epoch_seconds() {
        let headers = [("x-rate-limit-remaining", "0"), ("x-rate-limit-reset", "1372638600")];
        let problem = r#"{"title":"Too Many Requests","detail":"Too Many Requests","type":"about:blank","status":429}"#;
        assert_eq!(until(429, &headers, problem).as_deref(), Some("2013-07-01T00:30:00Z"));
        let numbered = r#"{"errors":[{"code":88,"message":"Rate limit exceeded"}]}"#;
        assert_eq!(until(429, &headers, numbered).as_deref(), Some("2013-07-01T00:30:00Z"));
        assert_eq!(
            until(503, &headers, "").as_deref(),
            Some("2013-07-01T00:30:00Z"),
            "503 with nothing left is a limit"
        );
        assert_eq!(until(429, &[("x-rate-limit-reset", "1372638600000")], ""), None, "milliseconds are not believed");
        check(503, "<html>Over capacity</html>", "transient");
        check(502, "", "transient");
        check(200, "", "malformed");
    }

    #[test]
    fn a_used_up_month_names_no_time() {
        let headers = [("x-rate-limit-reset", "1372638600")];
        let body = r#"{"title":"UsageCapExceeded","detail":"Usage cap exceeded: Monthly product cap","period":"Monthly",
            "type":"https://api.twitter.com/2/problems/usage-capped"}"#;
        assert_eq!(until(429, &headers, body), None);
    }
}
