//! ActivityPub: what goes over the wire, and who may be believed about it.
//!
//! Owns the two gates to the network. Nothing from outside is acted on before [`signature`] (who sent this request) and
//! `domain::proof` (who said this document) have judged it, and nothing is fetched or sent but through [`client`],
//! which reaches no address inside our own network. Decides nothing about money: it turns JSON into domain values for
//! the flows.
//!
//! Read in this order: [`keys`], [`signature`], then [`address`] and [`client`].

pub mod address;
pub mod client;
pub mod keys;
pub mod signature;
