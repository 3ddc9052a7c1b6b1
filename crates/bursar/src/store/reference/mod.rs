//! What bench holds the ledger against: a transfer as one would write it by hand in SQL, as well as we can, and a plain
//! read of account rows; and an event log with, a plain read of its rows.
//!
//! A transfer is what such a table needs at least: two rows locked in the order of their ids, a row inserted, two
//! balances moved, all in one transaction that is on the disk when it is answered. No checks of limits, no idempotency,
//! no journal, no index beyond the primary key: everything the ledger does besides is not counted against it.

mod accounts;
mod events;
mod postgres;
mod sqlite;

pub(crate) use accounts::read_accounts;
pub(crate) use events::read_events;

use std::fmt;
use std::path::Path;

use uuid::Uuid;

/// Accounts of the reference.
pub(crate) const ACCOUNTS: i64 = 10_000;

/// A way to write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    /// Each statement sent by itself.
    Statements,
    /// All in one statement: a common table expression, or on SQLite all statements in one text.
    OneStatement,
    /// A function in the database, called once.
    Function,
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Statements => "statement by statement",
            Self::OneStatement => "all in one statement",
            Self::Function => "a function in the database",
        })
    }
}

/// A database with accounts, transfers, and nothing else.
#[derive(Debug)]
pub(crate) enum Reference {
    /// On a server.
    Postgres(Box<postgres::Database>),
    /// In a file.
    Sqlite(sqlite::Database),
}

/// One connection to it.
#[derive(Debug)]
pub(crate) enum Hand {
    /// To a server.
    Postgres(postgres::Hand),
    /// To a file.
    Sqlite(sqlite::Hand),
}

/// One transfer of one minor unit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move {
    /// Its id.
    pub(crate) id: Uuid,
    /// Account it debits.
    pub(crate) debit: i64,
    /// Another, which it credits.
    pub(crate) credit: i64,
}

/// A card as one row.
#[derive(Clone, Debug)]
pub(crate) struct CardRow {
    pub(crate) card_id: String,
    pub(crate) customer_id: String,
    pub(crate) masked_pan: String,
    pub(crate) expiry: String,
    pub(crate) sealed: Vec<u8>,
    pub(crate) wrapped: Vec<u8>,
}

/// Inserts it.
const KEEP_CARD: &str = "INSERT INTO card (card_id, customer_id, masked_pan, expiry, sealed, wrapped)
     VALUES ($1, $2, $3, $4, $5, $6)";

impl Reference {
    /// Makes a database called `name` on the server at `url`.
    ///
    /// # Errors
    /// What does not work and what to do: the server must be there, be durable, and let the role make databases.
    pub(crate) async fn on_server(url: &str, name: &str) -> Result<Self, String> {
        postgres::Database::create(url, name).await.map(|made| Self::Postgres(Box::new(made)))
    }

    /// Makes a database in the file at `path`.
    ///
    /// # Errors
    /// What does not work.
    pub(crate) async fn in_file(path: &Path) -> Result<Self, String> {
        let made = sqlite::Database::create(path).await;
        made.map(Self::Sqlite).map_err(|error| format!("the reference's database: {error}"))
    }

    /// What it is called in a report.
    pub(crate) fn engine(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "PostgreSQL",
            Self::Sqlite(_) => "SQLite with synchronous=FULL",
        }
    }

    /// The ways to write a transfer here.
    pub(crate) fn variants(&self) -> &'static [Variant] {
        match self {
            Self::Postgres(_) => &[Variant::Statements, Variant::OneStatement, Variant::Function],
            Self::Sqlite(_) => &[Variant::Statements, Variant::OneStatement],
        }
    }

    /// Numbers of transfers in flight that are worth trying: SQLite has one writer, whoever waits beside it.
    pub(crate) fn concurrencies(&self) -> &'static [usize] {
        match self {
            Self::Postgres(_) => &[1, 4, 8, 16, 32, 64],
            Self::Sqlite(_) => &[1],
        }
    }

    /// A connection.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) async fn hand(&self) -> Result<Hand, String> {
        match self {
            Self::Postgres(database) => database.hand().await.map(Hand::Postgres),
            Self::Sqlite(database) => database.hand().await.map(Hand::Sqlite),
        }
        .map_err(|error| format!("no connection to the reference's database: {error}"))
    }

    /// Sum of all balances, and the number of transfers: the first is always zero.
    #[cfg(test)]
    pub(crate) async fn books(&self) -> (i64, i64) {
        match self {
            Self::Postgres(database) => database.books().await,
            Self::Sqlite(database) => database.books().await,
        }
    }

    /// Takes the database away again.
    pub(crate) async fn remove(self) {
        match self {
            Self::Postgres(database) => database.remove().await,
            // Its file lies in the bench's folder, which goes.
            Self::Sqlite(database) => database.close().await,
        }
    }
}

impl Hand {
    /// Inserts one card; it is on the disk when this returns.
    ///
    /// # Errors
    /// What the database said.
    pub(crate) async fn keep_card(&mut self, card: CardRow) -> Result<(), String> {
        match self {
            Self::Postgres(hand) => hand.keep_card(card).await,
            Self::Sqlite(hand) => hand.keep_card(card).await,
        }
        .map_err(|error| format!("a hand-written INSERT failed: {error}"))
    }

    /// Makes one transfer; it is on the disk when this returns.
    ///
    /// # Errors
    /// What the database said.
    pub(crate) async fn transfer(&mut self, variant: Variant, order: Move) -> Result<(), String> {
        match self {
            Self::Postgres(hand) => hand.transfer(variant, order).await,
            Self::Sqlite(hand) => hand.transfer(variant, order).await,
        }
        .map_err(|error| format!("a hand-written transfer failed: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use bursar_testkit::Postgres;

    use super::*;

    /// The address of a server that has finished starting.
    async fn server(postgres: &Postgres) -> String {
        postgres.create_database().await;
        postgres.superuser_url()
    }

    /// Every variant from several sides at once, in both directions between few accounts: none is lost, none deadlocks.
    async fn moves_money_once(reference: Reference) {
        let mut made = 0;
        for variant in reference.variants() {
            let mut hands = Vec::new();
            for _ in 0..*reference.concurrencies().last().unwrap().min(&4) {
                hands.push(reference.hand().await.unwrap());
            }
            made += hands.len() as i64 * 20;
            let work = hands.into_iter().enumerate().map(|(index, mut hand)| async move {
                for step in 0..20 {
                    let (a, b) = (step % 3, (step + 1 + index as i64 % 2) % 3);
                    let order = Move { id: Uuid::now_v7(), debit: a, credit: b };
                    hand.transfer(*variant, order).await.unwrap();
                }
            });
            futures::future::join_all(work).await;
        }
        assert_eq!(reference.books().await, (0, made));
        reference.remove().await;
    }

    #[tokio::test]
    async fn every_variant_moves_money_once_on_postgresql() {
        let url = server(Postgres::private_durable()).await;
        moves_money_once(Reference::on_server(&url, "bursar_bench_test_reference").await.unwrap()).await;
    }

    #[tokio::test]
    async fn every_variant_moves_money_once_on_sqlite() {
        let folder = tempfile::tempdir().unwrap();
        moves_money_once(Reference::in_file(&folder.path().join("reference.sqlite")).await.unwrap()).await;
    }

    #[tokio::test]
    async fn a_server_that_does_not_wait_for_the_disk_is_no_reference() {
        let url = server(Postgres::private()).await;
        let refused = Reference::on_server(&url, "bursar_bench_test_fast").await.unwrap_err();
        assert!(refused.contains("fsync"), "{refused}");
    }
}
