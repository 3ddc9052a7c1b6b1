//! From a card password to the value that is stored.
//!
//! `verifier = HMAC(pepper, card | Argon2id(salt, digits))`: without the pepper, which the database holds only wrapped,
//! a copy of the database says nothing about a password, though there are only a million. With database and keys in
//! hand Argon2id makes trying them all cost some eight core-hours for each card. The card is in the value, so that a
//! verifier copied to another card's row is worth nothing there.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version};
use bursar_card_data::CardPassword;
use bursar_types::TypedId as _;
use bursar_types::id::CardId;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::crypto::mac::MacKey;
use crate::error::VaultError;

/// Memory of one hash in KiB: 19 MiB, the first choice of OWASP's password storage cheat sheet.
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over that memory.
const PASSES: u32 = 2;
/// Lanes of one hash: parallelism comes from hashing several passwords.
const LANES: u32 = 1;
/// Bytes Argon2id gives.
const HASH_BYTES: usize = 32;
/// Calls that may wait for their turn; with some 30 ms a hash the last waits about a second a core.
const WAITING_MAX: usize = 64;

/// Hashes passwords beside the async threads, as many at once as there are cores: a flood of them takes bounded memory
/// and leaves the rest of the vault its time. Clones share the bounds.
#[derive(Clone)]
pub(crate) struct PasswordHasher {
    argon2: Arc<Argon2<'static>>,
    admitted: Arc<Semaphore>,
    running: Arc<Semaphore>,
}

impl std::fmt::Debug for PasswordHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHasher")
    }
}

/// A place among those who wait or hash.
#[derive(Debug)]
pub(crate) struct Admission {
    _place: tokio::sync::OwnedSemaphorePermit,
}

impl PasswordHasher {
    /// A hasher that runs as many at once as this machine has cores.
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(HASH_BYTES))
            .expect("these constants are within Argon2's bounds");
        Self {
            argon2: Arc::new(Argon2::new(Algorithm::Argon2id, Version::V0x13, params)),
            admitted: Arc::new(Semaphore::new(cores + WAITING_MAX)),
            running: Arc::new(Semaphore::new(cores)),
        }
    }

    /// Takes a place, before anything is counted against the card: who is turned away has not used up a try.
    ///
    /// # Errors
    /// [`VaultError::Overloaded`] if there is none.
    pub(crate) fn admit(&self) -> Result<Admission, VaultError> {
        let place = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| VaultError::Overloaded)?;
        Ok(Admission { _place: place })
    }

    /// The slow half: Argon2id of the digits.
    pub(crate) async fn stretch(
        &self,
        _admission: &Admission,
        password: &Arc<CardPassword>,
        salt: [u8; 16],
    ) -> Result<Zeroizing<[u8; HASH_BYTES]>, VaultError> {
        let failed = VaultError::Internal;
        let turn =
            Arc::clone(&self.running).acquire_owned().await.map_err(|_| failed("the queue of hashes"))?;
        let (argon2, password) = (Arc::clone(&self.argon2), Arc::clone(password));
        let hashed = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let mut hash = Zeroizing::new([0_u8; HASH_BYTES]);
            argon2.hash_password_into(password.expose().as_bytes(), &salt, hash.as_mut_slice()).map(|()| hash)
        });
        hashed.await.map_err(|_| failed("the thread of a hash"))?.map_err(|_| failed("Argon2id"))
    }
}

/// The quick half: keyed with the pepper and bound to the card.
pub(crate) fn verifier(pepper: &MacKey, card: CardId, stretched: &[u8; HASH_BYTES]) -> [u8; 32] {
    let card = card.as_uuid().into_bytes();
    *pepper.sign("bursar/card-password/v1", &[&card, stretched])
}

#[cfg(test)]
mod tests {
    use bursar_types::id::Uuid;

    use super::*;
    use crate::crypto::secret::Key256;

    #[tokio::test]
    async fn password_salt_card_and_pepper_all_matter() {
        let hasher = PasswordHasher::new();
        let admission = hasher.admit().unwrap();
        let password = |text: &str| Arc::new(CardPassword::parse(text).unwrap());
        let one = hasher.stretch(&admission, &password("493817"), [1; 16]).await.unwrap();
        assert_eq!(one, hasher.stretch(&admission, &password("493817"), [1; 16]).await.unwrap());
        assert_ne!(one, hasher.stretch(&admission, &password("493818"), [1; 16]).await.unwrap());
        assert_ne!(one, hasher.stretch(&admission, &password("493817"), [2; 16]).await.unwrap());
        let (pepper, other) = (MacKey::new(&Key256::generate()), MacKey::new(&Key256::generate()));
        let card = |n| CardId::from_uuid(Uuid::from_u128(n));
        assert_eq!(verifier(&pepper, card(1), &one), verifier(&pepper, card(1), &one));
        assert_ne!(verifier(&pepper, card(1), &one), verifier(&pepper, card(2), &one));
        assert_ne!(verifier(&pepper, card(1), &one), verifier(&other, card(1), &one));
    }

    #[test]
    fn no_more_are_let_in_than_there_are_places() {
        let hasher = PasswordHasher::new();
        let places: Vec<_> = std::iter::from_fn(|| hasher.admit().ok()).take(10_000).collect();
        assert!(places.len() > WAITING_MAX && places.len() < 10_000);
        assert!(matches!(hasher.admit(), Err(VaultError::Overloaded)));
        drop(places);
        assert!(hasher.admit().is_ok());
    }
}
