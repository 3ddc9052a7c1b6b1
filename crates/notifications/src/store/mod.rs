//! All the SQL of this service. Every statement runs on SQLite and PostgreSQL.

pub(crate) mod attempts;
pub(crate) mod codes;
pub(crate) mod deliveries;
pub(crate) mod dispatch;
#[cfg(test)]
pub(crate) mod dump;
pub(crate) mod endpoints;
pub(crate) mod mailbox;
pub(crate) mod messages;
pub(crate) mod preferences;
pub(crate) mod recipients;
pub(crate) mod secrets;
pub(crate) mod sendings;

use bursar_service::migrate::Migration;

/// The schema, step by step.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "people and webhooks", sql: include_str!("schema_1.sql") },
    Migration { version: 2, name: "webhooks in full", sql: include_str!("schema_2.sql") },
    Migration { version: 3, name: "ways to people", sql: include_str!("schema_3.sql") },
];
