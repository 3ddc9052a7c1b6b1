//! All keys of the vault, open, in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use bursar_card_data::Pan;
use bursar_types::Timestamp;

use super::{KeyError, KeyState, Purpose, Root, StoredKey};
use crate::crypto::mac::MacKey;
use crate::crypto::record::Keks;
use crate::crypto::secret::Key256;
use crate::crypto::wrap::Kek;
use crate::payment::cvv::{self, Cvk, CvkBytes};
use crate::payment::range::BinRangeId;

/// The keys of one purpose by version, one of them primary.
struct Versions<K> {
    primary: u32,
    keys: BTreeMap<u32, K>,
}

impl<K> Versions<K> {
    fn open(
        root: &Root,
        stored: &[StoredKey],
        purpose: Purpose,
        make: impl Fn(Key256) -> K,
    ) -> Result<Self, KeyError> {
        let mut primary = None;
        let mut keys = BTreeMap::new();
        let usable = |row: &&StoredKey| row.purpose == purpose && row.state != KeyState::Retired;
        for row in stored.iter().filter(usable) {
            keys.insert(row.version, make(row.open(root)?));
            if row.state == KeyState::Primary {
                primary = Some(row.version);
            }
        }
        let primary = primary.ok_or_else(|| KeyError::Missing { purpose: purpose.as_str().to_owned() })?;
        Ok(Self { primary, keys })
    }

    fn active(&self) -> (u32, &K) {
        let key =
            self.keys.get(&self.primary).expect("the constructor took the primary version from these keys");
        (self.primary, key)
    }
}

/// A card number as the database knows it, and the version of the key that made it so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fingerprint {
    pub(crate) value: [u8; 32],
    pub(crate) key_version: u32,
}

/// The open keys.
pub(crate) struct KeyRing {
    root: Arc<Root>,
    /// Which change of the keys it is of.
    generation: i64,
    keks: Versions<Kek>,
    pan_index: Versions<MacKey>,
    pepper: Versions<MacKey>,
    ticket: Versions<MacKey>,
    digest: Versions<MacKey>,
    cvks: RwLock<HashMap<(String, u32), Arc<Cvk>>>,
    /// Does for an unknown card number the work that a known one's CVK would do.
    stand_in: Arc<Cvk>,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyRing(<hidden>)")
    }
}

/// The key set of a new vault, wrapped by `root`.
pub(crate) fn first_set(root: &Root, now: Timestamp) -> Result<Vec<StoredKey>, KeyError> {
    Purpose::SINGLE.into_iter().map(|purpose| StoredKey::fresh(root, purpose, 1, now)).collect()
}

impl KeyRing {
    /// Opens all `stored` keys with `root`; `generation` counts their changes.
    pub(crate) fn open(root: Arc<Root>, stored: &[StoredKey], generation: i64) -> Result<Self, KeyError> {
        let mac = |purpose| Versions::open(&root, stored, purpose, |key| MacKey::new(&key));
        let ring = Self {
            keks: Versions::open(&root, stored, Purpose::Kek, |key| Kek::new(&key))?,
            pan_index: mac(Purpose::PanIndex)?,
            pepper: mac(Purpose::PasswordPepper)?,
            ticket: mac(Purpose::RevealTicket)?,
            digest: mac(Purpose::RequestDigest)?,
            cvks: RwLock::default(),
            stand_in: Arc::new(Cvk::new(&cvv::generate())),
            root,
            generation,
        };
        for row in stored.iter().filter(|row| row.purpose == Purpose::Cvk) {
            ring.open_cvk(row)?;
        }
        Ok(ring)
    }

    /// What wraps them all.
    pub(crate) fn root(&self) -> &Arc<Root> {
        &self.root
    }

    /// Which change of the keys this is of.
    pub(crate) fn generation(&self) -> i64 {
        self.generation
    }

    /// The fingerprint of a card number under the active key.
    pub(crate) fn fingerprint(&self, pan: &Pan) -> Fingerprint {
        let (key_version, key) = self.pan_index.active();
        Fingerprint { value: *key.sign("bursar/pan-index/v1", &[pan.expose().as_bytes()]), key_version }
    }

    /// The active pepper and its version.
    pub(crate) fn pepper(&self) -> (u32, &MacKey) {
        self.pepper.active()
    }

    /// The pepper of `version`, if it is known.
    pub(crate) fn pepper_of(&self, version: u32) -> Option<&MacKey> {
        self.pepper.keys.get(&version)
    }

    /// The key that makes ticket secrets.
    pub(crate) fn ticket(&self) -> &MacKey {
        self.ticket.active().1
    }

    /// The key of request digests. It never changes: a digest must be the same when the request comes again.
    pub(crate) fn digest(&self) -> &MacKey {
        self.digest.active().1
    }

    /// A fresh pair of card verification keys for a BIN range, wrapped.
    pub(crate) fn make_cvk(&self, range: &BinRangeId, now: Timestamp) -> Result<StoredKey, KeyError> {
        StoredKey::wrap(&self.root, Purpose::Cvk, range.as_str(), 1, &cvv::generate(), now)
    }

    /// Opens a stored CVK and remembers it.
    pub(crate) fn open_cvk(&self, row: &StoredKey) -> Result<Arc<Cvk>, KeyError> {
        let pair: CvkBytes = row.open(&self.root)?;
        let cvk = Arc::new(Cvk::new(&pair));
        let mut known = self.cvks.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(known.entry((row.scope.clone(), row.version)).or_insert(cvk)))
    }

    /// The CVK of a range, if it was opened before; another replica may have made it since.
    pub(crate) fn cvk(&self, range: &BinRangeId, version: u32) -> Option<Arc<Cvk>> {
        let known = self.cvks.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&(range.as_str().to_owned(), version)).map(Arc::clone)
    }

    /// A CVK of no range.
    pub(crate) fn stand_in(&self) -> Arc<Cvk> {
        Arc::clone(&self.stand_in)
    }
}

impl Keks for KeyRing {
    fn active(&self) -> (u32, &Kek) {
        self.keks.active()
    }

    fn find(&self, version: u32) -> Option<&Kek> {
        self.keks.keys.get(&version)
    }
}

#[cfg(test)]
mod tests {
    use super::super::RootKey;
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1);

    fn root(folder: &tempfile::TempDir, name: &str) -> Arc<Root> {
        let path = folder.path().join(name);
        let key = if path.exists() { RootKey::load(&path).unwrap() } else { RootKey::create(&path).unwrap() };
        Arc::new(Root::Local(key))
    }

    #[test]
    fn the_same_root_opens_the_same_keys_and_another_opens_none() {
        let folder = tempfile::tempdir().unwrap();
        let stored = first_set(&root(&folder, "a"), NOW).unwrap();
        let pan = Pan::compose("990000", 42, 16).unwrap();
        let one = KeyRing::open(root(&folder, "a"), &stored, 0).unwrap();
        let two = KeyRing::open(root(&folder, "a"), &stored, 0).unwrap();
        assert_eq!(one.fingerprint(&pan).value, two.fingerprint(&pan).value);
        let refused = KeyRing::open(root(&folder, "b"), &stored, 0).unwrap_err();
        assert!(matches!(refused, KeyError::Wrapped { .. }), "{refused}");
    }

    #[test]
    fn keys_swapped_between_rows_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root_key = root(&folder, "a");
        let mut stored = first_set(&root_key, NOW).unwrap();
        let (left, right) = stored.split_at_mut(1);
        std::mem::swap(&mut left[0].wrapped, &mut right[0].wrapped);
        std::mem::swap(&mut left[0].check_value, &mut right[0].check_value);
        let refused = KeyRing::open(root_key, &stored, 0).unwrap_err();
        assert!(matches!(refused, KeyError::Wrapped { .. }), "{refused}");
    }

    #[test]
    fn a_missing_or_inactive_key_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for purpose in Purpose::SINGLE {
            let mut stored = first_set(&root(&folder, "a"), NOW).unwrap();
            for row in stored.iter_mut().filter(|row| row.purpose == purpose) {
                row.state = KeyState::Retired;
            }
            let refused = KeyRing::open(root(&folder, "a"), &stored, 0).unwrap_err();
            assert!(refused.to_string().contains(purpose.as_str()), "{refused}");
        }
    }

    #[test]
    fn nothing_of_a_key_is_stored_in_plain() {
        let folder = tempfile::tempdir().unwrap();
        let root_key = root(&folder, "a");
        let key = Key256::generate();
        let row = StoredKey::wrap(&root_key, Purpose::Kek, "", 1, &key, NOW).unwrap();
        let dump = format!("{row:?}");
        assert!(!row.wrapped.windows(8).any(|w| key.expose().windows(8).any(|k| k == w)), "{dump}");
        assert_eq!(row.open::<32>(&root_key).unwrap().expose(), key.expose());
    }
}
