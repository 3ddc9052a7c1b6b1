//! The customer: signs up, logs in, applies, and reads what the platform tells.

use std::time::Duration;

use bursar_proto::identity::v1::Locale;
use bursar_proto::notifications::v1::{InboxMessage, ListInboxRequest};

use crate::demo::report::Report;
use crate::outside::callers::{Callers, dressed, until};
use crate::outside::customer::Customer;
use crate::outside::person::Person;

/// Longest wait for the inbox to tell of everything that happened.
const INBOX_WAIT: Duration = Duration::from_secs(60);

/// Event types of which the customer must have been told at the end.
const TOLD_OF: [&str; 8] = [
    "identity.kyc.approved",
    "ledger.top_up.settled",
    "ledger.card.issued",
    "vault.card_password.set",
    "ledger.payment.approved",
    "ledger.payment.declined",
    "ledger.card.frozen",
    "ledger.card.unfrozen",
];

/// Signs up with a phone number and a password, and proves the phone.
pub(super) async fn sign_up(report: &mut Report, callers: &Callers) -> Result<Customer, String> {
    report.begin("sign_up", "signing up");
    let customer = Customer::sign_up(callers, Person::invent(), Locale::ZhCn).await?;
    report.held(&format!("{} signed up and proved the phone with a one-time code", customer.id));
    Ok(customer)
}

/// Opens a session with the password.
pub(super) async fn log_in(
    report: &mut Report,
    callers: &Callers,
    customer: &mut Customer,
) -> Result<(), String> {
    report.begin("log_in", "logging in");
    let session = customer.log_in(callers).await?;
    report.held(&format!("session {session} with phone and password"));
    Ok(())
}

/// Applies with details and document images; gives the id of the case.
pub(super) async fn apply(
    report: &mut Report,
    callers: &Callers,
    customer: &mut Customer,
) -> Result<String, String> {
    report.begin("kyc_apply", "applying");
    let case = customer.apply(callers).await?;
    report.held(&format!("{case} with a resident ID number and three images, due within 24 hours"));
    Ok(case)
}

/// Waits until the inbox tells of everything that happened, in Chinese.
pub(super) async fn notifications(
    report: &mut Report,
    callers: &Callers,
    customer: &Customer,
) -> Result<(), String> {
    report.begin("inbox", "waiting for the inbox to tell of everything");
    let messages = inbox(callers, &customer.token, &TOLD_OF).await?;
    if let Some(foreign) = messages.iter().find(|message| message.locale != "zh-CN") {
        return Err(format!("a message is in {}: {}", foreign.locale, foreign.title));
    }
    let declined = messages.iter().find(|message| message.event_type == "ledger.payment.declined");
    let example = declined.map(|message| format!("{}：{}", message.title, message.body)).unwrap_or_default();
    report.held(&format!("{} messages in zh-CN, such as 「{example}」", messages.len()));
    Ok(())
}

/// A customer who reads English is told in English.
pub(super) async fn english_friend(report: &mut Report, callers: &Callers) -> Result<(), String> {
    report.begin("inbox_en", "a friend signs up in English");
    let mut person = Person::invent();
    person.full_name = "Robin Fairweather".into();
    let friend = Customer::sign_up(callers, person, Locale::En).await?;
    let messages = inbox(callers, &friend.token, &["identity.customer.registered"]).await?;
    match messages.first() {
        Some(message) if message.locale == "en" => {
            report.held(&format!("{} in en: “{}: {}”", messages.len(), message.title, message.body));
            Ok(())
        }
        other => Err(format!("the first message is {other:?}")),
    }
}

async fn inbox(callers: &Callers, token: &str, types: &[&str]) -> Result<Vec<InboxMessage>, String> {
    until(INBOX_WAIT, "the inbox", || {
        let mut messages = callers.messages.clone();
        async move {
            let request = ListInboxRequest { page_size: 1000, page_token: String::new() };
            let answer = messages.list_inbox(dressed(request, Some(token))?).await?.into_inner();
            let missing =
                types.iter().find(|wanted| !answer.messages.iter().any(|m| m.event_type == **wanted));
            Ok(match missing {
                Some(wanted) => Err(format!("nothing of {wanted}")),
                None => Ok(answer.messages),
            })
        }
    })
    .await
}
