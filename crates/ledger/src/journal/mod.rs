//! The journal: what was asked and what became of it, in order, chained by hashes. It is the truth; everything else
//! can be made again from it.
//!
//! One row is one batch: commands decided together at one moment and made durable in one transaction. Each command
//! has a position: 1, 2, 3 … through all batches of the shard, without gaps.

mod body;
mod schema;

use bursar_ledger_engine::{Command, Outcome, Reference};
use bursar_types::id::ProgramId;
use bursar_types::{Timestamp, TypedId as _};
use ring::digest::{Context, SHA256};

pub(crate) use body::{Body, Fingerprint};

use crate::wire::{Fields, Message, Raw, Wire, WireError, message, put_number};

/// The format that is written. Readers know all formats up to it.
pub(crate) const FORMAT: u32 = 1;

/// A SHA-256 value.
pub(crate) type Hash = [u8; 32];

/// The hash before the first row.
pub(crate) const GENESIS: Hash = [0; 32];

/// A proof that was used with a command: nobody may use it again while it is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UsedProof {
    /// Its id.
    pub(crate) id: Reference,
    /// Until when it is good.
    pub(crate) until: Timestamp,
}

/// One command with what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The command.
    pub(crate) command: Command,
    /// What became of it; never a refusal of the whole.
    pub(crate) outcome: Outcome,
    /// What the caller asked for, so that the same request id with another body is known; absent for what the ledger
    /// asks itself.
    pub(crate) body: Option<Fingerprint>,
    /// The proof that was used with it.
    pub(crate) proof: Option<UsedProof>,
}

/// The commands of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    format: u32,
    /// In the order they were decided.
    pub(crate) records: Vec<Record>,
}

message! {
    UsedProof { 1 id, 2 until }
    Record { 1 command, 2 outcome, 3 body, 4 proof }
    Entry { 1 format, 2 records }
}

impl Entry {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let entry = <Self as Message>::decode(bytes)?;
        if entry.format == 0 || entry.format > FORMAT {
            return Err(WireError::Value("journal entry of a format this release knows"));
        }
        Ok(entry)
    }
}

/// The bytes of each record of an entry exactly as they stand there, in their order.
pub(crate) fn raw_records(entry: &[u8]) -> Result<Vec<&[u8]>, WireError> {
    let fields = Fields::parse(entry, "Entry", &[1, 2])?;
    fields.all(2).map(Raw::bytes).collect()
}

/// Gathers the bytes of an entry while its commands are decided.
#[derive(Debug)]
pub(crate) struct EntryWriter {
    bytes: Vec<u8>,
    count: u32,
}

impl EntryWriter {
    pub(crate) fn new() -> Self {
        let mut bytes = Vec::with_capacity(4096);
        put_number(1, u64::from(FORMAT), &mut bytes);
        Self { bytes, count: 0 }
    }

    pub(crate) fn push(&mut self, record: &Record) {
        record.put(2, &mut self.bytes);
        self.count += 1;
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// One row of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// 1, 2, 3 … in the shard.
    pub(crate) sequence: i64,
    /// The lease under which it was written.
    pub(crate) epoch: i64,
    /// The moment its commands were decided at.
    pub(crate) time: Timestamp,
    /// Position of its first command.
    pub(crate) first_position: i64,
    /// How many commands it holds.
    pub(crate) count: i64,
    /// The commands: an [`Entry`].
    pub(crate) entry: Vec<u8>,
    /// Hash of the row before.
    pub(crate) previous: Hash,
    /// Hash of all of this, the shard included.
    pub(crate) hash: Hash,
}

impl Row {
    /// The hash that the row must have.
    pub(crate) fn computed_hash(&self, shard: ProgramId) -> Hash {
        let mut context = Context::new(&SHA256);
        context.update(b"bursar.ledger.journal.v1\0");
        context.update(shard.as_uuid().as_bytes());
        for number in [self.sequence, self.epoch, self.time.as_micros(), self.first_position, self.count] {
            context.update(&number.to_be_bytes());
        }
        context.update(&self.previous);
        context.update(&(self.entry.len() as u64).to_be_bytes());
        context.update(&self.entry);
        digest(context)
    }

    /// Position of its last command.
    pub(crate) fn last_position(&self) -> i64 {
        self.first_position + self.count - 1
    }
}

/// The end of the journal: what the next row goes on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Sequence of the last row; 0: the journal is empty.
    pub(crate) sequence: i64,
    /// Position of its last command.
    pub(crate) position: i64,
    /// Its time.
    pub(crate) time: Timestamp,
    /// Its hash.
    pub(crate) hash: Hash,
}

impl Head {
    /// The end of an empty journal.
    pub(crate) fn empty() -> Self {
        Self { sequence: 0, position: 0, time: Timestamp::default(), hash: GENESIS }
    }

    /// The row after this head.
    pub(crate) fn next_row(&self, shard: ProgramId, epoch: i64, time: Timestamp, entry: EntryWriter) -> Row {
        let count = i64::from(entry.count());
        let mut row = Row {
            sequence: self.sequence + 1,
            epoch,
            time,
            first_position: self.position + 1,
            count,
            entry: entry.finish(),
            previous: self.hash,
            hash: GENESIS,
        };
        row.hash = row.computed_hash(shard);
        row
    }

    /// The head once `row` is the last.
    pub(crate) fn after(row: &Row) -> Self {
        Self { sequence: row.sequence, position: row.last_position(), time: row.time, hash: row.hash }
    }

    /// Why `row` does not follow this head; `None` if it does.
    pub(crate) fn broken_by(&self, shard: ProgramId, row: &Row) -> Option<String> {
        let at = row.sequence;
        if row.sequence != self.sequence + 1 {
            return Some(format!("journal row {at}: row {} is missing", self.sequence + 1));
        }
        if row.previous != self.hash {
            return Some(format!("journal row {at}: does not name the hash of row {}", self.sequence));
        }
        if row.first_position != self.position + 1 {
            return Some(format!(
                "journal row {at}: begins at position {} after {}",
                row.first_position, self.position
            ));
        }
        if row.time < self.time {
            return Some(format!("journal row {at}: its time is before that of the row before"));
        }
        if row.computed_hash(shard) != row.hash {
            return Some(format!("journal row {at}: its content does not have its hash"));
        }
        None
    }
}

pub(crate) fn digest(context: Context) -> Hash {
    let mut hash = GENESIS;
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// The raw value of a whole message, for [`Wire::from_raw`].
pub(crate) fn whole<T: Wire>(bytes: &[u8]) -> Result<T, WireError> {
    T::from_raw(Raw::Bytes(bytes))
}

#[cfg(test)]
mod decisions;
#[cfg(test)]
mod tests;
