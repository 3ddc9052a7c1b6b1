//! What shops and the network say, as messages of ISO 8583:1987.

use bursar_iso8583::{EncodeError, Message, Mti, Profile};
use bursar_proto::ledger::v1::{Merchant, NetworkReference};
use bursar_types::Money;
use zeroize::Zeroizing;

/// The acquirer that is played.
pub(crate) const SANDBOX_ACQUIRER: &str = "990099";

/// A card as a shop has it.
pub(crate) struct Card {
    pub(crate) pan: Zeroizing<String>,
    /// `YYMM`; empty: not given.
    pub(crate) expiry: String,
    /// Empty: not given.
    pub(crate) cvv2: Zeroizing<String>,
}

/// A purchase as a shop asks for it.
pub(crate) struct Purchase {
    pub(crate) amount: Money,
    pub(crate) merchant: Merchant,
    pub(crate) partial_allowed: bool,
    /// `MMDDhhmmss`, trace number and retrieval reference.
    pub(crate) network: NetworkReference,
}

/// Makes messages of a profile.
pub(super) struct Maker<'a> {
    pub(super) profile: &'a Profile,
    pub(super) card: &'a Card,
}

impl Maker<'_> {
    fn begin(&self, mti: [u8; 4], purchase: &Purchase, code: &str) -> Result<Message, EncodeError> {
        let mti = Mti::from_digits(mti).ok_or(EncodeError {
            place: bursar_iso8583::Place::Mti,
            fault: bursar_iso8583::Fault::BadCharacter,
        })?;
        let mut message = self.profile.message(mti);
        let Purchase { amount, merchant, network, .. } = purchase;
        let currency = amount.asset.numeric().unwrap_or_default();
        let name: String = merchant.name.chars().filter(char::is_ascii).take(25).collect();
        message.set(2, self.card.pan.as_bytes())?;
        message.set(3, code)?;
        message.set_amount(4, u64::try_from(amount.minor_units).unwrap_or_default())?;
        message.set(7, &network.transmission_time)?;
        message.set(11, &network.stan)?;
        if !self.card.expiry.is_empty() {
            message.set(14, &self.card.expiry)?;
        }
        message.set(18, &merchant.mcc)?;
        // Typed in by the customer, electronic commerce.
        message.set(22, "812")?;
        message.set(25, "59")?;
        message.set(32, &network.acquirer_id)?;
        message.set(37, &network.rrn)?;
        message.set(41, "SANDBOX1")?;
        message.set(42, format!("{:<15}", merchant.merchant_id))?;
        message.set(43, format!("{name:<25}{:<13}{:2}", "Beijing", merchant.country))?;
        message.set(49, format!("{currency:03}"))?;
        Ok(message)
    }

    /// 0100, or 0200 of what is to be paid at once.
    pub(super) fn purchase(&self, purchase: &Purchase, capture: bool) -> Result<Message, EncodeError> {
        let mut message = self.begin(if capture { *b"0200" } else { *b"0100" }, purchase, "000000")?;
        if purchase.partial_allowed {
            message.set(60, "1")?;
        }
        if !self.card.cvv2.is_empty() {
            self.profile.set_cvv2(&mut message, self.card.cvv2.as_bytes())?;
        }
        Ok(message)
    }

    /// 0400 of what `original` asked for; `remaining` stays.
    pub(super) fn reversal(
        &self,
        purchase: &Purchase,
        original: &NetworkReference,
        captured: bool,
        remaining: Option<u64>,
    ) -> Result<Message, EncodeError> {
        let mut message = self.begin(*b"0400", purchase, "000000")?;
        message.set(90, data(if captured { "0200" } else { "0100" }, original))?;
        if let Some(remaining) = remaining {
            message.set(95, format!("{remaining:012}{:030}", 0))?;
        }
        Ok(message)
    }

    /// 0220 of what `original` asked for; more parts may follow.
    pub(super) fn clearing(
        &self,
        purchase: &Purchase,
        original: &NetworkReference,
        code: &str,
        more: bool,
    ) -> Result<Message, EncodeError> {
        let mut message = self.begin(*b"0220", purchase, "000000")?;
        message.set(90, data("0100", original))?;
        if !code.is_empty() {
            message.set(38, code)?;
        }
        if more {
            message.set(60, "2")?;
        }
        Ok(message)
    }

    /// 0200 that gives back.
    pub(super) fn refund(&self, purchase: &Purchase) -> Result<Message, EncodeError> {
        self.begin(*b"0200", purchase, "200000")
    }
}

/// Field 90.
fn data(mti: &str, original: &NetworkReference) -> String {
    let NetworkReference { stan, transmission_time, acquirer_id, .. } = original;
    format!("{mti}{stan:0>6}{transmission_time:0>10}{acquirer_id:0>11}{:0>11}", "")
}
