//! One-time codes: in memory only, never in a store, a log or a plain digest.

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

/// The event type that messages with a one-time code bear.
pub const EVENT_TYPE: &str = "one_time_code";

/// Six digits that prove a phone. Wiped when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct OneTimeCode(Zeroizing<String>);

impl OneTimeCode {
    /// The digits: hand them on, never print or store them.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OneTimeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeCode(<hidden>)")
    }
}

/// The text is not six digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be six digits")]
pub struct NotSixDigits;

impl FromStr for OneTimeCode {
    type Err = NotSixDigits;

    fn from_str(text: &str) -> Result<Self, NotSixDigits> {
        if text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(Self(Zeroizing::new(text.to_owned())))
        } else {
            Err(NotSixDigits)
        }
    }
}

/// What a one-time code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To prove the phone of a new customer.
    SignUp,
    /// To prove it is the customer who asks for something sensitive.
    StepUp,
    /// No code: tells the owner of an account that somebody began a sign-up with their phone.
    AccountExists,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 3] = [Self::SignUp, Self::StepUp, Self::AccountExists];

    /// As the contract writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignUp => "sign_up",
            Self::StepUp => "step_up",
            Self::AccountExists => "account_exists",
        }
    }

    /// Template of its message.
    pub const fn template(self) -> &'static str {
        match self {
            Self::SignUp => "code_sign_up",
            Self::StepUp => "code_step_up",
            Self::AccountExists => "account_exists",
        }
    }

    /// Whether a code belongs to it.
    pub const fn has_code(self) -> bool {
        !matches!(self, Self::AccountExists)
    }
}

/// The text names no purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be `sign_up`, `step_up` or `account_exists`")]
pub struct UnknownPurpose;

impl FromStr for Purpose {
    type Err = UnknownPurpose;

    fn from_str(text: &str) -> Result<Self, UnknownPurpose> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == text).ok_or(UnknownPurpose)
    }
}
