//! What the engine remembers, laid out for lookup by id.

use std::collections::{BTreeMap, BTreeSet};

use bursar_types::id::{AccountId, CardId, CardProductId, CustomerId, PaymentId, TransferId};
use bursar_types::{Asset, RequestId, Timestamp, TypedId};

use super::table::{IdTable, TextTable};
use crate::*;

/// An account with what is attached to it.
#[derive(Clone, Debug)]
pub(crate) struct AccountSlot {
    pub(crate) account: Account,
    pub(crate) controls: Controls,
    pub(crate) counters: Vec<Counter>,
    /// Cards not closed that pay from it.
    pub(crate) open_cards: u32,
}

/// A card with what is attached to it.
#[derive(Clone, Debug)]
pub(crate) struct CardSlot {
    pub(crate) card: Card,
    pub(crate) controls: Controls,
    pub(crate) counters: Vec<Counter>,
}

/// A product: its versions, of which the n-th has number n + 1.
/// The controls of one scope.
#[derive(Clone, Debug, Default)]
pub(crate) struct Controls {
    pub(crate) list: Vec<Control>,
    /// The request that set them.
    pub(crate) set_by: Option<RequestId>,
}

impl Controls {
    /// As a snapshot has them; `None` if there are none.
    pub(crate) fn told(&self, scope: ControlScope) -> Option<ControlSet> {
        let set = || ControlSet { scope, controls: self.list.clone(), set_by: self.set_by };
        (!self.list.is_empty()).then(set)
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct ProductSlot {
    pub(crate) versions: Vec<ProductVersion>,
    pub(crate) counters: Vec<Counter>,
}

impl ProductSlot {
    /// The version that rules the product's cards.
    pub(crate) fn effective(&self) -> Option<&ProductVersion> {
        self.versions.iter().rev().find(|version| version.effective)
    }

    /// The version under which new cards may be issued.
    pub(crate) fn active(&self) -> Option<&ProductVersion> {
        self.effective().filter(|version| version.state == ProductState::Active)
    }
}

/// What ends by time. Ids as numbers, which order as the ids do and compare faster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    Hold(u128),
    Card(u128),
    EarlyReversal(Reference),
    Proof(Reference),
}

impl Due {
    pub(crate) fn hold(id: TransferId) -> Self {
        Self::Hold(id.as_uuid().as_u128())
    }

    pub(crate) fn card(id: CardId) -> Self {
        Self::Card(id.as_uuid().as_u128())
    }
}

/// The whole state of a shard.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) now: Timestamp,
    pub(crate) program: Option<ProgramSettings>,
    pub(crate) program_controls: Controls,
    pub(crate) program_counters: Vec<Counter>,
    pub(crate) products: BTreeMap<CardProductId, ProductSlot>,
    pub(crate) customers: IdTable<CustomerId, CustomerStanding>,
    pub(crate) accounts: IdTable<AccountId, AccountSlot>,
    pub(crate) funding: TextTable<Reference, AccountId>,
    pub(crate) holds: IdTable<TransferId, Hold>,
    pub(crate) cards: IdTable<CardId, CardSlot>,
    pub(crate) payments: IdTable<PaymentId, Payment>,
    pub(crate) network: TextTable<Reference, PaymentId>,
    pub(crate) bank_credits: TextTable<Reference, BankBooking>,
    pub(crate) reversed: IdTable<TransferId, ()>,
    pub(crate) proofs: TextTable<Reference, Timestamp>,
    pub(crate) early_reversals: TextTable<Reference, Timestamp>,
    pub(crate) rates: BTreeMap<(Asset, Asset), ExchangeRate>,
    /// Derived: what ends when.
    pub(crate) due: BTreeSet<(Timestamp, Due)>,
}

impl State {
    /// Where days begin; UTC until the program is set up.
    pub(crate) fn zone(&self) -> ZoneOffset {
        self.program.as_ref().map(|program| program.zone).unwrap_or_default()
    }

    /// The program's internal accounts of `asset`.
    pub(crate) fn internal(&self, asset: Asset) -> Option<AssetAccounts> {
        self.program.as_ref()?.accounts.iter().find(|accounts| accounts.asset == asset).copied()
    }

    pub(crate) fn account(&self, id: AccountId) -> Option<&Account> {
        self.accounts.get(&id).map(|slot| &slot.account)
    }

    pub(crate) fn card(&self, id: CardId) -> Option<&Card> {
        self.cards.get(&id).map(|slot| &slot.card)
    }

    /// The payment a later message is about.
    pub(crate) fn find_payment(&self, reference: &PaymentRef) -> Option<&Payment> {
        match reference {
            PaymentRef::Id(id) => self.payments.get(id),
            PaymentRef::Network(text) => self.payments.get(self.network.get(text)?),
        }
    }

    /// The version of its product that rules a card: the effective one.
    pub(crate) fn ruling(&self, card: &Card) -> Option<&ProductVersion> {
        self.products.get(&card.product)?.effective()
    }

    /// The counters of an owner, to change them.
    pub(crate) fn counters_mut(&mut self, owner: CounterOwner) -> Option<&mut Vec<Counter>> {
        match owner {
            CounterOwner::Card(id) => self.cards.get_mut(&id).map(|slot| &mut slot.counters),
            CounterOwner::Account(id) => self.accounts.get_mut(&id).map(|slot| &mut slot.counters),
            CounterOwner::Product(id) => self.products.get_mut(&id).map(|slot| &mut slot.counters),
            CounterOwner::Program => Some(&mut self.program_counters),
        }
    }

    /// The controls of every scope that has some, sorted by scope: the program's, accounts', cards'.
    pub(crate) fn control_sets(&self) -> Vec<ControlSet> {
        let accounts = self.accounts.sorted();
        let cards = self.cards.sorted();
        let of_accounts =
            accounts.iter().filter_map(|(id, slot)| slot.controls.told(ControlScope::Account(**id)));
        let of_cards = cards.iter().filter_map(|(id, slot)| slot.controls.told(ControlScope::Card(**id)));
        self.program_controls
            .told(ControlScope::Program)
            .into_iter()
            .chain(of_accounts)
            .chain(of_cards)
            .collect()
    }

    /// Every counter, sorted by key and window.
    pub(crate) fn all_counters(&self) -> Vec<&Counter> {
        let products = self.products.values().flat_map(|slot| &slot.counters);
        let mut all: Vec<_> = self.program_counters.iter().chain(products).collect();
        for (_, slot) in self.accounts.sorted() {
            all.extend(&slot.counters);
        }
        for (_, slot) in self.cards.sorted() {
            all.extend(&slot.counters);
        }
        all.sort_unstable_by_key(|counter| (counter.key, counter.window));
        all
    }

    /// An account as outcomes tell it.
    pub(crate) fn after(&self, id: AccountId) -> Option<BalanceAfter> {
        let account = self.account(id)?;
        Some(BalanceAfter { account: id, balances: account.balances, normal: account.normal })
    }
}
