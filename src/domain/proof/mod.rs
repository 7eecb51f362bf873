//! Object integrity proofs: who said this document, in a form that a third party can check years later.
//!
//! FEP-8b32 with the cryptosuite `eddsa-jcs-2022` (W3C vc-di-eddsa, RFC 8785). Owns what is hashed: the document
//! without `proof` and without a Linked Data `signature`, and the proof exactly as received minus `proofValue`. That
//! one rule satisfies both published dialects, with and without `@context` in the proof. A document whose plain JSON
//! could be read in two ways is refused, whatever its signature.
//!
//! Must not know where a key comes from: the caller reads [`header`], finds the key and asks [`verify`]. A valid proof
//! says that the key signed; that the key is the actor's is checked in `federation`. Keys are in `multikey`.

mod multikey;

use std::collections::BTreeMap;

use aws_lc_rs::digest::{Digest, SHA256};
use serde_json::{Map, Value, json};

use super::time::Timestamp;

pub use multikey::{MultikeyError, PublicKey, Seed, SigningKey};

const PROOF_TYPE: &str = "DataIntegrityProof";
const CRYPTOSUITE: &str = "eddsa-jcs-2022";
const PURPOSE: &str = "assertionMethod";

/// JSON-LD keywords by which a JSON-LD reader would see other statements than a reader of the plain JSON.
const FORBIDDEN_KEYWORDS: [&str; 3] = ["@graph", "@included", "@reverse"];

/// Largest integer that JSON canonicalisation keeps apart from its neighbours, 2^53 - 1 (RFC 8785, appendix B).
const SAFE_INTEGER_MAX: u64 = (1 << 53) - 1;

/// Why a document does not prove who said it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    #[error("a signed document is a JSON object")]
    NotAnObject,
    #[error("the document has no proof")]
    NoProof,
    #[error("the document has several proofs, of which none is preferred")]
    SeveralProofs,
    #[error("the document to be signed has a proof already")]
    AlreadySigned,
    #[error("the proof is not a DataIntegrityProof")]
    WrongType,
    #[error("the cryptosuite of the proof is not eddsa-jcs-2022")]
    WrongCryptosuite,
    #[error("the purpose of the proof is not assertionMethod")]
    WrongPurpose,
    #[error("`{0}` of the proof is missing or malformed")]
    Malformed(&'static str),
    #[error("the proof value is not a base58btc Ed25519 signature")]
    BadEncoding,
    #[error("the document contains the JSON-LD keyword {0}")]
    ForbiddenKeyword(&'static str),
    #[error("the integer {0} is beyond 2^53 - 1 and must be written as a string")]
    UnsafeInteger(String),
    #[error("the proof expired at {0}")]
    Expired(Timestamp),
    #[error("the proof does not fit the document and the key")]
    BadSignature,
}

impl ProofError {
    /// A short name of the cause, for metrics; never changes.
    pub const fn reason(&self) -> &'static str {
        match self {
            ProofError::NotAnObject => "not-an-object",
            ProofError::NoProof => "no-proof",
            ProofError::SeveralProofs => "several-proofs",
            ProofError::AlreadySigned => "already-signed",
            ProofError::WrongType => "wrong-type",
            ProofError::WrongCryptosuite => "wrong-cryptosuite",
            ProofError::WrongPurpose => "wrong-purpose",
            ProofError::Malformed(_) => "malformed",
            ProofError::BadEncoding => "bad-encoding",
            ProofError::ForbiddenKeyword(_) => "forbidden-keyword",
            ProofError::UnsafeInteger(_) => "unsafe-integer",
            ProofError::Expired(_) => "expired",
            ProofError::BadSignature => "bad-signature",
        }
    }
}

/// What a proof says about itself, read before the key is chosen. Nothing here is authenticated yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The id of the key, an absolute URL (or a DID URL) that the caller looks up.
    pub verification_method: String,
    pub created: Option<Timestamp>,
    pub expires: Option<Timestamp>,
}

/// A document whose proof is valid, by the key that was given. Only [`verify`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    header: Header,
    public_key: PublicKey,
}

impl Verified {
    pub fn verification_method(&self) -> &str {
        &self.header.verification_method
    }

    /// When the signer says that it signed.
    pub fn created(&self) -> Option<Timestamp> {
        self.header.created
    }

    pub fn public_key(&self) -> PublicKey {
        self.public_key
    }
}

/// The JSON Canonicalization Scheme form of a value (RFC 8785).
pub fn canonical(value: &Value) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(value).expect("a JSON value holds no NaN and no repeated key")
}

/// The name of a document by its content: `sha-256:` and 64 hexadecimal digits.
///
/// Taken over the canonical form of the document without `proof`: the proof is evidence *about* the document, and two
/// valid proofs of one document do not make it two. A Linked Data `signature` counts as content here.
pub fn digest(document: &Value) -> String {
    let digest = match document {
        Value::Object(members) => hash(members.iter().filter(|(name, _)| *name != "proof")),
        other => aws_lc_rs::digest::digest(&SHA256, &canonical(other)),
    };
    format!("sha-256:{}", hex::encode(digest))
}

/// Adds a proof to a document.
///
/// - `created`: goes into the proof to the second.
/// - returns: the document with `proof`; the same bytes for the same input.
///
/// Errors for what [`verify`] would refuse (an answer may embed what a peer sent) and for a document that is signed.
/// Source: W3C vc-di-eddsa 3.3.1.
pub fn sign(mut document: Value, key: &SigningKey, created: Timestamp) -> Result<Value, ProofError> {
    let members = document.as_object_mut().ok_or(ProofError::NotAnObject)?;
    if members.contains_key("proof") {
        return Err(ProofError::AlreadySigned);
    }
    refuse_ambiguous(secured_members(members))?;
    let mut proof = Map::new();
    if let Some(context) = members.get("@context") {
        proof.insert("@context".into(), context.clone());
    }
    proof.insert("type".into(), json!(PROOF_TYPE));
    proof.insert("cryptosuite".into(), json!(CRYPTOSUITE));
    proof.insert("verificationMethod".into(), json!(key.verification_method()));
    proof.insert("proofPurpose".into(), json!(PURPOSE));
    proof.insert("created".into(), json!(created.floor_to_second().to_string()));
    let value = key.sign(&signing_input(&proof, members));
    proof.insert("proofValue".into(), json!(value));
    members.insert("proof".into(), Value::Object(proof));
    Ok(document)
}

/// Reads what is needed to choose the key; refuses a proof that [`verify`] would refuse for its form.
pub fn header(document: &Value) -> Result<Header, ProofError> {
    parse(document.as_object().ok_or(ProofError::NotAnObject)?).map(|(header, _, _)| header)
}

/// Checks the proof of a document.
///
/// - `public_key`: of the [`Header::verification_method`], found and trusted by the caller.
/// - `now`: a proof that says when it expires is refused from that instant on.
/// - returns: evidence that the whole document, except `proof` and a Linked Data `signature`, was signed by this key.
///
/// Source: FEP-8b32, "Proof verification"; W3C vc-di-eddsa 3.3.2.
pub fn verify(document: &Value, public_key: &PublicKey, now: Timestamp) -> Result<Verified, ProofError> {
    let members = document.as_object().ok_or(ProofError::NotAnObject)?;
    let (header, proof, signature) = parse(members)?;
    if let Some(expires) = header.expires.filter(|expires| *expires <= now) {
        return Err(ProofError::Expired(expires));
    }
    refuse_ambiguous(secured_members(members).chain(proof))?;
    if !public_key.verifies(&signing_input(proof, members), &signature) {
        return Err(ProofError::BadSignature);
    }
    Ok(Verified { header, public_key: *public_key })
}

type Signature = [u8; multikey::SIGNATURE_BYTES];

fn parse(members: &Map<String, Value>) -> Result<(Header, &Map<String, Value>, Signature), ProofError> {
    let proof = match members.get("proof") {
        None | Some(Value::Null) => return Err(ProofError::NoProof),
        Some(Value::Array(proofs)) => match proofs.as_slice() {
            [] => return Err(ProofError::NoProof),
            // One value and a list of one value are the same in JSON-LD.
            [proof] => proof,
            _ => return Err(ProofError::SeveralProofs),
        },
        Some(proof) => proof,
    };
    let proof = proof.as_object().ok_or(ProofError::WrongType)?;
    let text = |name: &str| proof.get(name).and_then(Value::as_str);
    if text("type") != Some(PROOF_TYPE) {
        return Err(ProofError::WrongType);
    }
    if text("cryptosuite") != Some(CRYPTOSUITE) {
        return Err(ProofError::WrongCryptosuite);
    }
    if text("proofPurpose") != Some(PURPOSE) {
        return Err(ProofError::WrongPurpose);
    }
    let time = |name: &'static str| match proof.get(name) {
        None => Ok(None),
        Some(value) => {
            let time = value.as_str().and_then(|text| text.parse().ok());
            time.map(Some).ok_or(ProofError::Malformed(name))
        }
    };
    let header = Header {
        verification_method: text("verificationMethod")
            .filter(|method| !method.is_empty())
            .ok_or(ProofError::Malformed("verificationMethod"))?
            .to_owned(),
        created: time("created")?,
        expires: time("expires")?,
    };
    let signature = text("proofValue").ok_or(ProofError::Malformed("proofValue"))?;
    let signature = multikey::decode(signature).and_then(|bytes| bytes.try_into().ok());
    Ok((header, proof, signature.ok_or(ProofError::BadEncoding)?))
}

/// The members that a proof vouches for.
fn secured_members(members: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    members.iter().filter(|(name, value)| match name.as_str() {
        "proof" => false,
        // Fedify adds its Linked Data signature after the proof. Anything else of this name is content.
        "signature" => !value.get("signatureValue").is_some_and(Value::is_string),
        _ => true,
    })
}

/// Hash of the proof without its value, then hash of the document: 64 bytes (vc-di-eddsa 3.3.4).
fn signing_input(proof: &Map<String, Value>, members: &Map<String, Value>) -> Vec<u8> {
    let proof_hash = hash(proof.iter().filter(|(name, _)| *name != "proofValue"));
    let document_hash = hash(secured_members(members));
    [proof_hash.as_ref(), document_hash.as_ref()].concat()
}

fn hash<'a>(members: impl Iterator<Item = (&'a String, &'a Value)>) -> Digest {
    let object: BTreeMap<&String, &Value> = members.collect();
    let bytes = serde_json_canonicalizer::to_vec(&object).expect("a JSON value holds no NaN and no repeated key");
    aws_lc_rs::digest::digest(&SHA256, &bytes)
}

/// Refuses what two honest readers of the same signed bytes could understand differently.
fn refuse_ambiguous<'a>(members: impl Iterator<Item = (&'a String, &'a Value)>) -> Result<(), ProofError> {
    for (name, value) in members {
        refuse_keyword(name)?;
        refuse_ambiguous_value(value, name == "@context")?;
    }
    Ok(())
}

/// - `in_context`: inside `@context` a keyword may also be given another name, as a value.
fn refuse_ambiguous_value(value: &Value, in_context: bool) -> Result<(), ProofError> {
    match value {
        Value::Object(members) => members.iter().try_for_each(|(name, value)| {
            refuse_keyword(name)?;
            refuse_ambiguous_value(value, in_context || name == "@context")
        }),
        Value::Array(values) => values.iter().try_for_each(|value| refuse_ambiguous_value(value, in_context)),
        Value::String(text) if in_context => refuse_keyword(text),
        // Canonicalisation turns integers into doubles: a larger one could be changed under a valid signature.
        Value::Number(number) => {
            let size = number.as_i64().map(i64::unsigned_abs).or(number.as_u64());
            if size.is_some_and(|size| size > SAFE_INTEGER_MAX) {
                return Err(ProofError::UnsafeInteger(number.to_string()));
            }
            Ok(())
        }
        Value::String(_) | Value::Bool(_) | Value::Null => Ok(()),
    }
}

fn refuse_keyword(name: &str) -> Result<(), ProofError> {
    match FORBIDDEN_KEYWORDS.into_iter().find(|keyword| *keyword == name) {
        Some(keyword) => Err(ProofError::ForbiddenKeyword(keyword)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
