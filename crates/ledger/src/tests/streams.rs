//! Authorizations on a stream, over a real connection.

use std::collections::HashMap;
use std::net::SocketAddr;

use bursar_proto::ledger::v1 as proto;
use bursar_proto::ledger::v1::payment_service_client::PaymentServiceClient;
use bursar_proto::ledger::v1::payment_service_server::PaymentServiceServer;
use bursar_service::{CallContext, Identity};
use bursar_testkit::on_both_databases;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::Request;
use tonic::transport::{Endpoint, Server};

use super::world::{Node, Wish, World};

/// Serves the payments of `node`, every call as the gateway's.
async fn serve(node: &Node) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = PaymentServiceServer::with_interceptor(node.api.clone(), |mut request: Request<()>| {
        request.extensions_mut().insert(CallContext::of_caller(Identity::Gateway));
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

on_both_databases! {
    async fn each_command_is_answered_once(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let holder = node.holder(100_000).await;
        let address = serve(&node).await;
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        let mut client = PaymentServiceClient::new(channel);
        let (sender, messages) = tokio::sync::mpsc::channel(8);
        let mut answers = client.authorize_stream(ReceiverStream::new(messages)).await.unwrap().into_inner();
        let mut wanted = HashMap::new();
        let mut commands = Vec::new();
        for amount in 1..=100 {
            let command = world.authorize(&Wish::online(&holder.card, amount));
            wanted.insert(command.request_id.clone(), amount);
            commands.push(proto::AuthorizeStreamRequest { authorize: Some(command), deadline_ms: 20_000 });
        }
        let mut wrong = commands[0].clone();
        wrong.deadline_ms = 0;
        commands.push(wrong);
        node.supervisor.spawn_once("sender", async move {
            for command in commands {
                sender.send(command).await.unwrap();
            }
        });
        let mut errors = Vec::new();
        while let Some(answer) = answers.message().await.unwrap() {
            match answer.payment {
                Some(payment) => {
                    let amount = wanted.remove(&answer.request_id).unwrap();
                    assert_eq!(payment.amount.unwrap().minor_units, amount);
                    assert_eq!(answer.error_code, 0);
                }
                None => errors.push(answer.error_reason),
            }
        }
        assert!(wanted.is_empty());
        assert_eq!(errors, ["INVALID_FIELD"]);
        assert_eq!(node.balance(&holder.account.account_id).await.held, 5_050);
        drop(client);
        node.stop().await;
    }
}
