//! Checking claims: ours when the claimant asks, a peer's when it is announced.
//!
//! Owns that only the platform's own profile, read by the stable id, decides.

use std::time::Duration;

use super::{JobError, LookUpError, look_up};
use crate::bridges::{Who, proves};
use crate::domain::identity::ExternalId;
use crate::federation::Node;
use crate::flows::claim;
use crate::storage;
use crate::storage::connections::{self, ClaimCheck};
use crate::storage::identities;

/// Looks for the backlink of a claim of ours on the profile, by the account's stable id, and verifies the claim.
pub async fn check_claim(node: &Node, token: &str) -> Result<claim::Released, LookUpError> {
    let owned = token.to_owned();
    let found = node
        .db
        .read(move |tx| match identities::claim_by_token(tx, &owned)? {
            None => Ok(None),
            Some(claim) => identities::identity(tx, claim.identity_id),
        })
        .await
        .map_err(|error: storage::Error| LookUpError::Job(error.into()))?;
    let identity = found.ok_or_else(|| LookUpError::Job(claim::ClaimError::NoSuchClaim.into()))?;
    let id = identity.external_id().map_err(|error| LookUpError::Job(error.into()))?;
    let (profile, _) = look_up(node, id.platform(), &Who::Id(id.clone())).await?;
    let url = claim::claim_url(&node.instance, token);
    if profile.id != id || !proves(&profile, &url) {
        return Err(LookUpError::NoBacklink(url));
    }
    let (instance, token, now) = (node.instance.clone(), token.to_owned(), node.now());
    node.write(move |tx| claim::verified(tx, &instance, &token, now))
        .await
        .map_err(|error| LookUpError::Job(error.into()))
}

/// Checks a claim that a peer announced. Only the platform's own profile decides.
pub(super) async fn check_peer_claim(node: &Node, check: ClaimCheck) -> Result<(), JobError> {
    let corrupt = || storage::Error::Corrupt { what: "claim check", value: check.identity.clone() };
    let id: ExternalId = check.identity.parse().map_err(|_| corrupt())?;
    let base = check.home_uri.trim_end_matches("/instance");
    let url = format!("{base}/claim/{}", check.token);
    let now = node.now();
    let outcome = look_up(node, id.platform(), &Who::Id(id.clone())).await;
    let (state, reason, next_at) = match outcome {
        Ok((profile, _)) if profile.id == id && proves(&profile, &url) => {
            let (home, creator, token) = (check.home_uri.clone(), check.creator_uri.clone(), check.token.clone());
            let verified = node.write(move |tx| claim::verified_at_peer(tx, &id, &home, &creator, &token, now)).await;
            match verified {
                Ok(_) => ("verified", None, now),
                Err(claim::ClaimError::Storage(error)) => return Err(error.into()),
                Err(error) => ("failed", Some(error.to_string()), now),
            }
        }
        Ok(_) => ("failed", Some(format!("the profile does not show {url}")), now),
        Err(LookUpError::Job(JobError::Storage(error))) => return Err(error.into()),
        // The platform may answer later: an hour is soon enough for a claim.
        Err(error) if check.attempts < 48 => ("waiting", Some(error.to_string()), now.plus(Duration::from_secs(3_600))),
        Err(error) => ("failed", Some(error.to_string()), now),
    };
    tracing::info!(identity = %check.identity, state, "the claim on {} by {}: {state}", check.identity, check.home_uri);
    let id = check.id;
    node.write(move |tx| connections::end_claim_check(tx, id, state, reason.as_deref(), next_at)).await?;
    Ok(())
}
