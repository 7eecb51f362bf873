//! OAuth 2 as a server: codes, tokens, refresh tokens, and who a bearer token belongs to.
//!
//! Owns the rules of RFC 6749 (sections 4.1, 4.4, 5 and 6) and RFC 7636; what a platform does in its own way is a field
//! of [`Rules`]. A code is good once: a second use ends what the first one gave (section 4.1.2).

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use url::Url;

use super::{App, CODE_LIFE, Consent, consent, page, query_pairs, redirect, sorry, unique};
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;
use crate::sandbox::model::{Token, TokenKind, World};
use crate::sandbox::reply::{Reply, Request, decoded};

/// Whether a proof key is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pkce {
    Required,
    Optional,
    /// The platform is older than proof keys and overlooks them.
    Ignored,
}

/// Where a client shows its secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    Basic,
    Body,
    Either,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    None,
    Reusable,
    /// Each one is good once; the reply brings the next.
    SingleUse,
}

/// How one platform's door works. Begin with [`Rules::standard`] and say what differs.
pub struct Rules {
    pub platform: Platform,
    pub pkce: Pkce,
    pub client_auth: ClientAuth,
    pub expires_in: Option<Duration>,
    pub refresh: Refresh,
    /// A refresh token comes only with this scope.
    pub refresh_scope: Option<&'static str>,
    /// Whether an app gets a token for itself (`client_credentials`).
    pub has_app_tokens: bool,
    /// Those that exist; empty where there are none or any is taken.
    pub scopes: &'static [&'static str],
    /// Granted when none is asked for.
    pub default_scopes: &'static [&'static str],
    /// Beside a space.
    pub scope_separator: char,
    /// The reply that holds a token.
    pub token: fn(&World, &Request, &Issued) -> Reply,
    /// The reply of the token address that refuses.
    pub problem: fn(&Request, &Problem) -> Reply,
}

impl Rules {
    /// RFC 6749 to the letter; tokens last an hour and are renewed.
    pub const fn standard(platform: Platform) -> Rules {
        Rules {
            platform,
            pkce: Pkce::Optional,
            client_auth: ClientAuth::Either,
            expires_in: Some(Duration::from_secs(3_600)),
            refresh: Refresh::Reusable,
            refresh_scope: None,
            has_app_tokens: false,
            scopes: &[],
            default_scopes: &[],
            scope_separator: ' ',
            token: standard_token,
            problem: standard_problem,
        }
    }

    fn scopes_in(&self, text: Option<&String>) -> Result<Vec<String>, Problem> {
        let separators = [' ', self.scope_separator];
        let asked: Vec<String> = text
            .map(|text| text.split(separators).filter(|scope| !scope.is_empty()).map(str::to_owned).collect())
            .unwrap_or_default();
        if let Some(unknown) = asked.iter().find(|it| !self.scopes.is_empty() && !self.scopes.contains(&it.as_str())) {
            return Err(Problem::new(400, "invalid_scope", format!("there is no scope `{unknown}`")));
        }
        let default = || self.default_scopes.iter().map(|scope| (*scope).to_owned()).collect();
        Ok(if asked.is_empty() { default() } else { asked })
    }
}

/// What a person allowed, until the app comes for it.
#[derive(Clone, Debug)]
pub struct Code {
    client: String,
    redirect_uri: String,
    user: String,
    scopes: Vec<String>,
    challenge: Option<(String, bool)>,
    expires_at: Timestamp,
    is_used: bool,
}

/// What the token address gives out.
#[derive(Clone, Debug)]
pub struct Issued {
    pub access_token: String,
    pub refresh_token: Option<String>,
    pub expires_in: Option<Duration>,
    pub scopes: Vec<String>,
    /// The id of the person; `None` for a token of the app itself.
    pub user: Option<String>,
    pub client: String,
}

/// Why the token address refuses: RFC 6749, section 5.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub status: u16,
    pub error: &'static str,
    pub description: String,
}

impl Problem {
    fn new(status: u16, error: &'static str, description: impl Into<String>) -> Problem {
        Problem { status, error, description: description.into() }
    }
}

/// The reply of RFC 6749, section 5.1.
pub fn standard_token(_: &World, _: &Request, issued: &Issued) -> Reply {
    let mut body = json!({ "access_token": issued.access_token, "token_type": "bearer" });
    if let Some(expires_in) = issued.expires_in {
        body["expires_in"] = json!(expires_in.as_secs());
    }
    if let Some(refresh) = &issued.refresh_token {
        body["refresh_token"] = json!(refresh);
    }
    if !issued.scopes.is_empty() {
        body["scope"] = json!(issued.scopes.join(" "));
    }
    Reply::json(200, &body)
}

/// The reply of RFC 6749, section 5.2.
pub fn standard_problem(request: &Request, problem: &Problem) -> Reply {
    let body = json!({ "error": problem.error, "error_description": problem.description });
    let mut reply = Reply::json(problem.status, &body);
    if problem.status == 401 && request.header("authorization").is_some() {
        reply.header("www-authenticate", "Basic realm=\"sandbox\"");
    }
    reply
}

/// The address that people are sent to: asks them, and sends them back with a code or with their refusal.
pub fn authorize(world: &mut World, request: &Request, rules: &Rules) -> Reply {
    let form = match unique(query_pairs(request)) {
        Ok(form) => form,
        Err(name) => return sorry(&format!("`{name}` is there twice")),
    };
    // Section 4.1.2.1: who asks and where to send people must be right before anybody is sent anywhere.
    let Some(app) = form.get("client_id").and_then(|id| world.doors.app(rules.platform, id)) else {
        return sorry("no app has this client_id");
    };
    let wanted = form.get("redirect_uri").map(String::as_str).unwrap_or_default();
    let back = match Url::parse(wanted) {
        Ok(back) if back.fragment().is_none() && back.has_host() => back,
        _ => return sorry("redirect_uri is not an address to go back to"),
    };
    if !app.redirect_uris.is_empty() && !app.redirect_uris.iter().any(|known| known == wanted) {
        return sorry("redirect_uri is not one of the app's");
    }
    let state = form.get("state").map(String::as_str);
    let return_with = |pairs: &[(&str, &str)]| {
        let state = state.map(|state| ("state", state));
        redirect(&back, &pairs.iter().copied().chain(state).collect::<Vec<_>>())
    };
    let (scopes, challenge) = match asked(&form, rules) {
        Ok(asked) => asked,
        Err(problem) => return return_with(&[("error", problem.error), ("error_description", &problem.description)]),
    };
    match consent(world, rules.platform, &form) {
        Err(page) => page,
        Ok(Consent::Open) => page(world, rules.platform, &app, &scopes, &form),
        Ok(Consent::Denied) => {
            return_with(&[("error", "access_denied"), ("error_description", "The resource owner denied the request")])
        }
        Ok(Consent::Given(user)) => {
            let text = world.doors.fresh(rules.platform, "code");
            let code = Code {
                client: app.id,
                redirect_uri: wanted.to_owned(),
                user,
                scopes,
                challenge,
                expires_at: world.now.plus(CODE_LIFE),
                is_used: false,
            };
            world.doors.codes.insert((rules.platform, text.clone()), code);
            return_with(&[("code", &text)])
        }
    }
}

/// A challenge, and whether it is a digest (`S256`) of the proof key.
type Challenge = Option<(String, bool)>;

fn asked(form: &BTreeMap<String, String>, rules: &Rules) -> Result<(Vec<String>, Challenge), Problem> {
    if form.get("response_type").is_none_or(|kind| kind != "code") {
        return Err(Problem::new(400, "unsupported_response_type", "only `code` is supported"));
    }
    let scopes = rules.scopes_in(form.get("scope"))?;
    let method = form.get("code_challenge_method").map(String::as_str);
    let challenge = match (rules.pkce, form.get("code_challenge"), method) {
        (Pkce::Ignored, ..) => None,
        (Pkce::Required, None, _) => return Err(Problem::new(400, "invalid_request", "code_challenge is required")),
        (_, None, _) => None,
        (_, Some(challenge), Some("S256")) => Some((challenge.clone(), true)),
        (_, Some(challenge), Some("plain") | None) => Some((challenge.clone(), false)),
        (_, Some(_), Some(_)) => return Err(Problem::new(400, "invalid_request", "unknown code_challenge_method")),
    };
    if let Some((challenge, _)) = &challenge
        && !is_proof_key(challenge)
    {
        return Err(Problem::new(400, "invalid_request", "code_challenge has the wrong form"));
    }
    Ok((scopes, challenge))
}

/// RFC 7636, section 4.1: 43 to 128 unreserved characters.
fn is_proof_key(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    (43..=128).contains(&text.len()) && text.bytes().all(is_allowed)
}

/// The token address.
pub fn token(world: &mut World, request: &Request, rules: &Rules) -> Reply {
    let mut reply = match exchange(world, request, rules) {
        Ok(issued) => (rules.token)(world, request, &issued),
        Err(problem) => (rules.problem)(request, &problem),
    };
    reply.header("cache-control", "no-store");
    reply
}

fn exchange(world: &mut World, request: &Request, rules: &Rules) -> Result<Issued, Problem> {
    if request.method != "POST" {
        return Err(Problem::new(405, "invalid_request", "the token address takes POST"));
    }
    let form = unique(super::body_pairs(request))
        .map_err(|name| Problem::new(400, "invalid_request", format!("`{name}` is there twice")))?;
    let app = client(world, request, &form, rules)?;
    match form.get("grant_type").map(String::as_str) {
        Some("authorization_code") => by_code(world, &form, &app, rules),
        Some("refresh_token") => by_refresh_token(world, &form, &app, rules),
        Some("client_credentials") if rules.has_app_tokens && app.secret.is_some() => {
            let scopes = rules.scopes_in(form.get("scope"))?;
            Ok(issue(world, rules, &app, None, scopes, None))
        }
        // GitHub's address predates the parameter: a code alone will do.
        None if form.contains_key("code") => by_code(world, &form, &app, rules),
        None => Err(Problem::new(400, "invalid_request", "grant_type is missing")),
        Some(_) => Err(Problem::new(400, "unsupported_grant_type", "this platform does not give tokens that way")),
    }
}

/// Section 2.3.1: which app asks, by its secret.
fn client(world: &World, request: &Request, form: &BTreeMap<String, String>, rules: &Rules) -> Result<App, Problem> {
    let wrong = |why: &str| Problem::new(401, "invalid_client", why);
    let basic = match request.header("authorization").map(basic_credentials) {
        Some(None) => return Err(wrong("the Authorization header is not Basic")),
        Some(found) => found,
        None => None,
    };
    let (id, secret) = match (basic, form.get("client_secret")) {
        (Some(_), Some(_)) => return Err(Problem::new(400, "invalid_request", "the secret is shown twice")),
        (Some(_), None) if rules.client_auth == ClientAuth::Body => {
            return Err(wrong("this platform wants client_id and client_secret in the body"));
        }
        (None, Some(_)) if rules.client_auth == ClientAuth::Basic => {
            return Err(wrong("this platform wants the client in the Authorization header"));
        }
        (Some((id, secret)), None) if form.get("client_id").is_none_or(|other| *other == id) => (id, Some(secret)),
        (Some(_), None) => return Err(wrong("client_id differs from the header's")),
        (None, secret) => {
            let id = form.get("client_id").ok_or_else(|| wrong("no client_id"))?;
            (id.clone(), secret.cloned())
        }
    };
    match world.doors.app(rules.platform, &id) {
        Some(app) if app.secret == secret => Ok(app),
        _ => Err(wrong("client_id and client_secret do not fit an app")),
    }
}

/// Both halves are form-encoded before they are joined: section 2.3.1 and appendix B.
fn basic_credentials(header: &str) -> Option<(String, String)> {
    let (scheme, text) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(text.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let plain = |half: &str| decoded(&half.replace('+', " "));
    Some((plain(id), plain(secret)))
}

fn by_code(world: &mut World, form: &BTreeMap<String, String>, app: &App, rules: &Rules) -> Result<Issued, Problem> {
    let refused = |why: &str| Problem::new(400, "invalid_grant", why);
    let text = form.get("code").ok_or_else(|| Problem::new(400, "invalid_request", "code is missing"))?;
    let now = world.now;
    let Some(code) = world.doors.codes.get_mut(&(rules.platform, text.clone())) else {
        return Err(refused("there is no such code"));
    };
    if code.client != app.id {
        return Err(refused("the code was given to another client"));
    }
    if std::mem::replace(&mut code.is_used, true) {
        revoke_grant(world, rules.platform, text);
        return Err(refused("the code was used before"));
    }
    if now >= code.expires_at {
        return Err(refused("the code has expired"));
    }
    if form.get("redirect_uri").is_none_or(|uri| *uri != code.redirect_uri) {
        return Err(refused("redirect_uri differs from the one at the beginning"));
    }
    let verifier = form.get("code_verifier").filter(|_| rules.pkce != Pkce::Ignored);
    let is_proved = match (&code.challenge, verifier) {
        (None, None) => true,
        (Some((challenge, false)), Some(verifier)) => is_proof_key(verifier) && verifier == challenge,
        (Some((challenge, true)), Some(verifier)) => {
            let digest = digest::digest(&digest::SHA256, verifier.as_bytes());
            is_proof_key(verifier) && URL_SAFE_NO_PAD.encode(digest) == *challenge
        }
        _ => false,
    };
    if !is_proved {
        return Err(refused("code_verifier does not prove the challenge"));
    }
    let (user, scopes) = (code.user.clone(), code.scopes.clone());
    Ok(issue(world, rules, app, Some(user), scopes, Some(text.clone())))
}

fn by_refresh_token(
    world: &mut World,
    form: &BTreeMap<String, String>,
    app: &App,
    rules: &Rules,
) -> Result<Issued, Problem> {
    let refused = |why: &str| Problem::new(400, "invalid_grant", why);
    if rules.refresh == Refresh::None {
        return Err(Problem::new(400, "unsupported_grant_type", "tokens are not renewed here"));
    }
    let text =
        form.get("refresh_token").ok_or_else(|| Problem::new(400, "invalid_request", "refresh_token is missing"))?;
    let key = (rules.platform, text.clone());
    let known = world.tokens.get(&key).filter(|token| token.kind == TokenKind::Refresh && !token.is_revoked).cloned();
    let Some(known) = known else { return Err(refused("the refresh token is not good, or not any more")) };
    if known.client != app.id {
        return Err(refused("the refresh token was given to another client"));
    }
    let before = known.scopes.clone().unwrap_or_default();
    let scopes = match form.get("scope") {
        None => before,
        some => {
            let narrower = rules.scopes_in(some)?;
            if narrower.iter().any(|scope| !before.contains(scope)) {
                return Err(Problem::new(400, "invalid_scope", "more than was granted"));
            }
            narrower
        }
    };
    if rules.refresh == Refresh::SingleUse {
        world.tokens.remove(&key);
    }
    let mut issued = issue(world, rules, app, known.user, scopes, known.grant);
    if rules.refresh == Refresh::Reusable {
        // Section 6: the old one goes on, so no new one is handed out.
        if let Some(unused) = issued.refresh_token.take() {
            world.tokens.remove(&(rules.platform, unused));
        }
    }
    Ok(issued)
}

fn issue(
    world: &mut World,
    rules: &Rules,
    app: &App,
    user: Option<String>,
    scopes: Vec<String>,
    grant: Option<String>,
) -> Issued {
    let platform = rules.platform;
    let base = Token {
        user: user.clone(),
        client: app.id.clone(),
        kind: if user.is_some() { TokenKind::Access } else { TokenKind::App },
        secret: None,
        scopes: Some(scopes.clone()),
        expires_at: rules.expires_in.map(|life| world.now.plus(life)),
        is_revoked: false,
        grant,
    };
    let is_renewed = rules.refresh != Refresh::None
        && user.is_some()
        && rules.refresh_scope.is_none_or(|needed| scopes.iter().any(|scope| scope == needed));
    let refresh_token = is_renewed.then(|| world.doors.fresh(platform, "refresh"));
    if let Some(text) = &refresh_token {
        let token = Token { kind: TokenKind::Refresh, expires_at: None, ..base.clone() };
        world.tokens.insert((platform, text.clone()), token);
    }
    let access_token = world.doors.fresh(platform, "access");
    world.tokens.insert((platform, access_token.clone()), base);
    Issued { access_token, refresh_token, expires_in: rules.expires_in, scopes, user, client: app.id.clone() }
}

fn revoke_grant(world: &mut World, platform: Platform, grant: &str) {
    for ((of, _), token) in &mut world.tokens {
        if *of == platform && token.grant.as_deref() == Some(grant) {
            token.is_revoked = true;
        }
    }
}

/// In whose name a request comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// `None` for an app by itself.
    pub user: Option<String>,
    pub client: String,
    scopes: Option<Vec<String>>,
}

impl Bearer {
    pub(super) fn of(token: &Token) -> Bearer {
        Bearer { user: token.user.clone(), client: token.client.clone(), scopes: token.scopes.clone() }
    }

    /// Whether a scope was granted; a token that was put into the world without scopes has them all.
    pub fn has(&self, scope: &str) -> bool {
        self.scopes.as_ref().is_none_or(|scopes| scopes.iter().any(|it| it == scope))
    }

    /// As granted; empty for a token that has them all.
    pub fn scopes(&self) -> &[String] {
        self.scopes.as_deref().unwrap_or_default()
    }
}

/// Why a token does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFault {
    Unknown,
    Expired,
    Revoked,
}

/// The token in the `Authorization` header under one of these schemes, such as `["bearer"]`.
pub fn token_in<'a>(request: &'a Request, schemes: &[&str]) -> Option<&'a str> {
    let (scheme, token) = request.header("authorization")?.split_once(' ')?;
    schemes.iter().any(|known| scheme.eq_ignore_ascii_case(known)).then(|| token.trim())
}

/// Whose bearer token this is.
pub fn bearer(world: &World, platform: Platform, token: &str) -> Result<Bearer, TokenFault> {
    match world.tokens.get(&(platform, token.to_owned())) {
        Some(token) if !matches!(token.kind, TokenKind::Access | TokenKind::App) => Err(TokenFault::Unknown),
        None => Err(TokenFault::Unknown),
        Some(token) if token.is_revoked => Err(TokenFault::Revoked),
        Some(token) if token.expires_at.is_some_and(|end| world.now >= end) => Err(TokenFault::Expired),
        Some(token) => Ok(Bearer::of(token)),
    }
}

#[cfg(test)]
#[path = "v2_tests.rs"]
mod tests;
