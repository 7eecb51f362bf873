//! Looking: what one reading of a profile says of every claim on it.
//!
//! Owns that who is paid depends on the profile and the known claims alone, never on the order in which they came or on
//! what was so before: one claimant's address there is theirs, two claimants' are a dispute and pay nobody, an address
//! that is gone while another is there is a move. Every instance that reads the same profile says the same.
//! Source: docs/money.md, "Claims".

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{ClaimError, Released, address_of, end_shares, held_sums, peer_claim_url};
use crate::domain::id::{CreatorId, IdentityId};
use crate::domain::ledger::{Account, Entry, Kind};
use crate::domain::money::{Amount, Currency};
use crate::domain::time::Timestamp;
use crate::flows::{Instance, Policy, flattr};
use crate::storage::claims;
use crate::storage::identities::{self, Claim, Identity, NewClaim};
use crate::storage::ledger;
use crate::storage::months::{self, Outcome};
use crate::storage::{self, Tx, likes, outbox};

/// Verified claims, and those that contradict each other or have lost their proof, are looked at every day.
const INTERVAL: Duration = Duration::from_secs(24 * 3_600);

/// One reading of a profile by its stable id.
pub struct Look<'a> {
    pub identity: IdentityId,
    /// Whether an address stands in the profile. Never, when the account is gone or bears another id.
    pub shows: &'a dyn Fn(&str) -> bool,
    /// Before the platform was asked.
    pub seen_at: Timestamp,
}

/// What a look changed.
#[derive(Clone, Debug)]
pub struct Seen {
    pub released: Released,
    /// All claims on the identity, as they stand now.
    pub claims: Vec<Claim>,
}

impl Seen {
    /// How the claim with this token stands.
    pub fn state(&self, token: &str) -> Option<&str> {
        self.claims.iter().find(|claim| claim.token == token).map(|claim| claim.state.as_str())
    }

    /// The claims whose addresses stand in the profile together.
    pub fn disputed(&self) -> impl Iterator<Item = &Claim> {
        self.claims.iter().filter(|claim| claim.state == "disputed")
    }
}

/// Judges every claim on an identity by one reading of its profile.
///
/// - effects: states change; what waited is posted to a creator of ours whose claim is verified now; our own claims
///   that are seen are announced to peers; likes of the open month are made known to a peer's creator. A reading that
///   was begun before the newest one changes nothing.
pub fn look(tx: &mut Tx, instance: &Instance, look: &Look, now: Timestamp) -> Result<Seen, ClaimError> {
    ledger::lock(tx)?;
    let identity = identities::identity(tx, look.identity)?.ok_or(ClaimError::NoSuchClaim)?;
    let mut released = Released { shares: 0, amounts: Vec::new() };
    let newest = claims::look_at(tx, identity.id)?.and_then(|known| known.looked_at);
    if newest.is_none_or(|newest| newest <= look.seen_at.micros()) {
        note_announced(tx, &identity, look, now)?;
        let known = claims::of_identity(tx, identity.id)?;
        let shown: BTreeSet<i64> = known
            .iter()
            .filter(|claim| address_of(instance, claim).is_some_and(|address| (look.shows)(&address)))
            .map(|claim| claim.id)
            .collect();
        let verdicts = judge(&known, &shown, identity.is_refused);
        // First who loses it: an identity has at most one verified claim at any moment.
        for (claim, state) in verdicts.iter().filter(|(_, state)| *state != "verified") {
            claims::set_state(tx, claim.id, state, now)?;
            if *state == "disputed" && claim.creator().is_some() {
                outbox::push_event(tx, "claim", &claim.id.to_string(), now)?;
            }
        }
        for (claim, state) in verdicts.iter().filter(|(_, state)| *state == "verified") {
            claims::set_state(tx, claim.id, state, now)?;
            match claim.creator() {
                Some(creator) => {
                    outbox::push_event(tx, "claim", &claim.id.to_string(), now)?;
                    // What is held for somebody who refuses goes back to the patrons, proved or not.
                    if !identity.is_refused {
                        released = release(tx, instance, claim, creator, now)?;
                    }
                }
                None => tell_home(tx, identity.id, now)?,
            }
        }
        let is_watched = claims::of_identity(tx, identity.id)?.iter().any(Claim::may_be_theirs);
        claims::save_look(tx, identity.id, look.seen_at, is_watched.then(|| look.seen_at.plus(INTERVAL)))?;
    }
    Ok(Seen { released, claims: claims::of_identity(tx, identity.id)? })
}

/// The platform could not be asked: nothing is said of the claims, but the time since the last look grows.
pub fn look_failed(tx: &mut Tx, identity: IdentityId, reason: &str, next_at: Timestamp) -> Result<(), storage::Error> {
    claims::save_failed_look(tx, identity, reason, next_at)
}

/// What peers announced becomes a claim once its address is seen, whichever announcement is being checked.
fn note_announced(tx: &mut Tx, identity: &Identity, look: &Look, now: Timestamp) -> Result<(), storage::Error> {
    for check in claims::announced(tx, &identity.external_id()?)? {
        let is_shown = peer_claim_url(&check.home_uri, &check.token).is_some_and(|address| (look.shows)(&address));
        let key = format!("{} {}", check.home_uri, check.token);
        if is_shown && identities::claim_by_token(tx, &key)?.is_none() {
            let claim = NewClaim {
                identity: identity.id,
                creator: None,
                home_uri: &check.home_uri,
                creator_uri: &check.creator_uri,
                method: "backlink",
                token: &key,
            };
            identities::make_claim(tx, &claim, now)?;
        }
    }
    Ok(())
}

/// The claims whose states change, with their new states.
///
/// - `shown`: ids of the claims whose addresses stand in the profile.
/// - `is_refused`: the owner does not want to be bridged; then no claim becomes more than it was.
fn judge<'c>(known: &'c [Claim], shown: &BTreeSet<i64>, is_refused: bool) -> Vec<(&'c Claim, &'static str)> {
    let shown: Vec<&Claim> =
        known.iter().filter(|claim| shown.contains(&claim.id) && (!is_refused || claim.may_be_theirs())).collect();
    let claimants: BTreeSet<(&str, &str)> =
        shown.iter().map(|claim| (claim.home_uri.as_str(), claim.creator_uri.as_str())).collect();
    // One claimant may show several addresses of theirs; one of these claims counts.
    let verified = shown.iter().find(|claim| claim.state == "verified").or(shown.first()).map(|claim| claim.id);
    known
        .iter()
        .filter_map(|claim| {
            let is_shown = shown.iter().any(|other| other.id == claim.id);
            let state = match claimants.len() {
                0 if claim.may_be_theirs() => "lost",
                1 if verified == Some(claim.id) => "verified",
                2.. if is_shown => "disputed",
                1.. if claim.may_be_theirs() => "replaced",
                _ => return None,
            };
            (claim.state != state).then_some((claim, state))
        })
        .collect()
}

/// Posts what waited for an identity to its creator.
fn release(
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

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(id: i64, claimant: &str, state: &str) -> Claim {
        Claim {
            id,
            identity_id: IdentityId(1),
            creator_id: None,
            home_uri: format!("https://{claimant}/instance"),
            creator_uri: format!("https://{claimant}/creators/mira"),
            method: "backlink".into(),
            token: id.to_string(),
            state: state.into(),
            created_at: 0,
            verified_at: None,
            changed_at: 0,
            confirmed_at: None,
        }
    }

    /// States before as `alpha verified, beta pending`; what is shown by number from 1; what changes as `1 lost`.
    #[track_caller]
    fn check(before: &str, shown: &[i64], expected: &str) {
        let known: Vec<Claim> = (1..)
            .zip(before.split(", "))
            .map(|(id, words)| {
                let (claimant, state) = words.split_once(' ').unwrap();
                claim(id, claimant, state)
            })
            .collect();
        let changes = judge(&known, &shown.iter().copied().collect(), false);
        let said: Vec<String> = changes.iter().map(|(claim, state)| format!("{} {state}", claim.id)).collect();
        assert_eq!(said.join(", "), expected, "{before}, shown {shown:?}");
    }

    #[test]
    fn one_address_is_a_claim_two_are_a_dispute_and_none_is_a_loss() {
        check("alpha pending", &[], "");
        check("alpha pending", &[1], "1 verified");
        check("alpha verified", &[1], "");
        check("alpha verified", &[], "1 lost");
        check("alpha lost", &[1], "1 verified");
        check("alpha verified, beta pending", &[1, 2], "1 disputed, 2 disputed");
        check("alpha disputed, beta disputed", &[1, 2], "");
        check("alpha disputed, beta disputed", &[], "1 lost, 2 lost");
    }

    #[test]
    fn an_address_that_is_gone_while_another_is_there_is_a_move() {
        check("alpha verified, beta pending", &[2], "1 replaced, 2 verified");
        check("alpha disputed, beta disputed", &[2], "1 replaced, 2 verified");
        check("alpha disputed, beta disputed", &[1], "1 verified, 2 replaced");
        check("alpha replaced, beta verified", &[1], "1 verified, 2 replaced");
        check("alpha lost, beta pending", &[2], "1 replaced, 2 verified");
        check("alpha verified, beta disputed, gamma pending", &[3], "1 replaced, 2 replaced, 3 verified");
    }

    #[test]
    fn what_was_so_before_does_not_matter() {
        for state in ["pending", "verified", "replaced", "disputed", "lost"] {
            for other in ["pending", "replaced", "disputed", "lost"] {
                let known = [claim(1, "alpha", state), claim(2, "beta", other)];
                let after = |shown: &[i64]| {
                    let changes = judge(&known, &shown.iter().copied().collect(), false);
                    known.each_ref().map(|claim| {
                        let change = changes.iter().find(|(changed, _)| changed.id == claim.id);
                        change.map_or(claim.state.clone(), |(_, state)| (*state).to_owned())
                    })
                };
                assert_eq!(after(&[1, 2]), ["disputed", "disputed"], "{state}, {other}");
                assert_eq!(after(&[1])[0], "verified", "{state}, {other}");
                assert_eq!(after(&[2])[1], "verified", "{state}, {other}");
                assert!(!after(&[]).contains(&"verified".to_owned()), "{state}, {other}");
            }
        }
    }

    #[test]
    fn two_addresses_of_one_claimant_are_no_dispute() {
        check("alpha pending, alpha pending", &[1, 2], "1 verified");
        check("alpha replaced, alpha verified", &[1, 2], "");
        check("alpha verified, alpha pending, beta pending", &[1, 2, 3], "1 disputed, 2 disputed, 3 disputed");
    }
}
