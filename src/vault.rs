//! Secrets at rest: what people's platforms gave us in confidence is stored sealed.
//!
//! Owns that a copy of the database alone opens nothing: the key is in a file of its own, or comes with the configuration.
//! A sealed text opens only in the place that it was sealed for, so that no row can be passed off as another.
//! AES-256-GCM with a random nonce, by aws-lc-rs. Must not know what it seals.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
/// Before every sealed text; another number is another way of sealing.
const VERSION: u8 = 1;

#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("could not read or make the key {}: {source}", .path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("the key {} does not hold 32 bytes in base64", .0.display())]
    BadFile(PathBuf),
    #[error("a sealed secret cannot be opened: it was sealed with another key, or changed")]
    Sealed,
}

/// Random bytes of the operating system.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system has random numbers");
    bytes
}

/// A key, and nothing else.
pub struct Vault {
    key: RandomizedNonceKey,
}

impl Vault {
    /// Opens the vault of a data directory; the first time, its key is made, readable by its owner only.
    pub fn open(data_dir: &Path) -> Result<Vault, VaultError> {
        let path = key_path(data_dir);
        std::fs::create_dir_all(data_dir).map_err(|source| VaultError::File { path: data_dir.to_owned(), source })?;
        let text = match read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => make(&path),
            found => found,
        };
        let text = text.map_err(|source| VaultError::File { path: path.clone(), source })?;
        let bytes = STANDARD.decode(text.trim()).map_err(|_| VaultError::BadFile(path.clone()))?;
        Vault::with_key(&bytes).ok_or(VaultError::BadFile(path))
    }

    fn with_key(bytes: &[u8]) -> Option<Vault> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, bytes).ok()?;
        Some(Vault { key })
    }

    /// Seals a text.
    ///
    /// - `place`: names where it is kept; it must be said again to open it.
    pub fn seal(&self, place: &str, plain: &str) -> String {
        let mut sealed = plain.as_bytes().to_vec();
        let nonce = self.key.seal_in_place_append_tag(Aad::from(place.as_bytes()), &mut sealed);
        let nonce = nonce.expect("the operating system has random numbers, and a secret is short");
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(nonce.as_ref());
        bytes.append(&mut sealed);
        STANDARD.encode(bytes)
    }

    /// Opens what [`Vault::seal`] made for the same place.
    pub fn unseal(&self, place: &str, sealed: &str) -> Result<String, VaultError> {
        let bytes = STANDARD.decode(sealed).map_err(|_| VaultError::Sealed)?;
        let (version, rest) = bytes.split_first().ok_or(VaultError::Sealed)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_BYTES).ok_or(VaultError::Sealed)?;
        if *version != VERSION {
            return Err(VaultError::Sealed);
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| VaultError::Sealed)?;
        let mut sealed = sealed.to_vec();
        let plain = self.key.open_in_place(nonce, Aad::from(place.as_bytes()), &mut sealed);
        let plain = plain.map_err(|_| VaultError::Sealed)?;
        String::from_utf8(plain.to_vec()).map_err(|_| VaultError::Sealed)
    }
}

/// Where the key of a data directory is.
pub fn key_path(data_dir: &Path) -> PathBuf {
    data_dir.join("secrets.key")
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

/// Makes a key. Of two processes that try at once, the second reads the first one's.
fn make(path: &Path) -> std::io::Result<String> {
    let text = STANDARD.encode(random_bytes::<KEY_BYTES>());
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(mut file) => {
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            Ok(text)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => read(path),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_text_opens_with_its_key_in_its_place_only() {
        let [mine, other] = [7, 8].map(|byte| Vault::with_key(&[byte; KEY_BYTES]).unwrap());
        let sealed = mine.seal("grant/github:1", "gho_secret");
        assert!(!sealed.contains("gho_secret"));
        assert_ne!(sealed, mine.seal("grant/github:1", "gho_secret"), "never the same bytes twice");
        assert_eq!(mine.unseal("grant/github:1", &sealed).unwrap(), "gho_secret");
        assert!(mine.unseal("grant/github:2", &sealed).is_err());
        assert!(other.unseal("grant/github:1", &sealed).is_err());
        let mut changed = STANDARD.decode(&sealed).unwrap();
        for place in 0..changed.len() {
            changed[place] ^= 1;
            assert!(mine.unseal("grant/github:1", &STANDARD.encode(&changed)).is_err(), "byte {place}");
            changed[place] ^= 1;
        }
        assert!(mine.unseal("grant/github:1", "").is_err());
    }

    #[test]
    fn the_key_is_made_once_and_is_private() {
        let directory = tempfile::tempdir().unwrap();
        let sealed = Vault::open(directory.path()).unwrap().seal("x", "text");
        assert_eq!(Vault::open(directory.path()).unwrap().unseal("x", &sealed).unwrap(), "text");
        let path = directory.path().join("secrets.key");
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
        std::fs::write(&path, "short").unwrap();
        assert!(matches!(Vault::open(directory.path()), Err(VaultError::BadFile(_))));
    }
}
