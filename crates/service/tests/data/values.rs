//! Every type there and back, alone and in bulk.

use bursar_service::db::{Cell, DbError, Row};
use bursar_service::migrate::Migration;
use bursar_testkit::on_both_databases;
use bursar_types::id::CardId;
use bursar_types::{Timestamp, TypedId as _};

const SCHEMA: &[Migration] = &[Migration {
    version: 1,
    name: "all types",
    sql: "CREATE TABLE samples (
        k {{number_key}}, i BIGINT, t TEXT, b {{bytes}}, f BOOLEAN
    );",
}];

type Sample = (Option<i64>, Option<String>, Option<Vec<u8>>, Option<bool>);

fn samples() -> Vec<Sample> {
    vec![
        (Some(i64::MIN), Some(String::new()), Some(Vec::new()), Some(false)),
        (Some(i64::MAX), Some("中文 ' \" $1 \\ {x}".into()), Some(vec![0, 255, 1]), Some(true)),
        (None, None, None, None),
        (Some(0), Some("x".repeat(100_000)), Some(vec![7; 100_000]), Some(true)),
    ]
}

fn read(row: &Row) -> Result<Sample, DbError> {
    Ok((row.get("i")?, row.get("t")?, row.get("b")?, row.get("f")?))
}

on_both_databases! {
    async fn values_come_back_as_they_went(database: TestDatabase) {
        let db = database.open(SCHEMA).await;
        let found: Vec<Sample> = db.write(|tx| Box::pin(async move {
            for (k, (i, t, b, f)) in (1_i64..).zip(samples()) {
                tx.query("INSERT INTO samples (k, i, t, b, f) VALUES ($1, $2, $3, $4, $5)")
                    .bind(k).bind(i).bind(t).bind(b).bind(f).execute().await?;
            }
            tx.query("SELECT i, t, b, f FROM samples ORDER BY k").fetch_all().await?.iter().map(read).collect()
        })).await.map_err(|error: DbError| error).unwrap();
        assert_eq!(found, samples());
    }

    async fn bulk_inserts_hold_every_row(database: TestDatabase) {
        let db = database.open(SCHEMA).await;
        // Not a power of two, more than one statement on either database, and a column that is all NULL.
        const ROWS: i64 = 5003;
        let (inserted, found) = db.write(|tx| Box::pin(async move {
            let rows = (1..=ROWS).map(|k| -> [Cell; 4] {
                [k.into(), format!("t{k}").into(), vec![u8::try_from(k % 256).unwrap()].into(), None::<bool>.into()]
            }).collect();
            let inserted = tx.bulk_insert("samples", ["k", "t", "b", "f"], rows).await?;
            let rows = tx.query("SELECT k, i, t, b, f FROM samples ORDER BY k").fetch_all().await?;
            let found: Result<Vec<(i64, Sample)>, _> = rows.iter().map(|row| Ok((row.get("k")?, read(row)?))).collect();
            Ok::<_, DbError>((inserted, found?))
        })).await.unwrap();
        assert_eq!(inserted, ROWS.unsigned_abs());
        assert_eq!(found.len(), usize::try_from(ROWS).unwrap());
        for (expected, (k, sample)) in (1_i64..).zip(found) {
            let bytes = vec![u8::try_from(k % 256).unwrap()];
            assert_eq!((k, sample), (expected, (None, Some(format!("t{k}")), Some(bytes), None)));
        }
    }

    async fn bulk_upserts_replace_what_is_there(database: TestDatabase) {
        let db = database.open(SCHEMA).await;
        let upsert = |i: i64| {
            let db = &db;
            async move {
                db.write(|tx| Box::pin(async move {
                    let rows = (1..=10_i64).map(|k| [k.into(), i.into()]).collect();
                    tx.bulk_upsert("samples", ["k", "i"], rows, "ON CONFLICT (k) DO UPDATE SET i = excluded.i").await
                })).await
            }
        };
        upsert(1).await.unwrap();
        assert_eq!(upsert(2).await.unwrap(), 10);
        let sum: i64 = db.read(|tx| Box::pin(async move {
            tx.query("SELECT CAST(SUM(i) AS BIGINT) AS s FROM samples").fetch_one().await?.get("s")
        })).await.map_err(|error: DbError| error).unwrap();
        assert_eq!(sum, 20);
    }

    async fn columns_of_another_type_are_refused_with_their_name(database: TestDatabase) {
        let db = database.open(SCHEMA).await;
        let error = db.write(|tx| Box::pin(async move {
            tx.query("INSERT INTO samples (k, t) VALUES (1, 'secret text')").execute().await?;
            tx.query("SELECT t FROM samples").fetch_one().await?.get::<Vec<u8>>("nope")
        })).await.unwrap_err();
        assert!(matches!(&error, DbError::Column { column, .. } if column == "nope"), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    async fn ids_and_moments_are_typed(database: TestDatabase) {
        let db = database.open(SCHEMA).await;
        let id = CardId::from_uuid(bursar_types::id::Uuid::from_u128(77));
        let moment = Timestamp::from_micros(-5);
        let (found, when, none) = db.write(|tx| Box::pin(async move {
            tx.query("INSERT INTO samples (k, i, t) VALUES (1, $1, $2)").bind(moment).bind_id(id).execute().await?;
            let row = tx.query("SELECT i, t, NULL AS empty FROM samples").fetch_one().await?;
            Ok::<_, DbError>((row.id::<CardId>("t")?, row.get::<Timestamp>("i")?, row.id_opt::<CardId>("empty")?))
        })).await.unwrap();
        assert_eq!((found, when, none), (id, moment, None));
    }
}
