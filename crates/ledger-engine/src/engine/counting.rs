//! Counters move with the money: what a payment holds or has posted is counted, and comes back exactly.

use bursar_types::id::PaymentId;

use super::calendar;
use super::fees;
use super::limits::{Moving, Profile, position};
use super::step::Step;
use crate::*;

impl Sums {
    /// What counts against limits: what is held and what was posted.
    fn countable(&self) -> i64 {
        self.outstanding().saturating_add(self.cleared)
    }
}

impl Step<'_> {
    /// Brings the counters from what the payment counted for at `before` to what it counts for now.
    pub(crate) fn recount(&mut self, id: PaymentId, before: Sums) {
        let Some(payment) = self.state.payments.get_mut(&id) else { return };
        let now = payment.sums.countable();
        let delta = now.saturating_sub(before.countable());
        if delta == 0 {
            return;
        }
        let mut counted = std::mem::take(&mut payment.counted);
        if delta > 0 {
            self.count_up(id, delta, &mut counted);
        } else {
            self.count_down(id, delta.saturating_neg(), now == 0, &mut counted);
        }
        counted.retain(|entry| entry.amount != 0 || entry.count != 0);
        if let Some(payment) = self.state.payments.get_mut(&id) {
            payment.counted = counted;
        }
    }

    fn count_up(&mut self, id: PaymentId, delta: i64, counted: &mut Vec<Counted>) {
        let mut moving = Vec::new();
        if let Some(payment) = self.state.payments.get(&id)
            && let Some(card) = self.state.card(payment.card)
            && let Some(version) = self.state.ruling(card)
        {
            let profile = Profile {
                chain: card.chain(),
                card: card.id,
                account: card.account,
                product: card.product,
                channel: payment.channel,
                entry_mode: payment.entry_mode,
                merchant: &payment.merchant,
                cross_border: self.is_cross_border(payment.merchant.country),
                at: self.at,
                zone: self.state.zone(),
            };
            self.state.counters_to_move(&self.state.rules(card, version), &profile, &mut moving);
            let exchanged = payment.exchange.is_some();
            fees::counters_to_move(&version.spec, payment.kind, exchanged, &profile, &mut moving);
        }
        counted.reserve(moving.len());
        let at = self.at;
        let begins = counted.is_empty();
        for Moving { key, window, zone, below } in moving {
            let first =
                !counted.iter().any(|entry| entry.key == key && entry.window == window && entry.count > 0);
            let count = i64::from(first);
            let Some(counters) = self.state.counters_mut(key.owner) else { continue };
            let index = match position(counters, &key, window) {
                Some(index) => index,
                None => {
                    counters.push(Counter { key, window, slots: Vec::new() });
                    counters.len() - 1
                }
            };
            let counter = &mut counters[index];
            let number = counter.present(calendar::slot_number(window, at, zone));
            // A payment that costs a fee has not been free, and will not be.
            if below.is_some_and(|below| !begins || counter.used(number).1 >= i64::from(below)) {
                continue;
            }
            let mut slot = match counter.slots.last() {
                Some(last) if last.number == number => *last,
                _ => Slot { number, amount: 0, count: 0 },
            };
            // A slot that is full stays full: every limit is far below it. What was added is what comes back.
            let (amount_before, count_before) = (slot.amount, slot.count);
            slot.amount = slot.amount.saturating_add(delta);
            slot.count = slot.count.saturating_add(count);
            counter.put(slot);
            let (amount, count) = (slot.amount - amount_before, slot.count - count_before);
            let entry = match counted
                .iter()
                .position(|entry| entry.key == key && entry.window == window && entry.slot == number)
            {
                Some(index) => &mut counted[index],
                None => {
                    counted.push(Counted { key, window, slot: number, amount: 0, count: 0 });
                    let last = counted.len() - 1;
                    &mut counted[last]
                }
            };
            entry.amount += amount;
            entry.count += count;
            self.effects.push(Effect::CounterMoved { payment: id, counted: *entry, slot: Some(slot) });
        }
    }

    /// Takes `delta` back from each counter, the latest first; at the `end` everything, and the payment itself.
    fn count_down(&mut self, id: PaymentId, delta: i64, end: bool, counted: &mut [Counted]) {
        let mut left: Vec<(CounterKey, Window, i64)> = Vec::new();
        for entry in counted.iter_mut().rev() {
            let index =
                match left.iter().position(|(key, window, _)| *key == entry.key && *window == entry.window) {
                    Some(index) => index,
                    None => {
                        left.push((entry.key, entry.window, delta));
                        left.len() - 1
                    }
                };
            let to_take = &mut left[index].2;
            let amount = if end { entry.amount } else { entry.amount.min(*to_take) };
            let count = if end { entry.count } else { 0 };
            if amount == 0 && count == 0 {
                continue;
            }
            *to_take = to_take.saturating_sub(amount);
            entry.amount -= amount;
            entry.count -= count;
            let counter = self.state.counters_mut(entry.key.owner).and_then(|counters| {
                counters.iter_mut().find(|c| c.key == entry.key && c.window == entry.window)
            });
            let slot = counter.and_then(|counter| {
                let slot = counter.slots.iter_mut().find(|slot| slot.number == entry.slot)?;
                slot.amount -= amount;
                slot.count -= count;
                Some(*slot)
            });
            self.effects.push(Effect::CounterMoved { payment: id, counted: *entry, slot });
        }
    }

    /// Whether a merchant there is in another country than the program's issuer.
    pub(crate) fn is_cross_border(&self, country: Country) -> bool {
        self.state.program.as_ref().is_some_and(|program| program.country != country)
    }
}
