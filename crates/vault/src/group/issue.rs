//! Cards that get their numbers together.
//!
//! A group is all or nothing, and goes through only if nothing about any of its cards is out of the ordinary: an id that
//! came before, a card that has a number, a range that is not there or nearly full. Else each is done alone, where there
//! is an answer for all of that.

use std::collections::{BTreeMap, HashSet};

use bursar_card_data::Pan;
use bursar_proto::vault::v1::{CardNumberIssued, IssueCardResponse};
use bursar_service::db::{DbError, Isolation, Tx};
use bursar_service::events::NewEvent;
use bursar_service::idempotency::{self, Noted, Scope};
use bursar_types::{RequestId, Timestamp};
use prost::Message as _;

use super::{Done, Inbox};
use crate::audit::{Actor, AuditRecord, Operation, Outcome};
use crate::cases::{self, NewCard, Vault};
use crate::crypto::record::Keks as _;
use crate::error::VaultError;
use crate::keys::{Fingerprint, KeyRing};
use crate::payment::allocate;
use crate::payment::range::{BinRangeId, RangeShape};
use crate::store;
use crate::store::cards::NewRow;

/// Cards of one group.
const GROUP_MAX: usize = 256;

/// A card that wants a number, and where the answer goes.
pub(crate) struct IssueJob {
    pub(crate) actor: Actor,
    pub(crate) request_id: RequestId,
    /// Of the request, as [`idempotency::body_digest`] makes it.
    pub(crate) digest: [u8; 32],
    pub(crate) wanted: NewCard,
    pub(crate) done: Done<IssueCardResponse>,
}

impl std::fmt::Debug for IssueJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssueJob").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

/// Why a group did not go through.
enum Stop {
    /// Something is out of the ordinary: one by one.
    Alone,
    Failed(VaultError),
}

impl<E: Into<VaultError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

pub(super) async fn run(vault: Vault, mut inbox: Inbox<IssueJob>) {
    loop {
        let jobs = inbox.take(GROUP_MAX).await;
        if jobs.is_empty() {
            return;
        }
        let mut outcome = vault.try_group(&jobs).await;
        if let Err(Stop::Failed(VaultError::KeysChanged)) = outcome {
            outcome = match vault.refresh_keys().await {
                Ok(()) => vault.try_group(&jobs).await,
                Err(error) => Err(error.into()),
            };
        }
        match outcome {
            Ok(responses) => {
                for (job, response) in jobs.into_iter().zip(responses) {
                    (job.done)(Ok(response));
                }
            }
            Err(Stop::Failed(error)) => super::fail(jobs.into_iter().map(|job| job.done), error),
            Err(Stop::Alone) => {
                for job in jobs {
                    let outcome =
                        vault.issue_alone(&job.actor, job.request_id, job.digest, &job.wanted).await;
                    (job.done)(outcome);
                }
            }
        }
    }
}

impl Vault {
    async fn try_group(&self, jobs: &[IssueJob]) -> Result<Vec<IssueCardResponse>, Stop> {
        let ring = self.keys.ring()?;
        self.issue_group(&ring, jobs).await
    }

    async fn issue_group(&self, ring: &KeyRing, jobs: &[IssueJob]) -> Result<Vec<IssueCardResponse>, Stop> {
        let now = self.now();
        self.db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move {
                    let head = store::audit::lock(tx).await?;
                    if head.keys() != ring.generation() {
                        return Err(VaultError::KeysChanged.into());
                    }
                    let numbers = self.free_numbers(tx, ring, jobs).await?;
                    let rows: Vec<NewRow> = jobs
                        .iter()
                        .zip(numbers)
                        .map(|(job, (pan, fingerprint))| {
                            let (card, sealed) = cases::sealed_card(ring, &job.wanted, &pan);
                            NewRow { card, sealed, fingerprint }
                        })
                        .collect();
                    let (kek_version, _) = ring.active();
                    if !store::cards::insert_all(tx, &rows, kek_version, now).await? {
                        return Err(Stop::Alone);
                    }
                    count_issued(tx, &rows).await?;
                    self.tell(tx, jobs)?;
                    let records: Vec<AuditRecord> = jobs.iter().map(|job| record(job, now)).collect();
                    store::audit::append_to(tx, head, &records).await?;
                    let responses: Vec<IssueCardResponse> = rows
                        .iter()
                        .map(|row| IssueCardResponse { card: Some(cases::card_message(&row.card)) })
                        .collect();
                    let noted = jobs.iter().zip(&responses).map(|(job, response)| Noted {
                        scope: Scope { method: cases::ISSUE, principal: &job.actor.principal },
                        request_id: job.request_id,
                        digest: job.digest,
                        response: response.encode_to_vec(),
                    });
                    if !idempotency::note_all(tx, noted.collect()).await? {
                        return Err(Stop::Alone);
                    }
                    Ok(responses)
                })
            })
            .await
    }

    /// A number for each, that nobody has. Who issues holds the end of the audit log, so none is taken meanwhile.
    async fn free_numbers(
        &self,
        tx: &mut Tx<'_>,
        ring: &KeyRing,
        jobs: &[IssueJob],
    ) -> Result<Vec<(Pan, Fingerprint)>, Stop> {
        let mut shapes: BTreeMap<&BinRangeId, RangeShape> = BTreeMap::new();
        for job in jobs {
            let range = &job.wanted.range;
            if !shapes.contains_key(range) {
                let shape = store::ranges::shape(tx, range).await?.ok_or(Stop::Alone)?;
                shapes.insert(range, shape);
            }
        }
        let mut drawn: Vec<Option<(Pan, Fingerprint)>> = jobs.iter().map(|_| None).collect();
        let mut ours: HashSet<[u8; 32]> = HashSet::with_capacity(jobs.len());
        for _ in 0..allocate::DRAWS_MAX {
            for (place, job) in drawn.iter_mut().zip(jobs).filter(|(place, _)| place.is_none()) {
                let shape = shapes.get(&job.wanted.range).ok_or(Stop::Alone)?;
                let pan = shape.number(allocate::draw(shape, &*self.entropy));
                let fingerprint = ring.fingerprint(&pan);
                if ours.insert(fingerprint.value) {
                    *place = Some((pan, fingerprint));
                }
            }
            let asked: Vec<[u8; 32]> = ours.iter().copied().collect();
            let taken = store::cards::taken(tx, &asked).await?;
            for place in &mut drawn {
                if place.as_ref().is_some_and(|(_, fingerprint)| taken.contains(&fingerprint.value)) {
                    *place = None;
                }
            }
            if drawn.iter().all(Option::is_some) {
                return Ok(drawn.into_iter().flatten().collect());
            }
        }
        Err(Stop::Alone)
    }

    fn tell(&self, tx: &mut Tx<'_>, jobs: &[IssueJob]) -> Result<(), DbError> {
        for IssueJob { wanted, .. } in jobs {
            let told = CardNumberIssued {
                card_id: wanted.card_id.to_string(),
                customer_id: wanted.customer_id.to_string(),
                bin_range_id: wanted.range.to_string(),
            };
            self.events.publish(tx, NewEvent::new("vault.card.issued", wanted.card_id, &told))?;
        }
        Ok(())
    }
}

fn record(job: &IssueJob, now: Timestamp) -> AuditRecord {
    AuditRecord::new(now, &job.actor, Operation::IssueCard, job.wanted.card_id, Outcome::Allowed, "")
}

async fn count_issued(tx: &mut Tx<'_>, rows: &[NewRow]) -> Result<(), DbError> {
    let mut counts: BTreeMap<&BinRangeId, i64> = BTreeMap::new();
    for row in rows {
        *counts.entry(&row.card.range).or_default() += 1;
    }
    // Any slot will do: nobody else counts at the same time.
    let slot = rows.first().map_or(0, |row| row.fingerprint.value[0]);
    for (range, count) in counts {
        store::ranges::count_issued(tx, range, slot, count).await?;
    }
    Ok(())
}
