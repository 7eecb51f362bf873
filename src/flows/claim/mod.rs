//! Claiming: a creator proves that an account on a platform is theirs, here or at a peer; what waited goes to them.
//!
//! Owns that every held share ends exactly once: released by a claim, or back with its patron when its time is over. A
//! claim that is verified before the expiry is written wins. Whose an account is, is decided in `judge`, by one reading of
//! its profile in [`look`]; whether what was earned may leave, in `standing`.

mod judge;
mod look;
mod resolve;
mod sign_in;
mod standing;

use std::collections::BTreeMap;

use crate::domain::id::{IdentityId, LoginId, PatronId};
use crate::domain::identity::ExternalId;
use crate::domain::ledger::{Account, Entry, Kind, Refusal};
use crate::domain::money::Amount;
use crate::domain::time::{Month, Timestamp};
use crate::flows::payee::waits_for;
use crate::flows::{Instance, flattr};
use crate::storage::claims;
use crate::storage::identities::{self, Claim, NewClaim};
use crate::storage::ledger::{self, PostError};
use crate::storage::months::{self, Outcome, ShareDetail};
use crate::storage::{self, Tx, flow_error, people};

pub use judge::{ANSWER_AGE, SIGN_IN_AGE};
pub use look::{Look, Seen, look, look_failed};
pub use resolve::resolve;
pub use sign_in::{sign_in, withdraw};
pub use standing::{LOOK_AGE, Unproved, unproved};

/// What a verified claim set free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    pub shares: usize,
    /// By currency; before the creator's fee.
    pub amounts: Vec<Amount>,
}

#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    #[error("there is no login with the id {0}")]
    NoSuchLogin(LoginId),
    #[error("`{0}` is not known here yet: look it up first")]
    UnknownIdentity(ExternalId),
    #[error("there is no claim with this token")]
    NoSuchClaim,
    #[error("{0} refuses to be bridged")]
    Refused(ExternalId),
    #[error("the books refused the release: {0}")]
    Books(#[from] Refusal),
    #[error("could not read or write claims")]
    Storage(#[from] storage::Error),
}

flow_error!(ClaimError);

impl From<PostError> for ClaimError {
    fn from(error: PostError) -> Self {
        match error {
            PostError::Refused(refusal) => ClaimError::Books(refusal),
            PostError::Storage(error) => ClaimError::Storage(error),
        }
    }
}

/// The address that a creator puts into the profile to prove a claim. Anybody can check it.
pub fn claim_url(instance: &Instance, token: &str) -> String {
    format!("{}/claim/{token}", instance.base_url)
}

/// The same for a claim that a peer announced. `None` for a token that is more than one segment of a path: the address
/// of some other page of the peer, to which a profile may link without meaning a claim, proves nothing.
pub fn peer_claim_url(home_uri: &str, token: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '~' | '.' | ':');
    let is_segment = token.chars().all(is_plain) && token.chars().any(|c| c != '.');
    let base = home_uri.strip_suffix("/instance").unwrap_or(home_uri);
    is_segment.then(|| format!("{base}/claim/{token}"))
}

/// The address that proves a stored claim, whosever it is.
pub fn address_of(instance: &Instance, claim: &Claim) -> Option<String> {
    match claim.creator() {
        Some(_) => Some(claim_url(instance, &claim.token)),
        None => peer_claim_url(&claim.home_uri, claim.token.strip_prefix(&claim.home_uri)?.trim_start()),
    }
}

/// What proves a stored claim now, for operators.
pub fn proof_of(instance: &Instance, claim: &Claim) -> String {
    match claim.signed_in_at {
        Some(at) if claim.method == "sign_in" => {
            format!("signed in at {}", Timestamp::from_micros(at).floor_to_second())
        }
        _ => address_of(instance, claim).unwrap_or_default(),
    }
}

/// Begins a claim: nothing is proved yet.
///
/// - `token`: random, chosen by the caller; it stands in the address that the creator publishes.
pub fn begin(
    tx: &mut Tx,
    instance: &Instance,
    login: LoginId,
    identity: &ExternalId,
    token: &str,
    now: Timestamp,
) -> Result<Claim, ClaimError> {
    let login_row = people::login(tx, login)?.ok_or(ClaimError::NoSuchLogin(login))?;
    let row = identities::identity_by_external_id(tx, identity)?
        .ok_or_else(|| ClaimError::UnknownIdentity(identity.clone()))?;
    if row.is_refused {
        return Err(ClaimError::Refused(identity.clone()));
    }
    let creator = people::creator_of_login(tx, login, &login_row.name, now)?;
    if let Some(open) = identities::claims_of_creator(tx, creator)?
        .into_iter()
        .find(|claim| claim.identity_id == row.id && claim.state != "replaced")
    {
        return Ok(open);
    }
    let claim = NewClaim {
        identity: row.id,
        creator: Some(creator),
        home_uri: &instance.uri(),
        creator_uri: &instance.creator_uri(&login_row.name),
        method: "backlink",
        token,
    };
    Ok(identities::make_claim(tx, &claim, now)?)
}

/// The operator vouches for what a creator has earned with an account whose profile does not prove it any more.
///
/// - effects: payouts of it go on for [`LOOK_AGE`], or until a look at the profile changes the claim. No new share is
///   paid for it.
pub fn confirm(tx: &mut Tx, token: &str, now: Timestamp) -> Result<Claim, ClaimError> {
    let claim = identities::claim_by_token(tx, token)?.ok_or(ClaimError::NoSuchClaim)?;
    claims::set_confirmed(tx, claim.id, now)?;
    Ok(claim)
}

/// Sends shares whose time is over back to their patrons.
///
/// - returns: how many; call again until it is 0.
pub fn expire(tx: &mut Tx, now: Timestamp) -> Result<usize, ClaimError> {
    ledger::lock(tx)?;
    let expired = months::expired_shares(tx, now, 500)?;
    if let Some(first) = expired.first() {
        let mut entry = Entry::new(format!("return/{}", first.share.flattr_id), Kind::Return, now);
        for (from, amount) in held_sums(tx, &expired)? {
            let Account::PatronHeld(patron, _) = &from else { unreachable!("held shares stand in held accounts") };
            let available = Account::PatronAvailable(*patron);
            entry = entry.transfer(from, available, amount);
        }
        if !entry.transfers.is_empty() {
            ledger::post(tx, &entry)?;
        }
        end_shares(tx, &expired, Outcome::Returned, now)?;
    }
    Ok(expired.len())
}

/// Gives back what waits for an identity that refuses to be bridged. Says how many shares.
pub(super) fn give_back(tx: &mut Tx, identity: IdentityId, now: Timestamp) -> Result<usize, PostError> {
    let held = months::held_for_identity(tx, identity)?;
    // It may be refused again, and give back again what came meanwhile.
    let number = ledger::head(tx)?.sequence + 1;
    let mut entry = Entry::new(format!("refuse/{identity}/{number}"), Kind::Return, now);
    for (from, amount) in held_sums(tx, &held)? {
        let Account::PatronHeld(patron, _) = &from else { unreachable!("held shares stand in held accounts") };
        let available = Account::PatronAvailable(*patron);
        entry = entry.transfer(from, available, amount);
    }
    if !entry.transfers.is_empty() {
        ledger::post(tx, &entry)?;
    }
    end_shares(tx, &held, Outcome::Returned, now)?;
    Ok(held.len())
}

/// What held shares add up to in each held account; shares of nothing are left out.
fn held_sums(tx: &mut Tx, held: &[ShareDetail]) -> Result<Vec<(Account, Amount)>, storage::Error> {
    let mut sums: BTreeMap<(Account, crate::domain::money::Currency), i64> = BTreeMap::new();
    for detail in held {
        let share = &detail.share;
        let owner = share.identity_id.map(IdentityId);
        let account =
            Account::PatronHeld(PatronId(share.patron_id), waits_for(tx, owner, &detail.platform, &detail.object)?);
        *sums.entry((account, share.amount()?.currency())).or_default() += share.units;
    }
    let sums = sums.into_iter().filter(|(_, units)| *units > 0);
    Ok(sums.map(|((account, currency), units)| (account, Amount::from_units(units, currency))).collect())
}

/// Ends held shares in the month whose commitment is still to come.
fn end_shares(tx: &mut Tx, shares: &[ShareDetail], outcome: Outcome, now: Timestamp) -> Result<(), storage::Error> {
    let ids: Vec<i64> = shares.iter().map(|detail| detail.share.flattr_id).collect();
    let mut month: Month = flattr::open_since(tx, now)?;
    if months::month(tx, month)?.is_some_and(|row| row.stage == "closed") {
        month = month.next();
    }
    months::set_outcome(tx, &ids, Outcome::Held, outcome, None, Some(month))
}
