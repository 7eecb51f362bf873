//! Rails at work: payments out, movements in.
//!
//! Owns that a payment is brought out after the transaction that decided it, as often as it takes, under one reference; and
//! that the books follow the bank's own records, never our hopes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::JobError;
use crate::domain::money::Amount;
use crate::fault;
use crate::federation::Node;
use crate::flows::fund::{self, Movement};
use crate::flows::{pay_out, receive_money, settle};
use crate::rails::{AccountMovement, Payment, Rail};
use crate::storage::{bank, payments, rail_cursors};

/// How long the rail is left alone after it failed.
const PAUSE: Duration = Duration::from_secs(5);

/// Brings out what waits and reads what came. Says whether anything was done.
pub async fn step(node: &Node) -> Result<bool, JobError> {
    let Some(rail) = node.rail.clone() else { return Ok(false) };
    if !node.rail_pause.is_over() {
        return Ok(false);
    }
    let sent = send_payments(node, rail.as_ref()).await?;
    let name = rail.name();
    let (cursor, next_poll_at) = node.db.read(move |tx| rail_cursors::rail_cursor(tx, name)).await?;
    // After a start at once, when something of ours had left before the process ended: it is there to be seen.
    let is_first = !node.is_rail_read.load(Ordering::Relaxed) && has_left(node).await?;
    if !sent && !is_first && node.now().micros() < next_poll_at {
        return Ok(false);
    }
    Ok(read_movements(node, rail.as_ref(), cursor).await? || sent)
}

/// Whether a payment or payout was brought out and not yet seen on our account.
async fn has_left(node: &Node) -> Result<bool, JobError> {
    Ok(node
        .db
        .read(|tx| {
            let sent = payments::payments_in(tx, "sent", true)?.len();
            Ok::<bool, crate::storage::Error>(sent + bank::payouts_in_state(tx, "exported")?.len() > 0)
        })
        .await?)
}

/// Whether the rail is to be read now, or has payments to bring out.
pub async fn count_due(node: &Node) -> Result<i64, JobError> {
    let Some(rail) = node.rail.clone() else { return Ok(0) };
    let name = rail.name();
    let now = node.now().micros();
    Ok(node
        .db
        .read(move |tx| {
            let waiting = payments::payments_in(tx, "noticed", true)?.len()
                + payments::payments_in(tx, "sent", true)?.len()
                + bank::payouts_in_state(tx, "reserved")?.len()
                + bank::payouts_in_state(tx, "exported")?.len();
            let is_due = rail_cursors::rail_cursor(tx, name)?.1 <= now;
            Ok::<i64, crate::storage::Error>(i64::try_from(waiting).unwrap_or(i64::MAX) + i64::from(is_due))
        })
        .await?)
}

/// Brings announced payments and reserved payouts to the rail.
async fn send_payments(node: &Node, rail: &dyn Rail) -> Result<bool, JobError> {
    let mut is_sent = false;
    let announced = node.db.read(|tx| payments::payments_in(tx, "noticed", true)).await?;
    for (payment, channel) in announced {
        let Some(to) = channel.payee_account.clone() else { continue };
        let out = Payment { to, amount: payment.amount()?, reference: payment.reference.clone() };
        if pay(node, rail, &out).await {
            fault::point("rail.paid");
            node.write(move |tx| payments::set_payment_state(tx, payment.id, &["noticed"], "sent")).await?;
            is_sent = true;
        }
    }
    for payout in node.db.read(|tx| bank::payouts_in_state(tx, "reserved")).await? {
        let out =
            Payment { to: payout.bank_account.clone(), amount: payout.amount()?, reference: payout.reference.clone() };
        if pay(node, rail, &out).await {
            fault::point("rail.paid_out");
            node.write(move |tx| pay_out::exported(tx, &payout.reference)).await?;
            is_sent = true;
        }
    }
    Ok(is_sent)
}

async fn pay(node: &Node, rail: &dyn Rail, payment: &Payment) -> bool {
    match rail.pay(payment).await {
        Ok(()) => true,
        Err(error) => {
            let reference = &payment.reference;
            tracing::warn!(reference = %reference, "payment {reference} waits: {error}");
            node.rail_pause.begin(PAUSE);
            false
        }
    }
}

/// Books the movements after the cursor, one by one, each with the cursor behind it.
async fn read_movements(node: &Node, rail: &dyn Rail, cursor: i64) -> Result<bool, JobError> {
    let name = rail.name();
    let interval = Duration::from_secs(node.config.rail.sandbox.poll_interval_seconds);
    let movements = match rail.movements(u64::try_from(cursor).unwrap_or(0)).await {
        Ok(movements) => movements,
        Err(error) => {
            // Tried again in a moment of real time: a payment of ours may be waiting to be seen.
            node.rail_pause.begin(PAUSE);
            let (reason, next) = (error.to_string(), node.now());
            tracing::warn!(rail = name, "the rail {name} cannot be read: {reason}");
            node.write(move |tx| rail_cursors::save_rail_cursor(tx, name, cursor, next, Some(&reason))).await?;
            return Ok(false);
        }
    };
    node.is_rail_read.store(true, Ordering::Relaxed);
    let count = movements.len();
    for movement in movements {
        let next = node.now();
        let position = i64::try_from(movement.id).unwrap_or(i64::MAX);
        book(node, name, movement).await?;
        fault::point("rail.booked");
        node.write(move |tx| rail_cursors::save_rail_cursor(tx, name, position, next, None)).await?;
    }
    if count == 0 {
        let next = node.now().plus(interval);
        node.write(move |tx| rail_cursors::save_rail_cursor(tx, name, cursor, next, None)).await?;
    }
    Ok(count > 0)
}

async fn book(node: &Node, rail: &'static str, movement: AccountMovement) -> Result<(), JobError> {
    let now = node.now();
    let reference = movement.reference.trim().to_owned();
    if movement.amount.units() < 0 {
        return node
            .write(move |tx| {
                if let Some(payment) = payments::payment_by_reference(tx, &reference)? {
                    settle::payment_debited(tx, &payment, now)?;
                } else if bank::payout_by_reference(tx, &reference)?.is_some() {
                    pay_out::confirmed(tx, &reference, now)?;
                } else {
                    tracing::error!(reference = %reference, "the bank shows a debit `{reference}` that we never made");
                }
                Ok::<(), JobError>(())
            })
            .await;
    }
    let incoming = Movement {
        rail: rail.to_owned(),
        id: movement.id.to_string(),
        amount: Amount::from_units(movement.amount.units(), movement.amount.currency()),
        reference,
        counterparty: movement.counterparty,
        value_at: movement.value_at,
    };
    // One transaction decides where it goes: between two, the notice that names this payment could be heard and find
    // nothing in suspense yet.
    let booked = node
        .settle(move |tx, close| {
            if receive_money::receive(tx, close, &incoming)? {
                return Ok("payment of a peer".to_owned());
            }
            let payout = bank::payout_by_reference(tx, incoming.reference.trim())?;
            let payout = payout.filter(|payout| payout.amount().is_ok_and(|paid| paid == incoming.amount));
            if let Some(payout) = payout
                && pay_out::returned(tx, &payout.reference, now)?
            {
                fund::record(tx, &incoming, "payout returned")?;
                return Ok(format!("payout {} came back", payout.reference));
            }
            Ok::<String, JobError>(format!("{:?}", fund::book_incoming(tx, &incoming, now)?))
        })
        .await?;
    tracing::info!("a movement was booked: {booked}");
    Ok(())
}
