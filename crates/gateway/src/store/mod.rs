//! The gateway's own tables: bank files that were imported, and what became of their entries.

mod bank_files;

use bursar_service::migrate::Migration;

pub(crate) use bank_files::{StoredEntry, StoredFile, by_digest, entries_of, insert, list};

/// The schema.
pub(crate) const MIGRATIONS: &[Migration] =
    &[Migration { version: 1, name: "bank files", sql: include_str!("0001_bank_files.sql") }];
