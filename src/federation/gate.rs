//! The gate: what an activity must pass before anything of it is believed or stored.
//!
//! Owns the order: size and type, form, policy, digest, signature, window, owner of the key, and only then the library as
//! second verifier, the row in the inbox, and 202. A refusal changes nothing. Source: FEDERATION.md in this repository.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::web::Bytes;
use serde_json::Value;
use url::Url;

use super::inbox;
use super::library::{self, Federation, LibraryError};
use super::node::Node;
use super::signature::{Request, Rules, SignatureError, Window, check};
use crate::clock::wall_time;
use crate::domain::proof::{self, PublicKey};
use crate::domain::settlement::host_of;
use crate::storage::inbox::{Received, Stored};
use crate::storage::people::Actor;

/// Why an activity is refused; each has one HTTP status.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    #[error("an activity is sent as application/activity+json or application/ld+json")]
    ContentType,
    #[error("this is not an activity: {0}")]
    Malformed(String),
    #[error("the signature of this request does not hold: {0}")]
    Signature(#[from] SignatureError),
    #[error("the key `{key}` does not belong to `{actor}`, in whose name this is sent")]
    OtherOwner { key: String, actor: String },
    #[error("the id is on another host than the actor")]
    ForeignId,
    #[error("the actor could not be read: {0}")]
    Actor(String),
    #[error("the second verifier refused the request: {0}")]
    Library(String),
    #[error("another signed document was received under this id: both are kept as evidence")]
    Equivocation,
    #[error("the inbox could not store the activity")]
    Storage(#[from] crate::storage::Error),
}

impl GateError {
    pub fn status(&self) -> u16 {
        match self {
            GateError::ContentType => 415,
            GateError::Malformed(_) => 400,
            GateError::Signature(_) | GateError::OtherOwner { .. } | GateError::Actor(_) | GateError::Library(_) => 401,
            GateError::ForeignId => 403,
            GateError::Equivocation => 409,
            GateError::Storage(_) => 503,
        }
    }
}

/// What happened to an activity that passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    Stored,
    /// Known before: the first body stays.
    Repeat,
    /// The farewell of an actor that we never knew: nothing to do, and nothing is fetched for it.
    NothingToForget,
}

/// Lets an activity in, or says why not.
pub async fn receive(federation: &Federation, request: HttpRequest, body: Bytes) -> Result<Accepted, GateError> {
    let node: &Node = federation;
    check_content_type(&request)?;
    let activity = parse(&body)?;
    if is_farewell(&activity) && known_actor(node, &activity.actor).await?.is_none() {
        return Ok(Accepted::NothingToForget);
    }
    let signer = verify_signature(federation, &request, &body).await?;
    if signer.uri != activity.actor {
        return Err(GateError::OtherOwner { key: signer.rsa_key_id, actor: activity.actor });
    }
    let received = Received {
        activity_uri: activity.id,
        digest: proof::digest(&activity.document),
        signer_uri: signer.uri.clone(),
        body: String::from_utf8(body.to_vec()).map_err(|error| GateError::Malformed(error.to_string()))?,
        received_at: node.now(),
        about: inbox::about(&activity.document),
    };
    match library::verify_and_store(federation, request, body, received).await {
        Ok(Stored::New) => Ok(Accepted::Stored),
        Ok(Stored::Repeat) => Ok(Accepted::Repeat),
        Ok(Stored::Differs { first_body }) => differing(node, &signer, &first_body, &activity.document).await,
        Err(LibraryError::Storage(error)) => Err(GateError::Storage(error)),
        Err(error) => Err(GateError::Library(error.to_string())),
    }
}

/// Other bytes under a known id. With a valid proof on both it is evidence; otherwise the first body wins, silently.
async fn differing(node: &Node, signer: &Actor, first_body: &str, second: &Value) -> Result<Accepted, GateError> {
    let Ok(first) = serde_json::from_str::<Value>(first_body) else { return Ok(Accepted::Repeat) };
    if !(has_valid_proof(signer, &first, node) && has_valid_proof(signer, second, node)) {
        return Ok(Accepted::Repeat);
    }
    let subject = second.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let (first_body, second_body, now) = (first_body.to_owned(), second.to_string(), node.now());
    let second = second.clone();
    node.write(move |tx| {
        crate::storage::evidence::save_evidence(tx, "equivocation", &subject, &first_body, &second_body, now)?;
        match crate::flows::hear::record_equivocation(tx, &second, now) {
            Err(crate::flows::hear::HearError::Storage(error)) => Err(error),
            // A document that is no settlement message has no channel to freeze; the evidence stands.
            Err(_) | Ok(_) => Ok(()),
        }
    })
    .await?;
    Err(GateError::Equivocation)
}

/// Whether a document carries a valid proof by the Ed25519 key that this actor publishes.
pub fn has_valid_proof(signer: &Actor, document: &Value, node: &Node) -> bool {
    let Some(key) = signer.ed25519_multikey.as_deref().and_then(|key| key.parse::<PublicKey>().ok()) else {
        return false;
    };
    match proof::verify(document, &key, node.now()) {
        Ok(verified) => Some(verified.verification_method()) == signer.ed25519_key_id.as_deref(),
        Err(_) => false,
    }
}

fn check_content_type(request: &HttpRequest) -> Result<(), GateError> {
    let header = request.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = header.split(';').next().unwrap_or_default().trim();
    let is_activity =
        ["application/activity+json", "application/ld+json"].iter().any(|known| kind.eq_ignore_ascii_case(known));
    if is_activity { Ok(()) } else { Err(GateError::ContentType) }
}

/// An activity as far as the gate looks into it.
struct Activity {
    id: String,
    actor: String,
    document: Value,
}

fn parse(body: &[u8]) -> Result<Activity, GateError> {
    let malformed = |text: &str| GateError::Malformed(text.to_owned());
    let document: Value = serde_json::from_slice(body).map_err(|error| GateError::Malformed(error.to_string()))?;
    let address = |name: &str| -> Result<String, GateError> {
        let text = document.get(name).and_then(Value::as_str).filter(|text| text.len() <= 2_000);
        let text = text.ok_or_else(|| malformed(&format!("`{name}` is not an address")))?;
        let url = Url::parse(text).map_err(|_| malformed(&format!("`{name}` is not an address")))?;
        if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
            return Err(malformed(&format!("`{name}` is not an address")));
        }
        Ok(text.to_owned())
    };
    let (id, actor) = (address("id")?, address("actor")?);
    if document.get("type").and_then(Value::as_str).is_none() {
        return Err(malformed("`type` is missing"));
    }
    if host_of(&id) != host_of(&actor) {
        return Err(GateError::ForeignId);
    }
    Ok(Activity { id, actor, document })
}

/// An actor that deletes or changes itself. From an unknown one there is nothing to learn.
fn is_farewell(activity: &Activity) -> bool {
    let text = |name: &str| activity.document.get(name).and_then(Value::as_str);
    let object = activity.document.get("object");
    let object = object.and_then(|object| object.as_str().or_else(|| object.get("id").and_then(Value::as_str)));
    matches!(text("type"), Some("Delete" | "Update")) && object == Some(activity.actor.as_str())
}

async fn known_actor(node: &Node, uri: &str) -> Result<Option<Actor>, GateError> {
    let uri = uri.to_owned();
    Ok(node.db.read(move |tx| crate::storage::people::actor_by_uri(tx, &uri)).await?)
}

/// Verifies the HTTP signature of a request and says who signed it.
///
/// A key that fails is fetched anew once, at most once in five minutes for each actor: it may have been rotated.
pub async fn verify_signature(federation: &Federation, request: &HttpRequest, body: &[u8]) -> Result<Actor, GateError> {
    let node: &Node = federation;
    let headers: Vec<(&str, &[u8])> =
        request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let settings = &node.config.federation;
    let rules = Rules {
        hosts: vec![node.instance.host.clone()],
        window: Window {
            past: Duration::from_secs(settings.clock_skew_past_seconds),
            future: Duration::from_secs(settings.clock_skew_future_seconds),
        },
    };
    let parts = Request { method: request.method().as_str(), target, headers: &headers, body };
    // The Date of a request is transport: judged by the real clock, whatever the clock of the books says.
    let checked = check(&parts, &rules, wall_time())?;
    let key_id = Url::parse(checked.key_id()).map_err(|_| GateError::Actor("keyId is not an address".to_owned()))?;
    let mut owner = key_id.clone();
    owner.set_fragment(None);
    let unreadable = |error: LibraryError| match error {
        LibraryError::Storage(error) => GateError::Storage(error),
        other => GateError::Actor(other.to_string()),
    };
    let mut actor = library::known_or_fetched(federation, &owner).await.map_err(unreadable)?;
    let verified = |actor: &Actor| -> Result<(), GateError> {
        if actor.rsa_key_id != key_id.as_str() {
            return Err(GateError::OtherOwner { key: key_id.to_string(), actor: actor.uri.clone() });
        }
        let key = node.parsed_key(actor).map_err(|error| GateError::Actor(error.to_string()))?;
        checked.verify(&key)?;
        Ok(())
    };
    if let Err(refusal) = verified(&actor) {
        let age = node.now().micros() - actor.fetched_at;
        if actor.is_local() || age < 5 * 60 * 1_000_000 {
            return Err(refusal);
        }
        actor = library::fetch_actor(federation, &owner).await.map_err(unreadable)?;
        verified(&actor)?;
    }
    Ok(actor)
}
