//! What one row of a projection holds besides its key: the engine's value, with the positions only the journal knows.

use bursar_ledger_engine::{
    Account, BankBooking, Card, CardTransition, Control, Hold, HoldChange, Payment, ProductVersion,
    Reference, Sums,
};

use crate::wire::message;

/// An account, without its balances: they are read from the writer's memory, and those of the past from the entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccountRecord {
    pub(crate) account: Account,
    /// Position at which it was opened or last changed.
    pub(crate) position: i64,
}

/// A card with its history and its own controls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CardRecord {
    pub(crate) card: Card,
    pub(crate) steps: Vec<CardStep>,
    pub(crate) controls: Vec<Control>,
}

/// A transition with its place in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CardStep {
    pub(crate) transition: CardTransition,
    pub(crate) position: i64,
}

/// A payment with the places of its elements in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PaymentRecord {
    pub(crate) payment: Payment,
    /// Position of each element, in their order.
    pub(crate) positions: Vec<i64>,
    /// Position of the first.
    pub(crate) opened: i64,
}

impl PaymentRecord {
    /// The payment as it was at `position`, when its sums were `sums`: what is answered to a repeated request.
    pub(crate) fn at(mut self, position: i64, sums: Sums) -> Self {
        let kept = self.positions.iter().take_while(|at| **at <= position).count();
        self.positions.truncate(kept);
        self.payment.elements.truncate(kept);
        self.payment.sums = sums;
        self
    }
}

/// A bank credit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopUpRecord {
    pub(crate) bank_transaction_id: Reference,
    pub(crate) booking: BankBooking,
    pub(crate) position: i64,
}

/// A hold: as it was placed, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HoldRecord {
    pub(crate) hold: Hold,
    /// Position at which it was placed.
    pub(crate) placed: i64,
    /// Still set aside.
    pub(crate) outstanding: i64,
    /// What changed it last.
    pub(crate) last: &'static str,
    /// Position of that.
    pub(crate) position: i64,
    /// Events that were told of it.
    pub(crate) told: i64,
}

/// The text of a change of a hold in its row.
pub(crate) fn change_text(change: &HoldChange) -> &'static str {
    match change {
        HoldChange::Placed(_) => "placed",
        HoldChange::Incremented(_) => "incremented",
        HoldChange::Captured { .. } => "captured",
        HoldChange::Voided(_) => "voided",
        HoldChange::Expired(_) => "expired",
    }
}

/// The static text that equals `text`, read from a row.
pub(crate) fn change_text_of(text: &str) -> Option<&'static str> {
    ["placed", "incremented", "captured", "voided", "expired"].into_iter().find(|known| *known == text)
}

/// A version of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProductRecord {
    pub(crate) version: ProductVersion,
    pub(crate) position: i64,
}

message! {
    CardStep { 1 transition, 2 position }
    CardRecord { 1 card, 2 steps, 3 controls }
    PaymentRecord { 1 payment, 2 positions, 3 opened }
    TopUpRecord { 1 bank_transaction_id, 2 booking, 3 position }
}
