//! State in and out as a [`Snapshot`].

use super::Engine;
use super::calendar;
use super::state::{AccountSlot, CardSlot, Controls, Due, State};
use crate::*;

/// Why a snapshot cannot be restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Two things share a key.
    #[error("two {what} share the key {key}")]
    Twice {
        /// What.
        what: &'static str,
        /// The key they share.
        key: String,
    },
    /// Something refers to a thing that is not there.
    #[error("{what} {key} refers to something that is not there")]
    Dangling {
        /// What.
        what: &'static str,
        /// Which.
        key: String,
    },
    /// A product's versions are not 1, 2, 3 …
    #[error("the versions of product {0} are not numbered without a gap")]
    VersionGap(String),
}

fn once(new: bool, what: &'static str, key: &dyn std::fmt::Display) -> Result<(), RestoreError> {
    if new { Ok(()) } else { Err(RestoreError::Twice { what, key: key.to_string() }) }
}

fn there<T>(found: Option<T>, what: &'static str, key: &dyn std::fmt::Display) -> Result<T, RestoreError> {
    found.ok_or_else(|| RestoreError::Dangling { what, key: key.to_string() })
}

impl Engine {
    /// The whole state, sorted: equal for equal states.
    pub fn snapshot(&self) -> Snapshot {
        let state = &self.state;
        let accounts = state.accounts.sorted();
        let cards = state.cards.sorted();
        Snapshot {
            now: state.now,
            program: state.program.clone(),
            products: state.products.values().flat_map(|slot| slot.versions.iter().cloned()).collect(),
            controls: state.control_sets(),
            customers: state.customers.sorted().into_iter().map(|(_, standing)| *standing).collect(),
            accounts: accounts.into_iter().map(|(_, slot)| slot.account.clone()).collect(),
            holds: state.holds.sorted().into_iter().map(|(_, hold)| hold.clone()).collect(),
            cards: cards.into_iter().map(|(_, slot)| slot.card.clone()).collect(),
            payments: state.payments.sorted().into_iter().map(|(_, payment)| payment.clone()).collect(),
            counters: state.all_counters().into_iter().cloned().collect(),
            bank_credits: owned(state.bank_credits.sorted()),
            reversed: state.reversed.sorted().into_iter().map(|(id, ())| *id).collect(),
            proofs: owned(state.proofs.sorted()),
            rates: state.rates.values().cloned().collect(),
            early_reversals: owned(state.early_reversals.sorted()),
        }
    }

    /// The shard with this state. The lists may come in any order.
    ///
    /// # Errors
    /// [`RestoreError`] if the snapshot does not hold together.
    pub fn restore(snapshot: Snapshot) -> Result<Self, RestoreError> {
        let mut restore = Restore::new();
        restore.add(snapshot)?;
        Ok(restore.finish())
    }

    /// The whole state in slices: snapshots of at most `items` entries (at least 1) that together are
    /// [`snapshot`](Self::snapshot), in the order in which [`Restore`] takes them. A large state can so be written
    /// without a copy of all of it in memory.
    ///
    /// # Errors
    /// The first of `each`, which is told no more slices then.
    pub fn slices<E>(&self, items: usize, mut each: impl FnMut(Snapshot) -> Result<(), E>) -> Result<(), E> {
        let state = &self.state;
        let items = items.max(1);
        each(Snapshot { now: state.now, program: state.program.clone(), ..Snapshot::default() })?;
        // One list after another, each of its chunks a slice.
        macro_rules! list {
            ($field:ident, $entries:expr, $entry:expr) => {{
                for chunk in $entries.chunks(items) {
                    let $field = chunk.iter().map($entry).collect();
                    each(Snapshot { $field, ..Snapshot::default() })?;
                }
            }};
        }
        let products: Vec<_> = state.products.values().flat_map(|slot| &slot.versions).collect();
        list!(products, products, |version| (*version).clone());
        list!(customers, state.customers.sorted(), |(_, standing)| **standing);
        let accounts = state.accounts.sorted();
        list!(accounts, accounts, |(_, slot)| slot.account.clone());
        list!(holds, state.holds.sorted(), |(_, hold)| (*hold).clone());
        let cards = state.cards.sorted();
        list!(cards, cards, |(_, slot)| slot.card.clone());
        list!(payments, state.payments.sorted(), |(_, payment)| (*payment).clone());
        list!(controls, state.control_sets(), Clone::clone);
        list!(counters, state.all_counters(), |counter| (*counter).clone());
        list!(bank_credits, state.bank_credits.sorted(), |(id, booking)| ((*id).clone(), (*booking).clone()));
        list!(reversed, state.reversed.sorted(), |(id, ())| **id);
        list!(proofs, state.proofs.sorted(), |(proof, until)| ((*proof).clone(), **until));
        list!(rates, state.rates.values().collect::<Vec<_>>(), |rate| (*rate).clone());
        list!(early_reversals, state.early_reversals.sorted(), |(reference, until)| (
            (*reference).clone(),
            **until
        ));
        Ok(())
    }
}

/// Puts a state together again from slices.
#[derive(Debug, Default)]
pub struct Restore {
    state: State,
}

impl Restore {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The shard with everything that was added.
    pub fn finish(self) -> Engine {
        Engine { state: self.state }
    }

    /// Adds a slice. What something in it refers to must be in it too, or added before.
    ///
    /// # Errors
    /// [`RestoreError`] if it does not hold together with what was added before.
    pub fn add(&mut self, slice: Snapshot) -> Result<(), RestoreError> {
        let state = &mut self.state;
        state.now = state.now.max(slice.now);
        if slice.program.is_some() {
            state.program = slice.program;
        }
        let zone = state.zone();
        let mut products = slice.products;
        products.sort_unstable_by_key(|version| (version.product, version.version));
        for version in products {
            let slot = state.products.entry(version.product).or_default();
            if usize::try_from(version.version).ok() != Some(slot.versions.len() + 1) {
                return Err(RestoreError::VersionGap(version.product.to_string()));
            }
            slot.versions.push(version);
        }
        for standing in slice.customers {
            let new = state.customers.insert_new(standing.customer, standing);
            once(new, "customers", &standing.customer)?;
        }
        for account in slice.accounts {
            let id = account.id;
            if let Some(funding) = &account.funding_reference {
                let new = state.funding.insert_new(funding.clone(), id);
                once(new, "funding references", funding)?;
            }
            let slot =
                AccountSlot { account, controls: Controls::default(), counters: Vec::new(), open_cards: 0 };
            once(state.accounts.insert_new(id, slot), "accounts", &id)?;
        }
        for hold in slice.holds {
            let id = hold.id;
            there(state.account(hold.debit).and(state.account(hold.credit)), "hold", &id)?;
            if let Some(until) = hold.expires_at {
                state.due.insert((until, Due::hold(id)));
            }
            once(state.holds.insert_new(id, hold), "holds", &id)?;
        }
        for card in slice.cards {
            let id = card.id;
            there(state.products.get(&card.product), "card", &id)?;
            let account = there(state.accounts.get_mut(&card.account), "card", &id)?;
            if !matches!(card.stage, CardStage::Closed(_)) {
                account.open_cards = account.open_cards.saturating_add(1);
                if let Some(expiry) = card.expiry {
                    state.due.insert((calendar::end_of(expiry, zone), Due::card(id)));
                }
            }
            let slot = CardSlot { card, controls: Controls::default(), counters: Vec::new() };
            once(state.cards.insert_new(id, slot), "cards", &id)?;
        }
        for payment in slice.payments {
            let id = payment.id;
            if let Some(reference) = &payment.network_reference {
                let new = state.network.insert_new(reference.clone(), id);
                once(new, "network references", reference)?;
            }
            once(state.payments.insert_new(id, payment), "payments", &id)?;
        }
        for ControlSet { scope, controls, set_by } in slice.controls {
            let place = match scope {
                ControlScope::Program => Some(&mut state.program_controls),
                ControlScope::Product(_) => None,
                ControlScope::Account(id) => state.accounts.get_mut(&id).map(|slot| &mut slot.controls),
                ControlScope::Card(id) => state.cards.get_mut(&id).map(|slot| &mut slot.controls),
            };
            let place = there(place, "controls", &format_args!("{scope:?}"))?;
            *place = Controls { list: controls, set_by };
        }
        for counter in slice.counters {
            let owner = counter.key.owner;
            there(state.counters_mut(owner), "counter", &format_args!("{:?}", counter.key))?.push(counter);
        }
        for (id, booking) in slice.bank_credits {
            let new = state.bank_credits.insert_new(id.clone(), booking);
            once(new, "bank credits", &id)?;
        }
        for id in slice.reversed {
            once(state.reversed.insert_new(id, ()), "reversals", &id)?;
        }
        for (proof, until) in slice.proofs {
            state.due.insert((until, Due::Proof(proof.clone())));
            once(state.proofs.insert_new(proof.clone(), until), "proofs", &proof)?;
        }
        for rate in slice.rates {
            let (from, to) = (rate.from, rate.to);
            let new = state.rates.insert((from, to), rate).is_none();
            once(new, "rates", &format_args!("{} to {}", from.code(), to.code()))?;
        }
        for (reference, until) in slice.early_reversals {
            state.due.insert((until, Due::EarlyReversal(reference.clone())));
            let new = state.early_reversals.insert_new(reference.clone(), until);
            once(new, "early reversals", &reference)?;
        }
        Ok(())
    }
}

fn owned<K: Clone, V: Clone>(entries: Vec<(&K, &V)>) -> Vec<(K, V)> {
    entries.into_iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}
