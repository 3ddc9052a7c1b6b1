//! Controls and terms as a scenario writes them, and as the contract does.

use bursar_proto::ledger::v1 as proto;
use serde::Deserialize;

use super::script::Amount;
use crate::outside::clock::seconds;

/// Controls of a scope.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Controls {
    limits: Vec<Limit>,
    denied_mccs: Vec<String>,
    allowed_countries: Vec<String>,
    deny_cross_border: bool,
    rules: Vec<Rule>,
}

/// A limit by amount or by count.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    /// `payment`, `day`, `week`, `month`, `year`, `lifetime`; a length such as `10m`: the last so long.
    window: String,
    amount: Option<Amount>,
    count: Option<i32>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    id: i32,
    /// `deny`, `allow_only` or `limit`.
    effect: String,
    #[serde(default)]
    when: Option<Match>,
    #[serde(default)]
    unless: Option<Match>,
    #[serde(default)]
    limit: Option<Limit>,
    /// `card`, `account`, `product` or `program`.
    #[serde(default)]
    per: Option<String>,
    #[serde(default)]
    utc_offset_minutes: Option<i32>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Match {
    /// `pos`, `ecommerce`, `in_app`, `atm`.
    channels: Vec<String>,
    /// `5811-5814` or `7995`.
    mccs: Vec<String>,
    mcc_groups: Vec<String>,
    countries: Vec<String>,
    merchants: Vec<String>,
    cross_border: Option<bool>,
    hours: Option<Hours>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hours {
    /// 1 is Monday; none: every day.
    #[serde(default)]
    days: Vec<i32>,
    /// `22:00`.
    from: String,
    until: String,
}

/// A card product, or a further version of one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Product {
    pub(crate) validity_months: Option<i32>,
    controls: Option<Controls>,
    fees: Vec<Fee>,
    holds: Vec<Hold>,
    tolerances: Vec<Tolerance>,
    min_kyc_level: i32,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Fee {
    id: i32,
    /// `purchase`, `cross_border`, `cash`, `non_direct`.
    on: String,
    flat: Amount,
    basis_points: i32,
    min: Amount,
    max: Amount,
    tiers: Vec<Tier>,
    free_per_month: i32,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Tier {
    up_to: Amount,
    flat: Amount,
    basis_points: i32,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Hold {
    mccs: Vec<String>,
    card_present: Option<bool>,
    at_most_units: i32,
    days: i32,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Tolerance {
    mccs: Vec<String>,
    basis_points: i32,
    flat: Amount,
}

/// The contract's value with this name: `day` of `LIMIT_WINDOW_`.
pub(super) fn named<E>(prefix: &str, name: &str, from: impl Fn(&str) -> Option<E>) -> Result<E, String> {
    let full = format!("{prefix}{}", name.to_uppercase());
    from(&full).ok_or_else(|| format!("there is no {full}"))
}

fn ranges(texts: &[String]) -> Vec<proto::MccRange> {
    let one = |text: &String| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        proto::MccRange { first: first.to_owned(), last: last.to_owned() }
    };
    texts.iter().map(one).collect()
}

impl Limit {
    fn message(&self) -> Result<proto::Limit, String> {
        let calendar = named("LIMIT_WINDOW_", &self.window, proto::LimitWindow::from_str_name).ok();
        let (window, rolling) = match calendar {
            Some(window) => (window, 0),
            None => (proto::LimitWindow::Rolling, seconds(&self.window)?),
        };
        Ok(proto::Limit {
            window: window.into(),
            amount_minor_max: self.amount.unwrap_or_default().0,
            count_max: self.count.unwrap_or_default(),
            rolling_seconds: i32::try_from(rolling).map_err(|error| error.to_string())?,
        })
    }
}

impl Match {
    fn message(&self) -> Result<proto::RuleMatch, String> {
        let channel = |name: &String| named("CHANNEL_", name, proto::Channel::from_str_name).map(i32::from);
        Ok(proto::RuleMatch {
            channels: self.channels.iter().map(channel).collect::<Result<_, _>>()?,
            mccs: ranges(&self.mccs),
            mcc_groups: self.mcc_groups.clone(),
            countries: self.countries.clone(),
            merchant_ids: self.merchants.clone(),
            cross_border: self.cross_border,
            entry_modes: Vec::new(),
            hours: self.hours.as_ref().map(Hours::message).transpose()?,
        })
    }
}

impl Hours {
    fn message(&self) -> Result<proto::Hours, String> {
        let minute = |text: &str| {
            let (hour, minute) = text.split_once(':')?;
            Some(hour.parse::<i32>().ok()? * 60 + minute.parse::<i32>().ok()?)
        };
        let read = |text: &str| minute(text).ok_or_else(|| format!("`{text}` is no time of day"));
        Ok(proto::Hours {
            days: self.days.clone(),
            from_minute: read(&self.from)?,
            until_minute: read(&self.until)?,
        })
    }
}

impl Rule {
    fn message(&self) -> Result<proto::Rule, String> {
        let per = self.per.as_deref().map(|per| named("COUNTED_PER_", per, proto::CountedPer::from_str_name));
        Ok(proto::Rule {
            rule_id: self.id,
            effect: named("RULE_EFFECT_", &self.effect, proto::RuleEffect::from_str_name)?.into(),
            r#match: self.when.as_ref().map(Match::message).transpose()?,
            unless: self.unless.as_ref().map(Match::message).transpose()?,
            except: Vec::new(),
            limit: self.limit.as_ref().map(Limit::message).transpose()?,
            per: per.transpose()?.unwrap_or_default().into(),
            utc_offset_minutes: self.utc_offset_minutes,
        })
    }
}

impl Controls {
    /// As the contract writes them.
    pub(crate) fn message(&self) -> Result<proto::Controls, String> {
        Ok(proto::Controls {
            limits: self.limits.iter().map(Limit::message).collect::<Result<_, _>>()?,
            denied_mccs: self.denied_mccs.clone(),
            allowed_countries: self.allowed_countries.clone(),
            deny_cross_border: self.deny_cross_border,
            rules: self.rules.iter().map(Rule::message).collect::<Result<_, _>>()?,
        })
    }
}

impl Fee {
    fn message(&self) -> Result<proto::Fee, String> {
        let tier = |tier: &Tier| proto::FeeTier {
            up_to_minor: tier.up_to.0,
            flat_minor: tier.flat.0,
            basis_points: tier.basis_points,
        };
        Ok(proto::Fee {
            fee_id: self.id,
            event: named("FEE_EVENT_", &self.on, proto::FeeEvent::from_str_name)?.into(),
            flat_minor: self.flat.0,
            basis_points: self.basis_points,
            min_minor: self.min.0,
            max_minor: self.max.0,
            tiers: self.tiers.iter().map(tier).collect(),
            free_per_month: self.free_per_month,
        })
    }
}

impl Product {
    /// Controls of every card of it.
    pub(crate) fn controls(&self) -> Result<Option<proto::Controls>, String> {
        self.controls.as_ref().map(Controls::message).transpose()
    }

    /// Its terms.
    pub(crate) fn terms(&self) -> Result<proto::CardProductTerms, String> {
        let hold = |hold: &Hold| proto::HoldRule {
            mccs: ranges(&hold.mccs),
            card_present: hold.card_present,
            at_most_major_units: hold.at_most_units,
            days: hold.days,
        };
        let tolerance = |tolerance: &Tolerance| proto::Tolerance {
            mccs: ranges(&tolerance.mccs),
            basis_points: tolerance.basis_points,
            flat_minor: tolerance.flat.0,
        };
        Ok(proto::CardProductTerms {
            fees: self.fees.iter().map(Fee::message).collect::<Result<_, _>>()?,
            hold_rules: self.holds.iter().map(hold).collect(),
            tolerances: self.tolerances.iter().map(tolerance).collect(),
            min_kyc_level: self.min_kyc_level,
        })
    }
}
