//! What the projections are given: one journaled command with everything it changed.

use std::sync::Arc;

use bursar_ledger_engine::{Command, Effect, Outcome};
use bursar_types::{RequestId, Timestamp};

use crate::journal::Hash;

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

/// One command.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Its position in the journal.
    pub(crate) position: i64,
    /// Its request id with the digest of its body, if it is a caller's.
    pub(crate) request: Option<(RequestId, Hash)>,
    /// What it changed, in order.
    pub(crate) effects: Vec<Effect>,
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
