//! Money: signed 64-bit minor units of an asset, with checked arithmetic only.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why an amount of money could not be made or combined.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The asset code is not one this platform knows.
    #[error("unknown asset `{0}`")]
    UnknownAsset(String),
    /// Two amounts of different assets met.
    #[error("amounts in {left} and {right} do not mix")]
    AssetMismatch {
        /// The asset of the first amount.
        left: Asset,
        /// The asset of the second.
        right: Asset,
    },
    /// The result does not fit 64 bits.
    #[error("the amount is out of range")]
    Overflow,
}

/// An asset by its code of 2 to 12 upper-case letters or digits: an ISO 4217 currency, points, or a digital
/// currency. The exponent says how many decimal places a minor unit is: 2 for CNY, 0 for JPY, 3 for KWD.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Asset {
    entry: &'static Entry,
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Entry {
    code: &'static str,
    /// ISO 4217 numeric code; 0 where the standard gives none.
    numeric: u16,
    exponent: u8,
}

macro_rules! assets {
    ($($code:literal $numeric:literal $exponent:literal),+ $(,)?) => {
        /// Codes, numbers and exponents of ISO 4217 (active currencies), then the platform's own assets.
        static ASSETS: &[Entry] = &[$(Entry { code: $code, numeric: $numeric, exponent: $exponent }),+];
    };
}

// Sorted by code: looked up by binary search.
assets! {
    "AED" 784 2, "ARS" 32 2, "AUD" 36 2, "BDT" 50 2, "BHD" 48 3, "BRL" 986 2, "BTC" 0 8, "CAD" 124 2,
    "CHF" 756 2, "CLP" 152 0, "CNY" 156 2, "COP" 170 2, "CZK" 203 2, "DKK" 208 2, "EGP" 818 2, "ETH" 0 9,
    "EUR" 978 2, "GBP" 826 2, "HKD" 344 2, "HUF" 348 2, "IDR" 360 2, "ILS" 376 2, "INR" 356 2, "IQD" 368 3,
    "ISK" 352 0, "JOD" 400 3, "JPY" 392 0, "KES" 404 2, "KRW" 410 0, "KWD" 414 3, "KZT" 398 2, "LYD" 434 3,
    "MOP" 446 2, "MXN" 484 2, "MYR" 458 2, "NGN" 566 2, "NOK" 578 2, "NZD" 554 2, "OMR" 512 3, "PEN" 604 2,
    "PHP" 608 2, "PKR" 586 2, "PLN" 985 2, "POINTS" 0 0, "PYG" 600 0, "QAR" 634 2, "RON" 946 2, "RUB" 643 2,
    "SAR" 682 2, "SEK" 752 2, "SGD" 702 2, "THB" 764 2, "TND" 788 3, "TRY" 949 2, "TWD" 901 2, "UAH" 980 2,
    "USD" 840 2, "USDC" 0 6, "USDT" 0 6, "UYU" 858 2, "VND" 704 0, "ZAR" 710 2,
}

impl Asset {
    /// The asset with this code, such as `CNY` or `POINTS`.
    ///
    /// # Errors
    /// [`MoneyError::UnknownAsset`] if the platform does not know it.
    pub fn from_code(code: &str) -> Result<Self, MoneyError> {
        ASSETS
            .binary_search_by(|entry| entry.code.cmp(code))
            .map(|index| Self { entry: &ASSETS[index] })
            .map_err(|_| MoneyError::UnknownAsset(code.chars().take(16).collect()))
    }

    /// The currency with this ISO 4217 number (ISO 8583 DE49), such as 156.
    pub fn from_numeric(numeric: u16) -> Option<Self> {
        ASSETS.iter().find(|entry| entry.numeric == numeric && numeric != 0).map(|entry| Self { entry })
    }

    /// The code, such as `CNY`.
    pub fn code(self) -> &'static str {
        self.entry.code
    }

    /// The ISO 4217 number, if the standard gives one.
    pub fn numeric(self) -> Option<u16> {
        Some(self.entry.numeric).filter(|numeric| *numeric != 0)
    }

    /// Decimal places of the minor unit.
    pub fn exponent(self) -> u8 {
        self.entry.exponent
    }
}

impl fmt::Display for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entry.code)
    }
}

impl fmt::Debug for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entry.code)
    }
}

impl FromStr for Asset {
    type Err = MoneyError;
    fn from_str(code: &str) -> Result<Self, MoneyError> {
        Self::from_code(code)
    }
}

impl TryFrom<String> for Asset {
    type Error = MoneyError;
    fn try_from(code: String) -> Result<Self, MoneyError> {
        Self::from_code(&code)
    }
}

impl Serialize for Asset {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Asset {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        Self::from_code(&code).map_err(serde::de::Error::custom)
    }
}

/// An amount: minor units (cents, fen, satoshi) of an asset.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Money {
    /// Signed count of minor units.
    pub minor_units: i64,
    /// What is counted.
    pub asset: Asset,
}

impl Money {
    /// `minor_units` of `asset`.
    pub const fn new(minor_units: i64, asset: Asset) -> Self {
        Self { minor_units, asset }
    }

    /// Nothing, of `asset`.
    pub const fn zero(asset: Asset) -> Self {
        Self::new(0, asset)
    }

    /// The sum.
    ///
    /// # Errors
    /// [`MoneyError::AssetMismatch`] or [`MoneyError::Overflow`].
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.same_asset(other)?;
        let minor_units = self.minor_units.checked_add(other.minor_units).ok_or(MoneyError::Overflow)?;
        Ok(Self::new(minor_units, self.asset))
    }

    /// The difference.
    ///
    /// # Errors
    /// [`MoneyError::AssetMismatch`] or [`MoneyError::Overflow`].
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.same_asset(other)?;
        let minor_units = self.minor_units.checked_sub(other.minor_units).ok_or(MoneyError::Overflow)?;
        Ok(Self::new(minor_units, self.asset))
    }

    fn same_asset(self, other: Self) -> Result<(), MoneyError> {
        if self.asset == other.asset {
            Ok(())
        } else {
            Err(MoneyError::AssetMismatch { left: self.asset, right: other.asset })
        }
    }
}

impl fmt::Display for Money {
    /// In major units with the asset's decimals: `312.40 CNY`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = usize::from(self.asset.exponent());
        let scale = 10_u64.pow(u32::from(self.asset.exponent()));
        let magnitude = self.minor_units.unsigned_abs();
        let sign = if self.minor_units < 0 { "-" } else { "" };
        write!(f, "{sign}{}", magnitude / scale)?;
        if digits > 0 {
            write!(f, ".{:0digits$}", magnitude % scale)?;
        }
        write!(f, " {}", self.asset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cny(minor_units: i64) -> Money {
        Money::new(minor_units, Asset::from_code("CNY").unwrap())
    }

    #[test]
    fn the_table_is_sorted_so_that_the_search_finds_all() {
        assert!(ASSETS.windows(2).all(|pair| pair[0].code < pair[1].code));
        for entry in ASSETS {
            assert_eq!(Asset::from_code(entry.code).unwrap().code(), entry.code);
        }
    }

    #[test]
    fn arithmetic_is_checked() {
        assert_eq!(cny(1).checked_add(cny(2)), Ok(cny(3)));
        assert_eq!(cny(i64::MAX).checked_add(cny(1)), Err(MoneyError::Overflow));
        assert_eq!(cny(i64::MIN).checked_sub(cny(1)), Err(MoneyError::Overflow));
        let yen = Money::new(1, Asset::from_code("JPY").unwrap());
        assert!(matches!(cny(1).checked_add(yen), Err(MoneyError::AssetMismatch { .. })));
    }

    #[test]
    fn text_has_the_assets_decimals() {
        assert_eq!(cny(31_240).to_string(), "312.40 CNY");
        assert_eq!(cny(-5).to_string(), "-0.05 CNY");
        assert_eq!(cny(i64::MIN).to_string(), "-92233720368547758.08 CNY");
        assert_eq!(Money::new(7, Asset::from_code("JPY").unwrap()).to_string(), "7 JPY");
    }

    #[test]
    fn an_unknown_asset_is_named_and_cut() {
        assert_eq!(Asset::from_code("XXXX"), Err(MoneyError::UnknownAsset("XXXX".into())));
        let Err(MoneyError::UnknownAsset(named)) = Asset::from_code(&"A".repeat(1_000_000)) else { panic!() };
        assert_eq!(named.len(), 16);
    }
}
