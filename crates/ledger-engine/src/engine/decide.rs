//! The decision: everything that could stand against a payment is looked at, all that does is kept, and the reason
//! of highest rank answers. Nothing is changed here, and nothing is looked at but the [`Case`], so that a decision can be
//! taken again from its record.

use std::time::Duration;

use bursar_types::id::{AccountId, CardId, CustomerId};
use bursar_types::{Money, Timestamp};

use super::calendar;
use super::fees;
use super::limits::{Counters, Profile, Rules, hold_against};
use super::state::State;
use crate::*;

const DAY: Duration = Duration::from_secs(86_400);

/// What is asked for: an authorization, or the increment of one.
pub(crate) struct Ask<'a> {
    pub(crate) card: CardId,
    pub(crate) kind: PaymentKind,
    pub(crate) amount: Money,
    pub(crate) channel: Channel,
    pub(crate) entry_mode: EntryMode,
    pub(crate) merchant: &'a Merchant,
    /// `None` for an increment: the payment was verified when it was authorized.
    pub(crate) verification: Option<&'a Verification>,
    pub(crate) partial_allowed: bool,
    /// Whether it was approved already in the engine's place.
    pub(crate) stand_in: bool,
    /// Whether the amount was exchanged from another asset.
    pub(crate) exchanged: bool,
}

impl<'a> Ask<'a> {
    /// What an authorization asks for.
    pub(crate) fn of(ask: &'a Authorize, exchanged: bool) -> Self {
        Self {
            card: ask.card,
            kind: ask.kind,
            amount: ask.amount,
            channel: ask.channel,
            entry_mode: ask.entry_mode,
            merchant: &ask.merchant,
            verification: Some(&ask.verification),
            partial_allowed: ask.partial_allowed,
            stand_in: ask.stand_in,
            exchanged,
        }
    }
}

/// All that a decision looks at.
pub(crate) struct Case<'a> {
    pub(crate) ask: &'a Ask<'a>,
    pub(crate) facts: &'a DecisionFacts,
    /// What the version of the product that rules says; `None` if the card is not known.
    pub(crate) spec: Option<&'a ProductSpec>,
    pub(crate) rules: Rules<'a>,
}

/// A decision, and what carrying it out needs.
pub(crate) struct Assessment {
    pub(crate) decision: Decision,
    pub(crate) facts: DecisionFacts,
    pub(crate) account: Option<AccountId>,
    pub(crate) customer: Option<CustomerId>,
    pub(crate) internal: Option<AssetAccounts>,
}

/// The failing reasons, collected.
struct Failures(Vec<Failing>);

impl Failures {
    fn add(&mut self, reason: DeclineReason) {
        self.0.push(Failing { reason, source: FailureSource::Platform, within: None });
    }

    fn add_if(&mut self, fails: bool, reason: DeclineReason) {
        if fails {
            self.add(reason);
        }
    }
}

impl State {
    /// Decides `ask` at the moment `at`. `outside` is what is known to fail before the engine looks.
    pub(crate) fn assess(&self, ask: &Ask<'_>, outside: Option<DeclineReason>, at: Timestamp) -> Assessment {
        let known = self.card(ask.card).and_then(|card| Some((card, self.ruling(card)?)));
        let mut facts = self.facts(ask, known, outside, at);
        let rules = known.map_or(Rules::NONE, |(card, version)| self.rules(card, version));
        let spec = known.map(|(_, version)| &version.spec);
        let live = known.map(|(card, _)| self.live_counters(card, at));
        let mut counters = Counters::Live { live, used: Vec::new() };
        let decision = Case { ask, facts: &facts, spec, rules }.decide(&mut counters);
        facts.used = counters.into_used();
        Assessment {
            decision,
            facts,
            account: known.map(|(card, _)| card.account),
            customer: known.map(|(card, _)| card.customer),
            internal: spec.and_then(|spec| self.internal(spec.asset)),
        }
    }

    /// What the state says about `ask`, the counters left out.
    fn facts(
        &self,
        ask: &Ask<'_>,
        known: Option<(&Card, &ProductVersion)>,
        outside: Option<DeclineReason>,
        at: Timestamp,
    ) -> DecisionFacts {
        let account = known.and_then(|(card, _)| self.account(card.account));
        let spent = |verification: &Verification| match &verification.password {
            PasswordResult::Verified { proof, .. } => self.proofs.holds(proof),
            _ => false,
        };
        DecisionFacts {
            at,
            outside,
            zone: self.zone(),
            country: self.program.as_ref().map(|program| program.country),
            // Nothing can be booked without the program's own accounts.
            bookable: account.is_some_and(|account| self.internal(account.asset).is_some()),
            proof_spent: ask.verification.is_some_and(spent),
            card: known.map(|(card, version)| CardFacts {
                chain: card.chain(),
                product: card.product,
                product_version: version.version,
                account: card.account,
                stage: card.stage,
                freezes: card.freezes.iter().map(|freeze| freeze.holder).collect(),
                expiry: card.expiry,
                merchant_lock: card.merchant_lock.clone(),
                program_controls: self.program_controls.set_by,
                account_controls: self.accounts.get(&card.account).and_then(|slot| slot.controls.set_by),
                card_controls: self.cards.get(&card.chain()).and_then(|slot| slot.controls.set_by),
            }),
            account: account.map(|account| AccountFacts {
                spendable: account.spendable().map(clamp),
                freezes: account.freezes.iter().map(|freeze| freeze.holder).collect(),
                closed: account.closed_at.is_some(),
            }),
            customer: known
                .and_then(|(card, _)| self.customers.get(&card.customer))
                .map(|standing| CustomerFacts { status: standing.status, kyc_level: standing.kyc_level }),
            used: Vec::new(),
            rate: None,
            carried_out: true,
        }
    }
}

impl DecisionRecord {
    /// Takes the decision again: equal to the one that was taken.
    pub fn replay(&self) -> Decision {
        let rules = match &self.facts.card {
            Some(card) => Rules {
                sets: [
                    (ControlScope::Program, &self.program_controls[..]),
                    (
                        ControlScope::Product(card.product),
                        self.spec.as_ref().map_or(&[][..], |spec| &spec.controls),
                    ),
                    (ControlScope::Account(card.account), &self.account_controls),
                    (ControlScope::Card(card.chain), &self.card_controls),
                ],
            },
            None => Rules::NONE,
        };
        let exchanged = self.facts.rate.as_ref().and_then(|rate| self.ask.exchanged(rate));
        let ask = Ask::of(exchanged.as_ref().unwrap_or(&self.ask), exchanged.is_some());
        let case = Case { ask: &ask, facts: &self.facts, spec: self.spec.as_ref(), rules };
        let mut decision = case.decide(&mut Counters::Recorded(self.facts.used.iter()));
        if !self.facts.carried_out {
            fail(&mut decision);
        }
        decision
    }
}

/// Turns an approval that could not be carried out into a decline.
pub(crate) fn fail(decision: &mut Decision) {
    let failing =
        Failing { reason: DeclineReason::SystemError, source: FailureSource::Platform, within: None };
    decision.failing.push(failing);
    decision.verdict = Verdict::Declined;
    decision.reason = Some(DeclineReason::SystemError);
    (decision.approved, decision.fee, decision.hold_until) = (0, 0, None);
}

impl Case<'_> {
    /// Decides.
    pub(crate) fn decide(&self, counters: &mut Counters<'_>) -> Decision {
        let Self { ask, facts, .. } = *self;
        let mut failures = Failures(Vec::new());
        if let Some(reason) = facts.outside {
            failures.add(reason);
        }
        let (Some(card), Some(spec)) = (&facts.card, self.spec) else {
            failures.add(DeclineReason::CardNotFound);
            return decline(failures, None, 0);
        };
        let cross_border = facts.country.is_some_and(|country| country != ask.merchant.country);
        let profile = Profile {
            chain: card.chain,
            card: ask.card,
            account: card.account,
            product: card.product,
            channel: ask.channel,
            entry_mode: ask.entry_mode,
            merchant: ask.merchant,
            cross_border,
            at: facts.at,
            zone: facts.zone,
        };
        check_form(ask, spec.asset, &mut failures);
        self.check_card(card, &mut failures);
        if let Some(account) = &facts.account {
            failures.add_if(account.closed, DeclineReason::AccountFrozen);
            check_freezes(&account.freezes, DeclineReason::AccountFrozen, &mut failures);
        }
        self.check_customer(spec, &mut failures);
        if let Some(verification) = ask.verification {
            self.check_verification(verification, needs_of(spec, ask.channel), &mut failures);
        }
        let (amount, first) = (ask.amount.minor_units, ask.verification.is_some());
        let check_only = ask.kind == PaymentKind::AccountCheck;
        // An account check spends nothing: allow and deny lists look at it, limits have nothing to count.
        let count = i64::from(first && !check_only);
        hold_against(&self.rules, &profile, amount, count, counters, &mut failures.0);

        let spendable_before = facts.account.as_ref().and_then(|account| account.spendable);
        failures.add_if(!facts.bookable, DeclineReason::SystemError);

        // The fee of an increment is the first authorization's matter.
        let free = match first {
            true => fees::left_free(spec, ask, &profile, counters),
            false => Vec::new(),
        };
        let fee_of = |amount: i64| match first {
            true => fees::fee_of(&spec.fees, &free, ask, cross_border, amount),
            false => Some(0),
        };
        let partial = ask.partial_allowed
            && !ask.stand_in
            && ask.kind == PaymentKind::Purchase
            && failures.0.is_empty();
        let offer = match afford(amount, spendable_before.map(i128::from), partial, fee_of) {
            Ok(offer) => Some(offer),
            Err(failing) => {
                failures.0.push(failing);
                None
            }
        };
        let hold_until = (first && !check_only).then(|| hold_until(ask, &spec.hold_policy, facts.at));
        let approved = |approved: i64, fee: i64, failing: Vec<Failing>| Decision {
            verdict: if approved < amount { Verdict::PartiallyApproved } else { Verdict::Approved },
            approved,
            fee,
            reason: None,
            failing,
            spendable_before,
            product_version: card.product_version,
            hold_until,
        };
        // What was approved in the engine's place stands, if it can be booked at all.
        let stands = ask.stand_in && facts.bookable && amount > 0 && ask.amount.asset == spec.asset;
        match offer {
            Some((part, fee)) if failures.0.is_empty() => approved(part, fee, failures.0),
            // What of it is not there is not held, nor is a fee.
            _ if stands => approved(amount, 0, failures.0),
            _ => decline(failures, spendable_before, card.product_version),
        }
    }

    fn check_card(&self, card: &CardFacts, failures: &mut Failures) {
        let by_stage = match card.stage {
            CardStage::Active => None,
            CardStage::Issuing | CardStage::PendingActivation => Some(DeclineReason::CardNotActivated),
            CardStage::Closed(CloseReason::Lost) => Some(DeclineReason::CardLost),
            CardStage::Closed(CloseReason::Stolen) => Some(DeclineReason::CardStolen),
            CardStage::Closed(CloseReason::Expired) => Some(DeclineReason::CardExpired),
            CardStage::Closed(_) => Some(DeclineReason::CardClosed),
        };
        if let Some(reason) = by_stage {
            failures.add(reason);
        }
        check_freezes(&card.freezes, DeclineReason::CardFrozen, failures);
        if let Some(expiry) = card.expiry {
            let over = calendar::end_of(expiry, self.facts.zone) <= self.facts.at;
            // The timer may not have closed it yet.
            failures.add_if(over && !matches!(card.stage, CardStage::Closed(_)), DeclineReason::CardExpired);
        }
        if let Some(given) = self.ask.verification.and_then(|verification| verification.expiry) {
            failures.add_if(card.expiry != Some(given), DeclineReason::ExpiryMismatch);
        }
        if let Some(only) = &card.merchant_lock {
            failures.add_if(*only != self.ask.merchant.id, DeclineReason::InvalidMerchant);
        }
    }

    fn check_customer(&self, spec: &ProductSpec, failures: &mut Failures) {
        let Some(standing) = &self.facts.customer else { return };
        match standing.status {
            CustomerStatus::Active => {
                failures.add_if(standing.kyc_level < spec.min_kyc_level, DeclineReason::KycIncomplete);
            }
            CustomerStatus::Suspended => failures.add(DeclineReason::KycIncomplete),
            CustomerStatus::Closed => failures.add(DeclineReason::NotPermittedCardholder),
        }
    }

    fn check_verification(&self, verification: &Verification, needs: Needs, failures: &mut Failures) {
        failures.add_if(verification.cvv == CvvResult::Mismatched, DeclineReason::CvvMismatch);
        match verification.pin {
            PinResult::Absent | PinResult::Verified => {}
            PinResult::Wrong => failures.add(DeclineReason::PinIncorrect),
            PinResult::Locked => failures.add(DeclineReason::PinTriesExceeded),
            PinResult::Unverifiable => failures.add(DeclineReason::PinUnverifiable),
        }
        match &verification.password {
            PasswordResult::Absent => {}
            PasswordResult::Verified { valid_until, .. } => {
                let stale = *valid_until < self.facts.at || self.facts.proof_spent;
                failures.add_if(stale, DeclineReason::SecurityViolation);
            }
            PasswordResult::Wrong => failures.add(DeclineReason::PasswordIncorrect),
            PasswordResult::Locked => failures.add(DeclineReason::PasswordTriesExceeded),
            PasswordResult::BadProof => failures.add(DeclineReason::SecurityViolation),
            PasswordResult::Unverifiable => failures.add(DeclineReason::PasswordUnverifiable),
        }
        // Only what did not come is missing; what came and was wrong has been named.
        let no_cvv = verification.cvv == CvvResult::Absent;
        let no_password = verification.password == PasswordResult::Absent;
        let missing = match needs {
            Needs::Nothing => false,
            Needs::Cvv => no_cvv,
            Needs::Password => no_password,
            Needs::CvvOrPassword => no_cvv && no_password,
            Needs::Pin => verification.pin == PinResult::Absent,
        };
        failures.add_if(missing, DeclineReason::VerificationRequired);
    }
}

fn check_freezes(holders: &[FreezeHolder], frozen: DeclineReason, failures: &mut Failures) {
    for holder in holders {
        failures.add(match holder {
            FreezeHolder::Customer | FreezeHolder::Issuer | FreezeHolder::Loss => frozen,
            FreezeHolder::Fraud => DeclineReason::SuspectedFraud,
            FreezeHolder::Legal => DeclineReason::LegalBlock,
        });
    }
}

/// What a channel needs verified.
fn needs_of(spec: &ProductSpec, channel: Channel) -> Needs {
    spec.needs.iter().find(|needs| needs.channel == channel).map_or(Needs::Nothing, |needs| needs.needs)
}

/// When a hold placed now ends, by the product's policy.
fn hold_until(ask: &Ask<'_>, policy: &HoldPolicy, at: Timestamp) -> Timestamp {
    let unit = 10_i64.saturating_pow(u32::from(ask.amount.asset.exponent()));
    let fits = |rule: &&HoldRule| {
        (rule.mccs.is_empty() || rule.mccs.iter().any(|range| range.holds(ask.merchant.mcc)))
            && rule.card_present.is_none_or(|present| present == ask.channel.card_present())
            && rule
                .at_most_major_units
                .is_none_or(|units| ask.amount.minor_units <= i64::from(units).saturating_mul(unit))
    };
    let days = policy.rules.iter().find(fits).map_or(policy.default_days, |rule| rule.days);
    at.plus(DAY.saturating_mul(u32::from(days)))
}

/// What the message itself gets wrong.
fn check_form(ask: &Ask<'_>, asset: bursar_types::Asset, failures: &mut Failures) {
    let amount = ask.amount.minor_units;
    let amount_good = match ask.kind {
        PaymentKind::AccountCheck => amount == 0,
        PaymentKind::Purchase | PaymentKind::Cash => amount > 0,
    };
    failures.add_if(!amount_good || ask.amount.asset != asset, DeclineReason::InvalidAmount);
    let read_from_card =
        matches!(ask.entry_mode, EntryMode::Chip | EntryMode::Contactless | EntryMode::Stripe);
    failures.add_if(read_from_card && !ask.channel.card_present(), DeclineReason::FormatError);
    let cash = ask.kind == PaymentKind::Cash;
    failures.add_if(cash && !ask.channel.card_present(), DeclineReason::InvalidTransaction);
}

/// What can be approved and its fee: all of it, or as much as there is if a part will do.
fn afford(
    amount: i64,
    spendable: Option<i128>,
    partial: bool,
    fee_of: impl Fn(i64) -> Option<i64>,
) -> Result<(i64, i64), Failing> {
    let failing = |reason, within| Failing { reason, source: FailureSource::Platform, within };
    let broken = failing(DeclineReason::SystemError, None);
    let fee = fee_of(amount.max(0)).ok_or(broken)?;
    let Some(spendable) = spendable else { return Ok((amount, fee)) };
    if i128::from(amount) + i128::from(fee) <= spendable || amount <= 0 {
        return Ok((amount, fee));
    }
    // The fee never falls as the amount grows, so what is left beside the fee of everything can be paid.
    let spendable = clamp(spendable);
    let part = spendable.saturating_sub(fee_of(spendable.max(0)).ok_or(broken)?).max(0).min(amount);
    if partial && part > 0 {
        return Ok((part, fee_of(part).ok_or(broken)?));
    }
    Err(failing(DeclineReason::InsufficientFunds, Some(part)))
}

fn clamp(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

fn decline(failures: Failures, spendable_before: Option<i64>, product_version: u32) -> Decision {
    Decision {
        verdict: Verdict::Declined,
        approved: 0,
        fee: 0,
        reason: failures.0.iter().map(|failing| failing.reason).min(),
        failing: failures.0,
        spendable_before,
        product_version,
        hold_until: None,
    }
}
