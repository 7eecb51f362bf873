//! The schema: embedded migrations, run at start; a schema from the future is refused.

use diesel::migration::MigrationSource;
use diesel::pg::Pg;
use diesel::sqlite::Sqlite;
use diesel::{PgConnection, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{Error, Result};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRESQL: EmbeddedMigrations = embed_migrations!("migrations/postgresql");

/// How a database's schema stands to this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaStatus {
    pub applied: Vec<String>,
    pub known: Vec<String>,
}

pub fn sqlite(connection: &mut SqliteConnection) -> Result<SchemaStatus> {
    run::<Sqlite, _>(connection, SQLITE)
}

/// Two processes that start together must not both migrate, so an advisory lock is held meanwhile.
pub fn postgres(connection: &mut PgConnection) -> Result<SchemaStatus> {
    use diesel::RunQueryDsl;
    const LOCK: i64 = 0x6665_6466_6c61;
    diesel::sql_query(format!("SELECT pg_advisory_lock({LOCK})")).execute(connection)?;
    let outcome = run::<Pg, _>(connection, POSTGRESQL);
    diesel::sql_query(format!("SELECT pg_advisory_unlock({LOCK})")).execute(connection)?;
    outcome
}

fn run<DB, C>(connection: &mut C, embedded: EmbeddedMigrations) -> Result<SchemaStatus>
where
    DB: diesel::backend::Backend,
    C: MigrationHarness<DB>,
    EmbeddedMigrations: MigrationSource<DB>,
{
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| Error::Migration(error.to_string());
    let known: Vec<String> = MigrationSource::<DB>::migrations(&embedded)
        .map_err(failed)?
        .iter()
        .map(|migration| migration.name().version().to_string())
        .collect();
    let applied = connection.applied_migrations().map_err(failed)?;
    if let Some(newer) = applied.iter().map(ToString::to_string).find(|version| !known.contains(version)) {
        return Err(Error::NewerSchema(newer));
    }
    connection.run_pending_migrations(embedded).map_err(failed)?;
    let applied = connection.applied_migrations().map_err(failed)?;
    Ok(SchemaStatus { applied: applied.iter().map(ToString::to_string).collect(), known })
}
