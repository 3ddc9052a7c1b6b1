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

/// Categories whose purchases end long after they begin: air and rail left out, lodging, car hire and cruise in.
const LONG_STAYS: &[MccRange] = &[
    MccRange::of(3351, 3441),
    MccRange::of(3501, 3999),
    MccRange::of(4411, 4411),
    MccRange::of(7011, 7011),
    MccRange::of(7512, 7513),
];
/// Service stations and automated fuel dispensers.
const FUEL: &[MccRange] = &[MccRange::of(5541, 5542)];
/// Restaurants, bars and fast food: a tip comes after the authorization.
const DINING: &[MccRange] = &[MccRange::of(5812, 5814)];

impl HoldPolicy {
    /// The usual policy: lodging, car hire and cruise 30 days; fuel at 0 or 1 unit 1 day; card present 5; card not
    /// present 10; else 7.
    pub fn standard() -> Self {
        let rule = |mccs: &[MccRange], card_present, at_most_major_units, days| HoldRule {
            mccs: mccs.to_vec(),
            card_present,
            at_most_major_units,
            days,
        };
        Self {
            rules: vec![
                rule(LONG_STAYS, None, None, 30),
                rule(FUEL, None, Some(1), 1),
                rule(&[], Some(true), None, 5),
                rule(&[], Some(false), None, 10),
            ],
            default_days: 7,
        }
    }
}

impl Tolerance {
    /// The usual tolerances: dining 20 %, lodging, car hire and cruise 15 %, fuel `fuel_cap` minor units (its
    /// authorization says little about its amount), everything else nothing.
    pub fn standard(fuel_cap: i64) -> Vec<Self> {
        vec![
            Self { mccs: DINING.to_vec(), basis_points: 2_000, flat: 0 },
            Self { mccs: LONG_STAYS.to_vec(), basis_points: 1_500, flat: 0 },
            Self { mccs: FUEL.to_vec(), basis_points: 0, flat: fuel_cap },
        ]
    }
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
    /// A purchase outside the platform's own app and pages.
    NonDirect,
    /// A payment in another asset than the account's: the issuer's markup on the rate.
    Exchange,
}

/// One step of a tiered fee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeTier {
    /// Amounts up to this many minor units, this one included; `None` in the last tier: any.
    pub up_to: Option<i64>,
    /// Minor units, not negative.
    pub flat: i64,
    /// Ten-thousandths of the amount, rounded half up.
    pub basis_points: u32,
}

/// One fee: flat + basis points of the amount, by tiers where there are any, within min and max.
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
    /// Tiers by amount in place of `flat` and `basis_points`, rising, the last without a bound; empty: none.
    pub tiers: Vec<FeeTier>,
    /// So many payments of a calendar month are free, for each card.
    pub free_per_month: u32,
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
