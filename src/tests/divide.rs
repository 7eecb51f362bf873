//! A patron's month: what counts, and how it is divided.

use super::node::TestNode;
use super::{eur, on_both_databases};
use crate::domain::flattr::{Source, Standing};
use crate::domain::id::ObjectId;
use crate::domain::money::{Amount, Currency};
use crate::domain::time::Month;
use crate::flows::flattr::{self, PatronLike, Recorded};
use crate::storage::{likes, months};

/// The units of a patron's shares of June 2013, in the order of the likes.
fn shares(node: &TestNode, patron: &super::node::Patron) -> Vec<i64> {
    let id = patron.id;
    let month: Month = "2013-06".parse().unwrap();
    let details = node.read(move |tx| months::shares_of_patron(tx, id, month));
    details.into_iter().map(|detail| detail.share.units).collect()
}

#[test]
fn a_patrons_month_ends_with_shares_that_sum_to_the_budget() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let alice = node.patron("alice").with_budget("2.00").deposited("5.00").build();
        let carol = node.creator("carol");
        for number in 0..7 {
            let object = node.object(if number < 3 { "vimeo:1" } else { "github:2" }, &format!("vimeo:{number}"));
            node.like(&alice, object);
        }
        node.claim(&carol, "vimeo:1");
        node.close_month("2013-06");
        let shares = shares(&node, &alice);
        assert_eq!(shares.len(), 7);
        assert_eq!(shares.iter().sum::<i64>(), eur("2.00").units());
        assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1);
        let carols: i64 = shares[..3].iter().sum();
        assert_eq!(node.balance("creator:carol:available"), Amount::from_units(carols, Currency::EUR));
        node.assert_ledger("patron:alice:available 3.00, patron:alice:reserved:2013-06 0.00, bank:sandbox 5.00");
        let held = eur("2.00").checked_sub(node.balance("creator:carol:available")).unwrap();
        assert_eq!(node.balance("patron:alice:held:github:2"), held);
    });
}

#[test]
fn a_repeated_like_counts_once() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let alice = node.patron("alice").build();
        let (video, other) = (node.object("vimeo:1", "vimeo:10"), node.object("vimeo:2", "vimeo:20"));
        assert!(matches!(node.like(&alice, video), Recorded::New { .. }));
        for _ in 0..3 {
            assert!(matches!(node.like(&alice, video), Recorded::Known { .. }));
        }
        node.like(&alice, other);
        node.close_month("2013-06");
        assert_eq!(shares(&node, &alice), [1_000_000, 1_000_000]);
    });
}

#[test]
fn a_like_taken_back_before_the_freeze_costs_nothing_and_after_it_changes_nothing() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let alice = node.patron("alice").build();
        let (gone, kept) = (node.object("vimeo:1", "vimeo:10"), node.object("vimeo:2", "vimeo:20"));
        node.like(&alice, gone);
        node.like(&alice, kept);
        node.at("2013-07-03T23:59:59Z").unlike(&alice, gone);
        node.close_month("2013-06");
        node.assert_ledger("patron:alice:held:vimeo:2 2.00, patron:alice:held:vimeo:1 0.00");
        node.unlike(&alice, kept);
        node.assert_ledger("patron:alice:held:vimeo:2 2.00");
    });
}

#[test]
fn undo_and_like_again_is_one_flattr() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let alice = node.patron("alice").build();
        let video = node.object("vimeo:1", "vimeo:10");
        node.like(&alice, video);
        node.unlike(&alice, video);
        let again = node.like(&alice, video);
        assert!(matches!(again, Recorded::Known { standing: Standing::Counting, .. }));
        node.close_month("2013-06");
        assert_eq!(shares(&node, &alice), [2_000_000]);
    });
}

#[test]
fn a_like_of_the_old_month_still_counts_in_the_grace_window_and_not_after_it() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let alice = node.patron("alice").build();
        let (early, late, new) = (
            node.object("vimeo:1", "vimeo:10"),
            node.object("vimeo:2", "vimeo:20"),
            node.object("vimeo:3", "vimeo:30"),
        );
        let month = |recorded: Recorded| match recorded {
            Recorded::New { month, .. } => month.to_string(),
            other => panic!("{other:?}"),
        };
        node.at("2013-07-01T00:00:00Z").run_steps();
        node.at("2013-07-03T23:59:59Z");
        assert_eq!(month(node.like_of(&alice, early, "2013-06-30T23:59:59Z")), "2013-06");
        assert_eq!(month(node.like_of(&alice, new, "2013-07-01T00:00:00Z")), "2013-07");
        node.at("2013-07-04T00:00:00Z");
        assert_eq!(month(node.like_of(&alice, late, "2013-06-30T23:59:59Z")), "2013-07");
        node.close_month("2013-06");
        assert_eq!(shares(&node, &alice), [2_000_000]);
    });
}

#[test]
fn a_like_and_the_freeze_come_one_after_the_other() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let alice = node.patron("alice").deposited("10.00").build();
        node.like(&alice, node.object("vimeo:1", "vimeo:10"));
        let late = node.object("vimeo:1", "vimeo:11");
        node.at("2013-07-03T23:59:59Z").run_steps();
        let like = PatronLike {
            patron: alice.id,
            object: late,
            source: Source::Platform,
            received_at: node.now(),
            liked_at: Some("2013-06-30T12:00:00Z".parse().expect("a time")),
            like_uri: None,
        };
        node.at("2013-07-04T00:00:00Z");
        // The like is written and not yet committed when the freeze begins.
        let (written, is_written) = std::sync::mpsc::channel();
        let database = node.database();
        let like = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            runtime.block_on(database.write(move |tx| {
                let recorded = flattr::record(tx, &like);
                written.send(()).expect("the test waits");
                std::thread::sleep(std::time::Duration::from_millis(300));
                recorded
            }))
        });
        is_written.recv().expect("the like is written");
        node.run_steps();
        let recorded = like.join().expect("the like ends").expect("it is recorded");
        assert!(matches!(recorded, flattr::Recorded::New { .. }), "{recorded:?}");
        node.assert_ledger("patron:alice:held:vimeo:1 2.00");
        assert_eq!(node.problems(), Vec::<String>::new(), "every flattr of June has its share");
    });
}

#[test]
fn the_audit_sees_a_like_or_an_undoing_that_raced_the_freeze() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let alice = node.patron("alice").deposited("10.00").build();
        let video = node.object("vimeo:1", "vimeo:10");
        let other = node.object("vimeo:1", "vimeo:11");
        node.like(&alice, video);
        node.like(&alice, other);
        node.flow(move |tx, close| flattr::take_back(tx, alice.id, other, close.now));
        node.close_month("2013-06");
        let swap = |from: &'static str, to: &'static str, object: ObjectId| {
            node.flow(move |tx, _| -> Result<(), crate::storage::Error> {
                let known = likes::latest_flattr(tx, alice.id, object)?.expect("a flattr");
                assert_eq!(known.standing, from);
                likes::set_standing(tx, known.id, Standing::parse(to).expect("a standing"), None)
            });
        };
        swap("counting", "taken_back", video);
        assert_eq!(node.problems(), ["1 shares of 2013-06 are of flattrs that do not count"]);
        swap("taken_back", "counting", video);
        swap("taken_back", "counting", other);
        assert_eq!(node.problems(), ["1 flattrs of 2013-06 count and have no share"]);
        swap("counting", "taken_back", other);
    });
}

#[test]
fn a_month_that_is_frozen_takes_no_like_even_if_the_clock_runs_back() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let alice = node.patron("alice").build();
        let video = node.object("vimeo:1", "vimeo:10");
        node.close_month("2013-06");
        let recorded = node.at("2013-06-30T12:00:00Z").like(&alice, video);
        assert!(matches!(recorded, Recorded::New { month, .. } if month.to_string() == "2013-07"));
    });
}

#[test]
fn a_struck_out_flattr_does_not_come_back_when_the_like_is_seen_again() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let alice = node.patron("alice").build();
        let (struck, kept) = (node.object("vimeo:1", "vimeo:10"), node.object("vimeo:2", "vimeo:20"));
        node.like(&alice, struck);
        node.like(&alice, kept);
        node.strike_out(&alice, struck);
        assert!(matches!(node.like(&alice, struck), Recorded::Known { standing: Standing::Struck, .. }));
        node.close_month("2013-06");
        assert_eq!(shares(&node, &alice), [2_000_000]);
        let missing = node.orphan("vimeo:99");
        let id = alice.id;
        let refused = node.try_flow(move |tx, close| flattr::strike_out(tx, id, missing, close.now));
        assert!(matches!(refused, Err(flattr::FlattrError::NoSuchFlattr)));
    });
}

#[test]
fn own_objects_never_count_even_when_they_were_claimed_after_the_like() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let alice = node.patron("alice").build();
        let id = alice.id;
        let login = node.read(move |tx| crate::storage::people::patron(tx, id)).unwrap().login_id;
        let (before, after, other) = (
            node.object("vimeo:1", "vimeo:10"),
            node.object("vimeo:1", "vimeo:11"),
            node.object("vimeo:2", "vimeo:20"),
        );
        node.like(&alice, before);
        node.claim_by_login(login, "vimeo:1");
        assert!(matches!(node.like(&alice, after), Recorded::New { standing: Standing::Own, .. }));
        node.like(&alice, other);
        node.close_month("2013-06");
        assert_eq!(shares(&node, &alice), [2_000_000]);
        node.assert_ledger("patron:alice:held:vimeo:2 2.00");
    });
}

#[test]
fn a_month_without_likes_spends_nothing_and_takes_no_fee() {
    on_both_databases(|on| {
        let node = TestNode::with(on, "alpha.example", |policy| policy.patron_fee_basis_points = 1_000);
        node.patron("alice").deposited("3.00").build();
        node.at("2013-07-01T00:00:00Z").run_steps();
        node.assert_ledger("patron:alice:available 1.00, patron:alice:reserved:2013-06 2.00");
        node.close_month("2013-06");
        node.assert_ledger("patron:alice:available 3.00, patron:alice:reserved:2013-06 0.00, fee:patron 0.00");
    });
}

#[test]
fn a_patron_with_less_than_the_budget_has_a_partial_month() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let alice = node.patron("alice").with_budget("5.00").deposited("1.50").build();
        let bob = node.patron("bob").with_budget("5.00").deposited("0.00").build();
        let video = node.object("vimeo:1", "vimeo:10");
        node.like(&alice, video);
        node.like(&bob, video);
        node.close_month("2013-06");
        assert_eq!(shares(&node, &alice), [1_500_000]);
        assert_eq!(shares(&node, &bob), Vec::<i64>::new());
        let id = alice.id;
        let budget = node.read(move |tx| months::budget(tx, "2013-06".parse().unwrap(), id)).unwrap();
        assert!(budget.is_partial);
    });
}

#[test]
fn what_happens_after_the_cut_off_belongs_to_the_new_month() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let alice = node.patron("alice").with_budget("2.00").deposited("1.00").build();
        let video = node.object("vimeo:1", "vimeo:10");
        node.like(&alice, video);
        node.at("2013-07-01T00:00:00Z").run_steps();
        node.deposit(&alice, eur("9.00"));
        let bob = node.patron("bob").build();
        assert!(matches!(node.like_of(&bob, video, "2013-06-30T00:00:00Z"), Recorded::New { .. }));
        node.close_month("2013-06");
        node.assert_ledger("patron:alice:available 9.00, patron:alice:held:vimeo:1 1.00, patron:bob:available 2.00");
    });
}

#[test]
fn fees_are_taken_once_and_gross_is_net_plus_fee() {
    on_both_databases(|on| {
        let node = TestNode::with(on, "alpha.example", |policy| {
            policy.patron_fee_basis_points = 500;
            policy.creator_fee_basis_points = 1_000;
        });
        let alice = node.patron("alice").with_budget("2.00").build();
        let carol = node.creator("carol");
        for number in 0..3 {
            let object = node.object("vimeo:1", &format!("vimeo:{number}"));
            node.like(&alice, object);
        }
        node.claim(&carol, "vimeo:1");
        node.close_month("2013-06");
        assert_eq!(shares(&node, &alice).iter().sum::<i64>(), eur("1.90").units());
        node.assert_ledger("fee:patron 0.10, fee:creator 0.19, creator:carol:available 1.71");
    });
}

#[test]
fn the_preview_of_a_month_is_what_the_close_then_pays() {
    on_both_databases(|on| {
        let node = TestNode::with(on, "alpha.example", |policy| policy.patron_fee_basis_points = 333);
        let alice = node.patron("alice").with_budget("1.00").build();
        for number in 0..6 {
            let object = node.object("vimeo:1", &format!("vimeo:{number}"));
            node.like(&alice, object);
        }
        let id = alice.id;
        let preview = node.flow(move |tx, close| {
            let patron = crate::storage::people::patron(tx, id)?.expect("alice");
            let month = "2013-06".parse().unwrap();
            crate::flows::close_month::preview(tx, close.instance, &patron, month)
        });
        node.close_month("2013-06");
        let previewed: Vec<i64> = preview.into_iter().map(|(_, amount)| amount.units()).collect();
        assert_eq!(previewed, shares(&node, &alice));
    });
}
