//! The decision: everything that could stand against a payment is looked at, all that does is kept, and the reason
//! of highest rank answers. Nothing is changed here.

use std::time::Duration;

use bursar_types::id::{AccountId, CardId, CustomerId};
use bursar_types::{Money, Timestamp};

use super::calendar;
use super::fees;
use super::limits::Profile;
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
    /// What is known to fail before the engine looks.
    pub(crate) outside: Option<DeclineReason>,
}

impl<'a> Ask<'a> {
    /// What an authorization asks for.
    pub(crate) fn of(ask: &'a Authorize) -> Self {
        Self {
            card: ask.card,
            kind: ask.kind,
            amount: ask.amount,
            channel: ask.channel,
            entry_mode: ask.entry_mode,
            merchant: &ask.merchant,
            verification: Some(&ask.verification),
            partial_allowed: ask.partial_allowed,
            outside: ask.outside,
        }
    }
}

/// A decision, and what carrying it out needs.
pub(crate) struct Assessment {
    pub(crate) decision: Decision,
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
    /// Decides `ask` at the moment `at`.
    pub(crate) fn assess(&self, ask: &Ask<'_>, at: Timestamp) -> Assessment {
        let mut failures = Failures(Vec::new());
        if let Some(reason) = ask.outside {
            failures.add(reason);
        }
        let Some((card, version)) =
            self.card(ask.card).and_then(|card| self.ruling(card).map(|version| (card, version)))
        else {
            failures.add(DeclineReason::CardNotFound);
            return Assessment {
                decision: decline(failures, None, 0),
                account: None,
                customer: None,
                internal: None,
            };
        };
        let profile = Profile {
            card: card.id,
            account: card.account,
            product: card.product,
            channel: ask.channel,
            merchant: ask.merchant,
            cross_border: self.program.as_ref().is_some_and(|p| p.country != ask.merchant.country),
        };
        let account = self.account(card.account);
        check_form(ask, version.spec.asset, &mut failures);
        self.check_card(card, ask, at, &mut failures);
        if let Some(account) = account {
            check_account(account, &mut failures);
        }
        self.check_customer(card, version, &mut failures);
        if let Some(verification) = ask.verification {
            self.check_verification(verification, at, needs_of(&version.spec, ask.channel), &mut failures);
        }
        let (amount, first) = (ask.amount.minor_units, ask.verification.is_some());
        let check_only = ask.kind == PaymentKind::AccountCheck;
        // An account check spends nothing: allow and deny lists look at it, limits have nothing to count.
        let count = i64::from(first && !check_only);
        self.hold_controls_against(&profile, at, amount, count, &mut failures.0);

        let spendable = account.and_then(Account::spendable);
        let spendable_before = spendable.map(clamp);
        let internal = self.internal(version.spec.asset);
        // Nothing can be booked without the program's own accounts.
        failures.add_if(internal.is_none() || account.is_none(), DeclineReason::SystemError);

        // The fee of an increment is the first authorization's matter.
        let fee_of = |amount: i64| match first {
            true => fees::fee_of(&version.spec.fees, ask.kind, profile.cross_border, amount),
            false => Some(0),
        };
        let partial = ask.partial_allowed && ask.kind == PaymentKind::Purchase && failures.0.is_empty();
        let offer = match afford(amount, spendable, partial, fee_of) {
            Ok(offer) => Some(offer),
            Err(failing) => {
                failures.0.push(failing);
                None
            }
        };
        let decision = match offer {
            Some((approved, fee)) if failures.0.is_empty() => Decision {
                verdict: if approved < amount { Verdict::PartiallyApproved } else { Verdict::Approved },
                approved,
                fee,
                reason: None,
                failing: failures.0,
                spendable_before,
                product_version: version.version,
                hold_until: (first && !check_only).then(|| hold_until(ask, &version.spec.hold_policy, at)),
            },
            _ => decline(failures, spendable_before, version.version),
        };
        Assessment { decision, account: Some(card.account), customer: Some(card.customer), internal }
    }

    fn check_card(&self, card: &Card, ask: &Ask<'_>, at: Timestamp, failures: &mut Failures) {
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
        for freeze in &card.freezes {
            failures.add(match freeze.holder {
                FreezeHolder::Customer | FreezeHolder::Issuer | FreezeHolder::Loss => {
                    DeclineReason::CardFrozen
                }
                FreezeHolder::Fraud => DeclineReason::SuspectedFraud,
                FreezeHolder::Legal => DeclineReason::LegalBlock,
            });
        }
        if let Some(expiry) = card.expiry {
            let over = calendar::end_of(expiry, self.zone()) <= at;
            // The timer may not have closed it yet.
            failures.add_if(over && !matches!(card.stage, CardStage::Closed(_)), DeclineReason::CardExpired);
        }
        if let Some(given) = ask.verification.and_then(|verification| verification.expiry) {
            failures.add_if(card.expiry != Some(given), DeclineReason::ExpiryMismatch);
        }
        if let Some(only) = &card.merchant_lock {
            failures.add_if(*only != ask.merchant.id, DeclineReason::InvalidMerchant);
        }
    }

    fn check_customer(&self, card: &Card, version: &ProductVersion, failures: &mut Failures) {
        let Some(standing) = self.customers.get(&card.customer) else { return };
        match standing.status {
            CustomerStatus::Active => {
                let incomplete = standing.kyc_level < version.spec.min_kyc_level;
                failures.add_if(incomplete, DeclineReason::KycIncomplete);
            }
            CustomerStatus::Suspended => failures.add(DeclineReason::KycIncomplete),
            CustomerStatus::Closed => failures.add(DeclineReason::NotPermittedCardholder),
        }
    }

    fn check_verification(
        &self,
        verification: &Verification,
        at: Timestamp,
        needs: Needs,
        failures: &mut Failures,
    ) {
        failures.add_if(verification.cvv == CvvResult::Mismatched, DeclineReason::CvvMismatch);
        match verification.pin {
            PinResult::Absent | PinResult::Verified => {}
            PinResult::Wrong => failures.add(DeclineReason::PinIncorrect),
            PinResult::Locked => failures.add(DeclineReason::PinTriesExceeded),
            PinResult::Unverifiable => failures.add(DeclineReason::PinUnverifiable),
        }
        match &verification.password {
            PasswordResult::Absent => {}
            PasswordResult::Verified { proof, valid_until } => {
                let stale = *valid_until < at || self.proofs.holds(proof);
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

fn check_account(account: &Account, failures: &mut Failures) {
    failures.add_if(account.closed_at.is_some(), DeclineReason::AccountFrozen);
    for freeze in &account.freezes {
        failures.add(match freeze.holder {
            FreezeHolder::Customer | FreezeHolder::Issuer | FreezeHolder::Loss => {
                DeclineReason::AccountFrozen
            }
            FreezeHolder::Fraud => DeclineReason::SuspectedFraud,
            FreezeHolder::Legal => DeclineReason::LegalBlock,
        });
    }
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
