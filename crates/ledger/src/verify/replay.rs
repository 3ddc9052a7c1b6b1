//! The journal decided again from its start. Reading, checking and decoding, deciding, and adding up each have a thread
//! of their own, a few pages apart.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use bursar_ledger_engine::Engine;
use bursar_service::db::Tx;
use bursar_types::id::ProgramId;
use tokio::sync::{mpsc, oneshot};

use super::Progress;
use super::prints::{Prints, each_event};
use crate::error::LedgerError;
use crate::index::{Items, each_item};
use crate::journal::{Entry, Head, Row};
use crate::project::{Event, Model};
use crate::store::{journal, projection};
use crate::writer::{Shared, decode, redo};

/// Pages that wait between two threads.
const PAGES_WAITING: usize = 4;

/// What a whole replay gives.
pub(super) struct Replayed {
    pub(super) engine: Engine,
    pub(super) model: Model,
    /// The items of the index and the events.
    pub(super) prints: Prints,
}

/// What a page adds to the prints.
struct Added {
    items: Items,
    first_event: i64,
    events: Vec<Event>,
}

/// Decides the journal up to `reached` again. None if it cannot be: why is among the findings then.
pub(super) async fn run(
    tx: &mut Tx<'_>,
    shared: &Shared,
    reached: &projection::Progress,
    prints: Prints,
    progress: &mut Progress,
    told: &mpsc::Sender<Progress>,
) -> Result<Option<Replayed>, LedgerError> {
    let shard = shared.shard;
    let (pages, unchecked) = mpsc::channel::<Vec<Row>>(PAGES_WAITING);
    let (checked, decoded) = sync_channel(PAGES_WAITING);
    let (added, adding) = sync_channel(PAGES_WAITING);
    let (at, mut position) = tokio::sync::watch::channel(0);
    let (last, indexed) = (reached.sequence, reached.index_sequence);
    let checking = thread(move || check(shard, unchecked, &checked));
    let deciding = thread(move || decide(shard, indexed, &decoded, &added, &at));
    let summing = thread(move || sum(prints, &adding));
    let mut sequence = 0;
    while sequence < last {
        let mut rows = journal::page_in(tx, shard, sequence).await?;
        rows.retain(|row| row.sequence <= last);
        let Some(end) = rows.last() else {
            progress.findings.push(format!("journal row {}: is missing", sequence + 1));
            break;
        };
        sequence = end.sequence;
        // A thread that ended has found something, which it tells below.
        if pages.send(rows).await.is_err() {
            break;
        }
        progress.position = *position.borrow_and_update();
        // A slow listener does not slow the verification down.
        let _ = told.try_send(progress.clone());
    }
    drop(pages);
    let found = [done(checking).await?, None];
    let (engine, model, wrong) = done(deciding).await?;
    let prints = done(summing).await?;
    progress.position = model.position;
    // What is wrong with the decisions comes before what is wrong with a later row.
    progress.findings.extend(wrong.into_iter().chain(found.into_iter().flatten()));
    let whole = progress.findings.is_empty();
    Ok(whole.then_some(Replayed { engine, model, prints }))
}

/// Starts `work` on a thread of its own.
fn thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> oneshot::Receiver<T> {
    let (result, waiting) = oneshot::channel();
    tokio::task::spawn_blocking(move || {
        // Nobody waits any more if the verification was given up.
        let _ = result.send(work());
    });
    waiting
}

async fn done<T>(waiting: oneshot::Receiver<T>) -> Result<T, LedgerError> {
    waiting.await.map_err(|_| LedgerError::Internal("a thread of the verification died".into()))
}

/// Checks the chain and decodes; what is wrong ends it.
fn check(
    shard: ProgramId,
    mut pages: mpsc::Receiver<Vec<Row>>,
    checked: &SyncSender<Vec<(Row, Entry)>>,
) -> Option<String> {
    let mut head = Head::empty();
    while let Some(rows) = pages.blocking_recv() {
        let mut page = Vec::with_capacity(rows.len());
        let mut wrong = None;
        for row in rows {
            wrong = head.broken_by(shard, &row);
            if wrong.is_some() {
                break;
            }
            match decode(&row) {
                Ok(entry) => {
                    head = Head::after(&row);
                    page.push((row, entry));
                }
                Err(error) => {
                    wrong = Some(error.to_string());
                    break;
                }
            }
        }
        if checked.send(page).is_err() || wrong.is_some() {
            return wrong;
        }
    }
    None
}

/// Decides again and makes the projections; what is wrong ends it.
fn decide(
    shard: ProgramId,
    indexed: i64,
    decoded: &Receiver<Vec<(Row, Entry)>>,
    added: &SyncSender<Added>,
    at: &tokio::sync::watch::Sender<i64>,
) -> (Engine, Model, Option<String>) {
    let mut engine = Engine::new();
    let mut model = Model::empty(shard);
    while let Ok(page) = decoded.recv() {
        let first_event = model.event_position + 1;
        let mut items = Items::default();
        for (row, entry) in page {
            let applied = redo(&mut engine, &row, &entry).and_then(|batch| {
                model.apply(&batch).map_err(|misfit| LedgerError::Damaged(misfit.to_string()))?;
                if row.sequence <= indexed {
                    items.collect(&batch);
                }
                Ok(())
            });
            if let Err(error) = applied {
                return (engine, model, Some(error.to_string()));
            }
        }
        let _ = at.send(model.position);
        let events = std::mem::take(&mut model.events);
        if added.send(Added { items, first_event, events }).is_err() {
            break;
        }
    }
    (engine, model, None)
}

fn sum(mut prints: Prints, adding: &Receiver<Added>) -> Prints {
    while let Ok(Added { items, first_event, events }) = adding.recv() {
        each_item(&items, |key, value| prints.add(key, value));
        each_event(first_event, &events, &mut |key, value| prints.add(key, value));
    }
    prints
}
