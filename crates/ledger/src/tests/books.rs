//! The verification: silent on good books, and exact on every tampered row.

use bursar_service::db::{Db, DbError};
use bursar_testkit::on_both_databases;

use super::world::{Node, Wish, World};

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

on_both_databases! {
    async fn every_tampered_projection_is_found(database: TestDatabase) {
        let world = World::new(database);
        let node = busy(&world).await;
        assert_eq!(node.findings().await, Vec::<String>::new());
        for (sql, finding) in [
            ("UPDATE balance SET posted_credits = posted_credits + 1 WHERE posted_credits = 10000", "posted_credits is 10001, should be 10000"),
            ("UPDATE payment SET card = 'card_x' WHERE opened_position = (SELECT MIN(opened_position) FROM payment)", "card is card_x, should be card_"),
            ("DELETE FROM top_up", "top_up "),
            ("UPDATE event SET type = 'ledger.nothing' WHERE position = 2", "event 2: type is ledger.nothing"),
            ("DELETE FROM request WHERE sequence = 2", "is missing"),
            ("UPDATE hold_state SET outstanding = 5 WHERE outstanding = 100", "outstanding is 5, should be 100"),
        ] {
            tamper(&node.db, sql).await;
            let findings = node.findings().await;
            assert!(findings.iter().any(|found| found.contains(finding)), "{sql}: {findings:?}");
        }
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
