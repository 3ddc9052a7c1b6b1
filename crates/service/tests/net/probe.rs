use bursar_proto::probe::v1::probe_service_client::ProbeServiceClient;
use bursar_proto::probe::v1::{EchoRequest, PingRequest, PingResponse};
use bursar_service::Identity;
use bursar_types::Reason;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tonic::Request;

use super::support::*;

/// More than one buffer of the transport holds.
const MESSAGES: i64 = 20_000;

#[tokio::test]
async fn every_service_answers_an_empty_call_and_its_two_callers_alone() {
    let place = Place::new();
    for service in
        [Identity::Identity, Identity::Vault, Identity::Ledger, Identity::Notifications, Identity::Gateway]
    {
        let running = place.start(service, &[]).await;
        for caller in Identity::ALL {
            let mut probe = ProbeServiceClient::new(place.channel(&running, caller));
            let answer = probe.ping(PingRequest {}).await;
            if matches!(caller, Identity::Backend | Identity::Operator) {
                assert_eq!(answer.unwrap().into_inner(), PingResponse {}, "{caller} at {service}");
            } else {
                assert_eq!(reason(&answer.unwrap_err()), Reason::CallerNotAllowed, "{caller} at {service}");
            }
        }
        running.stop().await;
    }
}

#[tokio::test]
async fn each_message_is_echoed_with_its_number_and_in_order() {
    let place = Place::new();
    let ledger = place.start(Identity::Ledger, &[]).await;
    let mut probe = ProbeServiceClient::new(place.channel(&ledger, Identity::Backend));
    let asked = stream::iter(1..=MESSAGES).map(|number| EchoRequest { number });
    let answered: Vec<i64> = probe
        .echo(asked)
        .await
        .unwrap()
        .into_inner()
        .map_ok(|answer| answer.number)
        .try_collect()
        .await
        .unwrap();
    assert_eq!(answered, (1..=MESSAGES).collect::<Vec<_>>());
    ledger.stop().await;
}

#[tokio::test]
async fn an_echo_stream_keeps_to_the_deadline_and_ends_when_the_process_stops() {
    let place = Place::new();
    let ledger = place.start(Identity::Ledger, &[]).await;
    let mut probe = ProbeServiceClient::new(place.channel(&ledger, Identity::Operator));
    let endless = || stream::iter([EchoRequest { number: 7 }]).chain(stream::pending());

    let mut request = Request::new(endless());
    request.set_timeout(std::time::Duration::from_millis(50));
    let mut answers = probe.echo(request).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().number, 7);
    assert_eq!(reason(&answers.message().await.unwrap_err()), Reason::DeadlineExceeded);

    let mut answers = probe.echo(endless()).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().number, 7);
    let stopping = tokio::spawn(ledger.stop());
    assert_eq!(reason(&answers.message().await.unwrap_err()), Reason::ShuttingDown);
    tokio::time::timeout(PATIENCE, stopping).await.expect("the stop ends").unwrap();
}
