//! The gateway's own tables: bank files that were imported, and what became of their entries; answers to networks, and what
//! the ledger is still to be told.

mod bank_files;
mod iso;

use bursar_service::migrate::Migration;

pub(crate) use bank_files::{
    PendingEntry, StoredEntry, StoredFile, by_digest, entries_of, file, insert, list, pending, pending_of,
    settle, times_seen,
};
#[cfg(test)]
pub(crate) use iso::count_deliveries;
pub(crate) use iso::{
    AnswerRow, DeliveryRow, DeliveryState, DueDelivery, StoredAnswer, add_deliveries, answer, due_deliveries,
    forget_answers, keep_answers, move_delivery, payment_of,
};

/// The schema.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "bank files", sql: include_str!("0001_bank_files.sql") },
    Migration { version: 2, name: "bank movements", sql: include_str!("0002_bank_movements.sql") },
    Migration { version: 3, name: "iso 8583", sql: include_str!("0003_iso8583.sql") },
];
