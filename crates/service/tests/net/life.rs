use std::time::Duration;

use bursar_service::run::StartError;
use bursar_service::{Backoff, Identity, Supervisor};
use bursar_types::Reason;
use futures::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use super::support::*;

async fn get(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn the_admin_port_tells_metrics_and_readiness() {
    let place = Place::new();
    let vault = place.start(Identity::Vault, &[]).await;
    call(&place.channel(&vault, Identity::Gateway), VERIFY_CARD, "echo").await.unwrap();
    assert!(get(vault.admin_address(), "/healthz").await.starts_with("HTTP/1.1 200"));
    assert!(get(vault.admin_address(), "/readyz").await.starts_with("HTTP/1.1 200"));
    let metrics = get(vault.admin_address(), "/metrics").await;
    for wanted in [
        "bursar_rpc_duration_seconds_bucket{",
        "method=\"/bursar.vault.v1.VerificationService/VerifyCard\"",
        "code=\"OK\"",
        "bursar_rpc_in_flight{service=\"vault\"} 0",
        "bursar_build_info{",
    ] {
        assert!(metrics.contains(wanted), "`{wanted}` is not in:\n{metrics}");
    }
    vault.stop().await;
}

#[tokio::test]
async fn health_is_told_for_the_whole_and_for_each_service_and_not_for_others() {
    let place = Place::new();
    let vault = place.start(Identity::Vault, &[]).await;
    let mut health = HealthClient::new(place.channel(&vault, Identity::Partner));
    for service in ["", "bursar.vault.v1.VerificationService", "bursar.event.v1.EventService"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        assert_eq!(health.check(request).await.unwrap().into_inner().status, 1, "{service}");
    }
    let request = HealthCheckRequest { service: "bursar.ledger.v1.AccountService".to_owned() };
    assert_eq!(health.check(request).await.unwrap_err().code(), tonic::Code::NotFound);
    vault.stop().await;
}

#[tokio::test]
async fn a_watcher_hears_not_serving_when_the_stop_begins_and_is_not_waited_for() {
    let place = Place::new();
    let vault = place.start(Identity::Vault, &["service.drain_ms_max=600000"]).await;
    let gateway = place.channel(&vault, Identity::Gateway);
    let watch = HealthClient::new(gateway.clone()).watch(HealthCheckRequest::default()).await.unwrap();
    let mut watch = watch.into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status, 1);

    let working = tokio::spawn({
        let gateway = gateway.clone();
        async move { call(&gateway, VERIFY_CARD, "hang draining").await }
    });
    reached("draining").await;
    let stopping = tokio::spawn(vault.stop());
    assert_eq!(watch.message().await.unwrap().unwrap().status, 2);
    // The open stream is cut with a reason; the call in flight is waited for.
    let status = watch.message().await.unwrap_err();
    assert_eq!(reason(&status), Reason::ShuttingDown);
    assert!(!stopping.is_finished());
    point("draining-go").notify_one();
    assert_eq!(working.await.unwrap().unwrap(), "went on");
    tokio::time::timeout(PATIENCE, stopping).await.expect("the stop ends").unwrap();
}

#[tokio::test]
async fn a_drain_is_bounded() {
    let place = Place::new();
    let vault = place.start(Identity::Vault, &["service.drain_ms_max=50"]).await;
    let gateway = place.channel(&vault, Identity::Gateway);
    let working = tokio::spawn(async move { call(&gateway, VERIFY_CARD, "hang too-long").await });
    reached("too-long").await;
    tokio::time::timeout(PATIENCE, vault.stop()).await.expect("the stop ends");
    assert!(working.await.unwrap().is_err());
}

#[tokio::test]
async fn a_port_in_use_and_a_wrong_certificate_are_configuration_errors() {
    let place = Place::new();
    let first = place.start(Identity::Vault, &[]).await;
    let taken = format!("service.grpc_listen={}", first.grpc_address());
    let error = place.try_start(Identity::Ledger, &[taken]).await.unwrap_err();
    assert_eq!(error.exit_code(), 64);
    assert!(error.to_string().contains("in use") && error.to_string().contains("grpc_listen"), "{error}");
    first.stop().await;

    let files = place.authority.leaf(Identity::Gateway).unwrap();
    let wrong = [format!("tls.cert={}", files.cert.display()), format!("tls.key={}", files.key.display())];
    let error = place.try_start(Identity::Vault, &wrong).await.unwrap_err();
    assert!(
        matches!(&error, StartError::Configuration(text) if text.contains("spiffe://bursar/gateway")),
        "{error}"
    );
    let missing = ["tls.ca=/nonexistent/ca.pem".to_owned()];
    let error = place.try_start(Identity::Vault, &missing).await.unwrap_err();
    assert!(error.to_string().contains("/nonexistent/ca.pem"), "{error}");
}

#[tokio::test]
async fn reflection_knows_the_contract_and_the_details_of_errors() {
    let place = Place::new();
    let vault = place.start(Identity::Vault, &[]).await;
    let mut reflection = ServerReflectionClient::new(place.channel(&vault, Identity::Backend));
    let asks = ["bursar.vault.v1.VerificationService", "google.rpc.ErrorInfo", "grpc.health.v1.Health"];
    let requests = asks
        .map(|symbol| MessageRequest::FileContainingSymbol(symbol.to_owned()))
        .into_iter()
        .chain([MessageRequest::ListServices(String::new())])
        .map(|message| ServerReflectionRequest { host: String::new(), message_request: Some(message) });
    let answers =
        reflection.server_reflection_info(futures::stream::iter(requests)).await.unwrap().into_inner();
    let answers: Vec<ServerReflectionResponse> = answers.map(Result::unwrap).collect().await;
    assert_eq!(answers.len(), 4);
    for (answer, symbol) in answers.iter().zip(asks) {
        let found = matches!(answer.message_response, Some(MessageResponse::FileDescriptorResponse(_)));
        assert!(found, "{symbol}: {answer:?}");
    }
    let Some(MessageResponse::ListServicesResponse(list)) = &answers[3].message_response else {
        panic!("{:?}", answers[3]);
    };
    let names: Vec<&str> = list.service.iter().map(|service| service.name.as_str()).collect();
    assert!(names.contains(&"bursar.vault.v1.CardVaultService"), "{names:?}");
    assert!(!names.contains(&"bursar.ledger.v1.AccountService"), "{names:?}");
    vault.stop().await;
}

#[test]
fn waits_grow_to_their_bound() {
    let backoff = Backoff { first: Duration::from_millis(100), most: Duration::from_millis(500) };
    let waits = [1, 2, 3, 4, 40].map(|failures| backoff.wait(failures).as_millis());
    assert_eq!(waits, [100, 200, 400, 500, 500]);
}

#[tokio::test]
async fn a_failing_loop_is_begun_again_until_the_stop() {
    let supervisor = Supervisor::new();
    let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
    let backoff = Backoff { first: Duration::from_millis(1), most: Duration::from_millis(2) };
    supervisor.spawn_loop("failing", backoff, move || {
        begun.send(()).unwrap();
        async { Err::<(), _>("no luck") }
    });
    for _ in 0..5 {
        tokio::time::timeout(PATIENCE, begins.recv()).await.expect("begun again").unwrap();
    }
    assert!(!supervisor.has_failed());
    assert!(supervisor.stop().await);
    // The loop is gone, and with it the sender; what it sent before is drained first.
    while tokio::time::timeout(PATIENCE, begins.recv()).await.expect("the loop is gone").is_some() {}
}

#[tokio::test]
async fn a_task_that_ends_or_panics_stops_the_process_and_one_that_ends_at_the_stop_does_not() {
    let good = Supervisor::new();
    let shutdown = good.shutdown();
    good.spawn("good", async move { shutdown.cancelled().await });
    good.spawn_once("once", async {});
    assert!(good.stop().await);
    assert!(!good.has_failed());

    let ended = Supervisor::new();
    ended.spawn("ends", async {});
    tokio::time::timeout(PATIENCE, ended.failed()).await.expect("seen");
    let panicked = Supervisor::new();
    panicked.spawn_once("panics", async { panic!("as asked") });
    tokio::time::timeout(PATIENCE, panicked.failed()).await.expect("seen");
}

#[tokio::test]
async fn a_stop_waits_only_so_long_for_a_task_that_does_not_listen() {
    let supervisor = Supervisor::new();
    supervisor.spawn("deaf", std::future::pending());
    assert!(!supervisor.stop_within(Duration::from_millis(20)).await);
}
