//! The outbox: from what flows decided to say, to signed bytes and one row for each inbox.
//!
//! Owns the second stage of saying something: the flow wrote an event in the transaction of its effect; here it becomes an
//! activity with a fixed id and fixed bytes, and its deliveries, in one transaction that also ends the event. A crash
//! between the two stages repeats the second with the same result.

mod introduce;

use aws_lc_rs::hmac;
use serde_json::Value;

use super::activities::{self, SaidLike};
use super::claims::{self, SaidClaim};
use super::inbox::observation;
use super::node::{LocalKeys, Node, StartError};
use super::{documents, post_document};
use crate::domain::id::{ActorId, FlattrId, IdentityId, ObjectId};
use crate::domain::identity::Platform;
use crate::domain::proof::ProofError;
use crate::domain::settlement::host_of;
use crate::domain::time::{Month, Timestamp};
use crate::flows::claim::claim_url;
use crate::flows::like_source::{self, Counts};
use crate::flows::prove_account::proof_url;
use crate::storage::claims::ConnectionProof;
use crate::storage::identities::Claim;
use crate::storage::outbox::{self, Event, NewDelivery};
use crate::storage::people::Actor;
use crate::storage::settlement::Peer;
use crate::storage::{self, Tx, flow_error, identities, inbox, like_sources, likes, months, people, settlement};

#[derive(Debug, thiserror::Error)]
pub enum ExpandError {
    #[error("an event cannot be put into words: {0}")]
    BadEvent(String),
    #[error("could not sign: {0}")]
    Sign(#[from] ProofError),
    #[error("could not read or write the outbox")]
    Storage(#[from] storage::Error),
    #[error("could not get the keys of an actor: {0}")]
    Keys(String),
}

flow_error!(ExpandError);

impl From<StartError> for ExpandError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Storage(error) => ExpandError::Storage(error),
            other => ExpandError::Keys(other.to_string()),
        }
    }
}

/// Expands the events that wait. Says how many.
pub async fn expand(node: &Node) -> Result<usize, ExpandError> {
    let events = node.db.read(|tx| outbox::open_events(tx, 100)).await?;
    let count = events.len();
    for event in events {
        // RSA keys are made outside the transaction: it takes a tenth of a second.
        let speaker = speaker(node, &event).await?;
        let keys = match &speaker {
            Some(actor) => node.keys_of(actor).await?,
            None => std::sync::Arc::clone(&node.keys),
        };
        let (shared, now) = (node.clone(), node.now());
        let outcome = node
            .write(move |tx| {
                if outbox::finish_event(tx, event.id)? {
                    say(tx, &shared, &event, speaker.as_ref(), &keys, now)?;
                }
                Ok::<(), ExpandError>(())
            })
            .await;
        crate::fault::point("outbox.expanded");
        outcome?;
    }
    Ok(count)
}

/// Who speaks, when it is not the instance.
async fn speaker(node: &Node, event: &Event) -> Result<Option<Actor>, ExpandError> {
    let (kind, subject) = (event.kind.clone(), event.subject.clone());
    Ok(node
        .db
        .read(move |tx| {
            Ok::<_, storage::Error>(match kind.as_str() {
                "like" | "undo_like" => {
                    let flattr = likes::flattr(tx, FlattrId(number(&subject)?))?;
                    match flattr {
                        Some(flattr) => {
                            let patron = people::patron(tx, flattr.patron_id)?;
                            match patron {
                                Some(patron) if patron.is_public => people::actor(tx, patron.actor_id)?,
                                _ => None,
                            }
                        }
                        None => None,
                    }
                }
                "create" | "update" | "delete" => {
                    let object = identities::object(tx, ObjectId(number(&subject)?))?;
                    match object.and_then(|object| object.owner()) {
                        Some(owner) => author(tx, owner)?,
                        None => None,
                    }
                }
                "update_actor" | "delete_actor" => author(tx, IdentityId(number(&subject)?))?,
                "accept_follow" => match inbox::follow_by_uri(tx, &subject)? {
                    Some(follow) => people::actor(tx, follow.followee_id)?,
                    None => None,
                },
                _ => None,
            })
        })
        .await?)
}

fn author(tx: &mut Tx, owner: IdentityId) -> Result<Option<Actor>, storage::Error> {
    let actor = identities::identity(tx, owner)?.and_then(|identity| identity.actor_id);
    match actor {
        Some(actor) => people::actor(tx, ActorId(actor)),
        None => Ok(None),
    }
}

fn number(subject: &str) -> Result<i64, storage::Error> {
    subject.parse().map_err(|_| storage::Error::Corrupt { what: "event", value: subject.to_owned() })
}

fn say(
    tx: &mut Tx,
    node: &Node,
    event: &Event,
    speaker: Option<&Actor>,
    keys: &LocalKeys,
    now: Timestamp,
) -> Result<(), ExpandError> {
    match event.kind.as_str() {
        "message" => say_message(tx, node, &event.subject, now),
        "commitment" => say_commitment(tx, node, &event.subject, now),
        "claim" => say_claim(tx, node, event, now),
        "like_source" => say_like_source(tx, node, event, now),
        "like_source_end" => say_like_source_end(tx, node, event, now),
        "introduce" => introduce::introduce(tx, node, event, now),
        "observation" => say_observation(tx, node, event, now),
        "like" | "undo_like" => say_like(tx, node, event, speaker, keys, now),
        "create" | "update" | "delete" => say_post(tx, node, event, speaker, keys, now),
        "update_actor" => say_actor(tx, event, speaker, keys, now),
        "delete_actor" => say_actor_gone(tx, event, speaker, keys, now),
        "accept_follow" => say_accept(tx, event, speaker, keys, now),
        other => Err(ExpandError::BadEvent(other.to_owned())),
    }
}

/// Stores an activity and queues it for its inboxes.
fn send(
    tx: &mut Tx,
    actor: ActorId,
    activity: &Value,
    class: &str,
    ordering_key: &str,
    inboxes: &[String],
    now: Timestamp,
) -> Result<(), ExpandError> {
    let text = |name: &str| activity.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (outgoing, _) = outbox::save_outgoing(tx, &text("id"), actor, &text("type"), &activity.to_string(), now)?;
    for inbox in inboxes {
        let delivery = NewDelivery { outgoing, inbox, host: host_of(inbox), class, ordering_key };
        outbox::queue_delivery(tx, &delivery, now)?;
    }
    Ok(())
}

/// A message of a channel was signed when it was decided; its bytes are sent as they are.
fn say_message(tx: &mut Tx, node: &Node, uri: &str, now: Timestamp) -> Result<(), ExpandError> {
    let missing = || ExpandError::BadEvent(uri.to_owned());
    let message = settlement::message_by_uri(tx, uri)?.ok_or_else(missing)?;
    let channel = settlement::channel(tx, message.channel_id)?.ok_or_else(missing)?;
    let peer = settlement::peer(tx, channel.peer_id)?.ok_or_else(missing)?;
    let activity: Value = serde_json::from_str(&message.body).map_err(|_| missing())?;
    send(tx, node.actor.id, &activity, "settlement", &channel.key, &[peer.inbox], now)
}

fn peers_to_tell(tx: &mut Tx) -> Result<Vec<Peer>, storage::Error> {
    Ok(settlement::peers(tx)?.into_iter().filter(|peer| peer.state == "added").collect())
}

fn say_commitment(tx: &mut Tx, node: &Node, month: &str, now: Timestamp) -> Result<(), ExpandError> {
    let missing = || ExpandError::BadEvent(month.to_owned());
    let parsed: Month = month.parse().map_err(|_| missing())?;
    let commitment = months::month(tx, parsed)?.and_then(|row| row.commitment).ok_or_else(missing)?;
    let commitment: Value = serde_json::from_str(&commitment).map_err(|_| missing())?;
    for peer in peers_to_tell(tx)? {
        let id = format!("{}/commitments/{month}/announce/{}", node.instance.base_url, peer.id);
        let uri = node.instance.uri();
        let activity = activities::announce(&id, &uri, &peer.uri, &commitment, &node.keys.document, now)?;
        send(tx, node.actor.id, &activity, "settlement", "commitments", &[peer.inbox], now)?;
    }
    Ok(())
}

/// A claim is said again after a dispute or a loss, and when it is proved another way or by a newer sign-in, so that peers
/// look again: each time under an id of its own. A sign-in that does not count here is not named.
fn say_claim(tx: &mut Tx, node: &Node, event: &Event, now: Timestamp) -> Result<(), ExpandError> {
    let missing = || ExpandError::BadEvent(event.subject.clone());
    let claim = identities::claim(tx, number(&event.subject)?)?.ok_or_else(missing)?;
    let peers = peers_to_tell(tx)?;
    tell_claim(tx, node, event, &claim, &peers, now)
}

fn tell_claim(
    tx: &mut Tx,
    node: &Node,
    event: &Event,
    claim: &Claim,
    peers: &[Peer],
    now: Timestamp,
) -> Result<(), ExpandError> {
    let missing = || ExpandError::BadEvent(event.subject.clone());
    let identity = identities::identity(tx, claim.identity_id)?.ok_or_else(missing)?;
    let said = SaidClaim {
        home: &node.instance.uri(),
        creator: &claim.creator_uri,
        identity: &identity.external_id()?.to_string(),
        claim_url: &claim_url(&node.instance, &claim.token),
        token: &claim.token,
        method: &claim.method,
        signed_in: match claim.signed_in_at {
            Some(at) if matches!(claim.state.as_str(), "verified" | "disputed") => {
                Some((Timestamp::from_micros(at), Timestamp::from_micros(claim.proved_since.unwrap_or(at))))
            }
            _ => None,
        },
        verified_at: Timestamp::from_micros(claim.verified_at.unwrap_or(now.micros())),
    };
    let document = claims::write(&said);
    for peer in peers {
        let id = format!("{}/announce/{}/{}", said.claim_url, peer.id, event.id);
        let activity = activities::announce(&id, said.home, &peer.uri, &document, &node.keys.document, now)?;
        send(tx, node.actor.id, &activity, "settlement", "claims", std::slice::from_ref(&peer.inbox), now)?;
    }
    Ok(())
}

/// An account that a patron has proved: its likes count here, whichever peer they reach.
fn say_like_source(tx: &mut Tx, node: &Node, event: &Event, now: Timestamp) -> Result<(), ExpandError> {
    // The patron may have ended it since.
    let Some(proof) = storage::claims::proof_by_token(tx, &event.subject)? else { return Ok(()) };
    let peers = peers_to_tell(tx)?;
    tell_like_source(tx, node, event, &proof, &peers, now)
}

fn tell_like_source(
    tx: &mut Tx,
    node: &Node,
    event: &Event,
    proof: &ConnectionProof,
    peers: &[Peer],
    now: Timestamp,
) -> Result<(), ExpandError> {
    let (home, backlink) = (node.instance.uri(), proof_url(&node.instance, &proof.token));
    let document = activities::like_source(&home, &proof.account, &backlink);
    for peer in peers {
        let id = format!("{backlink}/announce/{}/{}", peer.id, event.id);
        let activity = activities::announce(&id, &home, &peer.uri, &document, &node.keys.document, now)?;
        send(tx, node.actor.id, &activity, "social", &backlink, std::slice::from_ref(&peer.inbox), now)?;
    }
    Ok(())
}

/// An account is a patron's here no more. The subject is the token, a space, and the account: the row is gone.
fn say_like_source_end(tx: &mut Tx, node: &Node, event: &Event, now: Timestamp) -> Result<(), ExpandError> {
    let missing = || ExpandError::BadEvent(event.subject.clone());
    let (token, account) = event.subject.split_once(' ').ok_or_else(missing)?;
    let (home, backlink) = (node.instance.uri(), proof_url(&node.instance, token));
    let document = activities::like_source(&home, account, &backlink);
    for peer in peers_to_tell(tx)? {
        let id = format!("{backlink}/end/{}/{}", peer.id, event.id);
        let activity = activities::undo(&id, &home, &peer.uri, &document, &node.keys.document, now)?;
        // After the announcement that it takes back.
        send(tx, node.actor.id, &activity, "social", &backlink, &[peer.inbox], now)?;
    }
    Ok(())
}

/// A like that counts at a peer is told there as it came, or its Undo is.
fn say_observation(tx: &mut Tx, node: &Node, event: &Event, now: Timestamp) -> Result<(), ExpandError> {
    let missing = || ExpandError::BadEvent(event.subject.clone());
    let row = inbox::row(tx, number(&event.subject)?)?.ok_or_else(missing)?;
    let envelope = like_sources::envelope(tx, row.id)?.ok_or_else(missing)?;
    let Counts::At { home_uri } = like_source::counts(tx, &row.signer_uri)? else { return Ok(()) };
    let Some(peer) = settlement::peer_by_uri(tx, &home_uri)?.filter(|peer| peer.state == "added") else {
        return Ok(());
    };
    let witnessed_at = Timestamp::from_micros(row.received_at);
    let object = observation(&node.instance, &row.body, &envelope, witnessed_at).ok_or_else(missing)?;
    let uri = node.instance.uri();
    let id = format!("{uri}/observations/{}", event.id);
    let activity = activities::offer(&id, &uri, &peer.uri, &object, &node.keys.document, now)?;
    send(tx, node.actor.id, &activity, "social", &row.signer_uri, &[peer.inbox], now)
}

/// A flattr whose creator lives at a peer is made known there, so that both know the same likes before the statement.
fn say_like(
    tx: &mut Tx,
    node: &Node,
    event: &Event,
    speaker: Option<&Actor>,
    keys: &LocalKeys,
    now: Timestamp,
) -> Result<(), ExpandError> {
    let missing = || ExpandError::BadEvent(event.subject.clone());
    let flattr = likes::flattr(tx, FlattrId(number(&event.subject)?))?.ok_or_else(missing)?;
    let object = identities::object(tx, flattr.object_id)?.ok_or_else(missing)?;
    let Some(owner) = flattr.owner() else { return Ok(()) };
    let Some(claim) = identities::verified_claim(tx, owner)?.filter(|claim| claim.creator_id.is_none()) else {
        return Ok(());
    };
    let Some(peer) = settlement::peer_by_uri(tx, &claim.home_uri)? else { return Ok(()) };
    let month = flattr.month()?;
    // A native post is named by its own URI; of all others there is a proxy of ours.
    let object_uri = match object.object_ref()?.platform() {
        Platform::Fediverse => object.object.clone(),
        _ => node.instance.object_uri(&object.platform, &object.object),
    };
    let (actor, actor_id, pseudonym) = match speaker {
        Some(actor) => (actor.uri.clone(), actor.id, String::new()),
        None => {
            let pseudonym = pseudonym(tx, node, &flattr, &object)?;
            (node.instance.uri(), node.actor.id, pseudonym)
        }
    };
    let said = SaidLike {
        actor: &actor,
        object_uri: &object_uri,
        platform: &object.platform,
        object: &object.object,
        month,
        observed_at: Timestamp::from_micros(flattr.received_at),
        pseudonym: &pseudonym,
        to: &peer.uri,
    };
    let ordering = format!("{actor} {object_uri} {pseudonym}");
    let activity = if event.kind == "like" {
        // Like and Undo may follow one another; the event's number counts them.
        let id = format!("{actor}/likes/{}/{}", flattr.id, event.id);
        likes::set_like_uri(tx, flattr.id, &id)?;
        activities::like(&id, &said, &keys.document, now)?
    } else {
        let Some(like_id) = flattr.like_uri.filter(|uri| uri.starts_with(&format!("{actor}/likes/"))) else {
            return Ok(());
        };
        let id = format!("{actor}/likes/{}/{}/undo", flattr.id, event.id);
        activities::undo_like(&id, &like_id, &said, &keys.document, now)?
    };
    send(tx, actor_id, &activity, "social", &ordering, &[peer.inbox], now)
}

/// A name that stands for one patron and one flattr, and can be linked to neither by anybody else.
fn pseudonym(
    tx: &mut Tx,
    node: &Node,
    flattr: &likes::Flattr,
    object: &identities::Object,
) -> Result<String, ExpandError> {
    let missing = || ExpandError::BadEvent(flattr.id.to_string());
    let patron = people::patron(tx, flattr.patron_id)?.ok_or_else(missing)?;
    let patron_uri = node.instance.patron_uri(&patron.name);
    let key = crate::domain::flattr::Key {
        home: node.instance.uri(),
        patron: patron_uri.clone(),
        object: object.object_ref()?,
        month: flattr.month()?,
    };
    // A key of its own for each patron, so that nothing learnt of one says anything of another or of the instance.
    let secret = hmac::Key::new(hmac::HMAC_SHA256, &node.keys.secret);
    let secret = hmac::sign(&secret, format!("fedflattr/pseudonym/1\n{patron_uri}").as_bytes());
    let secret = hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref());
    Ok(hex::encode(hmac::sign(&secret, key.text().as_bytes())))
}

/// A post is new, reads otherwise, or is gone: told to the followers of its author's actor, as it stands now. What is
/// not so any more is not said.
fn say_post(
    tx: &mut Tx,
    node: &Node,
    event: &Event,
    author: Option<&Actor>,
    keys: &LocalKeys,
    now: Timestamp,
) -> Result<(), ExpandError> {
    let Some(author) = author.filter(|author| author.gone_at.is_none()) else { return Ok(()) };
    let Some(object) = identities::object(tx, ObjectId(number(&event.subject)?))? else { return Ok(()) };
    if object.is_deleted != (event.kind == "delete") {
        return Ok(());
    }
    if let Some(owner) = object.owner()
        && identities::identity(tx, owner)?.is_some_and(|owner| owner.is_refused)
    {
        return Ok(());
    }
    let shown = post_document::load(tx, &node.instance, object)?;
    let uri = node.instance.object_uri(&shown.object.platform, &shown.object.object);
    // One that went and came back is created anew each time.
    let deletions = shown.details.as_ref().map_or(0, |details| details.deletions);
    let create_id = |deletions: i64| match deletions {
        0 => format!("{uri}/create"),
        number => format!("{uri}/create/{number}"),
    };
    let key = &keys.document;
    let activity = match event.kind.as_str() {
        "create" => {
            let note = post_document::write(&node.instance, &shown);
            activities::create(&create_id(deletions), &author.uri, &note, key, now)?
        }
        "update" => {
            let note = post_document::write(&node.instance, &shown);
            activities::update(&format!("{uri}/updates/{}", event.id), &author.uri, &note, key, now)?
        }
        _ => {
            // Who has not heard of it yet need not, and the outbox lists it no more.
            let created = create_id(deletions - 1);
            outbox::cancel_waiting(tx, &created)?;
            outbox::unlist(tx, &created)?;
            let left = post_document::tombstone(&node.instance, &shown);
            activities::delete(&format!("{uri}/delete/{}", event.id), &author.uri, &left, key, now)?
        }
    };
    let inboxes = follower_inboxes(tx, author.id)?;
    send(tx, author.id, &activity, "social", &format!("\"{uri}\""), &inboxes, now)
}

fn follower_inboxes(tx: &mut Tx, actor: ActorId) -> Result<Vec<String>, storage::Error> {
    let mut inboxes: Vec<String> =
        inbox::followers(tx, actor)?.into_iter().map(|follow| follow.follower_inbox).collect();
    inboxes.sort();
    inboxes.dedup();
    Ok(inboxes)
}

/// An account has another name, or says more of itself since it was claimed.
fn say_actor(
    tx: &mut Tx,
    event: &Event,
    actor: Option<&Actor>,
    keys: &LocalKeys,
    now: Timestamp,
) -> Result<(), ExpandError> {
    let Some(actor) = actor.filter(|actor| actor.gone_at.is_none()) else { return Ok(()) };
    // As it is now: its keys may have been made for this very activity.
    let Some(actor) = people::actor(tx, actor.id)? else { return Ok(()) };
    if is_refused(tx, actor.id)? {
        return Ok(());
    }
    let document = documents::actor(&actor, documents::bridged(tx, actor.id)?.as_ref());
    let id = format!("{}/updates/{}", actor.uri, event.id);
    let activity = activities::update(&id, &actor.uri, &document, &keys.document, now)?;
    let inboxes = follower_inboxes(tx, actor.id)?;
    send(tx, actor.id, &activity, "social", &actor.uri, &inboxes, now)
}

/// Whether the owner of the account behind an actor does not want to be bridged.
fn is_refused(tx: &mut Tx, actor: ActorId) -> Result<bool, storage::Error> {
    Ok(identities::identity_by_actor(tx, actor)?.is_some_and(|identity| identity.is_refused))
}

/// The owner of an account does not want to be bridged: its actor is gone, and with it, for all who keep them, its posts.
/// Who wants to follow it when it comes back has to ask again.
fn say_actor_gone(
    tx: &mut Tx,
    event: &Event,
    actor: Option<&Actor>,
    keys: &LocalKeys,
    now: Timestamp,
) -> Result<(), ExpandError> {
    let Some(actor) = actor else { return Ok(()) };
    // The refusal may have ended before a word of it was said.
    if !is_refused(tx, actor.id)? {
        return Ok(());
    }
    let id = format!("{}/delete/{}", actor.uri, event.id);
    let activity = activities::delete(&id, &actor.uri, &Value::from(actor.uri.as_str()), &keys.document, now)?;
    let inboxes = follower_inboxes(tx, actor.id)?;
    send(tx, actor.id, &activity, "social", &actor.uri, &inboxes, now)?;
    inbox::end_follows_of(tx, actor.id)?;
    Ok(())
}

fn say_accept(
    tx: &mut Tx,
    event: &Event,
    followee: Option<&Actor>,
    keys: &LocalKeys,
    now: Timestamp,
) -> Result<(), ExpandError> {
    let Some(followee) = followee else { return Ok(()) };
    if is_refused(tx, followee.id)? {
        return Ok(());
    }
    let Some(follow) = inbox::follow_by_uri(tx, &event.subject)? else { return Ok(()) };
    let Some(body) = inbox::body_of(tx, &event.subject)? else { return Ok(()) };
    let body: Value = serde_json::from_str(&body).map_err(|_| ExpandError::BadEvent(event.subject.clone()))?;
    let Some(follower) = people::actor_by_uri(tx, &follow.follower_uri)? else { return Ok(()) };
    let activity = activities::accept_follow(&followee.uri, &body, event.id, &keys.document, now)?;
    let ordering = format!("{} {}", followee.uri, follow.follower_uri);
    send(tx, followee.id, &activity, "social", &ordering, &[follower.inbox], now)
}
