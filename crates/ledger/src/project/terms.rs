//! What a version of a card product says beyond its name, range, asset and controls.

use bursar_ledger_engine::{
    FEE_COUNTERS, FeeEvent, FeeItem, FeeTier, HoldPolicy, HoldRule, MAX_BASIS_POINTS, MAX_HOLD_DAYS, Mcc,
    MccRange, ProductSpec, Tolerance,
};
use bursar_proto::ledger::v1 as proto;
use bursar_service::{Invalid, parse};

use super::rules::{range_messages, ranges};

/// KYC level that the cards of every product need.
const KYC_LEVEL_MIN: u8 = 1;
/// Most entries of one list.
const LIST_MAX: usize = bursar_ledger_engine::MAX_PRODUCT_ITEMS;

/// The terms, read; what was left empty follows the usual policy (product.md, "Times").
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) min_kyc_level: u8,
    pub(crate) hold_policy: HoldPolicy,
    pub(crate) tolerances: Vec<Tolerance>,
    pub(crate) fees: Vec<FeeItem>,
}

/// Reads terms.
///
/// # Errors
/// [`Invalid`] naming the field that is wrong.
pub(crate) fn parse(message: Option<&proto::CardProductTerms>) -> Result<Terms, Invalid> {
    let empty = proto::CardProductTerms::default();
    let message = message.unwrap_or(&empty);
    for (name, count) in [
        ("fees", message.fees.len()),
        ("hold_rules", message.hold_rules.len()),
        ("tolerances", message.tolerances.len()),
    ] {
        if count > LIST_MAX {
            return Err(Invalid::new()
                .field(format!("terms.{name}"), format!("must have at most {LIST_MAX} entries")));
        }
    }
    let level = parse::number("terms.min_kyc_level", message.min_kyc_level, 0..=3)?;
    let mut terms = Terms {
        min_kyc_level: u8::try_from(level).unwrap_or(3).max(KYC_LEVEL_MIN),
        hold_policy: usual_holds(),
        tolerances: usual_tolerances(),
        fees: Vec::new(),
    };
    if !message.hold_rules.is_empty() {
        let one = |(at, rule): (usize, &proto::HoldRule)| hold_rule(&format!("terms.hold_rules[{at}]"), rule);
        terms.hold_policy.rules = message.hold_rules.iter().enumerate().map(one).collect::<Result<_, _>>()?;
    }
    if !message.tolerances.is_empty() {
        let one =
            |(at, rule): (usize, &proto::Tolerance)| tolerance(&format!("terms.tolerances[{at}]"), rule);
        terms.tolerances = message.tolerances.iter().enumerate().map(one).collect::<Result<_, _>>()?;
    }
    for (at, message) in message.fees.iter().enumerate() {
        let field = format!("terms.fees[{at}]");
        let item = fee(&field, message)?;
        if terms.fees.iter().any(|other| other.id == item.id) {
            return Err(Invalid::new().field(format!("{field}.fee_id"), "must not come twice"));
        }
        terms.fees.push(item);
    }
    Ok(terms)
}

fn hold_rule(field: &str, message: &proto::HoldRule) -> Result<HoldRule, Invalid> {
    let days = parse::number(&format!("{field}.days"), message.days, 1..=i32::from(MAX_HOLD_DAYS))?;
    let units =
        parse::number(&format!("{field}.at_most_major_units"), message.at_most_major_units, 0..=i32::MAX)?;
    Ok(HoldRule {
        mccs: ranges(&format!("{field}.mccs"), &message.mccs)?,
        card_present: message.card_present,
        at_most_major_units: u32::try_from(units).ok().filter(|units| *units > 0),
        days: u16::try_from(days).unwrap_or(1),
    })
}

fn basis_points(field: &str, value: i32) -> Result<u32, Invalid> {
    let most = i32::try_from(MAX_BASIS_POINTS).unwrap_or(i32::MAX);
    let value = parse::number(&format!("{field}.basis_points"), value, 0..=most)?;
    Ok(u32::try_from(value).unwrap_or(0))
}

fn minor(field: &str, name: &str, value: i64) -> Result<i64, Invalid> {
    parse::number(&format!("{field}.{name}"), value, 0..=i64::MAX)
}

fn tolerance(field: &str, message: &proto::Tolerance) -> Result<Tolerance, Invalid> {
    Ok(Tolerance {
        mccs: ranges(&format!("{field}.mccs"), &message.mccs)?,
        basis_points: basis_points(field, message.basis_points)?,
        flat: minor(field, "flat_minor", message.flat_minor)?,
    })
}

fn tier(field: &str, tier: &proto::FeeTier) -> Result<FeeTier, Invalid> {
    let up_to = minor(field, "up_to_minor", tier.up_to_minor)?;
    Ok(FeeTier {
        up_to: Some(up_to).filter(|up_to| *up_to > 0),
        flat: minor(field, "flat_minor", tier.flat_minor)?,
        basis_points: basis_points(field, tier.basis_points)?,
    })
}

fn fee(field: &str, message: &proto::Fee) -> Result<FeeItem, Invalid> {
    let wrong = |name: &str, what: &str| Invalid::new().field(format!("{field}.{name}"), what);
    let id = u16::try_from(message.fee_id).ok().filter(|id| (1..FEE_COUNTERS).contains(id));
    let event = match parse::enumeration::<proto::FeeEvent>(&format!("{field}.event"), message.event)? {
        proto::FeeEvent::Purchase => FeeEvent::Purchase,
        proto::FeeEvent::CrossBorder => FeeEvent::CrossBorder,
        proto::FeeEvent::Cash => FeeEvent::Cash,
        proto::FeeEvent::NonDirect => FeeEvent::NonDirect,
        proto::FeeEvent::Exchange => FeeEvent::Exchange,
        proto::FeeEvent::Unspecified => return Err(wrong("event", "must be given")),
    };
    let (min, max) =
        (minor(field, "min_minor", message.min_minor)?, minor(field, "max_minor", message.max_minor)?);
    if max > 0 && max < min {
        return Err(wrong("max_minor", "must not be below `min_minor`"));
    }
    if message.tiers.len() > LIST_MAX {
        return Err(wrong("tiers", "has too many entries"));
    }
    let tier = |(at, message): (usize, &proto::FeeTier)| tier(&format!("{field}.tiers[{at}]"), message);
    let free = parse::number(&format!("{field}.free_per_month"), message.free_per_month, 0..=i32::MAX)?;
    let item = FeeItem {
        id: id.ok_or_else(|| wrong("fee_id", "must be 1 to 32767"))?,
        event,
        flat: minor(field, "flat_minor", message.flat_minor)?,
        basis_points: basis_points(field, message.basis_points)?,
        min,
        max: Some(max).filter(|max| *max > 0),
        tiers: message.tiers.iter().enumerate().map(tier).collect::<Result<_, _>>()?,
        free_per_month: u32::try_from(free).unwrap_or(0),
    };
    if !item.never_falls() {
        let what = "must rise without a gap, end with one without a bound, and never cost less for more";
        return Err(wrong("tiers", what));
    }
    Ok(item)
}

/// Terms as the contract writes them: all of them, the usual policy too.
pub(crate) fn message(spec: &ProductSpec) -> proto::CardProductTerms {
    let hold = |rule: &HoldRule| proto::HoldRule {
        mccs: range_messages(&rule.mccs),
        card_present: rule.card_present,
        at_most_major_units: rule.at_most_major_units.map_or(0, points),
        days: rule.days.into(),
    };
    let tolerance = |tolerance: &Tolerance| proto::Tolerance {
        mccs: range_messages(&tolerance.mccs),
        basis_points: points(tolerance.basis_points),
        flat_minor: tolerance.flat,
    };
    proto::CardProductTerms {
        fees: spec.fees.iter().map(fee_message).collect(),
        hold_rules: spec.hold_policy.rules.iter().map(hold).collect(),
        tolerances: spec.tolerances.iter().map(tolerance).collect(),
        min_kyc_level: spec.min_kyc_level.into(),
    }
}

/// A count as the contract's number.
fn points(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

fn fee_message(fee: &FeeItem) -> proto::Fee {
    let event = match fee.event {
        FeeEvent::Purchase => proto::FeeEvent::Purchase,
        FeeEvent::CrossBorder => proto::FeeEvent::CrossBorder,
        FeeEvent::Cash => proto::FeeEvent::Cash,
        FeeEvent::NonDirect => proto::FeeEvent::NonDirect,
        FeeEvent::Exchange => proto::FeeEvent::Exchange,
    };
    let tier = |tier: &FeeTier| proto::FeeTier {
        up_to_minor: tier.up_to.unwrap_or(0),
        flat_minor: tier.flat,
        basis_points: points(tier.basis_points),
    };
    proto::Fee {
        fee_id: fee.id.into(),
        event: event.into(),
        flat_minor: fee.flat,
        basis_points: points(fee.basis_points),
        min_minor: fee.min,
        max_minor: fee.max.unwrap_or(0),
        tiers: fee.tiers.iter().map(tier).collect(),
        free_per_month: points(fee.free_per_month),
    }
}

fn categories(ranges: &[(u16, u16)]) -> Vec<MccRange> {
    let range =
        |(first, last): &(u16, u16)| Some(MccRange { first: Mcc::new(*first)?, last: Mcc::new(*last)? });
    ranges.iter().filter_map(range).collect()
}

/// How long holds last (product.md, "Times").
fn usual_holds() -> HoldPolicy {
    let rule = |mccs, card_present, at_most_major_units, days| HoldRule {
        mccs: categories(mccs),
        card_present,
        at_most_major_units,
        days,
    };
    HoldPolicy {
        rules: vec![
            // Fuel: a pre-authorization of 0 or 1 is cleared the same day.
            rule(&[(5542, 5542)], None, Some(1), 1),
            // Lodging, car hire, cruise lines.
            rule(&[(3351, 3500), (7512, 7513), (3501, 3999), (7011, 7011), (4411, 4411)], None, None, 30),
            rule(&[], Some(false), None, 10),
            rule(&[], Some(true), None, 5),
        ],
        default_days: 7,
    }
}

/// How far a clearing may go above its authorization: tips, rooms, fuel.
fn usual_tolerances() -> Vec<Tolerance> {
    let rule = |mccs, basis_points, flat| Tolerance { mccs: categories(mccs), basis_points, flat };
    vec![
        rule(&[(5812, 5814)], 2_000, 0),
        rule(&[(3351, 3999), (7011, 7011), (7512, 7513), (4411, 4411)], 1_500, 0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fee(tiers: Vec<proto::FeeTier>) -> proto::Fee {
        proto::Fee { fee_id: 3, event: proto::FeeEvent::Cash.into(), tiers, ..proto::Fee::default() }
    }

    fn tier(up_to_minor: i64, flat_minor: i64) -> proto::FeeTier {
        proto::FeeTier { up_to_minor, flat_minor, basis_points: 0 }
    }

    #[test]
    fn fees_come_back_as_they_were() {
        let sent = proto::CardProductTerms {
            fees: vec![proto::Fee {
                min_minor: 2,
                max_minor: 90,
                free_per_month: 4,
                ..fee(vec![tier(100, 5), tier(0, 9)])
            }],
            min_kyc_level: 2,
            ..proto::CardProductTerms::default()
        };
        let terms = parse(Some(&sent)).unwrap();
        assert_eq!(terms.fees.iter().map(fee_message).collect::<Vec<_>>(), sent.fees);
        assert_eq!((terms.min_kyc_level, terms.hold_policy), (2, usual_holds()));
    }

    #[test]
    fn a_schedule_with_a_gap_or_an_overlap_is_refused() {
        for tiers in [
            vec![tier(100, 5), tier(50, 6), tier(0, 9)],
            vec![tier(100, 5), tier(100, 6), tier(0, 9)],
            vec![tier(100, 5)],
            vec![tier(0, 5), tier(0, 9)],
            vec![tier(100, 9), tier(0, 5)],
        ] {
            let terms =
                proto::CardProductTerms { fees: vec![fee(tiers)], ..proto::CardProductTerms::default() };
            let error = parse(Some(&terms)).unwrap_err();
            assert_eq!(bursar_types::Failure::violations(&error)[0].field, "terms.fees[0].tiers");
        }
    }
}
