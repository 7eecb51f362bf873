//! Connections: a patron's accounts elsewhere as sources of likes.
//!
//! Owns that nothing is read of a platform before the account is proved to be the patron's, and what is asked of a
//! platform on a person's behalf: a handle that looks like one, a few times in a quarter of an hour, and an answer in
//! words that the person can act on. Where nothing can be asked for likes, the patron names the account, and brings files.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{Path, ServiceConfig};
use actix_web::{get, post};
use askama::Template;

use super::people::platform_label;
use super::text::{Problem, Text};
use super::{Page, PageError, PageResult, Posted, Visit, html, ok, redirect};
use crate::bridges::{self, Profile, Who};
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;
use crate::flows::prove_account::{self, ProveError, Standing};
use crate::jobs::{self, LookUpError, find};
use crate::storage::claims::{self, ConnectionProof};
use crate::storage::connections::{self, Connection, Setting};
use crate::storage::identities::Identity;
use crate::web::auth;
use crate::web::auth::limit;

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(get_connections)
        .service(post_connect)
        .service(post_check)
        .service(post_disconnect)
        .service(post_state)
        .service(get_address);
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

/// Platforms whose accounts can be connected here: looked up, or named where people bring what they liked.
fn connectable(visit: &Visit, chosen: &str) -> Vec<PlatformOption> {
    let able = |bridge: &&Arc<dyn bridges::Bridge>| {
        bridge.live().is_some() || (jobs::is_known_by_name(&***bridge) && bridge.export().is_some())
    };
    visit
        .state
        .bridges
        .iter()
        .filter(able)
        .map(|bridge| {
            let platform = bridge.platform();
            PlatformOption { slug: platform.slug(), label: platform.label(), is_chosen: platform.slug() == chosen }
        })
        .collect()
}

/// Platforms that know this instance, so that people can sign in there.
pub fn doors(visit: &Visit) -> Vec<PlatformOption> {
    doors_that(visit, false)
}

/// - `needs_handle`: whether those where the person's name says at which server.
pub fn doors_that(visit: &Visit, needs_handle: bool) -> Vec<PlatformOption> {
    let is_such =
        |bridge: &&Arc<dyn bridges::Bridge>| bridge.sign_in().is_some_and(|door| door.needs_handle() == needs_handle);
    let open = visit.state.bridges.iter().filter(is_such);
    open.map(|bridge| {
        let platform = bridge.platform();
        PlatformOption { slug: platform.slug(), label: platform.label(), is_chosen: false }
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
    // The address of the profile is as good as its name.
    let pasted = find::read(&visit.state, handle).ok().filter(|pasted| pasted.platform() == platform);
    let handle = pasted.as_ref().and_then(find::Pasted::handle).unwrap_or(handle);
    let Some(handle) = handle_of(handle) else { return Ok(Err(t.handle_bad())) };
    let login = visit.signed_in()?.login.id;
    if !limit::may_look_up(&visit.state.instance.host, login.0) {
        return Ok(Err(t.error_429_text()));
    }
    match jobs::look_up(&visit.state, platform, &Who::Handle(handle.to_owned())).await {
        Ok(found) => Ok(Ok(found)),
        Err(error) => Ok(Err(said(t, platform, handle, error)?)),
    }
}

/// Connects an account that a patron named, of a platform that tells nobody what somebody likes.
///
/// - errors: as of [`look_up`].
async fn name(visit: &Visit, platform: &str, typed: &str) -> Result<Result<Connection, String>, PageError> {
    let t = visit.text;
    let patron = visit.patron()?.id;
    let platform: Platform = platform.parse().map_err(|_| PageError::new(400, t.platform_unknown()))?;
    let pasted = find::read(&visit.state, typed).ok().filter(|pasted| pasted.platform() == platform);
    let handle = pasted.as_ref().and_then(find::Pasted::handle).unwrap_or(typed);
    let Some(handle) = handle_of(handle).map(str::to_owned) else { return Ok(Err(t.handle_bad())) };
    let Some(account) = prove_account::by_name(platform, &handle) else { return Ok(Err(t.handle_bad())) };
    let (token, now) = (hex::encode(auth::random_bytes::<16>()), visit.now);
    let named = visit.state.write(move |tx| prove_account::name(tx, patron, &account, &handle, &token, now)).await;
    Ok(match named {
        Ok(connection) => Ok(connection),
        Err(ProveError::Taken(_)) => Err(t.connections_name_taken()),
        Err(ProveError::TooManyNamed(platform)) => Err(t.connections_names_enough(platform.label())),
        Err(error) => return Err(jobs::JobError::from(error).into()),
    })
}

/// What a person typed as the name of an account, if it can be one.
pub fn handle_of(typed: &str) -> Option<&str> {
    let handle = typed.trim_start_matches('@');
    let is_handle = !handle.is_empty()
        && handle.chars().count() <= 100
        && !handle.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '/' | '?' | '#' | '%'));
    is_handle.then_some(handle)
}

/// Why a platform was not able to answer, for the person who asked.
pub fn said(text: Text, platform: Platform, handle: &str, error: LookUpError) -> Result<String, PageError> {
    let label = platform.label();
    Ok(match error {
        LookUpError::SwitchedOff(_) => text.look_up_off(label),
        LookUpError::NoApi(_) => text.look_up_no_api(label),
        LookUpError::Paused(_) => text.look_up_paused(label),
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
    /// What can become of new likes: value, label, whether it is so.
    settings: Vec<(&'static str, String, bool)>,
    setting_label: String,
    last_read: String,
    next_read: String,
    problem: Option<Problem>,
}

/// An account that waits for its proof.
struct WaitingRow {
    handle: String,
    platform: String,
    token: String,
    address: String,
    address_label: String,
    address_hint: String,
    /// What the last check found, for the account that was checked.
    outcome: Option<String>,
}

#[derive(Template)]
#[template(path = "connections.html")]
struct ConnectionsPage {
    t: Page,
    rows: Vec<ConnectionRow>,
    waiting: Vec<WaitingRow>,
    platforms: Vec<PlatformOption>,
    /// Platforms at which people can sign in.
    doors: Vec<PlatformOption>,
    /// Those of many servers, where the name says at which one.
    named_doors: Vec<PlatformOption>,
    typed: String,
    error: Option<String>,
}

fn row(text: Text, connection: Connection) -> ConnectionRow {
    let moment = |micros| text.moment(Timestamp::from_micros(micros));
    let setting = connection.setting();
    let state = match (setting, connection.baseline_at) {
        (Setting::Off, _) => text.connections_paused(),
        (_, None) => text.connections_first(),
        (Setting::All, Some(_)) => text.connections_reading(),
        (Setting::Confirm, Some(_)) => text.connections_asking(),
    };
    let label = |setting| match setting {
        Setting::All => text.connections_setting_all(),
        Setting::Confirm => text.connections_setting_confirm(),
        Setting::Off => text.connections_setting_off(),
    };
    ConnectionRow {
        id: connection.id,
        platform: platform_label(&connection.platform),
        state,
        settings: Setting::ALL.map(|known| (known.as_str(), label(known), known == setting)).into(),
        setting_label: text.connections_new_likes_of(&connection.handle),
        last_read: connection.last_success_at.map_or_else(|| text.never(), moment),
        next_read: if connection.is_active { moment(connection.next_poll_at) } else { text.never() },
        problem: connection.last_error.map(|kept| text.problem(&kept)),
        handle: connection.handle,
    }
}

fn waiting_row(visit: &Visit, proof: ConnectionProof, checked: Option<(&str, &str)>) -> WaitingRow {
    let t = visit.text;
    let platform = proof.platform.parse::<Platform>().ok();
    let bridge = platform.and_then(|platform| visit.state.bridges.get(platform));
    let fields = bridge.map_or(String::new(), |bridge| bridge.capabilities().backlink_fields.join(", "));
    WaitingRow {
        address: prove_account::proof_url(&visit.state.instance, &proof.token),
        address_label: t.claim_address_label(&proof.handle),
        address_hint: t.connections_address_hint(fields),
        platform: platform_label(&proof.platform),
        outcome: checked.filter(|(token, _)| *token == proof.token).map(|(_, outcome)| outcome.to_owned()),
        handle: proof.handle,
        token: proof.token,
    }
}

/// What was just asked for, when it did not lead elsewhere.
enum Asked<'a> {
    Nothing,
    Connect { posted: &'a Posted, error: String },
    Check { token: &'a str, outcome: String },
}

async fn connections_page(visit: &Visit, status: StatusCode, asked: Asked<'_>) -> PageResult {
    let patron = visit.patron()?.id;
    let (rows, mut proofs) =
        visit.read(move |tx| Ok((connections::connections_of(tx, patron)?, claims::proofs_of(tx, patron)?))).await?;
    proofs.retain(|proof| proof.state == "pending");
    let (chosen, typed, error, checked) = match &asked {
        Asked::Nothing => ("", "", None, None),
        Asked::Connect { posted, error } => {
            (posted.field("platform"), posted.field("handle"), Some(error.clone()), None)
        }
        Asked::Check { token, outcome } => ("", "", None, Some((*token, outcome.as_str()))),
    };
    let t = visit.text;
    let page = ConnectionsPage {
        t: visit.page(t.connections_title()),
        rows: rows.into_iter().map(|connection| row(t, connection)).collect(),
        waiting: proofs.into_iter().map(|proof| waiting_row(visit, proof, checked)).collect(),
        platforms: connectable(visit, chosen),
        doors: doors(visit),
        named_doors: doors_that(visit, true),
        typed: typed.to_owned(),
        error,
    };
    html(status, &page)
}

#[get("/me/connections")]
async fn get_connections(visit: Visit) -> PageResult {
    connections_page(&visit, StatusCode::OK, Asked::Nothing).await
}

#[post("/me/connections")]
async fn post_connect(posted: Posted) -> PageResult {
    let visit = &posted.visit;
    let patron = visit.patron()?.id;
    let platform = posted.field("platform").parse().ok();
    let bridge = platform.and_then(|platform: Platform| visit.state.bridges.get(platform));
    if bridge.is_some_and(|bridge| jobs::is_known_by_name(&**bridge)) {
        return match name(visit, posted.field("platform"), posted.field("handle")).await? {
            Ok(_) => Ok(redirect("/me/connections?done=named")),
            Err(error) => {
                connections_page(visit, StatusCode::BAD_REQUEST, Asked::Connect { posted: &posted, error }).await
            }
        };
    }
    let profile = match look_up(visit, posted.field("platform"), posted.field("handle")).await? {
        Ok((profile, _)) => profile,
        Err(error) => {
            return connections_page(visit, StatusCode::BAD_REQUEST, Asked::Connect { posted: &posted, error }).await;
        }
    };
    // Short enough for a profile's field; 128 bits cannot be guessed.
    let token = hex::encode(auth::random_bytes::<16>());
    let now = visit.now;
    let begun = visit
        .state
        .write(move |tx| prove_account::begin(tx, patron, &profile.id, &profile.handle, &token, now))
        .await
        .map_err(jobs::JobError::from)?;
    match begun {
        Standing::Connected(_) => Ok(redirect("/me/connections?done=connected")),
        Standing::Pending(_) | Standing::Contested(_) | Standing::Elsewhere(_) => {
            Ok(redirect("/me/connections?done=connect"))
        }
    }
}

/// Looks for the patron's address on the profile.
#[post("/me/connections/check")]
async fn post_check(mut posted: Posted) -> PageResult {
    posted.visit.at("/me/connections");
    let visit = &posted.visit;
    let (login, patron) = (visit.signed_in()?.login.id, visit.patron()?.id);
    let token = posted.field("proof").to_owned();
    let wanted = token.clone();
    let proof = visit.read(move |tx| claims::proof_by_token(tx, &wanted)).await?;
    let proof = proof.filter(|proof| proof.patron_id == patron).ok_or_else(PageError::not_found)?;
    let t = visit.text;
    if !limit::may_look_up(&visit.state.instance.host, login.0) {
        let asked = Asked::Check { token: &token, outcome: t.error_429_text() };
        return connections_page(visit, StatusCode::TOO_MANY_REQUESTS, asked).await;
    }
    let outcome = match jobs::check_account(&visit.state, &token).await {
        Ok(Standing::Connected(_)) => return Ok(redirect("/me/connections?done=connected")),
        Ok(Standing::Pending(_) | Standing::Elsewhere(_)) => t.claim_no_backlink(),
        Ok(Standing::Contested(_)) => t.connections_contested(),
        Err(error) => said(t, prove_account::account_of(&proof)?.platform(), &proof.handle, error)?,
    };
    connections_page(visit, StatusCode::OK, Asked::Check { token: &token, outcome }).await
}

/// Ends a connection, or what waits to become one.
#[post("/me/connections/end")]
async fn post_disconnect(posted: Posted) -> PageResult {
    let (patron, now) = (posted.visit.patron()?.id, posted.visit.now);
    let (id, token) = (posted.field("connection").parse::<i64>().ok(), posted.field("proof").to_owned());
    let ended = posted
        .visit
        .state
        .write(move |tx| {
            let account = match id {
                Some(id) => connections::connection(tx, id)?
                    .filter(|row| row.patron_id == patron)
                    .map(|row| prove_account::external_id(&row.platform, &row.account)),
                None => claims::proof_by_token(tx, &token)?
                    .filter(|row| row.patron_id == patron)
                    .map(|row| prove_account::account_of(&row)),
            };
            match account.transpose()? {
                None => Ok::<_, crate::storage::Error>(false),
                Some(account) => prove_account::disconnect(tx, patron, &account, now),
            }
        })
        .await?;
    if ended { Ok(redirect("/me/connections?done=disconnected")) } else { Err(PageError::not_found()) }
}

#[derive(Template)]
#[template(path = "connect_public.html")]
struct AddressPage {
    t: Page,
    said: String,
}

/// The page whose address patrons put into their profiles. It does not say whose it is: some give without saying so.
#[get("/connect/{token}")]
async fn get_address(visit: Visit, token: Path<String>) -> PageResult {
    let token = token.into_inner();
    let proof = visit.read(move |tx| claims::proof_by_token(tx, &token)).await?;
    proof.ok_or_else(PageError::not_found)?;
    let t = visit.text;
    let said = t.connect_public_text(&visit.state.config.instance.name);
    ok(&AddressPage { t: visit.page(t.connect_public_title()), said })
}

/// Sets what becomes of the new likes of a connection. What waits for a yes already goes on waiting.
#[post("/me/connections/state")]
async fn post_state(posted: Posted) -> PageResult {
    let patron = posted.visit.patron()?.id;
    let id = posted.field("connection").parse::<i64>().map_err(|_| PageError::not_found())?;
    let setting = Setting::parse(posted.field("setting")).ok_or_else(PageError::not_found)?;
    let changed = posted
        .visit
        .state
        .write(move |tx| match connections::connection(tx, id)?.filter(|row| row.patron_id == patron) {
            None => Ok::<_, crate::storage::Error>(false),
            Some(row) => connections::set_setting(tx, row.id, setting).map(|()| true),
        })
        .await?;
    if changed { Ok(redirect("/me/connections?done=connection")) } else { Err(PageError::not_found()) }
}
