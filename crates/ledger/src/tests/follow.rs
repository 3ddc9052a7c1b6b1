//! The journal's follower: what it proves, what it finds, and where it goes on.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bursar_ledger_engine::Outcome;
use bursar_proto::ledger::v1 as proto;
use bursar_proto::ledger::v1::books_service_server::BooksService as _;
use bursar_proto::ledger::v1::transfer_service_server::TransferService as _;
use bursar_service::Identity;
use bursar_service::db::{Db, DbError};
use bursar_testkit::on_both_databases;
use bursar_transparency::{Hash, verify_consistency, verify_inclusion};
use bursar_types::id::ProgramId;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tonic::Status;

use super::world::{Node, World, by, customer, eventually, reason, uuid, yuan};
use crate::follow::{leaf, proofs};
use crate::journal::{Entry, EntryWriter, Head, Row, raw_records};
use crate::receipt::{CheckedLog, check_checkpoint, check_consistency};
use crate::store::journal::Appended;
use crate::store::{checkpoint, journal, merkle};
use crate::writer::{JournalStore, SqlJournal};

const SHARD: &str = "prog_00000000000000000000000001";

fn shard() -> ProgramId {
    SHARD.parse().unwrap()
}

/// Two accounts, the first of which has money.
async fn pair(node: &Node) -> (proto::Account, proto::Account) {
    let (a, b) = (node.account(customer()).await, node.account(customer()).await);
    node.top_up(&a.funding_reference, 1_000_000).await;
    (a, b)
}

/// Makes `count` transfers, many at a time.
async fn transfers(node: &Node, accounts: &(proto::Account, proto::Account), count: usize) {
    let make = |_| {
        let message = proto::CreateTransferRequest {
            request_id: uuid(),
            debit_account_id: accounts.0.account_id.clone(),
            credit_account_id: accounts.1.account_id.clone(),
            amount: yuan(1),
            ..Default::default()
        };
        node.api.create_transfer(by(Identity::Operator, message))
    };
    let mut left = 0..count;
    let mut flying: FuturesUnordered<_> = left.by_ref().take(64).map(make).collect();
    while let Some(made) = flying.next().await {
        made.unwrap();
        flying.extend(left.next().map(make));
    }
}

async fn head(node: &Node) -> i64 {
    node.handle.read(|_, position| position).await.unwrap()
}

async fn checkpoint_of(node: &Node, at_least_size: i64) -> Result<proto::Checkpoint, Status> {
    let answer =
        node.api.get_checkpoint(by(Identity::Operator, proto::GetCheckpointRequest { at_least_size }));
    Ok(answer.await?.into_inner().checkpoint.unwrap())
}

async fn inclusion(
    node: &Node,
    position: i64,
    size: i64,
) -> Result<proto::GetInclusionProofResponse, Status> {
    let request = proto::GetInclusionProofRequest { position, size };
    Ok(node.api.get_inclusion_proof(by(Identity::Operator, request)).await?.into_inner())
}

async fn consistency(node: &Node, old: i64, new: i64) -> Result<proto::GetConsistencyProofResponse, Status> {
    let request = proto::GetConsistencyProofRequest { old_size: old, new_size: new };
    Ok(node.api.get_consistency_proof(by(Identity::Operator, request)).await?.into_inner())
}

async fn invariants(node: &Node) -> proto::ListInvariantsResponse {
    let answer = node.api.list_invariants(by(Identity::Operator, proto::ListInvariantsRequest {}));
    answer.await.unwrap().into_inner()
}

fn hashes(path: &[Vec<u8>]) -> Vec<Hash> {
    path.iter().map(|hash| hash.as_slice().try_into().unwrap()).collect()
}

fn number(value: i64) -> u64 {
    u64::try_from(value).unwrap()
}

/// The leaves as the journal in the database has them.
async fn leaves(db: &Db) -> Vec<Hash> {
    let mut leaves = Vec::new();
    let mut after = 0;
    loop {
        let rows = journal::page(db, shard(), after).await.unwrap();
        let Some(last) = rows.last() else { return leaves };
        after = last.sequence;
        for row in &rows {
            let records = raw_records(&row.entry).unwrap();
            let placed = (row.first_position..).zip(records);
            leaves.extend(placed.map(|(position, record)| leaf(shard(), position, row.time, record)));
        }
    }
}

async fn sql(db: &Db, sql: &'static str) -> u64 {
    let changed = db.write(|tx| Box::pin(async move { tx.query(sql).execute().await }));
    changed.await.map_err(|error: DbError| error.to_string()).unwrap()
}

/// Everything the log should be, is: every position proven, every signed checkpoint good and of one history.
async fn everything_is_proven(world: &World, node: &Node) {
    let size = head(node).await;
    let newest = checkpoint_of(node, size).await.unwrap();
    let trust = world.trust();
    let log = check_checkpoint(&newest, &trust).unwrap();
    assert_eq!((log.size, log.program), (number(newest.size), shard()));
    let leaves = leaves(&node.db).await;
    assert!(number(newest.size) <= leaves.len() as u64);
    for position in 1..=newest.size {
        let proof = inclusion(node, position, newest.size).await.unwrap();
        let leaf = leaves[usize::try_from(position - 1).unwrap()];
        assert_eq!(proof.leaf_hash, leaf, "position {position}");
        let checked =
            verify_inclusion(&leaf, number(position - 1), log.size, &hashes(&proof.path), &log.root);
        assert_eq!(checked, Ok(()), "position {position} of {}", newest.size);
    }
    let mut older: Option<CheckedLog> = None;
    let mut from = 1;
    loop {
        let page = merkle::signed_from(&node.db, shard(), from).await.unwrap();
        let Some((last, _)) = page.last() else { break };
        from = last + 1;
        for (size, root) in page {
            let this = CheckedLog { size: number(size), root, ..log.clone() };
            if let Some(older) = &older {
                let old = i64::try_from(older.size).unwrap();
                let proof = consistency(node, old, size).await.unwrap();
                check_consistency(older, &this, &proof.path).unwrap();
            }
            older = Some(this);
        }
    }
    assert!(older.unwrap().size >= number(newest.size));
    assert!(invariants(node).await.invariants.iter().all(|invariant| invariant.holds));
}

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
    async fn every_position_is_proven_over_restarts_in_the_middle_of_tiles(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let accounts = pair(&node).await;
        let small = checkpoint_of(&node, head(&node).await).await.unwrap();
        transfers(&node, &accounts, 200).await;
        everything_is_proven(&world, &node).await;
        node.stop().await;

        let node = world.node().await;
        transfers(&node, &accounts, 150).await;
        let middle = checkpoint_of(&node, head(&node).await).await.unwrap();
        transfers(&node, &accounts, 250).await;
        everything_is_proven(&world, &node).await;
        let size = head(&node).await;
        assert!(size > 600, "{size}");

        // Older logs prove what they hold, whether somebody signed them or not.
        let leaves = leaves(&node.db).await;
        for size in [small.size, 255, 256, 257, middle.size, 512, 513] {
            for position in [1, 2, size / 2, size - 1, size] {
                let proof = inclusion(&node, position, size).await.unwrap();
                let root = {
                    let mut tree = bursar_transparency::Tree::new();
                    let log = &leaves[..usize::try_from(size).unwrap()];
                    log.iter().for_each(|leaf| tree.append(*leaf, |_, _| {}).unwrap());
                    tree.root()
                };
                let leaf = leaves[usize::try_from(position - 1).unwrap()];
                let path = hashes(&proof.path);
                assert_eq!(verify_inclusion(&leaf, number(position - 1), number(size), &path, &root), Ok(()));
            }
        }
        let (old, new) = (world.trust(), checkpoint_of(&node, size).await.unwrap());
        let (old, new) = (check_checkpoint(&small, &old).unwrap(), check_checkpoint(&new, &world.trust()).unwrap());
        let proof = consistency(&node, small.size, 0).await.unwrap();
        assert_eq!(proof.new_size, new.size as i64);
        check_consistency(&old, &new, &proof.path).unwrap();
        assert!(verify_consistency(old.size, &new.root, new.size, &new.root, &hashes(&proof.path)).is_err());
        node.stop().await;
    }

    async fn what_the_log_does_not_have_is_told_by_its_field(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        pair(&node).await;
        let newest = checkpoint_of(&node, head(&node).await).await.unwrap();
        let field = |status: Status| {
            assert_eq!((reason(&status), status.code()), ("INVALID_FIELD", tonic::Code::InvalidArgument));
            let violations = bursar_service::error::violations_of(&status);
            violations.first().unwrap().field.clone()
        };
        for (position, size, expected) in [
            (0, 0, "position"),
            (-1, 0, "position"),
            (1, -1, "size"),
            (newest.size + 1, 0, "position"),
            (3, 2, "position"),
            (1, newest.size + 1, "size"),
            (i64::MAX, i64::MAX, "size"),
        ] {
            assert_eq!(field(inclusion(&node, position, size).await.unwrap_err()), expected);
        }
        for (old, new, expected) in [
            (0, 0, "old_size"),
            (1, -1, "new_size"),
            (newest.size + 1, 0, "old_size"),
            (3, 2, "old_size"),
            (1, newest.size + 1, "new_size"),
        ] {
            assert_eq!(field(consistency(&node, old, new).await.unwrap_err()), expected);
        }
        assert_eq!(field(checkpoint_of(&node, -1).await.unwrap_err()), "at_least_size");
        // Who waits for more than there is gives up with the deadline.
        let late = bursar_service::Deadline::after(Duration::from_millis(50));
        let refused = late.scope(checkpoint_of(&node, newest.size + 1)).await.unwrap_err();
        assert_eq!(reason(&refused), "DEADLINE_EXCEEDED");
        node.stop().await;
    }

    async fn the_invariants_are_told_by_name(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let accounts = pair(&node).await;
        transfers(&node, &accounts, 20).await;
        let size = head(&node).await;
        checkpoint_of(&node, size).await.unwrap();
        let told = invariants(&node).await;
        let names: Vec<&str> = told.invariants.iter().map(|invariant| invariant.name.as_str()).collect();
        assert_eq!(names[..4], ["journal_chain", "journal_outcomes", "merkle_log", "sum_zero"]);
        assert!(told.invariants.iter().all(|invariant| invariant.holds && !invariant.description.is_empty()));
        assert!(told.verified_position >= size, "{told:?}");
        assert!(told.checked_position > 0 && told.check_time.is_some(), "{told:?}");
        // Nothing newer than a minute is looked for again.
        assert_eq!(invariants(&node).await.check_time, told.check_time);
        node.stop().await;
    }

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

    async fn the_row_of_a_position_is_found_by_halving(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let accounts = pair(&node).await;
        transfers(&node, &accounts, 100).await;
        let size = head(&node).await;
        node.handle.projected(size).await.unwrap();
        for position in -1..=size + 3 {
            let row = node.db.read(|tx| Box::pin(journal::holding(tx, shard(), position)));
            let row = row.await.map_err(|error: DbError| error.to_string()).unwrap();
            let holds = row.is_some_and(|row| (row.first_position..=row.last_position()).contains(&position));
            assert_eq!(holds, (1..=size).contains(&position), "position {position}");
        }
        node.stop().await;
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
