//! fedflattr: the layers, in the order in which data flows.
//!
//! A favourite, like, heart or star gives its author a share of the monthly sum that a person has set aside. Every
//! instance holds only the money of its own patrons; once a month instances settle with one another by signed activities.
//!
//! Each layer uses only those above it; a tidy test (`src/tests/tidy.rs`) reads the imports and fails when one points up.

// What is true: pure rules over plain values.
pub mod domain;

// What the operator chose: one TOML, environment, flags.
pub mod config;

// The one place that asks for the time.
pub mod clock;

// How failures are told, and places at which a test may kill the process.
pub mod fault;

// Secrets at rest: sealed with a key that is not in the database.
pub mod vault;

// What we remember: Diesel on SQLite or PostgreSQL.
pub mod storage;

// Eight platforms and the fediverse: one trait, one folder for each.
pub mod bridges;

// Real money in and out: one trait, one file for each rail.
pub mod rails;

// What happens: one file for each verb.
pub mod flows;

// ActivityPub: JSON to domain values and back; the gate, the inbox, the outbox, delivery.
pub mod federation;

// When it happens: the loops that drive an instance.
pub mod jobs;

// Who asks, over HTTP: other servers and people.
pub mod web;

// Who asks, as the operator: one list of commands, by shell or socket.
pub mod console;

// The platforms and a bank as local HTTP servers, for the demo and the tests.
pub mod sandbox;

// Who asks, by command line: `fedflattr <noun> <verb>`.
pub mod cli;

#[cfg(test)]
mod tests;
