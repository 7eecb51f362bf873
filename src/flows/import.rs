//! Importing: likes from a file that the platform gave its user.
//!
//! Owns that a file is the source of one patron's likes, as an account read by the API is, and under the same baseline
//! rule ([`connect`]): what was liked before pays nothing, what is undated and new since the first file counts when it is
//! seen. A file says nothing of unlikes. Imported twice, it changes nothing the second time.

use crate::domain::flattr::Source;
use crate::domain::id::PatronId;
use crate::domain::identity::{ExternalId, Platform};
use crate::domain::time::Timestamp;
use crate::flows::Instance;
use crate::flows::connect::{self, Changed, ConnectError, Item};
use crate::flows::notice::SeenPost;
use crate::flows::prove_account::{self, ProveError};
use crate::storage::connections::{self, Connection, Pass};
use crate::storage::{self, Tx, flow_error};

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("the file does not say whose it is: give the whole archive, or connect the account first")]
    NoOwner,
    #[error("this is the file of {found}, and {connected} is connected")]
    OtherOwner { found: String, connected: String },
    #[error("{0}")]
    Account(ProveError),
    #[error("{0}")]
    Connect(ConnectError),
    #[error("could not read or write the import")]
    Storage(#[from] storage::Error),
}

flow_error!(ImportError);

impl From<ProveError> for ImportError {
    fn from(error: ProveError) -> Self {
        match error {
            ProveError::Storage(error) => ImportError::Storage(error),
            other => ImportError::Account(other),
        }
    }
}

impl From<ConnectError> for ImportError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Storage(error) => ImportError::Storage(error),
            other => ImportError::Connect(other),
        }
    }
}

/// Whose file it is, as far as it tells.
#[derive(Clone, Debug, Default)]
pub struct Owner {
    pub id: Option<ExternalId>,
    pub handle: Option<String>,
}

/// Finds the account that a file belongs to, or connects it: the archive of an account is its owner's word, which a proof
/// on the profile overrules.
///
/// - `token`: random, for an account that is new.
pub fn begin(
    tx: &mut Tx,
    patron: PatronId,
    platform: Platform,
    owner: &Owner,
    token: &str,
    now: Timestamp,
) -> Result<Connection, ImportError> {
    let connected = connections::connections_of(tx, patron)?;
    let known = connected.into_iter().find(|row| row.platform == platform.slug());
    let found = owner.id.as_ref().map(ExternalId::account).or(owner.handle.as_deref());
    match (known, found) {
        (Some(known), None) => Ok(known),
        (Some(known), Some(found)) => {
            let is_same = known.account == found || known.account == by_handle(found);
            let is_same =
                is_same || owner.handle.as_ref().is_some_and(|handle| known.handle.eq_ignore_ascii_case(handle));
            if is_same {
                return Ok(known);
            }
            Err(ImportError::OtherOwner { found: found.to_owned(), connected: known.handle })
        }
        (None, None) => Err(ImportError::NoOwner),
        (None, Some(found)) => {
            let account = match &owner.id {
                Some(id) => id.clone(),
                None => ExternalId::new(platform, &by_handle(found)).map_err(|_| ImportError::NoOwner)?,
            };
            let handle = owner.handle.as_deref().unwrap_or(found);
            Ok(prove_account::trust(tx, patron, &account, handle, token, now)?)
        }
    }
}

/// Some platforms put no number into a person's file. A source of likes may be known by its handle; a creator never is.
fn by_handle(handle: &str) -> String {
    format!("@{}", handle.to_lowercase())
}

/// Applies a part of the file.
pub fn apply(
    tx: &mut Tx,
    instance: &Instance,
    connection: i64,
    likes: &[(SeenPost, Option<Timestamp>)],
    seen_at: Timestamp,
) -> Result<Changed, ImportError> {
    let connection = connections::connection(tx, connection)?.ok_or(ConnectError::NoSuchConnection(connection))?;
    let mut pass = Pass::beside(&connection, seen_at);
    let mut changed = Changed::default();
    for (post, liked_at) in likes {
        let item = Item { post, liked_at: *liked_at, source: Source::Export, seen_at };
        connect::apply_like(tx, instance, &connection, &mut pass, &item, &mut changed)?;
    }
    Ok(changed)
}

/// The whole file was read: what is undated and comes later is new.
pub fn end(tx: &mut Tx, connection: i64, seen_at: Timestamp) -> Result<(), ImportError> {
    let connection = connections::connection(tx, connection)?.ok_or(ConnectError::NoSuchConnection(connection))?;
    if connection.baseline_at.is_none() {
        connections::set_baseline(tx, connection.id, seen_at)?;
    }
    Ok(())
}
