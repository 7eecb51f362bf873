//! Proofs that contradict each other, move or vanish: nobody is paid twice, nothing is lost, and everybody agrees.

use std::collections::BTreeMap;
use std::time::Duration;

use super::node::{Creator, TestNode};
use super::world::World;
use super::{Backend, eur, on_both_databases};
use crate::domain::settlement::State;
use crate::flows::claim::{self, LOOK_AGE};
use crate::flows::pay_out::{self, PayOutError};
use crate::flows::settle;
use crate::storage::claims;

const ACCOUNT: &str = "vimeo:1";

fn node_with_small_payouts(on: Backend) -> TestNode {
    TestNode::with(on, "alpha.example", |policy| policy.minimum_payout = eur("1.00"))
}

/// Who may be the owner of the account, as this node sees it: creators by name, with the states of their claims.
fn claimants(node: &TestNode) -> BTreeMap<String, String> {
    let known = node.read(|tx| {
        let identity = crate::storage::identities::identity_by_external_id(tx, &ACCOUNT.parse().unwrap())?;
        claims::of_identity(tx, identity.expect("known").id)
    });
    let current = known.into_iter().filter(|claim| claim.may_be_theirs());
    current.map(|claim| (claim.creator_uri.rsplit('/').next().unwrap().to_owned(), claim.state)).collect()
}

#[track_caller]
fn assert_claimants(node: &TestNode, expected: &[(&str, &str)]) {
    let expected = expected.iter().map(|(name, state)| ((*name).to_owned(), (*state).to_owned())).collect();
    assert_eq!(claimants(node), expected, "{}", node.instance.host);
}

fn payout(node: &TestNode, creator: &Creator) -> Result<(), PayOutError> {
    let name = creator.name.clone();
    node.try_flow(move |tx, close| pay_out::request(tx, close.instance, &name, settle::RAIL, close.now).map(|_| ()))
}

#[track_caller]
fn assert_unproved(node: &TestNode, creator: &Creator, expected: &str) {
    match payout(node, creator) {
        Err(PayOutError::Unproved(unproved)) => assert_eq!(unproved.state, expected),
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_addresses_in_one_profile_pay_nobody_until_one_is_gone_and_then_once() {
    on_both_databases(|on| {
        for first_stays in [true, false] {
            let node = node_with_small_payouts(on);
            let alice = node.patron("alice").deposited("6.00").build();
            let video = node.object(ACCOUNT, "vimeo:10");
            let (carol, dave) = (node.creator("carol"), node.creator("dave"));
            let (hers, his) = (node.claim_address(carol.login, ACCOUNT), node.claim_address(dave.login, ACCOUNT));
            node.look(ACCOUNT, &[&hers]);
            node.like(&alice, video);
            node.close_month("2013-06");
            node.at("2013-07-10T00:00:00Z").like(&alice, video);
            assert_eq!(node.look(ACCOUNT, &[&hers, &his]).released.shares, 0);
            assert_claimants(&node, &[("carol", "disputed"), ("dave", "disputed")]);
            node.close_month("2013-07");
            node.assert_ledger("creator:carol:available 2.00, patron:alice:held:vimeo:1 2.00");
            assert_unproved(&node, &carol, "disputed");
            assert_eq!(node.look(ACCOUNT, &[&hers, &his]).released.shares, 0, "a second look changes nothing");

            let stays = if first_stays { &hers } else { &his };
            assert_eq!(node.look(ACCOUNT, &[stays]).released.shares, 1);
            assert_eq!(node.look(ACCOUNT, &[stays]).released.shares, 0);
            node.assert_ledger("patron:alice:held:vimeo:1 0.00, patron:alice:available 2.00");
            if first_stays {
                node.assert_ledger("creator:carol:available 4.00");
                // Disputed and resolved again, at the same instant: what comes meanwhile is released once more.
                node.look(ACCOUNT, &[&hers, &his]);
                node.at("2013-08-05T00:00:00Z").like(&alice, video);
                node.close_month("2013-08");
                assert_eq!(node.look(ACCOUNT, &[&hers]).released.amounts, [eur("2.00")]);
                node.assert_ledger("creator:carol:available 6.00, patron:alice:held:vimeo:1 0.00");
                payout(&node, &carol).unwrap();
            } else {
                node.assert_ledger("creator:carol:available 2.00, creator:dave:available 2.00");
                payout(&node, &dave).unwrap();
                assert_unproved(&node, &carol, "replaced");
            }
        }
    });
}

#[test]
fn a_share_in_a_dispute_keeps_its_expiry() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let alice = node.patron("alice").build();
        let video = node.object(ACCOUNT, "vimeo:10");
        let (carol, dave) = (node.creator("carol"), node.creator("dave"));
        let (hers, his) = (node.claim_address(carol.login, ACCOUNT), node.claim_address(dave.login, ACCOUNT));
        node.like(&alice, video);
        node.look(ACCOUNT, &[&hers, &his]);
        node.close_month("2013-06");
        node.at("2013-10-01T00:00:00Z");
        assert_eq!(node.expire(), 1);
        assert_eq!(node.look(ACCOUNT, &[&hers]).released.shares, 0);
        node.assert_ledger("patron:alice:available 2.00, patron:alice:held:vimeo:1 0.00");
    });
}

#[test]
fn every_instance_says_the_same_of_one_profile_whatever_it_saw_before() {
    on_both_databases(|on| {
        let world = World::on(on, &["alpha", "beta", "gamma"]);
        let [alpha, beta, gamma] = &world.nodes[..] else { unreachable!("three nodes") };
        for node in &world.nodes {
            node.object(ACCOUNT, "vimeo:10");
        }
        let (carol, dave) = (alpha.creator("carol"), beta.creator("dave"));
        let (hers, his) = (alpha.claim_address(carol.login, ACCOUNT), beta.claim_address(dave.login, ACCOUNT));
        for node in [beta, gamma] {
            assert_eq!(node.announce(ACCOUNT, alpha, &carol), hers);
        }
        for node in [alpha, gamma] {
            assert_eq!(node.announce(ACCOUNT, beta, &dave), his);
        }
        // One saw the first address alone, one the second alone, one none before.
        alpha.look(ACCOUNT, &[&hers]);
        beta.look(ACCOUNT, &[&his]);
        type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)]);
        let profiles: [Case; 6] = [
            (&[&hers, &his], &[("carol", "disputed"), ("dave", "disputed")]),
            (&[&his], &[("dave", "verified")]),
            (&[&hers], &[("carol", "verified")]),
            (&[], &[("carol", "lost")]),
            (&[&his, &hers], &[("carol", "disputed"), ("dave", "disputed")]),
            (&[&hers], &[("carol", "verified")]),
        ];
        for (shown, expected) in profiles {
            for node in &world.nodes {
                node.look(ACCOUNT, shown);
                assert_claimants(node, expected);
            }
        }
    });
}

#[test]
fn a_reading_that_was_begun_before_the_newest_one_changes_nothing() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        node.object(ACCOUNT, "vimeo:10");
        let (carol, dave) = (node.creator("carol"), node.creator("dave"));
        let (hers, his) = (node.claim_address(carol.login, ACCOUNT), node.claim_address(dave.login, ACCOUNT));
        let before = node.now();
        node.at_time(before.plus(Duration::from_secs(5))).look(ACCOUNT, &[&his]);
        node.look_from(ACCOUNT, &[&hers], before);
        assert_claimants(&node, &[("dave", "verified")]);
    });
}

/// What a step of the close had set aside for a peer waits when a dispute begins before the next step.
#[test]
fn a_dispute_between_division_and_commitment_makes_the_share_wait_and_nothing_is_stated() {
    on_both_databases(|on| {
        let world = World::on(on, &["alpha", "beta"]);
        let [alpha, beta] = &world.nodes[..] else { unreachable!("two nodes") };
        let alice = alpha.patron("alice").deposited("4.00").build();
        let video = alpha.object(ACCOUNT, "vimeo:10");
        beta.object(ACCOUNT, "vimeo:10");
        alpha.like(&alice, video);
        let (carol, dave) = (alpha.creator("carol"), beta.creator("dave"));
        let (hers, his) = (alpha.claim_address(carol.login, ACCOUNT), alpha.announce(ACCOUNT, beta, &dave));
        beta.claim(&dave, ACCOUNT);
        alpha.look(ACCOUNT, &[&his]);
        alpha.at("2013-07-01T00:00:00Z").run_steps();
        alpha.at("2013-07-04T00:00:00Z");
        for _ in 0..3 {
            alpha.step();
        }
        alpha.assert_ledger("patron:alice:reserved:2013-06 2.00");
        alpha.look(ACCOUNT, &[&hers, &his]);
        alpha.run_steps();
        alpha.assert_ledger("patron:alice:reserved:2013-06 0.00, patron:alice:held:vimeo:1 2.00");
        world.at("2013-07-05T00:00:00Z");
        world.exchange();
        beta.assert_ledger("due_from:alpha.example 0.00");
        // It ends for dave: the next statement carries what waited, and he is paid once.
        alpha.look(ACCOUNT, &[&his]);
        alpha.close_month("2013-07");
        world.at("2013-08-05T00:00:00Z");
        world.exchange();
        world.at("2013-08-10T00:00:00Z");
        world.pay();
        beta.assert_ledger("creator:dave:available 2.00");
        alpha.assert_ledger("creator:carol:available 0.00, patron:alice:held:vimeo:1 0.00");
        world.assert_nothing_was_refused();
    });
}

/// One creator's dispute must not make a whole statement fail; what comes for them waits at the payout.
#[test]
fn what_was_stated_before_a_dispute_is_accepted_and_paid_but_does_not_leave() {
    on_both_databases(|on| {
        for is_seen_before_the_freeze in [false, true] {
            let world = World::with(on, &["alpha", "beta"], |policy| policy.minimum_payout = eur("1.00"));
            let [alpha, beta] = &world.nodes[..] else { unreachable!("two nodes") };
            let alice = alpha.patron("alice").build();
            let (first, second) = (alpha.object(ACCOUNT, "vimeo:10"), alpha.object("vimeo:2", "vimeo:20"));
            beta.object(ACCOUNT, "vimeo:10");
            beta.object("vimeo:2", "vimeo:20");
            let (carol, dave, erin) = (beta.creator("carol"), beta.creator("dave"), beta.creator("erin"));
            let his = beta.claim_address(dave.login, ACCOUNT);
            let hers = beta.claim_address(carol.login, ACCOUNT);
            beta.look(ACCOUNT, &[&his]);
            beta.claim(&erin, "vimeo:2");
            // Alpha has heard of dave alone.
            alpha.hear_claim(ACCOUNT, beta, &dave);
            alpha.hear_claim("vimeo:2", beta, &erin);
            alpha.like(&alice, first);
            alpha.like(&alice, second);
            if is_seen_before_the_freeze {
                beta.look(ACCOUNT, &[&his, &hers]);
            }
            world.close_month("2013-06");
            beta.look(ACCOUNT, &[&his, &hers]);
            world.exchange();
            assert_eq!(world.states(0, 1, "2013-06"), (Some(State::Agreed), Some(State::Agreed)));
            world.at("2013-07-10T00:00:00Z");
            world.pay();
            beta.assert_ledger("creator:dave:available 1.00, creator:erin:available 1.00");
            assert_unproved(beta, &dave, "disputed");
            beta.claim(&erin, "vimeo:2");
            payout(beta, &erin).unwrap();
            beta.look(ACCOUNT, &[&his]);
            payout(beta, &dave).unwrap();
        }
    });
}

#[test]
fn what_was_earned_waits_while_the_proof_is_gone_or_was_not_seen_for_too_long() {
    on_both_databases(|on| {
        let node = node_with_small_payouts(on);
        let alice = node.patron("alice").deposited("4.00").build();
        let video = node.object(ACCOUNT, "vimeo:10");
        let carol = node.creator("carol");
        let hers = node.claim_address(carol.login, ACCOUNT);
        node.look(ACCOUNT, &[&hers]);
        node.like(&alice, video);
        node.close_month("2013-06");
        assert_unproved(&node, &carol, "verified");
        // A platform that is down changes nothing, for a week.
        node.look(ACCOUNT, &[&hers]);
        let seen_at = node.now();
        node.flow(|tx, close| {
            let identity = crate::storage::identities::identity_by_external_id(tx, &ACCOUNT.parse().unwrap())?;
            claim::look_failed(tx, identity.expect("known").id, "down", close.now)
        });
        node.at_time(seen_at.plus(LOOK_AGE));
        payout(&node, &carol).unwrap();

        // The address is gone: new shares wait, and what is here stays carol's and waits too.
        node.like(&alice, video);
        node.look(ACCOUNT, &[]);
        assert_claimants(&node, &[("carol", "lost")]);
        node.close_month("2013-07");
        node.assert_ledger("creator:carol:available 0.00, patron:alice:held:vimeo:1 2.00");
        node.look(ACCOUNT, &[&hers]);
        node.assert_ledger("creator:carol:available 2.00, patron:alice:held:vimeo:1 0.00");
        node.look(ACCOUNT, &[]);
        assert_unproved(&node, &carol, "lost");
        let token = hers.rsplit('/').next().unwrap().to_owned();
        node.flow(move |tx, close| claim::confirm(tx, &token, close.now).map(|_| ()));
        payout(&node, &carol).unwrap();
        node.assert_ledger("creator:carol:available 0.00");
    });
}

#[test]
fn an_operators_word_lasts_a_week_and_ends_with_the_next_change() {
    on_both_databases(|on| {
        let node = node_with_small_payouts(on);
        let alice = node.patron("alice").build();
        let video = node.object(ACCOUNT, "vimeo:10");
        let carol = node.creator("carol");
        let hers = node.claim_address(carol.login, ACCOUNT);
        node.look(ACCOUNT, &[&hers]);
        node.like(&alice, video);
        node.close_month("2013-06");
        node.look(ACCOUNT, &[]);
        let confirm = |node: &TestNode| {
            let token = hers.rsplit('/').next().unwrap().to_owned();
            node.flow(move |tx, close| claim::confirm(tx, &token, close.now).map(|_| ()));
        };
        confirm(&node);
        let confirmed_at = node.now();
        node.at_time(confirmed_at.plus(LOOK_AGE + Duration::from_secs(1)));
        assert_unproved(&node, &carol, "lost");
        confirm(&node);
        node.at_time(node.now().plus(Duration::from_secs(1)));
        node.look(ACCOUNT, &[&hers]);
        node.look(ACCOUNT, &[]);
        assert_unproved(&node, &carol, "lost");
    });
}

#[test]
fn another_page_of_a_peer_is_no_claim() {
    let check = |token: &str, expected: Option<&str>| {
        assert_eq!(claim::peer_claim_url("https://beta.example/instance", token).as_deref(), expected, "{token}");
    };
    check("7f3a-9c_", Some("https://beta.example/claim/7f3a-9c_"));
    for token in ["", ".", "..", "../@mira", "a/b", "a?b", "a#b", "a%2fb", "a\\b", "a b"] {
        check(token, None);
    }
}
