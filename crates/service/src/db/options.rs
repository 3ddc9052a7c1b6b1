//! Where the database is and how many connections it may have.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use super::error::DbError;

/// How to reach a database.
///
/// Its `Debug` hides the address, which may hold a password.
#[derive(Clone)]
pub struct DbOptions {
    /// `sqlite://PATH` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    pub url: String,
    /// Most connections at once; on SQLite: readers beside the one writer.
    pub max_connections: u32,
    /// Longest wait for a connection.
    pub acquire_max: Duration,
    /// Longest time a statement may take on PostgreSQL.
    pub statement_max: Duration,
    /// Name of the process, as `pg_stat_activity` and the metrics show it.
    pub application: String,
}

impl DbOptions {
    /// The database at `url`, all else as the shared configuration has it.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            max_connections: 8,
            acquire_max: Duration::from_secs(5),
            statement_max: Duration::from_secs(30),
            application: "bursar".into(),
        }
    }
}

impl fmt::Debug for DbOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DbOptions").field("max_connections", &self.max_connections).finish_non_exhaustive()
    }
}

/// A database address, parsed.
pub(super) enum Address {
    Sqlite(PathBuf),
    Postgres(Box<PgConnectOptions>),
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, DbError> {
        let refuse = |what: &str| DbError::Url { what: what.into() };
        if let Some(path) = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")) {
            // Writer and readers are several connections, which would each see a memory of its own.
            return match path {
                "" => Err(refuse("it names no file")),
                path if path.contains(":memory:") => Err(refuse("a database in memory is not durable")),
                path => Ok(Self::Sqlite(path.into())),
            };
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let options = PgConnectOptions::from_str(url).map_err(|_| refuse("it is not a proper URL"))?;
            return Ok(Self::Postgres(Box::new(options)));
        }
        Err(refuse("it starts with neither sqlite:// nor postgres://"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_cannot_work_are_refused_without_repeating_them() {
        for bad in ["", "mysql://u:secret@h/d", "sqlite://", "sqlite::memory:", "postgres://u:secret@h:x/d"] {
            let error = Address::parse(bad).err().expect(bad);
            assert_eq!(error.exit_code(), 64, "{bad}");
            assert!(!error.to_string().contains("secret@"), "{error}");
        }
        assert!(
            matches!(Address::parse("sqlite:///a b/c.db"), Ok(Address::Sqlite(path)) if path.ends_with("c.db"))
        );
        assert!(matches!(Address::parse("postgres://u:p@h/d"), Ok(Address::Postgres(_))));
    }

    #[test]
    fn debug_hides_the_password() {
        let text = format!("{:?}", DbOptions::new("postgres://u:hunter2@h/d"));
        assert!(!text.contains("hunter2"), "{text}");
    }
}
