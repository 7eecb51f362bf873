//! The vectors that docs/settlement-protocol.md prints, recomputed: page and program cannot drift apart.
//!
//! Reads the page itself. A value is the code span in a table row that begins with its name; a document is the block
//! below the comment `<!-- vector: name -->`. Read next: the page.

use serde_json::Value;

use super::commitment::{self, Node, Seed, climb, group, leaf, path, root, subtotal};
use super::flattr;
use super::identity::{ObjectRef, Platform};
use super::message::{self, Body};
use super::money::{Amount, Currency};
use super::month_tree::{self, CountedShare, Place};
use super::proof::{self, SigningKey};
use super::share::{apportion, tie_digest};
use super::statement::{StatedLine, check, read_line, write_commitment, write_line};

const PAGE: &str = include_str!("../../docs/settlement-protocol.md");
const ALPHA: &str = "https://alpha.example/instance";
const BETA: &str = "https://beta.example/instance";
const ALICE: &str = "https://alpha.example/users/alice";
const MIRA: &str = "https://beta.example/creators/mira";
const MESSAGES: [&str; 9] =
    ["terms", "terms-accept", "statement", "accept", "acknowledgement", "reject", "void", "payment", "receipt"];

/// The value in the row of this name.
fn printed(name: &str) -> &'static str {
    let start = format!("| {name} | `");
    let row = PAGE.lines().find(|line| line.starts_with(&start));
    let row = row.unwrap_or_else(|| panic!("the page has no row `{name}`"));
    row[start.len()..].split('`').next().expect("a split has a first part")
}

/// The block below the comment of this name.
fn block(name: &str) -> &'static str {
    let (_, after) = PAGE.split_once(&format!("<!-- vector: {name} -->")).expect("the page has this vector");
    let (_, inside) = after.split_once("```").expect("a block begins");
    let (inside, _) = inside.split_once("\n```").expect("a block ends");
    inside.split_once('\n').expect("a block has lines").1
}

fn document(name: &str) -> Value {
    serde_json::from_str(block(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn without_proof(document: &Value) -> Value {
    let mut document = document.clone();
    document.as_object_mut().unwrap().remove("proof");
    document
}

/// The published keys: 32 bytes of one value.
fn key_of(actor: &str) -> SigningKey {
    let byte = if actor == ALPHA { 1 } else { 2 };
    SigningKey::from_seed(&proof::Seed::from_bytes([byte; 32]), format!("{actor}#ed25519-key"))
}

fn key(platform: Platform, object: &str) -> flattr::Key {
    flattr::Key {
        home: ALPHA.to_owned(),
        patron: ALICE.to_owned(),
        object: ObjectRef::new(platform, object).unwrap(),
        month: "2013-06".parse().unwrap(),
    }
}

const OBJECTS: [&str; 3] = ["1296269", "1300192", "4242"];

/// Alice's month, divided.
fn shares() -> Vec<(flattr::Key, Amount)> {
    let keys = OBJECTS.map(|object| key(Platform::GitHub, object));
    let amounts = apportion(Amount::parse("10", Currency::EUR).unwrap(), &keys, &[1; 3]);
    keys.into_iter().zip(amounts).collect()
}

#[test]
fn the_month_is_divided_as_printed() {
    assert_eq!(hex::encode(tie_digest(&key(Platform::Vimeo, "1"))), printed("tie digest of vimeo 1"));
    for (key, amount) in shares() {
        let object = key.object.object();
        assert_eq!(hex::encode(tie_digest(&key)), printed(&format!("tie digest of github {object}")));
        assert_eq!(amount.to_wire(), printed(&format!("share of github {object}")));
    }
}

#[test]
fn the_tree_is_built_as_printed() {
    let seed = Seed::new(&[7; 32]);
    let mut leaves = Vec::new();
    for (key, amount) in shares() {
        let (object, text) = (key.object.object().to_owned(), key.text());
        let leaf = leaf(&seed.nonce(&text), &text, amount.units());
        assert_eq!(hex::encode(seed.nonce(&text)), printed(&format!("nonce of github {object}")));
        assert_eq!(hex::encode(leaf.hash), printed(&format!("leaf of github {object}")));
        leaves.push((seed.order(&text), leaf));
    }
    for (object, (order, _)) in OBJECTS.iter().zip(&leaves).take(2) {
        assert_eq!(hex::encode(order), printed(&format!("order of github {object}")));
    }
    let waits = leaves.pop().unwrap().1;
    leaves.sort_by_key(|(order, _)| *order);
    let of_mira = root(&leaves.iter().map(|(_, leaf)| *leaf).collect::<Vec<Node>>()).unwrap();
    let line = subtotal(MIRA, "github:1024025", 2, of_mira);
    let children = [group("held", "", waits), group("peers", BETA, line)];
    let top = root(&children).unwrap();
    let check = |node: Node, name: &str| assert_eq!(hex::encode(node.hash), printed(name), "{name}");
    check(of_mira, "inner node over the two leaves of mira");
    check(line, "subtotal of mira");
    check(children[0], "group held");
    check(children[1], "group peers, beta");
    check(top, "top root");
    let siblings = path(&children, 1).unwrap();
    assert_eq!(message::write_path(&siblings), document("statement")["object"]["commitmentProof"]);
    assert_eq!(climb(children[1], &siblings), Some(top));
    assert_eq!(commitment::root(&[top]), Some(top), "one node is its own root");
}

#[test]
fn a_close_of_the_printed_month_gives_the_printed_documents() {
    let counted: Vec<CountedShare> = shares()
        .into_iter()
        .map(|(key, amount)| {
            let place = match key.object.object() {
                "4242" => Place::Held("github:2048".to_owned()),
                _ => Place::Creator {
                    peer: BETA.to_owned(),
                    creator: MIRA.to_owned(),
                    identity: "github:1024025".to_owned(),
                    origin: None,
                },
            };
            CountedShare { key: key.text(), units: amount.units(), place }
        })
        .collect();
    let tree = month_tree::build(&Seed::new(&[7; 32]), &counted).unwrap();
    let printed = document("commitment");
    let (issued, month) = ("2013-07-04T00:00:30Z".parse().unwrap(), "2013-06".parse().unwrap());
    let id = "https://alpha.example/commitments/2013-06";
    let unsigned = write_commitment(id, ALPHA, month, &[(Currency::EUR, tree.top)], issued);
    assert_eq!(proof::sign(unsigned, &key_of(ALPHA), issued), Ok(printed.clone()));
    let Body::Statement(offer) = message::read(&document("statement")).unwrap().body else { panic!("a statement") };
    let peer = &tree.peers[BETA];
    assert_eq!((peer.root, &peer.path), (offer.root, &offer.commitment_path));
    let page = document("lines");
    let items = page["items"].as_array().unwrap();
    let lines: Vec<StatedLine> = items.iter().map(|item| read_line(item, Currency::EUR).unwrap()).collect();
    let written: Vec<Value> = lines.iter().map(|line| write_line(line, Currency::EUR)).collect();
    assert_eq!(&written, items);
    assert_eq!(check(&offer, BETA, ALPHA, &lines, &printed), Ok(()));
}

#[test]
fn each_message_is_read_written_and_signed_as_printed() {
    for name in MESSAGES {
        let printed_document = document(name);
        let message = message::read(&printed_document).unwrap_or_else(|error| panic!("{name}: {error}"));
        let unsigned = message::write(&message);
        assert_eq!(unsigned, without_proof(&printed_document), "{name}");
        assert_eq!(proof::digest(&printed_document), printed(&format!("digest of {name}")), "{name}");
        let key = key_of(&message.envelope.sender);
        let signed = proof::sign(unsigned, &key, message.envelope.issued).unwrap();
        assert_eq!(signed, printed_document, "{name}");
        let verified = proof::verify(&printed_document, &key.public_key(), message.envelope.issued);
        assert!(verified.is_ok(), "{name}: {verified:?}");
    }
    assert_eq!(proof::digest(&document("commitment")), printed("digest of commitment"));
    assert_eq!(key_of(ALPHA).public_key().to_string(), printed("multikey of alpha"));
    assert_eq!(key_of(BETA).public_key().to_string(), printed("multikey of beta"));
}

#[test]
fn each_message_continues_the_chain_of_its_sender() {
    for chain in [["terms-accept", "statement", "acknowledgement"], ["terms", "accept", "receipt"]] {
        let mut previous = String::new();
        for name in chain {
            let document = document(name);
            let message = message::read(&document).unwrap();
            assert_eq!(message.envelope.previous, previous, "{name}");
            previous = proof::digest(&document);
        }
    }
}

#[test]
fn the_canonical_form_and_the_payment_reference_are_the_printed_ones() {
    let canonical = proof::canonical(&without_proof(&document("terms-accept")));
    assert_eq!(String::from_utf8(canonical).unwrap(), block("canonical terms-accept"));
    assert_eq!(message::payment_reference(printed("digest of payment")), printed("payment reference"));
}
