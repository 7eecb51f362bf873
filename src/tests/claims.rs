//! Shares that wait: for a claim, until they expire, or until their creator refuses.

use super::node::TestNode;
use super::{Backend, eur, on_both_databases};
use crate::domain::consent::Source;
use crate::domain::identity::ExternalId;
use crate::domain::time::Month;
use crate::flows::{claim, consent};
use crate::storage::identities;

/// Alice liked one unclaimed video, and June is closed.
fn one_waiting_share(on: Backend) -> TestNode {
    let node = TestNode::on(on);
    let alice = node.patron("alice").build();
    let video = node.object("vimeo:1", "vimeo:10");
    node.like(&alice, video);
    node.close_month("2013-06");
    node
}

fn refuse(node: &TestNode, identity: &str) -> usize {
    let identity: ExternalId = identity.parse().unwrap();
    node.flow(move |tx, close| {
        let row = identities::identity_by_external_id(tx, &identity)?.expect("known");
        consent::refuse(tx, row.id, Source::Operator, close.now)
    })
}

#[test]
fn a_share_for_an_unclaimed_creator_waits_and_a_claim_releases_it() {
    on_both_databases(|on| {
        let node = one_waiting_share(on);
        node.assert_ledger("patron:alice:held:vimeo:1 2.00, patron:alice:available 0.00");
        let carol = node.creator("carol");
        let released = node.claim(&carol, "vimeo:1");
        assert_eq!((released.shares, released.amounts), (1, vec![eur("2.00")]));
        node.assert_ledger("patron:alice:held:vimeo:1 0.00, creator:carol:available 2.00");
        assert_eq!(node.claim(&carol, "vimeo:1").shares, 0, "a second proof releases nothing");
        node.assert_ledger("creator:carol:available 2.00");
    });
}

#[test]
fn a_share_that_nobody_claims_goes_back_to_the_patron() {
    on_both_databases(|on| {
        let node = one_waiting_share(on);
        let month: Month = "2013-06".parse().unwrap();
        node.at("2013-09-30T23:59:59Z");
        assert_eq!(node.expire(), 0);
        node.at_time(month.hold_expiry(3));
        assert_eq!(node.expire(), 1);
        assert_eq!(node.expire(), 0);
        node.assert_ledger("patron:alice:held:vimeo:1 0.00, patron:alice:available 2.00");
    });
}

#[test]
fn a_claim_that_is_verified_before_the_expiry_is_written_wins() {
    on_both_databases(|on| {
        let node = one_waiting_share(on);
        let carol = node.creator("carol");
        node.at("2013-11-15T00:00:00Z").claim(&carol, "vimeo:1");
        assert_eq!(node.expire(), 0);
        node.assert_ledger("creator:carol:available 2.00, patron:alice:available 0.00");
    });
}

#[test]
fn many_shares_expire_in_batches_and_each_once() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let alice = node.patron("alice").with_budget("6.00").build();
        for number in 0..601 {
            let object = node.object(&format!("vimeo:{}", number % 40), &format!("vimeo:{number}"));
            node.like(&alice, object);
        }
        node.close_month("2013-06");
        node.at("2013-10-01T00:00:00Z");
        assert_eq!((node.expire(), node.expire(), node.expire()), (500, 101, 0));
        node.assert_ledger("patron:alice:available 6.00");
    });
}

#[test]
fn a_creator_who_refuses_gives_back_what_waited_and_receives_nothing_more() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let alice = node.patron("alice").deposited("4.00").build();
        let (video, other) = (node.object("vimeo:1", "vimeo:10"), node.object("vimeo:2", "vimeo:20"));
        node.like(&alice, video);
        node.close_month("2013-06");
        node.at("2013-07-10T00:00:00Z");
        node.like(&alice, video);
        node.like(&alice, other);
        assert_eq!(refuse(&node, "vimeo:1"), 1);
        node.assert_ledger("patron:alice:available 4.00, patron:alice:held:vimeo:1 0.00");
        assert_eq!(refuse(&node, "vimeo:1"), 0);
        node.close_month("2013-07");
        node.assert_ledger("patron:alice:held:vimeo:1 0.00, patron:alice:held:vimeo:2 2.00");
        let carol = node.creator("carol");
        let identity: ExternalId = "vimeo:1".parse().unwrap();
        let login = carol.login;
        let refused = node.try_flow(move |tx, close| {
            claim::begin(tx, close.instance, login, &identity, "token", close.now).map(|_| ())
        });
        assert!(matches!(refused, Err(claim::ClaimError::Refused(_))));
    });
}

#[test]
fn a_post_without_a_known_author_is_held_for_the_post() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let alice = node.patron("alice").build();
        let orphan = node.orphan("twitter:99");
        node.like(&alice, orphan);
        node.close_month("2013-06");
        node.assert_ledger("patron:alice:held:post:twitter:99 2.00");
        node.at("2013-10-01T00:00:00Z");
        assert_eq!(node.expire(), 1);
        node.assert_ledger("patron:alice:available 2.00");
    });
}

#[test]
fn a_new_claim_of_the_same_account_takes_over_and_history_is_kept() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let alice = node.patron("alice").deposited("4.00").build();
        let video = node.object("vimeo:1", "vimeo:10");
        let (carol, dave) = (node.creator("carol"), node.creator("dave"));
        node.claim(&carol, "vimeo:1");
        node.like(&alice, video);
        node.close_month("2013-06");
        node.claim(&dave, "vimeo:1");
        node.at("2013-07-10T00:00:00Z").like(&alice, video);
        node.close_month("2013-07");
        node.assert_ledger("creator:carol:available 2.00, creator:dave:available 2.00");
    });
}

/// The claim moves away between the release of a share and the commitment that must account for it.
#[test]
fn a_month_can_be_closed_after_a_claim_has_moved_to_a_peer() {
    on_both_databases(|on| {
        let world = super::world::World::on(on, &["alpha", "beta"]);
        let [alpha, beta] = &world.nodes[..] else { unreachable!("two nodes") };
        let alice = alpha.patron("alice").deposited("6.00").build();
        let video = alpha.object("vimeo:1", "vimeo:10");
        beta.object("vimeo:1", "vimeo:10");
        alpha.like(&alice, video);
        alpha.close_month("2013-06");
        let (carol, dave) = (alpha.creator("carol"), beta.creator("dave"));
        alpha.at("2013-07-10T00:00:00Z").claim(&carol, "vimeo:1");
        alpha.assert_ledger("creator:carol:available 2.00");
        beta.claim(&dave, "vimeo:1");
        alpha.hear_claim("vimeo:1", beta, &dave);
        alpha.like(&alice, video);
        alpha.close_month("2013-07");
        alpha.assert_ledger("creator:carol:available 2.00, patron:alice:reserved:2013-07 2.00");
        world.at("2013-08-05T00:00:00Z");
        world.exchange();
        alpha.assert_ledger("due_to:beta.example 2.00, patron:alice:reserved:2013-07 0.00");
        beta.assert_ledger("creator:dave:promised:alpha.example 2.00");
    });
}

/// What a step of the close had set aside for a peer must go on when the claim changes before the next step.
#[test]
fn a_claim_that_changes_between_division_and_commitment_neither_stops_the_close_nor_loses_the_share() {
    on_both_databases(|on| {
        for moves_home in [true, false] {
            let world = super::world::World::on(on, &["alpha", "beta"]);
            let [alpha, beta] = &world.nodes[..] else { unreachable!("two nodes") };
            let alice = alpha.patron("alice").build();
            let video = alpha.object("vimeo:1", "vimeo:10");
            beta.object("vimeo:1", "vimeo:10");
            alpha.like(&alice, video);
            let (carol, dave) = (alpha.creator("carol"), beta.creator("dave"));
            // First at beta and then home, or the other way round.
            if moves_home {
                alpha.hear_claim("vimeo:1", beta, &dave);
            } else {
                alpha.claim(&carol, "vimeo:1");
            }
            alpha.at("2013-07-01T00:00:00Z").run_steps();
            alpha.at("2013-07-04T00:00:00Z");
            for expected in ["frozen", "budgets divided", "divided"] {
                let progress = format!("{:?}", alpha.step());
                assert!(progress.contains(expected), "{progress}");
            }
            if moves_home {
                alpha.claim(&carol, "vimeo:1");
            } else {
                alpha.hear_claim("vimeo:1", beta, &dave);
            }
            alpha.run_steps();
            alpha.assert_ledger("patron:alice:reserved:2013-06 0.00, creator:carol:available 2.00");
        }
    });
}

#[test]
fn a_frozen_channel_between_division_and_commitment_makes_the_share_wait() {
    on_both_databases(|on| {
        let world = super::world::World::on(on, &["alpha", "beta"]);
        let [alpha, beta] = &world.nodes[..] else { unreachable!("two nodes") };
        let alice = alpha.patron("alice").build();
        let video = alpha.object("vimeo:1", "vimeo:10");
        alpha.like(&alice, video);
        let dave = beta.creator("dave");
        alpha.hear_claim("vimeo:1", beta, &dave);
        alpha.at("2013-07-01T00:00:00Z").run_steps();
        alpha.at("2013-07-04T00:00:00Z");
        for _ in 0..3 {
            alpha.step();
        }
        let channel = world.channel(0, 0, 1).id;
        alpha.flow(move |tx, _| crate::storage::settlement::freeze_channel(tx, channel, "a test"));
        alpha.run_steps();
        alpha.assert_ledger("patron:alice:reserved:2013-06 0.00, patron:alice:held:vimeo:1 2.00");
    });
}
