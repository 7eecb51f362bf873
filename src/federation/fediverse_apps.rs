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
