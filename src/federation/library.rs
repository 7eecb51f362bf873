//! The one module that touches `activitypub_federation`, whose betas change their API.
//!
//! It fetches actors for us (signed GETs, content types, id equal to the address) and is the second verifier behind our own
//! gate: a request counts only when both agree. Its queue is never used.

use activitypub_federation::actix_web::inbox::{ReceiveActivityHook, receive_activity_with_hook};
use activitypub_federation::config::{Data, FederationConfig, UrlVerifier};
use activitypub_federation::error::Error as FederationError;
use activitypub_federation::fetch::fetch_object_http;
use activitypub_federation::traits::{Activity, Actor as ActorTrait, Object};
use actix_web::HttpRequest;
use actix_web::web::Bytes;
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::client::GuardedClient;
use super::documents::{self, DocumentError};
use super::node::{Node, StartError};
use crate::storage::inbox::{Received, Stored};
use crate::storage::people::Actor;
use crate::storage::{self, people};

/// The library's configuration with our node as its data.
pub type Federation = FederationConfig<Node>;

/// The fetches for one request: whatever is fetched with the same value counts towards one limit.
pub type Fetches = Data<Node>;

/// An actor, a redirect or its key's own document, and one more for software that names it by a second address.
const FETCHES_MAX: u32 = 3;

#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    #[error("{0}")]
    Federation(#[from] FederationError),
    #[error("{0}")]
    Document(#[from] DocumentError),
    #[error("{0}")]
    Storage(#[from] storage::Error),
    #[error("{0}")]
    Json(#[from] serde_json::Error),
}

/// An actor as the library sees it.
#[derive(Clone, Debug)]
pub struct LibraryActor {
    actor: Actor,
    uri: Url,
    inbox: Url,
    /// Only for the instance actor, which signs the library's fetches.
    rsa_private_pem: Option<String>,
}

impl LibraryActor {
    fn new(actor: Actor, rsa_private_pem: Option<String>) -> Result<LibraryActor, LibraryError> {
        let parse = |text: &str| Url::parse(text).map_err(|_| storage::Error::corrupt("actor address", text));
        let (uri, inbox) = (parse(&actor.uri)?, parse(&actor.inbox)?);
        Ok(LibraryActor { actor, uri, inbox, rsa_private_pem })
    }
}

#[async_trait]
impl Object for LibraryActor {
    type DataType = Node;
    type Kind = Value;
    type Error = LibraryError;

    fn id(&self) -> &Url {
        &self.uri
    }

    async fn read_from_id(id: Url, data: &Data<Node>) -> Result<Option<Self>, LibraryError> {
        let known = data.db.read(move |tx| people::actor_by_uri(tx, id.as_str())).await?;
        known.map(|actor| LibraryActor::new(actor, None)).transpose()
    }

    async fn into_json(self, _: &Data<Node>) -> Result<Value, LibraryError> {
        Ok(documents::actor_stub(&self.actor))
    }

    async fn verify(document: &Value, expected: &Url, _: &Data<Node>) -> Result<(), LibraryError> {
        documents::read_actor(document, expected)?;
        Ok(())
    }

    async fn from_json(document: Value, data: &Data<Node>) -> Result<Self, LibraryError> {
        let id = document.get("id").and_then(Value::as_str).and_then(|id| Url::parse(id).ok());
        let id = id.ok_or(DocumentError::Member("id"))?;
        LibraryActor::new(store_actor(data, &document, &id).await?, None)
    }
}

impl ActorTrait for LibraryActor {
    fn public_key_pem(&self) -> &str {
        &self.actor.rsa_public_pem
    }

    fn private_key_pem(&self) -> Option<String> {
        self.rsa_private_pem.clone()
    }

    fn inbox(&self) -> Url {
        self.inbox.clone()
    }
}

/// An activity of any type: the library needs to know only whose it is.
#[derive(Clone, Debug, Deserialize)]
pub struct AnyActivity {
    id: Url,
    actor: Url,
}

#[async_trait]
impl Activity for AnyActivity {
    type DataType = Node;
    type Error = LibraryError;

    fn id(&self) -> &Url {
        &self.id
    }

    fn actor(&self) -> &Url {
        &self.actor
    }

    async fn verify(&self, _: &Data<Node>) -> Result<(), LibraryError> {
        Ok(())
    }

    /// The row was stored by the hook, with the bytes as they came; there is nothing left to do inline.
    async fn receive(self, _: &Data<Node>) -> Result<(), LibraryError> {
        Ok(())
    }
}

/// Stores the raw bytes, once the library has verified them too.
struct StoreRaw<'a> {
    received: Received,
    envelope: Option<String>,
    stored: &'a mut Option<Stored>,
}

impl ReceiveActivityHook<AnyActivity, LibraryActor, Node> for StoreRaw<'_> {
    async fn hook(self, _: &AnyActivity, _: &LibraryActor, data: &Data<Node>) -> Result<(), LibraryError> {
        let (received, envelope) = (self.received, self.envelope);
        let store = move |tx: &mut storage::Tx| storage::inbox::store_with_envelope(tx, &received, envelope.as_deref());
        *self.stored = Some(data.write(store).await?);
        Ok(())
    }
}

/// Lets the library verify a request that passed our gate, and stores its body durably.
pub async fn verify_and_store(
    fetches: &Fetches,
    request: HttpRequest,
    body: Bytes,
    received: Received,
    envelope: Option<String>,
) -> Result<Stored, LibraryError> {
    let mut stored = None;
    let hook = StoreRaw { received, envelope, stored: &mut stored };
    receive_activity_with_hook::<AnyActivity, LibraryActor, Node>(request, body, hook, fetches).await?;
    Ok(stored.expect("the library calls the hook before it answers"))
}

/// Our own guard, asked for every address that the library wants to use.
#[derive(Clone)]
struct Guard(GuardedClient);

#[async_trait]
impl UrlVerifier for Guard {
    async fn verify(&self, url: &Url) -> Result<(), FederationError> {
        self.0.check(url).map_err(|error| FederationError::Other(error.to_string()))
    }
}

/// Sets the library up: our client, our guard, the instance actor's signature on every fetch.
pub async fn federation(node: &Node) -> Result<Federation, StartError> {
    let library = |error: String| StartError::Library(error);
    let id = node.actor.id;
    let keys = node.db.read(move |tx| people::actor_keys(tx, id)).await?;
    let pem = keys.map(|keys| keys.rsa_private_pem);
    let actor = LibraryActor::new(node.actor.clone(), pem).map_err(|error| library(error.to_string()))?;
    // The library's own test mode allows ports, http and local names; our client still checks every address.
    let is_test = !node.config.federation.allow_private_addresses.is_empty();
    FederationConfig::builder()
        .domain(node.instance.host.clone())
        .app_data(node.clone())
        .client(node.client.inner().clone().into())
        .url_verifier(Box::new(Guard(node.client.clone())))
        .debug(is_test)
        .http_fetch_limit(FETCHES_MAX)
        .http_signature_compat(true)
        .signed_fetch_actor(&actor)
        .build()
        .await
        .map_err(|error| library(error.to_string()))
}

/// Fetches the actor at an address that an operator named, or at the one to which that leads, and stores it.
pub async fn fetch_actor(federation: &Federation, uri: &Url) -> Result<Actor, LibraryError> {
    let fetches = federation.to_request_data();
    let (document, address) = fetch(&fetches, uri).await?;
    let document = with_key(&fetches, document, &address).await?;
    store_actor(&fetches, &document, &address).await
}

/// Fetches the actor with this id anew and stores what it says of itself. A redirect to somebody else is no answer.
pub async fn fetch_exactly(fetches: &Fetches, id: &Url) -> Result<Actor, LibraryError> {
    let (document, address) = fetch(fetches, id).await?;
    if address != *id {
        return Err(DocumentError::OtherId.into());
    }
    let document = with_key(fetches, document, id).await?;
    store_actor(fetches, &document, id).await
}

/// A document and the address at which it was found, which is its id.
async fn fetch(fetches: &Fetches, uri: &Url) -> Result<(Value, Url), LibraryError> {
    fetches.client.check(uri).map_err(|error| FederationError::Other(error.to_string()))?;
    let reply = fetch_object_http::<Node, Value>(uri, fetches).await?;
    Ok((reply.object, reply.url))
}

/// The document of an actor with its key inside. Some software publishes the key as a document of its own, which the
/// actor names: it is believed when it names the actor in return, on the same origin.
async fn with_key(fetches: &Fetches, mut document: Value, actor: &Url) -> Result<Value, LibraryError> {
    let named = match document.get("publicKey") {
        Some(Value::String(id)) => Some(id.as_str()),
        Some(key) if key.get("publicKeyPem").is_none() => key.get("id").and_then(Value::as_str),
        _ => None,
    };
    let Some(id) = named.and_then(|id| Url::parse(id).ok()) else { return Ok(document) };
    if id.origin() != actor.origin() {
        return Err(DocumentError::OtherOrigin("publicKey").into());
    }
    let (key, _) = fetch(fetches, &id).await?;
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    if text("id") != Some(id.as_str()) || text("owner") != Some(actor.as_str()) {
        return Err(DocumentError::OtherOwner.into());
    }
    document["publicKey"] = json!({ "id": text("id"), "owner": text("owner"), "publicKeyPem": text("publicKeyPem") });
    Ok(document)
}

async fn store_actor(node: &Node, document: &Value, id: &Url) -> Result<Actor, LibraryError> {
    let mut actor = documents::read_actor(document, id)?;
    actor.fetched_at = node.now().micros();
    Ok(node.write(move |tx| people::save_actor(tx, &actor)).await?)
}
