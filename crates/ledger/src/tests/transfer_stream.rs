//! Transfers on a stream, over a real connection.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bursar_ledger_engine::{
    Action, Actor, Command as EngineCommand, Name, Note, Reference, Role, TransferCode, TransferMode,
    TransferOrder,
};
use bursar_proto::ledger::v1 as proto;
use bursar_proto::ledger::v1::stream_transfers_request::Command;
use bursar_proto::ledger::v1::stream_transfers_response::Result as Outcome;
use bursar_proto::ledger::v1::transfer_service_client::TransferServiceClient;
use bursar_proto::ledger::v1::transfer_service_server::TransferServiceServer;
use bursar_service::db::Db;
use bursar_service::{CallContext, Identity};
use bursar_testkit::on_both_databases;
use bursar_types::Money;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio_stream::wrappers::{TcpListenerStream, UnboundedReceiverStream};
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Streaming};

use super::desk::{one_of_many, order};
use super::ownership::Gated;
use super::world::{Node, World, cny, eventually, uuid, yuan};
use crate::writer::{Group, JournalStore, Many, Order, SqlJournal, Tagged};

/// Serves the transfers of `node`, every call as a back end's.
async fn serve(node: &Node) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = TransferServiceServer::with_interceptor(node.api.clone(), |mut request: Request<()>| {
        request.extensions_mut().insert(CallContext::of_caller(Identity::Backend));
        Ok(request)
    });
    let stop = node.supervisor.shutdown();
    let server = Server::builder().add_service(service).serve_with_incoming_shutdown(
        TcpListenerStream::new(listener),
        async move { stop.cancelled().await },
    );
    node.supervisor.spawn_once("server", async move { server.await.unwrap() });
    address
}

/// A stream; dropped, it breaks off.
struct Connection {
    messages: Option<UnboundedSender<proto::StreamTransfersRequest>>,
    answers: Streaming<proto::StreamTransfersResponse>,
}

impl Connection {
    async fn open(address: SocketAddr) -> Self {
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        let (messages, outgoing) = mpsc::unbounded_channel();
        let mut client = TransferServiceClient::new(channel);
        let opened = client.stream_transfers(UnboundedReceiverStream::new(outgoing)).await.unwrap();
        Self { messages: Some(messages), answers: opened.into_inner() }
    }

    fn send(&self, deadline_ms: i32, command: Command) {
        let message = proto::StreamTransfersRequest { deadline_ms, command: Some(command) };
        self.messages.as_ref().unwrap().send(message).unwrap();
    }

    fn order(&self, order: &proto::CreateTransferRequest) {
        self.send(60_000, Command::CreateTransfer(order.clone()));
    }

    async fn next(&mut self) -> (String, Outcome) {
        let answer = tokio::time::timeout(Duration::from_secs(30), self.answers.message()).await.unwrap();
        let answer = answer.unwrap().unwrap();
        (answer.request_id, answer.result.unwrap())
    }

    /// The next `count` answers, by request id.
    async fn take(&mut self, count: usize) -> BTreeMap<String, Outcome> {
        let mut answers = BTreeMap::new();
        for _ in 0..count {
            let (id, outcome) = self.next().await;
            assert!(answers.insert(id, outcome).is_none(), "answered twice");
        }
        answers
    }

    /// Sends no more, and reads to the end.
    async fn finish(mut self) -> usize {
        self.messages = None;
        let mut count = 0;
        while self.answers.message().await.unwrap().is_some() {
            count += 1;
        }
        count
    }
}

fn refused(outcome: &Outcome) -> (&str, &str) {
    match outcome {
        Outcome::Error(error) => (&error.reason, &error.field),
        other => panic!("{other:?}"),
    }
}

fn made(outcome: Outcome) -> proto::CreateTransferResponse {
    match outcome {
        Outcome::CreateTransfer(response) => response,
        other => panic!("{other:?}"),
    }
}

/// A command without a request of a caller's.
fn internal(from: &str, to: &str, amount: i64) -> Order {
    let order = TransferOrder {
        transfer: "tran_00000000000000000000000001".parse().unwrap(),
        debit: from.parse().unwrap(),
        credit: to.parse().unwrap(),
        amount: Money::new(amount, cny()),
        mode: TransferMode::Post,
        code: TransferCode::TRANSFER,
        value_date: None,
        reference: Reference::default(),
        description: Note::default(),
    };
    let actor = Actor { role: Role::Service, name: Name::default() };
    let request_id = uuid().parse().unwrap();
    Order::internal(EngineCommand { request_id, actor, action: Action::Transfer(Box::new(order)) })
}

fn gated(gate: &Arc<Semaphore>) -> impl FnOnce(Db) -> Arc<dyn JournalStore> {
    let gate = Arc::clone(gate);
    |db| Arc::new(Gated(SqlJournal(db), gate))
}

/// Position of the last command that was decided, durable or not. Nobody waits for it to be durable.
async fn decided(node: &Node) -> i64 {
    let (tell, mut told) = mpsc::unbounded_channel();
    let look = node.handle.read(move |_, position| tell.send(position));
    tokio::select! {
        _ = look => {}
        position = told.recv() => return position.unwrap(),
    }
    told.recv().await.unwrap()
}

on_both_databases! {
    async fn each_kind_of_command_is_answered(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let (from, to) = node.pair().await;
        let mut stream = Connection::open(serve(&node).await).await;

        let placed = proto::CreateTransferRequest { hold_seconds: 60, ..order(&from, &to, 100) };
        stream.order(&placed);
        let (id, outcome) = stream.next().await;
        assert_eq!(id, placed.request_id);
        let hold = made(outcome).transfer.unwrap().transfer_id;
        let raise = proto::IncrementHoldRequest { request_id: uuid(), transfer_id: hold.clone(), amount: yuan(20) };
        stream.send(1_000, Command::IncrementHold(raise.clone()));
        let Outcome::IncrementHold(raised) = stream.next().await.1 else { panic!("a raise") };
        assert_eq!(raised.transfer.clone().unwrap().held, 120);
        let capture = proto::CaptureHoldRequest {
            request_id: uuid(), transfer_id: hold.clone(), amount: yuan(50), ..Default::default()
        };
        stream.send(1_000, Command::CaptureHold(capture.clone()));
        let Outcome::CaptureHold(captured) = stream.next().await.1 else { panic!("a capture") };
        assert_eq!(captured.transfer.clone().unwrap().held, 70);
        let void = proto::VoidHoldRequest { request_id: uuid(), transfer_id: hold, amount: None };
        stream.send(1_000, Command::VoidHold(void));
        let Outcome::VoidHold(voided) = stream.next().await.1 else { panic!("a void") };
        assert_eq!(voided.transfer.unwrap().held, 0);
        let reverse = proto::ReverseTransferRequest {
            request_id: uuid(), transfer_id: captured.posted_transfer_id.clone(), reason: "x".into()
        };
        stream.send(30_000, Command::ReverseTransfer(reverse));
        let Outcome::ReverseTransfer(reversed) = stream.next().await.1 else { panic!("a reversal") };
        assert_eq!(reversed.transfer.unwrap().reverses_transfer_id, captured.posted_transfer_id);
        let bulk = proto::BatchCreateTransfersRequest {
            request_id: uuid(),
            orders: vec![one_of_many(&to, &from, 1), one_of_many(&from, &to, 3)],
            linked: false,
        };
        stream.send(1_000, Command::BatchCreateTransfers(bulk));
        let Outcome::BatchCreateTransfers(many) = stream.next().await.1 else { panic!("a bulk") };
        assert_eq!(many.results[0].error_reason, "INSUFFICIENT_FUNDS");
        assert_eq!(many.results[1].credit_after.unwrap().posted, 3);
        let none = proto::BatchCreateTransfersRequest {
            request_id: uuid(), orders: vec![one_of_many(&to, &from, 9)], linked: true
        };
        stream.send(1_000, Command::BatchCreateTransfers(none));
        let Outcome::BatchCreateTransfers(many) = stream.next().await.1 else { panic!("a bulk") };
        assert_eq!((many.position, many.results.len()), (0, 1));

        // What was decided before is told again, and as a call tells it.
        stream.send(30_000, Command::CaptureHold(capture.clone()));
        assert_eq!(stream.next().await.1, Outcome::CaptureHold(captured.clone()));
        assert_eq!(node.capture(capture).await.unwrap(), captured);
        stream.send(30_000, Command::IncrementHold(raise));
        assert_eq!(stream.next().await.1, Outcome::IncrementHold(raised));
        assert_eq!(stream.finish().await, 0);
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;
    }

    async fn a_bad_message_is_answered_by_itself(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let (from, to) = node.pair().await;
        let mut stream = Connection::open(serve(&node).await).await;
        let good = order(&from, &to, 1);
        let wrong = |change: fn(&mut proto::CreateTransferRequest)| {
            let mut wrong = proto::CreateTransferRequest { request_id: uuid(), ..good.clone() };
            change(&mut wrong);
            Command::CreateTransfer(wrong)
        };
        for deadline_ms in [0, -1, 60_001] {
            stream.send(deadline_ms, wrong(|_| {}));
            assert_eq!(refused(&stream.next().await.1), ("INVALID_FIELD", "deadline_ms"));
        }
        let nothing = proto::StreamTransfersRequest { deadline_ms: 1, command: None };
        stream.messages.as_ref().unwrap().send(nothing).unwrap();
        assert_eq!(refused(&stream.next().await.1), ("INVALID_FIELD", "command"));
        stream.send(100, wrong(|order| order.request_id = String::new()));
        let (id, outcome) = stream.next().await;
        assert_eq!((id.as_str(), refused(&outcome)), ("", ("REQUEST_ID_MISSING", "request_id")));
        stream.send(100, wrong(|order| order.request_id = "7".into()));
        let (id, outcome) = stream.next().await;
        assert_eq!((id.as_str(), refused(&outcome).0), ("7", "REQUEST_ID_MALFORMED"));
        stream.send(100, wrong(|order| order.amount = yuan(0)));
        assert_eq!(refused(&stream.next().await.1), ("INVALID_AMOUNT", "amount.minor_units"));
        stream.send(100, wrong(|order| order.credit_account_id.clone_from(&order.debit_account_id)));
        let (_, outcome) = stream.next().await;
        assert_eq!(refused(&outcome), ("ACCOUNTS_MUST_DIFFER", "credit_account_id"));
        let Outcome::Error(error) = &outcome else { panic!("an error") };
        assert_eq!(error.code, i32::from(tonic::Code::InvalidArgument));

        stream.order(&good);
        assert_eq!(made(stream.next().await.1).credit_after.unwrap().posted, 1);
        let reused = proto::CreateTransferRequest { amount: yuan(2), ..good };
        stream.order(&reused);
        assert_eq!(refused(&stream.next().await.1), ("REQUEST_ID_REUSED", "amount"));
        assert_eq!(stream.finish().await, 0);
        assert_eq!(node.balance(&to).await.posted, 1);
        node.stop().await;
    }

    async fn answers_come_in_any_order_and_once_they_are_durable(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let (from, to) = node.pair().await;
        node.stop().await;
        let gate = Arc::new(Semaphore::new(0));
        let (node, _) = world.waiting_node(gated(&gate)).await;
        node.handle.ready().await;
        let mut stream = Connection::open(serve(&node).await).await;
        let (first, refusable) = (order(&from, &to, 1), order(&to, &to, 1));
        stream.order(&first);
        stream.order(&refusable);
        // The second is answered; the first waits for the disk.
        assert_eq!(stream.next().await.0, refusable.request_id);
        gate.add_permits(1_000);
        assert_eq!(stream.next().await.0, first.request_id);
        assert_eq!(stream.finish().await, 0);
        node.stop().await;
    }

    async fn a_broken_stream_is_taken_up_again(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let (from, to) = node.pair().await;
        node.stop().await;
        let (node, _) = world.roomy_node(|db| Arc::new(SqlJournal(db))).await;
        node.handle.ready().await;
        let address = serve(&node).await;
        let orders: Vec<_> = (1..=300).map(|amount| order(&from, &to, amount)).collect();
        let mut stream = Connection::open(address).await;
        for order in &orders {
            stream.order(order);
        }
        // Some answers arrive, the others are lost.
        let early = stream.take(20).await;
        drop(stream);
        let mut stream = Connection::open(address).await;
        for order in &orders {
            stream.order(order);
        }
        let mut answers = stream.take(300).await;
        for (id, outcome) in early {
            assert_eq!(answers[&id], outcome);
        }
        for order in &orders {
            let answer = made(answers.remove(&order.request_id).unwrap());
            assert_eq!(answer.transfer.unwrap().amount, order.amount);
        }
        assert_eq!(stream.finish().await, 0);
        assert_eq!(node.balance(&to).await.posted, 300 * 301 / 2);

        // And after a restart, from the journal.
        node.stop().await;
        let (node, _) = world.roomy_node(|db| Arc::new(SqlJournal(db))).await;
        node.handle.ready().await;
        let mut stream = Connection::open(serve(&node).await).await;
        for order in &orders {
            stream.order(order);
        }
        for outcome in stream.take(300).await.into_values() {
            made(outcome);
        }
        assert_eq!(stream.finish().await, 0);
        assert_eq!(node.balance(&to).await.posted, 300 * 301 / 2);
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;
    }

    async fn a_deadline_ends_a_command(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let (from, to) = node.pair().await;
        node.stop().await;
        let gate = Arc::new(Semaphore::new(0));
        let (node, _) = world.waiting_node(gated(&gate)).await;
        node.handle.ready().await;
        let mut stream = Connection::open(serve(&node).await).await;
        let (slow, patient) = (order(&from, &to, 1), order(&from, &to, 2));
        stream.send(60_000, Command::CreateTransfer(patient.clone()));
        stream.send(30, Command::CreateTransfer(slow.clone()));
        // The disk does not move: it is told so at its time, and asking again tells what became of it.
        let (id, outcome) = stream.next().await;
        assert_eq!((id, refused(&outcome).0), (slow.request_id.clone(), "DEADLINE_EXCEEDED"));
        gate.add_permits(1_000);
        assert_eq!(stream.next().await.0, patient.request_id);
        stream.order(&slow);
        assert_eq!(stream.next().await.0, slow.request_id);
        assert_eq!(stream.finish().await, 0);
        assert_eq!(node.balance(&to).await.posted, 3);

        // What is late before it is decided is not decided.
        let order = internal(&from, &to, 100);
        let (reply, mut replies) = mpsc::unbounded_channel::<Group>();
        let late = Tagged { tag: 7, order: Box::new(order), deadline: tokio::time::Instant::now() };
        node.handle.submit_many(Many::new(vec![late], reply));
        let answers = replies.recv().await.unwrap();
        assert!(matches!(answers[..], [(7, Err(crate::error::LedgerError::DeadlineExceeded))]));
        assert_eq!(node.balance(&to).await.posted, 3);
        node.stop().await;
    }

    async fn overload_is_told_to_each(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let (from, to) = node.pair().await;
        node.stop().await;
        let gate = Arc::new(Semaphore::new(0));
        let (node, _) = world.waiting_node(gated(&gate)).await;
        node.handle.ready().await;
        let mut stream = Connection::open(serve(&node).await).await;
        for amount in 1..=900 {
            stream.order(&order(&from, &to, amount));
        }
        let (_, outcome) = stream.next().await;
        assert_eq!(refused(&outcome).0, "OVERLOADED");
        let Outcome::Error(error) = &outcome else { panic!("an error") };
        assert_eq!((error.code, error.retry_after_ms), (i32::from(tonic::Code::ResourceExhausted), 50));
        gate.add_permits(1_000);
        let mut sum = 0;
        for outcome in stream.take(899).await.into_values() {
            match outcome {
                Outcome::CreateTransfer(made) => sum += made.transfer.unwrap().amount.unwrap().minor_units,
                other => assert_eq!(refused(&other).0, "OVERLOADED"),
            }
        }
        assert_eq!(stream.finish().await, 0);
        assert!(sum > 0);
        assert_eq!(node.balance(&to).await.posted, sum);
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;
    }

    async fn refusals_do_not_fill_a_batch(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let (from, to) = node.pair().await;
        let mut stream = Connection::open(serve(&node).await).await;
        // Several times what a batch of this node holds, and nothing that is journaled.
        for _ in 0..100 {
            stream.order(&order(&to, &from, 1));
        }
        for outcome in stream.take(100).await.into_values() {
            assert_eq!(refused(&outcome).0, "INSUFFICIENT_FUNDS");
        }
        for _ in 0..100 {
            stream.order(&order(&to, &from, 1));
            assert_eq!(refused(&stream.next().await.1).0, "INSUFFICIENT_FUNDS");
        }
        stream.order(&order(&from, &to, 1));
        made(stream.next().await.1);
        assert_eq!(stream.finish().await, 0);
        node.stop().await;
    }

    async fn a_stream_is_not_read_beyond_what_is_unanswered(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let (from, to) = node.pair().await;
        node.stop().await;
        let gate = Arc::new(Semaphore::new(0));
        let (node, _) = world.roomy_node(gated(&gate)).await;
        node.handle.ready().await;
        let before = decided(&node).await;
        let mut stream = Connection::open(serve(&node).await).await;
        for _ in 0..1_024 {
            stream.order(&order(&from, &to, 1));
        }
        // This one would be answered at once if it were read.
        stream.send(0, Command::CreateTransfer(order(&from, &to, 1)));
        for _ in 0..1_000 {
            stream.order(&order(&from, &to, 1));
        }
        eventually("1024 commands are decided", async || decided(&node).await >= before + 1_024).await;
        assert_eq!(decided(&node).await, before + 1_024);
        gate.add_permits(100_000);
        made(stream.next().await.1);
        let answers = stream.take(1_024 + 1_000).await;
        assert_eq!(answers.values().filter(|outcome| matches!(outcome, Outcome::Error(_))).count(), 1);
        assert_eq!(stream.finish().await, 0);
        assert_eq!(node.balance(&to).await.posted, 2_024);
        node.stop().await;
    }

    async fn a_process_that_drains_answers_what_it_has_read(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let (from, to) = node.pair().await;
        let mut stream = Connection::open(serve(&node).await).await;
        for _ in 0..50 {
            stream.order(&order(&from, &to, 1));
        }
        stream.next().await;
        node.api.0.draining.cancel();
        let mut answered = 1;
        while let Some(answer) = stream.answers.message().await.unwrap() {
            made(answer.result.unwrap());
            answered += 1;
        }
        drop(stream);
        assert_eq!(node.balance(&to).await.posted, answered);
        node.stop().await;
    }
}
