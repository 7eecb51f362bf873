//! Imports: a patron brings an export file or a list of addresses, and sees how far it was read.
//!
//! Owns that what can be refused at once is, in words that the person can act on and with what they typed still there,
//! and that nobody sees the imports of another. Reading is the work of a job: the page only shows its row, and asks the
//! browser to come again as long as there is more to see.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::{Path, Payload, ServiceConfig};
use actix_web::{HttpRequest, get, post};
use askama::Template;

use super::connections::handle_of;
use super::people::platform_label;
use super::text::Text;
use super::upload::{self, Refusal};
use super::{Page, PageError, PageResult, Posted, Visit, html, redirect};
use crate::bridges::ReferenceError;
use crate::bridges::pasted::{self, LineError};
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;
use crate::flows::import::ImportError;
use crate::flows::prove_account::ProveError;
use crate::jobs;
use crate::jobs::imports::{self as job, ImportFailure};
use crate::storage::connections::{self, Connection};
use crate::storage::imports::{self, Import};

/// How often a page of something that is being read comes again, in seconds.
const REFRESH_SECONDS: &str = "2";
const SHOWN_MAX: i64 = 50;

pub fn routes(config: &mut ServiceConfig) {
    config.service(get_imports).service(post_file).service(post_list).service(get_import);
}

/// An account, or a platform, in a form's list.
struct SourceOption {
    value: String,
    label: String,
    is_chosen: bool,
}

struct ImportRow {
    id: i64,
    name: String,
    state: String,
    begun: String,
    summary: String,
}

/// A line that is left out, and why.
struct RefusedLine {
    line: String,
    reason: String,
}

#[derive(Template)]
#[template(path = "imports.html")]
struct ImportsPage {
    t: Page,
    files: Vec<SourceOption>,
    lists: Vec<SourceOption>,
    /// Some of them are platforms of which an account is named beside the file or the list.
    may_name: bool,
    named: String,
    limit: String,
    file_error: Option<String>,
    list_error: Option<String>,
    refused: Vec<RefusedLine>,
    typed: String,
    rows: Vec<ImportRow>,
}

/// What was just asked for and refused.
enum Asked<'a> {
    Nothing,
    File { error: String },
    List { account: &'a str, named: &'a str, typed: &'a str, error: String, refused: Vec<RefusedLine> },
}

async fn imports_page(visit: &Visit, status: u16, asked: Asked<'_>) -> PageResult {
    let patron = visit.patron()?.id;
    let (connected, brought) = visit
        .read(move |tx| Ok((connections::connections_of(tx, patron)?, imports::imports_of(tx, patron, SHOWN_MAX)?)))
        .await?;
    let t = visit.text;
    let (file_error, list_error, refused, typed, chosen, name) = match asked {
        Asked::Nothing => (None, None, Vec::new(), "", "", ""),
        Asked::File { error } => (Some(error), None, Vec::new(), "", "", ""),
        Asked::List { account, named, typed, error, refused } => (None, Some(error), refused, typed, account, named),
    };
    let bridges = &visit.state.bridges;
    let of = |row: &Connection| row.platform.parse().ok().and_then(|platform: Platform| bridges.get(platform));
    let option = |row: &Connection| SourceOption {
        value: row.id.to_string(),
        label: format!("{} ({})", row.handle, platform_label(&row.platform)),
        is_chosen: row.id.to_string() == chosen,
    };
    let readers = bridges.iter().filter(|bridge| bridge.export().is_some()).map(|bridge| SourceOption {
        value: bridge.platform().slug().to_owned(),
        label: t.import_named_by_file(bridge.platform().label()),
        is_chosen: false,
    });
    let named = connected.iter().filter(|row| of(row).is_some_and(|bridge| bridge.export().is_some())).map(option);
    let nameable = bridges.iter().filter(|bridge| jobs::is_known_by_name(&***bridge)).map(|bridge| SourceOption {
        value: bridge.platform().slug().to_owned(),
        label: t.import_named_below(bridge.platform().label()),
        is_chosen: bridge.platform().slug() == chosen,
    });
    let may_name = bridges.iter().any(|bridge| jobs::is_known_by_name(&**bridge));
    let page = ImportsPage {
        t: visit.page(t.import_title()),
        files: readers.chain(named).collect(),
        lists: connected.iter().filter(|row| of(row).is_some()).map(option).chain(nameable).collect(),
        may_name,
        named: name.to_owned(),
        limit: t.size(visit.state.config.server.upload_limit_bytes),
        file_error,
        list_error,
        refused,
        typed: typed.to_owned(),
        rows: brought.iter().map(|import| row(t, import)).collect(),
    };
    html(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), &page)
}

fn row(t: Text, import: &Import) -> ImportRow {
    ImportRow {
        id: import.id,
        name: t.import_of(name_of(t, import), platform_label(&import.platform)),
        state: state_of(t, import),
        begun: t.moment(Timestamp::from_micros(import.created_at)),
        summary: summary(t, import),
    }
}

fn name_of(t: Text, import: &Import) -> String {
    if import.kind == "list" { t.import_list_name() } else { import.file_name.clone() }
}

fn state_of(t: Text, import: &Import) -> String {
    match import.state.as_str() {
        "waiting" => t.import_waiting(),
        "running" => t.import_running(),
        "done" => t.import_done(),
        _ => t.import_failed(),
    }
}

fn summary(t: Text, import: &Import) -> String {
    t.import_summary(t.import_likes_read(import.likes), t.number(import.baseline), t.number(import.flattrs))
}

#[get("/me/import")]
async fn get_imports(visit: Visit) -> PageResult {
    imports_page(&visit, 200, Asked::Nothing).await
}

/// Takes a file. It is on the disk, looked at and noted before the answer.
#[post("/me/import")]
async fn post_file(request: HttpRequest, payload: Payload) -> PageResult {
    let visit = Visit::of(&request).await?;
    let patron = visit.patron()?.id;
    let t = visit.text;
    let newest = visit.read(move |tx| imports::imports_of(tx, patron, 1)).await?;
    if newest.first().is_some_and(Import::is_under_way) {
        return imports_page(&visit, 409, Asked::File { error: t.import_busy() }).await;
    }
    let upload = match upload::read(&visit, &request, payload).await? {
        Ok(upload) => upload,
        Err(Refusal { status, text }) => return imports_page(&visit, status, Asked::File { error: text }).await,
    };
    let source = upload.field("source").to_owned();
    let is_complete = upload.field("complete") == "yes";
    let (platform, account) = match source.parse::<i64>() {
        Ok(id) => {
            let chosen = own_connection(&visit, id).await?;
            (chosen.platform.clone(), Some(chosen.account))
        }
        // Only where the file does not say whose it is, and nobody else can.
        Err(_) => (source, Some(upload.field("named")).filter(|name| !name.is_empty()).map(str::to_owned)),
    };
    if account.as_deref().is_some_and(|name| handle_of(name).is_none()) {
        return imports_page(&visit, 400, Asked::File { error: t.handle_bad() }).await;
    }
    let platform: Platform = platform.parse().map_err(|_| PageError::new(400, t.platform_unknown()))?;
    match job::take_file(&visit.state, patron, platform, account, &upload.file_name, is_complete, upload.stored).await {
        Ok(import) => Ok(redirect(&format!("/me/import/{}", import.id))),
        Err(failure) => {
            let (status, error) = said(t, failure)?;
            imports_page(&visit, status, Asked::File { error }).await
        }
    }
}

/// Takes a list. Lines that name nothing are shown with their reasons, and the others are read.
#[post("/me/import/list")]
async fn post_list(mut posted: Posted) -> PageResult {
    posted.visit.at("/me/import");
    let visit = &posted.visit;
    let (patron, t) = (visit.patron()?.id, visit.text);
    let (typed, named, is_complete) = (posted.raw("list"), posted.field("named"), posted.field("complete") == "yes");
    let (platform, account) = match posted.field("account").parse::<i64>() {
        Ok(id) => {
            let chosen = own_connection(visit, id).await?;
            (chosen.platform, Some(chosen.account))
        }
        Err(_) => (posted.field("account").to_owned(), handle_of(named).map(str::to_owned)),
    };
    let platform: Platform = platform.parse().map_err(|_| PageError::not_found())?;
    let Some(account) = account else {
        let (account, error, refused) = (posted.field("account"), t.handle_bad(), Vec::new());
        return imports_page(visit, 400, Asked::List { account, named, typed, error, refused }).await;
    };
    let error = match job::take_list(&visit.state, patron, platform, account, is_complete, typed).await {
        Ok(import) => return Ok(redirect(&format!("/me/import/{}", import.id))),
        Err(ImportFailure::Content(_)) => (400, t.import_list_empty()),
        Err(failure) => said(t, failure)?,
    };
    let refused = refused(visit, platform, typed);
    let asked = Asked::List { account: posted.field("account"), named, typed, error: error.1, refused };
    imports_page(visit, error.0, asked).await
}

async fn own_connection(visit: &Visit, id: i64) -> Result<Connection, PageError> {
    let patron = visit.patron()?.id;
    let connection = visit.read(move |tx| connections::connection(tx, id)).await?;
    connection.filter(|row| row.patron_id == patron).ok_or_else(PageError::not_found)
}

/// The lines of a list that name nothing, each with its reason.
fn refused(visit: &Visit, platform: Platform, lines: &str) -> Vec<RefusedLine> {
    let Some(bridge) = visit.state.bridges.get(platform) else { return Vec::new() };
    let refused = lines.lines().filter_map(|line| match pasted::line(&**bridge, line) {
        Some(Err(error)) => {
            Some(RefusedLine { line: line.trim().to_owned(), reason: reason(visit.text, platform, &error) })
        }
        _ => None,
    });
    refused.collect()
}

fn reason(t: Text, platform: Platform, error: &LineError) -> String {
    match error {
        LineError::Address(ReferenceError::NotAnAddress) => t.line_not_an_address(),
        LineError::Address(ReferenceError::NotPlain) => t.line_not_plain(),
        LineError::Address(ReferenceError::UnknownHost) | LineError::OtherPlatform(_) => {
            t.line_unknown_host(platform.label())
        }
        LineError::Address(ReferenceError::NothingThere(_)) | LineError::NoPost => t.line_no_post(),
    }
}

/// Why a file is not taken, for the person who brought it.
fn said(t: Text, failure: ImportFailure) -> Result<(u16, String), PageError> {
    Ok(match failure {
        ImportFailure::SwitchedOff(platform) => (400, t.look_up_off(platform.label())),
        ImportFailure::NoExport(platform) => (400, t.import_no_export(platform.label())),
        ImportFailure::Content(error) => (400, t.import_content(error.message())),
        ImportFailure::File { reason, .. } => {
            tracing::error!("a brought file could not be read: {reason}");
            (503, t.upload_not_kept())
        }
        ImportFailure::Import(error) => match error {
            ImportError::NoOwner => (400, t.import_no_owner()),
            ImportError::OtherOwner { found, connected } => (400, t.import_other_owner(found, connected)),
            ImportError::Several(connected) => (400, t.import_several(connected)),
            ImportError::NoSuchAccount { wanted, .. } => (400, t.import_no_such_account(wanted)),
            ImportError::Disconnected => (400, t.import_disconnected()),
            ImportError::Busy => (409, t.import_busy()),
            ImportError::Account(ProveError::TooManyNamed(platform)) => {
                (409, t.connections_names_enough(platform.label()))
            }
            ImportError::Account(_) => (409, t.import_taken()),
            ImportError::Storage(error) => return Err(error.into()),
            ImportError::Connect(error) => return Err(crate::jobs::JobError::from(error).into()),
        },
        ImportFailure::Job(error) => return Err(error.into()),
    })
}

#[derive(Template)]
#[template(path = "import.html")]
struct ImportPage {
    t: Page,
    heading: String,
    name: String,
    state: String,
    is_under_way: bool,
    is_failed: bool,
    error: Option<String>,
    summary: String,
    counts: Vec<(String, String)>,
    has_unresolved: bool,
    refused_title: String,
    refused: Vec<RefusedLine>,
}

#[get("/me/import/{id}")]
async fn get_import(visit: Visit, id: Path<i64>) -> PageResult {
    let (id, patron) = (id.into_inner(), visit.patron()?.id);
    let import = visit.read(move |tx| imports::import(tx, id)).await?;
    let import = import.filter(|import| import.patron_id == patron).ok_or_else(PageError::not_found)?;
    let t = visit.text;
    let known = import.likes - import.baseline - import.flattrs - import.unresolved;
    let mut counts = vec![
        (t.import_read(), import.likes),
        (t.import_from_before(), import.baseline),
        (t.import_new(), import.flattrs),
        (t.import_known(), known.max(0)),
    ];
    counts.extend((import.unreadable > 0).then(|| (t.import_unreadable(), import.unreadable)));
    counts.extend((import.unresolved > 0).then(|| (t.import_unresolved(), import.unresolved)));
    let platform: Result<Platform, _> = import.platform.parse();
    let lines = import.refused.as_deref().unwrap_or_default();
    let refused = platform.map_or_else(|_| Vec::new(), |platform| refused(&visit, platform, lines));
    let heading = t.import_one_title(platform_label(&import.platform));
    let page = ImportPage {
        t: visit.page(heading.clone()),
        heading,
        name: name_of(t, &import),
        state: state_of(t, &import),
        is_under_way: import.is_under_way(),
        is_failed: import.state == "failed",
        summary: summary(t, &import),
        counts: counts.into_iter().map(|(label, count)| (label, t.number(count))).collect(),
        has_unresolved: import.unresolved > 0,
        refused_title: t.import_refused_count(i64::try_from(refused.len()).unwrap_or(i64::MAX)),
        refused,
        error: import.error.clone(),
    };
    let mut response = html(StatusCode::OK, &page)?;
    if page.is_under_way {
        let refresh = HeaderValue::from_static(REFRESH_SECONDS);
        response.headers_mut().insert(HeaderName::from_static("refresh"), refresh);
    }
    Ok(response)
}
