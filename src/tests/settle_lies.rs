//! Lies, mistakes and forgeries of a peer: refused, with nothing changed but the evidence that is kept.

use serde_json::{Value, json};

use super::node::TestNode;
use super::settle::{Pair, pair};
use super::world::{Letter, World};
use super::{Backend, eur, on_both_databases};
use crate::domain::message::{self, Body, Envelope, Message, ObligationPart};
use crate::domain::money::{Amount, Currency};
use crate::domain::proof;
use crate::domain::settlement::{Channel, State};
use crate::flows::hear::{Evidence, HearError, Heard, hear};
use crate::storage::{evidence, settlement};

const ALPHA: usize = 0;
const BETA: usize = 1;

/// June is closed; alpha's statement is on its way to beta.
fn offered(on: Backend) -> (Pair, Letter) {
    let pair = pair(on, "2.00");
    let letter = statement_of_june(&pair);
    (pair, letter)
}

fn statement_of_june(pair: &Pair) -> Letter {
    pair.world.close_month("2013-06");
    pair.world.collect().into_iter().find(|letter| letter.kind == "statement").expect("a statement")
}

/// The document with a change, signed by the node again.
fn forged(letter: &Letter, signer: &TestNode, change: impl FnOnce(&mut Value)) -> Letter {
    let mut document = letter.document.clone();
    document.as_object_mut().expect("an object").remove("proof");
    change(&mut document);
    let document = proof::sign(document, signer.signer(), signer.now()).expect("it can be signed");
    Letter { document, ..letter.clone() }
}

/// Beta hears a document with evidence of the liar's choice.
fn hear_at(node: &TestNode, document: &Value, signer: &str, evidence: Option<Evidence>) -> Result<Heard, HearError> {
    let (document, signer) = (document.clone(), signer.to_owned());
    node.try_flow(move |tx, close| hear(tx, close, &document, &signer, close.now, evidence.as_ref()))
}

fn channel_of(world: &World) -> Channel {
    let uri = |node: usize| world.nodes[node].instance.uri();
    Channel { debtor: uri(ALPHA), creditor: uri(BETA), currency: eur("0").currency() }
}

/// What alpha would say next in the channel in which it owes beta.
fn next_from_alpha(world: &World, body: Body) -> Letter {
    let id = world.channel(ALPHA, ALPHA, BETA).id;
    let last = world.nodes[ALPHA].read(move |tx| settlement::last_message(tx, id, true)).expect("terms were accepted");
    let alpha = &world.nodes[ALPHA];
    let envelope = Envelope {
        channel: channel_of(world),
        sender: alpha.instance.uri(),
        sequence: last.sequence + 1,
        previous: last.digest,
        issued: alpha.now(),
    };
    let unsigned = message::write(&Message { envelope, body });
    let signed = proof::sign(unsigned, alpha.signer(), alpha.now()).expect("it can be signed");
    world.letter(ALPHA, &signed.to_string())
}

/// Refused for good: an error, and neither books nor messages nor statements have changed.
#[track_caller]
fn assert_refused(world: &World, letter: &Letter, expected: &str) {
    let before = world.journal_heads();
    let error = world.deliver(letter).expect_err("refused");
    assert!(format!("{error:?}").starts_with(expected), "{error:?} instead of {expected}");
    assert_eq!(world.journal_heads(), before);
    assert!(world.collect().is_empty(), "it is not answered");
}

#[test]
fn every_false_statement_is_rejected_with_its_code_and_promises_nothing() {
    on_both_databases(|on| {
        type Lie = fn(&mut Value, &mut Evidence);
        let lies: [(&str, Lie); 8] = [
            ("sum_mismatch", |document, _| document["object"]["sum"] = json!("2.000001")),
            ("sum_mismatch", |document, _| document["object"]["likeCount"] = json!(2)),
            ("sum_mismatch", |document, _| document["object"]["creatorCount"] = json!(2)),
            ("root_mismatch", |document, _| document["object"]["root"] = json!("00".repeat(32))),
            ("root_mismatch", |_, evidence| evidence.lines[0].leaves_root = [0; 32]),
            ("root_mismatch", |_, evidence| evidence.commitment["issued"] = json!("2013-07-05T00:00:00Z")),
            ("root_mismatch", |document, _| document["object"]["commitmentProof"] = json!([])),
            ("clock", |document, _| document["object"]["expires"] = json!("2013-08-07T23:59:59Z")),
        ];
        for (code, lie) in lies {
            let pair = pair(on, "2.00");
            let [alpha, beta] = &pair.world.nodes[..] else { unreachable!("two nodes") };
            // Beside beta's root there is another, so that the path to the commitment is not empty.
            alpha.like(&pair.alice, alpha.orphan("flickr:9"));
            let letter = statement_of_june(&pair);
            let mut evidence = pair.world.evidence(&letter).expect("evidence");
            let forged = forged(&letter, alpha, |document| lie(document, &mut evidence));
            let before = beta.journal_head();
            let heard = hear_at(beta, &forged.document, &alpha.instance.uri(), Some(evidence)).expect("answered");
            let Heard::Done(outcome) = heard else { panic!("{heard:?}") };
            assert!(outcome.ends_with(&format!("rejected: {code}")), "{outcome} instead of {code}");
            assert_eq!(beta.journal_head(), before);
            assert!(pair.world.statement(BETA, ALPHA, BETA, "2013-06").is_none());
            let answers = pair.world.collect();
            assert_eq!(answers.len(), 1);
            assert_eq!(answers[0].document["code"], json!(code));
        }
    });
}

#[test]
fn a_statement_in_a_currency_without_terms_is_rejected_for_its_currency() {
    on_both_databases(|on| {
        let (pair, letter) = offered(on);
        let [alpha, beta] = &pair.world.nodes[..] else { unreachable!("two nodes") };
        let dollars: Currency = "USD".parse().expect("a currency");
        let mut message = message::read(&letter.document).expect("a statement");
        message.envelope.channel.currency = dollars;
        message.envelope.sequence = 1;
        message.envelope.previous = String::new();
        let Body::Statement(offer) = &mut message.body else { unreachable!("it is a statement") };
        offer.sum = Amount::from_units(offer.sum.units(), dollars);
        let unsigned = message::write(&message);
        let signed = proof::sign(unsigned, alpha.signer(), alpha.now()).expect("it can be signed");
        let before = beta.journal_head();
        let nothing = Evidence { lines: Vec::new(), commitment: Value::Null };
        hear_at(beta, &signed, &alpha.instance.uri(), Some(nothing)).expect("answered");
        assert_eq!(beta.journal_head(), before);
        assert_eq!(pair.world.collect()[0].document["code"], json!("currency"));
    });
}

#[test]
fn an_accept_that_contests_lines_is_not_taken_for_the_whole() {
    on_both_databases(|on| {
        let (pair, letter) = offered(on);
        let [alpha, beta] = &pair.world.nodes[..] else { unreachable!("two nodes") };
        pair.world.deliver(&letter).expect("accepted");
        let accept = pair.world.collect().remove(0);
        let contesting = forged(&accept, beta, |document| document["contested"] = json!(["vimeo:10"]));
        let heard = hear_at(alpha, &contesting.document, &beta.instance.uri(), None);
        assert!(matches!(heard, Err(HearError::Form(_))), "{heard:?}");
        assert_eq!(pair.world.states(ALPHA, BETA, "2013-06").0, Some(State::Offered));
    });
}

#[test]
fn statements_for_strangers_or_of_the_wrong_month_are_rejected() {
    on_both_databases(|on| {
        // Before the month is over for everybody.
        let (pair, letter) = offered(on);
        pair.world.nodes[BETA].at("2013-07-03T23:59:59Z");
        pair.world
            .deliver(&forged(&letter, &pair.world.nodes[ALPHA], |document| {
                document["object"]["issued"] = json!("2013-07-03T23:59:59Z");
            }))
            .expect("answered");
        assert_eq!(pair.world.collect()[0].document["code"], json!("clock"));
        // Carol's claim was gone before the freeze.
        let pair = super::settle::pair(on, "2.00");
        let beta = &pair.world.nodes[BETA];
        let dave = beta.creator("dave");
        beta.claim(&dave, "vimeo:1");
        let letter = statement_of_june(&pair);
        pair.world.deliver(&letter).expect("answered");
        let answers = pair.world.collect();
        let reject = answers.iter().find(|letter| letter.kind == "reject").expect("a Reject");
        assert_eq!(reject.document["code"], json!("not_claimed"));
        // A Reject gives the shares back at once.
        pair.world.deliver(reject).expect("heard");
        pair.world.nodes[ALPHA].assert_ledger("patron:alice:held:vimeo:1 2.00, patron:alice:reserved:2013-06 0.00");
        assert_eq!(pair.world.states(ALPHA, BETA, "2013-06"), (Some(State::Voided), None));
    });
}

#[test]
fn a_second_statement_of_a_month_is_rejected_and_the_first_stands() {
    on_both_databases(|on| {
        let (pair, letter) = offered(on);
        let world = &pair.world;
        world.deliver(&letter).expect("accepted");
        world.exchange();
        let Body::Statement(offer) = message::read(&letter.document).unwrap().body else { panic!("a statement") };
        let second = next_from_alpha(world, Body::Statement(offer));
        let evidence = world.evidence(&letter);
        let heads = world.journal_heads();
        hear_at(&world.nodes[BETA], &second.document, &world.nodes[ALPHA].instance.uri(), evidence).expect("answered");
        assert_eq!(world.collect()[0].document["code"], json!("duplicate"));
        assert_eq!(world.journal_heads(), heads);
        assert_eq!(world.states(ALPHA, BETA, "2013-06"), (Some(State::Agreed), Some(State::Agreed)));
    });
}

#[test]
fn a_message_counts_only_from_its_own_sender_to_its_own_receiver() {
    on_both_databases(|on| {
        let world = World::on(on, &["alpha", "beta", "gamma"]);
        let uri = |node: usize| world.nodes[node].instance.uri();
        let (account, minimum_transfer) = ("MALLORY".to_owned(), eur("1"));
        let body = Body::Terms { account, minimum_transfer, trusted_claims: Vec::new() };
        let letter = next_from_alpha(&world, body);
        let heads = world.journal_heads();
        let gamma_signs = hear_at(&world.nodes[BETA], &letter.document, &uri(2), None);
        assert!(matches!(gamma_signs, Err(HearError::WrongSigner { .. })));
        let gamma_hears = hear_at(&world.nodes[2], &letter.document, &uri(ALPHA), None);
        assert!(matches!(gamma_hears, Err(HearError::NotOurs(_))));
        // The debtor cannot say where the creditor wants to be paid.
        assert_refused(&world, &letter, "WrongSide");
        assert_eq!(world.channel(BETA, ALPHA, BETA).payee_account, None);
        assert_eq!(world.journal_heads(), heads);
    });
}

#[test]
fn another_actor_of_the_peers_host_cannot_speak_in_its_channel() {
    on_both_databases(|on| {
        let (pair, letter) = offered(on);
        let mallory = "https://alpha.example/users/mallory";
        let forged = forged(&letter, &pair.world.nodes[ALPHA], |document| {
            document["actor"] = json!(mallory);
            document["object"]["debtor"] = json!(mallory);
            document["id"] = json!(format!("{mallory}/channels/alpha.example/beta.example/EUR/2"));
        });
        let beta = &pair.world.nodes[BETA];
        let before = beta.journal_head();
        let evidence = pair.world.evidence(&letter);
        assert!(hear_at(beta, &forged.document, mallory, evidence).is_err());
        assert_eq!(beta.journal_head(), before);
        assert_eq!(beta.read(settlement::peers).len(), 1, "no peer was made of it");
    });
}

#[test]
fn a_gap_waits_and_a_broken_chain_is_refused() {
    on_both_databases(|on| {
        let (pair, letter) = offered(on);
        let world = &pair.world;
        let Body::Statement(offer) = message::read(&letter.document).unwrap().body else { panic!("a statement") };
        // Alpha has said the statement; what it would say next is one too early for beta.
        let early = next_from_alpha(world, Body::Statement(offer));
        assert_refused(world, &early, "Gap");
        let broken = forged(&letter, &world.nodes[ALPHA], |document| {
            document["object"]["previous"] = json!(format!("sha-256:{}", "0".repeat(64)));
        });
        assert_refused(world, &broken, "BrokenChain");
        let future = forged(&letter, &world.nodes[ALPHA], |document| {
            document["object"]["issued"] = json!("2013-07-04T00:10:01Z");
        });
        assert_refused(world, &future, "Early");
        let far = forged(&letter, &world.nodes[ALPHA], |document| {
            document["object"]["issued"] = json!("2013-07-05T00:00:01Z");
        });
        assert_refused(world, &far, "FromTheFuture");
        world.deliver(&letter).expect("the true one is heard");
    });
}

#[test]
fn two_messages_with_one_number_freeze_the_channel_and_are_kept() {
    on_both_databases(|on| {
        let (pair, letter) = offered(on);
        let world = &pair.world;
        world.deliver(&letter).expect("accepted");
        world.collect();
        let other = forged(&letter, &world.nodes[ALPHA], |document| document["object"]["sum"] = json!("1.00"));
        let before = world.journal_heads();
        assert!(matches!(world.deliver(&other), Err(HearError::Equivocation { .. })));
        assert_eq!(world.journal_heads(), before);
        let evidence = world.nodes[BETA].read(evidence::evidence);
        assert_eq!(evidence.len(), 1);
        assert_eq!(
            (evidence[0].0.as_str(), evidence[0].1.as_str()),
            ("equivocation", "alpha.example/beta.example/EUR/alpha.example/2")
        );
        let because = world.channel(BETA, ALPHA, BETA).frozen_because;
        assert_eq!(because.as_deref(), Some("equivocation at message 2"));
        // The first stays a harmless repeat; whatever is new is refused; the evidence is kept once.
        assert_eq!(world.deliver(&letter).unwrap(), Heard::Repeat);
        assert!(world.deliver(&other).is_err());
        assert_eq!(world.nodes[BETA].read(evidence::evidence).len(), 1);
        let body = Body::Void { object: letter.uri.clone(), object_digest: proof::digest(&letter.document) };
        assert_refused(world, &next_from_alpha(world, body), "Frozen");
        // The other direction is another channel and goes on.
        assert!(world.channel(BETA, BETA, ALPHA).is_open());
    });
}

#[test]
fn a_signature_by_another_proof_of_the_same_document_is_a_repeat() {
    on_both_databases(|on| {
        let (pair, letter) = offered(on);
        let world = &pair.world;
        world.deliver(&letter).expect("accepted");
        let later = &world.nodes[ALPHA];
        later.at("2013-07-05T00:00:00Z");
        world.nodes[BETA].at("2013-07-05T00:00:00Z");
        let again = forged(&letter, later, |_| {});
        assert_ne!(again.document, letter.document);
        assert_eq!(world.deliver(&again).unwrap(), Heard::Repeat);
    });
}

#[test]
fn an_answer_to_something_else_is_refused() {
    on_both_databases(|on| {
        let (pair, letter) = offered(on);
        let world = &pair.world;
        world.deliver(&letter).expect("accepted");
        let accept = world.collect().into_iter().find(|letter| letter.kind == "accept").expect("an Accept");
        let beta = &world.nodes[BETA];
        let other_digest = forged(&accept, beta, |document| document["objectDigest"] = json!("sha-256:00"));
        assert_refused(world, &other_digest, "OtherContent");
        let unknown = forged(&accept, beta, |document| document["object"] = json!("https://alpha.example/x"));
        assert_refused(world, &unknown, "UnknownObject");
        assert_eq!(world.states(ALPHA, BETA, "2013-06").0, Some(State::Offered));
        world.deliver(&accept).expect("the true one binds");
        assert_eq!(world.states(ALPHA, BETA, "2013-06").0, Some(State::Bound));
    });
}

#[test]
fn what_is_bound_can_be_neither_rejected_nor_withdrawn() {
    on_both_databases(|on| {
        let (pair, letter) = offered(on);
        let world = &pair.world;
        world.deliver(&letter).expect("accepted");
        world.exchange();
        let body = Body::Void { object: letter.uri.clone(), object_digest: proof::digest(&letter.document) };
        assert_refused(world, &next_from_alpha(world, body), "Illegal");
        assert_eq!(world.states(ALPHA, BETA, "2013-06"), (Some(State::Agreed), Some(State::Agreed)));
    });
}

/// Gamma knows the address of a statement between alpha and beta, and tries to withdraw it.
#[test]
fn nobody_withdraws_the_statement_of_another_channel() {
    on_both_databases(|on| {
        let world = World::on(on, &["alpha", "beta", "gamma"]);
        let [alpha, beta, gamma] = &world.nodes[..] else { unreachable!("three nodes") };
        let alice = alpha.patron("alice").build();
        let carol = beta.creator("carol");
        let video = alpha.object("vimeo:1", "vimeo:10");
        beta.object("vimeo:1", "vimeo:10");
        beta.claim(&carol, "vimeo:1");
        alpha.hear_claim("vimeo:1", beta, &carol);
        alpha.like(&alice, video);
        world.close_month("2013-06");
        gamma.at_time(alpha.now());
        let statement = world.collect().into_iter().find(|letter| letter.kind == "statement").expect("a statement");
        world.deliver(&statement).expect("accepted");
        // Gamma's own channel with beta, in which gamma is the debtor.
        let id = world.channel(2, 2, BETA).id;
        let last = gamma.read(move |tx| settlement::last_message(tx, id, true)).expect("terms were accepted");
        let envelope = Envelope {
            channel: Channel { debtor: gamma.instance.uri(), ..channel_of(&world) },
            sender: gamma.instance.uri(),
            sequence: last.sequence + 1,
            previous: last.digest,
            issued: gamma.now(),
        };
        let (object, object_digest) = (statement.uri.clone(), proof::digest(&statement.document));
        let unsigned = message::write(&Message { envelope, body: Body::Void { object, object_digest } });
        let signed = proof::sign(unsigned, gamma.signer(), gamma.now()).unwrap();
        let heard = world.deliver(&world.letter(2, &signed.to_string()));
        assert!(matches!(heard, Err(HearError::UnknownObject(_))), "{heard:?}");
        assert_eq!(world.states(ALPHA, BETA, "2013-06").1, Some(State::Offered));
    });
}

#[test]
fn a_payment_that_does_not_fit_what_is_owed_is_refused() {
    on_both_databases(|on| {
        let (pair, letter) = offered(on);
        let world = &pair.world;
        world.deliver(&letter).expect("accepted");
        world.exchange();
        world.at("2013-07-10T00:00:00Z");
        let obligation = proof::digest(&letter.document);
        let part = |amount: Amount| ObligationPart { obligation: obligation.clone(), amount };
        let rail = || "sandbox".to_owned();
        for (parts, total) in [
            (vec![part(eur("2.01"))], eur("2.01")),
            (vec![part(eur("1.00"))], eur("2.00")),
            (vec![part(eur("1.00")), part(eur("1.00"))], eur("2.00")),
            (vec![part(eur("1.005"))], eur("1.005")),
        ] {
            let body = Body::Payment { parts, total, rail: rail() };
            assert_refused(world, &next_from_alpha(world, body), "BadParts");
        }
        let stranger = ObligationPart { obligation: "sha-256:00".to_owned(), amount: eur("1.00") };
        let body = Body::Payment { parts: vec![stranger], total: eur("1.00"), rail: rail() };
        assert_refused(world, &next_from_alpha(world, body), "UnknownObject");
        assert_eq!(world.states(ALPHA, BETA, "2013-06"), (Some(State::Agreed), Some(State::Agreed)));
    });
}

#[test]
fn a_receipt_for_more_than_was_paid_or_for_something_twice_is_refused() {
    on_both_databases(|on| {
        let (pair, letter) = offered(on);
        let world = &pair.world;
        let beta = &world.nodes[BETA];
        world.deliver(&letter).expect("accepted");
        world.exchange();
        world.at("2013-07-10T00:00:00Z");
        let payment = world.announce(ALPHA).remove(0);
        world.exchange();
        world.transfer(ALPHA, &payment, eur("2.00"));
        let receipt = world.collect().into_iter().find(|letter| letter.kind == "receipt").expect("a receipt");
        let part = |amount: &str| json!({ "id": proof::digest(&letter.document), "amount": amount });
        for parts in [json!([part("2.010000")]), json!([part("1.000000"), part("1.000000")])] {
            let lie = forged(&receipt, beta, |document| document["result"]["obligations"] = parts);
            assert_refused(world, &lie, "BadParts");
        }
        let stranger = json!([{ "id": "sha-256:00", "amount": "1.000000" }]);
        let lie = forged(&receipt, beta, |document| document["result"]["obligations"] = stranger);
        assert_refused(world, &lie, "BadParts");
        world.deliver(&receipt).expect("the true one is heard");
        assert_eq!(world.states(ALPHA, BETA, "2013-06"), (Some(State::Settled), Some(State::Settled)));
    });
}
