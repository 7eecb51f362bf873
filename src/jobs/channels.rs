//! Asking peers for their copy of a channel: delivery is never the only way.
//!
//! Owns that an open channel is read at least once a day, and every hour while something in it waits for the peer. What is
//! new there goes the way of everything that comes in: see [`pull`].

use std::time::Duration;

use super::JobError;
use crate::domain::settlement::State;
use crate::domain::time::Timestamp;
use crate::federation::library::Federation;
use crate::federation::{Node, pull};
use crate::storage::settlement::{self, ChannelRow, Peer};
use crate::storage::{self, Tx, people};

const INTERVAL: Duration = Duration::from_secs(86_400);
const INTERVAL_WAITING: Duration = Duration::from_secs(3_600);

/// Reads the channels that are due. Says whether any was.
pub async fn step(federation: &Federation) -> Result<bool, JobError> {
    let node: &Node = federation;
    let now = node.now();
    let due = node.db.read(move |tx| due(tx, now)).await?;
    for (channel, peer) in &due {
        // Noted first: a peer that is down is asked again in an hour, not at once.
        let id = channel.id;
        node.write(move |tx| settlement::set_pulled(tx, id, now)).await?;
        let uri = peer.uri.clone();
        let Some(actor) = node.db.read(move |tx| people::actor_by_uri(tx, &uri)).await? else { continue };
        match pull::channel(federation, &actor, &channel.key).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(channel = %channel.key, "{count} messages of {} were fetched", channel.key),
            Err(error) => tracing::info!(channel = %channel.key, "could not read {}: {error}", channel.key),
        }
    }
    Ok(!due.is_empty())
}

pub async fn count_due(node: &Node) -> Result<i64, JobError> {
    let now = node.now();
    let due = node.db.read(move |tx| due(tx, now)).await?;
    Ok(i64::try_from(due.len()).unwrap_or(i64::MAX))
}

/// The channels that are to be read now.
pub(crate) fn due(tx: &mut Tx, now: Timestamp) -> Result<Vec<(ChannelRow, Peer)>, storage::Error> {
    let mut due = Vec::new();
    for (channel, peer) in settlement::channels_to_pull(tx, now.minus(INTERVAL_WAITING))? {
        let is_old = channel.pulled_at.is_none_or(|at| at <= now.minus(INTERVAL).micros());
        if is_old || waits(tx, &channel)? {
            due.push((channel, peer));
        }
    }
    Ok(due)
}

/// Whether the peer has the next word in a channel.
fn waits(tx: &mut Tx, channel: &ChannelRow) -> Result<bool, storage::Error> {
    for statement in settlement::statements_of(tx, channel.id)? {
        let waits = match statement.state()? {
            State::Offered | State::Paying => true,
            State::Bound => !channel.is_debtor,
            _ => false,
        };
        if waits {
            return Ok(true);
        }
    }
    Ok(false)
}
