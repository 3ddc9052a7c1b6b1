//! Rates of exchange as the contract writes them.

use std::collections::BTreeSet;

use bursar_ledger_engine::{ExchangeRate, MAX_RATE_SCALE, MAX_RATES, Name};
use bursar_proto::ledger::v1 as proto;
use bursar_service::{Invalid, parse};

/// Reads rates.
///
/// # Errors
/// [`Invalid`] naming the field that is wrong.
pub(crate) fn parse(messages: &[proto::ExchangeRate]) -> Result<Vec<ExchangeRate>, Invalid> {
    if messages.is_empty() || messages.len() > MAX_RATES {
        return Err(Invalid::new().field("rates", format!("must have 1 to {MAX_RATES} entries")));
    }
    let mut pairs = BTreeSet::new();
    let mut rates = Vec::with_capacity(messages.len());
    for (at, message) in messages.iter().enumerate() {
        let field = |name: &str| format!("rates[{at}].{name}");
        let wrong = |name: &str, what: &str| Invalid::new().field(field(name), what);
        let from = parse::asset(&field("from"), &message.from)?;
        let to = parse::asset(&field("to"), &message.to)?;
        if from == to {
            return Err(wrong("to", "must be another asset than `from`"));
        }
        if !pairs.insert((from, to)) {
            return Err(wrong("from", "must not come twice with the same `to`"));
        }
        let scale = parse::number(&field("scale"), message.scale, 0..=i32::from(MAX_RATE_SCALE))?;
        let source = parse::text(&field("source"), &message.source, 1..=64)?;
        rates.push(ExchangeRate {
            from,
            to,
            mantissa: parse::number(&field("mantissa"), message.mantissa, 1..=i64::MAX)?,
            scale: u8::try_from(scale).unwrap_or(0),
            source: Name::new(source).map_err(|_| wrong("source", "is too long in bytes"))?,
            at: parse::timestamp(&field("time"), message.time.as_ref())?,
        });
    }
    Ok(rates)
}

#[cfg(test)]
mod tests {
    use bursar_types::Failure as _;

    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        let good = proto::ExchangeRate {
            from: "USD".into(),
            to: "CNY".into(),
            mantissa: 71_250,
            scale: 4,
            source: "desk".into(),
            time: Some(prost_types::Timestamp::default()),
        };
        assert_eq!(parse(std::slice::from_ref(&good)).unwrap()[0].mantissa, 71_250);
        for (wrong, field) in [
            (vec![], "rates"),
            (vec![good.clone(), good.clone()], "rates[1].from"),
            (vec![proto::ExchangeRate { to: "USD".into(), ..good.clone() }], "rates[0].to"),
            (vec![proto::ExchangeRate { mantissa: 0, ..good.clone() }], "rates[0].mantissa"),
            (vec![proto::ExchangeRate { scale: 13, ..good.clone() }], "rates[0].scale"),
            (vec![proto::ExchangeRate { source: String::new(), ..good.clone() }], "rates[0].source"),
            (vec![proto::ExchangeRate { time: None, ..good }], "rates[0].time"),
        ] {
            assert_eq!(parse(&wrong).unwrap_err().violations()[0].field, field);
        }
    }
}
