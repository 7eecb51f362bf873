//! Embedded SQLite: one writer thread that groups commits, a pool of readers, and a lock on the file.
//!
//! Owns durability on SQLite: a transaction is answered only after the commit that holds it has been synced
//! (`synchronous=FULL`, WAL). Transactions that wait together are committed together, each in a savepoint of its own, so
//! that one that fails takes nothing else with it. What is judged before SQLite opens anything is in [`file`].

mod file;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use diesel::connection::SimpleConnection;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Pool};
use diesel::{Connection, SqliteConnection};
use tokio::sync::oneshot;

use super::{Error, FlowError, Options, Result, Tx, migrate, panic_text};

/// Transactions that one commit may hold: enough to hide the sync, few enough to answer the first one soon.
const GROUP_MAX: usize = 256;
/// Transactions that may wait for the writer before callers wait in turn.
const QUEUE_MAX: usize = 4096;

/// How a connection that must not write is set up.
const READER_PRAGMAS: &str = "PRAGMA busy_timeout = 5000; PRAGMA query_only = ON; PRAGMA foreign_keys = ON;";

/// One transaction that waits for the writer: runs in a savepoint, and returns what answers its caller once committed.
type Work = Box<dyn FnOnce(&mut SqliteConnection) -> Answer + Send>;
/// Told whether the group was committed.
type Answer = Box<dyn FnOnce(Result<()>) + Send>;

#[derive(Clone)]
pub struct Store {
    writer: Option<Arc<Writer>>,
    readers: Pool<ConnectionManager<SqliteConnection>>,
    /// Goes last, when every connection is closed.
    _opened: Arc<file::Opened>,
}

/// The writer's thread. When the last clone of the store goes, it commits what has gathered and closes its connection, and
/// only then another process may have the file.
struct Writer {
    queue: Option<SyncSender<Work>>,
    thread: Option<JoinHandle<()>>,
    /// The kernel lets go of it when the process ends, however it ends.
    _lock: File,
}

impl Writer {
    fn queue(&self) -> &SyncSender<Work> {
        self.queue.as_ref().expect("taken when it is dropped")
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        // A transaction may hold the last clone of its own database: the thread cannot wait for itself.
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != std::thread::current().id())
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes to the database has panicked");
        }
    }
}

impl Store {
    pub fn open(path: &Path, options: &Options) -> Result<Store> {
        if options.is_writer {
            file::make_directory_of(path)?;
        }
        let path = &file::locate(path)?;
        let (opened, lock) = file::open(path, options.is_writer)?;
        let writer = if let Some(lock) = lock {
            Some(Arc::new(start_writer(path, lock)?))
        } else {
            let mut connection = connect(path)?;
            connection.batch_execute(READER_PRAGMAS)?;
            migrate::check_sqlite(&mut connection)?;
            None
        };
        let manager = ConnectionManager::new(file::uri(path));
        let readers = Pool::builder()
            .max_size(options.pool_size.max(1))
            .min_idle(Some(0))
            .connection_customizer(Box::new(ReaderSetup))
            .build(manager)
            .map_err(|error| Error::Connect(error.to_string()))?;
        Ok(Store { writer, readers, _opened: Arc::new(opened) })
    }

    pub async fn write<T, E, F>(&self, mut flow: F) -> std::result::Result<T, E>
    where
        T: Send + 'static,
        E: FlowError,
        F: FnMut(&mut Tx) -> std::result::Result<T, E> + Send + 'static,
    {
        let Some(writer) = self.writer.clone() else { return Err(E::from(Error::Closed)) };
        let (sender, receiver) = oneshot::channel();
        let work: Work = Box::new(move |connection| {
            let outcome = in_savepoint(connection, |connection| flow(&mut Tx::Sqlite(connection)));
            Box::new(move |committed| {
                let answer = match committed {
                    Ok(()) => outcome,
                    // What a rolled back group refused was refused on data that never was.
                    Err(error) => Err(E::from(error)),
                };
                if sender.send(answer).is_err() {
                    tracing::debug!("nobody waits any more for a committed transaction");
                }
            })
        });
        // Waiting for a place in the queue is blocking, so it must not happen on an async worker.
        let sent = match writer.queue().try_send(work) {
            Ok(()) => true,
            Err(std::sync::mpsc::TrySendError::Full(work)) => {
                tokio::task::spawn_blocking(move || writer.queue().send(work).is_ok()).await.unwrap_or(false)
            }
            Err(std::sync::mpsc::TrySendError::Disconnected(_)) => false,
        };
        if !sent {
            return Err(E::from(Error::Closed));
        }
        receiver.await.unwrap_or_else(|_| Err(E::from(Error::Closed)))
    }

    pub fn read_now<T, E: FlowError>(
        &self,
        flow: impl FnOnce(&mut Tx) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let mut connection = self.readers.get().map_err(|error| Error::Connect(error.to_string()))?;
        let mut flow = Some(flow);
        in_savepoint(&mut connection, |connection| (flow.take().expect("runs once"))(&mut Tx::Sqlite(connection)))
    }
}

#[derive(Debug)]
struct ReaderSetup;

impl CustomizeConnection<SqliteConnection, diesel::r2d2::Error> for ReaderSetup {
    fn on_acquire(&self, connection: &mut SqliteConnection) -> std::result::Result<(), diesel::r2d2::Error> {
        connection.batch_execute(READER_PRAGMAS).map_err(diesel::r2d2::Error::QueryError)
    }
}

/// Runs a flow in a transaction, or in a savepoint where one is open; a panic rolls back like an error.
fn in_savepoint<T, E: FlowError>(
    connection: &mut SqliteConnection,
    flow: impl FnOnce(&mut SqliteConnection) -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    let mut refusal = None;
    let outcome = connection.transaction(|connection| match catch_unwind(AssertUnwindSafe(|| flow(connection))) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            refusal = Some(error);
            Err(diesel::result::Error::RollbackTransaction)
        }
        Err(panic) => {
            let text = panic_text(panic.as_ref());
            tracing::error!(panic = %text, "a transaction panicked and was rolled back: {text}");
            refusal = Some(E::from(Error::Panicked(text)));
            Err(diesel::result::Error::RollbackTransaction)
        }
    });
    outcome.map_err(|error| refusal.unwrap_or_else(|| E::from(Error::Query(error))))
}

fn connect(path: &Path) -> Result<SqliteConnection> {
    SqliteConnection::establish(&file::uri(path)).map_err(|error| Error::Connect(error.to_string()))
}

/// Opens the one connection that writes and starts its thread.
fn start_writer(path: &Path, lock: File) -> Result<Writer> {
    let mut connection = connect(path)?;
    let pragmas = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                   PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8000;";
    connection.batch_execute(pragmas).map_err(|error| match &error {
        diesel::result::Error::DatabaseError(_, information) if information.message().contains("not a database") => {
            Error::NotADatabase(path.to_owned())
        }
        _ => Error::Query(error),
    })?;
    file::settle(path, &mut connection)?;
    migrate::sqlite(&mut connection)?;
    let (sender, receiver) = sync_channel::<Work>(QUEUE_MAX);
    let thread = std::thread::Builder::new()
        .name("sqlite-writer".to_owned())
        .spawn(move || run_writer(&mut connection, &receiver))
        .map_err(|source| Error::File { path: path.to_owned(), source })?;
    Ok(Writer { queue: Some(sender), thread: Some(thread), _lock: lock })
}

/// Commits what has gathered, as long as somebody can still send.
fn run_writer(connection: &mut SqliteConnection, queue: &Receiver<Work>) {
    while let Ok(first) = queue.recv() {
        let mut answers: Vec<Answer> = Vec::new();
        let committed = connection.immediate_transaction(|connection| {
            answers.push(first(connection));
            while answers.len() < GROUP_MAX {
                match queue.try_recv() {
                    Ok(work) => answers.push(work(connection)),
                    Err(_) => break,
                }
            }
            Ok::<(), diesel::result::Error>(())
        });
        let failure = committed.err().map(|error| error.to_string());
        if let Some(failure) = &failure {
            tracing::error!(error = %failure, count = answers.len(), "a commit failed: {failure}");
        }
        for answer in answers {
            answer(match &failure {
                None => Ok(()),
                Some(text) => Err(Error::Connect(format!("the commit failed: {text}"))),
            });
        }
    }
}
