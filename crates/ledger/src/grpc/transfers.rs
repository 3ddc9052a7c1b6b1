//! TransferService.

use std::time::Duration;

use bursar_ledger_engine::{
    Action, CaptureHold, Command, Outcome, TransferCode, TransferMode, TransferOrder,
};
use bursar_proto::ledger::v1 as proto;
use bursar_proto::ledger::v1::transfer_service_server::TransferService;
use bursar_service::parse::{money_message, timestamp_message};
use bursar_service::{CallContext, Invalid, OrStatus as _, parse};
use bursar_types::Money;
use bursar_types::id::{AccountId, TransferId};
use tonic::{Request, Response, Status};

use super::{Api, actor, reference};
use crate::error::LedgerError;
use crate::issue::note;
use crate::journal::Body;
use crate::project::public;
use crate::store::{projection, read};
use crate::writer::{Answer, Order};

/// Longest hold in seconds, as the contract says.
const HOLD_SECONDS_MAX: i64 = 34_560_000;

#[tonic::async_trait]
impl TransferService for Api {
    async fn create_transfer(
        &self,
        request: Request<proto::CreateTransferRequest>,
    ) -> Result<Response<proto::CreateTransferResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let message = request.into_inner();
        let request_id = parse::request_id(&message.request_id).or_status()?;
        let order = self.transfer_order(&message).or_status()?;
        let body = Body::new("CreateTransfer", &context.principal())
            .field("debit_account_id", &message.debit_account_id)
            .field("credit_account_id", &message.credit_account_id)
            .money("amount", Some(order.amount))
            .number("hold_seconds", message.hold_seconds)
            .field("reference", &message.reference)
            .field("description", &message.description)
            .finish();
        let action = Action::Transfer(Box::new(order));
        let command = Command { request_id, actor: actor(&context), action };
        let order = Order { command, body: Some(body), proof: None };
        let answer = self.0.handle.submit(order).await.or_status()?;
        let transfer = Some(created(&answer).or_status()?);
        Ok(Response::new(proto::CreateTransferResponse { transfer, ..Default::default() }))
    }

    async fn capture_hold(
        &self,
        request: Request<proto::CaptureHoldRequest>,
    ) -> Result<Response<proto::CaptureHoldResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let message = request.into_inner();
        let request_id = parse::request_id(&message.request_id).or_status()?;
        let hold: TransferId = parse::id("transfer_id", &message.transfer_id).or_status()?;
        let amount = parse::positive_money("amount", message.amount.as_ref()).or_status()?;
        let body = Body::new("CaptureHold", &context.principal())
            .field("transfer_id", &message.transfer_id)
            .money("amount", Some(amount))
            .number("last", i64::from(message.last))
            .finish();
        let action = Action::CaptureHold(Box::new(CaptureHold {
            hold,
            transfer: self.0.handle.shared.ids.next(),
            amount,
            last: message.last,
            value_date: None,
            description: note("capture"),
        }));
        let command = Command { request_id, actor: actor(&context), action };
        let order = Order { command, body: Some(body), proof: None };
        let transfer = Some(self.hold_after(order, hold).await.or_status()?);
        Ok(Response::new(proto::CaptureHoldResponse { transfer, ..Default::default() }))
    }

    async fn void_hold(
        &self,
        request: Request<proto::VoidHoldRequest>,
    ) -> Result<Response<proto::VoidHoldResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let message = request.into_inner();
        let request_id = parse::request_id(&message.request_id).or_status()?;
        let hold: TransferId = parse::id("transfer_id", &message.transfer_id).or_status()?;
        let amount = optional_amount(message.amount.as_ref()).or_status()?;
        let body = Body::new("VoidHold", &context.principal())
            .field("transfer_id", &message.transfer_id)
            .money("amount", amount)
            .finish();
        let action = Action::VoidHold { hold, amount };
        let command = Command { request_id, actor: actor(&context), action };
        let order = Order { command, body: Some(body), proof: None };
        let transfer = Some(self.hold_after(order, hold).await.or_status()?);
        Ok(Response::new(proto::VoidHoldResponse { transfer, ..Default::default() }))
    }

    async fn get_transfer(
        &self,
        request: Request<proto::GetTransferRequest>,
    ) -> Result<Response<proto::GetTransferResponse>, Status> {
        let id: TransferId = parse::id("transfer_id", &request.into_inner().transfer_id).or_status()?;
        self.0.handle.settled(0).await.or_status()?;
        let transfer = self.stored_transfer(id).await.or_status()?;
        let transfer = Some(transfer.ok_or(LedgerError::NotFound("transfer")).or_status()?);
        Ok(Response::new(proto::GetTransferResponse { transfer }))
    }

    async fn batch_create_transfers(
        &self,
        _request: Request<proto::BatchCreateTransfersRequest>,
    ) -> Result<Response<proto::BatchCreateTransfersResponse>, Status> {
        Err(Status::unimplemented("not in this build"))
    }

    async fn increment_hold(
        &self,
        _request: Request<proto::IncrementHoldRequest>,
    ) -> Result<Response<proto::IncrementHoldResponse>, Status> {
        Err(Status::unimplemented("not in this build"))
    }

    async fn reverse_transfer(
        &self,
        _request: Request<proto::ReverseTransferRequest>,
    ) -> Result<Response<proto::ReverseTransferResponse>, Status> {
        Err(Status::unimplemented("not in this build"))
    }

    async fn list_transfers(
        &self,
        _request: Request<proto::ListTransfersRequest>,
    ) -> Result<Response<proto::ListTransfersResponse>, Status> {
        Err(Status::unimplemented("not in this build"))
    }

    type StreamTransfersStream = tokio_stream::Empty<Result<proto::StreamTransfersResponse, Status>>;

    async fn stream_transfers(
        &self,
        _request: Request<tonic::Streaming<proto::StreamTransfersRequest>>,
    ) -> Result<Response<Self::StreamTransfersStream>, Status> {
        Err(Status::unimplemented("not in this build"))
    }
}

/// An amount above zero, or none.
pub(super) fn optional_amount(
    message: Option<&bursar_proto::common::v1::Money>,
) -> Result<Option<Money>, Invalid> {
    message.map(|message| parse::positive_money("amount", Some(message))).transpose()
}

impl Api {
    fn transfer_order(&self, message: &proto::CreateTransferRequest) -> Result<TransferOrder, Invalid> {
        let debit: AccountId = parse::id("debit_account_id", &message.debit_account_id)?;
        let credit: AccountId = parse::id("credit_account_id", &message.credit_account_id)?;
        let seconds = parse::number("hold_seconds", message.hold_seconds, 0..=HOLD_SECONDS_MAX)?;
        let mode = match u64::try_from(seconds) {
            Ok(seconds @ 1..) => {
                let expires_at = self.0.handle.shared.clock.now().plus(Duration::from_secs(seconds));
                TransferMode::Hold { expires_at: Some(expires_at), over_capture: 0 }
            }
            _ => TransferMode::Post,
        };
        Ok(TransferOrder {
            transfer: self.0.handle.shared.ids.next(),
            debit,
            credit,
            amount: parse::positive_money("amount", message.amount.as_ref())?,
            mode,
            code: TransferCode::TRANSFER,
            value_date: None,
            reference: reference("reference", &message.reference, 64)?,
            description: note(parse::text("description", &message.description, 0..=140)?),
        })
    }

    async fn hold_after(&self, order: Order, hold: TransferId) -> Result<proto::Transfer, LedgerError> {
        let position = self.0.handle.submit(order).await?.known.position;
        self.0.handle.projected(position).await?;
        self.stored_transfer(hold).await?.ok_or(LedgerError::NotFound("transfer"))
    }

    async fn stored_transfer(&self, id: TransferId) -> Result<Option<proto::Transfer>, LedgerError> {
        let shared = &self.0.handle.shared;
        let shard = shared.shard;
        let found = shared.db.read(|tx| {
            Box::pin(async move {
                if let Some(record) = read::transfer(tx, shard, id).await? {
                    return Ok(Some(public::transfer(&record)));
                }
                let hold = projection::hold_by_id(tx, shard, id).await?;
                Ok::<_, LedgerError>(hold.as_ref().map(public::hold))
            })
        });
        found.await
    }
}

/// The transfer or hold right after it was made.
fn created(answer: &Answer) -> Result<proto::Transfer, LedgerError> {
    let known = &answer.known;
    let (Action::Transfer(order), Outcome::Transferred(done)) = (&known.command.action, &known.outcome)
    else {
        return Err(LedgerError::Internal("a transfer has another outcome".into()));
    };
    let (state, expires_at) = match order.mode {
        TransferMode::Hold { expires_at, .. } => (proto::TransferState::Held, expires_at),
        TransferMode::Post | TransferMode::Balancing => (proto::TransferState::Posted, None),
    };
    let held = done.outstanding.unwrap_or(0);
    Ok(proto::Transfer {
        transfer_id: done.transfer.to_string(),
        debit_account_id: order.debit.to_string(),
        credit_account_id: order.credit.to_string(),
        amount: Some(money_message(done.amount)),
        state: state.into(),
        captured: done.amount.minor_units.saturating_sub(held),
        held,
        reference: order.reference.to_string(),
        expire_time: expires_at.map(timestamp_message),
        position: known.position,
        ..Default::default()
    })
}
