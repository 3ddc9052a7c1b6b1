//! Effects: every change a command made, complete enough that projections need not decide anything again.
//! [`Snapshot::absorb`](crate::Snapshot::absorb) rebuilds the whole state from effects alone, and tests hold it to that.

use bursar_types::id::{AccountId, PaymentId, TransferId};
use bursar_types::{RequestId, Timestamp};

use crate::*;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The program's settings are these now.
    ProgramConfigured(Box<ProgramSettings>),
    /// A product version is this now (drafted, activated, retired).
    ProductChanged(Box<ProductVersion>),
    /// The controls of the program, an account or a card are these now.
    ControlsSet {
        /// Whose.
        scope: ControlScope,
        /// All of them.
        controls: Vec<Control>,
        /// The request that set them.
        set_by: RequestId,
    },
    /// Rates of exchange are these now; those of other pairs stay.
    RatesSet(Vec<ExchangeRate>),
    /// What a payment keeps of its exchange is this now. Beside the step that changed it.
    PaymentExchanged {
        /// The payment.
        payment: PaymentId,
        /// Its exchange.
        exchange: Box<Exchange>,
    },
    /// A customer stands like this now.
    CustomerStood(CustomerStanding),

    /// An account was opened.
    AccountOpened(Box<Account>),
    /// An account's limit, freezes or end changed; this is the account now.
    AccountChanged(Box<Account>),
    /// An account's sums are these now. Follows the transfer or hold that moved them.
    BalanceMoved {
        /// The account.
        account: AccountId,
        /// Its sums.
        balances: Balances,
        /// Its normal side, so that whoever tells its balance need not know the account.
        normal: NormalSide,
    },

    /// A transfer was posted.
    TransferPosted(Box<PostedTransfer>),
    /// A hold was placed; this is it.
    HoldPlaced(Box<Hold>),
    /// A hold changed. At `outstanding` 0 it has ended and the engine has forgotten it.
    HoldChanged {
        /// The hold.
        hold: TransferId,
        /// What happened.
        change: HoldChange,
        /// What was held in all, after.
        held: i64,
        /// Captured within what was held, after.
        captured: i64,
        /// Captured beyond, after.
        over_captured: i64,
        /// Released, after.
        released: i64,
        /// When it expires, after.
        expires_at: Option<Timestamp>,
        /// Still set aside, after.
        outstanding: i64,
    },
    /// A posted transfer was reversed; it cannot be again.
    TransferReversed {
        /// The transfer that was reversed.
        original: TransferId,
        /// The one that reversed it.
        by: TransferId,
    },
    /// A bank credit was booked.
    BankCreditBooked {
        /// The bank's id of it.
        bank_transaction_id: Reference,
        /// What was booked.
        booking: BankBooking,
    },

    /// A card took a step; this is the card now.
    CardChanged {
        /// The card.
        card: Box<Card>,
        /// The step.
        transition: Box<CardTransition>,
    },

    /// A payment began; without its elements, which follow.
    PaymentOpened(Box<Payment>),
    /// Something happened to a payment.
    PaymentAdvanced {
        /// The payment.
        payment: PaymentId,
        /// What happened.
        element: Element,
        /// Its sums after.
        sums: Sums,
        /// The state it shows after.
        status: PaymentStatus,
    },
    /// A counter's slot is this now, and what the payment has counted in it.
    CounterMoved {
        /// The payment that moved it.
        payment: PaymentId,
        /// What the payment has counted in that slot now.
        counted: Counted,
        /// The slot now; `None` if the counter has moved on and the slot is gone.
        slot: Option<Slot>,
    },
    /// A proof was used and serves no more.
    ProofUsed {
        /// Its id.
        proof: Reference,
        /// Until when it must be remembered.
        until: Timestamp,
    },
    /// A used proof was forgotten: it is out of time anyway.
    ProofForgotten(Reference),
    /// A reversal came before its original.
    EarlyReversalNoted {
        /// The network's reference.
        network_reference: Reference,
        /// Until when it is remembered.
        until: Timestamp,
    },
    /// The late original came and was declined, or time passed.
    EarlyReversalForgotten(Reference),
}

/// How a bank credit was booked, kept for ever under the bank's id of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BankBooking {
    /// The transfer.
    pub transfer: TransferId,
    /// The account credited.
    pub account: AccountId,
    /// How much.
    pub amount: bursar_types::Money,
    /// Whose money the bank said it is.
    pub funding_reference: Reference,
    /// Whether an account was found for it.
    pub matched: bool,
}
