//! Do the books hold together: the trial balance, and the journal replayed from its start, with every hash, every
//! outcome and every row of the projections compared.

use std::collections::BTreeMap;

use bursar_ledger_engine::{Engine, Snapshot};
use bursar_service::db::{Cell, Tx};
use bursar_types::Asset;
use bursar_types::id::ProgramId;
use tokio::sync::mpsc;

use crate::error::LedgerError;
use crate::journal::Head;
use crate::project::Model;
use crate::store::projection::{self, TableRows};
use crate::store::{journal, read};
use crate::writer::{Handle, replay};

/// Findings that are told; who finds more needs no list but a backup.
const FINDINGS_MAX: usize = 100;
/// Rows of a projection that are read at once.
const ROWS_PAGE: i64 = 2_000;

/// Sums of one asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) posted_debits: i128,
    pub(crate) posted_credits: i128,
    pub(crate) pending_debits: i128,
    pub(crate) pending_credits: i128,
    pub(crate) accounts: i64,
}

impl Sums {
    /// Whether debits equal credits, posted and pending.
    pub(crate) fn balanced(&self) -> bool {
        self.posted_debits == self.posted_credits && self.pending_debits == self.pending_credits
    }
}

/// The sums over all accounts, by asset.
pub(crate) fn trial_balance(state: &Snapshot) -> BTreeMap<Asset, Sums> {
    let mut sums: BTreeMap<Asset, Sums> = BTreeMap::new();
    for account in &state.accounts {
        let line = sums.entry(account.asset).or_default();
        line.posted_debits += i128::from(account.balances.posted_debits);
        line.posted_credits += i128::from(account.balances.posted_credits);
        line.pending_debits += i128::from(account.balances.pending_debits);
        line.pending_credits += i128::from(account.balances.pending_credits);
        line.accounts += 1;
    }
    sums
}

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

/// Verifies the journal and its projections as they are when it begins, on one consistent view of the database.
///
/// # Errors
/// Why it could not be done. What it finds is in its last [`Progress`], not an error.
pub(crate) async fn run(handle: &Handle, told: &mpsc::Sender<Progress>) -> Result<(), LedgerError> {
    // Everything acknowledged before this call is to be in what is verified.
    handle.settled(0).await?;
    let shard = handle.shared.shard;
    let last = handle.shared.db.read(|tx| Box::pin(async move { verify(tx, shard, told).await })).await?;
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
    shard: ProgramId,
    told: &mpsc::Sender<Progress>,
) -> Result<Progress, LedgerError> {
    let reached = projection::read_progress(tx, shard).await?;
    let mut progress = Progress { head: reached.position, ..Progress::default() };
    let mut engine = Engine::new();
    let mut model = Model::empty(shard);
    let mut head = Head::empty();
    while head.sequence < reached.sequence {
        let rows = journal::page_in(tx, shard, head.sequence).await?;
        if rows.is_empty() {
            progress.findings.push(format!("journal row {}: is missing", head.sequence + 1));
            break;
        }
        for row in rows.into_iter().take_while(|row| row.sequence <= reached.sequence) {
            if let Some(broken) = head.broken_by(shard, &row) {
                progress.findings.push(broken);
                return Ok(ended(progress));
            }
            let replayed = replay(&mut engine, &row);
            let applied = replayed.and_then(|(_, batch)| {
                model.apply(&batch).map_err(|misfit| LedgerError::Damaged(misfit.to_string()))
            });
            match applied {
                Ok(()) => {}
                Err(LedgerError::Damaged(what)) => {
                    progress.findings.push(what);
                    return Ok(ended(progress));
                }
                Err(other) => return Err(other),
            }
            progress.position = row.last_position();
            head = Head::after(&row);
        }
        // A slow listener does not slow the verification down.
        let _ = told.try_send(progress.clone());
    }
    if let Err(violations) = engine.check_invariants() {
        progress.findings.extend(violations.iter().map(ToString::to_string));
    }
    for (asset, sums) in trial_balance(&engine.snapshot()) {
        if !sums.balanced() {
            progress.findings.push(format!("asset {}: debits and credits differ", asset.code()));
        }
    }
    compare(tx, &model, &mut progress).await?;
    if (model.event_position, model.position) != (reached.event_position, reached.position) {
        let (events, position) = (reached.event_position, reached.position);
        let found = format!("projection: stands at position {position} and event {events}");
        let wanted = format!("should stand at {} and {}", model.position, model.event_position);
        progress.findings.push(format!("{found}, {wanted}"));
    }
    Ok(ended(progress))
}

fn ended(mut progress: Progress) -> Progress {
    progress.done = true;
    progress.findings.truncate(FINDINGS_MAX);
    progress
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
