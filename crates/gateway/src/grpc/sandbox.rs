//! `bursar.gateway.v1.SandboxService`: the outside world, played.

use bursar_proto::gateway::v1::sandbox_service_server::SandboxService;
use bursar_proto::gateway::v1::{
    BankEntry, SandboxCard, SandboxExchange, SandboxFault, SendBankCreditRequest, SendBankCreditResponse,
    SendClearingRequest, SendClearingResponse, SendPurchaseRequest, SendPurchaseResponse, SendRefundRequest,
    SendRefundResponse, SendReversalRequest, SendReversalResponse,
};
use bursar_proto::ledger::v1::{Merchant, NetworkReference};
use bursar_service::error::{Invalid, OrStatus as _};
use bursar_service::{CallContext, parse};
use bursar_types::Money;
use tonic::{Request, Response, Status};
use zeroize::Zeroizing;

use crate::bank::Import;
use crate::derived;
use crate::error::GatewayError;
use crate::sandbox::{self, Card, Fault, Network, Purchase, Said};

/// Most parts of one clearing.
const PARTS_MAX: i64 = 10;

/// Serves `SandboxService`.
pub(crate) struct Sandbox {
    pub(super) network: Network,
    pub(super) import: Import,
}

fn card(card: Option<&SandboxCard>) -> Result<Card, Invalid> {
    let card = parse::required("card", card)?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mut wrong = Invalid::new();
    if !(12..=19).contains(&card.pan.len()) || !digits(&card.pan) {
        wrong = wrong.field("card.pan", "must be 12 to 19 digits");
    }
    if !matches!(card.expiry.len(), 0 | 4) || !digits(&card.expiry) {
        wrong = wrong.field("card.expiry", "must be YYMM, or empty");
    }
    if !matches!(card.cvv2.len(), 0 | 3) || !digits(&card.cvv2) {
        wrong = wrong.field("card.cvv2", "must be three digits, or empty");
    }
    wrong.check()?;
    Ok(Card {
        pan: Zeroizing::new(card.pan.clone()),
        expiry: card.expiry.clone(),
        cvv2: Zeroizing::new(card.cvv2.clone()),
    })
}

fn shop(merchant: Option<Merchant>) -> Merchant {
    merchant.unwrap_or_else(|| Merchant {
        merchant_id: "SANDBOXSHOP0001".into(),
        name: "Sandbox Tea House".into(),
        mcc: "5499".into(),
        country: "CN".into(),
    })
}

fn amount(field: &str, message: Option<&bursar_proto::common::v1::Money>) -> Result<Money, Invalid> {
    let money = parse::money(field, message)?;
    if money.minor_units < 0 || money.asset.numeric().is_none() {
        return Err(Invalid::new().field(field, "must be of an ISO 4217 currency, and not below zero"));
    }
    Ok(money)
}

fn original(network: Option<&NetworkReference>) -> Result<NetworkReference, Invalid> {
    let network = parse::required("network", network)?;
    let digits =
        |text: &str, most: usize| text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit());
    let good = digits(&network.stan, 6)
        && digits(&network.transmission_time, 10)
        && digits(&network.acquirer_id, 11);
    if !good || network.rrn.len() != 12 {
        return Err(Invalid::new().field("network", "must be the one that SendPurchase gave"));
    }
    Ok(network.clone())
}

fn fault(number: i32) -> Result<Fault, Invalid> {
    Ok(match SandboxFault::try_from(number) {
        Ok(SandboxFault::Unspecified) => Fault::None,
        Ok(SandboxFault::LostReply) => Fault::LostReply,
        Ok(SandboxFault::Duplicate) => Fault::Duplicate,
        Ok(SandboxFault::LateReversal) => Fault::LateReversal,
        Ok(SandboxFault::OutOfOrder) => Fault::OutOfOrder,
        Ok(SandboxFault::Slow) => Fault::Slow,
        Ok(SandboxFault::CutConnection) => Fault::CutConnection,
        Err(_) => return Err(Invalid::new().field("fault", "is none that is known")),
    })
}

fn exchanges(all: Vec<Said>) -> Vec<SandboxExchange> {
    all.into_iter()
        .map(|said| SandboxExchange {
            mti: said.mti,
            answer_mti: said.answer_mti,
            response_code: said.response_code,
            authorization_code: said.authorization_code,
            answer_ms: said.answer_ms,
            repeated: said.repeated,
        })
        .collect()
}

impl Sandbox {
    async fn purchase(&self, request: SendPurchaseRequest) -> Result<SendPurchaseResponse, GatewayError> {
        let (card, fault) = (card(request.card.as_ref())?, fault(request.fault)?);
        let network = self.network.reference();
        let purchase = Purchase {
            amount: amount("amount", request.amount.as_ref())?,
            merchant: shop(request.merchant),
            partial_allowed: request.partial_allowed,
            network: network.clone(),
        };
        let all = self.network.purchase(&card, &purchase, request.capture_now, fault).await?;
        Ok(SendPurchaseResponse { network: Some(network), exchanges: exchanges(all) })
    }

    async fn reversal(&self, request: SendReversalRequest) -> Result<SendReversalResponse, GatewayError> {
        let card = card(request.card.as_ref())?;
        let original = original(request.network.as_ref())?;
        let whole = amount("amount", request.amount.as_ref())?;
        let remaining = match &request.remaining_amount {
            Some(remaining) => {
                let remaining = amount("remaining_amount", Some(remaining))?;
                if remaining.asset != whole.asset || remaining.minor_units > whole.minor_units {
                    let wrong = Invalid::new().field("remaining_amount", "must be a part of amount");
                    return Err(wrong.into());
                }
                Some(u64::try_from(remaining.minor_units).unwrap_or(0))
            }
            None => None,
        };
        let back = Purchase {
            amount: whole,
            merchant: shop(None),
            partial_allowed: false,
            network: NetworkReference { rrn: original.rrn.clone(), ..self.network.reference() },
        };
        let fault = match fault(request.fault)? {
            Fault::LateReversal | Fault::OutOfOrder => {
                return Err(Invalid::new().field("fault", "is one of purchases only").into());
            }
            fault => fault,
        };
        let all = self.network.reversal(&card, &back, &original, request.captured, remaining, fault).await?;
        Ok(SendReversalResponse { exchanges: exchanges(all) })
    }

    async fn clearing(&self, request: SendClearingRequest) -> Result<SendClearingResponse, GatewayError> {
        let card = card(request.card.as_ref())?;
        let original = original(request.network.as_ref())?;
        let whole = amount("amount", request.amount.as_ref())?;
        let count = parse::number("parts", i64::from(request.parts), 0..=PARTS_MAX)?.max(1);
        if whole.minor_units < count {
            return Err(Invalid::new().field("amount", "must be at least a minor unit for each part").into());
        }
        if !matches!(request.authorization_code.len(), 0 | 6) {
            return Err(Invalid::new()
                .field("authorization_code", "must be six characters, or empty")
                .into());
        }
        let each = whole.minor_units / count;
        let merchant = shop(request.merchant);
        let parts: Vec<Purchase> = (1..=count)
            .map(|number| {
                let minor = if number == count { whole.minor_units - each * (count - 1) } else { each };
                Purchase {
                    amount: Money::new(minor, whole.asset),
                    merchant: merchant.clone(),
                    partial_allowed: false,
                    network: NetworkReference { rrn: original.rrn.clone(), ..self.network.reference() },
                }
            })
            .collect();
        let all = self.network.clearing(&card, &parts, &original, &request.authorization_code).await?;
        Ok(SendClearingResponse { exchanges: exchanges(all) })
    }

    async fn refund(&self, request: SendRefundRequest) -> Result<SendRefundResponse, GatewayError> {
        let card = card(request.card.as_ref())?;
        let refund = Purchase {
            amount: amount("amount", request.amount.as_ref())?,
            merchant: shop(request.merchant),
            partial_allowed: false,
            network: self.network.reference(),
        };
        let all = self.network.refund(&card, &refund).await?;
        Ok(SendRefundResponse { exchanges: exchanges(all) })
    }

    async fn bank_credit(
        &self,
        principal: &str,
        request: SendBankCreditRequest,
    ) -> Result<SendBankCreditResponse, GatewayError> {
        let request_id = parse::request_id(&request.request_id)?;
        let credit = parse::positive_money("amount", request.amount.as_ref())?;
        parse::text("funding_reference", &request.funding_reference, 1..=35)?;
        parse::text("debtor_name", &request.debtor_name, 0..=140)?;
        // The same request makes the same file.
        let own =
            derived::digest(&[b"sandbox credit", principal.as_bytes(), request_id.to_string().as_bytes()]);
        let reference = format!("SB{}", &data_encoding::HEXUPPER.encode(&own)[..30]);
        let (funding, debtor) = (&request.funding_reference, &request.debtor_name);
        let content = sandbox::file(&reference, credit, funding, debtor, request.statement).into_bytes();
        let imported = self.import.import(principal, request_id, &content).await?;
        let entries = imported.entries.iter().map(super::bank_files::entry).collect::<Vec<BankEntry>>();
        Ok(SendBankCreditResponse { content, entries })
    }
}

#[tonic::async_trait]
impl SandboxService for Sandbox {
    async fn send_purchase(
        &self,
        request: Request<SendPurchaseRequest>,
    ) -> Result<Response<SendPurchaseResponse>, Status> {
        self.purchase(request.into_inner()).await.or_status().map(Response::new)
    }

    async fn send_reversal(
        &self,
        request: Request<SendReversalRequest>,
    ) -> Result<Response<SendReversalResponse>, Status> {
        self.reversal(request.into_inner()).await.or_status().map(Response::new)
    }

    async fn send_clearing(
        &self,
        request: Request<SendClearingRequest>,
    ) -> Result<Response<SendClearingResponse>, Status> {
        self.clearing(request.into_inner()).await.or_status().map(Response::new)
    }

    async fn send_refund(
        &self,
        request: Request<SendRefundRequest>,
    ) -> Result<Response<SendRefundResponse>, Status> {
        self.refund(request.into_inner()).await.or_status().map(Response::new)
    }

    async fn send_bank_credit(
        &self,
        request: Request<SendBankCreditRequest>,
    ) -> Result<Response<SendBankCreditResponse>, Status> {
        let principal = CallContext::of(&request).principal();
        self.bank_credit(&principal, request.into_inner()).await.or_status().map(Response::new)
    }
}
