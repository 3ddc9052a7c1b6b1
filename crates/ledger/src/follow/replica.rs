//! The second engine with the log: what the follower knows of the journal up to one row. Pure; the follower moves it.

use std::collections::{HashMap, VecDeque};

use bursar_ledger_engine::{Engine, Reference};
use bursar_transparency::TiledTree;
use bursar_types::id::ProgramId;

use super::finding::{CHAIN, Finding, LOG, OUTCOMES};
use super::leaf;
use super::state::{ProofUse, State};
use crate::error::LedgerError;
use crate::journal::{Hash, Head, Row, raw_records};
use crate::store::merkle::Progress;
use crate::writer::replay;

/// What the follower knows of the journal up to [`head`](Self::head).
pub(super) struct Replica {
    shard: ProgramId,
    pub(super) engine: Engine,
    pub(super) proofs: HashMap<Reference, ProofUse>,
    /// The last row that was verified.
    pub(super) head: Head,
    /// The log. While a start catches up it is ahead of the head.
    pub(super) log: TiledTree,
    /// The row that the log was last stored with: it must still be the same.
    stored: Option<(i64, Hash)>,
    /// Sizes and roots that were signed and are still to come.
    pub(super) signed: VecDeque<(i64, Hash)>,
}

impl Replica {
    pub(super) fn new(shard: ProgramId, state: State, head: Head, log: TiledTree, stored: &Progress) -> Self {
        let stored = (stored.sequence > head.sequence).then_some((stored.sequence, stored.hash));
        Self {
            shard,
            engine: state.engine,
            proofs: state.proofs.into_iter().map(|used| (used.id().clone(), used)).collect(),
            head,
            log,
            stored,
            signed: VecDeque::new(),
        }
    }

    /// How many positions the log holds.
    pub(super) fn size(&self) -> i64 {
        i64::try_from(self.log.size()).unwrap_or(i64::MAX)
    }

    /// Verifies the next row and appends its positions to the log.
    ///
    /// # Errors
    /// What does not hold. The log is then as it was before, unless it is the log itself that does not hold; the
    /// engine may not be.
    pub(super) fn take(&mut self, row: &Row) -> Result<(), Finding> {
        if let Some(broken) = self.head.broken_by(self.shard, row) {
            return Err(Finding::new(CHAIN, broken));
        }
        if let Some((sequence, hash)) = self.stored
            && row.sequence == sequence
        {
            if row.hash != hash {
                let what = "is not the row that the Merkle log was built on";
                return Err(Finding::new(CHAIN, format!("journal row {sequence}: {what}")));
            }
            self.stored = None;
        }
        let (entry, _) = replay(&mut self.engine, row).map_err(|error| {
            let detail = match error {
                LedgerError::Damaged(what) => what,
                other => format!("journal row {}: {other}", row.sequence),
            };
            Finding::new(OUTCOMES, detail)
        })?;
        for record in entry.records {
            if let Some(proof) = record.proof {
                let used = ProofUse::new(proof, record.command.request_id);
                self.proofs.insert(used.id().clone(), used);
            }
        }
        self.head = Head::after(row);
        self.append(row)
    }

    fn append(&mut self, row: &Row) -> Result<(), Finding> {
        let unreadable = |what: &dyn std::fmt::Display| {
            Finding::new(OUTCOMES, format!("journal row {}: {what}", row.sequence))
        };
        let records = raw_records(&row.entry).map_err(|error| unreadable(&error))?;
        for (position, record) in (row.first_position..).zip(records) {
            if position <= self.size() {
                continue;
            }
            let leaf = leaf(self.shard, position, row.time, record);
            self.log.append(leaf).map_err(|error| unreadable(&error))?;
            self.meet_signed()?;
        }
        Ok(())
    }

    /// Where a checkpoint was signed before, the log must have that root again.
    pub(super) fn meet_signed(&mut self) -> Result<(), Finding> {
        let size = self.size();
        while let Some((at, root)) = self.signed.front().copied()
            && at <= size
        {
            if at == size && self.log.root() != root {
                let what = "its root is not the one that was signed";
                return Err(Finding::new(LOG, format!("the log of {size} positions: {what}")));
            }
            self.signed.pop_front();
        }
        Ok(())
    }

    /// Forgets proofs that nobody can use any more.
    pub(super) fn forget_proofs(&mut self) {
        let now = self.head.time;
        self.proofs.retain(|_, used| used.until() >= now);
    }
}
