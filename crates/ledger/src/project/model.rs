//! The projections as values: what the effects of a command do to the rows. Pure, so that the projector and the
//! verification do the same by construction.
//!
//! A model holds the rows it was given or made; what it needs and does not hold must be given before (see
//! [`Wants`]). The projector gives it the rows from the database and takes the changed ones back; the verification
//! begins with an empty one and keeps all.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bursar_ledger_engine::{
    Balances, ControlScope, CustomerStanding, Effect, Hold, HoldChange, PostedTransfer, Reference,
};
use bursar_types::RequestId;
use bursar_types::id::{AccountId, CardId, CardProductId, CustomerId, PaymentId, ProgramId, TransferId};

use super::events::{EventRow, Subjects};
use super::records::{
    AccountRecord, CardRecord, CardStep, EntryRecord, HoldRecord, PaymentRecord, ProductRecord, TopUpRecord,
    TransferRecord, change_text,
};
use super::step::{Batch, Step};
use crate::journal::Hash;

/// A request id's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestRow {
    pub(crate) digest: Hash,
    pub(crate) sequence: i64,
    pub(crate) ordinal: i64,
}

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
    pub(crate) balances: BTreeSet<AccountId>,
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
    pub(crate) transfers: BTreeMap<TransferId, TransferRecord>,
    pub(crate) entries: BTreeMap<(AccountId, i64, i64), EntryRecord>,
    pub(crate) reversals: BTreeMap<TransferId, (TransferId, i64)>,
    pub(crate) top_ups: BTreeMap<Reference, TopUpRecord>,
    pub(crate) requests: BTreeMap<RequestId, RequestRow>,
    pub(crate) events: Vec<EventRow>,
    pub(crate) dirty: Dirty,
    pub(crate) sequence: i64,
    pub(crate) position: i64,
    pub(crate) event_position: i64,
}

/// What of one step waits for what follows in it.
#[derive(Debug, Default)]
struct Pending {
    /// Sides of posted transfers whose balance has not been told yet.
    sides: Vec<(PostedTransfer, AccountId)>,
    /// Next entry's number within the position, by account.
    ordinals: HashMap<AccountId, i64>,
    /// Events, told at the end of the step when all it did is known.
    told: Vec<Told>,
}

/// What is told at the end of a step.
#[derive(Debug)]
pub(super) enum Told {
    Account(AccountId),
    Card(CardId, &'static str),
    Payment(PaymentId, &'static str),
    TopUp(Reference),
    Transfer { kind: &'static str, transfer: TransferId, debit: AccountId, credit: AccountId, amount: i64 },
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
            transfers: BTreeMap::new(),
            entries: BTreeMap::new(),
            reversals: BTreeMap::new(),
            top_ups: BTreeMap::new(),
            requests: BTreeMap::new(),
            events: Vec::new(),
            dirty: Dirty::default(),
            sequence: 0,
            position: 0,
            event_position: 0,
        }
    }

    /// Applies one row of the journal.
    pub(crate) fn apply(&mut self, batch: &Batch) -> Result<(), Misfit> {
        for (ordinal, step) in (0_i64..).zip(&batch.steps) {
            if let Some((id, digest)) = step.request {
                self.requests.insert(id, RequestRow { digest, sequence: batch.sequence, ordinal });
            }
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
        for told in &pending.told {
            let row = self.event(batch, step.position, told)?;
            self.events.push(row);
        }
        Ok(())
    }

    fn apply_effect(&mut self, position: i64, effect: &Effect, pending: &mut Pending) -> Result<(), Misfit> {
        match effect {
            Effect::AccountOpened(account) | Effect::AccountChanged(account) => {
                let id = account.id;
                let moved = self.accounts.get(&id).map_or(position, |record| record.moved);
                self.accounts.insert(id, AccountRecord { account: (**account).clone(), position, moved });
                self.dirty.accounts.insert(id);
                if let Effect::AccountOpened(_) = effect {
                    self.dirty.balances.insert(id);
                    pending.told.push(Told::Account(id));
                }
            }
            Effect::BalanceMoved { account, balances, .. } => {
                self.balance_moved(position, *account, *balances, pending)?;
            }
            Effect::TransferPosted(transfer) => self.transfer_posted(position, transfer, pending),
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
            Effect::ControlsSet { scope: ControlScope::Card(card), controls } => {
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
            Effect::ProgramConfigured(_)
            | Effect::ControlsSet { .. }
            | Effect::CounterMoved { .. }
            | Effect::ProofUsed { .. }
            | Effect::ProofForgotten(_)
            | Effect::EarlyReversalNoted { .. }
            | Effect::EarlyReversalForgotten(_) => {}
        }
        Ok(())
    }

    fn balance_moved(
        &mut self,
        position: i64,
        account: AccountId,
        balances: Balances,
        pending: &mut Pending,
    ) -> Result<(), Misfit> {
        let record = self.accounts.get_mut(&account).ok_or_else(|| misfit(position, account))?;
        record.account.balances = balances;
        record.moved = position;
        self.dirty.balances.insert(account);
        let Some(at) = pending.sides.iter().position(|(_, side)| *side == account) else { return Ok(()) };
        let (transfer, _) = pending.sides.remove(at);
        let normal = record.account.normal;
        // A credit raises what lies on the credit side, and the other way round.
        let raises = (transfer.credit == account) == (normal == bursar_ledger_engine::NormalSide::Credit);
        let amount = transfer.amount.minor_units;
        let entry = EntryRecord {
            transfer: transfer.id,
            amount: if raises { amount } else { amount.saturating_neg() },
            asset: transfer.amount.asset,
            posted_after: balances.posted(normal),
            code: transfer.code,
            cause: transfer.cause,
            reference: transfer.reference,
            description: transfer.description,
            booked_at: transfer.booked_at,
        };
        let ordinal = pending.ordinals.entry(account).or_default();
        self.entries.insert((account, position, *ordinal), entry);
        *ordinal += 1;
        Ok(())
    }

    fn transfer_posted(&mut self, position: i64, transfer: &PostedTransfer, pending: &mut Pending) {
        use bursar_ledger_engine::Cause;

        pending.sides.push((transfer.clone(), transfer.debit));
        pending.sides.push((transfer.clone(), transfer.credit));
        if let Cause::Order | Cause::Capture(_) | Cause::Reversal(_) = transfer.cause {
            pending.told.push(Told::Transfer {
                kind: "ledger.transfer.posted",
                transfer: transfer.id,
                debit: transfer.debit,
                credit: transfer.credit,
                amount: transfer.amount.minor_units,
            });
        }
        self.transfers.insert(transfer.id, TransferRecord { transfer: transfer.clone(), position });
    }

    fn hold_placed(&mut self, position: i64, hold: &Hold, pending: &mut Pending) {
        if hold.payment.is_none() {
            pending.told.push(Told::Transfer {
                kind: "ledger.transfer.held",
                transfer: hold.id,
                debit: hold.debit,
                credit: hold.credit,
                amount: hold.held.minor_units,
            });
        }
        let outstanding = hold.outstanding();
        let record =
            HoldRecord { hold: hold.clone(), placed: position, outstanding, last: "placed", position };
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
            HoldChange::Voided(amount) => Some(("ledger.transfer.voided", *amount)),
            HoldChange::Expired(amount) => Some(("ledger.transfer.expired", *amount)),
            HoldChange::Incremented(amount) => Some(("ledger.transfer.held", *amount)),
            // Placed is told where the hold is placed, captured with the posted transfer.
            HoldChange::Placed(_) | HoldChange::Captured { .. } => None,
        };
        if let (Some((kind, amount)), None) = (told, record.hold.payment) {
            let (debit, credit) = (record.hold.debit, record.hold.credit);
            pending.told.push(Told::Transfer { kind, transfer: *hold, debit, credit, amount });
        }
        Ok(())
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
        let changed =
            dirty.accounts.len() + dirty.balances.len() + dirty.holds.len() + dirty.hold_states.len();
        let changed = changed + dirty.cards.len() + dirty.payments.len() + dirty.products.len();
        let added = self.transfers.len() + self.entries.len() + self.requests.len() + self.events.len();
        self.transfers.clear();
        self.entries.clear();
        self.reversals.clear();
        self.top_ups.clear();
        self.requests.clear();
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
            balances: self.accounts.keys().copied().collect(),
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
