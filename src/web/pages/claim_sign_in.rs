//! Claiming by signing in: what waits is shown to who came back from the platform, and their word makes the claim.
//!
//! Owns that a sign-in alone claims nothing: the person sees the account and the amount first, and has ten minutes. What
//! proves it is sealed meanwhile, for this login alone.

use actix_web::http::StatusCode;
use actix_web::web::ServiceConfig;
use actix_web::{get, post};
use askama::Template;

use super::claims::{self, claims_page, released_text};
use super::people::{platform_label, web_link};
use super::platform_sign_in::{LIFETIME, failed};
use super::{Page, PageError, PageResult, Posted, Visit, ok, redirect};
use crate::bridges::{Grant, Profile};
use crate::domain::identity::{ExternalId, Platform};
use crate::flows::claim::ClaimError;
use crate::flows::encode_segment;
use crate::jobs::{self, JobError, LookUpError, SignedIn};
use crate::storage::grants::{self, Pending, Purpose};
use crate::storage::{identities, likes, months};
use crate::web::auth::{self, limit};

pub fn routes(config: &mut ServiceConfig) {
    config.service(get_confirm).service(post_confirm).service(post_withdraw);
}

#[derive(Template)]
#[template(path = "claim_sign_in.html")]
struct ConfirmPage {
    t: Page,
    handle: String,
    platform: String,
    profile: Option<String>,
    waiting: String,
    waiting_amounts: Vec<String>,
    key: String,
}

fn place(key: &str) -> String {
    format!("sign-in/confirm/{key}")
}

/// The person is back from the platform: keeps whose account it is, and leads to the question.
pub async fn ask(visit: &Visit, grant: &Grant, profile: &Profile) -> PageResult {
    let (login, now) = (visit.signed_in()?.login.id, visit.now);
    let signed_in = jobs::signed_in_as(&visit.state, profile, grant).await?;
    let key = auth::random_token();
    let kept = serde_json::to_string(&signed_in).expect("texts and numbers are always JSON");
    let pending = Pending {
        kept: visit.state.vault.seal(&place(&key), &kept),
        key: key.clone(),
        login_id: login.0,
        platform: profile.id.platform().slug().to_owned(),
        purpose: "confirm".to_owned(),
        begun_at: now.micros(),
    };
    visit.state.write(move |tx| grants::save_pending(tx, &pending, now.minus(LIFETIME))).await?;
    Ok(redirect(&format!("/me/claim/confirm?key={}", encode_segment(&key))))
}

/// What was kept for this login under a key.
fn opened(visit: &Visit, key: &str, pending: Option<Pending>) -> Result<Option<(ExternalId, SignedIn)>, PageError> {
    let login = visit.signed_in()?.login.id;
    let kept = pending
        .filter(|pending| pending.login() == login && pending.purpose == "confirm")
        .and_then(|pending| visit.state.vault.unseal(&place(key), &pending.kept).ok());
    let signed_in = kept.and_then(|kept| serde_json::from_str::<SignedIn>(&kept).ok());
    Ok(signed_in.and_then(|signed_in| Some((signed_in.account()?, signed_in))))
}

fn over(visit: &Visit) -> PageResult {
    failed(visit, StatusCode::BAD_REQUEST, Purpose::Claim, visit.text.platform_sign_in_over())
}

/// Shows whose account it is and what waits for it, and asks.
#[get("/me/claim/confirm")]
async fn get_confirm(visit: Visit) -> PageResult {
    let visit = &visit;
    let t = visit.text;
    visit.signed_in()?;
    let (key, oldest) = (visit.query("key").unwrap_or_default(), visit.now.minus(LIFETIME));
    let wanted = key.clone();
    let pending = visit.read(move |tx| grants::pending(tx, &wanted, oldest)).await?;
    let Some((account, _)) = opened(visit, &key, pending)? else { return over(visit) };
    let id = account.clone();
    let found = visit
        .read(move |tx| {
            let Some(identity) = identities::identity_by_external_id(tx, &id)? else { return Ok(None) };
            let waiting = likes::waiting_for_owner(tx, identity.id)?;
            let amounts = months::waiting_for(tx, identity.id)?;
            Ok(Some((identity, waiting, amounts)))
        })
        .await?;
    let (identity, (people, flattrs), amounts) = found.ok_or_else(PageError::not_found)?;
    if identity.is_refused {
        return failed(visit, StatusCode::FORBIDDEN, Purpose::Claim, t.claim_refused(account));
    }
    let page = ConfirmPage {
        t: visit.page(t.claim_confirm_title()),
        platform: platform_label(&identity.platform),
        profile: web_link(&identity.profile_url),
        handle: identity.handle,
        waiting: match people {
            0 => t.claim_nothing_waits(),
            _ => t.claim_waiting(t.people(people), t.flattrs(flattrs)),
        },
        waiting_amounts: claims::waiting_amounts(t, &amounts),
        key,
    };
    ok(&page)
}

/// The person claims the account that they have signed in as.
#[post("/me/claim/confirm")]
async fn post_confirm(mut posted: Posted) -> PageResult {
    posted.visit.at("/me/claim");
    let visit = &posted.visit;
    let (t, login) = (visit.text, visit.signed_in()?.login.id);
    let (key, oldest) = (posted.field("key").to_owned(), visit.now.minus(LIFETIME));
    let wanted = key.clone();
    let pending = visit.state.write(move |tx| grants::take_pending(tx, &wanted, oldest)).await?;
    let Some((account, signed_in)) = opened(visit, &key, pending)? else { return over(visit) };
    let token = hex::encode(auth::random_bytes::<16>());
    let (token, seen) = match jobs::claim_signed_in(&visit.state, login, signed_in, &token).await {
        Ok(claimed) => claimed,
        // The owner has refused meanwhile.
        Err(JobError::Claim(ClaimError::Refused(account))) => {
            return failed(visit, StatusCode::FORBIDDEN, Purpose::Claim, t.claim_refused(account));
        }
        Err(error) => return Err(error.into()),
    };
    let (outcome, is_failed) = match seen {
        Ok(seen) => match seen.state(&token) {
            Some("verified") => (released_text(visit, seen.identity, &seen.released).await?, false),
            Some("disputed") => (t.claim_disputed_sign_in(), true),
            _ => (t.claim_sign_in_gone(account.platform().label()), true),
        },
        Err(error) => (noted(visit, account.platform(), error)?, true),
    };
    claims_page(visit, StatusCode::OK, claims::Asked::Check { token: &token, outcome, is_failed }).await
}

/// The platform did not answer a second time: nothing is lost, and it is asked again by itself.
fn noted(visit: &Visit, platform: Platform, error: LookUpError) -> Result<String, PageError> {
    match error {
        LookUpError::Job(error) => Err(error.into()),
        other => {
            tracing::warn!(platform = %platform, "a profile could not be looked at after a sign-in: {other}");
            Ok(visit.text.claim_sign_in_noted(platform.label()))
        }
    }
}

/// Takes a sign-in back.
#[post("/me/claim/withdraw")]
async fn post_withdraw(posted: Posted) -> PageResult {
    let visit = &posted.visit;
    let login = visit.signed_in()?.login.id;
    if !limit::may_look_up(&visit.state.instance.host, login.0) {
        return Err(PageError::new(429, visit.text.error_429_text()));
    }
    match jobs::end_sign_in(&visit.state, login, posted.field("claim")).await {
        // Whether the platform could be asked for the others is not this person's concern.
        Ok(_) => Ok(redirect("/me/claim?done=withdrawn")),
        Err(JobError::Claim(ClaimError::NoSuchClaim)) => Err(PageError::not_found()),
        Err(error) => Err(error.into()),
    }
}
