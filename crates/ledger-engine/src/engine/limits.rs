//! Controls at work: which ones a payment meets, what they allow, and the counters behind them.

use bursar_types::Timestamp;
use bursar_types::id::{AccountId, CardId, CardProductId};

use super::calendar;
use super::state::{ProductSlot, State};
use crate::*;

/// What controls look at.
#[derive(Clone, Copy)]
pub(crate) struct Profile<'a> {
    pub(crate) card: CardId,
    pub(crate) account: AccountId,
    pub(crate) product: CardProductId,
    pub(crate) channel: Channel,
    pub(crate) merchant: &'a Merchant,
    pub(crate) cross_border: bool,
}

impl Profile<'_> {
    /// Whose counter a limit uses.
    fn owner(&self, per: CountedPer) -> CounterOwner {
        match per {
            CountedPer::Card => CounterOwner::Card(self.card),
            CountedPer::Account => CounterOwner::Account(self.account),
            CountedPer::Product => CounterOwner::Product(self.product),
            CountedPer::Program => CounterOwner::Program,
        }
    }
}

impl Control {
    /// What a denial by this control is called: changeable, only the terminal wrong, or the purchase for good.
    fn denial(&self) -> DeclineReason {
        let when = &self.when;
        let only_channel = !when.channels.is_empty()
            && when.mccs.is_empty()
            && when.countries.is_empty()
            && when.merchants.is_empty()
            && when.cross_border.is_none();
        match () {
            () if self.customer_can_change => DeclineReason::ControlForbids,
            () if only_channel => DeclineReason::NotPermittedTerminal,
            () => DeclineReason::NotPermittedCardholder,
        }
    }
}

impl Match {
    /// Whether every dimension that is not empty fits.
    fn fits(&self, profile: &Profile<'_>) -> bool {
        (self.channels.is_empty() || self.channels.contains(&profile.channel))
            && (self.mccs.is_empty() || self.mccs.iter().any(|range| range.holds(profile.merchant.mcc)))
            && (self.countries.is_empty() || self.countries.contains(&profile.merchant.country))
            && (self.merchants.is_empty() || self.merchants.contains(&profile.merchant.id))
            && self.cross_border.is_none_or(|wanted| wanted == profile.cross_border)
    }
}

impl Counter {
    /// What has been counted within the window whose present slot is `number`: minor units and payments.
    pub(crate) fn used(&self, number: i64) -> (i64, i64) {
        let oldest = calendar::oldest_slot(self.window, self.present(number));
        let counted = self.slots.iter().rev().take_while(|slot| slot.number >= oldest);
        counted.fold((0, 0), |(amount, count), slot| {
            (amount.saturating_add(slot.amount), count.saturating_add(slot.count))
        })
    }

    /// The present slot: never before the last one, even if the program's zone moved west.
    pub(crate) fn present(&self, number: i64) -> i64 {
        self.slots.last().map_or(number, |last| last.number.max(number))
    }

    /// Sets a slot to what it is now, and forgets those that are too old to count.
    pub(crate) fn put(&mut self, slot: Slot) {
        match self.slots.binary_search_by_key(&slot.number, |slot| slot.number) {
            Ok(index) => self.slots[index] = slot,
            Err(index) => self.slots.insert(index, slot),
        }
        let last = self.slots.last().map_or(slot.number, |last| last.number);
        let oldest = calendar::oldest_slot(self.window, last);
        self.slots.retain(|slot| slot.number >= oldest);
    }
}

/// Where the counter with this key and window stands in a list of one owner's.
pub(crate) fn position(counters: &[Counter], key: &CounterKey, window: Window) -> Option<usize> {
    // The cheap parts first: in one list the owner is always the same.
    counters.iter().position(|counter| {
        counter.key.control == key.control && counter.window == window && counter.key.scope == key.scope
    })
}

/// The controls in force on a card, the program's first, the card's last, and the counters they may use.
pub(crate) struct InForce<'a> {
    sets: [(ControlScope, &'a [Control]); 4],
    card: &'a [Counter],
    account: &'a [Counter],
    product: &'a [Counter],
    program: &'a [Counter],
}

impl InForce<'_> {
    fn counters(&self, per: CountedPer) -> &[Counter] {
        match per {
            CountedPer::Card => self.card,
            CountedPer::Account => self.account,
            CountedPer::Product => self.product,
            CountedPer::Program => self.program,
        }
    }
}

impl State {
    /// Gathers what is in force on a card: three lookups, once a decision.
    pub(crate) fn in_force(&self, profile: &Profile<'_>) -> InForce<'_> {
        let product = self.products.get(&profile.product);
        let account = self.accounts.get(&profile.account);
        let card = self.cards.get(&profile.card);
        let of_product = product.and_then(ProductSlot::effective).map_or(&[][..], |v| &v.spec.controls);
        InForce {
            sets: [
                (ControlScope::Program, &self.program_controls),
                (ControlScope::Product(profile.product), of_product),
                (ControlScope::Account(profile.account), account.map_or(&[], |slot| &slot.controls)),
                (ControlScope::Card(profile.card), card.map_or(&[], |slot| &slot.controls)),
            ],
            card: card.map_or(&[], |slot| &slot.counters),
            account: account.map_or(&[], |slot| &slot.counters),
            product: product.map_or(&[], |slot| &slot.counters),
            program: &self.program_counters,
        }
    }

    /// Holds every control against a payment of `amount` that counts as `count` payments; all that fail are told.
    pub(crate) fn hold_controls_against(
        &self,
        profile: &Profile<'_>,
        at: Timestamp,
        amount: i64,
        count: i64,
        failing: &mut Vec<Failing>,
    ) {
        let in_force = self.in_force(profile);
        let zone = self.zone();
        for (scope, controls) in in_force.sets {
            for control in controls {
                let fits = control.when.fits(profile);
                let failed = match control.rule {
                    Rule::Deny => fits.then(|| (control.denial(), None)),
                    Rule::AllowOnly => (!fits).then(|| (control.denial(), None)),
                    Rule::Limit { measure, window, per } if fits => {
                        let key = CounterKey { owner: profile.owner(per), scope, control: control.id };
                        let counters = in_force.counters(per);
                        // Nothing is counted over one payment, so nothing is found for it.
                        let used = position(counters, &key, window).map_or((0, 0), |index| {
                            counters[index].used(calendar::slot_number(window, at, zone))
                        });
                        measure.exceeded(used, amount, count)
                    }
                    Rule::Limit { .. } => None,
                };
                if let Some((reason, within)) = failed {
                    let source = FailureSource::Control { scope, control: control.id };
                    failing.push(Failing { reason, source, within });
                }
            }
        }
    }

    /// The counters a payment moves: of every limit in force that fits and counts over time.
    pub(crate) fn counters_to_move(&self, profile: &Profile<'_>, into: &mut Vec<(CounterKey, Window)>) {
        for (scope, controls) in self.in_force(profile).sets {
            for control in controls {
                if let Rule::Limit { window, per, .. } = control.rule
                    && window != Window::Payment
                    && control.when.fits(profile)
                {
                    into.push((CounterKey { owner: profile.owner(per), scope, control: control.id }, window));
                }
            }
        }
    }
}

impl Measure {
    /// Whether `amount` or `count` more is too much after `used`, and what would have been within.
    fn exceeded(self, used: (i64, i64), amount: i64, count: i64) -> Option<(DeclineReason, Option<i64>)> {
        let (limit, used, more, reason) = match self {
            Self::Amount(limit) => (limit, used.0, amount, DeclineReason::AmountLimitExceeded),
            Self::Count(limit) => (i64::from(limit), used.1, count, DeclineReason::CountLimitExceeded),
        };
        let left = limit.saturating_sub(used).max(0);
        (more > left).then_some((reason, Some(left)))
    }
}
