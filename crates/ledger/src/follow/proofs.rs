//! Proofs from the stored log. None leaves the process that does not lead to the newest signed root: where a hash was
//! changed, there is an error instead.

use std::collections::BTreeMap;

use bursar_service::db::Tx;
use bursar_transparency::tiles::{Place, TileId};
use bursar_transparency::{Node, Plan, verify_consistency, verify_inclusion};
use bursar_types::Timestamp;
use bursar_types::id::ProgramId;

use super::leaf;
use crate::error::LedgerError;
use crate::journal::{Hash, raw_records};
use crate::store::journal;
use crate::store::merkle::{self, Signed};

/// That a position is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Inclusion {
    /// Size of the log.
    pub(crate) size: i64,
    pub(crate) leaf: Hash,
    pub(crate) path: Vec<Hash>,
}

/// That one log is the beginning of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Consistency {
    /// Size of the newer log.
    pub(crate) new_size: i64,
    pub(crate) path: Vec<Hash>,
}

/// A position with everything to prove that it is in the log of `signed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proven {
    pub(crate) time: Timestamp,
    pub(crate) record: Vec<u8>,
    pub(crate) path: Vec<Hash>,
    pub(crate) signed: Signed,
}

fn damaged(what: impl std::fmt::Display) -> LedgerError {
    LedgerError::Damaged(format!("the Merkle log: {what}"))
}

fn number(size: i64) -> u64 {
    u64::try_from(size).unwrap_or(0)
}

/// The newest signed checkpoint.
pub(crate) async fn newest(tx: &mut Tx<'_>, shard: ProgramId) -> Result<Signed, LedgerError> {
    merkle::newest(tx, shard).await?.ok_or(LedgerError::NotFound("checkpoint: nothing is signed yet"))
}

/// A size that was asked for, if the newest log has as many positions; 0 asks for that itself.
fn within(field: &'static str, size: i64, newest: i64) -> Result<i64, LedgerError> {
    match size {
        0 => Ok(newest),
        size if size > newest => {
            let problem = format!("is {size}, and the newest checkpoint has {newest} positions");
            Err(LedgerError::NotInLog { field, problem })
        }
        size => Ok(size),
    }
}

/// The hashes of the stored log that some plans need.
struct Hashes(BTreeMap<TileId, Vec<Hash>>);

impl Hashes {
    /// Those of the plans' nodes and of `leaf`.
    async fn of(
        tx: &mut Tx<'_>,
        shard: ProgramId,
        plans: &[&Plan],
        leaf: Option<Node>,
    ) -> Result<Self, LedgerError> {
        let nodes = plans.iter().flat_map(|plan| plan.nodes()).chain(leaf);
        let ids: Vec<TileId> = nodes.filter_map(|node| Some(Place::of(node)?.tile)).collect();
        merkle::tiles(tx, shard, ids).await.map(Self)
    }

    fn node(&self, node: Node) -> Result<Hash, LedgerError> {
        let hash = Place::of(node).and_then(|place| place.hash(self.0.get(&place.tile)?));
        hash.ok_or_else(|| damaged(format_args!("node {} of level {} is missing", node.index, node.level)))
    }

    fn make(&self, plan: &Plan) -> Result<Vec<Hash>, LedgerError> {
        plan.hashes(|node| self.node(node))
    }

    fn root(&self, plan: &Plan) -> Result<Hash, LedgerError> {
        let roots = self.make(plan)?;
        roots.first().copied().ok_or_else(|| damaged("a root is missing"))
    }
}

fn planned<T>(plan: Result<T, bursar_transparency::OutOfRange>) -> Result<T, LedgerError> {
    plan.map_err(damaged)
}

/// A size of the log with what shows that it is the beginning of the signed one.
struct Beginning {
    size: i64,
    root: Plan,
    consistency: Plan,
}

impl Beginning {
    fn plan(size: i64, signed: &Signed) -> Result<Self, LedgerError> {
        let root = planned(Plan::root(number(size)))?;
        let consistency = planned(Plan::consistency(number(size), number(signed.size)))?;
        Ok(Self { size, root, consistency })
    }

    /// The root, if the signed log begins with it.
    fn root(&self, hashes: &Hashes, signed: &Signed) -> Result<Hash, LedgerError> {
        let (root, path) = (hashes.root(&self.root)?, hashes.make(&self.consistency)?);
        verify_consistency(number(self.size), &root, number(signed.size), &signed.root, &path)
            .map_err(damaged)?;
        Ok(root)
    }
}

/// Proves that `position` is in the log of `size` positions; 0: that of the newest checkpoint.
pub(crate) async fn inclusion(
    tx: &mut Tx<'_>,
    shard: ProgramId,
    position: i64,
    size: i64,
) -> Result<Inclusion, LedgerError> {
    let signed = newest(tx, shard).await?;
    let size = within("size", size, signed.size)?;
    if position > size {
        let problem = format!("is {position}, and the log has {size} positions");
        return Err(LedgerError::NotInLog { field: "position", problem });
    }
    let index = number(position - 1);
    let path = planned(Plan::inclusion(index, number(size)))?;
    let beginning = Beginning::plan(size, &signed)?;
    let leaf = Node { level: 0, index };
    let plans = [&path, &beginning.root, &beginning.consistency];
    let hashes = Hashes::of(tx, shard, &plans, Some(leaf)).await?;
    let leaf = hashes.node(leaf)?;
    let (root, path) = (beginning.root(&hashes, &signed)?, hashes.make(&path)?);
    verify_inclusion(&leaf, index, number(size), &path, &root).map_err(damaged)?;
    Ok(Inclusion { size, leaf, path })
}

/// Proves that the log of `old` positions is the beginning of that of `new`; 0: that of the newest checkpoint.
pub(crate) async fn consistency(
    tx: &mut Tx<'_>,
    shard: ProgramId,
    old: i64,
    new: i64,
) -> Result<Consistency, LedgerError> {
    let signed = newest(tx, shard).await?;
    let new_size = within("new_size", new, signed.size)?;
    if old > new_size {
        let problem = format!("is {old}, and the newer log has {new_size} positions");
        return Err(LedgerError::NotInLog { field: "old_size", problem });
    }
    let path = planned(Plan::consistency(number(old), number(new_size)))?;
    let (older, newer) = (Beginning::plan(old, &signed)?, Beginning::plan(new_size, &signed)?);
    let plans = [&path, &older.root, &older.consistency, &newer.root, &newer.consistency];
    let hashes = Hashes::of(tx, shard, &plans, None).await?;
    let (old_root, new_root) = (older.root(&hashes, &signed)?, newer.root(&hashes, &signed)?);
    let path = hashes.make(&path)?;
    verify_consistency(number(old), &old_root, number(new_size), &new_root, &path).map_err(damaged)?;
    Ok(Consistency { new_size, path })
}

/// The record of `position` with its proof in the newest checkpoint's log.
pub(crate) async fn record(tx: &mut Tx<'_>, shard: ProgramId, position: i64) -> Result<Proven, LedgerError> {
    let signed = newest(tx, shard).await?;
    let row = journal::holding(tx, shard, position).await?;
    let row = row.ok_or_else(|| LedgerError::Damaged(format!("no journal row holds position {position}")))?;
    let ordinal = usize::try_from(position - row.first_position).ok();
    let records = raw_records(&row.entry)?;
    let record = ordinal.and_then(|ordinal| records.get(ordinal).copied()).ok_or_else(|| {
        LedgerError::Damaged(format!("journal row {} does not hold position {position}", row.sequence))
    })?;
    let index = number(position - 1);
    let path = planned(Plan::inclusion(index, number(signed.size)))?;
    let path = Hashes::of(tx, shard, &[&path], None).await?.make(&path)?;
    let leaf = leaf(shard, position, row.time, record);
    if verify_inclusion(&leaf, index, number(signed.size), &path, &signed.root).is_err() {
        let what = "is not what the Merkle log says it was";
        return Err(LedgerError::Damaged(format!(
            "position {position} in journal row {}: {what}",
            row.sequence
        )));
    }
    Ok(Proven { time: row.time, record: record.to_vec(), path, signed })
}
