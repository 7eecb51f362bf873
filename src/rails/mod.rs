//! Rails: how real money moves in and out.
//!
//! Owns the trait that a rail implements: bring a payment out once, by its reference, and report every movement of our
//! account with an id of its own. Must not know patrons, creators or the books: those are the flows' business.

pub mod sandbox;

use crate::domain::money::Amount;
use crate::domain::time::Timestamp;

/// A payment to bring out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// The payee's account on this rail.
    pub to: String,
    pub amount: Amount,
    /// Unique for ever: a rail that is asked twice pays once.
    pub reference: String,
}

/// A movement of our account, as the rail reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountMovement {
    /// The rail's own id, unique and increasing.
    pub id: u64,
    /// Positive for money that came in, negative for money that left.
    pub amount: Amount,
    pub reference: String,
    pub counterparty: String,
    pub value_at: Timestamp,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the rail could not be reached: {0}")]
    Unreachable(String),
    #[error("the rail refused the payment: {0}")]
    Refused(String),
    #[error("the rail answered something that cannot be read: {0}")]
    Malformed(String),
}

/// A way to move real money.
#[async_trait::async_trait]
pub trait Rail: Send + Sync {
    /// The name under which the books keep this rail's bank account.
    fn name(&self) -> &'static str;

    /// Our own account on this rail, as others write it.
    fn account(&self) -> &str;

    /// Brings a payment out, once for its reference.
    async fn pay(&self, payment: &Payment) -> Result<(), Error>;

    /// Movements after the id `after`, oldest first; possibly not all at once.
    async fn movements(&self, after: u64) -> Result<Vec<AccountMovement>, Error>;
}
