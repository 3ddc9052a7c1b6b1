//! The contract's controls and the engine's.
//!
//! The contract's are a part of what the engine can do. Their numbers in a scope follow from what they are, so that a
//! limit whose bound is changed goes on with its counter.

use bursar_ledger_engine::{Control, CountedPer, Country, Match, Mcc, MccRange, Measure, Rule, Window};
use bursar_proto::ledger::v1 as proto;
use bursar_service::Invalid;

use super::rules;

/// Most limits in one request.
const LIMITS_MAX: usize = 16;
/// Most categories or countries in one request: the engine's bound on one dimension.
pub(super) const LIST_MAX: usize = bursar_ledger_engine::MAX_MATCH_ENTRIES;

/// Number of the control that refuses categories.
pub(crate) const DENIED_MCCS: u16 = 1;
/// Number of the control that allows countries.
pub(crate) const ALLOWED_COUNTRIES: u16 = 2;
/// Number of the control that refuses other countries than the program's.
pub(crate) const NO_CROSS_BORDER: u16 = 3;
/// First number of the limits: by window, amount before count.
const FIRST_LIMIT: u16 = 10;

/// Whose the controls are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The issuer's, on a product: the customer cannot change them.
    Product,
    /// A card's: the customer can.
    Card,
}

/// The windows of plain limits. Their order gives the controls' numbers: it never changes, and grows at its end.
fn windows() -> [(proto::LimitWindow, Window); 6] {
    [
        (proto::LimitWindow::Payment, Window::Payment),
        (proto::LimitWindow::Day, Window::Day),
        (proto::LimitWindow::Month, Window::Month),
        (proto::LimitWindow::Lifetime, Window::Lifetime),
        (proto::LimitWindow::Week, Window::Week),
        (proto::LimitWindow::Year, Window::Year),
    ]
}

/// Reads controls.
///
/// # Errors
/// [`Invalid`] naming each field that is wrong.
pub(crate) fn parse(message: Option<&proto::Controls>, owner: Owner) -> Result<Vec<Control>, Invalid> {
    let Some(message) = message else { return Ok(Vec::new()) };
    let mut controls = Vec::new();
    let customer_can_change = owner == Owner::Card;
    if !message.denied_mccs.is_empty() {
        let mccs = listed("controls.denied_mccs", &message.denied_mccs, "four digits", mcc)?;
        let mccs = mccs.into_iter().map(|mcc| MccRange { first: mcc, last: mcc }).collect();
        let when = Match { mccs, ..Match::default() };
        controls.push(Control { customer_can_change, ..Control::new(DENIED_MCCS, when, Rule::Deny) });
    }
    if !message.allowed_countries.is_empty() {
        let wanted = "an ISO 3166-1 alpha-2 code";
        let countries =
            listed("controls.allowed_countries", &message.allowed_countries, wanted, Country::new)?;
        let when = Match { countries, ..Match::default() };
        controls
            .push(Control { customer_can_change, ..Control::new(ALLOWED_COUNTRIES, when, Rule::AllowOnly) });
    }
    if message.deny_cross_border {
        let when = Match { cross_border: Some(true), ..Match::default() };
        controls.push(Control { customer_can_change, ..Control::new(NO_CROSS_BORDER, when, Rule::Deny) });
    }
    limits(&message.limits, customer_can_change, &mut controls)?;
    rules::parse(&message.rules, customer_can_change, &mut controls)?;
    Ok(controls)
}

pub(super) fn listed<T>(
    field: &str,
    texts: &[String],
    wanted: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, Invalid> {
    if texts.len() > LIST_MAX {
        return Err(Invalid::new().field(field, format!("must have at most {LIST_MAX} entries")));
    }
    let read_one = |(at, text): (usize, &String)| {
        read(text).ok_or_else(|| Invalid::new().field(format!("{field}[{at}]"), format!("must be {wanted}")))
    };
    texts.iter().enumerate().map(read_one).collect()
}

/// A merchant category of exactly four digits.
pub(crate) fn mcc(text: &str) -> Option<Mcc> {
    let digits = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok().and_then(Mcc::new)).flatten()
}

fn limits(
    messages: &[proto::Limit],
    customer_can_change: bool,
    controls: &mut Vec<Control>,
) -> Result<(), Invalid> {
    if messages.len() > LIMITS_MAX {
        return Err(
            Invalid::new().field("controls.limits", format!("must have at most {LIMITS_MAX} entries"))
        );
    }
    for (at, limit) in messages.iter().enumerate() {
        let wrong =
            |name: &str, what: &str| Invalid::new().field(format!("controls.limits[{at}].{name}"), what);
        let found =
            windows().into_iter().zip(0_u16..).find(|((outer, _), _)| i32::from(*outer) == limit.window);
        let Some(((_, window), number)) = found else {
            return Err(wrong(
                "window",
                "must be a calendar window, PAYMENT or LIFETIME; others belong in `rules`",
            ));
        };
        let count = u32::try_from(limit.count_max).map_err(|_| wrong("count_max", "must not be negative"))?;
        if limit.amount_minor_max < 0 {
            return Err(wrong("amount_minor_max", "must not be negative"));
        }
        if limit.amount_minor_max == 0 && count == 0 {
            return Err(wrong("amount_minor_max", "must be above zero, or count_max must"));
        }
        if count > 0 && window == Window::Payment {
            return Err(wrong("count_max", "says nothing about one payment: leave it 0"));
        }
        let measures = [
            (limit.amount_minor_max > 0, 0, Measure::Amount(limit.amount_minor_max)),
            (count > 0, 1, Measure::Count(count)),
        ];
        for (given, offset, measure) in measures {
            if !given {
                continue;
            }
            let id = FIRST_LIMIT + number * 2 + offset;
            if controls.iter().any(|control| control.id == id) {
                return Err(wrong("window", "must not come twice"));
            }
            let rule = Rule::Limit { measure, window, per: CountedPer::Card };
            controls.push(Control { customer_can_change, ..Control::new(id, Match::default(), rule) });
        }
    }
    Ok(())
}

/// Controls as the contract writes them; what it cannot say is left out.
pub(crate) fn message(controls: &[Control]) -> proto::Controls {
    let mut message = proto::Controls::default();
    for control in controls {
        if control.id >= rules::FIRST {
            message.rules.push(rules::message(control));
            continue;
        }
        match (control.id, control.rule) {
            (DENIED_MCCS, _) => {
                message.denied_mccs =
                    control.when.mccs.iter().map(|range| format!("{:04}", range.first.number())).collect();
            }
            (ALLOWED_COUNTRIES, _) => {
                message.allowed_countries =
                    control.when.countries.iter().map(|country| country.as_str().to_owned()).collect();
            }
            (NO_CROSS_BORDER, _) => message.deny_cross_border = true,
            (_, Rule::Limit { measure, window, .. }) => limit_message(measure, window, &mut message),
            _ => {}
        }
    }
    message
}

fn limit_message(measure: Measure, window: Window, message: &mut proto::Controls) {
    let Some((outer, _)) = windows().into_iter().find(|(_, inner)| *inner == window) else { return };
    let outer = i32::from(outer);
    if !message.limits.iter().any(|limit| limit.window == outer) {
        message.limits.push(proto::Limit { window: outer, ..proto::Limit::default() });
    }
    for limit in message.limits.iter_mut().filter(|limit| limit.window == outer) {
        match measure {
            Measure::Amount(amount) => limit.amount_minor_max = amount,
            Measure::Count(count) => limit.count_max = i32::try_from(count).unwrap_or(i32::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_come_back_as_they_were() {
        let sent = proto::Controls {
            limits: vec![
                proto::Limit {
                    window: proto::LimitWindow::Payment.into(),
                    amount_minor_max: 500,
                    ..proto::Limit::default()
                },
                proto::Limit {
                    window: proto::LimitWindow::Day.into(),
                    amount_minor_max: 900,
                    count_max: 3,
                    rolling_seconds: 0,
                },
            ],
            denied_mccs: vec!["0742".into(), "7995".into()],
            allowed_countries: vec!["CN".into()],
            deny_cross_border: true,
            rules: Vec::new(),
        };
        let controls = parse(Some(&sent), Owner::Card).unwrap();
        assert_eq!(controls.len(), 6);
        assert_eq!(message(&controls), sent);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let limit = |window: i32, amount_minor_max, count_max| proto::Controls {
            limits: vec![proto::Limit { window, amount_minor_max, count_max, rolling_seconds: 0 }],
            ..proto::Controls::default()
        };
        for (wrong, field) in [
            (limit(0, 1, 0), "controls.limits[0].window"),
            (limit(2, 0, 0), "controls.limits[0].amount_minor_max"),
            (limit(2, -1, 0), "controls.limits[0].amount_minor_max"),
            (limit(2, 0, -1), "controls.limits[0].count_max"),
            (
                proto::Controls { denied_mccs: vec!["79".into()], ..proto::Controls::default() },
                "controls.denied_mccs[0]",
            ),
        ] {
            let error = parse(Some(&wrong), Owner::Card).unwrap_err();
            assert_eq!(bursar_types::Failure::violations(&error)[0].field, field);
        }
    }
}
