//! Why a reader of a log is refused.

use bursar_types::{Failure, FieldViolation, Reason};

use super::Bounds;
use crate::db::DbError;
use crate::paging::PagingError;

/// Why a log cannot be read as asked.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// A field of the request is wrong.
    #[error("{field}: {what}")]
    Field {
        /// Its path.
        field: &'static str,
        /// What is wrong and what would be right.
        what: String,
    },
    /// The cursor is of another epoch, or beyond the end: the reader knows of events that this log does not hold.
    #[error("the cursor is not of this log, which is in epoch {} and ends at {}: was a backup restored?", .0.epoch, .0.head)]
    CursorBeyondLog(Bounds),
    /// Retention has removed what comes after the cursor.
    #[error("the events after the cursor are removed: this log begins after position {}", .0.pruned)]
    CursorTooOld(Bounds),
    /// No consumer of this name and source runs here.
    #[error("no consumer `{consumer}` of {source_name} runs in this process")]
    NoConsumer {
        /// Name that was asked for.
        consumer: String,
        /// Source that was asked for.
        source_name: String,
    },
    /// The page cannot be given.
    #[error(transparent)]
    Paging(#[from] PagingError),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Failure for EventError {
    fn reason(&self) -> Reason {
        match self {
            Self::Field { .. } => Reason::InvalidField,
            Self::CursorBeyondLog(_) => Reason::CursorBeyondLog,
            Self::CursorTooOld(_) => Reason::CursorTooOld,
            Self::NoConsumer { .. } => Reason::NotFound,
            Self::Paging(error) => error.reason(),
            Self::Db(error) => error.reason(),
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::CursorBeyondLog(bounds) | Self::CursorTooOld(bounds) => vec![
                ("epoch", bounds.epoch.clone()),
                ("earliest_position", bounds.pruned.saturating_add(1).to_string()),
                ("head_position", bounds.head.to_string()),
            ],
            Self::Db(error) => error.metadata(),
            _ => Vec::new(),
        }
    }

    fn violations(&self) -> Vec<FieldViolation> {
        match self {
            Self::Field { field, what } => vec![FieldViolation::new(*field, what)],
            Self::Paging(error) => error.violations(),
            _ => Vec::new(),
        }
    }
}
