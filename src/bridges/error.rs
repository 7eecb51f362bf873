//! Why a platform did not give what was asked, in one vocabulary for all.
//!
//! Owns the classes by which jobs decide to retry and pages decide what to say. Must not carry an address with a token
//! in it, nor more of a foreign text than a person would read.

use crate::domain::identity::IdentityError;
use crate::domain::time::Timestamp;

/// Longest part of a foreign text that is kept in a message.
const MESSAGE_CHARS_MAX: usize = 200;

/// A failure of a platform or of a file from it. The message is for the operator's log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The token is missing or refused; `expired` when the platform says that it was good once and can be renewed.
    #[error("the platform refused the token: {message}")]
    Unauthorized { expired: bool, message: String },
    #[error("the platform does not allow this: {message}")]
    Forbidden { message: String },
    /// Not there, or hidden from us: no proof of deletion.
    #[error("the platform does not know it: {message}")]
    NotFound { message: String },
    /// Deleted or blocked for good, by the platform's own word.
    #[error("it is gone from the platform: {message}")]
    Gone { message: String },
    /// Too many requests. `until` is by the platform's clock where a connector reads it, and by ours behind
    /// [`super::meter`]; `None` when the platform did not say.
    #[error("the platform asks us to wait: {message}")]
    RateLimited { until: Option<Timestamp>, message: String },
    #[error("the platform wants money for this: {message}")]
    PaymentRequired { message: String },
    /// Likely to work later without a change on our side.
    #[error("the platform failed for the moment: {message}")]
    Transient { message: String },
    /// What came, or what we asked, does not follow the format we know: somebody has to look.
    #[error("the reply is not in a known form: {message}")]
    Malformed { message: String },
    /// The platform has no way to answer this question; see [`super::Capabilities`].
    #[error("this platform cannot do that: {message}")]
    Unsupported { message: String },
}

impl Error {
    /// The class as a stable word, for logs, metrics, storage and `bridge decode`.
    pub const fn class(&self) -> &'static str {
        match self {
            Error::Unauthorized { expired: false, .. } => "unauthorized",
            Error::Unauthorized { expired: true, .. } => "unauthorized_expired",
            Error::Forbidden { .. } => "forbidden",
            Error::NotFound { .. } => "not_found",
            Error::Gone { .. } => "gone",
            Error::RateLimited { .. } => "rate_limited",
            Error::PaymentRequired { .. } => "payment_required",
            Error::Transient { .. } => "transient",
            Error::Malformed { .. } => "malformed",
            Error::Unsupported { .. } => "unsupported",
        }
    }

    /// What went wrong, without the class.
    pub fn message(&self) -> &str {
        match self {
            Error::Unauthorized { message, .. }
            | Error::Forbidden { message }
            | Error::NotFound { message }
            | Error::Gone { message }
            | Error::RateLimited { message, .. }
            | Error::PaymentRequired { message }
            | Error::Transient { message }
            | Error::Malformed { message }
            | Error::Unsupported { message } => message,
        }
    }

    /// Whether the same request may succeed later with nobody doing anything.
    pub const fn is_worth_retrying(&self) -> bool {
        matches!(self, Error::RateLimited { .. } | Error::Transient { .. })
    }

    /// What a status means wherever a platform says nothing of its own about it.
    ///
    /// 400, 422, redirects and what nobody knows: our request or our reading of the platform is wrong.
    pub(crate) fn of_status(status: u16, message: String) -> Error {
        match status {
            401 => Error::Unauthorized { expired: false, message },
            402 => Error::PaymentRequired { message },
            403 => Error::Forbidden { message },
            404 => Error::NotFound { message },
            // 451: taken down for legal reasons. Both are the platform's own word that it will not come back.
            410 | 451 => Error::Gone { message },
            429 => Error::RateLimited { until: None, message },
            408 | 500..=599 => Error::Transient { message },
            _ => Error::Malformed { message },
        }
    }

    pub fn malformed(message: impl AsRef<str>) -> Error {
        Error::Malformed { message: readable(message.as_ref()) }
    }

    pub fn transient(message: impl AsRef<str>) -> Error {
        Error::Transient { message: readable(message.as_ref()) }
    }

    pub fn unsupported(message: impl AsRef<str>) -> Error {
        Error::Unsupported { message: readable(message.as_ref()) }
    }
}

/// How an error of each class begins when it is told: the way back from a text that was kept.
const TOLD: [(&str, &str); 9] = [
    ("unauthorized", "the platform refused the token: "),
    ("forbidden", "the platform does not allow this: "),
    ("not_found", "the platform does not know it: "),
    ("gone", "it is gone from the platform: "),
    ("rate_limited", "the platform asks us to wait: "),
    ("payment_required", "the platform wants money for this: "),
    ("transient", "the platform failed for the moment: "),
    ("malformed", "the reply is not in a known form: "),
    ("unsupported", "this platform cannot do that: "),
];

/// The class of an error that was kept as a text, and its own words. `None` for what is no error of a platform.
pub fn told(text: &str) -> Option<(&'static str, &str)> {
    TOLD.into_iter().find_map(|(class, begin)| Some((class, text.strip_prefix(begin)?)))
}

/// An id that the domain refuses can only have come from a reply.
impl From<IdentityError> for Error {
    fn from(error: IdentityError) -> Error {
        Error::malformed(error.to_string())
    }
}

/// The part of a foreign text that may stand in a log: one line, no control characters, bounded.
pub(crate) fn readable(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MESSAGE_CHARS_MAX).collect();
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_message_cannot_forge_a_log_line() {
        let error = Error::malformed(format!("no\nERROR paid \u{1b}[31m{}", "x".repeat(5_000)));
        assert!(error.message().starts_with("no ERROR paid  [31mx"));
        assert!(error.message().chars().count() <= MESSAGE_CHARS_MAX);
    }

    #[test]
    fn what_was_told_of_an_error_tells_its_class_again() {
        let statuses = [401, 402, 403, 404, 410, 429, 500, 422];
        let errors = statuses.map(|status| Error::of_status(status, "so: it is".to_owned()));
        for error in errors.into_iter().chain([Error::unsupported("so: it is")]) {
            assert_eq!(told(&error.to_string()), Some((error.class(), "so: it is")));
        }
        assert_eq!(told("1 items could not be understood"), None);
    }

    #[test]
    fn only_waiting_helps_against_limits_and_outages() {
        assert!(Error::transient("502").is_worth_retrying());
        assert!(Error::RateLimited { until: None, message: String::new() }.is_worth_retrying());
        assert!(!Error::malformed("{").is_worth_retrying());
        assert!(!Error::Unauthorized { expired: true, message: String::new() }.is_worth_retrying());
    }
}
