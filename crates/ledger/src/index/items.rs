//! What the index holds, and how it follows from the effects of a command.

use bursar_ledger_engine::{
    Balances, Cause, Day, Effect, NormalSide, Note, PostedTransfer, Reference, TransferCode,
};
use bursar_types::id::{AccountId, TransferId};
use bursar_types::{RequestId, Timestamp};

use super::keys::{entry_key, reference_key, request_key, transfer_key};
use crate::project::Batch;

/// Where in the journal something happened: the command's position, and a number within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    /// Position of the command.
    pub(crate) position: i64,
    /// 0, 1, 2 … within the command.
    pub(crate) ordinal: u32,
}

impl Place {
    /// Before everything.
    pub(crate) const START: Self = Self { position: 0, ordinal: 0 };
    /// After everything.
    pub(crate) const END: Self = Self { position: i64::MAX, ordinal: u32::MAX };
}

/// Where a request id was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestUse {
    /// Row of the journal.
    pub(crate) sequence: i64,
    /// Number of the command in it.
    pub(crate) ordinal: u32,
}

/// Which side of an account a transfer touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Debit,
    Credit,
}

/// One side of a posted transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntryRecord {
    /// The transfer.
    pub(crate) transfer: TransferId,
    /// The account on its other side.
    pub(crate) counterparty: AccountId,
    /// Which side of the account it touched.
    pub(crate) side: Side,
    /// Minor units, above zero.
    pub(crate) amount: i64,
    /// The account's posted balance after it, seen from its normal side.
    pub(crate) posted_after: i64,
    pub(crate) code: TransferCode,
    pub(crate) cause: Cause,
    pub(crate) booked_at: Timestamp,
    pub(crate) value_date: Day,
    pub(crate) reference: Reference,
    pub(crate) description: Note,
}

impl EntryRecord {
    /// The amount as the account sees it: negative is money out.
    pub(crate) fn signed(&self, normal: NormalSide) -> i64 {
        let raises = (self.side == Side::Credit) == (normal == NormalSide::Credit);
        if raises { self.amount } else { self.amount.saturating_neg() }
    }
}

/// Where a transfer is: the entry of the account it debits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TransferPlace {
    /// The account it debits.
    pub(crate) debit: AccountId,
    /// Place of the entry there.
    pub(crate) place: Place,
}

/// What some rows of the journal add to the index.
#[derive(Debug, Default)]
pub(crate) struct Items {
    pub(crate) requests: Vec<(RequestId, RequestUse)>,
    pub(crate) transfers: Vec<(TransferId, TransferPlace)>,
    pub(crate) entries: Vec<(AccountId, Place, EntryRecord)>,
    pub(crate) references: Vec<(Reference, Place, TransferId)>,
}

/// A side of a posted transfer whose balance has not been told yet.
struct Waiting<'a> {
    transfer: &'a PostedTransfer,
    account: AccountId,
    ordinal: u32,
}

impl Items {
    /// Adds what a row of the journal adds.
    pub(crate) fn collect(&mut self, batch: &Batch) {
        for (ordinal, step) in (0_u32..).zip(&batch.steps) {
            if let Some(id) = step.request {
                self.requests.push((id, RequestUse { sequence: batch.sequence, ordinal }));
            }
            self.collect_step(step.position, &step.effects);
        }
    }

    fn collect_step(&mut self, position: i64, effects: &[Effect]) {
        // Each transfer is followed by the balances of its two accounts: never more than a few wait.
        let mut waiting: Vec<Waiting<'_>> = Vec::new();
        let mut next = 0;
        for effect in effects {
            match effect {
                Effect::TransferPosted(transfer) => {
                    let place = Place { position, ordinal: next };
                    self.transfers.push((transfer.id, TransferPlace { debit: transfer.debit, place }));
                    if !transfer.reference.is_empty() {
                        self.references.push((transfer.reference.clone(), place, transfer.id));
                    }
                    waiting.push(Waiting { transfer, account: transfer.debit, ordinal: next });
                    waiting.push(Waiting { transfer, account: transfer.credit, ordinal: next });
                    next += 1;
                }
                Effect::BalanceMoved { account, balances, normal } => {
                    if let Some(at) = waiting.iter().position(|waiting| waiting.account == *account) {
                        let waiting = waiting.remove(at);
                        let place = Place { position, ordinal: waiting.ordinal };
                        let entry = entry(waiting.transfer, *account, *balances, *normal);
                        self.entries.push((*account, place, entry));
                    }
                }
                _ => {}
            }
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.requests.len() + self.transfers.len() + self.entries.len() + self.references.len()
    }
}

fn entry(
    transfer: &PostedTransfer,
    account: AccountId,
    balances: Balances,
    normal: NormalSide,
) -> EntryRecord {
    let debits = transfer.debit == account;
    EntryRecord {
        transfer: transfer.id,
        counterparty: if debits { transfer.credit } else { transfer.debit },
        side: if debits { Side::Debit } else { Side::Credit },
        amount: transfer.amount.minor_units,
        posted_after: balances.posted(normal),
        code: transfer.code,
        cause: transfer.cause,
        booked_at: transfer.booked_at,
        value_date: transfer.value_date,
        reference: transfer.reference.clone(),
        description: transfer.description.clone(),
    }
}

/// Calls `visit` with key and value of each item, in no order: what a run must hold for `items`.
pub(crate) fn each_item(items: &Items, mut visit: impl FnMut(&[u8], &[u8])) {
    let mut value = Vec::with_capacity(128);
    let mut item = |key: &[u8], write: &dyn Fn(&mut Vec<u8>)| {
        value.clear();
        write(&mut value);
        visit(key, &value);
    };
    for (id, used) in &items.requests {
        item(&request_key(*id), &|out| used.encode(out));
    }
    for (id, place) in &items.transfers {
        item(&transfer_key(*id), &|out| place.encode(out));
    }
    for (account, place, entry) in &items.entries {
        item(&entry_key(*account, *place), &|out| entry.encode(out));
    }
    for (reference, place, transfer) in &items.references {
        item(&reference_key(reference, *place), &|out| super::value::put_transfer(*transfer, out));
    }
}
