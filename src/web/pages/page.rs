//! A visit: who asks for a page, in which language, and what the layout needs to know of it.
//!
//! Owns that a form cannot be handled without its proof: a handler that takes [`Posted`] has a request that one of our own
//! pages sent, and there is no other way to read a form here but `upload`, for forms with a file.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError};
use askama::Template;
use futures_util::future::LocalBoxFuture;
use url::form_urlencoded;

use super::text::{Lang, Text};
use crate::config::Locale;
use crate::domain::time::{Month, Timestamp};
use crate::flows::encode_segment;
use crate::storage;
use crate::storage::people::Patron;
use crate::web::State;
use crate::web::auth::{self, Cookie, Session};
use crate::web::error::WebError;

/// Why a page is not shown.
#[derive(Debug)]
pub enum PageError {
    /// Only for people who are signed in: they go there and come back to this path.
    SignIn { next: String },
    /// Said to the person, in the language of the page.
    Said { status: u16, text: String },
    /// Of a layer that knows no language: its text is English.
    Web(WebError),
}

impl std::fmt::Display for PageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PageError::SignIn { next } => write!(f, "sign in to see {next}"),
            PageError::Said { status, text } => write!(f, "{status}: {text}"),
            PageError::Web(error) => error.fmt(f),
        }
    }
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        match self {
            PageError::SignIn { .. } => StatusCode::SEE_OTHER,
            PageError::Said { status, text } => WebError::new(*status, text).status_code(),
            PageError::Web(error) => error.status_code(),
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            PageError::SignIn { next } => redirect(&format!("/sign-in?next={}", encode_segment(next))),
            PageError::Said { status, text } => WebError::new(*status, text).error_response(),
            PageError::Web(error) => error.error_response(),
        }
    }
}

impl<E: Into<WebError>> From<E> for PageError {
    fn from(error: E) -> Self {
        PageError::Web(error.into())
    }
}

impl PageError {
    /// - `text`: of the catalogue, in the reader's language.
    pub fn new(status: u16, text: impl Into<String>) -> PageError {
        PageError::Said { status, text: text.into() }
    }

    pub fn not_found() -> PageError {
        PageError::Web(WebError::not_found())
    }
}

pub type PageResult = Result<HttpResponse, PageError>;

/// To another page of ours, by GET.
pub fn redirect(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header(("location", path)).finish()
}

/// A rendered template. Its escaper has made text of whatever was not ours.
pub fn html(status: StatusCode, template: &impl Template) -> PageResult {
    let body = template.render().map_err(|error| {
        tracing::error!("a page could not be rendered: {error}");
        WebError::new(500, "the page could not be rendered")
    })?;
    Ok(HttpResponse::build(status).content_type("text/html; charset=utf-8").body(body))
}

pub fn ok(template: &impl Template) -> PageResult {
    html(StatusCode::OK, template)
}

/// Who asks.
#[derive(Clone)]
pub struct Visit {
    pub state: State,
    pub text: Text,
    pub session: Option<Session>,
    pub now: Timestamp,
    /// Path and query of the address.
    path: String,
    query: String,
    /// The cookie that forms are bound to; made now when the visitor has none.
    binding: String,
    is_binding_new: bool,
}

impl Visit {
    pub async fn of(request: &HttpRequest) -> Result<Visit, PageError> {
        let state = request.app_data::<State>().expect("the state is part of every server").clone();
        let token = Cookie::Session.read(&state, request);
        let session = match &token {
            Some(token) => auth::session(&state, token).await?,
            None => None,
        };
        let visitor = Cookie::Visitor.read(&state, request);
        let known = token.filter(|_| session.is_some()).or(visitor);
        let is_binding_new = known.is_none();
        let text = Text(language(&state, request));
        let (path, query) = (request.path().to_owned(), request.query_string().to_owned());
        let binding = known.unwrap_or_else(auth::random_token);
        Ok(Visit { now: state.now(), text, session, path, query, binding, is_binding_new, state })
    }

    /// A value of the query.
    pub fn query(&self, name: &str) -> Option<String> {
        form_urlencoded::parse(self.query.as_bytes())
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.into_owned())
    }

    pub fn month(&self) -> Month {
        Month::containing(self.now)
    }

    /// The session, or the way to get one.
    pub fn signed_in(&self) -> Result<&Session, PageError> {
        let next = if self.query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, self.query) };
        self.session.as_ref().ok_or(PageError::SignIn { next })
    }

    /// The patron, for pages that only patrons have.
    pub fn patron(&self) -> Result<&Patron, PageError> {
        let patron = self.signed_in()?.patron.as_ref();
        patron.ok_or_else(|| PageError::new(403, self.text.me_no_patron()))
    }

    pub fn operator(&self) -> Result<&Session, PageError> {
        let session = self.signed_in()?;
        if session.login.is_operator {
            return Ok(session);
        }
        Err(PageError::new(403, self.text.only_operators()))
    }

    /// By which this browser is known again, in the database too: it opens nothing.
    pub fn browser(&self) -> String {
        auth::form_token(&format!("sign-in of an owner: {}", self.binding))
    }

    /// Shows the page of another address, as after a form with an error: switching the language must lead there.
    pub fn at(&mut self, path: &str) {
        path.clone_into(&mut self.path);
        self.query.clear();
    }

    /// What the layout needs.
    pub fn page(&self, title: impl Into<String>) -> Page {
        let base = match self.query.as_str() {
            "" => format!("{}?", self.path),
            _ => {
                let kept = form_urlencoded::parse(self.query.as_bytes())
                    .filter(|(name, _)| !matches!(name.as_ref(), "lang" | "done"));
                let kept = form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish();
                if kept.is_empty() { format!("{}?", self.path) } else { format!("{}?{kept}&", self.path) }
            }
        };
        let languages = Lang::ALL.map(|lang| (lang, format!("{base}lang={}", lang.tag())));
        let session = self.session.as_ref();
        let done = self.query("done").and_then(|code| done(self.text, &code));
        Page {
            text: self.text,
            title: title.into(),
            instance: self.state.config.instance.name.clone(),
            viewer: session.map(|session| session.login.name.clone()),
            is_patron: session.is_some_and(|session| session.patron.is_some()),
            is_operator: session.is_some_and(|session| session.login.is_operator),
            csrf: auth::form_token(&self.binding),
            path: self.path.clone(),
            languages: languages.into(),
            done,
        }
    }

    /// The `Set-Cookie` of a page with a form for visitors, when they have no cookie yet.
    pub fn visitor_cookie(&self) -> Option<String> {
        self.is_binding_new.then(|| Cookie::Visitor.write(&self.state, &self.binding))
    }

    /// Renders a page with forms that work before signing in.
    pub fn ok_with_form(&self, status: StatusCode, template: &impl Template) -> PageResult {
        let mut response = html(status, template)?;
        if let Some(cookie) = self.visitor_cookie() {
            let value = cookie.parse().expect("a cookie of ours is a header value");
            response.headers_mut().append(actix_web::http::header::SET_COOKIE, value);
        }
        Ok(response)
    }

    /// Refuses a form that none of our own pages sent.
    ///
    /// - `proof`: what the form carries as `csrf`.
    pub fn check_form(&self, request: &HttpRequest, proof: &str) -> Result<(), PageError> {
        let is_ours = !self.is_binding_new && auth::is_form_token(&self.binding, proof);
        if is_ours && !auth::is_cross_site(&self.state, request) {
            return Ok(());
        }
        tracing::info!(path = %request.path(), "a form without its proof was refused");
        Err(PageError::new(403, self.text.form_not_ours()))
    }

    /// Runs queries on one snapshot.
    pub async fn read<T, F>(&self, queries: F) -> Result<T, PageError>
    where
        T: Send + 'static,
        F: FnOnce(&mut storage::Tx) -> Result<T, storage::Error> + Send + 'static,
    {
        Ok(self.state.db.read(queries).await?)
    }
}

/// What was done, as the page says it after the redirect. The codes are ours, so nobody can put words on our pages.
fn done(text: Text, code: &str) -> Option<String> {
    Some(match code {
        "budget" => text.done_budget(),
        "strike" => text.done_strike(),
        "flattr" => text.done_flattr(),
        "taken-back" => text.done_taken_back(),
        "connected" => text.done_connected(),
        "connect" => text.done_connect_begun(),
        "elsewhere" => text.done_connect_elsewhere(),
        "named" => text.done_connect_named(),
        "connection" => text.done_connection_changed(),
        "confirmed" => text.done_confirmed(),
        "dismissed" => text.done_dismissed(),
        "disconnected" => text.done_disconnected(),
        "claim" => text.done_claim_begun(),
        "withdrawn" => text.done_withdrawn(),
        "opted-out" => text.opt_out_done(),
        "opted-in" => text.opt_in_done(),
        "payout" => text.done_payout(),
        "signed-out" => text.done_signed_out(),
        "password" => text.done_password(),
        _ => return None,
    })
}

/// The language: of the address, else of the cookie, else of the browser, else the operator's choice.
fn language(state: &State, request: &HttpRequest) -> Lang {
    let accept = request.headers().get("accept-language").and_then(|value| value.to_str().ok());
    chosen_language(request)
        .or_else(|| Cookie::Language.read(state, request).and_then(|tag| Lang::parse(&tag)))
        .or_else(|| accept.and_then(Lang::accepted))
        .unwrap_or(match state.config.instance.default_locale {
            Locale::English => Lang::En,
            Locale::French => Lang::Fr,
        })
}

/// The language that the address itself asks for.
pub fn chosen_language(request: &HttpRequest) -> Option<Lang> {
    let mut pairs = form_urlencoded::parse(request.query_string().as_bytes());
    pairs.find(|(name, _)| name == "lang").and_then(|(_, tag)| Lang::parse(&tag))
}

impl FromRequest for Visit {
    type Error = PageError;
    type Future = LocalBoxFuture<'static, Result<Visit, PageError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Visit::of(&request).await })
    }
}

/// A form that one of our own pages sent, with who sent it.
pub struct Posted {
    pub visit: Visit,
    fields: Vec<(String, String)>,
}

impl Posted {
    /// A field without the white space around it; empty when it is missing.
    pub fn field(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// All values of a field that may be there several times.
    pub fn all<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p str> {
        self.fields.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.trim())
    }

    /// A field as it was typed: for passwords.
    pub fn raw(&self, name: &str) -> &str {
        self.fields.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }
}

impl FromRequest for Posted {
    type Error = PageError;
    type Future = LocalBoxFuture<'static, Result<Posted, PageError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let body = Bytes::from_request(&request, payload);
        Box::pin(async move {
            let visit = Visit::of(&request).await?;
            let content_type = request.headers().get("content-type").and_then(|value| value.to_str().ok());
            if !content_type.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded")) {
                return Err(PageError::new(415, visit.text.form_kind()));
            }
            let body = body.await.map_err(|_| PageError::new(413, visit.text.form_too_large()))?;
            let fields: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
            let posted = Posted { visit, fields };
            posted.visit.check_form(&request, posted.raw("csrf"))?;
            Ok(posted)
        })
    }
}

/// What every template knows. Its messages are methods: `t.sign_in()`.
pub struct Page {
    text: Text,
    pub title: String,
    pub instance: String,
    /// The name of who is signed in.
    pub viewer: Option<String>,
    pub is_patron: bool,
    pub is_operator: bool,
    /// The proof that stands in every form.
    pub csrf: String,
    pub path: String,
    pub languages: Vec<(Lang, String)>,
    /// What was just done.
    pub done: Option<String>,
}

impl Page {
    pub fn lang(&self) -> &'static str {
        self.text.0.tag()
    }

    pub fn is_lang(&self, lang: &Lang) -> bool {
        self.text.0 == *lang
    }

    pub fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// `page` for the link to the page that is shown, for `aria-current`.
    pub fn is_here(&self, path: &str) -> bool {
        self.path == path
    }
}

impl std::ops::Deref for Page {
    type Target = Text;

    fn deref(&self) -> &Text {
        &self.text
    }
}
