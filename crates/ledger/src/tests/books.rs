//! The verification: silent on good books, and exact on every tampered row.

use bursar_service::db::{Db, DbError};
use bursar_testkit::on_both_databases;

use super::world::{Node, Wish, World};
use crate::index::{BlockReader, BlockWriter, Kind};
use crate::store::read;
use crate::verify::Beginning;
use crate::wire::Message as _;

async fn tamper(db: &Db, sql: &'static str) {
    let changed = db
        .write(|tx| Box::pin(async move { tx.query(sql).execute().await }))
        .await
        .map_err(|error: DbError| error.to_string())
        .unwrap();
    assert!(changed > 0, "nothing to tamper with: {sql}");
}

async fn busy(world: &World) -> Node {
    let node = world.node().await;
    let holder = node.holder(10_000).await;
    for amount in [100, 20_000] {
        node.pay(world.authorize(&Wish::online(&holder.card, amount))).await.unwrap();
    }
    node.pay(world.authorize(&Wish::in_app(&holder.card, 300))).await.unwrap();
    node
}

/// The blocks of the index: run, first key, body.
async fn stored_blocks(db: &Db) -> Vec<(i64, Vec<u8>, Vec<u8>)> {
    let rows = db.read(|tx| {
        Box::pin(async move {
            tx.query("SELECT run, first_key, body FROM index_block ORDER BY run, first_key").fetch_all().await
        })
    });
    let rows = rows.await.map_err(|error: DbError| error.to_string()).unwrap();
    let block = |row: &bursar_service::db::Row| {
        Ok::<_, DbError>((row.get("run")?, row.get("first_key")?, row.get("body")?))
    };
    rows.iter().map(|row| block(row).unwrap()).collect()
}

/// Writes the blocks anew with their items as `edit` makes them; what it says no to is left out.
async fn rewrite(
    db: &Db,
    blocks: &[(i64, Vec<u8>, Vec<u8>)],
    mut edit: impl FnMut(&[u8], &mut Vec<u8>) -> bool,
) {
    let mut edited = Vec::new();
    for (run, first_key, body) in blocks {
        let mut reader = BlockReader::new(body.clone());
        let mut writer = BlockWriter::default();
        while reader.advance().unwrap() {
            let mut value = reader.value().to_vec();
            if edit(reader.key(), &mut value) {
                writer.push(reader.key(), &value);
            }
        }
        let block = writer.finish().pop().unwrap();
        edited.push((*run, first_key.clone(), block.body));
    }
    let edited = &edited;
    db.write(|tx| {
        Box::pin(async move {
            for (run, first_key, body) in edited {
                tx.query("UPDATE index_block SET body = $1 WHERE run = $2 AND first_key = $3")
                    .bind(body)
                    .bind(*run)
                    .bind(first_key)
                    .execute()
                    .await?;
            }
            Ok::<_, DbError>(())
        })
    })
    .await
    .unwrap();
}

on_both_databases! {
    async fn every_tampered_projection_is_found(database: TestDatabase) {
        let world = World::new(database);
        let node = busy(&world).await;
        assert_eq!(node.findings().await, Vec::<String>::new());
        for (sql, finding) in [
            ("UPDATE payment SET card = 'card_x' WHERE opened_position = (SELECT MIN(opened_position) FROM payment)", "card is card_x, should be card_"),
            ("DELETE FROM top_up", "top_up "),
            ("UPDATE hold_state SET outstanding = 5 WHERE outstanding = 100", "outstanding is 5, should be 100"),
        ] {
            tamper(&node.db, sql).await;
            let findings = node.findings().await;
            assert!(findings.iter().any(|found| found.contains(finding)), "{sql}: {findings:?}");
        }
        node.stop().await;
    }

    async fn every_tampered_item_of_the_index_is_found(database: TestDatabase) {
        let world = World::new(database);
        let node = busy(&world).await;
        assert_eq!(node.findings().await, Vec::<String>::new());
        let blocks = stored_blocks(&node.db).await;
        assert!(!blocks.is_empty());
        for kind in [Kind::Request, Kind::Transfer, Kind::Entry, Kind::Reference] {
            let mut seen = false;
            rewrite(&node.db, &blocks, |key, value| {
                let first = !seen && Kind::of(key).unwrap() == kind;
                seen |= first;
                // The last bit of a value is never without a meaning.
                if first { *value.last_mut().unwrap() ^= 1 }
                true
            })
            .await;
            assert!(seen, "{kind:?} is not in the index");
            let findings = node.findings().await;
            let told = format!("{} ", kind.name());
            assert!(findings.len() == 1 && findings[0].starts_with(&told), "{kind:?}: {findings:?}");
            assert!(findings[0].ends_with("is not as the journal has it"), "{findings:?}");
            let mut gone = false;
            rewrite(&node.db, &blocks, |key, _| {
                let goes = !gone && Kind::of(key).unwrap() == kind;
                gone |= goes;
                !goes
            })
            .await;
            let findings = node.findings().await;
            assert!(findings.len() == 1 && findings[0].ends_with("is missing"), "{kind:?}: {findings:?}");
        }
        rewrite(&node.db, &blocks, |_, _| true).await;
        assert_eq!(node.findings().await, Vec::<String>::new());
        tamper(&node.db, "UPDATE index_run SET first_sequence = 2 WHERE first_sequence = 1").await;
        let findings = node.findings().await;
        assert!(findings[0].contains("begins at journal row 2, should begin at 1"), "{findings:?}");
        node.stop().await;
    }

    async fn a_tampered_event_is_found(database: TestDatabase) {
        let world = World::new(database);
        let node = busy(&world).await;
        let shard = node.handle.shared.shard;
        let chunks = node.db.read(|tx| Box::pin(read::event_chunks(tx, shard, 1, 1))).await.unwrap();
        let (first, mut chunk) = chunks.into_iter().next().unwrap();
        chunk.events[usize::try_from(2 - first).unwrap()].journal_position += 1;
        let body = &chunk.to_bytes();
        node.db
            .write(|tx| Box::pin(async move {
                tx.query("UPDATE event_chunk SET body = $1 WHERE first_position = $2")
                    .bind(body).bind(first).execute().await
            }))
            .await
            .map_err(|error: DbError| error.to_string())
            .unwrap();
        assert_eq!(node.findings().await, ["event 2 is not as the journal has it"]);
        node.stop().await;
    }

    async fn a_verification_begins_at_a_stored_state(database: TestDatabase) {
        let world = World::new(database);
        let node = busy(&world).await;
        // An orderly stop stores the state.
        node.stop().await;
        let node = world.node().await;
        let holder = node.holder(5_000).await;
        assert_eq!(node.findings_from(Beginning::StoredState).await, Vec::<String>::new());
        let sequence = node.handle.shared.reached.sequence();
        // What came before the state is not looked at, what came after it is.
        tamper(&node.db, "UPDATE journal SET time = time + 1 WHERE sequence = 1").await;
        assert_eq!(node.findings_from(Beginning::StoredState).await, Vec::<String>::new());
        tamper(&node.db, "UPDATE journal SET epoch = epoch + 1 WHERE sequence = (SELECT MAX(sequence) FROM journal)").await;
        let findings = node.findings_from(Beginning::StoredState).await;
        assert_eq!(findings, [format!("journal row {sequence}: its content does not have its hash")]);
        drop(holder);
        node.stop().await;
    }

    async fn a_tampered_journal_is_found_and_not_loaded(database: TestDatabase) {
        let world = World::new(database);
        let node = busy(&world).await;
        tamper(&node.db, "UPDATE journal SET time = time + 1 WHERE sequence = 3").await;
        let findings = node.findings().await;
        assert_eq!(findings.len(), 1);
        assert!(findings[0].starts_with("journal row 3: its content does not have its hash"), "{findings:?}");
        tamper(&node.db, "UPDATE journal SET time = time - 1 WHERE sequence = 3").await;
        assert_eq!(node.findings().await, Vec::<String>::new());
        tamper(&node.db, "DELETE FROM journal WHERE sequence = 4").await;
        let findings = node.findings().await;
        assert!(findings[0].starts_with("journal row 5: row 4 is missing"), "{findings:?}");
        node.stop().await;
    }
}
