//! What the chassis itself refuses, before a handler or in its place.

use std::time::Duration;

use bursar_proto::access::Identity;
use bursar_types::{Failure, FieldViolation, Reason};

use crate::token::TokenError;

/// How long a caller waits that was refused for overload.
const RETRY_OVERLOAD: Duration = Duration::from_millis(200);

/// Why the chassis answers a call itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("more calls at once than this process takes: come again")]
    Overloaded,
    #[error("`grpc-timeout` is not a time-out: up to eight digits and one of H M S m u n")]
    Timeout,
    #[error("the deadline passed before the answer was known; nothing half done remains")]
    Expired,
    #[error("{caller} may not call {method}")]
    NotAllowed { method: String, caller: Identity },
    #[error("{method} is not served here")]
    NotServed { method: String },
    #[error("this method needs a customer's access token: send `authorization: Bearer <token>`")]
    TokenMissing,
    #[error("{0}")]
    Token(#[from] TokenError),
    #[error("this method needs a second factor used within the last {max_age_seconds} s")]
    StepUp { max_age_seconds: u32 },
    #[error("the message is larger than {max} bytes")]
    TooLarge { max: usize },
    #[error("the request cannot be decoded as the method's request message")]
    Undecodable,
    #[error("the handler panicked")]
    Panicked,
    #[error("the process is stopping: connect again")]
    Stopping,
}

impl Failure for Refusal {
    fn reason(&self) -> Reason {
        match self {
            Self::Overloaded => Reason::Overloaded,
            Self::Timeout | Self::Undecodable => Reason::InvalidField,
            Self::Expired => Reason::DeadlineExceeded,
            Self::NotAllowed { .. } => Reason::CallerNotAllowed,
            Self::NotServed { .. } => Reason::NotServed,
            Self::TokenMissing => Reason::TokenMissing,
            Self::Token(error) => error.reason(),
            Self::StepUp { .. } => Reason::StepUpRequired,
            Self::TooLarge { .. } => Reason::MessageTooLarge,
            Self::Panicked => Reason::Internal,
            Self::Stopping => Reason::ShuttingDown,
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::NotAllowed { method, caller } => {
                vec![("method", method.clone()), ("caller", caller.name().to_owned())]
            }
            Self::NotServed { method } => vec![("method", method.clone())],
            Self::StepUp { max_age_seconds } => vec![("max_age_seconds", max_age_seconds.to_string())],
            Self::TooLarge { max } => vec![("max_bytes", max.to_string())],
            _ => Vec::new(),
        }
    }

    fn violations(&self) -> Vec<FieldViolation> {
        match self {
            Self::Timeout => vec![FieldViolation::new("grpc-timeout", self.to_string())],
            Self::Undecodable | Self::TooLarge { .. } => {
                vec![FieldViolation::new("message", self.to_string())]
            }
            _ => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        matches!(self, Self::Overloaded).then_some(RETRY_OVERLOAD)
    }
}
