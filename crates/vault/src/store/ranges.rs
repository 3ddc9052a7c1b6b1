//! BIN ranges and how full they are.

use bursar_service::db::{Cell, DbError, Row, Tx};
use bursar_types::Timestamp;

use super::damaged;
use crate::payment::range::{BinRangeId, RangeShape};

/// Rows that share the counting of one range: so many cards can be issued at once without waiting for each other.
pub(crate) const FILL_SLOTS: u8 = 16;

/// A range and its fill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredRange {
    pub(crate) id: BinRangeId,
    pub(crate) shape: RangeShape,
    pub(crate) issued: i64,
}

/// Adds a range; false if its name is taken.
pub(crate) async fn insert(
    tx: &mut Tx<'_>,
    id: &BinRangeId,
    shape: &RangeShape,
    now: Timestamp,
) -> Result<bool, DbError> {
    let length = i64::try_from(shape.pan_length()).map_err(|_| damaged("pan_length", "not a length"))?;
    let inserted = tx
        .query(
            "INSERT INTO bin_range (bin_range_id, bin, pan_length, created_at)
             VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        )
        .bind(id.as_str())
        .bind(shape.bin())
        .bind(length)
        .bind(now)
        .execute()
        .await?;
    if inserted == 0 {
        return Ok(false);
    }
    let slots =
        (0..FILL_SLOTS).map(|slot| [Cell::from(id.as_str()), i64::from(slot).into(), 0_i64.into()]).collect();
    tx.bulk_insert("bin_range_fill", ["bin_range_id", "slot", "issued"], slots).await?;
    Ok(true)
}

/// The range of this name, without counting.
pub(crate) async fn shape(tx: &mut Tx<'_>, id: &BinRangeId) -> Result<Option<RangeShape>, DbError> {
    let row = tx
        .query("SELECT bin, pan_length FROM bin_range WHERE bin_range_id = $1")
        .bind(id.as_str())
        .fetch_optional()
        .await?;
    row.as_ref().map(read_shape).transpose()
}

/// Ranges by name after `after`, at most `limit`.
pub(crate) async fn page(tx: &mut Tx<'_>, after: &str, limit: i64) -> Result<Vec<StoredRange>, DbError> {
    let rows = tx
        .query(
            "SELECT r.bin_range_id, r.bin, r.pan_length,
                    (SELECT CAST(SUM(f.issued) AS BIGINT) FROM bin_range_fill f WHERE f.bin_range_id = r.bin_range_id)
                    AS issued
             FROM bin_range r WHERE r.bin_range_id > $1 ORDER BY r.bin_range_id LIMIT $2",
        )
        .bind(after)
        .bind(limit)
        .fetch_all()
        .await?;
    rows.iter()
        .map(|row| {
            Ok(StoredRange {
                id: row.parse("bin_range_id")?,
                shape: read_shape(row)?,
                issued: row.get::<Option<i64>>("issued")?.unwrap_or(0),
            })
        })
        .collect()
}

/// Counts `count` more numbers taken.
pub(crate) async fn count_issued(
    tx: &mut Tx<'_>,
    id: &BinRangeId,
    slot: u8,
    count: i64,
) -> Result<(), DbError> {
    tx.query("UPDATE bin_range_fill SET issued = issued + $3 WHERE bin_range_id = $1 AND slot = $2")
        .bind(id.as_str())
        .bind(i64::from(slot % FILL_SLOTS))
        .bind(count)
        .execute()
        .await
        .map(drop)
}

fn read_shape(row: &Row) -> Result<RangeShape, DbError> {
    let bin: String = row.get("bin")?;
    RangeShape::new(&bin, row.get("pan_length")?).map_err(|error| damaged("pan_length", &error.to_string()))
}
