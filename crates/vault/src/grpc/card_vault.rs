//! `CardVaultService`: ranges, and numbers for cards.

use bursar_card_data::ExpiryYymm;
use bursar_proto::vault::v1::card_vault_service_server::CardVaultService;
use bursar_proto::vault::v1::{
    CloseCardRequest, CloseCardResponse, CreateBinRangeRequest, CreateBinRangeResponse, GetCardRequest,
    GetCardResponse, IssueCardRequest, IssueCardResponse, ListBinRangesRequest, ListBinRangesResponse,
};
use bursar_service::context::CallContext;
use bursar_service::error::{Invalid, OrStatus as _};
use bursar_service::paging::Page;
use bursar_service::{idempotency, parse};
use tonic::{Request, Response, Status};

use super::Handlers;
use crate::audit::Actor;
use crate::cases::NewCard;
use crate::payment::range::{BinRangeId, RangeError, RangeShape};

#[tonic::async_trait]
impl CardVaultService for Handlers {
    async fn issue_card(
        &self,
        request: Request<IssueCardRequest>,
    ) -> Result<Response<IssueCardResponse>, Status> {
        let actor = Actor::from(CallContext::of(&request));
        let request = request.into_inner();
        let request_id = parse::request_id(&request.request_id)?;
        let wanted = new_card(&request)?;
        let response = self.vault.issue_card(&actor, request_id, &request, &wanted).await.or_status()?;
        Ok(Response::new(response))
    }

    async fn get_card(&self, request: Request<GetCardRequest>) -> Result<Response<GetCardResponse>, Status> {
        let card_id = parse::id("card_id", &request.get_ref().card_id)?;
        let card = self.vault.card(card_id).await.or_status()?;
        Ok(Response::new(GetCardResponse { card: Some(card) }))
    }

    async fn close_card(
        &self,
        request: Request<CloseCardRequest>,
    ) -> Result<Response<CloseCardResponse>, Status> {
        let actor = Actor::from(CallContext::of(&request));
        let request = request.into_inner();
        let request_id = parse::request_id(&request.request_id)?;
        let card_id = parse::id("card_id", &request.card_id)?;
        let digest = idempotency::body_digest(&request);
        let response = self.vault.close_card(&actor, request_id, digest, card_id).await.or_status()?;
        Ok(Response::new(response))
    }

    async fn create_bin_range(
        &self,
        request: Request<CreateBinRangeRequest>,
    ) -> Result<Response<CreateBinRangeResponse>, Status> {
        let actor = Actor::from(CallContext::of(&request));
        let request = request.into_inner();
        let request_id = parse::request_id(&request.request_id)?;
        let mut invalid = Invalid::new();
        let id = invalid.take(range_id(&request.bin_range_id));
        let shape = invalid.take(range_shape(&request));
        let (Some(id), Some(shape)) = (id, shape) else { return Err(invalid.into()) };
        let response =
            self.vault.create_bin_range(&actor, request_id, &request, &id, &shape).await.or_status()?;
        Ok(Response::new(response))
    }

    async fn list_bin_ranges(
        &self,
        request: Request<ListBinRangesRequest>,
    ) -> Result<Response<ListBinRangesResponse>, Status> {
        let request = request.into_inner();
        let page = Page::parse(request.page_size, &request.page_token, "ListBinRanges").or_status()?;
        let (bin_ranges, next_page_token) = self.vault.list_bin_ranges(&page).await.or_status()?;
        Ok(Response::new(ListBinRangesResponse { bin_ranges, next_page_token }))
    }
}

fn new_card(request: &IssueCardRequest) -> Result<NewCard, Invalid> {
    let mut invalid = Invalid::new();
    let card_id = invalid.take(parse::id("card_id", &request.card_id));
    let customer_id = invalid.take(parse::id("customer_id", &request.customer_id));
    let range = invalid.take(range_id(&request.bin_range_id));
    let month = invalid.take(parse::number("expiry_month", request.expiry_month, 1..=12));
    let year = invalid.take(parse::number("expiry_year", request.expiry_year, 2000..=2099));
    match (card_id, customer_id, range, month, year) {
        (Some(card_id), Some(customer_id), Some(range), Some(month), Some(year)) => {
            let expiry = ExpiryYymm::new(year, month)
                .map_err(|error| Invalid::new().field("expiry_year", error.to_string()))?;
            Ok(NewCard { card_id, customer_id, range, expiry })
        }
        _ => Err(invalid),
    }
}

fn range_id(text: &str) -> Result<BinRangeId, Invalid> {
    text.parse().map_err(|error| Invalid::new().field("bin_range_id", format!("{error}")))
}

fn range_shape(request: &CreateBinRangeRequest) -> Result<RangeShape, Invalid> {
    RangeShape::new(&request.bin, i64::from(request.pan_length)).map_err(|error| {
        let field = match error {
            RangeError::Bin => "bin",
            RangeError::Length => "pan_length",
        };
        Invalid::new().field(field, error.to_string())
    })
}
