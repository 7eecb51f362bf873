//! The doors of the platforms beside a site, and what a person's browser does there.

use std::sync::atomic::{AtomicU16, Ordering};

use diesel::RunQueryDsl;
use url::Url;

use super::{App, Browser, Reply, Site};
use crate::domain::id::PatronId;
use crate::domain::identity::{ExternalId, Platform};
use crate::sandbox::oauth::{CLIENT_ID, CLIENT_SECRET};
use crate::sandbox::{self, Sandbox};
use crate::storage::connections::{self, Connection};
use crate::storage::grants::{self, Grant};
use crate::storage::{self, Tx};

/// Platforms with a user `mira` and a user `nils`, and a site that they know as an app.
pub async fn site() -> Site {
    static PORT: AtomicU16 = AtomicU16::new(26_000);
    let port = PORT.fetch_add(1, Ordering::Relaxed);
    let sandbox = sandbox::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
    for platform in [Platform::Twitter, Platform::Flickr, Platform::GitHub, Platform::Instagram] {
        for name in ["mira", "nils"] {
            sandbox.world().add_user(platform, name);
        }
    }
    let settings = settings(&sandbox);
    let settings: Vec<(&str, &str)> = settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
    Site::beside(sandbox, port, &settings).await
}

fn settings(sandbox: &Sandbox) -> Vec<(&'static str, String)> {
    let at = |platform, path: &str| format!("{}{path}", sandbox.base_url(platform));
    let (id, secret) = (CLIENT_ID.to_owned(), CLIENT_SECRET.to_owned());
    vec![
        ("bridge.twitter.enabled", "true".to_owned()),
        ("bridge.twitter.base_url", at(Platform::Twitter, "")),
        ("bridge.twitter.auth_url", at(Platform::Twitter, "/i/oauth2/authorize")),
        ("bridge.twitter.client_id", id.clone()),
        ("bridge.twitter.client_secret", secret.clone()),
        ("bridge.flickr.enabled", "true".to_owned()),
        ("bridge.flickr.base_url", at(Platform::Flickr, "")),
        ("bridge.flickr.auth_url", at(Platform::Flickr, "/services/oauth")),
        ("bridge.flickr.api_key", id.clone()),
        ("bridge.flickr.api_secret", secret.clone()),
        ("bridge.instagram.enabled", "true".to_owned()),
        ("bridge.instagram.base_url", at(Platform::Instagram, "")),
        ("bridge.instagram.auth_url", at(Platform::Instagram, "/oauth/authorize")),
        ("bridge.instagram.token_url", at(Platform::Instagram, "/oauth/access_token")),
        ("bridge.instagram.client_id", id.clone()),
        ("bridge.instagram.client_secret", secret.clone()),
        ("bridge.github.auth_url", at(Platform::GitHub, "/login/oauth")),
        ("bridge.github.client_id", id),
        ("bridge.github.client_secret", secret),
    ]
}

/// Begins a sign-in on a page of ours; the address at the platform to which the page leads.
pub async fn begin(browser: &Browser, app: &impl App, form: &str, platform: &str) -> Url {
    let page = browser.post(app, form, &[("platform", platform)]).await;
    assert_eq!(page.status.as_u16(), 200, "{}", page.body);
    let (_, link) = page.body.split_once("class=\"button\" href=\"").expect("a link to the platform");
    Url::parse(&link.split('"').next().unwrap().replace("&amp;", "&").replace("&#38;", "&")).unwrap()
}

/// Presses a button there; the path and query of ours to which the platform sends the person back.
pub async fn press(url: &Url, button: (&str, &str)) -> String {
    let policy = reqwest::redirect::Policy::none();
    let browser = reqwest::Client::builder().no_proxy().redirect(policy).user_agent("browser").build().unwrap();
    let mut pressed = url.clone();
    pressed.query_pairs_mut().append_pair(button.0, button.1);
    let reply = browser.get(pressed).send().await.unwrap();
    assert_eq!(reply.status().as_u16(), 302, "{}", reply.text().await.unwrap());
    let back = Url::parse(reply.headers()["location"].to_str().unwrap()).unwrap();
    format!("{}?{}", back.path(), back.query().unwrap_or_default())
}

/// The whole way for somebody who says yes there.
pub async fn sign_in(browser: &Browser, app: &impl App, form: &str, platform: &str, user: &str) -> Reply {
    let url = begin(browser, app, form, platform).await;
    browser.get(app, &press(&url, ("user", user)).await).await
}

impl Site {
    pub fn account(&self, platform: Platform, user: &str) -> ExternalId {
        ExternalId::new(platform, &self.github.world().user(platform, user).unwrap().id).unwrap()
    }

    pub async fn connections(&self, patron: PatronId) -> Vec<Connection> {
        self.node.db.read(move |tx| connections::connections_of(tx, patron)).await.unwrap()
    }

    pub async fn grant(&self, account: &ExternalId) -> Option<Grant> {
        let account = account.clone();
        self.node.db.read(move |tx| grants::grant_of(tx, &account)).await.unwrap()
    }

    /// Changes a database from outside.
    pub async fn sql(&self, statement: &'static str) -> usize {
        let changed = self.node.write(move |tx| -> Result<usize, storage::Error> {
            Ok(match tx {
                Tx::Sqlite(db) => diesel::sql_query(statement).execute(*db)?,
                Tx::Postgres(db) => diesel::sql_query(statement).execute(*db)?,
            })
        });
        changed.await.unwrap()
    }
}
