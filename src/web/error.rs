//! Errors as answers: the one place that turns a failure into a status and a text.
//!
//! Owns that the public text and the logged detail are separate: whoever asks learns what they can act on, and nothing of
//! our inside.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde_json::json;

use crate::federation::gate::GateError;
use crate::jobs::JobError;
use crate::storage;

/// An answer that is not a success.
#[derive(Debug)]
pub struct WebError {
    status: StatusCode,
    public: String,
}

impl WebError {
    pub fn new(status: u16, public: impl Into<String>) -> WebError {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        WebError { status, public: public.into() }
    }

    pub fn not_found() -> WebError {
        WebError::new(404, "there is nothing at this address")
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub fn public_text(&self) -> &str {
        &self.public
    }
}

impl std::fmt::Display for WebError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.status, self.public)
    }
}

impl std::error::Error for WebError {}

impl ResponseError for WebError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if self.status == StatusCode::SERVICE_UNAVAILABLE || self.status == StatusCode::TOO_MANY_REQUESTS {
            response.insert_header(("retry-after", "30"));
        }
        response.json(json!({ "error": self.public }))
    }
}

impl From<storage::Error> for WebError {
    fn from(error: storage::Error) -> Self {
        tracing::error!("a request could not reach the database: {}", crate::fault::explain(&error));
        WebError::new(503, "the database cannot be reached at the moment: try again later")
    }
}

/// A failure of a job that a person asked for: what it was about is in the log, not on the page.
impl From<JobError> for WebError {
    fn from(error: JobError) -> Self {
        match error {
            JobError::Storage(error) => error.into(),
            other => {
                tracing::error!("a request failed: {other}");
                WebError::new(500, "something went wrong here")
            }
        }
    }
}

impl From<GateError> for WebError {
    fn from(error: GateError) -> Self {
        if let GateError::Storage(error) = error {
            return error.into();
        }
        tracing::info!("an activity was refused: {error}");
        WebError::new(error.status(), error.to_string())
    }
}
