//! Bank-to-customer statements (camt.053) and debit and credit notifications (camt.054).

mod entry;
mod place;
mod reader;

use bursar_types::Money;

pub use entry::{Direction, Entry, EntryStatus, Movement, TRANSACTIONS_MAX, Transaction};
pub use reader::CamtReader;

/// Which of the two a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// camt.053: all that moved on an account, with its balances.
    Statement,
    /// camt.054: some of what moved, as it moved.
    Notification,
}

/// The file's own head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileHeader {
    /// Which of the two it is.
    pub kind: FileKind,
    /// `camt.053.001.08`.
    pub document_type: String,
    /// `GrpHdr/MsgId`: at most 35 characters.
    pub message_id: String,
}

/// The head of a statement or notification in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatementHeader {
    /// `Id`: at most 35 characters.
    pub id: String,
    /// `ElctrncSeqNb`: a gap tells that one is missing.
    pub sequence: Option<u64>,
    /// The account: its IBAN, else its other id; empty if the file does not say.
    pub account: String,
}

/// A balance of a statement. Credit balances are above zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Code, such as `OPBD` or `CLBD`.
    pub code: String,
    /// Amount, below zero if debit.
    pub amount: Money,
    /// Its day, `YYYY-MM-DD`; empty: not given.
    pub date: String,
}

/// Whether the booked entries lead from the opening balance to the closing one. Some banks close by value date: what is
/// booked with a value date after the closing balance's day may be in that balance or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BalanceCheck {
    /// They do.
    Holds,
    /// They do not: entries are missing, or there are too many.
    Differs {
        /// Opening balance and booked entries.
        expected: Money,
        /// The closing balance that the bank gives.
        given: Money,
    },
    /// The file has not both balances, as in a notification, or on a page that is not the last.
    NotGiven,
}

/// The end of a statement or notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementEnd {
    /// Its balances, in the file's order.
    pub balances: Vec<Balance>,
    /// Entries in it.
    pub entries: u64,
    /// Whether its booked entries explain its balances.
    pub check: BalanceCheck,
}

/// What a file says, in its order: its head, then for each statement a head, entries, and an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The file's head.
    File(FileHeader),
    /// A statement or notification begins.
    Statement(StatementHeader),
    /// An entry of it.
    Entry(Entry),
    /// It ends.
    End(StatementEnd),
}
