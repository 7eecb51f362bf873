//! The published vectors, each refusal, and the property that nothing signed can change.

use super::*;

const FEP: &str = include_str!("../vectors/fep-8b32.json");
const W3C_KEYS: &str = include_str!("../vectors/vc-di-eddsa/keyPair.json");
const W3C_SIGNED: &str = include_str!("../vectors/vc-di-eddsa/signedJCS.json");
const W3C_DOCUMENT_CANONICAL: &str = include_str!("../vectors/vc-di-eddsa/canonDocJCS.txt");
const W3C_PROOF_CANONICAL: &str = include_str!("../vectors/vc-di-eddsa/proofCanonJCS.txt");

const METHOD: &str = "https://alpha.example/instance#ed25519-key";

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    time("2013-07-04T00:11:09Z")
}

fn key() -> SigningKey {
    SigningKey::from_seed(&Seed::from_bytes([7; 32]), METHOD)
}

/// The published private keys: multicodec `ed25519-priv` (0x1300) and the seed, in base58btc.
fn published_key(multibase: &Value, method: &str) -> SigningKey {
    let bytes = multikey::decode(multibase.as_str().unwrap()).unwrap();
    let seed = bytes.strip_prefix(&[0x80, 0x26]).unwrap().try_into().unwrap();
    SigningKey::from_seed(&Seed::from_bytes(seed), method)
}

fn statement() -> Value {
    json!({
        "@context": ["https://www.w3.org/ns/activitystreams", {"flattr": "https://fedflattr.example/ns#"}],
        "type": "Offer",
        "actor": "https://alpha.example/instance",
        "object": {"type": "flattr:SettlementStatement", "sum": "412.345678", "sequence": 41, "paid": false}
    })
}

fn signed() -> Value {
    sign(statement(), &key(), now()).unwrap()
}

fn verdict(document: &Value) -> Result<(), ProofError> {
    verify(document, &key().public_key(), now()).map(drop)
}

/// Verification of a signed statement after one change of its proof.
fn after(change: impl FnOnce(&mut Value)) -> Result<(), ProofError> {
    let mut document = signed();
    change(&mut document["proof"]);
    verdict(&document)
}

#[test]
fn both_proofs_of_fep_8b32_verify() {
    let vector = parsed(FEP);
    let public: PublicKey = vector["public_key_multibase"].as_str().unwrap().parse().unwrap();
    for proof in [&vector["proof"], &vector["derived_here"]["proof"]] {
        let mut document = vector["document"].clone();
        document["proof"] = proof.clone();
        let verified = verify(&document, &public, now()).unwrap();
        assert_eq!(verified.verification_method(), "https://server.example/users/alice#ed25519-key");
        assert_eq!(verified.created(), Some(time("2023-02-24T23:36:38Z")));
        document["object"]["content"] = json!("Hello World");
        assert_eq!(verify(&document, &public, now()), Err(ProofError::BadSignature));
    }
}

#[test]
fn we_sign_as_the_w3c_vector_does() {
    let expected = parsed(W3C_SIGNED);
    let keys = parsed(W3C_KEYS);
    let key = published_key(&keys["privateKeyMultibase"], expected["proof"]["verificationMethod"].as_str().unwrap());
    assert_eq!(key.public_key().to_string(), keys["publicKeyMultibase"]);
    let mut document = expected.clone();
    document.as_object_mut().unwrap().remove("proof");
    assert_eq!(sign(document, &key, time("2023-02-24T23:36:38.9Z")), Ok(expected.clone()));
    assert!(verify(&expected, &key.public_key(), now()).is_ok());
}

#[test]
fn we_sign_as_the_vector_derived_from_the_fep_does() {
    let vector = parsed(FEP);
    let key = published_key(&vector["private_key_multibase"], "https://server.example/users/alice#ed25519-key");
    let document = sign(vector["document"].clone(), &key, time("2023-02-24T23:36:38Z")).unwrap();
    assert_eq!(document["proof"], vector["derived_here"]["proof"]);
}

#[test]
fn canonical_forms_are_those_of_the_w3c_vector() {
    let mut document = parsed(W3C_SIGNED);
    let mut proof = document.as_object_mut().unwrap().remove("proof").unwrap();
    proof.as_object_mut().unwrap().remove("proofValue");
    assert_eq!(String::from_utf8(canonical(&document)).unwrap(), W3C_DOCUMENT_CANONICAL.trim_end());
    assert_eq!(String::from_utf8(canonical(&proof)).unwrap(), W3C_PROOF_CANONICAL.trim_end());
}

#[test]
fn canonical_forms_are_those_of_rfc_8785() {
    macro_rules! check {
        ($($name:literal),+) => {$(
            let input = parsed(include_str!(concat!("../vectors/jcs-rfc8785/input/", $name, ".json")));
            let output = include_str!(concat!("../vectors/jcs-rfc8785/output/", $name, ".json"));
            assert_eq!(String::from_utf8(canonical(&input)).unwrap(), output.trim_end(), $name);
        )+};
    }
    check!("arrays", "french", "structures", "unicode", "values", "weird");
}

#[test]
fn a_digest_ignores_the_proof_and_the_order_of_members() {
    let first = digest(&parsed(r#"{"b":[],"a":1,"proof":{"x":1}}"#));
    // `printf '{"a":1,"b":[]}' | sha256sum`
    assert_eq!(first, "sha-256:f87e4099e9be5e75094e0a4f46d3dc18a9c37429314a5a2490fb78d31e7e170c");
    assert_eq!(first, digest(&parsed(r#"{"a":1.0,"b":[]}"#)));
    assert_ne!(first, digest(&parsed(r#"{"a":2,"b":[]}"#)));
    assert_eq!(digest(&statement()), digest(&signed()));
}

#[test]
fn signing_twice_gives_the_same_bytes() {
    assert_eq!(canonical(&signed()), canonical(&signed()));
    assert_eq!(signed()["proof"]["created"], "2013-07-04T00:11:09Z");
    assert_eq!(signed()["proof"]["@context"], statement()["@context"]);
    assert_eq!(sign(signed(), &key(), now()), Err(ProofError::AlreadySigned));
}

#[test]
fn the_header_names_the_key_and_the_times() {
    let mut document = signed();
    document["proof"]["expires"] = json!("2013-07-07T23:59:59Z");
    let expected = Header {
        verification_method: METHOD.to_owned(),
        created: Some(now()),
        expires: Some(time("2013-07-07T23:59:59Z")),
    };
    assert_eq!(header(&document), Ok(expected));
}

#[test]
fn another_key_does_not_verify() {
    let other = SigningKey::from_seed(&Seed::from_bytes([8; 32]), METHOD).public_key();
    assert_eq!(verify(&signed(), &other, now()), Err(ProofError::BadSignature));
    // Not a point of the curve.
    assert_eq!(verify(&signed(), &PublicKey::from_bytes([0xff; 32]), now()), Err(ProofError::BadSignature));
}

#[test]
fn a_proof_of_another_kind_is_refused() {
    let set = |name: &'static str, value: Value| move |proof: &mut Value| proof[name] = value;
    assert_eq!(after(set("type", json!("Ed25519Signature2020"))), Err(ProofError::WrongType));
    assert_eq!(after(set("type", json!(["DataIntegrityProof"]))), Err(ProofError::WrongType));
    assert_eq!(after(set("cryptosuite", json!("eddsa-rdfc-2022"))), Err(ProofError::WrongCryptosuite));
    assert_eq!(after(set("proofPurpose", json!("authentication"))), Err(ProofError::WrongPurpose));
    assert_eq!(
        after(set("verificationMethod", json!({"id": METHOD}))),
        Err(ProofError::Malformed("verificationMethod"))
    );
    assert_eq!(after(set("created", json!("yesterday"))), Err(ProofError::Malformed("created")));
    assert_eq!(after(set("expires", json!(1_372_896_669))), Err(ProofError::Malformed("expires")));
    assert_eq!(after(set("proofValue", Value::Null)), Err(ProofError::Malformed("proofValue")));
    assert_eq!(after(set("proofValue", json!("z6Mk"))), Err(ProofError::BadEncoding));
    assert_eq!(after(|proof| *proof = json!("z6Mk")), Err(ProofError::WrongType));
}

#[test]
fn the_proof_value_is_base58btc_and_nothing_else() {
    let value = signed()["proof"]["proofValue"].as_str().unwrap().to_owned();
    let bytes = multikey::decode(&value).unwrap();
    for base in [multibase::Base::Base64, multibase::Base::Base16Lower, multibase::Base::Base58Flickr] {
        let other = multibase::encode(base, &bytes);
        assert_eq!(after(|proof| proof["proofValue"] = json!(other)), Err(ProofError::BadEncoding));
    }
}

#[test]
fn exactly_one_proof_is_accepted() {
    let list = |count: usize| after(|proof| *proof = Value::Array(vec![proof.clone(); count]));
    assert_eq!(list(1), Ok(()));
    assert_eq!(list(0), Err(ProofError::NoProof));
    assert_eq!(list(2), Err(ProofError::SeveralProofs));
    assert_eq!(verdict(&statement()), Err(ProofError::NoProof));
    assert_eq!(verdict(&json!(["proof"])), Err(ProofError::NotAnObject));
}

/// A valid signature over a proof with members that our own signer never writes.
fn signed_with(extra: Value) -> Value {
    let mut document = signed();
    let mut proof = document.as_object_mut().unwrap().remove("proof").unwrap();
    let options = proof.as_object_mut().unwrap();
    options.remove("proofValue");
    options.extend(extra.as_object().unwrap().clone());
    let value = key().sign(&signing_input(options, document.as_object().unwrap()));
    options.insert("proofValue".into(), json!(value));
    document["proof"] = proof;
    document
}

#[test]
fn a_proof_is_refused_from_its_expiry_on() {
    let document = signed_with(json!({"expires": "2013-07-07T23:59:59Z"}));
    let check = |at: &str| verify(&document, &key().public_key(), time(at)).map(drop);
    let expiry = time("2013-07-07T23:59:59Z");
    assert_eq!(check("2013-07-07T23:59:58.999999Z"), Ok(()));
    assert_eq!(check("2013-07-07T23:59:59Z"), Err(ProofError::Expired(expiry)));
    assert_eq!(check("2026-01-01T00:00:00Z"), Err(ProofError::Expired(expiry)));
}

#[test]
fn unknown_members_of_the_proof_are_part_of_what_is_signed() {
    let mut document = signed_with(json!({"nonce": "n-1"}));
    assert_eq!(verdict(&document), Ok(()));
    document["proof"]["nonce"] = json!("n-2");
    assert_eq!(verdict(&document), Err(ProofError::BadSignature));
}

#[test]
fn a_linked_data_signature_may_be_added_after_the_proof() {
    let mut document = signed();
    document["signature"] = json!({"type": "RsaSignature2017", "signatureValue": "c2ln"});
    assert_eq!(verdict(&document), Ok(()));
    document["signature"] = json!("approved by the creditor");
    assert_eq!(verdict(&document), Err(ProofError::BadSignature));
}

#[test]
fn keywords_that_hide_statements_are_refused_anywhere() {
    for keyword in FORBIDDEN_KEYWORDS {
        let check = |change: &dyn Fn(&mut Value)| {
            let mut document = statement();
            change(&mut document);
            assert_eq!(sign(document.clone(), &key(), now()), Err(ProofError::ForbiddenKeyword(keyword)));
            document["proof"] = signed()["proof"].clone();
            assert_eq!(verdict(&document), Err(ProofError::ForbiddenKeyword(keyword)));
        };
        check(&|document| document[keyword] = json!([]));
        check(&|document| document["object"]["lines"] = json!([{"a": {keyword: {}}}]));
        // The same under another name, given by an inline context.
        check(&|document| document["@context"][1]["hidden"] = json!(keyword));
        assert_eq!(after(|proof| proof[keyword] = json!({})), Err(ProofError::ForbiddenKeyword(keyword)));
        // A person may be called so.
        let mention = json!({"type": "Mention", "name": keyword});
        assert!(sign(mention, &key(), now()).is_ok());
    }
}

#[test]
fn an_integer_that_canonicalisation_would_round_is_refused() {
    let check = |number: &str, refused: bool| {
        let document = parsed(&format!(r#"{{"object":{{"sequence":[{number}]}}}}"#));
        let expected = ProofError::UnsafeInteger(number.to_owned());
        let result = sign(document, &key(), now());
        assert_eq!(result.err(), refused.then_some(expected), "{number}");
    };
    check("9007199254740991", false);
    check("9007199254740992", true);
    check("9007199254740993", true);
    check("18446744073709551615", true);
    check("-9007199254740991", false);
    check("-9007199254740992", true);
    check("0.1", false);
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    const MEMBERS: [&str; 8] =
        ["@context", "type", "cryptosuite", "verificationMethod", "proofPurpose", "created", "proofValue", "extra"];

    fn leaf() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(|value| json!(value)),
            (-1_000_000_i64..1_000_000).prop_map(|value| json!(value)),
            "[ -~àé€😀\\n]{0,12}".prop_map(|value| json!(value)),
        ]
    }

    fn value() -> impl Strategy<Value = Value> {
        leaf().prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::btree_map("[a-zé]{1,3}", inner, 0..4).prop_map(|map| json!(map)),
            ]
        })
    }

    fn document() -> impl Strategy<Value = Value> {
        prop::collection::btree_map("[a-e]", value(), 0..6).prop_map(|map| json!(map))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn a_signed_document_verifies_after_a_journey_as_text(document in document(), seed in any::<[u8; 32]>()) {
            let key = SigningKey::from_seed(&Seed::from_bytes(seed), METHOD);
            let text = serde_json::to_string_pretty(&sign(document, &key, now()).unwrap()).unwrap();
            prop_assert!(verify(&parsed(&text), &key.public_key(), now()).is_ok());
        }

        #[test]
        fn no_member_can_change(document in document(), name in "[a-f]", change in prop::option::of(value())) {
            let mut changed = sign(document, &key(), now()).unwrap();
            let before = canonical(&changed);
            match change {
                Some(value) => changed[&name] = value,
                None => drop(changed.as_object_mut().unwrap().remove(&name)),
            }
            let expected = if canonical(&changed) == before { Ok(()) } else { Err(ProofError::BadSignature) };
            prop_assert_eq!(verdict(&changed), expected);
        }

        #[test]
        fn nothing_in_the_proof_can_change(index in 0_usize..8, change in "[ -~]{1,20}") {
            let name = MEMBERS[index];
            let unchanged = signed()["proof"].get(name) == Some(&json!(change));
            prop_assert_eq!(after(|proof| proof[name] = json!(change)).is_ok(), unchanged);
            let removed = after(|proof| drop(proof.as_object_mut().unwrap().remove(name)));
            prop_assert_eq!(removed.is_ok(), name == "extra");
        }

        #[test]
        fn no_bit_of_the_signature_can_change(byte in 0_usize..64, bit in 0_u8..8) {
            let value = signed()["proof"]["proofValue"].as_str().unwrap().to_owned();
            let mut bytes = multikey::decode(&value).unwrap();
            bytes[byte] ^= 1 << bit;
            let changed = multibase::encode(multibase::Base::Base58Btc, &bytes);
            prop_assert_eq!(after(|proof| proof["proofValue"] = json!(changed)), Err(ProofError::BadSignature));
        }

        #[test]
        fn canonical_form_does_not_depend_on_the_order_of_members(document in document()) {
            let reversed: Map<String, Value> = document.as_object().unwrap().clone().into_iter().rev().collect();
            prop_assert_eq!(digest(&Value::Object(reversed)), digest(&document));
        }
    }
}
