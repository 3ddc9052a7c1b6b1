//! What tests of transfers and accounts share.

use bursar_proto::ledger::v1 as proto;
use bursar_proto::ledger::v1::account_service_server::AccountService as _;
use bursar_proto::ledger::v1::transfer_service_server::TransferService as _;
use bursar_service::Identity;
use bursar_service::error::violations_of;
use tonic::Status;

use super::world::{Node, by, reason, uuid, yuan};

/// A limit.
pub(super) fn limit(overdraft: Option<i64>) -> Option<proto::BalanceLimit> {
    use proto::balance_limit::Bound;

    let bound = overdraft.map_or(Bound::Unlimited(true), Bound::Overdraft);
    Some(proto::BalanceLimit { bound: Some(bound) })
}

/// What opens an account of the issuer's own, in CNY, on the credit side.
pub(super) fn opening(limit: Option<proto::BalanceLimit>) -> proto::CreateAccountRequest {
    proto::CreateAccountRequest {
        request_id: uuid(),
        asset: "CNY".into(),
        normal_side: proto::NormalSide::Credit.into(),
        limit,
        code: 1_000,
        ..Default::default()
    }
}

pub(super) fn order(from: &str, to: &str, amount: i64) -> proto::CreateTransferRequest {
    proto::CreateTransferRequest {
        request_id: uuid(),
        debit_account_id: from.into(),
        credit_account_id: to.into(),
        amount: yuan(amount),
        ..Default::default()
    }
}

/// The same among many.
pub(super) fn one_of_many(from: &str, to: &str, amount: i64) -> proto::TransferOrder {
    proto::TransferOrder {
        debit_account_id: from.into(),
        credit_account_id: to.into(),
        amount: yuan(amount),
        ..Default::default()
    }
}

/// What makes a request wrong, with the reason and the field that are told.
pub(super) type Wrong<T> = (fn(&mut T), &'static str, &'static str);

/// The reason of a refusal with the field it names, or the refused command's subject.
pub(super) fn told(status: &Status) -> (&'static str, String) {
    let violation = violations_of(status).into_iter().next().map(|violation| violation.field);
    let metadata = bursar_service::reason_of(status).map(|(_, metadata)| metadata).unwrap_or_default();
    let named = || metadata.get("field").or_else(|| metadata.get("subject")).cloned();
    (reason(status), violation.or_else(named).unwrap_or_default())
}

impl Node {
    pub(super) async fn open(&self, message: proto::CreateAccountRequest) -> Result<proto::Account, Status> {
        let answer = self.api.create_account(by(Identity::Backend, message)).await?;
        Ok(answer.into_inner().account.unwrap())
    }

    /// An account that money comes from, and one that it goes to.
    pub(super) async fn pair(&self) -> (String, String) {
        let from = self.open(opening(limit(None))).await.unwrap();
        let to = self.open(opening(None)).await.unwrap();
        (from.account_id, to.account_id)
    }

    pub(super) async fn create(
        &self,
        message: proto::CreateTransferRequest,
    ) -> Result<proto::CreateTransferResponse, Status> {
        Ok(self.api.create_transfer(by(Identity::Backend, message)).await?.into_inner())
    }

    pub(super) async fn batch(
        &self,
        message: proto::BatchCreateTransfersRequest,
    ) -> Result<proto::BatchCreateTransfersResponse, Status> {
        Ok(self.api.batch_create_transfers(by(Identity::Backend, message)).await?.into_inner())
    }

    pub(super) async fn capture(
        &self,
        message: proto::CaptureHoldRequest,
    ) -> Result<proto::CaptureHoldResponse, Status> {
        Ok(self.api.capture_hold(by(Identity::Backend, message)).await?.into_inner())
    }

    pub(super) async fn raise(
        &self,
        message: proto::IncrementHoldRequest,
    ) -> Result<proto::IncrementHoldResponse, Status> {
        Ok(self.api.increment_hold(by(Identity::Backend, message)).await?.into_inner())
    }

    pub(super) async fn void(
        &self,
        message: proto::VoidHoldRequest,
    ) -> Result<proto::VoidHoldResponse, Status> {
        Ok(self.api.void_hold(by(Identity::Backend, message)).await?.into_inner())
    }

    pub(super) async fn reverse(
        &self,
        message: proto::ReverseTransferRequest,
    ) -> Result<proto::ReverseTransferResponse, Status> {
        Ok(self.api.reverse_transfer(by(Identity::Backend, message)).await?.into_inner())
    }

    pub(super) async fn transfer(&self, id: &str) -> Result<proto::Transfer, Status> {
        let message = proto::GetTransferRequest { transfer_id: id.into() };
        let answer = self.api.get_transfer(by(Identity::Backend, message)).await?;
        Ok(answer.into_inner().transfer.unwrap())
    }

    /// The newest movements of an account.
    pub(super) async fn entries(&self, account: &str) -> Vec<proto::Entry> {
        let message = proto::ListEntriesRequest { account_id: account.into(), ..Default::default() };
        self.api.list_entries(by(Identity::Operator, message)).await.unwrap().into_inner().entries
    }
}
