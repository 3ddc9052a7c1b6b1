//! The journal decided again from a stored state: hashes and outcomes of what came after it, and the invariants.

use bursar_ledger_engine::Engine;
use tokio::sync::mpsc;

use super::{Progress, books_hold, ended};
use crate::error::LedgerError;
use crate::follow::state;
use crate::journal::Head;
use crate::store::{journal, projection};
use crate::writer::{Shared, replay};

/// Verifies from the newest stored state that a start would begin from; from the start of the journal if there is none.
///
/// # Errors
/// Why it could not be done. What it finds is in the [`Progress`].
pub(super) async fn run(shared: &Shared, told: &mpsc::Sender<Progress>) -> Result<Progress, LedgerError> {
    let (db, shard) = (&shared.db, shared.shard);
    let reached = db.read(|tx| Box::pin(projection::read_progress(tx, shard))).await?;
    let mut progress = Progress { head: reached.position, ..Progress::default() };
    let (mut engine, mut head) = match state::load(db, shard, reached.complete()).await? {
        Some((sequence, state)) => match journal::head_at(db, shard, sequence).await? {
            Some(head) => (state.engine, head),
            None => {
                progress.findings.push(format!("journal row {sequence}: is missing"));
                return Ok(ended(progress));
            }
        },
        None => (Engine::new(), Head::empty()),
    };
    progress.position = head.position;
    while head.sequence < reached.sequence {
        let rows = journal::page(db, shard, head.sequence).await?;
        if rows.is_empty() {
            progress.findings.push(format!("journal row {}: is missing", head.sequence + 1));
            return Ok(ended(progress));
        }
        // Deciding keeps the processor: not on a thread that others wait for.
        let page = tokio::task::spawn_blocking(move || {
            for row in rows {
                if let Some(broken) = head.broken_by(shard, &row) {
                    return (engine, head, Some(broken));
                }
                if let Err(error) = replay(&mut engine, &row) {
                    return (engine, head, Some(error.to_string()));
                }
                head = Head::after(&row);
            }
            (engine, head, None)
        });
        let wrong;
        (engine, head, wrong) = page.await.map_err(|error| LedgerError::Internal(error.to_string()))?;
        progress.position = head.position;
        if let Some(wrong) = wrong {
            progress.findings.push(wrong);
            return Ok(ended(progress));
        }
        // A slow listener does not slow the verification down.
        let _ = told.try_send(progress.clone());
    }
    progress.findings.extend(books_hold(&engine));
    Ok(ended(progress))
}
