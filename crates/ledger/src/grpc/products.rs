//! ProgramService.

use bursar_ledger_engine::{
    Action, Channel, ChannelNeeds, Command, Control, HoldPolicy, HoldRule, Mcc, MccRange, Name, Needs,
    ProductSpec, Reference, Tolerance,
};
use bursar_proto::ledger::v1 as proto;
use bursar_proto::ledger::v1::program_service_server::ProgramService;
use bursar_service::paging::Page;
use bursar_service::{CallContext, Invalid, OrStatus as _, parse};
use bursar_types::id::CardProductId;
use bursar_types::{Asset, TypedId as _};
use tonic::{Request, Response, Status};

use super::{Api, actor};
use crate::derive;
use crate::error::LedgerError;
use crate::journal::Body;
use crate::project::controls::{self, Owner};
use crate::project::{ProductRecord, public};
use crate::store::read;
use crate::writer::Order;

/// KYC level that the cards of every product need.
const KYC_LEVEL_MIN: u8 = 1;

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
        let wish = self.product_wish(&message).or_status()?;
        let body = Body::new("CreateCardProduct", &context.principal())
            .field("name", &message.name)
            .field("bin_range_id", &message.bin_range_id)
            .field("asset", &message.asset)
            .number("validity_months", message.validity_months.into())
            .field(
                "controls",
                message.controls.as_ref().map(prost::Message::encode_to_vec).unwrap_or_default(),
            )
            .finish();
        let product: CardProductId = self.0.handle.shared.ids.next();
        let action = Action::DraftProduct { product, spec: Box::new(wish) };
        let command = Command { request_id, actor: actor(&context), action };
        let order = Order { command, body: Some(body), proof: None };
        let record = self.create_product(order).await.or_status()?;
        let card_product = Some(public::product(&record));
        Ok(Response::new(proto::CreateCardProductResponse { card_product }))
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

impl Api {
    fn product_wish(&self, message: &proto::CreateCardProductRequest) -> Result<ProductSpec, Invalid> {
        let name = parse::text("name", &message.name, 1..=64)?;
        let bin_range = parse::text("bin_range_id", &message.bin_range_id, 1..=32)?;
        let well_formed = bin_range.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if !well_formed {
            return Err(Invalid::new().field("bin_range_id", "must be of a-z, 0-9 and hyphen"));
        }
        let asset = parse::asset("asset", &message.asset)?;
        if !self.0.program.assets.contains(&asset) {
            return Err(Invalid::new().field("asset", "must be one of the program's"));
        }
        let months = parse::number("validity_months", message.validity_months, 1..=120)?;
        let controls = controls::parse(message.controls.as_ref(), Owner::Product)?;
        let too_long = |field| move |_| Invalid::new().field(field, "is too long in bytes");
        // 64 characters may be more bytes than the engine keeps.
        let name = Name::new(name).map_err(too_long("name"))?;
        let bin_range = Reference::new(bin_range).map_err(too_long("bin_range_id"))?;
        let months = u16::try_from(months).unwrap_or(1);
        Ok(spec(name, bin_range, asset, months, controls))
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

/// The product with the platform's usual rules around what its operator says.
fn spec(
    name: Name,
    bin_range: Reference,
    asset: Asset,
    validity_months: u16,
    controls: Vec<Control>,
) -> ProductSpec {
    ProductSpec {
        name,
        bin_range,
        asset,
        validity_months,
        min_kyc_level: KYC_LEVEL_MIN,
        needs: vec![
            ChannelNeeds { channel: Channel::Online, needs: Needs::CvvOrPassword },
            ChannelNeeds { channel: Channel::InApp, needs: Needs::Password },
        ],
        controls,
        hold_policy: hold_policy(),
        tolerances: tolerances(),
        fees: Vec::new(),
    }
}

fn categories(ranges: &[(u16, u16)]) -> Vec<MccRange> {
    let range =
        |(first, last): &(u16, u16)| Some(MccRange { first: Mcc::new(*first)?, last: Mcc::new(*last)? });
    ranges.iter().filter_map(range).collect()
}

/// How long holds last (product.md, "Times").
fn hold_policy() -> HoldPolicy {
    let rule = |mccs, card_present, at_most_major_units, days| HoldRule {
        mccs: categories(mccs),
        card_present,
        at_most_major_units,
        days,
    };
    HoldPolicy {
        rules: vec![
            // Fuel: a pre-authorization of 0 or 1 is cleared the same day.
            rule(&[(5542, 5542)], None, Some(1), 1),
            // Lodging, car hire, cruise lines.
            rule(&[(3351, 3500), (7512, 7513), (3501, 3999), (7011, 7011), (4411, 4411)], None, None, 30),
            rule(&[], Some(false), None, 10),
            rule(&[], Some(true), None, 5),
        ],
        default_days: 7,
    }
}

/// How far a clearing may go above its authorization: tips, rooms, fuel.
fn tolerances() -> Vec<Tolerance> {
    let rule = |mccs, basis_points, flat| Tolerance { mccs: categories(mccs), basis_points, flat };
    vec![
        rule(&[(5812, 5814)], 2_000, 0),
        rule(&[(3351, 3999), (7011, 7011), (7512, 7513), (4411, 4411)], 1_500, 0),
    ]
}
