//! A customer's stand with the issuer: states and the steps between them, level, language.

use std::fmt;
use std::str::FromStr;

macro_rules! named_states {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable text, as it is stored and told.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::customer::UnknownName;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text).ok_or($crate::customer::UnknownName)
            }
        }
    };
}
pub(crate) use named_states;

/// A stored text that names none of the values: the database holds what no release ever wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is none of the known values")]
pub struct UnknownName;

named_states! {
    /// Where a customer stands.
    CustomerState {
        /// Signed up; no application was approved or is waiting.
        Unverified = "UNVERIFIED",
        /// An application waits for review.
        PendingReview = "PENDING_REVIEW",
        /// A reviewer asked for more.
        PendingDocument = "PENDING_DOCUMENT",
        /// Verified at a level.
        Active = "ACTIVE",
        /// Suspended by the issuer.
        Suspended = "SUSPENDED",
        /// Left, or was shown out.
        Closed = "CLOSED",
        /// The last application was refused.
        Rejected = "REJECTED",
    }
}

named_states! {
    /// What happens to a customer.
    CustomerStep {
        /// An application was handed in, for the first time or again.
        Submit = "SUBMIT",
        /// A reviewer asked for more.
        AskForMore = "ASK_FOR_MORE",
        /// A reviewer approved.
        Approve = "APPROVE",
        /// A reviewer refused.
        Reject = "REJECT",
        /// The issuer suspends.
        Suspend = "SUSPEND",
        /// The issuer lifts the suspension.
        Reinstate = "REINSTATE",
        /// The customer leaves.
        Close = "CLOSE",
    }
}

named_states! {
    /// Language of messages.
    Locale {
        /// Simplified Chinese as used in China.
        ZhCn = "zh-CN",
        /// English.
        En = "en",
    }
}

/// The step is not one that leads on from the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{step} is not possible while the customer is {state}")]
pub struct WrongCustomerState {
    /// The state that forbids it.
    pub state: CustomerState,
    /// What was asked for.
    pub step: CustomerStep,
}

impl CustomerState {
    /// The state after `step`:
    /// `UNVERIFIED → PENDING_REVIEW ⇄ PENDING_DOCUMENT → ACTIVE ⇄ SUSPENDED → CLOSED; REJECTED`.
    ///
    /// # Errors
    /// [`WrongCustomerState`] if no such step leads on from this state.
    pub const fn after(self, step: CustomerStep) -> Result<Self, WrongCustomerState> {
        use CustomerState as S;
        use CustomerStep as Step;
        Ok(match (self, step) {
            (S::Unverified | S::PendingDocument | S::Rejected, Step::Submit) => S::PendingReview,
            (S::PendingReview, Step::AskForMore) => S::PendingDocument,
            (S::PendingReview, Step::Approve) => S::Active,
            (S::PendingReview, Step::Reject) => S::Rejected,
            (S::Active, Step::Suspend) => S::Suspended,
            (S::Suspended, Step::Reinstate) => S::Active,
            (S::Unverified | S::Rejected | S::Active | S::Suspended, Step::Close) => S::Closed,
            _ => return Err(WrongCustomerState { state: self, step }),
        })
    }

    /// Whether a customer who stands here may open an application.
    pub const fn may_apply(self) -> bool {
        matches!(self, Self::Unverified | Self::Rejected)
    }

    /// Whether a customer who stands here may log in.
    pub const fn may_log_in(self) -> bool {
        !matches!(self, Self::Closed)
    }
}

/// A KYC level that was given: 1 to 3. It sets the customer's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KycLevel(u8);

impl KycLevel {
    /// The level `number`, if it is 1 to 3.
    pub fn new(number: i32) -> Option<Self> {
        u8::try_from(number).ok().filter(|level| (1..=3).contains(level)).map(Self)
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Display for KycLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for KycLevel {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().ok().and_then(Self::new).ok_or(UnknownName)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every pair that is allowed, written out: a step that is added by mistake fails here.
    const ALLOWED: &[(CustomerState, CustomerStep, CustomerState)] = &[
        (CustomerState::Unverified, CustomerStep::Submit, CustomerState::PendingReview),
        (CustomerState::PendingDocument, CustomerStep::Submit, CustomerState::PendingReview),
        (CustomerState::Rejected, CustomerStep::Submit, CustomerState::PendingReview),
        (CustomerState::PendingReview, CustomerStep::AskForMore, CustomerState::PendingDocument),
        (CustomerState::PendingReview, CustomerStep::Approve, CustomerState::Active),
        (CustomerState::PendingReview, CustomerStep::Reject, CustomerState::Rejected),
        (CustomerState::Active, CustomerStep::Suspend, CustomerState::Suspended),
        (CustomerState::Suspended, CustomerStep::Reinstate, CustomerState::Active),
        (CustomerState::Unverified, CustomerStep::Close, CustomerState::Closed),
        (CustomerState::Rejected, CustomerStep::Close, CustomerState::Closed),
        (CustomerState::Active, CustomerStep::Close, CustomerState::Closed),
        (CustomerState::Suspended, CustomerStep::Close, CustomerState::Closed),
    ];

    #[test]
    fn only_the_written_steps_are_possible() {
        for state in CustomerState::ALL {
            for step in CustomerStep::ALL {
                let wanted = ALLOWED.iter().find(|(from, with, _)| (from, with) == (state, step));
                match (state.after(*step), wanted) {
                    (Ok(reached), Some((.., to))) => assert_eq!(reached, *to),
                    (Err(error), None) => assert_eq!((error.state, error.step), (*state, *step)),
                    (outcome, _) => panic!("{state} {step}: {outcome:?}"),
                }
            }
        }
    }

    #[test]
    fn names_are_found_again() {
        for state in CustomerState::ALL {
            assert_eq!(state.as_str().parse(), Ok(*state));
        }
        assert_eq!("zh-CN".parse(), Ok(Locale::ZhCn));
        assert_eq!("fr".parse::<Locale>(), Err(UnknownName));
        assert_eq!([0, 4, -1].map(KycLevel::new), [None; 3]);
    }
}
