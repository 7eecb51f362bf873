//! PostgreSQL: a pool of connections, for an instance that has grown beyond one process.
//!
//! Owns the retry of transactions that the server ends because of others (serialisation failures, deadlocks): they are run
//! again from the start, with a short random wait, and nothing of the failed run remains.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use diesel::r2d2::{ConnectionManager, Pool};
use diesel::{Connection, PgConnection};

use super::{Error, FlowError, Options, Tx, migrate, panic_text};

/// Runs of one transaction before its conflict is reported.
const ATTEMPTS_MAX: u32 = 12;

#[derive(Clone)]
pub struct Store {
    pool: Pool<ConnectionManager<PgConnection>>,
}

impl Store {
    pub fn open(options: &Options) -> Result<Store, Error> {
        let connect = |error: String| Error::Connect(without_password(&error, &options.url));
        let mut connection = PgConnection::establish(&options.url).map_err(|error| connect(error.to_string()))?;
        if options.is_writer {
            migrate::postgres(&mut connection)?;
        } else {
            migrate::check_postgres(&mut connection)?;
        }
        drop(connection);
        let manager = ConnectionManager::new(&options.url);
        let pool = Pool::builder()
            .max_size(options.pool_size.max(1))
            .min_idle(Some(0))
            .connection_timeout(Duration::from_secs(10))
            .build(manager)
            .map_err(|error| connect(error.to_string()))?;
        Ok(Store { pool })
    }

    pub async fn write<T, E, F>(&self, mut flow: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: FlowError,
        F: FnMut(&mut Tx) -> Result<T, E> + Send + 'static,
    {
        let store = self.clone();
        let run = move || {
            let mut attempt = 1;
            loop {
                let outcome = store.run_once(&mut flow);
                match &outcome {
                    Err(error) if error.as_storage().is_some_and(Error::is_conflict) && attempt < ATTEMPTS_MAX => {
                        let jitter = std::process::id().wrapping_mul(attempt).wrapping_mul(2_654_435_761) >> 27;
                        std::thread::sleep(Duration::from_millis(u64::from(attempt * 2 + jitter)));
                        attempt += 1;
                    }
                    _ => return outcome,
                }
            }
        };
        tokio::task::spawn_blocking(run).await.unwrap_or_else(|error| Err(E::from(Error::Panicked(error.to_string()))))
    }

    pub fn read_now<T, E: FlowError>(&self, flow: impl FnOnce(&mut Tx) -> Result<T, E>) -> Result<T, E> {
        let mut connection = self.pool.get().map_err(|error| Error::Connect(error.to_string()))?;
        let mut refusal = None;
        let outcome = connection.build_transaction().read_only().repeatable_read().run(|connection| {
            flow(&mut Tx::Postgres(connection)).map_err(|error| {
                refusal = Some(error);
                diesel::result::Error::RollbackTransaction
            })
        });
        outcome.map_err(|error| refusal.unwrap_or_else(|| E::from(Error::Query(error))))
    }

    fn run_once<T, E: FlowError>(&self, flow: &mut impl FnMut(&mut Tx) -> Result<T, E>) -> Result<T, E> {
        let mut connection = self.pool.get().map_err(|error| Error::Connect(error.to_string()))?;
        let mut refusal = None;
        // READ COMMITTED: whatever changes the books first locks the journal's head, so its reads are of the latest state.
        let outcome = connection.build_transaction().read_write().run(|connection| {
            match catch_unwind(AssertUnwindSafe(|| flow(&mut Tx::Postgres(connection)))) {
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
            }
        });
        outcome.map_err(|error| refusal.unwrap_or_else(|| E::from(Error::Query(error))))
    }
}

/// Connection errors quote the URL; its password must not reach a log.
fn without_password(text: &str, url: &str) -> String {
    let password =
        url.split("://").nth(1).and_then(|rest| rest.split('@').next()).and_then(|user| user.split_once(':'));
    match password {
        Some((_, password)) if !password.is_empty() => text.replace(password, "********"),
        _ => text.to_owned(),
    }
}
