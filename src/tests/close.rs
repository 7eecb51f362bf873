//! A close that is interrupted gives the same bytes as one that is not.

use super::node::TestNode;
use super::{Backend, on_both_databases};
use crate::domain::time::Month;
use crate::flows::close_month::Progress;
use crate::storage::inbox::{self, About, Received};
use crate::storage::{Error, months};

const JUNE: &str = "2013-06";

/// A node with many patrons (several batches), claimed, unclaimed and authorless posts, and fees.
fn busy_node(on: Backend) -> TestNode {
    let node = TestNode::with(on, "alpha.example", |policy| policy.patron_fee_basis_points = 250);
    let objects: Vec<_> = (0..5).map(|n| node.object(&format!("vimeo:{}", n % 3), &format!("vimeo:{n}"))).collect();
    let orphan = node.orphan("flickr:99");
    for number in 0..103 {
        let patron = node.patron(&format!("patron_{number}")).with_budget("1.00").build();
        if number % 7 == 0 {
            for object in &objects[..number % 5] {
                node.like(&patron, *object);
            }
            node.like(&patron, orphan);
        }
    }
    let carol = node.creator("carol");
    node.claim(&carol, "vimeo:1");
    node
}

fn commitment(node: &TestNode) -> String {
    let month: Month = JUNE.parse().unwrap();
    node.read(move |tx| months::month(tx, month)).expect("the month").commitment.expect("it is closed")
}

#[test]
fn a_close_interrupted_after_every_step_gives_the_same_bytes() {
    on_both_databases(|on| {
        let straight = busy_node(on);
        straight.close_month(JUNE);

        let crashing = busy_node(on);
        let month: Month = JUNE.parse().unwrap();
        let mut steps = 0;
        for time in [month.cut_off(), month.freeze()] {
            crashing.at_time(time);
            while let Progress::Done { .. } = crashing.step() {
                steps += 1;
                crashing.reopen();
                // The random bytes of a later attempt must not matter: the seed was stored with the freeze.
                if crashing.read(move |tx| months::month(tx, month)).is_some_and(|row| row.seed.is_some()) {
                    crashing.seed.set([steps; 32]);
                }
            }
        }
        assert!(steps > 7, "several batches of patrons were handled, in {steps} steps");
        assert_eq!(crashing.journal_head(), straight.journal_head());
        assert_eq!(commitment(&crashing), commitment(&straight));
    });
}

#[test]
fn both_databases_give_the_same_bytes() {
    if !super::postgres::is_installed() {
        return super::say_skipped();
    }
    let [sqlite, postgres] = [Backend::Sqlite, Backend::Postgres].map(busy_node);
    for node in [&sqlite, &postgres] {
        node.close_month(JUNE);
        node.close_month("2013-07");
    }
    assert_eq!(sqlite.journal_head(), postgres.journal_head());
    assert_eq!(commitment(&sqlite), commitment(&postgres));
}

#[test]
fn the_freeze_waits_for_activities_that_came_before_it() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        node.patron("alice").build();
        let month: Month = JUNE.parse().unwrap();
        node.at("2013-07-03T23:59:59Z").run_steps();
        let received = Received {
            activity_uri: "https://beta.example/likes/1".to_owned(),
            digest: "sha-256:1".to_owned(),
            signer_uri: "https://beta.example/users/bob".to_owned(),
            body: "{}".to_owned(),
            received_at: node.now(),
            about: About::Likes,
        };
        let row = node.flow(move |tx, close| -> Result<i64, Error> {
            inbox::store(tx, &received)?;
            Ok(inbox::due(tx, close.now, 1)?[0].id)
        });
        node.at_time(month.freeze());
        assert_eq!(node.run_steps(), Progress::WaitingForInbox { month, open: 1 });
        node.flow(move |tx, _| inbox::finish(tx, row, "done", "ignored"));
        node.run_steps();
        commitment(&node);
    });
}

#[test]
fn no_message_of_a_channel_holds_a_freeze() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        node.patron("alice").build();
        node.at("2013-07-03T23:59:59Z").run_steps();
        // Nobody can say when the message before it will come, if ever.
        let received = Received {
            activity_uri: "https://mallory.example/channels/mallory.example/alpha.example/EUR/2".to_owned(),
            digest: "sha-256:2".to_owned(),
            signer_uri: "https://mallory.example/instance".to_owned(),
            body: "{}".to_owned(),
            received_at: node.now(),
            about: About::Settlement,
        };
        node.flow(move |tx, close| -> Result<(), Error> {
            inbox::store(tx, &received)?;
            let row = inbox::due(tx, close.now, 1)?.remove(0);
            inbox::postpone(tx, row.id, "waiting for what is between", close.now)
        });
        node.close_month(JUNE);
        commitment(&node);
    });
}

#[test]
fn months_are_closed_in_order_when_an_instance_was_down_for_long() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let alice = node.patron("alice").deposited("6.00").build();
        let video = node.object("vimeo:1", "vimeo:10");
        node.like(&alice, video);
        node.at("2013-09-20T00:00:00Z");
        let waiting = node.run_steps();
        let september: Month = "2013-09".parse().unwrap();
        assert_eq!(waiting, Progress::Waiting { month: september, until: september.cut_off() });
        node.assert_ledger("patron:alice:held:vimeo:1 2.00, patron:alice:available 4.00");
        let stages = node.read(months::months);
        assert!(stages.iter().all(|row| row.stage == "closed"));
        assert_eq!(stages.len(), 3);
    });
}

#[test]
fn an_instance_without_patrons_has_nothing_to_close() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        assert_eq!(node.at("2013-09-20T00:00:00Z").step(), Progress::Idle);
    });
}
