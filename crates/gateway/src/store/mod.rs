//! The gateway's own tables: bank files that were imported, and what became of their entries.

mod bank_files;

use bursar_service::migrate::Migration;

pub(crate) use bank_files::{
    PendingEntry, StoredEntry, StoredFile, by_digest, entries_of, file, insert, list, pending, pending_of,
    settle, times_seen,
};

/// The schema.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "bank files", sql: include_str!("0001_bank_files.sql") },
    Migration { version: 2, name: "bank movements", sql: include_str!("0002_bank_movements.sql") },
];
