//! What the ledger tells others, made from the projections.

use std::collections::HashMap;

use bursar_ledger_engine::{Card, CardStatus, CardTransition, ElementKind};
use bursar_proto::common::v1::Money;
use bursar_proto::ledger::v1 as proto;
use bursar_types::id::{EventId, Uuid};
use bursar_types::id::{TopUpId, TransferId};
use bursar_types::{Timestamp, TypedId as _};
use prost::{Message, Name};
use ring::digest::{Context, SHA256};

use super::model::{Misfit, Model, Told, misfit};
use super::public;
use super::step::Batch;
use crate::journal::digest;

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

/// An event's row.
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
    pub(crate) journal_position: i64,
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
fn event_id(model: &Model, time: Timestamp, position: i64) -> EventId {
    let mut context = Context::new(&SHA256);
    context.update(b"bursar.ledger.event\0");
    context.update(model.shard.as_uuid().as_bytes());
    context.update(&position.to_be_bytes());
    let hash = digest(context);
    let mut random = [0_u8; 16];
    random[6..].copy_from_slice(&hash[..10]);
    let millis = u128::try_from(time.as_millis()).unwrap_or(0) & 0xffff_ffff_ffff;
    let bits = (u128::from_be_bytes(random) & !(0xf << 76) & !(0b11 << 62)) | (7 << 76) | (0b10 << 62);
    EventId::from_uuid(Uuid::from_u128(bits | (millis << 80)))
}

impl Model {
    /// The row of what is told, at the next position of the event log.
    pub(super) fn event(&mut self, batch: &Batch, position: i64, told: &Told) -> Result<EventRow, Misfit> {
        let (kind, subject, type_url, data) = self.message(position, told)?;
        self.event_position += 1;
        let subject_version = self.subjects.next(&subject);
        self.dirty.subjects.insert(subject.clone());
        Ok(EventRow {
            position: self.event_position,
            id: event_id(self, batch.time, self.event_position),
            kind,
            subject,
            subject_version,
            time: batch.time,
            type_url,
            data,
            journal_position: position,
        })
    }

    fn message(&self, position: i64, told: &Told) -> Result<(String, String, String, Vec<u8>), Misfit> {
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
                let account = record.payment.account.and_then(|id| self.accounts.get(&id));
                let message = proto::PaymentChanged {
                    payment: Some(public::told_payment(record)),
                    masked_pan: card.map(|record| public::masked_pan(&record.card)).unwrap_or_default(),
                    available_after: account.map(|record| available(&record.account)),
                };
                Ok(packed(kind, id, &message))
            }
            Told::TopUp(bank_id) => {
                let record = self.top_ups.get(bank_id).ok_or_else(|| misfit(position, bank_id))?;
                let account = self.accounts.get(&record.booking.account);
                let account = &account.ok_or_else(|| misfit(position, record.booking.account))?.account;
                let matched = record.booking.matched;
                let kind = if matched { "ledger.top_up.settled" } else { "ledger.top_up.unmatched" };
                let message = proto::TopUpBooked {
                    top_up: Some(public::top_up(record)),
                    customer_id: account
                        .owner
                        .filter(|_| matched)
                        .map(|id| id.to_string())
                        .unwrap_or_default(),
                    available_after: Some(available(account)),
                };
                Ok(packed(kind, top_up_id(record.booking.transfer), &message))
            }
            Told::Transfer { kind, transfer, debit, credit, amount } => {
                let account = self.accounts.get(debit).ok_or_else(|| misfit(position, debit))?;
                let message = proto::TransferChanged {
                    transfer_id: transfer.to_string(),
                    debit_account_id: debit.to_string(),
                    credit_account_id: credit.to_string(),
                    amount: Some(Money {
                        minor_units: *amount,
                        asset: account.account.asset.code().to_owned(),
                    }),
                };
                Ok(packed(kind, transfer, &message))
            }
        }
    }
}

fn packed<M: Message + Name>(
    kind: &str,
    subject: impl std::fmt::Display,
    message: &M,
) -> (String, String, String, Vec<u8>) {
    let type_url = format!("type.googleapis.com/{}", M::full_name());
    (kind.to_owned(), subject.to_string(), type_url, message.encode_to_vec())
}

fn available(account: &bursar_ledger_engine::Account) -> Money {
    Money { minor_units: public::clamped(account.available()), asset: account.asset.code().to_owned() }
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
