//! `CardholderService`: the card password, and seeing one's own card details.

use std::sync::Arc;

use bursar_card_data::CardPassword;
use bursar_proto::vault::v1::cardholder_service_server::CardholderService;
use bursar_proto::vault::v1::{
    CreateRevealTicketRequest, CreateRevealTicketResponse, RedeemRevealTicketRequest,
    RedeemRevealTicketResponse, SetCardPasswordRequest, SetCardPasswordResponse,
};
use bursar_service::context::CallContext;
use bursar_service::error::{Invalid, OrStatus as _};
use bursar_service::parse;
use bursar_types::id::CustomerId;
use tonic::{Request, Response, Status};

use super::{Handlers, take_bytes, take_text};
use crate::audit::Actor;
use crate::cases::NewReveal;
use crate::crypto::reveal::{DeviceKey, PUBLIC_KEY_BYTES};

/// Longest purpose of a reveal, in characters.
const PURPOSE_MAX: usize = 128;

#[tonic::async_trait]
impl CardholderService for Handlers {
    async fn set_card_password(
        &self,
        mut request: Request<SetCardPasswordRequest>,
    ) -> Result<Response<SetCardPasswordResponse>, Status> {
        let password = take_text(&mut request.get_mut().card_password);
        let (actor, _) = customer_of(&request)?;
        let request = request.into_inner();
        let request_id = parse::request_id(&request.request_id)?;
        let mut invalid = Invalid::new();
        let card_id = invalid.take(parse::id("card_id", &request.card_id));
        let password = invalid.take(card_password(&password));
        let (Some(card_id), Some(password)) = (card_id, password) else { return Err(invalid.into()) };
        self.vault.set_card_password(&actor, request_id, card_id, Arc::new(password)).await.or_status()?;
        Ok(Response::new(SetCardPasswordResponse {}))
    }

    async fn create_reveal_ticket(
        &self,
        request: Request<CreateRevealTicketRequest>,
    ) -> Result<Response<CreateRevealTicketResponse>, Status> {
        let (actor, customer) = customer_of(&request)?;
        let request = request.into_inner();
        let request_id = parse::request_id(&request.request_id)?;
        let mut invalid = Invalid::new();
        let card_id = invalid.take(parse::id("card_id", &request.card_id));
        invalid.take(device_key(&request.device_public_key));
        invalid.take(parse::text("purpose", &request.purpose, 1..=PURPOSE_MAX));
        let (Some(card_id), true) = (card_id, invalid.is_empty()) else { return Err(invalid.into()) };
        let wanted = NewReveal {
            request_id,
            card_id,
            device_public_key: request.device_public_key,
            purpose: request.purpose,
        };
        let mut ticket = self.vault.create_reveal_ticket(&actor, customer, &wanted).await.or_status()?;
        Ok(Response::new(CreateRevealTicketResponse {
            ticket_id: ticket.ticket_id.to_string(),
            ticket_secret: std::mem::take(&mut *ticket.secret),
            expire_time: Some(parse::timestamp_message(ticket.expires_at)),
        }))
    }

    async fn redeem_reveal_ticket(
        &self,
        mut request: Request<RedeemRevealTicketRequest>,
    ) -> Result<Response<RedeemRevealTicketResponse>, Status> {
        let secret = take_bytes(&mut request.get_mut().ticket_secret);
        let (actor, customer) = customer_of(&request)?;
        let request = request.into_inner();
        let ticket_id = parse::id("ticket_id", &request.ticket_id)?;
        let revealed =
            self.vault.redeem_reveal_ticket(&actor, customer, ticket_id, &secret).await.or_status()?;
        Ok(Response::new(RedeemRevealTicketResponse {
            encapsulated_key: revealed.encapsulated_key,
            ciphertext: revealed.ciphertext,
        }))
    }
}

/// Who calls, and the customer the call is made for.
#[allow(clippy::result_large_err)] // the error of every handler
fn customer_of<T>(request: &Request<T>) -> Result<(Actor, CustomerId), Status> {
    let context = CallContext::of(request);
    let customer = context.require_customer()?.customer_id;
    Ok((Actor::from(context), customer))
}

pub(super) fn card_password(text: &str) -> Result<CardPassword, Invalid> {
    CardPassword::parse(text).map_err(|_| Invalid::new().field("card_password", "must be 6 digits"))
}

fn device_key(bytes: &[u8]) -> Result<(), Invalid> {
    let wrong = |what: &str| Invalid::new().field("device_public_key", what);
    parse::bytes("device_public_key", bytes, PUBLIC_KEY_BYTES..=PUBLIC_KEY_BYTES)?;
    DeviceKey::parse(bytes).map(drop).map_err(|_| wrong("must be an X25519 key that gives a secret"))
}
