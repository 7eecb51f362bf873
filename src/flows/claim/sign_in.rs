//! Claiming by signing in at the platform: the date on which a creator showed to control an account, and taking it back.
//!
//! Owns that a sign-in is noted for the stable id that the platform named, of the person who came back from there, and
//! that nothing is paid by it alone: a look at the profile follows and judges ([`super::look`]). The credential is no part
//! of the proof. Source: docs/money.md, "Claims".

use super::{ClaimError, begin};
use crate::domain::id::LoginId;
use crate::domain::identity::ExternalId;
use crate::domain::time::Timestamp;
use crate::flows::Instance;
use crate::storage::grants::{self, Purpose};
use crate::storage::identities::{self, Claim};
use crate::storage::{Tx, claims, ledger, outbox, people};

/// Notes that a login has signed in as this account.
///
/// - `token`: random, chosen by the caller; for the address of a claim that begins with this. One that is open keeps its own.
/// - `at`: when the platform said so.
/// - effects: the profile is due to be looked at; peers are told the new date of a claim that stands.
pub fn sign_in(
    tx: &mut Tx,
    instance: &Instance,
    login: LoginId,
    identity: &ExternalId,
    token: &str,
    at: Timestamp,
    now: Timestamp,
) -> Result<Claim, ClaimError> {
    ledger::lock(tx)?;
    let claim = begin(tx, instance, login, identity, token, now)?;
    let since = claim.proved_since.map_or(at, Timestamp::from_micros);
    claims::set_signed_in(tx, claim.id, Some(at), Some(since))?;
    claims::look_soon(tx, claim.identity_id, now)?;
    if matches!(claim.state.as_str(), "verified" | "disputed") {
        outbox::push_event(tx, "claim", &claim.id.to_string(), now)?;
    }
    Ok(claim)
}

/// A creator takes a sign-in back: the account is sold, or was never theirs to claim.
///
/// - effects: what the sign-in proved is lost at once, an address in the profile goes on to count; the profile is due to be
///   looked at, and whoever else has a proof is judged without this one; peers are told.
pub fn withdraw(tx: &mut Tx, login: LoginId, token: &str, now: Timestamp) -> Result<Claim, ClaimError> {
    ledger::lock(tx)?;
    let creator = people::creator_by_login(tx, login)?.map(|creator| creator.id);
    let claim = identities::claim_by_token(tx, token)?
        .filter(|claim| claim.creator().is_some() && claim.creator() == creator && claim.signed_in_at.is_some())
        .ok_or(ClaimError::NoSuchClaim)?;
    let is_shown = claim.method == "backlink";
    let since = claim.proved_since.filter(|_| is_shown).map(Timestamp::from_micros);
    claims::set_signed_in(tx, claim.id, None, since)?;
    if !is_shown {
        claims::set_method(tx, claim.id, "backlink")?;
        if claim.may_be_theirs() {
            claims::set_state(tx, claim.id, "lost", now)?;
        }
    }
    if claim.may_be_theirs() {
        outbox::push_event(tx, "claim", &claim.id.to_string(), now)?;
    }
    claims::look_soon(tx, claim.identity_id, now)?;
    if let Some(identity) = identities::identity(tx, claim.identity_id)? {
        grants::release(tx, &identity.external_id()?, Purpose::Claim)?;
    }
    identities::claim(tx, claim.id)?.ok_or(ClaimError::NoSuchClaim)
}
