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

// What we remember: Diesel on SQLite or PostgreSQL.
pub mod storage;

// Eight platforms: one trait, one folder for each.
pub mod bridges;

// Real money in and out: one trait, one file for each rail.
pub mod rails;

// What happens: one file for each verb.
pub mod flows;

// ActivityPub: JSON to domain values and back; the gate, the inbox, the outbox, delivery.
pub mod federation;

// The platforms and a bank as local HTTP servers, for the demo and the tests.
pub mod sandbox;

#[cfg(test)]
mod tests;
