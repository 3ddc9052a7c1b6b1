//! Signs what the audit log is: a checkpoint a second while there is something new, told to everyone who follows the
//! vault's events.
//!
//! The tiles that proofs are made of are made here too, of the records; a root that comes out of them and is not that of
//! the log's end means that records were changed behind the vault's back, and is never signed.

use std::sync::Arc;
use std::time::Duration;

use bursar_proto::vault::v1::AuditCheckpointed;
use bursar_service::db::{Isolation, Tx};
use bursar_service::events::NewEvent;
use bursar_service::token::TokenSigner;
use bursar_transparency::tiles::{Place, partial};
use bursar_transparency::{Checkpoint, Hash, Node, Plan, SignedCheckpoint, TiledTree};
use bursar_types::{Clock, Timestamp};

use super::check::{AUDIENCE, Claims, ORIGIN};
use crate::cases::Vault;
use crate::error::VaultError;
use crate::store::audit;
use crate::store::merkle::{self, Signed};

/// How often the log is signed while records come.
pub(crate) const EVERY: Duration = Duration::from_secs(1);
/// A checkpoint in so much time is kept for ever.
const LASTING_EVERY: Duration = Duration::from_secs(60 * 60);
/// How long the others are kept.
pub(crate) const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Records that are taken into the tiles in one transaction.
const TURN_MAX: u64 = 50_000;

const EDITED: VaultError = VaultError::Corrupt(
    "the audit log's records are not those that were written: someone changed the database",
);

/// Signs checkpoints.
#[derive(Clone, Debug)]
pub(crate) struct Notary {
    signer: TokenSigner,
    /// The machine's: certificates live in its time, and nobody moves it.
    clock: Arc<dyn Clock>,
    origin: String,
}

/// A proof about the log.
#[derive(Clone, Debug)]
pub(crate) struct Proof {
    pub(crate) size: i64,
    pub(crate) leaf: Option<Hash>,
    pub(crate) path: Vec<Hash>,
}

impl Notary {
    pub(crate) fn new(signer: TokenSigner, clock: Arc<dyn Clock>, log_id: &str) -> Self {
        Self { signer, clock, origin: format!("{ORIGIN}{log_id}") }
    }

    fn sign(&self, size: u64, root: Hash, last_lasting: Option<Timestamp>) -> Result<Signed, VaultError> {
        let time = self.clock.now();
        let checkpoint = Checkpoint { origin: self.origin.clone(), size, root, time };
        let signature = self.signer.state(AUDIENCE, time, &Claims::of(&checkpoint))?;
        let text = SignedCheckpoint { checkpoint, signature }.to_string();
        let lasting = last_lasting.is_none_or(|last| time.since(last) >= LASTING_EVERY);
        Ok(Signed { size: number(size)?, root, time, lasting, text })
    }
}

fn number(size: u64) -> Result<i64, VaultError> {
    i64::try_from(size).map_err(|_| VaultError::Corrupt("the audit log's size"))
}

impl Vault {
    /// Takes the records that are new into the tiles, and signs. Gives the newest checkpoint, if there is a record.
    pub(crate) async fn notarize(&self) -> Result<Option<Signed>, VaultError> {
        loop {
            let turn = self
                .db
                .write_at(Isolation::ReadCommitted, |tx| Box::pin(async move { self.turn(tx).await }))
                .await;
            if let Err(VaultError::Corrupt(what)) = &turn {
                metrics::gauge!("bursar_vault_audit_broken").set(1.0);
                tracing::error!(what, "the audit log is not signed any more");
            }
            if let Some(signed) = turn? {
                return Ok(signed);
            }
        }
    }

    /// One transaction of it; `None` if there is more to do.
    async fn turn(&self, tx: &mut Tx<'_>) -> Result<Option<Option<Signed>>, VaultError> {
        let size = merkle::lock(tx).await?;
        let end = audit::head(tx).await?;
        let newest = merkle::newest(tx).await?;
        if end.size() < size
            || newest.as_ref().is_some_and(|newest| newest.size > number(end.size()).unwrap_or(0))
        {
            return Err(EDITED);
        }
        if end.size() == size && newest.as_ref().map_or(0, |newest| newest.size) == number(size)? {
            return Ok(Some(newest));
        }
        let kept = merkle::tiles(tx, partial(size).map(|(id, _)| id)).await?;
        let mut tree = TiledTree::restore(size, kept).map_err(|_| EDITED)?;
        while tree.size() < end.size().min(size + TURN_MAX) {
            let leaves = audit::leaves(tx, tree.size(), end.size()).await?;
            if leaves.is_empty() {
                return Err(EDITED);
            }
            for leaf in leaves {
                tree.append(leaf).map_err(|_| EDITED)?;
            }
        }
        let changed: Vec<_> = tree.changed().map(|(id, hashes)| (id, hashes.concat())).collect();
        merkle::put(tx, tree.size(), &changed).await?;
        if tree.size() < end.size() {
            return Ok(None);
        }
        if tree.root() != end.root() {
            return Err(EDITED);
        }
        let signed = self.notary.sign(tree.size(), tree.root(), merkle::last_lasting(tx).await?)?;
        merkle::insert(tx, &signed).await?;
        let told = AuditCheckpointed {
            text: signed.text.clone(),
            size: signed.size,
            root_hash: signed.root.to_vec(),
        };
        self.events.publish(tx, NewEvent::new("vault.audit.checkpoint", &self.notary.origin, &told))?;
        Ok(Some(Some(signed)))
    }

    /// The newest checkpoint of at least `wanted` records; signed now if it must be.
    pub(crate) async fn checkpoint(&self, wanted: i64) -> Result<Signed, VaultError> {
        let newest = self.db.read(|tx| Box::pin(async move { merkle::newest(tx).await })).await?;
        let newest = match newest.filter(|newest| newest.size >= wanted.max(1)) {
            Some(newest) => Some(newest),
            None => self.notarize().await?,
        };
        newest.filter(|newest| newest.size >= wanted).ok_or(VaultError::NotFound { what: "audit checkpoint" })
    }

    /// The proof that record `index` is in the log of `size` records; 0: of the newest checkpoint, which is signed now if
    /// the record is newer.
    pub(crate) async fn inclusion(&self, index: u64, size: i64) -> Result<Proof, VaultError> {
        let least = i64::try_from(index).unwrap_or(i64::MAX).saturating_add(1);
        let size =
            if size == 0 { self.checkpoint(least).await?.size } else { self.size_or_newest(size).await? };
        let plan = Plan::inclusion(index, size.unsigned_abs())
            .map_err(|_| VaultError::NotFound { what: "audit record" })?;
        let leaf = Node { level: 0, index };
        self.prove(&plan, Some(leaf), size).await
    }

    /// The proof that the log of `old` records is the beginning of that of `new`; 0: of the newest checkpoint.
    pub(crate) async fn consistency(&self, old: u64, new: i64) -> Result<Proof, VaultError> {
        let new = self.size_or_newest(new).await?;
        let plan = Plan::consistency(old, new.unsigned_abs())
            .map_err(|_| VaultError::NotFound { what: "audit checkpoint" })?;
        self.prove(&plan, None, new).await
    }

    async fn size_or_newest(&self, size: i64) -> Result<i64, VaultError> {
        let newest = self.checkpoint(size).await?;
        Ok(if size == 0 { newest.size } else { size })
    }

    async fn prove(&self, plan: &Plan, leaf: Option<Node>, size: i64) -> Result<Proof, VaultError> {
        let missing = VaultError::Corrupt("a tile of the audit log is missing");
        let places: Option<Vec<Place>> = plan.nodes().chain(leaf).map(Place::of).collect();
        let places = places.ok_or(VaultError::NotFound { what: "audit record" })?;
        let ids: Vec<_> = places.iter().map(|place| place.tile).collect();
        let tiles = self.db.read(|tx| {
            let ids = ids.clone();
            Box::pin(async move { merkle::tiles(tx, ids).await })
        });
        let tiles = tiles.await?;
        let hash = |node| Place::of(node).and_then(|place| place.hash(tiles.get(&place.tile)?));
        let path = plan.hashes(|node| hash(node).ok_or(()));
        let path = path.map_err(|()| missing)?;
        Ok(Proof { size, leaf: leaf.and_then(hash), path })
    }

    /// Removes checkpoints that nobody will ask for.
    pub(crate) async fn thin_checkpoints(&self) -> Result<(), VaultError> {
        let before = self.notary.clock.now().minus(KEPT);
        self.db.write_at(Isolation::ReadCommitted, |tx| Box::pin(merkle::thin(tx, before))).await?;
        Ok(())
    }
}
