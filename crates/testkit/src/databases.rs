//! The same test on both databases.

use std::fmt;

use bursar_service::db::{Db, DbOptions};
use bursar_service::migrate::{self, Migration};
use bursar_types::Timestamp;
use tempfile::TempDir;

use crate::Postgres;

/// A fresh, empty database for one test: a SQLite file or a PostgreSQL database.
pub struct TestDatabase {
    url: String,
    /// The directory of the SQLite file; removed at the end.
    directory: Option<TempDir>,
}

impl TestDatabase {
    /// A SQLite file of its own.
    ///
    /// # Panics
    ///
    /// If there is no room for temporary files.
    pub fn sqlite() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let url = format!("sqlite://{}", directory.path().join("test.db").display());
        Self { url, directory: Some(directory) }
    }

    /// A database of its own on the run's private PostgreSQL.
    ///
    /// # Panics
    ///
    /// If there is no PostgreSQL on the machine, with the command that installs it.
    pub async fn postgres() -> Self {
        Self { url: Postgres::private().create_database().await, directory: None }
    }

    /// Another one of the same kind, for a second service.
    ///
    /// # Panics
    ///
    /// As [`sqlite`](Self::sqlite) and [`postgres`](Self::postgres).
    pub async fn another(&self) -> Self {
        match self.directory {
            Some(_) => Self::sqlite(),
            None => Self::postgres().await,
        }
    }

    /// Its address, as `database.url` takes it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `sqlite` or `postgres`.
    pub fn name(&self) -> &'static str {
        if self.directory.is_some() { "sqlite" } else { "postgres" }
    }

    /// Opens it and applies the chassis's migrations and `service`'s. May be called again, as a second process would.
    ///
    /// # Panics
    ///
    /// If it cannot be opened or a migration fails.
    pub async fn open(&self, service: &[Migration]) -> Db {
        let options = DbOptions { max_connections: 16, ..DbOptions::new(&self.url) };
        let db = Db::connect(&options).await.unwrap_or_else(|error| panic!("{}: {error}", self.name()));
        let now = Timestamp::from_micros(1_767_225_600_000_000);
        migrate::run(&db, service, now).await.unwrap_or_else(|error| panic!("{}: {error}", self.name()));
        db
    }
}

impl fmt::Debug for TestDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TestDatabase({})", self.name())
    }
}

/// Runs `test` on a fresh SQLite file and then on a fresh PostgreSQL database.
///
/// [`on_both_databases!`](crate::on_both_databases) makes two tests instead, which are told apart when one fails.
pub async fn both_databases<F: AsyncFn(TestDatabase)>(test: F) {
    test(TestDatabase::sqlite()).await;
    test(TestDatabase::postgres().await).await;
}

#[doc(hidden)]
pub fn run_on_sqlite<F: Future<Output = ()>>(test: impl FnOnce(TestDatabase) -> F) {
    runtime().block_on(async { test(TestDatabase::sqlite()).await });
}

#[doc(hidden)]
pub fn run_on_postgres<F: Future<Output = ()>>(test: impl FnOnce(TestDatabase) -> F) {
    runtime().block_on(async { test(TestDatabase::postgres().await).await });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime for a test can be made")
}

/// Makes of each async function with one `TestDatabase` two tests: `name::sqlite` and `name::postgres`.
///
/// ```ignore
/// bursar_testkit::on_both_databases! {
///     async fn a_customer_is_found_by_phone(database: TestDatabase) {
///         let db = database.open(MIGRATIONS).await;
///         …
///     }
/// }
/// ```
#[macro_export]
macro_rules! on_both_databases {
    ($($(#[$attribute:meta])* async fn $name:ident($database:ident: TestDatabase) $body:block)+) => {$(
        $(#[$attribute])*
        #[cfg(test)]
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn body($database: $crate::TestDatabase) $body

            #[test]
            fn sqlite() {
                $crate::run_on_sqlite(body);
            }

            #[test]
            fn postgres() {
                $crate::run_on_postgres(body);
            }
        }
    )+};
}
