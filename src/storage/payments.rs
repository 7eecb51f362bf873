//! Payments between instances: what is announced, on its way, received, and missing.
//!
//! Owns that a part of a payment is counted against its statement until it arrived or its loss is settled.

use diesel::prelude::*;

use super::schema::{channels, payment_parts, payments};
use super::settlement::ChannelRow;
use super::{Error, Result, Tx};
use crate::domain::id::{ChannelId, StatementId};
use crate::domain::money::Amount;
use crate::domain::time::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Payment {
    pub id: i64,
    #[diesel(deserialize_as = i64)]
    pub channel_id: ChannelId,
    pub uri: String,
    pub digest: String,
    pub reference: String,
    pub units: i64,
    pub currency: String,
    pub state: String,
    pub created_at: i64,
}

impl Payment {
    pub fn amount(&self) -> Result<Amount> {
        let currency = self.currency.parse().map_err(|_| Error::corrupt("currency", &self.currency))?;
        Ok(Amount::from_units(self.units, currency))
    }
}

/// A payment to be recorded, with its parts: (statement, units).
pub struct NewPayment<'a> {
    pub channel: ChannelId,
    pub uri: &'a str,
    pub digest: &'a str,
    pub reference: &'a str,
    pub total: Amount,
    pub parts: &'a [(StatementId, i64)],
}

pub fn make_payment(tx: &mut Tx, payment: &NewPayment, now: Timestamp) -> Result<i64> {
    let id: i64 = both!(tx, |db| diesel::insert_into(payments::table)
        .values((
            payments::channel_id.eq(payment.channel.0),
            payments::uri.eq(payment.uri),
            payments::digest.eq(payment.digest),
            payments::reference.eq(payment.reference),
            payments::units.eq(payment.total.units()),
            payments::currency.eq(payment.total.currency().as_str()),
            payments::state.eq("noticed"),
            payments::created_at.eq(now.micros()),
        ))
        .returning(payments::id)
        .get_result(db))?;
    for (statement, units) in payment.parts {
        both!(tx, |db| diesel::insert_into(payment_parts::table)
            .values((
                payment_parts::payment_id.eq(id),
                payment_parts::statement_id.eq(statement.0),
                payment_parts::units.eq(units),
            ))
            .execute(db))?;
    }
    Ok(id)
}

pub fn payment_by_reference(tx: &mut Tx, reference: &str) -> Result<Option<Payment>> {
    Ok(both!(tx, |db| payments::table.filter(payments::reference.eq(reference)).first(db).optional())?)
}

pub fn payment_by_uri(tx: &mut Tx, uri: &str) -> Result<Option<Payment>> {
    Ok(both!(tx, |db| payments::table.filter(payments::uri.eq(uri)).first(db).optional())?)
}

/// Payments in a state, in channels where we are the debtor (or the creditor), oldest first.
pub fn payments_in(tx: &mut Tx, state: &str, is_debtor: bool) -> Result<Vec<(Payment, ChannelRow)>> {
    Ok(both!(tx, |db| payments::table
        .inner_join(channels::table)
        .filter(payments::state.eq(state))
        .filter(channels::is_debtor.eq(is_debtor))
        .order(payments::id)
        .load(db))?)
}

/// The parts of a payment: (statement, units), in the order in which they are covered.
pub fn parts_of(tx: &mut Tx, payment: i64) -> Result<Vec<(StatementId, i64)>> {
    let rows: Vec<(i64, i64)> = both!(tx, |db| payment_parts::table
        .filter(payment_parts::payment_id.eq(payment))
        .order(payment_parts::id)
        .select((payment_parts::statement_id, payment_parts::units))
        .load(db))?;
    Ok(rows.into_iter().map(|(statement, units)| (StatementId(statement), units)).collect())
}

/// What must not be paid (again) of a statement: on its way, or paid and said to be missing.
pub fn unpayable_units(tx: &mut Tx, statement: StatementId) -> Result<i64> {
    let parts: Vec<(i64, i64, String)> = both!(tx, |db| payment_parts::table
        .inner_join(payments::table)
        .filter(payment_parts::statement_id.eq(statement.0))
        .select((payment_parts::units, payment_parts::missing_units, payments::state))
        .load(db))?;
    Ok(parts.into_iter().map(|(units, missing, state)| if state == "receipted" { missing } else { units }).sum())
}

/// Notes what of a part did not arrive, by the creditor's receipt.
pub fn set_missing(tx: &mut Tx, payment: i64, statement: StatementId, units: i64) -> Result<()> {
    both!(tx, |db| diesel::update(payment_parts::table)
        .filter(payment_parts::payment_id.eq(payment))
        .filter(payment_parts::statement_id.eq(statement.0))
        .set(payment_parts::missing_units.eq(units))
        .execute(db))?;
    Ok(())
}

/// What is missing of each payment of ours, by its reference.
pub fn missing_parts(tx: &mut Tx) -> Result<Vec<(String, StatementId, i64)>> {
    let rows: Vec<(String, i64, i64)> = both!(tx, |db| payment_parts::table
        .inner_join(payments::table)
        .filter(payment_parts::missing_units.gt(0))
        .order(payment_parts::id)
        .select((payments::reference, payment_parts::statement_id, payment_parts::missing_units))
        .load(db))?;
    Ok(rows.into_iter().map(|(reference, statement, units)| (reference, StatementId(statement), units)).collect())
}

/// Moves a payment on. `false` when it is not in one of the states `from`.
pub fn set_payment_state(tx: &mut Tx, payment: i64, from: &[&str], to: &str) -> Result<bool> {
    let changed = both!(tx, |db| diesel::update(payments::table.find(payment))
        .filter(payments::state.eq_any(from))
        .set(payments::state.eq(to))
        .execute(db))?;
    Ok(changed == 1)
}
