//! Why a command is refused: nothing changed, nothing is burned, the request id may be used again.

use bursar_types::Reason;

macro_rules! refusals {
    ($($(#[$doc:meta])+ $name:ident $number:literal $text:literal $reason:ident),+ $(,)?) => {
        /// Why a command is refused. The number's hundreds are the stage at which it was: 1 the command's own
        /// form, 2 what it names does not exist or exists already, 3 a state forbids it, 4 who asks may not,
        /// 5 money. Numbers and texts are stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum RefusalReason { $($(#[$doc])+ $name = $number),+ }

        impl RefusalReason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The stable text.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            /// The platform's reason a caller of the service is told.
            pub const fn reason(self) -> Reason {
                match self { $(Self::$name => Reason::$reason),+ }
            }
        }
    };
}

refusals! {
    /// An amount that must be above zero is not, or a count or bound is out of its range.
    InvalidAmount 101 "INVALID_AMOUNT" InvalidAmount,
    /// The amount counts another asset than the account.
    AssetMismatch 102 "ASSET_MISMATCH" InvalidAmount,
    /// Debit and credit account are the same.
    AccountsMustDiffer 103 "ACCOUNTS_MUST_DIFFER" AccountsMustDiffer,
    /// A field is empty, too large, or contradicts another.
    InvalidField 104 "INVALID_FIELD" InvalidField,
    /// More items than a command may have, or than a thing may hold.
    TooMany 105 "TOO_MANY" InvalidField,
    /// Another item of the linked group was refused, so this one did not happen either.
    LinkedItemFailed 106 "LINKED_ITEM_FAILED" LinkedItemFailed,

    /// The program was not set up.
    ProgramNotConfigured 201 "PROGRAM_NOT_CONFIGURED" WrongState,
    /// The program has no internal accounts of this asset.
    AssetNotConfigured 202 "ASSET_NOT_CONFIGURED" WrongState,
    /// The account does not exist.
    AccountNotFound 203 "ACCOUNT_NOT_FOUND" AccountNotFound,
    /// The hold does not exist, or ended.
    HoldNotFound 204 "HOLD_NOT_FOUND" HoldNotOpen,
    /// The card does not exist.
    CardNotFound 205 "CARD_NOT_FOUND" NotFound,
    /// The product or its version does not exist.
    ProductNotFound 206 "PRODUCT_NOT_FOUND" NotFound,
    /// The payment does not exist.
    PaymentNotFound 207 "PAYMENT_NOT_FOUND" NotFound,
    /// The freeze does not exist.
    FreezeNotFound 208 "FREEZE_NOT_FOUND" NotFound,
    /// The id, or a text that must be unique, is taken.
    AlreadyExists 209 "ALREADY_EXISTS" AlreadyExists,

    /// The account is frozen.
    AccountFrozen 301 "ACCOUNT_FROZEN" AccountFrozen,
    /// The account is closed.
    AccountClosed 302 "ACCOUNT_CLOSED" AccountClosed,
    /// The account still holds money or holds.
    AccountNotEmpty 303 "ACCOUNT_NOT_EMPTY" WrongState,
    /// The card's state forbids the step.
    CardState 304 "CARD_STATE" WrongState,
    /// The product's state forbids the step.
    ProductState 305 "PRODUCT_STATE" WrongState,
    /// The payment's state forbids the step: declined, or nothing is held any more.
    PaymentState 306 "PAYMENT_STATE" WrongState,
    /// The hold belongs to a payment and moves only with it.
    HoldOfPayment 307 "HOLD_OF_PAYMENT" WrongState,
    /// The transfer was reversed before.
    AlreadyReversed 308 "ALREADY_REVERSED" AlreadyExists,
    /// The account is not the customer's.
    NotOwner 309 "ACCOUNT_NOT_OWNED" NotYours,
    /// The customer's KYC level is below what the product needs.
    KycLevelTooLow 310 "KYC_LEVEL_TOO_LOW" KycLevelTooLow,
    /// The hold's time is over.
    HoldExpired 311 "HOLD_EXPIRED" HoldNotOpen,
    /// The account is one of the program's own, or cards that are not closed pay from it.
    AccountInUse 312 "ACCOUNT_IN_USE" WrongState,

    /// The freeze is not one this role may place or lift.
    FreezeNotYours 401 "FREEZE_NOT_YOURS" FreezeNotYours,
    /// The step is not one this role may do.
    RoleNotAllowed 402 "ROLE_NOT_ALLOWED" CallerNotAllowed,

    /// The account's available balance does not cover it.
    InsufficientFunds 501 "INSUFFICIENT_FUNDS" InsufficientFunds,
    /// More than the hold has and may be exceeded by.
    ExceedsHold 502 "EXCEEDS_HOLD" InvalidAmount,
    /// More than was posted, net of what came back.
    ExceedsCleared 503 "EXCEEDS_CLEARED" InvalidAmount,
    /// A sum would not fit 64 bits.
    Overflow 504 "OVERFLOW" InvalidAmount,
}

impl RefusalReason {
    /// The stable number.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The stage: 1 form, 2 existence, 3 state, 4 role, 5 money.
    pub const fn stage(self) -> u16 {
        self.number() / 100
    }
}

/// What of the command a refusal is about: the field to name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The command as a whole.
    Command,
    /// An account.
    Account,
    /// The debited account.
    DebitAccount,
    /// The credited account.
    CreditAccount,
    /// The amount.
    Amount,
    /// A bound or limit.
    Limit,
    /// The transfer's id.
    Transfer,
    /// The hold.
    Hold,
    /// The card.
    Card,
    /// The product.
    Product,
    /// The payment.
    Payment,
    /// The customer.
    Customer,
    /// The freeze's holder.
    Holder,
    /// The time of expiry.
    Expiry,
    /// A control.
    Control,
    /// A fee item.
    Fee,
    /// The hold policy.
    HoldPolicy,
    /// The funding reference.
    FundingReference,
    /// The network's reference.
    NetworkReference,
    /// The bank's transaction id.
    BankTransactionId,
    /// The program.
    Program,
    /// The items of a batch.
    Items,
}

impl Subject {
    /// The field's name as the contract writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Command => "",
            Self::Account => "account_id",
            Self::DebitAccount => "debit_account_id",
            Self::CreditAccount => "credit_account_id",
            Self::Amount => "amount",
            Self::Limit => "limit",
            Self::Transfer => "transfer_id",
            Self::Hold => "transfer_id",
            Self::Card => "card_id",
            Self::Product => "card_product_id",
            Self::Payment => "payment_id",
            Self::Customer => "customer_id",
            Self::Holder => "holder",
            Self::Expiry => "hold_seconds",
            Self::Control => "control",
            Self::Fee => "fee",
            Self::HoldPolicy => "hold_policy",
            Self::FundingReference => "funding_reference",
            Self::NetworkReference => "network_reference",
            Self::BankTransactionId => "bank_transaction_id",
            Self::Program => "program",
            Self::Items => "orders",
        }
    }
}

/// A refusal: why, and what of the command it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{}: {}", .reason.as_str(), .subject.as_str())]
pub struct Refusal {
    /// Why.
    pub reason: RefusalReason,
    /// About what.
    pub subject: Subject,
}

impl Refusal {
    /// The refusal for `reason` about `subject`.
    pub const fn new(reason: RefusalReason, subject: Subject) -> Self {
        Self { reason, subject }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_are_unique_and_staged() {
        let mut numbers: Vec<_> = RefusalReason::ALL.iter().map(|reason| reason.number()).collect();
        let mut texts: Vec<_> = RefusalReason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert!(numbers.is_sorted());
        numbers.dedup();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(numbers.len(), RefusalReason::ALL.len());
        assert_eq!(texts.len(), RefusalReason::ALL.len());
        assert!(RefusalReason::ALL.iter().all(|reason| (1..=5).contains(&reason.stage())));
    }
}
