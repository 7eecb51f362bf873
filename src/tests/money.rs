//! Real money in and out: deposits, suspense, payouts.

use super::node::TestNode;
use super::{Backend, eur, on_both_databases};
use crate::flows::fund::{self, Booked, FundError};
use crate::flows::pay_out::{self, PayOutError};

/// A node whose creator carol has 12.34 and half a cent available.
fn rich_creator(on: Backend) -> (TestNode, super::node::Creator) {
    let node = TestNode::on(on);
    let alice = node.patron("alice").with_budget("12.345").build();
    let carol = node.creator("carol");
    let video = node.object("vimeo:1", "vimeo:10");
    node.claim(&carol, "vimeo:1");
    node.like(&alice, video);
    node.close_month("2013-06");
    (node, carol)
}

#[test]
fn a_movement_is_booked_once_however_often_it_is_read() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let alice = node.patron("alice").deposited("0.00").build();
        let movement = node.movement("m-1", eur("3.00"), "FF-1-ALICE");
        assert_eq!(node.book(movement.clone()), Booked::Deposit(alice.id));
        assert_eq!(node.book(movement.clone()), Booked::Known);
        node.reopen();
        assert_eq!(node.book(movement), Booked::Known);
        node.assert_ledger("patron:alice:available 3.00, bank:sandbox 3.00");
    });
}

#[test]
fn money_that_nobody_named_goes_to_suspense() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        node.patron("alice").deposited("0.00").build();
        assert_eq!(node.book(node.movement("m-1", eur("3.00"), "thanks!")), Booked::Suspense);
        node.assert_ledger("suspense:unmatched 3.00, patron:alice:available 0.00, bank:sandbox 3.00");
        let negative = node.movement("m-2", eur("-3.00"), "FF-1-ALICE");
        let refused = node.try_flow(move |tx, close| fund::book_incoming(tx, &negative, close.now));
        assert!(matches!(refused, Err(FundError::NotPositive(_))));
    });
}

#[test]
fn a_payout_is_reserved_exported_and_confirmed_and_the_half_cent_stays() {
    on_both_databases(|on| {
        let (node, carol) = rich_creator(on);
        let reference = node.request_payout(&carol).unwrap();
        node.assert_ledger("creator:carol:available 0.005, creator:carol:payout 12.34");
        assert!(matches!(node.request_payout(&carol), Err(PayOutError::BelowMinimum { .. })));
        let sent = reference.clone();
        node.flow(move |tx, _| pay_out::exported(tx, &sent));
        assert_eq!(node.payout_state(&reference), "exported");
        for is_first in [true, false] {
            let sent = reference.clone();
            assert_eq!(node.flow(move |tx, close| pay_out::confirmed(tx, &sent, close.now)), is_first);
        }
        node.assert_ledger("creator:carol:payout 0.00, bank:sandbox 0.005");
    });
}

#[test]
fn a_payout_that_the_bank_returns_is_available_again_once() {
    on_both_databases(|on| {
        for was_confirmed in [true, false] {
            let (node, carol) = rich_creator(on);
            let reference = node.request_payout(&carol).unwrap();
            let sent = reference.clone();
            node.flow(move |tx, close| -> Result<(), PayOutError> {
                pay_out::exported(tx, &sent)?;
                if was_confirmed {
                    pay_out::confirmed(tx, &sent, close.now)?;
                }
                Ok(())
            });
            for is_first in [true, false] {
                let sent = reference.clone();
                assert_eq!(node.flow(move |tx, close| pay_out::returned(tx, &sent, close.now)), is_first);
            }
            let sent = reference.clone();
            assert!(!node.flow(move |tx, close| pay_out::confirmed(tx, &sent, close.now)));
            node.assert_ledger("creator:carol:available 12.345, creator:carol:payout 0.00, bank:sandbox 12.345");
            let again = node.request_payout(&carol).unwrap();
            assert_ne!(again, reference, "a new payout has a reference of its own");
        }
    });
}

#[test]
fn a_payout_needs_an_account_a_minimum_and_something_to_pay() {
    on_both_databases(|on| {
        let node = TestNode::with(on, "alpha.example", |policy| policy.minimum_payout = eur("0.00"));
        let carol = node.creator("carol");
        assert!(matches!(node.request_payout(&carol), Err(PayOutError::BelowMinimum { .. })));
        let stranger = super::node::Creator { name: "nobody".to_owned(), ..carol };
        assert!(matches!(node.request_payout(&stranger), Err(PayOutError::NoSuchCreator(_))));
    });
}

#[test]
fn a_budget_below_the_minimum_or_in_another_currency_is_refused() {
    on_both_databases(|on| {
        let node = TestNode::with(on, "alpha.example", |policy| policy.minimum_budget = eur("2.00"));
        node.patron("alice").build();
        let krona = crate::domain::money::Amount::parse("20", "SEK".parse().unwrap()).unwrap();
        for budget in [eur("1.999999"), krona] {
            let refused = node.try_flow(move |tx, close| fund::set_budget(tx, close.instance, "alice", budget));
            assert!(matches!(refused, Err(FundError::Budget(_))));
        }
        node.flow(|tx, close| fund::set_budget(tx, close.instance, "alice", eur("5.00")));
    });
}
