//! Whether what a creator has earned with an account may leave: only while the account is still proved to be theirs.
//!
//! Owns the rule for payouts. What is available stays the creator's whatever happens to the proof; it only waits. A
//! platform that is down for less than [`LOOK_AGE`] stops nobody. Source: docs/money.md, "Payments and payouts".

use std::collections::BTreeSet;
use std::time::Duration;

use crate::domain::id::{CreatorId, IdentityId};
use crate::domain::time::Timestamp;
use crate::storage::{self, Tx, claims, identities};

/// How old the newest look at a profile may be when money that was earned by it leaves.
pub const LOOK_AGE: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Why a payout waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unproved {
    /// Name and platform of the account, for people.
    pub account: String,
    /// The state of the claim; `verified` when only the look is too old.
    pub state: String,
}

impl std::fmt::Display for Unproved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let account = &self.account;
        match self.state.as_str() {
            "verified" => write!(f, "{account} could not be looked at for 7 days"),
            "disputed" => write!(f, "{account} is proved by two claimants"),
            _ => write!(f, "{account} is not proved any more: neither by the address in its profile nor by signing in"),
        }
    }
}

/// The first account with which a creator has earned and which is not proved to be theirs at this moment.
pub fn unproved(tx: &mut Tx, creator: CreatorId, now: Timestamp) -> Result<Option<Unproved>, storage::Error> {
    let all = identities::claims_of_creator(tx, creator)?;
    let proved: BTreeSet<IdentityId> =
        all.iter().filter(|claim| claim.state == "verified").map(|claim| claim.identity_id).collect();
    let oldest = now.minus(LOOK_AGE).micros();
    for claim in all {
        let is_current = claim.state == "verified";
        let was_ever = claim.verified_at.is_some() || claim.state == "disputed";
        if !was_ever || (!is_current && proved.contains(&claim.identity_id)) {
            continue;
        }
        let is_confirmed = claim.confirmed_at.is_some_and(|at| at >= claim.changed_at && at >= oldest);
        let looked_at = claims::look_at(tx, claim.identity_id)?.and_then(|look| look.looked_at);
        if is_confirmed || (is_current && looked_at.is_some_and(|at| at >= oldest)) {
            continue;
        }
        let identity = identities::identity(tx, claim.identity_id)?
            .ok_or_else(|| storage::Error::corrupt("identity", claim.identity_id))?;
        let external_id = identity.external_id()?;
        if claims::has_earned(tx, &claim, &external_id)? {
            let account = format!("{} on {}", identity.handle, external_id.platform().label());
            return Ok(Some(Unproved { account, state: claim.state }));
        }
    }
    Ok(None)
}
