//! CardService.

use bursar_ledger_engine::{
    Action, CloseReason, Command, ControlScope, FreezeHolder, Name, Reference, Replaces, Role,
};
use bursar_proto::ledger::v1 as proto;
use bursar_proto::ledger::v1::card_service_server::CardService;
use bursar_service::paging::Page;
use bursar_service::{CallContext, Invalid, OrStatus as _, parse};
use bursar_types::id::{AccountId, CardId, CardProductId, CustomerId};
use prost::Message as _;
use tonic::{Request, Response, Status};

use super::{Api, actor, listed_customer, own, reason};
use crate::error::LedgerError;
use crate::issue::Wish;
use crate::journal::Body;
use crate::project::controls::{self, Owner};
use crate::project::{CardRecord, public};
use crate::store::read;
use crate::writer::Order;

#[tonic::async_trait]
impl CardService for Api {
    async fn issue_card(
        &self,
        request: Request<proto::IssueCardRequest>,
    ) -> Result<Response<proto::IssueCardResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let customer = context.require_customer()?.customer_id;
        let message = request.into_inner();
        let request_id = parse::request_id(&message.request_id).or_status()?;
        let account: AccountId = parse::id("account_id", &message.account_id).or_status()?;
        let product: CardProductId = parse::id("card_product_id", &message.card_product_id).or_status()?;
        let body = Body::new("IssueCard", &context.principal())
            .field("account_id", &message.account_id)
            .field("card_product_id", &message.card_product_id);
        // Left out where they are not given, as before they could be.
        let body = match (message.single_use, message.merchant_lock.as_str()) {
            (false, "") => body.finish(),
            (single_use, lock) => {
                body.number("single_use", single_use.into()).field("merchant_lock", lock).finish()
            }
        };
        let merchant_lock = optional_merchant("merchant_lock", &message.merchant_lock).or_status()?;
        let wish = Wish {
            request_id,
            actor: actor(&context),
            customer,
            account,
            product,
            single_use: message.single_use,
            merchant_lock,
            replaces: None,
            body,
        };
        let (card, position) = self.made(wish).await?;
        Ok(Response::new(proto::IssueCardResponse { card: Some(card), position }))
    }

    async fn replace_card(
        &self,
        request: Request<proto::ReplaceCardRequest>,
    ) -> Result<Response<proto::ReplaceCardResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let message = request.into_inner();
        let request_id = parse::request_id(&message.request_id).or_status()?;
        let id: CardId = parse::id("card_id", &message.card_id).or_status()?;
        let reason = close_reason(message.close_reason, Closing::Replacement).or_status()?;
        let old = self.0.handle.read(move |engine, _| engine.card(id).cloned()).await.or_status()?;
        let old = old.ok_or(LedgerError::NotFound("card")).or_status()?;
        own(&context, Some(old.customer)).or_status()?;
        let body = Body::new("ReplaceCard", &context.principal())
            .field("card_id", &message.card_id)
            .number("close_reason", message.close_reason.into())
            .finish();
        let wish = Wish {
            request_id,
            actor: actor(&context),
            customer: old.customer,
            account: old.account,
            product: old.product,
            single_use: old.single_use,
            merchant_lock: old.merchant_lock,
            replaces: Some(Replaces { card: id, reason }),
            body,
        };
        let (card, position) = self.made(wish).await?;
        Ok(Response::new(proto::ReplaceCardResponse { card: Some(card), position }))
    }

    async fn close_card(
        &self,
        request: Request<proto::CloseCardRequest>,
    ) -> Result<Response<proto::CloseCardResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let message = request.into_inner();
        let card: CardId = parse::id("card_id", &message.card_id).or_status()?;
        let why = reason("reason", &message.reason).or_status()?;
        let close = close_reason(message.close_reason, Closing::Alone).or_status()?;
        let body = Body::new("CloseCard", &context.principal())
            .field("card_id", &message.card_id)
            .number("close_reason", message.close_reason.into())
            .field("reason", &message.reason);
        let action = Action::CloseCard { card, close, reason: why, channel: Name::default() };
        let (card, position) = self.step(&context, &message.request_id, card, body, action).await?;
        Ok(Response::new(proto::CloseCardResponse { card: Some(card), position }))
    }

    async fn activate_card(
        &self,
        request: Request<proto::ActivateCardRequest>,
    ) -> Result<Response<proto::ActivateCardResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let message = request.into_inner();
        let card: CardId = parse::id("card_id", &message.card_id).or_status()?;
        let body = Body::new("ActivateCard", &context.principal()).field("card_id", &message.card_id);
        let action = Action::ActivateCard { card, channel: Name::default() };
        let (card, position) = self.step(&context, &message.request_id, card, body, action).await?;
        Ok(Response::new(proto::ActivateCardResponse { card: Some(card), position }))
    }

    async fn freeze_card(
        &self,
        request: Request<proto::FreezeCardRequest>,
    ) -> Result<Response<proto::FreezeCardResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let message = request.into_inner();
        let card: CardId = parse::id("card_id", &message.card_id).or_status()?;
        let why = reason("reason", &message.reason).or_status()?;
        let body = Body::new("FreezeCard", &context.principal())
            .field("card_id", &message.card_id)
            .field("reason", &message.reason);
        let (holder, channel) = (holder(&context), Name::default());
        let action = Action::FreezeCard { card, holder, reason: why, channel };
        let (card, position) = self.step(&context, &message.request_id, card, body, action).await?;
        Ok(Response::new(proto::FreezeCardResponse { card: Some(card), position }))
    }

    async fn unfreeze_card(
        &self,
        request: Request<proto::UnfreezeCardRequest>,
    ) -> Result<Response<proto::UnfreezeCardResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let message = request.into_inner();
        let card: CardId = parse::id("card_id", &message.card_id).or_status()?;
        let why = reason("reason", &message.reason).or_status()?;
        let body = Body::new("UnfreezeCard", &context.principal())
            .field("card_id", &message.card_id)
            .field("reason", &message.reason);
        let holder = self.lifted(&context, card).await.or_status()?;
        let action = Action::UnfreezeCard { card, holder, reason: why, channel: Name::default() };
        let (card, position) = self.step(&context, &message.request_id, card, body, action).await?;
        Ok(Response::new(proto::UnfreezeCardResponse { card: Some(card), position }))
    }

    async fn set_card_controls(
        &self,
        request: Request<proto::SetCardControlsRequest>,
    ) -> Result<Response<proto::SetCardControlsResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let message = request.into_inner();
        let card: CardId = parse::id("card_id", &message.card_id).or_status()?;
        let sent = parse::required("controls", message.controls.as_ref()).or_status()?;
        let controls = controls::parse(Some(sent), Owner::Card).or_status()?;
        let body = Body::new("SetCardControls", &context.principal())
            .field("card_id", &message.card_id)
            .field("controls", sent.encode_to_vec());
        let action = Action::SetControls { scope: ControlScope::Card(card), controls };
        let (card, position) = self.step(&context, &message.request_id, card, body, action).await?;
        // The controls that this request set, whatever came after it.
        let card = proto::Card { controls: message.controls, ..card };
        Ok(Response::new(proto::SetCardControlsResponse { card: Some(card), position }))
    }

    async fn get_card(
        &self,
        request: Request<proto::GetCardRequest>,
    ) -> Result<Response<proto::GetCardResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let id: CardId = parse::id("card_id", &request.into_inner().card_id).or_status()?;
        self.0.handle.settled(0).await.or_status()?;
        let record = self.card(&context, id).await.or_status()?;
        Ok(Response::new(proto::GetCardResponse { card: Some(public::card(&record, i64::MAX)) }))
    }

    async fn list_cards(
        &self,
        request: Request<proto::ListCardsRequest>,
    ) -> Result<Response<proto::ListCardsResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let message = request.into_inner();
        let asked: Option<CustomerId> =
            parse::optional_id("customer_id", &message.customer_id).or_status()?;
        let customer = listed_customer(&context, asked).or_status()?;
        let query = format!("ListCards {}", customer.map(|id| id.to_string()).unwrap_or_default());
        let page = Page::<String>::parse(message.page_size, &message.page_token, &query).or_status()?;
        self.0.handle.settled(0).await.or_status()?;
        let shared = &self.0.handle.shared;
        let rows =
            read::cards(&shared.db, shared.shard, customer, page.after(), page.limit()).await.or_status()?;
        let (rows, next_page_token) = page.finish(rows, |record| record.card.id.to_string());
        let mut cards = Vec::with_capacity(rows.len());
        for record in rows {
            cards.push(public::card(&self.with_chain(record).await.or_status()?, i64::MAX));
        }
        Ok(Response::new(proto::ListCardsResponse { cards, next_page_token }))
    }
}

/// What a card is closed for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Closing {
    /// For itself.
    Alone,
    /// Because another takes its place.
    Replacement,
}

/// A reason that people may give.
fn close_reason(number: i32, closing: Closing) -> Result<CloseReason, Invalid> {
    use proto::CardCloseReason as R;

    let wrong = |what: &str| Invalid::new().field("close_reason", what);
    match (parse::enumeration::<R>("close_reason", number)?, closing) {
        (R::Lost, _) => Ok(CloseReason::Lost),
        (R::Stolen, _) => Ok(CloseReason::Stolen),
        (R::Compromised, _) => Ok(CloseReason::Compromised),
        (R::Replaced, Closing::Replacement) => Ok(CloseReason::Replaced),
        (R::CustomerRequest, Closing::Alone) => Ok(CloseReason::CustomerRequest),
        (R::IssuerRequest, Closing::Alone) => Ok(CloseReason::IssuerRequest),
        (_, Closing::Replacement) => Err(wrong("must be LOST, STOLEN, COMPROMISED or REPLACED")),
        (_, Closing::Alone) => {
            Err(wrong("must be LOST, STOLEN, COMPROMISED, CUSTOMER_REQUEST or ISSUER_REQUEST"))
        }
    }
}

/// A merchant's id, if there is one.
fn optional_merchant(field: &str, text: &str) -> Result<Option<Reference>, Invalid> {
    let text = parse::text(field, text, 0..=15)?;
    let reference = Reference::new(text).map_err(|_| Invalid::new().field(field, "is too long in bytes"))?;
    Ok(Some(reference).filter(|reference| !reference.is_empty()))
}

/// Whose freeze a caller places.
fn holder(context: &CallContext) -> FreezeHolder {
    if context.customer.is_some() { FreezeHolder::Customer } else { FreezeHolder::Issuer }
}

impl Api {
    /// Issues a card; as it was once the vault had made it: after the second step.
    async fn made(&self, wish: Wish) -> Result<(proto::Card, i64), Status> {
        let (record, known) = self.0.issuer.issue(wish).await.or_status()?;
        let made = record.steps.get(1).map_or(known.position, |step| step.position);
        let record = self.with_chain(record).await.or_status()?;
        Ok((public::card(&record, made), made))
    }

    /// A card with the controls it has: those of the first of its chain.
    async fn with_chain(&self, mut record: CardRecord) -> Result<CardRecord, LedgerError> {
        if let Some(root) = record.card.root {
            let shared = &self.0.handle.shared;
            let first = read::card(&shared.db, shared.shard, root).await?;
            record.controls = first.ok_or(LedgerError::NotFound("card"))?.controls;
        }
        Ok(record)
    }

    /// A card that the caller may see.
    async fn card(&self, context: &CallContext, id: CardId) -> Result<CardRecord, LedgerError> {
        let shared = &self.0.handle.shared;
        let record = read::card(&shared.db, shared.shard, id).await?.ok_or(LedgerError::NotFound("card"))?;
        own(context, Some(record.card.customer))?;
        self.with_chain(record).await
    }

    /// Which freeze a caller means to lift: a customer their own, an operator the one of highest rank they may lift.
    async fn lifted(&self, context: &CallContext, id: CardId) -> Result<FreezeHolder, LedgerError> {
        let mine = holder(context);
        if context.customer.is_some() {
            // Says FREEZE_NOT_YOURS where only others' freezes lie on it.
            let look = self.0.handle.read(move |engine, _| {
                engine
                    .card(id)
                    .map(|card| card.freezes.iter().map(|freeze| freeze.holder).collect::<Vec<_>>())
            });
            let holders = look.await?.ok_or(LedgerError::NotFound("card"))?;
            return Ok(match holders.first() {
                Some(other) if !holders.contains(&mine) => *other,
                _ => mine,
            });
        }
        let look = self.0.handle.read(move |engine, _| engine.card(id).map(|card| card.freezes.clone()));
        let freezes = look.await?.ok_or(LedgerError::NotFound("card"))?;
        let mut liftable: Vec<_> = freezes.iter().map(|freeze| freeze.holder).collect();
        liftable.retain(|holder| holder.liftable_by(Role::Operator));
        Ok(match liftable.as_slice() {
            [] => freezes.first().map_or(mine, |freeze| freeze.holder),
            _ if liftable.contains(&mine) => mine,
            [first, ..] => *first,
        })
    }

    /// One step of a card by its customer or an operator; the card right after it.
    async fn step(
        &self,
        context: &CallContext,
        request_id: &str,
        card: CardId,
        body: Body,
        action: Action,
    ) -> Result<(proto::Card, i64), Status> {
        let request_id = parse::request_id(request_id).or_status()?;
        let owner = self.0.handle.read(move |engine, _| engine.card(card).map(|card| card.customer));
        let owner = owner.await.or_status()?.ok_or(LedgerError::NotFound("card")).or_status()?;
        own(context, Some(owner)).or_status()?;
        let command = Command { request_id, actor: actor(context), action };
        let order = Order { command, body: Some(body.finish()), proof: None };
        let position = self.0.handle.submit(order).await.or_status()?.known.position;
        self.0.handle.projected(position).await.or_status()?;
        let record = self.card(context, card).await.or_status()?;
        Ok((public::card(&record, position), position))
    }
}
