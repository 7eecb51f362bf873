//! One account, one home: what instances tell each other of it, when it moves, and when one of them was not there before.

use super::observed::*;
use super::*;
use crate::domain::id::{LoginId, PatronId};
use crate::domain::identity::{ExternalId, Platform};
use crate::domain::money::{Amount, Currency};
use crate::flows::claim::{self, Look};
use crate::flows::like_source::{self, Counts};
use crate::flows::prove_account::{self, Standing, proof_url};
use crate::flows::register::{self, Registration};
use crate::flows::{notice, settle};
use crate::jobs::check_sources;
use crate::storage::identities::SeenIdentity;
use crate::storage::{self, claims, connections, identities, outbox, people};

fn account(two: &Two) -> ExternalId {
    ExternalId::new(Platform::Fediverse, &two.actor).unwrap()
}

/// A patron of beta, whose account is the one that ana has proved at alpha.
async fn patron_of_beta(two: &Two) -> PatronId {
    let (instance, now) = (two.beta.instance.clone(), two.beta.now());
    two.beta
        .write(move |tx| {
            let budget = Amount::from_units(10_000_000, Currency::EUR);
            let registration = Registration { name: "nils".into(), budget, is_public: true, is_operator: false };
            register::register(tx, &instance, &registration, now)
        })
        .await
        .unwrap()
}

/// The patron signs in at the account's server; the profile shows these addresses.
async fn sign_in(two: &Two, node: &Federation, patron: PatronId, shown: &[String]) -> Standing {
    let (instance, now, account, shown) = (node.instance.clone(), node.now(), account(two), shown.to_vec());
    node.write(move |tx| {
        let shows = |address: &str| shown.iter().any(|shown| shown == address);
        prove_account::signed_in(tx, &instance, (patron, &account, "nils"), "beef", &shows, now)
    })
    .await
    .unwrap()
}

async fn counts(two: &Two, node: &Federation) -> Counts {
    let actor = two.actor.clone();
    node.db.read(move |tx| like_source::counts(tx, &actor)).await.unwrap()
}

/// The newest that a node has said of the account, and what it says of it.
async fn last_said(two: &Two, node: &Federation, kind: &str) -> Value {
    let said = two.said(node, kind).await;
    said.into_iter().rfind(|said| said["object"]["type"] == "flattr:LikeSource").expect("it was said")
}

#[actix_web::test]
async fn an_account_that_counts_at_a_peer_needs_our_address_and_then_moves() {
    let two = Two::set(18_950).await;
    two.announced().await;
    let nils = patron_of_beta(&two).await;
    let at_beta = proof_url(&two.beta.instance, "beef");
    let at_alpha = proof_url(&two.alpha.instance, "0f3a");

    let begun = sign_in(&two, &two.beta, nils, &[]).await;
    assert!(matches!(&begun, Standing::Elsewhere(proof) if proof.token == "beef"), "{begun:?}");
    let both = sign_in(&two, &two.beta, nils, &[at_alpha.clone(), at_beta.clone()]).await;
    assert!(matches!(both, Standing::Contested(_)), "{both:?}");
    assert!(two.beta.db.read(move |tx| connections::connections_of(tx, nils)).await.unwrap().is_empty());
    assert_eq!(counts(&two, &two.beta).await, Counts::At { home_uri: two.alpha.instance.uri() });

    // The profile names beta alone: it counts there, and alpha learns of it.
    two.show(&[&at_beta]);
    let moved = sign_in(&two, &two.beta, nils, std::slice::from_ref(&at_beta)).await;
    assert!(matches!(moved, Standing::Connected(_)), "{moved:?}");
    let announce = last_said(&two, &two.beta, "Announce").await;
    assert_eq!(announce["object"]["backlink"], json!(at_beta));
    assert_eq!(two.bring(&two.beta, &two.alpha, &announce).await.state, "done");
    assert!(matches!(counts(&two, &two.alpha).await, Counts::Here { .. }), "an announcement alone changes nothing");
    assert_eq!(check_sources(&two.alpha, two.alpha.now()).await.unwrap(), 1);
    assert_eq!(counts(&two, &two.alpha).await, Counts::At { home_uri: two.beta.instance.uri() });
    let ana = two.patron;
    assert!(two.alpha.db.read(move |tx| connections::connections_of(tx, ana)).await.unwrap().is_empty());
    // Beta hears that alpha gives it up.
    let withdrawn = last_said(&two, &two.alpha, "Undo").await;
    assert_eq!(two.bring(&two.alpha, &two.beta, &withdrawn).await.state, "done");
    assert!(two.states(&two.beta).await.is_empty());
    assert!(matches!(counts(&two, &two.beta).await, Counts::Here { .. }));
}

#[actix_web::test]
async fn two_addresses_in_one_profile_count_nowhere_until_one_is_gone() {
    let two = Two::set(18_952).await;
    let nils = patron_of_beta(&two).await;
    let at_beta = proof_url(&two.beta.instance, "beef");
    let at_alpha = proof_url(&two.alpha.instance, "0f3a");
    // Both signed in before they heard of each other.
    assert!(matches!(sign_in(&two, &two.beta, nils, &[]).await, Standing::Connected(_)));
    let announce = last_said(&two, &two.beta, "Announce").await;
    two.bring(&two.beta, &two.alpha, &announce).await;
    two.show(&[&at_alpha, &at_beta]);
    check_sources(&two.alpha, two.alpha.now()).await.unwrap();
    assert_eq!(counts(&two, &two.alpha).await, Counts::Nowhere);
    two.show(&[&at_alpha]);
    let week = Duration::from_secs(7 * 86_400);
    assert_eq!(check_sources(&two.alpha, two.alpha.now().plus(week)).await.unwrap(), 1);
    assert!(matches!(counts(&two, &two.alpha).await, Counts::Here { .. }));
}

#[actix_web::test]
async fn a_patron_who_disconnects_is_told_to_peers_and_may_still_take_back() {
    let two = Two::set(18_954).await;
    two.announced().await;
    two.deliver(&two.beta, &two.activity(1, None)).await.unwrap();
    two.processed(&two.beta).await;
    let said = two.forwarded().await;
    two.bring(&two.beta, &two.alpha, &said).await;
    two.deliver(&two.beta, &two.activity(2, Some(1))).await.unwrap();
    two.processed(&two.beta).await;
    let undo = two.forwarded().await;

    let (ana, id, now) = (two.patron, account(&two), two.alpha.now());
    assert!(two.alpha.write(move |tx| prove_account::disconnect(tx, ana, &id, now)).await.unwrap());
    assert_eq!(counts(&two, &two.alpha).await, Counts::Nowhere);
    // What beta had passed on before it heard of it still takes the like back, as the account's server has signed.
    let row = two.bring(&two.beta, &two.alpha, &undo).await;
    assert_eq!(row.outcome.as_deref(), Some("a flattr of a patron was taken back"));

    let withdrawn = last_said(&two, &two.alpha, "Undo").await;
    // By alpha alone, with its proof.
    let change = |id: &str, change: &dyn Fn(&mut Value)| {
        let mut document = withdrawn.clone();
        document.as_object_mut().unwrap().remove("proof");
        document["id"] = json!(format!("{}/{id}", two.alpha.instance.uri()));
        change(&mut document);
        document
    };
    let unproved = change("unproved", &|_| {});
    assert_eq!(two.bring(&two.alpha, &two.beta, &unproved).await.state, "quarantined");
    let foreign = change("foreign", &|it| it["object"]["attributedTo"] = json!("https://other.example/instance"));
    let foreign = proof::sign(foreign, &two.alpha.keys.document, wall_time()).unwrap();
    assert_eq!(two.bring(&two.alpha, &two.beta, &foreign).await.state, "quarantined");
    assert_eq!(two.states(&two.beta).await, ["proved"]);
    assert_eq!(two.bring(&two.alpha, &two.beta, &withdrawn).await.state, "done");
    assert!(two.states(&two.beta).await.is_empty());
    two.deliver(&two.beta, &two.activity(3, None)).await.unwrap();
    assert_eq!(two.processed(&two.beta).await.outcome.as_deref(), Some("a like, unfunded"));
}

/// Claims of mira's accounts `github:1` and so on, each proved by the address in its profile.
async fn claim_all(node: &Federation, count: i64) -> LoginId {
    let (instance, now) = (node.instance.clone(), node.now());
    node.write(move |tx| {
        let login = people::make_login(tx, "mira", false, now)?.expect("the name is free");
        for number in 1..=count {
            let external_id = ExternalId::new(Platform::GitHub, &number.to_string()).unwrap();
            let seen = SeenIdentity {
                handle: format!("mira{number}"),
                display_name: format!("Mira {number}"),
                profile_url: format!("https://github.com/mira{number}"),
                avatar_url: None,
                bio: String::new(),
                external_id: external_id.clone(),
            };
            let identity = notice::identity(tx, &instance, &seen, now)?;
            claim::begin(tx, &instance, login, &external_id, &format!("token-{number}"), now).unwrap();
            let look = Look { identity: identity.id, shows: &|_| true, is_there: true, seen_at: now };
            claim::look(tx, &instance, &look, now).unwrap();
        }
        Ok::<_, storage::Error>(login)
    })
    .await
    .unwrap()
}

/// Which claims of its own a node has said to whom, since the event `after`.
async fn claims_said(two: &Two, node: &Federation) -> Vec<Value> {
    let said = two.said(node, "Announce").await;
    said.into_iter().filter(|said| said["object"]["type"] == "flattr:Claim").collect()
}

#[actix_web::test]
async fn who_becomes_a_peer_late_hears_of_every_claim_and_account_that_stands() {
    let two = Two::without_peers(18_956).await;
    claim_all(&two.alpha, 120).await;
    // One that is lost is not said.
    let now = two.alpha.now();
    two.alpha
        .write(move |tx| {
            let lost = identities::claim_by_token(tx, "token-3")?.expect("claimed");
            claims::set_state(tx, lost.id, "lost", now)
        })
        .await
        .unwrap();
    assert!(claims_said(&two, &two.alpha).await.is_empty(), "nobody is there to hear it");

    add_peer(&two.alpha, &two.beta).await;
    add_peer(&two.beta, &two.alpha).await;
    // beta says its terms after alpha's, so it is the first that knows of both; alpha is, once it has heard them.
    let terms =
        |said: &[Value]| said.iter().find(|said| said["object"]["type"] == "flattr:PeerTerms").cloned().unwrap();
    let from_alpha = terms(&two.said(&two.alpha, "Offer").await);
    let from_beta = terms(&two.said(&two.beta, "Offer").await);
    assert!(claims_said(&two, &two.alpha).await.is_empty(), "beta has not said yes");
    assert_eq!(two.bring(&two.alpha, &two.beta, &from_alpha).await.state, "done");
    assert_eq!(two.bring(&two.beta, &two.alpha, &from_beta).await.outcome.as_deref(), Some("terms accepted"));

    let said = claims_said(&two, &two.alpha).await;
    assert_eq!(said.len(), 119, "each that stands, once");
    let due = two.alpha.db.read(|tx| outbox::newest(tx, 1_000)).await.unwrap();
    let delivered = |uri: &Value| due.iter().any(|(_, outgoing)| *uri == *outgoing.activity_uri);
    assert!(said.iter().all(|said| delivered(&said["id"])), "each is on its way");
    for announce in [&said[0], &said[118]] {
        assert_eq!(two.bring(&two.alpha, &two.beta, announce).await.state, "done");
    }
    let checks = two.beta.db.read(connections::claim_checks).await.unwrap();
    let mut known: Vec<&str> = checks.iter().map(|check| check.identity.as_str()).collect();
    known.sort_unstable();
    assert_eq!(known, ["github:1", "github:120"]);
    // And of ana's account.
    two.announced().await;

    // Terms that are said again say nothing else again; adding the peer again does.
    let uri = two.beta.instance.uri();
    let (inbox, trusted) = (format!("{uri}/inbox"), vec![Platform::GitHub]);
    let (again, at) = (uri.clone(), inbox.clone());
    two.alpha.settle(move |tx, close| settle::add_peer(tx, close, &again, &at, "BANK", Some(&trusted))).await.unwrap();
    assert_eq!(claims_said(&two, &two.alpha).await.len(), said.len());
    two.alpha.settle(move |tx, close| settle::add_peer(tx, close, &uri, &inbox, "BANK", None)).await.unwrap();
    let events = two.alpha.db.read(|tx| outbox::open_events(tx, 100)).await.unwrap();
    assert_eq!(events.iter().filter(|event| event.kind == "introduce").count(), 2);
}
