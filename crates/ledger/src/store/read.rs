//! Queries on the projections.

use std::collections::HashMap;

use bursar_ledger_engine::{Mcc, Payment, PaymentStatus};
use bursar_service::db::{Cell, Db, Row, Tx};
use bursar_types::Timestamp;
use bursar_types::id::{CardId, CustomerId, PaymentId, ProgramId, TransferId};

use super::projection::among;
use crate::error::LedgerError;
use crate::journal::whole;
use crate::project::{CardRecord, EventChunk, EventRow, PaymentRecord, ProductRecord, TopUpRecord};

/// Chunks of the event log that are read at once.
const CHUNKS_PAGE: i64 = 8;

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
    /// Only those of them that this finds.
    pub(crate) search: PaymentSearch,
}

/// What is looked for among payments. Their rows are read one after the other: no index serves it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PaymentSearch {
    /// Decided then or later.
    pub(crate) from: Option<Timestamp>,
    /// Decided before then.
    pub(crate) until: Option<Timestamp>,
    /// In the merchant's name or id, in lower case; empty: any.
    pub(crate) merchant: String,
    /// The merchant's category.
    pub(crate) mcc: Option<Mcc>,
    /// The states it may show.
    pub(crate) state: Option<&'static [PaymentStatus]>,
}

impl PaymentSearch {
    fn finds(&self, payment: &Payment) -> bool {
        let merchant = &payment.merchant;
        let named = |text: &str| text.to_lowercase().contains(&self.merchant);
        self.until.is_none_or(|until| payment.created_at < until)
            && self.mcc.is_none_or(|mcc| mcc == merchant.mcc)
            && (self.merchant.is_empty() || named(merchant.name.as_str()) || named(merchant.id.as_str()))
            && self.state.is_none_or(|states| states.contains(&payment.status()))
    }
}

/// Rows read at once while payments are looked through.
const LOOKED_THROUGH: i64 = 500;

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
    let page = if filter.search == PaymentSearch::default() { limit } else { LOOKED_THROUGH };
    let (mut found, mut before) = (Vec::new(), before);
    loop {
        let read = db.read(|tx| {
            Box::pin(async move {
                let mut query = tx.query(sql).bind_id(shard).bind(before).bind(page);
                if let Some(customer) = filter.customer {
                    query = query.bind_id(customer);
                }
                if let Some(card) = filter.card {
                    query = query.bind_id(card);
                }
                query.fetch_all().await?.iter().map(body).collect::<Result<Vec<PaymentRecord>, LedgerError>>()
            })
        });
        let rows = read.await?;
        let more = i64::try_from(rows.len()).ok() == Some(page);
        for row in rows {
            before = row.opened;
            // Time does not go back in the journal: nothing older is young enough.
            if filter.search.from.is_some_and(|from| row.payment.created_at < from) {
                return Ok(found);
            }
            if filter.search.finds(&row.payment) {
                found.push(row);
            }
            if i64::try_from(found.len()).ok() == Some(limit) {
                return Ok(found);
            }
        }
        if !more {
            return Ok(found);
        }
    }
}

/// Which transfers reversed some of `originals`.
pub(crate) async fn reversed_by(
    db: &Db,
    shard: ProgramId,
    originals: &[TransferId],
) -> Result<HashMap<TransferId, TransferId>, LedgerError> {
    db.read(|tx| {
        Box::pin(async move {
            let select = "SELECT original, reversed_by FROM reversal WHERE shard = $1 AND original IN";
            let rows = among(tx, select, shard, originals).await?;
            rows.iter().map(|row| Ok((row.id("original")?, row.id("reversed_by")?))).collect()
        })
    })
    .await
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

/// Chunks of the event log that hold events after `after`, in order, with the position of their first event.
pub(crate) async fn event_chunks(
    tx: &mut Tx<'_>,
    shard: ProgramId,
    after: i64,
    limit: i64,
) -> Result<Vec<(i64, EventChunk)>, LedgerError> {
    // The chunk that holds the next event begins at or before it.
    let rows = tx
        .query(
            "SELECT first_position, body FROM event_chunk WHERE shard = $1 AND first_position >=
             (SELECT COALESCE(MAX(first_position), 0) FROM event_chunk WHERE shard = $1 AND first_position <= $2)
             ORDER BY first_position LIMIT $3",
        )
        .bind_id(shard)
        .bind(after.saturating_add(1))
        .bind(limit)
        .fetch_all()
        .await?;
    rows.iter().map(|row| Ok((row.get("first_position")?, body(row)?))).collect()
}

/// A page of the event log.
pub(crate) async fn events(
    db: &Db,
    shard: ProgramId,
    after: i64,
    limit: usize,
) -> Result<Vec<EventRow>, LedgerError> {
    let mut found = Vec::new();
    while found.len() < limit {
        let from = found.last().map_or(after, |row: &EventRow| row.position);
        let chunks = db.read(|tx| Box::pin(event_chunks(tx, shard, from, CHUNKS_PAGE))).await?;
        let before = found.len();
        for (first, chunk) in chunks {
            let placed = (first..).zip(chunk.events).filter(|(position, _)| *position > from);
            found
                .extend(placed.take(limit - found.len()).map(|(position, event)| event.row(shard, position)));
        }
        if found.len() == before {
            break;
        }
    }
    Ok(found)
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
