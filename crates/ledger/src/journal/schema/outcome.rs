//! Outcomes. A refused command is not in the journal; refusals stand in the outcomes of batches.

use bursar_ledger_engine::{
    BalanceAfter, Booked, Decided, Outcome, PaymentStep, Refusal, RefusalReason, Subject, Transferred,
};

use crate::wire::{Raw, Wire, WireError, message, numbers, oneof};

message! {
    BalanceAfter { 1 account, 2 balances, 3 normal }
    Transferred { 1 transfer, 2 amount, 3 outstanding, 4 debit, 5 credit, 6 hold }
    Booked { 1 transfer, 2 account, 3 matched, 4 after }
    Decided { 1 payment, 2 decision, 3 approval_code, 4 sums, 5 account, 6 facts }
    PaymentStep { 1 payment, 2 amount, 3 status, 4 sums, 5 account }
    Refusal { 1 reason, 2 subject }
}

oneof! {
    Outcome {
        1 Refused(refusal),
        2 Done,
        3 Drafted { 1 version },
        4 Transferred(transferred),
        5 Batch(items),
        6 Booked(booked),
        7 BookedBefore { 1 transfer, 2 account, 3 same },
        8 Card { 1 card, 2 status },
        9 Decided(decided),
        10 DecidedBefore(decided),
        11 Payment(step),
        12 ReversedEarly,
        13 Ticked { 1 ended, 2 more },
        14 Account(account),
    }
}

numbers! {
    Subject {
        1 Command, 2 Account, 3 DebitAccount, 4 CreditAccount, 5 Amount, 6 Limit, 7 Transfer, 8 Hold, 9 Card,
        10 Product, 11 Payment, 12 Customer, 13 Holder, 14 Expiry, 15 Control, 16 Fee, 17 HoldPolicy,
        18 FundingReference, 19 NetworkReference, 20 BankTransactionId, 21 Program, 22 Items,
    }
}

impl Wire for RefusalReason {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        self.number().put(tag, out);
    }
    fn from_raw(raw: Raw<'_>) -> Result<Self, WireError> {
        let number = u16::from_raw(raw)?;
        let found = Self::ALL.iter().copied().find(|reason| reason.number() == number);
        found.ok_or(WireError::Value("reason of a refusal"))
    }
}
