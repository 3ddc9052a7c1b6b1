//! Queries on the projections.

use bursar_service::db::{Cell, Db, DbError, Row, Tx};
use bursar_types::RequestId;
use bursar_types::id::{CardId, CustomerId, PaymentId, ProgramId, TransferId};

use super::journal;
use crate::error::LedgerError;
use crate::journal::{Hash, whole};
use crate::project::{
    CardRecord, EntryRecord, EventRow, PaymentRecord, ProductRecord, TopUpRecord, TransferRecord,
};

/// Where a request id was used, and with which body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestUse {
    pub(crate) digest: Hash,
    pub(crate) ordinal: usize,
}

/// What the projections know of a request id.
#[derive(Clone, Debug)]
pub(crate) enum Lookup {
    /// It was used: here, in this row of the journal.
    Used(RequestUse, Box<crate::journal::Row>),
    /// It was not, up to this row of the journal.
    NotUpTo(i64),
}

/// Looks a request id up.
pub(crate) async fn request(db: &Db, shard: ProgramId, id: RequestId) -> Result<Lookup, LedgerError> {
    db.read(|tx| {
        Box::pin(async move {
            let found = tx
                .query("SELECT digest, sequence, ordinal FROM request WHERE shard = $1 AND request_id = $2")
                .bind_id(shard)
                .bind(id.as_uuid().as_bytes().as_slice())
                .fetch_optional()
                .await?;
            let Some(found) = found else {
                return Ok(Lookup::NotUpTo(super::projection::read_progress(tx, shard).await?.sequence));
            };
            let sequence: i64 = found.get("sequence")?;
            let ordinal: i64 = found.get("ordinal")?;
            let row = journal::one(tx, shard, sequence).await?;
            let row =
                row.ok_or_else(|| LedgerError::Damaged(format!("journal row {sequence} is missing")))?;
            let ordinal = usize::try_from(ordinal)
                .map_err(|_| LedgerError::Damaged(format!("request {id}: ordinal {ordinal}")))?;
            Ok(Lookup::Used(RequestUse { digest: found.get("digest")?, ordinal }, Box::new(row)))
        })
    })
    .await
}

/// A page of all request ids after `after`, in their order.
pub(crate) async fn request_ids(
    db: &Db,
    shard: ProgramId,
    after: &[u8],
    limit: i64,
) -> Result<Vec<[u8; 16]>, DbError> {
    db.read(|tx| {
        Box::pin(async move {
            let rows = tx
                .query(
                    "SELECT request_id FROM request WHERE shard = $1 AND request_id > $2
                     ORDER BY request_id LIMIT $3",
                )
                .bind_id(shard)
                .bind(after)
                .bind(limit)
                .fetch_all()
                .await?;
            rows.iter().map(|row| row.get("request_id")).collect()
        })
    })
    .await
}

fn body<T: crate::wire::Wire>(row: &Row) -> Result<T, LedgerError> {
    Ok(whole(&row.get::<Vec<u8>>("body")?)?)
}

/// One card.
pub(crate) async fn card(db: &Db, shard: ProgramId, id: CardId) -> Result<Option<CardRecord>, LedgerError> {
    db.read(|tx| {
        Box::pin(async move {
            let row = tx
                .query("SELECT body FROM card WHERE shard = $1 AND card = $2")
                .bind_id(shard)
                .bind_id(id)
                .fetch_optional()
                .await?;
            row.as_ref().map(body).transpose()
        })
    })
    .await
}

/// A page of cards by id, of one customer or all.
pub(crate) async fn cards(
    db: &Db,
    shard: ProgramId,
    customer: Option<CustomerId>,
    after: Option<&String>,
    limit: i64,
) -> Result<Vec<CardRecord>, LedgerError> {
    let after = after.map_or("", String::as_str);
    db.read(|tx| {
        Box::pin(async move {
            let query = match customer {
                Some(customer) => tx
                    .query(
                        "SELECT body FROM card WHERE shard = $1 AND customer = $4 AND card > $2
                         ORDER BY card LIMIT $3",
                    )
                    .bind_id(shard)
                    .bind(after)
                    .bind(limit)
                    .bind_id(customer),
                None => tx
                    .query("SELECT body FROM card WHERE shard = $1 AND card > $2 ORDER BY card LIMIT $3")
                    .bind_id(shard)
                    .bind(after)
                    .bind(limit),
            };
            query.fetch_all().await?.iter().map(body).collect()
        })
    })
    .await
}

/// Cards the vault has not made yet.
pub(crate) async fn issuing(db: &Db, shard: ProgramId, limit: i64) -> Result<Vec<CardRecord>, LedgerError> {
    db.read(|tx| {
        Box::pin(async move {
            let rows = tx
                .query("SELECT body FROM card WHERE shard = $1 AND issuing = $2 ORDER BY card LIMIT $3")
                .bind_id(shard)
                .bind(true)
                .bind(limit)
                .fetch_all()
                .await?;
            rows.iter().map(body).collect()
        })
    })
    .await
}

/// One payment.
pub(crate) async fn payment(
    db: &Db,
    shard: ProgramId,
    id: PaymentId,
) -> Result<Option<PaymentRecord>, LedgerError> {
    db.read(|tx| {
        Box::pin(async move {
            let row = tx
                .query("SELECT body FROM payment WHERE shard = $1 AND payment = $2")
                .bind_id(shard)
                .bind_id(id)
                .fetch_optional()
                .await?;
            row.as_ref().map(body).transpose()
        })
    })
    .await
}

/// Which payments a list is of.
#[derive(Clone, Debug, Default)]
pub(crate) struct PaymentFilter {
    /// Only this customer's.
    pub(crate) customer: Option<CustomerId>,
    /// Only this card's.
    pub(crate) card: Option<CardId>,
}

/// A page of payments, newest first, before position `before`.
pub(crate) async fn payments(
    db: &Db,
    shard: ProgramId,
    filter: &PaymentFilter,
    before: i64,
    limit: i64,
) -> Result<Vec<PaymentRecord>, LedgerError> {
    let sql = match (filter.customer, filter.card) {
        (None, None) => {
            "SELECT body FROM payment WHERE shard = $1 AND opened_position < $2
             ORDER BY opened_position DESC LIMIT $3"
        }
        (Some(_), None) => {
            "SELECT body FROM payment WHERE shard = $1 AND opened_position < $2 AND customer = $4
             ORDER BY opened_position DESC LIMIT $3"
        }
        (None, Some(_)) => {
            "SELECT body FROM payment WHERE shard = $1 AND opened_position < $2 AND card = $4
             ORDER BY opened_position DESC LIMIT $3"
        }
        (Some(_), Some(_)) => {
            "SELECT body FROM payment WHERE shard = $1 AND opened_position < $2 AND customer = $4 AND card = $5
             ORDER BY opened_position DESC LIMIT $3"
        }
    };
    db.read(|tx| {
        Box::pin(async move {
            let mut query = tx.query(sql).bind_id(shard).bind(before).bind(limit);
            if let Some(customer) = filter.customer {
                query = query.bind_id(customer);
            }
            if let Some(card) = filter.card {
                query = query.bind_id(card);
            }
            query.fetch_all().await?.iter().map(body).collect()
        })
    })
    .await
}

/// An entry with its place.
pub(crate) type PlacedEntry = ((i64, i64), EntryRecord);

/// A page of an account's entries, newest first, before `before`: a position and the number within it.
pub(crate) async fn entries(
    db: &Db,
    shard: ProgramId,
    account: &str,
    before: (i64, i64),
    limit: i64,
) -> Result<Vec<PlacedEntry>, LedgerError> {
    db.read(|tx| {
        Box::pin(async move {
            let rows = tx
                .query(
                    "SELECT position, ordinal, body FROM entry WHERE shard = $1 AND account = $2
                     AND (position < $3 OR (position = $3 AND ordinal < $4))
                     ORDER BY position DESC, ordinal DESC LIMIT $5",
                )
                .bind_id(shard)
                .bind(account)
                .bind(before.0)
                .bind(before.1)
                .bind(limit)
                .fetch_all()
                .await?;
            rows.iter().map(|row| Ok(((row.get("position")?, row.get("ordinal")?), body(row)?))).collect()
        })
    })
    .await
}

/// One posted transfer.
pub(crate) async fn transfer(
    tx: &mut Tx<'_>,
    shard: ProgramId,
    id: TransferId,
) -> Result<Option<TransferRecord>, LedgerError> {
    let row = tx
        .query("SELECT body, position FROM transfer WHERE shard = $1 AND transfer = $2")
        .bind_id(shard)
        .bind_id(id)
        .fetch_optional()
        .await?;
    row.map(|row| Ok(TransferRecord { transfer: body(&row)?, position: row.get("position")? })).transpose()
}

/// One bank credit by the bank's id of it.
pub(crate) async fn top_up(
    db: &Db,
    shard: ProgramId,
    bank_transaction_id: &str,
) -> Result<Option<TopUpRecord>, LedgerError> {
    db.read(|tx| {
        Box::pin(async move {
            let row = tx
                .query("SELECT body FROM top_up WHERE shard = $1 AND bank_transaction_id = $2")
                .bind_id(shard)
                .bind(bank_transaction_id)
                .fetch_optional()
                .await?;
            row.as_ref().map(body).transpose()
        })
    })
    .await
}

/// A page of products by id: of each the version that was written last.
pub(crate) async fn products(
    db: &Db,
    shard: ProgramId,
    after: Option<&String>,
    limit: i64,
) -> Result<Vec<ProductRecord>, LedgerError> {
    let after = after.map_or("", String::as_str);
    db.read(|tx| {
        Box::pin(async move {
            let rows = tx
                .query(
                    "SELECT body, position FROM product WHERE shard = $1 AND product > $2 AND version =
                     (SELECT MAX(latest.version) FROM product AS latest
                      WHERE latest.shard = product.shard AND latest.product = product.product)
                     ORDER BY product LIMIT $3",
                )
                .bind_id(shard)
                .bind(after)
                .bind(limit)
                .fetch_all()
                .await?;
            rows.iter()
                .map(|row| Ok(ProductRecord { version: body(row)?, position: row.get("position")? }))
                .collect()
        })
    })
    .await
}

/// A page of the event log.
pub(crate) async fn events(
    db: &Db,
    shard: ProgramId,
    after: i64,
    limit: i64,
) -> Result<Vec<EventRow>, DbError> {
    db.read(|tx| {
        Box::pin(async move {
            let rows = tx
                .query(
                    "SELECT position, id, type, subject, subject_version, time, type_url, data, journal_position
                     FROM event WHERE shard = $1 AND position > $2 ORDER BY position LIMIT $3",
                )
                .bind_id(shard)
                .bind(after)
                .bind(limit)
                .fetch_all()
                .await?;
            rows.iter()
                .map(|row| {
                    Ok(EventRow {
                        position: row.get("position")?,
                        id: row.id("id")?,
                        kind: row.get("type")?,
                        subject: row.get("subject")?,
                        subject_version: row.get("subject_version")?,
                        time: row.get("time")?,
                        type_url: row.get("type_url")?,
                        data: row.get("data")?,
                        journal_position: row.get("journal_position")?,
                    })
                })
                .collect()
        })
    })
    .await
}

/// Cells as text, to tell where a row differs.
pub(crate) fn told(cells: &[Cell]) -> String {
    let texts: Vec<String> = cells
        .iter()
        .map(|cell| match cell {
            Cell::Int(value) => value.map_or_else(|| "none".into(), |value| value.to_string()),
            Cell::Text(value) => value.clone().unwrap_or_else(|| "none".into()),
            Cell::Bool(value) => value.map_or_else(|| "none".into(), |value| value.to_string()),
            Cell::Bytes(value) => value.as_ref().map_or_else(
                || "none".into(),
                |bytes| data_encoding::HEXLOWER.encode(&bytes[..bytes.len().min(16)]),
            ),
        })
        .collect();
    texts.join(" ")
}
