//! Opening a database, with a clear word on why it cannot be.

use std::path::Path;
use std::sync::Arc;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, Executor as _};

use super::error::{DbError, classify};
use super::options::{Address, DbOptions};
use super::{Db, Pools};

impl Db {
    /// Opens the database and makes sure that it answers. Does not touch its schema: see
    /// [`migrate::run`](crate::migrate::run).
    ///
    /// # Errors
    ///
    /// [`DbError::Url`] for an address or directory that cannot work, [`DbError::Credentials`] for a refused login,
    /// [`DbError::Unavailable`] if nobody answers; [`DbError::exit_code`] says what a process exits with.
    pub async fn connect(options: &DbOptions) -> Result<Self, DbError> {
        let pools = match Address::parse(&options.url)? {
            Address::Sqlite(path) => open_sqlite(&path, options).await?,
            Address::Postgres(address) => open_postgres(*address, options).await?,
        };
        Ok(Self { pools: Arc::new(pools), service: options.application.as_str().into() })
    }
}

async fn open_postgres(address: PgConnectOptions, options: &DbOptions) -> Result<Pools, DbError> {
    let address = address.application_name(&options.application);
    // The pool would go on trying until its time-out and then tell of the time-out only.
    let probe = tokio::time::timeout(options.acquire_max, sqlx::PgConnection::connect_with(&address));
    let probe = match probe.await {
        Ok(connected) => connected.map_err(|error| classify(error).0)?,
        Err(_) => {
            let what = format!("no answer within {} ms", options.acquire_max.as_millis());
            return Err(DbError::Unavailable { what });
        }
    };
    // An error while saying good-bye tells nothing about the next connection.
    let _ = probe.close().await;

    let statement_ms = options.statement_max.as_millis();
    let pool = PgPoolOptions::new()
        .max_connections(options.max_connections)
        .acquire_timeout(options.acquire_max)
        // A round trip for each transaction saved; a connection that broke meanwhile is seen at BEGIN and replaced.
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                // A transaction whose process hangs must not hold its locks, nor the sequencer back, for ever.
                let limits = format!(
                    "SET statement_timeout = {statement_ms}; SET idle_in_transaction_session_timeout = {statement_ms}"
                );
                connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(limits))).await.map(drop)
            })
        })
        .connect_lazy_with(address);
    Ok(Pools::Postgres(pool))
}

async fn open_sqlite(path: &Path, options: &DbOptions) -> Result<Pools, DbError> {
    create_private(path)?;
    let base = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // FULL: an acknowledged commit survives the loss of power, not just of the process.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        // Only other processes (a backup, an operator's shell) can make us wait here.
        .busy_timeout(options.acquire_max);
    let pool = |most| {
        SqlitePoolOptions::new()
            .max_connections(most)
            .acquire_timeout(options.acquire_max)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
    };
    let opened = |error| classify(error).0;
    // The writer first: it makes the file, and sets the journal mode that readers only follow.
    let writer = pool(1).connect_with(base.clone()).await.map_err(opened)?;
    let readers =
        pool(options.max_connections).connect_with(base.pragma("query_only", "ON")).await.map_err(opened)?;
    Ok(Pools::Sqlite { writer, readers })
}

/// Makes the file if there is none, readable by its owner alone; SQLite gives its side files the same mode.
fn create_private(path: &Path) -> Result<(), DbError> {
    let mut file = std::fs::OpenOptions::new();
    file.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    file.open(path).map(drop).map_err(|error| DbError::Url { what: format!("{}: {error}", path.display()) })
}
