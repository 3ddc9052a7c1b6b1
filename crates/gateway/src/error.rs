//! Why a call to the gateway fails.

use bursar_service::context::NoCustomer;
use bursar_service::db::DbError;
use bursar_service::error::{Invalid, PeerError};
use bursar_service::paging::PagingError;
use bursar_types::{Failure, FieldViolation, Reason};

use crate::bank::BankFileError;
use crate::sandbox::SandboxError;

/// Why a call to the gateway fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GatewayError {
    /// The request is wrong.
    #[error("{}", .0.violations().first().map_or("the request is wrong", |violation| violation.description.as_str()))]
    Invalid(Invalid),
    /// The call needs a customer's token.
    #[error(transparent)]
    NoCustomer(#[from] NoCustomer),
    /// The page cannot be given.
    #[error(transparent)]
    Paging(#[from] PagingError),
    /// The bank's file cannot be read.
    #[error("the bank file cannot be imported: {0}")]
    BankFile(#[from] BankFileError),
    /// The vault or the ledger refused, or is away.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// The own database refused, or is away.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The played world cannot go on.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The process stops.
    #[error("the process stops")]
    Stopping,
    /// Card data that were sealed do not open.
    #[error("sealed card data do not open: they were changed, moved, or sealed under another key")]
    Sealed,
    /// A peer's answer lacks what the contract promises.
    #[error("the answer of {peer} lacks {what}")]
    BadAnswer {
        /// Who answered.
        peer: &'static str,
        /// What is missing.
        what: &'static str,
    },
}

impl From<Invalid> for GatewayError {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl Failure for GatewayError {
    fn reason(&self) -> Reason {
        match self {
            Self::Invalid(error) => error.reason(),
            Self::NoCustomer(error) => error.reason(),
            Self::Paging(error) => error.reason(),
            Self::BankFile(_) => Reason::BankFileInvalid,
            Self::Peer(error) => error.reason(),
            Self::Database(error) => error.reason(),
            Self::Stopping => Reason::ShuttingDown,
            Self::Sandbox(_) => Reason::PeerUnavailable,
            Self::Sealed | Self::BadAnswer { .. } => Reason::Internal,
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Invalid(error) => error.metadata(),
            Self::BankFile(error) => error.metadata(),
            Self::Peer(error) => error.metadata(),
            Self::Database(error) => error.metadata(),
            _ => Vec::new(),
        }
    }

    fn violations(&self) -> Vec<FieldViolation> {
        match self {
            Self::Invalid(error) => error.violations(),
            Self::Paging(error) => error.violations(),
            Self::BankFile(error) => vec![FieldViolation::new("content", error.to_string())],
            _ => Vec::new(),
        }
    }
}
