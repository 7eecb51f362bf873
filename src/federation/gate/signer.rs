//! The signer of a request: the actor in whose name it was sent, and nobody else.
//!
//! Owns what may be fetched on a stranger's word: the document of the actor that the activity names, once everything that
//! needs no key was in order and the key is said to be of the same origin. The address in `keyId` is never fetched for
//! itself, and what failed is not tried again for a minute.

use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use serde_json::Value;
use url::Url;

use super::GateError;
use crate::clock::wall_time;
use crate::domain::proof::{self, ProofError, PublicKey};
use crate::domain::time::Timestamp;
use crate::federation::library::{self, Fetches, LibraryError};
use crate::federation::node::Node;
use crate::federation::signature::{Checked, Request, Rules, Window, check};
use crate::storage::people::{self, Actor};

/// A key that we know may be asked for again after this time.
const KEY_AGE_MIN: Duration = Duration::from_secs(5 * 60);

/// Why a document does not prove that an actor said it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofRefusal {
    #[error("the sender publishes no Ed25519 key")]
    NoKey,
    #[error("it was made with the key `{0}`, which is not the one that the sender publishes")]
    OtherKey(String),
    #[error("{0}")]
    Invalid(#[from] ProofError),
}

/// Judges everything about the signature of a request that can be judged without a key.
pub fn check_signature(node: &Node, request: &HttpRequest, body: &[u8]) -> Result<Checked, GateError> {
    let headers: Vec<(&str, &[u8])> =
        request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    // As it was sent: nothing before us may rewrite the path, or a signature would be valid for another address.
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
    Ok(check(&parts, &rules, wall_time())?)
}

/// What the actor, as we know it, has to do with a signature.
enum Known {
    Signed(Box<Actor>),
    /// It did not sign, and reading it anew would not help.
    Refused(GateError),
    /// It is to be read: it is unknown (`None`), or its key may have been rotated since.
    Unsure(Option<GateError>),
}

/// Verifies that a request was signed by an actor.
///
/// - `fetches`: those for this request.
/// - `actor`: whom the request claims to come from.
///
/// An actor that we do not know is fetched; a known one whose key fails is fetched anew, at most once in five minutes,
/// since the key may have been rotated.
pub async fn verify_signer(fetches: &Fetches, checked: &Checked, actor: &str) -> Result<Actor, GateError> {
    let node: &Node = fetches;
    let (address, key) = (parse(actor, "`actor`")?, parse(checked.key_id(), "`keyId`")?);
    if key.origin() != address.origin() {
        return Err(GateError::ForeignKey { key: checked.key_id().to_owned(), actor: actor.to_owned() });
    }
    match ask_known(node, checked, actor).await? {
        Known::Signed(actor) => return Ok(*actor),
        Known::Refused(refusal) => return Err(refusal),
        Known::Unsure(_) => {}
    }
    let _turn = node.gate.turns.take(actor).await;
    let refusal = match ask_known(node, checked, actor).await? {
        Known::Signed(actor) => return Ok(*actor),
        Known::Refused(refusal) => return Err(refusal),
        Known::Unsure(refusal) => refusal,
    };
    if let Some(reason) = node.gate.failed.get(actor, Instant::now()) {
        return Err(refusal.unwrap_or_else(|| GateError::Actor(format!("less than a minute ago: {reason}"))));
    }
    let fetched = fetch_signer(fetches, checked, actor, &address).await;
    if let Err(error) = &fetched
        && !matches!(error, GateError::Storage(_))
    {
        node.gate.failed.note(actor, error.to_string(), Instant::now());
    }
    fetched
}

async fn ask_known(node: &Node, checked: &Checked, actor: &str) -> Result<Known, GateError> {
    let Some(known) = known_actor(node, actor).await? else { return Ok(Known::Unsure(None)) };
    let refusal = match verify_key(node, &known, checked) {
        Ok(()) => return Ok(Known::Signed(Box::new(known))),
        Err(refusal) => refusal,
    };
    let is_fresh = node.now() < Timestamp::from_micros(known.fetched_at).plus(KEY_AGE_MIN);
    Ok(if known.is_local() || is_fresh { Known::Refused(refusal) } else { Known::Unsure(Some(refusal)) })
}

async fn fetch_signer(fetches: &Fetches, checked: &Checked, actor: &str, at: &Url) -> Result<Actor, GateError> {
    let fetched = library::fetch_exactly(fetches, at).await.map_err(|error| match error {
        LibraryError::Storage(error) => GateError::Storage(error),
        other => GateError::Actor(other.to_string()),
    })?;
    if fetched.uri != actor {
        return Err(GateError::Actor("its document writes its id in another way".to_owned()));
    }
    verify_key(fetches, &fetched, checked)?;
    Ok(fetched)
}

/// The key is the one that the actor publishes, and it made the signature.
fn verify_key(node: &Node, actor: &Actor, checked: &Checked) -> Result<(), GateError> {
    if actor.rsa_key_id != checked.key_id() {
        return Err(GateError::OtherOwner { key: checked.key_id().to_owned(), actor: actor.uri.clone() });
    }
    let key = node.parsed_key(actor).map_err(|error| GateError::Actor(error.to_string()))?;
    checked.verify(&key)?;
    Ok(())
}

pub(super) async fn known_actor(node: &Node, uri: &str) -> Result<Option<Actor>, GateError> {
    let uri = uri.to_owned();
    Ok(node.db.read(move |tx| people::actor_by_uri(tx, &uri)).await?)
}

/// Refuses a document without a valid proof by the Ed25519 key that this actor publishes.
///
/// - returns: the actor with that key.
///
/// A proof that names a key of this actor and does not fit may be by a new key: the actor is read anew, at most once a
/// minute.
pub async fn verify_proof(fetches: &Fetches, signer: Actor, document: &Value) -> Result<Actor, GateError> {
    let node: &Node = fetches;
    let refusal = match check_proof(&signer, document, node) {
        Ok(()) => return Ok(signer),
        Err(refusal) => refusal,
    };
    let method = proof::header(document).map_err(ProofRefusal::Invalid)?.verification_method;
    // What was fetched for this very request cannot be any newer.
    if !method.starts_with(&format!("{}#", signer.uri)) || fetches.request_count() > 0 {
        return Err(refusal.into());
    }
    let _turn = node.gate.turns.take(&signer.uri).await;
    let now = Instant::now();
    let signer = if node.gate.reread.get(&signer.uri, now).is_some() {
        // Perhaps by a request that had the turn before us.
        known_actor(node, &signer.uri).await?.ok_or(refusal)?
    } else {
        node.gate.reread.note(&signer.uri, "", now);
        let address = parse(&signer.uri, "`actor`")?;
        match library::fetch_exactly(fetches, &address).await {
            Ok(actor) => actor,
            Err(LibraryError::Storage(error)) => return Err(GateError::Storage(error)),
            Err(error) => {
                tracing::info!(actor = %signer.uri, "could not read {} anew for its key: {error}", signer.uri);
                return Err(refusal.into());
            }
        }
    };
    check_proof(&signer, document, node)?;
    Ok(signer)
}

fn parse(text: &str, what: &str) -> Result<Url, GateError> {
    Url::parse(text).map_err(|_| GateError::Actor(format!("{what} is not an address")))
}

/// Whether a document carries a valid proof by the Ed25519 key that this actor publishes, as far as we know it.
pub fn has_valid_proof(signer: &Actor, document: &Value, node: &Node) -> bool {
    check_proof(signer, document, node).is_ok()
}

fn check_proof(signer: &Actor, document: &Value, node: &Node) -> Result<(), ProofRefusal> {
    let key = signer.ed25519_multikey.as_deref().and_then(|key| key.parse::<PublicKey>().ok());
    let method = proof::header(document)?.verification_method;
    let key = key.ok_or(ProofRefusal::NoKey)?;
    if Some(method.as_str()) != signer.ed25519_key_id.as_deref() {
        return Err(ProofRefusal::OtherKey(method.chars().take(200).collect()));
    }
    proof::verify(document, &key, node.now())?;
    Ok(())
}
