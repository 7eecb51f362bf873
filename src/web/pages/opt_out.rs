//! Opting out, and in again: for whoever owns an account elsewhere, without an account here.
//!
//! Owns that nothing is believed but the account's own profile, read by its stable id, or a sign-in to it
//! ([`super::owner_sign_in`]), and that the page says what to do
//! where a platform cannot be asked. What follows from it is decided in [`crate::flows::consent`].

use actix_web::http::StatusCode;
use actix_web::web::{Path, ServiceConfig};
use actix_web::{HttpRequest, get, post};
use askama::Template;

use super::connections::{PlatformOption, doors_that, handle_of};
use super::people::{platform_label, web_link};
use super::text::Text;
use super::{Page, PageError, PageResult, Posted, Visit, redirect};
use crate::bridges::{self, ReferenceError, Who};
use crate::domain::consent::Source;
use crate::domain::identity::Platform;
use crate::flows::{consent, encode_segment};
use crate::jobs::{self, LookUpError, find};
use crate::storage::consent::{self as stored, OptOut};
use crate::storage::identities;
use crate::web::auth;
use crate::web::auth::limit;

pub fn routes(config: &mut ServiceConfig) {
    config.service(get_form).service(post_form).service(get_opt_out).service(post_look).service(get_opt_in);
}

/// To the form, filled in.
pub fn form_path(platform: &str, handle: &str) -> String {
    format!("/opt-out?platform={platform}&account={}", encode_segment(handle))
}

#[derive(Template)]
#[template(path = "opt_out.html")]
struct FormPage {
    t: Page,
    platforms: Vec<PlatformOption>,
    typed: String,
    error: Option<String>,
    contact: Option<String>,
    /// Platforms at which owners can sign in, and those of many servers, where the name says at which one.
    doors: Vec<PlatformOption>,
    named_doors: Vec<PlatformOption>,
}

fn contact(visit: &Visit) -> Option<String> {
    visit.state.config.instance.contact_email.as_ref().map(ToString::to_string)
}

pub fn form_page(visit: &Visit, status: StatusCode, platform: &str, typed: &str, error: Option<String>) -> PageResult {
    // All that have a name here: also accounts of a platform that is gone may be known from people's files.
    let platforms = Platform::ALL
        .into_iter()
        .filter(|platform| *platform != Platform::Fediverse || visit.state.bridges.get(Platform::Fediverse).is_some());
    let option = |known: Platform| PlatformOption {
        slug: known.slug(),
        label: known.label(),
        is_chosen: known.slug() == platform,
    };
    let page = FormPage {
        t: visit.page(visit.text.opt_out_title()),
        platforms: platforms.map(option).collect(),
        typed: typed.to_owned(),
        error,
        contact: contact(visit),
        doors: doors_that(visit, false),
        named_doors: doors_that(visit, true),
    };
    visit.ok_with_form(status, &page)
}

#[get("/opt-out")]
async fn get_form(visit: Visit) -> PageResult {
    let (platform, typed) = (visit.query("platform").unwrap_or_default(), visit.query("account").unwrap_or_default());
    form_page(&visit, StatusCode::OK, &platform, &typed, None)
}

/// The account that a person named: by its name there, or by the address of its profile, whatever platform is chosen.
fn named(visit: &Visit, platform: &str, typed: &str) -> Result<(Platform, String), String> {
    let t = visit.text;
    let platform: Platform = platform.parse().map_err(|_| t.platform_unknown())?;
    let pasted = find::read(&visit.state, typed);
    if let Ok(pasted) = &pasted
        && let Some(handle) = pasted.handle().and_then(handle_of)
    {
        return Ok((pasted.platform(), handle.to_owned()));
    }
    match (handle_of(typed), pasted) {
        (Some(handle), _) => Ok((platform, handle.to_owned())),
        (None, Ok(_) | Err(ReferenceError::NothingThere(_))) => Err(t.opt_out_nobody_named()),
        (None, Err(_)) => Err(t.opt_out_not_read()),
    }
}

#[post("/opt-out")]
async fn post_form(request: HttpRequest, mut posted: Posted) -> PageResult {
    posted.visit.at("/opt-out");
    let visit = &posted.visit;
    let (slug, typed) = (posted.field("platform"), posted.field("account"));
    let wrong = |status, error| form_page(visit, status, slug, typed, Some(error));
    let (platform, handle) = match named(visit, slug, typed) {
        Ok(named) => named,
        Err(error) => return wrong(StatusCode::BAD_REQUEST, error),
    };
    if !limit::may_look_up_from(&visit.state.instance.host, &auth::client_address(&visit.state, &request)) {
        return wrong(StatusCode::TOO_MANY_REQUESTS, visit.text.error_429_text());
    }
    // 32 digits, by which readers of profiles know the address for what it is.
    let token = hex::encode(auth::random_bytes::<16>());
    match jobs::begin_opt_out(&visit.state, platform, &Who::Handle(handle.clone()), token).await {
        Ok(opt_out) => Ok(redirect(&format!("/opt-out/{}", opt_out.token))),
        Err(error) => {
            let error = said(visit, platform, &handle, error)?;
            wrong(StatusCode::BAD_REQUEST, error)
        }
    }
}

/// Why a platform was not able to answer: as for others, and whom to write to where waiting does not help.
fn said(visit: &Visit, platform: Platform, handle: &str, error: LookUpError) -> Result<String, PageError> {
    let t = visit.text;
    let is_closed = match &error {
        LookUpError::SwitchedOff(_) | LookUpError::NoApi(_) => true,
        LookUpError::Platform(error) => {
            !error.is_worth_retrying()
                && !matches!(error, bridges::Error::NotFound { .. } | bridges::Error::Gone { .. })
        }
        _ => false,
    };
    if !is_closed {
        return super::connections::said(t, platform, handle, error);
    }
    tracing::info!(platform = %platform, "an owner could not opt out by a proof: {error}");
    if visit.state.bridges.get(platform).is_some_and(|bridge| bridge.sign_in().is_some()) {
        return Ok(t.opt_out_sign_in_instead(platform.label()));
    }
    Ok(match contact(visit) {
        Some(address) => t.opt_out_closed(platform.label(), address),
        None => t.opt_out_closed_no_contact(platform.label()),
    })
}

#[derive(Template)]
#[template(path = "opt_out_account.html")]
struct AccountPage {
    t: Page,
    handle: String,
    platform: String,
    profile: Option<String>,
    state: String,
    is_refused: bool,
    /// Who refuses, and how each ends.
    reasons: Vec<String>,
    /// Address, label, and where it is looked for.
    address: Option<(String, String, String)>,
    token: String,
    /// To prove it by signing in: platform, wish, label.
    door: Option<(String, &'static str, String)>,
    outcome: Option<(String, bool)>,
}

/// Who refuses an account; nobody when it is not known.
async fn refused_by(visit: &Visit, opt_out: &OptOut) -> Result<Vec<Source>, PageError> {
    let id = opt_out.external_id()?;
    let sources = visit
        .read(move |tx| match identities::identity_by_external_id(tx, &id)? {
            Some(identity) => stored::refusals_of(tx, identity.id),
            None => Ok(Vec::new()),
        })
        .await?;
    Ok(sources.into_iter().map(|(source, _)| source).collect())
}

fn reason(t: Text, source: Source, contact: Option<&str>) -> String {
    match (source, contact) {
        (Source::Profile, _) => t.opt_out_by_profile(),
        (Source::Owner, _) => t.opt_out_by_owner(),
        (Source::Operator, Some(address)) => t.opt_out_by_operator_at(address),
        (Source::Operator, None) => t.opt_out_by_operator(),
    }
}

fn account_page(
    visit: &Visit,
    status: StatusCode,
    opt_out: &OptOut,
    by: &[Source],
    outcome: Option<(String, bool)>,
) -> PageResult {
    let t = visit.text;
    let bridge = opt_out.platform.parse().ok().and_then(|platform: Platform| visit.state.bridges.get(platform));
    let fields = bridge.map_or(&[][..], |bridge| bridge.capabilities().backlink_fields);
    let fields: Vec<String> = fields.iter().map(|field| t.profile_field(field)).collect();
    let fields = t.connections_address_hint(fields.join(", "));
    let instance = &visit.state.instance;
    let address = match (by.is_empty(), by.contains(&Source::Owner)) {
        (true, _) => Some((consent::opt_out_url(instance, &opt_out.token), t.opt_out_address(), fields)),
        (false, true) => Some((consent::opt_in_url(instance, &opt_out.token), t.opt_in_address(), fields)),
        (false, false) => None,
    };
    let platform = platform_label(&opt_out.platform);
    let door = bridge.filter(|bridge| bridge.sign_in().is_some()).and_then(|bridge| {
        let platform = bridge.platform();
        match (by.is_empty(), by.contains(&Source::Owner)) {
            (true, _) => Some((platform, "opt_out", t.owner_sign_in_out_go(platform.label()))),
            (false, true) => Some((platform, "opt_in", t.owner_sign_in_in_go(platform.label()))),
            (false, false) => None,
        }
    });
    let page = AccountPage {
        door: door.map(|(platform, wish, label)| (platform.slug().to_owned(), wish, label)),
        t: visit.page(t.opt_out_account_title(&opt_out.handle, &platform)),
        state: if by.is_empty() { t.opt_out_state_open() } else { t.opt_out_state_out() },
        is_refused: !by.is_empty(),
        reasons: by.iter().map(|source| reason(t, *source, contact(visit).as_deref())).collect(),
        profile: bridge.and_then(|bridge| web_link(&bridge.profile_url(&opt_out.handle))),
        handle: opt_out.handle.clone(),
        token: opt_out.token.clone(),
        platform,
        address,
        outcome,
    };
    visit.ok_with_form(status, &page)
}

async fn find(visit: &Visit, token: String) -> Result<OptOut, PageError> {
    let found = visit.read(move |tx| stored::opt_out_by_token(tx, &token)).await?;
    found.ok_or_else(PageError::not_found)
}

/// The page whose address stands in the profile: how the account stands, and what its owner can do.
#[get("/opt-out/{token}")]
async fn get_opt_out(visit: Visit, token: Path<String>) -> PageResult {
    let opt_out = find(&visit, token.into_inner()).await?;
    let by = refused_by(&visit, &opt_out).await?;
    account_page(&visit, StatusCode::OK, &opt_out, &by, None)
}

#[get("/opt-in/{token}")]
async fn get_opt_in(visit: Visit, token: Path<String>) -> PageResult {
    let opt_out = find(&visit, token.into_inner()).await?;
    Ok(redirect(&format!("/opt-out/{}", opt_out.token)))
}

/// Reads the profile now. Whoever presses, only the profile decides.
#[post("/opt-out/{token}")]
async fn post_look(request: HttpRequest, token: Path<String>, posted: Posted) -> PageResult {
    let visit = &posted.visit;
    let t = visit.text;
    let opt_out = find(visit, token.into_inner()).await?;
    let before = refused_by(visit, &opt_out).await?;
    if !limit::may_look_up_from(&visit.state.instance.host, &auth::client_address(&visit.state, &request)) {
        let outcome = Some((t.error_429_text(), false));
        return account_page(visit, StatusCode::TOO_MANY_REQUESTS, &opt_out, &before, outcome);
    }
    let platform = opt_out.external_id()?.platform();
    let (after, outcome) = match jobs::check_opt_out(&visit.state, &opt_out.token).await {
        Ok(after) => {
            let outcome = match (before.is_empty(), after.is_empty()) {
                (true, false) => (t.opt_out_done(), true),
                (false, true) => (t.opt_in_done(), true),
                (true, true) => (t.opt_out_nothing_there(), false),
                (false, false) if before == after => (t.opt_out_unchanged(), false),
                (false, false) => (t.opt_out_changed(), true),
            };
            (after, outcome)
        }
        Err(error) => (before, (said(visit, platform, &opt_out.handle, error)?, false)),
    };
    account_page(visit, StatusCode::OK, &opt_out, &after, Some(outcome))
}
