//! Signing in at a platform: the person proves there whose account it is, to let this instance read its likes or to claim
//! the account.
//!
//! Owns that only the login that began a sign-in ends it, once, within ten minutes and for what it was begun for. The way
//! there is a link on a page of ours and no redirect, so that the person sees where they go and the policy of our forms
//! stays closed.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Path, Query, ServiceConfig};
use actix_web::{get, post};
use askama::Template;
use url::Url;

use super::{Page, PageError, PageResult, Posted, Visit, claim_sign_in, html, ok, owner_sign_in, redirect};
use crate::bridges::sign_in::refused;
use crate::bridges::{Access, Error, Grant, Profile, Secret, Who, proves};
use crate::domain::identity::Platform;
use crate::flows::prove_account::{self, ProveError, Standing};
use crate::jobs::{JobError, LookUpError, credentials};
use crate::storage::claims;
use crate::storage::grants::{self, Pending, Purpose};
use crate::web::auth::{self, limit};

/// How long a person may stay at the platform.
pub const LIFETIME: Duration = Duration::from_secs(600);

pub fn routes(config: &mut ServiceConfig) {
    config.service(post_connect).service(post_claim).service(get_return);
}

#[derive(Template)]
#[template(path = "platform_sign_in.html")]
struct ContinuePage {
    t: Page,
    label: &'static str,
    url: String,
    is_claim: bool,
}

#[derive(Template)]
#[template(path = "platform_sign_in_failed.html")]
struct FailedPage {
    t: Page,
    said: String,
    is_claim: bool,
}

pub fn failed(visit: &Visit, status: StatusCode, purpose: Purpose, said: String) -> PageResult {
    let t = visit.page(visit.text.platform_sign_in_failed());
    html(status, &FailedPage { t, said, is_claim: purpose == Purpose::Claim })
}

fn word(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Likes => "connect",
        Purpose::Claim => "claim",
    }
}

pub fn platform_of(visit: &Visit, slug: &str) -> Result<Platform, PageError> {
    slug.parse().map_err(|_| PageError::new(400, visit.text.platform_unknown()))
}

/// Our page that the platform sends the person back to; operators register it there.
pub fn callback(visit: &Visit, platform: Platform) -> Result<Url, PageError> {
    let address = format!("{}/sign-in-at/{platform}", visit.state.instance.base_url);
    Url::parse(&address).map_err(|_| PageError::not_found())
}

pub fn place(key: &str) -> String {
    format!("sign-in/{key}")
}

/// What a person is told of a platform's refusal.
pub fn said(visit: &Visit, platform: Platform, error: Error) -> Result<String, PageError> {
    if matches!(error, Error::Forbidden { .. }) {
        return Ok(visit.text.platform_sign_in_denied(platform.label()));
    }
    super::connections::said(visit.text, platform, "", LookUpError::Platform(error))
}

#[post("/me/connections/sign-in")]
async fn post_connect(posted: Posted) -> PageResult {
    posted.visit.patron()?;
    begin(&posted, Purpose::Likes).await
}

#[post("/me/claim/sign-in")]
async fn post_claim(posted: Posted) -> PageResult {
    begin(&posted, Purpose::Claim).await
}

async fn begin(posted: &Posted, purpose: Purpose) -> PageResult {
    let visit = &posted.visit;
    let login = visit.signed_in()?.login.id;
    let platform = platform_of(visit, posted.field("platform"))?;
    let bridge = visit.state.bridges.get(platform).cloned().ok_or_else(PageError::not_found)?;
    let door = bridge.sign_in().ok_or_else(PageError::not_found)?;
    if !limit::may_look_up(&visit.state.instance.host, login.0) {
        return failed(visit, StatusCode::TOO_MANY_REQUESTS, purpose, visit.text.error_429_text());
    }
    let begun = match door.begin_for(posted.field("handle"), &callback(visit, platform)?, &auth::random_token()).await {
        Ok(begun) => begun,
        Err(error) => return failed(visit, StatusCode::BAD_GATEWAY, purpose, said(visit, platform, error)?),
    };
    let now = visit.now;
    let pending = Pending {
        kept: visit.state.vault.seal(&place(&begun.key), begun.kept.reveal()),
        key: begun.key,
        login_id: login.0,
        platform: platform.slug().to_owned(),
        purpose: word(purpose).to_owned(),
        begun_at: now.micros(),
    };
    visit.state.write(move |tx| grants::save_pending(tx, &pending, now.minus(LIFETIME))).await?;
    let label = platform.label();
    let title = visit.text.platform_sign_in_title(label);
    let is_claim = purpose == Purpose::Claim;
    ok(&ContinuePage { t: visit.page(title), label, url: begun.url.to_string(), is_claim })
}

/// The person is back from the platform.
#[get("/sign-in-at/{platform}")]
async fn get_return(visit: Visit, platform: Path<String>, query: Query<BTreeMap<String, String>>) -> PageResult {
    let visit = &visit;
    let platform = platform_of(visit, &platform)?;
    let key = ["state", "oauth_token", "denied"].iter().find_map(|name| query.get(*name)).cloned().unwrap_or_default();
    // Some platforms send who said no back without a word by which the sign-in could be found.
    if let Some(error @ Error::Forbidden { .. }) = refused(&query).filter(|_| key.is_empty()) {
        return failed(visit, StatusCode::BAD_GATEWAY, Purpose::Likes, said(visit, platform, error)?);
    }
    let (wanted, oldest) = (key.clone(), visit.now.minus(LIFETIME));
    let of_owner = visit.state.write(move |tx| grants::take_owner_pending(tx, &wanted, oldest)).await?;
    if let Some(pending) = of_owner {
        return owner_sign_in::end(visit, platform, &pending, &query).await;
    }
    let login = visit.signed_in()?.login.id;
    let wanted = key.clone();
    let pending = visit.state.write(move |tx| grants::take_pending(tx, &wanted, oldest)).await?;
    let pending = pending.filter(|pending| pending.login() == login && pending.platform == platform.slug());
    let found = pending.and_then(|pending| {
        let purpose = [Purpose::Likes, Purpose::Claim].into_iter().find(|purpose| word(*purpose) == pending.purpose)?;
        Some((purpose, visit.state.vault.unseal(&place(&key), &pending.kept).ok()?))
    });
    let Some((purpose, kept)) = found else {
        return failed(visit, StatusCode::BAD_REQUEST, Purpose::Likes, visit.text.platform_sign_in_over());
    };
    let (grant, profile) = match finish(visit, platform, kept, &query).await? {
        Ok(granted) => granted,
        Err(error) => return failed(visit, StatusCode::BAD_GATEWAY, purpose, said(visit, platform, error)?),
    };
    match purpose {
        Purpose::Likes => connect(visit, &grant, profile).await,
        Purpose::Claim => claim_sign_in::ask(visit, &grant, &profile).await,
    }
}

/// What the person granted, and whose account it is.
pub async fn finish(
    visit: &Visit,
    platform: Platform,
    kept: String,
    query: &BTreeMap<String, String>,
) -> Result<Result<(Grant, Profile), Error>, PageError> {
    let bridge = visit.state.bridges.get(platform).cloned().ok_or_else(PageError::not_found)?;
    let (Some(door), Some(live)) = (bridge.sign_in(), bridge.live()) else { return Err(PageError::not_found()) };
    let grant = match door.finish(&callback(visit, platform)?, &Secret::new(kept), query).await {
        Ok(grant) => grant,
        Err(error) => return Ok(Err(error)),
    };
    let profile = live.profile(&Who::TokenOwner, &Access::User(grant.credential.clone())).await;
    Ok(profile.map(|profile| (grant, profile)))
}

async fn connect(visit: &Visit, grant: &Grant, profile: Profile) -> PageResult {
    let patron = visit.patron()?.id;
    // Stored before the connection, which may be read at once.
    credentials::keep(&visit.state, &profile.id, grant, Purpose::Likes).await?;
    let token = hex::encode(auth::random_bytes::<16>());
    let (instance, now) = (visit.state.instance.clone(), visit.now);
    let standing = visit
        .state
        .write(move |tx| {
            let shows = |address: &str| proves(&profile, address);
            let whose = (patron, &profile.id, profile.handle.as_str());
            let standing = prove_account::signed_in(tx, &instance, whose, &token, &shows, now)?;
            let is_connected = matches!(standing, Standing::Connected(_));
            if !is_connected && claims::connection_of(tx, &profile.id)?.is_none() {
                // Nothing is read by it: it is asked for again once the profile has decided.
                grants::release(tx, &profile.id, Purpose::Likes)?;
            }
            Ok::<_, ProveError>(standing)
        })
        .await
        .map_err(JobError::from)?;
    Ok(redirect(match standing {
        Standing::Connected(_) => "/me/connections?done=connected",
        _ => "/me/connections?done=elsewhere",
    }))
}
