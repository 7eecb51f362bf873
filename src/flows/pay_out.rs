//! Paying out: a creator's available money leaves by a rail.
//!
//! Owns the payout's life: reserved, exported, then confirmed or returned; the money is out of `available` from the first
//! step and comes back only by a return. It leaves only while the accounts that earned it are proved: [`claim::unproved`].

use crate::domain::id::CreatorId;
use crate::domain::ledger::{Account, Entry, Kind, Refusal};
use crate::domain::money::Amount;
use crate::domain::time::Timestamp;
use crate::flows::Instance;
use crate::flows::claim::{self, Unproved};
use crate::storage::bank::{self, NewPayout, Payout};
use crate::storage::ledger::{self, PostError};
use crate::storage::{self, Tx, flow_error, people};

#[derive(Debug, thiserror::Error)]
pub enum PayOutError {
    #[error("there is no creator `{0}`")]
    NoSuchCreator(String),
    #[error("{0} has no bank account on file")]
    NoBankAccount(String),
    #[error("{available} is available, below the minimum payout of {minimum}")]
    BelowMinimum { available: Amount, minimum: Amount },
    #[error("{0}: what was earned with it waits for a new proof, or for the operator")]
    Unproved(Unproved),
    #[error("there is no payout `{0}`")]
    NoSuchPayout(String),
    #[error("the books refused the payout: {0}")]
    Refused(#[from] Refusal),
    #[error("could not read or write payouts")]
    Storage(#[from] storage::Error),
}

flow_error!(PayOutError);

impl From<PostError> for PayOutError {
    fn from(error: PostError) -> Self {
        match error {
            PostError::Refused(refusal) => PayOutError::Refused(refusal),
            PostError::Storage(error) => PayOutError::Storage(error),
        }
    }
}

/// Reserves everything that a creator has available, in whole cents.
///
/// - returns: the payout, to be exported to its rail.
/// - errors: no account on file, less than the minimum available, or an account that earned it is not proved any more.
pub fn request(
    tx: &mut Tx,
    instance: &Instance,
    creator: &str,
    rail: &str,
    now: Timestamp,
) -> Result<Payout, PayOutError> {
    let Some(creator) = people::creator_by_name(tx, creator)? else {
        return Err(PayOutError::NoSuchCreator(creator.to_owned()));
    };
    let Some(bank_account) = creator.bank_account.clone() else {
        return Err(PayOutError::NoBankAccount(creator.name));
    };
    ledger::lock(tx)?;
    let currency = instance.policy.currency;
    let available = Account::CreatorAvailable(creator.id);
    let amount = ledger::balance(tx, &available, currency)?.free().floor_to_cent();
    let minimum = instance.policy.minimum_payout;
    if amount.units() < minimum.units() || !amount.is_positive() {
        return Err(PayOutError::BelowMinimum { available: amount, minimum });
    }
    if let Some(unproved) = claim::unproved(tx, creator.id, now)? {
        return Err(PayOutError::Unproved(unproved));
    }
    let number = ledger::head(tx)?.sequence + 1;
    let reference = format!("PAYOUT-{}-{number}", creator.id);
    let payout = NewPayout { creator: creator.id, rail, bank_account: &bank_account, amount, reference: &reference };
    bank::make_payout(tx, &payout, now)?.ok_or_else(|| PayOutError::NoSuchPayout(reference.clone()))?;
    let entry = Entry::new(format!("payout/{reference}/reserve"), Kind::PayoutReserved, now).transfer(
        available,
        Account::CreatorPayout(creator.id),
        amount,
    );
    ledger::post(tx, &entry)?;
    by_reference(tx, &reference)
}

fn by_reference(tx: &mut Tx, reference: &str) -> Result<Payout, PayOutError> {
    bank::payout_by_reference(tx, reference)?.ok_or_else(|| PayOutError::NoSuchPayout(reference.to_owned()))
}

/// The rail took the payment.
pub fn exported(tx: &mut Tx, reference: &str) -> Result<(), PayOutError> {
    let payout = by_reference(tx, reference)?;
    bank::set_payout_state(tx, payout.id, "reserved", "exported", None)?;
    Ok(())
}

/// The bank's own records show the payment: the money has left.
pub fn confirmed(tx: &mut Tx, reference: &str, now: Timestamp) -> Result<bool, PayOutError> {
    let payout = by_reference(tx, reference)?;
    let moved = bank::set_payout_state(tx, payout.id, "exported", "confirmed", Some(now))?
        || bank::set_payout_state(tx, payout.id, "reserved", "confirmed", Some(now))?;
    if moved {
        let entry = Entry::new(format!("payout/{reference}/sent"), Kind::PayoutSent, now).transfer(
            Account::CreatorPayout(payout.creator_id),
            Account::Bank(payout.rail.clone()),
            payout.amount()?,
        );
        ledger::post(tx, &entry)?;
    }
    Ok(moved)
}

/// The bank sent the money back: it is available again.
pub fn returned(tx: &mut Tx, reference: &str, now: Timestamp) -> Result<bool, PayOutError> {
    let payout = by_reference(tx, reference)?;
    let was_confirmed = bank::set_payout_state(tx, payout.id, "confirmed", "returned", Some(now))?;
    let moved = was_confirmed || bank::set_payout_state(tx, payout.id, "exported", "returned", Some(now))?;
    if moved {
        let from =
            if was_confirmed { Account::Bank(payout.rail.clone()) } else { Account::CreatorPayout(payout.creator_id) };
        let entry = Entry::new(format!("payout/{reference}/returned"), Kind::PayoutReturned, now).transfer(
            from,
            Account::CreatorAvailable(payout.creator_id),
            payout.amount()?,
        );
        ledger::post(tx, &entry)?;
    }
    Ok(moved)
}

/// What a creator has, in the instance's currency: available, and on its way out.
pub fn balances(tx: &mut Tx, instance: &Instance, creator: CreatorId) -> Result<(Amount, Amount), storage::Error> {
    let currency = instance.policy.currency;
    let available = ledger::balance(tx, &Account::CreatorAvailable(creator), currency)?.posted();
    let payout = ledger::balance(tx, &Account::CreatorPayout(creator), currency)?.posted();
    Ok((available, payout))
}
