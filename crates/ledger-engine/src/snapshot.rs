//! The whole state of a shard as plain data in one canonical order.

use bursar_types::Timestamp;
use bursar_types::id::TransferId;

use crate::*;

/// The whole state: equal states give equal snapshots. Every list is sorted by its key.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// The latest moment a command was accepted at.
    pub now: Timestamp,
    /// The program's settings.
    pub program: Option<ProgramSettings>,
    /// Product versions, by product and version.
    pub products: Vec<ProductVersion>,
    /// Controls of the program, accounts and cards, by scope; scopes without controls are not here.
    pub controls: Vec<(ControlScope, Vec<Control>)>,
    /// Customers.
    pub customers: Vec<CustomerStanding>,
    /// Accounts.
    pub accounts: Vec<Account>,
    /// Open holds.
    pub holds: Vec<Hold>,
    /// Cards.
    pub cards: Vec<Card>,
    /// Payments.
    pub payments: Vec<Payment>,
    /// Counters.
    pub counters: Vec<Counter>,
    /// Bank credits by the bank's id.
    pub bank_credits: Vec<(Reference, BankBooking)>,
    /// Transfers that were reversed.
    pub reversed: Vec<TransferId>,
    /// Used proofs and until when they must be remembered.
    pub proofs: Vec<(Reference, Timestamp)>,
    /// Reversals that wait for their original, and until when.
    pub early_reversals: Vec<(Reference, Timestamp)>,
}
