//! Activities that this instance says: from domain values to signed JSON.
//!
//! Owns the ids of our activities (deterministic, so that a repeated expansion says the same) and that every one of them
//! carries an object proof. The messages of channels are written in `domain::message`.

use serde_json::{Value, json};

use super::documents::PUBLIC;
use crate::domain::message::context;
use crate::domain::proof::{ProofError, SigningKey, sign};
use crate::domain::time::{Month, Timestamp};

const DATA_INTEGRITY: &str = "https://w3id.org/security/data-integrity/v1";

/// Accepts a Follow. It has an id of its own and embeds the whole Follow, as other servers expect.
pub fn accept_follow(
    followee: &str,
    follow: &Value,
    event: i64,
    key: &SigningKey,
    now: Timestamp,
) -> Result<Value, ProofError> {
    let document = json!({
        "@context": context(),
        "id": format!("{followee}/accepts/{event}"),
        "type": "Accept",
        "actor": followee,
        "to": follow.get("actor"),
        "object": without_proof(follow),
    });
    sign(document, key, now)
}

/// What another server signed is embedded as it was; its proof is about its own document and stays there.
fn without_proof(document: &Value) -> Value {
    let mut document = document.clone();
    if let Some(members) = document.as_object_mut() {
        members.remove("proof");
        members.remove("@context");
    }
    document
}

/// A counting flattr, made known to the creator's home.
pub struct SaidLike<'a> {
    /// The patron's actor, or the instance actor for a patron who gives anonymously.
    pub actor: &'a str,
    pub object_uri: &'a str,
    pub platform: &'a str,
    pub object: &'a str,
    pub month: Month,
    pub observed_at: Timestamp,
    /// Empty for a named like.
    pub pseudonym: &'a str,
    pub to: &'a str,
}

/// A Like, or the Undo of one, with the members of our namespace.
pub fn like(id: &str, like: &SaidLike, key: &SigningKey, now: Timestamp) -> Result<Value, ProofError> {
    sign(unsigned_like(id, like), key, now)
}

pub fn undo_like(
    id: &str,
    like_id: &str,
    like: &SaidLike,
    key: &SigningKey,
    now: Timestamp,
) -> Result<Value, ProofError> {
    let mut object = unsigned_like(like_id, like);
    object.as_object_mut().expect("a like is an object").remove("@context");
    let document = json!({
        "@context": context(),
        "id": id,
        "type": "Undo",
        "actor": like.actor,
        "to": like.to,
        "object": object,
    });
    sign(document, key, now)
}

fn unsigned_like(id: &str, like: &SaidLike) -> Value {
    let mut document = json!({
        "@context": context(),
        "id": id,
        "type": "Like",
        "actor": like.actor,
        "object": like.object_uri,
        "to": like.to,
        "flattr:platform": like.platform,
        "flattr:objectId": like.object,
        "flattr:month": like.month.to_string(),
        "flattr:observedAt": like.observed_at.floor_to_second().to_string(),
    });
    if !like.pseudonym.is_empty() {
        document["flattr:pseudonym"] = json!(like.pseudonym);
    }
    document
}

/// A post is new: told to the followers of its author's actor.
///
/// - `id`: of the activity; a post that went and came back is created once more.
pub fn create(id: &str, actor: &str, object: &Value, key: &SigningKey, now: Timestamp) -> Result<Value, ProofError> {
    let published = object.get("published").cloned();
    public("Create", id, actor, object, published, key, now)
}

/// A post or an actor reads otherwise than before.
pub fn update(id: &str, actor: &str, object: &Value, key: &SigningKey, now: Timestamp) -> Result<Value, ProofError> {
    public("Update", id, actor, object, None, key, now)
}

/// A post is gone.
///
/// - `tombstone`: what is left of it.
pub fn delete(id: &str, actor: &str, tombstone: &Value, key: &SigningKey, now: Timestamp) -> Result<Value, ProofError> {
    public("Delete", id, actor, tombstone, None, key, now)
}

/// An activity that everybody may see, for the followers of an actor.
fn public(
    kind: &str,
    id: &str,
    actor: &str,
    object: &Value,
    published: Option<Value>,
    key: &SigningKey,
    now: Timestamp,
) -> Result<Value, ProofError> {
    let mut embedded = object.clone();
    // The terms of the document are those of the activity around it.
    let terms = embedded.as_object_mut().and_then(|members| members.remove("@context"));
    let mut context = vec![json!("https://www.w3.org/ns/activitystreams"), json!(DATA_INTEGRITY)];
    if let Some(Value::Array(terms)) = terms {
        context.extend(terms.into_iter().skip(1));
    }
    let document = json!({
        "@context": context,
        "id": id,
        "type": kind,
        "actor": actor,
        "published": published.unwrap_or_else(|| json!(now.floor_to_second().to_string())),
        "to": [PUBLIC],
        "cc": [format!("{actor}/followers")],
        "object": embedded,
    });
    sign(document, key, now)
}

/// The instance makes a document known to a peer.
pub fn announce(
    id: &str,
    actor: &str,
    to: &str,
    object: &Value,
    key: &SigningKey,
    now: Timestamp,
) -> Result<Value, ProofError> {
    let document = json!({
        "@context": context(),
        "id": id,
        "type": "Announce",
        "actor": actor,
        "to": to,
        "published": now.floor_to_second().to_string(),
        "object": object,
    });
    sign(document, key, now)
}

/// The instance takes back a document that it made known to a peer.
pub fn undo(
    id: &str,
    actor: &str,
    to: &str,
    object: &Value,
    key: &SigningKey,
    now: Timestamp,
) -> Result<Value, ProofError> {
    let document = json!({
        "@context": context(),
        "id": id,
        "type": "Undo",
        "actor": actor,
        "to": to,
        "object": object,
    });
    sign(document, key, now)
}

/// The instance offers a document to a peer.
pub fn offer(
    id: &str,
    actor: &str,
    to: &str,
    object: &Value,
    key: &SigningKey,
    now: Timestamp,
) -> Result<Value, ProofError> {
    let document = json!({
        "@context": context(),
        "id": id,
        "type": "Offer",
        "actor": actor,
        "to": to,
        "object": object,
    });
    sign(document, key, now)
}

/// An account whose likes count at `home`. A peer believes it only when it has seen the backlink itself.
pub fn like_source(home: &str, account: &str, backlink: &str) -> Value {
    json!({
        "type": "flattr:LikeSource",
        "id": backlink,
        "attributedTo": home,
        "account": account,
        "backlink": backlink,
    })
}
