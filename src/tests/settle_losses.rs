//! Settlement when messages are lost or late: nothing is owed that one side does not know of, and nothing is paid twice.

use std::cell::RefCell;

use super::on_both_databases;
use super::settle::{Pair, pair};
use super::world::{Fate, Letter};
use crate::domain::proof;
use crate::domain::settlement::State;
use crate::flows::hear::hear;
use crate::flows::settle;
use crate::storage::inbox::{self, About, Received};
use crate::storage::settlement;

const ALPHA: usize = 0;
const BETA: usize = 1;

fn is_accept_of_beta(letter: &Letter) -> bool {
    letter.kind == "accept" && letter.from == BETA
}

fn void_expired(pair: &Pair) -> Vec<String> {
    pair.world.nodes[ALPHA].flow(settle::void_expired)
}

#[test]
fn without_an_accept_in_time_the_shares_wait_and_the_next_statement_carries_them() {
    on_both_databases(|on| {
        let pair = pair(on, "2.00");
        let [alpha, beta] = &pair.world.nodes[..] else { unreachable!("two nodes") };
        let world = &pair.world;
        world.close_month("2013-06");
        world.exchange_with(|letter| if is_accept_of_beta(letter) { Fate::Delayed } else { Fate::Arrives });
        world.at("2013-07-08T23:59:59Z");
        assert!(void_expired(&pair).is_empty(), "an Accept that comes now still binds");
        world.at("2013-07-09T00:00:06Z");
        assert_eq!(void_expired(&pair), ["2013-06"]);
        assert!(void_expired(&pair).is_empty());
        alpha.assert_ledger(
            "due_to:beta.example 0.00, patron:alice:reserved:2013-06 0.00, patron:alice:held:vimeo:1 2.00",
        );
        // The late Accept meets the void.
        world.release();
        assert_eq!(world.states(ALPHA, BETA, "2013-06"), (Some(State::Voided), Some(State::Voided)));
        beta.assert_ledger("creator:carol:promised:alpha.example 0.00, due_from:alpha.example 0.00");
        // In July alice likes the same video again: a line of its own for June.
        alpha.like(&pair.alice, pair.video);
        world.close_month("2013-07");
        let statement = world.statement(ALPHA, ALPHA, BETA, "2013-07").expect("a statement");
        let lines = alpha.read(move |tx| settlement::lines(tx, statement.id, 0, 10));
        let mut lines: Vec<_> = lines.into_iter().map(|line| (line.origin_month, line.units)).collect();
        lines.sort();
        assert_eq!(lines, [(None, 2_000_000), (Some("2013-06".to_owned()), 2_000_000)]);
        world.exchange();
        world.at("2013-08-10T00:00:00Z");
        world.pay();
        assert_eq!(world.states(ALPHA, BETA, "2013-07"), (Some(State::Settled), Some(State::Settled)));
        beta.assert_ledger("creator:carol:available 4.00");
        alpha.assert_ledger("patron:alice:held:vimeo:1 0.00, patron:alice:available 96.00");
        world.assert_nothing_was_refused();
    });
}

#[test]
fn a_late_accept_that_meets_no_void_yet_is_answered_by_one() {
    on_both_databases(|on| {
        let pair = pair(on, "2.00");
        let world = &pair.world;
        world.close_month("2013-06");
        world.exchange_with(|letter| if is_accept_of_beta(letter) { Fate::Delayed } else { Fate::Arrives });
        world.at("2013-07-09T00:00:06Z");
        world.release();
        assert_eq!(world.states(ALPHA, BETA, "2013-06"), (Some(State::Voided), Some(State::Voided)));
        world.nodes[ALPHA].assert_ledger("patron:alice:held:vimeo:1 2.00, due_to:beta.example 0.00");
        world.assert_nothing_was_refused();
    });
}

#[test]
fn an_accept_at_the_last_moment_binds() {
    on_both_databases(|on| {
        let pair = pair(on, "2.00");
        let world = &pair.world;
        world.close_month("2013-06");
        world.exchange_with(|letter| if is_accept_of_beta(letter) { Fate::Delayed } else { Fate::Arrives });
        world.at("2013-07-08T23:59:59Z");
        world.release();
        assert_eq!(world.states(ALPHA, BETA, "2013-06"), (Some(State::Agreed), Some(State::Agreed)));
        world.at("2013-07-09T00:00:06Z");
        assert!(void_expired(&pair).is_empty(), "what is bound is never withdrawn");
    });
}

#[test]
fn an_accept_that_was_stored_in_time_binds_however_late_it_is_processed() {
    on_both_databases(|on| {
        let pair = pair(on, "2.00");
        let [alpha, beta] = &pair.world.nodes[..] else { unreachable!("two nodes") };
        let world = &pair.world;
        world.close_month("2013-06");
        let accept = RefCell::new(None);
        world.exchange_with(|letter| {
            if !is_accept_of_beta(letter) {
                return Fate::Arrives;
            }
            accept.replace(Some(letter.clone()));
            Fate::Lost
        });
        let accept = accept.take().expect("beta accepted");
        world.at("2013-07-08T23:59:50Z");
        let heard_at = alpha.now();
        let received = Received {
            activity_uri: accept.uri.clone(),
            digest: proof::digest(&accept.document),
            signer_uri: beta.instance.uri(),
            body: accept.document.to_string(),
            received_at: heard_at,
            about: About::Settlement,
        };
        alpha.flow(move |tx, _| inbox::store(tx, &received));
        world.at("2013-07-09T03:00:00Z");
        assert!(void_expired(&pair).is_empty(), "what was stored in time is heard first");
        let (document, signer) = (accept.document.clone(), beta.instance.uri());
        alpha.flow(move |tx, close| hear(tx, close, &document, &signer, heard_at, None));
        world.exchange();
        assert_eq!(world.states(ALPHA, BETA, "2013-06"), (Some(State::Agreed), Some(State::Agreed)));
    });
}

#[test]
fn a_message_that_can_never_be_heard_does_not_keep_a_statement_alive() {
    on_both_databases(|on| {
        let pair = pair(on, "2.00");
        let [alpha, beta] = &pair.world.nodes[..] else { unreachable!("two nodes") };
        let world = &pair.world;
        world.close_month("2013-06");
        world.exchange_with(|letter| if is_accept_of_beta(letter) { Fate::Lost } else { Fate::Arrives });
        let received = Received {
            activity_uri: "https://beta.example/channels/beta.example/alpha.example/EUR/99".to_owned(),
            digest: "sha-256:99".to_owned(),
            signer_uri: beta.instance.uri(),
            body: "{}".to_owned(),
            received_at: alpha.now(),
            about: About::Settlement,
        };
        alpha.flow(move |tx, _| inbox::store(tx, &received));
        world.at("2013-07-09T23:59:59Z");
        assert!(void_expired(&pair).is_empty());
        world.at("2013-07-10T00:00:00Z");
        assert_eq!(void_expired(&pair), ["2013-06"], "from the due day on nothing is waited for");
        alpha.assert_ledger("patron:alice:held:vimeo:1 2.00, due_to:beta.example 0.00");
    });
}

#[test]
fn shares_that_came_back_keep_their_first_expiry() {
    on_both_databases(|on| {
        let pair = pair(on, "2.00");
        let [alpha, _] = &pair.world.nodes[..] else { unreachable!("two nodes") };
        let world = &pair.world;
        for month in ["2013-06", "2013-07", "2013-08"] {
            world.close_month(month);
            world.exchange_with(|letter| if is_accept_of_beta(letter) { Fate::Lost } else { Fate::Arrives });
            let deadline = month.parse::<crate::domain::time::Month>().unwrap().accept_deadline();
            alpha.at_time(deadline.plus(std::time::Duration::from_secs(6)));
            assert_eq!(void_expired(&pair), [month]);
            alpha.assert_ledger("patron:alice:held:vimeo:1 2.00");
        }
        world.close_month("2013-09");
        assert!(world.statement(ALPHA, ALPHA, BETA, "2013-09").is_none(), "its time is over on 1 October");
        assert_eq!(alpha.expire(), 1);
        alpha.assert_ledger("patron:alice:available 100.00, patron:alice:held:vimeo:1 0.00");
    });
}

#[test]
fn a_lost_message_is_repeated_with_the_same_bytes_and_then_all_goes_on() {
    on_both_databases(|on| {
        let pair = pair(on, "2.00");
        let world = &pair.world;
        world.close_month("2013-06");
        let mut kept = Vec::new();
        // The first attempt of every message is lost.
        for _ in 0..8 {
            let letters = world.collect();
            kept.extend(letters.clone());
            world.deliver_all(letters);
        }
        assert_eq!(world.states(ALPHA, BETA, "2013-06"), (Some(State::Agreed), Some(State::Agreed)));
        let heads = world.journal_heads();
        assert!(world.deliver_all(kept).is_empty());
        assert!(world.collect().is_empty(), "a repeat is not answered by anything new");
        assert_eq!(world.journal_heads(), heads);
    });
}

/// Beta rejects, its Reject is slow, alpha withdraws: both are right, and the channel must go on.
#[test]
fn a_reject_and_a_void_that_cross_do_not_block_the_channel() {
    on_both_databases(|on| {
        let pair = pair(on, "2.00");
        let [alpha, beta] = &pair.world.nodes[..] else { unreachable!("two nodes") };
        let world = &pair.world;
        // Carol's claim at beta has moved to dave, so beta cannot accept a line for carol.
        let dave = beta.creator("dave");
        beta.claim(&dave, "vimeo:1");
        world.close_month("2013-06");
        world.exchange_with(|letter| if letter.kind == "reject" { Fate::Delayed } else { Fate::Arrives });
        world.at("2013-07-09T00:00:06Z");
        assert_eq!(void_expired(&pair), ["2013-06"]);
        world.exchange();
        world.release();
        world.assert_nothing_was_refused();
        assert_eq!(world.states(ALPHA, BETA, "2013-06"), (Some(State::Voided), None));
        // When alpha has seen the new claim, July's statement pays dave for June.
        alpha.hear_claim("vimeo:1", beta, &dave);
        world.close_month("2013-07");
        world.exchange();
        world.at("2013-08-10T00:00:00Z");
        world.pay();
        beta.assert_ledger("creator:dave:available 2.00, creator:carol:available 0.00");
        world.assert_nothing_was_refused();
    });
}

#[test]
fn shares_that_came_back_go_to_a_creator_who_has_moved_here_meanwhile() {
    on_both_databases(|on| {
        let pair = pair(on, "2.00");
        let [alpha, _] = &pair.world.nodes[..] else { unreachable!("two nodes") };
        let world = &pair.world;
        world.close_month("2013-06");
        let carol = alpha.creator("carol");
        alpha.claim(&carol, "vimeo:1");
        alpha.assert_ledger("creator:carol:available 0.00");
        alpha.at("2013-07-09T00:00:06Z");
        assert_eq!(void_expired(&pair), ["2013-06"]);
        world.close_month("2013-07");
        alpha.assert_ledger("creator:carol:available 2.00, patron:alice:held:vimeo:1 0.00");
    });
}

#[test]
fn what_is_not_paid_becomes_overdue_then_defaulted_and_can_still_be_paid() {
    on_both_databases(|on| {
        let pair = pair(on, "2.00");
        let world = &pair.world;
        let mark = || world.nodes.iter().map(|node| node.flow(|tx, close| settle::mark_overdue(tx, close.now))).sum();
        world.close_month("2013-06");
        world.exchange();
        for (time, marked, state) in [
            ("2013-07-19T23:59:59Z", 0, State::Agreed),
            ("2013-07-20T00:00:00Z", 2, State::Overdue),
            ("2013-08-08T23:59:59Z", 0, State::Overdue),
            ("2013-08-09T00:00:00Z", 2, State::Defaulted),
            ("2013-08-10T00:00:00Z", 0, State::Defaulted),
        ] {
            world.at(time);
            let now_marked: usize = mark();
            assert_eq!(now_marked, marked, "{time}");
            assert_eq!(world.states(ALPHA, BETA, "2013-06"), (Some(state), Some(state)), "{time}");
        }
        world.pay();
        assert_eq!(world.states(ALPHA, BETA, "2013-06"), (Some(State::Settled), Some(State::Settled)));
        world.nodes[BETA].assert_ledger("creator:carol:available 2.00");
    });
}
