//! What identity asks of notifications, as a trait: a process calls it over gRPC, a test writes it down.

use std::fmt;

use bursar_types::id::CustomerId;
use bursar_types::{RequestId, Timestamp};
use futures::future::BoxFuture;

use crate::code::{Code, Purpose};
use crate::customer::Locale;
use crate::phone::Phone;

/// Why notifications did not take it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessengerError {
    /// It is away, and certainly did nothing: the same may work later.
    #[error("notifications cannot be reached: {0}")]
    Unreached(String),
    /// It is away, and may have sent the message before: the same may work later.
    #[error("notifications is away: {0}")]
    Away(String),
    /// It refuses: the two services do not understand each other.
    #[error("notifications refused a message: {0}")]
    Refused(String),
}

/// What a text message says.
#[derive(Clone, PartialEq, Eq)]
pub enum Message {
    /// Here is the code for this purpose.
    Code {
        /// What it is for.
        purpose: Purpose,
        /// The digits.
        code: Code,
    },
    /// Somebody began a sign-up with the phone of an account: its owner is told, and no code exists.
    AccountExists,
}

/// A text message on its way.
#[derive(Clone)]
pub struct Outgoing {
    /// The same when the same message is handed over again.
    pub request_id: RequestId,
    /// To whom.
    pub phone: Phone,
    /// In which language.
    pub locale: Locale,
    /// What it says.
    pub message: Message,
    /// After which it is not sent any more.
    pub expires_at: Timestamp,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("phone", &self.phone).finish_non_exhaustive()
    }
}

/// Where a customer is reached.
#[derive(Clone, Debug)]
pub struct Recipient {
    /// The same when it is told again.
    pub request_id: RequestId,
    /// Who.
    pub customer_id: CustomerId,
    /// Phone.
    pub phone: Phone,
    /// Language of messages.
    pub locale: Locale,
}

/// Notifications, as identity knows it.
pub trait Messenger: Send + Sync + 'static {
    /// Hands a text message over. Never inside a transaction.
    fn send(&self, message: Outgoing) -> BoxFuture<'_, Result<(), MessengerError>>;

    /// Tells where a customer is reached.
    fn put_recipient(&self, recipient: Recipient) -> BoxFuture<'_, Result<(), MessengerError>>;
}
