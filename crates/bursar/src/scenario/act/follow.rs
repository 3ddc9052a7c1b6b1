//! What follows an authorization, and the question what one would cost.

use bursar_proto::ledger::v1::{
    Channel, ClearPaymentRequest, DeclineReason, IncrementPaymentRequest, NetworkReference,
    PostPresentmentRequest, PresentmentMatch, QuotePaymentRequest, RefundPaymentRequest,
    ReversePaymentRequest,
};

use super::{Done, Failed, authorize};
use crate::outside::callers::{attempt, request_id};
use crate::scenario::check::short;
use crate::scenario::merchants;
use crate::scenario::scene::{Scene, ScenePayment, money};
use crate::scenario::script::{By, Clear, Increment, Present, Quote, Refund, Reverse};
use crate::scenario::stage::Stage;

/// A card that nobody has.
const NOBODYS_CARD: &str = "card_00000000000000000000000001";

/// A payment by its id or by its message.
fn named(
    scene: &Scene,
    name: Option<&str>,
    by_message: bool,
) -> Result<(String, Option<NetworkReference>), String> {
    let payment = scene.payment(name)?;
    Ok(match by_message {
        true => (String::new(), Some(payment.reference.clone())),
        false => (payment.id.clone(), None),
    })
}

fn about(scene: &mut Scene, name: Option<&String>) {
    if let Some(name) = name {
        scene.last = Some(name.clone());
    }
}

pub(super) async fn increment(stage: &Stage, scene: &mut Scene, ask: &Increment) -> Result<Done, Failed> {
    let (payment_id, network) = named(scene, ask.payment.as_deref(), ask.by_message)?;
    let amount = Some(money(ask.amount.0));
    let request = IncrementPaymentRequest { request_id: request_id(), payment_id, network, amount };
    let answer = attempt!(stage.network, increment_payment, request)?;
    about(scene, ask.payment.as_ref());
    let declined = match answer.decline_reason() {
        DeclineReason::Unspecified => None,
        reason => Some(short("DECLINE_REASON_", reason.as_str_name())),
    };
    Ok(Done { payment: answer.payment, declined, ..Done::default() })
}

pub(super) async fn reverse(stage: &Stage, scene: &mut Scene, ask: &Reverse) -> Result<Done, Failed> {
    let (payment_id, network) = match &ask.before {
        Some(name) => {
            let reference = scene.reference(name);
            let merchant = merchants::called("shop")?;
            let payment = ScenePayment {
                id: String::new(),
                reference: reference.clone(),
                merchant,
                message: None,
                proof: None,
            };
            scene.payments.insert(name.clone(), payment);
            (String::new(), Some(reference))
        }
        None => named(scene, ask.payment.as_deref(), ask.by_message)?,
    };
    let amount = ask.amount.map(|amount| money(amount.0));
    let request = ReversePaymentRequest { request_id: request_id(), payment_id, amount, network };
    let answer = attempt!(stage.network, reverse_payment, request)?;
    about(scene, ask.payment.as_ref());
    Ok(Done { payment: answer.payment, remembered: answer.remembered, ..Done::default() })
}

pub(super) async fn clear(stage: &Stage, scene: &mut Scene, ask: &Clear) -> Result<Done, Failed> {
    let request = ClearPaymentRequest {
        request_id: request_id(),
        payment_id: scene.payment(ask.payment.as_deref())?.id.clone(),
        amount: Some(money(ask.amount.0)),
        last: !ask.more,
    };
    let answer = attempt!(stage.network, clear_payment, request)?;
    about(scene, ask.payment.as_ref());
    Ok(Done { payment: answer.payment, ..Done::default() })
}

pub(super) async fn present(
    stage: &Stage,
    scene: &mut Scene,
    number: usize,
    ask: &Present,
) -> Result<Done, Failed> {
    let of = scene.payment(ask.payment.as_deref()).ok().cloned();
    let merchant = match (&ask.at, &of) {
        (Some(name), _) => merchants::called(name)?,
        (None, Some(payment)) => payment.merchant.clone(),
        (None, None) => return Err("a presentment has a merchant: name one with `at`".into()),
    };
    let known = |what: &str| of.clone().ok_or(format!("there is no payment to name by its {what}"));
    let (network, authorization_code) = match ask.by {
        By::Network => (Some(known("message")?.reference), String::new()),
        By::Code => (None, scene.look_up(stage, &known("code")?.id).await?.authorization_code),
        By::Merchant => (None, String::new()),
    };
    let channel = match &of {
        Some(payment) if !payment.id.is_empty() => scene.look_up(stage, &payment.id).await?.channel,
        _ => Channel::Ecommerce.into(),
    };
    let card_id = if ask.unknown_card { NOBODYS_CARD.to_owned() } else { scene.card(None)?.id.clone() };
    let request = PostPresentmentRequest {
        request_id: request_id(),
        card_id,
        amount: Some(money(ask.amount.0)),
        merchant: Some(merchant.clone()),
        network: network.filter(|network| !network.stan.is_empty()),
        authorization_code,
        channel,
        more_to_come: ask.more,
    };
    let answer = attempt!(stage.network, post_presentment, request)?;
    let found = answer.r#match();
    let payment = answer.payment.unwrap_or_default();
    match scene.payments.iter().find(|(_, known)| known.id == payment.payment_id) {
        Some((name, _)) => scene.last = Some(name.clone()),
        None => {
            let name = ask.name.clone().unwrap_or_else(|| format!("#{number}"));
            let (id, reference) = (payment.payment_id.clone(), NetworkReference::default());
            scene.keep(name, ScenePayment { id, reference, merchant, message: None, proof: None });
        }
    }
    let found = match found {
        PresentmentMatch::Unspecified => None,
        found => Some(short("PRESENTMENT_MATCH_", found.as_str_name())),
    };
    Ok(Done { payment: Some(payment), found, ..Done::default() })
}

pub(super) async fn refund(
    stage: &Stage,
    scene: &mut Scene,
    number: usize,
    ask: &Refund,
) -> Result<Done, Failed> {
    let unlinked = ask.unlinked_at.as_deref().map(merchants::called).transpose()?;
    let (payment_id, card_id) = match &unlinked {
        Some(_) => (String::new(), scene.card(ask.card.as_deref())?.id.clone()),
        None => (scene.payment(ask.payment.as_deref())?.id.clone(), String::new()),
    };
    let request = RefundPaymentRequest {
        request_id: request_id(),
        payment_id,
        card_id,
        amount: Some(money(ask.amount.0)),
        merchant: unlinked.clone(),
    };
    let payment = attempt!(stage.network, refund_payment, request)?.payment.unwrap_or_default();
    match unlinked {
        Some(merchant) => {
            let name = ask.name.clone().unwrap_or_else(|| format!("#{number}"));
            let (id, reference) = (payment.payment_id.clone(), NetworkReference::default());
            scene.keep(name, ScenePayment { id, reference, merchant, message: None, proof: None });
        }
        None => about(scene, ask.payment.as_ref()),
    }
    Ok(Done { payment: Some(payment), ..Done::default() })
}

pub(super) async fn quote(stage: &Stage, scene: &Scene, ask: &Quote) -> Result<Done, Failed> {
    let request = QuotePaymentRequest {
        card_id: scene.card(None)?.id.clone(),
        amount: Some(money(ask.amount.0)),
        merchant: Some(merchants::called(ask.at.as_deref().unwrap_or("shop"))?),
        channel: authorize::channel(authorize::used(ask.used.as_deref())?).into(),
    };
    let quote = attempt!(stage.callers.payments_desk, quote_payment, request)?;
    Ok(Done { quote: Some(quote), ..Done::default() })
}
