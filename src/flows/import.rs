//! Importing: likes from a file that the platform gave its user, or from a list of addresses that the user wrote.
//!
//! Owns that a file is the source of one patron's likes, as an account read by the API is, and under the same baseline
//! rule (`listed_likes`): what was liked before pays nothing, what is undated and new since the first whole archive counts
//! when it is seen. A file out of an archive, or a list, is whole only by the patron's word; nothing is, while it is not
//! known what all of it means. A file says nothing of unlikes. Imported twice, it changes nothing the second time. What was read is counted with
//! the likes themselves, so an import that is interrupted goes on behind the last that was saved.

use crate::domain::flattr::Source;
use crate::domain::id::PatronId;
use crate::domain::identity::{ExternalId, Platform};
use crate::domain::time::Timestamp;
use crate::flows::Instance;
use crate::flows::connect::{Changed, ConnectError};
use crate::flows::listed_likes::{self, Listed};
use crate::flows::notice::SeenPost;
use crate::flows::prove_account::{self, ProveError};
use crate::storage::connections::{self, Connection, Pass};
use crate::storage::imports::{self, Counted, Import, NewImport};
use crate::storage::{self, Tx, flow_error};

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("the file does not say whose it is: give the whole archive, or connect the account first")]
    NoOwner,
    #[error(
        "this is the file of {found}, and {connected} is connected: give the file of that account, connect {found} \
         first, or choose {connected} when only its name has changed"
    )]
    OtherOwner { found: String, connected: String },
    #[error("the file does not say whose it is, and several accounts are connected ({0}): say which one")]
    Several(String),
    #[error("no account `{wanted}` is connected there; connected: {connected}")]
    NoSuchAccount { wanted: String, connected: String },
    #[error("another import is under way: wait until it has ended")]
    Busy,
    #[error("the account is not connected any more: connect it and give the file again")]
    Disconnected,
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

impl Owner {
    /// Whether the file may be that of an account of this name.
    fn agrees_with(&self, name: &str) -> bool {
        let name = name.trim_start_matches('@');
        self.handle.as_ref().is_none_or(|handle| handle.trim_start_matches('@').eq_ignore_ascii_case(name))
    }

    /// Whether a connected account is this one. Two numbers decide by themselves: a handle moves.
    fn is(&self, row: &Connection) -> bool {
        match &self.id {
            Some(id) if !row.account.starts_with('@') => row.account == id.account(),
            _ => self.handle.as_ref().is_some_and(|handle| is_named(row, handle)),
        }
    }
}

/// Whether a connected account goes by this name, or by this number.
fn is_named(row: &Connection, name: &str) -> bool {
    let name = name.trim_start_matches('@');
    row.account == name
        || row.account.strip_prefix('@') == Some(name.to_lowercase().as_str())
        || row.handle.trim_start_matches('@').eq_ignore_ascii_case(name)
}

/// What a patron brings.
#[derive(Clone, Debug)]
pub struct Brought {
    pub patron: PatronId,
    pub platform: Platform,
    /// As the file tells.
    pub owner: Owner,
    /// The account that the patron chose, by its handle or number.
    pub account: Option<String>,
    /// Nothing can be asked there for likes, so the patron may name an account that is not connected.
    pub may_name: bool,
    pub is_list: bool,
    pub file_name: String,
    pub file_size: i64,
    pub stored_as: Option<String>,
    pub refused: Option<String>,
    /// The patron's word that with this, everything that the account liked until now was brought.
    pub is_complete: bool,
}

/// Notes what a patron brings as an import of one of their accounts.
///
/// - `token`: random, for an account that is new.
pub fn begin(tx: &mut Tx, brought: &Brought, token: &str, now: Timestamp) -> Result<Import, ImportError> {
    let connection = account_of(tx, brought, token, now)?;
    let new = NewImport {
        patron: brought.patron,
        connection: connection.id,
        platform: brought.platform.slug(),
        kind: if brought.is_list { "list" } else { "file" },
        file_name: brought.file_name.clone(),
        file_size: brought.file_size,
        stored_as: brought.stored_as.clone(),
        refused: brought.refused.clone(),
        is_complete: brought.is_complete,
    };
    imports::make_import(tx, &new, now)?.ok_or(ImportError::Busy)
}

/// Finds the account that a file belongs to, or connects it: the archive of an account is its owner's word, which a proof
/// on the profile overrules.
fn account_of(tx: &mut Tx, brought: &Brought, token: &str, now: Timestamp) -> Result<Connection, ImportError> {
    let Brought { patron, platform, owner, .. } = brought;
    let mut connected = connections::connections_of(tx, *patron)?;
    connected.retain(|row| row.platform == platform.slug());
    let all = connected.iter().map(|row| row.handle.as_str()).collect::<Vec<_>>().join(", ");
    let is_of_one = connected.iter().any(|row| owner.is(row));
    if let Some(wanted) = &brought.account {
        connected.retain(|row| is_named(row, wanted));
        if connected.is_empty() && !brought.may_name {
            return Err(ImportError::NoSuchAccount { wanted: wanted.clone(), connected: all });
        }
        if connected.is_empty() && owner.agrees_with(wanted) {
            let known = owner.id.clone().or_else(|| prove_account::by_name(*platform, wanted));
            let account = known.ok_or_else(|| ImportError::NoSuchAccount { wanted: wanted.clone(), connected: all })?;
            return Ok(prove_account::name(tx, *patron, &account, wanted, token, now)?);
        }
        if connected.is_empty() {
            let found = owner.handle.clone().unwrap_or_default();
            return Err(ImportError::OtherOwner { found, connected: wanted.clone() });
        }
        if let (None, Some(handle), [chosen]) = (&owner.id, &owner.handle, connected.as_slice())
            && !is_of_one
        {
            // Handles move, and a file without a number tells the newest one. Whoever chose the account says so.
            return Ok(prove_account::rename(tx, chosen, handle)?);
        }
    }
    let Some(found) = owner.handle.as_deref().or(owner.id.as_ref().map(ExternalId::account)) else {
        return match connected.len() {
            0 => Err(ImportError::NoOwner),
            1 => Ok(connected.remove(0)),
            _ => Err(ImportError::Several(all)),
        };
    };
    if let Some(place) = connected.iter().position(|row| owner.is(row)) {
        let row = connected.remove(place);
        return match &owner.id {
            Some(id) if prove_account::is_by_name(&row.account) => {
                Ok(prove_account::name(tx, *patron, id, &row.handle, token, now)?)
            }
            _ => Ok(row),
        };
    }
    if !connected.is_empty() {
        // Two accounts of one name, since handles move, are told apart by their numbers.
        let is_same_name = connected.iter().any(|row| is_named(row, found));
        let number = owner.id.as_ref().filter(|_| is_same_name).map(ExternalId::account);
        let name = |row: Connection| if number.is_some() { row.account } else { row.handle };
        let connected = connected.into_iter().map(name).collect::<Vec<_>>().join(", ");
        return Err(ImportError::OtherOwner { found: number.unwrap_or(found).to_owned(), connected });
    }
    let account = match &owner.id {
        Some(id) => id.clone(),
        None => prove_account::by_name(*platform, found).ok_or(ImportError::NoOwner)?,
    };
    Ok(prove_account::name(tx, *patron, &account, found, token, now)?)
}

/// A part of a file.
#[derive(Clone, Debug, Default)]
pub struct Part {
    pub likes: Vec<(SeenPost, Option<Timestamp>)>,
    /// Likes named by an address that could not be looked up.
    pub unresolved: u64,
    /// Of these, the ones of which the platform has not said that there is no such post.
    pub unanswered: u64,
    pub unreadable: u64,
    /// It is a further file of a list of which an earlier one holds what is newer.
    pub is_of_before: bool,
}

/// Applies a part of the file, and counts it in the same transaction.
pub fn apply(
    tx: &mut Tx,
    instance: &Instance,
    import: &Import,
    part: &Part,
    seen_at: Timestamp,
) -> Result<Changed, ImportError> {
    let connection = source_of(tx, import)?;
    let mut pass = Pass::beside(&connection, seen_at);
    let mut changed = Changed::default();
    let listed = Listed { likes: &part.likes, source: Source::Export, seen_at, is_of_before: part.is_of_before };
    listed_likes::apply(tx, instance, &connection, &mut pass, &listed, &mut changed)?;
    let counted = Counted {
        likes: part.likes.len() as u64 + part.unresolved,
        flattrs: changed.flattrs as u64,
        baseline: changed.baseline as u64,
        unreadable: part.unreadable,
        unresolved: part.unresolved,
        unanswered: part.unanswered,
    };
    imports::add_counted(tx, import.id, &counted)?;
    Ok(changed)
}

/// The whole file was read.
///
/// - `is_archive`: it is a whole archive, so what is undated and comes later is new. Of anything else the patron says so.
pub fn end(tx: &mut Tx, import: &Import, is_archive: bool, seen_at: Timestamp) -> Result<(), ImportError> {
    let connection = source_of(tx, import)?;
    // What a name means that nobody could say today would be new once somebody can.
    let is_answered = imports::import(tx, import.id)?.is_some_and(|row| row.unanswered == 0);
    if connection.baseline_at.is_none() && (is_archive || import.is_complete) && is_answered {
        connections::set_baseline(tx, connection.id, seen_at)?;
    }
    Ok(imports::end_import(tx, import.id, None, seen_at)?)
}

/// The file could not be read to its end. What was read stays.
pub fn fail(tx: &mut Tx, import: &Import, reason: &str, now: Timestamp) -> Result<(), storage::Error> {
    imports::end_import(tx, import.id, Some(reason), now)
}

/// The account may have been disconnected, or proved by another patron, since the import began.
fn source_of(tx: &mut Tx, import: &Import) -> Result<Connection, ImportError> {
    let connection = connections::connection(tx, import.connection_id)?;
    connection.filter(|row| row.patron_id == import.patron_id).ok_or(ImportError::Disconnected)
}
