//! Connections: a patron's accounts elsewhere as sources of likes.
//!
//! Owns what is asked of a platform on a person's behalf: a handle that looks like one, a few times in a quarter of an
//! hour, and an answer in words that the person can act on.

use actix_web::http::StatusCode;
use actix_web::web::ServiceConfig;
use actix_web::{get, post};
use askama::Template;

use super::people::platform_label;
use super::text::Text;
use super::{Page, PageError, PageResult, Posted, Visit, html, redirect};
use crate::bridges::{self, Profile, Who};
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;
use crate::jobs::{self, LookUpError};
use crate::storage::connections::{self, Connection};
use crate::storage::identities::Identity;
use crate::web::auth::limit;

pub fn routes(config: &mut ServiceConfig) {
    config.service(get_connections).service(post_connect).service(post_state);
}

/// A platform in a form's list.
pub struct PlatformOption {
    pub slug: &'static str,
    pub label: &'static str,
    pub is_chosen: bool,
}

/// Platforms whose accounts can be looked up here.
pub fn live_platforms(visit: &Visit, chosen: &str) -> Vec<PlatformOption> {
    let live = visit.state.bridges.iter().filter(|bridge| bridge.live().is_some());
    live.map(|bridge| {
        let platform = bridge.platform();
        PlatformOption { slug: platform.slug(), label: platform.label(), is_chosen: platform.slug() == chosen }
    })
    .collect()
}

/// Asks a platform for the account that a person typed.
///
/// - errors: `Ok(Err(text))` is what the person can act on; `Err` is ours.
pub async fn look_up(
    visit: &Visit,
    platform: &str,
    handle: &str,
) -> Result<Result<(Profile, Identity), String>, PageError> {
    let t = visit.text;
    let platform: Platform = platform.parse().map_err(|_| PageError::new(400, t.platform_unknown()))?;
    let handle = handle.trim_start_matches('@');
    let is_handle = !handle.is_empty()
        && handle.chars().count() <= 100
        && !handle.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '/' | '?' | '#' | '%'));
    if !is_handle {
        return Ok(Err(t.handle_bad()));
    }
    let login = visit.signed_in()?.login.id;
    if !limit::may_look_up(&visit.state.instance.host, login.0) {
        return Ok(Err(t.error_429_text()));
    }
    match jobs::look_up(&visit.state, platform, &Who::Handle(handle.to_owned())).await {
        Ok(found) => Ok(Ok(found)),
        Err(error) => Ok(Err(said(t, platform, handle, error)?)),
    }
}

/// Why a platform was not able to answer, for the person who asked.
pub fn said(text: Text, platform: Platform, handle: &str, error: LookUpError) -> Result<String, PageError> {
    let label = platform.label();
    Ok(match error {
        LookUpError::SwitchedOff(_) => text.look_up_off(label),
        LookUpError::NoBacklink(_) => text.claim_no_backlink(),
        LookUpError::Platform(bridges::Error::NotFound { .. } | bridges::Error::Gone { .. }) => {
            text.look_up_unknown(handle, label)
        }
        LookUpError::Platform(other) => {
            tracing::warn!(platform = %platform, class = other.class(), "a look-up failed: {other}");
            text.look_up_later(label)
        }
        LookUpError::Job(error) => return Err(error.into()),
    })
}

struct ConnectionRow {
    id: i64,
    handle: String,
    platform: String,
    state: String,
    is_active: bool,
    last_read: String,
    next_read: String,
    problem: Option<String>,
}

#[derive(Template)]
#[template(path = "connections.html")]
struct ConnectionsPage {
    t: Page,
    rows: Vec<ConnectionRow>,
    platforms: Vec<PlatformOption>,
    typed: String,
    error: Option<String>,
}

fn row(text: Text, connection: Connection) -> ConnectionRow {
    let moment = |micros| text.moment(Timestamp::from_micros(micros));
    let state = match (connection.is_active, connection.baseline_at) {
        (false, _) => text.connections_paused(),
        (true, None) => text.connections_first(),
        (true, Some(_)) => text.connections_reading(),
    };
    ConnectionRow {
        id: connection.id,
        platform: platform_label(&connection.platform),
        state,
        is_active: connection.is_active,
        last_read: connection.last_success_at.map_or_else(|| text.never(), moment),
        next_read: if connection.is_active { moment(connection.next_poll_at) } else { text.never() },
        problem: connection.last_error,
        handle: connection.handle,
    }
}

async fn connections_page(visit: &Visit, status: StatusCode, wrong: Option<(&Posted, String)>) -> PageResult {
    let patron = visit.patron()?.id;
    let rows = visit.read(move |tx| connections::connections_of(tx, patron)).await?;
    let chosen = wrong.as_ref().map_or("", |(posted, _)| posted.field("platform"));
    let t = visit.text;
    let page = ConnectionsPage {
        t: visit.page(t.connections_title()),
        rows: rows.into_iter().map(|connection| row(t, connection)).collect(),
        platforms: live_platforms(visit, chosen),
        typed: wrong.as_ref().map_or(String::new(), |(posted, _)| posted.field("handle").to_owned()),
        error: wrong.map(|(_, error)| error),
    };
    html(status, &page)
}

#[get("/me/connections")]
async fn get_connections(visit: Visit) -> PageResult {
    connections_page(&visit, StatusCode::OK, None).await
}

#[post("/me/connections")]
async fn post_connect(posted: Posted) -> PageResult {
    let visit = &posted.visit;
    let patron = visit.patron()?.id;
    let profile = match look_up(visit, posted.field("platform"), posted.field("handle")).await? {
        Ok((profile, _)) => profile,
        Err(error) => return connections_page(visit, StatusCode::BAD_REQUEST, Some((&posted, error))).await,
    };
    let now = visit.now;
    let connected =
        visit.state.write(move |tx| connections::connect(tx, patron, &profile.id, &profile.handle, now)).await?;
    match connected {
        Some(_) => Ok(redirect("/me/connections?done=connected")),
        None => {
            let error = visit.text.connections_taken();
            connections_page(visit, StatusCode::CONFLICT, Some((&posted, error))).await
        }
    }
}

/// Pauses a connection, or goes on with it.
#[post("/me/connections/state")]
async fn post_state(posted: Posted) -> PageResult {
    let patron = posted.visit.patron()?.id;
    let id = posted.field("connection").parse::<i64>().map_err(|_| PageError::not_found())?;
    let is_active = posted.field("active") == "yes";
    let changed = posted
        .visit
        .state
        .write(move |tx| match connections::connection(tx, id)?.filter(|row| row.patron_id == patron) {
            None => Ok::<_, crate::storage::Error>(false),
            Some(row) => connections::set_active(tx, row.id, is_active).map(|()| true),
        })
        .await?;
    if changed { Ok(redirect("/me/connections?done=connection")) } else { Err(PageError::not_found()) }
}
