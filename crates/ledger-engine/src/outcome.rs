//! Outcomes: what became of a command.

use bursar_types::Money;
use bursar_types::id::{AccountId, CardId, PaymentId, TransferId};

use crate::*;

/// What [`Engine::apply`](crate::Engine::apply) gives back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// What became of the command.
    pub outcome: Outcome,
    /// Everything that changed, in order; empty when nothing did, as after a refusal.
    pub effects: Vec<Effect>,
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing happened; the request id may be used again.
    Refused(Refusal),
    /// Done, and there is nothing more to say than the effects do.
    Done,
    /// An account was limited, frozen, unfrozen or closed; this is how it was right after.
    Account(Box<Account>),
    /// A product version was drafted.
    Drafted {
        /// Its number.
        version: u32,
    },
    /// A transfer, hold, capture, increment, void or reversal.
    Transferred(Transferred),
    /// A batch: each item's outcome in order.
    Batch(Vec<Result<Transferred, Refusal>>),
    /// A bank credit was booked.
    Booked(Booked),
    /// The bank's transaction id was booked before: the first booking stands.
    BookedBefore {
        /// The transfer of the first booking.
        transfer: TransferId,
        /// The account it credited.
        account: AccountId,
        /// Whether this amount and funding reference are the first booking's; if not, the bank must be asked.
        same: bool,
    },
    /// A card took a step.
    Card {
        /// The card.
        card: CardId,
        /// The state it shows now.
        status: CardStatus,
    },
    /// An authorization or increment was decided: approved, approved in part, or declined.
    Decided(Decided),
    /// The network's reference was decided before: the stored decision answers.
    DecidedBefore(Decided),
    /// A payment took a step.
    Payment(PaymentStep),
    /// A reversal came before its original, which will be declined when it comes.
    ReversedEarly,
    /// Time passed.
    Ticked {
        /// How many things ended.
        ended: u32,
        /// Whether more is due.
        more: bool,
    },
}

/// What a transfer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transferred {
    /// The transfer or hold.
    pub transfer: TransferId,
    /// How much moved, which a balancing transfer finds out.
    pub amount: Money,
    /// What the hold still keeps, if it was about a hold.
    pub outstanding: Option<i64>,
    /// The debited account after.
    pub debit: BalanceAfter,
    /// The credited account after.
    pub credit: BalanceAfter,
    /// How the hold stands, if it was about a hold.
    pub hold: Option<HoldSums>,
}

/// An account after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceAfter {
    /// The account.
    pub account: AccountId,
    /// Its sums.
    pub balances: Balances,
    /// Its normal side, so that posted and available can be told.
    pub normal: NormalSide,
}

/// What a bank credit did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Booked {
    /// The transfer.
    pub transfer: TransferId,
    /// The account credited.
    pub account: AccountId,
    /// Whether the funding reference was found and its account takes money; `false`: it lies in suspense.
    pub matched: bool,
    /// The credited account after.
    pub after: BalanceAfter,
}

/// How an authorization ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// The whole amount.
    Approved,
    /// Less than was asked for.
    PartiallyApproved,
    /// Nothing.
    Declined,
}

/// What a failing reason came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureSource {
    /// The rules everyone has.
    Platform,
    /// A control.
    Control {
        /// Where it is attached.
        scope: ControlScope,
        /// Its number there.
        control: u16,
    },
}

/// One reason that would have declined the payment by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failing {
    /// Why.
    pub reason: DeclineReason,
    /// From what.
    pub source: FailureSource,
    /// What would have been within it: minor units for amounts, payments for counts; `None` where there is no such number.
    pub within: Option<i64>,
}

/// A decision and what it rested on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// How it ended.
    pub verdict: Verdict,
    /// Minor units approved; 0 if declined.
    pub approved: i64,
    /// The fee that is held with it, minor units.
    pub fee: i64,
    /// The reason that answers: the one of highest rank.
    pub reason: Option<DeclineReason>,
    /// Every reason that failed, in order of decision.
    pub failing: Vec<Failing>,
    /// What the account could give before, overdraft included; `None` without limit or account.
    pub spendable_before: Option<i64>,
    /// The product version that ruled; 0 if the card is not known.
    pub product_version: u32,
    /// When the hold ends.
    pub hold_until: Option<bursar_types::Timestamp>,
}

/// A decided authorization or increment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The payment.
    pub payment: PaymentId,
    /// The decision.
    pub decision: Decision,
    /// The approval code of the payment.
    pub approval_code: Option<Text<6>>,
    /// The payment's sums after.
    pub sums: Sums,
    /// The account after; `None` if the card is not known.
    pub account: Option<BalanceAfter>,
    /// What the decision rests on; `None` where it is a stored one that is told again.
    pub facts: Option<Box<DecisionFacts>>,
}

/// A step of a payment after its authorization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaymentStep {
    /// The payment.
    pub payment: PaymentId,
    /// Minor units this step moved.
    pub amount: i64,
    /// The state it shows now.
    pub status: PaymentStatus,
    /// Its sums after.
    pub sums: Sums,
    /// The account after; `None` if the card is not known.
    pub account: Option<BalanceAfter>,
}

impl Outcome {
    /// Whether nothing happened: a refusal, or a batch of which every item was refused. Such a command leaves no
    /// trace in the state and need not be journaled.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Refused(_) => true,
            Self::Batch(items) => items.iter().all(Result::is_err),
            _ => false,
        }
    }
}
