//! Where the follower goes on after a stop, a kill, another owner, a fault of the disk.

use super::*;

/// The projections and the index are at these rows of the journal.
async fn reach(db: &Db, sequence: i64, indexed: i64) {
    db.write(|tx| {
        Box::pin(async move {
            tx.query("UPDATE projection SET sequence = $1, index_sequence = $2")
                .bind(sequence)
                .bind(indexed)
                .execute()
                .await
        })
    })
    .await
    .map_err(|error: DbError| error.to_string())
    .unwrap();
}

on_both_databases! {
    async fn killed_at_any_time_it_goes_on(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let accounts = pair(&node).await;
        node.stop().await;
        let seed = u64::from_str_radix(&uuid()[28..], 16).unwrap();
        println!("seed {seed}");
        let mut random = seed;
        for _ in 0..20 {
            let node = world.node().await;
            // xorshift: any spread will do.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let kill = tokio::time::sleep(Duration::from_millis(random % 60));
            tokio::select! {
                () = transfers(&node, &accounts, 2_000) => {}
                () = kill => {}
            }
            // Dropped, as if killed: no state, no release of the lease.
            drop(node);
            world.clock.advance(Duration::from_secs(3));
        }
        let node = world.node().await;
        everything_is_proven(&world, &node).await;
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;
    }

    async fn the_older_of_two_leases_changes_nothing(database: TestDatabase) {
        let db = database.open(crate::store::MIGRATIONS).await;
        let empty = merkle::Progress { sequence: 0, size: 0, hash: Head::empty().hash, root: [0; 32] };
        let claim = |epoch| merkle::claim(&db, shard(), epoch, &empty);
        assert_eq!(claim(3).await.unwrap(), Some(empty));
        let gain = |size: i64, text: &str| {
            let progress = merkle::Progress { sequence: size, size, hash: [1; 32], root: [2; 32] };
            let time = bursar_types::Timestamp::from_micros(size);
            let signed = merkle::Signed { size, root: [2; 32], time, lasting: false, text: text.into() };
            let tile = bursar_transparency::tiles::TileId { level: 0, index: 0 };
            let hashes = vec![u8::try_from(size).unwrap(); 32 * usize::try_from(size).unwrap()];
            merkle::Gain { progress, tiles: vec![(tile, hashes)], signed }
        };
        assert!(merkle::advance(&db, shard(), 3, &gain(2, "a")).await.unwrap());
        // The same again, its outcome unknown, is as good as once.
        assert!(merkle::advance(&db, shard(), 3, &gain(2, "a")).await.unwrap());
        assert_eq!(claim(4).await.unwrap(), Some(gain(2, "a").progress));
        assert!(!merkle::advance(&db, shard(), 3, &gain(5, "b")).await.unwrap());
        assert_eq!(claim(3).await.unwrap(), None);
        assert!(!checkpoint::put_part(&db, shard(), 3, 7, 0, b"x").await.unwrap());
        assert!(!checkpoint::complete(&db, shard(), 3, 7, 1).await.unwrap());
        assert_eq!(checkpoint::sweep(&db, shard(), 3).await.unwrap(), None);
        assert_eq!(checkpoint::newest(&db, shard(), 100).await.unwrap(), None);
        // Nor does the newer one go back.
        assert!(!merkle::advance(&db, shard(), 4, &gain(1, "c")).await.unwrap());
        assert!(merkle::advance(&db, shard(), 4, &gain(5, "d")).await.unwrap());
        let signed = merkle::signed_from(&db, shard(), 1).await.unwrap();
        assert_eq!(signed, [(2, [2; 32]), (5, [2; 32])]);

        // Parts that no state belongs to, and states that are too old, go.
        assert!(checkpoint::put_part(&db, shard(), 4, 7, 0, b"x").await.unwrap());
        assert_eq!(checkpoint::sweep(&db, shard(), 4).await.unwrap(), Some(true));
        assert_eq!(checkpoint::sweep(&db, shard(), 4).await.unwrap(), Some(false));
        for sequence in [10, 20, 30] {
            for part in 0..3 {
                assert!(checkpoint::put_part(&db, shard(), 4, sequence, part, b"y").await.unwrap());
            }
            assert!(checkpoint::complete(&db, shard(), 4, sequence, 3).await.unwrap());
        }
        // A start can use none that is ahead of the projections or the index, so two that it can use are kept.
        crate::store::projection::progress(&db, shard(), "epoch").await.unwrap();
        for (indexed, kept) in [(20, Some((10, 3))), (30, None)] {
            reach(&db, 30, indexed).await;
            assert!(checkpoint::complete(&db, shard(), 4, 30, 3).await.unwrap());
            assert_eq!(checkpoint::newest(&db, shard(), 19).await.unwrap(), kept);
        }
        assert_eq!(checkpoint::newest(&db, shard(), 29).await.unwrap(), Some((20, 3)));
        assert_eq!(checkpoint::newest(&db, shard(), 19).await.unwrap(), None);
        while checkpoint::sweep(&db, shard(), 4).await.unwrap() == Some(true) {}
        assert_eq!(checkpoint::part(&db, shard(), 10, 0).await.unwrap(), None);
        assert_eq!(checkpoint::part(&db, shard(), 20, 2).await.unwrap(), Some(b"y".to_vec()));

        // Only checkpoints that are not to last are ever removed.
        let lasting = merkle::Signed { lasting: true, ..gain(9, "e").signed };
        assert!(merkle::advance(&db, shard(), 4, &merkle::Gain { signed: lasting, ..gain(9, "e") }).await.unwrap());
        assert!(merkle::advance(&db, shard(), 4, &gain(12, "f")).await.unwrap());
        merkle::thin(&db, shard(), bursar_types::Timestamp::from_micros(12)).await.unwrap();
        let kept = merkle::signed_from(&db, shard(), 1).await.unwrap();
        assert_eq!(kept.iter().map(|(size, _)| *size).collect::<Vec<_>>(), [9, 12]);
        db.close().await;
    }

    async fn a_state_that_cannot_be_used_costs_time_only(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let accounts = pair(&node).await;
        transfers(&node, &accounts, 60).await;
        let before = node.handle.read(|engine, position| (engine.snapshot(), position)).await.unwrap();
        let sequence = { let row = node.handle.read(|_, position| position); row.await.unwrap() };
        node.stop().await;

        // An orderly stop leaves the state of the journal's end.
        let node = world.node().await;
        let newest = async |most| checkpoint::newest(&node.db, shard(), most).await.unwrap();
        let (stored, parts) = newest(i64::MAX).await.unwrap();
        let at = journal::head_at(&node.db, shard(), stored).await.unwrap().unwrap();
        assert_eq!((at.position, parts), (sequence, 1));
        // Its only part is another one's, as after a fault of the disk.
        let changed = sql(&node.db, "UPDATE checkpoint_part SET body = (SELECT hash FROM merkle_log)").await;
        assert!(changed >= 1, "{changed}");
        drop(node);
        world.clock.advance(Duration::from_secs(3));
        let node = world.node().await;
        let after = node.handle.read(|engine, position| (engine.snapshot(), position)).await.unwrap();
        assert_eq!(after, before);
        everything_is_proven(&world, &node).await;
        // And one of which a part is missing.
        node.stop().await;
        let node = world.node().await;
        assert!(sql(&node.db, "DELETE FROM checkpoint_part").await >= 1);
        drop(node);
        world.clock.advance(Duration::from_secs(3));
        let node = world.node().await;
        let after = node.handle.read(|engine, position| (engine.snapshot(), position)).await.unwrap();
        assert_eq!(after, before);
        node.stop().await;
    }

    async fn the_schema_comes_forward_from_the_first_release(database: TestDatabase) {
        let old = database.open(&crate::store::MIGRATIONS[..1]).await;
        let insert = "INSERT INTO checkpoint (shard, sequence, part, parts, body)
                      SELECT 'prog_00000000000000000000000001', 3, 0, 1, digest FROM bursar_schema_history
                      WHERE module = 'service'";
        assert_eq!(sql(&old, insert).await, 1);
        old.close().await;
        // A state of the first release is none any more; the journal is the truth.
        let new = database.open(crate::store::MIGRATIONS).await;
        assert_eq!(checkpoint::newest(&new, shard(), i64::MAX).await.unwrap(), None);
        new.close().await;
        let world = World::new(database);
        let node = world.node().await;
        let accounts = pair(&node).await;
        transfers(&node, &accounts, 10).await;
        everything_is_proven(&world, &node).await;
        node.stop().await;
    }
}
