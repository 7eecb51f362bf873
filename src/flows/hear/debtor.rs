//! The debtor's half of a channel: the terms that we are asked for, the answers to our statements, the receipts.
//!
//! Owns that a statement is bound only by an answer that came in time, and that a receipt covers what was paid and no
//! more.

use std::collections::BTreeMap;

use super::{HearError, Hearing};
use crate::domain::ledger::{Account, Entry, Kind, Phase};
use crate::domain::message::{Body, ObligationPart};
use crate::domain::money::Amount;
use crate::domain::settlement::{Event, State, host_of, step};
use crate::flows::settle::{self, say};
use crate::storage::settlement::{self, Statement};
use crate::storage::{self, Tx, ledger, payments};

impl Hearing<'_> {
    /// The creditor says where it wants to be paid, and on which platforms it takes our word for claims.
    pub(super) fn terms(
        &self,
        tx: &mut Tx,
        account: &str,
        minimum: Amount,
        trusted_claims: &[String],
    ) -> Result<String, HearError> {
        self.only("the creditor", self.channel.is_debtor)?;
        settlement::set_payee(tx, self.channel.id, account, minimum)?;
        settlement::set_trusts_claims(tx, self.channel.peer_id, &trusted_claims.join(","))?;
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

    pub(super) fn our_statement(&self, tx: &mut Tx, uri: &str, digest: &str) -> Result<Statement, HearError> {
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
    pub(super) fn bind(&self, tx: &mut Tx, object: &str, digest: &str) -> Result<String, HearError> {
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

    /// Debtor: the creditor has the money.
    pub(super) fn receipt(
        &self,
        tx: &mut Tx,
        object: &str,
        object_digest: &str,
        parts: &[ObligationPart],
    ) -> Result<String, HearError> {
        self.only("the creditor", self.channel.is_debtor)?;
        let payment = payments::payment_by_uri(tx, object)?
            .filter(|payment| payment.channel_id == self.channel.id)
            .ok_or_else(|| HearError::UnknownObject(object.to_owned()))?;
        if payment.digest != object_digest {
            return Err(HearError::OtherContent(object.to_owned()));
        }
        if !payments::set_payment_state(tx, payment.id, &["noticed", "sent", "debited"], "receipted")? {
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
        for (id, units) in payments::parts_of(tx, payment.id)? {
            let statement = settlement::statement(tx, id)?.ok_or_else(|| storage::Error::corrupt("statement", id))?;
            let amount = came.remove(statement.digest.as_str()).map_or(0, Amount::units);
            if amount > units {
                return Err(HearError::BadParts);
            }
            if units > amount {
                missing += units - amount;
                payments::set_missing(tx, payment.id, id, units - amount)?;
            }
            settlement::add_paid(tx, id, amount)?;
            let is_full = statement.open_units() == amount;
            let event = if is_full { Event::ReceivedInFull } else { Event::ReceivedInPart };
            settlement::set_statement_state(tx, id, step(statement.state()?, event)?)?;
        }
        if !came.is_empty() {
            return Err(HearError::BadParts);
        }
        if missing > 0 {
            // The whole payment has left our bank. What did not arrive is owed still, and is the rail's cost to us; it is
            // not paid again by itself, or a peer could draw on our account for ever by receipts for less.
            let missing = Amount::from_units(missing, self.channel.currency()?);
            let entry = Entry::new(format!("payment/{}/short", payment.reference), Kind::PaymentSent, self.close.now);
            let due_to = Account::DueTo(host_of(&self.channel.creditor_uri).to_owned());
            ledger::post(tx, &entry.transfer(Account::RailCost, due_to, missing))?;
        }
        Ok(format!("receipt for {}", payment.amount()?))
    }
}
