//! Answers are written down before they are given, many at once in one transaction: a disk flush serves them all.

use std::sync::Arc;
use std::time::Duration;

use bursar_service::db::Db;
use bursar_types::Entropy;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::error::GatewayError;
use crate::store::{self, AnswerRow, DeliveryRow, StoredAnswer};

/// Answers of one transaction.
const BATCH_MAX: usize = 256;
/// Answers that wait to be written: what the partners' messages in flight can make.
const QUEUE_MAX: usize = 8 * 1024;
/// Wait after the database refused.
const AGAIN: Duration = Duration::from_millis(200);

/// What became of an answer that was to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It is kept.
    Now,
    /// Another was kept before, and stays.
    Before(StoredAnswer),
}

/// An answer, what the ledger is to be told with it, and who waits.
#[derive(Debug)]
struct Item {
    answer: AnswerRow,
    delivery: Option<DeliveryRow>,
    done: oneshot::Sender<Kept>,
}

/// Where answers are given to be kept.
#[derive(Clone, Debug)]
pub(crate) struct Keeper {
    items: mpsc::Sender<Item>,
    entropy: Arc<dyn Entropy>,
    /// Told when there is something to deliver.
    pub(crate) deliveries: Arc<Notify>,
}

/// Writes them.
#[derive(Debug)]
pub(crate) struct KeeperTask {
    db: Db,
    items: mpsc::Receiver<Item>,
    deliveries: Arc<Notify>,
}

impl Keeper {
    /// The two ends.
    pub(crate) fn new(db: Db, entropy: Arc<dyn Entropy>) -> (Self, KeeperTask) {
        let (sender, items) = mpsc::channel(QUEUE_MAX);
        let deliveries = Arc::new(Notify::new());
        let task = KeeperTask { db, items, deliveries: Arc::clone(&deliveries) };
        (Self { items: sender, entropy, deliveries }, task)
    }

    /// A new row's claim.
    pub(crate) fn claim(&self) -> [u8; 16] {
        let mut claim = [0; 16];
        self.entropy.fill(&mut claim);
        claim
    }

    /// Keeps an answer, and in the same transaction what the ledger is to be told; both only if no answer was kept
    /// under its key before. Whoever stops waiting does not stop it.
    pub(crate) async fn keep(
        &self,
        answer: AnswerRow,
        delivery: Option<DeliveryRow>,
    ) -> Result<Kept, GatewayError> {
        let (done, kept) = oneshot::channel();
        let away = || GatewayError::Stopping;
        self.items.send(Item { answer, delivery, done }).await.map_err(|_| away())?;
        kept.await.map_err(|_| away())
    }
}

impl KeeperTask {
    /// Writes until the last [`Keeper`] is gone.
    pub(crate) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while self.items.recv_many(&mut batch, BATCH_MAX).await > 0 {
            // Nothing is given up: who waits has a deadline of their own, and what they said may already be known.
            let kept = loop {
                match self.write(&batch).await {
                    Ok(kept) => break kept,
                    Err(error) => {
                        tracing::warn!(%error, answers = batch.len(), "answers cannot be kept: will try again");
                        tokio::time::sleep(AGAIN).await;
                    }
                }
            };
            let told =
                batch.iter().zip(&kept).any(|(item, kept)| item.delivery.is_some() && *kept == Kept::Now);
            for (item, kept) in batch.drain(..).zip(kept) {
                // Who asked may have answered without it.
                let _ = item.done.send(kept);
            }
            if told {
                self.deliveries.notify_one();
            }
        }
    }

    async fn write(&self, batch: &[Item]) -> Result<Vec<Kept>, GatewayError> {
        self.db
            .write(|tx| {
                Box::pin(async move {
                    let rows: Vec<&AnswerRow> = batch.iter().map(|item| &item.answer).collect();
                    let written = store::keep_answers(tx, &rows).await?;
                    let all = u64::try_from(rows.len()).unwrap_or(u64::MAX) == written;
                    let mut kept = Vec::with_capacity(rows.len());
                    for row in &rows {
                        if all {
                            kept.push(Kept::Now);
                            continue;
                        }
                        let there = store::answer(tx, &row.key).await?;
                        kept.push(match there {
                            Some(other) if other.claim != row.claim => Kept::Before(other),
                            _ => Kept::Now,
                        });
                    }
                    let deliveries: Vec<&DeliveryRow> = batch
                        .iter()
                        .zip(&kept)
                        .filter(|(_, kept)| **kept == Kept::Now)
                        .filter_map(|(item, _)| item.delivery.as_ref())
                        .collect();
                    if !deliveries.is_empty() {
                        store::add_deliveries(tx, &deliveries).await?;
                    }
                    Ok(kept)
                })
            })
            .await
    }
}
