//! The program's own settings.

use bursar_types::id::{AccountId, CustomerId, ProgramId};
use bursar_types::{Asset, Timestamp};

use crate::{Country, Name};

/// The program's internal accounts of one asset. Each must exist, count that asset, and have no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssetAccounts {
    /// The asset.
    pub asset: Asset,
    /// What is owed to the card network: credited by clearings.
    pub settlement: AccountId,
    /// The money at the bank: debited by top-ups.
    pub nostro: AccountId,
    /// Where money goes that nobody can be found for.
    pub suspense: AccountId,
    /// Where fees go.
    pub fee_income: AccountId,
    /// What customers owe after a posting that was not covered.
    pub receivable: AccountId,
}

/// A zone as a fixed offset from UTC, in minutes east; a rule with daylight saving is data of a later version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ZoneOffset {
    minutes: i16,
}

impl ZoneOffset {
    /// The zone `minutes` east of UTC, within ±14 hours (what is in use anywhere).
    pub const fn from_minutes(minutes: i16) -> Option<Self> {
        if minutes >= -14 * 60 && minutes <= 14 * 60 { Some(Self { minutes }) } else { None }
    }

    /// Minutes east of UTC.
    pub const fn minutes(self) -> i16 {
        self.minutes
    }
}

/// The settings of the program. Setting them again replaces them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramSettings {
    /// Which program: the shard.
    pub program: ProgramId,
    /// Its name.
    pub name: Name,
    /// Country of the issuer: a merchant elsewhere is cross-border.
    pub country: Country,
    /// Where days and months begin.
    pub zone: ZoneOffset,
    /// Internal accounts by asset; at most one entry an asset.
    pub accounts: Vec<AssetAccounts>,
}

/// How a customer stands with the issuer, as identity last told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CustomerStatus {
    /// May pay.
    Active,
    /// Not for the moment: a review or a missing document.
    Suspended,
    /// For good.
    Closed,
}

/// What the ledger knows about a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CustomerStanding {
    /// Who.
    pub customer: CustomerId,
    /// Whether they may pay.
    pub status: CustomerStatus,
    /// KYC level 0 (none) to 3.
    pub kyc_level: u8,
    /// Since when.
    pub since: Timestamp,
}
