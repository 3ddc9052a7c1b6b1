//! Whether what the platform says about a decline is true.

use bursar_proto::ledger::v1::{ExplainDecisionRequest, Payment, QuotePaymentRequest};

use super::scene::money;
use super::stage::Stage;
use crate::outside::callers::ask;

/// What a change is called that says how much would have been approved.
const AMOUNT_AT_MOST: &str = "amount_at_most";

/// Checks the explanation of a decline that was just made; gives the changes it names.
///
/// Where it says that so much would have been approved, the platform is asked: so much is, and a cent more is not.
pub(super) async fn declined(stage: &Stage, payment: &Payment) -> Result<Vec<String>, String> {
    let request = ExplainDecisionRequest { payment_id: payment.payment_id.clone() };
    let told = ask!(stage.callers.payments_desk, explain_decision, request)?;
    if told.approved {
        return Err("the explanation says that it was approved".into());
    }
    let mut reasons: Vec<i32> = told.reasons.iter().map(|reason| reason.reason).collect();
    let mut known = payment.all_decline_reasons.clone();
    for list in [&mut reasons, &mut known] {
        list.sort_unstable();
        list.dedup();
    }
    if reasons != known {
        return Err(format!("the explanation has the reasons {:?}, the payment {known:?}", told.reasons));
    }
    if told.customer_en != payment.customer_message_en || told.customer_zh != payment.customer_message_zh {
        return Err(format!(
            "the customer is told “{}” and “{}”",
            told.customer_en, payment.customer_message_en
        ));
    }
    if let [change] = &told.changes[..]
        && change.what == AMOUNT_AT_MOST
        && let Some(most) = change.value
    {
        let (so_much, more) = (would(stage, payment, most).await?, would(stage, payment, most + 1).await?);
        if most > 0 && !so_much {
            return Err(format!("“{}” is not true: {most} minor units would be declined", change.text_en));
        }
        if more {
            return Err(format!("“{}” is not the most: one more would be approved", change.text_en));
        }
    }
    Ok(told.changes.into_iter().map(|change| change.text_en).collect())
}

/// Whether such a payment over so much would be approved now.
async fn would(stage: &Stage, payment: &Payment, minor_units: i64) -> Result<bool, String> {
    if minor_units <= 0 {
        return Ok(false);
    }
    let request = QuotePaymentRequest {
        card_id: payment.card_id.clone(),
        amount: Some(money(minor_units)),
        merchant: payment.merchant.clone(),
        channel: payment.channel,
    };
    Ok(ask!(stage.callers.payments_desk, quote_payment, request)?.approved)
}
