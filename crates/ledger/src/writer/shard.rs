//! The state of a shard in memory, and the one way a command gets into it.

use std::collections::HashMap;
use std::sync::Arc;

use bursar_ledger_engine::{Action, Applied, Day, Effect, Engine, Hold, Outcome, Reference, Transferred};
use bursar_types::id::ProgramId;
use bursar_types::{RequestId, Timestamp};

use super::filter::Filter;
use super::recent::{Recent, RecentUse};
use super::{Answer, Decision, Order};
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
            return Ok(Verdict::Answer(Answer { known, repeated: true, now: Decision::default() }));
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
        let hold = self.hold_before(&order.command.action);
        let Applied { outcome, effects } = self.engine.apply(open.time, &order.command);
        match outcome {
            Outcome::Refused(refusal) => Err(LedgerError::Refused(refusal)),
            Outcome::Batch(items) if items.iter().all(Result::is_err) => {
                Err(LedgerError::AllRefused(items.into_iter().filter_map(Result::err).collect()))
            }
            outcome => Ok(Verdict::Answer(self.record(order, outcome, effects, hold, open))),
        }
    }

    fn record(
        &mut self,
        order: Order,
        outcome: Outcome,
        effects: Vec<Effect>,
        hold: Option<Box<Hold>>,
        open: &mut Open,
    ) -> Answer {
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
        let now = Decision { payment: self.payment_after(&record), hold, value_date: value_date(&effects) };
        let request = record.body.as_ref().map(|_| id);
        open.steps.push(Step::new(self.position, request, &record.outcome, effects));
        let Record { command, outcome, body, .. } = record;
        let known = Arc::new(Decided { position: self.position, time: open.time, command, outcome });
        if body.is_some() {
            self.filter.insert(id);
            let known = Arc::clone(&known);
            self.recent.insert(self.sequence, id, RecentUse { known, body });
        }
        Answer { known, repeated: false, now }
    }

    /// The hold that a command is about: once it has ended the engine knows no more of it.
    fn hold_before(&self, action: &Action) -> Option<Box<Hold>> {
        let id = match action {
            Action::CaptureHold(capture) => capture.hold,
            Action::IncrementHold { hold, .. } | Action::VoidHold { hold, .. } => *hold,
            _ => return None,
        };
        self.engine.hold(id).cloned().map(Box::new)
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
    let entry = decode(row)?;
    let batch = redo(engine, row, &entry)?;
    Ok((entry, batch))
}

fn damaged(row: &Row, what: impl std::fmt::Display) -> LedgerError {
    LedgerError::Damaged(format!("journal row {}: {what}", row.sequence))
}

/// The commands of a row.
pub(crate) fn decode(row: &Row) -> Result<Entry, LedgerError> {
    let entry = Entry::decode(&row.entry).map_err(|error| damaged(row, error))?;
    if i64::try_from(entry.records.len()).ok() != Some(row.count) {
        return Err(damaged(row, format_args!("holds {} commands, not {}", entry.records.len(), row.count)));
    }
    Ok(entry)
}

/// Decides the commands `entry` of a row again.
pub(crate) fn redo(engine: &mut Engine, row: &Row, entry: &Entry) -> Result<Batch, LedgerError> {
    let mut steps = Vec::with_capacity(entry.records.len());
    for (position, record) in (row.first_position..).zip(&entry.records) {
        let Applied { outcome, effects } = engine.apply(row.time, &record.command);
        if !agrees(&outcome, &record.outcome) {
            let what = format_args!("position {position} is now decided otherwise than it was");
            return Err(damaged(row, what));
        }
        let request = record.body.as_ref().map(|_| record.command.request_id);
        steps.push(Step::new(position, request, &outcome, effects));
    }
    Ok(Batch { sequence: row.sequence, time: row.time, steps })
}

/// Whether a replay comes to what the journal holds. The first release wrote neither how a hold stood, nor what became of
/// an account, nor what a decision rests on: what is absent agrees with anything, and all else must be the same.
fn agrees(now: &Outcome, journaled: &Outcome) -> bool {
    let same = |now: &Transferred, journaled: &Transferred| match journaled.hold {
        None => Transferred { hold: None, ..*now } == *journaled,
        Some(_) => now == journaled,
    };
    match (now, journaled) {
        (Outcome::Transferred(now), Outcome::Transferred(journaled)) => same(now, journaled),
        (Outcome::Batch(now), Outcome::Batch(journaled)) => {
            let alike = |pair: (&Result<Transferred, _>, &Result<Transferred, _>)| match pair {
                (Ok(now), Ok(journaled)) => same(now, journaled),
                (now, journaled) => now == journaled,
            };
            now.len() == journaled.len() && now.iter().zip(journaled).all(alike)
        }
        (Outcome::Account(_), Outcome::Done) => true,
        (Outcome::Decided(now), Outcome::Decided(journaled)) if journaled.facts.is_none() => {
            bursar_ledger_engine::Decided { facts: None, ..now.clone() } == *journaled
        }
        (now, journaled) => now == journaled,
    }
}

/// Value date of the first transfer among `effects`.
fn value_date(effects: &[Effect]) -> Option<Day> {
    effects.iter().find_map(|effect| match effect {
        Effect::TransferPosted(transfer) => Some(transfer.value_date),
        _ => None,
    })
}
