//! One transaction, and the statements in it.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;

use bursar_types::TypedId;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Postgres, SqlSafeStr, SqlStr, Sqlite, Transaction};

use super::error::{DbError, Retry, classify};
use super::value::{ArgumentList, Arguments, Bind, Row};
use crate::deadline::Deadline;
use crate::events::PendingEvent;

/// Which of the two databases this is: for the rare statement that must differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// PostgreSQL, or an engine that speaks its protocol and SQL.
    Postgres,
    /// Embedded SQLite.
    Sqlite,
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "postgres",
            Self::Sqlite => "sqlite",
        })
    }
}

pub(super) enum Connection {
    Postgres(Transaction<'static, Postgres>),
    Sqlite(Transaction<'static, Sqlite>),
}

/// What runs once the transaction is durable.
type AfterCommit = Box<dyn FnOnce() + Send>;

/// A transaction in progress; [`Db::write`](super::Db::write) and [`Db::read`](super::Db::read) make them.
///
/// **A statement that fails dooms the transaction**, on both databases: what is expected to collide is written as
/// `INSERT … ON CONFLICT DO NOTHING` and decided by the number of rows. The lifetime `'env` bounds what the closure
/// may borrow; functions that take a transaction write `tx: &mut Tx<'_>`.
pub struct Tx<'env> {
    pub(super) connection: Connection,
    deadline: Option<Deadline>,
    pub(super) doomed: Option<(String, Retry)>,
    after_commit: Vec<AfterCommit>,
    pub(crate) events: Vec<PendingEvent>,
    env: PhantomData<&'env ()>,
}

impl<'env> Tx<'env> {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection,
            deadline: Deadline::current(),
            doomed: None,
            after_commit: Vec::new(),
            events: Vec::new(),
            env: PhantomData,
        }
    }

    /// Which database this is.
    pub fn dialect(&self) -> Dialect {
        match self.connection {
            Connection::Postgres(_) => Dialect::Postgres,
            Connection::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// A statement with `$1`, `$2`, … for its values. Dynamic text needs
    /// [`AssertSqlSafe`](super::AssertSqlSafe) around it, and may be put together of constants only.
    pub fn query<'q>(&'q mut self, sql: impl SqlSafeStr) -> Query<'q, 'env> {
        let arguments = match self.connection {
            Connection::Postgres(_) => Arguments::Postgres(Box::default()),
            Connection::Sqlite(_) => Arguments::Sqlite(SqliteArguments::default()),
        };
        Query { tx: self, sql: sql.into_sql_str(), arguments: ArgumentList(arguments), wrong: None }
    }

    /// Runs `hook` once this transaction is durable; never if it is rolled back. For waking readers: what must not
    /// be lost does not belong here, for the process may die in between.
    pub fn after_commit(&mut self, hook: impl FnOnce() + Send + 'static) {
        self.after_commit.push(Box::new(hook));
    }

    pub(super) fn take_hooks(&mut self) -> Vec<AfterCommit> {
        std::mem::take(&mut self.after_commit)
    }

    /// Several statements without values, separated by `;`.
    pub(crate) async fn script(&mut self, sql: String) -> Result<(), DbError> {
        self.check()?;
        let sql = sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
        let done = match &mut self.connection {
            Connection::Postgres(c) => {
                bounded(self.deadline, sqlx::Executor::execute(&mut **c, sql)).await.map(|r| r.map(drop))
            }
            Connection::Sqlite(c) => {
                bounded(self.deadline, sqlx::Executor::execute(&mut **c, sql)).await.map(|r| r.map(drop))
            }
        };
        self.settle(done)
    }

    fn check(&self) -> Result<(), DbError> {
        match &self.doomed {
            Some((what, _)) => Err(DbError::Doomed { what: what.clone() }),
            None => Ok(()),
        }
    }

    /// Turns a driver's outcome into ours, and dooms the transaction if it failed.
    fn settle<T>(&mut self, outcome: Result<Result<T, sqlx::Error>, DbError>) -> Result<T, DbError> {
        let (error, retry) = match outcome {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => classify(error),
            Err(expired) => (expired, Retry::No),
        };
        self.doomed.get_or_insert_with(|| (error.to_string(), retry));
        Err(error)
    }
}

impl fmt::Debug for Tx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx").field("dialect", &self.dialect()).finish_non_exhaustive()
    }
}

/// Waits for `work`, but not past the deadline.
async fn bounded<F: Future>(deadline: Option<Deadline>, work: F) -> Result<F::Output, DbError> {
    match deadline {
        Some(deadline) => {
            tokio::time::timeout_at(deadline.instant(), work).await.map_err(|_| DbError::DeadlineExceeded)
        }
        None => Ok(work.await),
    }
}

/// A statement that is being given its values.
#[must_use = "a statement does nothing until it is executed or fetched"]
pub struct Query<'q, 'env> {
    tx: &'q mut Tx<'env>,
    sql: SqlStr,
    arguments: ArgumentList,
    wrong: Option<DbError>,
}

enum Ready<'q> {
    Postgres(&'q mut Transaction<'static, Postgres>, PgArguments),
    Sqlite(&'q mut Transaction<'static, Sqlite>, SqliteArguments),
}

macro_rules! run {
    ($query:expr, $method:ident, $convert:expr, $convert_lite:expr) => {{
        let Query { tx, sql, arguments, wrong } = $query;
        tx.check()?;
        if let Some(error) = wrong {
            tx.doomed.get_or_insert_with(|| (error.to_string(), Retry::No));
            return Err(error);
        }
        let deadline = tx.deadline;
        let outcome = match pair(&mut tx.connection, arguments) {
            Ready::Postgres(c, a) => {
                bounded(deadline, sqlx::query_with::<Postgres, _>(sql, a).$method(&mut **c))
                    .await
                    .map(|result| result.map($convert))
            }
            Ready::Sqlite(c, a) => bounded(deadline, sqlx::query_with::<Sqlite, _>(sql, a).$method(&mut **c))
                .await
                .map(|result| result.map($convert_lite)),
        };
        tx.settle(outcome)
    }};
}

fn pair(connection: &mut Connection, arguments: ArgumentList) -> Ready<'_> {
    match (connection, arguments.0) {
        (Connection::Postgres(c), Arguments::Postgres(a)) => Ready::Postgres(c, *a),
        (Connection::Sqlite(c), Arguments::Sqlite(a)) => Ready::Sqlite(c, a),
        _ => unreachable!("Tx::query makes the arguments of its own connection's kind"),
    }
}

impl Query<'_, '_> {
    /// Gives the next `$n` its value.
    pub fn bind(mut self, value: impl Bind) -> Self {
        if let Err(error) = value.add_to(&mut self.arguments) {
            self.wrong.get_or_insert(error);
        }
        self
    }

    /// Gives the next `$n` the text of an id.
    pub fn bind_id<I: TypedId>(self, id: I) -> Self {
        self.bind(id.to_string())
    }

    pub(super) fn arguments_mut(&mut self) -> &mut Arguments {
        &mut self.arguments.0
    }

    /// Executes it and tells how many rows it changed.
    ///
    /// # Errors
    ///
    /// What the database refused it for; the transaction is doomed then.
    pub async fn execute(self) -> Result<u64, DbError> {
        run!(self, execute, |done| done.rows_affected(), |done| done.rows_affected())
    }

    /// All rows of its result. Bound them with `LIMIT`.
    ///
    /// # Errors
    ///
    /// What the database refused it for; the transaction is doomed then.
    pub async fn fetch_all(self) -> Result<Vec<Row>, DbError> {
        run!(self, fetch_all, |rows| rows.into_iter().map(Row::Postgres).collect(), |rows| rows
            .into_iter()
            .map(Row::Sqlite)
            .collect())
    }

    /// The first row of its result, if there is one.
    ///
    /// # Errors
    ///
    /// What the database refused it for; the transaction is doomed then.
    pub async fn fetch_optional(self) -> Result<Option<Row>, DbError> {
        run!(self, fetch_optional, |row| row.map(Row::Postgres), |row| row.map(Row::Sqlite))
    }

    /// The first row of its result, which must exist: counts, `RETURNING`.
    ///
    /// # Errors
    ///
    /// What the database refused it for, also that there is no row; the transaction is doomed then.
    pub async fn fetch_one(self) -> Result<Row, DbError> {
        run!(self, fetch_one, Row::Postgres, Row::Sqlite)
    }
}

impl fmt::Debug for Query<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query").field("sql", &self.sql.as_str()).finish_non_exhaustive()
    }
}
