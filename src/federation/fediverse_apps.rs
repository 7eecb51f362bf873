//! What servers of the fediverse know this instance as, kept sealed in its database.
//!
//! Owns that the secret of an app is opened only where it is used: a copy of the database alone speaks for nobody.

use std::sync::Arc;

use async_trait::async_trait;

use crate::bridges::Error;
use crate::bridges::fediverse::{App, Apps};
use crate::clock::Clock;
use crate::storage::{self, Database, fediverse};
use crate::vault::Vault;

pub struct StoredApps {
    pub db: Database,
    pub vault: Arc<Vault>,
    pub clock: Clock,
}

fn place(server: &str) -> String {
    format!("fediverse-app/{server}")
}

/// Our own database fails for the moment, as far as the connector can tell.
fn failed(error: storage::Error) -> Error {
    tracing::error!("could not read or write apps: {}", crate::fault::explain(&error));
    Error::transient("this instance could not read or write its apps")
}

#[async_trait]
impl Apps for StoredApps {
    async fn find(&self, server: &str) -> Result<Option<App>, Error> {
        let wanted = server.to_owned();
        let sealed = self.db.read(move |tx| fediverse::app(tx, &wanted)).await.map_err(failed)?;
        // One that cannot be opened was sealed with another key: a new app takes its place.
        let opened = sealed.and_then(|sealed| self.vault.unseal(&place(server), &sealed).ok());
        Ok(opened.and_then(|text| serde_json::from_str(&text).ok()))
    }

    async fn keep(&self, server: &str, app: &App) -> Result<(), Error> {
        let text = serde_json::to_string(app).expect("texts are always JSON");
        let (server, sealed, now) = (server.to_owned(), self.vault.seal(&place(server), &text), self.clock.now());
        self.db.write(move |tx| fediverse::save_app(tx, &server, &sealed, now)).await.map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::config::Config;
    use crate::federation::Node;

    async fn node(directory: &TempDir) -> Node {
        let data = directory.path().display().to_string();
        let settings = [("server.domain", "localhost:18930"), ("server.data_dir", &data), ("database.pool_size", "2")];
        let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Node::start(Config::load(None, std::iter::empty(), &settings).unwrap().config).await.unwrap()
    }

    fn app(id: &str) -> App {
        App { client_id: id.into(), client_secret: "our-secret".into(), redirect_uri: "https://a.example/back".into() }
    }

    #[tokio::test]
    async fn an_app_opens_with_our_key_and_at_its_server_only_and_one_that_does_not_is_replaced() {
        let (directory, foreign) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let node = node(&directory).await;
        let apps = |vault| StoredApps { db: node.db.clone(), vault, clock: node.clock.clone() };
        let id_of = |found: Result<Option<App>, Error>| found.unwrap().map(|app| app.client_id);
        let (server, other) = ("https://social.example/", "https://other.example/");
        let ours = apps(Arc::clone(&node.vault));
        assert_eq!(id_of(ours.find(server).await), None);
        ours.keep(server, &app("our-id")).await.unwrap();
        let found = ours.find(server).await.unwrap().expect("kept");
        assert_eq!((found.client_id.as_str(), found.client_secret.as_str()), ("our-id", "our-secret"));
        let stored = node.db.read(move |tx| fediverse::app(tx, server)).await.unwrap().unwrap();
        assert!(!stored.contains("our-"), "{stored}");
        // In the row of another server it does not open.
        let now = node.now();
        node.write(move |tx| fediverse::save_app(tx, other, &stored, now)).await.unwrap();
        assert_eq!(id_of(ours.find(other).await), None);
        // With another key it is as if there were none, and a new one takes its place.
        let stranger = apps(Arc::new(Vault::open(foreign.path()).unwrap()));
        assert_eq!(id_of(stranger.find(server).await), None);
        stranger.keep(server, &app("new-id")).await.unwrap();
        assert_eq!(id_of(stranger.find(server).await).as_deref(), Some("new-id"));
        assert_eq!(id_of(ours.find(server).await), None);
    }
}
