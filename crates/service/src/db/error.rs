//! What can go wrong between a service and its database, in the words of whoever must act.

use std::borrow::Cow;
use std::io::ErrorKind as IoKind;

use bursar_types::{Failure, Reason};
use sqlx::error::{DatabaseError, ErrorKind};

/// Exit code of a configuration that cannot work (`EX_USAGE`).
const EXIT_USAGE: u8 = 64;
/// Exit code of something needed that is away (`EX_UNAVAILABLE`).
const EXIT_UNAVAILABLE: u8 = 69;
/// Exit code of a fault of ours (`EX_SOFTWARE`).
const EXIT_SOFTWARE: u8 = 70;

/// Which kind of rule of the schema a statement would have broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConstraintKind {
    /// A row with this key exists.
    Unique,
    /// A row that is pointed at does not exist, or one that is pointed at would go.
    ForeignKey,
    /// A required column would be empty.
    NotNull,
    /// A `CHECK` does not hold.
    Check,
}

/// Why the database did not do what was asked.
///
/// Its texts hold no values of rows and no passwords: what the drivers report in their `detail` (which repeats the
/// offending key) is dropped here.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// `database.url` cannot be used.
    #[error(
        "database.url is not usable: {what}; give sqlite://PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE"
    )]
    Url {
        /// What is wrong with it.
        what: String,
    },
    /// Nobody answers, the connection broke, the disk is full, or no connection of the pool came free.
    #[error("the database is unavailable: {what}; check that it runs, is reachable and has room")]
    Unavailable {
        /// What the driver said.
        what: String,
    },
    /// The server refused user, password, database name or right to connect.
    #[error("the database refused the login: {what}; check user, password and database name in database.url")]
    Credentials {
        /// What the server said.
        what: String,
    },
    /// The schema was made by a newer release than this one.
    #[error(
        "the database was made by a newer release: its {module} schema is version {found}, this release knows up to {known}; start that release or a newer one"
    )]
    NewerSchema {
        /// `chassis` or `service`.
        module: &'static str,
        /// Highest version in the database.
        found: u32,
        /// Highest version this process knows.
        known: u32,
    },
    /// A migration that ran is not the one this release holds.
    #[error(
        "migration {version} `{name}` of the {module} schema was applied with another text than this release holds; start the release that made this database"
    )]
    MigrationChanged {
        /// `chassis` or `service`.
        module: &'static str,
        /// Its number.
        version: u32,
        /// Its name.
        name: String,
    },
    /// The list of migrations in the program is wrong.
    #[error("migration {version} `{name}` is wrong: {what}")]
    MigrationWrong {
        /// Its number.
        version: u32,
        /// Its name.
        name: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// The file or a page is damaged, or it is no database at all.
    #[error("the database is damaged: {what}; restore a backup")]
    Corrupt {
        /// What the driver said.
        what: String,
    },
    /// A rule of the schema forbids it.
    #[error("a constraint of the schema forbids it: {constraint}")]
    Constraint {
        /// Which kind of rule.
        kind: ConstraintKind,
        /// Its name (PostgreSQL) or its columns (SQLite). For logs, never to decide on: the two differ.
        constraint: String,
    },
    /// Others kept changing the same rows until the tries were used up.
    #[error(
        "concurrent changes of the same data kept this transaction from committing after {attempts} tries"
    )]
    Contention {
        /// How often it was tried.
        attempts: u32,
    },
    /// The call's deadline passed. Nothing was changed.
    #[error("the deadline passed before the transaction was committed")]
    DeadlineExceeded,
    /// The connection broke while the commit was under way: it may or may not have happened. Ask again with the same request id.
    #[error("the connection broke during the commit: whether it took place is unknown ({what})")]
    OutcomeUnknown {
        /// What the driver said.
        what: String,
    },
    /// `request_id` was used before for another method or with another body.
    #[error(
        "request_id was used before for another {method} request: a request id belongs to one request for ever"
    )]
    RequestIdReused {
        /// The method of first use.
        method: String,
    },
    /// A statement failed before and the transaction went on: it cannot be committed.
    #[error("a statement of this transaction failed earlier, so it cannot go on ({what})")]
    Doomed {
        /// The first failure.
        what: String,
    },
    /// An event cannot be published.
    #[error("event {event_type} cannot be published: {what}")]
    Event {
        /// Its type.
        event_type: &'static str,
        /// Why not.
        what: String,
    },
    /// A column is absent, of another type, or empty where it must not be.
    #[error("column `{column}` cannot be read: {what}")]
    Column {
        /// Its name.
        column: String,
        /// Why not.
        what: String,
    },
    /// Any other fault of a statement.
    #[error("the database refused a statement: {what} (code {code})")]
    Statement {
        /// What the server said.
        what: String,
        /// SQLSTATE, or SQLite's extended result code.
        code: String,
    },
}

impl DbError {
    /// Whether a row with this key existed already.
    pub fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Constraint { kind: ConstraintKind::Unique, .. })
    }

    /// Whether a row that is pointed at is missing, or still pointed at.
    pub fn is_foreign_key_violation(&self) -> bool {
        matches!(self, Self::Constraint { kind: ConstraintKind::ForeignKey, .. })
    }

    /// Whether the commit may have happened although it is reported as failed.
    pub fn is_outcome_unknown(&self) -> bool {
        matches!(self, Self::OutcomeUnknown { .. })
    }

    /// The code a process exits with if it cannot start for this.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Url { .. } | Self::NewerSchema { .. } | Self::MigrationChanged { .. } => EXIT_USAGE,
            Self::Unavailable { .. }
            | Self::Credentials { .. }
            | Self::DeadlineExceeded
            | Self::OutcomeUnknown { .. }
            | Self::Contention { .. } => EXIT_UNAVAILABLE,
            _ => EXIT_SOFTWARE,
        }
    }
}

impl Failure for DbError {
    fn reason(&self) -> Reason {
        match self {
            Self::Unavailable { .. } | Self::Credentials { .. } | Self::OutcomeUnknown { .. } => {
                Reason::DatabaseUnavailable
            }
            Self::Contention { .. } => Reason::Conflict,
            Self::DeadlineExceeded => Reason::DeadlineExceeded,
            Self::RequestIdReused { .. } => Reason::RequestIdReused,
            Self::Corrupt { .. } => Reason::DataCorrupt,
            _ => Reason::Internal,
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::RequestIdReused { method } => vec![("method", method.clone())],
            _ => Vec::new(),
        }
    }
}

/// What a failed statement means for the transaction it stood in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    /// The same again will fail again.
    No,
    /// Others were faster: the same again may succeed (40001, 40P01, SQLITE_BUSY).
    Serialization,
    /// The connection broke before the commit was sent, so nothing took place: another connection may do.
    Connection,
}

impl Retry {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::No => "none",
            Self::Serialization => "serialization",
            Self::Connection => "connection",
        }
    }
}

/// Sorts a driver's error.
pub(super) fn classify(error: sqlx::Error) -> (DbError, Retry) {
    match error {
        sqlx::Error::Database(error) => classify_database(&*error),
        sqlx::Error::Io(error) => {
            let what = error.to_string();
            match error.kind() {
                IoKind::PermissionDenied => (DbError::Url { what }, Retry::No),
                _ => (DbError::Unavailable { what }, Retry::Connection),
            }
        }
        sqlx::Error::Tls(error) => (DbError::Unavailable { what: format!("TLS: {error}") }, Retry::No),
        sqlx::Error::Configuration(error) => (DbError::Url { what: error.to_string() }, Retry::No),
        sqlx::Error::PoolTimedOut => {
            (DbError::Unavailable { what: "no connection of the pool came free in time".into() }, Retry::No)
        }
        sqlx::Error::PoolClosed => {
            (DbError::Unavailable { what: "the process is stopping".into() }, Retry::No)
        }
        sqlx::Error::WorkerCrashed => {
            (DbError::Unavailable { what: "the connection's thread ended".into() }, Retry::Connection)
        }
        sqlx::Error::BeginFailed => (
            DbError::Unavailable { what: "the connection was left in another state".into() },
            Retry::Connection,
        ),
        sqlx::Error::ColumnNotFound(column) => {
            (DbError::Column { column, what: "there is no such column in the result".into() }, Retry::No)
        }
        sqlx::Error::ColumnDecode { index, source } => {
            (DbError::Column { column: index, what: source.to_string() }, Retry::No)
        }
        other => (DbError::Statement { what: other.to_string(), code: "client".into() }, Retry::No),
    }
}

fn classify_database(error: &dyn DatabaseError) -> (DbError, Retry) {
    let code = error.code().unwrap_or(Cow::Borrowed("?"));
    let what = || error.message().to_owned();
    let kind = match error.kind() {
        ErrorKind::UniqueViolation => Some(ConstraintKind::Unique),
        ErrorKind::ForeignKeyViolation => Some(ConstraintKind::ForeignKey),
        ErrorKind::NotNullViolation => Some(ConstraintKind::NotNull),
        ErrorKind::CheckViolation => Some(ConstraintKind::Check),
        _ => None,
    };
    if let Some(kind) = kind {
        let constraint = error.constraint().map_or_else(what, str::to_owned);
        return (DbError::Constraint { kind, constraint }, Retry::No);
    }
    if error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
        classify_sqlite(&code, what())
    } else {
        classify_postgres(&code, what())
    }
}

/// By SQLite's primary result code: the low byte of the extended one (sqlite.org/rescode.html).
fn classify_sqlite(code: &str, what: String) -> (DbError, Retry) {
    match code.parse::<i32>().unwrap_or(1) & 0xff {
        5 | 6 => (DbError::Unavailable { what }, Retry::Serialization), // BUSY, LOCKED
        9 => (DbError::DeadlineExceeded, Retry::No),                    // INTERRUPT
        10 | 13 => (DbError::Unavailable { what }, Retry::No),          // IOERR, FULL
        3 | 8 | 14 => (DbError::Url { what }, Retry::No),               // PERM, READONLY, CANTOPEN
        11 | 26 => (DbError::Corrupt { what }, Retry::No),              // CORRUPT, NOTADB
        _ => (DbError::Statement { what, code: code.into() }, Retry::No),
    }
}

/// By SQLSTATE (PostgreSQL documentation, appendix A).
fn classify_postgres(code: &str, what: String) -> (DbError, Retry) {
    match code {
        "40001" | "40P01" => (DbError::Contention { attempts: 1 }, Retry::Serialization),
        "28000" | "28P01" | "3D000" => (DbError::Credentials { what }, Retry::No),
        // The role may not connect or may not create in the schema: as wrong as a wrong password.
        "42501" => (DbError::Credentials { what }, Retry::No),
        "57P01" | "57P02" | "57P03" | "08000" | "08003" | "08006" => {
            (DbError::Unavailable { what }, Retry::Connection)
        }
        "53300" => (DbError::Unavailable { what }, Retry::Connection), // too many connections
        "57014" => (DbError::Unavailable { what }, Retry::No),         // statement timeout
        "25P03" => (DbError::Unavailable { what }, Retry::Connection), // idle in transaction for too long
        "25006" => (DbError::Unavailable { what }, Retry::No),         // read-only: a replica, or failed over
        "XX001" | "XX002" => (DbError::Corrupt { what }, Retry::No),
        _ if code.starts_with("53") || code.starts_with("58") => (DbError::Unavailable { what }, Retry::No),
        _ => (DbError::Statement { what, code: code.into() }, Retry::No),
    }
}
