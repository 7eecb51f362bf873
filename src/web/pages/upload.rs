//! A form with a file, read as a stream.
//!
//! Owns that nothing of a file is kept before its form is believed, that no more is read than is allowed, and that the
//! file name is a text to show, nothing else. The file lies in our own directory under a name of ours.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use actix_multipart::{Field, Multipart};
use actix_web::HttpRequest;
use actix_web::web::Payload;
use futures_util::StreamExt;

use super::{PageError, Visit};
use crate::jobs::imports::{Incoming, Stored, new_name};

/// Longest field beside the file.
const FIELD_BYTES_MAX: usize = 4 * 1024;
/// What a body may hold beside the file: the other fields, and the lines between them.
const FORM_BYTES_MAX: u64 = 64 * 1024;
const FIELDS_MAX: usize = 20;
/// Longest part of a file's name that is kept.
const NAME_CHARS_MAX: usize = 200;

/// Who is uploading at this moment, so that nobody fills the disk by many uploads at once.
static UPLOADING: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

fn uploading() -> MutexGuard<'static, HashSet<String>> {
    UPLOADING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The one upload of a login; another may begin when this is gone.
struct Turn(String);

impl Turn {
    /// - `host`: of the instance, since a test may run several in one process.
    fn take(host: &str, login: i64) -> Option<Turn> {
        let key = format!("{host} {login}");
        uploading().insert(key.clone()).then_some(Turn(key))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        uploading().remove(&self.0);
    }
}

/// A form with a file that one of our own pages sent.
pub struct Upload {
    fields: Vec<(String, String)>,
    pub file_name: String,
    pub stored: Stored,
}

impl Upload {
    /// A field without the white space around it; empty when it is missing.
    pub fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value.trim())
    }
}

/// Why there is no file, in words for the person.
pub struct Refusal {
    pub status: u16,
    pub text: String,
}

impl Refusal {
    fn new(status: u16, text: String) -> Refusal {
        Refusal { status, text }
    }
}

/// Reads a form with a file. The proof must come before the file, as it does in a form that has it at its top.
pub async fn read(
    visit: &Visit,
    request: &HttpRequest,
    payload: Payload,
) -> Result<Result<Upload, Refusal>, PageError> {
    let t = visit.text;
    let Some(_turn) = Turn::take(&visit.state.instance.host, visit.signed_in()?.login.id.0) else {
        return Ok(Err(Refusal::new(409, t.import_busy())));
    };
    let limit = visit.state.config.server.upload_limit_bytes;
    let too_large = || Ok(Err(Refusal::new(413, t.upload_too_large(t.size(limit)))));
    let length = request.headers().get("content-length").and_then(|value| value.to_str().ok());
    let length = length.and_then(|text| text.parse::<u64>().ok());
    if length.is_some_and(|length| length > limit.saturating_add(FORM_BYTES_MAX)) {
        return too_large();
    }
    let mut form = Multipart::new(request.headers(), payload);
    let (mut fields, mut is_ours, mut file) = (Vec::new(), false, None);
    while let Some(field) = form.next().await {
        let Ok(mut field) = field else { return Ok(Err(Refusal::new(400, t.upload_broken()))) };
        let name = field.name().unwrap_or_default().to_owned();
        let file_name = field.content_disposition().and_then(|header| header.get_filename()).map(shown);
        match file_name {
            None => {
                let Some(value) = text_of(&mut field).await else {
                    return Ok(Err(Refusal::new(400, t.upload_broken())));
                };
                if name == "csrf" {
                    visit.check_form(request, &value)?;
                    is_ours = true;
                }
                fields.push((name, value));
                if fields.len() > FIELDS_MAX {
                    return Ok(Err(Refusal::new(400, t.upload_broken())));
                }
            }
            Some(_) if !is_ours => visit.check_form(request, "")?,
            Some(file_name) => {
                let mut incoming =
                    Incoming::begin(&visit.state, new_name()).await.map_err(|error| lost(visit, &error))?;
                while let Some(bytes) = field.next().await {
                    let Ok(bytes) = bytes else { return Ok(Err(Refusal::new(400, t.upload_broken()))) };
                    if incoming.len() + bytes.len() as u64 > limit {
                        return too_large();
                    }
                    incoming.write(&bytes).await.map_err(|error| lost(visit, &error))?;
                }
                let stored = incoming.end().await.map_err(|error| lost(visit, &error))?;
                file = Some((file_name, stored));
            }
        }
    }
    if !is_ours {
        visit.check_form(request, "")?;
    }
    Ok(match file {
        Some((file_name, stored)) if !stored.is_empty() => Ok(Upload { fields, file_name, stored }),
        _ => Err(Refusal::new(400, t.upload_no_file())),
    })
}

/// The last part of a name, as some browsers send the whole path.
fn shown(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    name.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect()
}

async fn text_of(field: &mut Field) -> Option<String> {
    let mut value = Vec::new();
    while let Some(bytes) = field.next().await {
        value.extend_from_slice(&bytes.ok()?);
        if value.len() > FIELD_BYTES_MAX {
            return None;
        }
    }
    String::from_utf8(value).ok()
}

fn lost(visit: &Visit, error: &std::io::Error) -> PageError {
    tracing::error!("an upload could not be kept: {error}");
    PageError::new(503, visit.text.upload_not_kept())
}
