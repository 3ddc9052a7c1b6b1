//! Controls at work: which ones a payment meets, what they allow, and the counters behind them.

use bursar_types::Timestamp;
use bursar_types::id::{AccountId, CardId, CardProductId};

use super::calendar;
use super::state::State;
use crate::*;

/// What controls look at.
#[derive(Clone, Copy)]
pub(crate) struct Profile<'a> {
    /// The first card of the chain, whose the controls and counters are.
    pub(crate) chain: CardId,
    pub(crate) card: CardId,
    pub(crate) account: AccountId,
    pub(crate) product: CardProductId,
    pub(crate) channel: Channel,
    pub(crate) entry_mode: EntryMode,
    pub(crate) merchant: &'a Merchant,
    pub(crate) cross_border: bool,
    pub(crate) at: Timestamp,
    /// The program's zone.
    pub(crate) zone: ZoneOffset,
}

impl Profile<'_> {
    /// Whose counter a limit uses.
    fn owner(&self, per: CountedPer) -> CounterOwner {
        match per {
            CountedPer::Card => CounterOwner::Card(self.chain),
            CountedPer::Account => CounterOwner::Account(self.account),
            CountedPer::Product => CounterOwner::Product(self.product),
            CountedPer::Program => CounterOwner::Program,
        }
    }

    fn is_among(&self, scopes: &[ControlScope]) -> bool {
        scopes.iter().any(|scope| match scope {
            ControlScope::Program => true,
            ControlScope::Product(product) => *product == self.product,
            ControlScope::Account(account) => *account == self.account,
            ControlScope::Card(card) => *card == self.card || *card == self.chain,
        })
    }
}

impl Control {
    /// What a denial by this control is called: changeable, only the terminal wrong, or the purchase for good.
    fn denial(&self) -> DeclineReason {
        let when = &self.when;
        let only_channel = !when.channels.is_empty()
            && *when == Match { channels: when.channels.clone(), ..Match::default() };
        match () {
            () if self.customer_can_change => DeclineReason::ControlForbids,
            () if only_channel => DeclineReason::NotPermittedTerminal,
            () => DeclineReason::NotPermittedCardholder,
        }
    }

    /// The zone its hours and windows are in.
    pub(crate) fn zone(&self, program: ZoneOffset) -> ZoneOffset {
        self.zone.unwrap_or(program)
    }

    /// Whether it holds for these payments at all.
    fn concerns(&self, profile: &Profile<'_>) -> bool {
        (self.except.is_empty() || !profile.is_among(&self.except))
            && self.unless.as_ref().is_none_or(|unless| !unless.fits(profile, self.zone(profile.zone)))
    }

    fn fits(&self, profile: &Profile<'_>) -> bool {
        self.when.fits(profile, self.zone(profile.zone))
    }
}

impl Match {
    /// Whether every dimension that is not empty fits.
    fn fits(&self, profile: &Profile<'_>, zone: ZoneOffset) -> bool {
        (self.channels.is_empty() || self.channels.contains(&profile.channel))
            && (self.mccs.is_empty() || self.mccs.iter().any(|range| range.holds(profile.merchant.mcc)))
            && (self.countries.is_empty() || self.countries.contains(&profile.merchant.country))
            && (self.merchants.is_empty() || self.merchants.contains(&profile.merchant.id))
            && self.cross_border.is_none_or(|wanted| wanted == profile.cross_border)
            && (self.entry_modes.is_empty() || self.entry_modes.contains(&profile.entry_mode))
            && self.hours.is_none_or(|hours| {
                let (day, minute) = calendar::week_time(profile.at, zone);
                hours.holds(day, minute)
            })
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

/// The controls in force on a card, the program's first, the card's last.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) sets: [(ControlScope, &'a [Control]); 4],
}

impl Rules<'_> {
    /// None at all.
    pub(crate) const NONE: Rules<'static> = Rules { sets: [(ControlScope::Program, &[]); 4] };
}

/// The counters a card's limits may use, as they are now.
#[derive(Clone, Copy)]
pub(crate) struct LiveCounters<'a> {
    card: &'a [Counter],
    account: &'a [Counter],
    product: &'a [Counter],
    program: &'a [Counter],
    at: Timestamp,
}

impl LiveCounters<'_> {
    fn used(&self, key: &CounterKey, window: Window, zone: ZoneOffset) -> Used {
        let counters = match key.owner {
            CounterOwner::Card(_) => self.card,
            CounterOwner::Account(_) => self.account,
            CounterOwner::Product(_) => self.product,
            CounterOwner::Program => self.program,
        };
        let (amount, count) = position(counters, key, window)
            .map_or((0, 0), |index| counters[index].used(calendar::slot_number(window, self.at, zone)));
        Used { amount, count }
    }
}

/// Where a decision learns what has been counted: from the state, kept as it goes, or from its record.
pub(crate) enum Counters<'a> {
    Live { live: Option<LiveCounters<'a>>, used: Vec<Used> },
    Recorded(std::slice::Iter<'a, Used>),
}

impl Counters<'_> {
    pub(crate) fn used(&mut self, key: &CounterKey, window: Window, zone: ZoneOffset) -> Used {
        match self {
            Self::Live { live, used } => {
                let found = live.as_ref().map(|live| live.used(key, window, zone)).unwrap_or_default();
                used.push(found);
                found
            }
            Self::Recorded(recorded) => recorded.next().copied().unwrap_or_default(),
        }
    }

    /// What was learnt, in order.
    pub(crate) fn into_used(self) -> Vec<Used> {
        match self {
            Self::Live { used, .. } => used,
            Self::Recorded(_) => Vec::new(),
        }
    }
}

/// Holds every control against a payment of `amount` that counts as `count` payments; all that fail are told.
pub(crate) fn hold_against(
    rules: &Rules<'_>,
    profile: &Profile<'_>,
    amount: i64,
    count: i64,
    counters: &mut Counters<'_>,
    failing: &mut Vec<Failing>,
) {
    for (scope, controls) in rules.sets {
        for control in controls {
            if !control.concerns(profile) {
                continue;
            }
            let fits = control.fits(profile);
            let failed = match control.rule {
                Rule::Deny => fits.then(|| (control.denial(), None)),
                Rule::AllowOnly => (!fits).then(|| (control.denial(), None)),
                // Nothing is counted over one payment.
                Rule::Limit { measure, window: Window::Payment, .. } if fits => {
                    measure.exceeded(Used::default(), amount, count)
                }
                Rule::Limit { measure, window, per } if fits => {
                    let key = CounterKey { owner: profile.owner(per), scope, control: control.id };
                    let used = counters.used(&key, window, control.zone(profile.zone));
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

/// A counter that a payment moves, and the zone its window begins in.
pub(crate) struct Moving {
    pub(crate) key: CounterKey,
    pub(crate) window: Window,
    pub(crate) zone: ZoneOffset,
    /// Only while the counter has fewer payments than this.
    pub(crate) below: Option<u32>,
}

impl State {
    /// The controls in force on a card.
    pub(crate) fn rules<'a>(&'a self, card: &Card, version: &'a ProductVersion) -> Rules<'a> {
        let account = self.accounts.get(&card.account).map_or(&[][..], |slot| &slot.controls.list);
        let of_card = self.cards.get(&card.chain()).map_or(&[][..], |slot| &slot.controls.list);
        Rules {
            sets: [
                (ControlScope::Program, &self.program_controls.list),
                (ControlScope::Product(card.product), &version.spec.controls),
                (ControlScope::Account(card.account), account),
                (ControlScope::Card(card.chain()), of_card),
            ],
        }
    }

    /// The counters that a card's limits may use.
    pub(crate) fn live_counters(&self, card: &Card, at: Timestamp) -> LiveCounters<'_> {
        LiveCounters {
            card: self.cards.get(&card.chain()).map_or(&[], |slot| &slot.counters),
            account: self.accounts.get(&card.account).map_or(&[], |slot| &slot.counters),
            product: self.products.get(&card.product).map_or(&[], |slot| &slot.counters),
            program: &self.program_counters,
            at,
        }
    }

    /// The counters a payment moves: of every limit in force that fits and counts over time.
    pub(crate) fn counters_to_move(&self, rules: &Rules<'_>, profile: &Profile<'_>, into: &mut Vec<Moving>) {
        for (scope, controls) in rules.sets {
            for control in controls {
                if let Rule::Limit { window, per, .. } = control.rule
                    && window != Window::Payment
                    && control.concerns(profile)
                    && control.fits(profile)
                {
                    let key = CounterKey { owner: profile.owner(per), scope, control: control.id };
                    into.push(Moving { key, window, zone: control.zone(profile.zone), below: None });
                }
            }
        }
    }
}

impl Measure {
    /// Whether `amount` or `count` more is too much after `used`, and what would have been within.
    fn exceeded(self, used: Used, amount: i64, count: i64) -> Option<(DeclineReason, Option<i64>)> {
        let (limit, used, more, reason) = match self {
            Self::Amount(limit) => (limit, used.amount, amount, DeclineReason::AmountLimitExceeded),
            Self::Count(limit) => (i64::from(limit), used.count, count, DeclineReason::CountLimitExceeded),
        };
        let left = limit.saturating_sub(used).max(0);
        (more > left).then_some((reason, Some(left)))
    }
}
