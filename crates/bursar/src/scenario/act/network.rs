//! What follows an authorization, as the acquirer says it over ISO 8583. It is acknowledged at once, and told to the
//! ledger afterwards.

use bursar_proto::ledger::v1::{ListPaymentsRequest, NetworkReference, Payment};

use super::authorize::purchase;
use super::{Done, Failed, soon};
use crate::outside::acquirer::{self, Kind, Purchase};
use crate::outside::callers::attempt;
use crate::scenario::merchants;
use crate::scenario::scene::{Scene, ScenePayment};
use crate::scenario::script::{Authorize, By, Present, Refund, Reverse};
use crate::scenario::stage::Stage;

/// The acknowledgement of what is taken.
const TAKEN: &str = "00";

pub(super) async fn reverse(stage: &mut Stage, scene: &mut Scene, ask: &Reverse) -> Result<Done, Failed> {
    if let Some(name) = &ask.before {
        return before(stage, scene, name, ask).await;
    }
    let of = scene.payment(ask.payment.as_deref())?.clone();
    let original = of.message.as_ref().ok_or("that payment did not come over ISO 8583")?;
    let remains = ask.amount.map(|amount| original.minor_units - amount.0);
    let mut reversal = original.reversal(remains);
    let then = scene.look_up(stage, &of.id).await?;
    let mut codes = Vec::new();
    for _ in 0..ask.times.unwrap_or(1) {
        codes.push(acquirer::send(&stage.iso8583, &mut reversal).await?.response_code);
    }
    let code = all_the_same(codes)?;
    let payment = match code.as_str() {
        TAKEN => soon("the reversal reaches the ledger", async || changed(stage, scene, &then).await).await?,
        _ => then,
    };
    if let Some(name) = &ask.payment {
        scene.last = Some(name.clone());
    }
    Ok(Done { code: Some(code), payment: Some(payment), ..Done::default() })
}

/// Each repetition is answered like the first.
fn all_the_same(mut codes: Vec<String>) -> Result<String, String> {
    let first = codes.first().cloned().ok_or("a message is sent once at least")?;
    codes.retain(|code| *code != first);
    match codes.first() {
        None => Ok(first),
        Some(other) => Err(format!("answered with {first}, and its repetition with {other}")),
    }
}

/// The payment, once it is another than it was.
async fn changed(stage: &Stage, scene: &Scene, then: &Payment) -> Result<Option<Payment>, Failed> {
    let now = scene.look_up(stage, &then.payment_id).await?;
    Ok(Some(now).filter(|now| now.elements != then.elements))
}

/// A reversal of a message that is still to come.
async fn before(stage: &mut Stage, scene: &mut Scene, name: &str, ask: &Reverse) -> Result<Done, Failed> {
    let original = Authorize { amount: ask.amount, ..Authorize::default() };
    let original = purchase(stage, scene, name, &original).await?;
    let mut reversal = original.reversal(None);
    let (_, then) = scene.account_now(stage).await?;
    let answer = acquirer::send(&stage.iso8583, &mut reversal).await?;
    // It shows nowhere yet, but the journal has grown by it.
    soon("the reversal reaches the ledger", async || {
        let (_, position) = scene.account_now(stage).await?;
        Ok(Some(()).filter(|()| position > then))
    })
    .await?;
    let (reference, merchant) = (original.reference.clone(), original.merchant.clone());
    let payment = ScenePayment { id: String::new(), reference, merchant, message: None, proof: None };
    scene.payments.insert(name.to_owned(), payment);
    Ok(Done { code: Some(answer.response_code), ..Done::default() })
}

pub(super) async fn present(stage: &mut Stage, scene: &mut Scene, ask: &Present) -> Result<Done, Failed> {
    let of = scene.payment(ask.payment.as_deref())?.clone();
    let original = of.message.as_ref().ok_or("that payment did not come over ISO 8583")?;
    let then = scene.look_up(stage, &of.id).await?;
    if ask.by != By::Code {
        return Err("the acquirer's advice names its payment by the code".into());
    }
    let mut paid = Purchase {
        kind: Kind::Paid(then.authorization_code.clone()),
        minor_units: ask.amount.0,
        cvv2: None,
        reference: acquirer::reference(),
        ..original.clone()
    };
    let answer = acquirer::send(&stage.iso8583, &mut paid).await?;
    let payment = soon("the payment reaches the ledger", async || changed(stage, scene, &then).await).await?;
    if let Some(name) = &ask.payment {
        scene.last = Some(name.clone());
    }
    Ok(Done { code: Some(answer.response_code), payment: Some(payment), ..Done::default() })
}

pub(super) async fn refund(
    stage: &mut Stage,
    scene: &mut Scene,
    number: usize,
    ask: &Refund,
) -> Result<Done, Failed> {
    let merchant =
        merchants::called(ask.unlinked_at.as_deref().ok_or("name the merchant with `unlinked_at`")?)?;
    let details = scene.details(stage, ask.card.as_deref()).await?;
    let card_id = scene.card(ask.card.as_deref())?.id.clone();
    let known = payments_of(stage, &card_id).await?.len();
    let mut refund = Purchase::online(&details, ask.amount.0, merchant.clone());
    refund.kind = Kind::Refund;
    let answer = acquirer::send(&stage.iso8583, &mut refund).await?;
    let payment = soon("the refund reaches the ledger", async || {
        let payments = payments_of(stage, &card_id).await?;
        Ok(payments.first().filter(|_| payments.len() > known).cloned())
    });
    let payment = payment.await?;
    let name = ask.name.clone().unwrap_or_else(|| format!("#{number}"));
    let (id, reference) = (payment.payment_id.clone(), NetworkReference::default());
    scene.keep(name, ScenePayment { id, reference, merchant, message: None, proof: None });
    Ok(Done { code: Some(answer.response_code), payment: Some(payment), ..Done::default() })
}

/// The payments of a card, newest first.
async fn payments_of(stage: &Stage, card_id: &str) -> Result<Vec<Payment>, Failed> {
    let request = ListPaymentsRequest {
        card_id: card_id.to_owned(),
        page_size: 1000,
        ..ListPaymentsRequest::default()
    };
    Ok(attempt!(stage.callers.payments_desk, list_payments, request)?.payments)
}
