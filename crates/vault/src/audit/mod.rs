//! Who did what to which card, and what came of it: one record for each sensitive operation, allowed or refused.
//!
//! A record is written in the transaction of its effect, so that nothing happens unrecorded, and is a leaf of a Merkle
//! log (RFC 6962) from then on. Its body is protobuf with fields in their order. It holds no card data.
//!
//! [`notary`] signs what the log is; [`check`] is what anyone needs to hold the vault to it.

use bursar_proto::access::Identity;
use bursar_service::context::CallContext;
use bursar_transparency::{Hash, leaf_hash};
use bursar_types::Timestamp;
use bursar_types::id::CustomerId;
use prost::Message as _;

pub mod check;
pub(crate) mod notary;

/// The leaf that a record's body is.
pub(crate) fn leaf_of(body: &[u8]) -> Hash {
    leaf_hash(&[body])
}

/// On whose behalf something is done.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    /// Whose certificate the call came with.
    pub(crate) caller: Identity,
    /// The customer it was made for, if any.
    pub(crate) customer: Option<CustomerId>,
    /// The scope of the caller's request ids.
    pub(crate) principal: String,
}

impl Actor {
    /// The vault itself, for what it does unasked.
    pub(crate) fn vault() -> Self {
        Self { caller: Identity::Vault, customer: None, principal: "service/vault".to_owned() }
    }
}

impl From<&CallContext> for Actor {
    fn from(context: &CallContext) -> Self {
        Self {
            caller: context.caller,
            customer: context.customer.as_ref().map(|claims| claims.customer_id),
            principal: context.principal(),
        }
    }
}

/// What was done. The texts are stored and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    CreateBinRange,
    IssueCard,
    VerifyCard,
    VerifyCardPassword,
    SetCardPassword,
    CreateRevealTicket,
    RedeemRevealTicket,
    CreateKeys,
    RotateKey,
    RetireKey,
    Rewrap,
    Unseal,
    Seal,
    Rekey,
    CloseCard,
    PurgeCard,
}

impl Operation {
    /// As it is stored.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::CreateBinRange => "bin_range.create",
            Self::IssueCard => "card.issue",
            Self::VerifyCard => "card.verify",
            Self::VerifyCardPassword => "card_password.verify",
            Self::SetCardPassword => "card_password.set",
            Self::CreateRevealTicket => "reveal.create",
            Self::RedeemRevealTicket => "reveal.redeem",
            Self::CreateKeys => "keys.create",
            Self::RotateKey => "keys.rotate",
            Self::RetireKey => "keys.retire",
            Self::Rewrap => "keys.rewrap",
            Self::Unseal => "vault.unseal",
            Self::Seal => "vault.seal",
            Self::Rekey => "vault.rekey",
            Self::CloseCard => "card.close",
            Self::PurgeCard => "card.purge",
        }
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Allowed,
    Refused,
}

impl Outcome {
    /// As it is stored.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Refused => "refused",
        }
    }
}

/// A record, before it is written.
#[derive(Clone, Debug)]
pub(crate) struct AuditRecord {
    pub(crate) at: Timestamp,
    pub(crate) caller: &'static str,
    pub(crate) customer_id: String,
    pub(crate) operation: Operation,
    /// The card, range or ticket; empty where none is known.
    pub(crate) subject: String,
    pub(crate) outcome: Outcome,
    /// Why it was refused, or what the caller gave as purpose.
    pub(crate) reason: String,
}

/// The body whose bytes are hashed. Tags are for ever.
#[derive(Clone, PartialEq, prost::Message)]
struct Body {
    #[prost(int64, tag = "1")]
    at: i64,
    #[prost(string, tag = "2")]
    caller: String,
    #[prost(string, tag = "3")]
    customer_id: String,
    #[prost(string, tag = "4")]
    operation: String,
    #[prost(string, tag = "5")]
    subject: String,
    #[prost(string, tag = "6")]
    outcome: String,
    #[prost(string, tag = "7")]
    reason: String,
}

impl AuditRecord {
    /// The record of `operation` by `actor` on `subject`.
    pub(crate) fn new(
        at: Timestamp,
        actor: &Actor,
        operation: Operation,
        subject: impl std::fmt::Display,
        outcome: Outcome,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            at,
            caller: actor.caller.name(),
            customer_id: actor.customer.map(|id| id.to_string()).unwrap_or_default(),
            operation,
            subject: format!("{subject}"),
            outcome,
            reason: reason.into(),
        }
    }

    /// The canonical bytes.
    pub(crate) fn body(&self) -> Vec<u8> {
        let body = Body {
            at: self.at.as_micros(),
            caller: self.caller.to_owned(),
            customer_id: self.customer_id.clone(),
            operation: self.operation.as_str().to_owned(),
            subject: self.subject.clone(),
            outcome: self.outcome.as_str().to_owned(),
            reason: self.reason.clone(),
        };
        body.encode_to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_record_and_its_leaf_never_change() {
        let actor = Actor { caller: Identity::Ledger, customer: None, principal: "service/ledger".into() };
        let at = Timestamp::from_micros(300);
        let record = AuditRecord::new(at, &actor, Operation::IssueCard, "card_1", Outcome::Allowed, "");
        let body = record.body();
        assert_eq!(body, b"\x08\xac\x02\x12\x06ledger\x22\x0acard.issue\x2a\x06card_1\x32\x07allowed");
        assert_eq!(leaf_of(&body), crate::crypto::mac::sha256(&[&[0], &body]));
    }
}
