//! The calls to identity and the vault.

use bursar_proto::identity::v1 as identity;
use bursar_proto::identity::v1::customer_service_client::CustomerServiceClient;
use bursar_proto::vault::v1 as vault;
use bursar_proto::vault::v1::card_vault_service_client::CardVaultServiceClient;
use bursar_service::{Identity, PeerChannel, PeerError};
use bursar_types::id::CustomerId;
use futures::future::BoxFuture;
use tonic::{Code, Status};

use crate::error::LedgerError;
use crate::peers::{CustomerFacts, NumberAnswer, NumberWanted, Peers};

/// The peers over gRPC.
#[derive(Clone, Debug)]
pub(crate) struct GrpcPeers {
    pub(crate) identity: PeerChannel,
    pub(crate) vault: PeerChannel,
}

impl Peers for GrpcPeers {
    fn customer(&self, id: CustomerId) -> BoxFuture<'_, Result<CustomerFacts, LedgerError>> {
        Box::pin(async move {
            let request = identity::GetCustomerRequest { customer_id: id.to_string() };
            let answer = CustomerServiceClient::new(self.identity.clone()).get_customer(request).await;
            let customer = match answer {
                Ok(answer) => answer.into_inner().customer,
                Err(status) if status.code() == Code::NotFound => {
                    return Err(LedgerError::NotFound("customer"));
                }
                Err(status) => return Err(PeerError::new(Identity::Identity, &status).into()),
            };
            let customer = customer.ok_or(LedgerError::NotFound("customer"))?;
            let state = customer.state();
            Ok(CustomerFacts {
                active: state == identity::CustomerState::Active,
                state: state.as_str_name().trim_start_matches("CUSTOMER_STATE_").to_owned(),
                kyc_level: customer.kyc_level,
            })
        })
    }

    fn number(&self, wanted: NumberWanted) -> BoxFuture<'_, Result<NumberAnswer, LedgerError>> {
        Box::pin(async move {
            let request = vault::IssueCardRequest {
                request_id: wanted.request_id.to_string(),
                card_id: wanted.card.to_string(),
                customer_id: wanted.customer.to_string(),
                bin_range_id: wanted.bin_range,
                expiry_month: i32::from(wanted.month),
                expiry_year: i32::from(wanted.year),
            };
            let answer = CardVaultServiceClient::new(self.vault.clone()).issue_card(request).await;
            let card = match answer {
                Ok(answer) => answer.into_inner().card,
                Err(status) => return refused(&status),
            };
            let card = card.ok_or_else(|| LedgerError::Internal("the vault's answer has no card".into()))?;
            Ok(NumberAnswer::Made {
                masked_pan: card.masked_pan,
                month: card.expiry_month,
                year: card.expiry_year,
            })
        })
    }
}

/// Which refusals of the vault are for good: what is wrong with the product does not mend itself.
fn refused(status: &Status) -> Result<NumberAnswer, LedgerError> {
    let reason = bursar_service::reason_of(status).map(|(reason, _)| reason.as_str());
    match status.code() {
        Code::NotFound | Code::InvalidArgument | Code::FailedPrecondition | Code::AlreadyExists => {
            Ok(NumberAnswer::Never(reason.unwrap_or("the vault refused").to_owned()))
        }
        Code::ResourceExhausted if reason == Some("BIN_RANGE_EXHAUSTED") => {
            Ok(NumberAnswer::Never("BIN_RANGE_EXHAUSTED".to_owned()))
        }
        _ => Err(PeerError::new(Identity::Vault, status).into()),
    }
}
