//! The one writer of the projections: takes decided batches in order, as many as wait, and writes them together.

use std::sync::Arc;

use bursar_service::db::Db;
use tokio::sync::{mpsc, watch};

use super::model::Model;
use super::step::Batch;
use crate::error::LedgerError;
use crate::index::Items;
use crate::store::projection::{self, Progress};
use crate::writer::Shared;

/// Changes written in one transaction: bounds how long the journal waits for SQLite's one writer.
const EFFECTS_MAX: usize = 20_000;
/// Rows kept in memory between transactions; beyond it they are read again when wanted.
const KEPT_ROWS_MAX: usize = 200_000;

/// How far the projections are, for those who wait.
#[derive(Debug)]
pub(crate) struct Reached {
    progress: watch::Sender<(i64, i64)>,
    event_head: watch::Sender<i64>,
    /// Row of the journal that a start has to bring them to before events are told.
    target: watch::Sender<i64>,
}

impl Default for Reached {
    fn default() -> Self {
        Self {
            progress: watch::Sender::new((0, 0)),
            event_head: watch::Sender::new(0),
            target: watch::Sender::new(0),
        }
    }
}

impl Reached {
    /// Tells that the projections have reached this row, position and event. They never go back.
    pub(crate) fn move_to(&self, sequence: i64, position: i64, event_position: i64) {
        self.progress.send_if_modified(|at| {
            let moved = sequence > at.0;
            *at = (sequence.max(at.0), position.max(at.1));
            moved
        });
        self.event_head.send_if_modified(|at| {
            let moved = event_position > *at;
            *at = event_position.max(*at);
            moved
        });
    }

    /// Last row of the journal that is in the projections.
    pub(crate) fn sequence(&self) -> i64 {
        self.progress.borrow().0
    }

    /// Last position that is in the projections.
    pub(crate) fn position(&self) -> i64 {
        self.progress.borrow().1
    }

    /// Waits until `position` is in the projections. Bound it with the call's deadline.
    pub(crate) async fn wait_for(&self, position: i64) {
        // The sender lives as long as self, so this cannot fail.
        let _ = self.progress.subscribe().wait_for(|at| at.1 >= position).await;
    }

    /// From now on they have not caught up before row `sequence` of the journal is in them. A loss of power may have taken
    /// some of them back, and a reader that knows more events than there are would take that for a loss of data.
    pub(crate) fn catch_up_to(&self, sequence: i64) {
        self.target.send_replace(sequence);
    }

    /// Waits until they have caught up. Bound it with the call's deadline.
    pub(crate) async fn caught_up(&self) {
        let (mut target, mut progress) = (self.target.subscribe(), self.progress.subscribe());
        loop {
            let wanted = *target.borrow_and_update();
            if progress.borrow_and_update().0 >= wanted {
                return;
            }
            // The senders live as long as self, so neither can fail.
            tokio::select! {
                _ = target.changed() => {}
                _ = progress.changed() => {}
            }
        }
    }

    /// The last position of the event log.
    pub(crate) fn events(&self) -> watch::Receiver<i64> {
        self.event_head.subscribe()
    }
}

/// Writes batches into the projections and the index's memory until its channel ends.
#[derive(Debug)]
pub(crate) struct Projector {
    shared: Arc<Shared>,
    db: Db,
    model: Model,
    /// Last row of the journal that is in the index.
    indexed: i64,
    items: Items,
    batches: mpsc::Receiver<Batch>,
}

impl Projector {
    /// A projector that goes on from `progress`.
    pub(crate) fn new(shared: Arc<Shared>, progress: &Progress, batches: mpsc::Receiver<Batch>) -> Self {
        let mut model = Model::empty(shared.shard);
        model.sequence = progress.sequence;
        model.position = progress.position;
        model.event_position = progress.event_position;
        let db = shared.db.clone();
        Self { shared, db, model, indexed: progress.index_sequence, items: Items::default(), batches }
    }

    /// Works until the channel of batches ends, all of them written.
    ///
    /// # Errors
    /// Why the projections could not be written: the owner drops its state and begins again.
    pub(crate) async fn run(mut self) -> Result<(), LedgerError> {
        let mut waiting = Vec::new();
        while let Some(batch) = self.batches.recv().await {
            let mut effects = batch.effects();
            waiting.push(batch);
            while effects < EFFECTS_MAX {
                let Ok(batch) = self.batches.try_recv() else { break };
                effects += batch.effects();
                waiting.push(batch);
            }
            self.index(&waiting).await;
            waiting.retain(|batch| batch.sequence > self.model.sequence);
            if !waiting.is_empty() {
                self.write(&waiting).await?;
            }
            waiting.clear();
        }
        Ok(())
    }

    /// Adds what the index does not have. After a crash it may be behind the projections.
    async fn index(&mut self, batches: &[Batch]) {
        let new = batches.iter().filter(|batch| batch.sequence > self.indexed);
        let (mut rows, mut first_position) = (None, 0);
        for batch in new {
            self.items.collect(batch);
            let (first, _) = *rows.get_or_insert_with(|| {
                first_position = batch.steps.first().map_or(0, |step| step.position);
                (batch.sequence, 0)
            });
            rows = Some((first, batch.sequence));
        }
        if let Some((first, last)) = rows {
            self.shared.index.room().await;
            self.shared.index.absorb(&mut self.items, (first, last), first_position);
            self.indexed = last;
        }
    }

    async fn write(&mut self, batches: &[Batch]) -> Result<(), LedgerError> {
        let from = self.model.sequence;
        self.fetch(batches).await?;
        for batch in batches {
            self.model.apply(batch).map_err(|misfit| LedgerError::Damaged(misfit.to_string()))?;
        }
        if !projection::flush(&self.db, &self.model, from).await? {
            return Err(LedgerError::NotOwner);
        }
        let written = self.model.written(KEPT_ROWS_MAX);
        metrics::counter!("bursar_ledger_projected_rows_total").increment(written);
        self.shared.reached.move_to(self.model.sequence, self.model.position, self.model.event_position);
        metrics::gauge!("bursar_ledger_projected_position").set(self.model.position as f64);
        metrics::gauge!("bursar_events_head_position").set(self.model.event_position as f64);
        Ok(())
    }

    /// Reads the rows that the batches need: payments first, for they name cards and accounts.
    async fn fetch(&mut self, batches: &[Batch]) -> Result<(), LedgerError> {
        for _ in 0..2 {
            let wants = self.model.wants(batches);
            if wants.is_empty() {
                break;
            }
            let shard = self.model.shard;
            let read = self.db.read(|tx| {
                let wants = &wants;
                Box::pin(async move {
                    let mut found = Model::empty(shard);
                    projection::give(tx, &mut found, wants).await?;
                    Ok::<_, LedgerError>(found)
                })
            });
            let found = read.await?;
            self.model.adopt(found);
        }
        Ok(())
    }
}
