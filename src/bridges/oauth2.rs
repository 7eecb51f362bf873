//! Signing in by OAuth 2 (RFC 6749), with a proof key (RFC 7636) where the platform takes one.
//!
//! Owns that every platform's token reply becomes one form before the library reads it: some leave out the type of the
//! token, some write times as text, one reports errors with status 200. The requests go through the instance's own
//! client, so no redirect is followed and no address escapes the guard.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use oauth2::basic::{BasicClient, BasicTokenResponse};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, PkceCodeChallenge, PkceCodeVerifier,
    RedirectUrl, RefreshToken, RequestTokenError, Scope, TokenResponse, TokenUrl,
};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::error::{Error, readable};
use super::http::{Header, Http, HttpReply, HttpRequest, Method};
use super::objects;
use super::sign_in::{self, Begun, Grant, SignInApi};
use super::value::{Credential, Secret};
use super::wire::Text;

/// How the instance shows at the token address which client it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// In the `Authorization` header.
    Basic,
    /// As fields of the form.
    Body,
}

/// How one platform's door works.
#[derive(Clone, Debug)]
pub struct OAuth2Config {
    /// Where the person is sent.
    pub auth_url: Url,
    /// Where codes and refresh tokens are exchanged.
    pub token_url: Url,
    pub client_id: String,
    pub client_secret: Option<Secret>,
    pub scopes: Vec<String>,
    /// Between scopes, in both directions: a space by the standard, a comma on some platforms.
    pub scope_separator: char,
    pub uses_pkce: bool,
    pub client_auth: ClientAuth,
    /// More parameters for `auth_url`.
    pub extra: Vec<(String, String)>,
    pub user_agent: String,
}

/// A door that works by OAuth 2.
pub struct OAuth2Door {
    config: OAuth2Config,
    http: Arc<dyn Http>,
}

type Client = BasicClient<
    oauth2::EndpointSet,
    oauth2::EndpointNotSet,
    oauth2::EndpointNotSet,
    oauth2::EndpointNotSet,
    oauth2::EndpointSet,
>;

impl OAuth2Door {
    pub fn new(config: OAuth2Config, http: Arc<dyn Http>) -> OAuth2Door {
        OAuth2Door { config, http }
    }

    fn client(&self) -> Client {
        let config = &self.config;
        let mut client = BasicClient::new(ClientId::new(config.client_id.clone()))
            .set_auth_uri(AuthUrl::from_url(config.auth_url.clone()))
            .set_token_uri(TokenUrl::from_url(config.token_url.clone()))
            .set_auth_type(match config.client_auth {
                ClientAuth::Basic => AuthType::BasicAuth,
                ClientAuth::Body => AuthType::RequestBody,
            });
        if let Some(secret) = &config.client_secret {
            client = client.set_client_secret(ClientSecret::new(secret.reveal().to_owned()));
        }
        client
    }

    /// Carries the library's request through our client, and brings the reply into the standard form.
    async fn carry(
        http: Arc<dyn Http>,
        agent: String,
        request: oauth2::HttpRequest,
    ) -> Result<oauth2::HttpResponse, Error> {
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string()).map_err(|error| Error::malformed(error.to_string()))?;
        let mut headers = vec![Header::new("user-agent", agent)];
        for name in ["accept", "content-type", "authorization"] {
            if let Some(value) = parts.headers.get(name).and_then(|value| value.to_str().ok()) {
                headers.push(Header::new(name, value));
            }
        }
        let reply = http.send(&HttpRequest { method: Method::Post, url, headers, body: Some(body) }).await?;
        let mut standard = oauth2::HttpResponse::new(normal_form(&reply)?);
        *standard.status_mut() = oauth2::http::StatusCode::OK;
        Ok(standard)
    }
}

/// A token reply as the platforms write it.
#[derive(Deserialize)]
struct WireToken {
    access_token: String,
    refresh_token: Option<String>,
    expires_in: Option<Text>,
    scope: Option<String>,
}

#[derive(Deserialize)]
struct WireProblem {
    error: Option<String>,
    error_type: Option<String>,
    error_slug: Option<String>,
    error_description: Option<String>,
    error_message: Option<String>,
    message: Option<String>,
}

/// The reply in the standard's own form. A report of an error is that error, whatever status it came with.
pub(super) fn normal_form(reply: &HttpReply) -> Result<Vec<u8>, Error> {
    if reply.status == 429 {
        return Err(Error::RateLimited { until: None, message: "HTTP 429 at the token address".to_owned() });
    }
    if reply.status >= 500 || reply.status == 408 {
        return Err(Error::transient(format!("HTTP {} at the token address", reply.status)));
    }
    if let Ok(token) = objects::from_slice::<WireToken>(&reply.body)
        && reply.status < 300
    {
        let mut standard = json!({ "access_token": token.access_token, "token_type": "bearer" });
        if let Some(refresh) = token.refresh_token.filter(|refresh| !refresh.is_empty()) {
            standard["refresh_token"] = json!(refresh);
        }
        if let Some(seconds) = token.expires_in.and_then(|text| text.0.parse::<u64>().ok()).filter(|it| *it > 0) {
            standard["expires_in"] = json!(seconds);
        }
        if let Some(scope) = token.scope {
            standard["scope"] = json!(scope);
        }
        return Ok(standard.to_string().into_bytes());
    }
    let problem: Option<WireProblem> = objects::from_slice(&reply.body).ok();
    let (code, described) = match problem {
        Some(WireProblem { error, error_type, error_slug, error_description, error_message, message }) => {
            (error.or(error_slug).or(error_type), error_description.or(error_message).or(message))
        }
        None => (None, None),
    };
    // Never the body itself: what could not be read may hold a token.
    let message = readable(&described.or(code.clone()).unwrap_or_else(|| format!("HTTP {}", reply.status)));
    Err(match (code.as_deref(), reply.status) {
        (Some("invalid_grant" | "bad_refresh_token" | "bad_verification_code" | "code-used"), _) => {
            Error::Unauthorized { expired: true, message }
        }
        (Some(_), _) | (None, 400 | 401 | 403) => Error::Unauthorized { expired: false, message },
        (None, status) => Error::malformed(format!("HTTP {status} at the token address is no token")),
    })
}

fn failed(error: RequestTokenError<Error, oauth2::basic::BasicErrorResponse>) -> Error {
    match error {
        RequestTokenError::Request(error) => error,
        RequestTokenError::ServerResponse(report) => {
            Error::Unauthorized { expired: false, message: readable(report.error().as_ref()) }
        }
        // The text of the others may quote the reply.
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => Error::malformed("the token reply is no token"),
    }
}

#[async_trait]
impl SignInApi for OAuth2Door {
    async fn begin(&self, callback: &Url, state: &str) -> Result<Begun, Error> {
        let client = self.client().set_redirect_uri(RedirectUrl::from_url(callback.clone()));
        let mut asked = client.authorize_url(|| CsrfToken::new(state.to_owned()));
        if !self.config.scopes.is_empty() {
            asked = asked.add_scope(Scope::new(self.config.scopes.join(&self.config.scope_separator.to_string())));
        }
        for (name, value) in &self.config.extra {
            asked = asked.add_extra_param(name, value);
        }
        let mut kept = Secret::new("");
        if self.config.uses_pkce {
            let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
            asked = asked.set_pkce_challenge(challenge);
            kept = Secret::new(verifier.into_secret());
        }
        let (url, state) = asked.url();
        Ok(Begun { url, key: state.into_secret(), kept })
    }

    async fn finish(&self, callback: &Url, kept: &Secret, answer: &BTreeMap<String, String>) -> Result<Grant, Error> {
        if let Some(refused) = sign_in::refused(answer) {
            return Err(refused);
        }
        let code = answer.get("code").ok_or_else(|| Error::malformed("the platform sent no code back"))?;
        let client = self.client().set_redirect_uri(RedirectUrl::from_url(callback.clone()));
        let mut exchange = client.exchange_code(AuthorizationCode::new(code.clone()));
        if self.config.uses_pkce {
            exchange = exchange.set_pkce_verifier(PkceCodeVerifier::new(kept.reveal().to_owned()));
        }
        let carry = |request| OAuth2Door::carry(Arc::clone(&self.http), self.config.user_agent.clone(), request);
        Ok(self.grant(&exchange.request_async(&carry).await.map_err(failed)?))
    }

    async fn refresh(&self, grant: &Grant) -> Result<Grant, Error> {
        let Some(refresh) = &grant.refresh else {
            return Err(Error::Unauthorized { expired: true, message: "there is nothing to renew it with".to_owned() });
        };
        let client = self.client();
        let refresh = RefreshToken::new(refresh.reveal().to_owned());
        let carry = |request| OAuth2Door::carry(Arc::clone(&self.http), self.config.user_agent.clone(), request);
        let token = client.exchange_refresh_token(&refresh).request_async(&carry).await.map_err(failed)?;
        let mut renewed = self.grant(&token);
        // RFC 6749, section 6: without a new refresh token the old one stays.
        renewed.refresh = renewed.refresh.or_else(|| grant.refresh.clone());
        if renewed.scopes.is_empty() {
            renewed.scopes.clone_from(&grant.scopes);
        }
        Ok(renewed)
    }
}

impl OAuth2Door {
    fn grant(&self, token: &BasicTokenResponse) -> Grant {
        let separators = [' ', self.config.scope_separator];
        let scopes = token.scopes().into_iter().flatten();
        Grant {
            credential: Credential::bearer(token.access_token().secret()),
            refresh: token.refresh_token().map(|refresh| Secret::new(refresh.secret())),
            expires_in: token.expires_in(),
            scopes: scopes
                .flat_map(|scope| scope.split(separators))
                .filter(|scope| !scope.is_empty())
                .map(str::to_owned)
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;
    use crate::bridges::http::HttpFailure;

    /// Answers every request with one reply, and remembers what was asked.
    struct Script {
        reply: HttpReply,
        asked: Mutex<Vec<HttpRequest>>,
    }

    #[async_trait]
    impl Http for Script {
        async fn send(&self, request: &HttpRequest) -> Result<HttpReply, HttpFailure> {
            self.asked.lock().unwrap().push(request.clone());
            Ok(self.reply.clone())
        }
    }

    fn door(status: u16, body: &str, change: impl Fn(&mut OAuth2Config)) -> (OAuth2Door, Arc<Script>) {
        let reply = HttpReply { status, body: body.as_bytes().to_vec(), ..HttpReply::default() };
        let script = Arc::new(Script { reply, asked: Mutex::default() });
        let mut config = OAuth2Config {
            auth_url: Url::parse("https://site.example/authorize?x=1").unwrap(),
            token_url: Url::parse("https://api.example/token").unwrap(),
            client_id: "client".into(),
            client_secret: Some(Secret::new("hush")),
            scopes: vec!["like.read".into(), "users.read".into()],
            scope_separator: ' ',
            uses_pkce: true,
            client_auth: ClientAuth::Body,
            extra: vec![("prompt".into(), "consent".into())],
            user_agent: "fedflattr-test".into(),
        };
        change(&mut config);
        (OAuth2Door::new(config, script.clone()), script)
    }

    fn callback() -> Url {
        Url::parse("https://node.example/connections/return").unwrap()
    }

    fn answer(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    async fn finished(status: u16, body: &str) -> Result<Grant, Error> {
        door(status, body, |_| {}).0.finish(&callback(), &Secret::new("v".repeat(43)), &answer(&[("code", "c")])).await
    }

    fn form(request: &HttpRequest) -> BTreeMap<String, String> {
        url::form_urlencoded::parse(request.body.as_deref().unwrap()).into_owned().collect()
    }

    #[tokio::test]
    async fn the_person_is_sent_away_with_a_challenge_and_the_verifier_stays() {
        let begun = door(200, "", |_| {}).0.begin(&callback(), "s-7").await.unwrap();
        let query: BTreeMap<String, String> = begun.url.query_pairs().into_owned().collect();
        assert_eq!(begun.key, "s-7");
        assert_eq!(query["state"], "s-7");
        assert_eq!(query["scope"], "like.read users.read");
        assert_eq!((query["prompt"].as_str(), query["x"].as_str()), ("consent", "1"));
        assert_eq!(query["redirect_uri"], callback().as_str());
        assert_eq!(query["code_challenge_method"], "S256");
        assert_ne!(query["code_challenge"], begun.kept.reveal());
        assert!(begun.kept.reveal().len() >= 43);
        let plain = |config: &mut OAuth2Config| (config.uses_pkce, config.scope_separator) = (false, ',');
        let begun = door(200, "", plain).0.begin(&callback(), "s").await.unwrap();
        assert!(begun.url.query().unwrap().contains("scope=like.read%2Cusers.read"));
        assert!(!begun.url.query().unwrap().contains("code_challenge"));
    }

    #[tokio::test]
    async fn a_code_becomes_a_grant() {
        let body = r#"{"access_token":"a","token_type":"Bearer","expires_in":3599,"refresh_token":"r","scope":"x y"}"#;
        let (door, script) = door(200, body, |_| {});
        let kept = Secret::new("v".repeat(43));
        let grant = door.finish(&callback(), &kept, &answer(&[("code", "c"), ("state", "s")])).await.unwrap();
        assert_eq!(grant.credential, Credential::bearer("a"));
        assert_eq!(grant.refresh, Some(Secret::new("r")));
        assert_eq!(grant.expires_in, Some(Duration::from_secs(3_599)));
        assert_eq!(grant.scopes, ["x", "y"]);
        let asked = form(&script.asked.lock().unwrap()[0]);
        assert_eq!((asked["code"].as_str(), asked["code_verifier"].as_str()), ("c", kept.reveal()));
        assert_eq!((asked["client_id"].as_str(), asked["client_secret"].as_str()), ("client", "hush"));
        assert_eq!(asked["redirect_uri"], callback().as_str());
    }

    #[tokio::test]
    async fn the_client_may_show_itself_in_the_header_instead() {
        let basic = |config: &mut OAuth2Config| config.client_auth = ClientAuth::Basic;
        let (door, script) = door(200, r#"{"access_token":"a"}"#, basic);
        door.finish(&callback(), &Secret::new("v"), &answer(&[("code", "c")])).await.unwrap();
        let asked = script.asked.lock().unwrap();
        assert!(!form(&asked[0]).contains_key("client_secret"));
        let header = asked[0].headers.iter().find(|header| header.name == "authorization").unwrap();
        assert!(header.value == "Basic Y2xpZW50Omh1c2g=");
    }

    #[tokio::test]
    async fn replies_that_differ_from_the_standard_are_understood() {
        let plain = finished(200, r#"{"access_token":"a","user":{"id":"7"}}"#).await.unwrap();
        assert_eq!((plain.refresh, plain.expires_in, plain.scopes), (None, None, vec![]));
        let text = finished(200, r#"{"access_token":"a","token_type":"x","expires_in":"60"}"#).await.unwrap();
        assert_eq!(text.expires_in, Some(Duration::from_secs(60)));
        let (door, _) = door(200, r#"{"access_token":"a","scope":"repo,user"}"#, |config| config.scope_separator = ',');
        let grant = door.finish(&callback(), &Secret::new("v"), &answer(&[("code", "c")])).await.unwrap();
        assert_eq!(grant.scopes, ["repo", "user"]);
    }

    #[tokio::test]
    async fn a_refusal_is_told_from_an_outage_and_quotes_no_token() {
        let github = r#"{"error":"bad_verification_code","error_description":"The code is incorrect or expired."}"#;
        assert_eq!(finished(200, github).await.unwrap_err().class(), "unauthorized_expired");
        let revoked = finished(400, r#"{"error":"invalid_grant"}"#).await;
        assert_eq!(revoked.unwrap_err().class(), "unauthorized_expired");
        let client = finished(401, r#"{"error":"invalid_client"}"#).await;
        assert_eq!(client.unwrap_err().class(), "unauthorized");
        assert_eq!(finished(503, "<html>").await.unwrap_err().class(), "transient");
        assert_eq!(finished(429, "").await.unwrap_err().class(), "rate_limited");
        assert_eq!(finished(302, "").await.unwrap_err().class(), "malformed");
        let odd = finished(200, r#"{"token":"gho_16C7"}"#).await.unwrap_err();
        assert!(!format!("{odd:?} {odd}").contains("16C7"), "{odd:?}");
    }

    #[tokio::test]
    async fn a_person_who_says_no_is_forbidden_and_nobody_is_asked() {
        let (door, script) = door(200, "", |_| {});
        let no = answer(&[("error", "access_denied"), ("state", "s")]);
        assert_eq!(door.finish(&callback(), &Secret::new(""), &no).await.unwrap_err().class(), "forbidden");
        let nothing = door.finish(&callback(), &Secret::new(""), &answer(&[])).await;
        assert_eq!(nothing.unwrap_err().class(), "malformed");
        assert!(script.asked.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn renewing_keeps_the_old_refresh_token_unless_a_new_one_comes() {
        let old = Grant {
            credential: Credential::bearer("a"),
            refresh: Some(Secret::new("r1")),
            expires_in: None,
            scopes: vec!["x".into()],
        };
        let kept = door(200, r#"{"access_token":"b"}"#, |_| {}).0.refresh(&old).await.unwrap();
        assert_eq!((kept.credential, kept.refresh), (Credential::bearer("b"), Some(Secret::new("r1"))));
        assert_eq!(kept.scopes, ["x"]);
        let body = r#"{"access_token":"b","refresh_token":"r2"}"#;
        assert_eq!(door(200, body, |_| {}).0.refresh(&old).await.unwrap().refresh, Some(Secret::new("r2")));
        let ended = Grant { refresh: None, ..old };
        assert_eq!(door(200, body, |_| {}).0.refresh(&ended).await.unwrap_err().class(), "unauthorized_expired");
    }
}
