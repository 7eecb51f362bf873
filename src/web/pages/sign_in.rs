//! Signing in and out, and the one-time link that sets a password.
//!
//! Owns that a failed sign-in tells nothing: not whether the name exists, and not by how long it took.

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::web::{Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, get, post};
use askama::Template;

use super::{Page, PageError, PageResult, Posted, Visit, redirect};
use crate::storage::people;
use crate::web::auth::limit::Attempt;
use crate::web::auth::password::{self, LENGTH_MIN, WeakPassword};
use crate::web::auth::{self, Cookie};

pub fn routes(config: &mut ServiceConfig) {
    config.service(get_sign_in).service(post_sign_in).service(post_sign_out).service(get_setup).service(post_setup);
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    t: Page,
    name: String,
    next: String,
    is_for_flattr: bool,
    error: Option<String>,
}

fn sign_in_page(visit: &Visit, status: StatusCode, name: &str, next: &str, error: Option<String>) -> PageResult {
    let page = SignInPage {
        t: visit.page(visit.text.sign_in()),
        name: name.to_owned(),
        next: next.to_owned(),
        is_for_flattr: next.contains("flattr=1"),
        error,
    };
    visit.ok_with_form(status, &page)
}

#[get("/sign-in")]
async fn get_sign_in(visit: Visit) -> PageResult {
    let next = visit.query("next").unwrap_or_default();
    let next = auth::safe_path(&next).unwrap_or_default();
    if visit.session.is_some() {
        return Ok(redirect(if next.is_empty() { "/me" } else { next }));
    }
    sign_in_page(&visit, StatusCode::OK, "", next, None)
}

#[post("/sign-in")]
async fn post_sign_in(request: HttpRequest, posted: Posted) -> PageResult {
    let visit = &posted.visit;
    let name = posted.field("name").to_lowercase();
    let next = auth::safe_path(posted.field("next")).unwrap_or_default();
    let attempt = Attempt::new(&visit.state.instance.host, &name, &auth::client_address(&visit.state, &request));
    if attempt.is_refused() {
        tracing::warn!("too many attempts to sign in as one name or from one address");
        return sign_in_page(visit, StatusCode::TOO_MANY_REQUESTS, &name, next, Some(visit.text.error_429_text()));
    }
    attempt.count();
    let wanted = name.clone();
    let login = visit.read(move |tx| people::login_by_name(tx, &wanted)).await?.filter(|login| !login.is_disabled);
    let stored = login.as_ref().and_then(|login| login.password_hash.clone());
    // Unknown, disabled and without a password cost the same hash as a wrong one.
    let is_right = password::verify(posted.raw("password").to_owned(), stored).await;
    let Some(login) = login.filter(|_| is_right) else {
        return sign_in_page(visit, StatusCode::FORBIDDEN, &name, next, Some(visit.text.sign_in_wrong()));
    };
    attempt.succeeded();
    let has_patron = login.id;
    let is_patron = visit.read(move |tx| people::patron_by_login(tx, has_patron)).await?.is_some();
    let target = match next {
        "" if !is_patron && login.is_operator => "/admin",
        "" => "/me",
        next => next,
    };
    signed_in(visit, login.id, target).await
}

/// A new session in its cookie; whatever the browser had before is ended.
async fn signed_in(visit: &Visit, login: crate::domain::id::LoginId, target: &str) -> PageResult {
    let token = auth::start_session(&visit.state, login).await?;
    let cookies = [Cookie::Session.write(&visit.state, &token), Cookie::Visitor.write(&visit.state, "")];
    Ok(with_cookies(redirect(target), &cookies))
}

fn with_cookies(mut response: HttpResponse, cookies: &[String]) -> HttpResponse {
    for cookie in cookies {
        let value = cookie.parse().expect("a cookie of ours is a header value");
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

#[post("/sign-out")]
async fn post_sign_out(request: HttpRequest, posted: Posted) -> PageResult {
    let state = &posted.visit.state;
    if let Some(token) = Cookie::Session.read(state, &request) {
        auth::end_session(state, &token).await?;
    }
    Ok(with_cookies(redirect("/?done=signed-out"), &[Cookie::Session.write(state, "")]))
}

#[derive(Template)]
#[template(path = "setup.html")]
struct SetupPage {
    t: Page,
    name: String,
    action: String,
    hint: String,
    error: Option<String>,
}

fn setup_page(visit: &Visit, status: StatusCode, name: &str, token: &str, error: Option<String>) -> PageResult {
    let t = visit.text;
    let page = SetupPage {
        t: visit.page(t.setup_title()),
        name: name.to_owned(),
        action: format!("/setup/{token}"),
        hint: t.setup_hint(LENGTH_MIN),
        error,
    };
    visit.ok_with_form(status, &page)
}

async fn setup_login(visit: &Visit, token: &str) -> Result<people::Login, PageError> {
    let (token, now) = (token.to_owned(), visit.now);
    let login = visit.read(move |tx| auth::login_by_setup_token(tx, &token, now)).await?;
    login.ok_or_else(|| PageError::new(410, visit.text.setup_gone()))
}

#[get("/setup/{token}")]
async fn get_setup(visit: Visit, token: Path<String>) -> PageResult {
    let login = setup_login(&visit, &token).await?;
    setup_page(&visit, StatusCode::OK, &login.name, &token, None)
}

#[post("/setup/{token}")]
async fn post_setup(posted: Posted, token: Path<String>) -> PageResult {
    let visit = &posted.visit;
    let login = setup_login(visit, &token).await?;
    let chosen = posted.raw("password");
    if let Err(weak) = password::check(chosen, &login.name) {
        let t = visit.text;
        let error = match weak {
            WeakPassword::TooShort => t.setup_too_short(LENGTH_MIN),
            WeakPassword::TooLong => t.setup_too_long(),
            WeakPassword::IsTheName => t.setup_is_name(),
        };
        return setup_page(visit, StatusCode::BAD_REQUEST, &login.name, &token, Some(error));
    }
    let hash = password::hash(chosen.to_owned()).await;
    let (token, now) = (token.into_inner(), visit.now);
    let used = visit.state.write(move |tx| auth::use_setup_token(tx, &token, &hash, now)).await?;
    let login = used.ok_or_else(|| PageError::new(410, visit.text.setup_gone()))?;
    signed_in(visit, login.id, "/me?done=password").await
}
