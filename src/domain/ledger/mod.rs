//! The books: a double-entry, append-only journal over a fixed chart of accounts.
//!
//! Owns three invariants. Every transfer takes from one account what it gives to another, so the books always sum to zero.
//! No account goes to the wrong side: what is owed cannot become a claim by spending it twice. Every entry names the hash
//! of the one before, so history cannot be changed unseen.
//!
//! [`account`] is the chart, [`entry`] what is written, [`balance`] what follows from it.
//! Source: docs/money.md, "The books"; the two-phase model is TigerBeetle's.

pub mod account;
pub mod balance;
pub mod entry;

pub use account::{Account, Class};
pub use balance::{Balance, Refusal};
pub use entry::{Entry, Kind, Phase, Transfer};
