//! The card: issued, activated, used, frozen, thawed.

use std::time::{Duration, Instant};

use bursar_proto::ledger::v1::{
    Account, ActivateCardRequest, CardState, DeclineReason, FreezeCardRequest, IssueCardRequest,
    PaymentState, UnfreezeCardRequest,
};
use bursar_proto::vault::v1::RevealedCard;

use super::{AFTER, ASSET, AT_POS, IN_APP, TOO_MUCH, WHILE_FROZEN, fen, shop_as_merchant};
use crate::demo::report::Report;
use crate::demo::shop::Shop;
use crate::outside::acquirer::{self, Answer};
use crate::outside::callers::{Callers, ask, request_id};
use crate::outside::customer::{self, Customer};
use crate::outside::decimal;
use crate::platform::Endpoints;

/// Longest wait for the shop's confirmation.
const CONFIRMATION_WAIT: Duration = Duration::from_secs(60);

/// A card of the customer, with the password only the customer knows.
pub(super) struct OwnCard {
    pub(super) id: String,
    pub(super) password: String,
}

/// Issued, activated, and the card password set.
pub(super) async fn issue(
    report: &mut Report,
    callers: &Callers,
    customer: &mut Customer,
    account: &Account,
    product: &str,
) -> Result<OwnCard, String> {
    report.begin("card", "issuing a card");
    let request = IssueCardRequest {
        request_id: request_id(),
        account_id: account.account_id.clone(),
        card_product_id: product.to_owned(),
        ..IssueCardRequest::default()
    };
    let card = ask!(callers.cards, issue_card, request, &customer.token)?.card.unwrap_or_default();
    if card.state() != CardState::PendingActivation {
        return Err(format!("the new card is {}", card.state().as_str_name()));
    }
    report.held(&format!("{} issued: {}", card.card_id, card.masked_pan));

    report.begin("activate", "activating it");
    let request = ActivateCardRequest { request_id: request_id(), card_id: card.card_id.clone() };
    let active = ask!(callers.cards, activate_card, request, &customer.token)?.card.unwrap_or_default();
    if active.state() != CardState::Active {
        return Err(format!("the card is {} after its activation", active.state().as_str_name()));
    }
    report.held("PENDING_ACTIVATION → ACTIVE");

    report.begin("card_password", "setting the card password");
    customer.step_up(callers).await?;
    let password = customer::invent_card_password();
    customer.set_card_password(callers, &card.card_id, &password).await?;
    report.held("six digits, set after a second factor");
    Ok(OwnCard { id: card.card_id, password })
}

/// Pays the shop in the wallet; the shop hears of it by webhook.
pub(super) async fn pay_with_password(
    report: &mut Report,
    callers: &Callers,
    customer: &Customer,
    card: &OwnCard,
    shop: &Shop,
) -> Result<(), String> {
    report.begin("pay_in_app", "paying with the card password");
    let payment = pay(callers, customer, card, IN_APP).await?;
    if payment.state() != PaymentState::Cleared {
        return Err(format!(
            "the payment is {} ({})",
            payment.state().as_str_name(),
            payment.decline_reason().as_str_name()
        ));
    }
    report.held(&format!(
        "{} {ASSET} to {}: {}",
        decimal(IN_APP),
        shop_as_merchant().name,
        payment.payment_id
    ));

    report.begin("merchant_told", "waiting for the shop's webhook");
    let body = shop.confirmation(&payment.payment_id, CONFIRMATION_WAIT).await?;
    let told = body.get("type").and_then(|value| value.as_str()).unwrap_or_default();
    report.held(&format!("the shop received `{told}` over HTTP and its signature is good"));
    Ok(())
}

async fn pay(
    callers: &Callers,
    customer: &Customer,
    card: &OwnCard,
    amount: i64,
) -> Result<bursar_proto::ledger::v1::Payment, String> {
    customer.pay(callers, &card.id, &card.password, fen(amount), shop_as_merchant()).await
}

/// The customer looks at the card's details on the phone, to use them elsewhere.
pub(super) async fn reveal(
    report: &mut Report,
    callers: &Callers,
    customer: &Customer,
    card: &OwnCard,
) -> Result<RevealedCard, String> {
    report.begin("reveal", "showing the card's details on the phone");
    let details = customer.reveal(callers, &card.id).await?;
    report.held("number, expiry and CVV2, encrypted to a key that only the phone has");
    Ok(details)
}

/// A purchase over the card network.
pub(super) async fn pay_at_pos(
    report: &mut Report,
    endpoints: &Endpoints,
    details: &RevealedCard,
) -> Result<(), String> {
    report.begin("pay_iso8583", "an acquirer sends 0100");
    let answer = buy(endpoints, details, AT_POS).await?;
    expect(&answer, "00")?;
    report.held(&format!(
        "0100 over TCP with number, expiry and CVV2 for {} {ASSET}: {} with field 39 = {}, authorization code {}",
        decimal(AT_POS),
        answer.mti,
        answer.response_code,
        answer.authorization_code
    ));
    Ok(())
}

async fn buy(endpoints: &Endpoints, details: &RevealedCard, minor_units: i64) -> Result<Answer, String> {
    let mut purchase = acquirer::Purchase::online(details, minor_units, shop_as_merchant());
    acquirer::send(&endpoints.iso8583, &mut purchase).await
}

/// A purchase over the limit of a payment.
pub(super) async fn over_the_limit(
    report: &mut Report,
    endpoints: &Endpoints,
    details: &RevealedCard,
) -> Result<(), String> {
    report.begin("over_limit", "a purchase over the limit");
    let answer = buy(endpoints, details, TOO_MUCH).await?;
    expect(&answer, "61")?;
    report
        .held(&format!("{} {ASSET} declined: field 39 = 61, over the limit of a payment", decimal(TOO_MUCH)));
    Ok(())
}

/// The customer freezes the card: nothing is approved after the answer, on any way.
pub(super) async fn freeze(
    report: &mut Report,
    callers: &Callers,
    customer: &Customer,
    card: &OwnCard,
    endpoints: &Endpoints,
    details: &RevealedCard,
) -> Result<(), String> {
    report.begin("freeze", "freezing the card");
    let request = FreezeCardRequest {
        request_id: request_id(),
        card_id: card.id.clone(),
        reason: "the customer mislaid the phone".into(),
    };
    let frozen = ask!(callers.cards, freeze_card, request, &customer.token)?;
    let acknowledged = Instant::now();
    let answer = buy(endpoints, details, WHILE_FROZEN).await?;
    expect(&answer, "62")?;
    let declined_after = acknowledged.elapsed();
    let payment = pay(callers, customer, card, WHILE_FROZEN).await?;
    if payment.decline_reason() != DeclineReason::CardFrozen {
        return Err(format!(
            "the payment in the wallet was answered {}",
            payment.decline_reason().as_str_name()
        ));
    }
    report.held(&format!(
        "acknowledged at journal position {}; {} ms later 0110 says 62, and the wallet is refused as well",
        frozen.position,
        declined_after.as_millis()
    ));
    Ok(())
}

/// The customer lifts the own freeze, and pays again.
pub(super) async fn unfreeze(
    report: &mut Report,
    callers: &Callers,
    customer: &Customer,
    card: &OwnCard,
    endpoints: &Endpoints,
    details: &RevealedCard,
) -> Result<(), String> {
    report.begin("unfreeze", "lifting the freeze");
    let request = UnfreezeCardRequest {
        request_id: request_id(),
        card_id: card.id.clone(),
        reason: "the phone was found".into(),
    };
    let card = ask!(callers.cards, unfreeze_card, request, &customer.token)?.card.unwrap_or_default();
    if card.state() != CardState::Active {
        return Err(format!("the card is {}", card.state().as_str_name()));
    }
    let answer = buy(endpoints, details, AFTER).await?;
    expect(&answer, "00")?;
    report.held(&format!("FROZEN → ACTIVE; {} {ASSET} approved", decimal(AFTER)));
    Ok(())
}

fn expect(answer: &Answer, code: &str) -> Result<(), String> {
    if answer.mti == "0110" && answer.response_code == code {
        Ok(())
    } else {
        Err(format!("expected 0110 with field 39 = {code}, got {} with {}", answer.mti, answer.response_code))
    }
}
