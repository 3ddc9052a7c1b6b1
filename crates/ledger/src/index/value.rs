//! Values of the index as bytes: numbers short, ids whole, nothing that the key says already.

use bursar_ledger_engine::{Cause, Day, Text, TransferCode};
use bursar_types::id::{AccountId, PaymentId, TransferId, Uuid};
use bursar_types::{Timestamp, TypedId};

use super::items::{EntryRecord, Place, RequestUse, Side, TransferPlace};
use crate::wire::{WireError, put_varint, take_varint};

fn put_id(id: impl TypedId, out: &mut Vec<u8>) {
    out.extend_from_slice(id.as_uuid().as_bytes());
}

fn take_id<I: TypedId>(bytes: &mut &[u8]) -> Result<I, WireError> {
    let (id, rest) = bytes.split_first_chunk::<16>().ok_or(WireError::CutOff)?;
    *bytes = rest;
    Ok(I::from_uuid(Uuid::from_bytes(*id)))
}

/// Small numbers of either sign stay short.
fn put_signed(value: i64, out: &mut Vec<u8>) {
    put_varint(((value << 1) ^ (value >> 63)) as u64, out);
}

fn take_signed(bytes: &mut &[u8]) -> Result<i64, WireError> {
    let value = take_varint(bytes)?;
    Ok((value >> 1) as i64 ^ -((value & 1) as i64))
}

fn take<T: TryFrom<u64>>(bytes: &mut &[u8]) -> Result<T, WireError> {
    take_varint(bytes)?.try_into().map_err(|_| WireError::Value("number in the index"))
}

fn put_text<const MAX: usize>(text: &Text<MAX>, out: &mut Vec<u8>) {
    put_varint(text.as_str().len() as u64, out);
    out.extend_from_slice(text.as_str().as_bytes());
}

fn take_text<const MAX: usize>(bytes: &mut &[u8]) -> Result<Text<MAX>, WireError> {
    let length: usize = take(bytes)?;
    let (text, rest) = bytes.split_at_checked(length).ok_or(WireError::CutOff)?;
    *bytes = rest;
    let text = str::from_utf8(text).map_err(|_| WireError::Value("text"))?;
    Text::new(text).map_err(|_| WireError::Value("text within its bound"))
}

/// All of a value must have been read.
fn whole<T>(value: T, rest: &[u8]) -> Result<T, WireError> {
    if rest.is_empty() { Ok(value) } else { Err(WireError::Malformed) }
}

impl RequestUse {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(self.sequence as u64, out);
        put_varint(u64::from(self.ordinal), out);
    }

    pub(crate) fn decode(mut bytes: &[u8]) -> Result<Self, WireError> {
        let used = Self { sequence: take(&mut bytes)?, ordinal: take(&mut bytes)? };
        whole(used, bytes)
    }
}

impl TransferPlace {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_id(self.debit, out);
        put_varint(self.place.position as u64, out);
        put_varint(u64::from(self.place.ordinal), out);
    }

    pub(crate) fn decode(mut bytes: &[u8]) -> Result<Self, WireError> {
        let debit = take_id(&mut bytes)?;
        let place = Place { position: take(&mut bytes)?, ordinal: take(&mut bytes)? };
        whole(Self { debit, place }, bytes)
    }
}

/// The value of a reference.
pub(super) fn put_transfer(transfer: TransferId, out: &mut Vec<u8>) {
    put_id(transfer, out);
}

/// Reads the value of a reference.
pub(crate) fn transfer_of(mut bytes: &[u8]) -> Result<TransferId, WireError> {
    let transfer = take_id(&mut bytes)?;
    whole(transfer, bytes)
}

// Tags of causes; never given to another.
const ORDER: u8 = 1;
const CAPTURE: u8 = 2;
const REVERSAL: u8 = 3;
const PAYMENT: u8 = 4;
const PAYMENT_CAPTURE: u8 = 5;
const BANK_CREDIT: u8 = 6;
/// Added to the tag of an entry on the debit side.
const DEBIT: u8 = 0x80;

impl EntryRecord {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let side = if self.side == Side::Debit { DEBIT } else { 0 };
        match self.cause {
            Cause::Order => out.push(side | ORDER),
            Cause::BankCredit => out.push(side | BANK_CREDIT),
            Cause::Capture(hold) => {
                out.push(side | CAPTURE);
                put_id(hold, out);
            }
            Cause::Reversal(original) => {
                out.push(side | REVERSAL);
                put_id(original, out);
            }
            Cause::Payment(payment) => {
                out.push(side | PAYMENT);
                put_id(payment, out);
            }
            Cause::PaymentCapture { payment, hold } => {
                out.push(side | PAYMENT_CAPTURE);
                put_id(payment, out);
                put_id(hold, out);
            }
        }
        put_id(self.transfer, out);
        put_id(self.counterparty, out);
        put_signed(self.amount, out);
        put_signed(self.posted_after, out);
        put_varint(u64::from(self.code.0), out);
        put_signed(self.booked_at.as_micros(), out);
        put_signed(self.value_date.0.into(), out);
        put_text(&self.reference, out);
        put_text(&self.description, out);
    }

    pub(crate) fn decode(mut bytes: &[u8]) -> Result<Self, WireError> {
        let from = &mut bytes;
        let (tag, rest) = from.split_first().ok_or(WireError::CutOff)?;
        *from = rest;
        let side = if tag & DEBIT == 0 { Side::Credit } else { Side::Debit };
        let cause = match tag & !DEBIT {
            ORDER => Cause::Order,
            BANK_CREDIT => Cause::BankCredit,
            CAPTURE => Cause::Capture(take_id(from)?),
            REVERSAL => Cause::Reversal(take_id(from)?),
            PAYMENT => Cause::Payment(take_id::<PaymentId>(from)?),
            PAYMENT_CAPTURE => Cause::PaymentCapture { payment: take_id(from)?, hold: take_id(from)? },
            _ => return Err(WireError::Value("cause of an entry")),
        };
        let entry = Self {
            transfer: take_id(from)?,
            counterparty: take_id::<AccountId>(from)?,
            side,
            amount: take_signed(from)?,
            posted_after: take_signed(from)?,
            code: TransferCode(take(from)?),
            cause,
            booked_at: Timestamp::from_micros(take_signed(from)?),
            value_date: Day(take_signed(from)?.try_into().map_err(|_| WireError::Value("day"))?),
            reference: take_text(from)?,
            description: take_text(from)?,
        };
        whole(entry, bytes)
    }
}

#[cfg(test)]
mod tests {
    use bursar_ledger_engine::{Note, Reference};
    use proptest::prelude::*;

    use super::*;

    fn cause() -> impl Strategy<Value = Cause> {
        let transfer = any::<u128>().prop_map(|id| TransferId::from_uuid(Uuid::from_u128(id)));
        let payment = any::<u128>().prop_map(|id| PaymentId::from_uuid(Uuid::from_u128(id)));
        prop_oneof![
            Just(Cause::Order),
            Just(Cause::BankCredit),
            transfer.clone().prop_map(Cause::Capture),
            transfer.clone().prop_map(Cause::Reversal),
            payment.clone().prop_map(Cause::Payment),
            (payment, transfer).prop_map(|(payment, hold)| Cause::PaymentCapture { payment, hold }),
        ]
    }

    proptest! {
        #[test]
        fn entries_come_back(
            ids: (u128, u128), debit: bool, amount: i64, posted_after: i64, code: u16, cause in cause(),
            booked_at: i64, value_date: i32, reference in "[a-zA-Z0-9]{0,64}", description in "\\PC{0,30}",
        ) {
            let entry = EntryRecord {
                transfer: TransferId::from_uuid(Uuid::from_u128(ids.0)),
                counterparty: AccountId::from_uuid(Uuid::from_u128(ids.1)),
                side: if debit { Side::Debit } else { Side::Credit },
                amount, posted_after, code: TransferCode(code), cause,
                booked_at: Timestamp::from_micros(booked_at),
                value_date: Day(value_date),
                reference: Reference::new(&reference).unwrap(),
                description: Note::new(&description).unwrap(),
            };
            let mut bytes = Vec::new();
            entry.encode(&mut bytes);
            prop_assert_eq!(EntryRecord::decode(&bytes), Ok(entry));
            prop_assert!(EntryRecord::decode(&bytes[..bytes.len() - 1]).is_err());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = EntryRecord::decode(&bytes);
            let _ = RequestUse::decode(&bytes);
            let _ = TransferPlace::decode(&bytes);
            let _ = transfer_of(&bytes);
        }
    }
}
