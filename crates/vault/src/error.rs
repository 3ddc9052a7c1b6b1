//! What can go wrong in the vault. No text of this module ever holds card data.

use std::sync::Arc;
use std::time::Duration;

use bursar_service::context::NoCustomer;
use bursar_service::db::DbError;
use bursar_service::error::Invalid;
use bursar_service::paging::PagingError;
use bursar_service::token::TokenError;
use bursar_service::twin::Lost;
use bursar_types::{Failure, FieldViolation, Reason, Severity};

use crate::crypto::record::OpenError;
use crate::keys::KeyError;
use crate::payment::weakness::Weakness;

/// Why the vault did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VaultError {
    /// The database refused or is away.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The request is wrong in itself.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Page size or token.
    #[error(transparent)]
    Paging(#[from] PagingError),
    /// No customer's token came with the call.
    #[error(transparent)]
    NoCustomer(#[from] NoCustomer),
    /// The thing named does not exist.
    #[error("there is no {what} with this name")]
    NotFound {
        /// `card` or `BIN range`.
        what: &'static str,
    },
    /// It exists already, and is another.
    #[error("a {what} with this name exists and is another")]
    Exists {
        /// `card` or `BIN range`.
        what: &'static str,
    },
    /// The card belongs to another customer.
    #[error("the card belongs to another customer")]
    NotYours,
    /// No free number was found.
    #[error("the BIN range {range} has no free number left that could be found: create another range")]
    RangeExhausted {
        /// Its name.
        range: String,
    },
    /// The card password is one of the first to be guessed.
    #[error("card_password is too easy to guess: {}", .0.description())]
    WeakPassword(Weakness),
    /// The ticket is unknown, used, past its time, another's, or its secret is wrong: the caller is not told which.
    #[error("the reveal ticket cannot be used: make a new one")]
    TicketInvalid,
    /// Too many tickets for one card.
    #[error("too many reveals of this card: wait")]
    RateLimited {
        /// When the next may be asked for.
        retry_after: Duration,
    },
    /// More passwords are being checked than there is room for.
    #[error("too many card passwords are being checked at once")]
    Overloaded,
    /// A sealed record does not open.
    #[error("{0}")]
    Record(#[from] OpenError),
    /// A key is not usable.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Stored data contradicts itself.
    #[error("stored data does not hold together: {0}")]
    Corrupt(&'static str),
    /// A proof could not be signed.
    #[error(transparent)]
    Proof(#[from] TokenError),
    /// The state forbids it.
    #[error("{0}")]
    WrongState(&'static str),
    /// All shares are there, and they do not make the vault's root key.
    #[error("the shares do not open this vault: give all of them again")]
    SharesWrong,
    /// The keys were changed meanwhile: tried again with the new ones.
    #[error("the keys were changed meanwhile")]
    KeysChanged,
    /// What the whole group failed for that this was a part of.
    #[error("{0}")]
    Together(Arc<VaultError>),
    /// The deadline passed; what came of it, if anything, was not waited for.
    #[error("the deadline passed")]
    DeadlineExceeded,
    /// A library failed where it cannot.
    #[error("{0} failed")]
    Internal(&'static str),
}

impl VaultError {
    /// Whether the caller was refused, in distinction from something of ours being away or broken.
    pub(crate) fn is_refusal(&self) -> bool {
        self.reason().severity() == Severity::Caller || matches!(self, Self::RangeExhausted { .. })
    }
}

impl From<Lost> for VaultError {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::DeadlineExceeded => Self::DeadlineExceeded,
            Lost::Dropped => Self::Internal("the loop that commits"),
        }
    }
}

impl Failure for VaultError {
    fn reason(&self) -> Reason {
        match self {
            Self::Db(error) => error.reason(),
            Self::Invalid(error) => error.reason(),
            Self::Paging(error) => error.reason(),
            Self::NoCustomer(error) => error.reason(),
            Self::NotFound { .. } => Reason::NotFound,
            Self::Exists { .. } => Reason::AlreadyExists,
            Self::NotYours => Reason::NotYours,
            Self::RangeExhausted { .. } => Reason::BinRangeExhausted,
            Self::WeakPassword(_) => Reason::CardPasswordWeak,
            Self::TicketInvalid => Reason::TicketInvalid,
            Self::RateLimited { .. } => Reason::RateLimited,
            Self::Overloaded => Reason::Overloaded,
            Self::Key(KeyError::Sealed) => Reason::VaultSealed,
            Self::Key(KeyError::Hsm(_)) => Reason::PeerUnavailable,
            Self::WrongState(_) | Self::SharesWrong => Reason::WrongState,
            Self::KeysChanged => Reason::Conflict,
            Self::Record(_) | Self::Key(_) | Self::Corrupt(_) => Reason::DataCorrupt,
            Self::Together(error) => error.reason(),
            Self::DeadlineExceeded => Reason::DeadlineExceeded,
            // A `TokenError` of ours is a fault of ours, never the caller's.
            Self::Proof(_) | Self::Internal(_) => Reason::Internal,
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Db(error) => error.metadata(),
            Self::Invalid(error) => error.metadata(),
            Self::Together(error) => error.metadata(),
            Self::NotFound { what } | Self::Exists { what } => vec![("kind", (*what).to_owned())],
            Self::RangeExhausted { range } => vec![("bin_range_id", range.clone())],
            Self::WeakPassword(weakness) => vec![("weakness", weakness.as_str().to_owned())],
            _ => Vec::new(),
        }
    }

    fn violations(&self) -> Vec<FieldViolation> {
        match self {
            Self::Invalid(error) => error.violations(),
            Self::Paging(error) => error.violations(),
            Self::WeakPassword(weakness) => {
                vec![FieldViolation::new("card_password", weakness.description())]
            }
            _ => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } => Some(*retry_after),
            Self::Overloaded => Some(Duration::from_secs(1)),
            Self::Together(error) => error.retry_after(),
            _ => None,
        }
    }
}
