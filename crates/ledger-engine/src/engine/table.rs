//! Hash tables that are only looked up in: they cannot be iterated but in the order of their keys.

use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// Hashes ids. They are UUIDs of our own making whose low bits are random, so a multiply is enough; nobody outside
/// chooses a key that is stored.
#[derive(Clone, Copy, Default)]
pub(crate) struct IdHasher(u64);

/// An odd constant with well-spread bits: the golden ratio in 64 bits.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0_u8; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = (self.0.rotate_left(23) ^ u64::from_le_bytes(word)).wrapping_mul(SPREAD);
        }
    }

    fn write_usize(&mut self, _length: usize) {
        // The length of a fixed array: the same for every key.
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

/// A table by id.
pub(crate) type IdTable<K, V> = Table<K, V, BuildHasherDefault<IdHasher>>;
/// A table by a text that may come from outside: SipHash, with fixed keys.
pub(crate) type TextTable<K, V> = Table<K, V, BuildHasherDefault<DefaultHasher>>;

/// A table without iteration order.
#[derive(Clone, Debug)]
pub(crate) struct Table<K, V, S>(HashMap<K, V, S>);

impl<K, V, S: Default> Default for Table<K, V, S> {
    fn default() -> Self {
        Self(HashMap::with_hasher(S::default()))
    }
}

impl<K: Eq + Hash + Ord, V, S: std::hash::BuildHasher> Table<K, V, S> {
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.0.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.0.get_mut(key)
    }

    pub(crate) fn holds(&self, key: &K) -> bool {
        self.0.contains_key(key)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.0.insert(key, value)
    }

    /// Inserts unless the key is there; says whether it did.
    pub(crate) fn insert_new(&mut self, key: K, value: V) -> bool {
        match self.0.entry(key) {
            Entry::Occupied(_) => false,
            Entry::Vacant(free) => {
                free.insert(value);
                true
            }
        }
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        self.0.remove(key)
    }

    /// Visits every value, in no order: for what does not depend on one, such as sums.
    pub(crate) fn each(&self, visit: impl FnMut(&V)) {
        self.0.values().for_each(visit);
    }

    /// Everything, in the order of the keys.
    pub(crate) fn sorted(&self) -> Vec<(&K, &V)> {
        let mut all: Vec<_> = self.0.iter().collect();
        all.sort_unstable_by(|a, b| a.0.cmp(b.0));
        all
    }
}
