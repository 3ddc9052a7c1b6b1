//! Commands: everything that can be asked of the engine.

use bursar_types::id::{AccountId, CardId, CardProductId, CustomerId, TransferId};
use bursar_types::{Money, RequestId};

use crate::*;

/// Most transfers in one batch: a batch is decided at one go and must not hold up a shard for long.
pub const MAX_BATCH: usize = 8_192;
/// Most controls in one scope: each is evaluated in each decision.
pub const MAX_CONTROLS: usize = 64;
/// Most entries in one dimension of a control.
pub const MAX_MATCH_ENTRIES: usize = 256;
/// Most rules, tolerances, fees in one product version.
pub const MAX_PRODUCT_ITEMS: usize = 64;
/// Longest hold in days.
pub const MAX_HOLD_DAYS: u16 = 90;
/// Most things one tick ends: the rest is for the next.
pub const MAX_TICK: u32 = 10_000;
/// Most elements of one payment: no real payment comes near.
pub const MAX_ELEMENTS: usize = 1_000;
/// Largest basis points a fee or tolerance may have: ten times the amount.
pub const MAX_BASIS_POINTS: u32 = 100_000;
/// How long a reversal waits for its late original.
pub const EARLY_REVERSAL_DAYS: u64 = 30;

/// One command: what, by whom, under which request id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The caller's request id: in every record the command makes.
    pub request_id: RequestId,
    /// Who asks.
    pub actor: Actor,
    /// What.
    pub action: Action,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    // ---- program and products ----
    /// Sets the program up, or changes its settings.
    ConfigureProgram(Box<ProgramSettings>),
    /// Adds a DRAFT version to a product, or begins a product.
    DraftProduct {
        /// The product.
        product: CardProductId,
        /// What the version says.
        spec: Box<ProductSpec>,
    },
    /// Makes a draft version ACTIVE; the version that was active is RETIRED.
    ActivateProduct {
        /// The product.
        product: CardProductId,
        /// Which draft.
        version: u32,
    },
    /// RETIRES the active version: no new cards.
    RetireProduct {
        /// The product.
        product: CardProductId,
    },
    /// Replaces the controls of the program, an account or a card (a product's come with its versions).
    SetControls {
        /// Whose controls.
        scope: ControlScope,
        /// All of them.
        controls: Vec<Control>,
    },
    /// Tells how a customer stands.
    SetCustomerStanding {
        /// Who.
        customer: CustomerId,
        /// Whether they may pay.
        status: CustomerStatus,
        /// KYC level, 0 to 3.
        kyc_level: u8,
    },

    // ---- accounts ----
    /// Opens an account.
    OpenAccount(Box<OpenAccount>),
    /// Changes how far an account may go below zero; below what it now is, a refusal.
    SetBalanceLimit {
        /// The account.
        account: AccountId,
        /// The limit.
        limit: BalanceLimit,
    },
    /// Places a freeze on an account; again for the same holder: replaces it.
    FreezeAccount {
        /// The account.
        account: AccountId,
        /// Whose freeze.
        holder: FreezeHolder,
        /// What it stops.
        scope: FreezeScope,
        /// Why.
        reason: Note,
    },
    /// Lifts a freeze.
    UnfreezeAccount {
        /// The account.
        account: AccountId,
        /// Whose freeze.
        holder: FreezeHolder,
        /// Why.
        reason: Note,
    },
    /// Closes an account: only at zero, without holds.
    CloseAccount {
        /// The account.
        account: AccountId,
    },

    // ---- transfers ----
    /// One transfer or hold.
    Transfer(Box<TransferOrder>),
    /// Several. `linked`: all or none; else each by itself, in order.
    TransferBatch {
        /// The orders; 1 to [`MAX_BATCH`].
        orders: Vec<TransferOrder>,
        /// All or none.
        linked: bool,
    },
    /// Captures from a hold; any number of times.
    CaptureHold(Box<CaptureHold>),
    /// Raises a hold.
    IncrementHold {
        /// The hold.
        hold: TransferId,
        /// By how much; above zero.
        amount: Money,
    },
    /// Releases a hold, in whole or in part.
    VoidHold {
        /// The hold.
        hold: TransferId,
        /// How much; `None`: all of it.
        amount: Option<Money>,
    },
    /// Reverses a posted transfer; once.
    ReverseTransfer(Box<ReverseTransfer>),
    /// Books a credit that came from the bank: to the account with that funding reference, else to suspense.
    BookBankCredit(Box<BookBankCredit>),

    // ---- cards ----
    /// Begins the issue of a card.
    RequestCard(Box<RequestCard>),
    /// The vault made the number.
    CompleteCardIssue {
        /// The card.
        card: CardId,
        /// Its masked number.
        masked_pan: MaskedPan,
        /// Good through.
        expiry: CardExpiry,
    },
    /// The vault could not make the number: the card is closed.
    FailCardIssue {
        /// The card.
        card: CardId,
        /// Why.
        reason: Note,
    },
    /// The customer activates the card.
    ActivateCard {
        /// The card.
        card: CardId,
        /// Through what.
        channel: Name,
    },
    /// Places a freeze; again for the same holder it is kept as it is.
    FreezeCard {
        /// The card.
        card: CardId,
        /// Whose freeze.
        holder: FreezeHolder,
        /// Why.
        reason: Note,
        /// Through what.
        channel: Name,
    },
    /// Lifts a freeze.
    UnfreezeCard {
        /// The card.
        card: CardId,
        /// Whose freeze.
        holder: FreezeHolder,
        /// Why.
        reason: Note,
        /// Through what.
        channel: Name,
    },
    /// Ends a card for good.
    CloseCard {
        /// The card.
        card: CardId,
        /// The sub-status.
        close: CloseReason,
        /// Why, in words.
        reason: Note,
        /// Through what.
        channel: Name,
    },

    // ---- payments ----
    /// Asks for an authorization: decides, holds, counts, charges and records in one step.
    Authorize(Box<Authorize>),
    /// Raises a payment's hold: decided like an authorization of the difference.
    IncrementPayment(Box<IncrementPayment>),
    /// Takes an authorization back.
    ReversePayment(Box<ReversePayment>),
    /// Posts a payment.
    ClearPayment(Box<ClearPayment>),
    /// Posts what was never authorized.
    ForcePost(Box<ForcePost>),
    /// Pays back.
    RefundPayment(Box<RefundPayment>),

    /// Sets rates of exchange; each takes the place of the one of its pair.
    SetExchangeRates {
        /// The rates; 1 to [`MAX_RATES`].
        rates: Vec<ExchangeRate>,
    },

    // ---- time ----
    /// Ends what is due, oldest first: holds, early reversals, proofs, cards.
    Tick {
        /// At most so many, 1 to [`MAX_TICK`].
        max: u32,
    },
}

/// A credit that the bank reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookBankCredit {
    /// The id of the transfer, new.
    pub transfer: TransferId,
    /// The text that says whose money it is.
    pub funding_reference: Reference,
    /// How much; above zero.
    pub amount: Money,
    /// What the bank calls the entry, for people.
    pub bank_reference: Note,
    /// The bank's own id of the transaction: booked once, for ever.
    pub bank_transaction_id: Reference,
    /// Value date; `None`: the booking day in the program's zone.
    pub value_date: Option<Day>,
}
