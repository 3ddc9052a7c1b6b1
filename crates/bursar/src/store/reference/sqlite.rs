//! The hand-written transfer on SQLite, with the settings the ledger itself uses: write-ahead log, synchronous=FULL.

use std::path::Path;

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Executor as _, Sqlite, SqlitePool, raw_sql};

use super::{ACCOUNTS, CardRow, KEEP_CARD, Move, Variant};

const SCHEMA: &str = "
CREATE TABLE account (
    id INTEGER PRIMARY KEY,
    balance INTEGER NOT NULL
);
CREATE TABLE card (
    card_id TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL,
    masked_pan TEXT NOT NULL,
    expiry TEXT NOT NULL,
    sealed BLOB NOT NULL,
    wrapped BLOB NOT NULL
);
CREATE TABLE transfer (
    id BLOB PRIMARY KEY,
    debit INTEGER NOT NULL,
    credit INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    created_at INTEGER NOT NULL DEFAULT (unixepoch())
) WITHOUT ROWID;
";

const BEGIN: &str = "BEGIN IMMEDIATE";
const DEBIT: &str = "UPDATE account SET balance = balance - $4 WHERE id = $2";
const CREDIT: &str = "UPDATE account SET balance = balance + $4 WHERE id = $3";
const INSERT: &str = "INSERT INTO transfer (id, debit, credit, amount) VALUES ($1, $2, $3, $4)";
/// As one text: one way to the thread that holds the connection, and back.
const ALL: &str = "
BEGIN IMMEDIATE;
UPDATE account SET balance = balance - $4 WHERE id = $2;
UPDATE account SET balance = balance + $4 WHERE id = $3;
INSERT INTO transfer (id, debit, credit, amount) VALUES ($1, $2, $3, $4);
COMMIT;
";

/// A file.
#[derive(Debug)]
pub(crate) struct Database(SqlitePool);

/// A connection.
#[derive(Debug)]
pub(crate) struct Hand(PoolConnection<Sqlite>);

impl Database {
    pub(super) async fn create(path: &Path) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_with(options)
            .await?;
        pool.execute(raw_sql(SCHEMA)).await?;
        let fill = "WITH RECURSIVE ids(id) AS (SELECT 0 UNION ALL SELECT id + 1 FROM ids WHERE id < $1 - 1)
             INSERT INTO account (id, balance) SELECT id, 0 FROM ids";
        sqlx::query(fill).bind(ACCOUNTS).execute(&pool).await?;
        Ok(Self(pool))
    }

    pub(super) async fn hand(&self) -> Result<Hand, sqlx::Error> {
        self.0.acquire().await.map(Hand)
    }

    #[cfg(test)]
    pub(super) async fn books(&self) -> (i64, i64) {
        let sums = "SELECT (SELECT sum(balance) FROM account), (SELECT count(*) FROM transfer)";
        sqlx::query_as(sums).fetch_one(&self.0).await.unwrap()
    }

    pub(super) async fn close(self) {
        self.0.close().await;
    }
}

impl Hand {
    pub(super) async fn keep_card(&mut self, card: CardRow) -> Result<(), sqlx::Error> {
        let query = sqlx::query(KEEP_CARD).bind(card.card_id).bind(card.customer_id).bind(card.masked_pan);
        let query = query.bind(card.expiry).bind(card.sealed).bind(card.wrapped);
        query.execute(&mut *self.0).await.map(drop)
    }

    pub(super) async fn transfer(&mut self, variant: Variant, order: Move) -> Result<(), sqlx::Error> {
        if variant == Variant::OneStatement {
            return self.run(ALL, order).await;
        }
        self.0.execute(sqlx::query(BEGIN)).await?;
        for text in [DEBIT, CREDIT, INSERT] {
            self.run(text, order).await?;
        }
        self.0.execute(sqlx::query("COMMIT")).await.map(drop)
    }

    async fn run(&mut self, text: &'static str, order: Move) -> Result<(), sqlx::Error> {
        let Move { id, debit, credit } = order;
        let id = id.into_bytes().to_vec();
        let query = sqlx::query(text).bind(id).bind(debit).bind(credit).bind(1_i64);
        query.execute(&mut *self.0).await.map(drop)
    }
}
