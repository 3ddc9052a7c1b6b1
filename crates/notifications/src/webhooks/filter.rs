//! Which events an endpoint gets.

use std::str::FromStr;

use bursar_proto::event::v1::Event;
use bursar_proto::ledger::v1::PaymentChanged;

use crate::people::facts::payload;

/// Most event types of one endpoint.
pub const EVENT_TYPES_MAX: usize = 64;

/// Longest event type, in characters: the longest of the platform has some 30.
const EVENT_TYPE_LENGTH_MAX: usize = 100;

/// An event type (`ledger.payment.approved`), or all that begin so (`ledger.payment.*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// This type.
    Exactly(String),
    /// Every type that begins with this text, which ends in a dot.
    Prefix(String),
}

/// The text is no event type and no prefix of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be an event type such as `ledger.payment.approved`, or `ledger.payment.*` for all that begin so"
)]
pub struct BadPattern;

impl Pattern {
    /// Whether it takes events of this type.
    pub fn takes(&self, event_type: &str) -> bool {
        match self {
            Self::Exactly(name) => name == event_type,
            Self::Prefix(prefix) => event_type.starts_with(prefix.as_str()),
        }
    }
}

impl FromStr for Pattern {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Self, BadPattern> {
        if text.len() > EVENT_TYPE_LENGTH_MAX {
            return Err(BadPattern);
        }
        let (name, pattern) = match text.strip_suffix(".*") {
            Some(prefix) => (prefix, Self::Prefix(format!("{prefix}."))),
            None => (text, Self::Exactly(text.to_owned())),
        };
        let word = |w: &str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        if name.split('.').all(word) { Ok(pattern) } else { Err(BadPattern) }
    }
}

/// Who listens at an endpoint, and so how much of an event it may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Audience {
    /// The issuer's own back ends: the whole event.
    Issuer,
    /// One merchant: its own payments, and of them what it knows or must know.
    Merchant,
}

impl Audience {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Issuer => "issuer",
            Self::Merchant => "merchant",
        }
    }
}

/// What an endpoint asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Types of events.
    pub patterns: Vec<Pattern>,
    /// Only events of this merchant (DE42); empty: all.
    pub merchant_id: String,
}

impl Filter {
    /// Who listens.
    pub fn audience(&self) -> Audience {
        if self.merchant_id.is_empty() { Audience::Issuer } else { Audience::Merchant }
    }

    /// Whether it takes an event of this type that concerns this merchant, if any.
    pub fn takes(&self, event_type: &str, merchant_id: Option<&str>) -> bool {
        let ours = self.merchant_id.is_empty() || merchant_id == Some(self.merchant_id.as_str());
        ours && self.patterns.iter().any(|pattern| pattern.takes(event_type))
    }
}

/// The merchant an event concerns: that of its payment.
pub fn merchant_of(event: &Event) -> Option<String> {
    let changed: PaymentChanged = payload(event).ok()?;
    let merchant_id = changed.payment?.merchant?.merchant_id;
    Some(merchant_id).filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    fn filter(patterns: &[&str], merchant_id: &str) -> Filter {
        let patterns = patterns.iter().map(|text| text.parse().unwrap()).collect();
        Filter { patterns, merchant_id: merchant_id.to_owned() }
    }

    #[test]
    fn a_prefix_takes_what_begins_so_and_nothing_else() {
        let all = filter(&["ledger.payment.*", "vault.card.revealed"], "");
        assert!(all.takes("ledger.payment.approved", None));
        assert!(all.takes("vault.card.revealed", Some("M1")));
        for other in ["ledger.payments.approved", "ledger.payment", "vault.card.issued", "gateway.x"] {
            assert!(!all.takes(other, None), "{other}");
        }
    }

    #[test]
    fn a_merchant_gets_its_own_payments_only() {
        let shop = filter(&["ledger.*", "identity.*"], "SHOP-1");
        assert!(shop.takes("ledger.payment.approved", Some("SHOP-1")));
        assert!(!shop.takes("ledger.payment.approved", Some("SHOP-2")));
        assert!(!shop.takes("ledger.payment.approved", None));
        assert!(!shop.takes("identity.session.opened", None));
    }

    #[test]
    fn odd_patterns_are_refused() {
        for bad in ["", "*", ".*", "a..b", "a.*.b", "a.b*", "A.b", "a b", "a.", "ledger.**"] {
            assert_eq!(bad.parse::<Pattern>(), Err(BadPattern), "{bad}");
        }
        assert_eq!("a".repeat(101).parse::<Pattern>(), Err(BadPattern));
    }

    #[test]
    fn the_merchant_of_a_payment_is_found_and_others_have_none() {
        assert_eq!(merchant_of(&samples::event("ledger.payment.approved")).as_deref(), Some("SHOP-1"));
        assert_eq!(merchant_of(&samples::event("identity.session.opened")), None);
    }
}
