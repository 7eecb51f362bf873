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
use actix_web::http::header::LOCATION;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

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
            .default_service(web::to(elsewhere)),
    );
}

/// No route has this path. A page is also found by its address with a slash at the end, which leads to the right one; a
/// path is never rewritten in passing, since it may be signed.
async fn elsewhere(request: HttpRequest) -> Result<HttpResponse, error::WebError> {
    let path = request.path();
    let trimmed = path.trim_end_matches('/');
    // Two slashes at the start, or a backslash, would lead a browser to another host.
    let is_ours = trimmed.starts_with('/') && !trimmed.starts_with("//") && !trimmed.contains('\\');
    if trimmed == path || !is_ours || !matches!(request.method().as_str(), "GET" | "HEAD") {
        return Err(error::WebError::not_found());
    }
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    Ok(HttpResponse::PermanentRedirect().insert_header((LOCATION, format!("{trimmed}{query}"))).finish())
}

#[cfg(test)]
mod tests {
    use actix_web::http::StatusCode;
    use actix_web::test::TestRequest;

    use super::*;

    #[actix_web::test]
    async fn only_a_page_is_found_with_a_slash_at_the_end_and_never_on_another_host() {
        let check = async |request: TestRequest, expected: Option<&str>| {
            let request = request.to_http_request();
            let shown = request.uri().to_string();
            match (elsewhere(request).await, expected) {
                (Ok(reply), Some(expected)) => {
                    assert_eq!(reply.status(), StatusCode::PERMANENT_REDIRECT, "{shown}");
                    assert_eq!(reply.headers().get(LOCATION).unwrap(), expected, "{shown}");
                }
                (Err(error), None) => assert_eq!(error.status(), StatusCode::NOT_FOUND, "{shown}"),
                (result, _) => panic!("{shown}: {result:?}"),
            }
        };
        check(TestRequest::get().uri("/users/ada/"), Some("/users/ada")).await;
        check(TestRequest::get().uri("/@ada//?page=2"), Some("/@ada?page=2")).await;
        check(TestRequest::get().uri("/users/nobody"), None).await;
        check(TestRequest::get().uri("//evil.example/"), None).await;
        check(TestRequest::get().uri("/%5Cevil.example/"), Some("/%5Cevil.example")).await;
        check(TestRequest::get().uri("//"), None).await;
        check(TestRequest::post().uri("/inbox/"), None).await;
    }
}
