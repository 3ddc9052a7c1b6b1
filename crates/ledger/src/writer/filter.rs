//! Was this request id ever used? A compact "certainly not" or "maybe", so that the database is asked only for
//! repetitions and for a few in a thousand others.
//!
//! A Bloom filter in blocks of one cache line, in layers that double: memory grows with the ids (about two bytes
//! each), and nothing is ever moved. Until it has learned all ids of the past it answers "maybe" to everything.

use bursar_types::RequestId;

/// Words of 64 bits in a block: one cache line.
const BLOCK_WORDS: usize = 8;
/// Ids the first layer takes; each further one twice those of the one before.
const FIRST_LAYER_IDS: usize = 1 << 16;
/// Bits an id has in its layer.
const BITS_PER_ID: usize = 16;
/// Bits of a block that an id sets: with 16 bits an id, about two false alarms in a thousand.
const PROBES: u32 = 5;

#[derive(Debug)]
struct Layer {
    words: Vec<u64>,
    room: usize,
}

impl Layer {
    fn new(ids: usize) -> Self {
        let words = (ids * BITS_PER_ID / 64).max(BLOCK_WORDS);
        Self { words: vec![0; words], room: ids }
    }

    /// The block of a hash and its bits.
    fn probes(&self, hash: u128) -> (usize, impl Iterator<Item = (usize, u64)> + use<>) {
        let blocks = self.words.len() / BLOCK_WORDS;
        let block = (hash as u64 % blocks as u64) as usize;
        let bits = (hash >> 64) as u64;
        let probes = (0..PROBES).map(move |n| {
            let bit = (bits >> (9 * n)) & 0x1ff;
            ((bit / 64) as usize, 1_u64 << (bit % 64))
        });
        (block * BLOCK_WORDS, probes)
    }

    fn insert(&mut self, hash: u128) {
        let (at, probes) = self.probes(hash);
        for (word, bit) in probes {
            self.words[at + word] |= bit;
        }
        self.room = self.room.saturating_sub(1);
    }

    fn may_hold(&self, hash: u128) -> bool {
        let (at, mut probes) = self.probes(hash);
        probes.all(|(word, bit)| self.words[at + word] & bit != 0)
    }
}

/// The filter.
#[derive(Debug)]
pub(crate) struct Filter {
    layers: Vec<Layer>,
    /// Callers choose the ids; with a key of our own they cannot choose where they fall.
    key: u128,
    complete: bool,
}

impl Filter {
    /// An empty filter that answers "maybe" until [`complete`](Self::complete) is called. `key` is random.
    pub(crate) fn new(key: u128) -> Self {
        Self { layers: vec![Layer::new(FIRST_LAYER_IDS)], key: key | 1, complete: false }
    }

    fn hash(&self, id: RequestId) -> u128 {
        // Two rounds of multiply and fold: every bit of id and key reaches every bit of the result.
        let mut value = id.as_uuid().as_u128() ^ self.key;
        for _ in 0..2 {
            value = value.wrapping_mul(self.key | 1);
            value ^= value >> 67;
            value = value.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
            value ^= value >> 59;
        }
        value
    }

    /// Notes an id.
    pub(crate) fn insert(&mut self, id: RequestId) {
        let hash = self.hash(id);
        if self.layers.last().is_none_or(|layer| layer.room == 0) {
            let doublings = self.layers.len().min(16);
            self.layers.push(Layer::new(FIRST_LAYER_IDS << doublings));
        }
        if let Some(layer) = self.layers.last_mut() {
            layer.insert(hash);
        }
    }

    /// Whether the id may have been noted; `false` is certain.
    pub(crate) fn may_hold(&self, id: RequestId) -> bool {
        let hash = self.hash(id);
        !self.complete || self.layers.iter().any(|layer| layer.may_hold(hash))
    }

    /// All ids of the past have been noted.
    pub(crate) fn complete(&mut self) {
        self.complete = true;
    }
}

#[cfg(test)]
mod tests {
    use bursar_types::id::Uuid;

    use super::*;

    fn id(number: u128) -> RequestId {
        RequestId::from_uuid(Uuid::from_u128(number))
    }

    #[test]
    fn what_was_noted_is_found_and_little_else() {
        let mut filter = Filter::new(0x1234_5678_9abc_def0_0fed_cba9_8765_4321);
        filter.complete();
        let count = 300_000;
        for number in 1..=count {
            filter.insert(id(number));
        }
        assert!((1..=count).all(|number| filter.may_hold(id(number))));
        let false_alarms = (count + 1..=2 * count).filter(|number| filter.may_hold(id(*number))).count();
        assert!(false_alarms * 50 < 300_000, "{false_alarms} of 300000");
    }

    #[test]
    fn until_it_knows_all_it_says_maybe() {
        let mut filter = Filter::new(1);
        assert!(filter.may_hold(id(1)));
        filter.complete();
        assert!(!filter.may_hold(id(1)));
    }
}
