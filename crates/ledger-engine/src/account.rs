//! Accounts: two sides, posted and pending, a limit, freezes.

use bursar_types::id::{AccountId, CustomerId};
use bursar_types::{Asset, Timestamp};

use crate::{FreezeHolder, Metadata, Note, Reference};

/// The side on which an account's balance normally lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NormalSide {
    /// Assets and expenses: what the issuer has, such as money at its bank.
    Debit,
    /// Liabilities and income: what the issuer owes, such as a customer's wallet.
    Credit,
}

/// How far an account may go below zero, on its normal side, holds counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BalanceLimit {
    /// Never below zero.
    NoOverdraft,
    /// Down to minus this many minor units; not negative.
    Overdraft(i64),
    /// No limit: internal accounts.
    Unlimited,
}

/// What an account is for. Open for more: any number is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountCode(pub u16);

impl AccountCode {
    /// A customer's wallet (credit side).
    pub const CUSTOMER_WALLET: Self = Self(100);
    /// What the program owes the card network (credit side).
    pub const NETWORK_SETTLEMENT: Self = Self(200);
    /// The program's money at its bank (debit side).
    pub const BANK_NOSTRO: Self = Self(300);
    /// Money received that nobody could be found for (credit side).
    pub const SUSPENSE: Self = Self(400);
    /// Fees earned (credit side).
    pub const FEE_INCOME: Self = Self(500);
    /// What customers owe after a posting their balance did not cover (debit side).
    pub const RECEIVABLE: Self = Self(600);
    /// Money on its way to another program (either side).
    pub const IN_TRANSIT: Self = Self(700);
}

/// What a freeze stops on an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FreezeScope {
    /// Nothing may lower the balance; money may come in.
    Debits,
    /// Nothing moves.
    All,
}

/// One freeze on an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountFreeze {
    /// Whose it is.
    pub holder: FreezeHolder,
    /// What it stops.
    pub scope: FreezeScope,
    /// Why.
    pub reason: Note,
    /// Since when.
    pub at: Timestamp,
}

/// The four sums of an account in minor units, none ever negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Balances {
    /// All posted debits.
    pub posted_debits: i64,
    /// All posted credits.
    pub posted_credits: i64,
    /// Debits of open holds.
    pub pending_debits: i64,
    /// Credits of open holds.
    pub pending_credits: i64,
}

impl Balances {
    /// The posted balance on side `normal`.
    pub fn posted(&self, normal: NormalSide) -> i64 {
        // Both sums are within 0..=i64::MAX, so their difference fits.
        match normal {
            NormalSide::Credit => self.posted_credits.saturating_sub(self.posted_debits),
            NormalSide::Debit => self.posted_debits.saturating_sub(self.posted_credits),
        }
    }

    /// Open holds that lower the balance on side `normal`.
    pub fn holds(&self, normal: NormalSide) -> i64 {
        match normal {
            NormalSide::Credit => self.pending_debits,
            NormalSide::Debit => self.pending_credits,
        }
    }

    /// Posted minus holds: what may still be spent, before any overdraft.
    pub fn available(&self, normal: NormalSide) -> i128 {
        i128::from(self.posted(normal)) - i128::from(self.holds(normal))
    }
}

/// The sums over several accounts of one asset, in minor units: they may exceed 64 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// All posted debits.
    pub posted_debits: i128,
    /// All posted credits.
    pub posted_credits: i128,
    /// Debits of open holds.
    pub pending_debits: i128,
    /// Credits of open holds.
    pub pending_credits: i128,
    /// How many accounts.
    pub accounts: i64,
}

impl Totals {
    /// Adds an account's sums.
    pub(crate) fn add(&mut self, balances: &Balances) {
        // 2^63 accounts of 2^63 minor units each would fit.
        self.posted_debits += i128::from(balances.posted_debits);
        self.posted_credits += i128::from(balances.posted_credits);
        self.pending_debits += i128::from(balances.pending_debits);
        self.pending_credits += i128::from(balances.pending_credits);
        self.accounts += 1;
    }

    /// Whether debits equal credits, posted and pending.
    pub fn balanced(&self) -> bool {
        self.posted_debits == self.posted_credits && self.pending_debits == self.pending_credits
    }
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// What it counts.
    pub asset: Asset,
    /// Its normal side.
    pub normal: NormalSide,
    /// How far it may go below zero.
    pub limit: BalanceLimit,
    /// What it is for.
    pub code: AccountCode,
    /// Whose it is; `None` for internal accounts.
    pub owner: Option<CustomerId>,
    /// The text by which a bank credit finds this account; unique in the program.
    pub funding_reference: Option<Reference>,
    /// A reference of the opener's.
    pub reference: Reference,
    /// What the opener keeps with it.
    pub metadata: Metadata,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Freezes in force, sorted by holder.
    pub freezes: Vec<AccountFreeze>,
    /// When it was closed, if it was.
    pub closed_at: Option<Timestamp>,
    /// The sums.
    pub balances: Balances,
}

impl Account {
    /// Posted balance on the normal side.
    pub fn posted(&self) -> i64 {
        self.balances.posted(self.normal)
    }

    /// Posted minus holds.
    pub fn available(&self) -> i128 {
        self.balances.available(self.normal)
    }

    /// What may be taken out now: available plus overdraft; `None` without limit.
    pub fn spendable(&self) -> Option<i128> {
        match self.limit {
            BalanceLimit::NoOverdraft => Some(self.available()),
            BalanceLimit::Overdraft(bound) => Some(self.available() + i128::from(bound)),
            BalanceLimit::Unlimited => None,
        }
    }

    /// What is frozen, the widest of all freezes.
    pub fn frozen(&self) -> Option<FreezeScope> {
        self.freezes.iter().map(|freeze| freeze.scope).max()
    }
}

/// What opens an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenAccount {
    /// Its id, new.
    pub account: AccountId,
    /// What it counts.
    pub asset: Asset,
    /// Its normal side.
    pub normal: NormalSide,
    /// How far it may go below zero.
    pub limit: BalanceLimit,
    /// What it is for.
    pub code: AccountCode,
    /// Whose it is; `None` for internal accounts.
    pub owner: Option<CustomerId>,
    /// The text by which a bank credit finds this account; unique in the program, not empty.
    pub funding_reference: Option<Reference>,
    /// A reference of the opener's.
    pub reference: Reference,
    /// What the opener keeps with it.
    pub metadata: Metadata,
}
