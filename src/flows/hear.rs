//! Hearing a peer: what a message of a channel does here.
//!
//! Owns that a message has an effect once, in the order of its channel, and only if it fits what was said before. The
//! proof is verified by the caller; whoever calls without a verified proof breaks guarantee 5.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::domain::ledger::{Account, Entry, Kind, Phase};
use crate::domain::message::{self, Body, Message, MessageError, ObligationPart, StatementOffer, payment_reference};
use crate::domain::money::Amount;
use crate::domain::proof;
use crate::domain::settlement::{Channel, Event, IllegalStep, RejectCode, State, host_of, step};
use crate::domain::statement::{StatedLine, check};
use crate::domain::time::Timestamp;
use crate::flows::close_month::{Close, CloseError};
use crate::flows::receive_money;
use crate::flows::settle::{self, say};
use crate::storage::settlement::{
    self, ChannelRow, NewLine, NewMessage, NewPayment, NewStatement, Statement, StoredMessage,
};
use crate::storage::{self, Tx, evidence, flow_error, identities, ledger, people};

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
    #[error("message {sequence} does not continue the chain of its channel")]
    BrokenChain { sequence: i64 },
    #[error("two messages with the number {sequence} of {channel} have different content: kept as evidence")]
    Equivocation { channel: String, sequence: i64 },
    #[error("the channel {channel} is frozen: {because}")]
    Frozen { channel: String, because: String },
    #[error("issued {issued}, more than 10 minutes in the future")]
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
/// - errors: [`HearError::Gap`] is to be tried again later; all others are final and change nothing.
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
    if envelope.issued > close.now.plus(std::time::Duration::from_secs(600)) {
        return Err(HearError::FromTheFuture { issued: envelope.issued });
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
    check_chain(tx, &channel, &message)?;
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
            Body::Terms { account, minimum_transfer } => self.terms(tx, account, *minimum_transfer)?,
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

    /// The creditor says where it wants to be paid.
    fn terms(&self, tx: &mut Tx, account: &str, minimum: Amount) -> Result<String, HearError> {
        self.only("the creditor", self.channel.is_debtor)?;
        settlement::set_payee(tx, self.channel.id, account, minimum)?;
        let peer = settlement::peer(tx, self.channel.peer_id)?;
        if peer.is_some_and(|peer| peer.state == "added") {
            settle::accept_terms(tx, self.close, &self.channel)?;
            return Ok("terms accepted".to_owned());
        }
        if self.channel.terms == "none" {
            settlement::set_terms(tx, self.channel.id, "offered")?;
        }
        Ok("terms offered; waiting for our operator".to_owned())
    }

    /// The debtor states what it owes for a month: checked, then accepted or rejected as a whole.
    fn statement(&self, tx: &mut Tx, offer: &StatementOffer, evidence: Option<&Evidence>) -> Result<String, HearError> {
        self.only("the debtor", !self.channel.is_debtor)?;
        let evidence = evidence.ok_or(HearError::NoEvidence)?;
        let uri = self.message.envelope.id();
        let object = (uri.clone(), self.digest.clone());
        let refusal = match self.refusal(tx, offer, evidence)? {
            None => self.keep_commitment(tx, offer, evidence)?,
            refusal => refusal,
        };
        if let Some(code) = refusal {
            let body = Body::Reject { object: object.0, object_digest: object.1, code };
            say(tx, self.close, &self.channel, body)?;
            return Ok(format!("statement of {} rejected: {}", offer.month, code.as_str()));
        }
        let new = NewStatement {
            channel: self.channel.id,
            month: offer.month,
            uri: &uri,
            digest: &self.digest,
            sum: offer.sum,
            like_count: offer.like_count,
            creator_count: offer.creator_count,
            root: &hex::encode(offer.root.hash),
            expires_at: offer.expires,
            due_at: offer.month.due(),
        };
        let statement = settlement::make_statement(tx, &new, self.close.now)?;
        let lines: Vec<NewLine> = (0_i64..)
            .zip(&evidence.lines)
            .map(|(position, line)| NewLine {
                statement_id: statement.0,
                position,
                creator_uri: line.creator.clone(),
                identity: line.identity.clone(),
                like_count: i64::try_from(line.like_count).expect("checked against the offer's count"),
                units: i64::try_from(line.sum).expect("checked against the offer's sum"),
                leaves_root: hex::encode(line.leaves_root),
                subtotal: hex::encode(line.subtotal().hash),
                origin_month: line.origin.map(|month| month.to_string()),
                paid_units: 0,
            })
            .collect();
        settlement::save_lines(tx, &lines)?;
        let body = Body::Accept { object: object.0, object_digest: object.1 };
        let answer = say(tx, self.close, &self.channel, body)?;
        settlement::set_statement_answer(tx, statement, &answer.uri)?;
        Ok(format!("statement of {} over {} accepted", offer.month, offer.sum))
    }

    /// Keeps the commitment that the statement rests on, so that it can be proved years later. A second one for a month is
    /// evidence against the peer.
    fn keep_commitment(
        &self,
        tx: &mut Tx,
        offer: &StatementOffer,
        evidence: &Evidence,
    ) -> Result<Option<RejectCode>, HearError> {
        let (home, body) = (&self.channel.debtor_uri, evidence.commitment.to_string());
        let other = evidence::save_commitment(tx, home, offer.month, &offer.commitment_digest, &body)?;
        let Some((_, first)) = other else { return Ok(None) };
        let subject = format!("{home} {}", offer.month);
        evidence::save_evidence(tx, "two_commitments", &subject, &first, &body, self.close.now)?;
        settlement::freeze_channel(tx, self.channel.id, &format!("two commitments for {}", offer.month))?;
        Ok(Some(RejectCode::RootMismatch))
    }

    /// Why a statement cannot be accepted, if so.
    fn refusal(
        &self,
        tx: &mut Tx,
        offer: &StatementOffer,
        evidence: &Evidence,
    ) -> Result<Option<RejectCode>, HearError> {
        if self.channel.terms != "open" {
            return Ok(Some(RejectCode::Terms));
        }
        if offer.sum.currency() != self.channel.currency()? {
            return Ok(Some(RejectCode::Currency));
        }
        if self.close.now < offer.month.freeze() || offer.expires != offer.month.statement_expiry() {
            return Ok(Some(RejectCode::Clock));
        }
        if settlement::statement_of_month(tx, self.channel.id, offer.month)?.is_some() {
            return Ok(Some(RejectCode::Duplicate));
        }
        let debtor = &self.channel.debtor_uri;
        if let Err(code) = check(offer, &self.channel.creditor_uri, debtor, &evidence.lines, &evidence.commitment) {
            return Ok(Some(code));
        }
        for line in &evidence.lines {
            let Some(creator) = receive_money::creator_by_uri(tx, self.close.instance, &line.creator)? else {
                return Ok(Some(RejectCode::UnknownCreator));
            };
            let claimed = identities::claims_of_creator(tx, creator.id)?;
            let mut is_claimed = false;
            for claim in claimed.iter().filter(|claim| claim.state == "verified") {
                let identity = identities::identity(tx, claim.identity_id)?;
                let identity = identity.map(|identity| identity.external_id()).transpose()?;
                is_claimed |= identity.is_some_and(|identity| identity.to_string() == line.identity);
            }
            if !is_claimed {
                return Ok(Some(RejectCode::NotClaimed));
            }
        }
        Ok(None)
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

    fn our_statement(&self, tx: &mut Tx, uri: &str, digest: &str) -> Result<Statement, HearError> {
        self.only("the creditor", self.channel.is_debtor)?;
        let statement =
            settlement::statement_by_uri(tx, uri)?.filter(|statement| statement.channel_id == self.channel.id);
        let statement = statement.ok_or_else(|| HearError::UnknownObject(uri.to_owned()))?;
        if statement.digest != digest {
            return Err(HearError::OtherContent(uri.to_owned()));
        }
        Ok(statement)
    }

    /// Debtor: an Accept in time makes the obligation; a late one meets the void that was already said.
    fn bind(&self, tx: &mut Tx, object: &str, digest: &str) -> Result<String, HearError> {
        let statement = self.our_statement(tx, object, digest)?;
        let state = statement.state()?;
        let is_late = self.heard_at > statement.month()?.accept_deadline();
        if state == State::Voided || (state == State::Offered && is_late) {
            if state == State::Offered {
                let (object, object_digest) = (statement.uri.clone(), statement.digest.clone());
                say(tx, self.close, &self.channel, Body::Void { object, object_digest })?;
                settle::void(tx, self.close.now, &statement, &self.channel, Event::Withdrawn)?;
            }
            return Ok(format!("the Accept of {} came too late: the statement is void", statement.month));
        }
        let next = step(state, Event::AcceptedInTime)?;
        if next != state {
            let mut entry =
                Entry::new(format!("statement/{}/bound", statement.digest), Kind::StatementBound, self.close.now);
            for transfer in settle::offered_transfers(tx, &statement)? {
                let phase = Phase::PostPending(transfer.id);
                entry.push(transfer.debit, transfer.credit, transfer.amount, phase);
            }
            ledger::post(tx, &entry)?;
            settlement::set_statement_state(tx, statement.id, next)?;
        }
        // The acknowledgement names the Accept; with it the creditor knows that it came in time.
        let body = Body::Accept { object: self.message.envelope.id(), object_digest: self.digest.clone() };
        say(tx, self.close, &self.channel, body)?;
        settlement::set_statement_answer(tx, statement.id, &self.message.envelope.id())?;
        Ok(format!("statement of {} bound", statement.month))
    }

    /// Creditor: the acknowledgement is here, so the creators are promised what the statement says.
    fn agree(&self, tx: &mut Tx, answer_uri: &str) -> Result<String, HearError> {
        self.only("the debtor", !self.channel.is_debtor)?;
        let statement = settlement::statement_by_answer(tx, answer_uri)?;
        let statement = statement.ok_or_else(|| HearError::UnknownObject(answer_uri.to_owned()))?;
        let state = statement.state()?;
        let next = step(state, Event::Acknowledged)?;
        if next == state {
            return Ok(format!("statement of {} was agreed before", statement.month));
        }
        let currency = self.channel.currency()?;
        let debtor = host_of(&self.channel.debtor_uri).to_owned();
        let mut promised: BTreeMap<Account, i64> = BTreeMap::new();
        for line in settlement::lines(tx, statement.id, 0, i64::MAX)? {
            let creator = receive_money::creator_by_uri(tx, self.close.instance, &line.creator_uri)?;
            let creator = creator.ok_or_else(|| storage::Error::corrupt("creator", &line.creator_uri))?;
            *promised.entry(Account::CreatorPromised(creator.id, debtor.clone())).or_default() += line.units;
        }
        let mut entry =
            Entry::new(format!("statement/{}/agreed", statement.digest), Kind::StatementAgreed, self.close.now);
        for (account, units) in promised {
            if units > 0 {
                let amount = Amount::from_units(units, currency);
                entry = entry.transfer(Account::DueFrom(debtor.clone()), account, amount);
            }
        }
        ledger::post(tx, &entry)?;
        settlement::set_statement_state(tx, statement.id, next)?;
        Ok(format!("statement of {} agreed", statement.month))
    }

    /// Creditor: a payment is announced; the money itself comes by the rail.
    fn payment(&self, tx: &mut Tx, parts: &[ObligationPart], total: Amount) -> Result<String, HearError> {
        self.only("the debtor", !self.channel.is_debtor)?;
        let sum = Amount::sum(parts.iter().map(|part| part.amount), total.currency());
        if sum != Some(total) || total.floor_to_cent() != total {
            return Err(HearError::BadParts);
        }
        let mut covered = Vec::new();
        for part in parts {
            let statement = settlement::statement_by_digest(tx, &part.obligation)?
                .filter(|statement| statement.channel_id == self.channel.id)
                .ok_or_else(|| HearError::UnknownObject(part.obligation.clone()))?;
            let is_twice = covered.iter().any(|(id, _)| *id == statement.id);
            let payable = statement.open_units() - settlement::in_flight_units(tx, statement.id)?;
            if is_twice || part.amount.units() > payable {
                return Err(HearError::BadParts);
            }
            let state = step(statement.state()?, Event::PaymentNoticed)?;
            settlement::set_statement_state(tx, statement.id, state)?;
            covered.push((statement.id, part.amount.units()));
        }
        let reference = payment_reference(&self.digest);
        let new = NewPayment {
            channel: self.channel.id,
            uri: &self.message.envelope.id(),
            digest: &self.digest,
            reference: &reference,
            total,
            parts: &covered,
        };
        settlement::make_payment(tx, &new, self.close.now)?;
        receive_money::match_suspense(tx, self.close, &reference)?;
        Ok(format!("payment of {total} announced"))
    }

    /// Debtor: the creditor has the money.
    fn receipt(
        &self,
        tx: &mut Tx,
        object: &str,
        object_digest: &str,
        parts: &[ObligationPart],
    ) -> Result<String, HearError> {
        self.only("the creditor", self.channel.is_debtor)?;
        let payment = settlement::payment_by_uri(tx, object)?
            .filter(|payment| payment.channel_id == self.channel.id)
            .ok_or_else(|| HearError::UnknownObject(object.to_owned()))?;
        if payment.digest != object_digest {
            return Err(HearError::OtherContent(object.to_owned()));
        }
        if !settlement::set_payment_state(tx, payment.id, &["noticed", "sent", "debited"], "receipted")? {
            return Ok("the receipt was here before".to_owned());
        }
        // A receipt may come before our own bank shows the debit; the books follow either.
        if payment.state != "debited" {
            settle::book_payment_sent(tx, &payment, self.close.now)?;
        }
        let mut came: BTreeMap<&str, Amount> = BTreeMap::new();
        for part in parts {
            if came.insert(&part.obligation, part.amount).is_some() {
                return Err(HearError::BadParts);
            }
        }
        let mut missing = 0;
        for (id, units) in settlement::parts_of(tx, payment.id)? {
            let statement = settlement::statement(tx, id)?.ok_or_else(|| storage::Error::corrupt("statement", id))?;
            let amount = came.remove(statement.digest.as_str()).map_or(0, Amount::units);
            if amount > units {
                return Err(HearError::BadParts);
            }
            missing += units - amount;
            settlement::add_paid(tx, id, amount)?;
            let is_full = statement.open_units() == amount;
            let event = if is_full { Event::ReceivedInFull } else { Event::ReceivedInPart };
            settlement::set_statement_state(tx, id, step(statement.state()?, event)?)?;
        }
        if !came.is_empty() {
            return Err(HearError::BadParts);
        }
        if missing > 0 {
            // The whole payment has left our bank. What did not arrive is owed still, and is the rail's cost to us.
            let missing = Amount::from_units(missing, self.channel.currency()?);
            let entry = Entry::new(format!("payment/{}/short", payment.reference), Kind::PaymentSent, self.close.now);
            let due_to = Account::DueTo(host_of(&self.channel.creditor_uri).to_owned());
            ledger::post(tx, &entry.transfer(Account::RailCost, due_to, missing))?;
        }
        Ok(format!("receipt for {}", payment.amount()?))
    }
}
