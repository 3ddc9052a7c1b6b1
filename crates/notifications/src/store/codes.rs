//! One-time codes that were asked for: never the code, never the phone.

use bursar_service::db::{DbError, Tx};
use bursar_types::Timestamp;
use bursar_types::id::MessageId;

/// Notes that a code is about to be handed over.
pub(crate) async fn insert(
    tx: &mut Tx<'_>,
    message_id: MessageId,
    expire_time: Timestamp,
) -> Result<(), DbError> {
    tx.query("INSERT INTO code_messages (message_id, expire_time, handed_over) VALUES ($1, $2, FALSE)")
        .bind_id(message_id)
        .bind(expire_time)
        .execute()
        .await?;
    Ok(())
}

/// Whether the code was handed over.
pub(crate) async fn handed_over(tx: &mut Tx<'_>, message_id: MessageId) -> Result<bool, DbError> {
    tx.query("SELECT handed_over FROM code_messages WHERE message_id = $1")
        .bind_id(message_id)
        .fetch_one()
        .await?
        .get("handed_over")
}

/// Notes that the code was handed over.
pub(crate) async fn set_handed_over(tx: &mut Tx<'_>, message_id: MessageId) -> Result<(), DbError> {
    tx.query("UPDATE code_messages SET handed_over = TRUE WHERE message_id = $1")
        .bind_id(message_id)
        .execute()
        .await?;
    Ok(())
}
