//! What waits: rows of the inbox that were set aside or came too early, and channels that have to be read.

use super::node::TestNode;
use super::on_both_databases;
use super::world::World;
use crate::domain::time::Timestamp;
use crate::jobs::channels;
use crate::storage::inbox::{self, About, InboxRow, Received, Stored};
use crate::storage::settlement;

const BETA: &str = "https://beta.example/instance";

fn receive(node: &TestNode, id: &str, signer: &str, about: About) -> Stored {
    let received = Received {
        activity_uri: id.to_owned(),
        digest: format!("digest of {id}"),
        signer_uri: signer.to_owned(),
        body: "{}".to_owned(),
        received_at: node.now(),
        about,
    };
    node.flow(move |tx, _| inbox::store(tx, &received))
}

fn due(node: &TestNode, at: Timestamp) -> Vec<InboxRow> {
    node.read(move |tx| inbox::due(tx, at, 100))
}

fn due_ids(node: &TestNode, at: Timestamp) -> Vec<String> {
    due(node, at).into_iter().map(|row| row.activity_uri).collect()
}

#[test]
fn what_was_set_aside_is_read_again_when_its_sender_repeats_it_and_only_then() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let now = node.now();
        for id in ["refused", "done", "waiting"] {
            assert_eq!(receive(&node, id, BETA, About::Settlement), Stored::New);
        }
        for row in due(&node, now) {
            let state = match row.activity_uri.as_str() {
                "refused" => "quarantined",
                "done" => "done",
                _ => continue,
            };
            assert!(node.flow(move |tx, _| inbox::finish(tx, row.id, state, "why")));
        }
        let revive = |id: &'static str| node.flow(move |tx, _| inbox::revive(tx, id, "{\"again\":1}", now));
        assert!(!revive("done"), "what had its effect has it once");
        assert!(!revive("waiting") && !revive("unknown"));
        assert_eq!(due_ids(&node, now), ["waiting"]);
        assert!(revive("refused"));
        let rows = due(&node, now);
        let revived = rows.iter().find(|row| row.activity_uri == "refused").expect("it is due");
        assert_eq!((revived.body.as_str(), revived.attempts), ("{\"again\":1}", 0));
        assert!(!revive("refused"), "it is no longer set aside");
    });
}

#[test]
fn a_message_that_is_heard_wakes_what_its_sender_said_too_early_and_nothing_else() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let now = node.now();
        receive(&node, "early", BETA, About::Settlement);
        receive(&node, "like", BETA, About::Likes);
        receive(&node, "foreign", "https://gamma.example/instance", About::Settlement);
        let later = now.plus(std::time::Duration::from_secs(3_600));
        for row in due(&node, now) {
            node.flow(move |tx, _| inbox::postpone(tx, row.id, "a gap", later));
        }
        assert!(due_ids(&node, now).is_empty());
        node.flow(move |tx, _| inbox::wake(tx, BETA, now));
        assert_eq!(due_ids(&node, now), ["early"]);
        assert_eq!(due_ids(&node, later), ["early", "like", "foreign"]);
    });
}

/// How many channels a node has to read now.
fn to_read(node: &TestNode) -> usize {
    let now = node.now();
    node.read(move |tx| channels::due(tx, now)).len()
}

#[test]
fn a_channel_is_read_every_day_and_every_hour_while_the_peer_has_the_next_word() {
    on_both_databases(|on| {
        let world = World::on(on, &["alpha", "beta"]);
        let [alpha, beta] = &world.nodes[..] else { unreachable!("two nodes") };
        let alice = alpha.patron("alice").with_budget("2.00").build();
        let carol = beta.creator("carol");
        let repository = alpha.object("github:3", "github:30");
        beta.object("github:3", "github:30");
        beta.claim(&carol, "github:3");
        alpha.hear_claim("github:3", beta, &carol);
        alpha.like(&alice, repository);
        let read_all = || {
            let now = alpha.now();
            for at in [world.channel(0, 0, 1).id, world.channel(0, 1, 0).id] {
                alpha.flow(move |tx, _| settlement::set_pulled(tx, at, now));
            }
        };
        read_all();
        world.at("2013-06-03T11:00:00Z");
        assert_eq!(to_read(alpha), 0, "nobody waits, and it was read within the day");
        world.at("2013-06-03T13:00:00Z");
        assert_eq!(to_read(alpha), 2);
        world.close_month("2013-06");
        read_all();
        let hour_later = alpha.now().plus(std::time::Duration::from_secs(3_601));
        alpha.at_time(hour_later);
        assert_eq!(to_read(alpha), 1, "the statement that was offered waits for beta's answer");
        world.exchange();
        assert_eq!(to_read(alpha), 0, "it was answered");
    });
}
