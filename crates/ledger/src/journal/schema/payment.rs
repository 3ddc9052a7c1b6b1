//! Payments: what asks for them, what they are, how they were decided.

use bursar_ledger_engine::{
    Authorize, ClearPayment, Counted, CvvResult, Decision, DeclineReason, Element, ElementKind, EntryMode,
    Exchange, ExchangeRate, Failing, FailureSource, ForcePost, IncrementPayment, Merchant, PasswordResult,
    Payment, PaymentKind, PaymentRef, PaymentStatus, PinResult, RefundPayment, RefundTarget, ReversePayment,
    Sums, Verdict, Verification,
};

use crate::wire::{message, numbers, oneof};

numbers! {
    EntryMode { 1 Unknown, 2 Chip, 3 Contactless, 4 Stripe, 5 Keyed, 6 Stored, 7 InApp }
    CvvResult { 1 Absent, 2 Matched, 3 Mismatched }
    PinResult { 1 Absent, 2 Verified, 3 Wrong, 4 Locked, 5 Unverifiable }
    PaymentKind { 1 Purchase, 2 Cash, 3 AccountCheck }
    ElementKind {
        1 Authorized, 2 Declined, 3 Checked, 4 Incremented, 5 IncrementDeclined, 6 Reversed, 7 Cleared, 8 Released,
        9 Expired, 10 Refunded, 11 Fee,
    }
    PaymentStatus {
        1 Declined, 2 Checked, 3 Authorized, 4 PartiallyCleared, 5 Cleared, 6 Reversed, 7 Expired, 8 Refunded,
    }
    Verdict { 1 Approved, 2 PartiallyApproved, 3 Declined }
    DeclineReason {
        1 FormatError, 2 NoSuchIssuer, 3 CardNotFound, 4 Duplicate, 5 AlreadyReversed, 6 OriginalNotFound,
        7 LegalBlock, 8 CardStolen, 9 CardLost, 10 CardClosed, 11 CardExpired, 12 ExpiryMismatch,
        13 SuspectedFraud, 14 SecurityViolation, 15 PinTriesExceeded, 16 PasswordTriesExceeded, 17 PinIncorrect,
        18 PasswordIncorrect, 19 CvvMismatch, 20 PinUnverifiable, 21 PasswordUnverifiable,
        22 VerificationRequired, 23 NotPermittedCardholder, 24 NotPermittedTerminal, 25 InvalidMerchant,
        26 InvalidTransaction, 27 InvalidAmount, 28 KycIncomplete, 29 CardNotActivated, 30 CardFrozen,
        31 AccountFrozen, 32 ControlForbids, 33 AmountLimitExceeded, 34 CountLimitExceeded,
        35 InsufficientFunds, 36 IssuerUnavailable, 37 SystemError, 38 GenericDecline,
    }
}

oneof! {
    PasswordResult {
        1 Absent, 2 Verified { 1 proof, 2 valid_until }, 3 Wrong, 4 Locked, 5 BadProof, 6 Unverifiable,
    }
    PaymentRef { 1 Id(payment), 2 Network(reference) }
    RefundTarget { 1 Payment(payment), 2 Unlinked { 1 payment, 2 card, 3 merchant, 4 channel } }
    FailureSource { 1 Platform, 2 Control { 1 scope, 2 control } }
}

message! {
    Merchant { 1 id, 2 name, 3 country, 4 mcc }
    Verification { 1 cvv, 2 pin, 3 password, 4 expiry }
    Authorize {
        1 payment, 2 transfers, 3 card, 4 kind, 5 amount, 6 channel, 7 entry_mode, 8 merchant, 9 verification,
        10 partial_allowed, 11 capture_now, 12 network_reference, 13 approval_code, 14 outside,
        15 stand_in,
    }
    IncrementPayment { 1 payment, 2 amount }
    ReversePayment { 1 payment, 2 amount }
    ClearPayment { 1 payment, 2 transfers, 3 amount, 4 last, 5 force, 6 value_date }
    ForcePost {
        1 payment, 2 transfers, 3 card, 4 amount, 5 channel, 6 merchant, 7 network_reference, 8 value_date,
    }
    RefundPayment { 1 target, 2 transfers, 3 amount, 4 value_date }
    ExchangeRate { 1 from, 2 to, 3 mantissa, 4 scale, 5 source, 6 at }
    Exchange { 1 merchant, 2 rate, 3 cleared, 4 refunded }
    Element { 1 sequence, 2 kind, 3 amount, 4 transfer, 5 at, 6 request_id }
    Sums {
        1 authorized, 2 incremented, 3 reversed, 4 cleared, 5 captured, 6 shortfall, 7 released, 8 expired,
        9 refunded, 10 fees, 11 unheld,
    }
    Counted { 1 key, 2 window, 3 slot, 4 amount, 5 count }
    Payment {
        1 id, 2 card, 3 account, 4 customer, 5 asset, 6 kind, 7 channel, 8 entry_mode, 9 merchant,
        10 network_reference, 11 approval_code, 12 requested, 13 decision, 14 hold, 15 fee_hold, 16 sums,
        17 elements, 18 counted, 19 created_at, 20 exchange,
    }
    Failing { 1 reason, 2 source, 3 within }
    Decision {
        1 verdict, 2 approved, 3 fee, 4 reason, 5 failing, 6 spendable_before, 7 product_version, 8 hold_until,
    }
}
