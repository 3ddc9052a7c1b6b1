//! A cardholder sees the card's details, once for each ticket, encrypted to the device that asked.

use std::time::Duration;

use bursar_card_data::Pan;
use bursar_proto::vault::v1::{CardRevealed, RevealedCard};
use bursar_service::db::Isolation;
use bursar_service::events::NewEvent;
use bursar_service::idempotency::{self, Scope};
use bursar_types::id::{CardId, CustomerId, RevealTicketId};
use bursar_types::{RequestId, Timestamp, TypedId as _};
use prost::Message as _;
use zeroize::{Zeroize as _, Zeroizing};

use super::{SecretVec, TICKET_LIFETIME, TICKET_WINDOW, TICKETS_MAX, Vault};
use crate::audit::{Actor, AuditRecord, Operation, Outcome};
use crate::crypto::mac::sha256;
use crate::crypto::record::{self, Field, RecordId, SOLE_TENANT, SealedRecord};
use crate::crypto::reveal::{DeviceKey, Revealed};
use crate::error::VaultError;
use crate::keys::KeyRing;
use crate::store;
use crate::store::cards::StoredCard;
use crate::store::tickets::{Claim, NewTicket, Redeemed};

const CREATE: &str = "CreateRevealTicket";

/// What a ticket is asked for.
#[derive(Debug)]
pub(crate) struct NewReveal {
    pub(crate) request_id: RequestId,
    pub(crate) card_id: CardId,
    pub(crate) device_public_key: Vec<u8>,
    pub(crate) purpose: String,
}

/// A ticket, with the secret that is told once.
#[derive(Debug)]
pub(crate) struct RevealTicket {
    pub(crate) ticket_id: RevealTicketId,
    pub(crate) secret: SecretVec,
    pub(crate) expires_at: Timestamp,
}

impl Vault {
    /// Makes a ticket for an own card.
    pub(crate) async fn create_reveal_ticket(
        &self,
        actor: &Actor,
        customer: CustomerId,
        wanted: &NewReveal,
    ) -> Result<RevealTicket, VaultError> {
        let outcome = self.try_create_ticket(actor, customer, wanted).await;
        self.audited(actor, Operation::CreateRevealTicket, &wanted.card_id.to_string(), outcome).await
    }

    async fn try_create_ticket(
        &self,
        actor: &Actor,
        customer: CustomerId,
        wanted: &NewReveal,
    ) -> Result<RevealTicket, VaultError> {
        let now = self.now();
        let ticket_id: RevealTicketId = self.ids.next();
        let ring = self.keys.ring()?;
        let digest = Self::digest(
            &ring,
            CREATE,
            wanted.request_id,
            &[&wanted.card_id.as_uuid().into_bytes(), &wanted.device_public_key, wanted.purpose.as_bytes()],
        );
        let ticket = NewTicket {
            ticket_id,
            card_id: wanted.card_id,
            customer_id: customer,
            caller: actor.caller.name(),
            device_public_key: wanted.device_public_key.clone(),
            purpose: wanted.purpose.clone(),
            secret_hash: sha256(&[ticket_secret(&ring, ticket_id).as_slice()]),
            created_at: now,
            expires_at: now.plus(TICKET_LIFETIME),
        };
        let operation = Operation::CreateRevealTicket;
        let record =
            AuditRecord::new(now, actor, operation, wanted.card_id, Outcome::Allowed, &wanted.purpose);
        let (ticket, record) = (&ticket, &record);
        let scope = Scope { method: CREATE, principal: &actor.principal };
        let noted = self
            .db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move {
                    idempotency::once(tx, scope, wanted.request_id, digest, |tx| {
                        Box::pin(async move {
                            // Who has the end of the log counts alone.
                            let head = store::audit::lock(tx).await?;
                            Self::own_open_card(tx, actor, wanted.card_id).await?;
                            let since = now.minus(TICKET_WINDOW);
                            let limit = i64::try_from(TICKETS_MAX).unwrap_or(i64::MAX);
                            let made = store::tickets::made_since(tx, wanted.card_id, since, limit).await?;
                            if let (true, Some(first)) = (made.len() >= TICKETS_MAX, made.first()) {
                                let retry_after =
                                    first.plus(TICKET_WINDOW).since(now).max(Duration::from_secs(1));
                                return Err(VaultError::RateLimited { retry_after });
                            }
                            store::tickets::insert(tx, ticket).await?;
                            store::audit::append_to(tx, head, std::slice::from_ref(record)).await?;
                            Ok::<_, VaultError>(note(ticket))
                        })
                    })
                    .await
                })
            })
            .await?;
        // A repetition gets the first call's ticket; its secret is made again rather than stored.
        let (ticket_id, expires_at) = read_note(&noted).ok_or(VaultError::Corrupt("the note of a ticket"))?;
        Ok(RevealTicket {
            ticket_id,
            secret: Zeroizing::new(ticket_secret(&ring, ticket_id).to_vec()),
            expires_at,
        })
    }

    /// Uses a ticket up and gives the details, encrypted to its device.
    ///
    /// The ticket is spent, audited and told before anything is decrypted: who loses the answer asks for another ticket.
    pub(crate) async fn redeem_reveal_ticket(
        &self,
        actor: &Actor,
        customer: CustomerId,
        ticket_id: RevealTicketId,
        secret: &[u8],
    ) -> Result<Revealed, VaultError> {
        // The record may be under a key that another process made a moment ago.
        self.refresh_keys().await?;
        let ring = self.keys.ring()?;
        let claim = Claim {
            ticket_id,
            customer_id: customer,
            caller: actor.caller.name(),
            secret_hash: sha256(&[secret]),
        };
        let (claim, now) = (&claim, self.now());
        let spent = self
            .db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move {
                    let operation = Operation::RedeemRevealTicket;
                    let Some(ticket) = store::tickets::redeem(tx, claim, now).await? else {
                        let why = store::tickets::why_not(tx, claim, now).await?;
                        let record =
                            AuditRecord::new(now, actor, operation, ticket_id, Outcome::Refused, why);
                        store::audit::append(tx, &record).await?;
                        return Ok::<_, VaultError>(None);
                    };
                    let card = Self::own_open_card(tx, actor, ticket.card_id).await?;
                    let sealed = store::cards::sealed_pan(tx, ticket.card_id)
                        .await?
                        .ok_or(VaultError::Corrupt("a card without a sealed number"))?;
                    let told = CardRevealed {
                        card_id: card.card_id.to_string(),
                        customer_id: card.customer_id.to_string(),
                        purpose: ticket.purpose.clone(),
                    };
                    self.events.publish(tx, NewEvent::new("vault.card.revealed", card.card_id, &told))?;
                    let purpose = ticket.purpose.as_str();
                    let record =
                        AuditRecord::new(now, actor, operation, card.card_id, Outcome::Allowed, purpose);
                    store::audit::append(tx, &record).await?;
                    Ok(Some((ticket, card, sealed)))
                })
            })
            .await?;
        let (ticket, card, sealed) = spent.ok_or(VaultError::TicketInvalid)?;
        self.encrypt_details(&ring, ticket_id, &ticket, &card, &sealed).await
    }

    /// The only place where a card number is decrypted.
    async fn encrypt_details(
        &self,
        ring: &KeyRing,
        ticket_id: RevealTicketId,
        ticket: &Redeemed,
        card: &StoredCard,
        sealed: &SealedRecord,
    ) -> Result<Revealed, VaultError> {
        let damaged = VaultError::Corrupt;
        let device =
            DeviceKey::parse(&ticket.device_public_key).map_err(|_| damaged("a ticket's device key"))?;
        let id = RecordId {
            tenant: SOLE_TENANT,
            card: card.card_id,
            field: Field::Pan,
            version: card.record_version,
        };
        let clear = record::open(ring, &id, sealed)?;
        let pan = std::str::from_utf8(&clear)
            .ok()
            .and_then(|text| Pan::parse(text).ok())
            .ok_or(damaged("a sealed card number is none"))?;
        let cvv2 = self.cvk(ring, card).await?.cvv2(&pan, card.expiry);
        let mut details = RevealedCard {
            pan: pan.expose().to_owned(),
            expiry: card.expiry.to_string(),
            cvv2: cvv2.expose().to_owned(),
        };
        // Of its final size from the start: a buffer that grows leaves a copy behind.
        let mut plaintext = Zeroizing::new(Vec::with_capacity(details.encoded_len()));
        let encoded = details.encode(&mut *plaintext);
        details.pan.zeroize();
        details.cvv2.zeroize();
        encoded.map_err(|_| VaultError::Internal("encoding"))?;
        device
            .seal(&plaintext, ticket_id.to_string().as_bytes())
            .map_err(|_| VaultError::Internal("encryption to a device key that was tried out before"))
    }
}

/// The secret of a ticket: only this vault can make it, and it lies nowhere.
fn ticket_secret(ring: &KeyRing, ticket_id: RevealTicketId) -> Zeroizing<[u8; 32]> {
    ring.ticket().sign("bursar/reveal-ticket/v1", &[&ticket_id.as_uuid().into_bytes()])
}

/// What is kept of a ticket under its request id: no secret.
fn note(ticket: &NewTicket) -> Vec<u8> {
    let mut bytes = ticket.ticket_id.as_uuid().into_bytes().to_vec();
    bytes.extend_from_slice(&ticket.expires_at.as_micros().to_be_bytes());
    bytes
}

fn read_note(bytes: &[u8]) -> Option<(RevealTicketId, Timestamp)> {
    let (id, expires_at) = bytes.split_first_chunk::<16>()?;
    let expires_at = i64::from_be_bytes(expires_at.try_into().ok()?);
    let id = RevealTicketId::from_uuid(bursar_types::id::Uuid::from_bytes(*id));
    Some((id, Timestamp::from_micros(expires_at)))
}
