//! Decimal amounts of ISO 20022 as exact minor units.

use bursar_types::{Asset, Money};

/// Reads `123.40` of an asset. `None` if it is no decimal number without sign, has more decimals than the asset
/// (trailing zeros aside), or does not fit.
pub(super) fn parse(text: &str, asset: Asset) -> Option<Money> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    // ISO 20022 amounts have at most 18 digits, so longer text is no amount.
    if whole.is_empty() || whole.len() > 18 || fraction.len() > 18 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let exponent = usize::from(asset.exponent());
    let (kept, rest) = fraction.split_at(fraction.len().min(exponent));
    if rest.bytes().any(|digit| digit != b'0') {
        return None;
    }
    let minor = format!("{whole}{kept:0<exponent$}").parse().ok()?;
    Some(Money::new(minor, asset))
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
        for bad in ["", ".", ".5", "-1", "+1", "1e3", "1,5", "1.001", "12345678901234567890", "٣"] {
            assert_eq!(minor(bad, "CNY"), None, "{bad}");
        }
        assert_eq!(minor("999999999999999999", "CNY"), None, "does not fit 64 bits");
    }
}
