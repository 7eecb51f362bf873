//! A request and a reply as plain values, so that a platform is a function and needs no server to be tested.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;

/// What a platform looks at.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    /// As sent, below the platform's prefix.
    pub path: String,
    pub query: BTreeMap<String, String>,
    /// As sent, for the log.
    pub query_text: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    /// Scheme, host and prefix that the platform writes into its own addresses.
    pub base: String,
}

impl Request {
    pub(super) fn read(http: &HttpRequest, body: &[u8]) -> Request {
        let query_text = http.query_string().to_owned();
        let query = url::form_urlencoded::parse(query_text.as_bytes()).into_owned().collect();
        let headers = http
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let connection = http.connection_info();
        Request {
            method: http.method().as_str().to_owned(),
            path: http.path().to_owned(),
            query,
            query_text,
            headers,
            body: body.to_vec(),
            base: format!("{}://{}", connection.scheme(), connection.host()),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The path cut at its slashes, each part percent-decoded.
    pub fn segments(&self) -> Vec<String> {
        self.path.split('/').filter(|segment| !segment.is_empty()).map(decoded).collect()
    }
}

/// Percent-decoding; what is no escape stays as it is.
pub(super) fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        match after.get(..2).and_then(|digits| hex::decode(digits).ok()) {
            Some(escaped) if byte == b'%' => {
                bytes.extend(escaped);
                rest = &after[2..];
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What a platform answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(status: u16, body: &Value) -> Reply {
        let mut reply = Reply { status, headers: BTreeMap::new(), body: body.to_string().into_bytes() };
        reply.header("content-type", "application/json; charset=utf-8");
        reply
    }

    pub fn empty(status: u16) -> Reply {
        Reply { status, ..Reply::default() }
    }

    pub fn html(status: u16, body: &str) -> Reply {
        let mut reply = Reply { status, headers: BTreeMap::new(), body: body.as_bytes().to_vec() };
        reply.header("content-type", "text/html; charset=utf-8");
        reply
    }

    /// Sets a header; a second value takes the first one's place.
    pub fn header(&mut self, name: &str, value: impl Into<String>) {
        self.headers.insert(name.to_owned(), value.into());
    }

    pub(super) fn into_http(self) -> HttpResponse {
        let status = StatusCode::from_u16(self.status).expect("the sandbox answers with known statuses");
        let mut response = HttpResponse::build(status);
        for (name, value) in self.headers {
            response.insert_header((name, value));
        }
        response.body(self.body)
    }
}
