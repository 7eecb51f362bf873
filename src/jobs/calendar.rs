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
    if !is_due(node).await? {
        return Ok(false);
    }
    let progress = node
        .settle(|tx, close| {
            let progress = close_month::step(tx, close)?;
            if matches!(progress, Progress::Done { .. }) {
                // Inside the transaction, before its commit: a process that ends here has done nothing.
                fault::point("close.before_commit");
            }
            Ok::<Progress, close_month::CloseError>(progress)
        })
        .await?;
    if let Progress::Done { month, step } = &progress {
        fault::point("close.after_commit");
        tracing::info!(month = %month, "close of {month}: {step}");
        return Ok(true);
    }
    let voided = node.settle(settle::void_expired).await?;
    if !voided.is_empty() {
        fault::point("settle.voided");
    }
    let now = node.now();
    let expired = node.write(move |tx| claim::expire(tx, now)).await?;
    let announced = node.settle(settle::pay_due).await?;
    if !announced.is_empty() {
        fault::point("settle.announced");
    }
    let overdue = node.write(move |tx| settle::mark_overdue(tx, now)).await?;
    for month in &voided {
        tracing::warn!(month = %month, "a statement of {month} was not accepted in time and is void");
    }
    if expired > 0 {
        tracing::info!("{expired} shares went back to their patrons");
    }
    Ok(!voided.is_empty() || expired > 0 || !announced.is_empty() || overdue > 0)
}

/// Whether a step is due. Reads only, so that an instance at rest does not write.
pub async fn is_due(node: &Node) -> Result<bool, JobError> {
    let now = node.now();
    Ok(node
        .db
        .read(move |tx| {
            Ok::<bool, storage::Error>(
                close_month::is_due(tx, now)?
                    || !settle::expired(tx, now)?.is_empty()
                    || !storage::months::expired_shares(tx, now, 1)?.is_empty()
                    || !settle::due(tx, now)?.is_empty()
                    || !settle::newly_overdue(tx, now)?.is_empty(),
            )
        })
        .await?)
}
