//! The hand-written transfer on PostgreSQL.

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, PgConnection, PgPool, Postgres, Row as _, raw_sql,
};

use super::{ACCOUNTS, CardRow, KEEP_CARD, Move, Variant};

/// Connections: as many as the largest concurrency that is tried.
const CONNECTIONS: u32 = 64;

/// Rows with room on their page, so that a balance moves without touching the index (heap-only tuples).
const SCHEMA: &str = "
CREATE TABLE account (
    id BIGINT PRIMARY KEY,
    balance BIGINT NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE card (
    card_id TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL,
    masked_pan TEXT NOT NULL,
    expiry TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    wrapped BYTEA NOT NULL
);
CREATE TABLE transfer (
    id UUID PRIMARY KEY,
    debit BIGINT NOT NULL,
    credit BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE FUNCTION make_transfer(transfer_id UUID, debit_id BIGINT, credit_id BIGINT, units BIGINT) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    -- An update locks its row: in the order of ids, nobody waits in a circle.
    IF debit_id < credit_id THEN
        UPDATE account SET balance = balance - units WHERE id = debit_id;
        UPDATE account SET balance = balance + units WHERE id = credit_id;
    ELSE
        UPDATE account SET balance = balance + units WHERE id = credit_id;
        UPDATE account SET balance = balance - units WHERE id = debit_id;
    END IF;
    INSERT INTO transfer (id, debit, credit, amount) VALUES (transfer_id, debit_id, credit_id, units);
END
$$;
";

const ONE_STATEMENT: &str = "
WITH locked AS (
    SELECT id FROM account WHERE id IN ($2, $3) ORDER BY id FOR UPDATE
), made AS (
    INSERT INTO transfer (id, debit, credit, amount) VALUES ($1::uuid, $2, $3, $4)
)
UPDATE account SET balance = balance + CASE account.id WHEN $2 THEN -$4 ELSE $4 END
FROM locked WHERE account.id = locked.id";

const UPDATE: &str = "UPDATE account SET balance = balance + $1 WHERE id = $2";
const INSERT: &str = "INSERT INTO transfer (id, debit, credit, amount) VALUES ($1::uuid, $2, $3, $4)";

/// A database of its own on a server.
#[derive(Debug)]
pub(crate) struct Database {
    pool: PgPool,
    server: PgConnectOptions,
    name: String,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Hand(PoolConnection<Postgres>);

impl Database {
    /// `name` is ours: made of letters, digits and underscores.
    pub(super) async fn create(url: &str, name: &str) -> Result<Self, String> {
        let server: PgConnectOptions = url.parse().map_err(|_| {
            "--reference-url: give postgres://ROLE:PASSWORD@HOST:PORT/DATABASE of a role that may create databases"
        })?;
        let told = |error: sqlx::Error| format!("the reference's PostgreSQL: {error}");
        let mut admin = PgConnection::connect_with(&server).await.map_err(told)?;
        for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
            let show = raw_sql(AssertSqlSafe(format!("SHOW {setting}")));
            let value: String = admin.fetch_one(show).await.and_then(|row| row.try_get(0)).map_err(told)?;
            if value == "off" {
                return Err(format!(
                    "PostgreSQL runs with {setting} = off: nothing it does is durable; turn it on"
                ));
            }
        }
        admin.execute(AssertSqlSafe(format!("CREATE DATABASE \"{name}\""))).await.map_err(told)?;
        let _ = admin.close().await;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .test_before_acquire(false)
            .connect_with(server.clone().database(name))
            .await
            .map_err(told)?;
        let database = Self { pool, server, name: name.to_owned() };
        match database.fill().await {
            Ok(()) => Ok(database),
            Err(error) => {
                database.remove().await;
                Err(told(error))
            }
        }
    }

    async fn fill(&self) -> Result<(), sqlx::Error> {
        self.pool.execute(raw_sql(SCHEMA)).await?;
        let fill = "INSERT INTO account (id, balance) SELECT id, 0 FROM generate_series(0, $1 - 1) AS id";
        sqlx::query(fill).bind(ACCOUNTS).execute(&self.pool).await?;
        self.pool.execute(raw_sql("VACUUM ANALYZE account")).await.map(drop)
    }

    pub(super) async fn hand(&self) -> Result<Hand, sqlx::Error> {
        self.pool.acquire().await.map(Hand)
    }

    #[cfg(test)]
    pub(super) async fn books(&self) -> (i64, i64) {
        let sums = "SELECT (SELECT sum(balance)::BIGINT FROM account), (SELECT count(*) FROM transfer)";
        sqlx::query_as(sums).fetch_one(&self.pool).await.unwrap()
    }

    pub(super) async fn remove(self) {
        self.pool.close().await;
        // What cannot be removed is left on a server that its owner knows; its name says whose it was.
        if let Ok(mut admin) = PgConnection::connect_with(&self.server).await {
            let drop = format!("DROP DATABASE IF EXISTS \"{}\" WITH (FORCE)", self.name);
            let _ = admin.execute(AssertSqlSafe(drop)).await;
        }
    }
}

impl Hand {
    pub(super) async fn keep_card(&mut self, card: CardRow) -> Result<(), sqlx::Error> {
        let query = sqlx::query(KEEP_CARD).bind(card.card_id).bind(card.customer_id).bind(card.masked_pan);
        let query = query.bind(card.expiry).bind(card.sealed).bind(card.wrapped);
        query.execute(&mut *self.0).await.map(drop)
    }

    pub(super) async fn transfer(&mut self, variant: Variant, order: Move) -> Result<(), sqlx::Error> {
        match variant {
            Variant::Statements => self.statements(order).await,
            Variant::OneStatement => self.one(ONE_STATEMENT, order).await,
            Variant::Function => self.one("SELECT make_transfer($1::uuid, $2, $3, $4)", order).await,
        }
    }

    async fn one(&mut self, text: &'static str, order: Move) -> Result<(), sqlx::Error> {
        let Move { id, debit, credit } = order;
        let query = sqlx::query(text).bind(id.to_string()).bind(debit).bind(credit).bind(1_i64);
        query.execute(&mut *self.0).await.map(drop)
    }

    async fn statements(&mut self, order: Move) -> Result<(), sqlx::Error> {
        let Move { debit, credit, .. } = order;
        let (first, second) =
            if debit < credit { ((-1_i64, debit), (1, credit)) } else { ((1, credit), (-1, debit)) };
        self.0.execute(raw_sql("BEGIN")).await?;
        for (units, account) in [first, second] {
            sqlx::query(UPDATE).bind(units).bind(account).execute(&mut *self.0).await?;
        }
        self.one(INSERT, order).await?;
        self.0.execute(raw_sql("COMMIT")).await.map(drop)
    }
}
