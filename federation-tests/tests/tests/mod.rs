//! Databases for these tests: the cluster of the main crate's tests, shared with them while both run.

#[path = "../../../src/tests/postgres.rs"]
pub mod postgres;

use std::io::Write;

use fedflattr::cli::stage::Role;
use postgres::TestDatabase;

/// A role on PostgreSQL, and its database. `None`, and said, where none is installed.
pub fn on_postgresql(name: &'static str) -> Option<(Role, TestDatabase)> {
    match TestDatabase::create() {
        Some(database) => Some((Role { name, database_url: Some(database.url.clone()) }, database)),
        None => {
            let is_required = std::env::var_os("FEDFLATTR_TEST_REQUIRE_POSTGRES").is_some_and(|value| value == "1");
            assert!(!is_required, "PostgreSQL is required and not installed");
            // Past the capture of the test harness, which would hide it.
            let name = std::thread::current().name().unwrap_or("a test").to_owned();
            let said = writeln!(std::io::stderr(), "SKIPPED on PostgreSQL, which is not installed: {name}");
            said.expect("standard error takes a line");
            None
        }
    }
}
