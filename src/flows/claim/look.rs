//! Looking: what one reading of a profile does to every claim on it.
//!
//! Owns that all claims on an account are judged together and by one reading, in [`judge`](super::judge), and that the
//! books, our peers and what the platform granted follow in the same transaction. Every instance that reads the same
//! profile and believes the same sign-ins says the same. Source: docs/money.md, "Claims".

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::judge::{Proofs, judge};

use super::{ClaimError, Released, address_of, end_shares, held_sums, peer_claim_url};
use crate::domain::id::{CreatorId, IdentityId};
use crate::domain::ledger::{Account, Entry, Kind};
use crate::domain::money::{Amount, Currency};
use crate::domain::time::Timestamp;
use crate::flows::{Instance, Policy, feed, flattr};
use crate::storage::claims;
use crate::storage::connections::ClaimCheck;
use crate::storage::grants::{self, Purpose};
use crate::storage::identities::{self, Claim, Identity, NewClaim};
use crate::storage::ledger;
use crate::storage::months::{self, Outcome};
use crate::storage::{self, Tx, likes, outbox, settlement};

/// Verified claims, and those that contradict each other or have lost their proof, are looked at every day.
const INTERVAL: Duration = Duration::from_secs(24 * 3_600);

/// One reading of a profile by its stable id.
pub struct Look<'a> {
    pub identity: IdentityId,
    /// Whether an address stands in the profile. Never, when the account is gone or bears another id.
    pub shows: &'a dyn Fn(&str) -> bool,
    /// Whether the account exists under this id.
    pub is_there: bool,
    /// Before the platform was asked.
    pub seen_at: Timestamp,
}

/// What a look changed.
#[derive(Clone, Debug)]
pub struct Seen {
    pub identity: IdentityId,
    pub released: Released,
    /// All claims on the identity, as they stand now.
    pub claims: Vec<Claim>,
}

impl Seen {
    /// How the claim with this token stands.
    pub fn state(&self, token: &str) -> Option<&str> {
        self.claims.iter().find(|claim| claim.token == token).map(|claim| claim.state.as_str())
    }

    /// The claims that are proved beside one another.
    pub fn disputed(&self) -> impl Iterator<Item = &Claim> {
        self.claims.iter().filter(|claim| claim.state == "disputed")
    }
}

/// Judges every claim on an identity by one reading of its profile.
///
/// - effects: states change; what waited is posted to a creator of ours whose claim is verified now; our own claims
///   are announced to peers when they are proved, proved another way, or a sign-in proves them no more; likes of the open
///   month are made known to a peer's creator; a grant that no claim needs is forgotten. A reading that was begun before
///   the newest one changes nothing.
pub fn look(tx: &mut Tx, instance: &Instance, look: &Look, now: Timestamp) -> Result<Seen, ClaimError> {
    ledger::lock(tx)?;
    let identity = identities::identity(tx, look.identity)?.ok_or(ClaimError::NoSuchClaim)?;
    let mut released = Released { shares: 0, amounts: Vec::new() };
    let newest = claims::look_at(tx, identity.id)?.and_then(|known| known.looked_at);
    if newest.is_none_or(|newest| newest <= look.seen_at.micros()) {
        let trusting = trusted_homes(tx, &identity)?;
        note_announced(tx, &identity, look, &trusting, now)?;
        let known = claims::of_identity(tx, identity.id)?;
        let is_believed = |claim: &Claim| claim.creator().is_some() || trusting.contains(&claim.home_uri);
        let is_shown = |claim: &Claim| address_of(instance, claim).is_some_and(|address| (look.shows)(&address));
        let proofs = Proofs {
            shown: known.iter().filter(|claim| is_shown(claim)).map(|claim| claim.id).collect(),
            is_there: look.is_there,
            is_believed: &is_believed,
            is_refused: identity.is_refused,
            at: look.seen_at,
        };
        let verdicts = judge(&known, &proofs);
        let mut said = note_methods(tx, &known, &proofs, look.seen_at)?;
        // First who loses it: an identity has at most one verified claim at any moment.
        for (claim, state) in verdicts.iter().filter(|(_, state)| *state != "verified") {
            claims::set_state(tx, claim.id, state, now)?;
            // What peers see by themselves need not be said: that an address is gone.
            if claim.creator().is_some() && (*state == "disputed" || claim.signed_in_at.is_some()) {
                said.insert(claim.id);
            }
        }
        for (claim, state) in verdicts.iter().filter(|(_, state)| *state == "verified") {
            claims::set_state(tx, claim.id, state, now)?;
            match claim.creator() {
                Some(creator) => {
                    said.insert(claim.id);
                    // What is held for somebody who refuses goes back to the patrons, proved or not.
                    if !identity.is_refused {
                        released = release(tx, instance, claim, creator, now)?;
                    }
                }
                None => tell_home(tx, identity.id, now)?,
            }
        }
        for claim in said {
            outbox::push_event(tx, "claim", &claim.to_string(), now)?;
        }
        if !verdicts.is_empty() {
            feed::claims_changed(tx, &identity, now)?;
        }
        let known = claims::of_identity(tx, identity.id)?;
        let is_needed = |claim: &Claim| claim.creator().is_some() && claim.signed_in_at.is_some() && claim.is_open();
        if !known.iter().any(is_needed) {
            grants::release(tx, &identity.external_id()?, Purpose::Claim)?;
        }
        let is_watched = known.iter().any(Claim::may_be_theirs);
        claims::save_look(tx, identity.id, look.seen_at, is_watched.then(|| look.seen_at.plus(INTERVAL)))?;
    }
    Ok(Seen { identity: identity.id, released, claims: claims::of_identity(tx, identity.id)? })
}

/// The platform could not be asked: nothing is said of the claims, but the time since the last look grows.
pub fn look_failed(tx: &mut Tx, identity: IdentityId, reason: &str, next_at: Timestamp) -> Result<(), storage::Error> {
    claims::save_failed_look(tx, identity, reason, next_at)
}

/// Peers whose word our operator takes for claims by sign-in on the platform of an account.
fn trusted_homes(tx: &mut Tx, identity: &Identity) -> Result<BTreeSet<String>, storage::Error> {
    let peers = settlement::peers(tx)?;
    Ok(peers.into_iter().filter(|peer| peer.is_trusted_on(&identity.platform)).map(|peer| peer.uri).collect())
}

/// What peers announced becomes a claim once its address is seen, or once the word of its home is enough, whichever
/// announcement is being checked. The dates of a sign-in follow what its home said last.
fn note_announced(
    tx: &mut Tx,
    identity: &Identity,
    look: &Look,
    trusting: &BTreeSet<String>,
    now: Timestamp,
) -> Result<(), storage::Error> {
    for check in claims::announced(tx, &identity.external_id()?)? {
        let is_shown = peer_claim_url(&check.home_uri, &check.token).is_some_and(|address| (look.shows)(&address));
        let is_told = look.is_there && check.signed_in_at.is_some() && trusting.contains(&check.home_uri);
        let key = format!("{} {}", check.home_uri, check.token);
        let known = identities::claim_by_token(tx, &key)?;
        let claim = match known {
            Some(claim) => claim,
            None if is_shown || is_told => {
                let claim = NewClaim {
                    identity: identity.id,
                    creator: None,
                    home_uri: &check.home_uri,
                    creator_uri: &check.creator_uri,
                    method: if is_shown { "backlink" } else { "sign_in" },
                    token: &key,
                };
                identities::make_claim(tx, &claim, now)?
            }
            None => continue,
        };
        note_sign_in(tx, &claim, &check)?;
    }
    Ok(())
}

fn note_sign_in(tx: &mut Tx, claim: &Claim, check: &ClaimCheck) -> Result<(), storage::Error> {
    // Its home alone knows since when; without a sign-in we know as much, from the profile.
    let since = check.signed_in_at.map_or(claim.proved_since, |_| check.proved_since);
    if claim.creator().is_some() || (claim.signed_in_at, claim.proved_since) == (check.signed_in_at, since) {
        return Ok(());
    }
    let time = |micros: Option<i64>| micros.map(Timestamp::from_micros);
    claims::set_signed_in(tx, claim.id, time(check.signed_in_at), time(since))
}

/// Writes down what proves each claim now, and since when. An address can be checked by everybody, so it is named before
/// a sign-in.
///
/// - returns: the claims of ours that stand as before and are proved another way now.
fn note_methods(
    tx: &mut Tx,
    known: &[Claim],
    proofs: &Proofs,
    seen_at: Timestamp,
) -> Result<BTreeSet<i64>, storage::Error> {
    let signed_in = proofs.signed_in(known);
    let mut changed = BTreeSet::new();
    for claim in known {
        let is_shown = proofs.is_there && proofs.shown.contains(&claim.id);
        if !is_shown && !signed_in.contains(&claim.id) {
            continue;
        }
        claims::set_proved_since(tx, claim.id, seen_at)?;
        let method = if is_shown { "backlink" } else { "sign_in" };
        if claim.method != method {
            claims::set_method(tx, claim.id, method)?;
            if claim.creator().is_some() && matches!(claim.state.as_str(), "verified" | "disputed") {
                changed.insert(claim.id);
            }
        }
    }
    Ok(changed)
}

/// Posts what waited for an identity to its creator.
pub(super) fn release(
    tx: &mut Tx,
    instance: &Instance,
    claim: &Claim,
    creator: CreatorId,
    now: Timestamp,
) -> Result<Released, ClaimError> {
    let held = months::held_for_identity(tx, claim.identity_id)?;
    // A claim may be verified again after a dispute, and release again what came meanwhile.
    let number = ledger::head(tx)?.sequence + 1;
    let mut entry = Entry::new(format!("claim/{}/release/{number}", claim.id), Kind::Release, now);
    let mut totals: BTreeMap<Currency, i64> = BTreeMap::new();
    for (from, amount) in held_sums(tx, &held)? {
        entry = entry.transfer(from, Account::CreatorAvailable(creator), amount);
        *totals.entry(amount.currency()).or_default() += amount.units();
    }
    let amounts: Vec<Amount> =
        totals.into_iter().map(|(currency, units)| Amount::from_units(units, currency)).collect();
    for amount in &amounts {
        let fee = Policy::fee(*amount, instance.policy.creator_fee_basis_points);
        if fee.is_positive() {
            entry = entry.transfer(Account::CreatorAvailable(creator), Account::FeeCreator, fee);
        }
    }
    if !entry.transfers.is_empty() {
        ledger::post(tx, &entry)?;
    }
    end_shares(tx, &held, Outcome::Released, now)?;
    Ok(Released { shares: held.len(), amounts })
}

/// Likes of the open month are made known to the home of the creator to whom they go now.
fn tell_home(tx: &mut Tx, identity: IdentityId, now: Timestamp) -> Result<(), storage::Error> {
    let since = flattr::open_since(tx, now)?;
    for id in likes::counting_since(tx, identity, since)? {
        outbox::push_event(tx, "like", &id.to_string(), now)?;
    }
    Ok(())
}
