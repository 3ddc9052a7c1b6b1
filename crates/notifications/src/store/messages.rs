//! Messages in the inboxes.

use bursar_service::db::{DbError, Row, Tx};
use bursar_types::Timestamp;
use bursar_types::id::{CustomerId, MessageId};

use crate::people::facts::Facts;
use crate::people::locale::Locale;

/// A message about to be stored.
pub(crate) struct NewMessage<'a> {
    pub(crate) customer_id: CustomerId,
    pub(crate) message_id: MessageId,
    pub(crate) event_id: &'a str,
    pub(crate) event_type: &'static str,
    pub(crate) template: &'static str,
    pub(crate) facts: &'a Facts,
    pub(crate) create_time: Timestamp,
}

/// A stored message.
pub(crate) struct StoredMessage {
    pub(crate) number: i64,
    pub(crate) message_id: MessageId,
    pub(crate) event_type: String,
    pub(crate) template: String,
    pub(crate) facts: Facts,
    pub(crate) create_time: Timestamp,
    pub(crate) read: bool,
}

/// Stores a message as the newest of its inbox; false if this event's message is there already.
pub(crate) async fn insert(tx: &mut Tx<'_>, message: &NewMessage<'_>) -> Result<bool, DbError> {
    let customer_id = message.customer_id.to_string();
    // The head first: it is the row that makes two messages to one inbox take turns.
    let number: i64 = tx
        .query(
            "INSERT INTO inboxes (customer_id, last_number, unread) VALUES ($1, 1, 1)
             ON CONFLICT (customer_id) DO UPDATE
             SET last_number = inboxes.last_number + 1, unread = inboxes.unread + 1
             RETURNING last_number",
        )
        .bind(&customer_id)
        .fetch_one()
        .await?
        .get("last_number")?;
    let inserted = tx
        .query(
            "INSERT INTO messages (customer_id, number, message_id, event_id, event_type, template, facts, create_time)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (customer_id, event_id) DO NOTHING",
        )
        .bind(&customer_id)
        .bind(number)
        .bind_id(message.message_id)
        .bind(message.event_id)
        .bind(message.event_type)
        .bind(message.template)
        .bind(facts_to_text(message.facts))
        .bind(message.create_time)
        .execute()
        .await?;
    if inserted == 0 {
        tx.query(
            "UPDATE inboxes SET last_number = last_number - 1, unread = unread - 1 WHERE customer_id = $1",
        )
        .bind(&customer_id)
        .execute()
        .await?;
    }
    Ok(inserted == 1)
}

/// Messages of an inbox, newest first, from below the message with the number `before`.
pub(crate) async fn list(
    tx: &mut Tx<'_>,
    customer_id: CustomerId,
    before: i64,
    limit: i64,
) -> Result<Vec<StoredMessage>, DbError> {
    let rows = tx
        .query(
            "SELECT number, message_id, event_type, template, facts, create_time, read_time FROM messages
             WHERE customer_id = $1 AND number < $2 ORDER BY number DESC LIMIT $3",
        )
        .bind_id(customer_id)
        .bind(before)
        .bind(limit)
        .fetch_all()
        .await?;
    rows.iter().map(stored).collect()
}

/// Messages of an inbox after the number `after`, oldest first.
pub(crate) async fn after(
    tx: &mut Tx<'_>,
    customer_id: CustomerId,
    after: i64,
    limit: i64,
) -> Result<Vec<StoredMessage>, DbError> {
    let rows = tx
        .query(
            "SELECT number, message_id, event_type, template, facts, create_time, read_time FROM messages
             WHERE customer_id = $1 AND number > $2 ORDER BY number LIMIT $3",
        )
        .bind_id(customer_id)
        .bind(after)
        .bind(limit)
        .fetch_all()
        .await?;
    rows.iter().map(stored).collect()
}

/// What is known of an inbox as a whole.
#[derive(Default)]
pub(crate) struct Head {
    /// How many of its messages were not read.
    pub(crate) unread: i64,
    /// Its owner's language: the recipient's, or as long as that is not known the one of the sign-up.
    pub(crate) locale: Option<Locale>,
}

/// The head of an inbox; one without a message has the default.
pub(crate) async fn head(tx: &mut Tx<'_>, customer_id: CustomerId) -> Result<Head, DbError> {
    let row = tx
        .query(
            "SELECT i.unread, COALESCE(r.locale, i.locale, '') AS locale
             FROM inboxes i LEFT JOIN recipients r ON r.customer_id = i.customer_id WHERE i.customer_id = $1",
        )
        .bind_id(customer_id)
        .fetch_optional()
        .await?;
    let Some(row) = row else { return Ok(Head::default()) };
    Ok(Head { unread: row.get("unread")?, locale: row.get::<String>("locale")?.parse().ok() })
}

/// Notes the language a customer signed up in.
pub(crate) async fn set_locale(
    tx: &mut Tx<'_>,
    customer_id: CustomerId,
    locale: Locale,
) -> Result<(), DbError> {
    tx.query("UPDATE inboxes SET locale = $2 WHERE customer_id = $1")
        .bind_id(customer_id)
        .bind(locale.tag())
        .execute()
        .await?;
    Ok(())
}

/// Marks a message as read; false if the customer has no such message.
pub(crate) async fn mark_read(
    tx: &mut Tx<'_>,
    customer_id: CustomerId,
    message_id: MessageId,
    now: Timestamp,
) -> Result<bool, DbError> {
    let customer_id = customer_id.to_string();
    let marked = tx
        .query(
            "UPDATE messages SET read_time = $3
             WHERE customer_id = $1 AND message_id = $2 AND read_time IS NULL",
        )
        .bind(&customer_id)
        .bind_id(message_id)
        .bind(now)
        .execute()
        .await?;
    if marked == 1 {
        tx.query("UPDATE inboxes SET unread = unread - 1 WHERE customer_id = $1")
            .bind(&customer_id)
            .execute()
            .await?;
        return Ok(true);
    }
    let known = tx
        .query("SELECT 1 FROM messages WHERE customer_id = $1 AND message_id = $2")
        .bind(&customer_id)
        .bind_id(message_id)
        .fetch_optional()
        .await?;
    Ok(known.is_some())
}

fn stored(row: &Row) -> Result<StoredMessage, DbError> {
    Ok(StoredMessage {
        number: row.get("number")?,
        message_id: row.id("message_id")?,
        event_type: row.get("event_type")?,
        template: row.get("template")?,
        facts: facts_from_text(&row.get::<String>("facts")?)?,
        create_time: row.get("create_time")?,
        read: row.get::<Option<Timestamp>>("read_time")?.is_some(),
    })
}

fn facts_to_text(facts: &Facts) -> String {
    serde_json::to_string(facts).expect("a map of texts is always JSON")
}

pub(super) fn facts_from_text(text: &str) -> Result<Facts, DbError> {
    serde_json::from_str(text)
        .map_err(|error| DbError::Column { column: "facts".into(), what: error.to_string() })
}
