//! Whose likes are read: only of accounts that are proved to be the patron's, or that the operator vouches for.

use super::node::{Patron, TestNode};
use super::on_both_databases;
use crate::domain::identity::ExternalId;
use crate::flows::prove_account::{self, ProveError, Standing};
use crate::storage::connections::{self, Connection};

const ACCOUNT: &str = "github:7";

fn account() -> ExternalId {
    ACCOUNT.parse().unwrap()
}

/// Begins to connect the account; returns the token of the proof.
fn begin(node: &TestNode, patron: &Patron) -> String {
    let (id, token) = (patron.id, format!("token-{}", patron.name));
    let begun = node.flow(move |tx, close| prove_account::begin(tx, id, &account(), "nils", &token, close.now));
    let Standing::Pending(proof) = begun else { panic!("{begun:?}") };
    proof.token
}

/// Looks at a profile that shows the addresses of these tokens.
fn look(node: &TestNode, token: &str, shown: &[&str]) -> Standing {
    let token = token.to_owned();
    let shown: Vec<String> = shown.iter().map(|token| prove_account::proof_url(&node.instance, token)).collect();
    node.flow(move |tx, close| {
        let shows = |address: &str| shown.iter().any(|shown| shown == address);
        prove_account::look(tx, close.instance, &token, &shows, close.now)
    })
}

fn trust(node: &TestNode, patron: &Patron) -> Result<Connection, ProveError> {
    let (id, token) = (patron.id, format!("trusted-{}", patron.name));
    node.try_flow(move |tx, close| prove_account::trust(tx, id, &account(), "nils", &token, close.now))
}

/// The patrons whose connections are read.
fn read_for(node: &TestNode) -> Vec<i64> {
    node.read(connections::connections).iter().map(|row| row.patron_id.0).collect()
}

#[test]
fn nothing_is_read_and_nobody_is_locked_out_before_the_profile_shows_the_address() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let (alice, ben) = (node.patron("alice").build(), node.patron("ben").build());
        let (hers, his) = (begin(&node, &alice), begin(&node, &ben));
        assert!(matches!(look(&node, &hers, &[]), Standing::Pending(_)));
        assert!(matches!(look(&node, &hers, &[&his]), Standing::Pending(_)));
        assert_eq!(read_for(&node), Vec::<i64>::new());
        assert!(matches!(look(&node, &his, &[&his, &hers]), Standing::Contested(_)));
        assert_eq!(read_for(&node), Vec::<i64>::new());
        assert!(matches!(look(&node, &his, &[&his]), Standing::Connected(_)));
        assert_eq!(read_for(&node), [ben.id.0]);
    });
}

#[test]
fn a_proof_takes_over_from_a_connection_whose_proof_is_gone_or_never_was() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let (alice, ben) = (node.patron("alice").build(), node.patron("ben").build());
        trust(&node, &alice).unwrap();
        assert!(matches!(trust(&node, &ben), Err(ProveError::Taken(_))));
        let his = begin(&node, &ben);
        assert!(matches!(look(&node, &his, &[&his]), Standing::Connected(_)));
        assert_eq!(read_for(&node), [ben.id.0]);
        let hers = begin(&node, &alice);
        assert!(matches!(look(&node, &hers, &[&hers, &his]), Standing::Contested(_)));
        assert_eq!(read_for(&node), [ben.id.0]);
        assert!(matches!(look(&node, &hers, &[&hers]), Standing::Connected(_)));
        assert_eq!(read_for(&node), [alice.id.0]);
        // The address may leave the profile once the proof is made.
        assert!(matches!(look(&node, &hers, &[]), Standing::Connected(_)));
    });
}

#[test]
fn disconnecting_forgets_what_was_read_and_keeps_what_was_flattred() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let alice = node.patron("alice").build();
        let (old, new) = (node.object("github:1", "github:10"), node.object("github:1", "github:11"));
        let first = trust(&node, &alice).unwrap().id;
        let listed = |object: crate::domain::id::ObjectId, is_baseline| connections::ListedLike {
            connection_id: first,
            object_id: object.0,
            liked_at: None,
            is_baseline,
            is_gone: false,
            seen_in_pass: 1,
        };
        let likes = [listed(old, true), listed(new, false)];
        node.flow(move |tx, _| connections::save_likes(tx, &likes));
        node.like(&alice, new);
        let id = alice.id;
        let end = move |tx: &mut crate::storage::Tx, close: &crate::flows::close_month::Close| {
            prove_account::disconnect_platform(tx, id, "github", close.now)
        };
        assert_eq!((node.flow(end), node.flow(end)), (1, 0));
        assert_eq!(read_for(&node), Vec::<i64>::new());
        let again = trust(&node, &alice).unwrap().id;
        assert_ne!(again, first, "a look that is still on its way must not find another connection");
        assert!(node.read(move |tx| connections::likes_not_seen_since(tx, again, i64::MAX)).is_empty());
        node.close_month("2013-06");
        node.assert_ledger("patron:alice:held:github:1 2.00");
    });
}
