//! The states of a KYC case and the steps between them (product row I7):
//! `DRAFT → OPEN → IN_REVIEW → APPROVED | REJECTED | MORE_INFO`, and `MORE_INFO → OPEN` when it is handed in again.

use crate::customer::{CustomerStep, KycLevel, named_states};

named_states! {
    /// Where an application and its case stand.
    CaseState {
        /// The customer is still filling it in.
        Draft = "DRAFT",
        /// Handed in; nobody works on it.
        Open = "OPEN",
        /// A reviewer works on it.
        InReview = "IN_REVIEW",
        /// Approved at a level.
        Approved = "APPROVED",
        /// Refused.
        Rejected = "REJECTED",
        /// The customer must add something and hand it in again.
        MoreInfo = "MORE_INFO",
    }
}

named_states! {
    /// What happens to a case; also the name of the step in its trail.
    CaseStep {
        /// The customer adds a document.
        Upload = "UPLOAD",
        /// The customer hands it in.
        Submit = "SUBMIT",
        /// A reviewer takes it.
        Claim = "CLAIM",
        /// The reviewer approves.
        Approve = "APPROVE",
        /// The reviewer refuses.
        Reject = "REJECT",
        /// The reviewer asks for more.
        AskForMore = "ASK_FOR_MORE",
    }
}

/// The step is not one that leads on from the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{step} is not possible while the case is {state}")]
pub struct WrongCaseState {
    /// The state that forbids it.
    pub state: CaseState,
    /// What was asked for.
    pub step: CaseStep,
}

impl CaseState {
    /// The state after `step`.
    ///
    /// # Errors
    /// [`WrongCaseState`] if no such step leads on from this state.
    pub const fn after(self, step: CaseStep) -> Result<Self, WrongCaseState> {
        use CaseState as S;
        use CaseStep as Step;
        Ok(match (self, step) {
            (S::Draft | S::MoreInfo, Step::Upload) => self,
            (S::Draft | S::MoreInfo, Step::Submit) => S::Open,
            (S::Open, Step::Claim) => S::InReview,
            (S::InReview, Step::Approve) => S::Approved,
            (S::InReview, Step::Reject) => S::Rejected,
            (S::InReview, Step::AskForMore) => S::MoreInfo,
            _ => return Err(WrongCaseState { state: self, step }),
        })
    }

    /// Whether the clock of the reviewers runs.
    pub const fn is_waiting_for_reviewers(self) -> bool {
        matches!(self, Self::Open | Self::InReview)
    }
}

/// What a reviewer decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Approved at a level.
    Approve {
        /// The level.
        level: KycLevel,
        /// What the customer may be told; may be empty.
        customer_reason: String,
    },
    /// Refused.
    Reject {
        /// What the customer may be told.
        customer_reason: String,
    },
    /// The customer must add something.
    AskForMore {
        /// What they must add.
        customer_reason: String,
    },
}

impl Decision {
    /// The step of the case.
    pub const fn case_step(&self) -> CaseStep {
        match self {
            Self::Approve { .. } => CaseStep::Approve,
            Self::Reject { .. } => CaseStep::Reject,
            Self::AskForMore { .. } => CaseStep::AskForMore,
        }
    }

    /// The step of the customer.
    pub const fn customer_step(&self) -> CustomerStep {
        match self {
            Self::Approve { .. } => CustomerStep::Approve,
            Self::Reject { .. } => CustomerStep::Reject,
            Self::AskForMore { .. } => CustomerStep::AskForMore,
        }
    }

    /// What the customer may be told.
    pub fn customer_reason(&self) -> &str {
        match self {
            Self::Approve { customer_reason, .. }
            | Self::Reject { customer_reason }
            | Self::AskForMore { customer_reason } => customer_reason,
        }
    }

    /// The level that is given; 0 unless approved.
    pub fn level_number(&self) -> u8 {
        match self {
            Self::Approve { level, .. } => level.number(),
            Self::Reject { .. } | Self::AskForMore { .. } => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: &[(CaseState, CaseStep, CaseState)] = &[
        (CaseState::Draft, CaseStep::Upload, CaseState::Draft),
        (CaseState::MoreInfo, CaseStep::Upload, CaseState::MoreInfo),
        (CaseState::Draft, CaseStep::Submit, CaseState::Open),
        (CaseState::MoreInfo, CaseStep::Submit, CaseState::Open),
        (CaseState::Open, CaseStep::Claim, CaseState::InReview),
        (CaseState::InReview, CaseStep::Approve, CaseState::Approved),
        (CaseState::InReview, CaseStep::Reject, CaseState::Rejected),
        (CaseState::InReview, CaseStep::AskForMore, CaseState::MoreInfo),
    ];

    #[test]
    fn only_the_written_steps_are_possible() {
        for state in CaseState::ALL {
            for step in CaseStep::ALL {
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
    fn a_decision_moves_case_and_customer_alike() {
        let approve = Decision::Approve { level: KycLevel::new(2).unwrap(), customer_reason: String::new() };
        assert_eq!(
            (approve.case_step(), approve.customer_step()),
            (CaseStep::Approve, CustomerStep::Approve)
        );
        assert_eq!(approve.level_number(), 2);
        let more = Decision::AskForMore { customer_reason: "the back side is blurred".into() };
        assert_eq!(
            (more.case_step(), more.customer_step()),
            (CaseStep::AskForMore, CustomerStep::AskForMore)
        );
        assert_eq!(more.level_number(), 0);
    }
}
