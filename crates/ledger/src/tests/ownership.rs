//! Who owns the shard, and what happens when that, or a commit, is in doubt.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bursar_proto::ledger::v1 as proto;
use bursar_proto::ledger::v1::transfer_service_server::TransferService as _;
use bursar_service::Identity;
use bursar_service::db::{Db, DbError};
use bursar_testkit::on_both_databases;
use bursar_types::id::ProgramId;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::task::JoinSet;

use super::world::{Node, Wish, World, by, customer, eventually, reason, uuid, yuan};
use crate::journal::Row;
use crate::store::journal::Appended;
use crate::writer::{JournalStore, SqlJournal};

/// A journal that loses the answer of every seventh commit, fails every eleventh before it takes place, and is slow.
#[derive(Debug)]
struct Unreliable {
    inner: SqlJournal,
    appends: AtomicU32,
}

impl JournalStore for Unreliable {
    fn append(&self, shard: ProgramId, row: Row) -> BoxFuture<'_, Result<Appended, DbError>> {
        Box::pin(async move {
            let number = self.appends.fetch_add(1, Ordering::SeqCst);
            let lost = || DbError::OutcomeUnknown { what: "the answer was lost".into() };
            if number % 11 == 10 {
                return Err(lost());
            }
            let appended = self.inner.append(shard, row).await;
            tokio::time::sleep(Duration::from_millis(u64::from(number % 3))).await;
            if number % 7 == 6 { Err(lost()) } else { appended }
        })
    }
}

/// A journal that waits for leave before each append.
#[derive(Debug)]
pub(super) struct Gated(pub(super) SqlJournal, pub(super) Arc<tokio::sync::Semaphore>);

impl JournalStore for Gated {
    fn append(&self, shard: ProgramId, row: Row) -> BoxFuture<'_, Result<Appended, DbError>> {
        Box::pin(async move {
            self.1.acquire().await.unwrap().forget();
            self.0.append(shard, row).await
        })
    }
}

fn transfer(from: &proto::Account, to: &proto::Account, amount: i64) -> proto::CreateTransferRequest {
    proto::CreateTransferRequest {
        request_id: uuid(),
        debit_account_id: from.account_id.clone(),
        credit_account_id: to.account_id.clone(),
        amount: yuan(amount),
        ..Default::default()
    }
}

/// Asks until there is an answer that is not "ask again".
async fn persist(
    node: &Node,
    message: &proto::CreateTransferRequest,
) -> Result<proto::Transfer, tonic::Status> {
    loop {
        match node.api.create_transfer(by(Identity::Operator, message.clone())).await {
            Ok(answer) => return Ok(answer.into_inner().transfer.unwrap()),
            Err(status) if ["NOT_OWNER", "OVERLOADED"].contains(&reason(&status)) => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(status) => return Err(status),
        }
    }
}

on_both_databases! {
    async fn an_unknown_outcome_is_found_out(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let (a, b) = (node.account(customer()).await, node.account(customer()).await);
        node.top_up(&a.funding_reference, 1_000_000).await;
        node.stop().await;

        let unreliable = |db: Db| -> Arc<dyn JournalStore> {
            Arc::new(Unreliable { inner: SqlJournal(db), appends: AtomicU32::new(0) })
        };
        let (node, _) = world.waiting_node(unreliable).await;
        let node = Arc::new(node);
        let mut clients = JoinSet::new();
        for client in 0..8_i64 {
            let (node, a, b) = (Arc::clone(&node), a.clone(), b.clone());
            clients.spawn(async move {
                let mut sum = 0;
                for number in 0..25 {
                    let amount = 1 + client * 100 + number;
                    let message = transfer(&a, &b, amount);
                    let made = persist(&node, &message).await.unwrap();
                    // Whoever asks again gets the same transfer, not another.
                    assert_eq!(persist(&node, &message).await.unwrap(), made);
                    sum += amount;
                }
                sum
            });
        }
        let sum: i64 = clients.join_all().await.into_iter().sum();
        let node = Arc::into_inner(node).unwrap();
        node.stop().await;
        let node = world.node().await;
        assert_eq!(node.balance(&b.account_id).await.posted, sum);
        assert_eq!(node.balance(&a.account_id).await.posted, 1_000_000 - sum);
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;
    }

    async fn a_full_queue_says_so(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let (a, b) = (node.account(customer()).await, node.account(customer()).await);
        node.top_up(&a.funding_reference, 1_000).await;
        node.stop().await;
        let gate = Arc::new(tokio::sync::Semaphore::new(0));
        let (node, _) = world.waiting_node(|db| Arc::new(Gated(SqlJournal(db), Arc::clone(&gate)))).await;
        node.handle.ready().await;
        let calls = (0..200).map(|_| {
            node.api.create_transfer(by(Identity::Operator, transfer(&a, &b, 1)))
        });
        let mut answers: FuturesUnordered<_> = calls.collect();
        // Nothing is durable yet, so the first answers are those of the calls that did not fit.
        let refused = answers.next().await.unwrap().unwrap_err();
        assert_eq!((reason(&refused), refused.code()), ("OVERLOADED", tonic::Code::ResourceExhausted));
        assert!(bursar_service::error::retry_after_of(&refused).is_some());
        gate.add_permits(1_000);
        let mut made = 0;
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(_) => made += 1,
                Err(status) => assert_eq!(reason(&status), "OVERLOADED"),
            }
        }
        drop(answers);
        assert!(made > 0);
        assert_eq!(node.balance(&b.account_id).await.posted, made);
        node.stop().await;
    }

    async fn refusals_take_no_room(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let (a, b) = (node.account(customer()).await, node.account(customer()).await);
        node.top_up(&a.funding_reference, 10).await;
        // More than a batch and more than the queue hold, and nothing among them that is journaled.
        for _ in 0..3 {
            let calls = (0..100).map(|_| node.api.create_transfer(by(Identity::Operator, transfer(&b, &a, 1))));
            let mut answers: FuturesUnordered<_> = calls.collect();
            while let Some(answer) = answers.next().await {
                assert_eq!(reason(&answer.unwrap_err()), "INSUFFICIENT_FUNDS");
            }
        }
        node.api.create_transfer(by(Identity::Operator, transfer(&a, &b, 1))).await.unwrap();
        node.stop().await;
    }

    async fn a_stale_owner_cannot_write(database: TestDatabase) {
        let world = World::new(database);
        let first = world.node().await;
        let (a, b) = (first.account(customer()).await, first.account(customer()).await);
        first.top_up(&a.funding_reference, 1_000).await;

        // A second process waits while the first one's lease is in time.
        let (second, _) = world.waiting_node(|db| Arc::new(SqlJournal(db))).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let refused = second.api.create_transfer(by(Identity::Operator, transfer(&a, &b, 1))).await.unwrap_err();
        assert_eq!(reason(&refused), "NOT_OWNER");

        // The first one's lease runs out between two renewals; the second takes over.
        world.clock.advance(Duration::from_secs(3));
        let mut owner_lost = 0;
        eventually("one of the two owns the shard", async || {
            let message = transfer(&a, &b, 1);
            for node in [&first, &second] {
                match node.api.create_transfer(by(Identity::Operator, message.clone())).await {
                    Ok(_) => return true,
                    Err(status) => {
                        assert_eq!(reason(&status), "NOT_OWNER");
                        owner_lost += 1;
                    }
                }
            }
            false
        })
        .await;
        // They fight for a while; whoever owns it, nothing is booked twice or lost.
        let mut booked = 1;
        for round in 0..20 {
            if round % 5 == 0 {
                world.clock.advance(Duration::from_secs(3));
            }
            let message = transfer(&a, &b, 2);
            eventually("a transfer is booked", async || {
                for node in [&first, &second] {
                    if node.api.create_transfer(by(Identity::Operator, message.clone())).await.is_ok() {
                        return true;
                    }
                }
                false
            })
            .await;
            booked += 2;
        }
        first.stop().await;
        second.handle.ready().await;
        assert_eq!(second.balance(&b.account_id).await.posted, booked);
        assert_eq!(second.findings().await, Vec::<String>::new());
        second.stop().await;
    }

    async fn an_append_under_an_old_epoch_is_fenced(database: TestDatabase) {
        use crate::journal::{EntryWriter, Head, Record};
        use crate::store::{journal, lease};
        use bursar_ledger_engine::{Action, Actor, Command, Name, Outcome, Role};
        use bursar_types::{RequestId, Timestamp};

        let db = database.open(crate::store::MIGRATIONS).await;
        let shard: ProgramId = "prog_00000000000000000000000001".parse().unwrap();
        let (second, hour) = (Duration::from_secs(1), Timestamp::from_micros(3_600_000_000));
        let old = lease::acquire(&db, shard, "a", hour, second).await.unwrap().unwrap();
        assert_eq!(lease::acquire(&db, shard, "b", hour, second).await.unwrap(), None);
        let row = |head: &Head, epoch| {
            let actor = Actor { role: Role::Service, name: Name::default() };
            let request_id: RequestId = uuid().parse().unwrap();
            let command = Command { request_id, actor, action: Action::Tick { max: 1 } };
            let outcome = Outcome::Ticked { ended: 0, more: false };
            let mut entry = EntryWriter::new();
            entry.push(&Record { command, outcome, body: None, proof: None });
            head.next_row(shard, epoch, hour, entry)
        };
        let first = row(&Head::empty(), old.epoch);
        assert_eq!(journal::append(&db, shard, &first).await.unwrap(), Appended::Yes);
        // The same row again is not a second row.
        assert_eq!(journal::append(&db, shard, &first).await.unwrap(), Appended::Fenced);
        let later = hour.plus(Duration::from_secs(2));
        let new = lease::acquire(&db, shard, "b", later, second).await.unwrap().unwrap();
        assert!(new.epoch > old.epoch);
        assert!(!lease::renew(&db, shard, old.epoch, later).await.unwrap());
        let head = Head::after(&first);
        assert_eq!(journal::append(&db, shard, &row(&head, old.epoch)).await.unwrap(), Appended::Fenced);
        assert_eq!(journal::append(&db, shard, &row(&head, new.epoch)).await.unwrap(), Appended::Yes);
        assert_eq!(journal::page(&db, shard, 0).await.unwrap().len(), 2);
    }

    async fn a_restart_goes_on_from_a_checkpoint_and_without_one(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let holder = node.holder(10_000).await;
        let before = node.handle.read(|engine, position| (engine.snapshot(), position)).await.unwrap();
        node.stop().await;
        let node = world.node().await;
        let after = node.handle.read(|engine, position| (engine.snapshot(), position)).await.unwrap();
        assert_eq!(after, before);
        node.db
            .write(|tx| {
                Box::pin(async move { tx.query("DELETE FROM checkpoint").execute().await.map(drop) })
            })
            .await
            .map_err(|error: DbError| error.to_string())
            .unwrap();
        let wish = Wish::online(&holder.card, 1_234);
        node.pay(world.authorize(&wish)).await.unwrap();
        let before = node.handle.read(|engine, position| (engine.snapshot(), position)).await.unwrap();
        // Dropped without a stop, as if killed: no checkpoint, no release of the lease.
        let db = node.db.clone();
        drop(node);
        world.clock.advance(Duration::from_secs(3));
        let node = world.node().await;
        let after = node.handle.read(|engine, position| (engine.snapshot(), position)).await.unwrap();
        assert_eq!(after, before);
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;
        db.close().await;
    }
}
