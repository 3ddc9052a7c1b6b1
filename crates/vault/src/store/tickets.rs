//! Reveal tickets.

use bursar_service::db::{DbError, Tx};
use bursar_types::Timestamp;
use bursar_types::id::{CardId, CustomerId, RevealTicketId};

/// A ticket as it is made.
#[derive(Clone, Debug)]
pub(crate) struct NewTicket {
    pub(crate) ticket_id: RevealTicketId,
    pub(crate) card_id: CardId,
    pub(crate) customer_id: CustomerId,
    pub(crate) caller: &'static str,
    pub(crate) device_public_key: Vec<u8>,
    pub(crate) purpose: String,
    pub(crate) secret_hash: [u8; 32],
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

/// A ticket that was just redeemed.
#[derive(Clone, Debug)]
pub(crate) struct Redeemed {
    pub(crate) card_id: CardId,
    pub(crate) device_public_key: Vec<u8>,
    pub(crate) purpose: String,
}

/// What must be true of a ticket to redeem it.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) ticket_id: RevealTicketId,
    pub(crate) customer_id: CustomerId,
    pub(crate) caller: &'static str,
    pub(crate) secret_hash: [u8; 32],
}

/// Adds a ticket.
pub(crate) async fn insert(tx: &mut Tx<'_>, ticket: &NewTicket) -> Result<(), DbError> {
    tx.query(
        "INSERT INTO reveal_ticket (ticket_id, card_id, customer_id, caller, device_public_key, purpose, secret_hash,
                                    created_at, expires_at, redeemed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, NULL)",
    )
    .bind_id(ticket.ticket_id)
    .bind_id(ticket.card_id)
    .bind_id(ticket.customer_id)
    .bind(ticket.caller)
    .bind(&ticket.device_public_key)
    .bind(&ticket.purpose)
    .bind(ticket.secret_hash)
    .bind(ticket.created_at)
    .bind(ticket.expires_at)
    .execute()
    .await
    .map(drop)
}

/// When the tickets of a card made after `since` were made, the oldest first, at most `limit`.
pub(crate) async fn made_since(
    tx: &mut Tx<'_>,
    card_id: CardId,
    since: Timestamp,
    limit: i64,
) -> Result<Vec<Timestamp>, DbError> {
    let rows = tx
        .query(
            "SELECT created_at FROM reveal_ticket WHERE card_id = $1 AND created_at > $2 ORDER BY created_at LIMIT $3",
        )
        .bind_id(card_id)
        .bind(since)
        .bind(limit)
        .fetch_all()
        .await?;
    rows.iter().map(|row| row.get("created_at")).collect()
}

/// Uses a ticket up, if everything about the claim is right. One statement: of any number at once one wins.
pub(crate) async fn redeem(
    tx: &mut Tx<'_>,
    claim: &Claim,
    now: Timestamp,
) -> Result<Option<Redeemed>, DbError> {
    let row = tx
        .query(
            "UPDATE reveal_ticket SET redeemed_at = $5
             WHERE ticket_id = $1 AND secret_hash = $2 AND customer_id = $3 AND caller = $4
               AND redeemed_at IS NULL AND expires_at > $5
             RETURNING card_id, device_public_key, purpose",
        )
        .bind_id(claim.ticket_id)
        .bind(claim.secret_hash)
        .bind_id(claim.customer_id)
        .bind(claim.caller)
        .bind(now)
        .fetch_optional()
        .await?;
    row.map(|row| {
        Ok(Redeemed {
            card_id: row.id("card_id")?,
            device_public_key: row.get("device_public_key")?,
            purpose: row.get("purpose")?,
        })
    })
    .transpose()
}

/// Why a claim was not good, for the audit log only.
pub(crate) async fn why_not(tx: &mut Tx<'_>, claim: &Claim, now: Timestamp) -> Result<&'static str, DbError> {
    let row = tx
        .query(
            "SELECT secret_hash, customer_id, caller, expires_at, redeemed_at FROM reveal_ticket WHERE ticket_id = $1",
        )
        .bind_id(claim.ticket_id)
        .fetch_optional()
        .await?;
    let Some(row) = row else { return Ok("unknown") };
    let (customer, caller): (CustomerId, String) = (row.id("customer_id")?, row.get("caller")?);
    Ok(if customer != claim.customer_id {
        "another customer's"
    } else if caller != claim.caller {
        "another caller's"
    } else if row.get::<[u8; 32]>("secret_hash")? != claim.secret_hash {
        "wrong secret"
    } else if row.get::<Option<Timestamp>>("redeemed_at")?.is_some() {
        "used"
    } else if row.get::<Timestamp>("expires_at")? <= now {
        "late"
    } else {
        "changed meanwhile"
    })
}
