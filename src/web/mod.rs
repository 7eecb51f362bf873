//! Who asks, over HTTP: other servers, people, and the operator's own commands.
//!
//! Owns addresses and content negotiation, and nothing else: a handler parses, authorises, calls one flow or query, and
//! renders. Must not decide about money.

pub mod activitypub;
pub mod channels;
pub mod discovery;
pub mod error;

use actix_web::web::{self, ServiceConfig};

use crate::federation::library::Federation;

/// What handlers share.
pub type State = web::Data<Federation>;

/// Every route of a serving instance.
pub fn routes(config: &mut ServiceConfig) {
    config.configure(discovery::routes).configure(channels::routes).configure(activitypub::routes);
}
