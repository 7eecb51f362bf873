//! Receiving a peer's payment: *promised* becomes *available*.
//!
//! Owns that nothing becomes available without money that is here (guarantee 6), and how a partial payment is divided:
//! oldest statement first, within one by largest remainder over what its lines still have open.

use std::collections::BTreeMap;

use crate::domain::ledger::{Account, Entry, Kind};
use crate::domain::message::{Body, ObligationPart};
use crate::domain::money::Amount;
use crate::domain::settlement::{Event, host_of, step};
use crate::domain::share::largest_remainder;
use crate::domain::time::Timestamp;
use crate::flows::close_month::{Close, CloseError};
use crate::flows::fund::{self, Movement};
use crate::flows::settle::say;
use crate::flows::{Instance, Policy};
use crate::storage::payments::{self, Payment};
use crate::storage::people::Creator;
use crate::storage::settlement::{self, ChannelRow, Statement};
use crate::storage::{self, Tx, bank, ledger, people};

/// The creator of ours behind an actor URI of ours.
pub fn creator_by_uri(tx: &mut Tx, instance: &Instance, uri: &str) -> Result<Option<Creator>, storage::Error> {
    match uri.strip_prefix(&instance.creator_uri("")) {
        Some(name) if !name.is_empty() => people::creator_by_name(tx, name),
        _ => Ok(None),
    }
}

/// Books an incoming movement that carries the reference of an announced payment.
///
/// - returns: `false` when no such payment waits; the movement is then booked elsewhere.
/// - effects: the money, what each creator receives, the receipt to the peer; a surplus goes to suspense.
pub fn receive(tx: &mut Tx, close: &Close, movement: &Movement) -> Result<bool, CloseError> {
    ledger::lock(tx)?;
    let Some((payment, channel)) = waiting_payment(tx, movement.reference.trim())? else { return Ok(false) };
    if payment.currency != movement.amount.currency().as_str() || !movement.amount.is_positive() {
        return Ok(false);
    }
    if bank::is_known_movement(tx, &movement.rail, &movement.id)? {
        return Ok(true);
    }
    let covered = movement.amount.min(payment.amount()?);
    let surplus = movement.amount.checked_sub(covered).expect("what is covered is at most what came");
    let bank = Account::Bank(movement.rail.clone());
    let debtor = host_of(&channel.debtor_uri).to_owned();
    let mut entry = Entry::new(format!("movement/{}/{}", movement.rail, movement.id), Kind::PaymentReceived, close.now);
    entry = entry.transfer(bank.clone(), Account::DueFrom(debtor), covered);
    if surplus.is_positive() {
        entry = entry.transfer(bank, Account::SuspenseUnmatched, surplus);
    }
    discharge(tx, close, entry, &payment, &channel, covered, movement.value_at)?;
    fund::record(tx, movement, &format!("payment of {}", host_of(&channel.debtor_uri)))?;
    Ok(true)
}

/// A payment may reach the bank before its notice reaches us: then its money stands in suspense until now.
pub fn match_suspense(tx: &mut Tx, close: &Close, reference: &str) -> Result<bool, CloseError> {
    let Some((payment, channel)) = waiting_payment(tx, reference)? else { return Ok(false) };
    let Some((id, amount, value_at)) = bank::unmatched_movement(tx, reference, &payment.currency)? else {
        return Ok(false);
    };
    let covered = amount.min(payment.amount()?);
    let debtor = Account::DueFrom(host_of(&channel.debtor_uri).to_owned());
    let entry = Entry::new(format!("payment/{reference}/matched"), Kind::PaymentReceived, close.now).transfer(
        Account::SuspenseUnmatched,
        debtor,
        covered,
    );
    discharge(tx, close, entry, &payment, &channel, covered, value_at)?;
    bank::rebook(tx, id, &format!("payment of {}", host_of(&channel.debtor_uri)))?;
    Ok(true)
}

fn waiting_payment(tx: &mut Tx, reference: &str) -> Result<Option<(Payment, ChannelRow)>, storage::Error> {
    let Some(payment) = payments::payment_by_reference(tx, reference)? else { return Ok(None) };
    let channel = settlement::channel(tx, payment.channel_id)?
        .ok_or_else(|| storage::Error::corrupt("channel", payment.channel_id))?;
    let is_waiting = !channel.is_debtor && payment.state == "noticed";
    Ok(is_waiting.then_some((payment, channel)))
}

/// Divides received money over statements and lines, posts it, and sends the receipt.
fn discharge(
    tx: &mut Tx,
    close: &Close,
    mut entry: Entry,
    payment: &Payment,
    channel: &ChannelRow,
    covered: Amount,
    received: Timestamp,
) -> Result<(), CloseError> {
    let debtor = host_of(&channel.debtor_uri);
    let mut left = covered.units();
    let mut parts = Vec::new();
    let mut released: BTreeMap<i64, i64> = BTreeMap::new();
    for (statement, units) in payments::parts_of(tx, payment.id)? {
        let units = units.min(left);
        left -= units;
        let statement =
            settlement::statement(tx, statement)?.ok_or_else(|| storage::Error::corrupt("statement", statement))?;
        if units == 0 {
            // Announced and not come: it is owed as before, and can be paid again.
            let state = step(statement.state()?, Event::ReceivedInPart)
                .map_err(|error| storage::Error::corrupt("statement", error))?;
            settlement::set_statement_state(tx, statement.id, state)?;
            continue;
        }
        let amount = Amount::from_units(units, covered.currency());
        pay_lines(tx, close.instance, &statement, amount, &mut released)?;
        settlement::add_paid(tx, statement.id, units)?;
        let event = if statement.open_units() == units { Event::ReceivedInFull } else { Event::ReceivedInPart };
        let state = step(statement.state()?, event).map_err(|error| storage::Error::corrupt("statement", error))?;
        settlement::set_statement_state(tx, statement.id, state)?;
        parts.push(ObligationPart { obligation: statement.digest, amount });
    }
    for (creator, units) in released {
        let creator = crate::domain::id::CreatorId(creator);
        let amount = Amount::from_units(units, covered.currency());
        let promised = Account::CreatorPromised(creator, debtor.to_owned());
        entry = entry.transfer(promised, Account::CreatorAvailable(creator), amount);
        let fee = Policy::fee(amount, close.instance.policy.creator_fee_basis_points);
        if fee.is_positive() {
            entry = entry.transfer(Account::CreatorAvailable(creator), Account::FeeCreator, fee);
        }
    }
    ledger::post(tx, &entry)?;
    payments::set_payment_state(tx, payment.id, &["noticed"], "receipted")?;
    let (object, object_digest) = (payment.uri.clone(), payment.digest.clone());
    say(tx, close, channel, Body::Receipt { object, object_digest, parts, received })?;
    Ok(())
}

/// Divides an amount over the lines of a statement, by what each has open; adds up what each creator receives.
fn pay_lines(
    tx: &mut Tx,
    instance: &Instance,
    statement: &Statement,
    amount: Amount,
    released: &mut BTreeMap<i64, i64>,
) -> Result<(), CloseError> {
    let lines = settlement::lines(tx, statement.id, 0, i64::MAX)?;
    let open: Vec<i64> = lines.iter().map(|line| line.units - line.paid_units).collect();
    let tie = |index: usize| {
        let bytes = hex::decode(&lines[index].subtotal).unwrap_or_default();
        bytes.try_into().unwrap_or([0; 32])
    };
    for (line, part) in lines.iter().zip(largest_remainder(amount, &open, tie)) {
        if part.is_positive() {
            settlement::add_line_paid(tx, line.id, part.units())?;
            let creator = creator_by_uri(tx, instance, &line.creator_uri)?
                .ok_or_else(|| storage::Error::corrupt("creator", &line.creator_uri))?;
            *released.entry(creator.id.0).or_default() += part.units();
        }
    }
    Ok(())
}
