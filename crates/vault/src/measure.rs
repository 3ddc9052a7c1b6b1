//! What `bursar bench vault` measures in process, and fills a vault with. No part of the service.

use std::path::Path;

use bursar_card_data::Pan;
use bursar_service::config::{self, LoadOptions};
use bursar_service::db::{Db, DbError, DbOptions, Durability, Isolation};
use bursar_types::id::{CardId, CustomerId, Uuid};
use bursar_types::{Timestamp, TypedId as _};

use crate::config::Config;
use crate::crypto::record::{self, Field, Keks, RecordId, SOLE_TENANT, SealedRecord};
use crate::crypto::secret::{Key256, random};
use crate::crypto::wrap::Kek;
use crate::keys::Fingerprint;
use crate::store;
use crate::store::cards::{NewRow, StoredCard};

/// Rows that are filled in at once.
const FILL_AT_ONCE: u64 = 4_096;

struct OneKek(Kek);

impl Keks for OneKek {
    fn active(&self) -> (u32, &Kek) {
        (1, &self.0)
    }
    fn find(&self, version: u32) -> Option<&Kek> {
        (version == 1).then_some(&self.0)
    }
}

/// Sealed card numbers, and the key that opens them.
pub struct Envelopes {
    keks: OneKek,
    records: Vec<(RecordId, SealedRecord)>,
    plaintext: Vec<u8>,
}

impl std::fmt::Debug for Envelopes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Envelopes")
    }
}

impl Envelopes {
    /// Seals `count` numbers.
    pub fn new(count: usize) -> Self {
        let keks = OneKek(Kek::new(&Key256::generate()));
        let plaintext = b"9900001234567899".to_vec();
        let records = (0..count as u128).map(|n| {
            let card = CardId::from_uuid(Uuid::from_u128(n));
            let id = RecordId { tenant: SOLE_TENANT, card, field: Field::Pan, version: 1 };
            (id, record::seal(&keks, &id, &plaintext))
        });
        let records = records.collect();
        Self { keks, records, plaintext }
    }

    /// What is in each.
    pub fn plaintext(&self) -> &[u8] {
        &self.plaintext
    }

    /// The associated data of the first.
    pub fn context(&self) -> Vec<u8> {
        self.records.first().map(|(id, _)| record::context(id).to_vec()).unwrap_or_default()
    }

    /// Opens one; whether it holds what it should.
    pub fn open(&self, index: usize) -> bool {
        let Some((id, sealed)) = self.records.get(index) else { return false };
        record::open(&self.keks, id, sealed).is_ok_and(|clear| clear.as_slice() == self.plaintext)
    }
}

/// Adds `cards` cards to the database of the vault with this configuration file: rows as wide as real ones, under random
/// fingerprints, which no number leads to.
///
/// # Errors
/// What does not work.
pub async fn fill(config: &Path, cards: u64) -> Result<(), String> {
    let options = LoadOptions { file: Some(config.to_owned()), ..LoadOptions::default() };
    let loaded: config::Loaded<Config> =
        config::load(crate::config::DEFAULTS, &options).map_err(|error| error.to_string())?;
    let url = loaded.common.database.url.expose().to_owned();
    let db = Db::connect(&DbOptions::new(&url)).await.map_err(|error| error.to_string())?;
    let filled = fill_rows(&db, cards).await.map_err(|error| error.to_string());
    db.close().await;
    filled
}

async fn fill_rows(db: &Db, cards: u64) -> Result<(), DbError> {
    let mut left = cards;
    while left > 0 {
        let count = left.min(FILL_AT_ONCE);
        let rows: Vec<NewRow> = (0..count).filter_map(|_| made_up()).collect();
        let rows = &rows;
        db.write_as(Isolation::ReadCommitted, Durability::Deferred, |tx| {
            Box::pin(async move {
                store::cards::insert_all(tx, rows, 1, Timestamp::from_micros(0)).await.map(drop)
            })
        })
        .await?;
        left -= count;
    }
    Ok(())
}

fn made_up() -> Option<NewRow> {
    let uuid = || Uuid::from_bytes(random());
    let card = StoredCard {
        card_id: CardId::from_uuid(uuid()),
        customer_id: CustomerId::from_uuid(uuid()),
        range: "bench".parse().ok()?,
        masked_pan: Pan::compose("990000", 0, 16)?.masked().to_string(),
        expiry: bursar_card_data::ExpiryYymm::new(2031, 12).ok()?,
        cvk_version: 1,
        record_version: 1,
        password_set: false,
    };
    let sealed = SealedRecord { sealed: random::<46>().to_vec(), wrapped_dek: random::<46>().to_vec() };
    Some(NewRow { card, sealed, fingerprint: Fingerprint { value: random(), key_version: 1 } })
}
