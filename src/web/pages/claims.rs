//! Claiming: a creator proves that an account is theirs and sees what waited go to them.
//!
//! Owns that a claim is checked only by who began it, that what waits is shown with its expiry before anything is asked, and
//! that a dispute is shown to both sides and to the operator with what to do about it.

use actix_web::http::StatusCode;
use actix_web::web::ServiceConfig;
use actix_web::{get, post};
use askama::Template;

use super::connections::{self, PlatformOption, live_platforms};
use super::people::{account_path, platform_label, web_link};
use super::{Page, PageError, PageResult, Posted, Visit, html, ok, redirect};
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;
use crate::flows::claim::{self, ClaimError, Released};
use crate::jobs::{self, Checked};
use crate::storage::claims as stored_claims;
use crate::storage::identities::{self, Claim, Identity};
use crate::storage::months::{self, Waiting};
use crate::storage::{likes, people};
use crate::web::auth;
use crate::web::auth::limit;
use crate::web::error::WebError;

pub fn routes(config: &mut ServiceConfig) {
    config.service(get_claims).service(post_begin).service(post_check).service(get_disputes);
}

struct ClaimRow {
    handle: String,
    platform: String,
    profile: Option<String>,
    /// What is so, and whether there is something to do.
    said: String,
    /// Whether the address has to be put into the profile, or another one out of it.
    is_open: bool,
    /// The other addresses of a dispute.
    others: Vec<String>,
    address: String,
    address_label: String,
    address_hint: String,
    waiting: String,
    waiting_amounts: Vec<String>,
    token: String,
    /// What the last check found, for the claim that was checked.
    outcome: Option<String>,
    is_failed: bool,
}

#[derive(Template)]
#[template(path = "claims.html")]
struct ClaimsPage {
    t: Page,
    rows: Vec<ClaimRow>,
    platforms: Vec<PlatformOption>,
    typed: String,
    error: Option<String>,
}

/// What was just asked for, when it did not lead elsewhere.
enum Asked<'a> {
    Begin { platform: &'a str, handle: &'a str, error: Option<String> },
    Check { token: &'a str, outcome: String, is_failed: bool },
}

struct Loaded {
    claim: Claim,
    identity: Identity,
    waiting: (i64, i64),
    amounts: Vec<Waiting>,
    others: Vec<Claim>,
}

async fn claims_page(visit: &Visit, status: StatusCode, asked: Asked<'_>) -> PageResult {
    let login = visit.signed_in()?.login.id;
    let loaded = visit
        .read(move |tx| {
            let mut loaded = Vec::new();
            let Some(creator) = people::creator_by_login(tx, login)? else { return Ok(loaded) };
            for claim in identities::claims_of_creator(tx, creator.id)? {
                let Some(identity) = identities::identity(tx, claim.identity_id)? else { continue };
                let waiting = likes::waiting_for_owner(tx, identity.id)?;
                let amounts = months::waiting_for(tx, identity.id)?;
                let mut others = stored_claims::of_identity(tx, identity.id)?;
                others.retain(|other| claim.state == "disputed" && other.state == "disputed" && other.id != claim.id);
                loaded.push(Loaded { claim, identity, waiting, amounts, others });
            }
            Ok(loaded)
        })
        .await?;
    let rows = loaded.into_iter().rev().map(|loaded| claim_row(visit, loaded, &asked)).collect();
    let (platform, typed, error) = match asked {
        Asked::Begin { platform, handle, error } => (platform, handle.to_owned(), error),
        _ => ("", String::new(), None),
    };
    let page = ClaimsPage {
        t: visit.page(visit.text.claim_title()),
        rows,
        platforms: live_platforms(visit, platform),
        typed,
        error,
    };
    html(status, &page)
}

fn claim_row(visit: &Visit, loaded: Loaded, asked: &Asked) -> ClaimRow {
    let t = visit.text;
    let Loaded { claim, identity, waiting: (people, flattrs), amounts, others } = loaded;
    let proved = t.date(Timestamp::from_micros(claim.verified_at.unwrap_or_default()));
    let said = match claim.state.as_str() {
        "verified" => t.claim_verified_on(proved),
        "replaced" => t.claim_replaced_text(),
        "disputed" => t.claim_disputed_text(),
        "lost" => t.claim_lost_text(),
        _ => t.claim_pending_text(),
    };
    let platform = identity.platform.parse::<Platform>().ok();
    let bridge = platform.and_then(|platform| visit.state.bridges.get(platform));
    let fields = bridge.map_or(&[][..], |bridge| bridge.capabilities().backlink_fields);
    let fields: Vec<String> = fields.iter().map(|field| t.profile_field(field)).collect();
    let (outcome, is_failed) = match asked {
        Asked::Check { token, outcome, is_failed } if *token == claim.token => (Some(outcome.clone()), *is_failed),
        _ => (None, false),
    };
    ClaimRow {
        is_open: matches!(claim.state.as_str(), "pending" | "disputed" | "lost"),
        others: others.iter().filter_map(|other| claim::address_of(&visit.state.instance, other)).collect(),
        address: claim::claim_url(&visit.state.instance, &claim.token),
        address_label: t.claim_address_label(t.of(&identity.handle)),
        address_hint: t.claim_address_hint(fields.join(", ")),
        waiting: match people {
            0 => t.claim_nothing_waits(),
            _ => t.claim_waiting(t.people(people), t.flattrs(flattrs)),
        },
        waiting_amounts: amounts
            .iter()
            .map(|waiting| t.claim_waiting_amount(t.money(waiting.amount), t.date(waiting.expires_at)))
            .collect(),
        platform: platform_label(&identity.platform),
        profile: web_link(&identity.profile_url),
        handle: identity.handle,
        token: claim.token,
        said,
        outcome,
        is_failed,
    }
}

#[get("/me/claim")]
async fn get_claims(visit: Visit) -> PageResult {
    let (platform, handle) = (visit.query("platform").unwrap_or_default(), visit.query("handle").unwrap_or_default());
    claims_page(&visit, StatusCode::OK, Asked::Begin { platform: &platform, handle: &handle, error: None }).await
}

#[post("/me/claim")]
async fn post_begin(posted: Posted) -> PageResult {
    let visit = &posted.visit;
    let login = visit.signed_in()?.login.id;
    let (platform, handle) = (posted.field("platform"), posted.field("handle"));
    let wrong = |error| Asked::Begin { platform, handle, error: Some(error) };
    let identity = match connections::look_up(visit, platform, handle).await? {
        Ok((profile, _)) => profile.id,
        Err(error) => return claims_page(visit, StatusCode::BAD_REQUEST, wrong(error)).await,
    };
    // Short enough for a profile's field; 128 bits cannot be guessed.
    let token = hex::encode(auth::random_bytes::<16>());
    let (instance, now) = (visit.state.instance.clone(), visit.now);
    let begun = visit.state.write(move |tx| claim::begin(tx, &instance, login, &identity, &token, now)).await;
    match begun {
        Ok(_) => Ok(redirect("/me/claim?done=claim")),
        Err(ClaimError::Storage(error)) => Err(error.into()),
        Err(ClaimError::Refused(account)) => {
            claims_page(visit, StatusCode::FORBIDDEN, wrong(visit.text.claim_refused(account))).await
        }
        Err(other) => Err(WebError::new(400, other.to_string()).into()),
    }
}

#[post("/me/claim/check")]
async fn post_check(mut posted: Posted) -> PageResult {
    posted.visit.at("/me/claim");
    let visit = &posted.visit;
    let login = visit.signed_in()?.login.id;
    let token = posted.field("claim").to_owned();
    let wanted = token.clone();
    let found = visit
        .read(move |tx| {
            let Some(claim) = identities::claim_by_token(tx, &wanted)? else { return Ok(None) };
            let creator = people::creator_by_login(tx, login)?;
            let is_own = claim.creator().is_some() && claim.creator() == creator.map(|creator| creator.id);
            if is_own { identities::identity(tx, claim.identity_id) } else { Ok(None) }
        })
        .await?;
    let identity = found.ok_or_else(PageError::not_found)?;
    let platform = identity.external_id()?.platform();
    if !limit::may_look_up(&visit.state.instance.host, login.0) {
        let outcome = visit.text.error_429_text();
        let asked = Asked::Check { token: &token, outcome, is_failed: true };
        return claims_page(visit, StatusCode::TOO_MANY_REQUESTS, asked).await;
    }
    match jobs::check_claim(&visit.state, &token).await {
        Ok(Checked::Verified(released)) => {
            let outcome = released_text(visit, &released);
            claims_page(visit, StatusCode::OK, Asked::Check { token: &token, outcome, is_failed: false }).await
        }
        Ok(Checked::Disputed { .. }) => {
            let outcome = visit.text.claim_disputed_now();
            claims_page(visit, StatusCode::OK, Asked::Check { token: &token, outcome, is_failed: true }).await
        }
        Err(error) => {
            let outcome = connections::said(visit.text, platform, &identity.handle, error)?;
            claims_page(visit, StatusCode::OK, Asked::Check { token: &token, outcome, is_failed: true }).await
        }
    }
}

fn released_text(visit: &Visit, released: &Released) -> String {
    let t = visit.text;
    if released.shares == 0 {
        return t.claim_done_nothing();
    }
    let amounts: Vec<String> = released.amounts.iter().map(|amount| t.money(*amount)).collect();
    t.claim_done(t.shares(i64::try_from(released.shares).unwrap_or(i64::MAX)), amounts.join(", "))
}

/// An account of which a claim is contested or has lost its proof.
struct DisputeRow {
    account: String,
    platform: String,
    path: String,
    state: String,
    claimed_by: String,
    address: String,
    since: String,
}

#[derive(Template)]
#[template(path = "admin/claims.html")]
struct DisputesPage {
    t: Page,
    rows: Vec<DisputeRow>,
}

#[get("/admin/claims")]
async fn get_disputes(visit: Visit) -> PageResult {
    visit.operator()?;
    let t = visit.text;
    let troubled = visit.read(stored_claims::troubled).await?;
    let instance = &visit.state.instance;
    let rows = troubled.into_iter().map(|(claim, identity)| DisputeRow {
        path: account_path(instance, &identity),
        platform: platform_label(&identity.platform),
        state: match claim.state.as_str() {
            "disputed" => t.admin_claim_disputed(),
            _ => t.admin_claim_lost(),
        },
        address: claim::address_of(instance, &claim).unwrap_or_default(),
        since: t.date(Timestamp::from_micros(claim.changed_at)),
        account: identity.handle,
        claimed_by: claim.creator_uri,
    });
    ok(&DisputesPage { t: visit.page(t.admin_claims()), rows: rows.collect() })
}
