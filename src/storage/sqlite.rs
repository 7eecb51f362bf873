//! Embedded SQLite: one writer thread that groups commits, a pool of readers, and a lock on the file.
//!
//! Owns durability on SQLite: a transaction is answered only after the commit that holds it has been synced
//! (`synchronous=FULL`, WAL). Transactions that wait together are committed together, each in a savepoint of its own, so
//! that one that fails takes nothing else with it.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
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

/// One transaction that waits for the writer: runs in a savepoint, and returns what answers its caller once committed.
type Work = Box<dyn FnOnce(&mut SqliteConnection) -> Answer + Send>;
/// Told whether the group was committed.
type Answer = Box<dyn FnOnce(Result<()>) + Send>;

#[derive(Clone)]
pub struct Store {
    writer: Option<Arc<Writer>>,
    readers: Pool<ConnectionManager<SqliteConnection>>,
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
        let file = |source| Error::File { path: path.to_owned(), source };
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            std::fs::create_dir_all(directory).map_err(file)?;
        }
        let lock = if options.is_writer { Some(lock_file(path)?) } else { None };
        check_header(path)?;
        let writer = match lock {
            Some(lock) => Some(Arc::new(start_writer(path, lock)?)),
            None if path.exists() => None,
            None => return Err(file(std::io::ErrorKind::NotFound.into())),
        };
        let manager = ConnectionManager::new(path.to_string_lossy());
        let readers = Pool::builder()
            .max_size(options.pool_size.max(1))
            .min_idle(Some(0))
            .connection_customizer(Box::new(ReaderSetup))
            .build(manager)
            .map_err(|error| Error::Connect(error.to_string()))?;
        Ok(Store { writer, readers })
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
        connection
            .batch_execute("PRAGMA busy_timeout = 5000; PRAGMA query_only = ON; PRAGMA foreign_keys = ON;")
            .map_err(diesel::r2d2::Error::QueryError)
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

/// Opens the one connection that writes and starts its thread.
fn start_writer(path: &Path, lock: File) -> Result<Writer> {
    let mut connection =
        SqliteConnection::establish(&path.to_string_lossy()).map_err(|error| Error::Connect(error.to_string()))?;
    let pragmas = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                   PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8000;";
    connection.batch_execute(pragmas).map_err(|error| match &error {
        diesel::result::Error::DatabaseError(_, information) if information.message().contains("not a database") => {
            Error::NotADatabase(path.to_owned())
        }
        _ => Error::Query(error),
    })?;
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

/// Takes the lock that keeps a second process away from the file.
fn lock_file(path: &Path) -> Result<File> {
    let lock_path = PathBuf::from(format!("{}.lock", path.display()));
    let failed = |source| Error::File { path: lock_path.clone(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::InUse(path.to_owned())),
        Err(std::fs::TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Refuses a file that is shorter than its own header says, before SQLite reads half a ledger from it.
///
/// Source: SQLite file format, section 1.3: page size at byte 16, size in pages at 28, valid when the change counter at
/// 24 equals the number at 92.
fn check_header(path: &Path) -> Result<()> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(failed(source)),
    };
    let found = file.metadata().map_err(failed)?.len();
    if found == 0 {
        return Ok(());
    }
    let mut header = [0_u8; 100];
    if file.read_exact(&mut header).is_err() || !header.starts_with(b"SQLite format 3\0") {
        return Err(Error::NotADatabase(path.to_owned()));
    }
    let number = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().expect("four bytes"));
    let page_size = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        size => u64::from(size),
    };
    let expected = u64::from(number(28)) * page_size;
    if number(24) == number(92) && found < expected {
        return Err(Error::Truncated { path: path.to_owned(), expected, found });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(path: &Path, is_writer: bool) -> Options {
        Options { url: format!("sqlite://{}", path.display()), pool_size: 2, is_writer }
    }

    #[test]
    fn a_second_process_on_the_same_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("books.sqlite");
        let _first = Store::open(&path, &options(&path, true)).unwrap();
        // A lock belongs to an open file, so a second open in this process stands for a second process.
        let second = Store::open(&path, &options(&path, true));
        assert!(matches!(second, Err(Error::InUse(_))));
    }

    #[test]
    fn a_truncated_file_is_refused_and_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("books.sqlite");
        drop(Store::open(&path, &options(&path, true)).unwrap());
        let mut connection = SqliteConnection::establish(&path.to_string_lossy()).unwrap();
        connection.batch_execute("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE;").unwrap();
        drop(connection);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let copy = directory.path().join("copy.sqlite");
        std::fs::copy(&path, &copy).unwrap();
        assert!(matches!(Store::open(&copy, &options(&copy, true)), Err(Error::Truncated { .. })));
        assert_eq!(std::fs::read(&copy).unwrap(), whole[..whole.len() / 2]);
        std::fs::write(&copy, b"this was never a database, whatever its name says").unwrap();
        assert!(matches!(Store::open(&copy, &options(&copy, true)), Err(Error::NotADatabase(_))));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn one_failing_transaction_takes_nothing_else_of_its_group_with_it() {
        use diesel::RunQueryDsl;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("books.sqlite");
        let store = Store::open(&path, &options(&path, true)).unwrap();
        let insert = |number: i64| {
            move |tx: &mut Tx| -> Result<()> {
                both!(tx, |db| diesel::sql_query(format!("INSERT INTO undone_likes VALUES ('{number}', 'a', 0)"))
                    .execute(db))?;
                match number % 3 {
                    1 => Err(Error::Closed),
                    2 => panic!("a bug in a flow"),
                    _ => Ok(()),
                }
            }
        };
        let outcomes = futures_util::future::join_all((0..60).map(|number| store.write(insert(number)))).await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 20);
        let stored: Vec<String> = store
            .read_now(|tx| {
                use crate::storage::schema::undone_likes;
                use diesel::QueryDsl;
                Ok::<_, Error>(both!(tx, |db| undone_likes::table.select(undone_likes::like_uri).load(db))?)
            })
            .unwrap();
        assert_eq!(stored.len(), 20);
        assert!(stored.iter().all(|number| number.parse::<i64>().unwrap() % 3 == 0));
    }
}
