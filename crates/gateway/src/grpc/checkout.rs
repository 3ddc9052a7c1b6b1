//! `bursar.gateway.v1.CheckoutService`: a customer pays with the card password.

use bursar_card_data::CardPassword;
use bursar_proto::gateway::v1::checkout_service_server::CheckoutService;
use bursar_proto::gateway::v1::{PayRequest, PayResponse};
use bursar_proto::ledger::v1::{AuthorizeRequest, Channel, Merchant};
use bursar_proto::vault::v1::{PaymentContext, VerifyCardPasswordRequest};
use bursar_service::CallContext;
use bursar_service::error::{Invalid, OrStatus as _};
use bursar_service::parse;
use bursar_types::id::CardId;
use bursar_types::{Money, RequestId};
use tonic::{Request, Response, Status};
use zeroize::Zeroizing;

use super::Peers;
use crate::derived;
use crate::error::GatewayError;

/// Serves `CheckoutService`.
pub(crate) struct Checkout {
    peers: Peers,
}

impl Checkout {
    pub(crate) fn new(peers: Peers) -> Self {
        Self { peers }
    }
}

/// A payment as asked for, checked.
struct Order {
    request_id: RequestId,
    card_id: CardId,
    card_password: CardPassword,
    amount: Money,
    merchant: Merchant,
}

impl Order {
    fn parse(mut request: PayRequest) -> Result<Self, GatewayError> {
        let digits = Zeroizing::new(std::mem::take(&mut request.card_password));
        let mut wrong = Invalid::new();
        let request_id = wrong.take(parse::request_id(&request.request_id));
        let card_id = wrong.take(parse::id::<CardId>("card_id", &request.card_id));
        let amount = wrong.take(parse::positive_money("amount", request.amount.as_ref()));
        let merchant = wrong.take(merchant(request.merchant.as_ref()));
        let card_password = wrong.take(
            CardPassword::parse(&digits)
                .map_err(|_| Invalid::new().field("card_password", "must be six digits")),
        );
        match (request_id, card_id, card_password, amount, merchant) {
            (Some(request_id), Some(card_id), Some(card_password), Some(amount), Some(merchant)) => {
                Ok(Self { request_id, card_id, card_password, amount, merchant })
            }
            _ => Err(wrong.into()),
        }
    }
}

fn merchant(merchant: Option<&Merchant>) -> Result<Merchant, Invalid> {
    let merchant = parse::required("merchant", merchant)?;
    let mut wrong = Invalid::new();
    wrong.take(parse::text("merchant.merchant_id", &merchant.merchant_id, 1..=15));
    wrong.take(parse::text("merchant.name", &merchant.name, 1..=40));
    if merchant.mcc.len() != 4 || !merchant.mcc.bytes().all(|byte| byte.is_ascii_digit()) {
        wrong = wrong.field("merchant.mcc", "must be four digits (ISO 18245)");
    }
    let country = merchant.country.as_bytes();
    if !country.is_empty() && (country.len() != 2 || !country.iter().all(u8::is_ascii_uppercase)) {
        wrong = wrong.field("merchant.country", "must be two capital letters (ISO 3166-1), or empty");
    }
    wrong.check()?;
    Ok(merchant.clone())
}

#[tonic::async_trait]
impl CheckoutService for Checkout {
    async fn pay(&self, request: Request<PayRequest>) -> Result<Response<PayResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let customer_id = context.require_customer().or_status()?.customer_id.to_string();
        let order = Order::parse(request.into_inner()).or_status()?;
        // Of two customers the same request id must not meet at the vault or the ledger.
        let (customer, asked) = (customer_id.as_bytes(), order.request_id.to_string());
        let derive = |for_what: &str| {
            derived::request_id(&[for_what.as_bytes(), customer, asked.as_bytes()]).to_string()
        };
        let verified = self
            .peers
            .verify_card_password(VerifyCardPasswordRequest {
                request_id: derive("checkout/verify"),
                card_id: order.card_id.to_string(),
                card_password: order.card_password.expose().to_owned(),
                payment: Some(PaymentContext {
                    amount: Some(parse::money_message(order.amount)),
                    merchant_id: order.merchant.merchant_id.clone(),
                }),
                customer_id: customer_id.clone(),
            })
            .await
            .or_status()?;
        let payment = self
            .peers
            .authorize(AuthorizeRequest {
                request_id: derive("checkout/authorize"),
                proof: verified.proof,
                amount: Some(parse::money_message(order.amount)),
                merchant: Some(order.merchant),
                channel: Channel::InApp.into(),
                partial_allowed: false,
                capture_now: true,
                network: None,
                ..AuthorizeRequest::default()
            })
            .await
            .or_status()?;
        Ok(Response::new(PayResponse { payment: Some(payment), tries_left: verified.tries_left }))
    }
}
