//! What holds after every scenario, whatever it did.

use std::collections::BTreeMap;

use bursar_proto::ledger::v1::{
    ExplainDecisionRequest, ListPaymentsRequest, Payment, PaymentState, ReplayDecisionRequest,
};

use super::scene::Scene;
use super::stage::Stage;
use crate::outside::callers::ask;
use crate::outside::{books, decimal};

/// Checks the books, the account, and each payment's sums, record and explanation.
pub(super) async fn hold(stage: &Stage, scene: &Scene, has_fees: bool) -> Result<(), String> {
    books::trial_balance(&stage.callers).await?;
    let payments = payments(stage, scene).await?;
    account(stage, scene, &payments, has_fees).await?;
    for payment in &payments {
        sums(payment).map_err(|problem| format!("{}: {problem}", payment.payment_id))?;
        if payment.elements.first().is_some_and(|first| first.r#type == "authorization") {
            decision(stage, payment).await.map_err(|problem| format!("{}: {problem}", payment.payment_id))?;
        }
    }
    Ok(())
}

/// Every payment of the scenario's cards.
async fn payments(stage: &Stage, scene: &Scene) -> Result<Vec<Payment>, String> {
    let mut payments = Vec::new();
    for card in &scene.cards {
        let request = ListPaymentsRequest {
            card_id: card.id.clone(),
            page_size: 1000,
            ..ListPaymentsRequest::default()
        };
        payments.extend(ask!(stage.callers.payments_desk, list_payments, request)?.payments);
    }
    Ok(payments)
}

/// The account agrees with its own entries, and holds what the payments on it hold, with their fees.
async fn account(stage: &Stage, scene: &Scene, payments: &[Payment], has_fees: bool) -> Result<(), String> {
    let (now, position) = scene.account_now(stage).await?;
    let outstanding: i64 =
        payments.iter().filter_map(|payment| payment.sums).map(|sums| sums.outstanding).sum();
    if now.held < outstanding || (!has_fees && now.held != outstanding) {
        return Err(format!("{} is held, and the payments hold {}", decimal(now.held), decimal(outstanding)));
    }
    if now.posted - now.held != now.available {
        return Err(format!(
            "available {} is not posted {} less held {}",
            now.available, now.posted, now.held
        ));
    }
    let mut posted = 0;
    for entry in scene.entries(stage, position).await? {
        posted += entry.amount.clone().unwrap_or_default().minor_units;
        if entry.posted_after != posted {
            return Err(format!(
                "after entry {} {} is posted, and the entries so far sum to {posted}",
                entry.transfer_id, entry.posted_after
            ));
        }
    }
    if posted == now.posted {
        return Ok(());
    }
    Err(format!("the entries sum to {posted}, and {} is posted", now.posted))
}

/// A payment's sums follow from its elements, and none is negative.
fn sums(payment: &Payment) -> Result<(), String> {
    let sums = payment.sums.unwrap_or_default();
    let mut by_type: BTreeMap<&str, i64> = BTreeMap::new();
    for element in &payment.elements {
        let amount = element.amount.clone().unwrap_or_default().minor_units;
        *by_type.entry(&element.r#type).or_default() += amount;
    }
    for (kind, sum) in [
        ("clearing", sums.cleared),
        ("reversal", sums.reversed),
        ("release", sums.released),
        ("expiry", sums.expired),
        ("refund", sums.refunded),
        ("fee", sums.fees),
    ] {
        let elements = by_type.get(kind).copied().unwrap_or_default();
        if sum != elements {
            return Err(format!("{kind}: the sum is {sum}, its elements have {elements}"));
        }
    }
    // What of the approval neither ended otherwise nor is held was taken by clearings, or never was held.
    let taken =
        sums.authorized + sums.incremented - sums.reversed - sums.released - sums.expired - sums.outstanding;
    let negative = [sums.authorized, sums.incremented, sums.shortfall, sums.outstanding, sums.cleared, taken];
    if negative.iter().any(|sum| *sum < 0) || sums.shortfall > sums.cleared || sums.refunded < 0 {
        return Err(format!("sums that cannot be: {sums:?}"));
    }
    if payment.state() == PaymentState::Declined && (sums.outstanding, sums.cleared) != (0, 0) {
        return Err(format!("a decline moved money: {sums:?}"));
    }
    let held = payment.held.clone().unwrap_or_default().minor_units;
    if held == sums.outstanding {
        Ok(())
    } else {
        Err(format!("held {held}, outstanding {}", sums.outstanding))
    }
}

/// The decision comes out the same from its record, and the explanation agrees with it.
async fn decision(stage: &Stage, payment: &Payment) -> Result<(), String> {
    let id = payment.payment_id.clone();
    let replayed =
        ask!(stage.callers.payments_desk, replay_decision, ReplayDecisionRequest { payment_id: id })?;
    if !replayed.same || replayed.recorded != replayed.replayed || replayed.record.is_empty() {
        return Err("the decision comes out otherwise from its record".into());
    }
    if replayed.position != payment.position {
        return Err(format!("decided at {}, recorded at {}", payment.position, replayed.position));
    }
    let request = ExplainDecisionRequest { payment_id: payment.payment_id.clone() };
    let told = ask!(stage.callers.payments_desk, explain_decision, request)?;
    if told.approved != (payment.state() != PaymentState::Declined) {
        return Err(format!("the explanation says approved = {}", told.approved));
    }
    let retry = ["NEVER", "LATER", "FIX_DATA"].contains(&told.retry.as_str());
    if retry == told.approved || (told.approved && !told.changes.is_empty()) {
        return Err(format!("the explanation does not hold together: {told:?}"));
    }
    Ok(())
}
