//! ActivityPub: what goes over the wire, and who may be believed about it.
//!
//! Owns the two gates to the network. Nothing from outside is acted on before [`signature`] (who sent this request) and
//! `domain::proof` (who said this document) have judged it, and nothing is fetched or sent but through [`client`],
//! which reaches no address inside our own network. Decides nothing about money: it turns JSON into domain values for
//! the flows.
//!
//! Read in this order: [`node`], then a message's way in ([`gate`], [`inbox`]) and out ([`outbox`], [`delivery`]).

pub mod activities;
pub mod address;
mod bridge_http;
mod bridges;
mod claims;
pub mod client;
pub mod delivery;
pub mod documents;
mod fediverse_apps;
pub mod gate;
pub mod inbox;
pub mod keys;
pub mod library;
pub mod node;
pub mod outbox;
pub mod post_document;
pub mod pull;
mod rich_text;
pub mod signature;

pub use node::Node;
