//! The bare decision: one call a payment, with a proof that is made on the spot as the vault would make it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bursar_proto::access::Identity;
use bursar_proto::common::v1::Money;
use bursar_proto::ledger::v1::payment_service_client::PaymentServiceClient;
use bursar_proto::ledger::v1::{AuthorizeRequest, Channel, Merchant, NetworkReference, PaymentState};
use bursar_proto::vault::v1::VerifyCardRequest;
use bursar_proto::vault::v1::verification_service_client::VerificationServiceClient;
use bursar_service::client::PeerChannel;
use bursar_service::token::{Grant, TokenSigner};
use bursar_types::{CARD_PROOF_AUDIENCE, CardProofClaims, Clock as _, ProofResult, SystemClock};

use super::stage::Stage;
use crate::bench::ledger::Ids;
use crate::exit::Exit;

/// Connections that the calls share.
const CONNECTIONS: usize = 2;
const MERCHANT: &str = "BENCHSHOP000001";

/// Makes calls.
pub(super) struct Reference {
    channels: Vec<PeerChannel>,
    signer: TokenSigner,
    card_id: String,
    ids: Ids,
    next: AtomicU64,
}

impl Reference {
    pub(super) async fn open(stage: &Stage) -> Result<Arc<Self>, Exit> {
        let channels =
            (0..CONNECTIONS).map(|_| stage.as_gateway(Identity::Ledger)).collect::<Result<_, _>>()?;
        let signer = TokenSigner::load(&stage.tls("vault-signing.pem"), &stage.tls("vault-signing.key"))
            .map_err(|error| Exit::software(error.to_string()))?;
        let question = VerifyCardRequest { pan: stage.pan.clone(), ..VerifyCardRequest::default() };
        let mut vault = VerificationServiceClient::new(stage.as_gateway(Identity::Vault)?);
        let found = vault.verify_card(VerifyCardRequest {
            payment: Some(bursar_proto::vault::v1::PaymentContext {
                amount: fen(),
                merchant_id: MERCHANT.into(),
            }),
            ..question
        });
        let found =
            found.await.map_err(|status| Exit::software(format!("the vault: {status}")))?.into_inner();
        let card_id = found.card_id;
        Ok(Arc::new(Self { channels, signer, card_id, ids: Ids::new(), next: AtomicU64::new(0) }))
    }

    /// One decision.
    pub(super) async fn authorize(&self) -> Result<(), String> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let index = usize::try_from(number).unwrap_or(0) % self.channels.len();
        let mut client = PaymentServiceClient::new(self.channels[index].clone());
        let request_id = self.ids.next();
        let claims = CardProofClaims {
            jti: request_id.clone(),
            card_id: self.card_id.clone(),
            amount_minor: 1,
            asset: "CNY".into(),
            merchant_id: MERCHANT.into(),
            expiry: ProofResult::Absent,
            cvv2: ProofResult::Match,
            card_password: ProofResult::Absent,
        };
        let grant = Grant {
            audience: CARD_PROOF_AUDIENCE,
            lifetime: Duration::from_secs(60),
            issued_at: SystemClock.now(),
        };
        let proof = self.signer.sign(&grant, &claims).map_err(|error| error.to_string())?;
        let request = AuthorizeRequest {
            request_id,
            proof,
            amount: fen(),
            merchant: Some(Merchant {
                merchant_id: MERCHANT.into(),
                name: "Bench Tea House".into(),
                mcc: "5499".into(),
                country: "CN".into(),
            }),
            channel: Channel::Ecommerce.into(),
            network: Some(NetworkReference {
                acquirer_id: "990002".into(),
                stan: format!("{:06}", number % 1_000_000),
                rrn: format!("{number:012}"),
                transmission_time: "0102030405".into(),
            }),
            ..AuthorizeRequest::default()
        };
        let answer = client.authorize(request).await.map_err(|status| status.to_string())?.into_inner();
        let payment = answer.payment.unwrap_or_default();
        match payment.state() {
            PaymentState::Approved => Ok(()),
            state => Err(format!("a decision is {state:?}: {:?}", payment.decline_reason())),
        }
    }
}

fn fen() -> Option<Money> {
    Some(Money { minor_units: 1, asset: "CNY".into() })
}
