//! What is told to an instance that becomes a peer: every claim of ours that stands, and every account of a patron.
//!
//! Owns that a peer that came late knows in the end what those before it were told. One event tells a batch and leaves
//! an event for the next one, so that no transaction grows with the instance and a crash costs nothing.

use super::{ExpandError, number, tell_claim, tell_like_source};
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;
use crate::federation::node::Node;
use crate::storage::outbox::{self, Event};
use crate::storage::{Tx, claims, settlement};

/// Told in one transaction.
const BATCH: i64 = 50;

/// The subject is the number of the peer, `claims` or `sources`, and the row after which to go on.
pub(super) fn introduce(tx: &mut Tx, node: &Node, event: &Event, now: Timestamp) -> Result<(), ExpandError> {
    let bad = || ExpandError::BadEvent(event.subject.clone());
    let parts: Vec<&str> = event.subject.split(' ').collect();
    let [peer, what, after] = parts[..] else { return Err(bad()) };
    let Some(peer) = settlement::peer(tx, number(peer)?)?.filter(|peer| peer.state == "added") else { return Ok(()) };
    let (after, to) = (number(after)?, std::slice::from_ref(&peer));
    let told: Vec<i64> = match what {
        "claims" => {
            let claims = claims::standing_after(tx, after, BATCH)?;
            for claim in &claims {
                tell_claim(tx, node, event, claim, to, now)?;
            }
            claims.iter().map(|claim| claim.id).collect()
        }
        "sources" => {
            let proofs = claims::proved_after(tx, Platform::Fediverse, after, BATCH)?;
            for proof in &proofs {
                tell_like_source(tx, node, event, proof, to, now)?;
            }
            proofs.iter().map(|proof| proof.id).collect()
        }
        _ => return Err(bad()),
    };
    if let Some(last) = told.last() {
        outbox::push_event(tx, "introduce", &format!("{} {what} {last}", peer.id), now)?;
    }
    Ok(())
}
