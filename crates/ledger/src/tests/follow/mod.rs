//! The journal's follower: what it proves, what it finds, and where it goes on.

mod findings;
mod proven;
mod recovery;

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
