//! A closed card's secrets are destroyed once nobody may need them any more.
//!
//! What goes is the data key of the sealed number, and with it the number: no key that is left anywhere opens it
//! (crypto-shredding). The sealed bytes, the card password and the tickets go in the same transaction, and a record of it
//! is in the audit log, whose proof says when. The fingerprint stays, so that the number is never given to another card.

use std::time::Duration;

use bursar_proto::vault::v1::{CardPurged, CloseCardResponse};
use bursar_service::db::Isolation;
use bursar_service::events::NewEvent;
use bursar_service::idempotency::{self, Scope};
use bursar_service::parse;
use bursar_types::RequestId;
use bursar_types::id::CardId;
use prost::Message as _;

use super::Vault;
use crate::audit::{Actor, AuditRecord, Operation, Outcome};
use crate::error::VaultError;
use crate::store;

/// Cards that are purged in one transaction. It holds the end of the audit log: payments wait so long.
const BATCH: i64 = 64;

impl Vault {
    /// Notes that a card is closed: it is not shown and takes no password any more, and is purged after the retention.
    pub(crate) async fn close_card(
        &self,
        actor: &Actor,
        request_id: RequestId,
        digest: [u8; 32],
        card_id: CardId,
    ) -> Result<CloseCardResponse, VaultError> {
        self.keys.ring()?;
        let now = self.now();
        let retention = self.retention;
        let scope = Scope { method: "CloseCard", principal: &actor.principal };
        let outcome = self
            .db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move {
                    let head = store::audit::lock(tx).await?;
                    idempotency::once(tx, scope, request_id, digest, |tx| {
                        Box::pin(async move {
                            let closed = store::purge::close(tx, card_id, now)
                                .await?
                                .ok_or(VaultError::NotFound { what: "card" })?;
                            let record = AuditRecord::new(
                                now,
                                actor,
                                Operation::CloseCard,
                                card_id,
                                Outcome::Allowed,
                                "",
                            );
                            store::audit::append_to(tx, head, &[record]).await?;
                            let purge_time = Some(parse::timestamp_message(closed.plus(retention)));
                            Ok::<_, VaultError>(CloseCardResponse { purge_time }.encode_to_vec())
                        })
                    })
                    .await
                })
            })
            .await;
        let response = self.audited(actor, Operation::CloseCard, &card_id.to_string(), outcome).await?;
        CloseCardResponse::decode(response.as_slice())
            .map_err(|_| VaultError::Corrupt("a stored response of CloseCard"))
    }

    /// Purges what is due.
    pub(crate) async fn purge_due(&self) -> Result<(), VaultError> {
        while self.purge_some().await? > 0 {}
        Ok(())
    }

    async fn purge_some(&self) -> Result<usize, VaultError> {
        let now = self.now();
        let before = now.minus(self.retention);
        let due = self.db.read(|tx| Box::pin(store::purge::due(tx, before, BATCH))).await?;
        if due.is_empty() {
            return Ok(0);
        }
        self.db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move {
                    // No data key is moved to another key meanwhile: it would come back.
                    let head = store::audit::lock(tx).await?;
                    let due = store::purge::due(tx, before, BATCH).await?;
                    let actor = Actor::vault();
                    let mut records = Vec::with_capacity(due.len());
                    for card in &due {
                        store::purge::purge(tx, card.card_id, now).await?;
                        let told = CardPurged {
                            card_id: card.card_id.to_string(),
                            customer_id: card.customer_id.to_string(),
                        };
                        self.events.publish(tx, NewEvent::new("vault.card.purged", card.card_id, &told))?;
                        let operation = Operation::PurgeCard;
                        records.push(AuditRecord::new(
                            now,
                            &actor,
                            operation,
                            card.card_id,
                            Outcome::Allowed,
                            "",
                        ));
                    }
                    store::audit::append_to(tx, head, &records).await?;
                    Ok::<_, VaultError>(due.len())
                })
            })
            .await
    }
}

/// Shortest retention that is taken: chargebacks come for half a year and longer.
pub(crate) const RETENTION_MIN: Duration = Duration::from_secs(180 * 24 * 60 * 60);
