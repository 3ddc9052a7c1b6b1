//! Cards.

use bursar_ledger_engine::{
    Card, CardExpiry, CardFreeze, CardStage, CardStatus, CardTransition, CloseReason, Replaces, RequestCard,
};

use crate::wire::{Fields, Raw, Wire, WireError, message, numbers, oneof, put_nested};

numbers! {
    CloseReason {
        1 Lost, 2 Stolen, 3 Compromised, 4 Replaced, 5 Expired, 6 CustomerRequest, 7 IssuerRequest, 8 IssueFailed,
        9 SingleUse,
    }
}

oneof! {
    CardStage { 1 Issuing, 2 PendingActivation, 3 Active, 4 Closed(reason) }
    CardStatus { 1 Issuing, 2 PendingActivation, 3 Active, 4 Frozen, 5 Closed(reason) }
}

message! {
    CardFreeze { 1 holder, 2 reason, 3 at }
    Card {
        1 id, 2 product, 3 product_version, 4 account, 5 customer, 6 stage, 7 freezes, 8 masked_pan, 9 expiry,
        10 single_use, 11 merchant_lock, 12 requested_at, 13 transitions, 14 root, 15 replaces, 16 replaced_by,
    }
    CardTransition { 1 card, 2 sequence, 3 from, 4 to, 5 freeze, 6 reason, 7 channel, 8 actor, 9 at, 10 request_id }
    Replaces { 1 card, 2 reason }
    RequestCard {
        1 card, 2 product, 3 account, 4 customer, 5 kyc_level, 6 single_use, 7 merchant_lock, 8 channel, 9 replaces,
    }
}

impl Wire for CardExpiry {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        put_nested(tag, out, |out| {
            self.year().write(1, out);
            self.month().write(2, out);
        });
    }
    fn from_raw(raw: Raw<'_>) -> Result<Self, WireError> {
        let fields = Fields::parse(raw.bytes()?, "CardExpiry", &[1, 2])?;
        Self::new(u16::read(&fields, 1)?, u8::read(&fields, 2)?).ok_or(WireError::Value("month of expiry"))
    }
}
