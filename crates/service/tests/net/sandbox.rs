//! The clock of a sandbox: it is moved forward only, once for each request, and stays where it is over a restart.

use bursar_proto::sandbox::v1::clock_service_client::ClockServiceClient;
use bursar_proto::sandbox::v1::{AdvanceTimeRequest, GetTimeRequest};
use bursar_service::{Identity, PeerChannel};
use bursar_types::Reason;

use super::support::*;

const DAY: i64 = 86_400;

fn by(request_id: &str, seconds: i64, nanos: i32) -> AdvanceTimeRequest {
    let duration = Some(prost_types::Duration { seconds, nanos });
    AdvanceTimeRequest { request_id: request_id.into(), duration }
}

fn id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// How far the process is ahead, in seconds, as it says and as its clocks are.
async fn ahead(clock: &mut ClockServiceClient<PeerChannel>) -> i64 {
    clock.get_time(GetTimeRequest {}).await.unwrap().into_inner().ahead.unwrap().seconds
}

#[tokio::test]
async fn every_process_moves_its_time_forward_and_never_back() {
    let place = Place::new();
    for service in
        [Identity::Identity, Identity::Vault, Identity::Ledger, Identity::Notifications, Identity::Gateway]
    {
        let running = place.start(service, &["service.sandbox=true"]).await;
        let mut clock = ClockServiceClient::new(place.channel(&running, Identity::Operator));
        assert_eq!(ahead(&mut clock).await, 0);
        let asked = by(&id(), 8 * DAY, 500_000_000);
        let moved = clock.advance_time(asked.clone()).await.unwrap().into_inner();
        assert_eq!(moved.ahead, Some(prost_types::Duration { seconds: 8 * DAY, nanos: 500_000_000 }));
        let again = clock.advance_time(asked.clone()).await.unwrap().into_inner();
        assert_eq!(again, moved, "asked twice, moved once");
        let other = AdvanceTimeRequest { duration: by("", DAY, 0).duration, ..asked };
        assert_eq!(reason(&clock.advance_time(other).await.unwrap_err()), Reason::RequestIdReused);
        clock.advance_time(by(&id(), DAY, 0)).await.unwrap();

        for (seconds, nanos) in [(0, 0), (-DAY, 0), (1, -1_000_000_000), (i64::MAX, 0), (36_520 * DAY, 0)] {
            let refused = clock.advance_time(by(&id(), seconds, nanos)).await.unwrap_err();
            assert_eq!(reason(&refused), Reason::InvalidField, "{seconds} s {nanos} ns");
        }
        let nothing = AdvanceTimeRequest { request_id: id(), duration: None };
        assert_eq!(reason(&clock.advance_time(nothing).await.unwrap_err()), Reason::InvalidField);
        assert_eq!(reason(&clock.advance_time(by("", 1, 0)).await.unwrap_err()), Reason::RequestIdMissing);
        assert!((9 * DAY..=9 * DAY + 1).contains(&ahead(&mut clock).await));
        let chassis = running.chassis();
        assert!(chassis.clock.now().since(chassis.machine_clock.now()).as_secs() >= 9 * 86_400);
        running.stop().await;

        // Started again, on the same database, it has not gone back.
        let running = place.start(service, &["service.sandbox=true"]).await;
        let mut clock = ClockServiceClient::new(place.channel(&running, Identity::Operator));
        assert!((9 * DAY..=9 * DAY + 1).contains(&ahead(&mut clock).await), "{service}");
        running.stop().await;
    }
}

#[tokio::test]
async fn outside_a_sandbox_there_is_no_such_clock() {
    let place = Place::new();
    let real = place.start(Identity::Ledger, &[]).await;
    let mut clock = ClockServiceClient::new(place.channel(&real, Identity::Operator));
    assert_eq!(reason(&clock.get_time(GetTimeRequest {}).await.unwrap_err()), Reason::NotServed);
    assert_eq!(reason(&clock.advance_time(by(&id(), DAY, 0)).await.unwrap_err()), Reason::NotServed);
    real.stop().await;
}

#[tokio::test]
async fn a_database_that_was_a_sandboxs_is_not_ahead_where_the_time_is_real() {
    let place = Place::new();
    let sandbox = place.start(Identity::Vault, &["service.sandbox=true"]).await;
    let mut clock = ClockServiceClient::new(place.channel(&sandbox, Identity::Operator));
    clock.advance_time(by(&id(), DAY, 0)).await.unwrap();
    sandbox.stop().await;
    let real = place.start(Identity::Vault, &[]).await;
    let chassis = real.chassis();
    assert!(chassis.clock.now().since(chassis.machine_clock.now()).as_secs() < 1);
    real.stop().await;
}
