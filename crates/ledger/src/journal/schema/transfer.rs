//! Transfers and holds.

use bursar_ledger_engine::{
    BankBooking, BookBankCredit, CaptureHold, Cause, Day, Hold, HoldSums, PostedTransfer, ReverseTransfer,
    TransferCode, TransferMode, TransferOrder,
};

use crate::wire::{Raw, Wire, WireError, message, oneof};

oneof! {
    TransferMode { 1 Post, 2 Balancing, 3 Hold { 1 expires_at, 2 over_capture } }
    Cause {
        1 Order, 2 Capture(hold), 3 Reversal(original), 4 Payment(payment), 5 PaymentCapture { 1 payment, 2 hold },
        6 BankCredit,
    }
}

message! {
    TransferOrder {
        1 transfer, 2 debit, 3 credit, 4 amount, 5 mode, 6 code, 7 value_date, 8 reference, 9 description,
    }
    PostedTransfer {
        1 id, 2 debit, 3 credit, 4 amount, 5 code, 6 cause, 7 booked_at, 8 value_date, 9 reference, 10 description,
        11 request_id,
    }
    Hold {
        1 id, 2 debit, 3 credit, 4 held, 5 captured, 6 over_captured, 7 released, 8 over_capture, 9 expires_at,
        10 payment, 11 code, 12 placed_at, 13 reference, 14 description,
    }
    HoldSums { 1 held, 2 captured, 3 over_captured, 4 released }
    ReverseTransfer { 1 transfer, 2 original, 3 original_debit, 4 original_credit, 5 original_amount, 6 reason }
    CaptureHold { 1 hold, 2 transfer, 3 amount, 4 last, 5 value_date, 6 description }
    BookBankCredit {
        1 transfer, 2 funding_reference, 3 amount, 4 bank_reference, 5 bank_transaction_id, 6 value_date,
    }
    BankBooking { 1 transfer, 2 account, 3 amount, 4 funding_reference, 5 matched }
}

impl Wire for TransferCode {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        self.0.put(tag, out);
    }
    fn from_raw(raw: Raw<'_>) -> Result<Self, WireError> {
        u16::from_raw(raw).map(Self)
    }
}

impl Wire for Day {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        self.0.put(tag, out);
    }
    fn from_raw(raw: Raw<'_>) -> Result<Self, WireError> {
        i32::from_raw(raw).map(Self)
    }
    fn is_default(&self) -> bool {
        self.0 == 0
    }
    fn absent() -> Result<Self, WireError> {
        Ok(Self::default())
    }
}
