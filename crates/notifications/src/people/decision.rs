//! Which events become messages to people, and over which channels: a pure function of the event.

use std::str::FromStr;

use bursar_proto::event::v1::Event;
use bursar_proto::ledger::v1::PaymentChanged;
use bursar_types::Asset;
use bursar_types::id::CustomerId;
use serde::{Deserialize, Serialize};

use super::facts::{self, BadEvent, Facts, Told};

/// How much say the customer has in whether a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// About the safety of the account: goes out whatever the customer prefers.
    Mandatory,
    /// About what the customer does with the account: as the customer prefers.
    Service,
    /// Of no hurry: as the customer prefers, and with others if that is preferred.
    Optional,
}

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// The safety of the account.
    Security,
    /// Payments and top-ups.
    Payments,
    /// Cards and the account.
    Account,
}

/// A way to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// The inbox in the wallet. Every message goes there.
    Inbox,
    /// A text message.
    Sms,
    /// An e-mail.
    Email,
}

impl Channel {
    /// As it is stored and told.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Sms => "sms",
            Self::Email => "email",
        }
    }
}

impl FromStr for Channel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Inbox, Self::Sms, Self::Email]
            .into_iter()
            .find(|channel| channel.as_str() == text)
            .ok_or_else(|| format!("`{text}` is no channel"))
    }
}

/// What is done with events of one type.
#[derive(Debug)]
pub struct Rule {
    /// The type of event.
    pub event_type: &'static str,
    /// The template of its message.
    pub template: &'static str,
    /// Its class.
    pub class: Class,
    /// What it is about.
    pub category: Category,
    /// Where it goes.
    pub channels: &'static [Channel],
    read: fn(&Event) -> Result<Told, BadEvent>,
}

/// A message to be sent.
#[derive(Debug)]
pub struct Notice {
    /// To whom.
    pub customer_id: CustomerId,
    /// By which rule.
    pub rule: &'static Rule,
    /// Its class: the rule's, or more.
    pub class: Class,
    /// What it says.
    pub facts: Facts,
}

const BOTH: &[Channel] = &[Channel::Inbox, Channel::Sms];
const MAIL: &[Channel] = &[Channel::Inbox, Channel::Email];

/// A payment of so many major units of its currency is told whatever the customer prefers.
const LARGE_PAYMENT: i64 = 5_000;

macro_rules! rules {
    ($($event_type:literal $template:literal $class:ident $category:ident $channels:ident $read:ident),+ $(,)?) => {
        /// Every type of event that becomes a message. All others become none.
        pub static RULES: &[Rule] = &[$(Rule {
            event_type: $event_type,
            template: $template,
            class: Class::$class,
            category: Category::$category,
            channels: $channels,
            read: facts::$read,
        }),+];
    };
}

rules! {
    "identity.customer.registered" "welcome" Service Account BOTH registered,
    "identity.session.opened" "session_opened" Mandatory Security BOTH session,
    "identity.kyc.submitted" "kyc_submitted" Optional Account MAIL kyc_submitted,
    "identity.kyc.approved" "kyc_approved" Mandatory Security BOTH kyc_decided,
    "identity.kyc.rejected" "kyc_rejected" Mandatory Security BOTH kyc_decided,
    "identity.kyc.more_info" "kyc_more_info" Mandatory Security BOTH kyc_decided,
    "vault.card_password.set" "card_password_set" Mandatory Security BOTH password_set,
    "vault.card_password.locked" "card_password_locked" Mandatory Security BOTH password_locked,
    "vault.card.revealed" "card_revealed" Mandatory Security BOTH revealed,
    "ledger.card.issued" "card_issued" Optional Account MAIL card,
    "ledger.card.activated" "card_activated" Service Account BOTH card,
    "ledger.card.frozen" "card_frozen" Mandatory Security BOTH card,
    "ledger.card.unfrozen" "card_unfrozen" Mandatory Security BOTH card,
    "ledger.payment.approved" "payment_approved" Service Payments BOTH payment,
    "ledger.payment.declined" "payment_declined" Service Payments BOTH payment,
    "ledger.payment.cleared" "payment_cleared" Optional Payments MAIL payment,
    "ledger.payment.reversed" "payment_reversed" Service Payments BOTH payment,
    "ledger.payment.refunded" "payment_refunded" Service Payments BOTH payment,
    "ledger.top_up.settled" "top_up_settled" Service Payments BOTH top_up,
}

/// The rule for events of this type.
pub fn rule(event_type: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.event_type == event_type)
}

/// The message that `event` becomes, if it becomes one.
///
/// # Errors
/// [`BadEvent`] if its payload is not what its type says.
pub fn decide(event: &Event) -> Result<Option<Notice>, BadEvent> {
    let Some(rule) = rule(&event.r#type) else { return Ok(None) };
    let told = (rule.read)(event)?;
    let class = if is_large(event) { Class::Mandatory } else { rule.class };
    Ok(told.map(|(customer_id, facts)| Notice { customer_id, rule, class, facts }))
}

/// Whether it is a large payment that was approved.
fn is_large(event: &Event) -> bool {
    if event.r#type != "ledger.payment.approved" {
        return false;
    }
    let approved = facts::payload::<PaymentChanged>(event).ok().and_then(|changed| changed.payment?.approved);
    approved.is_some_and(|money| {
        let exponent = Asset::from_code(&money.asset).map_or(2, |asset| asset.exponent());
        money.minor_units / 10_i64.saturating_pow(exponent.into()) >= LARGE_PAYMENT
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn what_is_mandatory_reaches_the_phone_and_all_reaches_the_inbox() {
        for rule in RULES {
            assert!(rule.channels.contains(&Channel::Inbox), "{}", rule.event_type);
            if rule.class == Class::Mandatory {
                assert!(rule.channels.contains(&Channel::Sms), "{}", rule.event_type);
            }
        }
    }

    #[test]
    fn a_large_payment_is_told_whatever_is_preferred() {
        for (minor_units, class) in [(499_999, Class::Service), (500_000, Class::Mandatory)] {
            let event = samples::payment("ledger.payment.approved", |changed| {
                changed.payment.as_mut().unwrap().approved = samples::cny(minor_units);
            });
            assert_eq!(decide(&event).unwrap().unwrap().class, class, "{minor_units}");
        }
    }

    #[test]
    fn a_payload_of_another_type_is_refused() {
        for rule in RULES {
            let mut event = samples::event(rule.event_type);
            event.data = samples::event("ledger.account.opened").data;
            assert!(matches!(decide(&event), Err(BadEvent::Payload { .. })), "{}", rule.event_type);
            event.data = None;
            assert!(matches!(decide(&event), Err(BadEvent::Payload { .. })), "{}", rule.event_type);
        }
    }

    #[test]
    fn other_events_become_no_message() {
        for event_type in ["ledger.account.opened", "gateway.bank_file.imported", "a.b.c"] {
            assert!(decide(&samples::event(event_type)).unwrap().is_none(), "{event_type}");
        }
    }

    #[test]
    fn a_check_of_an_account_becomes_no_message() {
        let checked = samples::payment("ledger.payment.approved", |changed| {
            let payment = changed.payment.as_mut().unwrap();
            payment.amount = samples::cny(0);
            payment.approved = samples::cny(0);
        });
        assert!(decide(&checked).unwrap().is_none());
    }
}
