//! Hearing a peer: what a message of a channel does here.
//!
//! Owns that a message has an effect once, in the order of its channel, and only if it fits what was said before. The
//! proof is verified by the caller; whoever calls without a verified proof breaks guarantee 5.
//!
//! Here: envelope, chain and what both sides say. `creditor` hears a debtor, `debtor` hears a creditor.

mod creditor;
mod debtor;

use std::time::Duration;

use serde_json::Value;

use crate::domain::message::{self, Body, Message, MessageError};
use crate::domain::proof;
use crate::domain::settlement::{Channel, Event, IllegalStep, host_of, step};
use crate::domain::statement::StatedLine;
use crate::domain::time::Timestamp;
use crate::flows::close_month::{Close, CloseError};
use crate::flows::settle::{self};
use crate::storage::settlement::{self, ChannelRow, NewMessage, StoredMessage};
use crate::storage::{self, Tx, evidence, flow_error, ledger, people};

/// How far a peer's clock may be ahead of ours.
const CLOCK_SKEW: Duration = Duration::from_secs(600);
/// A message that is issued further ahead is not waited for.
const DAY: Duration = Duration::from_secs(86_400);

#[derive(Debug, thiserror::Error)]
pub enum HearError {
    #[error("not a settlement message: {0}")]
    Form(#[from] MessageError),
    #[error("signed by {signer}, but sent as {sender}")]
    WrongSigner { signer: String, sender: String },
    #[error("this instance is not the other side of the channel {0}")]
    NotOurs(String),
    #[error("the message says {side} may do this, and {sender} is not")]
    WrongSide { side: &'static str, sender: String },
    #[error("message {sequence} came, {expected} is next: waiting for what is between")]
    Gap { sequence: i64, expected: i64 },
    #[error("message {sequence} came, {expected} is next, from an instance that we do not settle with")]
    GapOfStranger { sequence: i64, expected: i64 },
    #[error("message {sequence} does not continue the chain of its channel")]
    BrokenChain { sequence: i64 },
    #[error("two messages with the number {sequence} of {channel} have different content: kept as evidence")]
    Equivocation { channel: String, sequence: i64 },
    #[error("the channel {channel} is frozen: {because}")]
    Frozen { channel: String, because: String },
    #[error("issued {issued}, more than 10 minutes in the future")]
    Early { issued: Timestamp },
    #[error("issued {issued}, more than a day in the future")]
    FromTheFuture { issued: Timestamp },
    #[error("the message answers `{0}`, which is not known here")]
    UnknownObject(String),
    #[error("the message answers other content than ours under `{0}`")]
    OtherContent(String),
    #[error("the statement has no lines or commitment to check it against")]
    NoEvidence,
    #[error("{0}")]
    Illegal(#[from] IllegalStep),
    #[error("the payment does not fit the obligations it names")]
    BadParts,
    #[error("{0}")]
    Close(CloseError),
    #[error("could not read or write the channel")]
    Storage(#[from] storage::Error),
}

flow_error!(HearError);

impl HearError {
    /// Whether the message was refused for what it says, and not for where it stands: then its channel must go on after it.
    pub const fn is_about_content(&self) -> bool {
        matches!(
            self,
            HearError::WrongSide { .. }
                | HearError::UnknownObject(_)
                | HearError::OtherContent(_)
                | HearError::Illegal(_)
                | HearError::BadParts
        )
    }
}

impl From<CloseError> for HearError {
    fn from(error: CloseError) -> Self {
        match error {
            CloseError::Storage(error) => HearError::Storage(error),
            other => HearError::Close(other),
        }
    }
}

impl From<ledger::PostError> for HearError {
    fn from(error: ledger::PostError) -> Self {
        HearError::from(CloseError::from(error))
    }
}

/// What was fetched to check a statement, before the transaction.
#[derive(Clone, Debug)]
pub struct Evidence {
    pub lines: Vec<StatedLine>,
    /// The debtor's commitment, its proof verified.
    pub commitment: Value,
}

/// What a message did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    Done(String),
    /// Known with the same content; nothing changed.
    Repeat,
}

/// Applies a message whose proof by `signer`'s key is valid.
///
/// - `heard_at`: when the message was stored; deadlines are judged by it, not by when it is processed.
/// - `evidence`: needed for a statement only.
/// - effects: state, books and our answer, in this transaction.
/// - errors: [`HearError::Gap`] and [`HearError::Early`] are to be tried again later, [`HearError::GapOfStranger`]
///   for a while; all others are final. None changes anything.
pub fn hear(
    tx: &mut Tx,
    close: &Close,
    document: &Value,
    signer: &str,
    heard_at: Timestamp,
    evidence: Option<&Evidence>,
) -> Result<Heard, HearError> {
    let message = message::read(document)?;
    let envelope = &message.envelope;
    if signer != envelope.sender {
        let sender = envelope.sender.clone();
        return Err(HearError::WrongSigner { signer: signer.to_owned(), sender });
    }
    if envelope.receiver() != close.instance.uri() {
        return Err(HearError::NotOurs(envelope.channel.key()));
    }
    if envelope.issued > close.now.plus(DAY) {
        return Err(HearError::FromTheFuture { issued: envelope.issued });
    }
    if envelope.issued > close.now.plus(CLOCK_SKEW) {
        return Err(HearError::Early { issued: envelope.issued });
    }
    ledger::lock(tx)?;
    let is_debtor = envelope.channel.debtor == close.instance.uri();
    let peer = match settlement::peer_by_uri(tx, &envelope.sender)? {
        Some(peer) => peer,
        None => {
            // Only the actor that stands for an instance settles, and one for each host.
            let actor = people::actor_by_uri(tx, &envelope.sender)?.filter(|actor| actor.actor_type == "Application");
            let is_taken = settlement::peer_by_host(tx, host_of(&envelope.sender))?.is_some();
            let inbox = actor.filter(|_| !is_taken).map(|actor| actor.inbox);
            let inbox = inbox.ok_or_else(|| HearError::NotOurs(envelope.channel.key()))?;
            settlement::note_peer(tx, &envelope.sender, host_of(&envelope.sender), &inbox, close.now)?
        }
    };
    let channel = settlement::channel_with(tx, &peer, &envelope.channel, is_debtor)?;
    // Channels are named by hosts: another actor of the same host must not speak in the instance's own.
    if channel.debtor_uri != envelope.channel.debtor || channel.creditor_uri != envelope.channel.creditor {
        return Err(HearError::NotOurs(channel.key));
    }
    let digest = proof::digest(document);
    if let Some(known) = known_message(tx, &channel, envelope.sequence)? {
        if known.digest == digest {
            return Ok(Heard::Repeat);
        }
        // The contradiction is kept outside this transaction's refusal: see `record_equivocation`.
        let channel = channel.key;
        return Err(HearError::Equivocation { channel, sequence: envelope.sequence });
    }
    if let Some(because) = channel.frozen_because.clone() {
        return Err(HearError::Frozen { channel: channel.key, because });
    }
    match check_chain(tx, &channel, &message) {
        Err(HearError::Gap { sequence, expected }) if peer.state != "added" => {
            return Err(HearError::GapOfStranger { sequence, expected });
        }
        checked => checked?,
    }
    let new = NewMessage {
        channel: channel.id,
        is_ours: false,
        sequence: envelope.sequence,
        uri: &envelope.id(),
        kind: message.body.kind(),
        digest: &digest,
        body: &document.to_string(),
    };
    settlement::save_message(tx, &new, close.now)?;
    let hearing = Hearing { close, channel, message: &message, digest, heard_at };
    hearing.apply(tx, evidence)
}

/// Keeps a message that was refused although it continues its channel, without any effect but this: the chain goes on, and
/// the refused bytes are evidence. In a transaction of its own.
pub fn keep_refused(tx: &mut Tx, document: &Value, now: Timestamp) -> Result<(), HearError> {
    let message = message::read(document)?;
    ledger::lock(tx)?;
    let Some(channel) = settlement::channel_by_key(tx, &message.envelope.channel.key())? else { return Ok(()) };
    check_chain(tx, &channel, &message)?;
    let new = NewMessage {
        channel: channel.id,
        is_ours: false,
        sequence: message.envelope.sequence,
        uri: &message.envelope.id(),
        kind: "refused",
        digest: &proof::digest(document),
        body: &document.to_string(),
    };
    Ok(settlement::save_message(tx, &new, now)?)
}

/// Keeps the two signed documents of an equivocation and freezes the channel. In a transaction of its own.
pub fn record_equivocation(tx: &mut Tx, document: &Value, now: Timestamp) -> Result<bool, HearError> {
    let message = message::read(document)?;
    let key = message.envelope.channel.key();
    let sequence = message.envelope.sequence;
    let Some(channel) = settlement::channel_by_key(tx, &key)? else { return Ok(false) };
    // Another actor of the peer's host must not freeze the instance's own channel.
    let Channel { debtor, creditor, .. } = &message.envelope.channel;
    if channel.debtor_uri != *debtor || channel.creditor_uri != *creditor {
        return Ok(false);
    }
    let Some(known) = known_message(tx, &channel, sequence)? else { return Ok(false) };
    if known.digest == proof::digest(document) {
        return Ok(false);
    }
    let subject = format!("{key}/{}/{sequence}", host_of(&message.envelope.sender));
    let is_new = evidence::save_evidence(tx, "equivocation", &subject, &known.body, &document.to_string(), now)?;
    settlement::freeze_channel(tx, channel.id, &format!("equivocation at message {sequence}"))?;
    Ok(is_new)
}

fn known_message(tx: &mut Tx, channel: &ChannelRow, sequence: i64) -> Result<Option<StoredMessage>, storage::Error> {
    settlement::message_by_sequence(tx, channel.id, false, sequence)
}

fn check_chain(tx: &mut Tx, channel: &ChannelRow, message: &Message) -> Result<(), HearError> {
    let last = settlement::last_message(tx, channel.id, false)?;
    let (expected, previous) = last.map_or((1, String::new()), |last| (last.sequence + 1, last.digest));
    let sequence = message.envelope.sequence;
    if sequence > expected {
        return Err(HearError::Gap { sequence, expected });
    }
    if sequence < expected || message.envelope.previous != previous {
        return Err(HearError::BrokenChain { sequence });
    }
    Ok(())
}

/// One message in its channel.
struct Hearing<'a> {
    close: &'a Close<'a>,
    channel: ChannelRow,
    message: &'a Message,
    digest: String,
    heard_at: Timestamp,
}

impl Hearing<'_> {
    fn apply(&self, tx: &mut Tx, evidence: Option<&Evidence>) -> Result<Heard, HearError> {
        let done = match &self.message.body {
            Body::Terms { account, minimum_transfer, trusted_claims } => {
                self.terms(tx, account, *minimum_transfer, trusted_claims)?
            }
            Body::Statement(offer) => self.statement(tx, offer, evidence)?,
            Body::Accept { object, object_digest } => self.accept(tx, object, object_digest)?,
            Body::Reject { object, object_digest, code } => {
                let statement = self.our_statement(tx, object, object_digest)?;
                step(statement.state()?, Event::Rejected)?;
                settle::void(tx, self.close.now, &statement, &self.channel, Event::Rejected)?;
                format!("statement of {} rejected: {}", statement.month, code.as_str())
            }
            Body::Void { object, object_digest } => {
                self.only("the debtor", !self.channel.is_debtor)?;
                let message = settlement::message_by_uri(tx, object)?
                    .filter(|message| message.channel_id == self.channel.id && message.kind == "statement")
                    .ok_or_else(|| HearError::UnknownObject(object.clone()))?;
                if message.digest != *object_digest {
                    return Err(HearError::OtherContent(object.clone()));
                }
                match settlement::statement_by_uri(tx, object)? {
                    Some(statement) => {
                        step(statement.state()?, Event::Withdrawn)?;
                        settle::void(tx, self.close.now, &statement, &self.channel, Event::Withdrawn)?;
                        format!("statement of {} withdrawn", statement.month)
                    }
                    // Our Reject and their void have crossed.
                    None => "a statement that we had rejected was withdrawn".to_owned(),
                }
            }
            Body::Payment { parts, total, .. } => self.payment(tx, parts, *total)?,
            Body::Receipt { object, object_digest, parts, .. } => self.receipt(tx, object, object_digest, parts)?,
        };
        Ok(Heard::Done(done))
    }

    fn only(&self, side: &'static str, is_allowed: bool) -> Result<(), HearError> {
        let sender = self.message.envelope.sender.clone();
        if is_allowed { Ok(()) } else { Err(HearError::WrongSide { side, sender }) }
    }

    /// An Accept of our terms, of our statement, or (from the debtor) of our Accept.
    fn accept(&self, tx: &mut Tx, object: &str, object_digest: &str) -> Result<String, HearError> {
        let ours = settlement::message_by_uri(tx, object)?.filter(|message| message.is_ours);
        let ours = ours.ok_or_else(|| HearError::UnknownObject(object.to_owned()))?;
        if ours.channel_id != self.channel.id {
            return Err(HearError::UnknownObject(object.to_owned()));
        }
        if ours.digest != object_digest {
            return Err(HearError::OtherContent(object.to_owned()));
        }
        match ours.kind.as_str() {
            "terms" => {
                settlement::set_terms(tx, self.channel.id, "open")?;
                Ok("our terms were accepted".to_owned())
            }
            "statement" => self.bind(tx, object, object_digest),
            "accept" => self.agree(tx, object),
            _ => Err(HearError::UnknownObject(object.to_owned())),
        }
    }
}
