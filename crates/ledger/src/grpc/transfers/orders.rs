//! From the contract's messages to commands.

use std::time::Duration;

use bursar_ledger_engine::{
    Action, CaptureHold, MAX_BATCH, ReverseTransfer, TransferCode, TransferMode, TransferOrder,
};
use bursar_proto::common::v1::Money as MoneyMessage;
use bursar_proto::ledger::v1 as proto;
use bursar_service::{Invalid, parse};
use bursar_types::id::TransferId;
use bursar_types::{Money, TypedId as _};
use prost::Message as _;

use super::Stored;
use crate::day;
use crate::error::LedgerError;
use crate::grpc::{Api, Caller, reference};
use crate::issue::note;
use crate::project::public::{OWN_CODES, transfer_type};
use crate::writer::Order;

/// Longest hold in seconds, as the contract says.
const HOLD_SECONDS_MAX: i64 = 34_560_000;
/// Longest description in characters.
const DESCRIPTION_MAX: usize = 140;

/// What asks for one transfer, alone or as one of many.
struct Wanted<'a> {
    debit: &'a str,
    credit: &'a str,
    amount: Option<&'a MoneyMessage>,
    hold_seconds: i64,
    reference: &'a str,
    description: &'a str,
    balancing: bool,
    over_capture: i64,
    value_date: &'a str,
    code: i32,
}

macro_rules! wanted {
    ($($message:ty),+) => {$(
        impl<'a> From<&'a $message> for Wanted<'a> {
            fn from(message: &'a $message) -> Self {
                Self {
                    debit: &message.debit_account_id,
                    credit: &message.credit_account_id,
                    amount: message.amount.as_ref(),
                    hold_seconds: message.hold_seconds,
                    reference: &message.reference,
                    description: &message.description,
                    balancing: message.balancing,
                    over_capture: message.over_capture,
                    value_date: &message.value_date,
                    code: message.code,
                }
            }
        }
    )+};
}

wanted!(proto::CreateTransferRequest, proto::TransferOrder);

/// An amount above zero, or none.
pub(in crate::grpc) fn optional_amount(message: Option<&MoneyMessage>) -> Result<Option<Money>, Invalid> {
    message.map(|message| parse::positive_money("amount", Some(message))).transpose()
}

/// A code of the issuer's own; 0: the platform's for a plain transfer.
fn code(number: i32) -> Result<TransferCode, Invalid> {
    match u16::try_from(number) {
        Ok(0) => Ok(TransferCode::TRANSFER),
        Ok(own) if own >= OWN_CODES => Ok(TransferCode(own)),
        _ => Err(Invalid::new().field("code", format!("must be 0, or {OWN_CODES} to {}", u16::MAX))),
    }
}

impl Api {
    fn transfer_order(&self, wanted: &Wanted<'_>) -> Result<TransferOrder, Invalid> {
        let seconds = parse::number("hold_seconds", wanted.hold_seconds, 0..=HOLD_SECONDS_MAX)?;
        let over_capture = parse::number("over_capture", wanted.over_capture, 0..=i64::MAX)?;
        let value_date = day::parse("value_date", wanted.value_date)?;
        let mode = match u64::try_from(seconds) {
            Ok(seconds @ 1..) => {
                if wanted.balancing {
                    return Err(Invalid::new().field("balancing", "is not for holds"));
                }
                if value_date.is_some() {
                    return Err(
                        Invalid::new().field("value_date", "is not for holds: each capture has its own")
                    );
                }
                let expires_at = self.0.handle.shared.clock.now().plus(Duration::from_secs(seconds));
                TransferMode::Hold { expires_at: Some(expires_at), over_capture }
            }
            _ if over_capture > 0 => {
                return Err(Invalid::new().field("over_capture", "is for holds: set hold_seconds"));
            }
            _ if wanted.balancing => TransferMode::Balancing,
            _ => TransferMode::Post,
        };
        Ok(TransferOrder {
            transfer: self.0.handle.shared.ids.next(),
            debit: parse::id("debit_account_id", wanted.debit)?,
            credit: parse::id("credit_account_id", wanted.credit)?,
            amount: parse::positive_money("amount", wanted.amount)?,
            mode,
            code: code(wanted.code)?,
            value_date,
            reference: reference("reference", wanted.reference, 64)?,
            description: note(parse::text("description", wanted.description, 0..=DESCRIPTION_MAX)?),
        })
    }

    pub(super) fn create_order(
        &self,
        caller: &Caller,
        message: &proto::CreateTransferRequest,
    ) -> Result<Order, Invalid> {
        let request_id = parse::request_id(&message.request_id)?;
        let order = self.transfer_order(&Wanted::from(message))?;
        let body = caller
            .body("CreateTransfer")
            .field("debit_account_id", &message.debit_account_id)
            .field("credit_account_id", &message.credit_account_id)
            .money("amount", Some(order.amount))
            .number("hold_seconds", message.hold_seconds)
            .field("reference", &message.reference)
            .field("description", &message.description)
            .number_later("balancing", message.balancing.into())
            .number_later("over_capture", message.over_capture)
            .later("value_date", &message.value_date)
            .number_later("code", message.code.into())
            .finish();
        Ok(caller.order(request_id, Action::Transfer(Box::new(order)), body))
    }

    pub(super) fn batch_order(
        &self,
        caller: &Caller,
        message: &proto::BatchCreateTransfersRequest,
    ) -> Result<Order, Invalid> {
        let request_id = parse::request_id(&message.request_id)?;
        parse::number("orders", message.orders.len(), 1..=MAX_BATCH)?;
        let mut orders = Vec::with_capacity(message.orders.len());
        for (index, order) in message.orders.iter().enumerate() {
            let order = self.transfer_order(&Wanted::from(order));
            orders.push(order.map_err(|wrong| wrong.within(&format!("orders[{index}]")))?);
        }
        let body = caller
            .body("BatchCreateTransfers")
            .items("orders", &message.orders, |order, out| {
                // A vector has room for every message.
                let _ = order.encode(out);
            })
            .number("linked", message.linked.into())
            .finish();
        let action = Action::TransferBatch { orders, linked: message.linked };
        Ok(caller.order(request_id, action, body))
    }

    pub(super) fn capture_order(
        &self,
        caller: &Caller,
        message: &proto::CaptureHoldRequest,
    ) -> Result<Order, Invalid> {
        let request_id = parse::request_id(&message.request_id)?;
        let amount = parse::positive_money("amount", message.amount.as_ref())?;
        let description = match parse::text("description", &message.description, 0..=DESCRIPTION_MAX)? {
            "" => "capture",
            given => given,
        };
        let capture = CaptureHold {
            hold: parse::id("transfer_id", &message.transfer_id)?,
            transfer: self.0.handle.shared.ids.next(),
            amount,
            last: message.last,
            value_date: day::parse("value_date", &message.value_date)?,
            description: note(description),
        };
        let body = caller
            .body("CaptureHold")
            .field("transfer_id", &message.transfer_id)
            .money("amount", Some(amount))
            .number("last", message.last.into())
            .later("value_date", &message.value_date)
            .later("description", &message.description)
            .finish();
        Ok(caller.order(request_id, Action::CaptureHold(Box::new(capture)), body))
    }

    pub(super) fn increment_order(
        &self,
        caller: &Caller,
        message: &proto::IncrementHoldRequest,
    ) -> Result<Order, Invalid> {
        let request_id = parse::request_id(&message.request_id)?;
        let hold: TransferId = parse::id("transfer_id", &message.transfer_id)?;
        let amount = parse::positive_money("amount", message.amount.as_ref())?;
        let body = caller
            .body("IncrementHold")
            .field("transfer_id", &message.transfer_id)
            .money("amount", Some(amount))
            .finish();
        Ok(caller.order(request_id, Action::IncrementHold { hold, amount }, body))
    }

    pub(super) fn void_order(
        &self,
        caller: &Caller,
        message: &proto::VoidHoldRequest,
    ) -> Result<Order, Invalid> {
        let request_id = parse::request_id(&message.request_id)?;
        let hold: TransferId = parse::id("transfer_id", &message.transfer_id)?;
        let amount = optional_amount(message.amount.as_ref())?;
        let body = caller
            .body("VoidHold")
            .field("transfer_id", &message.transfer_id)
            .money("amount", amount)
            .finish();
        Ok(caller.order(request_id, Action::VoidHold { hold, amount }, body))
    }

    /// The engine keeps no posted transfers: the original's facts come from the projections, once they hold
    /// everything that was durable when the call came.
    pub(super) async fn reverse_order(
        &self,
        caller: &Caller,
        message: &proto::ReverseTransferRequest,
    ) -> Result<Order, LedgerError> {
        let request_id = parse::request_id(&message.request_id)?;
        let original: TransferId = parse::id("transfer_id", &message.transfer_id)?;
        let reason = parse::text("reason", &message.reason, 1..=DESCRIPTION_MAX)?;
        self.0.handle.settled(0).await?;
        let record = match self.stored(original).await?.ok_or(LedgerError::NotFound("transfer"))? {
            Stored::Posted(record) => record,
            Stored::Hold(_) => return Err(LedgerError::NotReversible("hold")),
        };
        if !is_reversible(record.entry.cause) {
            return Err(LedgerError::NotReversible(transfer_type(record.entry.code)));
        }
        let debit = record.debit;
        let asset = self.0.handle.read(move |engine, _| engine.account(debit).map(|account| account.asset));
        let asset = asset.await?.ok_or(LedgerError::NotFound("account"))?;
        let reversal = ReverseTransfer {
            transfer: self.0.handle.shared.ids.next(),
            original,
            original_debit: record.debit,
            original_credit: record.credit,
            original_amount: Money::new(record.entry.amount, asset),
            reason: note(reason),
        };
        let body =
            caller.body("ReverseTransfer").field("transfer_id", original.text()).field("reason", reason);
        Ok(caller.order(request_id, Action::ReverseTransfer(Box::new(reversal)), body.finish()))
    }
}

/// Whether a transfer stands for itself. What belongs to a payment goes back through the payment, what the bank sent
/// through the bank, and a reversal is the end of it.
fn is_reversible(cause: bursar_ledger_engine::Cause) -> bool {
    use bursar_ledger_engine::Cause;

    match cause {
        Cause::Order | Cause::Capture(_) => true,
        Cause::Reversal(_) | Cause::Payment(_) | Cause::PaymentCapture { .. } | Cause::BankCredit => false,
    }
}
