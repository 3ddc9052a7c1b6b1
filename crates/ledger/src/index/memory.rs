//! The newest part of the index, in memory until there is enough of it for a run.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use bursar_ledger_engine::Reference;
use bursar_types::RequestId;
use bursar_types::id::{AccountId, TransferId};
use tokio::sync::watch;

use super::block::{Block, BlockWriter};
use super::items::{EntryRecord, Items, Place, RequestUse, TransferPlace};
use super::keys::{entry_key, reference_key, request_key, transfer_key};

/// Items at which a part is written: some 10 MB of memory, and few enough runs.
const PART_ITEMS: usize = 200_000;
/// Items at which whoever adds more has to wait for the writing.
const PART_ITEMS_MAX: usize = 4 * PART_ITEMS;

/// The items of some consecutive rows of the journal.
#[derive(Debug, Default)]
pub(crate) struct Part {
    requests: Vec<(RequestId, RequestUse)>,
    transfers: Vec<(TransferId, TransferPlace)>,
    entries: HashMap<AccountId, Vec<(Place, EntryRecord)>>,
    references: Vec<(Reference, Place, TransferId)>,
    items: usize,
    /// First and last row of the journal; the first is 0 while there is none.
    rows: (i64, i64),
    /// First position.
    first_position: i64,
}

impl Part {
    fn absorb(&mut self, items: &mut Items, rows: (i64, i64), first_position: i64) {
        if self.rows.0 == 0 {
            (self.rows.0, self.first_position) = (rows.0, first_position);
        }
        self.rows.1 = rows.1;
        self.items += items.len();
        self.requests.append(&mut items.requests);
        self.transfers.append(&mut items.transfers);
        self.references.append(&mut items.references);
        for (account, place, entry) in items.entries.drain(..) {
            self.entries.entry(account).or_default().push((place, entry));
        }
    }

    /// First and last row of the journal whose items these are.
    pub(crate) fn rows(&self) -> (i64, i64) {
        self.rows
    }

    /// All items as blocks, and how many there are.
    pub(crate) fn blocks(&self) -> (Vec<Block>, u64) {
        let mut writer = BlockWriter::default();
        let mut value = Vec::with_capacity(128);
        let mut requests: Vec<_> = self.requests.iter().collect();
        requests.sort_unstable_by_key(|(id, _)| *id);
        for (id, used) in requests {
            value.clear();
            used.encode(&mut value);
            writer.push(&request_key(*id), &value);
        }
        let mut transfers: Vec<_> = self.transfers.iter().collect();
        transfers.sort_unstable_by_key(|(id, _)| *id);
        for (id, place) in transfers {
            value.clear();
            place.encode(&mut value);
            writer.push(&transfer_key(*id), &value);
        }
        let mut accounts: Vec<_> = self.entries.iter().collect();
        accounts.sort_unstable_by_key(|(account, _)| **account);
        for (account, entries) in accounts {
            for (place, entry) in entries {
                value.clear();
                entry.encode(&mut value);
                writer.push(&entry_key(*account, *place), &value);
            }
        }
        let mut references: Vec<_> = self
            .references
            .iter()
            .map(|(reference, place, transfer)| (reference_key(reference, *place), *transfer))
            .collect();
        references.sort_unstable();
        for (key, transfer) in references {
            value.clear();
            super::value::put_transfer(transfer, &mut value);
            writer.push(&key, &value);
        }
        let items = writer.items();
        (writer.finish(), items)
    }

    fn entries(&self, account: AccountId) -> &[(Place, EntryRecord)] {
        self.entries.get(&account).map_or(&[], Vec::as_slice)
    }
}

#[derive(Debug, Default)]
struct Parts {
    fresh: Part,
    /// Being written.
    frozen: Option<Arc<Part>>,
}

impl Parts {
    /// The newer first.
    fn each(&self) -> impl Iterator<Item = &Part> {
        std::iter::once(&self.fresh).chain(self.frozen.as_deref())
    }

    /// From this place on everything is here; the end of all places if nothing is.
    fn floor(&self) -> Place {
        let held = self.each().filter(|part| part.rows.0 > 0);
        held.map(|part| Place { position: part.first_position, ordinal: 0 }).min().unwrap_or(Place::END)
    }
}

/// How much waits, and how far what is written goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Standing {
    waiting: usize,
    being_written: bool,
    wanted: bool,
}

/// What memory has of something, the newest or the oldest first, and the place from which on it has everything: what is
/// before that is looked for in the database.
pub(crate) type Found<T> = (Place, Vec<T>);

/// What is not in a run yet. Readers look here first and in the database then, so that nothing is missed.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    parts: RwLock<Parts>,
    standing: watch::Sender<Standing>,
    /// Last row of the journal whose items are here or in a run.
    gathered: watch::Sender<i64>,
}

impl Memory {
    fn read<T>(&self, look: impl FnOnce(&Parts) -> T) -> T {
        look(&self.parts.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Parts) -> T) -> T {
        let mut parts = self.parts.write().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut parts);
        let (waiting, being_written) = (parts.fresh.items, parts.frozen.is_some());
        drop(parts);
        self.standing.send_modify(|standing| {
            (standing.waiting, standing.being_written) = (waiting, being_written);
            standing.wanted &= waiting > 0;
        });
        changed
    }

    /// Forgets everything: another life of the owner begins, and the runs hold the items up to row `indexed`.
    pub(crate) fn reset(&self, indexed: i64) {
        self.change(|parts| *parts = Parts::default());
        self.gathered.send_replace(indexed);
    }

    /// Waits until the items up to row `sequence` are here or in a run. Before that a look may miss what happened.
    pub(crate) async fn gathered(&self, sequence: i64) {
        // The sender lives as long as self, so this cannot fail.
        let _ = self.gathered.subscribe().wait_for(|row| *row >= sequence).await;
    }

    /// Adds the items of the journal's rows `rows`, the first of which begins at `first_position`, and leaves `items`
    /// empty.
    pub(crate) fn absorb(&self, items: &mut Items, rows: (i64, i64), first_position: i64) {
        self.change(|parts| parts.fresh.absorb(items, rows, first_position));
        self.gathered.send_replace(rows.1);
    }

    /// Waits until there is room for more.
    pub(crate) async fn room(&self) {
        // The sender lives as long as self, so this cannot fail.
        let _ = self.standing.subscribe().wait_for(|standing| standing.waiting < PART_ITEMS_MAX).await;
    }

    /// Waits until something should be written.
    pub(crate) async fn due(&self) {
        let due = |standing: &Standing| standing.waiting >= PART_ITEMS || standing.wanted;
        let _ = self.standing.subscribe().wait_for(due).await;
    }

    /// Has everything written that is here now, and waits until it is.
    pub(crate) async fn written(&self) {
        self.standing.send_modify(|standing| standing.wanted = standing.waiting > 0);
        let done = |standing: &Standing| !standing.wanted && !standing.being_written;
        let _ = self.standing.subscribe().wait_for(done).await;
    }

    /// What is to be written now; stays readable until [`release`](Self::release).
    pub(crate) fn freeze(&self) -> Option<Arc<Part>> {
        self.change(|parts| {
            if parts.frozen.is_none() && parts.fresh.rows.0 > 0 {
                parts.frozen = Some(Arc::new(std::mem::take(&mut parts.fresh)));
            }
            parts.frozen.clone()
        })
    }

    /// What was frozen is in the database.
    pub(crate) fn release(&self) {
        self.change(|parts| parts.frozen = None);
    }

    /// Where a request id was used.
    pub(crate) fn request(&self, id: RequestId) -> Option<RequestUse> {
        // Asked for repetitions only: looking through all costs less than a table would.
        self.read(|parts| {
            parts
                .each()
                .flat_map(|part| &part.requests)
                .find(|(found, _)| *found == id)
                .map(|(_, used)| *used)
        })
    }

    /// Where a transfer is.
    pub(crate) fn transfer(&self, id: TransferId) -> Option<TransferPlace> {
        self.read(|parts| {
            parts
                .each()
                .flat_map(|part| &part.transfers)
                .find(|(found, _)| *found == id)
                .map(|(_, place)| *place)
        })
    }

    /// Up to `limit` of an account's entries from `from` to before `before` that `keep` takes, the newest first.
    pub(crate) fn entries_back(
        &self,
        account: AccountId,
        from: Place,
        before: Place,
        limit: usize,
        keep: impl Fn(&EntryRecord) -> bool,
    ) -> Found<(Place, EntryRecord)> {
        self.read(|parts| {
            let entries = parts.each().flat_map(|part| part.entries(account).iter().rev());
            let within =
                entries.skip_while(|(place, _)| *place >= before).take_while(|(place, _)| *place >= from);
            (parts.floor(), within.filter(|(_, entry)| keep(entry)).take(limit).cloned().collect())
        })
    }

    /// Up to `limit` of an account's entries from `from` to before `before`, the oldest first.
    pub(crate) fn entries_on(
        &self,
        account: AccountId,
        from: Place,
        before: Place,
        limit: usize,
    ) -> Found<(Place, EntryRecord)> {
        self.read(|parts| {
            let older = parts.frozen.as_deref().into_iter().chain(std::iter::once(&parts.fresh));
            let entries = older.flat_map(|part| part.entries(account));
            let within =
                entries.skip_while(|(place, _)| *place < from).take_while(|(place, _)| *place < before);
            (parts.floor(), within.take(limit).cloned().collect())
        })
    }

    /// Up to `limit` transfers with a reference from `from` to before `before`, the newest first.
    pub(crate) fn references_back(
        &self,
        reference: &Reference,
        from: Place,
        before: Place,
        limit: usize,
    ) -> Found<(Place, TransferId)> {
        self.read(|parts| {
            let all = parts.each().flat_map(|part| part.references.iter().rev());
            let within =
                all.filter(|(found, place, _)| found == reference && *place >= from && *place < before);
            let found = within.take(limit).map(|(_, place, transfer)| (*place, *transfer)).collect();
            (parts.floor(), found)
        })
    }
}
