//! The rows of an event log, read in pages as plainly as one can: what catching up over a subscription is compared with.

use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, PgConnection, SqliteConnection};

/// Events of a page.
const PAGE: i64 = 1_000;

const EVENTS: &str = "SELECT position, subject_version, event_id, event_type, subject, occurred_at, type_url, data, traceparent
     FROM bursar_event_log WHERE position > $1 ORDER BY position LIMIT $2";

type Row = (i64, i64, String, String, String, i64, String, Vec<u8>, String);

/// Reads every row, page by page, over one connection; gives the number of events and how long reading took.
///
/// # Errors
/// What the database said.
pub(crate) async fn read_events(url: &str) -> Result<(usize, Duration), String> {
    let read = async { if url.starts_with("sqlite:") { in_file(url).await } else { on_server(url).await } };
    read.await.map_err(|error: sqlx::Error| format!("the rows of the event log cannot be read: {error}"))
}

macro_rules! read {
    ($name:ident, $connection:ident, $options:ident $(, $pragma:literal = $value:literal)?) => {
        async fn $name(url: &str) -> Result<(usize, Duration), sqlx::Error> {
            let options: $options = url.parse()?;
            $(let options = options.pragma($pragma, $value);)?
            let mut connection = $connection::connect_with(&options).await?;
            let began = Instant::now();
            let (mut events, mut after) = (0, 0);
            loop {
                let page = sqlx::query_as(EVENTS).bind(after).bind(PAGE).fetch_all(&mut connection).await?;
                let page: Vec<Row> = page;
                let Some(last) = page.last() else { break };
                after = last.0;
                events += page.len();
            }
            let took = began.elapsed();
            connection.close().await?;
            Ok((events, took))
        }
    };
}

read!(on_server, PgConnection, PgConnectOptions);
read!(in_file, SqliteConnection, SqliteConnectOptions, "query_only" = "ON");
