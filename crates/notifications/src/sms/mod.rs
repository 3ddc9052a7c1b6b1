//! Text messages: the numbers they go to, the one-time codes they carry, and the providers that take them.

pub mod code;
pub mod http;
pub mod mailbox;
pub mod phone;

use std::fmt;

use bursar_types::Timestamp;
use bursar_types::id::MessageId;
use futures::future::BoxFuture;
use zeroize::Zeroizing;

use crate::people::locale::Locale;
use code::OneTimeCode;
use phone::Phone;

/// A text message on its way to a provider.
pub struct OutgoingSms {
    /// Its id, and the provider's idempotency key: the same on each attempt.
    pub message_id: MessageId,
    /// To whom.
    pub phone: Phone,
    /// Language it is in.
    pub locale: Locale,
    /// Type of the event that caused it; `one_time_code` for codes.
    pub event_type: String,
    /// The text.
    pub text: Zeroizing<String>,
    /// The one-time code in it, if it carries one, and its end.
    pub code: Option<(OneTimeCode, Timestamp)>,
}

impl fmt::Debug for OutgoingSms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutgoingSms")
            .field("message_id", &self.message_id)
            .field("event_type", &self.event_type)
            .finish_non_exhaustive()
    }
}

/// Why a provider did not take a message. The texts never repeat the message or the number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It will not take this message, ever.
    #[error("the provider refuses the message: {0}")]
    Refused(String),
    /// It could not take it now, or whether it did is unknown: the same message may be sent again.
    #[error("the provider did not take the message: {0}")]
    TryAgain(String),
}

/// Takes text messages to people. Sending one message twice with the same id delivers it once, as far as the provider
/// honours the key.
pub trait SmsProvider: Send + Sync + fmt::Debug {
    /// Hands the message over.
    fn send<'a>(&'a self, sms: &'a OutgoingSms) -> BoxFuture<'a, Result<(), SendError>>;
}
