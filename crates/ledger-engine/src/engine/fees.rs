//! What a payment costs, by the product's schedule.

use super::decide::Ask;
use bursar_types::{Money, Timestamp};

use super::limits::{Counters, Moving, Profile};
use super::state::State;
use crate::{
    Channel, ControlScope, CounterKey, CounterOwner, Decision, ExchangeRate, FEE_COUNTERS, FeeEvent, FeeItem,
    FeeTier, PaymentKind, ProductSpec, Window,
};

impl FeeItem {
    /// Whether it is charged on such a payment.
    pub fn applies(&self, kind: PaymentKind, channel: Channel, cross_border: bool, exchanged: bool) -> bool {
        match self.event {
            FeeEvent::Purchase => kind == PaymentKind::Purchase,
            FeeEvent::CrossBorder => cross_border,
            FeeEvent::Cash => kind == PaymentKind::Cash,
            FeeEvent::Exchange => exchanged,
            FeeEvent::NonDirect => kind == PaymentKind::Purchase && channel != Channel::InApp,
        }
    }

    /// This item's fee on `amount` minor units; `None` if it does not fit 64 bits.
    pub fn on(&self, amount: i64) -> Option<i64> {
        let tier = self.tiers.iter().find(|tier| tier.up_to.is_none_or(|up_to| amount <= up_to));
        let own = FeeTier { up_to: None, flat: self.flat, basis_points: self.basis_points };
        let fee = tier.unwrap_or(&own).on(amount)?.max(self.min);
        Some(self.max.map_or(fee, |max| fee.min(max)))
    }

    /// Whether it never falls as the amount grows, its numbers being in range: what is paid in part must not cost more.
    pub fn never_falls(&self) -> bool {
        let bounded = self.tiers.iter().rev().skip(1).all(|tier| tier.up_to.is_some_and(|up_to| up_to > 0));
        let open = self.tiers.last().is_none_or(|tier| tier.up_to.is_none());
        bounded
            && open
            && self.tiers.windows(2).all(|pair| {
                let [lower, upper] = pair else { return true };
                let Some(edge) = lower.up_to else { return false };
                let rising = upper.up_to.is_none_or(|up_to| up_to > edge);
                rising && edge < i64::MAX && lower.on(edge) <= upper.on(edge.saturating_add(1))
            })
    }

    fn counter(&self, profile: &Profile<'_>) -> CounterKey {
        CounterKey {
            owner: CounterOwner::Card(profile.chain),
            scope: ControlScope::Product(profile.product),
            control: FEE_COUNTERS | self.id,
        }
    }
}

impl FeeTier {
    fn on(&self, amount: i64) -> Option<i64> {
        // Half a minor unit rounds up.
        let share = (i128::from(amount) * i128::from(self.basis_points) + 5_000) / 10_000;
        i64::try_from(i128::from(self.flat) + share).ok()
    }
}

/// The fee on `amount` minor units, `free` items left out; `None` if it does not fit 64 bits. Never falls as the
/// amount grows.
pub(crate) fn fee_of(
    items: &[FeeItem],
    free: &[u16],
    ask: &Ask<'_>,
    cross_border: bool,
    amount: i64,
) -> Option<i64> {
    if ask.kind == PaymentKind::AccountCheck {
        return Some(0);
    }
    let mut sum = 0_i64;
    for item in items {
        if item.applies(ask.kind, ask.channel, cross_border, ask.exchanged) && !free.contains(&item.id) {
            sum = sum.checked_add(item.on(amount)?)?;
        }
    }
    Some(sum)
}

/// The items that this payment has free.
pub(crate) fn left_free(
    spec: &ProductSpec,
    ask: &Ask<'_>,
    profile: &Profile<'_>,
    counters: &mut Counters<'_>,
) -> Vec<u16> {
    let applying = |item: &&FeeItem| {
        item.free_per_month > 0
            && ask.kind != PaymentKind::AccountCheck
            && item.applies(ask.kind, ask.channel, profile.cross_border, ask.exchanged)
    };
    let mut free = Vec::new();
    for item in spec.fees.iter().filter(applying) {
        let used = counters.used(&item.counter(profile), Window::Month, profile.zone);
        if used.count < i64::from(item.free_per_month) {
            free.push(item.id);
        }
    }
    free
}

/// What a payment would cost and how it would be decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// How it would be decided.
    pub decision: Decision,
    /// Each fee that would be charged.
    pub fees: Vec<QuotedFee>,
    /// The moment it is for.
    pub at: Timestamp,
    /// The amount in the account's asset.
    pub billed: Money,
    /// The rate it was exchanged at, if it was.
    pub rate: Option<ExchangeRate>,
}

/// One fee of a quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotedFee {
    /// Its number in the schedule.
    pub item: u16,
    /// What it is for.
    pub event: FeeEvent,
    /// Minor units.
    pub amount: i64,
}

impl State {
    /// The fees of what is asked for, whether it would be approved or not.
    pub(crate) fn fees(&self, ask: &Ask<'_>, at: Timestamp) -> Vec<QuotedFee> {
        let found = self.card(ask.card).and_then(|card| Some((card, self.ruling(card)?)));
        let Some((card, version)) = found else { return Vec::new() };
        let cross_border =
            self.program.as_ref().is_some_and(|program| program.country != ask.merchant.country);
        let profile = Profile {
            chain: card.chain(),
            card: card.id,
            account: card.account,
            product: card.product,
            channel: ask.channel,
            entry_mode: ask.entry_mode,
            merchant: ask.merchant,
            cross_border,
            at,
            zone: self.zone(),
        };
        let live = Some(self.live_counters(card, at));
        let mut counters = Counters::Live { live, used: Vec::new() };
        let free = left_free(&version.spec, ask, &profile, &mut counters);
        let charged = version.spec.fees.iter().filter(|item| {
            item.applies(ask.kind, ask.channel, cross_border, ask.exchanged) && !free.contains(&item.id)
        });
        let quoted = |item: &FeeItem| {
            let amount = item.on(ask.amount.minor_units)?;
            Some(QuotedFee { item: item.id, event: item.event, amount })
        };
        charged.filter_map(quoted).collect()
    }
}

/// The counters of free payments that a payment moves.
pub(crate) fn counters_to_move(
    spec: &ProductSpec,
    kind: PaymentKind,
    exchanged: bool,
    profile: &Profile<'_>,
    into: &mut Vec<Moving>,
) {
    for item in &spec.fees {
        if item.free_per_month > 0 && item.applies(kind, profile.channel, profile.cross_border, exchanged) {
            let below = Some(item.free_per_month);
            into.push(Moving {
                key: item.counter(profile),
                window: Window::Month,
                zone: profile.zone,
                below,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(flat: i64, basis_points: u32, min: i64, max: Option<i64>) -> FeeItem {
        FeeItem {
            id: 1,
            event: FeeEvent::Purchase,
            flat,
            basis_points,
            min,
            max,
            tiers: Vec::new(),
            free_per_month: 0,
        }
    }

    #[test]
    fn flat_share_min_and_max() {
        assert_eq!(item(30, 150, 0, None).on(10_000), Some(180));
        assert_eq!(item(0, 50, 0, None).on(100), Some(1), "half rounds up");
        assert_eq!(item(0, 49, 0, None).on(100), Some(0));
        assert_eq!(item(0, 10, 25, None).on(100), Some(25));
        assert_eq!(item(0, 1_000, 0, Some(70)).on(10_000), Some(70));
        assert_eq!(item(i64::MAX, 1, 0, None).on(i64::MAX), None);
    }

    #[test]
    fn only_what_applies_is_charged() {
        let of = |event| FeeItem { event, ..item(1, 0, 0, None) };
        let applies =
            |event, kind, abroad, exchanged| of(event).applies(kind, Channel::Pos, abroad, exchanged);
        assert!(applies(FeeEvent::Purchase, PaymentKind::Purchase, false, false));
        assert!(!applies(FeeEvent::Purchase, PaymentKind::Cash, true, true));
        assert!(applies(FeeEvent::CrossBorder, PaymentKind::Cash, true, false));
        assert!(!applies(FeeEvent::CrossBorder, PaymentKind::Cash, false, true));
        assert!(applies(FeeEvent::Exchange, PaymentKind::Purchase, false, true));
        assert!(!applies(FeeEvent::Exchange, PaymentKind::Purchase, true, false));
        assert!(of(FeeEvent::NonDirect).applies(PaymentKind::Purchase, Channel::Online, false, false));
        assert!(!of(FeeEvent::NonDirect).applies(PaymentKind::Purchase, Channel::InApp, false, false));
    }

    #[test]
    fn tiers_are_chosen_by_the_amount() {
        let tier = |up_to, flat, basis_points| FeeTier { up_to, flat, basis_points };
        let mut tiered = item(9, 9, 0, Some(500));
        tiered.tiers = vec![tier(Some(100), 5, 0), tier(Some(1_000), 0, 500), tier(None, 0, 1_000)];
        assert_eq!(
            [1, 100, 101, 1_000, 1_001, 1_000_000].map(|amount| tiered.on(amount)),
            [5, 5, 5, 50, 100, 500].map(Some)
        );
        assert!(tiered.never_falls());
        tiered.tiers = vec![tier(Some(100), 50, 0), tier(None, 0, 10)];
        assert!(!tiered.never_falls(), "more would cost less");
        tiered.tiers = vec![tier(None, 0, 10), tier(Some(5), 0, 20)];
        assert!(!tiered.never_falls(), "the last tier must take any amount");
    }
}
