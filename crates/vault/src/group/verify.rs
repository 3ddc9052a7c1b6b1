//! Card numbers that are looked up, judged and recorded together, and whose proofs are signed together.
//!
//! Three loops hand groups on: one looks up and compares, one judges and commits, one signs and answers; so the next
//! group is prepared while the disk is waited for. All of a group are answered at one time, whatever came of each: an
//! unknown number, a wrong CVV2 and a right one have made the same way.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bursar_card_data::{Cvv2, ExpiryYymm, Pan};
use bursar_service::Supervisor;
use bursar_service::db::Isolation;
use bursar_types::id::{CardId, Uuid};
use bursar_types::{ProofResult, Timestamp, TypedId as _};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::{Done, Inbox, fail};
use crate::audit::{Actor, AuditRecord, Operation, Outcome};
use crate::cases::{CVV2_FAILURES_MAX, CVV2_WINDOW, CardAnswer, CardQuestion, Vault};
use crate::error::VaultError;
use crate::keys::{Fingerprint, KeyRing};
use crate::proof::Statement;
use crate::store;
use crate::store::cards::StoredCard;
use crate::store::passwords::result_text;

/// Questions that are looked up together.
const LOOK_MAX: usize = 256;
/// Groups that may be committed together.
const GROUPS_MAX: usize = 4;

/// A question, and where its answer goes.
pub(crate) struct VerifyJob {
    pub(crate) actor: Arc<Actor>,
    pub(crate) question: CardQuestion,
    /// The keys it is answered with.
    pub(crate) keys: Arc<KeyRing>,
    /// Of the number, unless its check digit is wrong.
    pub(crate) fingerprint: Option<Fingerprint>,
    pub(crate) done: Done<Option<CardAnswer>>,
}

impl std::fmt::Debug for VerifyJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifyJob").finish_non_exhaustive()
    }
}

/// A question that was compared.
struct Compared {
    job: VerifyJob,
    card: Option<StoredCard>,
    expiry: ProofResult,
    /// Whether the CVV2 is right, if one came.
    right: Option<bool>,
}

/// A question that was judged, durably.
struct Judged {
    compared: Compared,
    cvv2: ProofResult,
}

/// Runs the three loops until the process stops.
pub(super) fn run(vault: &Vault, supervisor: &Supervisor, inbox: Inbox<VerifyJob>) {
    let (to_commit, compared) = channel(1);
    let (to_sign, judged) = channel(GROUPS_MAX);
    supervisor.spawn("verify-look", look(vault.clone(), inbox, to_commit));
    supervisor.spawn("verify-commit", commit(vault.clone(), compared, to_sign));
    supervisor.spawn("verify-sign", sign(vault.clone(), judged));
}

async fn look(vault: Vault, mut inbox: Inbox<VerifyJob>, next: Sender<Vec<Compared>>) {
    loop {
        let jobs = inbox.take(LOOK_MAX).await;
        if jobs.is_empty() {
            return;
        }
        match vault.compare_all(&jobs).await {
            Ok(found) => {
                let compared = jobs.into_iter().zip(found).map(|(job, found)| Compared {
                    job,
                    card: found.card,
                    expiry: found.expiry,
                    right: found.right,
                });
                if next.send(compared.collect()).await.is_err() {
                    return;
                }
            }
            Err(error) => fail(jobs.into_iter().map(|job| job.done), error),
        }
    }
}

async fn commit(vault: Vault, mut groups: Receiver<Vec<Compared>>, next: Sender<Vec<Judged>>) {
    let mut taken = Vec::new();
    while groups.recv_many(&mut taken, GROUPS_MAX).await > 0 {
        let group: Vec<Compared> = taken.drain(..).flatten().collect();
        metrics::histogram!("bursar_vault_verify_group").record(group.len() as f64);
        match vault.judge_all(&group).await {
            Ok(results) => {
                let judged = group.into_iter().zip(results).map(|(compared, cvv2)| Judged { compared, cvv2 });
                if next.send(judged.collect()).await.is_err() {
                    return;
                }
            }
            Err(error) => fail(group.into_iter().map(|compared| compared.job.done), error),
        }
    }
}

async fn sign(vault: Vault, mut groups: Receiver<Vec<Judged>>) {
    while let Some(group) = groups.recv().await {
        vault.answer_all(group);
    }
}

/// What was found about a question.
struct Found {
    card: Option<StoredCard>,
    expiry: ProofResult,
    right: Option<bool>,
}

impl Vault {
    async fn compare_all(&self, jobs: &[VerifyJob]) -> Result<Vec<Found>, VaultError> {
        let fingerprints: Vec<[u8; 32]> =
            jobs.iter().filter_map(|job| job.fingerprint.as_ref().map(|found| found.value)).collect();
        let fingerprints = fingerprints.as_slice();
        let cards = if fingerprints.is_empty() {
            HashMap::new()
        } else {
            self.db
                .read(|tx| {
                    Box::pin(async move { store::cards::find_by_fingerprints(tx, fingerprints).await })
                })
                .await?
        };
        let mut found = Vec::with_capacity(jobs.len());
        for job in jobs {
            let card = job.fingerprint.as_ref().and_then(|found| cards.get(&found.value)).cloned();
            let expiry = match (&job.question.expiry, &card) {
                (None, _) => ProofResult::Absent,
                (Some(given), Some(card)) if *given == Some(card.expiry) => ProofResult::Match,
                _ => ProofResult::Mismatch,
            };
            let right = match &job.question.pan {
                // Anyone can compute a check digit: nothing is compared, and nothing is told by that.
                None => None,
                Some(pan) => {
                    self.compare_cvv2(&job.keys, pan, card.as_ref(), job.question.cvv2.as_ref()).await?
                }
            };
            found.push(Found { card, expiry, right });
        }
        Ok(found)
    }

    /// Whether the CVV2 is the card's; computed for no card too, where it is never right.
    async fn compare_cvv2(
        &self,
        keys: &KeyRing,
        pan: &Pan,
        card: Option<&StoredCard>,
        given: Option<&Cvv2>,
    ) -> Result<Option<bool>, VaultError> {
        let Some(given) = given else { return Ok(None) };
        let (cvk, expiry) = match card {
            Some(card) => (self.cvk(keys, card).await?, card.expiry),
            None => {
                (keys.stand_in(), ExpiryYymm::new(2030, 1).map_err(|_| VaultError::Internal("a constant"))?)
            }
        };
        let right = cvk.cvv2(pan, expiry) == *given;
        Ok(Some(right & card.is_some()))
    }

    /// Counts and records the guesses of a group, in their order; what came of each CVV2. Until this is durable nobody
    /// is told anything.
    async fn judge_all(&self, group: &[Compared]) -> Result<Vec<ProofResult>, VaultError> {
        let now = self.now();
        let guessed: Vec<[u8; 32]> = group
            .iter()
            .filter(|compared| compared.right.is_some())
            .filter_map(|compared| compared.job.fingerprint.as_ref().map(|found| found.value))
            .collect();
        let guessed = guessed.as_slice();
        let results = self
            .db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move {
                    // Also what makes guesses at one number wait for each other, whichever process they came to.
                    let head = store::audit::lock(tx).await?;
                    let mut failures = store::cvv2::failures(tx, guessed).await?;
                    let mut changed = BTreeMap::new();
                    let results: Vec<ProofResult> = group
                        .iter()
                        .map(|compared| judge(compared, &mut failures, &mut changed, now))
                        .collect();
                    if !changed.is_empty() {
                        store::cvv2::keep(tx, &changed, now).await?;
                    }
                    let records: Vec<AuditRecord> = group
                        .iter()
                        .zip(&results)
                        .map(|(compared, cvv2)| record(compared, *cvv2, now))
                        .collect();
                    store::audit::append_to(tx, head, &records).await?;
                    Ok::<_, VaultError>(results)
                })
            })
            .await?;
        let refused = |cvv2: &&ProofResult| matches!(cvv2, ProofResult::Mismatch | ProofResult::Locked);
        let refusals = results.iter().filter(refused).count() as u64;
        if refusals > 0 {
            metrics::counter!("bursar_vault_cvv2_refusals_total").increment(refusals);
        }
        Ok(results)
    }

    fn answer_all(&self, group: Vec<Judged>) {
        let nobody = CardId::from_uuid(Uuid::nil());
        let statements: Vec<_> = group
            .iter()
            .map(|Judged { compared, cvv2 }| {
                let card = compared.card.as_ref().map_or(nobody, |card| card.card_id);
                let statement = Statement { expiry: compared.expiry, cvv2: *cvv2, ..Statement::NOTHING };
                (card, &compared.job.question.payment, statement)
            })
            .collect();
        let proofs = match self.proofs.sign_all(&statements) {
            Ok(proofs) => proofs,
            Err(error) => return fail(group.into_iter().map(|judged| judged.compared.job.done), error),
        };
        for (Judged { compared, cvv2 }, proof) in group.into_iter().zip(proofs) {
            let Compared { job, card, expiry, .. } = compared;
            (job.done)(Ok(card.map(|card| CardAnswer { card_id: card.card_id, expiry, cvv2, proof })));
        }
    }
}

fn judge(
    compared: &Compared,
    failures: &mut HashMap<[u8; 32], Vec<Timestamp>>,
    changed: &mut BTreeMap<[u8; 32], Vec<Timestamp>>,
    now: Timestamp,
) -> ProofResult {
    let (Some(right), Some(fingerprint)) = (compared.right, &compared.job.fingerprint) else {
        return ProofResult::Absent;
    };
    let failures = failures.entry(fingerprint.value).or_default();
    failures.retain(|failure| *failure > now.minus(CVV2_WINDOW));
    if failures.len() >= CVV2_FAILURES_MAX {
        ProofResult::Locked
    } else if right {
        ProofResult::Match
    } else {
        failures.push(now);
        changed.insert(fingerprint.value, failures.clone());
        ProofResult::Mismatch
    }
}

fn record(compared: &Compared, cvv2: ProofResult, now: Timestamp) -> AuditRecord {
    let Compared { job, card, expiry, .. } = compared;
    let good = card.is_some()
        && *expiry != ProofResult::Mismatch
        && matches!(cvv2, ProofResult::Match | ProofResult::Absent);
    let outcome = if good { Outcome::Allowed } else { Outcome::Refused };
    let subject = card.as_ref().map(|card| card.card_id.to_string()).unwrap_or_default();
    let reason = match (card, &job.fingerprint) {
        (Some(_), _) => format!("expiry {}, cvv2 {}", result_text(*expiry), result_text(cvv2)),
        (None, Some(_)) => "no card".to_owned(),
        (None, None) => "check digit".to_owned(),
    };
    AuditRecord::new(now, &job.actor, Operation::VerifyCard, subject, outcome, reason)
}
