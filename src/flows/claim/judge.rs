//! Judging: what one reading of a profile, and the sign-ins that are known, say of every claim on an account.
//!
//! Owns who is paid. A claimant has up to two proofs. *Address*: the address of the claim stands in the profile now.
//! *Sign-in*: the claimant has signed in as the account at its platform, on a date. A sign-in counts while the account
//! exists under the same stable id, for [`SIGN_IN_AGE`], until it is taken back or overruled; one that a peer tells of
//! counts only where our operator takes its word. Claimants with any proof that counts are compared:
//!
//! | proofs that count | then |
//! |---|---|
//! | of nobody | what was verified or disputed is `lost` |
//! | of one claimant, one or both, by whichever claims | one of these is `verified`, what others had is `replaced` |
//! | an address each of two claimants | both `disputed`, until one of them is removed |
//! | an address, and a sign-in of another | both `disputed`, until the address is removed, or the sign-in taken back or overruled |
//! | sign-ins of two | both `disputed`, until one is taken back or overruled |
//! | any, on an account whose owner refuses | only what was verified, disputed or lost before may count; nothing new |
//! | any, of an account that is gone or bears another id | none of them counts |
//!
//! *Overruled.* An address can be removed by whoever controls the profile; a sign-in of somebody else cannot. So a sign-in
//! ends an older one of another claimant when its own claim was proved before that one too (the owner is still there), or
//! a week before (the other had a week to answer). The first sign-in of a newcomer therefore never overrules: it begins a
//! dispute. Claims of a peer and of ours are judged alike.
//!
//! States of before decide nothing: the same proofs give the same answer, in whatever order they came. What has a date is
//! compared by its date. Source: docs/money.md, "Claims".

use std::collections::BTreeSet;
use std::time::Duration;

use crate::domain::time::Timestamp;
use crate::storage::identities::Claim;

/// How long a sign-in proves that an account is the claimant's.
pub const SIGN_IN_AGE: Duration = Duration::from_secs(365 * 24 * 3_600);

/// How long another claimant has to answer a sign-in by signing in again.
pub const ANSWER_AGE: Duration = Duration::from_secs(7 * 24 * 3_600);

/// What is known at one moment.
pub struct Proofs<'a> {
    /// Ids of the claims whose addresses stand in the profile.
    pub shown: BTreeSet<i64>,
    /// Whether the account exists under its stable id.
    pub is_there: bool,
    /// Whether the sign-in of a claim is known to us, or told by somebody whose word is taken.
    pub is_believed: &'a dyn Fn(&Claim) -> bool,
    /// The owner does not want to be bridged; then no claim becomes more than it was.
    pub is_refused: bool,
    pub at: Timestamp,
}

/// A claim's sign-in as far as dates go: (proved since, signed in at).
fn dates(claim: &Claim) -> Option<(Timestamp, Timestamp)> {
    let at = Timestamp::from_micros(claim.signed_in_at?);
    Some((claim.proved_since.map_or(at, Timestamp::from_micros).min(at), at))
}

fn claimant(claim: &Claim) -> (&str, &str) {
    (&claim.home_uri, &claim.creator_uri)
}

/// Whether the sign-in of `newer` ends that of `older`.
fn overrules(newer: &Claim, older: &Claim) -> bool {
    let (Some((since, at)), Some((_, before))) = (dates(newer), dates(older)) else { return false };
    claimant(newer) != claimant(older) && at > before && (since < before || at >= since.plus(ANSWER_AGE))
}

impl Proofs<'_> {
    /// The claims whose sign-ins count.
    pub fn signed_in(&self, known: &[Claim]) -> BTreeSet<i64> {
        let oldest = self.at.minus(SIGN_IN_AGE);
        let standing: Vec<&Claim> = known
            .iter()
            .filter(|claim| self.is_there && (self.is_believed)(claim))
            .filter(|claim| dates(claim).is_some_and(|(_, at)| at >= oldest))
            .collect();
        let is_overruled = |claim: &Claim| standing.iter().any(|other| overrules(other, claim));
        standing.iter().filter(|claim| !is_overruled(claim)).map(|claim| claim.id).collect()
    }
}

/// The claims whose states change, with their new states.
pub fn judge<'c>(known: &'c [Claim], proofs: &Proofs) -> Vec<(&'c Claim, &'static str)> {
    let signed_in = proofs.signed_in(known);
    let is_shown = |claim: &Claim| proofs.is_there && proofs.shown.contains(&claim.id);
    let proved: Vec<&Claim> = known
        .iter()
        .filter(|claim| is_shown(claim) || signed_in.contains(&claim.id))
        .filter(|claim| !proofs.is_refused || claim.may_be_theirs())
        .collect();
    let claimants: BTreeSet<(&str, &str)> = proved.iter().map(|claim| claimant(claim)).collect();
    // One claimant may have several proofs; one of these claims counts.
    let verified = proved.iter().find(|claim| claim.state == "verified").or(proved.first()).map(|claim| claim.id);
    known
        .iter()
        .filter_map(|claim| {
            let is_proved = proved.iter().any(|other| other.id == claim.id);
            let state = match claimants.len() {
                0 if claim.may_be_theirs() => "lost",
                1 if verified == Some(claim.id) => "verified",
                2.. if is_proved => "disputed",
                1.. if claim.may_be_theirs() => "replaced",
                _ => return None,
            };
            (claim.state != state).then_some((claim, state))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::IdentityId;

    const DAY: Duration = Duration::from_secs(24 * 3_600);

    fn day(number: u32) -> Timestamp {
        "2013-06-01T00:00:00Z".parse::<Timestamp>().unwrap().plus(DAY * number)
    }

    /// `alpha verified` has no sign-in; `alpha verified 3` signed in on day 3, `alpha verified 1-3` is proved since day 1.
    fn claim(id: i64, words: &str) -> Claim {
        let mut words = words.split(' ');
        let (claimant, state) = (words.next().unwrap(), words.next().unwrap());
        let days: Vec<i64> = words
            .next()
            .map_or(Vec::new(), |days| days.split('-').map(|it| day(it.parse().unwrap()).micros()).collect());
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
            signed_in_at: days.last().copied(),
            proved_since: days.first().copied(),
        }
    }

    /// What is said of these claims on day 30: `shown` by number from 1.
    fn said(known: &[Claim], shown: &[i64], change: impl FnOnce(&mut Proofs)) -> String {
        let mut proofs = Proofs {
            shown: shown.iter().copied().collect(),
            is_there: true,
            is_believed: &|_| true,
            is_refused: false,
            at: day(30),
        };
        change(&mut proofs);
        let changes = judge(known, &proofs);
        changes.iter().map(|(claim, state)| format!("{} {state}", claim.id)).collect::<Vec<_>>().join(", ")
    }

    fn claims(before: &str) -> Vec<Claim> {
        (1..).zip(before.split(", ")).map(|(id, words)| claim(id, words)).collect()
    }

    #[track_caller]
    fn check(before: &str, shown: &[i64], expected: &str) {
        assert_eq!(said(&claims(before), shown, |_| {}), expected, "{before}, shown {shown:?}");
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

    /// What each claim is after proofs of every kind, whatever the claims were before.
    #[test]
    fn what_was_so_before_does_not_matter() {
        for state in ["pending", "verified", "replaced", "disputed", "lost"] {
            for other in ["pending", "replaced", "disputed", "lost"] {
                let after = |signed: [&str; 2], shown: &[i64]| {
                    let known = [
                        claim(1, &format!("alpha {state}{}", signed[0])),
                        claim(2, &format!("beta {other}{}", signed[1])),
                    ];
                    let said = said(&known, shown, |_| {});
                    let states = known.iter().map(|claim| {
                        let change = said.split(", ").find_map(|it| it.strip_prefix(&format!("{} ", claim.id)));
                        change.unwrap_or(&claim.state).to_owned()
                    });
                    states.collect::<Vec<_>>()
                };
                let both = ["disputed", "disputed"];
                assert_eq!(after(["", ""], &[1, 2]), both, "{state}, {other}");
                assert_eq!(after([" 3", ""], &[2]), both, "{state}, {other}");
                assert_eq!(after(["", " 3"], &[1]), both, "{state}, {other}");
                assert_eq!(after([" 3", " 4"], &[]), both, "{state}, {other}");
                assert_eq!(after(["", ""], &[1])[0], "verified", "{state}, {other}");
                assert_eq!(after([" 3", ""], &[])[0], "verified", "{state}, {other}");
                assert_eq!(after([" 3", ""], &[1])[0], "verified", "{state}, {other}");
                assert_eq!(after([" 3-5", " 4"], &[])[0], "verified", "{state}, {other}");
                assert_eq!(after(["", " 3"], &[2])[1], "verified", "{state}, {other}");
                assert_eq!(after([" 3", " 4-11"], &[])[1], "verified", "{state}, {other}");
                assert!(!after(["", ""], &[]).contains(&"verified".to_owned()), "{state}, {other}");
            }
        }
    }

    #[test]
    fn several_proofs_of_one_claimant_are_no_dispute() {
        check("alpha pending, alpha pending", &[1, 2], "1 verified");
        check("alpha replaced, alpha verified", &[1, 2], "");
        check("alpha verified 3", &[1], "");
        check("alpha verified 3, alpha pending", &[2], "");
        check("alpha verified, alpha pending 3", &[1], "");
        check("alpha verified, alpha pending, beta pending", &[1, 2, 3], "1 disputed, 2 disputed, 3 disputed");
    }

    #[test]
    fn a_sign_in_stands_without_an_address_while_the_account_is_there() {
        check("alpha pending 3", &[], "1 verified");
        check("alpha verified 3", &[], "");
        let gone = |before: &str, shown: &[i64]| said(&claims(before), shown, |proofs| proofs.is_there = false);
        assert_eq!(gone("alpha verified 3", &[]), "1 lost");
        assert_eq!(gone("alpha pending 3", &[]), "");
        assert_eq!(gone("alpha disputed 3, beta disputed", &[2]), "1 lost, 2 lost");
        check("alpha lost 3", &[], "1 verified");
        // Alpha has taken it back.
        check("alpha verified, beta disputed 3", &[], "1 replaced, 2 verified");
    }

    #[test]
    fn a_sign_in_and_the_address_of_another_are_a_dispute_until_one_of_them_goes() {
        check("alpha verified 3, beta pending", &[2], "1 disputed, 2 disputed");
        check("alpha verified, beta pending 3", &[1], "1 disputed, 2 disputed");
        check("alpha disputed 3, beta disputed", &[], "1 verified, 2 replaced");
        // Signing in again does not take somebody else's address out of the profile.
        check("alpha disputed 3-20, beta disputed", &[2], "");
        // Who has the address and signs in overrules an older sign-in, not a younger one.
        check("alpha disputed 1-5, beta disputed 3", &[1], "1 verified, 2 replaced");
        check("alpha disputed 1-2, beta disputed 3", &[1], "");
    }

    #[test]
    fn the_second_sign_in_of_another_is_a_dispute_until_the_owner_signs_in_again() {
        check("alpha verified 3, beta pending 4", &[], "1 disputed, 2 disputed");
        check("alpha verified 4, beta pending 3", &[], "1 disputed, 2 disputed");
        check("alpha disputed 3-5, beta disputed 4", &[], "1 verified, 2 replaced");
        check("alpha replaced 3-5, beta pending 6", &[], "1 disputed, 2 disputed");
        // A newcomer who signs in twice within a week has not overruled anybody; after a week without an answer, yes.
        check("alpha disputed 3, beta disputed 4-10", &[], "");
        check("alpha disputed 3, beta disputed 4-11", &[], "1 replaced, 2 verified");
        check("alpha disputed 3-12, beta disputed 4-11", &[], "1 verified, 2 replaced");
        // Of three, each for itself.
        check("alpha verified 1-9, beta disputed 5, gamma pending 8", &[], "2 replaced");
        check("alpha disputed 1-7, beta disputed 5, gamma pending 8", &[], "2 replaced, 3 disputed");
    }

    #[test]
    fn a_sign_in_ends_after_a_year_to_the_day() {
        let on = |number: u32, before: &str| said(&claims(before), &[], |proofs| proofs.at = day(number));
        assert_eq!(on(368, "alpha verified 3"), "");
        assert_eq!(on(369, "alpha verified 3"), "1 lost");
        assert_eq!(on(369, "alpha verified 3-40"), "");
        assert_eq!(on(369, "alpha disputed 3, beta disputed 40"), "1 replaced, 2 verified");
    }

    #[test]
    fn a_peers_sign_in_counts_only_where_its_word_is_taken_and_its_address_always() {
        let known = claims("alpha verified 3, beta pending 4");
        fn doubted(claim: &Claim) -> bool {
            !claim.home_uri.contains("beta")
        }
        let with = |shown: &[i64]| said(&known, shown, |proofs| proofs.is_believed = &doubted);
        assert_eq!(with(&[]), "");
        assert_eq!(with(&[2]), "1 disputed, 2 disputed");
        assert_eq!(said(&known, &[], |_| {}), "1 disputed, 2 disputed");
        // Its sign-in, which is not believed, overrules nobody either.
        let known = claims("alpha verified 3, beta disputed 1-4");
        assert_eq!(said(&known, &[], |proofs| proofs.is_believed = &doubted), "2 replaced");
    }

    #[test]
    fn where_the_owner_refuses_nothing_new_counts() {
        let refused = |before: &str, shown: &[i64]| said(&claims(before), shown, |proofs| proofs.is_refused = true);
        assert_eq!(refused("alpha pending 3", &[]), "");
        assert_eq!(refused("alpha pending", &[1]), "");
        assert_eq!(refused("alpha verified 3, beta pending 4", &[]), "");
        assert_eq!(refused("alpha verified 3, beta pending", &[2]), "");
        assert_eq!(refused("alpha verified", &[]), "1 lost");
        assert_eq!(refused("alpha lost 3", &[]), "1 verified");
    }
}
