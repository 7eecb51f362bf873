//! Finding an account or a post by what somebody pasted: an address of a platform, `@name@platform`, or an id.
//!
//! Owns that visitors learn only what is known here; a platform is asked for a signed-in person, who pressed a button for
//! it, a few times in a quarter of an hour.

use actix_web::http::StatusCode;
use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, get, post};
use askama::Template;

use super::{Page, PageResult, Posted, Visit, connections, html, people, redirect};
use crate::bridges::ReferenceError;
use crate::domain::identity::Platform;
use crate::jobs::find::{self, Found, Pasted};
use crate::web::auth::limit;

pub fn routes(config: &mut ServiceConfig) {
    config.service(get_find).service(post_find);
}

#[derive(Template)]
#[template(path = "find.html")]
struct FindPage {
    t: Page,
    typed: String,
    error: Option<String>,
    /// What was understood and is not known here.
    unknown: Option<String>,
    /// The platform that can be asked, by somebody who is signed in.
    ask: Option<&'static str>,
}

fn page(visit: &Visit, status: StatusCode, typed: &str, error: Option<String>, unknown: Option<&Pasted>) -> PageResult {
    let t = visit.text;
    let can_ask = unknown.is_some_and(|pasted| visit.state.bridges.get(pasted.platform()).is_some());
    let page = FindPage {
        t: visit.page(t.find_title()),
        typed: typed.to_owned(),
        error,
        unknown: unknown.map(|pasted| match pasted.needs_asking() {
            true => t.find_not_told(pasted.platform().label()),
            false => t.find_unknown(pasted.platform().label()),
        }),
        ask: unknown.filter(|_| can_ask && visit.session.is_some()).map(|pasted| pasted.platform().label()),
    };
    html(status, &page)
}

fn to(visit: &Visit, found: &Found) -> HttpResponse {
    let instance = &visit.state.instance;
    redirect(&match found {
        Found::Account(identity) => people::account_path(instance, identity),
        Found::Post(object) => people::object_path(instance, &object.platform, &object.object),
    })
}

/// Why a text was not understood, in words that a person can act on.
fn refused(visit: &Visit, error: ReferenceError) -> String {
    let t = visit.text;
    match error {
        ReferenceError::NotAnAddress => t.find_not_an_address(),
        ReferenceError::UnknownHost => {
            let known: Vec<&str> = visit.state.bridges.iter().map(|bridge| bridge.platform().label()).collect();
            t.find_unknown_host(known.join(", "))
        }
        ReferenceError::NotPlain => t.find_not_plain(),
        ReferenceError::NothingThere(platform) => t.find_nothing_there(platform.label()),
    }
}

#[get("/find")]
async fn get_find(visit: Visit) -> PageResult {
    let typed = visit.query("q").unwrap_or_default();
    if typed.trim().is_empty() {
        return page(&visit, StatusCode::OK, "", None, None);
    }
    let pasted = match find::read(&visit.state, &typed) {
        Ok(pasted) => pasted,
        Err(error) => return page(&visit, StatusCode::BAD_REQUEST, &typed, Some(refused(&visit, error)), None),
    };
    match find::known(&visit.state, &pasted).await? {
        Some(found) => Ok(to(&visit, &found)),
        None => page(&visit, StatusCode::NOT_FOUND, &typed, None, Some(&pasted)),
    }
}

#[post("/find")]
async fn post_find(mut posted: Posted) -> PageResult {
    posted.visit.at("/find");
    let visit = &posted.visit;
    let login = visit.signed_in()?.login.id;
    let typed = posted.field("q");
    let pasted = match find::read(&visit.state, typed) {
        Ok(pasted) => pasted,
        Err(error) => return page(visit, StatusCode::BAD_REQUEST, typed, Some(refused(visit, error)), None),
    };
    if !limit::may_look_up(&visit.state.instance.host, login.0) {
        let error = Some(visit.text.error_429_text());
        return page(visit, StatusCode::TOO_MANY_REQUESTS, typed, error, Some(&pasted));
    }
    let platform: Platform = pasted.platform();
    match find::ask(&visit.state, &pasted).await {
        Ok(found) => Ok(to(visit, &found)),
        Err(error) => {
            let said = connections::said(visit.text, platform, typed, error)?;
            page(visit, StatusCode::BAD_REQUEST, typed, Some(said), None)
        }
    }
}
