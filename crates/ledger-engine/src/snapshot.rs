//! The whole state of a shard as plain data in one canonical order.

use bursar_types::Timestamp;
use bursar_types::id::TransferId;

use crate::*;

/// The whole state: equal states give equal snapshots. Every list is sorted by its key.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// The latest moment at which something changed.
    pub now: Timestamp,
    /// The program's settings.
    pub program: Option<ProgramSettings>,
    /// Product versions, by product and version.
    pub products: Vec<ProductVersion>,
    /// Controls of the program, accounts and cards, by scope; scopes without controls are not here.
    pub controls: Vec<ControlSet>,
    /// Customers.
    pub customers: Vec<CustomerStanding>,
    /// Accounts.
    pub accounts: Vec<Account>,
    /// Open holds.
    pub holds: Vec<Hold>,
    /// Cards.
    pub cards: Vec<Card>,
    /// Payments.
    pub payments: Vec<Payment>,
    /// Counters.
    pub counters: Vec<Counter>,
    /// Bank credits by the bank's id.
    pub bank_credits: Vec<(Reference, BankBooking)>,
    /// Transfers that were reversed.
    pub reversed: Vec<TransferId>,
    /// Used proofs and until when they must be remembered.
    pub proofs: Vec<(Reference, Timestamp)>,
    /// Rates of exchange, by pair.
    pub rates: Vec<ExchangeRate>,
    /// Reversals that wait for their original, and until when.
    pub early_reversals: Vec<(Reference, Timestamp)>,
}

impl Snapshot {
    /// Carries the effects of one applied command over: what a projection does. A snapshot that absorbed everything an
    /// engine ever did equals that engine's own. `at` is the moment the command was applied at.
    ///
    /// Meant for checks and small programs: the lists are kept sorted, so a new entry may cost their length.
    pub fn absorb(&mut self, at: Timestamp, applied: &Applied) {
        if applied.effects.is_empty() {
            return;
        }
        self.now = self.now.max(at);
        for effect in &applied.effects {
            self.absorb_effect(effect);
        }
    }

    fn absorb_effect(&mut self, effect: &Effect) {
        match effect {
            Effect::ProgramConfigured(settings) => self.program = Some((**settings).clone()),
            Effect::ProductChanged(version) => {
                put(&mut self.products, (**version).clone(), |v| (v.product, v.version));
            }
            Effect::ControlsSet { scope, controls, .. } if controls.is_empty() => {
                self.controls.retain(|set| set.scope != *scope);
            }
            Effect::ControlsSet { scope, controls, set_by } => {
                let set = ControlSet { scope: *scope, controls: controls.clone(), set_by: Some(*set_by) };
                put(&mut self.controls, set, |set| set.scope);
            }
            Effect::RatesSet(rates) => {
                for rate in rates {
                    put(&mut self.rates, rate.clone(), |rate| (rate.from, rate.to));
                }
            }
            Effect::PaymentExchanged { payment, exchange } => {
                if let Some(payment) = find(&mut self.payments, payment, |p| p.id) {
                    payment.exchange = Some(exchange.clone());
                }
            }
            Effect::CustomerStood(standing) => put(&mut self.customers, *standing, |s| s.customer),
            Effect::AccountOpened(account) | Effect::AccountChanged(account) => {
                put(&mut self.accounts, (**account).clone(), |a| a.id);
            }
            Effect::BalanceMoved { account, balances, .. } => {
                if let Some(account) = find(&mut self.accounts, account, |a| a.id) {
                    account.balances = *balances;
                }
            }
            Effect::TransferPosted(_) => {}
            Effect::HoldPlaced(hold) => put(&mut self.holds, (**hold).clone(), |h| h.id),
            Effect::HoldChanged {
                hold: id,
                held,
                captured,
                over_captured,
                released,
                expires_at,
                outstanding,
                ..
            } => {
                if let Some(hold) = find(&mut self.holds, id, |h| h.id) {
                    hold.held.minor_units = *held;
                    hold.captured = *captured;
                    hold.over_captured = *over_captured;
                    hold.released = *released;
                    hold.expires_at = *expires_at;
                }
                if *outstanding == 0 {
                    self.holds.retain(|hold| hold.id != *id);
                }
            }
            Effect::TransferReversed { original, .. } => put(&mut self.reversed, *original, |id| *id),
            Effect::BankCreditBooked { bank_transaction_id, booking } => {
                let entry = (bank_transaction_id.clone(), booking.clone());
                put(&mut self.bank_credits, entry, |entry| entry.0.clone());
            }
            Effect::CardChanged { card, .. } => put(&mut self.cards, (**card).clone(), |c| c.id),
            Effect::PaymentOpened(payment) => put(&mut self.payments, (**payment).clone(), |p| p.id),
            Effect::PaymentAdvanced { payment, element, sums, .. } => {
                if let Some(payment) = find(&mut self.payments, payment, |p| p.id) {
                    payment.elements.push(*element);
                    payment.sums = *sums;
                }
            }
            Effect::CounterMoved { payment, counted, slot } => {
                if let Some(payment) = find(&mut self.payments, payment, |p| p.id) {
                    payment.absorb_counted(counted);
                }
                self.absorb_counter(counted, *slot);
            }
            Effect::ProofUsed { proof, until } => {
                put(&mut self.proofs, (proof.clone(), *until), |entry| entry.0.clone());
            }
            Effect::ProofForgotten(proof) => self.proofs.retain(|(kept, _)| kept != proof),
            Effect::EarlyReversalNoted { network_reference, until } => {
                let entry = (network_reference.clone(), *until);
                put(&mut self.early_reversals, entry, |entry| entry.0.clone());
            }
            Effect::EarlyReversalForgotten(reference) => {
                self.early_reversals.retain(|(kept, _)| kept != reference);
            }
        }
    }

    fn absorb_counter(&mut self, counted: &Counted, slot: Option<Slot>) {
        let Some(slot) = slot else { return };
        let sorted_by = |counter: &Counter| (counter.key, counter.window);
        let wanted = (counted.key, counted.window);
        if find(&mut self.counters, &wanted, sorted_by).is_none() {
            let counter = Counter { key: counted.key, window: counted.window, slots: Vec::new() };
            put(&mut self.counters, counter, sorted_by);
        }
        if let Some(counter) = find(&mut self.counters, &wanted, sorted_by) {
            counter.put(slot);
        }
    }
}

impl Payment {
    /// Carries what a payment counts in one slot over.
    fn absorb_counted(&mut self, counted: &Counted) {
        let same = |entry: &Counted| {
            entry.key == counted.key && entry.window == counted.window && entry.slot == counted.slot
        };
        match self.counted.iter().position(same) {
            Some(index) if counted.amount == 0 && counted.count == 0 => {
                self.counted.remove(index);
            }
            Some(index) => self.counted[index] = *counted,
            None if counted.amount == 0 && counted.count == 0 => {}
            None => self.counted.push(*counted),
        }
    }
}

fn put<T, K: Ord>(list: &mut Vec<T>, entry: T, key: impl Fn(&T) -> K) {
    match list.binary_search_by(|kept| key(kept).cmp(&key(&entry))) {
        Ok(index) => list[index] = entry,
        Err(index) => list.insert(index, entry),
    }
}

fn find<'a, T, K: Ord>(list: &'a mut [T], wanted: &K, key: impl Fn(&T) -> K) -> Option<&'a mut T> {
    let index = list.binary_search_by(|kept| key(kept).cmp(wanted)).ok()?;
    list.get_mut(index)
}
