//! The schema: embedded migrations, run at start; a schema from the future is refused.

use diesel::migration::MigrationSource;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{Error, Result};

diesel::table! {
    /// Where Diesel keeps which migrations were run.
    #[sql_name = "__diesel_schema_migrations"]
    applied (version) {
        version -> Text,
    }
}

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
    const LOCK: i64 = 0x6665_6466_6c61;
    diesel::sql_query(format!("SELECT pg_advisory_lock({LOCK})")).execute(connection)?;
    let outcome = run::<Pg, _>(connection, POSTGRESQL);
    diesel::sql_query(format!("SELECT pg_advisory_unlock({LOCK})")).execute(connection)?;
    outcome
}

/// Refuses a newer schema for one who only reads, and so changes nothing. An older one is read as far as it goes.
pub fn check_sqlite(connection: &mut SqliteConnection) -> Result<()> {
    let applied: Vec<String> = applied::table.select(applied::version).load(connection)?;
    refuse_newer(applied, &known::<Sqlite>(&SQLITE)?)
}

pub fn check_postgres(connection: &mut PgConnection) -> Result<()> {
    let applied: Vec<String> = applied::table.select(applied::version).load(connection)?;
    refuse_newer(applied, &known::<Pg>(&POSTGRESQL)?)
}

fn known<DB>(embedded: &EmbeddedMigrations) -> Result<Vec<String>>
where
    DB: diesel::backend::Backend,
    EmbeddedMigrations: MigrationSource<DB>,
{
    let migrations = MigrationSource::<DB>::migrations(embedded).map_err(failed)?;
    Ok(migrations.iter().map(|migration| migration.name().version().to_string()).collect())
}

fn refuse_newer(applied: Vec<String>, known: &[String]) -> Result<()> {
    match applied.into_iter().find(|version| !known.contains(version)) {
        Some(newer) => Err(Error::NewerSchema(newer)),
        None => Ok(()),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the form that `map_err` wants")]
fn failed(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::Migration(error.to_string())
}

fn run<DB, C>(connection: &mut C, embedded: EmbeddedMigrations) -> Result<SchemaStatus>
where
    DB: diesel::backend::Backend,
    C: MigrationHarness<DB>,
    EmbeddedMigrations: MigrationSource<DB>,
{
    let known = known::<DB>(&embedded)?;
    let applied = connection.applied_migrations().map_err(failed)?;
    refuse_newer(applied.iter().map(ToString::to_string).collect(), &known)?;
    connection.run_pending_migrations(embedded).map_err(failed)?;
    let applied = connection.applied_migrations().map_err(failed)?;
    Ok(SchemaStatus { applied: applied.iter().map(ToString::to_string).collect(), known })
}
