//! Tests of the whole crate: the layers' directions, both databases, and journeys through the flows.
//!
//! Owns the harness: [`node`] is one instance with a virtual clock, [`world`] several that settle with one another, and
//! [`on_both_databases`] runs a scenario on SQLite and on PostgreSQL. The names of the tests are claims; read as a list
//! they say what the product promises.

mod node;
mod postgres;
mod tidy;
mod world;

mod claims;
mod close;
mod disputes;
mod divide;
mod docs;
mod money;
mod own_accounts;
mod settle;
mod settle_lies;
mod settle_losses;
mod settle_payments;
mod storage;

use crate::domain::money::{Amount, Currency};

/// A database engine under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// Runs a scenario on each database that is there, and says which one failed or was left out.
pub fn on_both_databases(scenario: impl Fn(Backend)) {
    eprintln!("on SQLite:");
    scenario(Backend::Sqlite);
    if postgres::is_installed() {
        eprintln!("on PostgreSQL:");
        scenario(Backend::Postgres);
    } else {
        let thread = std::thread::current();
        eprintln!("SKIPPED on PostgreSQL, which is not installed: {}", thread.name().unwrap_or("a test"));
    }
}

/// `eur("2.00")`
pub fn eur(text: &str) -> Amount {
    Amount::parse(text, Currency::EUR).expect("a decimal number")
}
