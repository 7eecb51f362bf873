//! The calendar at work: closes, expiries, deadlines and due payments.
//!
//! Owns nothing but the order: what is due by the clock is asked of the flows, which decide.

use super::JobError;
use crate::fault;
use crate::federation::Node;
use crate::flows::close_month::{self, Progress};
use crate::flows::{claim, settle};
use crate::storage;

/// Does what the calendar asks for. Says whether anything was done.
pub async fn step(node: &Node) -> Result<bool, JobError> {
    fault::point("calendar.step");
    let progress = node
        .settle(|tx, close| {
            let progress = close_month::step(tx, close)?;
            // Inside the transaction, before its commit: a process that ends here has done nothing.
            fault::point("close.before_commit");
            Ok::<Progress, close_month::CloseError>(progress)
        })
        .await?;
    fault::point("close.after_commit");
    if let Progress::Done { month, step } = &progress {
        tracing::info!(month = %month, "close of {month}: {step}");
        return Ok(true);
    }
    let voided = node.settle(settle::void_expired).await?;
    fault::point("settle.voided");
    let now = node.now();
    let expired = node.write(move |tx| claim::expire(tx, now)).await?;
    let minimum = node.config.settlement.minimum_transfer;
    let announced = node.settle(move |tx, close| settle::pay_due(tx, close, minimum)).await?;
    fault::point("settle.announced");
    let overdue = node.write(move |tx| settle::mark_overdue(tx, now)).await?;
    for month in &voided {
        tracing::warn!(month = %month, "a statement of {month} was not accepted in time and is void");
    }
    if expired > 0 {
        tracing::info!("{expired} shares went back to their patrons");
    }
    Ok(!voided.is_empty() || expired > 0 || !announced.is_empty() || overdue > 0)
}

/// Whether a step is due: by asking the flows on a transaction that is thrown away.
pub async fn is_due(node: &Node) -> Result<bool, JobError> {
    /// Carries the answer out of a transaction that must not be committed.
    #[derive(Debug)]
    enum Probe {
        Answer(bool),
        Failed(close_month::CloseError),
    }
    impl From<storage::Error> for Probe {
        fn from(error: storage::Error) -> Self {
            Probe::Failed(error.into())
        }
    }
    impl storage::FlowError for Probe {
        fn as_storage(&self) -> Option<&storage::Error> {
            match self {
                Probe::Failed(close_month::CloseError::Storage(error)) => Some(error),
                _ => None,
            }
        }
    }
    let minimum = node.config.settlement.minimum_transfer;
    let now = node.now();
    let outcome: Result<(), Probe> = node
        .settle(move |tx, close| {
            let progress = close_month::step(tx, close).map_err(Probe::Failed)?;
            let is_due = matches!(progress, Progress::Done { .. } | Progress::WaitingForInbox { .. })
                || !settle::void_expired(tx, close).map_err(Probe::Failed)?.is_empty()
                || claim::expire(tx, now).map_err(|error| Probe::Failed(unexpected(error)))? > 0
                || !settle::pay_due(tx, close, minimum).map_err(Probe::Failed)?.is_empty()
                || settle::mark_overdue(tx, now)? > 0;
            Err(Probe::Answer(is_due))
        })
        .await;
    match outcome {
        Err(Probe::Answer(is_due)) => Ok(is_due),
        Err(Probe::Failed(error)) => Err(error.into()),
        Ok(()) => unreachable!("the probe always carries its answer out as an error"),
    }
}

fn unexpected(error: claim::ClaimError) -> close_month::CloseError {
    match error {
        claim::ClaimError::Storage(error) => close_month::CloseError::Storage(error),
        claim::ClaimError::Books(refusal) => close_month::CloseError::Refused(refusal),
        other => close_month::CloseError::Storage(storage::Error::Panicked(other.to_string())),
    }
}
