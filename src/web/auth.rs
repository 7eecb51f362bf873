//! Signing in: sessions, set-up links, and the proof that a form is ours.
//!
//! Owns the rules about tokens: 32 random bytes, known to the person alone, kept here only as SHA-256, ended on use or on
//! sign-out. A form is believed when it carries the HMAC of the cookie it came with, and its browser says that one of our
//! own pages sent it. Must not know pages.
//!
//! Sessions live by the real clock, since they are about a browser; set-up links by the clock of whoever made them.

pub mod limit;
pub mod password;

use std::net::IpAddr;
use std::time::Duration;

use actix_web::HttpRequest;
use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::clock::wall_time;
use crate::domain::id::LoginId;
use crate::domain::time::Timestamp;
use crate::federation::Node;
use crate::storage::people::{self, Login, Patron, TokenPurpose};
use crate::storage::{self, Tx};
pub use crate::vault::random_bytes;

/// How long a set-up link can be used.
pub const SETUP_LIFETIME: Duration = Duration::from_secs(3 * 24 * 3_600);

/// What the HMAC in a form is about, so that it can never pass for another use of the same key.
const FORM_CONTEXT: &[u8] = b"fedflattr form";

/// A new token, as it stands in a cookie or a link.
pub fn random_token() -> String {
    URL_SAFE_NO_PAD.encode(random_bytes::<32>())
}

/// What of a token is stored.
fn hash_of(token: &str) -> String {
    hex::encode(digest::digest(&digest::SHA256, token.as_bytes()))
}

/// Makes a one-time link's token for a login: `<base_url>/setup/<token>` sets its password, once.
///
/// - `now`: the instance's own clock ([`Node::now`]); the link expires [`SETUP_LIFETIME`] later.
/// - effects: older links of the login no longer work.
pub fn make_setup_token(tx: &mut Tx, login: LoginId, now: Timestamp) -> Result<String, storage::Error> {
    let token = random_token();
    people::end_tokens_of(tx, login, TokenPurpose::SetUp, now)?;
    people::save_token(tx, &hash_of(&token), login, TokenPurpose::SetUp, now, now.plus(SETUP_LIFETIME))?;
    Ok(token)
}

/// Makes a new link for somebody who lost the password, or fears that another has it.
///
/// - effects: older links no longer work, and every session ends. The password stays until the link is used.
pub fn reset(tx: &mut Tx, login: LoginId, now: Timestamp) -> Result<String, storage::Error> {
    people::end_tokens_of(tx, login, TokenPurpose::Session, wall_time())?;
    make_setup_token(tx, login, now)
}

/// The address that the operator hands to a person.
pub fn setup_url(base_url: &str, token: &str) -> String {
    format!("{base_url}/setup/{token}")
}

/// Whose password a link would set. `None` for a link that is used, expired or never was.
pub fn login_by_setup_token(tx: &mut Tx, token: &str, now: Timestamp) -> Result<Option<Login>, storage::Error> {
    people::login_by_token(tx, &hash_of(token), TokenPurpose::SetUp, now)
}

/// Uses a link up: sets the password and ends every session, since whoever lost a password may have lost a session too.
///
/// - returns: the login, or `None` when the link does not work (any more); then nothing is changed.
pub fn use_setup_token(
    tx: &mut Tx,
    token: &str,
    password_hash: &str,
    now: Timestamp,
) -> Result<Option<Login>, storage::Error> {
    let Some(login) = login_by_setup_token(tx, token, now)? else { return Ok(None) };
    if !people::end_token(tx, &hash_of(token), now)? {
        return Ok(None);
    }
    people::set_password(tx, login.id, password_hash)?;
    people::end_tokens_of(tx, login.id, TokenPurpose::Session, wall_time())?;
    Ok(Some(login))
}

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct Session {
    pub login: Login,
    /// Their side as a patron; an operator may have none.
    pub patron: Option<Patron>,
}

/// Starts a session. Returns the token for the cookie.
pub async fn start_session(node: &Node, login: LoginId) -> Result<String, storage::Error> {
    let token = random_token();
    let hash = hash_of(&token);
    let now = wall_time();
    let expires_at = now.plus(session_lifetime(node));
    node.db
        .write(move |tx| {
            people::delete_ended_tokens(tx, now)?;
            people::save_token(tx, &hash, login, TokenPurpose::Session, now, expires_at)
        })
        .await?;
    Ok(token)
}

/// Whose session a token is.
pub async fn session(node: &Node, token: &str) -> Result<Option<Session>, storage::Error> {
    let hash = hash_of(token);
    node.db
        .read(move |tx| {
            let Some(login) = people::login_by_token(tx, &hash, TokenPurpose::Session, wall_time())? else {
                return Ok(None);
            };
            let patron = people::patron_by_login(tx, login.id)?;
            Ok(Some(Session { login, patron }))
        })
        .await
}

pub async fn end_session(node: &Node, token: &str) -> Result<(), storage::Error> {
    let hash = hash_of(token);
    node.db.write(move |tx| people::end_token(tx, &hash, wall_time())).await?;
    Ok(())
}

fn session_lifetime(node: &Node) -> Duration {
    Duration::from_secs(u64::from(node.config.auth.session_days) * 24 * 3_600)
}

/// The cookies that we set. Both are for us alone; the language is the only one that says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookie {
    Session,
    /// Of a visitor who is not signed in: what the forms before sign-in are bound to.
    Visitor,
    Language,
}

impl Cookie {
    /// With https the prefix makes browsers refuse the cookie from anybody else. Source: RFC 6265bis, 4.1.3.2.
    fn name(self, is_https: bool) -> String {
        let name = match self {
            Cookie::Session => "fedflattr_session",
            Cookie::Visitor => "fedflattr_visitor",
            Cookie::Language => "fedflattr_lang",
        };
        if is_https { format!("__Host-{name}") } else { name.to_owned() }
    }

    /// The value of this cookie in a request.
    pub fn read(self, node: &Node, request: &HttpRequest) -> Option<String> {
        let name = self.name(node.config.server.base_url.is_https());
        let headers = request.headers().get_all("cookie").filter_map(|value| value.to_str().ok());
        let mut pairs = headers.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let value = pairs.find(|(found, _)| *found == name).map(|(_, value)| value.to_owned());
        value.filter(|value| !value.is_empty() && value.len() <= 200)
    }

    /// The `Set-Cookie` header that gives this cookie a value; an empty one removes it.
    pub fn write(self, node: &Node, value: &str) -> String {
        let is_https = node.config.server.base_url.is_https();
        let secure = if is_https { "; Secure" } else { "" };
        let lifetime = match self {
            _ if value.is_empty() => Duration::ZERO,
            Cookie::Session => session_lifetime(node),
            Cookie::Visitor => Duration::from_secs(24 * 3_600),
            Cookie::Language => Duration::from_secs(365 * 24 * 3_600),
        };
        let (name, seconds) = (self.name(is_https), lifetime.as_secs());
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
    }
}

/// What a form carries to prove that it was on a page of ours: the HMAC under the cookie's token.
pub fn form_token(cookie: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, cookie.as_bytes());
    URL_SAFE_NO_PAD.encode(hmac::sign(&key, FORM_CONTEXT))
}

/// Whether a form's token belongs to the cookie; in constant time.
pub fn is_form_token(cookie: &str, token: &str) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, cookie.as_bytes());
    URL_SAFE_NO_PAD.decode(token).is_ok_and(|tag| hmac::verify(&key, FORM_CONTEXT, &tag).is_ok())
}

/// Whether the browser says that another site sent this request. One that says nothing has only its token to show.
pub fn is_cross_site(node: &Node, request: &HttpRequest) -> bool {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or("?"));
    let foreign_origin = header("origin").is_some_and(|origin| origin != node.instance.base_url);
    let foreign_site = header("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"));
    foreign_origin || foreign_site
}

/// The address of the client: of the connection, or the last one that a trusted proxy names.
pub fn client_address(node: &Node, request: &HttpRequest) -> String {
    let trusted = |address: &IpAddr| node.config.server.trusted_proxies.iter().any(|range| range.contains(address));
    let Some(mut address) = request.peer_addr().map(|peer| peer.ip().to_canonical()) else { return String::new() };
    let header = request.headers().get("x-forwarded-for").and_then(|value| value.to_str().ok()).unwrap_or_default();
    // From the right: each proxy adds whom it heard, and what a client wrote itself stands further left.
    for hop in header.rsplit(',').map(str::trim).filter(|hop| !hop.is_empty()) {
        if !trusted(&address) {
            break;
        }
        match hop.parse::<IpAddr>() {
            Ok(hop) => address = hop.to_canonical(),
            Err(_) => break,
        }
    }
    match address {
        IpAddr::V4(address) => address.to_string(),
        // One customer has a whole /64.
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// A path of ours to go to after signing in. `None` for whatever a browser could take for another site.
pub fn safe_path(path: &str) -> Option<&str> {
    let is_ours = path.starts_with('/') && !path.starts_with("//") && path.len() <= 1_000;
    let is_plain = !path.contains('\\') && !path.chars().any(|c| c.is_control() || c.is_whitespace());
    (is_ours && is_plain).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_token_belongs_to_one_cookie() {
        let (mine, yours) = (random_token(), random_token());
        assert_ne!(mine, yours);
        assert!(is_form_token(&mine, &form_token(&mine)));
        assert!(!is_form_token(&mine, &form_token(&yours)));
        for wrong in ["", "x", "????", &mine] {
            assert!(!is_form_token(&mine, wrong), "{wrong}");
        }
    }

    #[test]
    fn only_paths_of_ours_are_followed() {
        for path in ["/", "/me", "/bridge/github/objects/1?flattr=1"] {
            assert_eq!(safe_path(path), Some(path));
        }
        for path in ["", "me", "//evil.example", "/\\evil.example", "https://evil.example", "/a\nb", "/\t/evil.example"]
        {
            assert_eq!(safe_path(path), None, "{path}");
        }
    }
}
