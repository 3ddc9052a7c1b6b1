//! The chassis's own tables, the same in every service's database.

use super::Migration;

pub(super) const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "requests", sql: REQUESTS },
    Migration { version: 2, name: "event log", sql: EVENT_LOG },
    Migration { version: 3, name: "event consumers", sql: CONSUMERS },
    Migration { version: 4, name: "sandbox clock", sql: SANDBOX_CLOCK },
];

/// One row for each mutation that took place, for ever. `response` is empty only within the transaction that makes it.
const REQUESTS: &str = "
CREATE TABLE bursar_requests (
    principal TEXT NOT NULL,
    request_id {{bytes}} NOT NULL,
    method TEXT NOT NULL,
    digest {{bytes}} NOT NULL,
    response {{bytes}},
    PRIMARY KEY (principal, request_id)
);
";

/// Events wait in the outbox, in the order their transactions came to their end, until the sequencer has moved them
/// to the log; on SQLite that happens in the same transaction.
const EVENT_LOG: &str = "
CREATE TABLE bursar_event_head (
    id BIGINT PRIMARY KEY,
    epoch TEXT NOT NULL,
    position BIGINT NOT NULL,
    pruned BIGINT NOT NULL,
    turns BIGINT NOT NULL
);
CREATE TABLE bursar_event_outbox (
    seq {{identity}},
    event_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    subject TEXT NOT NULL,
    occurred_at BIGINT NOT NULL,
    type_url TEXT NOT NULL,
    data {{bytes}} NOT NULL,
    traceparent TEXT NOT NULL
);
CREATE TABLE bursar_event_log (
    position {{number_key}},
    subject_version BIGINT NOT NULL,
    event_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    subject TEXT NOT NULL,
    occurred_at BIGINT NOT NULL,
    type_url TEXT NOT NULL,
    data {{bytes}} NOT NULL,
    traceparent TEXT NOT NULL
);
CREATE TABLE bursar_event_subjects (
    subject TEXT PRIMARY KEY,
    version BIGINT NOT NULL
);
";

/// Readers that registered with this log; where this service stands in the logs of others; what it could not apply.
const CONSUMERS: &str = "
CREATE TABLE bursar_event_consumers (
    name TEXT PRIMARY KEY,
    position BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE TABLE bursar_cursors (
    consumer TEXT NOT NULL,
    source TEXT NOT NULL,
    epoch TEXT NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (consumer, source)
);
CREATE TABLE bursar_parked_events (
    consumer TEXT NOT NULL,
    source TEXT NOT NULL,
    position BIGINT NOT NULL,
    subject TEXT NOT NULL,
    event {{bytes}} NOT NULL,
    error TEXT NOT NULL,
    tries BIGINT NOT NULL,
    parked_at BIGINT NOT NULL,
    PRIMARY KEY (consumer, source, position)
);
";

/// How far a sandbox's time is ahead of the machine's: one row once it was moved, and none outside of sandboxes.
const SANDBOX_CLOCK: &str = "
CREATE TABLE bursar_sandbox_clock (
    id BIGINT PRIMARY KEY,
    ahead_micros BIGINT NOT NULL
);
";
