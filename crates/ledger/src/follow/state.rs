//! The engine's state, stored and loaded in parts: written and read one by one, encoded and restored beside it on a
//! thread of their own, and never as a whole in memory besides the engine.

use bursar_ledger_engine::{Engine, Reference, Restore, Snapshot};
use bursar_service::db::{Db, DbError};
use bursar_types::id::ProgramId;
use bursar_types::{RequestId, Timestamp};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::error::LedgerError;
use crate::journal::{UsedProof, whole};
use crate::store::checkpoint;
use crate::wire::{Wire as _, message};

/// Bytes of a part, a little more or less: bounds the memory and the transaction that writes it.
const PART_BYTES: usize = 1 << 20;
/// Entries of one slice of the state: a part is several.
const SLICE_ITEMS: usize = 512;
/// Parts that are read or encoded ahead.
const PARTS_AHEAD: usize = 4;

/// A proof that was used, and by which request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProofUse {
    proof: UsedProof,
    request_id: RequestId,
}

impl ProofUse {
    pub(crate) fn new(proof: UsedProof, request_id: RequestId) -> Self {
        Self { proof, request_id }
    }

    /// The proof's id.
    pub(crate) fn id(&self) -> &Reference {
        &self.proof.id
    }

    /// Until when the proof is good.
    pub(crate) fn until(&self) -> Timestamp {
        self.proof.until
    }

    /// Whether this request may not use the proof: another did.
    pub(crate) fn forbids(&self, request_id: RequestId) -> bool {
        self.request_id != request_id
    }
}

/// One part: slices of the engine's state, and proofs.
#[derive(Debug)]
struct Part {
    slices: Vec<Snapshot>,
    proofs: Vec<ProofUse>,
}

message! {
    ProofUse { 1 proof, 2 request_id }
    Part { 1 slices, 2 proofs }
}

/// Everything that is needed to go on from a row of the journal.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) engine: Engine,
    pub(crate) proofs: Vec<ProofUse>,
}

/// Why a store ended early; whoever took the parts has gone.
pub(crate) struct NobodyListens;

/// Encodes a state part by part. Takes a while: not for a thread of the runtime.
pub(crate) fn encode<'a>(
    engine: &Engine,
    proofs: impl Iterator<Item = &'a ProofUse>,
    parts: &mpsc::Sender<Vec<u8>>,
) -> Result<(), NobodyListens> {
    let mut buffer = Vec::with_capacity(PART_BYTES + PART_BYTES / 4);
    // Fields may come in any order and lists in any number of pieces: a part is what has gathered.
    let gathered = |buffer: &mut Vec<u8>, at_least: usize| {
        if buffer.len() < at_least {
            return Ok(());
        }
        let part = std::mem::replace(buffer, Vec::with_capacity(PART_BYTES + PART_BYTES / 4));
        parts.blocking_send(part).map_err(|_| NobodyListens)
    };
    engine.slices(SLICE_ITEMS, |slice| {
        slice.put(1, &mut buffer);
        gathered(&mut buffer, PART_BYTES)
    })?;
    for proof in proofs {
        proof.put(2, &mut buffer);
        gathered(&mut buffer, PART_BYTES)?;
    }
    gathered(&mut buffer, 1)
}

/// A channel for [`encode`].
pub(crate) fn channel() -> (mpsc::Sender<Vec<u8>>, mpsc::Receiver<Vec<u8>>) {
    mpsc::channel(PARTS_AHEAD)
}

/// Stores the parts of the state as of row `sequence` as they come. False: another lease has the follower.
pub(crate) async fn store(
    db: &Db,
    shard: ProgramId,
    epoch: i64,
    sequence: i64,
    mut parts: mpsc::Receiver<Vec<u8>>,
) -> Result<bool, DbError> {
    if !sweep(db, shard, epoch).await? {
        return Ok(false);
    }
    let mut count = 0;
    while let Some(part) = parts.recv().await {
        if !checkpoint::put_part(db, shard, epoch, sequence, count, &part).await? {
            return Ok(false);
        }
        count += 1;
    }
    Ok(checkpoint::complete(db, shard, epoch, sequence, count).await? && sweep(db, shard, epoch).await?)
}

async fn sweep(db: &Db, shard: ProgramId, epoch: i64) -> Result<bool, DbError> {
    loop {
        match checkpoint::sweep(db, shard, epoch).await? {
            None => return Ok(false),
            Some(false) => return Ok(true),
            Some(true) => {}
        }
    }
}

/// The newest state as of a row not after `most`, with that row's sequence. `None`: there is none, or none that can be
/// used, which is told: the journal is the truth, and a state that cannot be used costs time only.
///
/// # Errors
/// Why the database could not be read.
pub(crate) async fn load(db: &Db, shard: ProgramId, most: i64) -> Result<Option<(i64, State)>, LedgerError> {
    let Some((sequence, count)) = checkpoint::newest(db, shard, most).await? else { return Ok(None) };
    let (parts, coming) = mpsc::channel(PARTS_AHEAD);
    let restoring = spawn_blocking(move || restore(coming));
    let mut read = 0;
    while read < count {
        let Some(part) = checkpoint::part(db, shard, sequence, read).await? else { break };
        read += 1;
        if parts.send(part).await.is_err() {
            break;
        }
    }
    drop(parts);
    let restored = match restoring.await {
        Ok(_) if read < count => Err(LedgerError::Damaged(format!("part {read} of {count} is not there"))),
        Ok(restored) => restored,
        Err(error) => Err(LedgerError::Internal(error.to_string())),
    };
    match restored {
        Ok(state) => Ok(Some((sequence, state))),
        Err(error) => {
            tracing::error!(%error, sequence, "a stored state cannot be used; replaying from the start");
            Ok(None)
        }
    }
}

fn restore(mut parts: mpsc::Receiver<Vec<u8>>) -> Result<State, LedgerError> {
    let (mut restore, mut proofs) = (Restore::new(), Vec::new());
    while let Some(body) = parts.blocking_recv() {
        let part: Part = whole(&body)?;
        for slice in part.slices {
            restore.add(slice).map_err(|error| LedgerError::Damaged(error.to_string()))?;
        }
        proofs.extend(part.proofs);
    }
    Ok(State { engine: restore.finish(), proofs })
}
