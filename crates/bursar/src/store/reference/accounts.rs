//! The rows of the ledger's accounts, read as plainly as one can: what a start is compared with.

use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, PgConnection, SqliteConnection};

const ACCOUNTS: &str = "SELECT account, owner, body, position FROM account";

type Account = (String, Option<String>, Vec<u8>, i64);

/// Reads every row into memory over one connection; gives the number of accounts and how long reading took.
///
/// # Errors
/// What the database said.
pub(crate) async fn read_accounts(url: &str) -> Result<(usize, Duration), String> {
    let read = async { if url.starts_with("sqlite:") { in_file(url).await } else { on_server(url).await } };
    read.await.map_err(|error: sqlx::Error| format!("the ledger's account rows cannot be read: {error}"))
}

macro_rules! read {
    ($name:ident, $connection:ident, $options:ident $(, $pragma:literal = $value:literal)?) => {
        async fn $name(url: &str) -> Result<(usize, Duration), sqlx::Error> {
            let options: $options = url.parse()?;
            $(let options = options.pragma($pragma, $value);)?
            let mut connection = $connection::connect_with(&options).await?;
            let began = Instant::now();
            let accounts: Vec<Account> = sqlx::query_as(ACCOUNTS).fetch_all(&mut connection).await?;
            let took = began.elapsed();
            connection.close().await?;
            Ok((accounts.len(), took))
        }
    };
}

read!(on_server, PgConnection, PgConnectOptions);
read!(in_file, SqliteConnection, SqliteConnectOptions, "query_only" = "ON");
