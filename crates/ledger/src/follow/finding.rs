//! What does not hold.

use bursar_ledger_engine::{Engine, Violation};

/// The journal's rows and their chain.
pub(super) const CHAIN: &str = "journal_chain";
/// The journal's outcomes.
pub(super) const OUTCOMES: &str = "journal_outcomes";
/// The Merkle log.
pub(super) const LOG: &str = "merkle_log";

/// The named invariants of the journal and what each says; the engine has its own ([`Engine::INVARIANTS`]).
const OF_THE_JOURNAL: [(&str, &str); 3] = [
    (
        CHAIN,
        "no row of the journal is missing or changed: each has its own hash and names that of the row before",
    ),
    (OUTCOMES, "each command, decided again, has the outcome that the journal holds"),
    (LOG, "the Merkle log has the roots that were signed"),
];

/// Every named invariant of the books and what it says.
pub(crate) const INVARIANTS: [&[(&str, &str)]; 2] = [&OF_THE_JOURNAL, Engine::INVARIANTS];

/// One thing that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The invariant's stable name.
    pub(crate) invariant: &'static str,
    /// What was found, with row, position, ids and numbers.
    pub(crate) detail: String,
}

impl Finding {
    pub(super) fn new(invariant: &'static str, detail: impl Into<String>) -> Self {
        Self { invariant, detail: detail.into() }
    }
}

impl From<Violation> for Finding {
    fn from(violation: Violation) -> Self {
        Self { invariant: violation.invariant, detail: violation.detail }
    }
}
