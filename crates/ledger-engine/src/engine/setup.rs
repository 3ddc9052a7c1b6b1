//! The program's settings, products, controls, and how customers stand.

use std::collections::BTreeSet;

use bursar_types::Asset;
use bursar_types::id::{CardProductId, CustomerId};

use super::calendar;
use super::state::{Controls, Due};
use super::step::{Handled, Step, refuse};
use crate::*;

/// Bounds of a rolling window in seconds: ten seconds to 31 days.
const ROLLING_SECONDS: std::ops::RangeInclusive<u32> = 10..=31 * 86_400;

/// Longest validity of a card in months.
const MAX_VALIDITY_MONTHS: u16 = 120;

impl Step<'_> {
    pub(crate) fn configure_program(&mut self, settings: &ProgramSettings) -> Handled {
        if self.state.program.as_ref().is_some_and(|program| program.program != settings.program) {
            return refuse(RefusalReason::AlreadyExists, Subject::Program);
        }
        if settings.accounts.len() > MAX_PRODUCT_ITEMS {
            return refuse(RefusalReason::TooMany, Subject::Account);
        }
        let mut assets = BTreeSet::<Asset>::new();
        for accounts in &settings.accounts {
            if !assets.insert(accounts.asset) {
                return refuse(RefusalReason::InvalidField, Subject::Account);
            }
            self.check_internal(accounts)?;
        }
        let zone_moves = self.state.zone() != settings.zone;
        self.state.program = Some(settings.clone());
        if zone_moves {
            self.renew_card_dates();
        }
        self.effects.push(Effect::ProgramConfigured(Box::new(settings.clone())));
        Ok(Outcome::Done)
    }

    fn check_internal(&self, accounts: &AssetAccounts) -> Result<(), Refusal> {
        let AssetAccounts { asset, settlement, nostro, suspense, fee_income, receivable } = *accounts;
        let mut seen = BTreeSet::new();
        for id in [settlement, nostro, suspense, fee_income, receivable] {
            let Some(account) = self.state.account(id) else {
                return refuse(RefusalReason::AccountNotFound, Subject::Account);
            };
            if account.asset != asset {
                return refuse(RefusalReason::AssetMismatch, Subject::Account);
            }
            if account.closed_at.is_some() {
                return refuse(RefusalReason::AccountClosed, Subject::Account);
            }
            // A limit would stop what must always post; one account in two places would hide what it is for.
            if account.limit != BalanceLimit::Unlimited || account.owner.is_some() || !seen.insert(id) {
                return refuse(RefusalReason::InvalidField, Subject::Account);
            }
        }
        Ok(())
    }

    /// Cards end at the end of a month in the program's zone: a zone that moves, moves their ends.
    fn renew_card_dates(&mut self) {
        let zone = self.state.zone();
        self.state.due.retain(|(_, due)| !matches!(due, Due::Card(_)));
        let ends: Vec<_> = self
            .state
            .cards
            .sorted()
            .into_iter()
            .filter(|(_, slot)| !matches!(slot.card.stage, CardStage::Closed(_)))
            .filter_map(|(id, slot)| Some((calendar::end_of(slot.card.expiry?, zone), Due::card(*id))))
            .collect();
        self.state.due.extend(ends);
    }

    pub(crate) fn draft_product(&mut self, product: CardProductId, spec: &ProductSpec) -> Handled {
        check_spec(spec)?;
        if self.state.program.is_none() {
            return refuse(RefusalReason::ProgramNotConfigured, Subject::Program);
        }
        if self.state.internal(spec.asset).is_none() {
            return refuse(RefusalReason::AssetNotConfigured, Subject::Product);
        }
        let versions = self.state.products.get(&product).map_or(&[][..], |slot| &slot.versions[..]);
        // Cards pay from accounts of the product's asset: it cannot change under them.
        if versions.first().is_some_and(|first| first.spec.asset != spec.asset) {
            return refuse(RefusalReason::AssetMismatch, Subject::Product);
        }
        let Ok(version) = u32::try_from(versions.len() + 1) else {
            return refuse(RefusalReason::TooMany, Subject::Product);
        };
        let drafted = ProductVersion {
            product,
            version,
            state: ProductState::Draft,
            since: self.at,
            effective: false,
            spec: spec.clone(),
        };
        self.effects.push(Effect::ProductChanged(Box::new(drafted.clone())));
        self.state.products.entry(product).or_default().versions.push(drafted);
        Ok(Outcome::Drafted { version })
    }

    pub(crate) fn activate_product(&mut self, product: CardProductId, version: u32) -> Handled {
        let now = self.at;
        let Some(slot) = self.state.products.get_mut(&product) else {
            return refuse(RefusalReason::ProductNotFound, Subject::Product);
        };
        match slot.versions.iter().find(|candidate| candidate.version == version) {
            None => return refuse(RefusalReason::ProductNotFound, Subject::Product),
            Some(found) if found.state != ProductState::Draft => {
                return refuse(RefusalReason::ProductState, Subject::Product);
            }
            Some(_) => {}
        }
        for candidate in &mut slot.versions {
            if candidate.version == version {
                (candidate.state, candidate.since, candidate.effective) = (ProductState::Active, now, true);
            } else if candidate.effective {
                if candidate.state == ProductState::Active {
                    (candidate.state, candidate.since) = (ProductState::Retired, now);
                }
                candidate.effective = false;
            } else {
                continue;
            }
            self.effects.push(Effect::ProductChanged(Box::new(candidate.clone())));
        }
        Ok(Outcome::Done)
    }

    pub(crate) fn retire_product(&mut self, product: CardProductId) -> Handled {
        let now = self.at;
        let Some(slot) = self.state.products.get_mut(&product) else {
            return refuse(RefusalReason::ProductNotFound, Subject::Product);
        };
        let Some(active) = slot.versions.iter_mut().find(|version| version.state == ProductState::Active)
        else {
            return refuse(RefusalReason::ProductState, Subject::Product);
        };
        (active.state, active.since) = (ProductState::Retired, now);
        self.effects.push(Effect::ProductChanged(Box::new(active.clone())));
        Ok(Outcome::Done)
    }

    pub(crate) fn set_controls(&mut self, scope: ControlScope, controls: &[Control]) -> Handled {
        check_controls(controls)?;
        // What is set on one card of a chain is set on all of it.
        let scope = match scope {
            ControlScope::Card(id) => ControlScope::Card(self.state.card(id).map_or(id, Card::chain)),
            other => other,
        };
        let place = match scope {
            ControlScope::Program => &mut self.state.program_controls,
            ControlScope::Product(_) => return refuse(RefusalReason::InvalidField, Subject::Product),
            ControlScope::Account(id) => match self.state.accounts.get_mut(&id) {
                Some(slot) => &mut slot.controls,
                None => return refuse(RefusalReason::AccountNotFound, Subject::Account),
            },
            ControlScope::Card(id) => match self.state.cards.get_mut(&id) {
                Some(slot) => &mut slot.controls,
                None => return refuse(RefusalReason::CardNotFound, Subject::Card),
            },
        };
        let set_by = self.command.request_id;
        *place = Controls { list: controls.to_vec(), set_by: (!controls.is_empty()).then_some(set_by) };
        self.effects.push(Effect::ControlsSet { scope, controls: controls.to_vec(), set_by });
        Ok(Outcome::Done)
    }

    pub(crate) fn set_customer_standing(
        &mut self,
        customer: CustomerId,
        status: CustomerStatus,
        kyc_level: u8,
    ) -> Handled {
        if kyc_level > 3 {
            return refuse(RefusalReason::InvalidField, Subject::Customer);
        }
        let standing = CustomerStanding { customer, status, kyc_level, since: self.at };
        self.state.customers.insert(customer, standing);
        self.effects.push(Effect::CustomerStood(standing));
        Ok(Outcome::Done)
    }
}

fn check_spec(spec: &ProductSpec) -> Result<(), Refusal> {
    let invalid = |subject| refuse(RefusalReason::InvalidField, subject);
    if spec.validity_months == 0 || spec.validity_months > MAX_VALIDITY_MONTHS || spec.min_kyc_level > 3 {
        return invalid(Subject::Product);
    }
    let items = [spec.needs.len(), spec.hold_policy.rules.len(), spec.tolerances.len(), spec.fees.len()];
    if items.iter().any(|count| *count > MAX_PRODUCT_ITEMS) {
        return refuse(RefusalReason::TooMany, Subject::Product);
    }
    let mut channels = BTreeSet::new();
    if !spec.needs.iter().all(|needs| channels.insert(needs.channel)) {
        return invalid(Subject::Product);
    }
    check_controls(&spec.controls)?;
    let days = |days: u16| days > 0 && days <= MAX_HOLD_DAYS;
    let rules = &spec.hold_policy.rules;
    if !days(spec.hold_policy.default_days)
        || !rules.iter().all(|rule| days(rule.days) && good_mccs(&rule.mccs))
    {
        return invalid(Subject::HoldPolicy);
    }
    let tolerable = |t: &Tolerance| t.flat >= 0 && t.basis_points <= MAX_BASIS_POINTS && good_mccs(&t.mccs);
    if !spec.tolerances.iter().all(tolerable) {
        return invalid(Subject::HoldPolicy);
    }
    let mut ids = BTreeSet::new();
    let chargeable = |fee: &FeeItem| {
        fee.flat >= 0
            && fee.min >= 0
            && fee.max.is_none_or(|max| max >= fee.min)
            && fee.id < FEE_COUNTERS
            && fee.tiers.len() <= MAX_PRODUCT_ITEMS
            && fee.tiers.iter().all(|tier| tier.flat >= 0 && tier.basis_points <= MAX_BASIS_POINTS)
            && fee.never_falls()
            && fee.basis_points <= MAX_BASIS_POINTS
    };
    if !spec.fees.iter().all(|fee| chargeable(fee) && ids.insert(fee.id)) {
        return invalid(Subject::Fee);
    }
    Ok(())
}

fn good_mccs(mccs: &[MccRange]) -> bool {
    mccs.len() <= MAX_MATCH_ENTRIES && mccs.iter().all(|range| range.first <= range.last)
}

fn check_controls(controls: &[Control]) -> Result<(), Refusal> {
    if controls.len() > MAX_CONTROLS {
        return refuse(RefusalReason::TooMany, Subject::Control);
    }
    let mut ids = BTreeSet::new();
    for control in controls {
        let when = &control.when;
        let matches = [Some(when), control.unless.as_deref()];
        let bounded = |m: &Match| {
            let entries = [m.channels.len(), m.countries.len(), m.merchants.len(), m.entry_modes.len()];
            entries.iter().all(|count| *count <= MAX_MATCH_ENTRIES)
        };
        if !matches.into_iter().flatten().all(bounded) || control.except.len() > MAX_MATCH_ENTRIES {
            return refuse(RefusalReason::TooMany, Subject::Control);
        }
        let well_formed = |m: &Match| good_mccs(&m.mccs) && m.hours.is_none_or(Hours::is_sensible);
        // A control that excepts everything holds for nothing: surely not what was meant.
        let concerns_some = !control.except.contains(&ControlScope::Program)
            && control.unless.as_deref().is_none_or(|unless| *unless != Match::default() && unless != when);
        let sensible = match control.rule {
            Rule::Deny => true,
            // "Only anything" forbids nothing: surely not what was meant.
            Rule::AllowOnly => *when != Match::default(),
            Rule::Limit { measure, window, .. } => {
                let window_good = match window {
                    Window::Rolling { seconds } => ROLLING_SECONDS.contains(&seconds),
                    _ => true,
                };
                let measure_good = match measure {
                    Measure::Amount(amount) => amount >= 0,
                    // One payment is always one payment.
                    Measure::Count(_) => window != Window::Payment,
                };
                window_good && measure_good
            }
        };
        let good = sensible && concerns_some && matches.into_iter().flatten().all(well_formed);
        if !good || control.id >= FEE_COUNTERS || !ids.insert(control.id) {
            return refuse(RefusalReason::InvalidField, Subject::Control);
        }
    }
    Ok(())
}
