//! Everything a call to identity can fail for, with the platform's reason for each.

use std::time::Duration;

use bursar_service::db::DbError;
use bursar_service::error::Invalid;
use bursar_service::paging::PagingError;
use bursar_service::token::TokenError;
use bursar_types::{Failure, FieldViolation, Reason};

use crate::customer::{CustomerState, WrongCustomerState};
use crate::keys::Damaged;
use crate::kyc::applicant::ApplicantProblem;
use crate::kyc::case::WrongCaseState;
use crate::kyc::document::{DocumentKind, DocumentProblem};
use crate::messenger::MessengerError;
use crate::password::{HashError, PasswordProblem};

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field is wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The page cannot be given.
    #[error(transparent)]
    Paging(#[from] PagingError),
    /// The password is not taken.
    #[error("password {0}")]
    Password(PasswordProblem),
    /// Phone or password is wrong.
    #[error("phone or password is wrong")]
    CredentialsWrong,
    /// Too many wrong passwords.
    #[error("too many tries with this phone: wait {} s", .0.as_secs().max(1))]
    LoginLocked(Duration),
    /// Too many codes, or too soon.
    #[error("no further code is sent to this phone for {} s", .0.as_secs().max(1))]
    CodeLimit(Duration),
    /// The code is another one.
    #[error("the code is wrong")]
    CodeWrong,
    /// The code is past its time, used, or never was.
    #[error("the code is past its time or was used; ask for a new one")]
    CodeExpired,
    /// The tries are used up.
    #[error("the tries of this code are used up; ask for a new one")]
    CodeTriesExceeded,
    /// No such refresh token, or past its time.
    #[error("the refresh token is not one of ours, or past its time")]
    RefreshTokenInvalid,
    /// It was used before.
    #[error("the refresh token was used before: the session is ended")]
    RefreshTokenReused,
    /// The session was ended.
    #[error("the session was ended: log in again")]
    SessionRevoked,
    /// The details of an applicant do not hold.
    #[error("{}", .0.first().map_or_else(String::new, |first| format!("details.{} {first}", first.field())))]
    Applicant(Vec<ApplicantProblem>),
    /// An upload is not kept.
    #[error("the document was not kept: {0}")]
    Document(#[from] DocumentProblem),
    /// The application has as many documents as it may.
    #[error("the application has as many documents as it may have")]
    TooManyDocuments,
    /// Documents are missing.
    #[error("documents are missing: {}", kinds(.0))]
    DocumentsMissing(Vec<DocumentKind>),
    /// The state of the case forbids it.
    #[error(transparent)]
    CaseState(#[from] WrongCaseState),
    /// The state of the customer forbids it.
    #[error(transparent)]
    CustomerState(#[from] WrongCustomerState),
    /// The customer cannot apply now.
    #[error("no application can be opened while the customer is {0}")]
    CannotApply(CustomerState),
    /// There is one already.
    #[error("there is {0} already")]
    AlreadyExists(&'static str),
    /// Somebody else works on it.
    #[error("the case is claimed by another reviewer")]
    CaseClaimed {
        /// By whom.
        reviewer: String,
    },
    /// There is none.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// It is another customer's.
    #[error("the {0} is another customer's")]
    NotYours(&'static str),
    /// More at once than this process takes.
    #[error("more uploads at once than this process takes; try again")]
    Overloaded,
    /// Hashing.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// Signing.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Notifications.
    #[error(transparent)]
    Messenger(#[from] MessengerError),
    /// Sealed data does not open.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// Stored data does not hold together.
    #[error("stored data does not hold together: {0}")]
    Corrupt(&'static str),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

fn kinds(kinds: &[DocumentKind]) -> String {
    kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")
}

/// The reason of an applicant's problem: numbers that do not hold together have one of their own.
fn applicant_reason(problems: &[ApplicantProblem]) -> Reason {
    match problems.first() {
        Some(ApplicantProblem::IdNumber(_)) => Reason::IdNumberInvalid,
        _ => Reason::InvalidField,
    }
}

impl Failure for Error {
    fn reason(&self) -> Reason {
        match self {
            Self::Invalid(error) => error.reason(),
            Self::Paging(error) => error.reason(),
            Self::Password(PasswordProblem::Weak(_)) => Reason::PasswordWeak,
            Self::Password(_) => Reason::InvalidField,
            Self::CredentialsWrong => Reason::CredentialsWrong,
            Self::LoginLocked(_) => Reason::LoginLocked,
            Self::CodeLimit(_) => Reason::RateLimited,
            Self::CodeWrong => Reason::CodeWrong,
            Self::CodeExpired => Reason::CodeExpired,
            Self::CodeTriesExceeded => Reason::CodeTriesExceeded,
            Self::RefreshTokenInvalid => Reason::TokenInvalid,
            Self::RefreshTokenReused => Reason::RefreshTokenReused,
            Self::SessionRevoked => Reason::SessionRevoked,
            Self::Applicant(problems) => applicant_reason(problems),
            Self::Document(_) => Reason::DocumentInvalid,
            Self::TooManyDocuments
            | Self::DocumentsMissing(_)
            | Self::CaseState(_)
            | Self::CustomerState(_)
            | Self::CannotApply(_) => Reason::WrongState,
            Self::AlreadyExists(_) => Reason::AlreadyExists,
            Self::CaseClaimed { .. } => Reason::CaseClaimed,
            Self::NotFound(_) => Reason::NotFound,
            Self::NotYours(_) => Reason::NotYours,
            Self::Overloaded | Self::Hash(HashError::Overloaded) => Reason::Overloaded,
            Self::Hash(HashError::Damaged(_)) | Self::Damaged(_) | Self::Corrupt(_) => Reason::DataCorrupt,
            Self::Hash(_) => Reason::Internal,
            Self::Token(_) => Reason::Internal,
            Self::Messenger(MessengerError::Away(_) | MessengerError::Unreached(_)) => {
                Reason::PeerUnavailable
            }
            Self::Messenger(MessengerError::Refused(_)) => Reason::Internal,
            Self::Db(error) => error.reason(),
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Invalid(error) => error.metadata(),
            Self::Password(PasswordProblem::Weak(weakness)) => {
                vec![("weakness", weakness.as_str().to_owned())]
            }
            Self::Applicant(problems) => match problems.first() {
                Some(ApplicantProblem::IdNumber(error)) => vec![("problem", error.as_str().to_owned())],
                _ => Vec::new(),
            },
            Self::Document(problem) => vec![("problem", problem.as_str().to_owned())],
            Self::DocumentsMissing(missing) => vec![("missing", kinds(missing))],
            Self::CaseState(error) => vec![("state", error.state.to_string())],
            Self::CustomerState(error) => vec![("state", error.state.to_string())],
            Self::CannotApply(state) => vec![("state", state.to_string())],
            Self::CaseClaimed { reviewer } => vec![("reviewer", reviewer.clone())],
            Self::Messenger(_) => vec![("peer", "notifications".to_owned())],
            Self::Db(error) => error.metadata(),
            _ => Vec::new(),
        }
    }

    fn violations(&self) -> Vec<FieldViolation> {
        match self {
            Self::Invalid(error) => error.violations(),
            Self::Paging(error) => error.violations(),
            Self::Password(problem) => vec![FieldViolation::new("password", problem.to_string())],
            Self::Applicant(problems) => problems
                .iter()
                .map(|problem| {
                    FieldViolation::new(format!("details.{}", problem.field()), problem.to_string())
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::LoginLocked(wait) | Self::CodeLimit(wait) => Some(*wait),
            _ => None,
        }
    }
}
