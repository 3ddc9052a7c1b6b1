//! The two services the gateway calls.

use std::time::Duration;

use bursar_proto::access::Identity;
use bursar_proto::ledger::v1::payment_service_client::PaymentServiceClient;
use bursar_proto::ledger::v1::top_up_service_client::TopUpServiceClient;
use bursar_proto::ledger::v1::{
    AuthorizeRequest, BookBankCreditRequest, BookBankCreditResponse, GetPaymentRequest, Payment,
    PostPresentmentRequest, RefundPaymentRequest, ReversePaymentRequest,
};
use bursar_proto::vault::v1::verification_service_client::VerificationServiceClient;
use bursar_proto::vault::v1::{
    VerifyCardPasswordRequest, VerifyCardPasswordResponse, VerifyCardRequest, VerifyCardResponse,
};
use bursar_service::Chassis;
use bursar_service::client::PeerChannel;
use bursar_service::config::ConfigError;
use bursar_service::error::PeerError;
use tonic::{Response, Status};

use crate::error::GatewayError;
use crate::issuer::{Answer, Issuer};

/// Waits before a call is repeated that a peer could not take: its stream breaks when it restarts, and it is back soon.
const AGAIN: [Duration; 3] =
    [Duration::from_millis(20), Duration::from_millis(100), Duration::from_millis(400)];

/// Connections to vault and ledger. Every call here may be repeated: its request id follows from what is asked, or it
/// changes nothing.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    verification: VerificationServiceClient<PeerChannel>,
    payments: PaymentServiceClient<PeerChannel>,
    top_ups: TopUpServiceClient<PeerChannel>,
}

impl Peers {
    pub(crate) fn connect(chassis: &Chassis) -> Result<Self, ConfigError> {
        let ledger = chassis.peer(Identity::Ledger)?;
        Ok(Self {
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

    pub(crate) async fn authorize(&self, request: AuthorizeRequest) -> Result<Payment, GatewayError> {
        let answer = patiently(Identity::Ledger, || {
            let (mut client, request) = (self.payments.clone(), request.clone());
            async move { client.authorize(request).await }
        });
        answer.await?.payment.ok_or(GatewayError::BadAnswer { peer: "ledger", what: "the payment" })
    }
}

impl Issuer for Peers {
    fn verify_card(&self, request: VerifyCardRequest) -> Answer<'_, VerifyCardResponse> {
        let mut client = self.verification.clone();
        Box::pin(async move {
            // A try of the CVV2 counts each time, so a call whose answer got lost is not sent again by ourselves.
            let answer = client.verify_card(request).await;
            answer.map(Response::into_inner).map_err(|status| PeerError::new(Identity::Vault, &status).into())
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
