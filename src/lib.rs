//! fedflattr: the layers, in the order in which data flows.
//!
//! A favourite, like, heart or star gives its author a share of the monthly sum that a person has set aside. Every
//! instance holds only the money of its own patrons; once a month instances settle with one another by signed activities.
//!
//! Each layer uses only those above it; a tidy test (`src/tests/tidy.rs`) reads the imports and fails when one points up.

pub mod bridges;
pub mod domain;
pub mod sandbox;
