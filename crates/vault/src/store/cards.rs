//! Cards: the sealed number, its data key, and the blind index.

use std::collections::{HashMap, HashSet};

use bursar_card_data::ExpiryYymm;
use bursar_service::db::{AssertSqlSafe, Cell, DbError, Row, Tx};
use bursar_types::Timestamp;
use bursar_types::id::{CardId, CustomerId};

use super::damaged;
use crate::crypto::record::{Field, SealedRecord};
use crate::keys::Fingerprint;
use crate::payment::range::BinRangeId;

/// What may be known of a card outside the vault, and what is needed to compute with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredCard {
    pub(crate) card_id: CardId,
    pub(crate) customer_id: CustomerId,
    pub(crate) range: BinRangeId,
    pub(crate) masked_pan: String,
    pub(crate) expiry: ExpiryYymm,
    pub(crate) cvk_version: u32,
    pub(crate) record_version: i64,
    pub(crate) password_set: bool,
    pub(crate) closed: bool,
}

const COLUMNS: &str = "c.card_id, c.customer_id, c.bin_range_id, c.masked_pan, c.expiry, c.cvk_version,
    c.record_version, CAST(CASE WHEN p.card_id IS NULL THEN 0 ELSE 1 END AS BIGINT) AS password_set,
    CAST(CASE WHEN c.closed_at IS NULL THEN 0 ELSE 1 END AS BIGINT) AS closed";

/// The card of this id.
pub(crate) async fn find(tx: &mut Tx<'_>, card_id: CardId) -> Result<Option<StoredCard>, DbError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM card c LEFT JOIN card_password p ON p.card_id = c.card_id WHERE c.card_id = $1"
    );
    let row = tx.query(AssertSqlSafe(sql)).bind_id(card_id).fetch_optional().await?;
    row.as_ref().map(read).transpose()
}

/// The cards with these numbers, by fingerprint. All must be made with one version of the key.
pub(crate) async fn find_by_fingerprints(
    tx: &mut Tx<'_>,
    fingerprints: &[[u8; 32]],
) -> Result<HashMap<[u8; 32], StoredCard>, DbError> {
    let rows = super::select_in(
        tx,
        "SELECT i.fingerprint, c.card_id, c.customer_id, c.bin_range_id, c.masked_pan, c.expiry, c.cvk_version,
                c.record_version, CAST(0 AS BIGINT) AS password_set, CAST(0 AS BIGINT) AS closed
         FROM pan_index i JOIN card c ON c.card_id = i.card_id
         WHERE c.purged_at IS NULL AND i.fingerprint IN",
        fingerprints,
    )
    .await?;
    rows.iter().map(|row| Ok((row.get("fingerprint")?, read(row)?))).collect()
}

/// Those of these numbers that are taken.
pub(crate) async fn taken(tx: &mut Tx<'_>, fingerprints: &[[u8; 32]]) -> Result<HashSet<[u8; 32]>, DbError> {
    let select = "SELECT fingerprint FROM pan_index WHERE fingerprint IN";
    let rows = super::select_in(tx, select, fingerprints).await?;
    rows.iter().map(|row| row.get("fingerprint")).collect()
}

/// A new card with its sealed number.
#[derive(Debug)]
pub(crate) struct NewRow {
    pub(crate) card: StoredCard,
    pub(crate) sealed: SealedRecord,
    pub(crate) fingerprint: Fingerprint,
}

/// Adds cards and their numbers; false if one of either is there already: the transaction must be given up then.
pub(crate) async fn insert_all(
    tx: &mut Tx<'_>,
    rows: &[NewRow],
    kek_version: u32,
    now: Timestamp,
) -> Result<bool, DbError> {
    let wanted = rows.len() as u64;
    let nothing = "ON CONFLICT DO NOTHING";
    let numbers = rows.iter().map(|row| {
        let version = i64::from(row.fingerprint.key_version);
        [Cell::from(row.fingerprint.value), version.into(), row.card.card_id.to_string().into()]
    });
    let columns = ["fingerprint", "key_version", "card_id"];
    if tx.bulk_upsert("pan_index", columns, numbers.collect(), nothing).await? != wanted {
        return Ok(false);
    }
    let cards = rows.iter().map(|NewRow { card, sealed, .. }| {
        [
            Cell::from(card.card_id.to_string()),
            card.customer_id.to_string().into(),
            card.range.as_str().into(),
            card.masked_pan.clone().into(),
            card.expiry.to_string().into(),
            i64::from(card.cvk_version).into(),
            card.record_version.into(),
            sealed.sealed.clone().into(),
            now.into(),
        ]
    });
    let columns = [
        "card_id",
        "customer_id",
        "bin_range_id",
        "masked_pan",
        "expiry",
        "cvk_version",
        "record_version",
        "sealed_pan",
        "created_at",
    ];
    if tx.bulk_upsert("card", columns, cards.collect(), nothing).await? != wanted {
        return Ok(false);
    }
    let deks = rows.iter().map(|NewRow { card, sealed, .. }| {
        [
            Cell::from(card.card_id.to_string()),
            i64::from(Field::Pan.number()).into(),
            i64::from(kek_version).into(),
            sealed.wrapped_dek.clone().into(),
        ]
    });
    let columns = ["card_id", "field", "kek_version", "wrapped"];
    Ok(tx.bulk_upsert("card_dek", columns, deks.collect(), nothing).await? == wanted)
}

/// Takes a number for a card; false if it is taken.
pub(crate) async fn claim_number(
    tx: &mut Tx<'_>,
    fingerprint: &Fingerprint,
    card_id: CardId,
) -> Result<bool, DbError> {
    let inserted = tx
        .query(
            "INSERT INTO pan_index (fingerprint, key_version, card_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(fingerprint.value)
        .bind(i64::from(fingerprint.key_version))
        .bind_id(card_id)
        .execute()
        .await?;
    Ok(inserted == 1)
}

/// Adds a card with its sealed number; false if the card has one.
pub(crate) async fn insert(
    tx: &mut Tx<'_>,
    card: &StoredCard,
    sealed: &SealedRecord,
    kek_version: u32,
    now: Timestamp,
) -> Result<bool, DbError> {
    let inserted = tx
        .query(
            "INSERT INTO card (card_id, customer_id, bin_range_id, masked_pan, expiry, cvk_version, record_version,
                               sealed_pan, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
        )
        .bind_id(card.card_id)
        .bind_id(card.customer_id)
        .bind(card.range.as_str())
        .bind(&card.masked_pan)
        .bind(card.expiry.to_string())
        .bind(i64::from(card.cvk_version))
        .bind(card.record_version)
        .bind(&sealed.sealed)
        .bind(now)
        .execute()
        .await?;
    if inserted == 0 {
        return Ok(false);
    }
    tx.query("INSERT INTO card_dek (card_id, field, kek_version, wrapped) VALUES ($1, $2, $3, $4)")
        .bind_id(card.card_id)
        .bind(i64::from(Field::Pan.number()))
        .bind(i64::from(kek_version))
        .bind(&sealed.wrapped_dek)
        .execute()
        .await?;
    Ok(true)
}

/// The sealed number of a card.
pub(crate) async fn sealed_pan(tx: &mut Tx<'_>, card_id: CardId) -> Result<Option<SealedRecord>, DbError> {
    let row = tx
        .query(
            "SELECT c.sealed_pan, d.wrapped FROM card c JOIN card_dek d ON d.card_id = c.card_id
             WHERE c.card_id = $1 AND d.field = $2",
        )
        .bind_id(card_id)
        .bind(i64::from(Field::Pan.number()))
        .fetch_optional()
        .await?;
    row.map(|row| Ok(SealedRecord { sealed: row.get("sealed_pan")?, wrapped_dek: row.get("wrapped")? }))
        .transpose()
}

fn read(row: &Row) -> Result<StoredCard, DbError> {
    let cvk_version: i64 = row.get("cvk_version")?;
    let expiry: String = row.get("expiry")?;
    Ok(StoredCard {
        card_id: row.id("card_id")?,
        customer_id: row.id("customer_id")?,
        range: row.parse("bin_range_id")?,
        masked_pan: row.get("masked_pan")?,
        expiry: ExpiryYymm::parse(&expiry).map_err(|error| damaged("expiry", &error.to_string()))?,
        cvk_version: u32::try_from(cvk_version).map_err(|_| damaged("cvk_version", "not a key version"))?,
        record_version: row.get("record_version")?,
        password_set: row.get::<i64>("password_set")? != 0,
        closed: row.get::<i64>("closed")? != 0,
    })
}
