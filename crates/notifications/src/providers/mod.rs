//! Who takes messages to people: the addresses they go to, the one-time codes they carry, and the providers behind one
//! trait: an SMS gateway over HTTP, SMTP, and the sandbox's mailbox.

pub mod code;
pub mod email;
pub mod http;
pub mod mailbox;
pub mod phone;
pub mod smtp;

use std::fmt;
use std::str::FromStr;

use bursar_types::Timestamp;
use bursar_types::id::MessageId;
use futures::future::BoxFuture;
use zeroize::Zeroizing;

use crate::people::locale::Locale;
use code::OneTimeCode;
use email::Email;
use phone::Phone;

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A phone, by text message.
    Phone(Phone),
    /// A mail account.
    Email(Email),
}

impl Address {
    /// Its text.
    pub fn expose(&self) -> &str {
        match self {
            Self::Phone(phone) => phone.expose(),
            Self::Email(email) => email.expose(),
        }
    }
}

/// The text is neither a phone number nor an e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a phone number in E.164 form (+ and 8 to 15 digits), or an e-mail address")]
pub struct NotAnAddress;

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        if text.contains('@') {
            text.parse().map(Self::Email).map_err(|_| NotAnAddress)
        } else {
            text.parse().map(Self::Phone).map_err(|_| NotAnAddress)
        }
    }
}

/// A message on its way to a provider.
pub struct Outgoing {
    /// Its id, and the provider's idempotency key: the same on each attempt.
    pub message_id: MessageId,
    /// To whom.
    pub address: Address,
    /// Language it is in.
    pub locale: Locale,
    /// Type of the event that caused it; `one_time_code` for codes.
    pub event_type: String,
    /// Its title; empty for a text message.
    pub title: Zeroizing<String>,
    /// The text.
    pub text: Zeroizing<String>,
    /// The one-time code in it, if it carries one, and its end.
    pub code: Option<(OneTimeCode, Timestamp)>,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
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
    /// It could not take it now: the same message may be sent again.
    #[error("the provider did not take the message: {0}")]
    TryAgain(String),
    /// Whether it took it is not known: the same message is sent again, and may arrive twice where the provider does not
    /// know it by its id.
    #[error("it is not known whether the provider took the message: {0}")]
    Uncertain(String),
}

/// Takes messages to people. Sending one message twice with the same id delivers it once, as far as the provider
/// honours the key.
pub trait Carrier: Send + Sync + fmt::Debug {
    /// Hands the message over.
    fn send<'a>(&'a self, message: &'a Outgoing) -> BoxFuture<'a, Result<(), SendError>>;
}
