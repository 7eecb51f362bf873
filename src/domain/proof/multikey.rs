//! Ed25519 keys of object proofs, and their published form: the Multikey of FEP-521a (`z6Mk...`).
//!
//! Owns the encoding (multicodec `ed25519-pub`, multibase base58btc) and the rule that a private seed is never printed.
//! Makes no randomness: seeds come from `federation::keys`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, ParsedPublicKey};
use multibase::Base;

/// Multicodec `ed25519-pub` (0xed), as an unsigned varint.
const ED25519_PUB: [u8; 2] = [0xed, 0x01];

const KEY_BYTES: usize = 32;
pub(super) const SIGNATURE_BYTES: usize = 64;

/// Longest text that is decoded: base58 takes quadratic time, and no key or signature here is longer than 90
/// characters.
const TEXT_LENGTH_MAX: usize = 128;

/// Why a text is not an Ed25519 Multikey.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MultikeyError {
    #[error("a Multikey is multibase base58btc: `z` and base58 digits")]
    NotBase58,
    #[error("the Multikey is not of an Ed25519 public key")]
    NotEd25519,
    #[error("an Ed25519 public key has 32 bytes, this has {0}")]
    WrongLength(usize),
}

/// The private part of an Ed25519 key: 32 secret bytes, which `Debug` does not show.
#[derive(Clone)]
pub struct Seed([u8; KEY_BYTES]);

impl Seed {
    pub const fn from_bytes(bytes: [u8; KEY_BYTES]) -> Seed {
        Seed(bytes)
    }

    /// The secret itself, for storing it.
    pub const fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(secret)")
    }
}

/// An Ed25519 public key; displayed and parsed as a Multikey.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; KEY_BYTES]);

impl PublicKey {
    pub const fn from_bytes(bytes: [u8; KEY_BYTES]) -> PublicKey {
        PublicKey(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// Whether `signature` is this key's signature of `message`. A key that is no point of the curve verifies nothing.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        ParsedPublicKey::new(&ED25519, self.0).is_ok_and(|key| key.verify_sig(message, signature).is_ok())
    }
}

/// `z6Mk...`, the value of `publicKeyMultibase`.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode(&[&ED25519_PUB[..], &self.0].concat()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = MultikeyError;

    fn from_str(text: &str) -> Result<Self, MultikeyError> {
        let bytes = decode(text).ok_or(MultikeyError::NotBase58)?;
        let key = bytes.strip_prefix(&ED25519_PUB).ok_or(MultikeyError::NotEd25519)?;
        key.try_into().map(PublicKey).map_err(|_| MultikeyError::WrongLength(key.len()))
    }
}

/// A key that signs documents, with the URL under which its public part is published. Cheap to clone.
#[derive(Clone)]
pub struct SigningKey {
    pair: Arc<Ed25519KeyPair>,
    verification_method: String,
}

impl SigningKey {
    /// - `verification_method`: the `id` of the Multikey in the actor's `assertionMethod`, exactly as published there.
    pub fn from_seed(seed: &Seed, verification_method: impl Into<String>) -> SigningKey {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed.0).expect("any 32 bytes are an Ed25519 seed");
        SigningKey { pair: Arc::new(pair), verification_method: verification_method.into() }
    }

    pub fn verification_method(&self) -> &str {
        &self.verification_method
    }

    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.pair.public_key().as_ref().try_into().expect("an Ed25519 public key has 32 bytes"))
    }

    /// Deterministic, as Ed25519 is.
    pub(super) fn sign(&self, message: &[u8]) -> String {
        encode(self.pair.sign(message).as_ref())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, {})", self.verification_method, self.public_key())
    }
}

fn encode(bytes: &[u8]) -> String {
    multibase::encode(Base::Base58Btc, bytes)
}

/// The bytes of a multibase base58btc text; `None` for any other base and for what is too long to be a key or
/// signature.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    if text.len() > TEXT_LENGTH_MAX {
        return None;
    }
    match multibase::decode(text) {
        Ok((Base::Base58Btc, bytes)) => Some(bytes),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLISHED: &str = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2";

    #[test]
    fn a_multikey_reads_back() {
        let key: PublicKey = PUBLISHED.parse().unwrap();
        assert_eq!(key.to_string(), PUBLISHED);
        assert_eq!(PublicKey::from_bytes(*key.as_bytes()), key);
    }

    #[test]
    fn what_is_not_an_ed25519_multikey_is_refused() {
        let check = |text: &str, expected| assert_eq!(text.parse::<PublicKey>(), Err(expected), "{text}");
        check("", MultikeyError::NotBase58);
        check("z", MultikeyError::NotEd25519);
        check(&PUBLISHED[1..], MultikeyError::NotBase58);
        check(&PUBLISHED.replace('r', "0"), MultikeyError::NotBase58);
        check(&format!("z{}", "2".repeat(1_000)), MultikeyError::NotBase58);
        check(&multibase::encode(Base::Base16Lower, [0xed, 0x01, 1]), MultikeyError::NotBase58);
        check(&encode(&[0xed, 0x01, 1, 2, 3]), MultikeyError::WrongLength(3));
        // Multicodec `secp256k1-pub`.
        check(&encode(&[0xe7, 0x01, 1, 2, 3]), MultikeyError::NotEd25519);
    }

    #[test]
    fn a_private_key_is_never_printed() {
        let seed = Seed::from_bytes([7; 32]);
        let key = SigningKey::from_seed(&seed, "https://alpha.example/instance#ed25519-key");
        for text in [format!("{seed:?}"), format!("{key:?}")] {
            assert!(!text.contains("7, 7") && !text.contains("0707"), "{text}");
        }
    }
}
