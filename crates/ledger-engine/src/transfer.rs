//! Transfers: one debit, one credit, one amount, so that the sum of all accounts is zero by construction.

use bursar_types::id::{AccountId, PaymentId, TransferId};
use bursar_types::{Money, RequestId, Timestamp};

use crate::{Note, Reference};

/// A day without a time, as days since 1970-01-01: the value date of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Day(pub i32);

/// What kind of movement a transfer is, for people and reports. Open for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferCode(pub u16);

impl TransferCode {
    /// A transfer between accounts.
    pub const TRANSFER: Self = Self(1);
    /// A bank credit that tops an account up.
    pub const TOP_UP: Self = Self(10);
    /// A card payment's hold or clearing.
    pub const CARD_PAYMENT: Self = Self(20);
    /// A merchant's refund.
    pub const CARD_REFUND: Self = Self(21);
    /// The part of a clearing the customer's balance did not cover.
    pub const SHORTFALL: Self = Self(22);
    /// A fee.
    pub const FEE: Self = Self(30);
    /// The reversal of another transfer.
    pub const REVERSAL: Self = Self(40);
}

/// How a transfer moves money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferMode {
    /// At once, the whole amount or nothing.
    Post,
    /// At once, whatever the debited side can give, up to the amount; nothing there is a refusal.
    Balancing,
    /// Held: pending on both sides until captured, voided or expired.
    Hold {
        /// When it expires by itself; `None`: never.
        expires_at: Option<Timestamp>,
        /// How many minor units beyond the held amount captures may take in all.
        over_capture: i64,
    },
}

/// What asks for one transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferOrder {
    /// Its id, new; a hold keeps it for its life.
    pub transfer: TransferId,
    /// The account debited.
    pub debit: AccountId,
    /// The account credited.
    pub credit: AccountId,
    /// How much; above zero.
    pub amount: Money,
    /// How it moves.
    pub mode: TransferMode,
    /// What kind of movement.
    pub code: TransferCode,
    /// Value date; `None`: the booking day in the program's zone.
    pub value_date: Option<Day>,
    /// A reference of the caller's.
    pub reference: Reference,
    /// Words for people.
    pub description: Note,
}

/// Why a posted transfer exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Ordered by itself.
    Order,
    /// Captured from a hold.
    Capture(TransferId),
    /// Reverses that transfer.
    Reversal(TransferId),
    /// Belongs to a payment.
    Payment(PaymentId),
    /// Captured from a payment's hold.
    PaymentCapture {
        /// The payment.
        payment: PaymentId,
        /// The hold.
        hold: TransferId,
    },
    /// A bank credit.
    BankCredit,
}

/// A transfer that moved posted balances; final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedTransfer {
    /// Its id.
    pub id: TransferId,
    /// The account debited.
    pub debit: AccountId,
    /// The account credited.
    pub credit: AccountId,
    /// How much.
    pub amount: Money,
    /// What kind of movement.
    pub code: TransferCode,
    /// Why it exists.
    pub cause: Cause,
    /// When it was booked.
    pub booked_at: Timestamp,
    /// Value date.
    pub value_date: Day,
    /// A reference of the caller's.
    pub reference: Reference,
    /// Words for people.
    pub description: Note,
    /// The command that made it.
    pub request_id: RequestId,
}

/// A hold: money set aside on both sides. Outstanding = held − captured − released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Its id.
    pub id: TransferId,
    /// The account whose money is held.
    pub debit: AccountId,
    /// The account that will be credited.
    pub credit: AccountId,
    /// What was held in all, increments included.
    pub held: Money,
    /// Minor units captured from the held amount (not beyond it).
    pub captured: i64,
    /// Minor units captured beyond the held amount.
    pub over_captured: i64,
    /// Minor units voided, released by a final capture, or expired.
    pub released: i64,
    /// How many minor units beyond the held amount captures may take in all.
    pub over_capture: i64,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// The payment it belongs to.
    pub payment: Option<PaymentId>,
    /// What kind of movement.
    pub code: TransferCode,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// A reference of the caller's.
    pub reference: Reference,
    /// Words for people.
    pub description: Note,
}

impl Hold {
    /// What is still set aside, in minor units; never negative.
    pub fn outstanding(&self) -> i64 {
        self.sums().outstanding()
    }

    /// How it stands.
    pub fn sums(&self) -> HoldSums {
        HoldSums {
            held: self.held.minor_units,
            captured: self.captured,
            over_captured: self.over_captured,
            released: self.released,
        }
    }
}

/// How a hold stands, in minor units. An outcome tells it, so that a repeated request is answered with how it stood
/// then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldSums {
    /// Held in all, increments included.
    pub held: i64,
    /// Captured from the held amount (not beyond it).
    pub captured: i64,
    /// Captured beyond the held amount.
    pub over_captured: i64,
    /// Voided, released by a final capture, or expired.
    pub released: i64,
}

impl HoldSums {
    /// What is still set aside; never negative.
    pub fn outstanding(&self) -> i64 {
        self.held.saturating_sub(self.captured).saturating_sub(self.released).max(0)
    }
}

/// What changed a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldChange {
    /// Placed for this many minor units.
    Placed(i64),
    /// Raised by this many.
    Incremented(i64),
    /// This many captured (over-capture included) into the posted transfer named.
    Captured {
        /// Minor units, over-capture included.
        amount: i64,
        /// The posted transfer.
        transfer: TransferId,
    },
    /// This many released by a void or a final capture.
    Voided(i64),
    /// The rest, this many, released by time.
    Expired(i64),
}

/// What the reversal of a posted transfer needs to know of it. The engine keeps no posted transfers, so the
/// process reads these facts from its records and they stand in the journal with the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReverseTransfer {
    /// The id of the reversing transfer, new.
    pub transfer: TransferId,
    /// The transfer to reverse.
    pub original: TransferId,
    /// Account the original debited.
    pub original_debit: AccountId,
    /// Account the original credited.
    pub original_credit: AccountId,
    /// The original's amount.
    pub original_amount: Money,
    /// Why.
    pub reason: Note,
}

/// What captures from a hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureHold {
    /// The hold.
    pub hold: TransferId,
    /// The id of the posted transfer, new.
    pub transfer: TransferId,
    /// How much; above zero.
    pub amount: Money,
    /// Whether what remains is released.
    pub last: bool,
    /// Value date; `None`: the booking day in the program's zone.
    pub value_date: Option<Day>,
    /// Words for people.
    pub description: Note,
}
