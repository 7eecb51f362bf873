//! The gate: what an activity must pass before anything of it is believed or stored.
//!
//! Owns the order, from what costs nothing to what costs a fetch: size and type, form (`form`), the
//! signature as far as it can be judged without a key (digest and time window too), the origin of the key, the key of
//! the actor (`signer`), for a settlement message its proof, and only then the library as second
//! verifier, the row in the inbox, and 202. A refusal stores nothing of the activity. There is no policy about domains
//! here yet. Source: FEDERATION.md in this repository.

mod form;
mod memory;
mod signer;

use actix_web::HttpRequest;
use actix_web::web::Bytes;
use serde_json::Value;

use self::form::Activity;
use super::inbox::{Envelope, about};
use super::library::{self, Federation, LibraryError};
use super::node::Node;
use super::signature::SignatureError;
use crate::domain::message;
use crate::domain::proof;
use crate::domain::settlement::host_of;
use crate::storage::Tx;
use crate::storage::inbox::{About, Received, Stored, revive};
use crate::storage::like_sources;
use crate::storage::people::Actor;

pub use form::{parse, read as read_activity};
pub use memory::Memory;
pub use signer::{ProofRefusal, check_signature, has_valid_proof, verify_signer};

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
    #[error("the key `{key}` is on another host than `{actor}`, in whose name this is sent")]
    ForeignKey { key: String, actor: String },
    #[error("this is sent in the name of an actor of this instance")]
    OwnActor,
    #[error("a settlement message needs a valid proof by its sender: {0}")]
    Unproved(#[from] ProofRefusal),
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
            GateError::Signature(_)
            | GateError::OtherOwner { .. }
            | GateError::ForeignKey { .. }
            | GateError::Unproved(_)
            | GateError::Actor(_)
            | GateError::Library(_) => 401,
            GateError::ForeignId | GateError::OwnActor => 403,
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
    let activity = form::read(&body)?;
    if is_farewell(&activity) && signer::known_actor(node, &activity.actor).await?.is_none() {
        return Ok(Accepted::NothingToForget);
    }
    if host_of(&activity.actor) == node.instance.host {
        return Err(GateError::OwnActor);
    }
    let checked = check_signature(node, &request, &body)?;
    let fetches = federation.to_request_data();
    let mut signer = verify_signer(&fetches, &checked, &activity.actor).await?;
    if message::claims_a_channel(&activity.document) {
        signer = signer::verify_proof(&fetches, signer, &activity.document).await?;
    }
    let about = about(&activity.document);
    let envelope = match about {
        About::Likes => envelope_for(node, &request, &signer.uri).await?,
        _ => None,
    };
    let received = Received {
        activity_uri: activity.id,
        digest: proof::digest(&activity.document),
        signer_uri: signer.uri.clone(),
        body: String::from_utf8(body.to_vec()).map_err(|error| GateError::Malformed(error.to_string()))?,
        received_at: node.now(),
        about,
    };
    let repeated = received.clone();
    match library::verify_and_store(&fetches, request, body, received, envelope).await {
        Ok(Stored::New) => Ok(Accepted::Stored),
        Ok(Stored::Repeat) => {
            // It is proved, and was set aside when it came before: perhaps it came at a bad time.
            if repeated.about == About::Settlement {
                let revive =
                    move |tx: &mut Tx| revive(tx, &repeated.activity_uri, &repeated.body, repeated.received_at);
                node.write(revive).await?;
            }
            Ok(Accepted::Repeat)
        }
        Ok(Stored::Differs { first_body }) => differing(node, &signer, &first_body, &activity.document).await,
        Err(LibraryError::Storage(error)) => Err(GateError::Storage(error)),
        Err(error) => Err(GateError::Library(error.to_string())),
    }
}

/// How a like was sent, when it counts at another instance, which will verify it again.
async fn envelope_for(node: &Node, request: &HttpRequest, actor: &str) -> Result<Option<String>, GateError> {
    let actor = actor.to_owned();
    let is_forwarded = node.db.read(move |tx| like_sources::is_announced(tx, &actor)).await?;
    Ok(is_forwarded.then(|| Envelope::of(request).to_text()))
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

fn check_content_type(request: &HttpRequest) -> Result<(), GateError> {
    let header = request.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = header.split(';').next().unwrap_or_default().trim();
    let is_activity =
        ["application/activity+json", "application/ld+json"].iter().any(|known| kind.eq_ignore_ascii_case(known));
    if is_activity { Ok(()) } else { Err(GateError::ContentType) }
}

/// An actor that deletes or changes itself. From an unknown one there is nothing to learn.
fn is_farewell(activity: &Activity) -> bool {
    let text = |name: &str| activity.document.get(name).and_then(Value::as_str);
    let object = activity.document.get("object");
    let object = object.and_then(|object| object.as_str().or_else(|| object.get("id").and_then(Value::as_str)));
    matches!(text("type"), Some("Delete" | "Update")) && object == Some(activity.actor.as_str())
}

#[cfg(test)]
mod tests;
