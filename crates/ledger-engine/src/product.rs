//! Card products: what their cards may do, need, hold and cost. Versioned; a version never changes.

use bursar_types::id::CardProductId;
use bursar_types::{Asset, Timestamp};

use crate::{Channel, Control, MccRange, Name, Reference};

/// DRAFT → ACTIVE → RETIRED, of one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProductState {
    /// Being prepared: no cards.
    Draft,
    /// New cards may be issued; cards of the product follow this version.
    Active,
    /// Superseded or ended: no new cards. The last active version still rules the cards there are.
    Retired,
}

/// What must be verified for a payment through a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Needs {
    /// Nothing beyond what was sent: what was sent and is wrong still declines.
    Nothing,
    /// CVV2 matched.
    Cvv,
    /// Card password verified.
    Password,
    /// Either of them.
    CvvOrPassword,
    /// PIN verified.
    Pin,
}

/// What one channel needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelNeeds {
    /// The channel.
    pub channel: Channel,
    /// What it needs.
    pub needs: Needs,
}

/// One rule of how long a hold lasts; the first that fits is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldRule {
    /// Merchant categories; empty: any.
    pub mccs: Vec<MccRange>,
    /// Whether the card was there; `None`: either.
    pub card_present: Option<bool>,
    /// Only for at most this many **major** units (fuel pre-authorizations of 0 or 1); `None`: any amount.
    pub at_most_major_units: Option<u32>,
    /// Days the hold lasts; 1 to [`crate::MAX_HOLD_DAYS`].
    pub days: u16,
}

/// How long holds last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldPolicy {
    /// Rules, the first that fits is used.
    pub rules: Vec<HoldRule>,
    /// Days if none fits.
    pub default_days: u16,
}

/// How far a clearing may go above what was authorized, without being forced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tolerance {
    /// Merchant categories; empty: any.
    pub mccs: Vec<MccRange>,
    /// Ten-thousandths of the authorized amount.
    pub basis_points: u32,
    /// Minor units on top of that.
    pub flat: i64,
}

/// What a fee is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FeeEvent {
    /// Each purchase.
    Purchase,
    /// A purchase at a merchant in another country than the program's.
    CrossBorder,
    /// Cash at a machine or counter.
    Cash,
}

/// One fee: flat + basis points of the amount, within min and max. Tiers and allowances come with issue's own schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeeItem {
    /// Number within the schedule, kept across versions.
    pub id: u16,
    /// What it is for.
    pub event: FeeEvent,
    /// Minor units, not negative.
    pub flat: i64,
    /// Ten-thousandths of the amount, rounded half up.
    pub basis_points: u32,
    /// At least this many minor units.
    pub min: i64,
    /// At most this many minor units; `None`: no bound.
    pub max: Option<i64>,
}

/// What a version of a product says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductSpec {
    /// Its name.
    pub name: Name,
    /// The vault's id of the BIN range its numbers come from.
    pub bin_range: Reference,
    /// The asset of its cards' accounts.
    pub asset: Asset,
    /// Months a card is valid; 1 to 120.
    pub validity_months: u16,
    /// KYC level a customer needs.
    pub min_kyc_level: u8,
    /// What channels need; a channel not named needs nothing.
    pub needs: Vec<ChannelNeeds>,
    /// Controls on all its cards.
    pub controls: Vec<Control>,
    /// How long holds last.
    pub hold_policy: HoldPolicy,
    /// Tolerances, the first that fits is used; none: zero.
    pub tolerances: Vec<Tolerance>,
    /// Fees.
    pub fees: Vec<FeeItem>,
}

/// One version of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductVersion {
    /// The product.
    pub product: CardProductId,
    /// 1, 2, 3 …
    pub version: u32,
    /// Its state.
    pub state: ProductState,
    /// When it came to that state.
    pub since: Timestamp,
    /// Whether it rules the product's cards: the version activated last.
    pub effective: bool,
    /// What it says.
    pub spec: ProductSpec,
}
