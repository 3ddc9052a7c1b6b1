//! Which events become messages to people, and over which channels: a pure function of the event.

use bursar_proto::event::v1::Event;
use bursar_types::id::CustomerId;

use super::facts::{self, BadEvent, Facts, Told};

/// How much say the customer has in whether a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// About the safety of the account: goes out whatever the customer prefers.
    Mandatory,
    /// About what the customer does with the account.
    Service,
}

/// A way to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// The inbox in the wallet. Every message goes there.
    Inbox,
    /// A text message.
    Sms,
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
    /// What it says.
    pub facts: Facts,
}

const INBOX: &[Channel] = &[Channel::Inbox];
const BOTH: &[Channel] = &[Channel::Inbox, Channel::Sms];

macro_rules! rules {
    ($($event_type:literal $template:literal $class:ident $channels:ident $read:ident),+ $(,)?) => {
        /// Every type of event that becomes a message. All others become none.
        pub static RULES: &[Rule] = &[$(Rule {
            event_type: $event_type,
            template: $template,
            class: Class::$class,
            channels: $channels,
            read: facts::$read,
        }),+];
    };
}

rules! {
    "identity.customer.registered" "welcome" Service BOTH registered,
    "identity.session.opened" "session_opened" Mandatory BOTH session,
    "identity.kyc.submitted" "kyc_submitted" Service INBOX kyc_submitted,
    "identity.kyc.approved" "kyc_approved" Mandatory BOTH kyc_decided,
    "identity.kyc.rejected" "kyc_rejected" Mandatory BOTH kyc_decided,
    "identity.kyc.more_info" "kyc_more_info" Mandatory BOTH kyc_decided,
    "vault.card_password.set" "card_password_set" Mandatory BOTH password_set,
    "vault.card_password.locked" "card_password_locked" Mandatory BOTH password_locked,
    "vault.card.revealed" "card_revealed" Mandatory BOTH revealed,
    "ledger.card.issued" "card_issued" Service INBOX card,
    "ledger.card.activated" "card_activated" Service BOTH card,
    "ledger.card.frozen" "card_frozen" Mandatory BOTH card,
    "ledger.card.unfrozen" "card_unfrozen" Mandatory BOTH card,
    "ledger.payment.approved" "payment_approved" Service BOTH payment,
    "ledger.payment.declined" "payment_declined" Service BOTH payment,
    "ledger.payment.cleared" "payment_cleared" Service INBOX payment,
    "ledger.payment.reversed" "payment_reversed" Service BOTH payment,
    "ledger.payment.refunded" "payment_refunded" Service BOTH payment,
    "ledger.top_up.settled" "top_up_settled" Service BOTH top_up,
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
    Ok(told.map(|(customer_id, facts)| Notice { customer_id, rule, facts }))
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
