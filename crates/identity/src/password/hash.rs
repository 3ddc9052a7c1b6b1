//! Argon2id in a bounded pool: its parameters stand in each stored hash, a key that the database does not hold goes
//! into each hash, and a phone that nobody knows costs as much as one that somebody has.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use bursar_types::Entropy;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::{Password, PasswordProblem};
use crate::phone::Phone;

/// Bytes of a salt (RFC 9106, 3.1).
const SALT_LENGTH: usize = 16;

/// Longest wait for a free core; who waits longer is told to come again instead of queueing up without bound.
const QUEUE_WAIT_MAX: Duration = Duration::from_secs(2);

/// Callers that may wait at once, for each core: what can be served within [`QUEUE_WAIT_MAX`] at some 40 ms each.
const QUEUE_PER_CORE: usize = 48;

/// `[password]`: cost of a hash. Old hashes keep the cost they were made with until their next login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordConfig {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub iterations: u32,
    /// Lanes.
    pub lanes: u32,
}

/// Why there is no hash, or no verdict.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// More logins at once than the cores can hash.
    #[error("more passwords are being checked than this process can; try again")]
    Overloaded,
    /// A stored hash is not one that we wrote.
    #[error("a stored password hash cannot be read: {0}")]
    Damaged(String),
    /// The cost is one that Argon2 does not take; found at start.
    #[error("the cost in [password] is not one that Argon2id takes: {0}")]
    Parameters(String),
    /// The blocking task died.
    #[error("the hashing task ended without an answer")]
    Died,
}

/// Hashes and verifies passwords on at most one thread a core. Clones share the bound.
#[derive(Clone)]
pub struct PasswordHasher {
    inner: Arc<Inner>,
}

struct Inner {
    pepper: Zeroizing<[u8; 32]>,
    params: Params,
    working: Semaphore,
    waiting: Semaphore,
    entropy: Arc<dyn Entropy>,
    /// The hash of no password: verified against where the phone is unknown.
    dummy: String,
}

/// What a verification found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is the password.
    pub right: bool,
    /// Whether the hash was made with another cost than is configured now.
    pub outdated: bool,
}

impl PasswordHasher {
    /// A hasher with the cost of `config`; `pepper` is the key that the database does not hold.
    ///
    /// # Errors
    /// [`HashError::Parameters`] if Argon2id does not take the cost.
    pub fn new(
        config: PasswordConfig,
        pepper: Zeroizing<[u8; 32]>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, HashError> {
        let params = Params::new(config.memory_kib, config.iterations, config.lanes, None)
            .map_err(|error| HashError::Parameters(error.to_string()))?;
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let mut inner = Inner {
            pepper,
            params,
            working: Semaphore::new(cores),
            waiting: Semaphore::new(cores * QUEUE_PER_CORE),
            entropy,
            dummy: String::new(),
        };
        let mut nobodys = [0_u8; 32];
        inner.entropy.fill(&mut nobodys);
        inner.dummy = inner.hash(&nobodys).map_err(|error| HashError::Parameters(error.to_string()))?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The hash of a new password as a PHC string, after checking its strength for the owner of `phone`.
    ///
    /// # Errors
    /// [`HashError`]; inside the `Ok`, the weakness if there is one.
    pub async fn admit(
        &self,
        password: Password,
        phone: Phone,
    ) -> Result<Result<String, PasswordProblem>, HashError> {
        self.run(move |inner| match password.check_strength(phone.expose()) {
            Ok(()) => inner.hash(password.expose()).map(Ok),
            Err(problem) => Ok(Err(problem)),
        })
        .await
    }

    /// The hash of a password that was right, with the cost of today.
    ///
    /// # Errors
    /// [`HashError`].
    pub async fn rehash(&self, password: Password) -> Result<String, HashError> {
        self.run(move |inner| inner.hash(password.expose())).await
    }

    /// Whether `password` is the one of `stored`; where nothing is stored it never is, at the same cost.
    ///
    /// # Errors
    /// [`HashError`].
    pub async fn verify(&self, password: Password, stored: Option<String>) -> Result<Verdict, HashError> {
        self.run(move |inner| {
            let known = stored.is_some();
            let verdict = inner.verify(password.expose(), stored.as_deref().unwrap_or(&inner.dummy))?;
            Ok(Verdict { right: verdict.right && known, outdated: verdict.outdated && known })
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let _place = self.inner.waiting.try_acquire().map_err(|_| HashError::Overloaded)?;
        let turn = tokio::time::timeout(QUEUE_WAIT_MAX, self.inner.working.acquire()).await;
        let turn = turn.map_err(|_| HashError::Overloaded)?.map_err(|_| HashError::Died)?;
        // A caller who goes away must not free the core that still hashes for them.
        turn.forget();
        let inner = Arc::clone(&self.inner);
        let done = tokio::task::spawn_blocking(move || {
            let _returned = ReturnTurn(&inner.working);
            work(&inner)
        });
        done.await.map_err(|_| HashError::Died)?
    }
}

/// Gives the core back, whether the work ended or panicked.
struct ReturnTurn<'a>(&'a Semaphore);

impl Drop for ReturnTurn<'_> {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

impl Inner {
    fn argon2(&self) -> Result<Argon2<'_>, HashError> {
        Argon2::new_with_secret(&*self.pepper, Algorithm::Argon2id, Version::V0x13, self.params.clone())
            .map_err(|error| HashError::Parameters(error.to_string()))
    }

    fn hash(&self, password: &[u8]) -> Result<String, HashError> {
        let mut salt = [0_u8; SALT_LENGTH];
        self.entropy.fill(&mut salt);
        self.argon2()?
            .hash_password_with_salt(password, &salt)
            .map(|hash| hash.to_string())
            .map_err(|error| HashError::Parameters(error.to_string()))
    }

    fn verify(&self, password: &[u8], stored: &str) -> Result<Verdict, HashError> {
        let damaged = |error: &dyn std::fmt::Display| HashError::Damaged(error.to_string());
        let hash = PasswordHash::new(stored).map_err(|error| damaged(&error))?;
        let params = Params::try_from(&hash).map_err(|error| damaged(&error))?;
        let right = match self.argon2()?.verify_password(password, &hash) {
            Ok(()) => true,
            Err(argon2::password_hash::Error::PasswordInvalid) => false,
            Err(error) => return Err(damaged(&error)),
        };
        let cost = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        Ok(Verdict { right, outdated: cost(&params) != cost(&self.params) })
    }
}

impl std::fmt::Debug for PasswordHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHasher")
    }
}

#[cfg(test)]
mod tests {
    use bursar_types::OsEntropy;

    use super::*;

    const CHEAP: PasswordConfig = PasswordConfig { memory_kib: 64, iterations: 1, lanes: 1 };

    fn hasher(config: PasswordConfig, pepper: u8) -> PasswordHasher {
        PasswordHasher::new(config, Zeroizing::new([pepper; 32]), Arc::new(OsEntropy)).unwrap()
    }

    fn password(text: &str) -> Password {
        Password::parse(text).unwrap()
    }

    #[tokio::test]
    async fn a_hash_knows_its_password_its_cost_and_its_pepper() {
        let cheap = hasher(CHEAP, 1);
        let phone = Phone::parse("+8613800138021").unwrap();
        let stored = cheap.admit(password("correct-horse-battery"), phone.clone()).await.unwrap().unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{stored}");
        let verdict = |hasher: PasswordHasher, text: &'static str, stored: Option<String>| async move {
            hasher.verify(password(text), stored).await.unwrap()
        };
        let right = verdict(cheap.clone(), "correct-horse-battery", Some(stored.clone())).await;
        assert_eq!(right, Verdict { right: true, outdated: false });
        assert!(!verdict(cheap.clone(), "correct-horse-batterz", Some(stored.clone())).await.right);
        assert!(!verdict(cheap.clone(), "correct-horse-battery", None).await.right);
        assert!(!verdict(hasher(CHEAP, 2), "correct-horse-battery", Some(stored.clone())).await.right);
        let dearer = hasher(PasswordConfig { iterations: 2, ..CHEAP }, 1);
        let old = verdict(dearer, "correct-horse-battery", Some(stored)).await;
        assert_eq!(old, Verdict { right: true, outdated: true });
        assert_eq!(
            cheap.admit(password("password1"), phone).await.unwrap(),
            Err(PasswordProblem::Weak(crate::password::Weakness::Common))
        );
    }

    #[tokio::test]
    async fn a_damaged_hash_is_no_wrong_password() {
        let outcome =
            hasher(CHEAP, 1).verify(password("correct-horse-battery"), Some("$argon2id$x".into())).await;
        assert!(matches!(outcome, Err(HashError::Damaged(_))), "{outcome:?}");
    }

    #[test]
    fn an_impossible_cost_is_found_at_start() {
        let config = PasswordConfig { memory_kib: 1, ..CHEAP };
        let outcome = PasswordHasher::new(config, Zeroizing::new([0; 32]), Arc::new(OsEntropy));
        assert!(matches!(outcome, Err(HashError::Parameters(_))));
    }
}
