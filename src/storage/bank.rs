//! Movements on rails, and payouts to creators.

use diesel::prelude::*;

use super::schema::{payouts, rail_movements};
use super::{Error, Result, Tx};
use crate::domain::id::{CreatorId, PayoutId};
use crate::domain::money::Amount;
use crate::domain::time::Timestamp;

/// A movement to be recorded, with how it was booked.
pub struct BookedMovement<'a> {
    pub rail: &'a str,
    pub movement: &'a str,
    pub amount: Amount,
    pub reference: &'a str,
    pub counterparty: &'a str,
    pub value_at: Timestamp,
    pub booked_as: &'a str,
}

/// Records a movement, once. `false` when it is known.
pub fn save_movement(tx: &mut Tx, movement: &BookedMovement) -> Result<bool> {
    let inserted = both!(tx, |db| diesel::insert_into(rail_movements::table)
        .values((
            rail_movements::rail.eq(movement.rail),
            rail_movements::movement.eq(movement.movement),
            rail_movements::units.eq(movement.amount.units()),
            rail_movements::currency.eq(movement.amount.currency().as_str()),
            rail_movements::reference.eq(movement.reference),
            rail_movements::counterparty.eq(movement.counterparty),
            rail_movements::value_at.eq(movement.value_at.micros()),
            rail_movements::booked_as.eq(movement.booked_as),
        ))
        .on_conflict_do_nothing()
        .execute(db))?;
    Ok(inserted == 1)
}

pub fn is_known_movement(tx: &mut Tx, rail: &str, movement: &str) -> Result<bool> {
    let found: Option<i64> = both!(tx, |db| rail_movements::table
        .filter(rail_movements::rail.eq(rail))
        .filter(rail_movements::movement.eq(movement))
        .select(rail_movements::id)
        .first(db)
        .optional())?;
    Ok(found.is_some())
}

/// An incoming movement in suspense with this reference: its row, amount and value date.
pub fn unmatched_movement(tx: &mut Tx, reference: &str, currency: &str) -> Result<Option<(i64, Amount, Timestamp)>> {
    let row: Option<(i64, i64, i64)> = both!(tx, |db| rail_movements::table
        .filter(rail_movements::reference.eq(reference))
        .filter(rail_movements::currency.eq(currency))
        .filter(rail_movements::booked_as.eq("suspense"))
        .order(rail_movements::id)
        .select((rail_movements::id, rail_movements::units, rail_movements::value_at))
        .first(db)
        .optional())?;
    let currency = currency.parse().map_err(|_| Error::corrupt("currency", currency))?;
    Ok(row.map(|(id, units, value_at)| (id, Amount::from_units(units, currency), Timestamp::from_micros(value_at))))
}

/// Notes that a movement left suspense.
pub fn rebook(tx: &mut Tx, movement: i64, booked_as: &str) -> Result<()> {
    both!(tx, |db| diesel::update(rail_movements::table.find(movement))
        .set(rail_movements::booked_as.eq(booked_as))
        .execute(db))?;
    Ok(())
}

#[derive(Debug, Clone, Queryable)]
pub struct Payout {
    #[diesel(deserialize_as = i64)]
    pub id: PayoutId,
    #[diesel(deserialize_as = i64)]
    pub creator_id: CreatorId,
    pub rail: String,
    pub bank_account: String,
    pub units: i64,
    pub currency: String,
    pub state: String,
    pub reference: String,
    pub requested_at: i64,
    pub ended_at: Option<i64>,
}

impl Payout {
    pub fn amount(&self) -> Result<Amount> {
        let currency = self.currency.parse().map_err(|_| Error::corrupt("currency", &self.currency))?;
        Ok(Amount::from_units(self.units, currency))
    }
}

/// A payout to be recorded.
pub struct NewPayout<'a> {
    pub creator: CreatorId,
    pub rail: &'a str,
    pub bank_account: &'a str,
    pub amount: Amount,
    pub reference: &'a str,
}

/// Records a payout under its reference. `None` when the reference is known.
pub fn make_payout(tx: &mut Tx, payout: &NewPayout, now: Timestamp) -> Result<Option<PayoutId>> {
    let id: Option<i64> = both!(tx, |db| diesel::insert_into(payouts::table)
        .values((
            payouts::creator_id.eq(payout.creator.0),
            payouts::rail.eq(payout.rail),
            payouts::bank_account.eq(payout.bank_account),
            payouts::units.eq(payout.amount.units()),
            payouts::currency.eq(payout.amount.currency().as_str()),
            payouts::state.eq("reserved"),
            payouts::reference.eq(payout.reference),
            payouts::requested_at.eq(now.micros()),
        ))
        .on_conflict_do_nothing()
        .returning(payouts::id)
        .get_result(db)
        .optional())?;
    Ok(id.map(PayoutId))
}

pub fn payouts_in_state(tx: &mut Tx, state: &str) -> Result<Vec<Payout>> {
    Ok(both!(tx, |db| payouts::table.filter(payouts::state.eq(state)).order(payouts::id).load(db))?)
}

pub fn payout_by_reference(tx: &mut Tx, reference: &str) -> Result<Option<Payout>> {
    Ok(both!(tx, |db| payouts::table.filter(payouts::reference.eq(reference)).first(db).optional())?)
}

pub fn payouts_of(tx: &mut Tx, creator: CreatorId) -> Result<Vec<Payout>> {
    Ok(both!(tx, |db| payouts::table.filter(payouts::creator_id.eq(creator.0)).order(payouts::id.desc()).load(db))?)
}

/// Moves a payout on. `false` when it is not in the state `from`.
pub fn set_payout_state(tx: &mut Tx, id: PayoutId, from: &str, to: &str, ended_at: Option<Timestamp>) -> Result<bool> {
    let changed = both!(tx, |db| diesel::update(payouts::table.find(id.0))
        .filter(payouts::state.eq(from))
        .set((payouts::state.eq(to), payouts::ended_at.eq(ended_at.map(Timestamp::micros))))
        .execute(db))?;
    Ok(changed == 1)
}
