//! Exchange: rates as integers, and what a payment in another asset than its account's keeps of them.

use bursar_types::{Asset, Money, Timestamp};

use crate::Name;

/// Most rates in one command.
pub const MAX_RATES: usize = 1_000;
/// Largest scale of a rate.
pub const MAX_RATE_SCALE: u8 = 12;

/// A rate: one major unit of `from` is `mantissa` × 10^−`scale` major units of `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeRate {
    /// What is exchanged.
    pub from: Asset,
    /// Into what; another asset.
    pub to: Asset,
    /// Above zero.
    pub mantissa: i64,
    /// Decimal places of the mantissa, 0 to [`MAX_RATE_SCALE`].
    pub scale: u8,
    /// Where it comes from.
    pub source: Name,
    /// Since when it is the source's.
    pub at: Timestamp,
}

impl ExchangeRate {
    /// `amount` of `from` in minor units of `to`, half a unit rounded up; `None` if it does not fit 64 bits or is not of
    /// `from`.
    pub fn convert(&self, amount: Money) -> Option<Money> {
        if amount.asset != self.from {
            return None;
        }
        let power = |exponent: u8| 10_i128.checked_pow(u32::from(exponent));
        let product = i128::from(amount.minor_units)
            .checked_mul(i128::from(self.mantissa))?
            .checked_mul(power(self.to.exponent())?)?;
        let divisor = power(self.scale)?.checked_mul(power(self.from.exponent())?)?;
        let rounded = product.checked_add(divisor / 2)?.div_euclid(divisor);
        Some(Money::new(i64::try_from(rounded).ok()?, self.to))
    }

    /// Whether its numbers are in range.
    pub(crate) fn is_sensible(&self) -> bool {
        self.from != self.to && self.mantissa > 0 && self.scale <= MAX_RATE_SCALE
    }
}

/// What a payment in another asset keeps of its exchange. What it holds and posts is in the account's asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// What the merchant asked for.
    pub merchant: Money,
    /// The rate it was decided at.
    pub rate: ExchangeRate,
    /// Minor units of the merchant's asset that were posted, each at the rate of its day.
    pub cleared: i64,
    /// Minor units of the merchant's asset that were paid back.
    pub refunded: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(from: &str, to: &str, mantissa: i64, scale: u8) -> ExchangeRate {
        let asset = |code| Asset::from_code(code).unwrap();
        ExchangeRate {
            from: asset(from),
            to: asset(to),
            mantissa,
            scale,
            source: Name::default(),
            at: Timestamp::default(),
        }
    }

    #[test]
    fn exponents_of_both_sides_count_and_half_rounds_up() {
        let convert =
            |rate: &ExchangeRate, minor| rate.convert(Money::new(minor, rate.from)).map(|m| m.minor_units);
        let usd = rate("USD", "CNY", 71_234, 4);
        assert_eq!(convert(&usd, 10_000), Some(71_234));
        assert_eq!(convert(&usd, 1), Some(7));
        // JPY has no minor unit, KWD three places.
        assert_eq!(convert(&rate("JPY", "CNY", 4_650, 5), 1_000), Some(4_650));
        assert_eq!(convert(&rate("CNY", "KWD", 425, 4), 100), Some(43));
        assert_eq!(convert(&usd, i64::MAX), None);
        assert_eq!(usd.convert(Money::new(1, usd.to)), None);
    }
}
