//! Blocks: sorted items, each key without what it shares with the key before it.

use std::ops::Range;

use crate::wire::{WireError, put_varint, take_varint};

/// Bytes of a block's body that it is closed at. PostgreSQL moves rows of more than 2 KB to another table, which costs
/// more than the row; SQLite's pages hold two of these.
const BLOCK_BYTES: usize = 1_800;
/// Longest key: a reference of 255 bytes with its place.
const KEY_BYTES_MAX: usize = 512;

/// A finished block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// Its first key.
    pub(crate) first_key: Vec<u8>,
    /// Its items.
    pub(crate) body: Vec<u8>,
}

/// Makes blocks of items that come in the order of their keys.
#[derive(Debug, Default)]
pub(crate) struct BlockWriter {
    done: Vec<Block>,
    first_key: Vec<u8>,
    last_key: Vec<u8>,
    body: Vec<u8>,
    items: u64,
}

impl BlockWriter {
    /// Adds an item; its key is above all before.
    pub(crate) fn push(&mut self, key: &[u8], value: &[u8]) {
        debug_assert!(self.last_key.as_slice() < key, "items come in order");
        if !self.body.is_empty() && self.body.len() + key.len() + value.len() > BLOCK_BYTES {
            self.close();
        }
        let shared = if self.body.is_empty() {
            self.first_key = key.to_vec();
            0
        } else {
            self.last_key.iter().zip(key).take_while(|(last, this)| last == this).count()
        };
        let rest = &key[shared..];
        put_varint(shared as u64, &mut self.body);
        put_varint(rest.len() as u64, &mut self.body);
        put_varint(value.len() as u64, &mut self.body);
        self.body.extend_from_slice(rest);
        self.body.extend_from_slice(value);
        self.last_key.truncate(shared);
        self.last_key.extend_from_slice(rest);
        self.items += 1;
    }

    fn close(&mut self) {
        if !self.body.is_empty() {
            let body = std::mem::replace(&mut self.body, Vec::with_capacity(BLOCK_BYTES + 256));
            self.done.push(Block { first_key: std::mem::take(&mut self.first_key), body });
        }
    }

    /// How many items came.
    pub(crate) fn items(&self) -> u64 {
        self.items
    }

    /// The blocks that are finished by now.
    pub(crate) fn take(&mut self) -> Vec<Block> {
        std::mem::take(&mut self.done)
    }

    /// The rest of the blocks.
    pub(crate) fn finish(&mut self) -> Vec<Block> {
        self.close();
        self.take()
    }
}

/// Reads the items of a block. Any bytes are read or refused.
#[derive(Debug)]
pub(crate) struct BlockReader {
    body: Vec<u8>,
    at: usize,
    key: Vec<u8>,
    value: Range<usize>,
}

impl BlockReader {
    pub(crate) fn new(body: Vec<u8>) -> Self {
        Self { body, at: 0, key: Vec::with_capacity(32), value: 0..0 }
    }

    /// Goes to the next item; false at the end.
    pub(crate) fn advance(&mut self) -> Result<bool, WireError> {
        let mut rest = self.body.get(self.at..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(false);
        }
        let length = |rest: &mut &[u8]| usize::try_from(take_varint(rest)?).map_err(|_| WireError::CutOff);
        let shared = length(&mut rest)?;
        let own = length(&mut rest)?;
        let value = length(&mut rest)?;
        if shared > self.key.len() || own > KEY_BYTES_MAX {
            return Err(WireError::Malformed);
        }
        let (own, rest) = rest.split_at_checked(own).ok_or(WireError::CutOff)?;
        self.key.truncate(shared);
        self.key.extend_from_slice(own);
        let rest = rest.len().checked_sub(value).ok_or(WireError::CutOff)?;
        let end = self.body.len() - rest;
        (self.value, self.at) = (end - value..end, end);
        Ok(true)
    }

    /// Key of the item.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// Its value.
    pub(crate) fn value(&self) -> &[u8] {
        &self.body[self.value.clone()]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_written_is_read(items: BTreeMap<Vec<u8>, Vec<u8>>) {
            let items: BTreeMap<_, _> = items.into_iter().filter(|(key, _)| !key.is_empty()).collect();
            let mut writer = BlockWriter::default();
            for (key, value) in &items {
                writer.push(key, value);
            }
            let blocks = writer.finish();
            prop_assert!(blocks.is_sorted_by(|a, b| a.first_key < b.first_key));
            let mut read = BTreeMap::new();
            for block in &blocks {
                let mut reader = BlockReader::new(block.body.clone());
                let mut first = true;
                while reader.advance().unwrap() {
                    prop_assert!(!first || reader.key() == block.first_key);
                    first = false;
                    read.insert(reader.key().to_vec(), reader.value().to_vec());
                }
            }
            prop_assert_eq!(read, items);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let mut reader = BlockReader::new(bytes);
            while let Ok(true) = reader.advance() {}
        }
    }

    #[test]
    fn blocks_stay_small() {
        let mut writer = BlockWriter::default();
        for number in 0..10_000_u32 {
            writer.push(&number.to_be_bytes(), &[7; 40]);
        }
        assert_eq!(writer.items(), 10_000);
        let blocks = writer.finish();
        assert!(blocks.len() > 200);
        assert!(blocks.iter().all(|block| block.body.len() <= BLOCK_BYTES));
    }
}
