//! The smallest changes that would have approved a payment, tried out before they are told.

use crate::*;

/// Rounds of looking for what still stands against a payment after the changes so far.
const ROUNDS: usize = 8;

/// One thing that would have to be different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The amount were at most so many minor units.
    AmountAtMost(i64),
    /// The account could give at least so many minor units.
    SpendableAtLeast(i64),
    /// A control did not hold for it: switched off, or its bound raised.
    ControlOff {
        /// Where it is attached.
        scope: ControlScope,
        /// Its number there.
        control: u16,
    },
    /// The card were activated.
    CardActivated,
    /// The card were not frozen.
    CardUnfrozen,
    /// The account were neither frozen nor closed.
    AccountUnfrozen,
    /// The customer were verified.
    CustomerVerified,
    /// The CVV2, PIN or card password were right and there.
    Verified,
    /// The expiry were the card's.
    ExpiryRight,
    /// The merchant were the one the card is for.
    MerchantOfCard,
    /// The payment came from a machine or terminal with the card present.
    CardPresent,
}

/// What would have approved a payment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// Changes that together would have; empty if it was approved, or if nothing could.
    pub changes: Vec<Change>,
}

impl DecisionRecord {
    /// The smallest changes that together would have approved the whole of what was asked for, or as much as could be:
    /// one change for each thing that stood against it, and of two ways the one that is the payer's own. With them the
    /// decision is taken again; only if it approves are they told.
    pub fn explain(&self) -> Explanation {
        let mut trial = self.clone();
        // What was approved in the engine's place is explained as the engine would have decided.
        trial.ask.stand_in = false;
        let mut changes = Vec::new();
        for _ in 0..ROUNDS {
            let decision = trial.replay();
            if decision.verdict != Verdict::Declined {
                return Explanation { changes };
            }
            let before = changes.len();
            for failing in &decision.failing {
                match change_for(failing, &trial) {
                    Way::Change(change) => {
                        trial.change(change);
                        note(&mut changes, change);
                    }
                    Way::Already => {}
                    Way::None => return Explanation::default(),
                }
            }
            if changes.len() == before && decision == trial.replay() {
                break;
            }
        }
        Explanation::default()
    }

    /// What was asked for in minor units of the account's asset.
    fn billed(&self) -> i64 {
        let rate = self.facts.rate.as_ref();
        let billed = rate.and_then(|rate| rate.convert(self.ask.amount)).unwrap_or(self.ask.amount);
        billed.minor_units
    }

    /// Makes the change.
    fn change(&mut self, change: Change) {
        match change {
            Change::AmountAtMost(most) => {
                // The changes are told in the account's asset.
                let exchanged = self.facts.rate.take().and_then(|rate| self.ask.exchanged(&rate));
                if let Some(exchanged) = exchanged {
                    self.ask = exchanged;
                }
                self.ask.amount.minor_units = self.ask.amount.minor_units.min(most);
            }
            Change::SpendableAtLeast(least) => {
                if let Some(account) = &mut self.facts.account {
                    account.spendable = account.spendable.map(|had| had.max(least));
                }
            }
            Change::ControlOff { scope, control } => self.lift(scope, control),
            Change::CardActivated => {
                if let Some(card) = &mut self.facts.card {
                    card.stage = CardStage::Active;
                }
            }
            Change::CardUnfrozen => {
                if let Some(card) = &mut self.facts.card {
                    card.freezes.clear();
                }
            }
            Change::AccountUnfrozen => {
                if let Some(account) = &mut self.facts.account {
                    account.freezes.clear();
                }
            }
            Change::CustomerVerified => {
                let kyc_level = self.spec.as_ref().map_or(3, |spec| spec.min_kyc_level);
                self.facts.customer = Some(CustomerFacts { status: CustomerStatus::Active, kyc_level });
            }
            Change::Verified => {
                self.facts.proof_spent = false;
                let proof = Reference::default();
                let valid_until = self.facts.at;
                self.ask.verification = Verification {
                    cvv: CvvResult::Matched,
                    pin: PinResult::Verified,
                    password: PasswordResult::Verified { proof, valid_until },
                    expiry: self.ask.verification.expiry,
                };
            }
            Change::ExpiryRight => {
                // Who compared it before the engine did may have said so already.
                if self.facts.outside == Some(DeclineReason::ExpiryMismatch) {
                    self.facts.outside = None;
                }
                self.ask.verification.expiry = self.facts.card.as_ref().and_then(|card| card.expiry);
            }
            Change::MerchantOfCard => {
                if let Some(card) = &mut self.facts.card {
                    card.merchant_lock = None;
                }
            }
            Change::CardPresent => self.ask.channel = Channel::Pos,
        }
    }

    /// Takes a limit's bound away, or a control out. What the limit's counter held stays where the record has it.
    fn lift(&mut self, scope: ControlScope, id: u16) {
        let of_product = self.spec.as_mut().map(|spec| &mut spec.controls);
        let controls = match scope {
            ControlScope::Program => Some(&mut self.program_controls),
            ControlScope::Product(_) => of_product,
            ControlScope::Account(_) => Some(&mut self.account_controls),
            ControlScope::Card(_) => Some(&mut self.card_controls),
        };
        let Some(controls) = controls else { return };
        let Some(index) = controls.iter().position(|control| control.id == id) else { return };
        match &mut controls[index].rule {
            Rule::Limit { measure: Measure::Amount(most), .. } => *most = i64::MAX,
            Rule::Limit { measure: Measure::Count(most), .. } => *most = u32::MAX,
            Rule::Deny | Rule::AllowOnly => {
                controls.remove(index);
            }
        }
    }
}

/// How a reason can be taken away.
enum Way {
    /// By this change.
    Change(Change),
    /// By a change that was made before.
    Already,
    /// By nothing the payer or the issuer could have set for this payment.
    None,
}

/// What takes one reason away.
fn change_for(failing: &Failing, record: &DecisionRecord) -> Way {
    let amount = record.billed();
    if let DeclineReason::AmountLimitExceeded | DeclineReason::InsufficientFunds = failing.reason
        && let Some(within) = failing.within.filter(|within| *within > 0)
    {
        return if within < amount { Way::Change(Change::AmountAtMost(within)) } else { Way::Already };
    }
    if let FailureSource::Control { scope, control } = failing.source {
        return Way::Change(Change::ControlOff { scope, control });
    }
    change_of_state(failing.reason, record).map_or(Way::None, Way::Change)
}

fn change_of_state(reason: DeclineReason, record: &DecisionRecord) -> Option<Change> {
    match reason {
        DeclineReason::InsufficientFunds => {
            // Nothing is there at all, or the fee eats it: say what would do.
            let fee = |amount: i64| record.spec.as_ref().map_or(0, |spec| fee_at_most(spec, amount));
            let amount = record.billed();
            Some(Change::SpendableAtLeast(amount.saturating_add(fee(amount))))
        }
        DeclineReason::CardNotActivated => {
            let pending =
                record.facts.card.as_ref().is_some_and(|card| card.stage == CardStage::PendingActivation);
            pending.then_some(Change::CardActivated)
        }
        DeclineReason::CardFrozen => Some(Change::CardUnfrozen),
        DeclineReason::AccountFrozen => {
            let closed = record.facts.account.as_ref().is_some_and(|account| account.closed);
            (!closed).then_some(Change::AccountUnfrozen)
        }
        DeclineReason::KycIncomplete => Some(Change::CustomerVerified),
        DeclineReason::PinTriesExceeded
        | DeclineReason::PasswordTriesExceeded
        | DeclineReason::PinIncorrect
        | DeclineReason::PasswordIncorrect
        | DeclineReason::CvvMismatch
        | DeclineReason::PinUnverifiable
        | DeclineReason::PasswordUnverifiable
        | DeclineReason::VerificationRequired => Some(Change::Verified),
        DeclineReason::ExpiryMismatch => Some(Change::ExpiryRight),
        DeclineReason::InvalidMerchant => Some(Change::MerchantOfCard),
        DeclineReason::InvalidTransaction => Some(Change::CardPresent),
        // For good, for others to say, or not about this payment's own data.
        _ => None,
    }
}

/// The most the schedule can charge on `amount`.
fn fee_at_most(spec: &ProductSpec, amount: i64) -> i64 {
    spec.fees.iter().filter_map(|item| item.on(amount)).fold(0, i64::saturating_add)
}

/// Adds a change; a smaller amount takes the place of a larger one.
fn note(changes: &mut Vec<Change>, change: Change) {
    if changes.contains(&change) {
        return;
    }
    if let Change::AmountAtMost(_) = change {
        changes.retain(|kept| !matches!(kept, Change::AmountAtMost(_)));
    }
    changes.push(change);
}
