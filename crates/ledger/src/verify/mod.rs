//! Do the books hold together: the trial balance, and the journal replayed from its start, with every hash, every
//! outcome, every row of the projections and every item of the index compared.
//!
//! The journal is read once. Rows are compared one by one; items of the index and events, of which there are many more,
//! by sums of keyed hashes ([`prints`]), and only where those differ is the journal read again to say what exactly does.

mod prints;
mod replay;
mod tail;

use std::collections::BTreeMap;

use bursar_ledger_engine::Engine;
use bursar_service::db::{Cell, Tx};
use tokio::sync::mpsc;

use crate::error::LedgerError;
use crate::index::BlockReader;
use crate::project::Model;
use crate::store::projection::{self, TableRows};
use crate::store::{index, read};
use crate::writer::{Handle, Shared};
use prints::{Prints, each_event, named};
use replay::Replayed;

/// Findings that are told; who finds more needs no list but a backup.
const FINDINGS_MAX: usize = 100;
/// Rows of a projection that are read at once.
const ROWS_PAGE: i64 = 2_000;
/// Blocks of the index that are read at once.
const BLOCKS_PAGE: usize = 512;
/// Chunks of the event log that are read at once.
const CHUNKS_PAGE: i64 = 64;

/// How far a verification is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Position reached.
    pub(crate) position: i64,
    /// Position of the end when it began.
    pub(crate) head: i64,
    /// Whether this is the end.
    pub(crate) done: bool,
    /// What does not hold.
    pub(crate) findings: Vec<String>,
}

/// Where a verification begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// At the start of the journal: the projections are compared, too.
    Start,
    /// At the newest stored state: hashes and outcomes after it.
    StoredState,
}

/// Verifies the journal and its projections as they are when it begins, on one consistent view of the database.
///
/// # Errors
/// Why it could not be done. What it finds is in its last [`Progress`], not an error.
pub(crate) async fn run(
    handle: &Handle,
    beginning: Beginning,
    told: &mpsc::Sender<Progress>,
) -> Result<(), LedgerError> {
    // Everything acknowledged before this call is to be in what is verified.
    handle.settled(0).await?;
    let shared = &handle.shared;
    let last = match beginning {
        Beginning::StoredState => tail::run(shared, told).await?,
        Beginning::Start => {
            // Also what the index has in memory.
            shared.index.written().await;
            let mut key = [0; 32];
            shared.entropy.fill(&mut key);
            shared.db.read(|tx| Box::pin(async move { verify(tx, shared, key, told).await })).await?
        }
    };
    for finding in &last.findings {
        tracing::error!(finding, "the books do not hold together");
    }
    metrics::gauge!("bursar_ledger_verified_position").set(last.position as f64);
    metrics::gauge!("bursar_ledger_verify_findings").set(last.findings.len() as f64);
    // Whoever asked may have stopped listening.
    let _ = told.send(last).await;
    Ok(())
}

async fn verify(
    tx: &mut Tx<'_>,
    shared: &Shared,
    key: [u8; 32],
    told: &mpsc::Sender<Progress>,
) -> Result<Progress, LedgerError> {
    let reached = projection::read_progress(tx, shared.shard).await?;
    let mut progress = Progress { head: reached.position, ..Progress::default() };
    let replayed = replay::run(tx, shared, &reached, Prints::new(key), &mut progress, told).await?;
    let Some(Replayed { engine, model, prints }) = replayed else { return Ok(ended(progress)) };
    progress.findings.extend(books_hold(&engine));
    compare(tx, &model, &mut progress).await?;
    if (model.event_position, model.position) != (reached.event_position, reached.position) {
        let (events, position) = (reached.event_position, reached.position);
        let found = format!("projection: stands at position {position} and event {events}");
        let wanted = format!("should stand at {} and {}", model.position, model.event_position);
        progress.findings.push(format!("{found}, {wanted}"));
    }
    let mut found = Prints::new(key);
    let sound = visit_stored(tx, shared, &mut progress, |key, value| found.add(key, value)).await?;
    let wrong = prints.differing(&found);
    if sound && !wrong.is_empty() {
        locate(tx, shared, &reached, &Differing { key, wrong }, &mut progress).await?;
    }
    Ok(ended(progress))
}

/// What of the invariants and the trial balance does not hold.
fn books_hold(engine: &Engine) -> Vec<String> {
    let violations = engine.check_invariants().err().unwrap_or_default();
    let unbalanced = engine.totals().into_iter().filter(|(_, totals)| !totals.balanced());
    let unbalanced =
        unbalanced.map(|(asset, _)| format!("asset {}: debits and credits differ", asset.code()));
    violations.iter().map(ToString::to_string).chain(unbalanced).collect()
}

fn ended(mut progress: Progress) -> Progress {
    progress.done = true;
    progress.findings.truncate(FINDINGS_MAX);
    progress
}

/// Visits every item of the index and every event as they are stored; false if they cannot all be read.
async fn visit_stored(
    tx: &mut Tx<'_>,
    shared: &Shared,
    progress: &mut Progress,
    mut visit: impl FnMut(&[u8], &[u8]) + Send,
) -> Result<bool, LedgerError> {
    let shard = shared.shard;
    let mut next_row = 1;
    for run in index::runs(tx, shard).await?.into_iter().rev() {
        if run.first_sequence != next_row {
            let what = format!("index: run {} begins at journal row {}", run.run, run.first_sequence);
            progress.findings.push(format!("{what}, should begin at {next_row}"));
            return Ok(false);
        }
        next_row = run.last_sequence + 1;
        let mut after = Vec::new();
        loop {
            let blocks = index::blocks_after(tx, shard, run.run, &after, BLOCKS_PAGE).await?;
            let Some(last) = blocks.last() else { break };
            after.clone_from(&last.first_key);
            for block in blocks {
                let mut reader = BlockReader::new(block.body);
                loop {
                    match reader.advance() {
                        Ok(true) => visit(reader.key(), reader.value()),
                        Ok(false) => break,
                        Err(error) => {
                            let place = named(&block.first_key);
                            progress
                                .findings
                                .push(format!("index: the block at {place} is damaged: {error}"));
                            return Ok(false);
                        }
                    }
                }
            }
        }
    }
    let mut after = 0;
    loop {
        let chunks = match read::event_chunks(tx, shard, after, CHUNKS_PAGE).await {
            Ok(chunks) => chunks,
            Err(LedgerError::Damaged(what)) => {
                progress.findings.push(format!("event_chunk after {after}: {what}"));
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let before = after;
        for (first, chunk) in chunks {
            let count = i64::try_from(chunk.events.len()).unwrap_or(i64::MAX);
            each_event(first, &chunk.events, &mut visit);
            after = after.max(first + count - 1);
        }
        if after == before {
            return Ok(true);
        }
    }
}

/// Which items differ: those whose hash under `key` falls into one of the `wrong` buckets are looked at.
struct Differing {
    key: [u8; 32],
    wrong: Vec<usize>,
}

/// Says which items of the index and which events are not as the journal has them.
async fn locate(
    tx: &mut Tx<'_>,
    shared: &Shared,
    reached: &projection::Progress,
    differing: &Differing,
    progress: &mut Progress,
) -> Result<(), LedgerError> {
    let Differing { key, wrong } = differing;
    let mut again = Progress::default();
    let (nobody, _) = mpsc::channel(1);
    let looking = Prints::keeping(*key, wrong.clone());
    let replayed = replay::run(tx, shared, reached, looking, &mut again, &nobody).await?;
    let mut expected = replayed.map(|replayed| replayed.prints.kept()).unwrap_or_default();
    let mut found = Prints::keeping(*key, wrong.clone());
    visit_stored(tx, shared, &mut again, |key, value| found.add(key, value)).await?;
    for (key, value) in found.kept() {
        let what = match expected.remove(&key) {
            None => "is not of the journal",
            Some(wanted) if wanted != value => "is not as the journal has it",
            Some(_) => continue,
        };
        progress.findings.push(format!("{} {what}", named(&key)));
    }
    progress.findings.extend(expected.keys().map(|key| format!("{} is missing", named(key))));
    Ok(())
}

/// Compares every row of every projection with what the journal makes of it.
async fn compare(tx: &mut Tx<'_>, model: &Model, progress: &mut Progress) -> Result<(), LedgerError> {
    let mut wanted: BTreeMap<&'static str, TableRows> = BTreeMap::new();
    for rows in projection::rows(model, &model.everything()) {
        wanted.insert(rows.table, rows);
    }
    for table in projection::tables() {
        let rows = wanted.remove(table.table).map(|rows| rows.rows).unwrap_or_default();
        let mut expected: BTreeMap<String, Vec<Cell>> = BTreeMap::new();
        for row in rows {
            expected.insert(read::told(&row[..table.key]), row);
        }
        let mut last: Option<Vec<Cell>> = None;
        loop {
            let found = projection::dump(tx, model.shard, &table, last.as_ref(), ROWS_PAGE).await?;
            if found.is_empty() {
                break;
            }
            last = found.last().cloned();
            for row in found {
                let key = read::told(&row[..table.key]);
                if let Some(finding) = differs(&table, &key, &row, expected.remove(&key)) {
                    progress.findings.push(finding);
                }
            }
        }
        progress
            .findings
            .extend(expected.into_keys().map(|key| format!("{} {key}: is missing", table.table)));
    }
    Ok(())
}

fn differs(table: &TableRows, key: &str, found: &[Cell], expected: Option<Vec<Cell>>) -> Option<String> {
    let Some(expected) = expected else {
        return Some(format!("{} {key}: is not of the journal", table.table));
    };
    let at = found.iter().zip(&expected).position(|(found, expected)| found != expected)?;
    let (column, table) = (table.columns[at], table.table);
    let (found, wanted) = (read::told(&found[at..=at]), read::told(&expected[at..=at]));
    Some(format!("{table} {key}: {column} is {found}, should be {wanted}"))
}
