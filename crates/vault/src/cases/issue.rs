//! A card gets its number.

use bursar_card_data::{ExpiryYymm, Pan};
use bursar_proto::vault::v1::{CardNumberIssued, CardSummary, IssueCardRequest, IssueCardResponse};
use bursar_service::db::{Isolation, Tx};
use bursar_service::events::NewEvent;
use bursar_service::idempotency::{self, Scope};
use bursar_types::RequestId;
use bursar_types::id::{CardId, CustomerId};
use prost::Message as _;

use super::Vault;
use crate::audit::{Actor, AuditRecord, Operation, Outcome};
use crate::crypto::record::{self, Field, Keks as _, RecordId, SOLE_TENANT, SealedRecord};
use crate::error::VaultError;
use crate::group::{self, IssueJob};
use crate::keys::{Fingerprint, KeyRing};
use crate::payment::allocate;
use crate::payment::range::{BinRangeId, RangeShape};
use crate::store;
use crate::store::audit::Head;
use crate::store::cards::StoredCard;

/// Method name, as the scope of request ids has it.
pub(crate) const ISSUE: &str = "IssueCard";
/// Version of the pair of card verification keys that new cards use, until they can be rotated.
const CVK_VERSION: u32 = 1;
/// Version of a record that was never rewritten.
const FIRST_RECORD: i64 = 1;
/// Two calls for the same card may meet once; the second then finds the first's card.
const MEETINGS_MAX: u32 = 3;

/// A card that wants a number.
#[derive(Clone, Debug)]
pub(crate) struct NewCard {
    pub(crate) card_id: CardId,
    pub(crate) customer_id: CustomerId,
    pub(crate) range: BinRangeId,
    pub(crate) expiry: ExpiryYymm,
}

/// A card as the contract shows it.
pub(crate) fn message(card: &StoredCard) -> CardSummary {
    CardSummary {
        card_id: card.card_id.to_string(),
        customer_id: card.customer_id.to_string(),
        masked_pan: card.masked_pan.clone(),
        expiry_month: card.expiry.month(),
        expiry_year: card.expiry.year(),
        password_set: card.password_set,
    }
}

/// What came of one transaction.
enum Issued {
    Done(IssueCardResponse),
    /// Another call gave this card its number at the same time: look again.
    Met,
}

/// Rolls a transaction back without being a failure.
enum Stop {
    Met,
    Failed(VaultError),
}

impl<E: Into<VaultError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Vault {
    /// Gives a card a number of its range. The same card asked for again gives the same number; with other particulars
    /// it is refused.
    pub(crate) async fn issue_card(
        &self,
        actor: &Actor,
        request_id: RequestId,
        request: &IssueCardRequest,
        wanted: &NewCard,
    ) -> Result<IssueCardResponse, VaultError> {
        let digest = idempotency::body_digest(request);
        let (actor, wanted) = (actor.clone(), wanted.clone());
        group::done(&self.queues.issue, |done| IssueJob { actor, request_id, digest, wanted, done }).await
    }

    /// As [`issue_card`](Self::issue_card), in a transaction of its own.
    pub(crate) async fn issue_alone(
        &self,
        actor: &Actor,
        request_id: RequestId,
        digest: [u8; 32],
        wanted: &NewCard,
    ) -> Result<IssueCardResponse, VaultError> {
        let mut outcome = Ok(Issued::Met);
        for _ in 0..MEETINGS_MAX {
            outcome = self.try_issue(actor, request_id, digest, wanted).await;
            if !matches!(outcome, Ok(Issued::Met)) {
                break;
            }
        }
        let outcome = outcome.and_then(|issued| match issued {
            Issued::Done(response) => Ok(response),
            Issued::Met => Err(VaultError::Corrupt("a card that another call makes does not appear")),
        });
        self.audited(actor, Operation::IssueCard, &wanted.card_id.to_string(), outcome).await
    }

    async fn try_issue(
        &self,
        actor: &Actor,
        request_id: RequestId,
        digest: [u8; 32],
        wanted: &NewCard,
    ) -> Result<Issued, VaultError> {
        let ring = self.keys.ring()?;
        let ring = &*ring;
        let scope = Scope { method: ISSUE, principal: &actor.principal };
        // Every decision below is one statement's own: a unique key, or a row that is read and never changed. So the
        // cheaper isolation is enough, and cards issued at once do not make each other start again.
        let outcome = self
            .db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move {
                    // Groups take the end of the audit log first, too: so neither waits for the other for ever.
                    let head = store::audit::lock(tx).await?;
                    if head.keys() != ring.generation() {
                        return Err(VaultError::KeysChanged.into());
                    }
                    let response = idempotency::once(tx, scope, request_id, digest, |tx| {
                        Box::pin(async move {
                            let card = self.card_with_number(tx, ring, head, actor, wanted).await?;
                            Ok::<_, Stop>(IssueCardResponse { card: Some(message(&card)) }.encode_to_vec())
                        })
                    });
                    let response = response.await?;
                    IssueCardResponse::decode(response.as_slice())
                        .map_err(|_| VaultError::Corrupt("a stored response of IssueCard").into())
                })
            })
            .await;
        match outcome {
            Ok(response) => Ok(Issued::Done(response)),
            Err(Stop::Met) => Ok(Issued::Met),
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    async fn card_with_number(
        &self,
        tx: &mut Tx<'_>,
        ring: &KeyRing,
        head: Head,
        actor: &Actor,
        wanted: &NewCard,
    ) -> Result<StoredCard, Stop> {
        if let Some(card) = store::cards::find(tx, wanted.card_id).await? {
            let same = card.customer_id == wanted.customer_id
                && card.range == wanted.range
                && card.expiry == wanted.expiry;
            return if same { Ok(card) } else { Err(VaultError::Exists { what: "card" }.into()) };
        }
        let now = self.now();
        let shape = store::ranges::shape(tx, &wanted.range)
            .await?
            .ok_or(VaultError::NotFound { what: "BIN range" })?;
        let (pan, fingerprint) = self.free_number(tx, ring, wanted, &shape).await?;
        let (card, sealed) = sealed_card(ring, wanted, &pan);
        let (kek_version, _) = ring.active();
        if !store::cards::insert(tx, &card, &sealed, kek_version, now).await? {
            return Err(Stop::Met);
        }
        store::ranges::count_issued(tx, &wanted.range, fingerprint.value[0], 1).await?;
        let told = CardNumberIssued {
            card_id: wanted.card_id.to_string(),
            customer_id: wanted.customer_id.to_string(),
            bin_range_id: wanted.range.to_string(),
        };
        self.events.publish(tx, NewEvent::new("vault.card.issued", wanted.card_id, &told))?;
        let record = AuditRecord::new(now, actor, Operation::IssueCard, wanted.card_id, Outcome::Allowed, "");
        store::audit::append_to(tx, head, &[record]).await?;
        Ok(card)
    }

    /// Draws numbers until one is free, and takes it.
    async fn free_number(
        &self,
        tx: &mut Tx<'_>,
        ring: &KeyRing,
        wanted: &NewCard,
        shape: &RangeShape,
    ) -> Result<(Pan, Fingerprint), VaultError> {
        let mut drawn = 0_u64;
        for account in allocate::candidates(shape, &*self.entropy) {
            drawn += 1;
            let pan = shape.number(account);
            let fingerprint = ring.fingerprint(&pan);
            if store::cards::claim_number(tx, &fingerprint, wanted.card_id).await? {
                if drawn > allocate::DRAWS_MAX {
                    tracing::warn!(bin_range = %wanted.range, drawn, "the BIN range is nearly full: create another");
                }
                return Ok((pan, fingerprint));
            }
        }
        Err(VaultError::RangeExhausted { range: wanted.range.to_string() })
    }

    /// What may be known of a card.
    pub(crate) async fn card(&self, card_id: CardId) -> Result<CardSummary, VaultError> {
        self.keys.ring()?;
        let card = self.db.read(|tx| Box::pin(async move { store::cards::find(tx, card_id).await })).await?;
        card.as_ref().map(message).ok_or(VaultError::NotFound { what: "card" })
    }
}

/// The row of a new card: its number sealed under a data key of its own.
pub(crate) fn sealed_card(ring: &KeyRing, wanted: &NewCard, pan: &Pan) -> (StoredCard, SealedRecord) {
    let id = RecordId { tenant: SOLE_TENANT, card: wanted.card_id, field: Field::Pan, version: FIRST_RECORD };
    let sealed = record::seal(ring, &id, pan.expose().as_bytes());
    let card = StoredCard {
        card_id: wanted.card_id,
        customer_id: wanted.customer_id,
        range: wanted.range.clone(),
        masked_pan: pan.masked().to_string(),
        expiry: wanted.expiry,
        cvk_version: CVK_VERSION,
        record_version: FIRST_RECORD,
        password_set: false,
        closed: false,
    };
    (card, sealed)
}
