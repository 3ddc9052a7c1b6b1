use bursar_service::error::{retry_after_of, violations_of};
use bursar_service::{Identity, reason_of};
use bursar_types::{FieldViolation, Reason};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::support::*;

#[tokio::test]
async fn the_details_of_an_error_arrive_as_they_were_meant() {
    let place = Place::new();
    let vault = place.start(Identity::Vault, &[]).await;
    let gateway = place.channel(&vault, Identity::Gateway);
    let status = call(&gateway, VERIFY_CARD, "invalid").await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let (reason, metadata) = reason_of(&status).unwrap();
    assert_eq!(reason, Reason::InvalidField);
    assert_eq!(metadata["field"], "amount");
    let wanted = [("amount", "must be above zero"), ("name", "is required")];
    assert_eq!(violations_of(&status), wanted.map(|(field, text)| FieldViolation::new(field, text)));
    vault.stop().await;
}

#[tokio::test]
async fn a_panic_is_an_answer_and_the_process_goes_on() {
    let place = Place::new();
    let vault = place.start(Identity::Vault, &[]).await;
    let gateway = place.channel(&vault, Identity::Gateway);
    let status = call(&gateway, VERIFY_CARD, "panic").await.unwrap_err();
    assert_eq!((status.code(), reason(&status)), (Code::Internal, Reason::Internal));
    assert!(!status.message().contains("as asked"), "internal text went out: {status:?}");
    assert_eq!(call(&gateway, VERIFY_CARD, "echo alive").await.unwrap(), "alive");
    vault.stop().await;
}

#[tokio::test]
async fn a_message_that_is_too_large_is_the_callers_mistake() {
    let place = Place::new();
    let vault = place.start(Identity::Vault, &["service.max_message_bytes=2048"]).await;
    let gateway = place.channel(&vault, Identity::Gateway);
    assert_eq!(call(&gateway, VERIFY_CARD, &format!("length {}", "x".repeat(1_900))).await.unwrap(), "1900");
    // Below tonic's own bound, then above it.
    for length in [2_100, 5 * 1024 * 1024] {
        let status =
            call(&gateway, VERIFY_CARD, &format!("length {}", "x".repeat(length))).await.unwrap_err();
        assert_eq!(
            (status.code(), reason(&status)),
            (Code::InvalidArgument, Reason::MessageTooLarge),
            "{length}"
        );
    }
    vault.stop().await;
    // Where the configuration allows more than tonic does, tonic's refusal is put into our words.
    let wide = place.start(Identity::Vault, &["service.max_message_bytes=16777216"]).await;
    let gateway = place.channel(&wide, Identity::Gateway);
    let status = call(&gateway, VERIFY_CARD, &"x".repeat(5 * 1024 * 1024)).await.unwrap_err();
    assert_eq!((status.code(), reason(&status)), (Code::InvalidArgument, Reason::MessageTooLarge));
    wide.stop().await;
}

#[tokio::test]
async fn bytes_that_are_no_message_are_the_callers_mistake() {
    let place = Place::new();
    let vault = place.start(Identity::Vault, &[]).await;
    let mut grpc = tonic::client::Grpc::new(place.channel(&vault, Identity::Gateway));
    grpc.ready().await.unwrap();
    // A number where the probe's message has a text: field 1, wire type 0.
    let codec = tonic_prost::ProstCodec::<u64, String>::default();
    let path = PathAndQuery::from_static(VERIFY_CARD);
    let status = grpc.unary(Request::new(7_u64), path, codec).await.unwrap_err();
    assert_eq!((status.code(), reason(&status)), (Code::InvalidArgument, Reason::InvalidField));
    vault.stop().await;
}

#[tokio::test]
async fn more_than_it_can_work_on_is_refused_at_once_and_health_still_answers() {
    let place = Place::new();
    let vault = place.start(Identity::Vault, &["service.max_concurrent_calls=1"]).await;
    let gateway = place.channel(&vault, Identity::Gateway);
    let working = tokio::spawn({
        let gateway = gateway.clone();
        async move { call(&gateway, VERIFY_CARD, "hang busy").await }
    });
    reached("busy").await;
    let status = call(&gateway, VERIFY_CARD, "echo").await.unwrap_err();
    assert_eq!((status.code(), reason(&status)), (Code::ResourceExhausted, Reason::Overloaded));
    assert!(retry_after_of(&status).is_some_and(|wait| !wait.is_zero()));
    let health = HealthClient::new(gateway.clone()).check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(health.into_inner().status, 1);

    point("busy-go").notify_one();
    assert_eq!(working.await.unwrap().unwrap(), "went on");
    assert_eq!(call(&gateway, VERIFY_CARD, "echo free").await.unwrap(), "free");
    vault.stop().await;
}
