//! What we remember: Diesel on embedded SQLite (default) or PostgreSQL, chosen by the URL at run time.
//!
//! Owns the transaction: a flow runs whole inside one [`Tx`] or not at all, and is run again from the start when the
//! database asks for it. Every query is written once and compiled once for each backend by `both!`; what truly differs
//! (the group-committing writer, the pool) lives in `sqlite` and `postgres`. Must not know HTTP, JSON documents or rules.
//!
//! One module for each group of tables; start with [`ledger`].

use std::path::PathBuf;

use diesel::{PgConnection, SqliteConnection};

/// Runs one expression against whichever connection a transaction holds. The expression is compiled for each backend.
macro_rules! both {
    ($tx:expr, |$db:ident| $body:expr) => {
        match $tx {
            $crate::storage::Tx::Sqlite(connection) => {
                let $db: &mut diesel::SqliteConnection = connection;
                $body
            }
            $crate::storage::Tx::Postgres(connection) => {
                let $db: &mut diesel::PgConnection = connection;
                $body
            }
        }
    };
}

pub mod bank;
pub mod bridge_health;
pub mod claims;
pub mod connections;
pub mod consent;
pub mod evidence;
pub mod fediverse;
pub mod feeds;
pub mod grants;
pub mod identities;
pub mod imports;
pub mod inbox;
pub mod ledger;
pub mod like_sources;
pub mod likes;
mod migrate;
pub mod months;
pub mod outbox;
pub mod payments;
pub mod people;
mod postgres;
pub mod posts;
pub mod rail_cursors;
pub mod schema;
pub mod settlement;
mod sqlite;

pub use migrate::SchemaStatus;

/// An open transaction on either database.
pub enum Tx<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

/// The operator, or a retry, can act on these; they never become a value such as zero or an empty list.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the database refused: {0}")]
    Query(#[from] diesel::result::Error),
    #[error("could not connect to the database: {0}")]
    Connect(String),
    #[error("the database is closed")]
    Closed,
    #[error(
        "another process is using {}: stop it first, or use PostgreSQL to run several processes",
        .0.display()
    )]
    InUse(PathBuf),
    #[error(
        "{} is truncated: its header says {expected} bytes, it has {found}; restore it from a backup",
        .path.display()
    )]
    Truncated { path: PathBuf, expected: u64, found: u64 },
    #[error("{} is empty, so its books are lost: restore it from a backup", .0.display())]
    Empty(PathBuf),
    #[error(
        "{} is missing, but {} shows that it was there: restore it from a backup; remove {} only if this is to be \
         a new instance with new keys",
        .path.display(), .trace.display(), .trace.display()
    )]
    Missing { path: PathBuf, trace: PathBuf },
    #[error(
        "{} has another name too (a hard link), under which a second process could open it: remove that name, or copy \
         the file",
        .0.display()
    )]
    HardLinked(PathBuf),
    #[error("{} is not a SQLite database", .0.display())]
    NotADatabase(PathBuf),
    #[error("`{0}` is not a database URL: write sqlite://path or postgres://user@host/name")]
    BadUrl(String),
    #[error("the schema of this database is newer than this program knows ({0}): run a newer fedflattr")]
    NewerSchema(String),
    #[error("could not bring the schema up to date: {0}")]
    Migration(String),
    #[error("could not open {}: {source}", .path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("a stored value cannot be read back ({what}: `{value}`): the database was changed from outside")]
    Corrupt { what: &'static str, value: String },
    #[error("a transaction panicked and was rolled back: {0}")]
    Panicked(String),
}

/// Rows of one statement: few enough for the 32,766 variables that SQLite allows (PostgreSQL: 65,535).
const ROWS_MAX: usize = 2_000;

/// A foreign text in a form that both databases take: PostgreSQL refuses NUL, and nobody reads more than a page.
fn storable(text: &str) -> String {
    const CHARS_MAX: usize = 2_000;
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).take(CHARS_MAX).collect()
}

impl Error {
    pub(crate) fn corrupt(what: &'static str, value: impl ToString) -> Error {
        Error::Corrupt { what, value: value.to_string() }
    }

    /// Whether the same transaction may succeed when it is run again at once.
    fn is_conflict(&self) -> bool {
        use diesel::result::{DatabaseErrorKind, Error as Diesel};
        match self {
            Error::Query(Diesel::DatabaseError(DatabaseErrorKind::SerializationFailure, _)) => true,
            Error::Query(Diesel::DatabaseError(_, information)) => information.message().contains("deadlock detected"),
            _ => false,
        }
    }
}

pub type Result<T> = std::result::Result<T, Error>;

/// Errors of a flow that may be a storage error, so that a conflict can be told from a refusal.
pub trait FlowError: From<Error> + Send + 'static {
    fn as_storage(&self) -> Option<&Error>;
}

impl FlowError for Error {
    fn as_storage(&self) -> Option<&Error> {
        Some(self)
    }
}

/// Declares the storage failure of a flow's own error enum, which must have a variant `Storage(storage::Error)`.
macro_rules! flow_error {
    ($($error:ty),+ $(,)?) => {$(
        impl $crate::storage::FlowError for $error {
            fn as_storage(&self) -> Option<&$crate::storage::Error> {
                match self {
                    Self::Storage(error) => Some(error),
                    #[allow(unreachable_patterns, reason = "an enum may have no other variant")]
                    _ => None,
                }
            }
        }
    )+};
}
pub(crate) use flow_error;

/// An open database. Cheap to clone; the last clone closes it.
#[derive(Clone)]
pub enum Database {
    Sqlite(sqlite::Store),
    Postgres(postgres::Store),
}

/// How a database is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// `sqlite://path/to/file` or `postgres://user:password@host/name`.
    pub url: String,
    /// Connections for reading (SQLite) or in all (PostgreSQL).
    pub pool_size: u32,
    /// Whether to take the lock of a SQLite file and to bring the schema up to date. Without, only reading is possible.
    pub is_writer: bool,
}

impl Database {
    /// Opens a database and brings its schema up to date.
    ///
    /// - errors: see [`Error`]: not reachable, in use by another process, lost or truncated, or with a newer schema.
    /// - effects: a writer makes a database that never was; a reader makes nothing.
    pub fn open(options: &Options) -> Result<Database> {
        let url = &options.url;
        if let Some(path) = url.strip_prefix("sqlite://") {
            return Ok(Database::Sqlite(sqlite::Store::open(path.as_ref(), options)?));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Database::Postgres(postgres::Store::open(options)?));
        }
        let scheme = url.split("://").next().unwrap_or_default();
        Err(Error::BadUrl(format!("{scheme}://…")))
    }

    pub fn backend(&self) -> &'static str {
        match self {
            Database::Sqlite(_) => "SQLite",
            Database::Postgres(_) => "PostgreSQL",
        }
    }

    /// Runs one whole transaction and commits it durably before it returns.
    ///
    /// - `flow`: may run several times when the database reports a conflict, so it must have no effect but on `Tx`.
    /// - errors: those of the flow; everything is rolled back.
    pub async fn write<T, E, F>(&self, flow: F) -> std::result::Result<T, E>
    where
        T: Send + 'static,
        E: FlowError,
        F: FnMut(&mut Tx) -> std::result::Result<T, E> + Send + 'static,
    {
        match self {
            Database::Sqlite(store) => store.write(flow).await,
            Database::Postgres(store) => store.write(flow).await,
        }
    }

    /// Runs queries on one consistent snapshot.
    pub async fn read<T, E, F>(&self, flow: F) -> std::result::Result<T, E>
    where
        T: Send + 'static,
        E: FlowError,
        F: FnOnce(&mut Tx) -> std::result::Result<T, E> + Send + 'static,
    {
        let database = self.clone();
        let run = move || match &database {
            Database::Sqlite(store) => store.read_now(flow),
            Database::Postgres(store) => store.read_now(flow),
        };
        match tokio::task::spawn_blocking(run).await {
            Ok(outcome) => outcome,
            Err(error) if error.is_cancelled() => Err(E::from(Error::Closed)),
            Err(error) => Err(E::from(Error::Panicked(error.to_string()))),
        }
    }
}

/// What a panic said, for the log.
fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
