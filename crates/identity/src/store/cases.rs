//! KYC cases and their trail.

use bursar_service::db::{DbError, Row, Tx};
use bursar_types::Timestamp;
use bursar_types::id::{CustomerId, KycCaseId};

use crate::keys::{MAC_LENGTH, Place};
use crate::kyc::case::CaseState;

/// A case as stored.
#[derive(Clone)]
pub struct CaseRow {
    /// Id.
    pub case_id: KycCaseId,
    /// Whose.
    pub customer_id: CustomerId,
    /// Where it stands.
    pub state: CaseState,
    /// Name as stated, sealed.
    pub full_name_sealed: Vec<u8>,
    /// ID number, sealed.
    pub id_number_sealed: Vec<u8>,
    /// What the ID number is found by.
    pub id_number_index: [u8; MAC_LENGTH],
    /// Birth date, sealed.
    pub birth_date_sealed: Vec<u8>,
    /// Address, sealed.
    pub address_sealed: Vec<u8>,
    /// ISO 3166-1 alpha-2.
    pub nationality: String,
    /// How often it was handed in.
    pub attempt: i64,
    /// Who works on it; empty: nobody.
    pub reviewer: String,
    /// What the customer may be told of the decision.
    pub customer_reason: String,
    /// Level that was given; 0 until approved.
    pub kyc_level: i64,
    /// Moment it was opened.
    pub created_at: Timestamp,
    /// Moment by which it is to be decided.
    pub deadline: Option<Timestamp>,
}

impl CaseRow {
    fn of(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            case_id: row.id("case_id")?,
            customer_id: row.id("customer_id")?,
            state: row.parse("state")?,
            full_name_sealed: row.get("full_name_sealed")?,
            id_number_sealed: row.get("id_number_sealed")?,
            id_number_index: row.get("id_number_index")?,
            birth_date_sealed: row.get("birth_date_sealed")?,
            address_sealed: row.get("address_sealed")?,
            nationality: row.get("nationality")?,
            attempt: row.get("attempt")?,
            reviewer: row.get("reviewer")?,
            customer_reason: row.get("customer_reason")?,
            kyc_level: row.get("kyc_level")?,
            created_at: row.get("created_at")?,
            deadline: row.get("deadline")?,
        })
    }
}

/// Where a column of a case is sealed for.
pub fn place<'a>(column: &'static str, case: &'a str) -> Place<'a> {
    Place { table: "kyc_cases", column, row: case }
}

/// Keeps a draft; false if the customer has an open application already.
///
/// # Errors
/// What the database refused.
pub async fn insert(tx: &mut Tx<'_>, case: &CaseRow) -> Result<bool, DbError> {
    let inserted = tx
        .query(
            "INSERT INTO kyc_cases (case_id, customer_id, state, full_name_sealed, id_number_sealed, id_number_index,
                                    birth_date_sealed, address_sealed, nationality, attempt, reviewer,
                                    customer_reason, kyc_level, created_at, trail_length)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, '', '', 0, $10, 0) ON CONFLICT DO NOTHING",
        )
        .bind_id(case.case_id)
        .bind_id(case.customer_id)
        .bind(case.state.as_str())
        .bind(&case.full_name_sealed)
        .bind(&case.id_number_sealed)
        .bind(case.id_number_index)
        .bind(&case.birth_date_sealed)
        .bind(&case.address_sealed)
        .bind(&case.nationality)
        .bind(case.created_at)
        .execute()
        .await?;
    Ok(inserted == 1)
}

/// The case.
///
/// # Errors
/// What the database refused.
pub async fn get(tx: &mut Tx<'_>, case: KycCaseId) -> Result<Option<CaseRow>, DbError> {
    let row = tx.query("SELECT * FROM kyc_cases WHERE case_id = $1").bind_id(case).fetch_optional().await?;
    row.as_ref().map(CaseRow::of).transpose()
}

/// Other customers who handed in an application with this ID number.
///
/// # Errors
/// What the database refused.
pub async fn others_with_id_number(
    tx: &mut Tx<'_>,
    id_number_index: [u8; MAC_LENGTH],
    customer: CustomerId,
) -> Result<i64, DbError> {
    let row = tx
        .query(
            "SELECT count(DISTINCT customer_id) AS others FROM kyc_cases
             WHERE id_number_index = $1 AND customer_id <> $2 AND attempt > 0",
        )
        .bind(id_number_index)
        .bind_id(customer)
        .fetch_one()
        .await?;
    row.get("others")
}

/// Hands a case in: it waits for reviewers until `deadline`. False if its state changed meanwhile.
///
/// # Errors
/// What the database refused.
pub async fn submit(
    tx: &mut Tx<'_>,
    case: &CaseRow,
    to: CaseState,
    now: Timestamp,
    deadline: Timestamp,
) -> Result<bool, DbError> {
    let changed = tx
        .query(
            "UPDATE kyc_cases SET state = $3, attempt = attempt + 1, submitted_at = $4, deadline = $5,
                                  overdue_at = NULL, reviewer = ''
             WHERE case_id = $1 AND state = $2",
        )
        .bind_id(case.case_id)
        .bind(case.state.as_str())
        .bind(to.as_str())
        .bind(now)
        .bind(deadline)
        .execute()
        .await?;
    Ok(changed == 1)
}

/// Gives a case to a reviewer; false if its state changed meanwhile.
///
/// # Errors
/// What the database refused.
pub async fn claim(tx: &mut Tx<'_>, case: &CaseRow, to: CaseState, reviewer: &str) -> Result<bool, DbError> {
    let changed = tx
        .query("UPDATE kyc_cases SET state = $3, reviewer = $4 WHERE case_id = $1 AND state = $2")
        .bind_id(case.case_id)
        .bind(case.state.as_str())
        .bind(to.as_str())
        .bind(reviewer)
        .execute()
        .await?;
    Ok(changed == 1)
}

/// Decides a case that this reviewer holds; false if its state or reviewer changed meanwhile.
///
/// # Errors
/// What the database refused.
pub async fn decide(
    tx: &mut Tx<'_>,
    case: &CaseRow,
    to: CaseState,
    customer_reason: &str,
    kyc_level: u8,
) -> Result<bool, DbError> {
    let changed = tx
        .query(
            "UPDATE kyc_cases SET state = $4, customer_reason = $5, kyc_level = $6
             WHERE case_id = $1 AND state = $2 AND reviewer = $3",
        )
        .bind_id(case.case_id)
        .bind(case.state.as_str())
        .bind(&case.reviewer)
        .bind(to.as_str())
        .bind(customer_reason)
        .bind(i64::from(kyc_level))
        .execute()
        .await?;
    Ok(changed == 1)
}

/// The queue after `after`, nearest deadline first.
///
/// # Errors
/// What the database refused.
pub async fn queue(
    tx: &mut Tx<'_>,
    state: Option<CaseState>,
    after: Option<&(i64, String)>,
    limit: i64,
) -> Result<Vec<CaseRow>, DbError> {
    let (deadline, case) = after.map_or((i64::MIN, ""), |(deadline, case)| (*deadline, case.as_str()));
    let query = match state {
        None => tx.query(
            "SELECT * FROM kyc_cases WHERE deadline IS NOT NULL AND (deadline > $1 OR (deadline = $1 AND case_id > $2))
             ORDER BY deadline, case_id LIMIT $3",
        ),
        Some(_) => tx.query(
            "SELECT * FROM kyc_cases
             WHERE state = $4 AND deadline IS NOT NULL AND (deadline > $1 OR (deadline = $1 AND case_id > $2))
             ORDER BY deadline, case_id LIMIT $3",
        ),
    };
    let query = query.bind(deadline).bind(case).bind(limit);
    let rows = match state {
        None => query.fetch_all().await?,
        Some(state) => query.bind(state.as_str()).fetch_all().await?,
    };
    rows.iter().map(CaseRow::of).collect()
}

/// Cases whose deadline passed undecided and untold.
///
/// # Errors
/// What the database refused.
pub async fn overdue(tx: &mut Tx<'_>, now: Timestamp, limit: i64) -> Result<Vec<CaseRow>, DbError> {
    let rows = tx
        .query(
            "SELECT * FROM kyc_cases
             WHERE state IN ('OPEN', 'IN_REVIEW') AND deadline <= $1 AND overdue_at IS NULL
             ORDER BY deadline, case_id LIMIT $2",
        )
        .bind(now)
        .bind(limit)
        .fetch_all()
        .await?;
    rows.iter().map(CaseRow::of).collect()
}

/// Notes that it was told; false if it was before, or the case was decided meanwhile.
///
/// # Errors
/// What the database refused.
pub async fn mark_overdue(tx: &mut Tx<'_>, case: KycCaseId, now: Timestamp) -> Result<bool, DbError> {
    let changed = tx
        .query(
            "UPDATE kyc_cases SET overdue_at = $2
             WHERE case_id = $1 AND overdue_at IS NULL AND state IN ('OPEN', 'IN_REVIEW')",
        )
        .bind_id(case)
        .bind(now)
        .execute()
        .await?;
    Ok(changed == 1)
}

/// An entry of a trail.
pub struct TrailEntry<'a> {
    /// Of which case.
    pub case_id: KycCaseId,
    /// Its number in the trail: [`next_trail_entry`].
    pub entry: i64,
    /// When.
    pub at: Timestamp,
    /// Who: a principal, or a reviewer's name.
    pub actor: &'a str,
    /// What.
    pub action: &'a str,
    /// Why, sealed.
    pub detail_sealed: Vec<u8>,
}

/// Row of a trail entry, as its detail is sealed for.
pub fn trail_row(case: KycCaseId, entry: i64) -> String {
    format!("{case}/{entry}")
}

/// Where the detail of a trail entry is sealed for.
pub fn trail_place(row: &str) -> Place<'_> {
    Place { table: "kyc_trail", column: "detail_sealed", row }
}

/// Number of the next entry of a trail. Holds the case until the transaction ends, so that two at once are numbered
/// one after the other.
///
/// # Errors
/// What the database refused.
pub async fn next_trail_entry(tx: &mut Tx<'_>, case: KycCaseId) -> Result<i64, DbError> {
    let row = tx
        .query(
            "UPDATE kyc_cases SET trail_length = trail_length + 1 WHERE case_id = $1 RETURNING trail_length",
        )
        .bind_id(case)
        .fetch_one()
        .await?;
    row.get("trail_length")
}

/// Adds to a trail.
///
/// # Errors
/// What the database refused.
pub async fn add_to_trail(tx: &mut Tx<'_>, entry: &TrailEntry<'_>) -> Result<(), DbError> {
    tx.query(
        "INSERT INTO kyc_trail (case_id, entry, at, actor, action, detail_sealed) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind_id(entry.case_id)
    .bind(entry.entry)
    .bind(entry.at)
    .bind(entry.actor)
    .bind(entry.action)
    .bind(&entry.detail_sealed)
    .execute()
    .await
    .map(drop)
}

/// Actors and actions of a trail, oldest first.
///
/// # Errors
/// What the database refused.
pub async fn trail(tx: &mut Tx<'_>, case: KycCaseId, limit: i64) -> Result<Vec<(String, String)>, DbError> {
    let rows = tx
        .query("SELECT actor, action FROM kyc_trail WHERE case_id = $1 ORDER BY entry LIMIT $2")
        .bind_id(case)
        .bind(limit)
        .fetch_all()
        .await?;
    rows.iter().map(|row| Ok((row.get("actor")?, row.get("action")?))).collect()
}
