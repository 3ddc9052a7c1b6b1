//! The projections' rows: read what a model wants, write what it changed, and all of it for the verification.

use std::fmt::Display;

use bursar_ledger_engine::{Account, Balances, Hold};
use bursar_service::db::{AssertSqlSafe, Cell, Db, DbError, Isolation, Row, Tx};
use bursar_types::id::{ProgramId, TransferId};

use crate::error::LedgerError;
use crate::journal::whole;
use crate::project::{
    AccountRecord, CardRecord, Dirty, EventRow, HoldRecord, Model, PaymentRecord, Wants, change_text_of,
};
use crate::wire::Message as _;

/// Keys in one `IN (…)`: bounds the statements that stay prepared and the values of one.
const KEYS_MAX: usize = 256;

/// How far the projections are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Last row of the journal that is in them.
    pub(crate) sequence: i64,
    /// Last position.
    pub(crate) position: i64,
    /// Last position of the event log.
    pub(crate) event_position: i64,
    /// Epoch of the event log.
    pub(crate) event_epoch: String,
}

/// How far the projections are; makes the row with `epoch` if there is none.
pub(crate) async fn progress(db: &Db, shard: ProgramId, epoch: &str) -> Result<Progress, DbError> {
    db.write_at(Isolation::ReadCommitted, |tx| {
        Box::pin(async move {
            tx.query(
                "INSERT INTO projection (shard, sequence, position, event_position, event_epoch)
                 VALUES ($1, 0, 0, 0, $2) ON CONFLICT DO NOTHING",
            )
            .bind_id(shard)
            .bind(epoch)
            .execute()
            .await?;
            read_progress(tx, shard).await
        })
    })
    .await
}

/// How far the projections are.
pub(crate) async fn read_progress(tx: &mut Tx<'_>, shard: ProgramId) -> Result<Progress, DbError> {
    let row = tx
        .query("SELECT sequence, position, event_position, event_epoch FROM projection WHERE shard = $1")
        .bind_id(shard)
        .fetch_one()
        .await?;
    Ok(Progress {
        sequence: row.get("sequence")?,
        position: row.get("position")?,
        event_position: row.get("event_position")?,
        event_epoch: row.get("event_epoch")?,
    })
}

/// The rows of `columns` in `table` whose `key` is one of `keys`.
async fn among(
    tx: &mut Tx<'_>,
    select: &str,
    shard: ProgramId,
    keys: impl IntoIterator<Item = impl Display>,
) -> Result<Vec<Row>, DbError> {
    let keys: Vec<String> = keys.into_iter().map(|key| key.to_string()).collect();
    let mut rows = Vec::with_capacity(keys.len());
    for chunk in keys.chunks(KEYS_MAX) {
        // Counts are rounded up to powers of two, the last key repeated, so that few statements stay prepared.
        let count = chunk.len().next_power_of_two();
        let places: Vec<String> = (0..count).map(|n| format!("${}", n + 2)).collect();
        let sql = format!("{select} ({})", places.join(", "));
        let mut query = tx.query(AssertSqlSafe(sql)).bind_id(shard);
        for at in 0..count {
            query = query.bind(&chunk[at.min(chunk.len() - 1)]);
        }
        rows.extend(query.fetch_all().await?);
    }
    Ok(rows)
}

fn account(row: &Row) -> Result<AccountRecord, LedgerError> {
    let mut account: Account = whole(&row.get::<Vec<u8>>("body")?)?;
    account.balances = Balances {
        posted_debits: row.get("posted_debits")?,
        posted_credits: row.get("posted_credits")?,
        pending_debits: row.get("pending_debits")?,
        pending_credits: row.get("pending_credits")?,
    };
    Ok(AccountRecord { account, position: row.get("position")?, moved: row.get("moved")? })
}

/// Reads a hold's row with its state.
pub(crate) fn hold(row: &Row) -> Result<HoldRecord, LedgerError> {
    let mut hold: Hold = whole(&row.get::<Vec<u8>>("body")?)?;
    hold.held.minor_units = row.get("held")?;
    hold.captured = row.get("captured")?;
    hold.over_captured = row.get("over_captured")?;
    hold.released = row.get("released")?;
    hold.expires_at = row.get("expires_at")?;
    let last: String = row.get("last_change")?;
    Ok(HoldRecord {
        hold,
        placed: row.get("placed")?,
        outstanding: row.get("outstanding")?,
        last: change_text_of(&last)
            .ok_or_else(|| LedgerError::Damaged(format!("hold_state.last_change {last}")))?,
        position: row.get("position")?,
    })
}

/// The columns of an account with its balance.
pub(crate) const ACCOUNT: &str = "SELECT account.account, account.body, account.position, balance.posted_debits, \
     balance.posted_credits, balance.pending_debits, balance.pending_credits, balance.position AS moved \
     FROM account JOIN balance ON balance.shard = account.shard AND balance.account = account.account";

/// The columns of a hold with its state.
pub(crate) const HOLD: &str = "SELECT hold.hold, hold.position AS placed, hold.body, hold_state.held, \
     hold_state.captured, hold_state.over_captured, hold_state.released, hold_state.outstanding, \
     hold_state.expires_at, hold_state.last_change, hold_state.position \
     FROM hold JOIN hold_state ON hold_state.shard = hold.shard AND hold_state.hold = hold.hold";

/// Gives the model the rows it wants.
pub(crate) async fn give(tx: &mut Tx<'_>, model: &mut Model, wants: &Wants) -> Result<(), LedgerError> {
    let shard = model.shard;
    let accounts = &format!("{ACCOUNT} WHERE account.shard = $1 AND account.account IN");
    for row in among(tx, accounts, shard, &wants.accounts).await? {
        let record = account(&row)?;
        model.accounts.insert(record.account.id, record);
    }
    let holds = &format!("{HOLD} WHERE hold.shard = $1 AND hold.hold IN");
    for row in among(tx, holds, shard, &wants.holds).await? {
        let record = hold(&row)?;
        model.holds.insert(record.hold.id, record);
    }
    let cards = "SELECT body FROM card WHERE shard = $1 AND card IN";
    for row in among(tx, cards, shard, &wants.cards).await? {
        let record: CardRecord = whole(&row.get::<Vec<u8>>("body")?)?;
        model.cards.insert(record.card.id, record);
    }
    let payments = "SELECT body FROM payment WHERE shard = $1 AND payment IN";
    for row in among(tx, payments, shard, &wants.payments).await? {
        let record: PaymentRecord = whole(&row.get::<Vec<u8>>("body")?)?;
        model.payments.insert(record.payment.id, record);
    }
    let subjects = "SELECT subject, version FROM event_subject WHERE shard = $1 AND subject IN";
    for row in among(tx, subjects, shard, &wants.subjects).await? {
        model.subjects.set(row.get("subject")?, row.get("version")?);
    }
    // A subject without a row has had no event yet.
    for subject in &wants.subjects {
        if !model.subjects.knows(subject) {
            model.subjects.set(subject.clone(), 0);
        }
    }
    Ok(())
}

/// A table of the projections with its rows as they must be.
pub(crate) struct TableRows {
    /// Name of the table.
    pub(crate) table: &'static str,
    /// Its columns, the key first.
    pub(crate) columns: &'static [&'static str],
    /// How many columns are the key.
    pub(crate) key: usize,
    /// The rows, without the shard.
    pub(crate) rows: Vec<Vec<Cell>>,
}

macro_rules! tables {
    ($($function:ident $table:literal key $key:literal [$($column:literal),+ $(,)?] update $update:literal)+) => {
        $(
            fn $function() -> TableRows {
                TableRows { table: $table, columns: &[$($column),+], key: $key, rows: Vec::new() }
            }
        )+

        /// Writes rows into their table.
        async fn write(tx: &mut Tx<'_>, shard: &str, rows: TableRows) -> Result<(), DbError> {
            match rows.table {
                $($table => {
                    let with_shard = with_shard(shard, rows.rows)?;
                    tx.bulk_upsert($table, ["shard", $($column),+], with_shard, $update).await?;
                })+
                other => return Err(damaged(other, "no such table".into())),
            }
            Ok(())
        }
    };
}

tables! {
    request_rows "request" key 1 ["request_id", "digest", "sequence", "ordinal"] update ""
    account_rows "account" key 1 ["account", "owner", "body", "position"]
        update "ON CONFLICT (shard, account) DO UPDATE SET body = excluded.body, position = excluded.position"
    balance_rows "balance" key 1
        ["account", "posted_debits", "posted_credits", "pending_debits", "pending_credits", "position"]
        update "ON CONFLICT (shard, account) DO UPDATE SET posted_debits = excluded.posted_debits,
                posted_credits = excluded.posted_credits, pending_debits = excluded.pending_debits,
                pending_credits = excluded.pending_credits, position = excluded.position"
    entry_rows "entry" key 3 ["account", "position", "ordinal", "body"] update ""
    transfer_rows "transfer" key 1 ["transfer", "position", "body"] update ""
    hold_rows "hold" key 1 ["hold", "position", "body"] update ""
    hold_state_rows "hold_state" key 1
        ["hold", "held", "captured", "over_captured", "released", "outstanding", "expires_at", "last_change",
         "position"]
        update "ON CONFLICT (shard, hold) DO UPDATE SET held = excluded.held, captured = excluded.captured,
                over_captured = excluded.over_captured, released = excluded.released,
                outstanding = excluded.outstanding, expires_at = excluded.expires_at,
                last_change = excluded.last_change, position = excluded.position"
    reversal_rows "reversal" key 1 ["original", "reversed_by", "position"] update ""
    card_rows "card" key 1 ["card", "customer", "issuing", "body", "position"]
        update "ON CONFLICT (shard, card) DO UPDATE SET issuing = excluded.issuing, body = excluded.body,
                position = excluded.position"
    payment_rows "payment" key 1 ["payment", "customer", "card", "opened_position", "body", "position"]
        update "ON CONFLICT (shard, payment) DO UPDATE SET body = excluded.body, position = excluded.position"
    top_up_rows "top_up" key 1 ["bank_transaction_id", "body", "position"] update ""
    product_rows "product" key 2 ["product", "version", "body", "position"]
        update "ON CONFLICT (shard, product, version) DO UPDATE SET body = excluded.body,
                position = excluded.position"
    customer_rows "customer" key 1 ["customer", "body", "position"]
        update "ON CONFLICT (shard, customer) DO UPDATE SET body = excluded.body, position = excluded.position"
    event_rows "event" key 1
        ["position", "id", "type", "subject", "subject_version", "time", "type_url", "data", "journal_position"]
        update ""
    event_subject_rows "event_subject" key 1 ["subject", "version"]
        update "ON CONFLICT (shard, subject) DO UPDATE SET version = excluded.version"
}

fn with_shard<const N: usize>(shard: &str, rows: Vec<Vec<Cell>>) -> Result<Vec<[Cell; N]>, DbError> {
    rows.into_iter()
        .map(|row| {
            let mut cells = Vec::with_capacity(N);
            cells.push(Cell::from(shard));
            cells.extend(row);
            cells.try_into().map_err(|cells: Vec<Cell>| {
                damaged("row", format!("has {} columns where {N} are wanted", cells.len()))
            })
        })
        .collect()
}

fn damaged(column: &str, what: String) -> DbError {
    DbError::Column { column: column.into(), what }
}

fn cell(id: impl Display) -> Cell {
    id.to_string().into()
}

fn request_id(id: bursar_types::RequestId) -> Cell {
    id.as_uuid().as_bytes().to_vec().into()
}

/// An account's body: all but its balances, which have a row of their own.
fn account_body(account: &Account) -> Vec<u8> {
    Account { balances: Balances::default(), ..account.clone() }.to_bytes()
}

/// A hold's body: as it was placed; how it stands is another row.
fn hold_body(hold: &Hold) -> Vec<u8> {
    let mut placed = hold.clone();
    placed.held.minor_units = 0;
    placed.captured = 0;
    placed.over_captured = 0;
    placed.released = 0;
    placed.expires_at = None;
    placed.to_bytes()
}

/// The rows of `model` that `dirty` names, and all that are only ever added.
pub(crate) fn rows(model: &Model, dirty: &Dirty) -> Vec<TableRows> {
    let mut tables = vec![
        entity_accounts(model, dirty),
        entity_balances(model, dirty),
        entity_holds(model, dirty),
        entity_hold_states(model, dirty),
        entity_cards(model, dirty),
        entity_payments(model, dirty),
        entity_products(model, dirty),
        entity_customers(model, dirty),
        entity_subjects(model, dirty),
    ];
    tables.extend(added(model));
    tables.retain(|table| !table.rows.is_empty());
    tables
}

/// Every table of the projections, empty: for the verification.
pub(crate) fn tables() -> Vec<TableRows> {
    vec![
        request_rows(),
        account_rows(),
        balance_rows(),
        entry_rows(),
        transfer_rows(),
        hold_rows(),
        hold_state_rows(),
        reversal_rows(),
        card_rows(),
        payment_rows(),
        top_up_rows(),
        product_rows(),
        customer_rows(),
        event_rows(),
        event_subject_rows(),
    ]
}

fn entity_accounts(model: &Model, dirty: &Dirty) -> TableRows {
    let mut table = account_rows();
    for record in dirty.accounts.iter().filter_map(|id| model.accounts.get(id)) {
        let account = &record.account;
        let owner = account.owner.map(|owner| owner.to_string());
        table.rows.push(vec![
            cell(account.id),
            owner.into(),
            account_body(account).into(),
            record.position.into(),
        ]);
    }
    table
}

fn entity_balances(model: &Model, dirty: &Dirty) -> TableRows {
    let mut table = balance_rows();
    for record in dirty.balances.iter().filter_map(|id| model.accounts.get(id)) {
        let balances = &record.account.balances;
        table.rows.push(vec![
            cell(record.account.id),
            balances.posted_debits.into(),
            balances.posted_credits.into(),
            balances.pending_debits.into(),
            balances.pending_credits.into(),
            record.moved.into(),
        ]);
    }
    table
}

fn entity_holds(model: &Model, dirty: &Dirty) -> TableRows {
    let mut table = hold_rows();
    for record in dirty.holds.iter().filter_map(|id| model.holds.get(id)) {
        table.rows.push(vec![cell(record.hold.id), record.placed.into(), hold_body(&record.hold).into()]);
    }
    table
}

fn entity_hold_states(model: &Model, dirty: &Dirty) -> TableRows {
    let mut table = hold_state_rows();
    for record in dirty.hold_states.iter().filter_map(|id| model.holds.get(id)) {
        let hold = &record.hold;
        table.rows.push(vec![
            cell(hold.id),
            hold.held.minor_units.into(),
            hold.captured.into(),
            hold.over_captured.into(),
            hold.released.into(),
            record.outstanding.into(),
            hold.expires_at.into(),
            record.last.into(),
            record.position.into(),
        ]);
    }
    table
}

fn entity_cards(model: &Model, dirty: &Dirty) -> TableRows {
    let mut table = card_rows();
    for record in dirty.cards.iter().filter_map(|id| model.cards.get(id)) {
        let card = &record.card;
        let issuing = card.stage == bursar_ledger_engine::CardStage::Issuing;
        let position = record.steps.last().map_or(0, |step| step.position);
        table.rows.push(vec![
            cell(card.id),
            cell(card.customer),
            issuing.into(),
            record.to_bytes().into(),
            position.into(),
        ]);
    }
    table
}

fn entity_payments(model: &Model, dirty: &Dirty) -> TableRows {
    let mut table = payment_rows();
    for record in dirty.payments.iter().filter_map(|id| model.payments.get(id)) {
        let payment = &record.payment;
        let customer = payment.customer.map(|customer| customer.to_string());
        table.rows.push(vec![
            cell(payment.id),
            customer.into(),
            cell(payment.card),
            record.opened.into(),
            record.to_bytes().into(),
            record.positions.last().copied().unwrap_or(record.opened).into(),
        ]);
    }
    table
}

fn entity_products(model: &Model, dirty: &Dirty) -> TableRows {
    let mut table = product_rows();
    for record in dirty.products.iter().filter_map(|key| model.products.get(key)) {
        table.rows.push(vec![
            cell(record.version.product),
            i64::from(record.version.version).into(),
            record.version.to_bytes().into(),
            record.position.into(),
        ]);
    }
    table
}

fn entity_customers(model: &Model, dirty: &Dirty) -> TableRows {
    let mut table = customer_rows();
    for (standing, position) in dirty.customers.iter().filter_map(|id| model.customers.get(id)) {
        table.rows.push(vec![cell(standing.customer), standing.to_bytes().into(), (*position).into()]);
    }
    table
}

fn entity_subjects(model: &Model, dirty: &Dirty) -> TableRows {
    let mut table = event_subject_rows();
    for subject in &dirty.subjects {
        table.rows.push(vec![subject.as_str().into(), model.subjects.version(subject).into()]);
    }
    table
}

fn added(model: &Model) -> Vec<TableRows> {
    let mut requests = request_rows();
    for (id, row) in &model.requests {
        requests.rows.push(vec![request_id(*id), row.digest.into(), row.sequence.into(), row.ordinal.into()]);
    }
    let mut entries = entry_rows();
    for ((account, position, ordinal), record) in &model.entries {
        entries.rows.push(vec![
            cell(account),
            (*position).into(),
            (*ordinal).into(),
            record.to_bytes().into(),
        ]);
    }
    let mut transfers = transfer_rows();
    for (id, record) in &model.transfers {
        transfers.rows.push(vec![cell(id), record.position.into(), record.transfer.to_bytes().into()]);
    }
    let mut reversals = reversal_rows();
    for (original, (by, position)) in &model.reversals {
        reversals.rows.push(vec![cell(original), cell(by), (*position).into()]);
    }
    let mut top_ups = top_up_rows();
    for (id, record) in &model.top_ups {
        top_ups.rows.push(vec![id.as_str().into(), record.to_bytes().into(), record.position.into()]);
    }
    let mut events = event_rows();
    events.rows.extend(model.events.iter().map(event_cells));
    vec![requests, entries, transfers, reversals, top_ups, events]
}

fn event_cells(event: &EventRow) -> Vec<Cell> {
    vec![
        event.position.into(),
        cell(event.id),
        event.kind.as_str().into(),
        event.subject.as_str().into(),
        event.subject_version.into(),
        event.time.into(),
        event.type_url.as_str().into(),
        event.data.as_slice().into(),
        event.journal_position.into(),
    ]
}

/// Writes what the model changed, and moves the projections from `from` to where the model is: all of it or nothing.
/// False if they are not at `from` any more: another owner's projector was here.
pub(crate) async fn flush(db: &Db, model: &Model, from: i64) -> Result<bool, LedgerError> {
    let shard = model.shard.to_string();
    let shard = shard.as_str();
    db.write_at(Isolation::ReadCommitted, |tx| {
        Box::pin(async move {
            let moved = tx
                .query(
                    "UPDATE projection SET sequence = $2, position = $3, event_position = $4
                     WHERE shard = $1 AND sequence = $5",
                )
                .bind(shard)
                .bind(model.sequence)
                .bind(model.position)
                .bind(model.event_position)
                .bind(from)
                .execute()
                .await?;
            if moved != 1 {
                return Ok(false);
            }
            for table in rows(model, &model.dirty) {
                write(tx, shard, table).await?;
            }
            Ok(true)
        })
    })
    .await
}

/// A page of the rows of a table as cells, in the order of its key, after the row `after`: for the verification.
pub(crate) async fn dump(
    tx: &mut Tx<'_>,
    shard: ProgramId,
    table: &TableRows,
    after: Option<&Vec<Cell>>,
    limit: i64,
) -> Result<Vec<Vec<Cell>>, DbError> {
    let key = table.columns[..table.key].join(", ");
    let columns = table.columns.join(", ");
    let places: Vec<String> = (0..table.key).map(|n| format!("${}", n + 3)).collect();
    let beyond = match after {
        Some(_) => format!("AND ({key}) > ({})", places.join(", ")),
        None => String::new(),
    };
    let sql =
        format!("SELECT {columns} FROM {} WHERE shard = $1 {beyond} ORDER BY {key} LIMIT $2", table.table);
    let mut query = tx.query(AssertSqlSafe(sql)).bind_id(shard).bind(limit);
    for cell in after.into_iter().flat_map(|row| &row[..table.key]).cloned() {
        query = match cell {
            Cell::Int(value) => query.bind(value),
            Cell::Text(value) => query.bind(value),
            Cell::Bytes(value) => query.bind(value),
            Cell::Bool(value) => query.bind(value),
        };
    }
    let rows = query.fetch_all().await?;
    rows.iter()
        .map(|row| table.columns.iter().map(|column| read_cell(row, table.table, column)).collect())
        .collect()
}

/// A column by what its name stands for throughout the schema.
fn read_cell(row: &Row, table: &str, column: &str) -> Result<Cell, DbError> {
    Ok(match (table, column) {
        (_, "body" | "data" | "digest" | "request_id") => Cell::Bytes(row.get(column)?),
        (_, "issuing") => Cell::Bool(row.get(column)?),
        (
            _,
            "account"
            | "owner"
            | "transfer"
            | "hold"
            | "last_change"
            | "original"
            | "reversed_by"
            | "card"
            | "customer"
            | "payment"
            | "bank_transaction_id"
            | "product"
            | "id"
            | "type"
            | "subject"
            | "type_url",
        ) => Cell::Text(row.get(column)?),
        _ => Cell::Int(row.get(column)?),
    })
}

/// A page of accounts by id, of one owner or all.
pub(crate) async fn accounts(
    tx: &mut Tx<'_>,
    shard: ProgramId,
    owner: Option<String>,
    after: Option<&String>,
    limit: i64,
) -> Result<Vec<AccountRecord>, LedgerError> {
    let after = after.map_or("", String::as_str);
    let rows = match owner {
        Some(owner) => {
            let sql = format!(
                "{ACCOUNT} WHERE account.shard = $1 AND account.owner = $2 AND account.account > $3
                 ORDER BY account.account LIMIT $4"
            );
            tx.query(AssertSqlSafe(sql))
                .bind_id(shard)
                .bind(owner)
                .bind(after)
                .bind(limit)
                .fetch_all()
                .await?
        }
        None => {
            let sql = format!(
                "{ACCOUNT} WHERE account.shard = $1 AND account.account > $2
                 ORDER BY account.account LIMIT $3"
            );
            tx.query(AssertSqlSafe(sql)).bind_id(shard).bind(after).bind(limit).fetch_all().await?
        }
    };
    rows.iter().map(account).collect()
}

/// A hold with its state.
pub(crate) async fn hold_by_id(
    tx: &mut Tx<'_>,
    shard: ProgramId,
    id: TransferId,
) -> Result<Option<HoldRecord>, LedgerError> {
    let sql = format!("{HOLD} WHERE hold.shard = $1 AND hold.hold = $2");
    let row = tx.query(AssertSqlSafe(sql)).bind_id(shard).bind_id(id).fetch_optional().await?;
    row.as_ref().map(hold).transpose()
}
