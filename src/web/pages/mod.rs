//! Pages for people: rendered here, without any script.
//!
//! Owns what every page promises, in [`dress`]: a strict content security policy, no content sniffing, no referrer to
//! others, an error as a page where a browser asked. A handler loads values, shapes them into the struct of a template and
//! renders it; decisions stay in the flows.
//!
//! Read [`page`] first (who asks, and how a form is believed), then any handler beside its template.

mod admin;
mod admin_bridges;
pub mod bridged;
mod claim_sign_in;
mod claims;
pub mod commitment;
mod confirm;
mod connections;
mod creators;
mod find;
mod history;
mod imports;
mod me;
mod opt_out;
mod owner_sign_in;
pub mod page;
pub mod people;
mod platform_sign_in;
mod public;
mod revenue;
mod sign_in;
#[cfg(test)]
mod tests;
pub mod text;
mod upload;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::ServiceConfig;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

pub use page::{Page, PageError, PageResult, Posted, Visit, html, ok, redirect};

use super::State;
use super::activitypub::wants_json;
use super::auth::Cookie;
use super::error::WebError;

pub fn routes(config: &mut ServiceConfig) {
    config
        .configure(public::routes)
        .configure(people::routes)
        .configure(creators::routes)
        .configure(find::routes)
        .configure(bridged::routes)
        .configure(owner_sign_in::routes)
        .configure(opt_out::routes)
        .configure(sign_in::routes)
        .configure(me::routes)
        .configure(history::routes)
        .configure(connections::routes)
        .configure(confirm::routes)
        .configure(imports::routes)
        .configure(platform_sign_in::routes)
        .configure(claims::routes)
        .configure(claim_sign_in::routes)
        .configure(revenue::routes)
        .configure(admin::routes)
        .configure(admin_bridges::routes);
}

/// Nothing may run, load or be sent anywhere but here.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

/// What a page's address alone decides, and what its reader does.
const VARY: &str = "Accept, Accept-Language, Cookie";

/// When a refused attempt may be repeated: the window of [`super::auth::limit`].
const RETRY_SECONDS: &str = "900";

/// Gives every answer its headers, and errors their page where a browser asked.
pub async fn dress(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let mut response = next.call(request).await?.map_into_boxed_body();
    if is_error(response.status()) && !is_html(response.headers()) && !wants_json(response.request()) {
        let shown = error_page(response.request(), response.response()).await;
        let kept = response.headers().get(header::RETRY_AFTER).cloned();
        response = response.into_response(shown);
        if let Some(retry_after) = kept {
            response.headers_mut().insert(header::RETRY_AFTER, retry_after);
        }
    }
    let is_html = is_html(response.headers());
    let language = page::chosen_language(response.request()).filter(|_| is_html);
    let cookie = language.and_then(|language| {
        let state = response.request().app_data::<State>()?;
        HeaderValue::from_str(&Cookie::Language.write(state, language.tag())).ok()
    });
    let is_private =
        ["/me", "/admin", "/setup", "/sign-in"].iter().any(|area| response.request().path().starts_with(area));
    if response.status() == StatusCode::TOO_MANY_REQUESTS && !response.headers().contains_key(header::RETRY_AFTER) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS));
    }
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    if is_html {
        set(header::CONTENT_SECURITY_POLICY, POLICY);
        // With `no-referrer` browsers would hide the origin of our own forms too.
        set(header::REFERRER_POLICY, "same-origin");
        set(header::VARY, VARY);
        set(header::CACHE_CONTROL, if is_private { "no-store" } else { "private, no-cache" });
    } else if !headers.contains_key(header::VARY) && !headers.contains_key(header::ETAG) {
        // A redirection or an error of an address that may have answered somebody else with a page.
        headers.insert(header::VARY, HeaderValue::from_static(VARY));
    }
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

fn is_html(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/html"))
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    t: Page,
    status: u16,
    what: String,
    /// In the reader's language.
    explained: Option<String>,
    /// What the handler said.
    detail: Option<String>,
    /// Whether that is English, whatever the page is in.
    is_english: bool,
}

/// The page of an error; plain text when even that fails.
async fn error_page(request: &HttpRequest, failed: &HttpResponse) -> HttpResponse {
    let status = failed.status();
    let of_web = |error: &WebError| (error.public_text().to_owned(), true);
    let said = failed.error().and_then(|error| match error.as_error::<PageError>() {
        Some(PageError::Said { text, .. }) => Some((text.clone(), false)),
        Some(PageError::Web(error)) => Some(of_web(error)),
        Some(PageError::SignIn { .. }) => None,
        None => error.as_error::<WebError>().map(of_web),
    });
    let visit = match Visit::of(request).await {
        Ok(visit) => visit,
        Err(_) => {
            return HttpResponse::build(status).content_type("text/plain; charset=utf-8").body(status.to_string());
        }
    };
    let text = visit.text;
    let (what, explained) = match status.as_u16() {
        403 => (text.error_403(), Some(text.error_403_text())),
        404 => (text.error_404(), Some(text.error_404_text())),
        410 => (text.error_410(), None),
        413 => (text.error_413(), None),
        429 => (text.error_429(), Some(text.error_429_text())),
        503 => (text.error_503(), Some(text.error_503_text())),
        _ if status.is_server_error() => (text.error_500(), Some(text.error_500_text())),
        _ => (text.error_400(), None),
    };
    let said = said.filter(|(_, is_english)| explained.is_none() || !is_english);
    let (detail, is_english) = said.map_or((None, false), |(said, is_english)| (Some(said), is_english));
    let page = ErrorPage { t: visit.page(what.clone()), status: status.as_u16(), what, explained, detail, is_english };
    html(status, &page).unwrap_or_else(|_| HttpResponse::build(status).finish())
}
