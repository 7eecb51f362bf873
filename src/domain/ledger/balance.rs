//! Balances: what the transfers of an account add up to, in two phases.
//!
//! Owns the rule that no account goes to the wrong side, reservations included: a reserved amount cannot be spent again
//! before it is posted or voided.

use super::account::{Account, Class};
use crate::domain::money::{Amount, Currency};

/// The four running sums of one account, in ledger units, each never negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    pub class: Class,
    pub currency: Currency,
    pub debits_posted: i64,
    pub debits_pending: i64,
    pub credits_posted: i64,
    pub credits_pending: i64,
}

/// Which side of an account a transfer touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Debit,
    Credit,
}

/// Why the books refuse a transfer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{account} holds {free} free, {asked} was asked for")]
    NotEnough { account: Account, free: Amount, asked: Amount },
    #[error("a transfer must move a positive amount, not {0}")]
    NotPositive(Amount),
    #[error("a transfer must be between two different accounts, not from {0} to itself")]
    SameAccount(Account),
    #[error("an entry must have at least one transfer")]
    Empty,
    #[error("the pending transfer {0} does not exist")]
    NoSuchPending(String),
    #[error("the pending transfer {0} has already been posted or voided")]
    AlreadyEnded(String),
    #[error("{asked} cannot be posted of the pending transfer {id}: it reserves {reserved}")]
    MoreThanReserved { id: String, reserved: Amount, asked: Amount },
    #[error("an entry with the id {0} stands in the journal with other content")]
    ExistsWithOtherContent(String),
    #[error("the sums of {0} would leave the range of an amount")]
    OutOfRange(Account),
}

impl Balance {
    pub const fn new(class: Class, currency: Currency) -> Balance {
        Balance { class, currency, debits_posted: 0, debits_pending: 0, credits_posted: 0, credits_pending: 0 }
    }

    /// The posted balance, on the side on which this class grows; pending transfers are not in it.
    pub fn posted(&self) -> Amount {
        let signed = if self.class.grows_by_debit() {
            self.debits_posted - self.credits_posted
        } else {
            self.credits_posted - self.debits_posted
        };
        Amount::from_units(signed, self.currency)
    }

    /// What can still be taken out: the posted balance without what is reserved.
    pub fn free(&self) -> Amount {
        let reserved = if self.class.grows_by_debit() { self.credits_pending } else { self.debits_pending };
        Amount::from_units(self.posted().units() - reserved, self.currency)
    }

    /// Debits minus credits, posted: the sum of this over all accounts of a currency is zero.
    pub fn net_debit(&self) -> i128 {
        i128::from(self.debits_posted) - i128::from(self.credits_posted)
    }

    /// Whether this side takes money out of the account.
    const fn takes_out(&self, side: Side) -> bool {
        matches!((side, self.class.grows_by_debit()), (Side::Debit, false) | (Side::Credit, true))
    }

    /// Books a posted or pending amount on one side.
    ///
    /// - errors: the account would go to the wrong side, or a sum would leave the range.
    pub fn book(&mut self, account: &Account, side: Side, amount: Amount, is_pending: bool) -> Result<(), Refusal> {
        assert_eq!(amount.currency(), self.currency, "an account holds one currency");
        if self.takes_out(side) && amount.units() > self.free().units() {
            return Err(Refusal::NotEnough { account: account.clone(), free: self.free(), asked: amount });
        }
        let sum = self.sum_mut(side, is_pending);
        *sum = sum.checked_add(amount.units()).ok_or_else(|| Refusal::OutOfRange(account.clone()))?;
        Ok(())
    }

    /// Ends a reservation on one side: `reserved` leaves the pending sum and `posted` (at most as much) is posted.
    pub fn end_pending(&mut self, account: &Account, side: Side, reserved: Amount, posted: i64) -> Result<(), Refusal> {
        assert!(posted <= reserved.units(), "never more is posted than was reserved");
        let pending = self.sum_mut(side, true);
        *pending -= reserved.units();
        assert!(*pending >= 0, "a reservation that ends was booked before");
        let sum = self.sum_mut(side, false);
        *sum = sum.checked_add(posted).ok_or_else(|| Refusal::OutOfRange(account.clone()))?;
        Ok(())
    }

    fn sum_mut(&mut self, side: Side, is_pending: bool) -> &mut i64 {
        match (side, is_pending) {
            (Side::Debit, false) => &mut self.debits_posted,
            (Side::Debit, true) => &mut self.debits_pending,
            (Side::Credit, false) => &mut self.credits_posted,
            (Side::Credit, true) => &mut self.credits_pending,
        }
    }
}
