//! Closed cards, and the end of their secrets.

use bursar_service::db::{DbError, Tx};
use bursar_types::Timestamp;
use bursar_types::id::{CardId, CustomerId};

/// A card whose time has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    pub(crate) card_id: CardId,
    pub(crate) customer_id: CustomerId,
}

/// Notes that a card is closed; when it was closed first, or `None` if there is no such card.
pub(crate) async fn close(
    tx: &mut Tx<'_>,
    card_id: CardId,
    now: Timestamp,
) -> Result<Option<Timestamp>, DbError> {
    let row = tx
        .query("UPDATE card SET closed_at = COALESCE(closed_at, $2) WHERE card_id = $1 RETURNING closed_at")
        .bind_id(card_id)
        .bind(now)
        .fetch_optional()
        .await?;
    row.map(|row| row.get("closed_at")).transpose()
}

/// Cards that were closed at `before` or earlier and are not purged, at most `limit`.
pub(crate) async fn due(tx: &mut Tx<'_>, before: Timestamp, limit: i64) -> Result<Vec<Due>, DbError> {
    let rows = tx
        .query(
            "SELECT card_id, customer_id FROM card WHERE closed_at <= $1 AND purged_at IS NULL
             ORDER BY closed_at, card_id LIMIT $2",
        )
        .bind(before)
        .bind(limit)
        .fetch_all()
        .await?;
    rows.iter()
        .map(|row| Ok(Due { card_id: row.id("card_id")?, customer_id: row.id("customer_id")? }))
        .collect()
}

/// Destroys a card's secrets.
pub(crate) async fn purge(tx: &mut Tx<'_>, card_id: CardId, now: Timestamp) -> Result<(), DbError> {
    for sql in [
        "DELETE FROM card_dek WHERE card_id = $1",
        "DELETE FROM card_password WHERE card_id = $1",
        "DELETE FROM card_password_try WHERE card_id = $1",
        "DELETE FROM reveal_ticket WHERE card_id = $1",
    ] {
        tx.query(sql).bind_id(card_id).execute().await?;
    }
    tx.query("UPDATE card SET sealed_pan = $2, purged_at = $3 WHERE card_id = $1")
        .bind_id(card_id)
        .bind(Vec::new())
        .bind(now)
        .execute()
        .await
        .map(drop)
}
