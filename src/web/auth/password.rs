//! Passwords: hashed with Argon2id, on blocking threads, a few at a time.
//!
//! Owns that an answer takes as long for a name that does not exist as for one that does, and that a flood of sign-ins
//! cannot take the machine's memory: each hash needs 19 MiB, so only a few run at once.

use std::sync::LazyLock;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use super::random_bytes;

/// Characters that a password must have at least. Source: NIST SP 800-63B, 3.1.1, with two to spare.
pub const LENGTH_MIN: usize = 10;
/// Bytes that are hashed at most: long enough for every passphrase, short enough to be no attack.
pub const LENGTH_MAX: usize = 256;

/// Hashes that run at once.
static ROOM: Semaphore = Semaphore::const_new(4);

/// What is verified for a name that does not exist; made once, of a password that nobody knows.
static NOBODY: LazyLock<String> = LazyLock::new(|| hash_now(&random_bytes::<32>()));

/// Why a password is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    #[error("a password needs {LENGTH_MIN} characters")]
    TooShort,
    #[error("a password may have {LENGTH_MAX} bytes")]
    TooLong,
    #[error("a password must not be the name")]
    IsTheName,
}

pub fn check(password: &str, name: &str) -> Result<(), WeakPassword> {
    if password.chars().count() < LENGTH_MIN {
        return Err(WeakPassword::TooShort);
    }
    if password.len() > LENGTH_MAX {
        return Err(WeakPassword::TooLong);
    }
    if password.eq_ignore_ascii_case(name) {
        return Err(WeakPassword::IsTheName);
    }
    Ok(())
}

/// The work of OWASP's first recommendation for Argon2id: 19 MiB, two passes, one lane.
fn argon2() -> Argon2<'static> {
    let parameters = Params::new(19 * 1024, 2, 1, None).expect("the parameters are within Argon2's limits");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
}

fn hash_now(password: &[u8]) -> String {
    let salt = random_bytes::<16>();
    let hash: PasswordHash = argon2()
        .hash_password_with_salt(password, &salt)
        .expect("a salt of 16 bytes and a short password can be hashed");
    hash.to_string()
}

/// The hash of a password, as a PHC string with a salt of its own.
pub async fn hash(password: String) -> String {
    let _room = ROOM.acquire().await.expect("the semaphore is never closed");
    let hashed = tokio::task::spawn_blocking(move || hash_now(password.as_bytes())).await;
    hashed.expect("hashing does not panic")
}

/// Whether a password fits a stored hash; without one the same work is done and the answer is no.
pub async fn verify(password: String, stored: Option<String>) -> bool {
    let _room = ROOM.acquire().await.expect("the semaphore is never closed");
    let is_known = stored.is_some();
    let verified = tokio::task::spawn_blocking(move || {
        let stored = stored.unwrap_or_else(|| NOBODY.clone());
        let fits = |hash: &PasswordHash| argon2().verify_password(password.as_bytes(), hash).is_ok();
        password.len() <= LENGTH_MAX && PasswordHash::new(&stored).as_ref().is_ok_and(fits)
    });
    verified.await.expect("verifying does not panic") && is_known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_itself_fits() {
        let stored = hash("correct horse battery".to_owned()).await;
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(verify("correct horse battery".to_owned(), Some(stored.clone())).await);
        assert!(!verify("correct horse batterz".to_owned(), Some(stored.clone())).await);
        assert!(!verify(String::new(), Some(stored)).await);
        assert!(!verify("anything".to_owned(), None).await);
        assert!(!verify("anything".to_owned(), Some("not a hash".to_owned())).await);
    }

    #[test]
    fn weak_passwords_are_refused() {
        assert_eq!(check("short", "ana"), Err(WeakPassword::TooShort));
        assert_eq!(check(&"x".repeat(257), "ana"), Err(WeakPassword::TooLong));
        assert_eq!(check("Anastasia_x", "anastasia_x"), Err(WeakPassword::IsTheName));
        assert_eq!(check("ünïcödé-åß", "ana"), Ok(()));
    }
}
