//! Credentials that people granted: opened when they are needed, renewed before they end.
//!
//! Owns that a renewed credential is stored before it is used (some platforms take each refresh token once), and that one
//! process renews a grant once at a time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::JobError;
use crate::bridges::{self, Bridge, Credential, Grant, Secret};
use crate::domain::identity::ExternalId;
use crate::domain::time::Timestamp;
use crate::federation::Node;
use crate::storage::grants::{self, NewGrant, Purpose};

/// A credential that ends within this time is renewed first.
const RENEW_BEFORE: Duration = Duration::from_secs(120);

/// A grant as it is sealed.
#[derive(Serialize, Deserialize)]
struct Kept {
    token: String,
    /// Of OAuth 1.0a.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh: Option<String>,
}

impl Kept {
    fn of(grant: &Grant) -> Kept {
        let (token, token_secret) = match &grant.credential {
            Credential::Bearer(token) => (token.reveal().to_owned(), None),
            Credential::Signed { token, secret } => (token.reveal().to_owned(), Some(secret.reveal().to_owned())),
        };
        Kept { token, token_secret, refresh: grant.refresh.as_ref().map(|refresh| refresh.reveal().to_owned()) }
    }

    fn into_grant(self) -> Grant {
        let token = Secret::new(self.token);
        let credential = match self.token_secret {
            Some(secret) => Credential::Signed { token, secret: Secret::new(secret) },
            None => Credential::Bearer(token),
        };
        Grant { credential, refresh: self.refresh.map(Secret::new), expires_in: None, scopes: Vec::new() }
    }
}

/// A grant on its way into the database, while the person who gave it is still deciding. As secret as the grant itself.
#[derive(Serialize, Deserialize)]
pub struct Carried {
    kept: Kept,
    expires_at: Option<i64>,
    scopes: Vec<String>,
}

impl Carried {
    pub fn of(grant: &Grant, now: Timestamp) -> Carried {
        let expires_at = grant.expires_in.map(|life| now.plus(life).micros());
        Carried { kept: Kept::of(grant), expires_at, scopes: grant.scopes.clone() }
    }
}

/// Keeps what an account has granted, sealed.
pub async fn keep(node: &Node, account: &ExternalId, grant: &Grant, purpose: Purpose) -> Result<(), JobError> {
    keep_carried(node, account, Carried::of(grant, node.now()), purpose).await
}

/// The same for a grant that was carried.
pub async fn keep_carried(
    node: &Node,
    account: &ExternalId,
    carried: Carried,
    purpose: Purpose,
) -> Result<(), JobError> {
    let now = node.now();
    let expires_at = carried.expires_at.map(Timestamp::from_micros);
    let (sealed, scopes) = (seal(node, account, &carried.kept), carried.scopes.join(" "));
    let account = account.clone();
    node.write(move |tx| {
        let grant = NewGrant { account: &account, sealed: &sealed, expires_at, scopes: &scopes, purpose };
        grants::save_grant(tx, &grant, now)
    })
    .await?;
    Ok(())
}

/// The credential of an account, fit for use. `None` when there is none for this, or the person has to sign in again.
///
/// - errors of the platform: only those that may pass ([`bridges::Error::is_worth_retrying`]).
pub async fn of(
    node: &Node,
    bridge: &dyn Bridge,
    account: &ExternalId,
    purpose: Purpose,
) -> Result<Result<Option<Credential>, bridges::Error>, JobError> {
    let Some((row, grant)) = find(node, account, purpose).await? else { return Ok(Ok(None)) };
    let soon = node.now().plus(RENEW_BEFORE);
    let is_ending = row.expires_at.is_some_and(|at| Timestamp::from_micros(at) <= soon);
    if is_ending {
        renew(node, bridge, account, purpose, &grant.credential).await
    } else {
        Ok(Ok(Some(grant.credential)))
    }
}

/// Whether an account has granted to read its likes, and the platform says that this is over.
pub async fn has_ended(node: &Node, account: &ExternalId) -> Result<bool, JobError> {
    let account = account.clone();
    let row = node.db.read(move |tx| grants::grant_of(tx, &account)).await?;
    Ok(row.is_some_and(|row| row.state == "ended" && row.is_for(Purpose::Likes)))
}

/// Renews the credential of an account, when the platform has refused it or it is about to end.
///
/// - `spent`: the credential that is refused or ending. When another one is kept by now, somebody else has renewed it.
pub async fn renew(
    node: &Node,
    bridge: &dyn Bridge,
    account: &ExternalId,
    purpose: Purpose,
    spent: &Credential,
) -> Result<Result<Option<Credential>, bridges::Error>, JobError> {
    // One after the other: whoever waited here finds the credential renewed.
    let _turn = node.renewals.lock().await;
    let Some((row, grant)) = find(node, account, purpose).await? else { return Ok(Ok(None)) };
    if grant.credential != *spent {
        return Ok(Ok(Some(grant.credential)));
    }
    let renewed = match bridge.sign_in() {
        Some(door) => door.refresh(&grant).await,
        None => Err(bridges::Error::unsupported("this instance is not known to the platform any more")),
    };
    let now = node.now();
    match renewed {
        Ok(renewed) => {
            let sealed = seal(node, account, &Kept::of(&renewed));
            let expires_at = renewed.expires_in.map(|life| now.plus(life));
            let is_stored = node.write(move |tx| grants::renew(tx, &row, &sealed, expires_at, now)).await?;
            if is_stored {
                return Ok(Ok(Some(renewed.credential)));
            }
            // Another process was faster, or the person has signed in anew: what is stored now is right.
            Ok(Ok(find(node, account, purpose).await?.map(|(_, grant)| grant.credential)))
        }
        Err(error) if error.is_worth_retrying() => Ok(Err(error)),
        Err(error) => {
            tracing::warn!(account = %account, "the grant of {account} has ended: {error}");
            node.write(move |tx| grants::end(tx, &row, now)).await?;
            Ok(Ok(None))
        }
    }
}

/// The grant of an account for this purpose that is still good.
async fn find(node: &Node, account: &ExternalId, purpose: Purpose) -> Result<Option<(grants::Grant, Grant)>, JobError> {
    let wanted = account.clone();
    let row = node.db.read(move |tx| grants::grant_of(tx, &wanted)).await?;
    let Some(row) = row.filter(|row| row.state == "good" && row.is_for(purpose)) else { return Ok(None) };
    let opened = node.vault.unseal(&place(account), &row.sealed);
    let kept = opened.ok().and_then(|text| serde_json::from_str::<Kept>(&text).ok());
    let Some(kept) = kept else {
        // The key of the data directory is another one: nobody can open this any more.
        tracing::error!(account = %account, "the grant of {account} cannot be opened with the key of this data directory");
        return Ok(None);
    };
    Ok(Some((row, kept.into_grant())))
}

fn seal(node: &Node, account: &ExternalId, kept: &Kept) -> String {
    let text = serde_json::to_string(kept).expect("texts are always JSON");
    node.vault.seal(&place(account), &text)
}

fn place(account: &ExternalId) -> String {
    format!("grant/{account}")
}
