//! Keys under the root: a new one at once, the records under it in the background, the old one destroyed at the end.

use std::time::Duration;

use bursar_proto::vault::v1::RotateKeyResponse;
use bursar_service::db::Isolation;
use bursar_service::idempotency::{self, Scope};
use bursar_types::RequestId;
use prost::Message as _;

use super::Vault;
use crate::audit::{Actor, AuditRecord, Operation, Outcome};
use crate::crypto::record::{self, Keks as _};
use crate::error::VaultError;
use crate::keys::{KeyState, Purpose, StoredKey};
use crate::store;
use crate::store::rewrap::{Job, Moved};

/// Records that are rewrapped in one transaction. It holds the end of the audit log: payments wait so long.
pub(crate) const REWRAP_BATCH: i64 = 256;
/// Wait for a job, if nothing told of one.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A key, and how many records are under it.
#[derive(Clone, Debug)]
pub(crate) struct CountedKey {
    pub(crate) key: StoredKey,
    pub(crate) records: i64,
}

fn name(purpose: Purpose, version: u32) -> String {
    format!("{}/{version}", purpose.as_str())
}

impl Vault {
    /// All keys.
    pub(crate) async fn list_keys(&self) -> Result<Vec<CountedKey>, VaultError> {
        self.keys.ring()?;
        self.db
            .read(|tx| {
                Box::pin(async move {
                    let mut counted = Vec::new();
                    for key in store::keys::all(tx).await? {
                        let records = store::rewrap::count(tx, key.purpose, key.version).await?;
                        counted.push(CountedKey { key, records });
                    }
                    Ok(counted)
                })
            })
            .await
    }

    /// Makes a new primary key; the one before still opens.
    pub(crate) async fn rotate_key(
        &self,
        actor: &Actor,
        request_id: RequestId,
        digest: [u8; 32],
        purpose: Purpose,
    ) -> Result<u32, VaultError> {
        let outcome = self.try_rotate(actor, request_id, digest, purpose).await;
        let version = self.audited(actor, Operation::RotateKey, purpose.as_str(), outcome).await?;
        self.refresh_keys().await?;
        Ok(version)
    }

    async fn try_rotate(
        &self,
        actor: &Actor,
        request_id: RequestId,
        digest: [u8; 32],
        purpose: Purpose,
    ) -> Result<u32, VaultError> {
        let ring = self.keys.ring()?;
        let now = self.now();
        let scope = Scope { method: "RotateKey", principal: &actor.principal };
        let root = ring.root();
        let response = self
            .db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move {
                    let head = store::audit::lock(tx).await?;
                    idempotency::once(tx, scope, request_id, digest, |tx| {
                        Box::pin(async move {
                            let stored = store::keys::all(tx).await?;
                            let versions =
                                stored.iter().filter(|key| key.purpose == purpose).map(|key| key.version);
                            let version = versions.max().unwrap_or(0) + 1;
                            let fresh = StoredKey::fresh(root, purpose, version, now)?;
                            store::keys::demote(tx, purpose).await?;
                            store::keys::insert(tx, &fresh).await?;
                            store::audit::bump_keys(tx).await?;
                            let subject = name(purpose, version);
                            let record = AuditRecord::new(
                                now,
                                actor,
                                Operation::RotateKey,
                                subject,
                                Outcome::Allowed,
                                "",
                            );
                            store::audit::append_to(tx, head, &[record]).await?;
                            let version = i32::try_from(version).unwrap_or(i32::MAX);
                            Ok::<_, VaultError>(RotateKeyResponse { version }.encode_to_vec())
                        })
                    })
                    .await
                })
            })
            .await?;
        let response = RotateKeyResponse::decode(response.as_slice())
            .map_err(|_| VaultError::Corrupt("a stored response of RotateKey"))?;
        Ok(response.version.unsigned_abs())
    }

    /// Destroys a key under which nothing is any more.
    pub(crate) async fn retire_key(
        &self,
        actor: &Actor,
        request_id: RequestId,
        digest: [u8; 32],
        purpose: Purpose,
        version: u32,
    ) -> Result<(), VaultError> {
        self.keys.ring()?;
        let now = self.now();
        let scope = Scope { method: "RetireKey", principal: &actor.principal };
        let outcome = self
            .db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move {
                    // Who seals something new has the end of the log, and looks whether the keys are still those it knows.
                    let head = store::audit::lock(tx).await?;
                    idempotency::once(tx, scope, request_id, digest, |tx| {
                        Box::pin(async move {
                            let key = store::keys::find(tx, purpose, "", version)
                                .await?
                                .ok_or(VaultError::NotFound { what: "key" })?;
                            if key.state != KeyState::Active {
                                return Err(VaultError::WrongState(
                                    "only a key that is active, and not primary, can be retired",
                                ));
                            }
                            if store::rewrap::count(tx, purpose, version).await? > 0 {
                                return Err(VaultError::WrongState(
                                    "records are still under this key: rewrap them first",
                                ));
                            }
                            store::keys::destroy(tx, purpose, version).await?;
                            store::audit::bump_keys(tx).await?;
                            let subject = name(purpose, version);
                            let record = AuditRecord::new(
                                now,
                                actor,
                                Operation::RetireKey,
                                subject,
                                Outcome::Allowed,
                                "",
                            );
                            store::audit::append_to(tx, head, &[record]).await?;
                            Ok::<_, VaultError>(Vec::new())
                        })
                    })
                    .await
                    .map(drop)
                })
            })
            .await;
        self.audited(actor, Operation::RetireKey, &name(purpose, version), outcome).await?;
        self.refresh_keys().await
    }

    /// Has all records wrapped under the primary key.
    pub(crate) async fn start_rewrap(&self, actor: &Actor) -> Result<Job, VaultError> {
        let ring = self.keys.ring()?;
        let (version, _) = ring.active();
        let now = self.now();
        let subject = name(Purpose::Kek, version);
        let record = AuditRecord::new(now, actor, Operation::Rewrap, subject, Outcome::Allowed, "begun");
        let record = &record;
        let job = self
            .db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move {
                    store::rewrap::begin(tx, version).await?;
                    store::audit::append(tx, record).await?;
                    store::rewrap::counted_job(tx).await
                })
            })
            .await?;
        self.rewrap_begun.notify_one();
        job.ok_or(VaultError::Corrupt("a job that was begun is not there"))
    }

    /// How far the newest rewrap is.
    pub(crate) async fn rewrap_status(&self) -> Result<Job, VaultError> {
        let job = self.db.read(|tx| Box::pin(async move { store::rewrap::counted_job(tx).await })).await?;
        job.ok_or(VaultError::NotFound { what: "rewrap" })
    }

    /// Works on a job that there may be, to its end, and then waits for another.
    pub(crate) async fn run_rewrap(&self) -> Result<(), VaultError> {
        while let Some(moved) = self.rewrap_batch().await? {
            if moved == 0 {
                break;
            }
            // Payments have the processor and the disk for the rest of the time.
            let each = f64::from(self.rewrap_per_second.max(1)).recip();
            tokio::time::sleep(Duration::from_secs_f64(moved as f64 * each)).await;
        }
        let _ = tokio::time::timeout(LOOK_EVERY, self.rewrap_begun.notified()).await;
        Ok(())
    }

    /// Moves some records; how many. `None`: there is no job, or the vault is sealed.
    pub(crate) async fn rewrap_batch(&self) -> Result<Option<u64>, VaultError> {
        self.refresh_keys().await?;
        let Ok(ring) = self.keys.ring() else { return Ok(None) };
        let ring = &*ring;
        let now = self.now();
        self.db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move {
                    // So that no key is retired, and no card purged, while its data key is in our hands.
                    let head = store::audit::lock(tx).await?;
                    let Some(job) = store::rewrap::job(tx).await?.filter(|job| job.running) else {
                        return Ok(None);
                    };
                    let (version, _) = ring.active();
                    if head.keys() != ring.generation() {
                        return Err(VaultError::KeysChanged);
                    }
                    let rows = store::rewrap::page(tx, version, REWRAP_BATCH).await?;
                    let mut moved = Vec::with_capacity(rows.len());
                    for row in rows {
                        let wrapped = record::rewrap(ring, &row.wrapped)?;
                        moved.push(Moved { wrapped, ..row });
                    }
                    let count = moved.len() as u64;
                    store::rewrap::put(tx, version, moved).await?;
                    if count == 0 {
                        store::rewrap::finish(tx).await?;
                        let reason = format!("{} records", job.done);
                        let actor = Actor::vault();
                        let subject = name(Purpose::Kek, version);
                        let record = AuditRecord::new(
                            now,
                            &actor,
                            Operation::Rewrap,
                            subject,
                            Outcome::Allowed,
                            reason,
                        );
                        store::audit::append_to(tx, head, &[record]).await?;
                    } else {
                        store::rewrap::count_done(tx, count).await?;
                    }
                    Ok(Some(count))
                })
            })
            .await
    }
}
