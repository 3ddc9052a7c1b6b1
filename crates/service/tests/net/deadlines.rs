use std::time::Duration;

use bursar_service::{Deadline, Identity, never_arrived};
use bursar_types::Reason;
use tonic::{Code, Request};

use super::support::*;

fn with_timeout(text: &str, timeout: Duration) -> Request<String> {
    let mut request = Request::new(text.to_owned());
    request.set_timeout(timeout);
    request
}

#[tokio::test]
async fn an_expired_deadline_is_told_as_such_and_the_handler_is_dropped() {
    let place = Place::new();
    let vault = place.start(Identity::Vault, &[]).await;
    let gateway = place.channel(&vault, Identity::Gateway);
    let request = with_timeout("hang expires", Duration::from_millis(50));
    let status = send(&gateway, VERIFY_CARD, request).await.unwrap_err();
    assert_eq!((status.code(), reason(&status)), (Code::DeadlineExceeded, Reason::DeadlineExceeded));
    reached("expires-dropped").await;
    vault.stop().await;
}

#[tokio::test]
async fn the_server_itself_says_deadline_exceeded_to_a_client_that_does_not_watch_the_clock() {
    let place = Place::new();
    // The client sends no time-out, so the default is the server's alone.
    let vault = place.start(Identity::Vault, &["service.default_deadline_ms=40"]).await;
    let gateway = place.channel(&vault, Identity::Gateway);
    let status = call(&gateway, VERIFY_CARD, "hang by-default").await.unwrap_err();
    assert_eq!((status.code(), reason(&status)), (Code::DeadlineExceeded, Reason::DeadlineExceeded));
    assert!(status.message().contains("nothing half done"), "{status:?}");
    reached("by-default-dropped").await;
    vault.stop().await;
}

#[tokio::test]
async fn a_call_that_never_arrived_is_told_from_one_that_may_have() {
    let place = Place::new();
    let vault = place.start(Identity::Vault, &["service.default_deadline_ms=40"]).await;
    let gateway = place.channel(&vault, Identity::Gateway);
    let late = call(&gateway, VERIFY_CARD, "hang on-the-way").await.unwrap_err();
    assert!(!never_arrived(&late, Identity::Vault), "{late:?}");
    vault.stop().await;
    // The connection may still be breaking when the first of these calls is made.
    let gone = async || {
        let refused = call(&gateway, VERIFY_CARD, "anything").await.unwrap_err();
        assert_eq!(reason(&refused), Reason::PeerUnavailable);
        assert!(!never_arrived(&refused, Identity::Ledger), "it speaks of another peer");
        never_arrived(&refused, Identity::Vault)
    };
    tokio::time::timeout(PATIENCE, async { while !gone().await {} })
        .await
        .expect("nobody listens there any more");
}

#[tokio::test]
async fn what_remains_travels_over_a_hop() {
    let place = Place::new();
    let ledger = place.start(Identity::Ledger, &[]).await;
    let address = format!("peers.ledger={}", ledger.grpc_url());
    let gateway = place.start(Identity::Gateway, &[&address]).await;
    let partner = place.channel(&gateway, Identity::Partner);

    let request = with_timeout("hop remaining-ms", Duration::from_secs(7));
    let remaining: u64 = send(&partner, LIST_BANK_FILES, request).await.unwrap().parse().unwrap();
    assert!((1..7_000).contains(&remaining), "{remaining} of 7000 ms");
    // Without the hop's own header the ledger's default of 10 s would show.
    let request = with_timeout("hop hang over-there", Duration::from_millis(300));
    let status = send(&partner, LIST_BANK_FILES, request).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    reached("over-there-dropped").await;

    gateway.stop().await;
    ledger.stop().await;
}

#[tokio::test]
async fn a_call_inside_a_deadline_that_has_passed_is_not_made() {
    let place = Place::new();
    let vault = place.start(Identity::Vault, &[]).await;
    let gateway = place.channel(&vault, Identity::Gateway);
    assert_eq!(call(&gateway, VERIFY_CARD, "echo warm").await.unwrap(), "warm");
    let late = Deadline::after(Duration::ZERO);
    let status = late.scope(call(&gateway, VERIFY_CARD, "echo late")).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    vault.stop().await;
}

#[tokio::test]
async fn a_trace_is_one_over_a_hop_and_the_callers_if_it_brought_one() {
    let place = Place::new();
    let ledger = place.start(Identity::Ledger, &[]).await;
    let address = format!("peers.ledger={}", ledger.grpc_url());
    let gateway = place.start(Identity::Gateway, &[&address]).await;
    let partner = place.channel(&gateway, Identity::Partner);
    let traced = |text: &str| {
        let mut request = Request::new(text.to_owned());
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        request.metadata_mut().insert("traceparent", parent.parse().unwrap());
        request
    };
    for path in ["trace", "hop trace"] {
        let trace = send(&partner, LIST_BANK_FILES, traced(path)).await.unwrap();
        assert_eq!(trace, "4bf92f3577b34da6a3ce929d0e0e4736", "{path}");
    }
    let own = call(&partner, LIST_BANK_FILES, "hop trace").await.unwrap();
    assert_eq!(own.len(), 32);
    assert_ne!(own, call(&partner, LIST_BANK_FILES, "hop trace").await.unwrap());
    gateway.stop().await;
    ledger.stop().await;
}
