//! Transactions with bounded retry: the only place that begins one.

use std::sync::Arc;
use std::time::Duration;

use bursar_types::{Entropy as _, OsEntropy};
use futures::future::BoxFuture;
use sqlx::PgPool;
use tokio::time::Instant;

use super::error::{DbError, Retry, classify};
use super::tx::{Connection, Tx};
use super::{Db, Pools};
use crate::deadline::Deadline;
use crate::telemetry::metrics::DB_RETRIES;

/// Tries of a transaction that others keep getting in the way of. With the waits below a last try comes after about
/// half a second: whoever collides for longer is better told so.
const SERIALIZATION_TRIES_MAX: u32 = 12;
/// Tries of a transaction whose connection broke: each waits for the pool already.
const CONNECTION_TRIES_MAX: u32 = 3;
/// Longest wait before the second try; doubles with each further one.
const WAIT_FIRST: Duration = Duration::from_millis(2);
/// Longest wait between two tries.
const WAIT_MAX: Duration = Duration::from_millis(100);

/// How far a writing transaction is kept apart from others on PostgreSQL; SQLite has one writer at a time anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// As if one after the other. The default; retried when others get in the way.
    Serializable,
    /// Sees the data as of its first statement; two that write the same row do not both commit (`REPEATABLE READ`).
    Snapshot,
    /// Each statement sees what is committed by then. For transactions that lock the rows they decide on.
    ReadCommitted,
}

/// When a committed transaction is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Before the commit is answered. The default.
    Immediate,
    /// At the latest with the next [`Immediate`](Self::Immediate) one, of whatever connection; until then a loss of
    /// power, or the end of PostgreSQL's server, may take it back. It is never half there, and nothing after it is there without it. For
    /// what is made again from something durable.
    Deferred,
}

/// How a consistent view of PostgreSQL begins.
const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

impl Isolation {
    fn begin(self, durability: Durability) -> &'static str {
        match (self, durability) {
            (Self::Serializable, Durability::Immediate) => "BEGIN ISOLATION LEVEL SERIALIZABLE",
            (Self::Snapshot, Durability::Immediate) => "BEGIN ISOLATION LEVEL REPEATABLE READ",
            (Self::ReadCommitted, Durability::Immediate) => "BEGIN ISOLATION LEVEL READ COMMITTED",
            (Self::Serializable, Durability::Deferred) => {
                "BEGIN ISOLATION LEVEL SERIALIZABLE; SET LOCAL synchronous_commit = off"
            }
            (Self::Snapshot, Durability::Deferred) => {
                "BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL synchronous_commit = off"
            }
            (Self::ReadCommitted, Durability::Deferred) => {
                "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit = off"
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Mode {
    Write(Isolation, Durability),
    Read,
}

/// What became of one try.
enum Try<T, E> {
    Done(Result<T, E>),
    Again(E, Retry),
}

impl Db {
    /// Runs `work` as one serializable transaction and commits it if it returns `Ok`.
    ///
    /// The closure runs again, from its start, when others got in the way; what it does outside `tx` must bear that.
    ///
    /// # Errors
    ///
    /// What `work` returned (then everything is rolled back), or why the transaction could not be had or committed.
    pub async fn write<'env, T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'t> FnMut(&'t mut Tx<'env>) -> BoxFuture<'t, Result<T, E>> + Send,
        T: Send,
        E: From<DbError> + Send,
    {
        self.transact(Mode::Write(Isolation::Serializable, Durability::Immediate), work).await
    }

    /// As [`write`](Self::write), kept apart from others as far as `isolation` says.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub async fn write_at<'env, T, E, F>(&self, isolation: Isolation, work: F) -> Result<T, E>
    where
        F: for<'t> FnMut(&'t mut Tx<'env>) -> BoxFuture<'t, Result<T, E>> + Send,
        T: Send,
        E: From<DbError> + Send,
    {
        self.write_as(isolation, Durability::Immediate, work).await
    }

    /// As [`write_at`](Self::write_at), on the disk when `durability` says.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub async fn write_as<'env, T, E, F>(
        &self,
        isolation: Isolation,
        durability: Durability,
        work: F,
    ) -> Result<T, E>
    where
        F: for<'t> FnMut(&'t mut Tx<'env>) -> BoxFuture<'t, Result<T, E>> + Send,
        T: Send,
        E: From<DbError> + Send,
    {
        self.transact(Mode::Write(isolation, durability), work).await
    }

    /// Runs `work` on one consistent view of the data; it cannot change anything.
    ///
    /// # Errors
    ///
    /// What `work` returned, or why the view could not be had.
    pub async fn read<'env, T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'t> FnMut(&'t mut Tx<'env>) -> BoxFuture<'t, Result<T, E>> + Send,
        T: Send,
        E: From<DbError> + Send,
    {
        self.transact(Mode::Read, work).await
    }

    async fn transact<'env, T, E, F>(&self, mode: Mode, mut work: F) -> Result<T, E>
    where
        F: for<'t> FnMut(&'t mut Tx<'env>) -> BoxFuture<'t, Result<T, E>> + Send,
        T: Send,
        E: From<DbError> + Send,
    {
        let mut tries = 0;
        loop {
            tries += 1;
            let (error, retry) = match self.attempt(mode, &mut work).await {
                Try::Done(outcome) => return outcome,
                Try::Again(error, retry) => (error, retry),
            };
            match retry {
                Retry::Serialization if tries >= SERIALIZATION_TRIES_MAX => {
                    return Err(DbError::Contention { attempts: tries }.into());
                }
                Retry::Connection if tries >= CONNECTION_TRIES_MAX => return Err(error),
                _ => {}
            }
            metrics::counter!(DB_RETRIES, "service" => Arc::clone(&self.service), "cause" => retry.label())
                .increment(1);
            if !pause(tries).await {
                return Err(DbError::DeadlineExceeded.into());
            }
        }
    }

    async fn attempt<'env, T, E, F>(&self, mode: Mode, work: &mut F) -> Try<T, E>
    where
        F: for<'t> FnMut(&'t mut Tx<'env>) -> BoxFuture<'t, Result<T, E>> + Send,
        T: Send,
        E: From<DbError> + Send,
    {
        let mut tx = match self.begin(mode).await {
            Ok(tx) => tx,
            Err((error, Retry::No)) => return Try::Done(Err(error.into())),
            Err((error, retry)) => return Try::Again(error.into(), retry),
        };
        let outcome = work(&mut tx).await;
        match (outcome, tx.doomed.take()) {
            (Ok(value), None) => match self.finish(mode, tx).await {
                Ok(()) => Try::Done(Ok(value)),
                Err((error, Retry::No)) => Try::Done(Err(error.into())),
                Err((error, retry)) => Try::Again(error.into(), retry),
            },
            (Err(error), Some((_, retry))) if retry != Retry::No => Try::Again(error, retry),
            (Err(error), _) => Try::Done(Err(error)),
            (Ok(_), Some((what, Retry::No))) => Try::Done(Err(DbError::Doomed { what }.into())),
            (Ok(_), Some((what, retry))) => Try::Again(DbError::Doomed { what }.into(), retry),
        }
    }

    async fn begin<'env>(&self, mode: Mode) -> Result<Tx<'env>, (DbError, Retry)> {
        let begin = self.start(mode);
        let begun = match Deadline::current() {
            Some(deadline) => tokio::time::timeout_at(deadline.instant(), begin)
                .await
                .map_err(|_| (DbError::DeadlineExceeded, Retry::No))?,
            None => begin.await,
        };
        begun.map(Tx::new).map_err(classify)
    }

    async fn start(&self, mode: Mode) -> Result<Connection, sqlx::Error> {
        match (&*self.pools, mode) {
            (Pools::Postgres(pool), Mode::Write(isolation, durability)) => {
                begin_postgres(pool, isolation.begin(durability)).await
            }
            (Pools::Postgres(pool), Mode::Read) => begin_postgres(pool, READ).await,
            (Pools::Sqlite { writer, .. }, Mode::Write(_, durability)) => {
                writer.begin_with(begin_sqlite(durability)).await.map(Connection::Sqlite)
            }
            (Pools::Sqlite { readers, .. }, Mode::Read) => {
                readers.begin_with("BEGIN DEFERRED").await.map(Connection::Sqlite)
            }
        }
    }

    async fn finish(&self, mode: Mode, mut tx: Tx<'_>) -> Result<(), (DbError, Retry)> {
        if let Mode::Write(..) = mode {
            crate::events::flush(&mut tx).await.map_err(|error| {
                let retry = tx.doomed.as_ref().map_or(Retry::No, |(_, retry)| *retry);
                (error, retry)
            })?;
            // After this point the transaction may take place: a deadline that has passed is honoured now or never.
            if Deadline::current().is_some_and(Deadline::has_passed) {
                return Err((DbError::DeadlineExceeded, Retry::No));
            }
        }
        let hooks = tx.take_hooks();
        let committed = match tx.connection {
            Connection::Postgres(connection) => connection.commit().await,
            Connection::Sqlite(connection) => connection.commit().await,
        };
        committed.map_err(|error| match classify(error) {
            // The commit was sent and its answer did not come: it must not be tried again as if nothing happened.
            (error, Retry::Connection) => (DbError::OutcomeUnknown { what: error.to_string() }, Retry::No),
            other => other,
        })?;
        for hook in hooks {
            hook();
        }
        Ok(())
    }
}

/// How a writing transaction of SQLite begins. In WAL mode a commit under NORMAL is not synced, and the next one under
/// FULL syncs all before it; there is one writing connection, so each transaction says which it wants.
fn begin_sqlite(durability: Durability) -> &'static str {
    match durability {
        Durability::Immediate => "PRAGMA synchronous = FULL; BEGIN IMMEDIATE",
        Durability::Deferred => "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE",
    }
}

/// Begins in a task of its own, which comes to its end also if nobody waits for it any more: sqlx 0.9 gives a
/// connection whose `BEGIN` was sent and not yet answered back to the pool without a rollback, and whoever gets it
/// next would work in the transaction of another, at another's isolation.
async fn begin_postgres(pool: &PgPool, begin: &'static str) -> Result<Connection, sqlx::Error> {
    let pool = pool.clone();
    #[allow(clippy::disallowed_methods)] // ends by itself, within the pool's time-out and the statement's
    let task = tokio::spawn(async move { pool.begin_with(begin).await });
    match task.await {
        Ok(begun) => begun.map(Connection::Postgres),
        // The runtime stops.
        Err(_) => Err(sqlx::Error::PoolClosed),
    }
}

/// Waits a random part of the back-off after `tries` tries; false if the deadline comes first.
async fn pause(tries: u32) -> bool {
    let most = WAIT_FIRST.saturating_mul(1 << (tries - 1).min(10)).min(WAIT_MAX);
    let mut random = [0_u8; 4];
    OsEntropy.fill(&mut random);
    // Full jitter: those who collided must not meet again.
    let share = u64::from(u32::from_le_bytes(random));
    let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
    let wait = Duration::from_nanos(((u128::from(nanos) * u128::from(share)) >> 32) as u64);
    let until = Instant::now() + wait;
    if Deadline::current().is_some_and(|deadline| deadline.instant() <= until) {
        return false;
    }
    tokio::time::sleep_until(until).await;
    true
}
