//! Payments between instances that are short, large, early, late or of less than a cent.

use super::settle::{Pair, pair};
use super::world::Fate;
use super::{Backend, eur, on_both_databases};
use crate::domain::settlement::State;
use crate::flows::settle;

const ALPHA: usize = 0;
const BETA: usize = 1;

/// June's statement is agreed and due.
fn due(on: Backend, budget: &str) -> Pair {
    let pair = pair(on, budget);
    pair.world.close_month("2013-06");
    pair.world.exchange();
    pair.world.at("2013-07-10T00:00:00Z");
    pair
}

#[test]
fn a_short_payment_releases_what_came_and_the_operator_pays_the_rest() {
    on_both_databases(|on| {
        let Pair { world, .. } = due(on, "2.00");
        let [alpha, beta] = &world.nodes[..] else { unreachable!("two nodes") };
        let payment = world.announce(ALPHA).remove(0);
        world.transfer(ALPHA, &payment, eur("1.50"));
        world.exchange();
        beta.assert_ledger(
            "creator:carol:available 1.50, creator:carol:promised:alpha.example 0.50, due_from:alpha.example 0.50",
        );
        assert_eq!(world.states(ALPHA, BETA, "2013-06"), (Some(State::Agreed), Some(State::Agreed)));
        alpha.assert_ledger("due_to:beta.example 0.50, rail_cost 0.50, bank:sandbox 98.00");
        assert_eq!(world.pay_missing(ALPHA, &payment), eur("0.50"));
        world.pay();
        assert_eq!(world.states(ALPHA, BETA, "2013-06"), (Some(State::Settled), Some(State::Settled)));
        beta.assert_ledger("creator:carol:available 2.00");
        alpha.assert_ledger("due_to:beta.example 0.00, bank:sandbox 97.50");
        world.assert_nothing_was_refused();
    });
}

#[test]
fn a_creditor_that_denies_what_it_received_draws_nothing_more_from_our_bank() {
    on_both_databases(|on| {
        let Pair { world, .. } = due(on, "2.00");
        let alpha = &world.nodes[ALPHA];
        let mut payment = world.announce(ALPHA).remove(0);
        for paid in ["98.00", "96.01"] {
            // Our bank debits the whole, the peer's receipt is for a cent.
            world.transfer(ALPHA, &payment, eur("0.01"));
            world.exchange();
            alpha.assert_ledger(&format!("bank:sandbox {paid}"));
            for day in ["2013-07-11", "2013-08-10"] {
                world.at(&format!("{day}T00:00:00Z"));
                assert_eq!(world.announce(ALPHA), [], "nothing is paid again by itself");
            }
            if paid == "98.00" {
                assert_eq!(world.pay_missing(ALPHA, &payment), eur("1.99"), "only the operator can");
                assert_eq!(world.pay_missing(ALPHA, &payment), eur("0.00"), "and once");
                payment = world.announce(ALPHA).remove(0);
            }
        }
        alpha.assert_ledger("due_to:beta.example 1.98, rail_cost 3.97");
    });
}

#[test]
fn a_short_payment_of_two_months_covers_the_oldest_first() {
    on_both_databases(|on| {
        let Pair { world, alice, video, .. } = due(on, "2.00");
        let [alpha, beta] = &world.nodes[..] else { unreachable!("two nodes") };
        alpha.like(&alice, video);
        world.close_month("2013-07");
        world.exchange();
        world.at("2013-08-10T00:00:00Z");
        let payment = world.announce(ALPHA).remove(0);
        assert_eq!(payment.amount().unwrap(), eur("4.00"));
        world.transfer(ALPHA, &payment, eur("1.25"));
        world.exchange();
        assert_eq!(world.states(ALPHA, BETA, "2013-06"), (Some(State::Agreed), Some(State::Agreed)));
        assert_eq!(world.states(ALPHA, BETA, "2013-07"), (Some(State::Agreed), Some(State::Agreed)));
        beta.assert_ledger("creator:carol:available 1.25, due_from:alpha.example 2.75");
        assert_eq!(world.pay_missing(ALPHA, &payment), eur("2.75"));
        world.pay();
        for month in ["2013-06", "2013-07"] {
            assert_eq!(world.states(ALPHA, BETA, month), (Some(State::Settled), Some(State::Settled)), "{month}");
        }
        beta.assert_ledger("creator:carol:available 4.00");
        world.assert_nothing_was_refused();
    });
}

#[test]
fn a_surplus_is_nobodys_and_goes_to_suspense() {
    on_both_databases(|on| {
        let Pair { world, .. } = due(on, "2.00");
        let payment = world.announce(ALPHA).remove(0);
        world.transfer(ALPHA, &payment, eur("2.30"));
        world.exchange();
        world.nodes[BETA].assert_ledger("creator:carol:available 2.00, suspense:unmatched 0.30, bank:sandbox 2.30");
        assert_eq!(world.states(ALPHA, BETA, "2013-06"), (Some(State::Settled), Some(State::Settled)));
    });
}

#[test]
fn a_second_transfer_of_the_same_payment_is_not_given_to_creators() {
    on_both_databases(|on| {
        let Pair { world, .. } = due(on, "2.00");
        let payment = world.announce(ALPHA).remove(0);
        world.exchange();
        world.transfer(ALPHA, &payment, eur("2.00"));
        world.credit(BETA, &payment, eur("2.00"));
        world.exchange();
        world.nodes[BETA].assert_ledger("creator:carol:available 2.00, suspense:unmatched 2.00");
        world.assert_nothing_was_refused();
    });
}

#[test]
fn money_that_comes_before_its_notice_waits_in_suspense() {
    on_both_databases(|on| {
        let Pair { world, .. } = due(on, "2.00");
        let beta = &world.nodes[BETA];
        let payment = world.announce(ALPHA).remove(0);
        world.transfer(ALPHA, &payment, eur("2.00"));
        beta.assert_ledger("suspense:unmatched 2.00, creator:carol:available 0.00");
        world.exchange();
        beta.assert_ledger("suspense:unmatched 0.00, creator:carol:available 2.00, due_from:alpha.example 0.00");
        assert_eq!(world.states(ALPHA, BETA, "2013-06"), (Some(State::Settled), Some(State::Settled)));
    });
}

#[test]
fn a_receipt_may_come_before_our_own_bank_shows_the_debit() {
    on_both_databases(|on| {
        let Pair { world, .. } = due(on, "2.00");
        let payment = world.announce(ALPHA).remove(0);
        world.exchange();
        world.credit(BETA, &payment, eur("2.00"));
        world.exchange();
        let books = "due_to:beta.example 0.00, bank:sandbox 98.00";
        world.nodes[ALPHA].assert_ledger(books);
        world.debit(ALPHA, &payment);
        world.nodes[ALPHA].assert_ledger(books);
        assert_eq!(world.states(ALPHA, BETA, "2013-06"), (Some(State::Settled), Some(State::Settled)));
    });
}

#[test]
fn less_than_a_cent_stays_open_and_is_paid_with_the_next_month() {
    on_both_databases(|on| {
        let Pair { world, alice, video, .. } = due(on, "1.006");
        let [alpha, beta] = &world.nodes[..] else { unreachable!("two nodes") };
        world.pay();
        alpha.assert_ledger("due_to:beta.example 0.006");
        beta.assert_ledger("creator:carol:available 1.00, creator:carol:promised:alpha.example 0.006");
        assert_eq!(world.states(ALPHA, BETA, "2013-06"), (Some(State::Agreed), Some(State::Agreed)));
        world.at("2013-07-25T00:00:00Z");
        let marked = alpha.flow(|tx, close| settle::mark_overdue(tx, close.now));
        assert_eq!(marked, 0, "less than one cent is never overdue");
        assert!(world.announce(ALPHA).is_empty());
        alpha.like(&alice, video);
        world.close_month("2013-07");
        world.exchange();
        world.at("2013-08-10T00:00:00Z");
        world.pay();
        // 1.006 + 0.006 = 1.012: the rest moves to the newest obligation.
        alpha.assert_ledger("due_to:beta.example 0.002");
        beta.assert_ledger("creator:carol:available 2.01, creator:carol:promised:alpha.example 0.002");
        assert_eq!(world.states(ALPHA, BETA, "2013-06"), (Some(State::Settled), Some(State::Settled)));
        world.assert_nothing_was_refused();
    });
}

#[test]
fn a_payment_that_is_slow_is_neither_paid_twice_nor_lost_when_it_becomes_overdue() {
    on_both_databases(|on| {
        let Pair { world, .. } = due(on, "2.00");
        let [alpha, beta] = &world.nodes[..] else { unreachable!("two nodes") };
        let payment = world.announce(ALPHA).remove(0);
        world.debit(ALPHA, &payment);
        world.exchange();
        world.at("2013-07-21T00:00:00Z");
        for node in &world.nodes {
            assert_eq!(node.flow(|tx, close| settle::mark_overdue(tx, close.now)), 1);
        }
        assert!(world.announce(ALPHA).is_empty(), "it is on its way");
        world.credit(BETA, &payment, eur("2.00"));
        world.exchange();
        assert_eq!(world.states(ALPHA, BETA, "2013-06"), (Some(State::Settled), Some(State::Settled)));
        beta.assert_ledger("creator:carol:available 2.00");
        alpha.assert_ledger("due_to:beta.example 0.00, bank:sandbox 98.00");
        world.assert_nothing_was_refused();
    });
}

#[test]
fn a_notice_that_is_lost_for_days_is_made_good_by_its_repeat() {
    on_both_databases(|on| {
        let Pair { world, .. } = due(on, "2.00");
        let payment = world.announce(ALPHA).remove(0);
        world.exchange_with(|_| Fate::Delayed);
        world.transfer(ALPHA, &payment, eur("2.00"));
        world.nodes[BETA].assert_ledger("suspense:unmatched 2.00");
        world.at("2013-07-18T00:00:00Z");
        world.release();
        world.nodes[BETA].assert_ledger("suspense:unmatched 0.00, creator:carol:available 2.00");
        world.assert_nothing_was_refused();
    });
}

#[test]
fn a_short_payment_is_divided_over_the_lines_by_what_each_has_open() {
    on_both_databases(|on| {
        let pair = pair(on, "3.00");
        let [alpha, beta] = &pair.world.nodes[..] else { unreachable!("two nodes") };
        let world = &pair.world;
        let dave = beta.creator("dave");
        for (object, number) in [("vimeo:20", 2), ("vimeo:21", 2)] {
            let video = alpha.object(&format!("vimeo:{number}"), object);
            beta.object("vimeo:2", object);
            alpha.like(&pair.alice, video);
        }
        beta.claim(&dave, "vimeo:2");
        alpha.hear_claim("vimeo:2", beta, &dave);
        world.close_month("2013-06");
        world.exchange();
        world.at("2013-07-10T00:00:00Z");
        let payment = world.announce(ALPHA).remove(0);
        world.transfer(ALPHA, &payment, eur("0.90"));
        world.exchange();
        beta.assert_ledger("creator:carol:available 0.30, creator:dave:available 0.60");
        world.pay_missing(ALPHA, &payment);
        world.pay();
        beta.assert_ledger("creator:carol:available 1.00, creator:dave:available 2.00");
        world.assert_nothing_was_refused();
    });
}
