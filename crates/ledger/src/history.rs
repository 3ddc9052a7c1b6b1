//! What happened: request ids, transfers and entries, from the index's memory and its runs.
//!
//! Memory is looked at first and the database then, so that what is written in between is not missed; memory says from
//! which place on it has everything, and there it alone counts. Newest first, a look stops at the first run that has
//! enough.

use bursar_ledger_engine::Reference;
use bursar_service::db::Tx;
use bursar_types::RequestId;
use bursar_types::id::{AccountId, TransferId};

use crate::error::LedgerError;
use crate::index::{
    Block, BlockReader, EntryRecord, Place, RequestUse, Side, TransferPlace, entry_bounds, entry_place,
    reference_bounds, request_key, transfer_key, transfer_of,
};
use crate::journal::{Record, Row};
use crate::store::{index, journal, projection};
use crate::writer::Shared;

/// Blocks read at once while an account's entries are looked through.
const BLOCKS_READ: usize = 8;

/// What is known of a request id.
#[derive(Debug)]
pub(crate) enum Lookup {
    /// It was used, for this command of this row of the journal.
    Used(Box<Record>, Box<Used>),
    /// It was not, up to this row of the journal.
    NotUpTo(i64),
}

/// Where a request id was used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    /// Position of the command.
    pub(crate) position: i64,
    /// When it was decided.
    pub(crate) time: bursar_types::Timestamp,
}

/// A posted transfer with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TransferRecord {
    /// The account it debits.
    pub(crate) debit: AccountId,
    /// The account it credits.
    pub(crate) credit: AccountId,
    /// Where it is in the journal.
    pub(crate) place: Place,
    /// The entry of one of the two.
    pub(crate) entry: EntryRecord,
}

impl TransferRecord {
    /// The transfer that an entry of `account` belongs to.
    pub(crate) fn of(account: AccountId, place: Place, entry: EntryRecord) -> Self {
        let (debit, credit) = match entry.side {
            Side::Debit => (account, entry.counterparty),
            Side::Credit => (entry.counterparty, account),
        };
        Self { debit, credit, place, entry }
    }

    /// Position of the command that posted it.
    pub(crate) fn position(&self) -> i64 {
        self.place.position
    }
}

/// An entry with its place.
pub(crate) type PlacedEntry = (Place, EntryRecord);

/// Looks a request id up.
pub(crate) async fn request(shared: &Shared, id: RequestId) -> Result<Lookup, LedgerError> {
    let shard = shared.shard;
    // What memory has by now is not looked for in the database.
    let reached = shared.reached.sequence();
    let in_memory = shared.index.request(id);
    let found = shared.db.read(|tx| {
        Box::pin(async move {
            let used = match in_memory {
                Some(used) => Some(used),
                None => point(tx, shared, &request_key(id), RequestUse::decode).await?,
            };
            let Some(used) = used else { return Ok(None) };
            let row = journal::one(tx, shard, used.sequence).await?;
            let missing = || LedgerError::Damaged(format!("journal row {} is missing", used.sequence));
            Ok::<_, LedgerError>(Some((used, row.ok_or_else(missing)?)))
        })
    });
    match found.await? {
        None => Ok(Lookup::NotUpTo(reached)),
        Some((used, row)) => record(&row, used),
    }
}

fn record(row: &Row, used: RequestUse) -> Result<Lookup, LedgerError> {
    let mut entry = crate::journal::Entry::decode(&row.entry)?;
    let at = usize::try_from(used.ordinal).unwrap_or(usize::MAX);
    if at >= entry.records.len() {
        return Err(LedgerError::Damaged(format!("journal row {} has no command {at}", row.sequence)));
    }
    let position = row.first_position + i64::from(used.ordinal);
    Ok(Lookup::Used(Box::new(entry.records.swap_remove(at)), Box::new(Used { position, time: row.time })))
}

/// The value of one key in the runs.
async fn point<T>(
    tx: &mut Tx<'_>,
    shared: &Shared,
    key: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, crate::wire::WireError>,
) -> Result<Option<T>, LedgerError> {
    for run in index::runs(tx, shared.shard).await? {
        let Some(block) = index::block_at(tx, shared.shard, run.run, key).await? else { continue };
        let mut reader = BlockReader::new(block.body);
        while reader.advance()? {
            match reader.key().cmp(key) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Ok(Some(decode(reader.value())?)),
                std::cmp::Ordering::Greater => break,
            }
        }
    }
    Ok(None)
}

/// A posted transfer.
pub(crate) async fn transfer(shared: &Shared, id: TransferId) -> Result<Option<TransferRecord>, LedgerError> {
    let in_memory = shared.index.transfer(id);
    let place = match in_memory {
        Some(place) => Some(place),
        None => {
            let key = &transfer_key(id);
            let found = shared
                .db
                .read(|tx| Box::pin(async move { point(tx, shared, key, TransferPlace::decode).await }));
            found.await?
        }
    };
    let Some(TransferPlace { debit, place }) = place else { return Ok(None) };
    let after = Place { ordinal: place.ordinal.saturating_add(1), ..place };
    let entries = entries_back(shared, debit, place, after, 1, &|_| true).await?;
    let found = entries.into_iter().next();
    let (_, entry) = found.ok_or_else(|| LedgerError::Damaged(format!("{id} has no entry on {debit}")))?;
    Ok(Some(TransferRecord::of(debit, place, entry)))
}

/// Whether a list takes an entry.
pub(crate) type Keep<'a> = &'a (dyn Fn(&EntryRecord) -> bool + Sync);

/// Up to `limit` of an account's entries from `from` to before `before` that `keep` takes, the newest first.
pub(crate) async fn entries_back(
    shared: &Shared,
    account: AccountId,
    from: Place,
    before: Place,
    limit: usize,
    keep: Keep<'_>,
) -> Result<Vec<PlacedEntry>, LedgerError> {
    let (floor, mut found) = shared.index.entries_back(account, from, before, limit, keep);
    if found.len() >= limit || floor <= from {
        return Ok(found);
    }
    let (low, high) = &entry_bounds(account, from, before.min(floor));
    let most = limit - found.len();
    let older = shared.db.read(|tx| {
        Box::pin(async move {
            let mut older = Vec::new();
            back(tx, shared, low, high, |key, value| {
                let entry = EntryRecord::decode(value)?;
                if keep(&entry) {
                    older.push((entry_place(key)?, entry));
                }
                Ok(older.len() < most)
            })
            .await?;
            Ok::<_, LedgerError>(older)
        })
    });
    found.extend(older.await?);
    Ok(found)
}

/// Up to `limit` of an account's entries from `from` to before `before`, the oldest first.
pub(crate) async fn entries_on(
    shared: &Shared,
    account: AccountId,
    from: Place,
    before: Place,
    limit: usize,
) -> Result<Vec<PlacedEntry>, LedgerError> {
    let (floor, newer) = shared.index.entries_on(account, from, before, limit);
    let (low, high) = &entry_bounds(account, from, before.min(floor));
    let mut found = shared
        .db
        .read(|tx| {
            Box::pin(async move {
                let mut found = Vec::new();
                on(tx, shared, low, high, |key, value| {
                    found.push((entry_place(key)?, EntryRecord::decode(value)?));
                    Ok(found.len() < limit)
                })
                .await?;
                Ok::<_, LedgerError>(found)
            })
        })
        .await?;
    let room = limit.saturating_sub(found.len());
    found.extend(newer.into_iter().take(room));
    Ok(found)
}

/// Up to `limit` transfers with a reference before `before`, the newest first.
pub(crate) async fn references_back(
    shared: &Shared,
    reference: &Reference,
    from: Place,
    before: Place,
    limit: usize,
) -> Result<Vec<(Place, TransferId)>, LedgerError> {
    let (floor, mut found) = shared.index.references_back(reference, from, before, limit);
    if found.len() >= limit || floor <= from {
        return Ok(found);
    }
    let (low, high) = &reference_bounds(reference, from, before.min(floor));
    let most = limit - found.len();
    let older = shared.db.read(|tx| {
        Box::pin(async move {
            let mut older = Vec::new();
            back(tx, shared, low, high, |key, value| {
                older.push((entry_place(key)?, transfer_of(value)?));
                Ok(older.len() < most)
            })
            .await?;
            Ok::<_, LedgerError>(older)
        })
    });
    found.extend(older.await?);
    Ok(found)
}

/// The position of the journal that was the last at the moment `time`, as far as the projections are.
pub(crate) async fn position_at(shared: &Shared, time: bursar_types::Timestamp) -> Result<i64, LedgerError> {
    let shard = shared.shard;
    let found = shared.db.read(|tx| {
        Box::pin(async move {
            let last = projection::read_progress(tx, shard).await?.sequence;
            journal::position_at(tx, shard, last, time).await
        })
    });
    Ok(found.await?)
}

/// Visits the items from `low` to before `high`, the last first, until `visit` says that it is enough.
async fn back(
    tx: &mut Tx<'_>,
    shared: &Shared,
    low: &[u8],
    high: &[u8],
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<bool, LedgerError> + Send,
) -> Result<(), LedgerError> {
    for run in index::runs(tx, shared.shard).await? {
        let mut before = high.to_vec();
        loop {
            let blocks = index::blocks_before(tx, shared.shard, run.run, &before, BLOCKS_READ).await?;
            let Some(last) = blocks.last() else { break };
            before.clone_from(&last.first_key);
            for block in blocks {
                if !backwards(block, low, high, &mut visit)? {
                    return Ok(());
                }
            }
            if before.as_slice() <= low {
                break;
            }
        }
    }
    Ok(())
}

fn backwards(
    block: Block,
    low: &[u8],
    high: &[u8],
    visit: &mut impl FnMut(&[u8], &[u8]) -> Result<bool, LedgerError>,
) -> Result<bool, LedgerError> {
    let mut reader = BlockReader::new(block.body);
    let mut within = Vec::new();
    while reader.advance()? && reader.key() < high {
        if reader.key() >= low {
            within.push((reader.key().to_vec(), reader.value().to_vec()));
        }
    }
    for (key, value) in within.iter().rev() {
        if !visit(key, value)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Visits the items from `low` to before `high`, the first first, until `visit` says that it is enough.
async fn on(
    tx: &mut Tx<'_>,
    shared: &Shared,
    low: &[u8],
    high: &[u8],
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<bool, LedgerError> + Send,
) -> Result<(), LedgerError> {
    let runs = index::runs(tx, shared.shard).await?;
    for run in runs.into_iter().rev() {
        let mut next: Vec<Block> =
            index::block_at(tx, shared.shard, run.run, low).await?.into_iter().collect();
        let mut after = next.first().map_or_else(|| low.to_vec(), |block| block.first_key.clone());
        loop {
            let more = index::blocks_after(tx, shared.shard, run.run, &after, BLOCKS_READ).await?;
            let ended = more.is_empty();
            next.extend(more);
            for block in next.drain(..) {
                after.clone_from(&block.first_key);
                let mut reader = BlockReader::new(block.body);
                while reader.advance()? && reader.key() < high {
                    if reader.key() >= low && !visit(reader.key(), reader.value())? {
                        return Ok(());
                    }
                }
            }
            if ended || after.as_slice() >= high {
                break;
            }
        }
    }
    Ok(())
}
