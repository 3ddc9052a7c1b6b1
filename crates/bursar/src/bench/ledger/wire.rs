//! Messages that are made beforehand, so that making them is not measured, and answers of which nothing is read but what
//! is looked at. On the wire they are the contract's: a message inside another is a run of bytes with its length.

use bursar_proto::common::v1::Money;
use bursar_proto::ledger::v1::TransferOrder;
use bytes::Bytes;
use prost::Message;

use super::load::{ASSET, Dice, Load, Spread};

/// `BatchCreateTransfersRequest`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Bulk {
    #[prost(string, tag = "1")]
    pub(super) request_id: String,
    /// Each a `TransferOrder`.
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub(super) orders: Vec<Bytes>,
}

/// `BatchCreateTransfersResponse`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct BulkAnswer {
    #[prost(message, repeated, tag = "1")]
    pub(super) results: Vec<BulkResult>,
    #[prost(int64, tag = "2")]
    pub(super) position: i64,
}

/// `TransferResult`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct BulkResult {
    #[prost(string, tag = "5")]
    pub(super) error_reason: String,
}

/// `StreamTransfersRequest` that creates a transfer.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Streamed {
    #[prost(int32, tag = "1")]
    pub(super) deadline_ms: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) create_transfer: Option<StreamedTransfer>,
}

/// `CreateTransferRequest`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct StreamedTransfer {
    #[prost(string, tag = "1")]
    pub(super) request_id: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) debit_account_id: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) credit_account_id: Bytes,
    /// A `Money`.
    #[prost(bytes = "bytes", tag = "4")]
    pub(super) amount: Bytes,
}

/// `StreamTransfersResponse`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct StreamAnswer {
    #[prost(message, optional, tag = "2")]
    pub(super) error: Option<bursar_proto::ledger::v1::StreamError>,
    #[prost(message, optional, tag = "3")]
    pub(super) create_transfer: Option<Created>,
}

/// `CreateTransferResponse`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Created {
    #[prost(message, optional, tag = "1")]
    pub(super) transfer: Option<CreatedTransfer>,
}

/// `Transfer`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct CreatedTransfer {
    #[prost(int64, tag = "10")]
    pub(super) position: i64,
}

/// One minor unit, encoded.
fn amount() -> Money {
    Money { minor_units: 1, asset: ASSET.to_owned() }
}

/// `count` lists of `size` orders, encoded.
pub(super) fn bulk_orders(load: &Load, spread: Spread, count: u64, size: usize) -> Vec<Vec<Bytes>> {
    let list = |seed| {
        let mut dice = Dice::new(seed);
        let order = |_| {
            let (debit, credit) = dice.pair(load.accounts.len(), spread);
            let order = TransferOrder {
                debit_account_id: load.accounts[debit].clone(),
                credit_account_id: load.accounts[credit].clone(),
                amount: Some(amount()),
                ..TransferOrder::default()
            };
            order.encode_to_vec().into()
        };
        (0..size).map(order).collect()
    };
    (0..count).map(list).collect()
}

/// Makes the messages of a stream.
pub(super) struct StreamMaker {
    load: Load,
    accounts: Vec<Bytes>,
    amount: Bytes,
    dice: Dice,
}

impl StreamMaker {
    pub(super) fn new(load: Load) -> Self {
        let accounts = load.accounts.iter().map(|id| Bytes::copy_from_slice(id.as_bytes())).collect();
        Self { load, accounts, amount: amount().encode_to_vec().into(), dice: Dice::new(1) }
    }

    /// The next transfer; its answer is of use for `deadline_ms`.
    pub(super) fn next(&mut self, deadline_ms: i32) -> Streamed {
        let (debit, credit) = self.dice.pair(self.accounts.len(), Spread::Uniform);
        let create_transfer = Some(StreamedTransfer {
            request_id: self.load.ids.next(),
            debit_account_id: self.accounts[debit].clone(),
            credit_account_id: self.accounts[credit].clone(),
            amount: self.amount.clone(),
        });
        Streamed { deadline_ms, create_transfer }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bursar_proto::ledger::v1::{
        BatchCreateTransfersRequest, BatchCreateTransfersResponse, CreateTransferResponse,
        StreamTransfersRequest, StreamTransfersResponse, Transfer, TransferResult, stream_transfers_request,
        stream_transfers_response,
    };

    use super::super::load::Ids;
    use super::*;

    fn load() -> Load {
        let accounts = ["acct_a", "acct_b", "acct_c"].map(str::to_owned);
        Load {
            accounts: Arc::new(accounts),
            ids: Arc::new(Ids::new()),
            reached: Arc::default(),
            put_off: Arc::default(),
        }
    }

    #[test]
    fn what_is_made_beforehand_is_the_contracts_message() {
        let load = load();
        let orders = bulk_orders(&load, Spread::Hot, 2, 3).swap_remove(1);
        let bulk = Bulk { request_id: "id".into(), orders };
        let read = BatchCreateTransfersRequest::decode(bulk.encode_to_vec().as_slice()).unwrap();
        assert_eq!((read.request_id.as_str(), read.orders.len(), read.linked), ("id", 3, false));
        assert!(read.orders.iter().all(|order| order.credit_account_id == "acct_a"));
        assert_eq!(read.orders[0].amount, Some(amount()));

        let streamed = StreamMaker::new(load.clone()).next(60);
        let read = StreamTransfersRequest::decode(streamed.encode_to_vec().as_slice()).unwrap();
        let Some(stream_transfers_request::Command::CreateTransfer(order)) = read.command else { panic!() };
        assert_eq!((read.deadline_ms, order.amount), (60, Some(amount())));
        assert!(order.debit_account_id.starts_with("acct_") && order.request_id.len() == 36);
    }

    #[test]
    fn the_answers_are_read_where_they_are_looked_at() {
        let result = TransferResult { error_reason: "NO".into(), amount: 3, ..TransferResult::default() };
        let whole = BatchCreateTransfersResponse { results: vec![result], position: 7 };
        let read = BulkAnswer::decode(whole.encode_to_vec().as_slice()).unwrap();
        assert_eq!((read.position, read.results[0].error_reason.as_str()), (7, "NO"));

        let transfer = Transfer { transfer_id: "tran_x".into(), position: 9, ..Transfer::default() };
        let created =
            CreateTransferResponse { transfer: Some(transfer), ..CreateTransferResponse::default() };
        let result = Some(stream_transfers_response::Result::CreateTransfer(created));
        let whole = StreamTransfersResponse { request_id: "id".into(), result };
        let read = StreamAnswer::decode(whole.encode_to_vec().as_slice()).unwrap();
        assert_eq!(read.create_transfer.unwrap().transfer.unwrap().position, 9);
    }
}
