//! The two services the gateway calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bursar_proto::access::Identity;
use bursar_proto::ledger::v1::payment_service_client::PaymentServiceClient;
use bursar_proto::ledger::v1::top_up_service_client::TopUpServiceClient;
use bursar_proto::ledger::v1::{
    AuthorizeRequest, AuthorizeStreamRequest, AuthorizeStreamResponse, BookBankCreditRequest,
    BookBankCreditResponse, GetPaymentRequest, Payment, PostPresentmentRequest, RefundPaymentRequest,
    ReversePaymentRequest,
};
use bursar_proto::vault::v1::stream_verify_card_response::Result as Verified;
use bursar_proto::vault::v1::verification_service_client::VerificationServiceClient;
use bursar_proto::vault::v1::{
    StreamVerifyCardRequest, StreamVerifyCardResponse, VerifyCardPasswordRequest, VerifyCardPasswordResponse,
    VerifyCardRequest, VerifyCardResponse,
};
use bursar_service::client::PeerChannel;
use bursar_service::config::ConfigError;
use bursar_service::error::PeerError;
use bursar_service::{Chassis, Deadline};
use bursar_types::{Failure, Reason};
use futures::future::BoxFuture;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status, Streaming};

use super::stream::{Shared, Twin};
use crate::error::GatewayError;
use crate::issuer::{Answer, Issuer};

/// Waits before a call is repeated that a peer could not take: its stream breaks when it restarts, and it is back soon.
const AGAIN: [Duration; 3] =
    [Duration::from_millis(20), Duration::from_millis(100), Duration::from_millis(400)];

/// Time for a decision that nobody has set a time for.
const UNHURRIED: Duration = Duration::from_secs(30);
/// Of the time for a decision, what its answer needs to come back.
const MARGIN: Duration = Duration::from_millis(10);

/// Connections to vault and ledger. Every call here may be repeated: its request id follows from what is asked, or it
/// changes nothing.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    verification: VerificationServiceClient<PeerChannel>,
    payments: PaymentServiceClient<PeerChannel>,
    authorizations: Shared<Authorizations>,
    verifications: Shared<Verifications>,
    /// Numbers of the questions on the vault's stream.
    questions: Arc<AtomicU64>,
    top_ups: TopUpServiceClient<PeerChannel>,
}

impl Peers {
    pub(crate) fn connect(chassis: &Chassis) -> Result<Self, ConfigError> {
        let ledger = chassis.peer(Identity::Ledger)?;
        // Apart from the others: what is decided must not wait behind what is listed.
        let cards = VerificationServiceClient::new(chassis.peer(Identity::Vault)?);
        let stream = Authorizations(PaymentServiceClient::new(chassis.peer(Identity::Ledger)?));
        Ok(Self {
            authorizations: Shared::new(stream, &chassis.supervisor),
            verifications: Shared::new(Verifications(cards), &chassis.supervisor),
            questions: Arc::default(),
            verification: VerificationServiceClient::new(chassis.peer(Identity::Vault)?),
            payments: PaymentServiceClient::new(ledger.clone()),
            top_ups: TopUpServiceClient::new(ledger),
        })
    }

    pub(crate) async fn verify_card_password(
        &self,
        request: VerifyCardPasswordRequest,
    ) -> Result<VerifyCardPasswordResponse, GatewayError> {
        patiently(Identity::Vault, || {
            let (mut client, request) = (self.verification.clone(), request.clone());
            async move { client.verify_card_password(request).await }
        })
        .await
    }

    /// Decides a payment, over the stream that all share.
    pub(crate) async fn authorize(&self, request: AuthorizeRequest) -> Result<Payment, GatewayError> {
        let reply = patiently(Identity::Ledger, || {
            let (stream, request) = (self.authorizations.clone(), request.clone());
            async move {
                let id = request.request_id.clone();
                let ask = AuthorizeStreamRequest { authorize: Some(request), deadline_ms: time_left() };
                let reply = stream.ask(id, ask).await?;
                match refusal(reply.error_code, &reply.error_reason, reply.error_message) {
                    Some(status) => Err(status),
                    None => Ok(Response::new(reply.payment)),
                }
            }
        });
        reply.await?.ok_or(GatewayError::BadAnswer { peer: "ledger", what: "the payment" })
    }
}

/// Milliseconds that an answer is of use.
fn time_left() -> i32 {
    let left = Deadline::current().map_or(UNHURRIED, Deadline::remaining).saturating_sub(MARGIN);
    i32::try_from(left.as_millis()).unwrap_or(i32::MAX).clamp(1, 60_000)
}

/// The vault's stream of questions about cards.
#[derive(Debug)]
struct Verifications(VerificationServiceClient<PeerChannel>);

impl Twin for Verifications {
    type Ask = StreamVerifyCardRequest;
    type Reply = StreamVerifyCardResponse;

    fn open(
        &self,
        asks: ReceiverStream<Self::Ask>,
    ) -> BoxFuture<'static, Result<Streaming<Self::Reply>, Status>> {
        let mut client = self.0.clone();
        Box::pin(async move { client.stream_verify_card(asks).await.map(Response::into_inner) })
    }

    fn id(reply: &Self::Reply) -> &str {
        &reply.request_id
    }
}

/// The ledger's stream of authorizations.
#[derive(Debug)]
struct Authorizations(PaymentServiceClient<PeerChannel>);

impl Twin for Authorizations {
    type Ask = AuthorizeStreamRequest;
    type Reply = AuthorizeStreamResponse;

    fn open(
        &self,
        asks: ReceiverStream<Self::Ask>,
    ) -> BoxFuture<'static, Result<Streaming<Self::Reply>, Status>> {
        let mut client = self.0.clone();
        Box::pin(async move { client.authorize_stream(asks).await.map(Response::into_inner) })
    }

    fn id(reply: &Self::Reply) -> &str {
        &reply.request_id
    }
}

/// What a message of a stream says in the place of an answer, as the call would have said it.
fn refusal(code: i32, reason: &str, message: String) -> Option<Status> {
    if code == 0 {
        return None;
    }
    let known = Reason::ALL.iter().find(|known| known.as_str() == reason);
    Some(match known {
        Some(reason) => bursar_service::status(&Refusal { reason: *reason, message }),
        None => Status::new(tonic::Code::from_i32(code), message),
    })
}

/// See [`refusal`].
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Refusal {
    reason: Reason,
    message: String,
}

impl Failure for Refusal {
    fn reason(&self) -> Reason {
        self.reason
    }
}

impl Issuer for Peers {
    fn verify_card(&self, request: VerifyCardRequest) -> Answer<'_, VerifyCardResponse> {
        Box::pin(async move {
            // A try of the CVV2 counts each time, so a question whose answer got lost is not asked again by ourselves.
            let id = self.questions.fetch_add(1, Ordering::Relaxed).to_string();
            let ask = StreamVerifyCardRequest {
                request_id: id.clone(),
                deadline_ms: time_left(),
                verify_card: Some(request),
            };
            let reply = self.verifications.ask(id, ask).await;
            let result = reply.map_err(|status| PeerError::new(Identity::Vault, &status))?.result;
            match result {
                Some(Verified::VerifyCard(answer)) => Ok(answer),
                Some(Verified::Error(error)) => {
                    let status = refusal(error.code, &error.reason, error.message);
                    let status = status.unwrap_or_else(|| Status::internal("an error without a code"));
                    Err(PeerError::new(Identity::Vault, &status).into())
                }
                None => Err(GatewayError::BadAnswer { peer: "vault", what: "a result" }),
            }
        })
    }

    fn authorize(&self, request: AuthorizeRequest) -> Answer<'_, Payment> {
        Box::pin(Self::authorize(self, request))
    }

    fn reverse(&self, request: ReversePaymentRequest) -> Answer<'_, ()> {
        Box::pin(async move {
            patiently(Identity::Ledger, || {
                let (mut client, request) = (self.payments.clone(), request.clone());
                async move { client.reverse_payment(request).await }
            })
            .await
            .map(drop)
        })
    }

    fn present(&self, request: PostPresentmentRequest) -> Answer<'_, ()> {
        Box::pin(async move {
            patiently(Identity::Ledger, || {
                let (mut client, request) = (self.payments.clone(), request.clone());
                async move { client.post_presentment(request).await }
            })
            .await
            .map(drop)
        })
    }

    fn refund(&self, request: RefundPaymentRequest) -> Answer<'_, ()> {
        Box::pin(async move {
            patiently(Identity::Ledger, || {
                let (mut client, request) = (self.payments.clone(), request.clone());
                async move { client.refund_payment(request).await }
            })
            .await
            .map(drop)
        })
    }

    fn payment(&self, request: GetPaymentRequest) -> Answer<'_, Payment> {
        Box::pin(async move {
            let answer = patiently(Identity::Ledger, || {
                let (mut client, request) = (self.payments.clone(), request.clone());
                async move { client.get_payment(request).await }
            });
            answer.await?.payment.ok_or(GatewayError::BadAnswer { peer: "ledger", what: "the payment" })
        })
    }

    fn book_bank_credit(&self, request: BookBankCreditRequest) -> Answer<'_, BookBankCreditResponse> {
        Box::pin(patiently(Identity::Ledger, move || {
            let (mut client, request) = (self.top_ups.clone(), request.clone());
            async move { client.book_bank_credit(request).await }
        }))
    }
}

/// Repeats a call a few times while the peer is away; the deadline of the call we serve bounds it all.
async fn patiently<T, F, A>(peer: Identity, mut attempt: F) -> Result<T, GatewayError>
where
    F: FnMut() -> A,
    A: Future<Output = Result<Response<T>, Status>>,
{
    let mut waits = AGAIN.into_iter();
    loop {
        let status = match attempt().await {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(status) => status,
        };
        match waits.next() {
            Some(wait) if status.code() == tonic::Code::Unavailable => tokio::time::sleep(wait).await,
            _ => return Err(PeerError::new(peer, &status).into()),
        }
    }
}
