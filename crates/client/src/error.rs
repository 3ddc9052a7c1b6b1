//! Why a command has no result.

use std::time::Duration;

use bursar_proto::ledger::v1::StreamError;
use bursar_types::Reason;
use tonic::{Code, Status};

/// Why a command has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{failure}")]
pub struct ClientError {
    /// Request id of the command: asking again with it is always safe.
    pub request_id: String,
    /// What happened.
    pub failure: Failure,
}

/// What happened to a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The ledger refused it: nothing changed.
    #[error("{reason}: {message}")]
    Refused {
        /// Canonical gRPC code.
        code: Code,
        /// Stable reason, such as `INSUFFICIENT_FUNDS`.
        reason: String,
        /// Text for people.
        message: String,
        /// Field of the request it is about; may be empty.
        field: String,
    },
    /// The ledger does not let this caller in, or does not know the method.
    #[error("the ledger does not open the stream: {message}")]
    NotLetIn {
        /// Canonical gRPC code.
        code: Code,
        /// Text for people.
        message: String,
    },
    /// The deadline passed, or would have before the next try. Whether the command was decided is not known.
    #[error("no answer before the deadline{}: ask again with the same request id", said(.last))]
    DeadlineExceeded {
        /// Why it was not answered before, if the ledger told: `OVERLOADED`, `NOT_OWNER`.
        last: String,
    },
    /// The client was dropped, or its task died. Whether the command was decided is not known.
    #[error("the client has ended: ask again with the same request id")]
    Ended,
}

fn said(last: &str) -> String {
    if last.is_empty() { String::new() } else { format!(" (the ledger said {last})") }
}

impl Failure {
    /// Too late; `last` is what the ledger said before.
    pub(crate) fn late(last: &str) -> Self {
        Self::DeadlineExceeded { last: last.to_owned() }
    }
}

impl ClientError {
    /// The stable reason, if the ledger gave one that this release knows.
    pub fn reason(&self) -> Option<Reason> {
        match &self.failure {
            Failure::Refused { reason, .. } | Failure::DeadlineExceeded { last: reason } => {
                Reason::from_text(reason)
            }
            Failure::NotLetIn { .. } | Failure::Ended => None,
        }
    }

    /// Whether the command may have been decided although there is no result.
    pub fn is_unknown(&self) -> bool {
        matches!(self.failure, Failure::DeadlineExceeded { .. } | Failure::Ended)
    }
}

impl From<StreamError> for Failure {
    fn from(error: StreamError) -> Self {
        Self::Refused {
            code: Code::from_i32(error.code),
            reason: error.reason,
            message: error.message,
            field: error.field,
        }
    }
}

/// Whether, and after which wait, a command that got `error` is worth sending again.
pub(crate) fn come_again(error: &StreamError) -> Option<Duration> {
    let reason = Reason::from_text(&error.reason)?;
    let wait = Duration::from_millis(u64::try_from(error.retry_after_ms).unwrap_or(0));
    reason.retryable().then_some(wait)
}

/// Whether trying to connect again may help.
pub(crate) fn is_passing(status: &Status) -> bool {
    !matches!(
        status.code(),
        Code::PermissionDenied | Code::Unauthenticated | Code::Unimplemented | Code::InvalidArgument
    )
}

impl From<&Status> for Failure {
    fn from(status: &Status) -> Self {
        Self::NotLetIn { code: status.code(), message: status.message().to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_passes_is_asked_again() {
        let error = |reason: Reason, retry_after_ms| StreamError {
            reason: reason.as_str().to_owned(),
            retry_after_ms,
            ..StreamError::default()
        };
        assert_eq!(come_again(&error(Reason::Overloaded, 50)), Some(Duration::from_millis(50)));
        assert_eq!(come_again(&error(Reason::NotOwner, 250)), Some(Duration::from_millis(250)));
        assert_eq!(come_again(&error(Reason::DeadlineExceeded, 0)), Some(Duration::ZERO));
        for lasting in [Reason::InsufficientFunds, Reason::InvalidField, Reason::RequestIdReused] {
            assert_eq!(come_again(&error(lasting, 0)), None);
        }
    }
}
