//! The state of a shard in memory, and the one way a command gets into it.

use std::collections::HashMap;
use std::sync::Arc;

use bursar_ledger_engine::{Action, Applied, Effect, Engine, Outcome, Reference};
use bursar_types::id::ProgramId;
use bursar_types::{RequestId, Timestamp};

use super::filter::Filter;
use super::recent::{Recent, RecentUse};
use super::{Answer, Order};
use crate::error::LedgerError;
use crate::follow::state::{ProofUse, State};
use crate::journal::{Entry, EntryWriter, Head, Record, Row, UsedProof};
use crate::project::{Batch, Decided, PaymentRecord, Step};

/// A batch that is being collected: decided in memory, not yet durable.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) time: Timestamp,
    pub(super) entry: EntryWriter,
    pub(super) steps: Vec<Step>,
}

impl Open {
    pub(super) fn new() -> Self {
        Self { time: Timestamp::default(), entry: EntryWriter::new(), steps: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// What came of a command.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is in the open batch, or was decided before.
    Answer(Answer),
    /// The database must be asked for the request id first.
    LookUp(Order),
}

/// The state.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) engine: Engine,
    pub(super) recent: Recent,
    pub(super) filter: Filter,
    proofs: HashMap<Reference, ProofUse>,
    /// Position of the last command that was decided, durable or not.
    pub(super) position: i64,
    /// Row that the open batch will be.
    pub(super) sequence: i64,
    /// Moment of the last batch.
    pub(super) time: Timestamp,
}

impl Shard {
    pub(super) fn new(engine: Engine, head: &Head, filter: Filter) -> Self {
        Self {
            engine,
            recent: Recent::after(head.sequence),
            filter,
            proofs: HashMap::new(),
            position: head.position,
            sequence: head.sequence + 1,
            time: head.time,
        }
    }

    pub(super) fn restore(state: State, head: &Head, filter: Filter) -> Self {
        let mut shard = Self::new(state.engine, head, filter);
        shard.proofs = state.proofs.into_iter().map(|used| (used.id().clone(), used)).collect();
        shard
    }

    /// Decides a command as part of `open`; `now` is the moment of the batch if this is its first.
    pub(super) fn decide(
        &mut self,
        order: Order,
        unknown_up_to: Option<i64>,
        open: &mut Open,
        now: Timestamp,
    ) -> Result<Verdict, LedgerError> {
        let id = order.command.request_id;
        if let Some(recent) = self.recent.get(id) {
            if let Some((body, names)) = &order.body
                && recent.body.as_ref() != Some(body)
            {
                return Err(super::handle::reused(body, names, recent.body.as_ref()));
            }
            let known = Arc::clone(&recent.known);
            return Ok(Verdict::Answer(Answer { known, repeated: true, payment: None }));
        }
        // Between what the projections did not have and what is remembered here there must be no gap.
        let is_new = unknown_up_to.is_some_and(|sequence| sequence >= self.recent.floor());
        if order.body.is_some() && !is_new && self.filter.may_hold(id) {
            return Ok(Verdict::LookUp(order));
        }
        if let Some(proof) = &order.proof
            && self.proofs.get(&proof.id).is_some_and(|used| used.forbids(id))
        {
            return Err(LedgerError::Proof("it was used before"));
        }
        if open.is_empty() {
            // Time never goes back, whatever the machine's clock does.
            open.time = now.max(self.time);
        }
        let Applied { outcome, effects } = self.engine.apply(open.time, &order.command);
        if let Outcome::Refused(refusal) = outcome {
            return Err(LedgerError::Refused(refusal));
        }
        Ok(Verdict::Answer(self.record(order, outcome, effects, open)))
    }

    fn record(&mut self, order: Order, outcome: Outcome, effects: Vec<Effect>, open: &mut Open) -> Answer {
        let Order { command, body, proof } = order;
        self.time = open.time;
        self.position += 1;
        let id = command.request_id;
        let body = body.map(|(body, _)| body);
        if let Some(proof) = &proof {
            self.note_proof(proof.clone(), id);
        }
        let record = Record { command, outcome, body, proof };
        open.entry.push(&record);
        let payment = self.payment_after(&record);
        let request = record.body.as_ref().map(|body| (id, body.digest));
        open.steps.push(Step { position: self.position, request, effects });
        let Record { command, outcome, body, .. } = record;
        let known = Arc::new(Decided { position: self.position, time: open.time, command, outcome });
        if body.is_some() {
            self.filter.insert(id);
            let known = Arc::clone(&known);
            self.recent.insert(self.sequence, id, RecentUse { known, body });
        }
        Answer { known, repeated: false, payment }
    }

    /// The payment of an authorization that has just been decided: all of it happened at this position.
    fn payment_after(&self, record: &Record) -> Option<Box<PaymentRecord>> {
        let (Action::Authorize(_), Outcome::Decided(decided)) = (&record.command.action, &record.outcome)
        else {
            return None;
        };
        let payment = self.engine.payment(decided.payment)?.clone();
        let positions = vec![self.position; payment.elements.len()];
        Some(Box::new(PaymentRecord { payment, positions, opened: self.position }))
    }

    fn note_proof(&mut self, proof: UsedProof, request_id: RequestId) {
        self.proofs.insert(proof.id.clone(), ProofUse::new(proof, request_id));
    }

    /// Forgets proofs that nobody can use any more.
    pub(super) fn forget_proofs(&mut self) {
        let now = self.time;
        self.proofs.retain(|_, used| used.until() >= now);
    }

    /// Applies a row of the journal again, and makes sure that the same comes of it.
    pub(super) fn replay(&mut self, shard: ProgramId, head: &Head, row: &Row) -> Result<Batch, LedgerError> {
        if let Some(broken) = head.broken_by(shard, row) {
            return Err(LedgerError::Damaged(broken));
        }
        let (entry, batch) = replay(&mut self.engine, row)?;
        for (record, step) in entry.records.into_iter().zip(&batch.steps) {
            let id = record.command.request_id;
            if let Some(proof) = record.proof {
                self.note_proof(proof, id);
            }
            if record.body.is_some() {
                self.filter.insert(id);
                let known = Arc::new(Decided {
                    position: step.position,
                    time: row.time,
                    command: record.command,
                    outcome: record.outcome,
                });
                self.recent.insert(row.sequence, id, RecentUse { known, body: record.body });
            }
        }
        self.position = row.last_position();
        self.sequence = row.sequence + 1;
        self.time = row.time;
        Ok(batch)
    }
}

/// Decides the commands of a row again: their effects, if each has the outcome that the journal holds.
pub(crate) fn replay(engine: &mut Engine, row: &Row) -> Result<(Entry, Batch), LedgerError> {
    let damaged = |what: String| LedgerError::Damaged(format!("journal row {}: {what}", row.sequence));
    let entry = Entry::decode(&row.entry).map_err(|error| damaged(error.to_string()))?;
    if i64::try_from(entry.records.len()).ok() != Some(row.count) {
        return Err(damaged(format!("holds {} commands, not {}", entry.records.len(), row.count)));
    }
    let mut steps = Vec::with_capacity(entry.records.len());
    for (position, record) in (row.first_position..).zip(&entry.records) {
        let Applied { outcome, effects } = engine.apply(row.time, &record.command);
        if outcome != record.outcome {
            return Err(damaged(format!("position {position} is now decided otherwise than it was")));
        }
        let request = record.body.as_ref().map(|body| (record.command.request_id, body.digest));
        steps.push(Step { position, request, effects });
    }
    let batch = Batch { sequence: row.sequence, time: row.time, steps };
    Ok((entry, batch))
}
