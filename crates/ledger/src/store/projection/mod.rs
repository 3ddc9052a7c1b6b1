//! The projections' rows: read what a model wants, write what it changed, and all of it for the verification.

mod cells;
mod tables;

use std::fmt::Display;

use bursar_ledger_engine::{Account, Hold};
use bursar_service::db::{AssertSqlSafe, Db, DbError, Durability, Isolation, Row, Tx};
use bursar_types::id::{AccountId, ProgramId, TransferId};

use crate::error::LedgerError;
use crate::journal::whole;
use crate::project::{AccountRecord, CardRecord, HoldRecord, Model, PaymentRecord, Wants, change_text_of};

pub(crate) use cells::rows;
use tables::write;
pub(crate) use tables::{TableRows, dump, tables};

/// Keys in one `IN (…)`: bounds the statements that stay prepared and the values of one.
const KEYS_MAX: usize = 256;

/// How far the projections are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Last row of the journal that is in them.
    pub(crate) sequence: i64,
    /// Last position.
    pub(crate) position: i64,
    /// Last position of the event log.
    pub(crate) event_position: i64,
    /// Epoch of the event log.
    pub(crate) event_epoch: String,
    /// Last row of the journal that is in the runs of the index.
    pub(crate) index_sequence: i64,
}

impl Progress {
    /// The last row of the journal that everything made from it has.
    pub(crate) fn complete(&self) -> i64 {
        self.sequence.min(self.index_sequence)
    }
}

/// How far the projections are; makes the row with `epoch` if there is none.
pub(crate) async fn progress(db: &Db, shard: ProgramId, epoch: &str) -> Result<Progress, DbError> {
    db.write_at(Isolation::ReadCommitted, |tx| {
        Box::pin(async move {
            tx.query(
                "INSERT INTO projection
                 (shard, sequence, position, event_position, event_epoch, index_sequence)
                 VALUES ($1, 0, 0, 0, $2, 0) ON CONFLICT DO NOTHING",
            )
            .bind_id(shard)
            .bind(epoch)
            .execute()
            .await?;
            read_progress(tx, shard).await
        })
    })
    .await
}

/// How far the projections are.
pub(crate) async fn read_progress(tx: &mut Tx<'_>, shard: ProgramId) -> Result<Progress, DbError> {
    let row = tx
        .query(
            "SELECT sequence, position, event_position, event_epoch, index_sequence FROM projection
             WHERE shard = $1",
        )
        .bind_id(shard)
        .fetch_one()
        .await?;
    Ok(Progress {
        sequence: row.get("sequence")?,
        position: row.get("position")?,
        event_position: row.get("event_position")?,
        event_epoch: row.get("event_epoch")?,
        index_sequence: row.get("index_sequence")?,
    })
}

/// The rows of `columns` in `table` whose `key` is one of `keys`.
pub(super) async fn among(
    tx: &mut Tx<'_>,
    select: &str,
    shard: ProgramId,
    keys: impl IntoIterator<Item = impl Display>,
) -> Result<Vec<Row>, DbError> {
    let keys: Vec<String> = keys.into_iter().map(|key| key.to_string()).collect();
    let mut rows = Vec::with_capacity(keys.len());
    for chunk in keys.chunks(KEYS_MAX) {
        // Counts are rounded up to powers of two, the last key repeated, so that few statements stay prepared.
        let count = chunk.len().next_power_of_two();
        let places: Vec<String> = (0..count).map(|n| format!("${}", n + 2)).collect();
        let sql = format!("{select} ({})", places.join(", "));
        let mut query = tx.query(AssertSqlSafe(sql)).bind_id(shard);
        for at in 0..count {
            query = query.bind(&chunk[at.min(chunk.len() - 1)]);
        }
        rows.extend(query.fetch_all().await?);
    }
    Ok(rows)
}

fn account(row: &Row) -> Result<AccountRecord, LedgerError> {
    let account: Account = whole(&row.get::<Vec<u8>>("body")?)?;
    Ok(AccountRecord { account, position: row.get("position")? })
}

/// Reads a hold's row with its state.
pub(crate) fn hold(row: &Row) -> Result<HoldRecord, LedgerError> {
    let mut hold: Hold = whole(&row.get::<Vec<u8>>("body")?)?;
    hold.held.minor_units = row.get("held")?;
    hold.captured = row.get("captured")?;
    hold.over_captured = row.get("over_captured")?;
    hold.released = row.get("released")?;
    hold.expires_at = row.get("expires_at")?;
    let last: String = row.get("last_change")?;
    Ok(HoldRecord {
        hold,
        placed: row.get("placed")?,
        outstanding: row.get("outstanding")?,
        last: change_text_of(&last)
            .ok_or_else(|| LedgerError::Damaged(format!("hold_state.last_change {last}")))?,
        position: row.get("position")?,
        told: row.get("told")?,
    })
}

/// The columns of an account.
const ACCOUNT: &str = "SELECT account, body, position FROM account";

/// The columns of a hold with its state.
pub(crate) const HOLD: &str = "SELECT hold.hold, hold.position AS placed, hold.body, hold_state.held, \
     hold_state.captured, hold_state.over_captured, hold_state.released, hold_state.outstanding, \
     hold_state.expires_at, hold_state.last_change, hold_state.position, hold_state.told \
     FROM hold JOIN hold_state ON hold_state.shard = hold.shard AND hold_state.hold = hold.hold";

/// Gives the model the rows it wants.
pub(crate) async fn give(tx: &mut Tx<'_>, model: &mut Model, wants: &Wants) -> Result<(), LedgerError> {
    let shard = model.shard;
    let accounts = &format!("{ACCOUNT} WHERE shard = $1 AND account IN");
    for row in among(tx, accounts, shard, &wants.accounts).await? {
        let record = account(&row)?;
        model.accounts.insert(record.account.id, record);
    }
    let holds = &format!("{HOLD} WHERE hold.shard = $1 AND hold.hold IN");
    for row in among(tx, holds, shard, &wants.holds).await? {
        let record = hold(&row)?;
        model.holds.insert(record.hold.id, record);
    }
    let cards = "SELECT body FROM card WHERE shard = $1 AND card IN";
    for row in among(tx, cards, shard, &wants.cards).await? {
        let record: CardRecord = whole(&row.get::<Vec<u8>>("body")?)?;
        model.cards.insert(record.card.id, record);
    }
    let payments = "SELECT body FROM payment WHERE shard = $1 AND payment IN";
    for row in among(tx, payments, shard, &wants.payments).await? {
        let record: PaymentRecord = whole(&row.get::<Vec<u8>>("body")?)?;
        model.payments.insert(record.payment.id, record);
    }
    let subjects = "SELECT subject, version FROM event_subject WHERE shard = $1 AND subject IN";
    for row in among(tx, subjects, shard, &wants.subjects).await? {
        model.subjects.set(row.get("subject")?, row.get("version")?);
    }
    // A subject without a row has had no event yet.
    for subject in &wants.subjects {
        if !model.subjects.knows(subject) {
            model.subjects.set(subject.clone(), 0);
        }
    }
    Ok(())
}

/// Writes what the model changed, and moves the projections from `from` to where the model is: all of it or nothing.
/// False if they are not at `from` any more: another owner's projector was here.
pub(crate) async fn flush(db: &Db, model: &Model, from: i64) -> Result<bool, LedgerError> {
    let shard = model.shard.to_string();
    let shard = shard.as_str();
    // Made from the journal, which is durable: a loss takes this back to an earlier position and no further.
    db.write_as(Isolation::ReadCommitted, Durability::Deferred, |tx| {
        Box::pin(async move {
            let moved = tx
                .query(
                    "UPDATE projection SET sequence = $2, position = $3, event_position = $4
                     WHERE shard = $1 AND sequence = $5",
                )
                .bind(shard)
                .bind(model.sequence)
                .bind(model.position)
                .bind(model.event_position)
                .bind(from)
                .execute()
                .await?;
            if moved != 1 {
                return Ok(false);
            }
            for table in rows(model, &model.dirty) {
                write(tx, shard, table).await?;
            }
            let columns = ["shard", "first_position", "last_position", "body"];
            tx.bulk_insert("event_chunk", columns, cells::event_chunks(model)).await?;
            Ok(true)
        })
    })
    .await
}

/// A page of the ids of accounts, in their order, of one owner or all.
pub(crate) async fn accounts(
    tx: &mut Tx<'_>,
    shard: ProgramId,
    owner: Option<String>,
    after: Option<&String>,
    limit: i64,
) -> Result<Vec<AccountId>, LedgerError> {
    let after = after.map_or("", String::as_str);
    let query = match owner {
        Some(owner) => tx
            .query(
                "SELECT account FROM account WHERE shard = $1 AND account > $2 AND owner = $4
                 ORDER BY account LIMIT $3",
            )
            .bind_id(shard)
            .bind(after)
            .bind(limit)
            .bind(owner),
        None => tx
            .query("SELECT account FROM account WHERE shard = $1 AND account > $2 ORDER BY account LIMIT $3")
            .bind_id(shard)
            .bind(after)
            .bind(limit),
    };
    query.fetch_all().await?.iter().map(|row| Ok(row.id("account")?)).collect()
}

/// A hold with its state.
pub(crate) async fn hold_by_id(
    tx: &mut Tx<'_>,
    shard: ProgramId,
    id: TransferId,
) -> Result<Option<HoldRecord>, LedgerError> {
    let sql = format!("{HOLD} WHERE hold.shard = $1 AND hold.hold = $2");
    let row = tx.query(AssertSqlSafe(sql)).bind_id(shard).bind_id(id).fetch_optional().await?;
    row.as_ref().map(hold).transpose()
}
