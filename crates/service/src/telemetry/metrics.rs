//! Metrics by the `metrics` facade, as Prometheus text on the admin port. Names begin with `bursar_` and end with
//! their unit; describe a metric of a service's own with [`metrics::describe_counter!`] and friends.

use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Time from a call's arrival to its answer's head. Labels: service, method, code.
pub const RPC_DURATION: &str = "bursar_rpc_duration_seconds";
/// Calls being worked on. Label: service.
pub const RPC_IN_FLIGHT: &str = "bursar_rpc_in_flight";
/// Calls refused because too many were being worked on. Label: service.
pub const RPC_SHED: &str = "bursar_rpc_shed_total";
/// Connections refused in the handshake. Label: service.
pub const TLS_REFUSED: &str = "bursar_tls_refused_total";
/// Handlers that panicked. Labels: service, method.
pub const PANICS: &str = "bursar_panics_total";
/// Always 1. Labels: service, version.
pub const BUILD_INFO: &str = "bursar_build_info";
/// Transactions begun again after a serialization failure or a broken connection. Labels: service, cause.
pub const DB_RETRIES: &str = "bursar_db_retries_total";
/// Last position of the event log. Label: service.
pub const EVENTS_HEAD: &str = "bursar_events_head_position";
/// Events a consumer has yet to take. Labels: consumer, source.
pub const CONSUMER_LAG: &str = "bursar_consumer_lag_events";
/// Events a consumer could not apply and put aside, with those that follow about the same subject. Labels: consumer, source.
pub const EVENTS_PARKED: &str = "bursar_events_parked_total";
/// Subscriptions refused for their cursor: one of the two databases was rolled back, or retention went past.
/// Labels: consumer, source, reason.
pub const CONSUMER_REFUSED: &str = "bursar_consumer_refused_total";

/// Events that a registered reader of this service's log has yet to make durable. Labels: service, consumer.
pub const READER_LAG: &str = "bursar_event_reader_lag_events";
/// Registered readers that retention went past, for they stayed away too long. Labels: service, consumer.
pub const READER_PASSED: &str = "bursar_event_reader_passed_total";
/// Events that were removed past their time. Label: service.
pub const EVENTS_PRUNED: &str = "bursar_events_pruned_total";

/// Bounds of the duration histograms, in seconds: from a warm in-memory read to the longest deadline.
const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// How often samples are folded into their histograms.
pub(crate) const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Starts the recorder of this process, once, and gives the handle to render it.
pub(crate) fn recorder() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let builder = PrometheusBuilder::new();
            // Only an empty list of buckets is refused.
            let builder = builder.set_buckets(SECONDS).unwrap_or_default();
            let recorder = builder.build_recorder();
            let handle = recorder.handle();
            // An error says that somebody else records: then our page stays empty, and nothing breaks.
            let _ = metrics::set_global_recorder(recorder);
            describe();
            handle
        })
        .clone()
}

fn describe() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    describe_histogram!(RPC_DURATION, Unit::Seconds, "Time from a call's arrival to the head of its answer");
    describe_gauge!(RPC_IN_FLIGHT, "Calls being worked on");
    describe_counter!(RPC_SHED, "Calls refused because too many were being worked on");
    describe_counter!(TLS_REFUSED, "Connections refused in the handshake");
    describe_counter!(PANICS, "Handlers that panicked");
    describe_gauge!(BUILD_INFO, "Always 1; the labels tell the build");
    describe_counter!(DB_RETRIES, "Transactions begun again");
    describe_gauge!(EVENTS_HEAD, "Last position of the event log");
    describe_gauge!(CONSUMER_LAG, "Events a consumer has yet to take");
    describe_counter!(EVENTS_PARKED, "Events a consumer could not apply and put aside");
    describe_gauge!(READER_LAG, "Events that a registered reader has yet to make durable");
    describe_counter!(READER_PASSED, "Registered readers that retention went past");
    describe_counter!(EVENTS_PRUNED, "Events removed past their time");
    describe_counter!(CONSUMER_REFUSED, "Subscriptions refused for their cursor");
}
