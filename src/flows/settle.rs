//! Settling with a peer: what is said in a channel, and what an answer does to the books.
//!
//! Owns the chain of messages (each names the digest of the one before), the deadlines, and that an obligation exists only
//! with both signatures. What comes in is in [`super::hear`]; here is what we say by ourselves.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::domain::id::PatronId;
use crate::domain::identity::Platform;
use crate::domain::ledger::account::Held;
use crate::domain::ledger::{Account, Entry, Kind, Phase};
use crate::domain::message::{self, Body, Envelope, Message, ObligationPart, payment_reference};
use crate::domain::money::Amount;
use crate::domain::proof;
use crate::domain::settlement::{Channel, Event, State, host_of, step};
use crate::domain::time::Timestamp;
use crate::flows::close_month::{Close, CloseError};
use crate::flows::payee::waits_for;
use crate::storage::ledger;
use crate::storage::months::{self, Outcome};
use crate::storage::payments::{self, NewPayment, Payment};
use crate::storage::settlement::{self, ChannelRow, NewMessage, Peer, Statement, StoredMessage};
use crate::storage::{self, Tx, connections, inbox, outbox};

/// The rail on which instances pay one another.
pub const RAIL: &str = "sandbox";

/// Id of the entry that reserves what a statement promises; its transfers are posted or voided one by one.
pub fn offered_entry_id(digest: &str) -> String {
    format!("statement/{digest}/offered")
}

/// Says something in a channel: signs it, chains it, stores it, and queues it for delivery.
pub fn say(tx: &mut Tx, close: &Close, channel: &ChannelRow, body: Body) -> Result<StoredMessage, CloseError> {
    let last = settlement::last_message(tx, channel.id, true)?;
    let envelope = Envelope {
        channel: channel.channel()?,
        sender: close.instance.uri(),
        sequence: last.as_ref().map_or(1, |last| last.sequence + 1),
        previous: last.map(|last| last.digest).unwrap_or_default(),
        issued: close.now,
    };
    let kind = body.kind();
    let (uri, sequence) = (envelope.id(), envelope.sequence);
    let unsigned = message::write(&Message { envelope, body });
    let digest = proof::digest(&unsigned);
    let signed = proof::sign(unsigned, close.signer, close.now)?.to_string();
    let new =
        NewMessage { channel: channel.id, is_ours: true, sequence, uri: &uri, kind, digest: &digest, body: &signed };
    settlement::save_message(tx, &new, close.now)?;
    outbox::push_event(tx, "message", &uri, close.now)?;
    let stored = settlement::message_by_uri(tx, &uri)?;
    stored.ok_or_else(|| storage::Error::corrupt("message", uri).into())
}

/// Our operator settles with a peer: makes the two channels and tells the peer where we want to be paid.
///
/// - `account`: ours on the rail, for the channel in which the peer owes us.
/// - `trusted`: platforms on whose sign-ins we take its word for claims; `None` leaves what was said before.
pub fn add_peer(
    tx: &mut Tx,
    close: &Close,
    uri: &str,
    inbox: &str,
    account: &str,
    trusted: Option<&[Platform]>,
) -> Result<Peer, CloseError> {
    ledger::lock(tx)?;
    let mut peer = settlement::save_peer(tx, uri, host_of(uri), inbox, "added", close.now)?;
    let trusted = trusted.map(slugs).filter(|trusted| *trusted != peer.trusted_claims);
    if let Some(trusted) = &trusted {
        settlement::set_trusted_claims(tx, peer.id, trusted)?;
        connections::recheck_signed_in(tx, uri, close.now)?;
        peer.trusted_claims.clone_from(trusted);
    }
    let currency = close.instance.policy.currency;
    let (ours, theirs) = (close.instance.uri(), peer.uri.clone());
    let owed_to_us = Channel { debtor: theirs.clone(), creditor: ours.clone(), currency };
    let owed_to_them = Channel { debtor: ours, creditor: theirs, currency };
    let outgoing = settlement::channel_with(tx, &peer, &owed_to_them, true)?;
    let incoming = settlement::channel_with(tx, &peer, &owed_to_us, false)?;
    if incoming.terms == "none" || trusted.is_some() {
        let minimum_transfer = close.instance.policy.minimum_transfer;
        settlement::set_minimum(tx, incoming.id, minimum_transfer)?;
        let trusted_claims =
            peer.trusted_claims.split(',').filter(|slug| !slug.is_empty()).map(str::to_owned).collect();
        let terms = Body::Terms { account: account.to_owned(), minimum_transfer, trusted_claims };
        say(tx, close, &incoming, terms)?;
    }
    // Terms that come later change no open channel until they are heard.
    if incoming.terms == "none" {
        settlement::set_terms(tx, incoming.id, "offered")?;
    }
    // The peer may have offered its terms before our operator said yes.
    if outgoing.terms == "offered" {
        accept_terms(tx, close, &outgoing)?;
    } else if outgoing.is_open() && trusted.is_none() {
        // Added once more: everything is said once more.
        introduce(tx, peer.id, close.now)?;
    }
    Ok(peer)
}

/// The slugs of platforms as they are stored: each once, with commas.
fn slugs(platforms: &[Platform]) -> String {
    let slugs: BTreeSet<&str> = platforms.iter().map(|platform| platform.slug()).collect();
    slugs.into_iter().collect::<Vec<_>>().join(",")
}

/// Accepts the terms that a peer offered in the channel in which we owe.
pub fn accept_terms(tx: &mut Tx, close: &Close, channel: &ChannelRow) -> Result<(), CloseError> {
    let offered = settlement::messages_of(tx, channel.id)?;
    let Some(terms) = offered.iter().rev().find(|message| !message.is_ours && message.kind == "terms") else {
        return Ok(());
    };
    let body = Body::Accept { object: terms.uri.clone(), object_digest: terms.digest.clone() };
    say(tx, close, channel, body)?;
    if channel.terms != "open" {
        settlement::set_terms(tx, channel.id, "open")?;
        introduce(tx, channel.peer_id, close.now)?;
    }
    Ok(())
}

/// Makes known to a peer what was said to the others before it was one: claims, and accounts of patrons.
fn introduce(tx: &mut Tx, peer: i64, now: Timestamp) -> Result<(), storage::Error> {
    for what in ["claims", "sources"] {
        outbox::push_event(tx, "introduce", &format!("{peer} {what} 0"), now)?;
    }
    Ok(())
}

/// How long after a deadline an answer that was stored before it may still be on its way into the database.
const STORE_DELAY: Duration = Duration::from_secs(5);

/// Statements of ours that nobody accepted in time. Reads only.
///
/// An answer counts by the time at which it was stored. What the creditor sent before the deadline is heard first; but
/// from the due day on nothing waits for a message that its sender cannot complete.
pub fn expired(tx: &mut Tx, now: Timestamp) -> Result<Vec<(Statement, ChannelRow)>, storage::Error> {
    let mut expired = Vec::new();
    for (statement, channel) in settlement::statements_in(tx, &[State::Offered])? {
        let month = statement.month()?;
        let deadline = month.accept_deadline();
        if !channel.is_debtor || now <= deadline.plus(STORE_DELAY) {
            continue;
        }
        if now >= month.due() || !inbox::is_unheard(tx, &channel.creditor_uri, deadline)? {
            expired.push((statement, channel));
        }
    }
    Ok(expired)
}

/// Takes back the statements that nobody accepted in time; their lines are held again with their first expiry.
///
/// - returns: the months of the statements that were voided.
pub fn void_expired(tx: &mut Tx, close: &Close) -> Result<Vec<String>, CloseError> {
    ledger::lock(tx)?;
    let mut voided = Vec::new();
    for (statement, channel) in expired(tx, close.now)? {
        let body = Body::Void { object: statement.uri.clone(), object_digest: statement.digest.clone() };
        say(tx, close, &channel, body)?;
        // The void takes the place of the statement, which must not arrive after it.
        outbox::cancel_waiting(tx, &statement.uri)?;
        void(tx, close.now, &statement, &channel, Event::Withdrawn)?;
        voided.push(statement.month);
    }
    Ok(voided)
}

/// Voids a statement of ours: nothing is owed, and every share in it waits again for its creator.
pub fn void(
    tx: &mut Tx,
    now: Timestamp,
    statement: &Statement,
    channel: &ChannelRow,
    event: Event,
) -> Result<(), CloseError> {
    let state = step(statement.state()?, event).map_err(|error| storage::Error::corrupt("statement", error))?;
    if state == statement.state()? {
        return Ok(());
    }
    settlement::set_statement_state(tx, statement.id, state)?;
    if !channel.is_debtor {
        return Ok(());
    }
    let offered = offered_transfers(tx, statement)?;
    let mut entry = Entry::new(format!("statement/{}/voided", statement.digest), Kind::StatementVoided, now);
    for transfer in offered {
        let phase = Phase::VoidPending(transfer.id);
        entry.push(transfer.debit, transfer.credit, transfer.amount, phase);
    }
    // What was reserved for the month goes to where a share without a payee waits; what was held stays held.
    let mut flattrs = Vec::new();
    for detail in months::shares_of_statement(tx, statement.id.0)? {
        let share = &detail.share;
        flattrs.push(share.flattr_id);
        if share.month == statement.month && share.units > 0 {
            let patron = PatronId(share.patron_id);
            let owner = share.identity_id.map(crate::domain::id::IdentityId);
            let held: Held = waits_for(tx, owner, &detail.platform, &detail.object)?;
            let reserved = Account::PatronReserved(patron, statement.month()?);
            entry.push(reserved, Account::PatronHeld(patron, held), share.amount()?, Phase::Posted);
        }
    }
    ledger::post(tx, &entry)?;
    months::set_outcome(tx, &flattrs, Outcome::Stated, Outcome::Held, None, None)?;
    Ok(())
}

/// The reservations that a statement made.
pub fn offered_transfers(
    tx: &mut Tx,
    statement: &Statement,
) -> Result<Vec<crate::domain::ledger::Transfer>, storage::Error> {
    let id = offered_entry_id(&statement.digest);
    let entry = ledger::entry_by_id(tx, &id)?.ok_or_else(|| storage::Error::corrupt("entry", id))?;
    Ok(entry.transfers)
}

/// The peer's inbox has taken our acknowledgement: both sides know that both know.
pub fn acknowledgement_taken(tx: &mut Tx, message_uri: &str) -> Result<(), storage::Error> {
    let Some(message) = settlement::message_by_uri(tx, message_uri)? else { return Ok(()) };
    let document: serde_json::Value =
        serde_json::from_str(&message.body).map_err(|_| storage::Error::corrupt("message", message_uri))?;
    let Ok(Message { body: Body::Accept { object, .. }, .. }) = message::read(&document) else { return Ok(()) };
    if let Some(statement) = settlement::statement_by_answer(tx, &object)?
        && statement.state()? == State::Bound
    {
        settlement::set_statement_state(tx, statement.id, State::Agreed)?;
    }
    Ok(())
}

/// What is due to one peer: statements with what is payable of each, and their sum in whole cents.
pub struct Due {
    channel: ChannelRow,
    statements: Vec<(Statement, i64)>,
    total: Amount,
}

/// What is to be paid now, channel by channel, oldest statement first. Reads only.
pub fn due(tx: &mut Tx, now: Timestamp) -> Result<Vec<Due>, storage::Error> {
    let mut dues = Vec::new();
    for channel in settlement::channels(tx)? {
        if !channel.is_debtor || !channel.is_open() {
            continue;
        }
        let currency = channel.currency()?;
        let mut statements = Vec::new();
        for statement in settlement::statements_of(tx, channel.id)? {
            let state = statement.state()?;
            // Whatever the state says (an unanswered payment may be overdue), money in flight is never sent again, nor is
            // what the peer says did not arrive: our bank has paid it, and a receipt is only the peer's word.
            let payable = statement.open_units() - payments::unpayable_units(tx, statement.id)?;
            if state.is_owed() && statement.due_at <= now.micros() && payable > 0 {
                statements.push((statement, payable));
            }
        }
        let open = Amount::sum(statements.iter().map(|(_, payable)| Amount::from_units(*payable, currency)), currency)
            .ok_or_else(|| storage::Error::corrupt("open amount of", &channel.key))?;
        let total = open.floor_to_cent();
        // Less than the terms ask for is carried over: it delays the due date and merges nothing.
        if total.is_positive() && open.units() >= channel.minimum_units {
            dues.push(Due { channel, statements, total });
        }
    }
    Ok(dues)
}

/// Announces the payment of everything that is due.
///
/// - returns: the payments that were announced; a job brings them to the rail.
pub fn pay_due(tx: &mut Tx, close: &Close) -> Result<Vec<Payment>, CloseError> {
    ledger::lock(tx)?;
    let mut announced = Vec::new();
    for Due { channel, statements, total } in due(tx, close.now)? {
        announced.push(announce_payment(tx, close, &channel, &statements, total)?);
    }
    Ok(announced)
}

fn announce_payment(
    tx: &mut Tx,
    close: &Close,
    channel: &ChannelRow,
    due: &[(Statement, i64)],
    total: Amount,
) -> Result<Payment, CloseError> {
    let mut left = total.units();
    let mut parts = Vec::new();
    let mut covered = Vec::new();
    for (statement, payable) in due {
        let units = (*payable).min(left);
        if units > 0 {
            let amount = Amount::from_units(units, total.currency());
            parts.push(ObligationPart { obligation: statement.digest.clone(), amount });
            covered.push((statement.id, units));
            left -= units;
        }
    }
    let body = Body::Payment { parts, total, rail: RAIL.to_owned() };
    let message = say(tx, close, channel, body)?;
    for (statement, _) in due {
        if covered.iter().any(|(id, _)| *id == statement.id) {
            let state = step(statement.state()?, Event::PaymentNoticed)
                .map_err(|error| storage::Error::corrupt("statement", error))?;
            settlement::set_statement_state(tx, statement.id, state)?;
        }
    }
    let reference = payment_reference(&message.digest);
    let new = NewPayment {
        channel: channel.id,
        uri: &message.uri,
        digest: &message.digest,
        reference: &reference,
        total,
        parts: &covered,
    };
    payments::make_payment(tx, &new, close.now)?;
    let payment = payments::payment_by_reference(tx, &reference)?;
    payment.ok_or_else(|| storage::Error::corrupt("payment", reference).into())
}

/// The bank shows that our payment has left: we owe that much less.
pub fn payment_debited(tx: &mut Tx, payment: &Payment, now: Timestamp) -> Result<bool, CloseError> {
    ledger::lock(tx)?;
    if !payments::set_payment_state(tx, payment.id, &["noticed", "sent"], "debited")? {
        return Ok(false);
    }
    book_payment_sent(tx, payment, now)?;
    Ok(true)
}

/// Books that a payment of ours has left the bank, once.
pub fn book_payment_sent(tx: &mut Tx, payment: &Payment, now: Timestamp) -> Result<(), CloseError> {
    let channel = settlement::channel(tx, payment.channel_id)?
        .ok_or_else(|| storage::Error::corrupt("channel", payment.channel_id))?;
    let entry = Entry::new(format!("payment/{}/sent", payment.reference), Kind::PaymentSent, now).transfer(
        Account::DueTo(host_of(&channel.creditor_uri).to_owned()),
        Account::Bank(RAIL.to_owned()),
        payment.amount()?,
    );
    ledger::post(tx, &entry)?;
    Ok(())
}

/// The operator pays again what a receipt said was missing of a payment.
///
/// - returns: what is payable again; a payment of it is announced with the next due ones. Zero when nothing is missing.
pub fn pay_missing(tx: &mut Tx, payment: &Payment) -> Result<Amount, CloseError> {
    ledger::lock(tx)?;
    let mut total = 0;
    for (reference, statement, units) in payments::missing_parts(tx)? {
        if reference == payment.reference {
            payments::set_missing(tx, payment.id, statement, 0)?;
            total += units;
        }
    }
    Ok(Amount::from_units(total, payment.amount()?.currency()))
}

/// What was not paid in time, on either side, with what it becomes. Reads only.
pub fn newly_overdue(tx: &mut Tx, now: Timestamp) -> Result<Vec<(Statement, Event)>, storage::Error> {
    let mut overdue = Vec::new();
    let owed = [State::Bound, State::Agreed, State::Paying, State::Overdue];
    for (statement, channel) in settlement::statements_in(tx, &owed)? {
        let (state, month) = (statement.state()?, statement.month()?);
        let event = match state {
            State::Overdue if now >= month.default_deadline() => Event::BecameDefaulted,
            State::Bound | State::Agreed | State::Paying if now >= month.overdue() => Event::BecameOverdue,
            _ => continue,
        };
        // Less than a cent is never due, and neither is what the terms let the debtor carry over.
        let open: i64 = settlement::statements_of(tx, channel.id)?
            .iter()
            .filter(|other| other.state().is_ok_and(State::is_owed))
            .map(Statement::open_units)
            .sum();
        let is_due = open >= channel.minimum_units.max(channel.currency()?.units_per_minor());
        if is_due && statement.open_units() >= channel.currency()?.units_per_minor() {
            overdue.push((statement, event));
        }
    }
    Ok(overdue)
}

/// Marks what was not paid in time.
pub fn mark_overdue(tx: &mut Tx, now: Timestamp) -> Result<usize, storage::Error> {
    ledger::lock(tx)?;
    let overdue = newly_overdue(tx, now)?;
    for (statement, event) in &overdue {
        let state = step(statement.state()?, *event).map_err(|error| storage::Error::corrupt("statement", error))?;
        settlement::set_statement_state(tx, statement.id, state)?;
    }
    Ok(overdue.len())
}
