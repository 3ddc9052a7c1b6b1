//! What the projections are given: one journaled command with everything it changed.

use std::sync::Arc;

use bursar_ledger_engine::{BalanceAfter, Command, Effect, Outcome};
use bursar_types::{RequestId, Timestamp};

/// One row of the journal, decided.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    /// Its sequence.
    pub(crate) sequence: i64,
    /// The moment of its commands.
    pub(crate) time: Timestamp,
    /// Its commands.
    pub(crate) steps: Vec<Step>,
}

impl Batch {
    /// How much it changed.
    pub(crate) fn effects(&self) -> usize {
        self.steps.iter().map(|step| step.effects.len()).sum()
    }
}

/// One command.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Its position in the journal.
    pub(crate) position: i64,
    /// Its request id, if it is a caller's.
    pub(crate) request: Option<RequestId>,
    /// What it changed, in order.
    pub(crate) effects: Vec<Effect>,
    /// The account it was about, after it: told also where nothing moved.
    pub(crate) after: Option<BalanceAfter>,
}

impl Step {
    /// A command that had `outcome`.
    pub(crate) fn new(
        position: i64,
        request: Option<RequestId>,
        outcome: &Outcome,
        effects: Vec<Effect>,
    ) -> Self {
        let after = match outcome {
            Outcome::Decided(decided) | Outcome::DecidedBefore(decided) => decided.account,
            Outcome::Payment(step) => step.account,
            Outcome::Booked(booked) => Some(booked.after),
            _ => None,
        };
        Self { position, request, effects, after }
    }
}

/// A command as it was decided, for answers.
#[derive(Debug)]
pub(crate) struct Decided {
    /// Its position in the journal.
    pub(crate) position: i64,
    /// The moment it was decided at.
    pub(crate) time: Timestamp,
    /// What was asked.
    pub(crate) command: Command,
    /// What became of it.
    pub(crate) outcome: Outcome,
}

/// A shared [`Decided`].
pub(crate) type Known = Arc<Decided>;
