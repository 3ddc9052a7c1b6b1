//! The projections as values: what the effects of a command do to the rows. Pure, so that the projector and the
//! verification do the same by construction.
//!
//! A model holds the rows it was given or made; what it needs and does not hold must be given before (see
//! [`Wants`](super::Wants)). The projector gives it the rows from the database and takes the changed ones back; the
//! verification begins with an empty one and keeps all. Transfers and entries are no rows: see [`crate::index`].

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bursar_ledger_engine::{
    BalanceAfter, Cause, ControlScope, CustomerStanding, Effect, Hold, HoldChange, PostedTransfer, Reference,
};
use bursar_types::Money;
use bursar_types::id::{AccountId, CardId, CardProductId, CustomerId, PaymentId, ProgramId, TransferId};

use super::events::{Event, Subjects};
use super::records::{
    AccountRecord, CardRecord, CardStep, HoldRecord, PaymentRecord, ProductRecord, TopUpRecord, change_text,
};
use super::step::{Batch, Step};

/// The effects do not fit the rows: one of them was made by something else than this journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("position {position}: {what} is not in the projections")]
pub(crate) struct Misfit {
    pub(crate) position: i64,
    pub(crate) what: String,
}

/// Keys of the rows that changed since they were last written.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    pub(crate) accounts: BTreeSet<AccountId>,
    pub(crate) holds: BTreeSet<TransferId>,
    pub(crate) hold_states: BTreeSet<TransferId>,
    pub(crate) cards: BTreeSet<CardId>,
    pub(crate) payments: BTreeSet<PaymentId>,
    pub(crate) products: BTreeSet<(CardProductId, u32)>,
    pub(crate) customers: BTreeSet<CustomerId>,
    pub(crate) subjects: BTreeSet<String>,
}

/// The rows. Those that are only ever added are kept until they are taken.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) shard: ProgramId,
    pub(crate) accounts: HashMap<AccountId, AccountRecord>,
    pub(crate) holds: HashMap<TransferId, HoldRecord>,
    pub(crate) cards: HashMap<CardId, CardRecord>,
    pub(crate) payments: HashMap<PaymentId, PaymentRecord>,
    pub(crate) products: BTreeMap<(CardProductId, u32), ProductRecord>,
    pub(crate) customers: HashMap<CustomerId, (CustomerStanding, i64)>,
    pub(crate) subjects: Subjects,
    pub(crate) reversals: BTreeMap<TransferId, (TransferId, i64)>,
    pub(crate) top_ups: BTreeMap<Reference, TopUpRecord>,
    /// Events told since they were last taken; the last of them is at `event_position`.
    pub(crate) events: Vec<Event>,
    pub(crate) dirty: Dirty,
    pub(crate) sequence: i64,
    pub(crate) position: i64,
    pub(crate) event_position: i64,
}

/// What of one step is told at its end, when all it did is known.
#[derive(Debug, Default)]
struct Pending {
    told: Vec<Told>,
    /// Accounts whose balances moved, with the last of them.
    moved: HashMap<AccountId, BalanceAfter>,
}

impl Pending {
    fn note_balances(&mut self, step: &Step) {
        for effect in &step.effects {
            if let Effect::BalanceMoved { account, balances, normal } = effect {
                let after = BalanceAfter { account: *account, balances: *balances, normal: *normal };
                self.moved.insert(*account, after);
            }
        }
        if let Some(after) = step.after {
            self.moved.entry(after.account).or_insert(after);
        }
    }
}

/// What is told at the end of a step.
#[derive(Debug)]
pub(super) enum Told {
    Account(AccountId),
    Card(CardId, &'static str),
    Payment(PaymentId, &'static str),
    TopUp(Reference),
    Transfer(ToldTransfer),
}

/// A plain transfer as events tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ToldTransfer {
    pub(crate) change: TransferChange,
    /// How many events there were of it, this one included.
    pub(crate) version: i64,
    pub(crate) transfer: TransferId,
    pub(crate) debit: AccountId,
    pub(crate) credit: AccountId,
    /// Amount of this step.
    pub(crate) amount: Money,
}

/// What happened to a plain transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransferChange {
    Posted,
    Held,
    Voided,
    Expired,
}

impl Model {
    /// The projections of an empty journal.
    pub(crate) fn empty(shard: ProgramId) -> Self {
        Self {
            shard,
            accounts: HashMap::new(),
            holds: HashMap::new(),
            cards: HashMap::new(),
            payments: HashMap::new(),
            products: BTreeMap::new(),
            customers: HashMap::new(),
            subjects: Subjects::default(),
            reversals: BTreeMap::new(),
            top_ups: BTreeMap::new(),
            events: Vec::new(),
            dirty: Dirty::default(),
            sequence: 0,
            position: 0,
            event_position: 0,
        }
    }

    /// Applies one row of the journal.
    pub(crate) fn apply(&mut self, batch: &Batch) -> Result<(), Misfit> {
        for step in &batch.steps {
            self.apply_step(batch, step)?;
            self.position = step.position;
        }
        self.sequence = batch.sequence;
        Ok(())
    }

    fn apply_step(&mut self, batch: &Batch, step: &Step) -> Result<(), Misfit> {
        let mut pending = Pending::default();
        for effect in &step.effects {
            self.apply_effect(step.position, effect, &mut pending)?;
        }
        // Only payments and top-ups are told with a balance.
        if pending.told.iter().any(|told| matches!(told, Told::Payment(..) | Told::TopUp(_))) {
            pending.note_balances(step);
        }
        for told in pending.told {
            self.tell(batch.time, step.position, told, &pending.moved)?;
        }
        Ok(())
    }

    fn apply_effect(&mut self, position: i64, effect: &Effect, pending: &mut Pending) -> Result<(), Misfit> {
        match effect {
            Effect::AccountOpened(account) | Effect::AccountChanged(account) => {
                let id = account.id;
                self.accounts.insert(id, AccountRecord { account: (**account).clone(), position });
                self.dirty.accounts.insert(id);
                if let Effect::AccountOpened(_) = effect {
                    pending.told.push(Told::Account(id));
                }
            }
            Effect::TransferPosted(transfer) => transfer_posted(transfer, pending),
            Effect::HoldPlaced(hold) => self.hold_placed(position, hold, pending),
            Effect::HoldChanged { .. } => self.hold_changed(position, effect, pending)?,
            Effect::TransferReversed { original, by } => {
                self.reversals.insert(*original, (*by, position));
            }
            Effect::BankCreditBooked { bank_transaction_id, booking } => {
                let record = TopUpRecord {
                    bank_transaction_id: bank_transaction_id.clone(),
                    booking: booking.clone(),
                    position,
                };
                self.top_ups.insert(bank_transaction_id.clone(), record);
                pending.told.push(Told::TopUp(bank_transaction_id.clone()));
            }
            Effect::CardChanged { card, transition } => {
                let record = self.cards.entry(card.id).or_insert_with(|| CardRecord {
                    card: (**card).clone(),
                    steps: Vec::new(),
                    controls: Vec::new(),
                });
                record.card = (**card).clone();
                record.steps.push(CardStep { transition: (**transition).clone(), position });
                self.dirty.cards.insert(card.id);
                if let Some(kind) = super::events::card_event(card, transition) {
                    pending.told.push(Told::Card(card.id, kind));
                }
            }
            Effect::ControlsSet { scope: ControlScope::Card(card), controls, .. } => {
                let record = self.cards.get_mut(card).ok_or_else(|| misfit(position, card))?;
                record.controls.clone_from(controls);
                self.dirty.cards.insert(*card);
            }
            Effect::PaymentOpened(payment) => {
                let record =
                    PaymentRecord { payment: (**payment).clone(), positions: Vec::new(), opened: position };
                self.payments.insert(payment.id, record);
                self.dirty.payments.insert(payment.id);
            }
            Effect::PaymentAdvanced { payment, element, sums, .. } => {
                let record = self.payments.get_mut(payment).ok_or_else(|| misfit(position, payment))?;
                record.payment.elements.push(*element);
                record.payment.sums = *sums;
                record.positions.push(position);
                self.dirty.payments.insert(*payment);
                if let Some(kind) = super::events::payment_event(element.kind) {
                    pending.told.push(Told::Payment(*payment, kind));
                }
            }
            Effect::PaymentExchanged { payment, exchange } => {
                let record = self.payments.get_mut(payment).ok_or_else(|| misfit(position, payment))?;
                record.payment.exchange = Some(exchange.clone());
                self.dirty.payments.insert(*payment);
            }
            Effect::ProductChanged(version) => {
                let key = (version.product, version.version);
                self.products.insert(key, ProductRecord { version: (**version).clone(), position });
                self.dirty.products.insert(key);
            }
            Effect::CustomerStood(standing) => {
                self.customers.insert(standing.customer, (*standing, position));
                self.dirty.customers.insert(standing.customer);
            }
            // The engine's own state, which no reader asks for: replaying makes it again.
            Effect::BalanceMoved { .. }
            | Effect::ProgramConfigured(_)
            | Effect::RatesSet(_)
            | Effect::ControlsSet { .. }
            | Effect::CounterMoved { .. }
            | Effect::ProofUsed { .. }
            | Effect::ProofForgotten(_)
            | Effect::EarlyReversalNoted { .. }
            | Effect::EarlyReversalForgotten(_) => {}
        }
        Ok(())
    }

    fn hold_placed(&mut self, position: i64, hold: &Hold, pending: &mut Pending) {
        let mut record = HoldRecord {
            hold: hold.clone(),
            placed: position,
            outstanding: hold.outstanding(),
            last: "placed",
            position,
            told: 0,
        };
        if hold.payment.is_none() {
            record.told = 1;
            pending.told.push(told_hold(&record, TransferChange::Held, hold.held.minor_units));
        }
        self.holds.insert(hold.id, record);
        self.dirty.holds.insert(hold.id);
        self.dirty.hold_states.insert(hold.id);
    }

    fn hold_changed(&mut self, position: i64, effect: &Effect, pending: &mut Pending) -> Result<(), Misfit> {
        let Effect::HoldChanged {
            hold,
            change,
            held,
            captured,
            over_captured,
            released,
            expires_at,
            outstanding,
        } = effect
        else {
            return Ok(());
        };
        let record = self.holds.get_mut(hold).ok_or_else(|| misfit(position, hold))?;
        record.hold.held.minor_units = *held;
        record.hold.captured = *captured;
        record.hold.over_captured = *over_captured;
        record.hold.released = *released;
        record.hold.expires_at = *expires_at;
        record.outstanding = *outstanding;
        record.last = change_text(change);
        record.position = position;
        self.dirty.hold_states.insert(*hold);
        let told = match change {
            HoldChange::Voided(amount) => Some((TransferChange::Voided, *amount)),
            HoldChange::Expired(amount) => Some((TransferChange::Expired, *amount)),
            HoldChange::Incremented(amount) => Some((TransferChange::Held, *amount)),
            // Placed is told where the hold is placed, captured with the posted transfer.
            HoldChange::Placed(_) | HoldChange::Captured { .. } => None,
        };
        if let (Some((change, amount)), None) = (told, record.hold.payment) {
            record.told += 1;
            pending.told.push(told_hold(record, change, amount));
        }
        Ok(())
    }
}

fn told_hold(record: &HoldRecord, change: TransferChange, amount: i64) -> Told {
    let hold = &record.hold;
    Told::Transfer(ToldTransfer {
        change,
        version: record.told,
        transfer: hold.id,
        debit: hold.debit,
        credit: hold.credit,
        amount: Money::new(amount, hold.held.asset),
    })
}

fn transfer_posted(transfer: &PostedTransfer, pending: &mut Pending) {
    if let Cause::Order | Cause::Capture(_) | Cause::Reversal(_) = transfer.cause {
        pending.told.push(Told::Transfer(ToldTransfer {
            change: TransferChange::Posted,
            // A posted transfer is final.
            version: 1,
            transfer: transfer.id,
            debit: transfer.debit,
            credit: transfer.credit,
            amount: transfer.amount,
        }));
    }
}

impl Model {
    /// Takes the rows that were read for this model.
    pub(crate) fn adopt(&mut self, found: Self) {
        self.accounts.extend(found.accounts);
        self.holds.extend(found.holds);
        self.cards.extend(found.cards);
        self.payments.extend(found.payments);
        self.subjects.extend(found.subjects);
    }

    /// Forgets what changed, now that it is written, and also all rows if they are more than `most`. Returns how
    /// many rows were written.
    pub(crate) fn written(&mut self, most: usize) -> u64 {
        let dirty = std::mem::take(&mut self.dirty);
        let changed = dirty.accounts.len() + dirty.holds.len() + dirty.hold_states.len();
        let changed = changed + dirty.cards.len() + dirty.payments.len() + dirty.products.len();
        let added = self.top_ups.len() + self.reversals.len() + self.events.len();
        self.reversals.clear();
        self.top_ups.clear();
        self.events.clear();
        self.products.clear();
        self.customers.clear();
        let held = self.accounts.len() + self.holds.len() + self.cards.len() + self.payments.len();
        if held + self.subjects.len() > most {
            self.accounts.clear();
            self.holds.clear();
            self.cards.clear();
            self.payments.clear();
            self.subjects.clear();
        }
        (changed + added) as u64
    }

    /// Every row, as if all had changed.
    pub(crate) fn everything(&self) -> Dirty {
        Dirty {
            accounts: self.accounts.keys().copied().collect(),
            holds: self.holds.keys().copied().collect(),
            hold_states: self.holds.keys().copied().collect(),
            cards: self.cards.keys().copied().collect(),
            payments: self.payments.keys().copied().collect(),
            products: self.products.keys().copied().collect(),
            customers: self.customers.keys().copied().collect(),
            subjects: self.subjects.all().map(|(subject, _)| subject.clone()).collect(),
        }
    }
}

pub(super) fn misfit(position: i64, what: impl std::fmt::Display) -> Misfit {
    Misfit { position, what: what.to_string() }
}
