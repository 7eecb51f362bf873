//! The inbox: turns stored activities into domain values and calls one flow for each.
//!
//! Owns that processing is repeatable: everything from the network is fetched before the transaction, and the effect and
//! the end of the row are one transaction. What cannot be processed is quarantined with its reason, never retried in a
//! loop; what only came too early waits.

mod sources;

use std::time::Duration;

use serde_json::Value;

use super::claims;
use super::gate::has_valid_proof;
use super::library::Federation;
use super::node::Node;
use super::pull;
use crate::domain::id::ObjectId;
use crate::domain::identity::ObjectRef;
use crate::domain::message::{self, Body};
use crate::domain::time::{Month, Timestamp};
use crate::flows::close_month::Close;
use crate::flows::hear::{self, Evidence, HearError, Heard};
use crate::flows::{feed, flattr};
use crate::storage::connections::queue_claim_check;
use crate::storage::identities::SeenObject;
use crate::storage::inbox::{About, InboxRow};
use crate::storage::likes::{self, ReceivedLike};
use crate::storage::people::{Actor, ActorKind};
use crate::storage::{self, Tx, flow_error, identities, inbox, outbox, people, settlement};

pub use sources::{Envelope, observation};

/// Attempts after which a row that keeps failing is set aside for the operator.
const ATTEMPTS_MAX: i64 = 12;

#[derive(Debug, thiserror::Error)]
enum ProcessError {
    #[error("{0}")]
    Refused(String),
    /// May succeed later; waited for without end, because the channel would stop behind it.
    #[error("{0}")]
    Later(String),
    /// May succeed later; given up after [`ATTEMPTS_MAX`], because a stranger said it.
    #[error("{0}")]
    LaterPerhaps(String),
    #[error("{0}")]
    Equivocation(String),
    /// Refused for what it says; the channel goes on after it.
    #[error("{0}")]
    Content(String),
    #[error("could not read or write the inbox")]
    Storage(#[from] storage::Error),
    /// Another worker ended the row: nothing of this transaction may stay.
    #[error("done by another worker")]
    Taken,
}

flow_error!(ProcessError);

impl From<HearError> for ProcessError {
    fn from(error: HearError) -> Self {
        match error {
            HearError::Storage(error) => ProcessError::Storage(error),
            HearError::Gap { .. } | HearError::Early { .. } => ProcessError::Later(error.to_string()),
            HearError::GapOfStranger { .. } => ProcessError::LaterPerhaps(error.to_string()),
            HearError::Equivocation { .. } => ProcessError::Equivocation(error.to_string()),
            error if error.is_about_content() => ProcessError::Content(error.to_string()),
            other => ProcessError::Refused(other.to_string()),
        }
    }
}

/// Processes the rows that are due. Says how many were looked at.
pub async fn process_due(federation: &Federation) -> Result<usize, storage::Error> {
    let node = node_of(federation);
    let now = node.now();
    let rows = node.db.read(move |tx| inbox::due(tx, now, 50)).await?;
    let count = rows.len();
    let mut failed = None;
    for row in rows {
        // One row that cannot even be set aside must not keep the others from being read.
        if let Err(error) = process(federation, row).await {
            failed = Some(error);
        }
    }
    failed.map_or(Ok(count), Err)
}

async fn process(federation: &Federation, row: InboxRow) -> Result<(), storage::Error> {
    let node = node_of(federation);
    let (id, uri, attempts) = (row.id, row.activity_uri.clone(), row.attempts);
    let outcome = try_process(federation, row).await;
    crate::fault::point("inbox.processed");
    let now = node.now();
    match outcome {
        Ok(outcome) => {
            tracing::info!(activity = %uri, "{uri}: {outcome}");
            Ok(())
        }
        Err(ProcessError::Taken) => Ok(()),
        // What only came too early, or cannot be checked now, is never given up: the channel would stop behind it.
        Err(ProcessError::Later(reason)) => {
            tracing::info!(activity = %uri, "{uri} waits: {reason}");
            let next_at = now.plus(Duration::from_secs(1 << attempts.clamp(0, 12)));
            node.db.write(move |tx| inbox::postpone(tx, id, &reason, next_at)).await
        }
        Err(ProcessError::LaterPerhaps(reason)) if attempts + 1 < ATTEMPTS_MAX => {
            let next_at = now.plus(Duration::from_secs(1 << attempts.clamp(0, 12)));
            node.db.write(move |tx| inbox::postpone(tx, id, &reason, next_at)).await
        }
        Err(ProcessError::Storage(error)) if attempts + 1 < ATTEMPTS_MAX => {
            tracing::error!(activity = %uri, "{uri} could not be processed: {}", crate::fault::explain(&error));
            let (reason, next_at) = (error.to_string(), now.plus(Duration::from_secs(1 << attempts.clamp(0, 12))));
            node.db.write(move |tx| inbox::postpone(tx, id, &reason, next_at)).await
        }
        Err(error) => {
            let reason = match &error {
                ProcessError::Storage(cause) => crate::fault::explain(cause),
                other => other.to_string(),
            };
            tracing::warn!(activity = %uri, "{uri} was set aside: {reason}");
            node.db.write(move |tx| inbox::finish(tx, id, "quarantined", &reason).map(|_| ())).await
        }
    }
}

async fn try_process(federation: &Federation, row: InboxRow) -> Result<String, ProcessError> {
    let node = node_of(federation);
    let document: Value = serde_json::from_str(&row.body).map_err(|error| ProcessError::Refused(error.to_string()))?;
    let signer_uri = row.signer_uri.clone();
    let signer = node.db.read(move |tx| people::actor_by_uri(tx, &signer_uri)).await?;
    let signer = signer.ok_or_else(|| ProcessError::Refused("the signer is not known any more".to_owned()))?;
    let is_proved = has_valid_proof(&signer, &document, node);
    let kind = document.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    if message::claims_a_channel(&document) {
        let heard_at = Timestamp::from_micros(row.received_at);
        return process_message(federation, row.id, heard_at, document, &signer, is_proved).await;
    }
    match kind.as_str() {
        "Offer" if sources::is_observation(&document) => {
            let received_at = Timestamp::from_micros(row.received_at);
            sources::process_observation(federation, row.id, received_at, &document, &signer, is_proved).await
        }
        "Announce" => process_announce(federation, row.id, &document, &signer, is_proved).await,
        "Undo" if sources::is_withdrawal(&document) => {
            let id = row.id;
            node.write(move |tx| {
                let outcome = sources::note_withdrawn(tx, &document, &signer, is_proved)?;
                end(tx, id, &outcome)?;
                Ok(outcome)
            })
            .await
        }
        "Follow" | "Like" | "Undo" => {
            let (received_at, host) = (Timestamp::from_micros(row.received_at), node.instance.clone());
            let now = node.now();
            let activity = Activity { row: row.id, document, signer, is_proved, received_at, now };
            node.write(move |tx| {
                let outcome = activity.apply(tx, &host)?;
                end(tx, row.id, &outcome)?;
                Ok(outcome)
            })
            .await
        }
        _ => {
            let outcome = format!("{kind}: nothing to do");
            let text = outcome.clone();
            node.db.write(move |tx| end(tx, row.id, &text)).await?;
            Ok(outcome)
        }
    }
}

fn node_of(federation: &Federation) -> &Node {
    federation
}

/// Ends the row in the transaction of its effect.
fn end(tx: &mut Tx, row: i64, outcome: &str) -> Result<(), ProcessError> {
    if inbox::finish(tx, row, "done", outcome)? { Ok(()) } else { Err(ProcessError::Taken) }
}

/// What a document can change, as far as anybody waits for it.
pub(super) fn about(document: &Value) -> About {
    if message::claims_a_channel(document) {
        return About::Settlement;
    }
    match document.get("type").and_then(Value::as_str) {
        Some("Like" | "Undo") => About::Likes,
        Some("Offer") if sources::is_observation(document) => About::Likes,
        _ => About::Other,
    }
}

/// A message of a channel. Without a valid proof it has no effect, whatever its HTTP signature.
async fn process_message(
    federation: &Federation,
    row: i64,
    heard_at: Timestamp,
    document: Value,
    signer: &Actor,
    is_proved: bool,
) -> Result<String, ProcessError> {
    let node = node_of(federation);
    if !is_proved {
        return Err(ProcessError::Refused("a settlement message without a valid proof has no effect".to_owned()));
    }
    let parsed = message::read(&document).map_err(|error| ProcessError::Refused(error.to_string()))?;
    let evidence: Option<Evidence> = match &parsed.body {
        Body::Statement(offer) => {
            let id = parsed.envelope.id();
            Some(evidence_for(federation, signer, &parsed, &id, offer).await?)
        }
        _ => None,
    };
    let (signer_uri, copy) = (signer.uri.clone(), document.clone());
    let heard = node
        .settle(move |tx, close: &Close| {
            let heard = hear::hear(tx, close, &document, &signer_uri, heard_at, evidence.as_ref())?;
            let outcome = match heard {
                Heard::Done(outcome) => outcome,
                Heard::Repeat => "a repeat: nothing changed".to_owned(),
            };
            end(tx, row, &outcome)?;
            inbox::wake(tx, &signer_uri, close.now)?;
            Ok::<String, ProcessError>(outcome)
        })
        .await;
    match heard {
        Err(ProcessError::Equivocation(reason)) => {
            let now = node.now();
            node.write(move |tx| match hear::record_equivocation(tx, &copy, now) {
                Err(HearError::Storage(error)) => Err(error),
                Err(_) | Ok(_) => Ok(()),
            })
            .await?;
            Err(ProcessError::Refused(reason))
        }
        Err(ProcessError::Content(reason)) => {
            let now = node.now();
            node.write(move |tx| match hear::keep_refused(tx, &copy, now) {
                Err(HearError::Storage(error)) => Err(error),
                Err(_) | Ok(()) => Ok(()),
            })
            .await?;
            Err(ProcessError::Refused(reason))
        }
        Err(ProcessError::Later(reason)) => {
            // A gap: pull repairs push.
            let key = parsed.envelope.channel.key();
            if let Err(error) = pull::channel(federation, signer, &key).await {
                tracing::info!(channel = %key, "could not pull {key}: {error}");
            }
            Err(ProcessError::Later(reason))
        }
        other => other,
    }
}

/// Fetches what a statement is checked against; nothing for a stranger's, which is rejected without it. What cannot be
/// believed is rejected too, by the check that finds no lines.
async fn evidence_for(
    federation: &Federation,
    signer: &Actor,
    message: &message::Message,
    id: &str,
    offer: &message::StatementOffer,
) -> Result<Evidence, ProcessError> {
    let node = node_of(federation);
    let nothing = Evidence { lines: Vec::new(), commitment: Value::Null };
    let key = message.envelope.channel.key();
    let channel = node.db.read(move |tx| settlement::channel_by_key(tx, &key)).await?;
    if !channel.is_some_and(|channel| channel.is_open() && channel.debtor_uri == signer.uri) {
        return Ok(nothing);
    }
    match pull::evidence(federation, signer, id, offer).await {
        Ok(evidence) => Ok(evidence),
        Err(pull::PullError::Unreachable(reason)) => Err(ProcessError::Later(reason)),
        Err(pull::PullError::Refused(reason)) => {
            tracing::warn!(statement = %id, "{id} is rejected: {reason}");
            Ok(nothing)
        }
    }
}

/// What a peer makes known: its claims and commitments.
async fn process_announce(
    federation: &Federation,
    row: i64,
    document: &Value,
    signer: &Actor,
    is_proved: bool,
) -> Result<String, ProcessError> {
    let node = node_of(federation);
    let object = document.get("object").cloned().unwrap_or(Value::Null);
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let outcome = match text("type").as_str() {
        "flattr:Claim" if !is_proved => return Err(ProcessError::Refused("a claim without a valid proof".to_owned())),
        "flattr:Claim" => {
            let now = node.now();
            let check =
                claims::read(&object, &signer.uri, now).map_err(|reason| ProcessError::Refused(reason.to_owned()))?;
            node.write(move |tx| queue_claim_check(tx, &check, now)).await?;
            "a claim was announced: its proof will be checked".to_owned()
        }
        "flattr:LikeSource" => {
            let (account, backlink) = (text("account"), text("backlink"));
            sources::note_announced(node, signer, is_proved, &text("attributedTo"), account, backlink).await?
        }
        "flattr:MonthCommitment" => "a commitment was announced".to_owned(),
        other => format!("Announce of {other}: nothing to do"),
    };
    let said = outcome.clone();
    node.db.write(move |tx| end(tx, row, &said)).await?;
    Ok(outcome)
}

/// A social activity that passed the gate.
struct Activity {
    row: i64,
    document: Value,
    signer: Actor,
    is_proved: bool,
    received_at: Timestamp,
    now: Timestamp,
}

impl Activity {
    fn apply(&self, tx: &mut Tx, instance: &crate::flows::Instance) -> Result<String, ProcessError> {
        let id = text(&self.document, "id")?;
        match text(&self.document, "type")? {
            "Follow" => self.follow(tx, id),
            "Like" => self.like(tx, instance, id),
            "Undo" => self.undo(tx, instance),
            other => Err(ProcessError::Refused(format!("{other} is not expected here"))),
        }
    }

    fn follow(&self, tx: &mut Tx, id: &str) -> Result<String, ProcessError> {
        let followee = object_id(&self.document)?;
        let followee = people::actor_by_uri(tx, followee)?
            .filter(|actor| actor.is_local() && !actor.is_kind(ActorKind::Instance))
            .ok_or_else(|| ProcessError::Refused(format!("`{followee}` is not an actor of ours")))?;
        if identities::identity_by_actor(tx, followee.id)?.is_some_and(|identity| identity.is_refused) {
            return Err(ProcessError::Refused(format!("the owner of `{}` does not want to be bridged", followee.uri)));
        }
        let inbox = self.signer.shared_inbox.clone().unwrap_or_else(|| self.signer.inbox.clone());
        inbox::save_follow(tx, followee.id, &self.signer.uri, &inbox, id, self.now)?;
        feed::followed(tx, followee.id, self.now)?;
        // A repeated Follow is answered again: the first Accept may have been lost.
        outbox::push_event(tx, "accept_follow", id, self.now)?;
        Ok(format!("{} follows {}", self.signer.uri, followee.uri))
    }

    fn like(&self, tx: &mut Tx, instance: &crate::flows::Instance, id: &str) -> Result<String, ProcessError> {
        if likes::was_undone(tx, id, &self.signer.uri)? {
            return Ok("a Like that was taken back before it came".to_owned());
        }
        let object = self.object(tx, instance, &self.document)?;
        if let Some(owner) = identities::object(tx, object)?.and_then(|object| object.owner())
            && identities::identity(tx, owner)?.is_some_and(|owner| owner.is_refused)
        {
            return Ok("a like for somebody who does not want to be bridged: not kept".to_owned());
        }
        if let Some(outcome) = self.by_source(tx, id, object)? {
            return Ok(outcome);
        }
        let pseudonym = self.pseudonym(tx, &self.document)?;
        let home = self.home(tx)?;
        let like = ReceivedLike {
            actor_uri: &self.signer.uri,
            object,
            pseudonym: &pseudonym,
            like_uri: id,
            home_uri: home.as_deref(),
            month: self.month(home.is_some()),
            received_at: self.received_at,
        };
        let is_new = likes::save_received_like(tx, &like)?;
        let funded = if like.home_uri.is_some() { "proved by its home" } else { "unfunded" };
        Ok(if is_new { format!("a like, {funded}") } else { "a like that was known".to_owned() })
    }

    /// The month of a like: the home's word for one that it proves, within the grace window; else when it came.
    fn month(&self, is_proved_by_home: bool) -> Month {
        let current = Month::containing(self.received_at);
        let said = self.document.get("flattr:month").and_then(Value::as_str).and_then(|month| month.parse().ok());
        match said {
            Some(said) if is_proved_by_home && said == current.previous() => said,
            _ => current,
        }
    }

    /// The settlement peer that answers for this like: it carries a proof and comes from there.
    fn home(&self, tx: &mut Tx) -> Result<Option<String>, ProcessError> {
        let peers = settlement::peers(tx)?;
        let peer = peers.into_iter().find(|peer| peer.state == "added" && peer.host == self.signer.host);
        Ok(peer.filter(|_| self.is_proved).map(|peer| peer.uri))
    }

    /// Anonymous likes come from the instance actor of a known peer, with a proof; from nobody else.
    fn pseudonym(&self, tx: &mut Tx, like: &Value) -> Result<String, ProcessError> {
        let pseudonym = like.get("flattr:pseudonym").and_then(Value::as_str).unwrap_or_default();
        if pseudonym.is_empty() {
            if matches!(self.signer.actor_type.as_str(), "Application" | "Service") {
                return Err(ProcessError::Refused("likes by applications do not count".to_owned()));
            }
            return Ok(String::new());
        }
        let is_peer = settlement::peer_by_uri(tx, &self.signer.uri)?.is_some_and(|peer| peer.state == "added");
        if !is_peer || !self.is_proved || pseudonym.len() > 200 {
            return Err(ProcessError::Refused("an anonymous like needs a proof by a settlement peer".to_owned()));
        }
        Ok(pseudonym.to_owned())
    }

    /// The liked object: one of ours by its address, or the one that a peer's proved like names by platform and id.
    fn object(&self, tx: &mut Tx, instance: &crate::flows::Instance, like: &Value) -> Result<ObjectId, ProcessError> {
        let uri = object_id(like)?;
        if let Some(object) = instance.parse_object_uri(uri) {
            let known = identities::object_by_ref(tx, &object)?;
            return known
                .map(|object| object.id)
                .ok_or_else(|| ProcessError::Refused(format!("`{uri}` is not a post that we know")));
        }
        let text = |name: &str| like.get(name).and_then(Value::as_str).unwrap_or_default();
        let named = text("flattr:platform").parse().ok();
        let named = named.and_then(|platform| ObjectRef::new(platform, text("flattr:objectId")).ok());
        match named {
            Some(object) if self.is_proved && self.home(tx)?.is_some() => {
                if let Some(known) = identities::object_by_ref(tx, &object)? {
                    return Ok(known.id);
                }
                // Noted without an owner: a peer's word never names a payee.
                let title = object.to_string();
                let seen = SeenObject { object, owner: None, title, url: uri.to_owned(), published_at: None };
                Ok(identities::save_object(tx, &seen, self.now)?.0.id)
            }
            _ => Err(ProcessError::Refused(format!("`{uri}` is not a post of ours"))),
        }
    }

    fn undo(&self, tx: &mut Tx, instance: &crate::flows::Instance) -> Result<String, ProcessError> {
        let object = self.document.get("object").cloned().unwrap_or(Value::Null);
        let undone_uri = object_id(&self.document)?.to_owned();
        if let Some(actor) = object.get("actor").and_then(Value::as_str)
            && actor != self.signer.uri
        {
            return Err(ProcessError::Refused("only its own author can undo an activity".to_owned()));
        }
        if let Some(follow) = inbox::follow_by_uri(tx, &undone_uri)? {
            if follow.follower_uri != self.signer.uri {
                return Err(ProcessError::Refused("only its own author can undo an activity".to_owned()));
            }
            inbox::end_follow(tx, follow.followee_id, &self.signer.uri)?;
            return Ok(format!("{} follows no more", self.signer.uri));
        }
        if matches!(object.get("type").and_then(Value::as_str), Some("Like") | None)
            && let Some(outcome) = self.undo_by_source(tx, instance, &undone_uri, &object)?
        {
            return Ok(outcome);
        }
        // By id, or by what it says: whichever is known.
        let known = likes::received_like(tx, &self.signer.uri, &undone_uri)?;
        let target = match known {
            Some(target) => Some(target),
            None if object.get("type").and_then(Value::as_str) == Some("Like") => {
                match (self.object(tx, instance, &object), self.pseudonym(tx, &object)) {
                    (Ok(object), Ok(pseudonym)) => Some((object, pseudonym)),
                    _ => None,
                }
            }
            None if object.get("type").and_then(Value::as_str) == Some("Follow") => {
                let followee = object_id(&object)?;
                if let Some(followee) = people::actor_by_uri(tx, followee)?.filter(Actor::is_local) {
                    inbox::end_follow(tx, followee.id, &self.signer.uri)?;
                }
                return Ok(format!("{} follows no more", self.signer.uri));
            }
            None => None,
        };
        likes::remember_undone(tx, &undone_uri, &self.signer.uri, self.now)?;
        let Some((object, pseudonym)) = target else {
            return Ok("an Undo of something unknown: remembered".to_owned());
        };
        let since = flattr::open_since(tx, self.now)?;
        let count = likes::take_back_received(tx, &self.signer.uri, object, &pseudonym, since)?;
        Ok(format!("{count} like taken back"))
    }
}

fn text<'v>(document: &'v Value, name: &str) -> Result<&'v str, ProcessError> {
    let found = document.get(name).and_then(Value::as_str).filter(|text| text.len() <= 2_000);
    found.ok_or_else(|| ProcessError::Refused(format!("`{name}` is missing")))
}

/// The id of an activity's object, whether it is embedded or named.
fn object_id(document: &Value) -> Result<&str, ProcessError> {
    let object = document.get("object").unwrap_or(&Value::Null);
    let id = object.as_str().or_else(|| object.get("id").and_then(Value::as_str));
    id.filter(|id| id.len() <= 2_000).ok_or_else(|| ProcessError::Refused("`object` is missing".to_owned()))
}
