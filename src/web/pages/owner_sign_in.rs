//! Opting out, and in again, by signing in at the platform: for owners without an account here, and the only proof where
//! a platform shows profiles to nobody else.
//!
//! Owns that only the browser that began such a sign-in ends it, once, within ten minutes, and that nothing of what the
//! platform granted is kept. What follows is decided in [`crate::flows::consent`].

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::web::ServiceConfig;
use actix_web::{HttpRequest, post};
use askama::Template;

use super::opt_out::form_page;
use super::platform_sign_in::{LIFETIME, callback, finish, place, platform_of, said};
use super::{Page, PageError, PageResult, Posted, Visit, ok, redirect};
use crate::domain::identity::Platform;
use crate::flows::consent::Wish;
use crate::jobs;
use crate::storage::grants::{self, OwnerPending};
use crate::web::auth::{self, limit};

pub fn routes(config: &mut ServiceConfig) {
    config.service(post_begin);
}

#[derive(Template)]
#[template(path = "owner_sign_in.html")]
struct ContinuePage {
    t: Page,
    label: &'static str,
    url: String,
    is_out: bool,
}

fn word(wish: Wish) -> &'static str {
    match wish {
        Wish::Out => "opt_out",
        Wish::In => "opt_in",
    }
}

fn wish_of(text: &str) -> Option<Wish> {
    [Wish::Out, Wish::In].into_iter().find(|wish| word(*wish) == text)
}

#[post("/opt-out-sign-in")]
async fn post_begin(request: HttpRequest, mut posted: Posted) -> PageResult {
    posted.visit.at("/opt-out");
    let visit = &posted.visit;
    let t = visit.text;
    let platform = platform_of(visit, posted.field("platform"))?;
    let wish = wish_of(posted.field("wish")).ok_or_else(PageError::not_found)?;
    let bridge = visit.state.bridges.get(platform).cloned().ok_or_else(PageError::not_found)?;
    let door = bridge.sign_in().ok_or_else(PageError::not_found)?;
    let wrong = |status, error| form_page(visit, status, platform.slug(), posted.field("handle"), Some(error));
    if !limit::may_look_up_from(&visit.state.instance.host, &auth::client_address(&visit.state, &request)) {
        return wrong(StatusCode::TOO_MANY_REQUESTS, t.error_429_text());
    }
    let begun = match door.begin_for(posted.field("handle"), &callback(visit, platform)?, &auth::random_token()).await {
        Ok(begun) => begun,
        Err(error) => return wrong(StatusCode::BAD_GATEWAY, said(visit, platform, error)?),
    };
    let now = visit.now;
    let pending = OwnerPending {
        kept: visit.state.vault.seal(&place(&begun.key), begun.kept.reveal()),
        key: begun.key,
        browser: visit.browser(),
        platform: platform.slug().to_owned(),
        purpose: word(wish).to_owned(),
        begun_at: now.micros(),
    };
    visit.state.write(move |tx| grants::save_owner_pending(tx, &pending, now.minus(LIFETIME))).await?;
    let label = platform.label();
    let title = t.platform_sign_in_title(label);
    ok(&ContinuePage { t: visit.page(title), label, url: begun.url.to_string(), is_out: wish == Wish::Out })
}

/// The owner is back from the platform.
pub async fn end(
    visit: &Visit,
    platform: Platform,
    pending: &OwnerPending,
    query: &BTreeMap<String, String>,
) -> PageResult {
    let t = visit.text;
    let wrong = |status, error| form_page(visit, status, platform.slug(), "", Some(error));
    let is_theirs = pending.browser == visit.browser() && pending.platform == platform.slug();
    let kept = visit.state.vault.unseal(&place(&pending.key), &pending.kept).ok().filter(|_| is_theirs);
    let (Some(kept), Some(wish)) = (kept, wish_of(&pending.purpose)) else {
        return wrong(StatusCode::BAD_REQUEST, t.platform_sign_in_over());
    };
    let seen_at = visit.state.now();
    let profile = match finish(visit, platform, kept, query).await? {
        // The credential goes with this value: it has said whose account it is, and is needed for nothing else.
        Ok((_, profile)) => profile,
        Err(error) => return wrong(StatusCode::BAD_GATEWAY, said(visit, platform, error)?),
    };
    // 32 digits, by which readers of profiles know the address for what it is.
    let token = hex::encode(auth::random_bytes::<16>());
    let (opt_out, by) = jobs::opt_out_signed_in(&visit.state, wish, &profile, token, seen_at).await?;
    let done = match (wish, by.is_empty()) {
        (Wish::Out, _) => "?done=opted-out",
        (Wish::In, true) => "?done=opted-in",
        // Something else refuses still: the page says what.
        (Wish::In, false) => "",
    };
    Ok(redirect(&format!("/opt-out/{}{done}", opt_out.token)))
}
