//! Signing in at the platforms of the sandbox: apps, the page on which a person says yes, codes and tokens.
//!
//! Owns what all doors have in common; [`v2`] is OAuth 2 (RFC 6749, RFC 7636) and [`v1`] is OAuth 1.0a (RFC 5849),
//! each with what differs between platforms as data. Written from those documents and not from our connectors, so that
//! the two can disagree. What is given out is counted and not random: nothing here is a secret, and a run can be
//! repeated.
//!
//! A platform routes its own paths here, such as `["login", "oauth", "authorize"] => v2::authorize(world, request,
//! &RULES)`, and asks [`v2::bearer`] or [`v1::verify`] who sends a request.

pub mod v1;
pub mod v2;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use url::Url;

use super::model::World;
use super::reply::{Reply, Request};
use crate::domain::identity::Platform;

/// The app that every platform knows.
pub const CLIENT_ID: &str = "sandbox-client";
pub const CLIENT_SECRET: &str = "sandbox-secret";

/// How long a code or a request token is good, by the virtual clock.
pub const CODE_LIFE: Duration = Duration::from_secs(600);

/// A client that a platform knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    pub id: String,
    /// A public client has none.
    pub secret: Option<String>,
    /// Where people may be sent back to, letter for letter; empty for anywhere.
    pub redirect_uris: Vec<String>,
}

/// By which clock a signed request is fresh. Connectors sign with the time of the machine they run on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    #[default]
    Wall,
    Virtual,
}

/// What the doors remember, tokens apart: those are [`World::tokens`].
#[derive(Clone, Debug, Default)]
pub struct Doors {
    /// Beside the app that every platform knows.
    pub apps: BTreeMap<(Platform, String), App>,
    pub clock: Clock,
    codes: BTreeMap<(Platform, String), v2::Code>,
    request_tokens: BTreeMap<(Platform, String), v1::RequestToken>,
    nonces: BTreeSet<(Platform, v1::Nonce)>,
    issued: u64,
}

impl Doors {
    pub fn add_app(&mut self, platform: Platform, app: App) {
        self.apps.insert((platform, app.id.clone()), app);
    }

    pub fn app(&self, platform: Platform, id: &str) -> Option<App> {
        let known = self.apps.get(&(platform, id.to_owned())).cloned();
        known.or_else(|| {
            (id == CLIENT_ID).then(|| App {
                id: CLIENT_ID.to_owned(),
                secret: Some(CLIENT_SECRET.to_owned()),
                redirect_uris: Vec::new(),
            })
        })
    }

    /// A text that was not given out before.
    pub(in crate::sandbox) fn fresh(&mut self, platform: Platform, kind: &str) -> String {
        self.issued += 1;
        format!("{}-{kind}-{:04}", platform.slug(), self.issued)
    }
}

/// The parameters of a form in the body; none when the body is something else.
pub fn body_pairs(request: &Request) -> Vec<(String, String)> {
    let kind = request.header("content-type").and_then(|kind| kind.split(';').next()).map(str::trim);
    if !kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")) {
        return Vec::new();
    }
    url::form_urlencoded::parse(&request.body).into_owned().collect()
}

/// The parameters of the query, in the order sent, repeated ones too.
pub fn query_pairs(request: &Request) -> Vec<(String, String)> {
    url::form_urlencoded::parse(request.query_text.as_bytes()).into_owned().collect()
}

/// The token that a request bears, wherever the platforms have it: in the header, in the query or in the form.
pub(super) fn token_in(request: &Request) -> Option<String> {
    let header = request.header("authorization");
    if let Some(pairs) = header.and_then(v1::header_pairs) {
        return pairs.into_iter().find(|(name, _)| name == "oauth_token").map(|(_, token)| token);
    }
    let in_header = header.and_then(|header| header.split_once(' '));
    match in_header {
        Some((scheme, token)) if !scheme.eq_ignore_ascii_case("basic") => Some(token.trim().to_owned()),
        _ => {
            let mut pairs = query_pairs(request).into_iter().chain(body_pairs(request));
            pairs.find(|(name, _)| matches!(name.as_str(), "access_token" | "oauth_token")).map(|(_, token)| token)
        }
    }
}

/// The parameters by name.
///
/// - errors: the name of one that is there twice.
fn unique(pairs: Vec<(String, String)>) -> Result<BTreeMap<String, String>, String> {
    let mut form = BTreeMap::new();
    for (name, value) in pairs {
        if form.contains_key(&name) {
            return Err(name);
        }
        form.insert(name, value);
    }
    Ok(form)
}

/// What a person answered on the page: the id of who they are, or no.
enum Consent {
    Given(String),
    Denied,
    /// Not asked yet.
    Open,
}

/// The answer that a request to the page already holds: `user=<handle>` or `deny=1`.
///
/// - errors: the page that says that nobody bears this handle.
fn consent(world: &World, platform: Platform, form: &BTreeMap<String, String>) -> Result<Consent, Reply> {
    if form.get("deny").is_some_and(|deny| deny == "1") {
        return Ok(Consent::Denied);
    }
    let Some(name) = form.get("user") else { return Ok(Consent::Open) };
    match world.user(platform, name) {
        Ok(user) => Ok(Consent::Given(user.id.clone())),
        Err(missing) => Err(sorry(&missing.to_string())),
    }
}

/// The page on which a person chooses who they are: one button for each user, and one to refuse.
fn page(world: &World, platform: Platform, app: &App, asked: &[String], form: &BTreeMap<String, String>) -> Reply {
    let hidden: String = form
        .iter()
        .map(|(name, value)| format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escaped(name), escaped(value)))
        .collect();
    let buttons: String = world
        .users
        .iter()
        .filter(|user| user.platform == platform)
        .map(|user| {
            let handle = escaped(&user.handle);
            format!("<p><button name=\"user\" value=\"{handle}\">Continue as {handle}</button></p>")
        })
        .collect();
    let wishes = if asked.is_empty() { "to know who you are".to_owned() } else { escaped(&asked.join(", ")) };
    let (client, platform) = (escaped(&app.id), platform.slug());
    Reply::html(
        200,
        &format!(
            "<!DOCTYPE html><html lang=\"en\"><title>Sandbox: sign in at {platform}</title><h1>{platform}</h1>\
             <p>{client} asks: {wishes}.</p><form method=\"get\">{hidden}{buttons}\
             <p><button name=\"deny\" value=\"1\">Refuse</button></p></form></html>"
        ),
    )
}

/// A page for what must not be answered by sending the person away.
fn sorry(text: &str) -> Reply {
    Reply::html(400, &format!("<!DOCTYPE html><html lang=\"en\"><title>Sandbox</title><p>{}</p></html>", escaped(text)))
}

/// Sends the person on; what the address has as a query stays.
fn redirect(to: &Url, pairs: &[(&str, &str)]) -> Reply {
    let mut to = to.clone();
    to.query_pairs_mut().extend_pairs(pairs);
    let mut reply = Reply::empty(302);
    reply.header("location", to.as_str());
    reply
}

/// A form as reply, as RFC 5849 and some token addresses give.
pub fn form_reply(status: u16, pairs: &[(&str, &str)]) -> Reply {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let mut reply = Reply { status, body: body.into_bytes(), ..Reply::default() };
    reply.header("content-type", "application/x-www-form-urlencoded");
    reply
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_button_for_each_user_of_the_platform_and_escapes_what_it_shows() {
        let mut world = World::new();
        world.add_user(Platform::Vimeo, "mira");
        world.add_user(Platform::Flickr, "nils");
        let form = [("state".to_owned(), "\"><script>".to_owned())].into();
        let app = world.doors.app(Platform::Vimeo, CLIENT_ID).unwrap();
        let shown = String::from_utf8(page(&world, Platform::Vimeo, &app, &[], &form).body).unwrap();
        assert!(shown.contains("value=\"mira\"") && shown.contains("name=\"deny\""), "{shown}");
        assert!(!shown.contains("nils") && !shown.contains("<script>"), "{shown}");
    }

    #[test]
    fn the_token_of_a_request_is_found_wherever_it_stands() {
        let check = |header: Option<&str>, query: &str, expected: Option<&str>| {
            let headers = header.map(|value| ("authorization".to_owned(), value.to_owned())).into_iter().collect();
            let request = Request { headers, query_text: query.into(), ..Request::default() };
            assert_eq!(token_in(&request).as_deref(), expected, "{header:?} {query}");
        };
        check(Some("Bearer b"), "", Some("b"));
        check(Some("OAuth s-1"), "", Some("s-1"));
        check(Some("OAuth oauth_consumer_key=\"c\", oauth_token=\"t%20x\""), "", Some("t x"));
        check(Some("OAuth oauth_consumer_key=\"c\""), "access_token=q", None);
        check(Some("Basic YTpi"), "", None);
        check(None, "count=2&access_token=q", Some("q"));
        check(None, "", None);
    }

    #[test]
    fn a_form_is_read_only_where_the_body_says_that_it_is_one() {
        let mut request = Request { body: b"a=1+2&a=3".to_vec(), ..Request::default() };
        assert_eq!(body_pairs(&request), []);
        request.headers.insert("content-type".into(), "application/x-www-form-urlencoded; charset=utf-8".into());
        assert_eq!(body_pairs(&request).len(), 2);
        assert_eq!(unique(body_pairs(&request)), Err("a".to_owned()));
    }
}
