//! What is true: the rules of money, months and likes, as plain functions over plain values.
//!
//! Owns every invariant of the product that can be stated without naming a database or a network. Must not know tokio,
//! diesel, actix, reqwest, files, the clock or randomness (the tidy test enforces it), so that the server, the property
//! tests and a simulation run the same code.
//!
//! Read in this order: [`money`] and [`time`], then [`flattr`] and [`share`], then [`ledger`]. [`proof`] stands alone.

pub mod commitment;
pub mod consent;
mod currency;
pub mod flattr;
pub mod id;
pub mod identity;
pub mod ledger;
pub mod message;
pub mod money;
pub mod month_tree;
pub mod proof;
#[cfg(test)]
mod published_vectors;
pub mod settlement;
pub mod share;
pub mod statement;
pub mod time;
