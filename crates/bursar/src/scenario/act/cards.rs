//! A card's life: issued, activated, frozen, replaced, closed; and a further version of its product.

use bursar_proto::ledger::v1::{
    ActivateCardProductRequest, ActivateCardRequest, CardCloseReason, CloseCardRequest,
    DraftCardProductRequest, FreezeCardRequest, IssueCardRequest, ReplaceCardRequest, UnfreezeCardRequest,
};

use super::{Done, Failed};
use crate::outside::callers::{attempt, request_id};
use crate::outside::desk::BIN_RANGE;
use crate::scenario::merchants;
use crate::scenario::rules::{Product, named};
use crate::scenario::scene::Scene;
use crate::scenario::script::{CardAct, Issue};
use crate::scenario::stage::Stage;

const WHY: &str = "as the scenario says";

fn by_operator(ask: &CardAct) -> Result<bool, String> {
    match ask.by.as_deref() {
        None | Some("customer") => Ok(false),
        Some("operator") => Ok(true),
        Some(other) => Err(format!("a card is acted on by its customer or an operator, not by {other}")),
    }
}

fn because(ask: &CardAct) -> Result<CardCloseReason, String> {
    let reason = ask.because.as_deref().ok_or("say why, with `because`")?;
    named("CARD_CLOSE_REASON_", reason, CardCloseReason::from_str_name)
}

/// Asks as the customer, or as an operator.
macro_rules! as_asked {
    ($stage:expr, $ask:expr, $method:ident, $request:expr) => {
        match by_operator($ask)? {
            true => attempt!($stage.cards_desk, $method, $request),
            false => attempt!($stage.callers.cards, $method, $request, &$stage.customer.token),
        }
    };
}

pub(super) async fn freeze(stage: &Stage, scene: &Scene, ask: &CardAct) -> Result<Done, Failed> {
    let card_id = scene.card(ask.card.as_deref())?.id.clone();
    let request = FreezeCardRequest { request_id: request_id(), card_id, reason: WHY.into() };
    let card = as_asked!(stage, ask, freeze_card, request)?.card;
    Ok(Done { card, ..Done::default() })
}

pub(super) async fn unfreeze(stage: &Stage, scene: &Scene, ask: &CardAct) -> Result<Done, Failed> {
    let card_id = scene.card(ask.card.as_deref())?.id.clone();
    let request = UnfreezeCardRequest { request_id: request_id(), card_id, reason: WHY.into() };
    let card = as_asked!(stage, ask, unfreeze_card, request)?.card;
    Ok(Done { card, ..Done::default() })
}

pub(super) async fn close(stage: &Stage, scene: &Scene, ask: &CardAct) -> Result<Done, Failed> {
    let request = CloseCardRequest {
        request_id: request_id(),
        card_id: scene.card(ask.card.as_deref())?.id.clone(),
        close_reason: because(ask)?.into(),
        reason: WHY.into(),
    };
    let card = as_asked!(stage, ask, close_card, request)?.card;
    Ok(Done { card, ..Done::default() })
}

pub(super) async fn replace(stage: &Stage, scene: &mut Scene, ask: &CardAct) -> Result<Done, Failed> {
    let request = ReplaceCardRequest {
        request_id: request_id(),
        card_id: scene.card(ask.card.as_deref())?.id.clone(),
        close_reason: because(ask)?.into(),
    };
    let card = as_asked!(stage, ask, replace_card, request)?.card.unwrap_or_default();
    scene.know(ask.name.as_deref().unwrap_or("replacement"), &card.card_id);
    Ok(Done { card: Some(card), ..Done::default() })
}

pub(super) async fn issue(
    stage: &Stage,
    scene: &mut Scene,
    number: usize,
    ask: &Issue,
) -> Result<Done, Failed> {
    let merchant_lock = match &ask.locked_to {
        Some(merchant) => merchants::called(merchant)?.merchant_id,
        None => String::new(),
    };
    let wish = IssueCardRequest { single_use: ask.single_use, merchant_lock, ..IssueCardRequest::default() };
    let name = ask.name.clone().unwrap_or_else(|| format!("card #{number}"));
    scene.issue(stage, &name, wish, !ask.inactive).await?;
    Ok(Done::default())
}

pub(super) async fn activate(stage: &Stage, scene: &Scene, ask: &CardAct) -> Result<Done, Failed> {
    let card_id = scene.card(ask.card.as_deref())?.id.clone();
    let request = ActivateCardRequest { request_id: request_id(), card_id };
    let card = attempt!(stage.callers.cards, activate_card, request, &stage.customer.token)?.card;
    Ok(Done { card, ..Done::default() })
}

/// Drafts a further version of the scenario's own product, and makes it the one that rules.
pub(super) async fn new_version(stage: &Stage, scene: &Scene, terms: &Product) -> Result<Done, Failed> {
    if scene.product == stage.product {
        return Err(
            "only a scenario with a product of its own changes it: give it one in [setup.product]".into()
        );
    }
    let request = DraftCardProductRequest {
        request_id: request_id(),
        card_product_id: scene.product.clone(),
        name: "A further version".into(),
        bin_range_id: BIN_RANGE.into(),
        validity_months: terms.validity_months.unwrap_or(36),
        controls: terms.controls()?,
        terms: Some(terms.terms()?),
    };
    let draft = attempt!(stage.callers.program, draft_card_product, request)?;
    let version = draft.card_product.unwrap_or_default().version;
    let card_product_id = scene.product.clone();
    let request = ActivateCardProductRequest { request_id: request_id(), card_product_id, version };
    attempt!(stage.callers.program, activate_card_product, request)?;
    Ok(Done { told: format!("version {version} rules"), ..Done::default() })
}
