//! What came of a step against what its file says.

use std::fmt::Debug;
use std::time::Duration;

use bursar_proto::ledger::v1::{Card, CardCloseReason, Entry, GetCardRequest, Payment, PaymentState};
use tokio::time::Instant;

use super::act::{Done, Failed};
use super::explain;
use super::scene::Scene;
use super::script::{Amount, Gives, Step, Sums};
use super::stage::Stage;
use crate::outside::callers::ask;
use crate::outside::decimal;

/// Longest wait for what time brings about.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Wait between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(25);
/// The ledger looks a few times a second whether something is due: so long after time has moved, it has.
const DUE_SEEN: Duration = Duration::from_millis(400);

/// The contract's name without its prefix, in lower case: `approved` of `PAYMENT_STATE_APPROVED`.
pub(super) fn short(prefix: &str, name: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase()
}

/// Compares, and tells what the step came to.
pub(super) async fn check(
    stage: &Stage,
    scene: &mut Scene,
    step: &Step,
    outcome: Result<Done, Failed>,
) -> Result<String, String> {
    let gives = &step.gives;
    let done = match (outcome, &gives.refused) {
        (Ok(_), Some(reason)) => {
            return Err(format!("expected to be refused with {reason}, and it was done"));
        }
        (Err(Failed::Refused { reason, .. }), Some(wanted)) if reason == wanted => {
            let account = Account::of(stage, scene).await?;
            account.compare(scene, gives)?;
            account.keep(scene);
            return Ok(format!("refused: {reason}"));
        }
        (Err(Failed::Refused { reason, text }), Some(wanted)) => {
            return Err(format!("expected to be refused with {wanted}, and it was with {reason}: {text}"));
        }
        (Err(Failed::Refused { text, .. } | Failed::Broken(text)), _) => return Err(text),
        (Ok(done), None) => done,
    };
    if !done.waits {
        return compare(stage, scene, gives, &done).await;
    }
    let nothing_changes = gives.posted.is_none() && gives.available.is_none() && gives.entries.is_empty();
    if nothing_changes && gives.state.is_some() {
        // That nothing happened can be seen only after it would have.
        tokio::time::sleep(DUE_SEEN).await;
    }
    let late = Instant::now() + WAIT_MAX;
    loop {
        match compare(stage, scene, gives, &done).await {
            Err(_) if Instant::now() < late => tokio::time::sleep(LOOK_AGAIN).await,
            compared => return compared,
        }
    }
}

async fn compare(stage: &Stage, scene: &mut Scene, gives: &Gives, done: &Done) -> Result<String, String> {
    let mut told = Vec::new();
    told.extend(Some(done.told.clone()).filter(|text| !text.is_empty()));
    same("field 39", &gives.code, &done.code)?;
    told.extend(done.code.as_ref().map(|code| format!("field 39 = {code}")));
    same("found", &gives.found, &done.found)?;
    same("tries_left", &gives.tries_left.or(done.tries_left), &done.tries_left)?;
    same("remembered", &gives.remembered, &done.remembered)?;
    quote(gives, done, &mut told)?;
    card(stage, scene, gives, done, &mut told).await?;
    payment(stage, scene, gives, done, &mut told).await?;
    let account = Account::of(stage, scene).await?;
    account.compare(scene, gives)?;
    told.push(account.told());
    account.keep(scene);
    Ok(told.join(", "))
}

fn same<T: PartialEq + Debug>(what: &str, wanted: &T, seen: &T) -> Result<(), String> {
    if wanted == seen {
        return Ok(());
    }
    Err(format!("{what}: expected {}, got {}", shown(wanted), shown(seen)))
}

/// As people write it.
fn shown(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    match text.strip_prefix("Some(").and_then(|rest| rest.strip_suffix(')')) {
        Some(inner) => inner.to_owned(),
        None if text == "None" || text == "[]" => "nothing".to_owned(),
        None => text,
    }
}

fn quote(gives: &Gives, done: &Done, told: &mut Vec<String>) -> Result<(), String> {
    let Some(quote) = &done.quote else { return Ok(()) };
    same("would be approved", &gives.would, &Some(quote.approved))?;
    let reasons: Vec<_> = quote.decline_reasons().map(|reason| reason_name(reason.as_str_name())).collect();
    same("reasons", &gives.reasons, &reasons)?;
    let fee = quote.fee.clone().unwrap_or_default().minor_units;
    same("fee", &gives.fee.unwrap_or_default(), &Amount(fee))?;
    let parts: i64 = quote.fees.iter().map(|part| part.amount.clone().unwrap_or_default().minor_units).sum();
    same("sum of the fees", &fee, &parts)?;
    if let Some(days) = gives.hold_days {
        same("hold_days", &days, &quote.hold_days)?;
    }
    told.push(format!("fee {}, held {} days", decimal(fee), quote.hold_days));
    Ok(())
}

async fn card(
    stage: &Stage,
    scene: &Scene,
    gives: &Gives,
    done: &Done,
    told: &mut Vec<String>,
) -> Result<(), String> {
    let Some(wanted) = &gives.card else {
        return match &done.card {
            Some(card) => Err(format!("say the card's state: it is {}", state_of(card))),
            None => same("closed_as", &gives.closed_as, &None),
        };
    };
    let card = match (&done.card, &gives.of) {
        (Some(card), None) => card.clone(),
        (_, of) => {
            let request = GetCardRequest { card_id: scene.card(of.as_deref())?.id.clone() };
            ask!(stage.cards_desk, get_card, request)?.card.unwrap_or_default()
        }
    };
    same("card", wanted, &state_of(&card))?;
    let closed_as = match card.close_reason() {
        CardCloseReason::Unspecified => None,
        reason => Some(short("CARD_CLOSE_REASON_", reason.as_str_name())),
    };
    same("closed_as", &gives.closed_as, &closed_as)?;
    told.push(format!("the card is {wanted}"));
    Ok(())
}

fn state_of(card: &Card) -> String {
    short("CARD_STATE_", card.state().as_str_name())
}

fn reason_name(name: &str) -> String {
    short("DECLINE_REASON_", name)
}

async fn payment(
    stage: &Stage,
    scene: &Scene,
    gives: &Gives,
    done: &Done,
    told: &mut Vec<String>,
) -> Result<(), String> {
    let id = match (&gives.payment, &done.payment, &gives.state) {
        (Some(name), ..) => scene.payment(Some(name))?.id.clone(),
        (None, Some(payment), _) => payment.payment_id.clone(),
        (None, None, Some(state)) if done.authorization => {
            return Err(format!("expected a payment that is {state}, and there is none"));
        }
        (None, None, Some(_)) => scene.payment(None)?.id.clone(),
        (None, None, None) => return Ok(()),
    };
    let payment = match &done.payment {
        Some(told) if told.payment_id == id => told.clone(),
        _ => scene.look_up(stage, &id).await?,
    };
    let state = short("PAYMENT_STATE_", payment.state().as_str_name());
    let reasons: Vec<_> =
        payment.all_decline_reasons().map(|reason| reason_name(reason.as_str_name())).collect();
    match &gives.state {
        Some(wanted) => same("state", wanted, &state).map_err(|problem| match reasons.first() {
            Some(_) => format!("{problem}, because of {}", reasons.join(", ")),
            None => problem,
        })?,
        None => return Err(format!("say the payment's state: it is {state} ({})", reasons.join(", "))),
    }
    if done.authorization {
        same("reasons", &gives.reasons, &reasons)?;
        authorized(gives, &payment)?;
    } else if done.quote.is_none() {
        let declined: Vec<_> = done.declined.iter().cloned().collect();
        same("reasons", &gives.reasons, &declined)?;
    }
    sums(gives, done, &payment)?;
    if done.authorization && !done.repeated && payment.state() == PaymentState::Declined {
        let explained = explain::declined(stage, &payment).await?;
        if let Some(changes) = &gives.changes {
            same("changes", changes, &explained)?;
        }
    } else if gives.changes.is_some() {
        return Err("changes belong to a decline".into());
    }
    if let Some(tells) = &gives.tells {
        same("tells", tells, &payment.customer_message_en)?;
    }
    let held = payment.held.clone().unwrap_or_default().minor_units;
    told.push(match reasons.first().filter(|_| state == "declined") {
        Some(_) => format!("{state}: {}", reasons.join(", ")),
        None => format!("{state}, held {}", decimal(held)),
    });
    Ok(())
}

/// What was approved: all of it, unless the file says otherwise.
fn authorized(gives: &Gives, payment: &Payment) -> Result<(), String> {
    let asked = payment.amount.clone().unwrap_or_default().minor_units;
    let usual = if payment.state() == PaymentState::Declined { 0 } else { asked };
    let approved = payment.approved.clone().unwrap_or_default().minor_units;
    same("approved", &gives.approved.unwrap_or(Amount(usual)), &Amount(approved))
}

fn sums(gives: &Gives, done: &Done, payment: &Payment) -> Result<(), String> {
    let seen = payment.sums.unwrap_or_default();
    let seen = Sums {
        authorized: Amount(seen.authorized),
        incremented: Amount(seen.incremented),
        reversed: Amount(seen.reversed),
        cleared: Amount(seen.cleared),
        shortfall: Amount(seen.shortfall),
        released: Amount(seen.released),
        expired: Amount(seen.expired),
        refunded: Amount(seen.refunded),
        fees: Amount(seen.fees),
        outstanding: Amount(seen.outstanding),
    };
    let approved = Amount(payment.approved.clone().unwrap_or_default().minor_units);
    let wanted = match (gives.sums, payment.state()) {
        (Some(sums), _) => sums,
        (None, PaymentState::Declined) => Sums::default(),
        (None, PaymentState::Cleared) if done.authorization => {
            Sums { authorized: approved, cleared: approved, ..Sums::default() }
        }
        (None, _) if done.authorization => {
            Sums { authorized: approved, outstanding: approved, ..Sums::default() }
        }
        (None, _) => return Err(format!("say the payment's sums: {}", told_sums(&seen))),
    };
    if wanted == seen {
        return Ok(());
    }
    Err(format!("sums: expected {}, got {}", told_sums(&wanted), told_sums(&seen)))
}

/// `{ authorized = "1.00", … }`, as a file writes it.
fn told_sums(sums: &Sums) -> String {
    let named = [
        ("authorized", sums.authorized),
        ("incremented", sums.incremented),
        ("reversed", sums.reversed),
        ("cleared", sums.cleared),
        ("shortfall", sums.shortfall),
        ("released", sums.released),
        ("expired", sums.expired),
        ("refunded", sums.refunded),
        ("fees", sums.fees),
        ("outstanding", sums.outstanding),
    ];
    let there: Vec<String> = named
        .iter()
        .filter(|(_, amount)| amount.0 != 0)
        .map(|(name, amount)| format!("{name} = \"{amount}\""))
        .collect();
    format!("{{ {} }}", there.join(", "))
}

/// The account after a step.
struct Account {
    posted: i64,
    available: i64,
    /// What was posted since the last step.
    entries: Vec<Entry>,
}

impl Account {
    async fn of(stage: &Stage, scene: &Scene) -> Result<Self, String> {
        let (account, position) = scene.account_now(stage).await?;
        let entries = scene.entries(stage, position).await?.split_off(scene.entries_seen);
        Ok(Self { posted: account.posted, available: account.available, entries })
    }

    fn compare(&self, scene: &Scene, gives: &Gives) -> Result<(), String> {
        let posted = gives.posted.unwrap_or(Amount(scene.posted));
        same("posted", &posted, &Amount(self.posted))?;
        let available = gives.available.unwrap_or(Amount(scene.available));
        same("available", &available, &Amount(self.available))?;
        let line = |entry: &Entry| {
            let amount = entry.amount.clone().unwrap_or_default().minor_units;
            format!("{} {}", entry.r#type, decimal(amount))
        };
        let entries: Vec<String> = self.entries.iter().map(line).collect();
        same("entries", &gives.entries, &entries)
    }

    fn told(&self) -> String {
        format!("posted {}, available {}", decimal(self.posted), decimal(self.available))
    }

    /// The next step begins here.
    fn keep(&self, scene: &mut Scene) {
        scene.posted = self.posted;
        scene.available = self.available;
        scene.entries_seen += self.entries.len();
    }
}
