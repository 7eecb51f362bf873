//! Signing in at a server that this instance may never have heard of.
//!
//! Owns that this instance is one app at each server: registered there when the first person needs it, kept with its
//! secret, and registered anew when the server has forgotten it or knows another return address. The handle that a person
//! gives chooses the server; what was begun at one server is finished at no other. Source:
//! docs.joinmastodon.org/methods/{apps,oauth}; RFC 9207 for `iss`.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::url::Url;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::client::{ACCEPT_JSON, Asker};
use super::{error, url as address, wire};
use crate::bridges::error::Error;
use crate::bridges::http::{Header, HttpReply, HttpRequest, Method};
use crate::bridges::oauth2::{ClientAuth, OAuth2Config, OAuth2Door};
use crate::bridges::sign_in::{Begun, Grant, SignInApi};
use crate::bridges::value::{Access, Credential, Secret};

/// Whose account it is, and what it likes; nothing to write.
const SCOPES: [&str; 2] = ["read:accounts", "read:favourites"];

/// What one server knows this instance as.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    pub client_id: String,
    pub client_secret: String,
    /// Where people come back to; the server compares it letter for letter.
    pub redirect_uri: String,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("App(..)")
    }
}

/// Where the apps are kept, by the address of the server. It seals them: their secrets speak for this instance.
#[async_trait]
pub trait Apps: Send + Sync {
    async fn find(&self, server: &str) -> Result<Option<App>, Error>;

    /// Keeps an app in the place of an earlier one at the same server.
    async fn keep(&self, server: &str, app: &App) -> Result<(), Error>;
}

/// What [`Begun::kept`] holds between the two halves of a sign-in.
#[derive(Serialize, Deserialize)]
struct Kept {
    server: Url,
    app: App,
    verifier: String,
}

/// The doors of all servers.
pub struct Door {
    asker: Asker,
    apps: Arc<dyn Apps>,
}

impl Door {
    pub(super) fn new(asker: Asker, apps: Arc<dyn Apps>) -> Door {
        Door { asker, apps }
    }

    /// Where the account of a handle is; a bare host is that server.
    async fn server_of(&self, handle: &str) -> Result<Url, Error> {
        let handle = handle.trim().trim_start_matches('@');
        if handle.contains('@') {
            return Ok(address::origin_of(&self.asker.actor_of(handle).await?));
        }
        self.asker.server(&handle.to_ascii_lowercase())
    }

    fn door_of(&self, server: &Url, app: &App) -> Result<OAuth2Door, Error> {
        let at = |path: &str| server.join(path).map_err(|_| Error::malformed("a server without paths"));
        let config = OAuth2Config {
            auth_url: at("/oauth/authorize")?,
            token_url: at("/oauth/token")?,
            client_id: app.client_id.clone(),
            client_secret: Some(Secret::new(app.client_secret.as_str())),
            scopes: SCOPES.iter().map(|scope| (*scope).to_owned()).collect(),
            scope_separator: ' ',
            // A server that knows no proof keys overlooks them (RFC 7636, section 5).
            uses_pkce: true,
            client_auth: ClientAuth::Body,
            extra: Vec::new(),
            user_agent: self.asker.config.user_agent.clone(),
        };
        Ok(OAuth2Door::new(config, Arc::clone(&self.asker.http)))
    }

    async fn post(&self, url: Url, body: Vec<u8>, kind: &'static str) -> Result<HttpReply, Error> {
        let headers = vec![
            Header::new("accept", ACCEPT_JSON),
            Header::new("content-type", kind),
            Header::new("user-agent", self.asker.config.user_agent.as_str()),
        ];
        let request = HttpRequest { method: Method::Post, url, headers, body: Some(body) };
        Ok(self.asker.http.send(&request).await?)
    }

    /// The app at a server: the one that is kept, if the server still knows it, or a new one.
    async fn app_at(&self, server: &Url, callback: &Url) -> Result<App, Error> {
        if let Some(app) = self.apps.find(server.as_str()).await?
            && app.redirect_uri == callback.as_str()
            && self.is_known(server, &app).await?
        {
            return Ok(app);
        }
        let config = &self.asker.config;
        let wish = json!({
            "client_name": config.client_name,
            "redirect_uris": callback.as_str(),
            "scopes": SCOPES.join(" "),
            "website": config.website,
        });
        let url = server.join("/api/v1/apps").map_err(|_| Error::malformed("a server without paths"))?;
        let reply = self.post(url, wish.to_string().into_bytes(), ACCEPT_JSON).await?;
        if reply.status != 200 {
            return Err(match reply.status {
                404 => Error::unsupported("this server does not speak Mastodon's client interface"),
                _ => error::classify(&reply),
            });
        }
        let (client_id, client_secret) = wire::app(&reply.body)?;
        let app = App { client_id, client_secret, redirect_uri: callback.to_string() };
        self.apps.keep(server.as_str(), &app).await?;
        Ok(app)
    }

    /// Whether a server still knows an app. Before Mastodon 4.3 those that nobody used were removed, and the person would
    /// find out on a page that leads nowhere; the token that is asked for here also keeps the app from that.
    async fn is_known(&self, server: &Url, app: &App) -> Result<bool, Error> {
        let form = ::url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &app.client_id)
            .append_pair("client_secret", &app.client_secret)
            .append_pair("redirect_uri", &app.redirect_uri)
            .append_pair("scope", SCOPES[0])
            .finish();
        let url = server.join("/oauth/token").map_err(|_| Error::malformed("a server without paths"))?;
        let reply = self.post(url, form.into_bytes(), "application/x-www-form-urlencoded").await?;
        match reply.status {
            401 => Ok(false),
            429 | 500..=599 => Err(error::classify(&reply)),
            // Software without such tokens refuses the question, not the app.
            _ => Ok(!String::from_utf8_lossy(&reply.body).contains("invalid_client")),
        }
    }
}

/// The grant with its tokens bound to their server, so that none can go astray.
fn bound(server: &Url, grant: Grant) -> Grant {
    let credential = match grant.credential {
        Credential::Bearer(token) => Credential::Bearer(address::bind(server, token.reveal())),
        signed => signed,
    };
    Grant { credential, ..grant }
}

#[async_trait]
impl SignInApi for Door {
    fn needs_handle(&self) -> bool {
        true
    }

    async fn begin(&self, _: &Url, _: &str) -> Result<Begun, Error> {
        Err(Error::unsupported("the fediverse is many servers: say at which one the account is"))
    }

    async fn begin_for(&self, handle: &str, callback: &Url, state: &str) -> Result<Begun, Error> {
        let server = self.server_of(handle).await?;
        let app = self.app_at(&server, callback).await?;
        let begun = self.door_of(&server, &app)?.begin(callback, state).await?;
        let kept = Kept { server, app, verifier: begun.kept.reveal().to_owned() };
        let kept = serde_json::to_string(&kept).expect("texts are always JSON");
        Ok(Begun { kept: Secret::new(kept), ..begun })
    }

    async fn finish(&self, callback: &Url, kept: &Secret, answer: &BTreeMap<String, String>) -> Result<Grant, Error> {
        let Kept { server, app, verifier } = serde_json::from_str(kept.reveal())
            .map_err(|_| Error::malformed("what was kept of the sign-in is gone"))?;
        // Where a server says who it is, an answer that another one's page gave is found out.
        let issuer = answer.get("iss").and_then(|issuer| Url::parse(issuer).ok());
        if issuer.is_some_and(|issuer| issuer.origin() != server.origin()) {
            return Err(Error::malformed("the answer comes from another server than the one that was asked"));
        }
        let grant = self.door_of(&server, &app)?.finish(callback, &Secret::new(verifier), answer).await?;
        if !grant.scopes.is_empty() && !grant.scopes.iter().any(|scope| covers_favourites(scope)) {
            return Err(Error::Forbidden { message: "the favourites were not opened to this instance".to_owned() });
        }
        Ok(bound(&server, grant))
    }

    async fn refresh(&self, grant: &Grant) -> Result<Grant, Error> {
        let (server, token) = match &grant.credential {
            Credential::Bearer(secret) => address::bound(secret)?,
            Credential::Signed { .. } => return Err(Error::unsupported("the fediverse takes no signed requests")),
        };
        let ended = || Error::Unauthorized { expired: true, message: "the account has to sign in again".to_owned() };
        let app = self.apps.find(server.as_str()).await?.ok_or_else(ended)?;
        let plain = Grant { credential: Credential::bearer(token), ..grant.clone() };
        Ok(bound(&server, self.door_of(&server, &app)?.refresh(&plain).await?))
    }
}

fn covers_favourites(scope: &str) -> bool {
    matches!(scope, "read" | "read:favourites")
}

/// A credential as it is given to the connector, for whoever has the parts.
pub fn access(server: &Url, token: &str) -> Access {
    Access::User(Credential::Bearer(address::bind(server, token)))
}
