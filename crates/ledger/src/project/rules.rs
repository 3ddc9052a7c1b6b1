//! The contract's rules, which say all that the engine's controls can.

use bursar_ledger_engine::{
    Channel, Control, ControlScope, CountedPer, Country, EntryMode, FEE_COUNTERS, Hours, Match, Mcc,
    MccRange, Measure, Reference, Rule, Window, ZoneOffset,
};
use bursar_proto::ledger::v1 as proto;
use bursar_service::{Invalid, parse};

use super::controls::{LIST_MAX, listed, mcc};
use super::public;

/// First number of a rule: those below are the plain controls'.
pub(crate) const FIRST: u16 = 100;
/// Most rules in one request.
const RULES_MAX: usize = 40;
/// Bounds of a rolling window in seconds.
const ROLLING: std::ops::RangeInclusive<i32> = 10..=31 * 86_400;

/// Groups of merchant categories (ISO 18245), by what people call them.
const GROUPS: &[(&str, &[(u16, u16)])] = &[
    ("airlines", &[(3000, 3350), (4511, 4511)]),
    ("car_rental", &[(3351, 3500), (7512, 7513)]),
    ("cash", &[(6010, 6011)]),
    ("crypto", &[(6051, 6051)]),
    ("dining", &[(5811, 5814)]),
    ("fuel", &[(5541, 5542), (5983, 5983)]),
    ("gambling", &[(7800, 7802), (7995, 7995), (9754, 9754)]),
    ("groceries", &[(5411, 5411), (5422, 5422), (5441, 5441), (5451, 5451), (5462, 5462), (5499, 5499)]),
    ("lodging", &[(3501, 3999), (7011, 7011)]),
    ("transport", &[(4111, 4112), (4121, 4121), (4131, 4131), (4784, 4784), (4789, 4789)]),
];

/// Reads rules and adds them to `controls`.
///
/// # Errors
/// [`Invalid`] naming the field that is wrong.
pub(super) fn parse(
    messages: &[proto::Rule],
    customer_can_change: bool,
    controls: &mut Vec<Control>,
) -> Result<(), Invalid> {
    if messages.len() > RULES_MAX {
        return Err(Invalid::new().field("controls.rules", format!("must have at most {RULES_MAX} entries")));
    }
    for (at, message) in messages.iter().enumerate() {
        let field = format!("controls.rules[{at}]");
        let control = one(&field, message, customer_can_change)?;
        if controls.iter().any(|other| other.id == control.id) {
            return Err(Invalid::new().field(format!("{field}.rule_id"), "must not come twice"));
        }
        controls.push(control);
    }
    Ok(())
}

fn one(field: &str, message: &proto::Rule, customer_can_change: bool) -> Result<Control, Invalid> {
    let wrong = |name: &str, what: &str| Invalid::new().field(format!("{field}.{name}"), what);
    let id = u16::try_from(message.rule_id).ok().filter(|id| (FIRST..FEE_COUNTERS).contains(id));
    let id = id.ok_or_else(|| wrong("rule_id", "must be 100 to 32767"))?;
    let read = |name: &str, message: Option<&proto::RuleMatch>| {
        message.map(|message| matching(&format!("{field}.{name}"), message)).transpose()
    };
    let when = read("match", message.r#match.as_ref())?.unwrap_or_default();
    let unless = read("unless", message.unless.as_ref())?;
    let rule = match (
        parse::enumeration::<proto::RuleEffect>(&format!("{field}.effect"), message.effect)?,
        &message.limit,
    ) {
        (proto::RuleEffect::Deny, None) => Rule::Deny,
        (proto::RuleEffect::AllowOnly, None) => Rule::AllowOnly,
        (proto::RuleEffect::Limit, Some(limit)) => limited(field, limit, message.per)?,
        (proto::RuleEffect::Limit, None) => return Err(wrong("limit", "must be given for a limit")),
        (proto::RuleEffect::Unspecified, _) => {
            return Err(wrong("effect", "must be DENY, ALLOW_ONLY or LIMIT"));
        }
        (_, Some(_)) => return Err(wrong("limit", "belongs to a limit only")),
    };
    if rule == Rule::AllowOnly && when == Match::default() {
        return Err(wrong("match", "must not be empty: what allows only anything forbids nothing"));
    }
    if unless.as_ref().is_some_and(|unless| *unless == Match::default() || *unless == when) {
        return Err(wrong(
            "unless",
            "must not be empty nor the same as `match`: the rule would hold for nothing",
        ));
    }
    let except =
        listed(&format!("{field}.except"), &message.except, "a `card_…`, `acct_…` or `prod_…`", scope)?;
    let zone = match message.utc_offset_minutes {
        None => None,
        Some(minutes) => {
            let zone = i16::try_from(minutes).ok().and_then(ZoneOffset::from_minutes);
            Some(zone.ok_or_else(|| wrong("utc_offset_minutes", "must be -840 to 840"))?)
        }
    };
    let unless = unless.map(Box::new);
    Ok(Control { customer_can_change, unless, except, zone, ..Control::new(id, when, rule) })
}

fn scope(text: &str) -> Option<ControlScope> {
    let card = text.parse().ok().map(ControlScope::Card);
    card.or_else(|| text.parse().ok().map(ControlScope::Account))
        .or_else(|| text.parse().ok().map(ControlScope::Product))
}

fn matching(field: &str, message: &proto::RuleMatch) -> Result<Match, Invalid> {
    let wrong = |name: &str, what: String| Invalid::new().field(format!("{field}.{name}"), what);
    if message.channels.len() > LIST_MAX || message.entry_modes.len() > LIST_MAX {
        return Err(wrong("channels", format!("must have at most {LIST_MAX} entries")));
    }
    let mut channels = Vec::new();
    for number in &message.channels {
        channels.extend(match parse::enumeration::<proto::Channel>(&format!("{field}.channels"), *number)? {
            proto::Channel::Pos => vec![Channel::Pos],
            proto::Channel::Atm => vec![Channel::Atm],
            proto::Channel::Ecommerce => vec![Channel::Online, Channel::Moto, Channel::Recurring],
            proto::Channel::InApp => vec![Channel::InApp],
            proto::Channel::Unspecified => return Err(wrong("channels", "must not be unspecified".into())),
        });
    }
    let mut entry_modes = Vec::new();
    for number in &message.entry_modes {
        entry_modes.push(
            match parse::enumeration::<proto::EntryMode>(&format!("{field}.entry_modes"), *number)? {
                proto::EntryMode::Chip => EntryMode::Chip,
                proto::EntryMode::Contactless => EntryMode::Contactless,
                proto::EntryMode::Stripe => EntryMode::Stripe,
                proto::EntryMode::Keyed => EntryMode::Keyed,
                proto::EntryMode::Stored => EntryMode::Stored,
                proto::EntryMode::InApp => EntryMode::InApp,
                proto::EntryMode::Unspecified => {
                    return Err(wrong("entry_modes", "must not be unspecified".into()));
                }
            },
        );
    }
    let mut mccs = ranges(&format!("{field}.mccs"), &message.mccs)?;
    for name in &message.mcc_groups {
        let Some((_, group)) = GROUPS.iter().find(|(known, _)| known == name) else {
            let known: Vec<_> = GROUPS.iter().map(|(known, _)| *known).collect();
            return Err(wrong("mcc_groups", format!("must be of {}", known.join(", "))));
        };
        mccs.extend(
            group.iter().filter_map(|(first, last)| {
                Some(MccRange { first: Mcc::new(*first)?, last: Mcc::new(*last)? })
            }),
        );
    }
    let countries = &message.countries;
    let merchant = |text: &str| Reference::new(text).ok().filter(|text| !text.is_empty());
    Ok(Match {
        channels,
        mccs,
        countries: listed(
            &format!("{field}.countries"),
            countries,
            "an ISO 3166-1 alpha-2 code",
            Country::new,
        )?,
        merchants: listed(
            &format!("{field}.merchant_ids"),
            &message.merchant_ids,
            "a merchant's id",
            merchant,
        )?,
        cross_border: message.cross_border,
        entry_modes,
        hours: message.hours.as_ref().map(|hours| hours_of(field, hours)).transpose()?,
    })
}

/// Reads ranges of categories.
///
/// # Errors
/// [`Invalid`] naming the range that is wrong.
pub(super) fn ranges(field: &str, messages: &[proto::MccRange]) -> Result<Vec<MccRange>, Invalid> {
    if messages.len() > LIST_MAX {
        return Err(Invalid::new().field(field, format!("must have at most {LIST_MAX} entries")));
    }
    let one = |(at, range): (usize, &proto::MccRange)| {
        let wrong = || {
            Invalid::new().field(format!("{field}[{at}]"), "must be two categories of four digits, rising")
        };
        let (first, last) = mcc(&range.first).zip(mcc(&range.last)).ok_or_else(wrong)?;
        if first <= last { Ok(MccRange { first, last }) } else { Err(wrong()) }
    };
    messages.iter().enumerate().map(one).collect()
}

fn hours_of(field: &str, message: &proto::Hours) -> Result<Hours, Invalid> {
    let wrong = |name: &str, what: &str| Invalid::new().field(format!("{field}.hours.{name}"), what);
    let mut days = 0_u8;
    for day in &message.days {
        match day {
            1..=7 => days |= 1 << (day - 1),
            _ => return Err(wrong("days", "must be 1 (Monday) to 7 (Sunday)")),
        }
    }
    let minute = |value: i32, bounds: std::ops::RangeInclusive<i32>| {
        u16::try_from(value).ok().filter(|_| bounds.contains(&value))
    };
    Ok(Hours {
        days: if days == 0 { 0b111_1111 } else { days },
        from: minute(message.from_minute, 0..=1439)
            .ok_or_else(|| wrong("from_minute", "must be 0 to 1439"))?,
        until: minute(message.until_minute, 1..=1440)
            .ok_or_else(|| wrong("until_minute", "must be 1 to 1440"))?,
    })
}

fn limited(field: &str, limit: &proto::Limit, per: i32) -> Result<Rule, Invalid> {
    let wrong = |name: &str, what: &str| Invalid::new().field(format!("{field}.limit.{name}"), what);
    let named = parse::enumeration::<proto::LimitWindow>(&format!("{field}.limit.window"), limit.window)?;
    let window = match named {
        proto::LimitWindow::Payment => Window::Payment,
        proto::LimitWindow::Day => Window::Day,
        proto::LimitWindow::Week => Window::Week,
        proto::LimitWindow::Month => Window::Month,
        proto::LimitWindow::Year => Window::Year,
        proto::LimitWindow::Lifetime => Window::Lifetime,
        proto::LimitWindow::Rolling => {
            let seconds = u32::try_from(limit.rolling_seconds)
                .ok()
                .filter(|_| ROLLING.contains(&limit.rolling_seconds));
            let seconds = seconds.ok_or_else(|| wrong("rolling_seconds", "must be 10 to 2678400"))?;
            Window::Rolling { seconds }
        }
        proto::LimitWindow::Unspecified => return Err(wrong("window", "must be given")),
    };
    if limit.rolling_seconds != 0 && named != proto::LimitWindow::Rolling {
        return Err(wrong("rolling_seconds", "belongs to a rolling window only"));
    }
    let measure = match (limit.amount_minor_max, u32::try_from(limit.count_max)) {
        (amount, Ok(0)) if amount > 0 => Measure::Amount(amount),
        (0, Ok(count)) if count > 0 && window != Window::Payment => Measure::Count(count),
        _ => {
            return Err(wrong(
                "amount_minor_max",
                "must be above zero, or `count_max` over a time: one of the two",
            ));
        }
    };
    let per = match proto::CountedPer::try_from(per) {
        Ok(proto::CountedPer::Unspecified | proto::CountedPer::Card) => CountedPer::Card,
        Ok(proto::CountedPer::Account) => CountedPer::Account,
        Ok(proto::CountedPer::Product) => CountedPer::Product,
        Ok(proto::CountedPer::Program) => CountedPer::Program,
        Err(_) => {
            return Err(
                Invalid::new().field(format!("{field}.per"), "must be one of the values of the contract")
            );
        }
    };
    Ok(Rule::Limit { measure, window, per })
}

/// A rule as the contract writes it; groups of categories come back as their ranges.
pub(super) fn message(control: &Control) -> proto::Rule {
    let (effect, limit, per) = match control.rule {
        Rule::Deny => (proto::RuleEffect::Deny, None, proto::CountedPer::Unspecified),
        Rule::AllowOnly => (proto::RuleEffect::AllowOnly, None, proto::CountedPer::Unspecified),
        Rule::Limit { measure, window, per } => {
            let per = match per {
                CountedPer::Card => proto::CountedPer::Card,
                CountedPer::Account => proto::CountedPer::Account,
                CountedPer::Product => proto::CountedPer::Product,
                CountedPer::Program => proto::CountedPer::Program,
            };
            (proto::RuleEffect::Limit, Some(limit_message(measure, window)), per)
        }
    };
    let when = Some(&control.when).filter(|when| **when != Match::default());
    proto::Rule {
        rule_id: control.id.into(),
        effect: effect.into(),
        r#match: when.map(match_message),
        unless: control.unless.as_deref().map(match_message),
        except: control.except.iter().map(scope_text).collect(),
        limit,
        per: per.into(),
        utc_offset_minutes: control.zone.map(|zone| zone.minutes().into()),
    }
}

/// A scope by the id it is of; the program has none.
pub(crate) fn scope_text(scope: &ControlScope) -> String {
    match scope {
        ControlScope::Program => String::new(),
        ControlScope::Product(id) => id.to_string(),
        ControlScope::Account(id) => id.to_string(),
        ControlScope::Card(id) => id.to_string(),
    }
}

fn limit_message(measure: Measure, window: Window) -> proto::Limit {
    let (window, rolling_seconds) = match window {
        Window::Payment => (proto::LimitWindow::Payment, 0),
        Window::Day => (proto::LimitWindow::Day, 0),
        Window::Week => (proto::LimitWindow::Week, 0),
        Window::Month => (proto::LimitWindow::Month, 0),
        Window::Year => (proto::LimitWindow::Year, 0),
        Window::Lifetime => (proto::LimitWindow::Lifetime, 0),
        Window::Rolling { seconds } => {
            (proto::LimitWindow::Rolling, i32::try_from(seconds).unwrap_or(i32::MAX))
        }
    };
    let (amount_minor_max, count_max) = match measure {
        Measure::Amount(amount) => (amount, 0),
        Measure::Count(count) => (0, i32::try_from(count).unwrap_or(i32::MAX)),
    };
    proto::Limit { window: window.into(), amount_minor_max, count_max, rolling_seconds }
}

fn match_message(when: &Match) -> proto::RuleMatch {
    let mut channels: Vec<i32> =
        when.channels.iter().map(|channel| public::channel(*channel).into()).collect();
    channels.dedup();
    let entry_mode = |mode: &EntryMode| match mode {
        EntryMode::Unknown => proto::EntryMode::Unspecified,
        EntryMode::Chip => proto::EntryMode::Chip,
        EntryMode::Contactless => proto::EntryMode::Contactless,
        EntryMode::Stripe => proto::EntryMode::Stripe,
        EntryMode::Keyed => proto::EntryMode::Keyed,
        EntryMode::Stored => proto::EntryMode::Stored,
        EntryMode::InApp => proto::EntryMode::InApp,
    };
    proto::RuleMatch {
        channels,
        mccs: range_messages(&when.mccs),
        mcc_groups: Vec::new(),
        countries: when.countries.iter().map(|country| country.as_str().to_owned()).collect(),
        merchant_ids: when.merchants.iter().map(ToString::to_string).collect(),
        cross_border: when.cross_border,
        entry_modes: when.entry_modes.iter().map(|mode| entry_mode(mode).into()).collect(),
        hours: when.hours.map(|hours| proto::Hours {
            days: (1..=7).filter(|day| hours.days & (1 << (day - 1)) != 0).collect(),
            from_minute: hours.from.into(),
            until_minute: hours.until.into(),
        }),
    }
}

/// Ranges of categories as the contract writes them.
pub(super) fn range_messages(ranges: &[MccRange]) -> Vec<proto::MccRange> {
    let one = |range: &MccRange| proto::MccRange {
        first: format!("{:04}", range.first.number()),
        last: format!("{:04}", range.last.number()),
    };
    ranges.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rule: proto::Rule) -> Result<Vec<Control>, Invalid> {
        let mut controls = Vec::new();
        parse(&[rule], true, &mut controls).map(|()| controls)
    }

    fn night_out() -> proto::Rule {
        proto::Rule {
            rule_id: 120,
            effect: proto::RuleEffect::Limit.into(),
            r#match: Some(proto::RuleMatch {
                channels: vec![proto::Channel::Pos.into(), proto::Channel::Ecommerce.into()],
                mccs: vec![proto::MccRange { first: "5811".into(), last: "5814".into() }],
                countries: vec!["CN".into()],
                merchant_ids: vec!["M-1".into()],
                cross_border: Some(false),
                entry_modes: vec![proto::EntryMode::Contactless.into()],
                hours: Some(proto::Hours { days: vec![5, 6], from_minute: 1200, until_minute: 180 }),
                ..Default::default()
            }),
            unless: Some(proto::RuleMatch { merchant_ids: vec!["M-2".into()], ..Default::default() }),
            limit: Some(proto::Limit {
                window: proto::LimitWindow::Rolling.into(),
                amount_minor_max: 50_000,
                rolling_seconds: 3_600,
                ..Default::default()
            }),
            per: proto::CountedPer::Account.into(),
            utc_offset_minutes: Some(-300),
            ..Default::default()
        }
    }

    #[test]
    fn a_rule_comes_back_as_it_was() {
        let controls = read(night_out()).unwrap();
        assert_eq!(message(&controls[0]), night_out());
        let group = proto::RuleMatch { mcc_groups: vec!["gambling".into()], ..Default::default() };
        let deny = proto::Rule {
            rule_id: 100,
            effect: proto::RuleEffect::Deny.into(),
            r#match: Some(group),
            ..Default::default()
        };
        let back = message(&read(deny).unwrap()[0]);
        assert_eq!(back.r#match.unwrap().mccs.len(), 3, "a group is its ranges");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let base = night_out;
        let limit = |limit| proto::Rule { limit, ..base() };
        for (wrong, field) in [
            (proto::Rule { rule_id: 99, ..base() }, "controls.rules[0].rule_id"),
            (proto::Rule { effect: 1, ..base() }, "controls.rules[0].limit"),
            (limit(None), "controls.rules[0].limit"),
            (
                limit(Some(proto::Limit { window: 7, amount_minor_max: 1, ..Default::default() })),
                "controls.rules[0].limit.rolling_seconds",
            ),
            (
                limit(Some(proto::Limit { window: 2, ..Default::default() })),
                "controls.rules[0].limit.amount_minor_max",
            ),
            (proto::Rule { unless: Some(proto::RuleMatch::default()), ..base() }, "controls.rules[0].unless"),
            (proto::Rule { except: vec!["cust_1".into()], ..base() }, "controls.rules[0].except[0]"),
            (proto::Rule { utc_offset_minutes: Some(900), ..base() }, "controls.rules[0].utc_offset_minutes"),
        ] {
            let error = read(wrong).unwrap_err();
            assert_eq!(bursar_types::Failure::violations(&error)[0].field, field);
        }
    }
}
