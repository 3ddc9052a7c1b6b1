//! What asks for a payment and for everything that follows it.

use bursar_types::Money;
use bursar_types::id::{CardId, PaymentId, TransferId};

use crate::{Channel, Day, DeclineReason, EntryMode, Merchant, PaymentKind, Reference, Text, Verification};

/// What asks for an authorization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorize {
    /// The payment's id, new.
    pub payment: PaymentId,
    /// First of the ids of the transfers this command may make: see [`transfer_id`].
    pub transfers: TransferId,
    /// The card.
    pub card: CardId,
    /// What kind.
    pub kind: PaymentKind,
    /// How much, in the account's asset; 0 for an account check, else above 0.
    pub amount: Money,
    /// Through what.
    pub channel: Channel,
    /// How the card's data came.
    pub entry_mode: EntryMode,
    /// Where.
    pub merchant: Merchant,
    /// What was verified.
    pub verification: Verification,
    /// Whether the terminal can take less than it asked for.
    pub partial_allowed: bool,
    /// Whether an approval is cleared at once: in-app payment.
    pub capture_now: bool,
    /// The network's id of the transaction; unique among payments where given.
    pub network_reference: Option<Reference>,
    /// The code to answer if approved, made outside.
    pub approval_code: Option<Text<6>>,
    /// Whether it was approved already in the engine's place (an advice): it is held whatever speaks against it, and
    /// every reason is kept. Only an unknown card is declined.
    pub stand_in: bool,
    /// A reason found outside that declines it whatever the engine finds: the number's BIN is not ours, the vault
    /// is away, the issuer's own hook refused.
    pub outside: Option<DeclineReason>,
}

/// The `n`-th id of the block that begins at `first`: ids are made outside, and a command that may make several
/// transfers is given the first. The low 62 bits of a UUIDv7 are random, so a small step meets nobody.
pub fn transfer_id(first: TransferId, n: u32) -> TransferId {
    use bursar_types::TypedId;
    let value = first.as_uuid().as_u128().wrapping_add(u128::from(n));
    TransferId::from_uuid(bursar_types::id::Uuid::from_u128(value))
}

/// How a later message names the payment it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentRef {
    /// By its id.
    Id(PaymentId),
    /// By the network's id of the transaction.
    Network(Reference),
}

/// Raises an approved payment's hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncrementPayment {
    /// The payment.
    pub payment: PaymentRef,
    /// By how much; above zero.
    pub amount: Money,
}

/// Takes an authorization back, in whole or in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReversePayment {
    /// The payment.
    pub payment: PaymentRef,
    /// How much; `None`: all that is outstanding.
    pub amount: Option<Money>,
}

/// Posts a payment, in whole or in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClearPayment {
    /// The payment.
    pub payment: PaymentRef,
    /// First of the ids of the transfers this command may make: see [`transfer_id`].
    pub transfers: TransferId,
    /// How much; above zero.
    pub amount: Money,
    /// Whether this is the last part: what remains is released.
    pub last: bool,
    /// Post even beyond the tolerance: the network has taken the money.
    pub force: bool,
    /// Value date; `None`: the booking day in the program's zone.
    pub value_date: Option<Day>,
}

/// Posts what was never authorized: the network has taken the money, so it always posts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForcePost {
    /// The payment's id, new.
    pub payment: PaymentId,
    /// First of the ids of the transfers this command may make: see [`transfer_id`].
    pub transfers: TransferId,
    /// The card; a card of any state, even one unknown (then it goes to suspense).
    pub card: CardId,
    /// How much; above zero.
    pub amount: Money,
    /// Through what.
    pub channel: Channel,
    /// Where.
    pub merchant: Merchant,
    /// The network's id of the transaction.
    pub network_reference: Option<Reference>,
    /// Value date; `None`: the booking day in the program's zone.
    pub value_date: Option<Day>,
}

/// A merchant's refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundPayment {
    /// What it refunds.
    pub target: RefundTarget,
    /// First of the ids of the transfers this command may make: see [`transfer_id`].
    pub transfers: TransferId,
    /// How much; above zero.
    pub amount: Money,
    /// Value date; `None`: the booking day in the program's zone.
    pub value_date: Option<Day>,
}

/// What a refund refunds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefundTarget {
    /// A payment, up to what it cleared.
    Payment(PaymentRef),
    /// A card, without a payment: makes a payment of its own with only a refund.
    Unlinked {
        /// The payment's id, new.
        payment: PaymentId,
        /// The card; of any state.
        card: CardId,
        /// Where.
        merchant: Merchant,
        /// Through what.
        channel: Channel,
    },
}
