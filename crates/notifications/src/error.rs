//! What can go wrong in this service, and what the caller is told of it.

use bursar_service::db::DbError;
use bursar_service::error::Invalid;
use bursar_service::paging::PagingError;
use bursar_types::{Failure, FieldViolation, Reason};

use crate::keys::Unsealable;
use crate::people::catalog::RenderError;
use crate::people::facts::BadEvent;
use crate::providers::SendError;
use crate::webhooks::address::Refusal;
use crate::webhooks::target::BadTarget;

/// Why a call or an event failed.
#[derive(Debug, thiserror::Error)]
pub enum NotificationsError {
    /// The request is wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The page cannot be given.
    #[error(transparent)]
    Paging(#[from] PagingError),
    /// The database did not do it.
    #[error(transparent)]
    Db(#[from] DbError),
    /// There is no such endpoint.
    #[error("there is no webhook endpoint with this id")]
    EndpointNotFound,
    /// There is no such delivery.
    #[error("there is no delivery with this id at this endpoint")]
    DeliveryNotFound,
    /// The delivery, or the endpoint, is in a state that forbids it.
    #[error("{what}")]
    WrongState {
        /// What is in which state, and what to do.
        what: &'static str,
        /// The state.
        state: &'static str,
    },
    /// The customer has no such message.
    #[error("message_ids: there is no message {0} in this inbox")]
    MessageNotFound(String),
    /// The address cannot be one of an endpoint.
    #[error("url: {0}")]
    BadTarget(#[from] BadTarget),
    /// The address is one the platform does not call.
    #[error("url: {0}")]
    AddressRefused(#[from] Refusal),
    /// There are as many endpoints as this service keeps.
    #[error("there are {0} webhook endpoints already: delete one that is not needed")]
    TooManyEndpoints(i64),
    /// The one-time code is past its time.
    #[error("expire_time: the one-time code has ended and is not sent any more")]
    CodeEnded,
    /// The provider did not take a message.
    #[error("a text message was not sent: {0}")]
    NotSent(SendError),
    /// A message cannot be written.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// A sealed value cannot be opened.
    #[error(transparent)]
    Unsealable(#[from] Unsealable),
    /// An event is not what its type says.
    #[error(transparent)]
    BadEvent(#[from] BadEvent),
}

impl Failure for NotificationsError {
    fn reason(&self) -> Reason {
        match self {
            Self::Invalid(error) => error.reason(),
            Self::Paging(error) => error.reason(),
            Self::Db(error) => error.reason(),
            Self::EndpointNotFound | Self::DeliveryNotFound | Self::MessageNotFound(_) => Reason::NotFound,
            Self::BadTarget(_) => Reason::InvalidField,
            Self::AddressRefused(_) => Reason::WebhookAddressRefused,
            Self::TooManyEndpoints(_) | Self::WrongState { .. } => Reason::WrongState,
            Self::CodeEnded => Reason::CodeExpired,
            Self::NotSent(_) => Reason::PeerUnavailable,
            Self::Render(_) => Reason::Internal,
            Self::Unsealable(_) | Self::BadEvent(_) => Reason::DataCorrupt,
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Invalid(error) => error.metadata(),
            Self::Paging(error) => error.metadata(),
            Self::Db(error) => error.metadata(),
            Self::MessageNotFound(id) => vec![("message_id", id.clone())],
            Self::WrongState { state, .. } => vec![("state", (*state).to_owned())],
            Self::TooManyEndpoints(most) => vec![("most", most.to_string())],
            _ => Vec::new(),
        }
    }

    fn violations(&self) -> Vec<FieldViolation> {
        match self {
            Self::Invalid(error) => error.violations(),
            Self::Paging(error) => error.violations(),
            Self::Db(error) => error.violations(),
            Self::BadTarget(error) => vec![FieldViolation::new("url", error.to_string())],
            Self::AddressRefused(error) => vec![FieldViolation::new("url", error.to_string())],
            _ => Vec::new(),
        }
    }
}
