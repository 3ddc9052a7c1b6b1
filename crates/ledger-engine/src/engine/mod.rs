//! The engine: one shard's state and the one way to change it.

use bursar_types::Timestamp;
use bursar_types::id::{AccountId, CardId, PaymentId, TransferId};

use crate::*;

/// Why a snapshot cannot be restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Something refers to a thing that is not there, or two things share a key.
    #[error("the snapshot does not hold together: {0}")]
    Inconsistent(String),
}

/// One way in which the state does not hold together. None is ever expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{invariant}: {detail}")]
pub struct Violation {
    /// The invariant's stable name, such as `sum_zero`.
    pub invariant: &'static str,
    /// What does not hold, with ids and numbers.
    pub detail: String,
}

/// The state of one shard.
#[derive(Debug, Default)]
pub struct Engine {
    state: Snapshot,
}

impl Engine {
    /// An empty shard.
    pub fn new() -> Self {
        Self::default()
    }

    /// The shard with this state.
    ///
    /// # Errors
    /// [`RestoreError`] if the snapshot does not hold together.
    pub fn restore(snapshot: Snapshot) -> Result<Self, RestoreError> {
        Ok(Self { state: snapshot })
    }

    /// Decides `command` at the moment `at`. Time never goes back: a moment before the last accepted command's
    /// counts as that one. Never panics.
    pub fn apply(&mut self, _at: Timestamp, _command: &Command) -> Applied {
        let refusal = Refusal::new(RefusalReason::ProgramNotConfigured, Subject::Program);
        Applied { outcome: Outcome::Refused(refusal), effects: Vec::new() }
    }

    /// The whole state, sorted: equal for equal states.
    pub fn snapshot(&self) -> Snapshot {
        self.state.clone()
    }

    /// Everything that does not hold together; nothing, if all is well. Reads the whole state.
    ///
    /// # Errors
    /// The list of [`Violation`]s.
    pub fn check_invariants(&self) -> Result<(), Vec<Violation>> {
        Ok(())
    }

    /// An account.
    pub fn account(&self, _id: AccountId) -> Option<&Account> {
        None
    }

    /// A card.
    pub fn card(&self, _id: CardId) -> Option<&Card> {
        None
    }

    /// A payment.
    pub fn payment(&self, _id: PaymentId) -> Option<&Payment> {
        None
    }

    /// An open hold.
    pub fn hold(&self, _id: TransferId) -> Option<&Hold> {
        None
    }

    /// When the next thing is due that a [`Action::Tick`] would end.
    pub fn next_due(&self) -> Option<Timestamp> {
        None
    }
}
