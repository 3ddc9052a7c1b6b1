//! What many items are, in little space: each item's hash under a key that nobody knew before is added to the sum of its
//! bucket. Equal sums mean equal items, for who changes one cannot know what to change another by.

use std::collections::BTreeMap;

use bursar_types::TypedId as _;
use bursar_types::id::{AccountId, TransferId, Uuid};
use ring::digest::{Context, SHA256};

use crate::index::{Kind, entry_place};
use crate::project::Event;
use crate::wire::Message as _;

/// Buckets: so that of what differs only one in so many items must be looked at again.
const BUCKETS: usize = 4_096;
/// First byte of an event's key; the index's kinds are below it.
const EVENT: u8 = 0x80;

/// The sums of some items.
#[derive(Debug)]
pub(super) struct Prints {
    key: [u8; 32],
    sums: Vec<u128>,
    /// Buckets whose items are kept.
    keep: Vec<usize>,
    kept: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Prints {
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self::keeping(key, Vec::new())
    }

    /// Sums that also keep the items of some buckets.
    pub(super) fn keeping(key: [u8; 32], keep: Vec<usize>) -> Self {
        Self { key, sums: vec![0; BUCKETS], keep, kept: BTreeMap::new() }
    }

    /// Adds an item.
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        let mut context = Context::new(&SHA256);
        context.update(&self.key);
        context.update(&(key.len() as u64).to_be_bytes());
        context.update(key);
        context.update(value);
        let hash = context.finish();
        let (bucket, rest) = hash.as_ref().split_at(16);
        let bucket = usize::from(u16::from_be_bytes([bucket[0], bucket[1]])) % BUCKETS;
        let mut sum = [0; 16];
        sum.copy_from_slice(rest);
        self.sums[bucket] = self.sums[bucket].wrapping_add(u128::from_be_bytes(sum));
        if self.keep.contains(&bucket) {
            self.kept.insert(key.to_vec(), value.to_vec());
        }
    }

    /// The buckets in which others have other items.
    pub(super) fn differing(&self, others: &Self) -> Vec<usize> {
        let sums = self.sums.iter().zip(&others.sums).enumerate();
        sums.filter(|(_, (ours, theirs))| ours != theirs).map(|(bucket, _)| bucket).collect()
    }

    /// The items that were kept, by key.
    pub(super) fn kept(self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        self.kept
    }
}

/// Visits events, the first of which is at position `first`, as items.
pub(super) fn each_event(first: i64, events: &[Event], visit: &mut impl FnMut(&[u8], &[u8])) {
    let mut value = Vec::with_capacity(128);
    for (position, event) in (first..).zip(events) {
        let mut key = [0; 9];
        key[0] = EVENT;
        key[1..].copy_from_slice(&position.to_be_bytes());
        value.clear();
        event.encode(&mut value);
        visit(&key, &value);
    }
}

/// What a key is of, for people.
pub(super) fn named(key: &[u8]) -> String {
    let id = key.get(1..17).and_then(|id| id.try_into().ok()).map(Uuid::from_bytes);
    let place = || entry_place(key).map(|place| format!("{}.{}", place.position, place.ordinal));
    match (Kind::of(key), id) {
        (Ok(Kind::Request), Some(id)) => format!("request {id}"),
        (Ok(Kind::Transfer), Some(id)) => format!("transfer {}", TransferId::from_uuid(id)),
        (Ok(Kind::Entry), Some(id)) => {
            format!("entry {} of {}", place().unwrap_or_default(), AccountId::from_uuid(id))
        }
        (Ok(kind), _) => format!("{} at {}", kind.name(), place().unwrap_or_default()),
        (Err(_), _) => match key.split_first() {
            Some((&EVENT, position)) => {
                let position = position.try_into().map(i64::from_be_bytes).unwrap_or_default();
                format!("event {position}")
            }
            _ => "a key of no kind".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_found_in_its_bucket() {
        let (mut ours, mut theirs) = (Prints::new([1; 32]), Prints::new([1; 32]));
        for number in 0..10_000_u32 {
            ours.add(&number.to_be_bytes(), b"value");
        }
        for number in (0..10_000_u32).rev() {
            theirs.add(&number.to_be_bytes(), if number == 77 { b"other" } else { b"value" });
        }
        let wrong = ours.differing(&theirs);
        assert!((1..=2).contains(&wrong.len()), "{wrong:?}");
        let mut kept = Prints::keeping([1; 32], wrong);
        for number in 0..10_000_u32 {
            kept.add(&number.to_be_bytes(), b"value");
        }
        let kept = kept.kept();
        assert!(kept.contains_key(77_u32.to_be_bytes().as_slice()) && kept.len() < 100);
    }

    #[test]
    fn the_order_does_not_matter_and_repetition_does() {
        let (mut once, mut twice) = (Prints::new([2; 32]), Prints::new([2; 32]));
        once.add(b"a", b"1");
        twice.add(b"a", b"1");
        twice.add(b"a", b"1");
        assert_eq!(once.differing(&twice).len(), 1);
        // What is the key's and what the value's is no matter of where they meet.
        let mut shifted = Prints::new([2; 32]);
        shifted.add(b"a1", b"");
        assert!(!once.differing(&shifted).is_empty());
    }
}
