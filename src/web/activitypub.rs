//! ActivityPub over HTTP: actors, posts, collections and inboxes.
//!
//! Owns the choice between JSON and a page for one address: a browser that follows an actor's id sees a page, a server the
//! document. Nothing here is trusted: what is posted goes through the gate.

use actix_web::web::{self, Bytes, Path, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, get};
use serde::Deserialize;
use serde_json::{Value, json};

use super::State;
use super::error::WebError;
use super::pages::{self, PageResult, Visit, redirect};
use crate::domain::identity::Platform;
use crate::federation::{documents, gate, post_document};
use crate::storage::people::{Actor, ActorKind};
use crate::storage::{self, identities, inbox, likes, outbox, people};

/// Items on one page of a collection.
const PAGE: i64 = 20;

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(web::resource("/inbox").route(web::post().to(receive)))
        .service(web::resource("/instance/inbox").route(web::post().to(receive)))
        .service(web::resource("/users/{name}/inbox").route(web::post().to(receive)))
        .service(web::resource("/bridge/{platform}/{account}/inbox").route(web::post().to(receive)))
        .service(get_instance_actor)
        .service(get_patron)
        .service(get_patron_page)
        .service(get_object)
        .service(get_object_likes)
        .service(get_bridged)
        .service(get_collection)
        .service(get_bridged_collection)
        .service(get_instance_collection);
}

/// Whether a request asks for the document rather than the page.
pub fn wants_json(request: &HttpRequest) -> bool {
    // A server that says nothing, or anything, gets the document; only who asks for HTML gets the page.
    asks_for_document(request) || !accept(request).contains("text/html")
}

/// Whether a request names the type of the document itself.
fn asks_for_document(request: &HttpRequest) -> bool {
    let accept = accept(request);
    accept.contains("application/activity+json") || accept.contains("application/ld+json")
}

fn accept(request: &HttpRequest) -> String {
    let accept = request.headers().get("accept").and_then(|value| value.to_str().ok());
    accept.unwrap_or_default().to_ascii_lowercase()
}

/// A document with the headers that keep caches and other servers right.
pub fn document(document: &Value) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/activity+json; charset=utf-8")
        .insert_header(("vary", "Accept"))
        .insert_header(("access-control-allow-origin", "*"))
        .body(document.to_string())
}

async fn receive(state: State, request: HttpRequest, body: Bytes) -> Result<HttpResponse, WebError> {
    gate::receive(&state, request, body).await?;
    Ok(HttpResponse::Accepted().finish())
}

async fn local_actor(state: &State, uri: String) -> Result<Actor, WebError> {
    let actor = state.db.read(move |tx| people::actor_by_uri(tx, &uri)).await?;
    actor.filter(Actor::is_local).ok_or_else(WebError::not_found)
}

/// An actor with its public keys, which are made when it is first asked for.
async fn with_keys(state: &State, actor: Actor) -> Result<Actor, WebError> {
    if !actor.rsa_public_pem.is_empty() {
        return Ok(actor);
    }
    state.keys_of(&actor).await.map_err(|error| {
        tracing::error!(actor = %actor.uri, "no keys for {}: {error}", actor.uri);
        WebError::new(503, "this actor is not ready yet: try again later")
    })?;
    local_actor(state, actor.uri).await
}

/// Whether the owner of the account behind an actor does not want to be bridged.
fn is_refused(tx: &mut storage::Tx, actor: crate::domain::id::ActorId) -> Result<bool, storage::Error> {
    Ok(identities::identity_by_actor(tx, actor)?.is_some_and(|identity| identity.is_refused))
}

fn tombstone(uri: &str) -> HttpResponse {
    gone(&json!({ "@context": "https://www.w3.org/ns/activitystreams", "id": uri, "type": "Tombstone" }))
}

/// A Tombstone is what is left of something that is gone.
fn gone(document: &Value) -> HttpResponse {
    HttpResponse::Gone()
        .content_type("application/activity+json; charset=utf-8")
        .insert_header(("vary", "Accept"))
        .body(document.to_string())
}

async fn show_actor(state: &State, uri: String) -> Result<HttpResponse, WebError> {
    let actor = local_actor(state, uri).await?;
    let id = actor.id;
    if actor.gone_at.is_some() || state.db.read(move |tx| is_refused(tx, id)).await? {
        return Ok(tombstone(&actor.uri));
    }
    let actor = with_keys(state, actor).await?;
    let bridged = state.db.read(move |tx| documents::bridged(tx, id)).await?;
    Ok(document(&documents::actor(&actor, bridged.as_ref())))
}

#[get("/instance")]
async fn get_instance_actor(state: State, request: HttpRequest) -> PageResult {
    if !wants_json(&request) {
        return Ok(redirect("/"));
    }
    Ok(show_actor(&state, state.instance.uri()).await?)
}

#[get("/users/{name}")]
async fn get_patron(state: State, request: HttpRequest, name: Path<String>) -> PageResult {
    if !wants_json(&request) {
        return pages::people::patron_page(Visit::of(&request).await?, &name).await;
    }
    Ok(show_actor(&state, state.instance.patron_uri(&name)).await?)
}

/// The page of a patron. A server that follows the link gets the document.
#[get("/@{name}")]
async fn get_patron_page(state: State, request: HttpRequest, name: Path<String>) -> PageResult {
    if asks_for_document(&request) {
        return Ok(show_actor(&state, state.instance.patron_uri(&name)).await?);
    }
    pages::people::patron_page(Visit::of(&request).await?, &name).await
}

#[get("/bridge/{platform}/{account}")]
async fn get_bridged(state: State, request: HttpRequest, path: Path<(String, String)>) -> PageResult {
    let (platform, account) = path.into_inner();
    if !wants_json(&request) {
        return pages::bridged::account_page(Visit::of(&request).await?, &platform, &account).await;
    }
    let uri = state.instance.bridged_actor_uri(&platform, &account);
    Ok(show_actor(&state, uri).await?)
}

pub async fn find_object(state: &State, platform: &str, object: &str) -> Result<identities::Object, WebError> {
    let uri = state.instance.object_uri(platform, object);
    let object = state.instance.parse_object_uri(&uri).ok_or_else(WebError::not_found)?;
    let found = state.db.read(move |tx| identities::object_by_ref(tx, &object)).await?;
    found.ok_or_else(WebError::not_found)
}

#[get("/bridge/{platform}/objects/{object}")]
async fn get_object(state: State, request: HttpRequest, path: Path<(String, String)>) -> PageResult {
    let found = find_object(&state, &path.0, &path.1).await?;
    if !wants_json(&request) {
        return pages::bridged::object_page(Visit::of(&request).await?, found).await;
    }
    // A native post has its own server; there is no second document of it here.
    if found.platform == Platform::Fediverse.slug() {
        return Err(WebError::not_found().into());
    }
    let (instance, uri) = (state.instance.clone(), state.instance.object_uri(&found.platform, &found.object));
    let (shown, is_refused) = state
        .db
        .read(move |tx| {
            let is_refused = match found.owner() {
                Some(owner) => identities::identity(tx, owner)?.is_some_and(|identity| identity.is_refused),
                None => false,
            };
            Ok::<_, storage::Error>((post_document::load(tx, &instance, found)?, is_refused))
        })
        .await?;
    if is_refused {
        return Ok(tombstone(&uri));
    }
    let written = post_document::write(&state.instance, &shown);
    Ok(if shown.object.is_deleted { gone(&written) } else { document(&written) })
}

#[get("/bridge/{platform}/objects/{object}/likes")]
async fn get_object_likes(state: State, path: Path<(String, String)>) -> Result<HttpResponse, WebError> {
    let found = find_object(&state, &path.0, &path.1).await?;
    let (id, owner) = (found.id, found.owner());
    let total = state
        .db
        .read(move |tx| {
            let owner = match owner {
                Some(owner) => identities::identity(tx, owner)?,
                None => None,
            };
            let is_refused = owner.is_some_and(|owner| owner.is_refused);
            if is_refused { Ok(None) } else { likes::count_for_object(tx, id).map(Some) }
        })
        .await?;
    let total = total.ok_or_else(|| WebError::new(410, "the author of this post does not want to be here"))?;
    let uri = state.instance.object_uri(&found.platform, &found.object);
    Ok(document(&json!({
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": format!("{uri}/likes"),
        "type": "Collection",
        "totalItems": total,
    })))
}

#[derive(Deserialize)]
struct PageQuery {
    /// Items before this row; without it, the collection itself.
    before: Option<i64>,
}

#[get("/users/{name}/{collection:outbox|followers|following}")]
async fn get_collection(
    state: State,
    path: Path<(String, String)>,
    query: Query<PageQuery>,
) -> Result<HttpResponse, WebError> {
    let uri = state.instance.patron_uri(&path.0);
    show_collection(&state, uri, &path.1, &query).await
}

#[get("/bridge/{platform}/{account}/{collection:outbox|followers|following}")]
async fn get_bridged_collection(
    state: State,
    path: Path<(String, String, String)>,
    query: Query<PageQuery>,
) -> Result<HttpResponse, WebError> {
    let uri = state.instance.bridged_actor_uri(&path.0, &path.1);
    show_collection(&state, uri, &path.2, &query).await
}

#[get("/instance/{collection:outbox|following}")]
async fn get_instance_collection(
    state: State,
    path: Path<String>,
    query: Query<PageQuery>,
) -> Result<HttpResponse, WebError> {
    show_collection(&state, state.instance.uri(), &path, &query).await
}

/// A collection with its total, or a page of an outbox. Who follows whom is nobody else's business.
async fn show_collection(state: &State, uri: String, name: &str, query: &PageQuery) -> Result<HttpResponse, WebError> {
    let actor = local_actor(state, uri).await?;
    let id = format!("{}/{name}", actor.uri);
    let actor_id = actor.id;
    let is_outbox = name == "outbox" && !actor.is_kind(ActorKind::Instance);
    let owned = name.to_owned();
    if state.db.read(move |tx| is_refused(tx, actor_id)).await? {
        return Err(WebError::new(410, "the owner of this account does not want to be here"));
    }
    let total = state
        .db
        .read(move |tx| match owned.as_str() {
            "followers" => inbox::count_followers(tx, actor_id),
            "outbox" if is_outbox => outbox::count_outgoing_of(tx, actor_id, "Create"),
            _ => Ok(0),
        })
        .await?;
    let context = "https://www.w3.org/ns/activitystreams";
    if !is_outbox {
        let collection = json!({ "@context": context, "id": id, "type": "OrderedCollection", "totalItems": total });
        return Ok(document(&collection));
    }
    let Some(before) = query.before else {
        return Ok(document(&json!({
            "@context": context,
            "id": id,
            "type": "OrderedCollection",
            "totalItems": total,
            "first": format!("{id}?before={}", i64::MAX),
        })));
    };
    let rows = state.db.read(move |tx| outbox::outgoing_of(tx, actor_id, "Create", before, PAGE)).await?;
    let items: Vec<Value> = rows.iter().filter_map(|row| serde_json::from_str(&row.body).ok()).collect();
    let mut page = json!({
        "@context": context,
        "id": format!("{id}?before={before}"),
        "type": "OrderedCollectionPage",
        "partOf": id,
        "orderedItems": items,
    });
    if let Some(last) = rows.last().filter(|_| i64::try_from(rows.len()) == Ok(PAGE)) {
        page["next"] = json!(format!("{id}?before={}", last.id));
    }
    Ok(document(&page))
}
