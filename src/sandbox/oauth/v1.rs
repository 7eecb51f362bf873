//! OAuth 1.0a as a server: request tokens, access tokens, and the signature of every request.
//!
//! Owns the rules of RFC 5849 for HMAC-SHA1. A request counts when its signature fits the parameters of header, query
//! and form together, its time is near, and its nonce is new (sections 3.2 and 3.3).

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use super::v2::Bearer;
use super::{
    App, CODE_LIFE, Clock, Consent, body_pairs, consent, form_reply, page, query_pairs, redirect, sorry, unique,
};
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;
use crate::sandbox::model::{Token, TokenKind, World};
use crate::sandbox::reply::{Reply, Request, decoded};

/// A callback of those who cannot be sent back: section 2.1.
const OUT_OF_BAND: &str = "oob";

/// How one platform's door works. Begin with [`Rules::standard`] and say what differs.
pub struct Rules {
    pub platform: Platform,
    /// How far the time of a request may be from ours, in either direction.
    pub window: Duration,
    /// By which parameter a refusal comes back: `denied` with the request token, `oauth_problem` with `user_refused`.
    pub denied_by: &'static str,
    /// What the reply with an access token holds beside it, for the id of a user.
    pub extra: fn(&World, &str) -> Vec<(String, String)>,
    /// The reply to a request that does not count.
    pub problem: fn(&Problem) -> Reply,
}

impl Rules {
    pub const fn standard(platform: Platform) -> Rules {
        Rules {
            platform,
            window: Duration::from_secs(300),
            denied_by: "denied",
            extra: |_, _| Vec::new(),
            problem: standard_problem,
        }
    }
}

/// A sign-in that is under way.
#[derive(Clone, Debug)]
pub struct RequestToken {
    client: String,
    secret: String,
    callback: String,
    expires_at: Timestamp,
    /// The verifier and who gave it.
    allowed: Option<(String, String)>,
}

/// Section 3.3: unique together with the client, the token and the time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nonce {
    timestamp: i64,
    client: String,
    token: String,
    nonce: String,
}

/// Why a request does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Section 3.2: 400.
    ParameterAbsent(&'static str),
    ParameterRejected,
    SignatureMethodRejected,
    /// From here on: 401.
    ConsumerKeyUnknown,
    TokenUnknown,
    TokenRevoked,
    TokenExpired,
    TokenUsed,
    VerifierInvalid,
    TimestampRefused,
    NonceUsed,
    SignatureInvalid,
}

impl Problem {
    pub const fn status(self) -> u16 {
        match self {
            Problem::ParameterAbsent(_) | Problem::ParameterRejected | Problem::SignatureMethodRejected => 400,
            _ => 401,
        }
    }

    /// The word of the problem-reporting extension.
    pub const fn word(self) -> &'static str {
        match self {
            Problem::ParameterAbsent(_) => "parameter_absent",
            Problem::ParameterRejected => "parameter_rejected",
            Problem::SignatureMethodRejected => "signature_method_rejected",
            Problem::ConsumerKeyUnknown => "consumer_key_unknown",
            Problem::TokenUnknown => "token_rejected",
            Problem::TokenRevoked => "token_revoked",
            Problem::TokenExpired => "token_expired",
            Problem::TokenUsed => "token_used",
            Problem::VerifierInvalid => "verifier_invalid",
            Problem::TimestampRefused => "timestamp_refused",
            Problem::NonceUsed => "nonce_used",
            Problem::SignatureInvalid => "signature_invalid",
        }
    }
}

/// The problem as a form, the way most servers reported it.
pub fn standard_problem(problem: &Problem) -> Reply {
    let mut pairs = vec![("oauth_problem", problem.word())];
    if let Problem::ParameterAbsent(name) = problem {
        pairs.push(("oauth_parameters_absent", name));
    }
    let mut reply = form_reply(problem.status(), &pairs);
    reply.header("www-authenticate", "OAuth realm=\"sandbox\"");
    reply
}

/// `POST request_token`: section 2.1.
pub fn request_token(world: &mut World, request: &Request, rules: &Rules) -> Reply {
    let parameters = match signed_parameters(world, request, rules, |_, token| match token {
        // The example of section 1.2 has no token here; some clients send an empty one.
        None | Some("") => Ok(String::new()),
        Some(_) => Err(Problem::ParameterRejected),
    }) {
        Ok(parameters) => parameters,
        Err(problem) => return (rules.problem)(&problem),
    };
    let Some(callback) = parameters.get("oauth_callback") else {
        return (rules.problem)(&Problem::ParameterAbsent("oauth_callback"));
    };
    let app = world.doors.app(rules.platform, &parameters["oauth_consumer_key"]).expect("it has just signed");
    let is_allowed = callback == OUT_OF_BAND
        || Url::parse(callback).is_ok_and(|url| url.has_host())
            && (app.redirect_uris.is_empty() || app.redirect_uris.contains(callback));
    if !is_allowed {
        return (rules.problem)(&Problem::ParameterRejected);
    }
    let text = world.doors.fresh(rules.platform, "request");
    let secret = world.doors.fresh(rules.platform, "request-secret");
    let token = RequestToken {
        client: app.id,
        secret: secret.clone(),
        callback: callback.clone(),
        expires_at: world.now.plus(CODE_LIFE),
        allowed: None,
    };
    world.doors.request_tokens.insert((rules.platform, text.clone()), token);
    form_reply(200, &[("oauth_token", &text), ("oauth_token_secret", &secret), ("oauth_callback_confirmed", "true")])
}

/// The address that people are sent to: section 2.2.
pub fn authorize(world: &mut World, request: &Request, rules: &Rules) -> Reply {
    let form = match unique(query_pairs(request)) {
        Ok(form) => form,
        Err(name) => return sorry(&format!("`{name}` is there twice")),
    };
    let text = form.get("oauth_token").cloned().unwrap_or_default();
    let key = (rules.platform, text.clone());
    let now = world.now;
    let known = world.doors.request_tokens.get(&key).filter(|token| now < token.expires_at && token.allowed.is_none());
    let Some(token) = known.cloned() else { return sorry("this sign-in is over; begin again") };
    let back = Url::parse(&token.callback).ok();
    match consent(world, rules.platform, &form) {
        Err(page) => page,
        Ok(Consent::Open) => {
            let app = App { id: token.client, secret: None, redirect_uris: Vec::new() };
            page(world, rules.platform, &app, &[], &form)
        }
        Ok(Consent::Denied) => {
            world.doors.request_tokens.remove(&key);
            let value = if rules.denied_by == "denied" { text.as_str() } else { "user_refused" };
            match back {
                Some(back) => redirect(&back, &[(rules.denied_by, value)]),
                None => sorry("You refused"),
            }
        }
        Ok(Consent::Given(user)) => {
            let verifier = world.doors.fresh(rules.platform, "verifier");
            let allowed = RequestToken { allowed: Some((verifier.clone(), user)), ..token };
            world.doors.request_tokens.insert(key, allowed);
            match back {
                Some(back) => redirect(&back, &[("oauth_token", &text), ("oauth_verifier", &verifier)]),
                None => Reply::html(200, &format!("<!DOCTYPE html><p>Your code is <b>{verifier}</b></p>")),
            }
        }
    }
}

/// `POST access_token`: section 2.3.
pub fn access_token(world: &mut World, request: &Request, rules: &Rules) -> Reply {
    match exchange(world, request, rules) {
        Ok(pairs) => {
            form_reply(200, &pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>())
        }
        Err(problem) => (rules.problem)(&problem),
    }
}

fn exchange(world: &mut World, request: &Request, rules: &Rules) -> Result<Vec<(String, String)>, Problem> {
    let parameters = signed_parameters(world, request, rules, |world, token| {
        let text = token.ok_or(Problem::ParameterAbsent("oauth_token"))?;
        let known = world.doors.request_tokens.get(&(rules.platform, text.to_owned()));
        // One that was exchanged is gone, and cannot be told from one that never was.
        Ok(known.ok_or(Problem::TokenUnknown)?.secret.clone())
    })?;
    let key = (rules.platform, parameters["oauth_token"].clone());
    let token = world.doors.request_tokens.get(&key).cloned().ok_or(Problem::TokenUsed)?;
    if token.client != parameters["oauth_consumer_key"] {
        return Err(Problem::TokenUnknown);
    }
    if world.now >= token.expires_at {
        return Err(Problem::TokenExpired);
    }
    let verifier = parameters.get("oauth_verifier").ok_or(Problem::ParameterAbsent("oauth_verifier"))?;
    let Some((_, user)) = token.allowed.filter(|(expected, _)| expected == verifier) else {
        return Err(Problem::VerifierInvalid);
    };
    world.doors.request_tokens.remove(&key);
    let text = world.doors.fresh(rules.platform, "token");
    let secret = world.doors.fresh(rules.platform, "token-secret");
    let granted = Token { client: token.client, ..Token::signed(&user, &secret) };
    world.tokens.insert((rules.platform, text.clone()), granted);
    let mut pairs = vec![("oauth_token".to_owned(), text), ("oauth_token_secret".to_owned(), secret)];
    pairs.extend((rules.extra)(world, &user));
    Ok(pairs)
}

/// In whose name a signed request comes: of a person, or of an app alone when it names no token.
pub fn verify(world: &mut World, request: &Request, rules: &Rules) -> Result<Bearer, Problem> {
    let platform = rules.platform;
    let parameters = signed_parameters(world, request, rules, |world, token| match token {
        None | Some("") => Ok(String::new()),
        Some(text) => {
            let known = world.tokens.get(&(platform, text.to_owned())).filter(|it| it.kind == TokenKind::Signed);
            let known = known.ok_or(Problem::TokenUnknown)?;
            Ok(known.secret.clone().unwrap_or_default())
        }
    })?;
    let client = parameters["oauth_consumer_key"].clone();
    match parameters.get("oauth_token").filter(|text| !text.is_empty()) {
        None => Ok(Bearer::of(&Token { client, kind: TokenKind::App, user: None, ..Token::of("") })),
        Some(text) => {
            let token = &world.tokens[&(platform, text.clone())];
            if token.is_revoked {
                Err(Problem::TokenRevoked)
            } else if token.expires_at.is_some_and(|end| world.now >= end) {
                Err(Problem::TokenExpired)
            } else if token.client != client {
                Err(Problem::TokenUnknown)
            } else {
                Ok(Bearer::of(token))
            }
        }
    }
}

/// Whether a request bears an OAuth 1.0a signature at all, wherever it stands: section 3.5.
pub fn is_signed(request: &Request) -> bool {
    let is_in_header = request.header("authorization").and_then(header_pairs).is_some();
    is_in_header || query_pairs(request).iter().chain(&body_pairs(request)).any(|(name, _)| name == "oauth_signature")
}

/// The protocol parameters of a request whose signature, time and nonce are good.
///
/// - `secret_of`: the secret of the token that the request names.
fn signed_parameters(
    world: &mut World,
    request: &Request,
    rules: &Rules,
    secret_of: impl Fn(&World, Option<&str>) -> Result<String, Problem>,
) -> Result<BTreeMap<String, String>, Problem> {
    let mut pairs = request.header("authorization").and_then(header_pairs).unwrap_or_default();
    pairs.extend(query_pairs(request));
    pairs.extend(body_pairs(request));
    let protocol: Vec<(String, String)> =
        pairs.iter().filter(|(name, _)| name.starts_with("oauth_")).cloned().collect();
    let protocol = unique(protocol).map_err(|_| Problem::ParameterRejected)?;
    let needed = |name: &'static str| protocol.get(name).ok_or(Problem::ParameterAbsent(name));
    let (key, signature) = (needed("oauth_consumer_key")?, needed("oauth_signature")?);
    if needed("oauth_signature_method")? != "HMAC-SHA1" {
        return Err(Problem::SignatureMethodRejected);
    }
    if protocol.get("oauth_version").is_some_and(|version| version != "1.0") {
        return Err(Problem::ParameterRejected);
    }
    let (timestamp, nonce) = (needed("oauth_timestamp")?, needed("oauth_nonce")?);
    let timestamp: i64 = timestamp.parse().ok().filter(|it| *it > 0).ok_or(Problem::ParameterRejected)?;
    let app = world.doors.app(rules.platform, key).ok_or(Problem::ConsumerKeyUnknown)?;
    let token = protocol.get("oauth_token");
    let token_secret = secret_of(world, token.map(String::as_str))?;
    let base = base_string(request, &pairs);
    let key = format!("{}&{}", encoded(app.secret.as_deref().unwrap_or_default()), encoded(&token_secret));
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes());
    let shown = STANDARD.decode(signature).map_err(|_| Problem::SignatureInvalid)?;
    hmac::verify(&key, base.as_bytes(), &shown).map_err(|_| Problem::SignatureInvalid)?;
    // Only what is truly signed may use up a nonce.
    let now = match world.doors.clock {
        Clock::Virtual => world.now.seconds(),
        Clock::Wall => wall_seconds(),
    };
    let window = i64::try_from(rules.window.as_secs()).expect("windows are minutes");
    if (timestamp - now).abs() > window {
        return Err(Problem::TimestampRefused);
    }
    let nonce = Nonce { timestamp, client: app.id, token: token.cloned().unwrap_or_default(), nonce: nonce.clone() };
    let nonces = &mut world.doors.nonces;
    // One whose time is over is refused for that.
    nonces.retain(|(platform, known)| *platform != rules.platform || known.timestamp >= now - window);
    if nonces.insert((rules.platform, nonce)) { Ok(protocol) } else { Err(Problem::NonceUsed) }
}

fn wall_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock stands after 1970");
    i64::try_from(since.as_secs()).expect("the clock stands before the end of time")
}

/// Section 3.5.1. `None` for a header of another scheme.
pub(super) fn header_pairs(header: &str) -> Option<Vec<(String, String)>> {
    let (scheme, rest) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("oauth") || !rest.contains('=') {
        return None;
    }
    let pair = |part: &str| {
        let (name, value) = part.trim().split_once('=')?;
        let value = value.trim().strip_prefix('"')?.strip_suffix('"')?;
        Some((decoded(name.trim()), decoded(value)))
    };
    rest.split(',').map(pair).collect()
}

/// Section 3.4.1.
fn base_string(request: &Request, pairs: &[(String, String)]) -> String {
    let mut sorted: Vec<(String, String)> = pairs
        .iter()
        .filter(|(name, _)| name != "oauth_signature" && name != "realm")
        .map(|(name, value)| (encoded(name), encoded(value)))
        .collect();
    sorted.sort();
    let normal: Vec<String> = sorted.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let address = encoded(&base_address(request));
    format!("{}&{address}&{}", request.method.to_ascii_uppercase(), encoded(&normal.join("&")))
}

/// Section 3.4.1.2: scheme and host in lower case, no usual port, the path as it was sent.
fn base_address(request: &Request) -> String {
    let (scheme, rest) = request.base.split_once("://").unwrap_or(("http", &request.base));
    let (host, prefix) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let (scheme, host) = (scheme.to_ascii_lowercase(), host.to_ascii_lowercase());
    let usual = if scheme == "https" { ":443" } else { ":80" };
    let host = host.strip_suffix(usual).unwrap_or(&host);
    format!("{scheme}://{host}{prefix}{}", request.path)
}

/// Section 3.6.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
#[path = "v1_tests.rs"]
mod tests;
