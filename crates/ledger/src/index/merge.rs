//! Several runs into one, block by block.

use std::collections::VecDeque;

use super::block::{Block, BlockReader, BlockWriter};
use crate::wire::WireError;

/// One of the runs that are merged.
#[derive(Debug, Default)]
struct Source {
    /// The block that is read; its item is the next.
    reader: Option<BlockReader>,
    waiting: VecDeque<Block>,
    /// Key of the last block that was fed: the next ones begin after it.
    fed: Vec<u8>,
    exhausted: bool,
}

impl Source {
    /// Goes to the next item, through as many blocks as it takes.
    fn advance(&mut self) -> Result<(), WireError> {
        loop {
            if let Some(reader) = &mut self.reader
                && reader.advance()?
            {
                return Ok(());
            }
            self.reader = self.waiting.pop_front().map(|block| BlockReader::new(block.body));
            if self.reader.is_none() {
                return Ok(());
            }
        }
    }

    fn is_hungry(&self) -> bool {
        self.reader.is_none() && !self.exhausted
    }
}

/// A merge in progress: feed what is hungry, take what is finished.
#[derive(Debug)]
pub(crate) struct Merge {
    sources: Vec<Source>,
    writer: BlockWriter,
}

impl Merge {
    /// A merge of so many runs.
    pub(crate) fn new(runs: usize) -> Self {
        Self { sources: (0..runs).map(|_| Source::default()).collect(), writer: BlockWriter::default() }
    }

    /// A run that must be fed before the merge can go on, and the key its next blocks begin after.
    pub(crate) fn hungry(&self) -> Option<(usize, &[u8])> {
        self.sources
            .iter()
            .enumerate()
            .find(|(_, source)| source.is_hungry())
            .map(|(at, source)| (at, &*source.fed))
    }

    /// Gives a run its next blocks; none: it has no more.
    pub(crate) fn feed(&mut self, run: usize, blocks: Vec<Block>) -> Result<(), WireError> {
        let Some(source) = self.sources.get_mut(run) else { return Ok(()) };
        match blocks.last() {
            Some(last) => source.fed.clone_from(&last.first_key),
            None => source.exhausted = true,
        }
        source.waiting.extend(blocks);
        if source.reader.is_none() { source.advance() } else { Ok(()) }
    }

    /// Whether every run was fed to its end: what [`run`](Self::run) gives next is the last.
    pub(crate) fn is_through(&self) -> bool {
        self.sources.iter().all(|source| source.exhausted)
    }

    /// Goes on until a run is hungry or all are through; what is finished by then.
    pub(crate) fn run(&mut self) -> Result<Vec<Block>, WireError> {
        while !self.sources.iter().any(Source::is_hungry) {
            let keys = self
                .sources
                .iter()
                .enumerate()
                .filter_map(|(at, source)| Some((source.reader.as_ref()?.key(), at)));
            let Some((_, least)) = keys.min() else {
                return Ok(self.writer.finish());
            };
            let source = &mut self.sources[least];
            if let Some(reader) = &source.reader {
                self.writer.push(reader.key(), reader.value());
            }
            source.advance()?;
        }
        Ok(self.writer.take())
    }

    /// Items merged so far.
    pub(crate) fn items(&self) -> u64 {
        self.writer.items()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn blocks(items: &BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<Block> {
        let mut writer = BlockWriter::default();
        for (key, value) in items {
            writer.push(key, value);
        }
        writer.finish()
    }

    proptest! {
        #[test]
        fn a_merge_holds_what_the_runs_held(
            items: BTreeMap<[u8; 6], (u8, Vec<u8>)>, runs in 1_u8..9, page in 1_usize..4,
        ) {
            let mut parts = vec![BTreeMap::new(); runs.into()];
            for (key, (run, value)) in &items {
                parts[usize::from(run % runs)].insert(key.to_vec(), value.clone());
            }
            let mut waiting: Vec<VecDeque<Block>> = parts.iter().map(|part| blocks(part).into()).collect();
            let mut merge = Merge::new(runs.into());
            let mut merged = Vec::new();
            while let Some((run, _)) = merge.hungry() {
                let next = waiting[run].len().min(page);
                let next: Vec<Block> = waiting[run].drain(..next).collect();
                merge.feed(run, next).unwrap();
                merged.extend(merge.run().unwrap());
            }
            merged.extend(merge.run().unwrap());
            prop_assert_eq!(merge.items(), items.len() as u64);
            let all = items.iter().map(|(key, (_, value))| (key.to_vec(), value.clone())).collect();
            prop_assert_eq!(merged, blocks(&all));
        }
    }
}
