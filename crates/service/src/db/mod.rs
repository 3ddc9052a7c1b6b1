//! The database of a process: SQLite in a file, or PostgreSQL. Statements are written once.
//!
//! ```ignore
//! let card = &card;
//! db.write(|tx| Box::pin(async move {
//!     store::insert_card(tx, card).await?;
//!     events.publish(tx, NewEvent::new("vault.card.issued", card.id, &issued))?;
//!     Ok::<_, VaultError>(())
//! })).await?;
//! ```
//!
//! A closure may run several times, so it takes what it needs by reference. Everything in it is one transaction, and
//! nobody else begins one.

mod bulk;
mod connect;
mod error;
mod options;
mod transact;
mod tx;
mod value;

use std::fmt;
use std::sync::Arc;

use sqlx::{PgPool, SqlitePool};

pub use bulk::Cell;
pub use error::{ConstraintKind, DbError};
pub use options::DbOptions;
/// Asserts that a dynamic statement is put together of constants only.
pub use sqlx::AssertSqlSafe;
pub use transact::{Durability, Isolation};
pub use tx::{Dialect, Query, Tx};
pub use value::{Bind, Column, Row};

/// A database. Clones are the same pools.
#[derive(Clone)]
pub struct Db {
    pools: Arc<Pools>,
    /// Whose it is: the label of its metrics.
    service: Arc<str>,
}

enum Pools {
    Postgres(PgPool),
    /// SQLite has one writer at a time: its waiting happens in our pool, where deadlines are seen, not in SQLite.
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
    },
}

impl Db {
    /// Which of the two databases this is: for the rare statement that must differ, in a `store` module.
    pub fn dialect(&self) -> Dialect {
        match &*self.pools {
            Pools::Postgres(_) => Dialect::Postgres,
            Pools::Sqlite { .. } => Dialect::Sqlite,
        }
    }

    /// Whether the database answers now.
    ///
    /// # Errors
    ///
    /// Why it does not.
    pub async fn ping(&self) -> Result<(), DbError> {
        self.read(|tx| Box::pin(async move { tx.query("SELECT 1").fetch_one().await.map(drop) })).await
    }

    /// Closes all connections once their transactions have ended. For the stop of a process.
    pub async fn close(&self) {
        match &*self.pools {
            Pools::Postgres(pool) => pool.close().await,
            Pools::Sqlite { writer, readers } => {
                // The writer last: the last connection to close folds the write-ahead log into the file.
                readers.close().await;
                writer.close().await;
            }
        }
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Db({})", self.dialect())
    }
}
