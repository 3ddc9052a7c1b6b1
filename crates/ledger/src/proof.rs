//! The vault's signed proof of a payment's card data, checked without asking the vault back.

use std::time::Duration;

use bursar_ledger_engine::{CvvResult, DeclineReason, PasswordResult, PinResult, Reference, Verification};
use bursar_service::Identity;
use bursar_service::token::{TokenVerifier, Verified};
use bursar_types::id::CardId;
use bursar_types::{CARD_PROOF_AUDIENCE, CardProofClaims, Clock, Money, ProofResult, Timestamp};

use crate::error::LedgerError;
use crate::journal::UsedProof;

/// Longest life of a proof: what was used is remembered as long, so it bounds the memory.
const LIFETIME_MAX: Duration = Duration::from_secs(15 * 60);

/// What a proof says about the payment it came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proven {
    /// The card.
    pub(crate) card: CardId,
    /// What was verified.
    pub(crate) verification: Verification,
    /// What declines the payment by itself and has no place in [`Verification`].
    pub(crate) outside: Option<DeclineReason>,
    /// The proof, to be used once.
    pub(crate) used: UsedProof,
    /// What was verified, in the order expiry, CVV2, card password: a part of the request's body.
    pub(crate) results: [ProofResult; 3],
}

/// Checks proofs.
#[derive(Clone, Debug)]
pub(crate) struct Proofs {
    pub(crate) tokens: TokenVerifier,
    pub(crate) clock: std::sync::Arc<dyn Clock>,
    pub(crate) machine_clock: std::sync::Arc<dyn Clock>,
}

impl Proofs {
    /// What `token` proves for a payment of `amount` at `merchant`.
    ///
    /// # Errors
    /// [`LedgerError::Proof`] if it is forged, past its time, or another payment's.
    pub(crate) fn check(&self, token: &str, amount: Money, merchant: &str) -> Result<Proven, LedgerError> {
        let machine = self.machine_clock.now();
        let verified = self
            .tokens
            .verify::<CardProofClaims>(token, Identity::Vault, CARD_PROOF_AUDIENCE, machine)
            .map_err(|error| {
                tracing::debug!(%error, "a card proof was refused");
                LedgerError::Proof("its signature, certificate, audience or lifetime is not good")
            })?;
        // Tokens live in the machine's time, the engine in the platform's, which a sandbox moves.
        let until = self.clock.now().plus(verified.expires_at.since(machine));
        read(verified, amount, merchant, until)
    }
}

fn read(
    verified: Verified<CardProofClaims>,
    amount: Money,
    merchant: &str,
    until: Timestamp,
) -> Result<Proven, LedgerError> {
    let Verified { claims, issued_at, expires_at } = verified;
    if expires_at.since(issued_at) > LIFETIME_MAX {
        return Err(LedgerError::Proof("it lives too long"));
    }
    if claims.amount_minor != amount.minor_units || claims.asset != amount.asset.code() {
        return Err(LedgerError::Proof("it is for another amount"));
    }
    if claims.merchant_id != merchant {
        return Err(LedgerError::Proof("it is for another merchant"));
    }
    let card = claims.card_id.parse().map_err(|_| LedgerError::Proof("it names no card"))?;
    let id = Reference::new(&claims.jti).ok().filter(|id| !id.is_empty());
    let id = id.ok_or(LedgerError::Proof("it has no id"))?;
    let cvv = match claims.cvv2 {
        ProofResult::Absent | ProofResult::NotSet => CvvResult::Absent,
        ProofResult::Match => CvvResult::Matched,
        ProofResult::Mismatch | ProofResult::Locked => CvvResult::Mismatched,
    };
    let password = match claims.card_password {
        ProofResult::Absent => PasswordResult::Absent,
        ProofResult::Match => PasswordResult::Verified { proof: id.clone(), valid_until: until },
        ProofResult::Mismatch => PasswordResult::Wrong,
        ProofResult::Locked => PasswordResult::Locked,
        ProofResult::NotSet => PasswordResult::Unverifiable,
    };
    let outside = match claims.expiry {
        ProofResult::Absent | ProofResult::Match => None,
        ProofResult::Mismatch | ProofResult::Locked | ProofResult::NotSet => {
            Some(DeclineReason::ExpiryMismatch)
        }
    };
    Ok(Proven {
        card,
        // The vault compared the expiry; the engine need not know which one came.
        verification: Verification { cvv, pin: PinResult::Absent, password, expiry: None },
        outside,
        used: UsedProof { id, until },
        results: [claims.expiry, claims.cvv2, claims.card_password],
    })
}

#[cfg(test)]
mod tests {
    use bursar_types::{Asset, TypedId as _};

    use super::*;

    fn verified() -> Verified<CardProofClaims> {
        Verified {
            claims: CardProofClaims {
                jti: "proof-1".into(),
                card_id: CardId::from_uuid(bursar_types::id::Uuid::from_u128(1)).to_string(),
                amount_minor: 500,
                asset: "CNY".into(),
                merchant_id: "M1".into(),
                expiry: ProofResult::Match,
                cvv2: ProofResult::Match,
                card_password: ProofResult::Absent,
            },
            issued_at: Timestamp::from_micros(0),
            expires_at: Timestamp::from_micros(60_000_000),
        }
    }

    fn check(
        verified: Verified<CardProofClaims>,
        minor_units: i64,
        merchant: &str,
    ) -> Result<Proven, LedgerError> {
        let amount = Money::new(minor_units, Asset::from_code("CNY").unwrap());
        read(verified, amount, merchant, Timestamp::from_micros(60_000_000))
    }

    #[test]
    fn a_proof_is_for_its_amount_and_merchant_only() {
        assert!(check(verified(), 500, "M1").is_ok());
        assert!(matches!(check(verified(), 501, "M1"), Err(LedgerError::Proof(_))));
        assert!(matches!(check(verified(), 500, "M2"), Err(LedgerError::Proof(_))));
        let mut eternal = verified();
        eternal.expires_at = Timestamp::from_micros(i64::MAX);
        assert!(matches!(check(eternal, 500, "M1"), Err(LedgerError::Proof(_))));
    }

    #[test]
    fn a_wrong_expiry_declines() {
        let mut wrong = verified();
        wrong.claims.expiry = ProofResult::Mismatch;
        assert_eq!(check(wrong, 500, "M1").unwrap().outside, Some(DeclineReason::ExpiryMismatch));
    }
}
