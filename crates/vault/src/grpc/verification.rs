//! `VerificationService`: what the gateway asks for each payment.

use std::sync::Arc;

use bursar_card_data::{Cvv2, ExpiryYymm, Pan, PanError};
use bursar_proto::vault::v1::stream_verify_card_response::Result as Outcome;
use bursar_proto::vault::v1::verification_service_server::VerificationService;
use bursar_proto::vault::v1::{
    PaymentContext, StreamVerifyCardRequest, StreamVerifyCardResponse, Verification, VerificationError,
    VerifyCardPasswordRequest, VerifyCardPasswordResponse, VerifyCardRequest, VerifyCardResponse,
};
use bursar_service::context::CallContext;
use bursar_service::error::{Invalid, OrStatus as _, Told};
use bursar_service::parse;
use bursar_service::twin::{Exchange, Incoming, Ticket, Twin};
use bursar_types::ProofResult;
use tonic::{Request, Response, Status, Streaming};

use super::cardholder::card_password;
use super::{Handlers, take_text};
use crate::audit::Actor;
use crate::cases::{CardAnswer, CardQuestion, PasswordTry, Vault};
use crate::error::VaultError;
use crate::group::Done;
use crate::proof::Payment;

/// Longest request id on a stream, in characters.
const REQUEST_ID_MAX: usize = 64;
/// Longest merchant id (ISO 8583 DE42).
const MERCHANT_ID_MAX: usize = 15;

#[tonic::async_trait]
impl VerificationService for Handlers {
    async fn verify_card(
        &self,
        mut request: Request<VerifyCardRequest>,
    ) -> Result<Response<VerifyCardResponse>, Status> {
        let pan = take_text(&mut request.get_mut().pan);
        let cvv2 = take_text(&mut request.get_mut().cvv2);
        let actor = Actor::from(CallContext::of(&request));
        let request = request.into_inner();
        let question = card_question(&pan, &cvv2, &request)?;
        drop((pan, cvv2));
        let answer = self.vault.verify_card(&actor, question).await.or_status()?;
        Ok(Response::new(told(answer)))
    }

    type StreamVerifyCardStream = Exchange<CardQuestions>;

    async fn stream_verify_card(
        &self,
        request: Request<Streaming<StreamVerifyCardRequest>>,
    ) -> Result<Response<Self::StreamVerifyCardStream>, Status> {
        let actor = Arc::new(Actor::from(CallContext::of(&request)));
        let questions = CardQuestions { vault: self.vault.clone(), actor };
        Ok(Response::new(Exchange::new(questions, request.into_inner(), self.draining.clone())))
    }

    async fn verify_card_password(
        &self,
        mut request: Request<VerifyCardPasswordRequest>,
    ) -> Result<Response<VerifyCardPasswordResponse>, Status> {
        let password = take_text(&mut request.get_mut().card_password);
        let mut actor = Actor::from(CallContext::of(&request));
        let request = request.into_inner();
        let request_id = parse::request_id(&request.request_id)?;
        let mut invalid = Invalid::new();
        let card_id = invalid.take(parse::id("card_id", &request.card_id));
        let customer_id = invalid.take(parse::id("customer_id", &request.customer_id));
        let password = invalid.take(card_password(&password));
        let payment = invalid.take(payment(request.payment.as_ref(), Least::AboveZero));
        let (Some(card_id), Some(customer_id), Some(password), Some(payment)) =
            (card_id, customer_id, password, payment)
        else {
            return Err(invalid.into());
        };
        actor.customer = Some(customer_id);
        let given = PasswordTry { request_id, card_id, customer_id, password: Arc::new(password), payment };
        let answer = self.vault.verify_card_password(&actor, &given).await.or_status()?;
        Ok(Response::new(VerifyCardPasswordResponse {
            card_password: verification(answer.result).into(),
            proof: answer.proof.token,
            proof_expire_time: Some(parse::timestamp_message(answer.proof.expires_at)),
            tries_left: i32::try_from(answer.tries_left).unwrap_or(0),
        }))
    }
}

/// The questions of one stream.
#[derive(Debug)]
pub(super) struct CardQuestions {
    vault: Vault,
    actor: Arc<Actor>,
}

impl Twin for CardQuestions {
    type Message = StreamVerifyCardRequest;
    type Response = StreamVerifyCardResponse;
    type Work = CardQuestion;
    type Outcome = VerifyCardResponse;
    type Error = VaultError;

    const GROUP_MAX: usize = 256;

    fn read(&self, message: Self::Message) -> Incoming<Self> {
        let StreamVerifyCardRequest { request_id, deadline_ms, verify_card } = message;
        let mut question = verify_card.unwrap_or_default();
        let (pan, cvv2) = (take_text(&mut question.pan), take_text(&mut question.cvv2));
        let work = parse::text("request_id", &request_id, 0..=REQUEST_ID_MAX)
            .map(drop)
            .and_then(|()| card_question(&pan, &cvv2, &question));
        Incoming { request_id, deadline_ms, work: work.map_err(VaultError::from) }
    }

    fn begin(&self, work: CardQuestion, ticket: Ticket<Self>) {
        let done: Done<Option<CardAnswer>> = Box::new(|answer| ticket.answer(answer.map(told)));
        self.vault.begin_verify(Arc::clone(&self.actor), work, done);
    }

    fn response(request_id: String, outcome: Result<VerifyCardResponse, Told>) -> Self::Response {
        let result = match outcome {
            Ok(response) => Outcome::VerifyCard(response),
            Err(told) => Outcome::Error(VerificationError {
                code: told.code,
                reason: told.reason.as_str().to_owned(),
                message: told.message,
                field: told.field,
                retry_after_ms: told
                    .retry_after
                    .map_or(0, |wait| i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)),
            }),
        };
        StreamVerifyCardResponse { request_id, result: Some(result) }
    }
}

fn told(answer: Option<CardAnswer>) -> VerifyCardResponse {
    match answer {
        Some(answer) => VerifyCardResponse {
            found: true,
            card_id: answer.card_id.to_string(),
            expiry: verification(answer.expiry).into(),
            cvv2: verification(answer.cvv2).into(),
            proof: answer.proof.token,
            proof_expire_time: Some(parse::timestamp_message(answer.proof.expires_at)),
        },
        None => VerifyCardResponse::default(),
    }
}

fn card_question(pan: &str, cvv2: &str, request: &VerifyCardRequest) -> Result<CardQuestion, Invalid> {
    let mut invalid = Invalid::new();
    let pan = invalid.take(match Pan::parse(pan) {
        Ok(pan) => Ok(Some(pan)),
        // Mistyped at a merchant, not by our caller: an answer, not an error.
        Err(PanError::CheckDigit) => Ok(None),
        Err(PanError::Malformed) => Err(Invalid::new().field("pan", "must be 12 to 19 digits")),
    });
    let expiry = invalid.take(expiry(&request.expiry));
    let cvv2 = invalid.take(match cvv2 {
        "" => Ok(None),
        text => Cvv2::parse(text)
            .map(Some)
            .map_err(|_| Invalid::new().field("cvv2", "must be 3 digits, or empty")),
    });
    let payment = invalid.take(payment(request.payment.as_ref(), Least::Zero));
    match (pan, expiry, cvv2, payment) {
        (Some(pan), Some(expiry), Some(cvv2), Some(payment)) => {
            Ok(CardQuestion { pan, expiry, cvv2, payment })
        }
        _ => Err(invalid),
    }
}

/// The least amount of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Least {
    /// Zero: a merchant may ask whether the card is good.
    Zero,
    /// More than that.
    AboveZero,
}

/// Digits that are no month are a wrong expiry from the network, not a mistake of our caller.
fn expiry(text: &str) -> Result<Option<Option<ExpiryYymm>>, Invalid> {
    match text {
        "" => Ok(None),
        text if text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            Ok(Some(ExpiryYymm::parse(text).ok()))
        }
        _ => Err(Invalid::new().field("expiry", "must be 4 digits YYMM, or empty")),
    }
}

fn payment(message: Option<&PaymentContext>, least: Least) -> Result<Payment, Invalid> {
    let message = parse::required("payment", message)?;
    let mut invalid = Invalid::new();
    let amount = invalid.take(match (least, message.amount.as_ref()) {
        (Least::Zero, Some(amount)) if amount.minor_units == 0 => {
            parse::money("payment.amount", Some(amount))
        }
        (_, amount) => parse::positive_money("payment.amount", amount),
    });
    let merchant_id =
        invalid.take(parse::text("payment.merchant_id", &message.merchant_id, 1..=MERCHANT_ID_MAX));
    match (amount, merchant_id) {
        (Some(amount), Some(merchant_id)) => Ok(Payment { amount, merchant_id: merchant_id.to_owned() }),
        _ => Err(invalid),
    }
}

fn verification(result: ProofResult) -> Verification {
    match result {
        ProofResult::Absent => Verification::Absent,
        ProofResult::Match => Verification::Match,
        ProofResult::Mismatch => Verification::Mismatch,
        ProofResult::Locked => Verification::Locked,
        ProofResult::NotSet => Verification::NotSet,
    }
}
