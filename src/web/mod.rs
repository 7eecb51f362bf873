//! Who asks, over HTTP: other servers, people, and the operator's own commands.
//!
//! Owns addresses and content negotiation, and nothing else: a handler parses, authorises, calls one flow or query, and
//! renders. Must not decide about money.

pub mod activitypub;
pub mod auth;
pub mod channels;
pub mod discovery;
pub mod error;
pub mod pages;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, ServiceConfig};

use crate::federation::library::Federation;

/// What handlers share.
pub type State = web::Data<Federation>;

/// Answers HEAD as GET, for every address at once. The server remembers what was asked and sends no body.
async fn head_as_get(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    if request.method() == Method::HEAD {
        request.head_mut().method = Method::GET;
    }
    next.call(request).await
}

/// Every route of a serving instance. Takes every address that is not registered before it.
pub fn routes(config: &mut ServiceConfig) {
    config.service(
        web::scope("")
            .wrap(from_fn(pages::dress))
            .wrap(from_fn(head_as_get))
            .configure(discovery::routes)
            .configure(channels::routes)
            .configure(pages::routes)
            .configure(activitypub::routes)
            .default_service(web::to(|| async { Err::<&str, _>(error::WebError::not_found()) })),
    );
}
