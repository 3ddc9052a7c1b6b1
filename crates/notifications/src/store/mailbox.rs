//! The sandbox's mailbox: ordinary messages only.

use bursar_service::db::{DbError, Tx};
use bursar_types::Timestamp;
use bursar_types::id::MessageId;
use zeroize::Zeroizing;

use crate::providers::mailbox::Letter;

/// When the last message arrived.
pub(crate) async fn last_arrival(tx: &mut Tx<'_>) -> Result<Timestamp, DbError> {
    let row = tx.query("SELECT MAX(arrival) AS last FROM mailbox").fetch_one().await?;
    Ok(row.get::<Option<Timestamp>>("last")?.unwrap_or_default())
}

/// When this message arrived, if it did.
pub(crate) async fn arrival_of(tx: &mut Tx<'_>, id: MessageId) -> Result<Option<Timestamp>, DbError> {
    let row =
        tx.query("SELECT arrival FROM mailbox WHERE message_id = $1").bind_id(id).fetch_optional().await?;
    row.map(|row| row.get("arrival")).transpose()
}

/// Puts a message in, unless it is there already.
pub(crate) async fn insert(tx: &mut Tx<'_>, address: [u8; 32], letter: &Letter) -> Result<(), DbError> {
    tx.query(
        "INSERT INTO mailbox (message_id, address, arrival, locale, body, event_type, channel, title)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (message_id) DO NOTHING",
    )
    .bind_id(letter.message_id)
    .bind(address)
    .bind(letter.arrived)
    .bind(letter.locale.tag())
    .bind(letter.body.as_str())
    .bind(&letter.event_type)
    .bind(if letter.mail { "email" } else { "sms" })
    .bind(&letter.title)
    .execute()
    .await?;
    Ok(())
}

/// Messages to an address that arrived after `after`, oldest first; of one event type, unless that is empty.
pub(crate) async fn read(
    tx: &mut Tx<'_>,
    address: [u8; 32],
    after: Timestamp,
    event_type: &str,
    limit: i64,
) -> Result<Vec<Letter>, DbError> {
    let rows = tx
        .query(
            "SELECT message_id, arrival, locale, body, event_type, channel, title FROM mailbox
             WHERE address = $1 AND arrival > $2 AND ($3 = '' OR event_type = $3) ORDER BY arrival LIMIT $4",
        )
        .bind(address)
        .bind(after)
        .bind(event_type)
        .bind(limit)
        .fetch_all()
        .await?;
    let letters = rows.iter().map(|row| {
        Ok(Letter {
            message_id: row.id("message_id")?,
            arrived: row.get("arrival")?,
            locale: row.parse("locale")?,
            body: Zeroizing::new(row.get("body")?),
            mail: row.get::<String>("channel")? == "email",
            title: row.get("title")?,
            code: None,
            event_type: row.get("event_type")?,
        })
    });
    letters.collect()
}
