//! The chassis of every Bursar process: configuration, TLS and caller policy, telemetry, health, errors, databases, idempotency, event log, graceful stop.

pub mod db;
pub mod deadline;
pub mod events;
pub mod idempotency;
pub mod migrate;
pub mod paging;
pub mod supervisor;
