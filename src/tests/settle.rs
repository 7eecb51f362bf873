//! Settlement when all goes well, and when the network repeats and mixes everything.

use super::node::{Creator, Patron};
use super::world::{Fate, OracleLike, World, oracle};
use super::{Backend, eur, on_both_databases};
use crate::domain::id::ObjectId;
use crate::domain::money::{Amount, Currency};
use crate::domain::settlement::State;

const ALPHA: usize = 0;
const BETA: usize = 1;

/// Alice on alpha, carol on beta with a claim that alpha has checked, and the video that alice likes.
pub struct Pair {
    pub world: World,
    pub alice: Patron,
    pub video: ObjectId,
}

/// As above; alice has liked one video of carol's in June and has money for several months.
pub fn pair(on: Backend, budget: &str) -> Pair {
    let world = World::on(on, &["alpha", "beta"]);
    let [alpha, beta] = &world.nodes[..] else { unreachable!("two nodes") };
    let alice = alpha.patron("alice").with_budget(budget).deposited("100.00").build();
    let carol = beta.creator("carol");
    let video = alpha.object("vimeo:1", "vimeo:10");
    beta.object("vimeo:1", "vimeo:10");
    beta.claim(&carol, "vimeo:1");
    alpha.hear_claim("vimeo:1", beta, &carol);
    alpha.like(&alice, video);
    Pair { world, alice, video }
}

#[test]
fn two_instances_settle_a_month() {
    on_both_databases(|on| {
        let Pair { world, .. } = pair(on, "2.00");
        let [alpha, beta] = &world.nodes[..] else { unreachable!("two nodes") };
        world.close_month("2013-06");
        assert_eq!(world.states(ALPHA, BETA, "2013-06"), (Some(State::Offered), None));
        alpha.assert_ledger("patron:alice:reserved:2013-06 2.00, due_to:beta.example 0.00");
        assert_eq!(alpha.free("patron:alice:reserved:2013-06"), eur("0.00"));
        world.exchange();
        assert_eq!(world.states(ALPHA, BETA, "2013-06"), (Some(State::Agreed), Some(State::Agreed)));
        alpha.assert_ledger("patron:alice:reserved:2013-06 0.00, due_to:beta.example 2.00");
        beta.assert_ledger(
            "due_from:alpha.example 2.00, creator:carol:promised:alpha.example 2.00, creator:carol:available 0.00",
        );
        world.at("2013-07-09T23:59:59Z");
        assert!(world.announce(ALPHA).is_empty(), "nothing is due before the 10th");
        world.at("2013-07-10T00:00:00Z");
        world.pay();
        assert_eq!(world.states(ALPHA, BETA, "2013-06"), (Some(State::Settled), Some(State::Settled)));
        alpha.assert_ledger("due_to:beta.example 0.00, bank:sandbox 98.00, patron:alice:available 98.00");
        beta.assert_ledger(
            "due_from:alpha.example 0.00, creator:carol:promised:alpha.example 0.00, creator:carol:available 2.00, \
             bank:sandbox 2.00",
        );
        world.assert_nothing_was_refused();
    });
}

#[test]
fn a_promise_is_shown_only_when_both_sides_know_that_both_know() {
    on_both_databases(|on| {
        let Pair { world, .. } = pair(on, "2.00");
        world.close_month("2013-06");
        // The Accept arrives, the acknowledgement is delayed.
        world.exchange_with(|letter| match (letter.kind.as_str(), letter.from) {
            ("accept", ALPHA) => Fate::Delayed,
            _ => Fate::Arrives,
        });
        assert_eq!(world.states(ALPHA, BETA, "2013-06"), (Some(State::Bound), Some(State::Offered)));
        world.nodes[ALPHA].assert_ledger("due_to:beta.example 2.00");
        world.nodes[BETA].assert_ledger("creator:carol:promised:alpha.example 0.00");
        world.release();
        assert_eq!(world.states(ALPHA, BETA, "2013-06"), (Some(State::Agreed), Some(State::Agreed)));
        world.nodes[BETA].assert_ledger("creator:carol:promised:alpha.example 2.00");
    });
}

#[test]
fn a_peers_terms_wait_until_our_operator_says_yes() {
    on_both_databases(|on| {
        let world = World::strangers(on, &["alpha", "beta"], |_| {});
        world.add_peer(BETA, ALPHA);
        world.exchange();
        assert_eq!(world.channel(ALPHA, ALPHA, BETA).terms, "offered");
        assert_eq!(world.channel(BETA, ALPHA, BETA).terms, "offered");
        world.add_peer(ALPHA, BETA);
        world.exchange();
        for (debtor, creditor) in [(ALPHA, BETA), (BETA, ALPHA)] {
            for at in [ALPHA, BETA] {
                assert_eq!(world.channel(at, debtor, creditor).terms, "open");
            }
        }
        let payee = world.channel(ALPHA, ALPHA, BETA).payee_account;
        assert_eq!(payee.as_deref(), Some("BANK-beta.example"));
        world.assert_nothing_was_refused();
    });
}

/// Three nodes, two patrons each, creators everywhere, likes across all of them.
fn busy_world(on: Backend) -> (World, Vec<Vec<Patron>>, Vec<Creator>) {
    let world = World::on(on, &["alpha", "beta", "gamma"]);
    let mut creators = Vec::new();
    for (number, node) in world.nodes.iter().enumerate() {
        creators.push(node.creator(&format!("creator_{number}")));
    }
    for node in &world.nodes {
        for (number, creator) in creators.iter().enumerate() {
            for post in 0..4 {
                node.object(&format!("vimeo:{number}"), &format!("vimeo:{number}{post}"));
            }
            let home = &world.nodes[number];
            if home.instance.host == node.instance.host {
                node.claim(creator, &format!("vimeo:{number}"));
            } else {
                node.hear_claim(&format!("vimeo:{number}"), home, creator);
            }
        }
    }
    let patrons = world
        .nodes
        .iter()
        .map(|node| {
            let budgets = ["1.00", "7.77"];
            let patron = |number: usize| {
                node.patron(&format!("patron_{number}")).with_budget(budgets[number]).deposited("50.00").build()
            };
            (0..budgets.len()).map(patron).collect()
        })
        .collect();
    (world, patrons, creators)
}

/// Which posts a patron of a node likes in the busy world.
fn taste(node: usize, patron: usize) -> Vec<(usize, usize)> {
    (0..3)
        .flat_map(|creator| (0..4).map(move |post| (creator, post)))
        .filter(|(creator, post)| !(node + 2 * patron + creator * 5 + post).is_multiple_of(3))
        .collect()
}

fn like_everything(world: &World, patrons: &[Vec<Patron>]) {
    for (node, patrons) in patrons.iter().enumerate() {
        for (number, patron) in patrons.iter().enumerate() {
            for (creator, post) in taste(node, number) {
                let at = &world.nodes[node];
                let object = at.object(&format!("vimeo:{creator}"), &format!("vimeo:{creator}{post}"));
                at.like(patron, object);
            }
        }
    }
}

/// What a creator has in all, at home: paid, and promised by whom it may be.
fn total_of(world: &World, creator: &Creator, home: usize) -> i64 {
    let node = &world.nodes[home];
    let mut total = node.balance(&format!("creator:{}:available", creator.name)).units();
    for peer in &world.nodes {
        total += node.balance(&format!("creator:{}:promised:{}", creator.name, peer.instance.host)).units();
    }
    total
}

#[test]
fn the_federation_pays_what_one_central_instance_would_to_the_last_unit() {
    on_both_databases(|on| {
        let (world, patrons, creators) = busy_world(on);
        like_everything(&world, &patrons);
        let before = world.bank_total();
        world.close_month("2013-06");
        world.exchange();
        let objects: Vec<String> =
            (0..3).flat_map(|creator| (0..4).map(move |post| format!("vimeo:{creator}{post}"))).collect();
        let mut likes = Vec::new();
        for (node, patrons) in patrons.iter().enumerate() {
            for (number, patron) in patrons.iter().enumerate() {
                for (creator, post) in taste(node, number) {
                    let (node, object) = (&world.nodes[node], &objects[creator * 4 + post]);
                    likes.push(OracleLike { node, patron, object, creator: &creators[creator] });
                }
            }
        }
        let budget = |patron: &Patron| if patron.name == "patron_0" { eur("1.00") } else { eur("7.77") };
        let expected = oracle(budget, "2013-06", &likes);
        let check = || {
            for (home, creator) in creators.iter().enumerate() {
                assert_eq!(total_of(&world, creator, home), expected[&creator.name], "{}", creator.name);
            }
        };
        check();
        let paid_by_all: i64 = expected.values().sum();
        assert_eq!(paid_by_all, 3 * eur("8.77").units());
        world.at("2013-07-10T00:00:00Z");
        world.pay();
        check();
        assert_eq!(world.bank_total(), before, "money moved between banks, and none appeared or vanished");
        world.assert_nothing_was_refused();
    });
}

#[test]
fn a_network_that_repeats_everything_changes_nothing() {
    on_both_databases(|on| {
        let run = |fate: Fate| {
            let (world, patrons, _) = busy_world(on);
            like_everything(&world, &patrons);
            world.close_month("2013-06");
            world.exchange_with(|_| fate);
            world.at("2013-07-10T00:00:00Z");
            for debtor in 0..world.nodes.len() {
                for payment in world.announce(debtor) {
                    world.transfer(debtor, &payment, payment.amount().unwrap());
                }
            }
            world.exchange_with(|_| fate);
            world.assert_nothing_was_refused();
            world.journal_heads()
        };
        assert_eq!(run(Fate::ArrivesTwice), run(Fate::Arrives));
    });
}

#[test]
fn a_network_that_turns_the_order_round_loses_nothing() {
    on_both_databases(|on| {
        let Pair { world, alice, video, .. } = pair(on, "2.00");
        world.close_month("2013-06");
        let mut letters = world.collect();
        world.at("2013-07-12T00:00:00Z");
        world.nodes[ALPHA].like(&alice, video);
        // The bank is quick: payments, notices and acknowledgements pile up, and arrive from the newest to the oldest.
        for _ in 0..6 {
            letters.reverse();
            letters = world.deliver_all(letters);
            letters.extend(world.collect());
        }
        assert!(letters.is_empty());
        world.assert_nothing_was_refused();
        assert_eq!(world.states(ALPHA, BETA, "2013-06").0, Some(State::Voided), "the Accept came after the 8th");
    });
}

#[test]
fn debts_in_both_directions_are_settled_each_in_its_own_channel() {
    on_both_databases(|on| {
        let Pair { world, .. } = pair(on, "2.00");
        let [alpha, beta] = &world.nodes[..] else { unreachable!("two nodes") };
        let bob = beta.patron("bob").with_budget("3.00").build();
        let dave = alpha.creator("dave");
        alpha.object("github:4", "github:40");
        alpha.claim(&dave, "github:4");
        let repository = beta.object("github:4", "github:40");
        beta.hear_claim("github:4", alpha, &dave);
        beta.like(&bob, repository);
        world.close_month("2013-06");
        world.exchange();
        world.at("2013-07-10T00:00:00Z");
        world.pay();
        assert_eq!(world.states(ALPHA, BETA, "2013-06"), (Some(State::Settled), Some(State::Settled)));
        assert_eq!(world.states(BETA, ALPHA, "2013-06"), (Some(State::Settled), Some(State::Settled)));
        alpha.assert_ledger("creator:dave:available 3.00, bank:sandbox 101.00");
        beta.assert_ledger("creator:carol:available 2.00, bank:sandbox 2.00");
    });
}

#[test]
fn creators_pay_their_fee_when_the_money_is_here() {
    on_both_databases(|on| {
        let world = World::with(on, &["alpha", "beta"], |policy| policy.creator_fee_basis_points = 1_000);
        let [alpha, beta] = &world.nodes[..] else { unreachable!("two nodes") };
        let alice = alpha.patron("alice").build();
        let carol = beta.creator("carol");
        let video = alpha.object("vimeo:1", "vimeo:10");
        beta.object("vimeo:1", "vimeo:10");
        beta.claim(&carol, "vimeo:1");
        alpha.hear_claim("vimeo:1", beta, &carol);
        alpha.like(&alice, video);
        world.close_month("2013-06");
        world.exchange();
        beta.assert_ledger("creator:carol:promised:alpha.example 2.00, fee:creator 0.00");
        world.at("2013-07-10T00:00:00Z");
        world.pay();
        beta.assert_ledger("creator:carol:available 1.80, fee:creator 0.20");
        assert_eq!(alpha.balance("fee:creator"), Amount::zero(Currency::EUR));
    });
}
