//! Screenings, what they met, and who is to be screened again.

use bursar_service::db::{DbError, Row, Tx};
use bursar_types::Timestamp;
use bursar_types::id::{CustomerId, KycCaseId, ScreeningId};

use crate::keys::{MAC_LENGTH, Place};
use crate::screening::MatchState;

/// A screening as stored.
#[derive(Clone)]
pub struct ScreeningRow {
    /// Id; later runs have larger ones.
    pub screening_id: ScreeningId,
    /// Who was screened.
    pub customer_id: CustomerId,
    /// The application that states who they are.
    pub case_id: KycCaseId,
    /// Why it ran.
    pub cause: String,
    /// Keyed digest of what was screened.
    pub subject_hash: [u8; MAC_LENGTH],
    /// Names of the lists.
    pub lists: String,
    /// Their version, for people.
    pub lists_version: String,
    /// Hash of their versions.
    pub lists_hash: String,
    /// Version of the scorer.
    pub algorithm: String,
    /// Least score of a hit.
    pub threshold_bps: i64,
    /// Entries that were compared.
    pub entries: i64,
    /// Number of hits.
    pub hits: i64,
    /// The hits, sealed.
    pub hits_sealed: Vec<u8>,
    /// When.
    pub ran_at: Timestamp,
}

impl ScreeningRow {
    fn of(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            screening_id: row.id("screening_id")?,
            customer_id: row.id("customer_id")?,
            case_id: row.id("case_id")?,
            cause: row.get("cause")?,
            subject_hash: row.get("subject_hash")?,
            lists: row.get("lists")?,
            lists_version: row.get("lists_version")?,
            lists_hash: row.get("lists_hash")?,
            algorithm: row.get("algorithm")?,
            threshold_bps: row.get("threshold_bps")?,
            entries: row.get("entries")?,
            hits: row.get("hits")?,
            hits_sealed: row.get("hits_sealed")?,
            ran_at: row.get("ran_at")?,
        })
    }
}

/// Where the hits of a screening are sealed for.
pub fn hits_place(screening: &str) -> Place<'_> {
    Place { table: "screenings", column: "hits_sealed", row: screening }
}

/// Where the reason of a clearing is sealed for.
pub fn reason_place(row: &str) -> Place<'_> {
    Place { table: "screening_matches", column: "reason_sealed", row }
}

/// Keeps a screening.
///
/// # Errors
/// What the database refused.
pub async fn insert(tx: &mut Tx<'_>, run: &ScreeningRow) -> Result<(), DbError> {
    tx.query(
        "INSERT INTO screenings (screening_id, customer_id, case_id, cause, subject_hash, lists, lists_version, lists_hash,
                                 algorithm, threshold_bps, entries, hits, hits_sealed, ran_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind_id(run.screening_id)
    .bind_id(run.customer_id)
    .bind_id(run.case_id)
    .bind(&run.cause)
    .bind(run.subject_hash)
    .bind(&run.lists)
    .bind(&run.lists_version)
    .bind(&run.lists_hash)
    .bind(&run.algorithm)
    .bind(run.threshold_bps)
    .bind(run.entries)
    .bind(run.hits)
    .bind(&run.hits_sealed)
    .bind(run.ran_at)
    .execute()
    .await
    .map(drop)
}

/// Screenings of one customer, newest first.
///
/// # Errors
/// What the database refused.
pub async fn of_customer(
    tx: &mut Tx<'_>,
    customer: CustomerId,
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<ScreeningRow>, DbError> {
    let rows = tx
        .query(
            "SELECT * FROM screenings WHERE customer_id = $1 AND screening_id < $2
             ORDER BY screening_id DESC LIMIT $3",
        )
        .bind_id(customer)
        // Above any id.
        .bind(before.unwrap_or("~"))
        .bind(limit)
        .fetch_all()
        .await?;
    rows.iter().map(ScreeningRow::of).collect()
}

/// The screening.
///
/// # Errors
/// What the database refused.
pub async fn get(tx: &mut Tx<'_>, screening: ScreeningId) -> Result<Option<ScreeningRow>, DbError> {
    let row = tx
        .query("SELECT * FROM screenings WHERE screening_id = $1")
        .bind_id(screening)
        .fetch_optional()
        .await?;
    row.as_ref().map(ScreeningRow::of).transpose()
}

/// Where a person and an entry stand.
#[derive(Clone)]
pub struct MatchRow {
    /// Who.
    pub customer_id: CustomerId,
    /// Name of the list.
    pub list: String,
    /// Id of the entry there.
    pub entry_id: String,
    /// Where it stands.
    pub state: MatchState,
    /// Keyed digest of what was screened.
    pub subject_hash: [u8; MAC_LENGTH],
    /// Hash of what the entry says.
    pub entry_hash: String,
    /// The last score.
    pub score_bps: i64,
    /// The run that met it last.
    pub screening_id: ScreeningId,
    /// When it was met first.
    pub opened_at: Timestamp,
    /// Who cleared it; empty: nobody.
    pub cleared_by: String,
    /// When.
    pub cleared_at: Option<Timestamp>,
    /// Why, sealed.
    pub reason_sealed: Option<Vec<u8>>,
    /// How often it was opened again.
    pub reopened: i64,
}

impl MatchRow {
    fn of(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            customer_id: row.id("customer_id")?,
            list: row.get("list")?,
            entry_id: row.get("entry_id")?,
            state: row.parse("state")?,
            subject_hash: row.get("subject_hash")?,
            entry_hash: row.get("entry_hash")?,
            score_bps: row.get("score_bps")?,
            screening_id: row.id("screening_id")?,
            opened_at: row.get("opened_at")?,
            cleared_by: row.get("cleared_by")?,
            cleared_at: row.get("cleared_at")?,
            reason_sealed: row.get("reason_sealed")?,
            reopened: row.get("reopened")?,
        })
    }
}

/// Most matches of one person that are looked at.
const MATCHES_MAX: i64 = 1_000;

/// All matches of a person.
///
/// # Errors
/// What the database refused.
pub async fn matches(tx: &mut Tx<'_>, customer: CustomerId) -> Result<Vec<MatchRow>, DbError> {
    let rows = tx
        .query("SELECT * FROM screening_matches WHERE customer_id = $1 ORDER BY list, entry_id LIMIT $2")
        .bind_id(customer)
        .bind(MATCHES_MAX)
        .fetch_all()
        .await?;
    rows.iter().map(MatchRow::of).collect()
}

/// Keeps a match as it stands now, instead of what was kept under `entry` before.
///
/// # Errors
/// What the database refused.
pub async fn put_match(tx: &mut Tx<'_>, was: Option<&str>, row: &MatchRow) -> Result<(), DbError> {
    if let Some(entry) = was.filter(|entry| *entry != row.entry_id) {
        tx.query("DELETE FROM screening_matches WHERE customer_id = $1 AND list = $2 AND entry_id = $3")
            .bind_id(row.customer_id)
            .bind(&row.list)
            .bind(entry)
            .execute()
            .await?;
    }
    tx.query(
        "INSERT INTO screening_matches (customer_id, list, entry_id, state, subject_hash, entry_hash, score_bps,
                                        screening_id, opened_at, cleared_by, cleared_at, reason_sealed, reopened)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         ON CONFLICT (customer_id, list, entry_id) DO UPDATE SET
             state = excluded.state, subject_hash = excluded.subject_hash, entry_hash = excluded.entry_hash,
             score_bps = excluded.score_bps, screening_id = excluded.screening_id, cleared_by = excluded.cleared_by,
             cleared_at = excluded.cleared_at, reason_sealed = excluded.reason_sealed, reopened = excluded.reopened",
    )
    .bind_id(row.customer_id)
    .bind(&row.list)
    .bind(&row.entry_id)
    .bind(row.state.as_str())
    .bind(row.subject_hash)
    .bind(&row.entry_hash)
    .bind(row.score_bps)
    .bind_id(row.screening_id)
    .bind(row.opened_at)
    .bind(&row.cleared_by)
    .bind(row.cleared_at)
    .bind(row.reason_sealed.as_deref())
    .bind(row.reopened)
    .execute()
    .await
    .map(drop)
}

/// Matches in one state, after a customer, list and entry.
///
/// # Errors
/// What the database refused.
pub async fn matches_in(
    tx: &mut Tx<'_>,
    state: MatchState,
    after: Option<&(String, String, String)>,
    limit: i64,
) -> Result<Vec<MatchRow>, DbError> {
    let (customer, list, entry) =
        after.map_or(("", "", ""), |(customer, list, entry)| (customer, list, entry));
    let rows = tx
        .query(
            "SELECT * FROM screening_matches
             WHERE state = $1 AND (customer_id > $2 OR (customer_id = $2 AND (list > $3 OR (list = $3 AND entry_id > $4))))
             ORDER BY customer_id, list, entry_id LIMIT $5",
        )
        .bind(state.as_str())
        .bind(customer)
        .bind(list)
        .bind(entry)
        .bind(limit)
        .fetch_all()
        .await?;
    rows.iter().map(MatchRow::of).collect()
}

/// Notes that a person was compared with these lists.
///
/// # Errors
/// What the database refused.
pub async fn put_person(
    tx: &mut Tx<'_>,
    customer: CustomerId,
    case: KycCaseId,
    lists_hash: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    tx.query(
        "INSERT INTO screening_people (customer_id, case_id, lists_hash, screened_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (customer_id) DO UPDATE SET
             case_id = excluded.case_id, lists_hash = excluded.lists_hash, screened_at = excluded.screened_at",
    )
    .bind_id(customer)
    .bind_id(case)
    .bind(lists_hash)
    .bind(now)
    .execute()
    .await
    .map(drop)
}

/// A person, their application, and the lists they were compared with.
pub struct PersonRow {
    /// Who.
    pub customer_id: CustomerId,
    /// The application that states who they are.
    pub case_id: KycCaseId,
    /// Hash of the lists; empty: none.
    pub lists_hash: String,
}

/// People who were compared with other lists than these.
///
/// # Errors
/// What the database refused.
pub async fn people_behind(tx: &mut Tx<'_>, lists_hash: &str, limit: i64) -> Result<Vec<PersonRow>, DbError> {
    let rows = tx
        .query(
            "SELECT customer_id, case_id, lists_hash FROM screening_people
             WHERE lists_hash < $1 OR lists_hash > $1 ORDER BY customer_id LIMIT $2",
        )
        .bind(lists_hash)
        .bind(limit)
        .fetch_all()
        .await?;
    rows.iter()
        .map(|row| {
            Ok(PersonRow {
                customer_id: row.id("customer_id")?,
                case_id: row.id("case_id")?,
                lists_hash: row.get("lists_hash")?,
            })
        })
        .collect()
}

/// How many they are.
///
/// # Errors
/// What the database refused.
pub async fn count_behind(tx: &mut Tx<'_>, lists_hash: &str) -> Result<i64, DbError> {
    let row = tx
        .query("SELECT count(*) AS people FROM screening_people WHERE lists_hash <> $1")
        .bind(lists_hash)
        .fetch_one()
        .await?;
    row.get("people")
}
