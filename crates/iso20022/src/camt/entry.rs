//! Entries, and the movements they stand for.

use bursar_types::Money;

/// Most transactions of one entry: what a reader can be made to hold at a time.
pub const TRANSACTIONS_MAX: usize = 10_000;

/// What a bank writes where it was given no reference.
const NOT_PROVIDED: &str = "NOTPROVIDED";

/// Whether money came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// `CRDT`: it came.
    Credit,
    /// `DBIT`: it went.
    Debit,
}

/// How far the bank is with an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EntryStatus {
    /// `BOOK`: it is on the account.
    Booked,
    /// `PDNG`: it is not there yet.
    Pending,
    /// `INFO`, or a code of the bank's own.
    #[default]
    Other,
}

/// An entry as the bank gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Amount, never below zero.
    pub amount: Money,
    /// Whether it came or went.
    pub direction: Direction,
    /// It takes an earlier entry back.
    pub reversal: bool,
    /// How far the bank is with it.
    pub status: EntryStatus,
    /// `NtryRef`; empty: not given.
    pub reference: String,
    /// `AcctSvcrRef`, the bank's own reference; empty: not given.
    pub servicer_reference: String,
    /// `YYYY-MM-DD`; empty: not given.
    pub booking_date: String,
    /// `YYYY-MM-DD`; empty: not given.
    pub value_date: String,
    /// The transactions that the bank says it is made of.
    pub transactions: Vec<Transaction>,
}

/// One transaction of an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// Amount, if it is given.
    pub amount: Option<Money>,
    /// Direction, if it is given: else the entry's.
    pub direction: Option<Direction>,
    /// `AcctSvcrRef`, the bank's own reference; empty: not given.
    pub servicer_reference: String,
    /// `TxId`; empty: not given.
    pub transaction_id: String,
    /// `EndToEndId`, the payer's; empty: not given.
    pub end_to_end_id: String,
    /// Structured creditor reference (ISO 11649); empty: not given.
    pub creditor_reference: String,
    /// First unstructured line of the remittance, cut after 35 characters; empty: not given.
    pub remittance: String,
    /// Who paid; empty: not given.
    pub debtor_name: String,
}

/// Money that moved at once between us and one other: an entry, or one transaction of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// Amount, never below zero.
    pub amount: Money,
    /// Whether it came or went.
    pub direction: Direction,
    /// It takes an earlier one back.
    pub reversal: bool,
    /// How far the bank is with it.
    pub status: EntryStatus,
    /// What the account's bank calls it, unique there; `None`: it does not say.
    pub bank_reference: Option<String>,
    /// What others call it: they may use it again.
    pub foreign_reference: Option<String>,
    /// Structured creditor reference, else the first line of the remittance; empty: none.
    pub remittance: String,
    /// `YYYY-MM-DD`; empty: not given.
    pub booking_date: String,
    /// `YYYY-MM-DD`; empty: not given.
    pub value_date: String,
    /// Empty: not given.
    pub debtor_name: String,
}

impl Entry {
    /// What moved. Each transaction stands for itself only if their amounts make up the entry's; else the entry is one
    /// movement, and of several payers none is the one it is from: it has no reference of theirs then.
    pub fn movements(&self) -> Vec<Movement> {
        match self.transactions.as_slice() {
            [] => vec![self.movement(&Transaction::default(), None)],
            [only] => {
                // The entry's amount is what moved, whatever was instructed.
                vec![self.movement(&Transaction { amount: None, direction: None, ..only.clone() }, None)]
            }
            several if self.is_made_up_of(several) => {
                several.iter().zip(1..).map(|(each, number)| self.movement(each, Some(number))).collect()
            }
            _ => vec![self.movement(&Transaction::default(), None)],
        }
    }

    /// Whether the transactions' amounts, each in its direction, add up to the entry's.
    fn is_made_up_of(&self, transactions: &[Transaction]) -> bool {
        let sum = transactions.iter().try_fold(Money::zero(self.amount.asset), |sum, each| {
            let amount = each.amount?;
            match each.direction.unwrap_or(self.direction) == self.direction {
                true => sum.checked_add(amount).ok(),
                false => sum.checked_sub(amount).ok(),
            }
        });
        sum == Some(self.amount)
    }

    fn movement(&self, transaction: &Transaction, number: Option<usize>) -> Movement {
        let given = |reference: &str| {
            Some(reference.to_owned()).filter(|it| !it.is_empty() && it.as_str() != NOT_PROVIDED)
        };
        let of_entry = given(&self.servicer_reference).map(|entry| match number {
            None => entry,
            Some(number) => format!("{entry}/{number}"),
        });
        let reference = match transaction.creditor_reference.as_str() {
            "" => &transaction.remittance,
            reference => reference,
        };
        Movement {
            amount: transaction.amount.unwrap_or(self.amount),
            direction: transaction.direction.unwrap_or(self.direction),
            reversal: self.reversal,
            status: self.status,
            bank_reference: given(&transaction.servicer_reference).or(of_entry),
            foreign_reference: given(&transaction.transaction_id).or(given(&transaction.end_to_end_id)),
            remittance: reference.replace(' ', ""),
            booking_date: self.booking_date.clone(),
            value_date: self.value_date.clone(),
            debtor_name: transaction.debtor_name.clone(),
        }
    }
}

impl Movement {
    /// Money that came in, is booked, and takes nothing back: to be credited to somebody.
    pub fn is_booked_credit(&self) -> bool {
        self.direction == Direction::Credit
            && self.status == EntryStatus::Booked
            && !self.reversal
            && self.amount.minor_units > 0
    }
}
