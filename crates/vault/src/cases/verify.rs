//! A card number from the network becomes a card, and its expiry and CVV2 are checked.
//!
//! An unknown number and a wrong CVV2 cost the same: the same statements, a CVV2 computed either way, a proof signed
//! either way. Guesses at one number are judged one after another, and after five wrong ones in a day none is.

use bursar_card_data::{Cvv2, ExpiryYymm, Pan};
use bursar_service::db::Isolation;
use bursar_types::id::{CardId, Uuid};
use bursar_types::{ProofResult, Timestamp, TypedId as _};

use super::{CVV2_FAILURES_MAX, CVV2_WINDOW, Vault};
use crate::audit::{Actor, AuditRecord, Operation, Outcome};
use crate::error::VaultError;
use crate::keys::Fingerprint;
use crate::proof::{Payment, Proof, Statement};
use crate::store;
use crate::store::cards::StoredCard;
use crate::store::passwords::result_text;

/// Card data as it came from the network.
#[derive(Debug)]
pub(crate) struct CardQuestion {
    /// `None`: digits whose check digit is wrong, which are no card's.
    pub(crate) pan: Option<Pan>,
    /// `Some(None)`: digits that are no month.
    pub(crate) expiry: Option<Option<ExpiryYymm>>,
    pub(crate) cvv2: Option<Cvv2>,
    pub(crate) payment: Payment,
}

/// What the vault knows of it; `None` if it is no card of this vault.
pub(crate) struct CardAnswer {
    pub(crate) card_id: CardId,
    pub(crate) expiry: ProofResult,
    pub(crate) cvv2: ProofResult,
    pub(crate) proof: Proof,
}

impl Vault {
    /// Finds the card of a number and checks what came with it.
    pub(crate) async fn verify_card(
        &self,
        actor: &Actor,
        question: &CardQuestion,
    ) -> Result<Option<CardAnswer>, VaultError> {
        let now = self.now();
        let Some(pan) = &question.pan else {
            // Anyone can compute a check digit: that this answer is quicker tells nothing.
            let record =
                AuditRecord::new(now, actor, Operation::VerifyCard, "", Outcome::Refused, "check digit");
            let record = &record;
            self.db
                .write_at(Isolation::ReadCommitted, |tx| {
                    Box::pin(async move { store::audit::append(tx, record).await.map_err(VaultError::from) })
                })
                .await?;
            return Ok(None);
        };
        let fingerprint = self.keys.fingerprint(pan);
        let of_number = &fingerprint;
        let card = self
            .db
            .read(|tx| Box::pin(async move { store::cards::find_by_fingerprint(tx, of_number).await }))
            .await?;
        let expiry = match (&question.expiry, &card) {
            (None, _) => ProofResult::Absent,
            (Some(given), Some(card)) if *given == Some(card.expiry) => ProofResult::Match,
            _ => ProofResult::Mismatch,
        };
        let right = self.compare_cvv2(pan, card.as_ref(), question.cvv2.as_ref()).await?;
        let cvv2 = self.judge(actor, &fingerprint, card.as_ref(), expiry, right, now).await?;

        let statement = Statement { expiry, cvv2, ..Statement::NOTHING };
        let card_id = card.as_ref().map_or(CardId::from_uuid(Uuid::nil()), |card| card.card_id);
        let proof = self.proofs.sign(
            self.proofs.fresh_jti(),
            card_id,
            &question.payment,
            statement,
            self.proofs.now(),
        )?;
        Ok(card.map(|_| CardAnswer { card_id, expiry, cvv2, proof }))
    }

    /// Whether the CVV2 is the card's; computed for no card too, where it is never right.
    async fn compare_cvv2(
        &self,
        pan: &Pan,
        card: Option<&StoredCard>,
        given: Option<&Cvv2>,
    ) -> Result<Option<bool>, VaultError> {
        let Some(given) = given else { return Ok(None) };
        let (cvk, expiry) = match card {
            Some(card) => (self.cvk(card).await?, card.expiry),
            None => (
                self.keys.stand_in(),
                ExpiryYymm::new(2030, 1).map_err(|_| VaultError::Internal("a constant"))?,
            ),
        };
        let right = cvk.cvv2(pan, expiry) == *given;
        Ok(Some(right & card.is_some()))
    }

    /// Counts and records the guess, and only then says what came of it: a guess whose count is not durable has no
    /// answer.
    async fn judge(
        &self,
        actor: &Actor,
        fingerprint: &Fingerprint,
        card: Option<&StoredCard>,
        expiry: ProofResult,
        right: Option<bool>,
        now: Timestamp,
    ) -> Result<ProofResult, VaultError> {
        let subject = card.map(|card| card.card_id.to_string()).unwrap_or_default();
        let subject = subject.as_str();
        let cvv2 = self
            .db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move {
                    let cvv2 = match right {
                        None => ProofResult::Absent,
                        Some(right) => {
                            let mut failures = store::cvv2::lock(tx, &fingerprint.value, now).await?;
                            failures.retain(|failure| *failure > now.minus(CVV2_WINDOW));
                            if failures.len() >= CVV2_FAILURES_MAX {
                                ProofResult::Locked
                            } else if right {
                                ProofResult::Match
                            } else {
                                failures.push(now);
                                store::cvv2::keep(tx, &fingerprint.value, &failures).await?;
                                ProofResult::Mismatch
                            }
                        }
                    };
                    let good = card.is_some()
                        && expiry != ProofResult::Mismatch
                        && matches!(cvv2, ProofResult::Match | ProofResult::Absent);
                    let outcome = if good { Outcome::Allowed } else { Outcome::Refused };
                    let reason = match card {
                        Some(_) => format!("expiry {}, cvv2 {}", result_text(expiry), result_text(cvv2)),
                        None => "no card".to_owned(),
                    };
                    let record =
                        AuditRecord::new(now, actor, Operation::VerifyCard, subject, outcome, reason);
                    store::audit::append(tx, &record).await?;
                    Ok::<_, VaultError>(cvv2)
                })
            })
            .await?;
        if matches!(cvv2, ProofResult::Mismatch | ProofResult::Locked) {
            metrics::counter!("bursar_vault_cvv2_refusals_total").increment(1);
        }
        Ok(cvv2)
    }
}
