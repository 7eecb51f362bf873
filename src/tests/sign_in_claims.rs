//! Claims by signing in, in the books and between instances: what stands, what ends, and whose word is taken.

use std::time::Duration;

use super::node::{Creator, TestNode};
use super::world::World;
use super::{Backend, eur, on_both_databases};
use crate::domain::identity::{ExternalId, Platform};
use crate::domain::time::Timestamp;
use crate::flows::claim::{self, ANSWER_AGE, Look, SIGN_IN_AGE, Seen};
use crate::flows::pay_out::{self, PayOutError};
use crate::flows::settle;
use crate::storage::connections::{self, NewClaimCheck};
use crate::storage::identities::{self, Claim};
use crate::storage::{claims, outbox, settlement};

const ACCOUNT: &str = "vimeo:1";
const DAY: Duration = Duration::from_secs(24 * 3_600);

fn account() -> ExternalId {
    ACCOUNT.parse().unwrap()
}

/// A creator comes back from the platform, and the profile is looked at: it shows these addresses.
fn sign_in(node: &TestNode, creator: &Creator, shown: &[&str]) -> Seen {
    let (login, token) = (creator.login, format!("token-{}-{ACCOUNT}", creator.login));
    node.flow(move |tx, close| {
        claim::sign_in(tx, close.instance, login, &account(), &token, close.now, close.now).map(|_| ())
    });
    node.look(ACCOUNT, shown)
}

fn withdraw(node: &TestNode, creator: &Creator) -> Result<(), claim::ClaimError> {
    let (login, token) = (creator.login, format!("token-{}-{ACCOUNT}", creator.login));
    node.try_flow(move |tx, close| claim::withdraw(tx, login, &token, close.now).map(|_| ()))
}

/// The platform says that there is no such account.
fn look_at_nothing(node: &TestNode) -> Seen {
    node.flow(|tx, close| {
        let row = identities::identity_by_external_id(tx, &account())?.expect("known");
        let look = Look { identity: row.id, shows: &|_| false, is_there: false, seen_at: close.now };
        claim::look(tx, close.instance, &look, close.now)
    })
}

fn known(node: &TestNode) -> Vec<Claim> {
    node.read(|tx| {
        let row = identities::identity_by_external_id(tx, &account())?.expect("known");
        claims::of_identity(tx, row.id)
    })
}

/// States by creator, those that were taken over left out: `carol verified, dave disputed`.
#[track_caller]
fn assert_claimants(node: &TestNode, expected: &str) {
    let mut said: Vec<String> = known(node)
        .iter()
        .filter(|claim| claim.may_be_theirs())
        .map(|claim| format!("{} {}", claim.creator_uri.rsplit('/').next().unwrap(), claim.state))
        .collect();
    said.sort();
    assert_eq!(said.join(", "), expected, "{}", node.instance.host);
}

#[track_caller]
fn assert_unproved(node: &TestNode, creator: &Creator, expected: &str) {
    let name = creator.name.clone();
    match node.try_flow(move |tx, close| pay_out::request(tx, close.instance, &name, settle::RAIL, close.now)) {
        Err(PayOutError::Unproved(unproved)) => assert_eq!(unproved.state, expected),
        other => panic!("{other:?}"),
    }
}

fn later(node: &TestNode, by: Duration) {
    node.at_time(node.now().plus(by));
}

/// A node on which alice's two euros for one month wait for the account.
fn waiting(on: Backend) -> TestNode {
    let node = TestNode::with(on, "alpha.example", |policy| policy.minimum_payout = eur("1.00"));
    let alice = node.patron("alice").deposited("2.00").build();
    let video = node.object(ACCOUNT, "vimeo:10");
    node.like(&alice, video);
    node.close_month("2013-06");
    node
}

#[test]
fn a_sign_in_releases_what_waits_once_and_stands_while_the_account_is_there() {
    on_both_databases(|on| {
        let node = waiting(on);
        let carol = node.creator("carol");
        assert_eq!(sign_in(&node, &carol, &[]).released.amounts, [eur("2.00")]);
        node.assert_ledger("patron:alice:held:vimeo:1 0.00, creator:carol:available 2.00");
        for _ in 0..3 {
            later(&node, DAY);
            assert_eq!(node.look(ACCOUNT, &[]).released.shares, 0);
            assert_claimants(&node, "carol verified");
        }
        look_at_nothing(&node);
        assert_claimants(&node, "carol lost");
        assert_unproved(&node, &carol, "lost");
        node.look(ACCOUNT, &[]);
        assert_claimants(&node, "carol verified");
        let name = carol.name.clone();
        node.flow(move |tx, close| pay_out::request(tx, close.instance, &name, settle::RAIL, close.now).map(|_| ()));
        node.assert_ledger("creator:carol:available 0.00, creator:carol:payout 2.00");
    });
}

#[test]
fn a_sign_in_proves_for_a_year_and_can_be_made_again() {
    on_both_databases(|on| {
        let node = waiting(on);
        let carol = node.creator("carol");
        sign_in(&node, &carol, &[]);
        later(&node, SIGN_IN_AGE);
        node.look(ACCOUNT, &[]);
        assert_claimants(&node, "carol verified");
        later(&node, Duration::from_secs(1));
        node.look(ACCOUNT, &[]);
        assert_claimants(&node, "carol lost");
        assert_unproved(&node, &carol, "lost");
        sign_in(&node, &carol, &[]);
        assert_claimants(&node, "carol verified");
        assert_eq!(known(&node).len(), 1);
        // Taken back: nobody else can do that, and a second time there is nothing to take back.
        let dave = node.creator("dave");
        let token = known(&node)[0].token.clone();
        let login = dave.login;
        let foreign = node.try_flow(move |tx, close| claim::withdraw(tx, login, &token, close.now).map(|_| ()));
        assert!(matches!(foreign, Err(claim::ClaimError::NoSuchClaim)));
        withdraw(&node, &carol).unwrap();
        assert_claimants(&node, "carol lost");
        assert!(matches!(withdraw(&node, &carol), Err(claim::ClaimError::NoSuchClaim)));
        node.look(ACCOUNT, &[]);
        assert_claimants(&node, "carol lost");
    });
}

#[test]
fn two_who_can_sign_in_pay_nobody_until_the_first_does_so_again_and_then_once() {
    on_both_databases(|on| {
        let node = waiting(on);
        let (carol, dave) = (node.creator("carol"), node.creator("dave"));
        sign_in(&node, &carol, &[]);
        node.assert_ledger("creator:carol:available 2.00");
        later(&node, DAY);
        sign_in(&node, &dave, &[]);
        assert_claimants(&node, "carol disputed, dave disputed");
        assert_unproved(&node, &carol, "disputed");
        later(&node, DAY);
        assert_eq!(sign_in(&node, &dave, &[]).released.shares, 0, "twice within a week is no answer");
        assert_claimants(&node, "carol disputed, dave disputed");
        later(&node, DAY);
        assert_eq!(sign_in(&node, &carol, &[]).released.shares, 0, "nothing waited");
        assert_claimants(&node, "carol verified");
        // Dave comes back with a claim of its own age; carol does not answer for a week.
        later(&node, DAY);
        let token = "dave-again";
        let login = dave.login;
        node.flow(move |tx, close| {
            claim::sign_in(tx, close.instance, login, &account(), token, close.now, close.now).map(|_| ())
        });
        node.look(ACCOUNT, &[]);
        assert_claimants(&node, "carol disputed, dave disputed");
        later(&node, ANSWER_AGE);
        node.look(ACCOUNT, &[]);
        assert_claimants(&node, "carol disputed, dave disputed");
        node.flow(move |tx, close| {
            claim::sign_in(tx, close.instance, login, &account(), token, close.now, close.now).map(|_| ())
        });
        node.look(ACCOUNT, &[]);
        assert_claimants(&node, "dave verified");
        node.assert_ledger("creator:carol:available 2.00, creator:dave:available 0.00");
        assert_unproved(&node, &carol, "replaced");
    });
}

#[test]
fn a_sign_in_and_a_foreign_address_pay_nobody_until_one_is_gone() {
    on_both_databases(|on| {
        for address_goes in [true, false] {
            let node = waiting(on);
            let (carol, dave) = (node.creator("carol"), node.creator("dave"));
            let his = node.claim_address(dave.login, ACCOUNT);
            assert_eq!(sign_in(&node, &carol, &[&his]).released.shares, 0);
            assert_claimants(&node, "carol disputed, dave disputed");
            node.assert_ledger("patron:alice:held:vimeo:1 2.00");
            let (owner, seen) = if address_goes {
                ("carol", node.look(ACCOUNT, &[]))
            } else {
                withdraw(&node, &carol).unwrap();
                ("dave", node.look(ACCOUNT, &[&his]))
            };
            assert_eq!(seen.released.amounts, [eur("2.00")]);
            assert_claimants(&node, &format!("{owner} verified"));
            node.assert_ledger(&format!("creator:{owner}:available 2.00, patron:alice:held:vimeo:1 0.00"));
        }
    });
}

/// What peers are told: a sign-in, another way of proving, and that a sign-in does not count any more.
#[test]
fn each_change_of_a_proof_is_said_and_nothing_else() {
    on_both_databases(|on| {
        let node = waiting(on);
        let carol = node.creator("carol");
        let said = |node: &TestNode| {
            node.flow(|tx, _| {
                let events = outbox::open_events(tx, 100)?;
                for event in &events {
                    outbox::finish_event(tx, event.id)?;
                }
                Ok::<_, crate::storage::Error>(events.iter().filter(|event| event.kind == "claim").count())
            })
        };
        said(&node);
        let hers = node.claim_address(carol.login, ACCOUNT);
        sign_in(&node, &carol, &[]);
        assert_eq!(said(&node), 1);
        node.look(ACCOUNT, &[]);
        assert_eq!(said(&node), 0);
        node.look(ACCOUNT, &[&hers]);
        assert_eq!((said(&node), known(&node)[0].method.as_str()), (1, "backlink"));
        node.look(ACCOUNT, &[]);
        assert_eq!((said(&node), known(&node)[0].method.as_str()), (1, "sign_in"));
        later(&node, DAY);
        sign_in(&node, &carol, &[]);
        assert_eq!(said(&node), 1, "a newer date");
        withdraw(&node, &carol).unwrap();
        assert_eq!(said(&node), 1);
        node.look(ACCOUNT, &[&hers]);
        assert_eq!(said(&node), 1);
        node.look(ACCOUNT, &[]);
        assert_eq!(said(&node), 0, "peers see by themselves that an address is gone");
    });
}

/// What a claim's home says of it, heard by another node.
fn hear(node: &TestNode, home: &TestNode, creator: &Creator) -> Seen {
    let uri = home.instance.creator_uri(&creator.name);
    let claim = known(home).into_iter().rev().find(|claim| claim.creator_uri == uri).expect("a claim at its home");
    let time = |micros: Option<i64>| {
        micros.filter(|_| matches!(claim.state.as_str(), "verified" | "disputed")).map(Timestamp::from_micros)
    };
    let signed_in_at = time(claim.signed_in_at);
    let check = NewClaimCheck {
        identity: account(),
        home: home.instance.uri(),
        creator: uri,
        token: claim.token.clone(),
        signed_in_at,
        proved_since: signed_in_at.and(time(claim.proved_since)),
    };
    node.flow(move |tx, close| connections::queue_claim_check(tx, &check, close.now));
    node.look(ACCOUNT, &[])
}

fn trust(world: &World, node: usize, other: usize, platforms: &'static [Platform]) {
    let uri = world.nodes[other].instance.uri();
    let inbox = format!("{uri}/inbox");
    world.nodes[node]
        .flow(move |tx, close| settle::add_peer(tx, close, &uri, &inbox, "BANK", Some(platforms)).map(|_| ()));
}

#[test]
fn a_peers_word_for_a_sign_in_counts_for_the_platforms_on_which_it_is_trusted() {
    on_both_databases(|on| {
        let world = World::on(on, &["alpha", "beta"]);
        let [alpha, beta] = &world.nodes[..] else { unreachable!("two nodes") };
        let alice = alpha.patron("alice").build();
        let video = alpha.object(ACCOUNT, "vimeo:10");
        beta.object(ACCOUNT, "vimeo:10");
        let dave = beta.creator("dave");
        alpha.like(&alice, video);
        sign_in(beta, &dave, &[]);
        hear(alpha, beta, &dave);
        assert_claimants(alpha, "");
        trust(&world, 0, 1, &[Platform::GitHub]);
        hear(alpha, beta, &dave);
        assert_claimants(alpha, "");
        trust(&world, 0, 1, &[Platform::GitHub, Platform::Vimeo]);
        let due = alpha
            .read(|tx| connections::due_claim_checks(tx, Platform::Vimeo, "2014-01-01T00:00:00Z".parse().unwrap(), 9));
        assert_eq!(due.len(), 1, "what was without effect is judged again");
        alpha.look(ACCOUNT, &[]);
        assert_claimants(alpha, "dave verified");
        // Beta is told in new terms, and the channels go on.
        world.exchange();
        let alpha_at_beta = beta.read(|tx| settlement::peer_by_host(tx, "alpha.example")).unwrap();
        assert_eq!(alpha_at_beta.trusts_claims, "github,vimeo");
        assert!(alpha_at_beta.trusts_us_on("vimeo") && !alpha_at_beta.trusts_us_on("flickr"));
        assert!(world.channel(0, 0, 1).is_open() && world.channel(1, 1, 0).is_open());
        // So alice's share is stated to beta, and dave is paid.
        world.close_month("2013-06");
        world.exchange();
        world.at("2013-07-10T00:00:00Z");
        world.pay();
        beta.assert_ledger("creator:dave:available 2.00");
        // An account that is gone is judged here, whatever its home says.
        look_at_nothing(alpha);
        assert_claimants(alpha, "dave lost");
        alpha.look(ACCOUNT, &[]);
        assert_claimants(alpha, "dave verified");
        trust(&world, 0, 1, &[]);
        alpha.look(ACCOUNT, &[]);
        assert_claimants(alpha, "dave lost");
        world.assert_nothing_was_refused();
    });
}

#[test]
fn instances_that_trust_one_another_say_the_same_in_whatever_order_they_hear() {
    on_both_databases(|on| {
        let world = World::on(on, &["alpha", "beta", "gamma"]);
        let [alpha, beta, gamma] = &world.nodes[..] else { unreachable!("three nodes") };
        for node in 0..3 {
            world.nodes[node].object(ACCOUNT, "vimeo:10");
            (0..3).filter(|other| *other != node).for_each(|other| trust(&world, node, other, &[Platform::Vimeo]));
        }
        let (carol, dave) = (alpha.creator("carol"), beta.creator("dave"));
        let all = |time: &str| world.at(time);
        all("2013-06-03T00:00:00Z");
        sign_in(alpha, &carol, &[]);
        all("2013-06-04T00:00:00Z");
        sign_in(beta, &dave, &[]);
        // Gamma hears the younger one first.
        hear(gamma, beta, &dave);
        assert_claimants(gamma, "dave verified");
        hear(gamma, alpha, &carol);
        hear(alpha, beta, &dave);
        hear(beta, alpha, &carol);
        world.nodes.iter().for_each(|node| assert_claimants(node, "carol disputed, dave disputed"));
        all("2013-06-05T00:00:00Z");
        sign_in(alpha, &carol, &[]);
        for node in [gamma, beta] {
            hear(node, alpha, &carol);
        }
        world.nodes.iter().for_each(|node| assert_claimants(node, "carol verified"));
        // Taken back at home, it counts nowhere; what dave has is older than a week by now, and stands.
        withdraw(alpha, &carol).unwrap();
        for node in [beta, gamma] {
            hear(node, alpha, &carol);
        }
        alpha.look(ACCOUNT, &[]);
        hear(alpha, beta, &dave);
        world.nodes.iter().for_each(|node| assert_claimants(node, "dave verified"));
    });
}
