//! Discovery: WebFinger and NodeInfo, by which others find actors and learn what we are.
//!
//! Source: RFC 7033; NodeInfo 2.1; FEP-d556 and FEP-2677 for the server's own actor.

use actix_web::web::{self, Query, ServiceConfig};
use actix_web::{HttpResponse, get};
use serde::Deserialize;
use serde_json::json;

use super::State;
use super::error::WebError;
use crate::flows::Instance;
use crate::storage::people::{self, Actor};
use crate::storage::{self, identities};

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(get_webfinger)
        .service(get_nodeinfo_links)
        .service(get_nodeinfo)
        .service(web::resource("/health").to(health));
}

#[derive(Deserialize)]
struct WebFingerQuery {
    resource: Option<String>,
}

#[get("/.well-known/webfinger")]
async fn get_webfinger(state: State, query: Query<WebFingerQuery>) -> Result<HttpResponse, WebError> {
    let resource = query.resource.clone().unwrap_or_default();
    if resource.is_empty() || resource.len() > 2_000 {
        return Err(WebError::new(400, "ask with ?resource=acct:name@host"));
    }
    let instance = state.instance.clone();
    let wanted = wanted(&instance, &resource).ok_or_else(WebError::not_found)?;
    let actor = state
        .db
        .read(move |tx| {
            let actor = match &wanted {
                Wanted::Name(name) => people::local_actor_by_username(tx, name)?,
                Wanted::Uri(uri) => people::actor_by_uri(tx, uri)?,
            };
            let Some(actor) = actor else { return Ok::<_, storage::Error>(None) };
            // Whoever does not want to be bridged is not found.
            let identity = identities::identity_by_actor(tx, actor.id)?;
            Ok(Some(actor).filter(|_| !identity.is_some_and(|identity| identity.is_refused)))
        })
        .await?;
    let actor = actor.filter(|actor| actor.is_local() && actor.gone_at.is_none()).ok_or_else(WebError::not_found)?;
    Ok(HttpResponse::Ok()
        .content_type("application/jrd+json; charset=utf-8")
        .insert_header(("access-control-allow-origin", "*"))
        .body(jrd(&instance, &actor).to_string()))
}

enum Wanted {
    Name(String),
    Uri(String),
}

/// What a resource names, if it is on this host.
fn wanted(instance: &Instance, resource: &str) -> Option<Wanted> {
    if let Some(account) = resource.strip_prefix("acct:") {
        let (name, host) = account.trim_start_matches('@').rsplit_once('@')?;
        return (host.eq_ignore_ascii_case(&instance.host) && !name.is_empty())
            .then(|| Wanted::Name(name.to_lowercase()));
    }
    if resource.trim_end_matches('/') == instance.base_url {
        return Some(Wanted::Uri(instance.uri()));
    }
    resource.starts_with(&format!("{}/", instance.base_url)).then(|| Wanted::Uri(resource.to_owned()))
}

fn jrd(instance: &Instance, actor: &Actor) -> serde_json::Value {
    let uri = &actor.uri;
    json!({
        "subject": format!("acct:{}@{}", actor.username, instance.host),
        "aliases": [uri],
        "links": [
            { "rel": "self", "type": "application/activity+json", "href": uri },
            // Said twice: some servers look for the one type, some for the other.
            {
                "rel": "self",
                "type": "application/ld+json; profile=\"https://www.w3.org/ns/activitystreams\"",
                "href": uri,
            },
            { "rel": "http://webfinger.net/rel/profile-page", "type": "text/html", "href": uri },
        ],
    })
}

#[get("/.well-known/nodeinfo")]
async fn get_nodeinfo_links(state: State) -> HttpResponse {
    let base = &state.instance.base_url;
    HttpResponse::Ok().insert_header(("access-control-allow-origin", "*")).json(json!({
        "links": [
            {
                "rel": "http://nodeinfo.diaspora.software/ns/schema/2.1",
                "href": format!("{base}/nodeinfo/2.1"),
            },
            { "rel": "https://www.w3.org/ns/activitystreams#Application", "href": state.instance.uri() },
        ],
    }))
}

#[get("/nodeinfo/2.1")]
async fn get_nodeinfo(state: State) -> Result<HttpResponse, WebError> {
    let patrons = state.db.read(people::count_patrons).await?;
    let document = json!({
        "version": "2.1",
        "software": { "name": "fedflattr", "version": env!("CARGO_PKG_VERSION") },
        "protocols": ["activitypub"],
        "services": { "inbound": [], "outbound": [] },
        "openRegistrations": false,
        "usage": { "users": { "total": patrons } },
        "metadata": { "nodeName": state.config.instance.name, "currency": state.instance.policy.currency.as_str() },
    });
    Ok(HttpResponse::Ok()
        .content_type("application/json; profile=\"http://nodeinfo.diaspora.software/ns/schema/2.1#\"")
        .insert_header(("access-control-allow-origin", "*"))
        .body(document.to_string()))
}

/// For load balancers: the process answers, and its database does too.
async fn health(state: State) -> Result<HttpResponse, WebError> {
    state.db.read(crate::storage::ledger::head).await?;
    Ok(HttpResponse::Ok().content_type("text/plain").body("ok\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_resources_of_this_host_are_looked_up() {
        let config = crate::config::Config::load(
            None,
            std::iter::empty(),
            &[("server.domain".to_owned(), "node.example".to_owned())],
        );
        let instance = crate::federation::node::instance_of(&config.unwrap().config);
        let name = |resource: &str| match wanted(&instance, resource) {
            Some(Wanted::Name(name)) => name,
            Some(Wanted::Uri(uri)) => uri,
            None => "nothing".to_owned(),
        };
        assert_eq!(name("acct:Torvalds.GitHub@NODE.example"), "torvalds.github");
        assert_eq!(name("https://node.example/"), "https://node.example/instance");
        assert_eq!(name("https://node.example/users/ana"), "https://node.example/users/ana");
        for foreign in [
            "acct:ana@evil.example",
            "acct:ana@node.example@evil.example",
            "acct:ana",
            "https://node.example.evil/",
            "",
        ] {
            assert_eq!(name(foreign), "nothing", "{foreign}");
        }
    }
}
