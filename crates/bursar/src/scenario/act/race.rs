//! A freeze against payments that are under way: after its acknowledgement at position N none is approved above N.

use std::sync::Arc;

use bursar_proto::ledger::v1::{
    DeclineReason, FreezeCardRequest, ListPaymentsRequest, Payment, PaymentState,
};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Done, Failed};
use crate::outside::acquirer::{self, Purchase};
use crate::outside::callers::{Callers, ask, attempt, request_id};
use crate::scenario::merchants;
use crate::scenario::scene::Scene;
use crate::scenario::script::Race;
use crate::scenario::stage::Stage;

pub(super) async fn race(stage: &mut Stage, scene: &mut Scene, ask: &Race) -> Result<Done, Failed> {
    let card = scene.details(stage, None).await?;
    let card_id = scene.card(None)?.id.clone();
    // Each payment that is answered gives a permit: the freeze is asked for while the others are under way.
    let answered = Arc::new(Semaphore::new(0));
    let mut acquirers = JoinSet::new();
    for _ in 0..ask.acquirers {
        let (address, card, answered) = (stage.iso8583.clone(), card.clone(), Arc::clone(&answered));
        let (amount, payments) = (ask.amount.0, ask.payments);
        let merchant = merchants::called("shop")?;
        acquirers.spawn(async move {
            let mut codes = Vec::new();
            for _ in 0..payments {
                let mut purchase = Purchase::online(&card, amount, merchant.clone());
                codes.push(acquirer::send(&address, &mut purchase).await?.response_code);
                answered.add_permits(1);
            }
            Ok::<_, String>(codes)
        });
    }
    let half = ask.acquirers * ask.payments / 2;
    answered.acquire_many(half).await.map_err(|error| error.to_string())?.forget();
    let freeze =
        FreezeCardRequest { request_id: request_id(), card_id: card_id.clone(), reason: "lost".into() };
    let frozen = attempt!(stage.callers.cards, freeze_card, freeze, &stage.customer.token)?;

    let mut codes = Vec::new();
    while let Some(done) = acquirers.join_next().await {
        codes.extend(done.map_err(|error| error.to_string())??);
    }
    let mut late = Purchase::online(&card, ask.amount.0, merchants::called("shop")?);
    codes.push(acquirer::send(&stage.iso8583, &mut late).await?.response_code);
    let payments = all_payments(&stage.callers, &card_id).await?;
    let told = judge(&payments, &codes, frozen.position)?;
    // What the race left is where the next step begins.
    let approved = payments.iter().filter(|payment| payment.state() == PaymentState::Approved).count();
    let held = i64::try_from(approved).unwrap_or(i64::MAX).saturating_mul(ask.amount.0);
    scene.available -= held;
    Ok(Done { card: frozen.card, told, ..Done::default() })
}

/// The rule itself, and that the race was one.
fn judge(payments: &[Payment], codes: &[String], position: i64) -> Result<String, String> {
    let approved: Vec<_> =
        payments.iter().filter(|payment| payment.state() == PaymentState::Approved).collect();
    if let Some(late) = approved.iter().find(|payment| payment.position > position) {
        return Err(format!(
            "{} is approved at position {}, and the card was frozen at {position}",
            late.payment_id, late.position
        ));
    }
    let refused = payments
        .iter()
        .filter(|payment| {
            payment.decline_reason() == DeclineReason::CardFrozen && payment.position > position
        })
        .count();
    let (good, bad) = (count(codes, "00"), count(codes, "62"));
    if (good, bad) != (approved.len(), refused) || good + bad != payments.len() {
        return Err(format!(
            "the acquirers were told {good} × 00 and {bad} × 62 of {}; the ledger has {} approved before and {refused} \
             declined after",
            payments.len(),
            approved.len()
        ));
    }
    if good == 0 || bad < 2 {
        return Err(format!("{good} approved and {bad} declined: that was no race"));
    }
    Ok(format!("frozen at position {position}: {good} approved before it, {bad} declined after it"))
}

fn count(codes: &[String], code: &str) -> usize {
    codes.iter().filter(|known| *known == code).count()
}

async fn all_payments(callers: &Callers, card_id: &str) -> Result<Vec<Payment>, String> {
    let request = ListPaymentsRequest {
        card_id: card_id.to_owned(),
        page_size: 1000,
        ..ListPaymentsRequest::default()
    };
    Ok(ask!(callers.payments_desk, list_payments, request)?.payments)
}
