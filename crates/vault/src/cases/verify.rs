//! A card number from the network becomes a card, and its expiry and CVV2 are checked.
//!
//! An unknown number and a wrong CVV2 cost the same: the same statements, a CVV2 computed either way, a proof signed
//! either way. Guesses at one number are judged one after another, and after five wrong ones in a day none is. How:
//! [`crate::group`].

use std::sync::Arc;

use bursar_card_data::{Cvv2, ExpiryYymm, Pan};
use bursar_types::ProofResult;
use bursar_types::id::CardId;

use super::Vault;
use crate::audit::Actor;
use crate::error::VaultError;
use crate::group::{self, Done, VerifyJob};
use crate::proof::{Payment, Proof};

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
        question: CardQuestion,
    ) -> Result<Option<CardAnswer>, VaultError> {
        let keys = self.keys.ring()?;
        let fingerprint = question.pan.as_ref().map(|pan| keys.fingerprint(pan));
        let actor = Arc::new(actor.clone());
        let job = |done| VerifyJob { actor, question, keys, fingerprint, done };
        group::done(&self.queues.verify, job).await
    }

    /// As [`verify_card`](Self::verify_card); `done` takes the answer.
    pub(crate) fn begin_verify(
        &self,
        actor: Arc<Actor>,
        question: CardQuestion,
        done: Done<Option<CardAnswer>>,
    ) {
        let keys = match self.keys.ring() {
            Ok(keys) => keys,
            Err(error) => return done(Err(error.into())),
        };
        let fingerprint = question.pan.as_ref().map(|pan| keys.fingerprint(pan));
        let job = VerifyJob { actor, question, keys, fingerprint, done };
        if let Err(refused) = self.queues.verify.put(job) {
            (refused.done)(Err(VaultError::Overloaded));
        }
    }
}
