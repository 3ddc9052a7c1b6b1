//! Where things are in the journal: request ids, transfers, the entries of each account, references.
//!
//! A row and two index entries for each of these would cost more than everything else a transfer costs. So they are
//! kept the way a log-structured merge tree keeps them, on ordinary SQL tables: what is new lies in memory
//! ([`Memory`]; the journal makes it again after a crash) and is written, once there is enough of it, as one *run* of
//! sorted blocks, many items to a row. Runs of one level are merged into one of the next. A run covers the journal's
//! rows from one to another and no two runs overlap, so the newest entries of an account are in the newest run that
//! has any.
//!
//! | kind | key | value |
//! | --- | --- | --- |
//! | request | request id | row of the journal, number of the command in it |
//! | transfer | transfer | the account it debits, and the place of the entry there |
//! | entry | account, place | the movement as the account sees it, and its balance after |
//! | reference | reference, place | the transfer |
//!
//! Everything here is pure; the SQL is in [`crate::store::index`].

mod block;
mod items;
mod keys;
mod memory;
mod merge;
mod value;

#[cfg(test)]
pub(crate) use block::BlockWriter;
pub(crate) use block::{Block, BlockReader};
pub(crate) use items::{EntryRecord, Items, Place, RequestUse, Side, TransferPlace, each_item};
pub(crate) use keys::{Kind, entry_bounds, entry_place, reference_bounds, request_key, transfer_key};
pub(crate) use memory::{Memory, Part};
pub(crate) use merge::Merge;
pub(crate) use value::transfer_of;
