//! What the ledger tells others, made from the projections.

use std::collections::HashMap;

use bursar_ledger_engine::{BalanceAfter, Card, CardStatus, CardTransition, ElementKind};
use bursar_proto::common::v1::Money;
use bursar_proto::ledger::v1 as proto;
use bursar_types::id::{AccountId, EventId, ProgramId, TopUpId, TransferId, Uuid};
use bursar_types::{Asset, Timestamp, TypedId as _};
use prost::{Message, Name};
use ring::digest::{Context, SHA256};

use super::model::{Misfit, Model, Told, ToldTransfer, TransferChange, misfit};
use super::public;
use crate::journal::digest;
use crate::wire::{message, numbers, oneof};

/// Versions of the subjects of events: how many events each has had.
#[derive(Debug, Default)]
pub(crate) struct Subjects {
    versions: HashMap<String, i64>,
}

impl Subjects {
    pub(crate) fn knows(&self, subject: &str) -> bool {
        self.versions.contains_key(subject)
    }

    pub(crate) fn set(&mut self, subject: String, version: i64) {
        self.versions.insert(subject, version);
    }

    pub(crate) fn version(&self, subject: &str) -> i64 {
        self.versions.get(subject).copied().unwrap_or(0)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&String, i64)> {
        self.versions.iter().map(|(subject, version)| (subject, *version)).filter(|(_, version)| *version > 0)
    }

    pub(crate) fn extend(&mut self, others: Self) {
        self.versions.extend(others.versions);
    }

    pub(crate) fn clear(&mut self) {
        self.versions.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.versions.len()
    }

    fn next(&mut self, subject: &str) -> i64 {
        let version = self.versions.entry(subject.to_owned()).or_insert(0);
        *version += 1;
        *version
    }
}

/// An event as the log keeps it: what follows from its place is made when it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) time: Timestamp,
    pub(crate) journal_position: i64,
    pub(crate) body: EventBody,
}

/// What an event tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EventBody {
    /// A plain transfer: most events are.
    Transfer(ToldTransfer),
    /// Anything else, as it is published.
    Message(EventMessage),
}

/// An event as it is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventMessage {
    pub(crate) kind: String,
    pub(crate) subject: String,
    pub(crate) subject_version: i64,
    pub(crate) type_url: String,
    pub(crate) data: Vec<u8>,
}

/// Some consecutive events: one row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EventChunk {
    pub(crate) events: Vec<Event>,
}

message! {
    ToldTransfer { 1 change, 2 version, 3 transfer, 4 debit, 5 credit, 6 amount }
    EventMessage { 1 kind, 2 subject, 3 subject_version, 4 type_url, 5 data }
    Event { 1 time, 2 journal_position, 3 body }
    EventChunk { 1 events }
}

oneof! {
    EventBody { 1 Transfer(told), 2 Message(message) }
}

numbers! {
    TransferChange { 1 Posted, 2 Held, 3 Voided, 4 Expired }
}

impl Event {
    /// The event as its readers get it.
    pub(crate) fn row(self, shard: ProgramId, position: i64) -> EventRow {
        let message = match self.body {
            EventBody::Message(message) => message,
            EventBody::Transfer(told) => told.message(),
        };
        EventRow {
            position,
            id: event_id(shard, self.time, position),
            kind: message.kind,
            subject: message.subject,
            subject_version: message.subject_version,
            time: self.time,
            type_url: message.type_url,
            data: message.data,
        }
    }
}

impl ToldTransfer {
    fn message(&self) -> EventMessage {
        let kind = match self.change {
            TransferChange::Posted => "ledger.transfer.posted",
            TransferChange::Held => "ledger.transfer.held",
            TransferChange::Voided => "ledger.transfer.voided",
            TransferChange::Expired => "ledger.transfer.expired",
        };
        let message = proto::TransferChanged {
            transfer_id: self.transfer.to_string(),
            debit_account_id: self.debit.to_string(),
            credit_account_id: self.credit.to_string(),
            amount: Some(Money {
                minor_units: self.amount.minor_units,
                asset: self.amount.asset.code().to_owned(),
            }),
        };
        EventMessage { subject_version: self.version, ..packed(kind, self.transfer, &message) }
    }
}

/// An event as its readers get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventRow {
    pub(crate) position: i64,
    pub(crate) id: EventId,
    pub(crate) kind: String,
    pub(crate) subject: String,
    pub(crate) subject_version: i64,
    pub(crate) time: Timestamp,
    pub(crate) type_url: String,
    pub(crate) data: Vec<u8>,
}

/// The event an element of a payment is, if it is one.
pub(super) fn payment_event(kind: ElementKind) -> Option<&'static str> {
    Some(match kind {
        ElementKind::Authorized | ElementKind::Incremented => "ledger.payment.approved",
        ElementKind::Declined | ElementKind::IncrementDeclined => "ledger.payment.declined",
        ElementKind::Reversed => "ledger.payment.reversed",
        ElementKind::Cleared => "ledger.payment.cleared",
        ElementKind::Expired => "ledger.payment.expired",
        ElementKind::Refunded => "ledger.payment.refunded",
        // A check moves nothing; a release and a fee belong to the element they came with.
        ElementKind::Checked | ElementKind::Released | ElementKind::Fee => return None,
    })
}

/// A top-up is named after its transfer.
pub(crate) fn top_up_id(transfer: TransferId) -> TopUpId {
    TopUpId::from_uuid(transfer.as_uuid())
}

/// The event's id follows from its place, so that it is the same however often the projections are made again.
fn event_id(shard: ProgramId, time: Timestamp, position: i64) -> EventId {
    let mut context = Context::new(&SHA256);
    context.update(b"bursar.ledger.event\0");
    context.update(shard.as_uuid().as_bytes());
    context.update(&position.to_be_bytes());
    let hash = digest(context);
    let mut random = [0_u8; 16];
    random[6..].copy_from_slice(&hash[..10]);
    let millis = u128::try_from(time.as_millis()).unwrap_or(0) & 0xffff_ffff_ffff;
    let bits = (u128::from_be_bytes(random) & !(0xf << 76) & !(0b11 << 62)) | (7 << 76) | (0b10 << 62);
    EventId::from_uuid(Uuid::from_u128(bits | (millis << 80)))
}

impl Model {
    /// Adds what is told, at the next position of the event log. `moved` holds the accounts after the step.
    pub(super) fn tell(
        &mut self,
        time: Timestamp,
        journal_position: i64,
        told: Told,
        moved: &HashMap<AccountId, BalanceAfter>,
    ) -> Result<(), Misfit> {
        let body = match told {
            Told::Transfer(told) => EventBody::Transfer(told),
            other => {
                let mut message = self.message(journal_position, &other, moved)?;
                message.subject_version = self.subjects.next(&message.subject);
                self.dirty.subjects.insert(message.subject.clone());
                EventBody::Message(message)
            }
        };
        self.event_position += 1;
        self.events.push(Event { time, journal_position, body });
        Ok(())
    }

    fn message(
        &self,
        position: i64,
        told: &Told,
        moved: &HashMap<AccountId, BalanceAfter>,
    ) -> Result<EventMessage, Misfit> {
        match told {
            Told::Account(id) => {
                let account = &self.accounts.get(id).ok_or_else(|| misfit(position, id))?.account;
                let message = proto::AccountOpened {
                    account_id: id.to_string(),
                    customer_id: account.owner.map(|id| id.to_string()).unwrap_or_default(),
                    asset: account.asset.code().to_owned(),
                };
                Ok(packed("ledger.account.opened", id, &message))
            }
            Told::Card(id, kind) => {
                let record = self.cards.get(id).ok_or_else(|| misfit(position, id))?;
                let step = record.steps.last().ok_or_else(|| misfit(position, id))?;
                let message = proto::CardChanged {
                    card_id: id.to_string(),
                    customer_id: record.card.customer.to_string(),
                    masked_pan: public::masked_pan(&record.card),
                    transition: Some(public::transition(step)),
                };
                Ok(packed(kind, id, &message))
            }
            Told::Payment(id, kind) => {
                let record = self.payments.get(id).ok_or_else(|| misfit(position, id))?;
                let card = self.cards.get(&record.payment.card);
                let after = record.payment.account.and_then(|id| moved.get(&id));
                let message = proto::PaymentChanged {
                    payment: Some(public::told_payment(record)),
                    masked_pan: card.map(|record| public::masked_pan(&record.card)).unwrap_or_default(),
                    available_after: after.map(|after| available(after, record.payment.asset)),
                };
                Ok(packed(kind, id, &message))
            }
            Told::TopUp(bank_id) => {
                let record = self.top_ups.get(bank_id).ok_or_else(|| misfit(position, bank_id))?;
                let booking = &record.booking;
                let account = self.accounts.get(&booking.account);
                let account = &account.ok_or_else(|| misfit(position, booking.account))?.account;
                let owner = account.owner.filter(|_| booking.matched);
                let kind = if booking.matched { "ledger.top_up.settled" } else { "ledger.top_up.unmatched" };
                let after = moved.get(&booking.account);
                let message = proto::TopUpBooked {
                    top_up: Some(public::top_up(record)),
                    customer_id: owner.map(|id| id.to_string()).unwrap_or_default(),
                    available_after: after.map(|after| available(after, booking.amount.asset)),
                };
                Ok(packed(kind, top_up_id(booking.transfer), &message))
            }
            Told::Transfer(told) => Ok(told.message()),
        }
    }
}

/// An event of the first version; whoever knows better sets another.
fn packed<M: Message + Name>(kind: &str, subject: impl std::fmt::Display, message: &M) -> EventMessage {
    EventMessage {
        kind: kind.to_owned(),
        subject: subject.to_string(),
        subject_version: 1,
        type_url: format!("type.googleapis.com/{}", M::full_name()),
        data: message.encode_to_vec(),
    }
}

fn available(after: &BalanceAfter, asset: Asset) -> Money {
    let available = after.balances.available(after.normal);
    Money { minor_units: public::clamped(available), asset: asset.code().to_owned() }
}

/// The event a step of a card is, if it is one: the wish for a card is told once the card is there, and the lifting of
/// one of several freezes changes nothing for anybody.
pub(super) fn card_event(card: &Card, step: &CardTransition) -> Option<&'static str> {
    use bursar_ledger_engine::CloseReason;

    if let Some(holder) = step.freeze {
        let placed = card.freezes.iter().any(|freeze| freeze.holder == holder);
        return match placed {
            true => Some("ledger.card.frozen"),
            false if card.freezes.is_empty() => Some("ledger.card.unfrozen"),
            false => None,
        };
    }
    match step.to {
        CardStatus::Issuing => None,
        CardStatus::PendingActivation => Some("ledger.card.issued"),
        // Activated under a freeze, it shows frozen at once.
        CardStatus::Active | CardStatus::Frozen => Some("ledger.card.activated"),
        CardStatus::Closed(CloseReason::IssueFailed) => Some("ledger.card.issue_failed"),
        CardStatus::Closed(_) => Some("ledger.card.closed"),
    }
}
