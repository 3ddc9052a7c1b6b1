//! Decimal amounts of ISO 20022 as exact minor units.

use bursar_types::{Asset, Money};

/// ISO 20022 amounts have at most 18 digits (`totalDigits`), so longer text is no amount.
const DIGITS_MAX: usize = 18;

/// Reads `123.40` of an asset. `None` if it is no decimal number without sign, has more decimals than the asset
/// (trailing zeros aside), or does not fit.
pub fn parse(text: &str, asset: Asset) -> Option<Money> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() || whole.len() > DIGITS_MAX || fraction.len() > DIGITS_MAX {
        return None;
    }
    let exponent = usize::from(asset.exponent());
    let (kept, rest) = fraction.split_at_checked(fraction.len().min(exponent))?;
    if rest.bytes().any(|digit| digit != b'0') {
        return None;
    }
    let missing = exponent - kept.len();
    let digits = whole.bytes().chain(kept.bytes()).chain(std::iter::repeat_n(b'0', missing));
    let minor = digits.into_iter().try_fold(0_i64, |sum, digit| {
        let value = digit.checked_sub(b'0').filter(|value| *value <= 9)?;
        sum.checked_mul(10)?.checked_add(i64::from(value))
    })?;
    Some(Money::new(minor, asset))
}

/// Writes an amount as ISO 20022 has it: `123.40`. `None` for an amount below zero: ISO 20022 amounts have no sign.
pub fn format(money: Money) -> Option<String> {
    let minor = u64::try_from(money.minor_units).ok()?;
    let digits = usize::from(money.asset.exponent());
    let scale = 10_u64.checked_pow(u32::from(money.asset.exponent()))?;
    Some(match digits {
        0 => minor.to_string(),
        _ => format!("{}.{:0digits$}", minor / scale, minor % scale),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minor(text: &str, asset: &str) -> Option<i64> {
        parse(text, Asset::from_code(asset).unwrap()).map(|money| money.minor_units)
    }

    #[test]
    fn amounts_are_exact() {
        assert_eq!(minor("123.4", "CNY"), Some(12_340));
        assert_eq!(minor("123", "CNY"), Some(12_300));
        assert_eq!(minor("123.450", "CNY"), Some(12_345));
        assert_eq!(minor("5", "JPY"), Some(5));
        assert_eq!(minor("5.00", "JPY"), Some(5));
        assert_eq!(minor("0.001", "KWD"), Some(1));
    }

    #[test]
    fn what_would_lose_money_is_no_amount() {
        let bad =
            ["", ".", ".5", "-1", "+1", "1e3", "1,5", "1.001", "12345678901234567890", "٣", "1.٣", "1.2.3"];
        for bad in bad {
            assert_eq!(minor(bad, "CNY"), None, "{bad}");
        }
        assert_eq!(minor("999999999999999999", "CNY"), None, "does not fit 64 bits");
    }

    #[test]
    fn what_is_written_reads_back() {
        for (asset, text) in [("CNY", "0.05"), ("CNY", "12.00"), ("JPY", "500"), ("KWD", "1.005")] {
            let asset = Asset::from_code(asset).unwrap();
            assert_eq!(format(parse(text, asset).unwrap()).as_deref(), Some(text));
        }
        assert_eq!(format(Money::new(-1, Asset::from_code("CNY").unwrap())), None);
    }
}
