//! The chassis of every Bursar process: configuration, TLS and caller policy, telemetry, health, errors, databases, idempotency, event log, graceful stop.
