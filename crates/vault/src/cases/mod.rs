//! What the vault does, one use case a file.

mod issue;
mod password;
mod purge;
mod ranges;
mod reveal;
mod rotate;
mod seal;
#[cfg(test)]
mod tests;
mod upkeep;
mod verify;

use std::sync::Arc;
use std::time::Duration;

use bursar_service::db::{Db, Isolation, Tx};
use bursar_service::events::EventLog;
use bursar_types::id::CardId;
use bursar_types::{Clock, Entropy, Failure as _, IdSource, RequestId, Timestamp};
use tokio::sync::Notify;
use zeroize::Zeroizing;

pub(crate) use issue::{ISSUE, NewCard, message as card_message, sealed_card};
pub(crate) use password::PasswordTry;
pub(crate) use purge::RETENTION_MIN;
pub(crate) use reveal::NewReveal;
pub(crate) use rotate::REWRAP_BATCH;
pub(crate) use seal::{RootSource, Seal, Told, next_of, take_next};
pub(crate) use upkeep::EVERY;
pub(crate) use verify::{CardAnswer, CardQuestion};

use crate::audit::notary::Notary;
use crate::audit::{Actor, AuditRecord, Operation, Outcome};
use crate::error::VaultError;
use crate::group::Queues;
use crate::keys::{KeyRing, Keys, Purpose};
use crate::password_hash::PasswordHasher;
use crate::payment::cvv::Cvk;
use crate::proof::ProofSigner;
use crate::store;
use crate::store::cards::StoredCard;

/// Wrong card passwords in a row before the card's password is locked (NIST SP 800-63B-4 §3.2.10 allows ten).
pub(crate) const PASSWORD_TRIES_MAX: i64 = 5;
/// How long it is locked then.
pub(crate) const PASSWORD_LOCK: Duration = Duration::from_secs(24 * 60 * 60);
/// Wrong CVV2s of one number within [`CVV2_WINDOW`] before further ones are not compared: five guesses of a thousand.
pub(crate) const CVV2_FAILURES_MAX: usize = 5;
/// The time within which wrong CVV2s are counted.
pub(crate) const CVV2_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a reveal ticket lives.
pub(crate) const TICKET_LIFETIME: Duration = Duration::from_secs(60);
/// Reveal tickets of one card within [`TICKET_WINDOW`]: a person looks a few times, a program often.
pub(crate) const TICKETS_MAX: usize = 5;
/// The time within which a card's tickets are counted.
pub(crate) const TICKET_WINDOW: Duration = Duration::from_secs(10 * 60);

/// The vault. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Vault {
    pub(crate) db: Db,
    pub(crate) keys: Keys,
    pub(crate) hasher: PasswordHasher,
    pub(crate) proofs: ProofSigner,
    pub(crate) seal: Seal,
    /// Tells the loop that rewraps that there is something to do.
    pub(crate) rewrap_begun: Arc<Notify>,
    /// Records that are rewrapped in a second at most.
    pub(crate) rewrap_per_second: u32,
    /// How long after its end a card's secrets are kept.
    pub(crate) retention: Duration,
    pub(crate) queues: Queues,
    pub(crate) notary: Notary,
    pub(crate) events: EventLog,
    pub(crate) ids: IdSource,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl Vault {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether anything is answered at all.
    pub(crate) fn require_open(&self) -> Result<(), VaultError> {
        Ok(self.keys.ring().map(drop)?)
    }

    /// The digest by which a reuse of a request id is seen. Keyed: requests hold card passwords, which are few enough
    /// to be found from a plain digest by trying all.
    fn digest(ring: &KeyRing, method: &str, request_id: RequestId, parts: &[&[u8]]) -> [u8; 32] {
        let request_id = request_id.as_uuid().into_bytes();
        let mut all: Vec<&[u8]> = vec![method.as_bytes(), &request_id];
        all.extend_from_slice(parts);
        *ring.digest().sign("bursar/request-digest/v1", &all)
    }

    /// The pair of card verification keys of a range, from memory or, if another replica made it, from the database.
    pub(crate) async fn cvk(&self, ring: &KeyRing, card: &StoredCard) -> Result<Arc<Cvk>, VaultError> {
        if let Some(cvk) = ring.cvk(&card.range, card.cvk_version) {
            return Ok(cvk);
        }
        let (scope, version) = (card.range.as_str(), card.cvk_version);
        let row = self
            .db
            .read(|tx| Box::pin(async move { store::keys::find(tx, Purpose::Cvk, scope, version).await }))
            .await?
            .ok_or(VaultError::Corrupt("a card names card verification keys that do not exist"))?;
        Ok(ring.open_cvk(&row)?)
    }

    /// The card, if `actor`'s customer owns it.
    async fn own_card(tx: &mut Tx<'_>, actor: &Actor, card_id: CardId) -> Result<StoredCard, VaultError> {
        let card = store::cards::find(tx, card_id).await?.ok_or(VaultError::NotFound { what: "card" })?;
        if actor.customer == Some(card.customer_id) { Ok(card) } else { Err(VaultError::NotYours) }
    }

    /// The card, if `actor`'s customer owns it and it is not closed.
    async fn own_open_card(
        tx: &mut Tx<'_>,
        actor: &Actor,
        card_id: CardId,
    ) -> Result<StoredCard, VaultError> {
        let card = Self::own_card(tx, actor, card_id).await?;
        if card.closed { Err(VaultError::WrongState("the card is closed")) } else { Ok(card) }
    }

    /// Records a refusal, whose transaction was rolled back, in one of its own. If that cannot be written the caller is
    /// refused all the same, with the reason that nothing could be written.
    async fn audited<T>(
        &self,
        actor: &Actor,
        operation: Operation,
        subject: &str,
        outcome: Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        let Err(error) = outcome else { return outcome };
        if !error.is_refusal() {
            return Err(error);
        }
        let reason = error.reason().as_str();
        let record = AuditRecord::new(self.now(), actor, operation, subject, Outcome::Refused, reason);
        let record = &record;
        self.db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move { store::audit::append(tx, record).await.map_err(VaultError::from) })
            })
            .await?;
        Err(error)
    }
}

/// Bytes that are a secret until they are sent.
pub(crate) type SecretVec = Zeroizing<Vec<u8>>;
