//! RSA keys of HTTP signatures, and the randomness of new keys.
//!
//! Owns the algorithm (RSASSA-PKCS1-v1_5 with SHA-256, at least 2,048 bits) and the PEM forms that actors publish and
//! the database keeps. Both kinds of key are parsed once and cheap to clone, so that a cache holds values that are
//! ready to use. A private key is never printed.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize, PublicKey};
use aws_lc_rs::signature::{
    KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaParameters,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::domain::proof::Seed;

/// What verifies: RSASSA-PKCS1-v1_5, SHA-256, 2,048 to 8,192 bits.
const ALGORITHM: &RsaParameters = &RSA_PKCS1_2048_8192_SHA256;

/// An 8,192-bit private key is below this; longer texts are not looked at.
const PEM_LENGTH_MAX: usize = 16_384;

/// Columns of base64 in a line of PEM (RFC 7468).
const PEM_COLUMNS: usize = 64;

/// Why a text is not a key, or a key could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("the key is not PEM of the kind {0}")]
    NotPem(&'static str),
    #[error("the key is not RSA of 2,048 to 8,192 bits")]
    NotRsa,
    #[error("the cryptographic library could not make or use a key")]
    Library,
}

/// New random bytes for an Ed25519 key.
pub fn generate_seed() -> Result<Seed, KeyError> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| KeyError::Library)?;
    Ok(Seed::from_bytes(bytes))
}

/// An RSA key pair that signs requests. Cheap to clone.
#[derive(Clone)]
pub struct RsaKeyPair {
    pair: Arc<KeyPair>,
    public: RsaPublicKey,
}

impl RsaKeyPair {
    /// A new key of 2,048 bits, the size that the whole fediverse verifies. Takes a tenth of a second or more: call it
    /// on a blocking thread.
    pub fn generate() -> Result<RsaKeyPair, KeyError> {
        RsaKeyPair::new(KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Library)?)
    }

    /// Reads `BEGIN PRIVATE KEY` (PKCS#8).
    pub fn from_pkcs8_pem(pem: &str) -> Result<RsaKeyPair, KeyError> {
        let der = from_pem("PRIVATE KEY", pem).ok_or(KeyError::NotPem("PRIVATE KEY"))?;
        RsaKeyPair::new(KeyPair::from_pkcs8(&der).map_err(|_| KeyError::NotRsa)?)
    }

    fn new(pair: KeyPair) -> Result<RsaKeyPair, KeyError> {
        let public = RsaPublicKey::from_der(pair.public_key().as_ref())?;
        Ok(RsaKeyPair { pair: Arc::new(pair), public })
    }

    /// The secret as PKCS#8 PEM, for storing it.
    pub fn to_pkcs8_pem(&self) -> String {
        let der: Pkcs8V1Der = self.pair.as_der().expect("a key that was parsed or made can be written");
        to_pem("PRIVATE KEY", der.as_ref())
    }

    pub fn public_key(&self) -> RsaPublicKey {
        self.public.clone()
    }

    /// The RSASSA-PKCS1-v1_5 SHA-256 signature of `message`; deterministic.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let signed = self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature);
        signed.map_err(|_| KeyError::Library)?;
        Ok(signature)
    }
}

impl fmt::Debug for RsaKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaKeyPair({} bits, secret)", self.pair.public_modulus_len() * 8)
    }
}

/// An RSA public key, parsed and ready to verify. Cheap to clone; two are equal when they are the same key.
#[derive(Clone)]
pub struct RsaPublicKey(Arc<Parsed>);

struct Parsed {
    verifier: ParsedPublicKey,
    /// SubjectPublicKeyInfo (RFC 5280), one form whatever form was read.
    spki: Vec<u8>,
}

impl RsaPublicKey {
    /// Reads `BEGIN PUBLIC KEY` (SPKI) and, as some servers publish it, `BEGIN RSA PUBLIC KEY` (PKCS#1).
    pub fn from_pem(pem: &str) -> Result<RsaPublicKey, KeyError> {
        let der = from_pem("PUBLIC KEY", pem).or_else(|| from_pem("RSA PUBLIC KEY", pem));
        RsaPublicKey::from_der(&der.ok_or(KeyError::NotPem("PUBLIC KEY"))?)
    }

    fn from_der(der: &[u8]) -> Result<RsaPublicKey, KeyError> {
        let key = PublicKey::from_der(der).map_err(|_| KeyError::NotRsa)?;
        let spki: PublicKeyX509Der = key.as_der().map_err(|_| KeyError::NotRsa)?;
        // The library checks the size of the modulus only when it verifies; a short key is refused here already.
        let bits = RsaParameters::public_modulus_len(key.as_ref()).map_err(|_| KeyError::NotRsa)?;
        if !(ALGORITHM.min_modulus_len()..=ALGORITHM.max_modulus_len()).contains(&bits) {
            return Err(KeyError::NotRsa);
        }
        let verifier = ParsedPublicKey::new(ALGORITHM, key.as_ref()).map_err(|_| KeyError::NotRsa)?;
        Ok(RsaPublicKey(Arc::new(Parsed { verifier, spki: spki.as_ref().to_vec() })))
    }

    /// The key as SPKI PEM, the value of `publicKeyPem`.
    pub fn to_pem(&self) -> String {
        to_pem("PUBLIC KEY", &self.0.spki)
    }

    /// Whether `signature` is this key's RSASSA-PKCS1-v1_5 SHA-256 signature of `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verifier.verify_sig(message, signature).is_ok()
    }
}

impl PartialEq for RsaPublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.spki == other.0.spki
    }
}

impl Eq for RsaPublicKey {}

impl fmt::Debug for RsaPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &self.0.spki);
        write!(f, "RsaPublicKey(sha-256:{})", hex::encode(digest))
    }
}

fn to_pem(label: &str, der: &[u8]) -> String {
    let base64 = BASE64.encode(der);
    let lines: Vec<&str> = base64.as_bytes().chunks(PEM_COLUMNS).map(ascii).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn ascii(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("base64 is ASCII")
}

/// The bytes of the one PEM block in `pem`. Line breaks may be anywhere or missing, as published keys vary.
fn from_pem(label: &str, pem: &str) -> Option<Vec<u8>> {
    if pem.len() > PEM_LENGTH_MAX {
        return None;
    }
    let body = pem.trim().strip_prefix(&format!("-----BEGIN {label}-----"))?;
    let body = body.strip_suffix(&format!("-----END {label}-----"))?;
    let base64: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    BASE64.decode(base64).ok()
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::LazyLock;

    use super::*;

    /// Made once for all tests: a key takes a while.
    pub static PAIR: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate().unwrap());
    pub static OTHER_PAIR: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate().unwrap());

    const SHORT_KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
        MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDCFENGw33yGihy92pDjZQhl0C3\n\
        6rPJj+CvfSC8+q28hxA161QFNUd13wuCTUcq0Qd2qsBe/2hFyc2DCJJg0h1L78+6\n\
        Z4UMR7EOcpfdUE9Hf3m/hs+FUR45uBJeDK1HSFHD8bHKD6kv8FPGfJTotc+2xjJw\n\
        oYi+1hqp1fIekaxsyQIDAQAB\n-----END PUBLIC KEY-----\n";

    #[test]
    fn a_key_pair_reads_back_and_signs_the_same() {
        let read = RsaKeyPair::from_pkcs8_pem(&PAIR.to_pkcs8_pem()).unwrap();
        assert_eq!(read.public_key(), PAIR.public_key());
        assert_eq!(read.sign(b"like").unwrap(), PAIR.sign(b"like").unwrap());
        assert_eq!(read.to_pkcs8_pem(), PAIR.to_pkcs8_pem());
    }

    #[test]
    fn a_public_key_reads_back_and_verifies() {
        let read = RsaPublicKey::from_pem(&PAIR.public_key().to_pem()).unwrap();
        assert_eq!(read, PAIR.public_key());
        let signature = PAIR.sign(b"like").unwrap();
        assert!(read.verifies(b"like", &signature));
        assert!(!read.verifies(b"likf", &signature));
        assert!(!read.verifies(b"like", &signature[1..]));
        assert!(!OTHER_PAIR.public_key().verifies(b"like", &signature));
        assert_ne!(OTHER_PAIR.public_key(), read);
    }

    #[test]
    fn published_keys_are_read_in_all_their_shapes() {
        let pem = PAIR.public_key().to_pem();
        let pkcs1 = to_pem("RSA PUBLIC KEY", PAIR.pair.public_key().as_ref());
        let check = |text: &str| assert_eq!(RsaPublicKey::from_pem(text), Ok(PAIR.public_key()), "{text}");
        check(pem.trim_end());
        check(&pem.replace('\n', "\r\n"));
        check(&pem.replace('\n', ""));
        check(&format!("\n  {pem}\n"));
        check(&pkcs1);
        assert!(pem.lines().all(|line| line.len() <= PEM_COLUMNS));
    }

    #[test]
    fn what_is_not_an_rsa_key_of_enough_bits_is_refused() {
        let check = |text: &str, expected| assert_eq!(RsaPublicKey::from_pem(text).err(), Some(expected), "{text}");
        let pem = PAIR.public_key().to_pem();
        check("", KeyError::NotPem("PUBLIC KEY"));
        check(&format!("{pem}{pem}"), KeyError::NotPem("PUBLIC KEY"));
        check(&PAIR.to_pkcs8_pem(), KeyError::NotPem("PUBLIC KEY"));
        check(&format!("{pem}{}", " ".repeat(PEM_LENGTH_MAX)), KeyError::NotPem("PUBLIC KEY"));
        check(&to_pem("PUBLIC KEY", b"not der"), KeyError::NotRsa);
        check(SHORT_KEY, KeyError::NotRsa);
        assert_eq!(RsaKeyPair::from_pkcs8_pem(&pem).err(), Some(KeyError::NotPem("PRIVATE KEY")));
        assert_eq!(RsaKeyPair::from_pkcs8_pem(&to_pem("PRIVATE KEY", b"1")).err(), Some(KeyError::NotRsa));
    }

    #[test]
    fn a_private_key_is_never_printed() {
        let pem = PAIR.to_pkcs8_pem();
        let middle = pem.lines().nth(10).unwrap();
        let printed = format!("{:?}", *PAIR);
        assert_eq!(printed, "RsaKeyPair(2048 bits, secret)");
        assert!(!printed.contains(middle));
    }

    #[test]
    fn seeds_differ() {
        assert_ne!(generate_seed().unwrap().expose(), generate_seed().unwrap().expose());
    }
}
