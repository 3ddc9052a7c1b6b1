//! Controls at work: which ones a payment meets, what they allow, and the counters behind them.

use bursar_types::id::{AccountId, CardId, CardProductId};

use super::calendar;
use super::state::State;
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

impl Match {
    /// Whether every dimension that is not empty fits.
    fn fits(&self, profile: &Profile<'_>) -> bool {
        (self.channels.is_empty() || self.channels.contains(&profile.channel))
            && (self.mccs.is_empty() || self.mccs.iter().any(|range| range.holds(profile.merchant.mcc)))
            && (self.countries.is_empty() || self.countries.contains(&profile.merchant.country))
            && (self.merchants.is_empty() || self.merchants.contains(&profile.merchant.id))
            && self.cross_border.is_none_or(|wanted| wanted == profile.cross_border)
    }

    /// What a denial by this control is called: for good where only the terminal is wrong, or the purchase.
    fn denial(&self) -> DeclineReason {
        let only_channel = !self.channels.is_empty()
            && self.mccs.is_empty()
            && self.countries.is_empty()
            && self.merchants.is_empty()
            && self.cross_border.is_none();
        if only_channel { DeclineReason::NotPermittedTerminal } else { DeclineReason::NotPermittedCardholder }
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

/// The counter with this key and window, if anything was counted yet.
pub(crate) fn find_counter<'a>(
    counters: &'a [Counter],
    key: &CounterKey,
    window: Window,
) -> Option<&'a Counter> {
    counters.iter().find(|counter| {
        // The cheap parts first: in one list the owner is always the same.
        counter.key.control == key.control && counter.window == window && counter.key == *key
    })
}

impl State {
    fn counters(&self, owner: CounterOwner) -> &[Counter] {
        match owner {
            CounterOwner::Card(id) => self.cards.get(&id).map_or(&[], |slot| &slot.counters),
            CounterOwner::Account(id) => self.accounts.get(&id).map_or(&[], |slot| &slot.counters),
            CounterOwner::Product(id) => self.products.get(&id).map_or(&[], |slot| &slot.counters),
            CounterOwner::Program => &self.program_counters,
        }
    }

    /// Every control in force on a card, the program's first, the card's last.
    pub(crate) fn controls_of(&self, profile: &Profile<'_>) -> [(ControlScope, &[Control]); 4] {
        let product = self.products.get(&profile.product).and_then(|product| product.effective());
        [
            (ControlScope::Program, &self.program_controls[..]),
            (ControlScope::Product(profile.product), product.map_or(&[], |version| &version.spec.controls)),
            (
                ControlScope::Account(profile.account),
                self.accounts.get(&profile.account).map_or(&[], |slot| &slot.controls),
            ),
            (
                ControlScope::Card(profile.card),
                self.cards.get(&profile.card).map_or(&[], |slot| &slot.controls),
            ),
        ]
    }

    /// Holds every control against a payment of `amount` that counts as `count` payments; all that fail are told.
    pub(crate) fn hold_controls_against(
        &self,
        profile: &Profile<'_>,
        amount: i64,
        count: i64,
        failing: &mut Vec<Failing>,
    ) {
        let zone = self.zone();
        for (scope, controls) in self.controls_of(profile) {
            for control in controls {
                let fits = control.when.fits(profile);
                let (reason, within) = match control.rule {
                    Rule::Deny if fits => (control.when.denial(), None),
                    Rule::AllowOnly if !fits => (control.when.denial(), None),
                    Rule::Limit { measure, window, per } if fits => {
                        let owner = profile.owner(per);
                        let key = CounterKey { owner, scope, control: control.id };
                        let number = calendar::slot_number(window, self.now, zone);
                        let (used_amount, used_count) = match window {
                            Window::Payment => (0, 0),
                            _ => find_counter(self.counters(owner), &key, window)
                                .map_or((0, 0), |counter| counter.used(number)),
                        };
                        let failed = match measure {
                            Measure::Amount(limit) => {
                                let left = limit.saturating_sub(used_amount).max(0);
                                (amount > left).then_some((DeclineReason::AmountLimitExceeded, left))
                            }
                            Measure::Count(limit) => {
                                let left = i64::from(limit).saturating_sub(used_count).max(0);
                                (count > left).then_some((DeclineReason::CountLimitExceeded, left))
                            }
                        };
                        let Some((reason, left)) = failed else { continue };
                        (reason, Some(left))
                    }
                    _ => continue,
                };
                let by_rule = !matches!(control.rule, Rule::Limit { .. });
                let reason = if by_rule && control.customer_can_change {
                    DeclineReason::ControlForbids
                } else {
                    reason
                };
                let source = FailureSource::Control { scope, control: control.id };
                failing.push(Failing { reason, source, within });
            }
        }
    }

    /// The counters a payment moves: of every limit in force that fits and counts over time.
    pub(crate) fn counters_to_move(&self, profile: &Profile<'_>, into: &mut Vec<(CounterKey, Window)>) {
        for (scope, controls) in self.controls_of(profile) {
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
