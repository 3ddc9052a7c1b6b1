//! Authorizations: over the acquirer's line, in the wallet, and through the ledger's own interface.

use bursar_proto::gateway::v1::PayRequest;
use bursar_proto::ledger::v1::{AuthorizeRequest, Channel, GetPaymentRequest, NetworkReference, Payment};
use bursar_proto::vault::v1::{PaymentContext, VerifyCardPasswordRequest, VerifyCardRequest};

use super::{Done, Failed, soon};
use crate::outside::acquirer::{self, Kind, Purchase, Use};
use crate::outside::callers::{attempt, request_id};
use crate::outside::desk::BIN;
use crate::scenario::merchants;
use crate::scenario::scene::{Scene, ScenePayment, money};
use crate::scenario::script::{Authorize, Sent, Via};
use crate::scenario::stage::Stage;

/// Merchant where the scenario names none.
const USUAL: &str = "shop";

/// How the card is used.
pub(super) fn used(name: Option<&str>) -> Result<Use, String> {
    match name {
        None | Some("online") => Ok(Use::Online),
        Some("chip") => Ok(Use::Chip),
        Some("cash") => Ok(Use::Cash),
        Some(other) => Err(format!("a card is used online, by chip or for cash, not {other}")),
    }
}

/// The contract's channel of such a use.
pub(super) fn channel(used: Use) -> Channel {
    match used {
        Use::Online => Channel::Ecommerce,
        Use::Chip => Channel::Pos,
        Use::Cash => Channel::Atm,
    }
}

pub(super) async fn authorize(
    stage: &mut Stage,
    scene: &mut Scene,
    number: usize,
    ask: &Authorize,
) -> Result<Done, Failed> {
    let name = ask.name.clone().unwrap_or_else(|| format!("#{number}"));
    match ask.via {
        Via::Iso8583 => over_iso8583(stage, scene, name, ask).await,
        Via::Wallet => in_the_wallet(stage, scene, name, ask).await,
        Via::Ledger => at_the_ledger(stage, scene, name, ask).await,
    }
}

/// The next digit, so that a code is certainly another.
fn changed(digits: &str) -> String {
    let mut digits = digits.to_owned();
    let last = digits.pop().and_then(|last| last.to_digit(10)).unwrap_or(0);
    digits.push(char::from_digit((last + 1) % 10, 10).unwrap_or('0'));
    digits
}

fn sent(how: Sent, right: &str, wrong: impl FnOnce(&str) -> String) -> Option<String> {
    match how {
        Sent::Right => Some(right.to_owned()),
        Sent::Wrong => Some(wrong(right)),
        Sent::Absent => None,
    }
}

/// A number of our range with a good check digit (ISO/IEC 7812-1, annex B) that no card has: the last of the range.
fn nobodys_number() -> String {
    let body = format!("{BIN:9<15}");
    let sum: u32 = body
        .chars()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let digit = digit.to_digit(10).unwrap_or(0);
            let doubled = if at % 2 == 0 { digit * 2 } else { digit };
            if doubled > 9 { doubled - 9 } else { doubled }
        })
        .sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

pub(super) async fn purchase(
    stage: &mut Stage,
    scene: &mut Scene,
    name: &str,
    ask: &Authorize,
) -> Result<Purchase, Failed> {
    let mut purchase = match &ask.again {
        Some(before) => {
            let before = scene.payment(Some(before))?;
            before.message.clone().ok_or("that payment did not come over ISO 8583")?
        }
        None => {
            let card = scene.details(stage, ask.card.as_deref()).await?;
            let amount = ask.amount.ok_or("an authorization has an amount")?;
            let merchant = merchants::called(ask.at.as_deref().unwrap_or(USUAL))?;
            let other_year = |right: &str| format!("{}{}", changed(&right[..2]), &right[2..]);
            Purchase {
                pan: sent(ask.number, &card.pan, |_| nobodys_number()).unwrap_or_default(),
                expiry: sent(ask.expiry, &card.expiry, other_year),
                cvv2: sent(ask.cvv2, &card.cvv2, changed),
                used: used(ask.used.as_deref())?,
                partial: ask.partial,
                kind: match (ask.stand_in, ask.capture) {
                    (true, _) => Kind::Approved(ask.code.clone().unwrap_or_default()),
                    (false, true) => Kind::Payment,
                    (false, false) => Kind::Authorization,
                },
                reference: scene.reference(name),
                ..Purchase::online(&card, amount.0, merchant)
            }
        }
    };
    if ask.again.is_some() {
        if let Some(amount) = ask.amount {
            purchase.minor_units = amount.0;
        }
        if let Some(merchant) = &ask.at {
            purchase.merchant = merchants::called(merchant)?;
        }
    }
    for (field, value) in &ask.fields {
        let field = field.parse().map_err(|_| format!("`{field}` is no field of ISO 8583"))?;
        purchase.fields.push((field, value.clone()));
    }
    purchase.without.extend(&ask.without);
    Ok(purchase)
}

async fn over_iso8583(
    stage: &mut Stage,
    scene: &mut Scene,
    name: String,
    ask: &Authorize,
) -> Result<Done, Failed> {
    let mut purchase = purchase(stage, scene, &name, ask).await?;
    let answer = acquirer::send(&stage.iso8583, &mut purchase).await?;
    let payment = match &purchase.kind {
        // What is acknowledged is told to the ledger afterwards.
        Kind::Approved(_) if answer.response_code == "00" => Some(
            soon("the advice reaches the ledger", async || by_message(stage, &purchase.reference).await)
                .await?,
        ),
        // Nothing under this reference: the gateway refused it before it came to the ledger.
        _ => by_message(stage, &purchase.reference).await?,
    };
    if let (Some(payment), Kind::Authorization | Kind::Payment) = (&payment, &purchase.kind) {
        agrees(payment, &answer, ask.again.is_some())?;
    }
    let (reference, merchant) = (purchase.reference.clone(), purchase.merchant.clone());
    let id = payment.as_ref().map(|payment| payment.payment_id.clone()).unwrap_or_default();
    scene.keep(name, ScenePayment { id, reference, merchant, message: Some(purchase), proof: None });
    Ok(Done {
        code: Some(answer.response_code),
        payment,
        authorization: true,
        repeated: ask.again.is_some(),
        ..Done::default()
    })
}

/// What the network was told is what the ledger decided.
fn agrees(payment: &Payment, answer: &acquirer::Answer, again: bool) -> Result<(), String> {
    let partly = answer.response_code == "10";
    let approved = payment.approved.clone().unwrap_or_default().minor_units;
    if partly && answer.minor_units != u64::try_from(approved).ok() {
        return Err(format!("field 4 says {:?} and {approved} are approved", answer.minor_units));
    }
    let refused = answer.response_code != "00" && answer.response_code != "85" && !partly;
    if !refused && answer.authorization_code != payment.authorization_code {
        return Err(format!(
            "field 38 says `{}` and the payment has `{}`",
            answer.authorization_code, payment.authorization_code
        ));
    }
    if refused && !again && !answer.authorization_code.is_empty() {
        return Err(format!("a decline has the authorization code `{}`", answer.authorization_code));
    }
    Ok(())
}

async fn by_message(stage: &Stage, reference: &NetworkReference) -> Result<Option<Payment>, Failed> {
    if reference.stan.is_empty() {
        return Ok(None);
    }
    let request = GetPaymentRequest { payment_id: String::new(), network: Some(reference.clone()) };
    match attempt!(stage.network, get_payment, request) {
        Ok(answer) => Ok(answer.payment),
        Err(status) => match Failed::from(status) {
            Failed::Refused { reason: "NOT_FOUND", .. } => Ok(None),
            failed => Err(failed),
        },
    }
}

async fn in_the_wallet(
    stage: &mut Stage,
    scene: &mut Scene,
    name: String,
    ask: &Authorize,
) -> Result<Done, Failed> {
    let password = scene.password(stage, ask.card.as_deref()).await?;
    let merchant = merchants::called(ask.at.as_deref().unwrap_or(USUAL))?;
    let request = PayRequest {
        request_id: request_id(),
        card_id: scene.card(ask.card.as_deref())?.id.clone(),
        card_password: sent(ask.password, &password, changed).unwrap_or_default(),
        amount: Some(money(ask.amount.ok_or("a payment has an amount")?.0)),
        merchant: Some(merchant.clone()),
    };
    let answer = attempt!(stage.callers.checkout, pay, request, &stage.customer.token)?;
    let payment = answer.payment.unwrap_or_default();
    let (id, reference) = (payment.payment_id.clone(), NetworkReference::default());
    scene.keep(name, ScenePayment { id, reference, merchant, message: None, proof: None });
    Ok(Done {
        payment: Some(payment),
        tries_left: Some(answer.tries_left),
        authorization: true,
        ..Done::default()
    })
}

async fn at_the_ledger(
    stage: &mut Stage,
    scene: &mut Scene,
    name: String,
    ask: &Authorize,
) -> Result<Done, Failed> {
    let merchant = merchants::called(ask.at.as_deref().unwrap_or(USUAL))?;
    let amount = money(ask.amount.ok_or("an authorization has an amount")?.0);
    let context = PaymentContext { amount: Some(amount.clone()), merchant_id: merchant.merchant_id.clone() };
    let in_app = ask.used.as_deref() == Some("in_app");
    let proof = match &ask.proof_of {
        Some(before) => scene
            .payment(Some(before))?
            .proof
            .clone()
            .ok_or("that payment came without a proof of its own")?,
        None if in_app => {
            let password = scene.password(stage, ask.card.as_deref()).await?;
            let request = VerifyCardPasswordRequest {
                request_id: request_id(),
                card_id: scene.card(ask.card.as_deref())?.id.clone(),
                card_password: sent(ask.password, &password, changed).unwrap_or_default(),
                payment: Some(context),
                customer_id: stage.customer.id.clone(),
            };
            attempt!(stage.verification, verify_card_password, request)?.proof
        }
        None => {
            let card = scene.details(stage, ask.card.as_deref()).await?;
            let request = VerifyCardRequest {
                pan: card.pan.clone(),
                expiry: card.expiry.clone(),
                cvv2: sent(ask.cvv2, &card.cvv2, changed).unwrap_or_default(),
                payment: Some(context),
            };
            attempt!(stage.verification, verify_card, request)?.proof
        }
    };
    let channel = if in_app { Channel::InApp } else { channel(used(ask.used.as_deref())?) };
    let reference = if in_app { NetworkReference::default() } else { scene.reference(&name) };
    let request = AuthorizeRequest {
        request_id: request_id(),
        proof: proof.clone(),
        amount: Some(amount),
        merchant: Some(merchant.clone()),
        channel: channel.into(),
        partial_allowed: ask.partial,
        capture_now: ask.capture,
        network: (!in_app).then(|| reference.clone()),
        stand_in: ask.stand_in,
        authorization_code: ask.code.clone().unwrap_or_default(),
    };
    let payment = attempt!(stage.network, authorize, request)?.payment.unwrap_or_default();
    if let Some(code) = &ask.code
        && payment.authorization_code != *code
    {
        return Err(format!("the payment has the code `{}`, not `{code}`", payment.authorization_code).into());
    }
    let id = payment.payment_id.clone();
    scene.keep(name, ScenePayment { id, reference, merchant, message: None, proof: Some(proof) });
    Ok(Done { payment: Some(payment), authorization: true, ..Done::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_up_number_has_a_good_check_digit() {
        let number = nobodys_number();
        assert_eq!(number.len(), 16);
        assert!(bursar_iso8583_luhn(&number), "{number}");
        assert_eq!(changed("129"), "120");
    }

    /// ISO/IEC 7812-1 annex B, over the whole number.
    fn bursar_iso8583_luhn(number: &str) -> bool {
        let sum: u32 = number
            .bytes()
            .rev()
            .enumerate()
            .map(|(at, byte)| {
                let digit = u32::from(byte - b'0');
                if at % 2 == 1 { digit * 2 / 10 + digit * 2 % 10 } else { digit }
            })
            .sum();
        sum.is_multiple_of(10)
    }
}
