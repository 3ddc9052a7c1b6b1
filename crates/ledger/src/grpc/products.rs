//! ProgramService.

use bursar_ledger_engine::{
    Action, Channel, ChannelNeeds, Command, ControlScope, Name, Needs, Outcome, ProductSpec, ProductVersion,
    Reference,
};
use bursar_proto::ledger::v1 as proto;
use bursar_proto::ledger::v1::program_service_server::ProgramService;
use bursar_service::paging::Page;
use bursar_service::{CallContext, Invalid, OrStatus as _, parse};
use bursar_types::id::{AccountId, CardProductId};
use bursar_types::{Asset, TypedId as _};
use tonic::{Request, Response, Status};

use super::{Api, actor};
use crate::derive;
use crate::error::LedgerError;
use crate::journal::Body;
use crate::project::controls::{self, Owner};
use crate::project::{Known, ProductRecord, exchange, public, terms};
use crate::store::read;
use crate::writer::Order;

#[tonic::async_trait]
impl ProgramService for Api {
    async fn get_program(
        &self,
        _request: Request<proto::GetProgramRequest>,
    ) -> Result<Response<proto::GetProgramResponse>, Status> {
        let program = &self.0.program;
        let program = proto::Program {
            program_id: program.id.to_string(),
            name: program.name.to_string(),
            country: program.country.as_str().to_owned(),
            assets: program.assets.iter().map(|asset| asset.code().to_owned()).collect(),
            utc_offset_minutes: i32::from(program.zone.minutes()),
        };
        Ok(Response::new(proto::GetProgramResponse { program: Some(program) }))
    }

    async fn create_card_product(
        &self,
        request: Request<proto::CreateCardProductRequest>,
    ) -> Result<Response<proto::CreateCardProductResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let message = request.into_inner();
        let request_id = parse::request_id(&message.request_id).or_status()?;
        let asset = self.asset(&message.asset).or_status()?;
        let wish = Wish::of_new(&message).spec(asset).or_status()?;
        let body = Body::new("CreateCardProduct", &context.principal())
            .field("name", &message.name)
            .field("bin_range_id", &message.bin_range_id)
            .field("asset", &message.asset)
            .number("validity_months", message.validity_months.into())
            .field("controls", encoded(message.controls.as_ref()));
        let body = match &message.terms {
            Some(terms) => body.field("terms", encoded(Some(terms))).finish(),
            None => body.finish(),
        };
        let product: CardProductId = self.0.handle.shared.ids.next();
        let action = Action::DraftProduct { product, spec: Box::new(wish) };
        let command = Command { request_id, actor: actor(&context), action };
        let order = Order { command, body: Some(body), proof: None };
        let record = self.create_product(order).await.or_status()?;
        let card_product = Some(public::product(&record));
        Ok(Response::new(proto::CreateCardProductResponse { card_product }))
    }

    async fn draft_card_product(
        &self,
        request: Request<proto::DraftCardProductRequest>,
    ) -> Result<Response<proto::DraftCardProductResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let message = request.into_inner();
        let product: CardProductId = parse::id("card_product_id", &message.card_product_id).or_status()?;
        let versions = self.versions(product).await.or_status()?;
        let first = versions.first().ok_or(LedgerError::NotFound("card product")).or_status()?;
        let wish = Wish::of_draft(&message).spec(first.spec.asset).or_status()?;
        let body = Body::new("DraftCardProduct", &context.principal())
            .field("card_product_id", &message.card_product_id)
            .field("name", &message.name)
            .field("bin_range_id", &message.bin_range_id)
            .number("validity_months", message.validity_months.into())
            .field("controls", encoded(message.controls.as_ref()))
            .field("terms", encoded(message.terms.as_ref()));
        let action = Action::DraftProduct { product, spec: Box::new(wish) };
        let known = self.give(&context, &message.request_id, body, action).await.or_status()?;
        let version = match known.outcome {
            Outcome::Drafted { version } => version,
            _ => 0,
        };
        let card_product = Some(self.version(product, version, known.position).await.or_status()?);
        Ok(Response::new(proto::DraftCardProductResponse { card_product }))
    }

    async fn activate_card_product(
        &self,
        request: Request<proto::ActivateCardProductRequest>,
    ) -> Result<Response<proto::ActivateCardProductResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let message = request.into_inner();
        let product: CardProductId = parse::id("card_product_id", &message.card_product_id).or_status()?;
        let version = parse::number("version", message.version, 1..=i32::MAX).or_status()?;
        let version = u32::try_from(version).unwrap_or(0);
        let body = Body::new("ActivateCardProduct", &context.principal())
            .field("card_product_id", &message.card_product_id)
            .number("version", version.into());
        let action = Action::ActivateProduct { product, version };
        let position = self.give(&context, &message.request_id, body, action).await.or_status()?.position;
        let card_product = Some(self.version(product, version, position).await.or_status()?);
        Ok(Response::new(proto::ActivateCardProductResponse { card_product }))
    }

    async fn retire_card_product(
        &self,
        request: Request<proto::RetireCardProductRequest>,
    ) -> Result<Response<proto::RetireCardProductResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let message = request.into_inner();
        let product: CardProductId = parse::id("card_product_id", &message.card_product_id).or_status()?;
        let body = Body::new("RetireCardProduct", &context.principal())
            .field("card_product_id", &message.card_product_id);
        let action = Action::RetireProduct { product };
        let position = self.give(&context, &message.request_id, body, action).await.or_status()?.position;
        let versions = self.versions(product).await.or_status()?;
        let version = versions.iter().find(|version| version.effective).map_or(0, |version| version.version);
        let card_product = Some(self.version(product, version, position).await.or_status()?);
        Ok(Response::new(proto::RetireCardProductResponse { card_product }))
    }

    async fn set_program_controls(
        &self,
        request: Request<proto::SetProgramControlsRequest>,
    ) -> Result<Response<proto::SetProgramControlsResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let message = request.into_inner();
        let body = Body::new("SetProgramControls", &context.principal());
        let (id, scope, controls) = (&message.request_id, ControlScope::Program, message.controls.as_ref());
        let position = self.set_controls(&context, id, scope, controls, body).await.or_status()?;
        Ok(Response::new(proto::SetProgramControlsResponse { position }))
    }

    async fn set_exchange_rates(
        &self,
        request: Request<proto::SetExchangeRatesRequest>,
    ) -> Result<Response<proto::SetExchangeRatesResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let message = request.into_inner();
        let rates = exchange::parse(&message.rates).or_status()?;
        let body =
            Body::new("SetExchangeRates", &context.principal()).field("rates", encoded(Some(&message)));
        let action = Action::SetExchangeRates { rates };
        let position = self.give(&context, &message.request_id, body, action).await.or_status()?.position;
        Ok(Response::new(proto::SetExchangeRatesResponse { position }))
    }

    async fn list_exchange_rates(
        &self,
        request: Request<proto::ListExchangeRatesRequest>,
    ) -> Result<Response<proto::ListExchangeRatesResponse>, Status> {
        let message = request.into_inner();
        let page =
            Page::<String>::parse(message.page_size, &message.page_token, "ListExchangeRates").or_status()?;
        let look = self.0.handle.read(|engine, _| engine.rates().map(public::rate).collect::<Vec<_>>());
        let pair = |rate: &proto::ExchangeRate| format!("{}/{}", rate.from, rate.to);
        let mut rates = look.await.or_status()?;
        rates.sort_by_key(pair);
        rates.retain(|rate| page.after().is_none_or(|after| pair(rate) > *after));
        rates.truncate(usize::try_from(page.limit()).unwrap_or(usize::MAX));
        let (rates, next_page_token) = page.finish(rates, pair);
        Ok(Response::new(proto::ListExchangeRatesResponse { rates, next_page_token }))
    }

    async fn set_account_controls(
        &self,
        request: Request<proto::SetAccountControlsRequest>,
    ) -> Result<Response<proto::SetAccountControlsResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let message = request.into_inner();
        let account: AccountId = parse::id("account_id", &message.account_id).or_status()?;
        let body =
            Body::new("SetAccountControls", &context.principal()).field("account_id", &message.account_id);
        let (id, scope) = (&message.request_id, ControlScope::Account(account));
        let controls = message.controls.as_ref();
        let position = self.set_controls(&context, id, scope, controls, body).await.or_status()?;
        Ok(Response::new(proto::SetAccountControlsResponse { position }))
    }

    async fn list_card_products(
        &self,
        request: Request<proto::ListCardProductsRequest>,
    ) -> Result<Response<proto::ListCardProductsResponse>, Status> {
        let message = request.into_inner();
        let page =
            Page::<String>::parse(message.page_size, &message.page_token, "ListCardProducts").or_status()?;
        self.0.handle.settled(0).await.or_status()?;
        let shared = &self.0.handle.shared;
        let rows = read::products(&shared.db, shared.shard, page.after(), page.limit()).await.or_status()?;
        let (rows, next_page_token) = page.finish(rows, |record| record.version.product.to_string());
        let card_products = rows.iter().map(public::product).collect();
        Ok(Response::new(proto::ListCardProductsResponse { card_products, next_page_token }))
    }
}

/// What an operator wants a version of a product to be.
struct Wish<'a> {
    name: &'a str,
    bin_range_id: &'a str,
    validity_months: i32,
    controls: Option<&'a proto::Controls>,
    terms: Option<&'a proto::CardProductTerms>,
}

impl<'a> Wish<'a> {
    fn of_new(message: &'a proto::CreateCardProductRequest) -> Self {
        Self {
            name: &message.name,
            bin_range_id: &message.bin_range_id,
            validity_months: message.validity_months,
            controls: message.controls.as_ref(),
            terms: message.terms.as_ref(),
        }
    }

    fn of_draft(message: &'a proto::DraftCardProductRequest) -> Self {
        Self {
            name: &message.name,
            bin_range_id: &message.bin_range_id,
            validity_months: message.validity_months,
            controls: message.controls.as_ref(),
            terms: message.terms.as_ref(),
        }
    }

    /// The version, with the platform's usual rules around what its operator says.
    fn spec(&self, asset: Asset) -> Result<ProductSpec, Invalid> {
        let name = parse::text("name", self.name, 1..=64)?;
        let bin_range = parse::text("bin_range_id", self.bin_range_id, 1..=32)?;
        let well_formed = bin_range.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if !well_formed {
            return Err(Invalid::new().field("bin_range_id", "must be of a-z, 0-9 and hyphen"));
        }
        let months = parse::number("validity_months", self.validity_months, 1..=120)?;
        let terms = terms::parse(self.terms)?;
        let too_long = |field| move |_| Invalid::new().field(field, "is too long in bytes");
        Ok(ProductSpec {
            // 64 characters may be more bytes than the engine keeps.
            name: Name::new(name).map_err(too_long("name"))?,
            bin_range: Reference::new(bin_range).map_err(too_long("bin_range_id"))?,
            asset,
            validity_months: u16::try_from(months).unwrap_or(1),
            min_kyc_level: terms.min_kyc_level,
            needs: vec![
                ChannelNeeds { channel: Channel::Online, needs: Needs::CvvOrPassword },
                ChannelNeeds { channel: Channel::InApp, needs: Needs::Password },
            ],
            controls: controls::parse(self.controls, Owner::Product)?,
            hold_policy: terms.hold_policy,
            tolerances: terms.tolerances,
            fees: terms.fees,
        })
    }
}

/// A nested message as the bytes a body's mark is made of.
fn encoded(message: Option<&impl prost::Message>) -> Vec<u8> {
    message.map(prost::Message::encode_to_vec).unwrap_or_default()
}

impl Api {
    fn asset(&self, code: &str) -> Result<Asset, Invalid> {
        let asset = parse::asset("asset", code)?;
        if self.0.program.assets.contains(&asset) {
            return Ok(asset);
        }
        Err(Invalid::new().field("asset", "must be one of the program's"))
    }

    async fn versions(&self, product: CardProductId) -> Result<Vec<ProductVersion>, LedgerError> {
        self.0.handle.read(move |engine, _| engine.product(product).to_vec()).await
    }

    /// A version as it is now; `position` is that of its last step.
    async fn version(
        &self,
        product: CardProductId,
        version: u32,
        position: i64,
    ) -> Result<proto::CardProduct, LedgerError> {
        let versions = self.versions(product).await?;
        let found = versions.into_iter().find(|candidate| candidate.version == version);
        let version = found.ok_or(LedgerError::NotFound("card product"))?;
        Ok(public::product(&ProductRecord { version, position }))
    }

    /// Gives a command of an operator's.
    async fn give(
        &self,
        context: &CallContext,
        request_id: &str,
        body: Body,
        action: Action,
    ) -> Result<Known, LedgerError> {
        let request_id = parse::request_id(request_id)?;
        let command = Command { request_id, actor: actor(context), action };
        let order = Order { command, body: Some(body.finish()), proof: None };
        Ok(self.0.handle.submit(order).await?.known)
    }

    /// Replaces the controls of a scope that is the issuer's.
    async fn set_controls(
        &self,
        context: &CallContext,
        request_id: &str,
        scope: ControlScope,
        message: Option<&proto::Controls>,
        body: Body,
    ) -> Result<i64, LedgerError> {
        let message = parse::required("controls", message)?;
        let controls = controls::parse(Some(message), Owner::Product)?;
        let body = body.field("controls", encoded(Some(message)));
        let action = Action::SetControls { scope, controls };
        Ok(self.give(context, request_id, body, action).await?.position)
    }

    /// Drafts a product and activates it: two steps, the second follows from the first however often it is taken.
    async fn create_product(&self, order: Order) -> Result<ProductRecord, LedgerError> {
        let actor = order.command.actor.clone();
        let drafted = self.0.handle.submit(order).await?;
        let Action::DraftProduct { product, .. } = &drafted.known.command.action else {
            return Err(LedgerError::Internal("a product was drafted by another command".into()));
        };
        let product = *product;
        let request_id =
            derive::request_id("bursar.ledger.activate-product", &[product.as_uuid().as_bytes()]);
        let action = Action::ActivateProduct { product, version: 1 };
        let activate = Order::internal(Command { request_id, actor, action });
        let position = self.0.handle.submit(activate).await?.known.position;
        let look = self.0.handle.read(move |engine, _| {
            engine.product(product).iter().find(|version| version.version == 1).cloned()
        });
        let version = look.await?.ok_or(LedgerError::NotFound("card product"))?;
        Ok(ProductRecord { version, position })
    }
}
