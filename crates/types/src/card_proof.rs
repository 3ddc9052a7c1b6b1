//! What the vault states about one payment's card data, signed, for the ledger to check without asking it back.

use serde::{Deserialize, Serialize};

/// The audience of a card proof: nobody but the ledger takes one.
pub const CARD_PROOF_AUDIENCE: &str = "bursar/ledger";

/// What came of comparing one thing the payer gave with what the vault knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ProofResult {
    /// It was not in the message.
    Absent,
    /// It is right.
    Match,
    /// It is wrong.
    Mismatch,
    /// Too many wrong ones came: it was not compared.
    Locked,
    /// The card has none.
    NotSet,
}

/// The claims of a card proof. Issue time, expiry and audience ([`CARD_PROOF_AUDIENCE`]) are the token's envelope.
///
/// A proof is good for this card, this amount at this merchant, once. It carries no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardProofClaims {
    /// Id of the proof: it serves once. At most 64 characters.
    pub jti: String,
    /// The card (`card_…`).
    pub card_id: String,
    /// Amount in the asset's minor units.
    pub amount_minor: i64,
    /// Asset of the amount.
    pub asset: String,
    /// Merchant's id at its acquirer (ISO 8583 DE42).
    pub merchant_id: String,
    /// The expiry: `ABSENT`, `MATCH` or `MISMATCH`.
    pub expiry: ProofResult,
    /// The CVV2: `ABSENT`, `MATCH`, `MISMATCH` or `LOCKED`.
    pub cvv2: ProofResult,
    /// The card password: any.
    pub card_password: ProofResult,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_is_the_agreed_one() {
        let claims = CardProofClaims {
            jti: "p-1".into(),
            card_id: "card_x".into(),
            amount_minor: 31_240,
            asset: "CNY".into(),
            merchant_id: "M1".into(),
            expiry: ProofResult::Match,
            cvv2: ProofResult::Absent,
            card_password: ProofResult::NotSet,
        };
        let json = serde_json::to_string(&claims).unwrap();
        assert_eq!(
            json,
            r#"{"jti":"p-1","card_id":"card_x","amount_minor":31240,"asset":"CNY","merchant_id":"M1","expiry":"MATCH","cvv2":"ABSENT","card_password":"NOT_SET"}"#
        );
        assert_eq!(serde_json::from_str::<CardProofClaims>(&json).unwrap(), claims);
    }
}
