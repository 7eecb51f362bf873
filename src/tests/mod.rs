//! Tests of the whole crate: the layers' directions, both databases, and journeys through the flows.
//!
//! Owns the harness: [`node`] is one instance with a virtual clock, [`world`] several that settle with one another, and
//! [`on_both_databases`] runs a scenario on SQLite and on PostgreSQL. The names of the tests are claims; read as a list
//! they say what the product promises.

mod node;
pub mod postgres;
mod tidy;
mod world;

mod bridge_limits;
mod claims;
mod close;
mod consent;
mod credentials;
mod disputes;
mod divide;
mod docs;
mod every_platform;
mod fediverse;
mod feeds;
mod followers;
mod imports;
mod known_likes;
mod likes_world;
mod money;
mod named_accounts;
mod operation;
mod own_accounts;
mod owners;
mod peers;
mod polling;
mod sandbox_pages;
mod settle;
mod settle_lies;
mod settle_losses;
mod settle_payments;
mod sign_in_claims;
mod start;
mod storage;
mod waiting;

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

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
        say_skipped();
    }
}

/// Names and counts a test that is left out on PostgreSQL. Past the capture of the test harness, which would hide it.
pub fn say_skipped() {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed) + 1;
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("a test");
    let said = writeln!(std::io::stderr(), "SKIPPED on PostgreSQL, which is not installed ({count} so far): {name}");
    said.expect("standard error takes a line");
}

/// `eur("2.00")`
pub fn eur(text: &str) -> Amount {
    Amount::parse(text, Currency::EUR).expect("a decimal number")
}
