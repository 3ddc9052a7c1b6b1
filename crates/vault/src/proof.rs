//! Signed statements about one payment's card data, for the ledger.

use std::sync::Arc;
use std::time::Duration;

use bursar_service::token::{Grant, TokenSigner};
use bursar_types::id::CardId;
use bursar_types::{CARD_PROOF_AUDIENCE, CardProofClaims, Clock, IdSource, Money, ProofResult, Timestamp};

use crate::error::VaultError;

/// How long a proof is good: the time of one authorization.
pub(crate) const PROOF_LIFETIME: Duration = Duration::from_secs(60);

/// The payment a proof is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payment {
    pub(crate) amount: Money,
    pub(crate) merchant_id: String,
}

/// What a proof states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) expiry: ProofResult,
    pub(crate) cvv2: ProofResult,
    pub(crate) card_password: ProofResult,
}

impl Statement {
    /// That nothing was compared.
    pub(crate) const NOTHING: Self =
        Self { expiry: ProofResult::Absent, cvv2: ProofResult::Absent, card_password: ProofResult::Absent };
}

/// A proof and when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    pub(crate) token: String,
    pub(crate) expires_at: Timestamp,
}

/// Makes proofs.
#[derive(Clone, Debug)]
pub(crate) struct ProofSigner {
    signer: TokenSigner,
    /// The machine's clock: tokens live in real time, also where a sandbox moves the platform's.
    clock: Arc<dyn Clock>,
    ids: IdSource,
}

impl ProofSigner {
    pub(crate) fn new(signer: TokenSigner, clock: Arc<dyn Clock>, ids: IdSource) -> Self {
        Self { signer, clock, ids }
    }

    /// The moment proofs are issued at.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Signs a statement each about a card for a payment, as of now, with one signature over all.
    pub(crate) fn sign_all(
        &self,
        statements: &[(CardId, &Payment, Statement)],
    ) -> Result<Vec<Proof>, VaultError> {
        let claims: Vec<CardProofClaims> = statements
            .iter()
            .map(|(card, payment, statement)| claims(self.fresh_jti(), *card, payment, *statement))
            .collect();
        let issued_at = self.now();
        let grant = Grant { audience: CARD_PROOF_AUDIENCE, issued_at, lifetime: PROOF_LIFETIME };
        let tokens = self.signer.sign_all(&grant, &claims)?;
        let expires_at = end_of(issued_at);
        Ok(tokens.into_iter().map(|token| Proof { token, expires_at }).collect())
    }

    /// A fresh id of a proof.
    pub(crate) fn fresh_jti(&self) -> String {
        self.ids.next_uuid().to_string()
    }

    /// Signs `statement` about `card` for `payment`, as of `issued_at`.
    pub(crate) fn sign(
        &self,
        jti: String,
        card: CardId,
        payment: &Payment,
        statement: Statement,
        issued_at: Timestamp,
    ) -> Result<Proof, VaultError> {
        let claims = claims(jti, card, payment, statement);
        let grant = Grant { audience: CARD_PROOF_AUDIENCE, issued_at, lifetime: PROOF_LIFETIME };
        let token = self.signer.sign(&grant, &claims)?;
        Ok(Proof { token, expires_at: end_of(issued_at) })
    }
}

/// When a proof ends. The token counts whole seconds: so does what we say of it.
fn end_of(issued_at: Timestamp) -> Timestamp {
    Timestamp::from_micros(issued_at.as_seconds() * 1_000_000).plus(PROOF_LIFETIME)
}

fn claims(jti: String, card: CardId, payment: &Payment, statement: Statement) -> CardProofClaims {
    CardProofClaims {
        jti,
        card_id: card.to_string(),
        amount_minor: payment.amount.minor_units,
        asset: payment.amount.asset.code().to_owned(),
        merchant_id: payment.merchant_id.clone(),
        expiry: statement.expiry,
        cvv2: statement.cvv2,
        card_password: statement.card_password,
    }
}
