//! Payments: an authorization and everything that followed it, as ordered elements with running sums.

use bursar_types::id::{AccountId, CardId, CustomerId, PaymentId, TransferId};
use bursar_types::{Asset, RequestId, Timestamp};

use crate::{
    CardExpiry, Channel, CounterKey, Country, Decision, Exchange, Mcc, Name, Reference, Text, Verdict, Window,
};

/// How the card's data came to the merchant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryMode {
    /// Not known.
    Unknown,
    /// Chip.
    Chip,
    /// Contactless.
    Contactless,
    /// Magnetic stripe.
    Stripe,
    /// Keyed.
    Keyed,
    /// Stored credential.
    Stored,
    /// The platform's own payment page.
    InApp,
}

/// The merchant as the message names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merchant {
    /// The id the network knows it by.
    pub id: Reference,
    /// Its name.
    pub name: Name,
    /// Its country.
    pub country: Country,
    /// Its category.
    pub mcc: Mcc,
}

/// What became of a CVV2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CvvResult {
    /// None was sent.
    Absent,
    /// Right.
    Matched,
    /// Wrong.
    Mismatched,
}

/// What became of a PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinResult {
    /// None was sent.
    Absent,
    /// Right.
    Verified,
    /// Wrong.
    Wrong,
    /// Tries used up.
    Locked,
    /// It could not be checked.
    Unverifiable,
}

/// What became of the card password. The process checks the proof's signature and that it is bound to this card,
/// amount and merchant; the engine sees to it that it serves once and in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordResult {
    /// None was given.
    Absent,
    /// Verified by the vault, proven by its signed proof.
    Verified {
        /// The proof's id: used once.
        proof: Reference,
        /// Until when it may be used.
        valid_until: Timestamp,
    },
    /// Wrong.
    Wrong,
    /// Tries used up.
    Locked,
    /// There is a proof and it is not good: forged, for another payment, or of an unknown signer.
    BadProof,
    /// It could not be checked.
    Unverifiable,
}

/// What the vault found out before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// CVV2.
    pub cvv: CvvResult,
    /// PIN.
    pub pin: PinResult,
    /// Card password.
    pub password: PasswordResult,
    /// The expiry the message gave, if it gave one.
    pub expiry: Option<CardExpiry>,
}

impl Verification {
    /// Nothing was sent.
    pub const NONE: Self = Self {
        cvv: CvvResult::Absent,
        pin: PinResult::Absent,
        password: PasswordResult::Absent,
        expiry: None,
    };
}

/// What kind of authorization is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PaymentKind {
    /// Goods and services.
    Purchase,
    /// Cash.
    Cash,
    /// Whether the card is good; amount 0.
    AccountCheck,
}

/// What an element of a payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ElementKind {
    /// Approved, in whole or in part.
    Authorized,
    /// Declined; the amount is what was asked for.
    Declined,
    /// The card was found good; amount 0.
    Checked,
    /// The hold was raised.
    Incremented,
    /// An increment was declined; the amount is what was asked for.
    IncrementDeclined,
    /// The hold was lowered by the merchant.
    Reversed,
    /// Posted.
    Cleared,
    /// The hold's rest was released by a last clearing.
    Released,
    /// The hold's rest was released by time.
    Expired,
    /// Money came back.
    Refunded,
    /// A fee was charged; the amount is the fee.
    Fee,
}

/// One thing that happened to a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element {
    /// 1, 2, 3 … in the payment.
    pub sequence: u32,
    /// What.
    pub kind: ElementKind,
    /// Minor units.
    pub amount: i64,
    /// The transfer or hold it moved, if it moved one.
    pub transfer: Option<TransferId>,
    /// When.
    pub at: Timestamp,
    /// The command.
    pub request_id: RequestId,
}

/// The running sums of a payment, minor units, none ever negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sums {
    /// Approved at first.
    pub authorized: i64,
    /// Added by increments.
    pub incremented: i64,
    /// Taken back by reversals.
    pub reversed: i64,
    /// Posted in all.
    pub cleared: i64,
    /// The part of `cleared` the hold covered.
    pub captured: i64,
    /// The part of `cleared` the customer's balance did not cover and no refund has paid back: a receivable.
    pub shortfall: i64,
    /// Released by a last clearing.
    pub released: i64,
    /// Released by time.
    pub expired: i64,
    /// Paid back.
    pub refunded: i64,
    /// Fees charged.
    pub fees: i64,
    /// The part that was approved in the engine's place and that no money is held for: it may still be presented.
    pub unheld: i64,
}

impl Sums {
    /// What the hold still keeps: derived, never negative.
    pub fn outstanding(&self) -> i64 {
        let left = i128::from(self.authorized) + i128::from(self.incremented)
            - i128::from(self.unheld)
            - i128::from(self.reversed)
            - i128::from(self.captured)
            - i128::from(self.released)
            - i128::from(self.expired);
        i64::try_from(left.max(0)).unwrap_or(i64::MAX)
    }
}

/// The state a payment shows, derived from its sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PaymentStatus {
    /// Refused.
    Declined,
    /// An account check that found the card good.
    Checked,
    /// Approved, the whole of what remains is held.
    Authorized,
    /// Posted in part, the rest is held.
    PartiallyCleared,
    /// Posted; nothing is held.
    Cleared,
    /// Taken back before anything was posted.
    Reversed,
    /// The hold ran out before anything was posted.
    Expired,
    /// All that was posted came back, or it was a refund from the start.
    Refunded,
}

impl Payment {
    /// The state it shows.
    pub fn status(&self) -> PaymentStatus {
        let declined = self.decision.as_ref().is_some_and(|decision| decision.verdict == Verdict::Declined);
        let sums = &self.sums;
        match () {
            () if declined => PaymentStatus::Declined,
            () if sums.outstanding() > 0 && sums.cleared > 0 => PaymentStatus::PartiallyCleared,
            () if sums.outstanding() > 0 || (sums.unheld > 0 && sums.cleared == 0) => {
                PaymentStatus::Authorized
            }
            () if sums.refunded > 0 && sums.refunded >= sums.cleared => PaymentStatus::Refunded,
            () if sums.cleared > 0 => PaymentStatus::Cleared,
            () if sums.expired > 0 => PaymentStatus::Expired,
            () if sums.reversed > 0 => PaymentStatus::Reversed,
            () => PaymentStatus::Checked,
        }
    }
}

/// What a payment added to one slot of one counter, so that it can be taken back exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The counter.
    pub key: CounterKey,
    /// Its window when counted.
    pub window: Window,
    /// The slot's number.
    pub slot: i64,
    /// Minor units still counted there.
    pub amount: i64,
    /// 1 if the payment is counted there, else 0.
    pub count: i64,
}

/// A payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Its id.
    pub id: PaymentId,
    /// The card.
    pub card: CardId,
    /// The account it is paid from; `None` if the card was not known.
    pub account: Option<AccountId>,
    /// Whose it is.
    pub customer: Option<CustomerId>,
    /// What its amounts count.
    pub asset: Asset,
    /// What kind.
    pub kind: PaymentKind,
    /// Through what.
    pub channel: Channel,
    /// How the card's data came.
    pub entry_mode: EntryMode,
    /// Where.
    pub merchant: Merchant,
    /// The network's id of the transaction.
    pub network_reference: Option<Reference>,
    /// The approval code, if approved.
    pub approval_code: Option<Text<6>>,
    /// What was asked for.
    pub requested: i64,
    /// The decision on the authorization; `None` for force posts and unlinked refunds.
    pub decision: Option<Decision>,
    /// The hold of the amount.
    pub hold: Option<TransferId>,
    /// The hold of the fee.
    pub fee_hold: Option<TransferId>,
    /// Running sums.
    pub sums: Sums,
    /// What happened, in order.
    pub elements: Vec<Element>,
    /// What it added to counters.
    pub counted: Vec<Counted>,
    /// When it began.
    pub created_at: Timestamp,
    /// What it keeps of its exchange, if the merchant asked in another asset; its own amounts are the account's.
    pub exchange: Option<Box<Exchange>>,
}
