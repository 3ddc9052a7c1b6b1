//! What can go wrong in the ledger, in the words of whoever must act.

use std::time::Duration;

use bursar_ledger_engine::{Refusal, RefusalReason};
use bursar_service::Invalid;
use bursar_service::db::DbError;
use bursar_service::error::PeerError;
use bursar_types::{Failure, FieldViolation, Reason};

use crate::wire::WireError;

/// How long a caller is asked to wait when the queue is full: several batches will have gone by then.
const RETRY_OVERLOADED: Duration = Duration::from_millis(50);
/// How long a caller is asked to wait while the shard is being loaded or has another owner.
const RETRY_NOT_OWNER: Duration = Duration::from_millis(250);

/// Why a call to the ledger fails.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The engine refused the command: nothing changed, the request id may be used again.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// Every order of a bulk was refused: nothing changed, the request id may be used again.
    #[error("every order was refused, the first: {}", first(.0))]
    AllRefused(Vec<Refusal>),
    /// The request is wrong in itself.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The transfer is of a kind that is not reversed.
    #[error("a {0} is not reversed by itself: only what an order posted or a capture took is")]
    NotReversible(&'static str),
    /// The request id was used with another body.
    #[error("request_id was used before for another request{}", differs(.field))]
    RequestIdReused {
        /// The first field that differs; empty where it is not known.
        field: &'static str,
    },
    /// The queue of commands is full.
    #[error("the ledger has more to do than it takes")]
    Overloaded,
    /// This process does not own the shard at the moment, or is loading it.
    #[error("this process does not own the shard at the moment")]
    NotOwner,
    /// The row could not be appended, or it is not known whether it was: asking again with the same id tells.
    #[error("the outcome is not known: ask again with the same request_id")]
    OutcomeUnknown,
    /// The projections did not reach the wanted position in time.
    #[error("position {wanted} has not been reached (now at {reached})")]
    NotYet {
        /// What was asked for.
        wanted: i64,
        /// Where the projections are.
        reached: i64,
    },
    /// The card proof is not good.
    #[error("the card proof is not good: {0}")]
    Proof(&'static str),
    /// The thing belongs to another customer.
    #[error("it belongs to another customer")]
    NotYours,
    /// What is named does not exist.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// A field asks for what the log does not have.
    #[error("{field}: {problem}")]
    NotInLog {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The customer is not verified, or not far enough.
    #[error(
        "the customer must be ACTIVE with KYC level {wanted} or higher; it is {state} with level {level}"
    )]
    Kyc {
        /// The level that is needed.
        wanted: u8,
        /// Where the customer stands.
        state: String,
        /// The level they have.
        level: i32,
    },
    /// A bank transaction id came again with another amount or reference.
    #[error("bank_transaction_id was booked before with another amount or funding reference")]
    BankCreditDiffers,
    /// The card could not be issued.
    #[error("the card could not be issued: {0}")]
    IssueFailed(String),
    /// Another service answered with an error.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The journal or a projection is damaged.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
    /// The deadline passed.
    #[error("the deadline passed before the answer was known")]
    DeadlineExceeded,
    /// A fault of ours.
    #[error("internal fault: {0}")]
    Internal(String),
}

fn first(refusals: &[Refusal]) -> String {
    refusals.first().map(ToString::to_string).unwrap_or_default()
}

fn differs(field: &str) -> String {
    if field.is_empty() { String::new() } else { format!(": {field} differs") }
}

impl From<WireError> for LedgerError {
    fn from(error: WireError) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl Failure for LedgerError {
    fn reason(&self) -> Reason {
        match self {
            Self::Refused(refusal) => refusal.reason.reason(),
            Self::AllRefused(refusals) => {
                refusals.first().map_or(Reason::WrongState, |refusal| refusal.reason.reason())
            }
            Self::Invalid(invalid) => invalid.reason(),
            Self::NotReversible(_) => Reason::WrongState,
            Self::RequestIdReused { .. } => Reason::RequestIdReused,
            Self::Overloaded => Reason::Overloaded,
            Self::NotOwner | Self::OutcomeUnknown => Reason::NotOwner,
            Self::NotYet { .. } | Self::DeadlineExceeded => Reason::DeadlineExceeded,
            Self::Proof(_) => Reason::ProofInvalid,
            Self::NotYours => Reason::NotYours,
            Self::NotFound(_) => Reason::NotFound,
            Self::NotInLog { .. } => Reason::InvalidField,
            Self::Kyc { .. } => Reason::KycLevelTooLow,
            Self::BankCreditDiffers => Reason::AlreadyExists,
            Self::IssueFailed(_) => Reason::WrongState,
            Self::Peer(error) => error.reason(),
            Self::Database(error) => error.reason(),
            Self::Damaged(_) => Reason::DataCorrupt,
            Self::Internal(_) => Reason::Internal,
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Refused(refusal) => vec![
                ("refusal", refusal.reason.as_str().to_owned()),
                ("subject", refusal.subject.as_str().to_owned()),
            ],
            Self::Invalid(invalid) => invalid.metadata(),
            Self::NotReversible(kind) => vec![("type", (*kind).to_owned())],
            Self::RequestIdReused { field } if !field.is_empty() => vec![("field", (*field).to_owned())],
            Self::NotYet { wanted, reached } => {
                vec![("wanted", wanted.to_string()), ("reached", reached.to_string())]
            }
            Self::Kyc { wanted, state, level } => vec![
                ("wanted_level", wanted.to_string()),
                ("state", state.clone()),
                ("level", level.to_string()),
            ],
            Self::Peer(error) => error.metadata(),
            Self::Database(error) => error.metadata(),
            _ => Vec::new(),
        }
    }

    fn violations(&self) -> Vec<FieldViolation> {
        match self {
            Self::Refused(Refusal { reason, subject })
                if reason.stage() == 1
                    && *reason != RefusalReason::LinkedItemFailed
                    && !subject.as_str().is_empty() =>
            {
                vec![FieldViolation::new(subject.as_str(), reason.as_str())]
            }
            Self::Invalid(invalid) => invalid.violations(),
            Self::NotInLog { field, problem } => vec![FieldViolation::new(*field, problem.clone())],
            _ => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Overloaded => Some(RETRY_OVERLOADED),
            Self::NotOwner | Self::OutcomeUnknown => Some(RETRY_NOT_OWNER),
            _ => None,
        }
    }
}
