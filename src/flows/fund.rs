//! Funding: what comes in on a rail, and what a patron sets aside each month.
//!
//! Owns the booking of every incoming movement, once: to a patron by the reference on it, else to suspense, where the
//! operator sees it. Money that nobody named is never anybody's.

use crate::domain::id::PatronId;
use crate::domain::ledger::{Account, Entry, Kind};
use crate::domain::money::Amount;
use crate::domain::time::Timestamp;
use crate::flows::Instance;
use crate::flows::register::{self, RegisterError};
use crate::storage::bank::{self, BookedMovement};
use crate::storage::ledger::{self, PostError};
use crate::storage::{self, Tx, flow_error, people};

#[derive(Debug, thiserror::Error)]
pub enum FundError {
    #[error("a movement must bring a positive amount, not {0}")]
    NotPositive(Amount),
    #[error("there is no patron `{0}`")]
    NoSuchPatron(String),
    #[error("{0}")]
    Budget(RegisterError),
    #[error("could not read or write the ledger")]
    Storage(#[from] storage::Error),
    #[error("the books refused a deposit: {0}")]
    Refused(#[from] crate::domain::ledger::Refusal),
}

flow_error!(FundError);

impl From<PostError> for FundError {
    fn from(error: PostError) -> Self {
        match error {
            PostError::Refused(refusal) => FundError::Refused(refusal),
            PostError::Storage(error) => FundError::Storage(error),
        }
    }
}

/// Money that came in, as a rail reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    pub rail: String,
    /// The rail's own id of the movement; booked once.
    pub id: String,
    pub amount: Amount,
    /// What the payer wrote.
    pub reference: String,
    pub counterparty: String,
    pub value_at: Timestamp,
}

/// How a movement was booked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Booked {
    Deposit(PatronId),
    Suspense,
    /// It was booked before.
    Known,
}

/// Books an incoming movement.
///
/// - effects: a deposit for the patron whose reference it carries, else a credit to suspense.
pub fn book_incoming(tx: &mut Tx, movement: &Movement, now: Timestamp) -> Result<Booked, FundError> {
    if !movement.amount.is_positive() {
        return Err(FundError::NotPositive(movement.amount));
    }
    if bank::is_known_movement(tx, &movement.rail, &movement.id)? {
        return Ok(Booked::Known);
    }
    let patron = people::patron_by_deposit_reference(tx, movement.reference.trim())?;
    let patron = match patron {
        Some(patron) if patron.currency()? == movement.amount.currency() => Some(patron),
        _ => None,
    };
    let (credit, booked, booked_as) = match patron {
        Some(patron) => {
            (Account::PatronAvailable(patron.id), Booked::Deposit(patron.id), format!("deposit of {}", patron.name))
        }
        None => (Account::SuspenseUnmatched, Booked::Suspense, "suspense".to_owned()),
    };
    let id = format!("movement/{}/{}", movement.rail, movement.id);
    let entry =
        Entry::new(id, Kind::Deposit, now).transfer(Account::Bank(movement.rail.clone()), credit, movement.amount);
    ledger::post(tx, &entry)?;
    record(tx, movement, &booked_as)?;
    Ok(booked)
}

/// Remembers a movement with how it was booked.
pub fn record(tx: &mut Tx, movement: &Movement, booked_as: &str) -> Result<(), storage::Error> {
    let row = BookedMovement {
        rail: &movement.rail,
        movement: &movement.id,
        amount: movement.amount,
        reference: &movement.reference,
        counterparty: &movement.counterparty,
        value_at: movement.value_at,
        booked_as,
    };
    bank::save_movement(tx, &row)?;
    Ok(())
}

/// Changes what a patron sets aside each month. Applies to the open month; what is reserved at a cut-off stays.
pub fn set_budget(tx: &mut Tx, instance: &Instance, patron: &str, budget: Amount) -> Result<PatronId, FundError> {
    let Some(patron) = people::patron_by_name(tx, patron)? else {
        return Err(FundError::NoSuchPatron(patron.to_owned()));
    };
    register::check_budget(instance, budget).map_err(FundError::Budget)?;
    people::set_budget(tx, patron.id, budget)?;
    Ok(patron.id)
}
