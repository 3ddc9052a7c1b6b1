//! The card password: set by its holder, verified for one payment at a time.
//!
//! A try is counted and the count is durable before the password is compared; so no number of guesses at once, and no
//! crash in between, gets more of them judged than are allowed.

use std::sync::Arc;

use bursar_card_data::CardPassword;
use bursar_proto::vault::v1::{CardPasswordLocked, CardPasswordSet};
use bursar_service::db::{DbError, Isolation};
use bursar_service::events::NewEvent;
use bursar_service::idempotency::{self, Scope};
use bursar_types::id::{CardId, CustomerId};
use bursar_types::{ProofResult, RequestId, Timestamp, TypedId as _};
use subtle::ConstantTimeEq as _;

use super::{PASSWORD_LOCK, PASSWORD_TRIES_MAX, Vault};
use crate::audit::{Actor, AuditRecord, Operation, Outcome};
use crate::crypto::secret::random;
use crate::error::VaultError;
use crate::keys::KeyRing;
use crate::password_hash::{Admission, verifier};
use crate::payment::weakness::weakness;
use crate::proof::{Payment, Proof, Statement};
use crate::store;
use crate::store::passwords::{TryRow, Verifier, result_text};

/// Method names, as the scope of request ids has them.
const SET: &str = "SetCardPassword";
const VERIFY: &str = "VerifyCardPassword";

/// Longest time after the first answer that a repetition gets a fresh proof of it. Who repeats later gets the answer,
/// with a proof that has ended.
const REPEATABLE: std::time::Duration = std::time::Duration::from_secs(15 * 60);

/// A password to verify for a payment.
#[derive(Debug)]
pub(crate) struct PasswordTry {
    pub(crate) request_id: RequestId,
    pub(crate) card_id: CardId,
    /// Who pays: the card must be this customer's.
    pub(crate) customer_id: CustomerId,
    pub(crate) password: Arc<CardPassword>,
    pub(crate) payment: Payment,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct PasswordAnswer {
    pub(crate) result: ProofResult,
    pub(crate) tries_left: i64,
    pub(crate) proof: Proof,
}

/// How a try stands after the first transaction.
enum Begun {
    /// Known already, now or from an earlier call with this request id.
    Known { row: TryRow, result: ProofResult },
    /// Counted: the password may be compared.
    Counted { row: TryRow, verifier: Verifier, set_at: Timestamp, customer_id: CustomerId },
}

impl Vault {
    /// Sets the password of a customer's own card, or changes it.
    pub(crate) async fn set_card_password(
        &self,
        actor: &Actor,
        request_id: RequestId,
        card_id: CardId,
        password: Arc<CardPassword>,
    ) -> Result<(), VaultError> {
        let mut outcome = self.try_set(actor, request_id, card_id, &password).await;
        if let Err(VaultError::KeysChanged) = outcome {
            self.refresh_keys().await?;
            outcome = self.try_set(actor, request_id, card_id, &password).await;
        }
        self.audited(actor, Operation::SetCardPassword, &card_id.to_string(), outcome).await
    }

    async fn try_set(
        &self,
        actor: &Actor,
        request_id: RequestId,
        card_id: CardId,
        password: &Arc<CardPassword>,
    ) -> Result<(), VaultError> {
        // The owner first: nobody learns from another's card, not even that a password would be weak there.
        self.db
            .read(|tx| Box::pin(async move { Self::own_open_card(tx, actor, card_id).await.map(drop) }))
            .await?;
        if let Some(weakness) = weakness(password) {
            return Err(VaultError::WeakPassword(weakness));
        }
        let admission = self.hasher.admit()?;
        let salt: [u8; 16] = random();
        let stretched = self.hasher.stretch(&admission, password, salt).await?;
        let ring = self.keys.ring()?;
        let (pepper_version, pepper) = ring.pepper();
        let verifier = Verifier { pepper_version, salt, value: verifier(pepper, card_id, &stretched) };
        let (verifier, generation) = (&verifier, ring.generation());

        let now = self.now();
        let card = card_id.as_uuid().into_bytes();
        let digest = Self::digest(&ring, SET, request_id, &[&card, password.expose().as_bytes()]);
        let record = AuditRecord::new(now, actor, Operation::SetCardPassword, card_id, Outcome::Allowed, "");
        let record = &record;
        let scope = Scope { method: SET, principal: &actor.principal };
        self.db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move {
                    idempotency::once(tx, scope, request_id, digest, |tx| {
                        Box::pin(async move {
                            let head = store::audit::lock(tx).await?;
                            if head.keys() != generation {
                                return Err(VaultError::KeysChanged);
                            }
                            let card = Self::own_open_card(tx, actor, card_id).await?;
                            store::passwords::set(tx, card_id, verifier, now).await?;
                            let told = CardPasswordSet {
                                card_id: card_id.to_string(),
                                customer_id: card.customer_id.to_string(),
                            };
                            self.events
                                .publish(tx, NewEvent::new("vault.card_password.set", card_id, &told))?;
                            store::audit::append_to(tx, head, std::slice::from_ref(record)).await?;
                            Ok::<_, VaultError>(Vec::new())
                        })
                    })
                    .await
                    .map(drop)
                })
            })
            .await
    }

    /// Verifies a card password for one payment. A repetition with the same request id is not another try.
    pub(crate) async fn verify_card_password(
        &self,
        actor: &Actor,
        given: &PasswordTry,
    ) -> Result<PasswordAnswer, VaultError> {
        let outcome = self.try_verify(actor, given).await;
        self.audited(actor, Operation::VerifyCardPassword, &given.card_id.to_string(), outcome).await
    }

    async fn try_verify(&self, actor: &Actor, given: &PasswordTry) -> Result<PasswordAnswer, VaultError> {
        // The password may be under a key that another process made a moment ago.
        self.refresh_keys().await?;
        let ring = self.keys.ring()?;
        let admission = self.hasher.admit()?;
        let (row, result) = match self.begin_try(&ring, actor, given).await? {
            Begun::Known { row, result } => (row, result),
            Begun::Counted { row, verifier, set_at, customer_id } => {
                let right = self.compare(&ring, &admission, given, &verifier).await?;
                self.finish_try(actor, given, &row, set_at, customer_id, right).await?
            }
        };
        let statement = Statement { card_password: result, ..Statement::NOTHING };
        let now = self.proofs.now();
        let issued_at = if now.since(row.began_at) <= REPEATABLE { now } else { row.began_at };
        let proof = self.proofs.sign(row.jti, given.card_id, &given.payment, statement, issued_at)?;
        Ok(PasswordAnswer { result, tries_left: row.tries_left, proof })
    }

    /// Takes the request id and counts the try, durably.
    async fn begin_try(
        &self,
        ring: &KeyRing,
        actor: &Actor,
        given: &PasswordTry,
    ) -> Result<Begun, VaultError> {
        let card_id = given.card_id;
        let asset = given.payment.amount.asset.code();
        let digest = Self::digest(
            ring,
            VERIFY,
            given.request_id,
            &[
                &card_id.as_uuid().into_bytes(),
                &given.customer_id.as_uuid().into_bytes(),
                given.password.expose().as_bytes(),
                &given.payment.amount.minor_units.to_be_bytes(),
                asset.as_bytes(),
                given.payment.merchant_id.as_bytes(),
            ],
        );
        let fresh = TryRow {
            digest,
            jti: self.proofs.fresh_jti(),
            ordinal: 0,
            outcome: None,
            tries_left: 0,
            // Proofs live in the machine's time.
            began_at: self.proofs.now(),
        };
        let (fresh, now) = (&fresh, self.now());
        let (principal, request_id) = (actor.principal.as_str(), given.request_id);
        self.db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move {
                    let card = store::cards::find(tx, card_id)
                        .await?
                        .ok_or(VaultError::NotFound { what: "card" })?;
                    // Before anything is counted: nobody uses up the tries of another's card.
                    if card.customer_id != given.customer_id {
                        return Err(VaultError::NotYours);
                    }
                    let customer_id = card.customer_id;
                    if !store::passwords::claim_try(tx, principal, request_id, card_id, fresh).await? {
                        let row = store::passwords::find_try(tx, principal, request_id)
                            .await?
                            .ok_or(VaultError::Corrupt("a try that was claimed does not exist"))?;
                        if row.digest != fresh.digest {
                            return Err(DbError::RequestIdReused { method: VERIFY.to_owned() }.into());
                        }
                        if let Some(result) = row.outcome {
                            return Ok(Begun::Known { row, result });
                        }
                        // Counted, and the process died before it was compared, or another call compares it now. The
                        // same digits once more tell nothing new, so this is not another try.
                        let (verifier, set_at) = store::passwords::find(tx, card_id)
                            .await?
                            .ok_or(VaultError::Corrupt("a counted try of a card without a password"))?;
                        return Ok(Begun::Counted { row, verifier, set_at, customer_id });
                    }
                    store::passwords::end_lock(tx, card_id, now).await?;
                    let until = now.plus(PASSWORD_LOCK);
                    if let Some(counted) =
                        store::passwords::count_try(tx, card_id, PASSWORD_TRIES_MAX, until).await?
                    {
                        store::passwords::number_try(tx, principal, request_id, counted.ordinal).await?;
                        let row = TryRow { ordinal: counted.ordinal, ..fresh.clone() };
                        let (verifier, set_at) = (counted.verifier, counted.set_at);
                        return Ok(Begun::Counted { row, verifier, set_at, customer_id });
                    }
                    let result = if card.password_set { ProofResult::Locked } else { ProofResult::NotSet };
                    store::passwords::finish_try(tx, principal, request_id, result, 0).await?;
                    let record = AuditRecord::new(
                        now,
                        actor,
                        Operation::VerifyCardPassword,
                        card_id,
                        Outcome::Refused,
                        result_text(result),
                    );
                    store::audit::append(tx, &record).await?;
                    Ok(Begun::Known { row: fresh.clone(), result })
                })
            })
            .await
    }

    async fn compare(
        &self,
        ring: &KeyRing,
        admission: &Admission,
        given: &PasswordTry,
        stored: &Verifier,
    ) -> Result<bool, VaultError> {
        let unknown = VaultError::Corrupt("a card password names a pepper that does not exist");
        let pepper = ring.pepper_of(stored.pepper_version).ok_or(unknown)?;
        let stretched = self.hasher.stretch(admission, &given.password, stored.salt).await?;
        Ok(verifier(pepper, given.card_id, &stretched).ct_eq(&stored.value).into())
    }

    /// Notes what came of a counted try; if another call with the same request id was faster, what that one noted.
    async fn finish_try(
        &self,
        actor: &Actor,
        given: &PasswordTry,
        begun: &TryRow,
        set_at: Timestamp,
        customer_id: CustomerId,
        right: bool,
    ) -> Result<(TryRow, ProofResult), VaultError> {
        let (card_id, request_id) = (given.card_id, given.request_id);
        let principal = actor.principal.as_str();
        let now = self.now();
        let (result, tries_left) = if right {
            (ProofResult::Match, PASSWORD_TRIES_MAX)
        } else {
            (ProofResult::Mismatch, PASSWORD_TRIES_MAX.saturating_sub(begun.ordinal).max(0))
        };
        self.db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move {
                    if !store::passwords::finish_try(tx, principal, request_id, result, tries_left).await? {
                        let row = store::passwords::find_try(tx, principal, request_id).await?;
                        let noted = row.and_then(|row| row.outcome.map(|outcome| (row, outcome)));
                        return noted.ok_or(VaultError::Corrupt("a try that was noted has no outcome"));
                    }
                    if right {
                        store::passwords::reset_tries(tx, card_id, set_at).await?;
                    } else if begun.ordinal == PASSWORD_TRIES_MAX {
                        let told = CardPasswordLocked {
                            card_id: card_id.to_string(),
                            customer_id: customer_id.to_string(),
                        };
                        self.events
                            .publish(tx, NewEvent::new("vault.card_password.locked", card_id, &told))?;
                    }
                    let outcome = if right { Outcome::Allowed } else { Outcome::Refused };
                    let operation = Operation::VerifyCardPassword;
                    let record =
                        AuditRecord::new(now, actor, operation, card_id, outcome, result_text(result));
                    store::audit::append(tx, &record).await?;
                    Ok((TryRow { outcome: Some(result), tries_left, ..begun.clone() }, result))
                })
            })
            .await
    }
}
