//! What the follower finds, and what proves nothing any more.

use super::*;

/// A journal whose rows are changed on their way to the disk, while the writer goes on with what it decided.
#[derive(Debug)]
struct Forger {
    inner: SqlJournal,
    forge: fn(&mut Row) -> bool,
    /// Whether it was done, and the hash of the last row as it stands in the database.
    state: Mutex<(bool, Option<Hash>)>,
}

impl Forger {
    fn with(forge: fn(&mut Row) -> bool) -> impl FnOnce(Db) -> Arc<dyn JournalStore> {
        move |db| Arc::new(Self { inner: SqlJournal(db), forge, state: Mutex::default() })
    }
}

impl JournalStore for Forger {
    fn append(&self, shard: ProgramId, mut row: Row) -> BoxFuture<'_, Result<Appended, DbError>> {
        {
            let mut state = self.state.lock().unwrap();
            if let Some(previous) = state.1 {
                row.previous = previous;
                row.hash = row.computed_hash(shard);
            }
            if !state.0 {
                state.0 = (self.forge)(&mut row);
            }
            state.1 = state.0.then_some(row.hash);
        }
        self.inner.append(shard, row)
    }
}

/// Changes what became of the first transfer, hash and chain with it: only deciding it again shows it.
fn other_outcome(row: &mut Row) -> bool {
    let entry = Entry::decode(&row.entry).unwrap();
    let mut done = false;
    let mut changed = EntryWriter::new();
    for mut record in entry.records {
        if let Outcome::Transferred(transferred) = &mut record.outcome {
            transferred.credit.balances.posted_credits += 1;
            done = true;
        }
        changed.push(&record);
    }
    if done {
        row.entry = changed.finish();
        row.hash = row.computed_hash(SHARD.parse().unwrap());
    }
    done
}

/// Changes a byte of the first transfer's row and nothing else.
fn other_byte(row: &mut Row) -> bool {
    let entry = Entry::decode(&row.entry).unwrap();
    let is_transfer = entry.records.iter().any(|record| matches!(record.outcome, Outcome::Transferred(_)));
    if is_transfer {
        let last = row.entry.len() - 1;
        row.entry[last] ^= 1;
    }
    is_transfer
}

on_both_databases! {
    async fn an_outcome_that_was_changed_on_its_way_is_found_and_named(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node_on(Forger::with(other_outcome)).await;
        let accounts = pair(&node).await;
        let good = head(&node).await;
        transfers(&node, &accounts, 1).await;
        eventually("the follower finds it", async || !node.handle.shared.followed.findings().is_empty()).await;
        let findings = node.handle.shared.followed.findings();
        let (at, row) = (good + 1, good + 1);
        assert_eq!(findings[0].invariant, "journal_outcomes");
        let expected = format!("journal row {row}: position {at} is now decided otherwise than it was");
        assert_eq!(findings[0].detail, expected);

        // The ledger goes on serving, and nothing from there on is signed.
        transfers(&node, &accounts, 30).await;
        let newest = checkpoint_of(&node, 0).await.unwrap();
        assert_eq!(newest.size, good);
        check_checkpoint(&newest, &world.trust()).unwrap();
        let refused = checkpoint_of(&node, good + 1).await.unwrap_err();
        assert_eq!((reason(&refused), refused.code()), ("DATA_CORRUPT", tonic::Code::DataLoss));
        let told = invariants(&node).await;
        let outcomes = told.invariants.iter().find(|invariant| invariant.name == "journal_outcomes").unwrap();
        assert_eq!((outcomes.holds, &outcomes.findings), (false, &vec![expected]));
        assert_eq!(told.verified_position, good);
        node.stop().await;
    }

    async fn a_byte_that_was_changed_on_its_way_is_found_and_named(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node_on(Forger::with(other_byte)).await;
        let accounts = pair(&node).await;
        let good = head(&node).await;
        transfers(&node, &accounts, 1).await;
        eventually("the follower finds it", async || !node.handle.shared.followed.findings().is_empty()).await;
        let findings = node.handle.shared.followed.findings();
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].invariant, "journal_chain");
        assert_eq!(
            findings[0].detail,
            format!("journal row {}: its content does not have its hash", good + 1)
        );
        node.stop().await;
    }

    async fn a_flipped_tile_proves_nothing(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let accounts = pair(&node).await;
        transfers(&node, &accounts, 300).await;
        everything_is_proven(&world, &node).await;
        let size = checkpoint_of(&node, head(&node).await).await.unwrap().size;
        let read = async |tile: i64| {
            let row = node.db.read(|tx| Box::pin(async move {
                let query = tx.query("SELECT hashes FROM merkle_tile WHERE level = 0 AND tile = $1");
                query.bind(tile).fetch_one().await
            }));
            row.await.map_err(|error: DbError| error.to_string()).unwrap().get::<Vec<u8>>("hashes").unwrap()
        };
        let write = async |tile: i64, hashes: &Vec<u8>| {
            let written = node.db.write(|tx| Box::pin(async move {
                let query = tx.query("UPDATE merkle_tile SET hashes = $1 WHERE level = 0 AND tile = $2");
                query.bind(hashes).bind(tile).execute().await
            }));
            written.await.map_err(|error: DbError| error.to_string()).unwrap();
        };
        // Position 7 is leaf 6, whose sibling is leaf 7.
        let whole = read(0).await;
        let mut flipped = whole.clone();
        flipped[7 * 32 + 3] ^= 0x10;
        write(0, &flipped).await;
        for (position, holds) in [(7, false), (8, false), (size, true)] {
            match inclusion(&node, position, size).await {
                Ok(_) => assert!(holds, "position {position}"),
                Err(status) => assert_eq!((holds, reason(&status)), (false, "DATA_CORRUPT")),
            }
        }
        // An old log's root stands on the flipped hash too.
        assert_eq!(reason(&consistency(&node, 20, 0).await.unwrap_err()), "DATA_CORRUPT");
        assert_eq!(reason(&inclusion(&node, 2, 20).await.unwrap_err()), "DATA_CORRUPT");
        // A tile that is too short, or no hashes at all.
        for cut in [32 * 5, 17] {
            write(0, &whole[..cut].to_vec()).await;
            assert_eq!(reason(&inclusion(&node, 7, size).await.unwrap_err()), "DATA_CORRUPT");
        }
        write(0, &whole).await;
        inclusion(&node, 7, size).await.unwrap();

        // The tile that is not full is what a start goes on from.
        let mut open = read(1).await;
        open[3] ^= 0x10;
        write(1, &open).await;
        node.stop().await;
        let node = world.node().await;
        eventually("the follower finds it", async || !node.handle.shared.followed.findings().is_empty()).await;
        let findings = node.handle.shared.followed.findings();
        assert_eq!(findings[0].invariant, "merkle_log");
        assert!(findings[0].detail.contains("the tiles do not have the root"), "{findings:?}");
        transfers(&node, &accounts, 5).await;
        assert_eq!(checkpoint_of(&node, 0).await.unwrap().size, size);
        node.stop().await;
    }

    async fn a_log_that_is_made_anew_must_have_the_roots_that_were_signed(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let accounts = pair(&node).await;
        for _ in 0..4 {
            transfers(&node, &accounts, 70).await;
            checkpoint_of(&node, head(&node).await).await.unwrap();
        }
        node.stop().await;
        let node = world.node().await;
        let db = node.db.clone();
        // A follower that is still on its way would write down what is taken away under it.
        let head = head(&node).await;
        eventually("the follower is there", async || node.handle.shared.followed.verified() >= head).await;
        for table in ["DELETE FROM merkle_log", "DELETE FROM merkle_tile"] {
            assert!(sql(&db, table).await > 0);
        }
        drop(node);
        world.clock.advance(Duration::from_secs(3));
        let node = world.node().await;
        everything_is_proven(&world, &node).await;

        // Whoever changes what was signed is found the same way.
        let page = merkle::signed_from(&db, shard(), 1).await.unwrap();
        let (size, _) = page[page.len() - 2];
        sql(&db, "DELETE FROM merkle_log").await;
        sql(&db, "DELETE FROM merkle_tile").await;
        let changed = db.write(|tx| Box::pin(async move {
            let query = tx.query("UPDATE merkle_checkpoint SET root = $1 WHERE size = $2");
            query.bind([7_u8; 32]).bind(size).execute().await
        }));
        assert_eq!(changed.await.map_err(|error: DbError| error.to_string()).unwrap(), 1);
        drop(node);
        world.clock.advance(Duration::from_secs(3));
        let node = world.node().await;
        eventually("the follower finds it", async || !node.handle.shared.followed.findings().is_empty()).await;
        let findings = node.handle.shared.followed.findings();
        assert_eq!(findings[0].invariant, "merkle_log");
        assert_eq!(
            findings[0].detail,
            format!("the log of {size} positions: its root is not the one that was signed")
        );
        node.stop().await;
        db.close().await;
    }

    async fn a_row_that_was_changed_after_it_was_verified_has_no_receipt(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let accounts = pair(&node).await;
        let position = head(&node).await;
        checkpoint_of(&node, position).await.unwrap();
        let prove = async || {
            let proven = node.db.read(|tx| Box::pin(proofs::record(tx, shard(), position)));
            proven.await
        };
        prove().await.unwrap();
        sql(&node.db, "UPDATE journal SET time = time + 1 WHERE sequence = (SELECT MAX(sequence) FROM journal)").await;
        let refused = prove().await.unwrap_err();
        assert!(refused.to_string().contains(&format!("position {position} in journal row")), "{refused}");
        let _ = accounts;
        node.stop().await;
    }
}
