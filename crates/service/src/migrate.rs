//! The schema, brought forward one migration at a time.
//!
//! A migration is SQL for both databases, with placeholders for the few types whose names differ:
//!
//! | placeholder | PostgreSQL | SQLite |
//! | --- | --- | --- |
//! | `{{bytes}}` | `BYTEA` | `BLOB` |
//! | `{{identity}}` | `BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY` | `INTEGER PRIMARY KEY AUTOINCREMENT` |
//! | `{{number_key}}` | `BIGINT PRIMARY KEY` | `INTEGER PRIMARY KEY` |
//! | `{{postgres}} … {{end}}` | the text between | nothing |
//! | `{{sqlite}} … {{end}}` | nothing | the text between |
//!
//! Moments are `BIGINT` microseconds, ids `TEXT`, money `BIGINT` minor units, flags `BOOLEAN`. Forward only, each in
//! one transaction, under a row lock (which distributed engines have, unlike advisory locks). What was applied is kept
//! with the digest of its text; a text that changed afterwards, and a version that only a newer release knows, are refused.

use bursar_types::Timestamp;

use crate::db::{Db, DbError, Dialect, Isolation, Tx};

mod chassis;

/// One step of a schema.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its number: from 1, without gaps.
    pub version: u32,
    /// What it makes, in a word or two.
    pub name: &'static str,
    /// SQL for both databases.
    pub sql: &'static str,
}

/// Module name of the chassis's own tables, which are numbered apart.
const CHASSIS: &str = "chassis";
/// Module name of the service's tables.
const SERVICE: &str = "service";

/// Tries to make the chassis's own book while others do the same: each round at least one of them succeeds.
const OPEN_TRIES_MAX: u32 = 20;

const BOOK_OF_MIGRATIONS: &str = "
CREATE TABLE IF NOT EXISTS bursar_schema_lock (
    id BIGINT PRIMARY KEY,
    turns BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS bursar_schema_history (
    module TEXT NOT NULL,
    version BIGINT NOT NULL,
    name TEXT NOT NULL,
    digest {{bytes}} NOT NULL,
    applied_at BIGINT NOT NULL,
    PRIMARY KEY (module, version)
);
";

/// Brings the chassis's tables and those of `service` to the newest version this release knows.
/// Any number of processes may do so at once. `now` is what the history notes.
///
/// # Errors
///
/// [`DbError::NewerSchema`] if a newer release was here (nothing is changed then), [`DbError::MigrationChanged`],
/// [`DbError::MigrationWrong`], or what the database refused a migration for.
pub async fn run(db: &Db, service: &[Migration], now: Timestamp) -> Result<(), DbError> {
    for migrations in [chassis::MIGRATIONS, service] {
        check_numbers(migrations)?;
    }
    open_book(db).await?;
    // Both modules first: a database from a newer release must not be half way to ours when it is refused.
    for (module, migrations) in [(CHASSIS, chassis::MIGRATIONS), (SERVICE, service)] {
        db.read(|tx| Box::pin(async move { pending(tx, module, migrations).await.map(drop) })).await?;
    }
    for (module, migrations) in [(CHASSIS, chassis::MIGRATIONS), (SERVICE, service)] {
        while apply_next(db, module, migrations, now).await? {}
    }
    Ok(())
}

fn check_numbers(migrations: &[Migration]) -> Result<(), DbError> {
    for (expected, migration) in (1..).zip(migrations) {
        if migration.version != expected {
            let what = format!("its number should be {expected}");
            return Err(DbError::MigrationWrong { version: migration.version, name: migration.name, what });
        }
    }
    Ok(())
}

async fn open_book(db: &Db) -> Result<(), DbError> {
    let script = expand(BOOK_OF_MIGRATIONS, db.dialect()).map_err(|what| DbError::MigrationWrong {
        version: 0,
        name: "book of migrations",
        what,
    })?;
    let script = &script;
    let mut tries = 0;
    loop {
        tries += 1;
        let opened = db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move {
                    tx.script(script.clone()).await?;
                    tx.query(
                        "INSERT INTO bursar_schema_lock (id, turns) VALUES (1, 0) ON CONFLICT DO NOTHING",
                    )
                    .execute()
                    .await
                    .map(drop)
                })
            })
            .await;
        match opened {
            Err(error) if met_another(&error) && tries < OPEN_TRIES_MAX => {}
            other => return other,
        }
    }
}

/// Whether two processes made the same table at once: they collide in PostgreSQL's catalogue despite IF NOT EXISTS,
/// as a unique violation there, or as a relation or its type that exists already.
fn met_another(error: &DbError) -> bool {
    error.is_unique_violation()
        || matches!(error, DbError::Statement { code, .. } if code == "42P07" || code == "42710")
}

/// The first of `migrations` that was not applied yet, after a check of those that were.
async fn pending<'m>(
    tx: &mut Tx<'_>,
    module: &'static str,
    migrations: &'m [Migration],
) -> Result<Option<&'m Migration>, DbError> {
    let applied = tx
        .query("SELECT version, name, digest FROM bursar_schema_history WHERE module = $1 ORDER BY version")
        .bind(module)
        .fetch_all()
        .await?;
    let known = u32::try_from(migrations.len()).unwrap_or(u32::MAX);
    for row in &applied {
        let version = u32::try_from(row.get::<i64>("version")?).unwrap_or(u32::MAX);
        if version > known {
            let found = applied.iter().filter_map(|row| row.get::<i64>("version").ok()).max();
            let found = found.and_then(|found| u32::try_from(found).ok()).unwrap_or(version);
            return Err(DbError::NewerSchema { module, found, known });
        }
        let same =
            migrations.iter().find(|migration| migration.version == version).is_some_and(|migration| {
                row.get::<Vec<u8>>("digest").is_ok_and(|kept| kept == digest(migration))
            });
        if !same {
            return Err(DbError::MigrationChanged { module, version, name: row.get("name")? });
        }
    }
    Ok(migrations.get(applied.len()))
}

/// Applies one migration; false if there was none left.
async fn apply_next(
    db: &Db,
    module: &'static str,
    migrations: &[Migration],
    now: Timestamp,
) -> Result<bool, DbError> {
    let dialect = db.dialect();
    db.write_at(Isolation::ReadCommitted, |tx| {
        Box::pin(async move {
            tx.query("UPDATE bursar_schema_lock SET turns = turns + 1 WHERE id = 1").execute().await?;
            let Some(migration) = pending(tx, module, migrations).await? else { return Ok(false) };
            let Migration { version, name, sql } = *migration;
            let script =
                expand(sql, dialect).map_err(|what| DbError::MigrationWrong { version, name, what })?;
            tx.script(script).await.map_err(|error| match error {
                DbError::Statement { what, .. } => DbError::MigrationWrong { version, name, what },
                other => other,
            })?;
            tx.query(
                "INSERT INTO bursar_schema_history (module, version, name, digest, applied_at)
                 VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(module)
            .bind(i64::from(version))
            .bind(name)
            .bind(digest(migration))
            .bind(now)
            .execute()
            .await?;
            tracing::info!(module, version, name, "migration applied");
            Ok(true)
        })
    })
    .await
}

fn digest(migration: &Migration) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, migration.sql.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// The SQL of `template` for one database.
fn expand(template: &str, dialect: Dialect) -> Result<String, String> {
    let mut sql = String::with_capacity(template.len());
    let mut rest = template;
    // Inside a block: whether its text is kept.
    let mut block: Option<bool> = None;
    let mut keep = |text: &str, block: Option<bool>| {
        if block.unwrap_or(true) {
            sql.push_str(text);
        }
    };
    while let Some((before, after)) = rest.split_once("{{") {
        keep(before, block);
        let (name, after) = after.split_once("}}").ok_or("a `{{` without its `}}`")?;
        rest = after;
        match (name, dialect) {
            ("bytes", Dialect::Postgres) => keep("BYTEA", block),
            ("bytes", Dialect::Sqlite) => keep("BLOB", block),
            ("identity", Dialect::Postgres) => keep("BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", block),
            ("identity", Dialect::Sqlite) => keep("INTEGER PRIMARY KEY AUTOINCREMENT", block),
            ("number_key", Dialect::Postgres) => keep("BIGINT PRIMARY KEY", block),
            // Spelled so, the column is the table's own order and needs no second tree.
            ("number_key", Dialect::Sqlite) => keep("INTEGER PRIMARY KEY", block),
            ("postgres" | "sqlite", _) if block.is_some() => return Err("a block inside a block".into()),
            ("postgres", _) => block = Some(dialect == Dialect::Postgres),
            ("sqlite", _) => block = Some(dialect == Dialect::Sqlite),
            ("end", _) if block.is_some() => block = None,
            _ => return Err(format!("unknown placeholder {{{{{name}}}}}")),
        }
    }
    if block.is_some() {
        return Err("a block without its {{end}}".into());
    }
    keep(rest, block);
    Ok(sql)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_become_each_databases_words() {
        let template = "a {{bytes}}{{postgres}} p {{bytes}}{{end}}{{sqlite}} s{{end}} z";
        assert_eq!(expand(template, Dialect::Postgres).unwrap(), "a BYTEA p BYTEA z");
        assert_eq!(expand(template, Dialect::Sqlite).unwrap(), "a BLOB s z");
        for wrong in
            ["{{nope}}", "{{bytes", "{{postgres}}", "{{end}}", "{{sqlite}}{{postgres}}{{end}}{{end}}"]
        {
            assert!(expand(wrong, Dialect::Sqlite).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_are_dense_from_one() {
        let make = |version| Migration { version, name: "x", sql: "" };
        assert!(check_numbers(&[make(1), make(2)]).is_ok());
        assert!(check_numbers(&[make(1), make(3)]).is_err());
        assert!(check_numbers(chassis::MIGRATIONS).is_ok());
    }
}
