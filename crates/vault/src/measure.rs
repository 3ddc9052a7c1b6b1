//! What `bursar bench vault` measures in process, and fills a vault with. No part of the service.

use std::path::Path;

use bursar_card_data::{ExpiryYymm, Pan};
use bursar_service::config::{self, LoadOptions};
use bursar_service::db::{Db, DbError, DbOptions, Durability, Isolation};
use bursar_types::id::{CardId, CustomerId, Uuid};
use bursar_types::{Timestamp, TypedId as _};

use crate::config::Config;
use crate::crypto::record::{self, Field, Keks, RecordId, SOLE_TENANT, SealedRecord};
use crate::crypto::secret::{Key256, SecretBytes, random};
use crate::crypto::wrap::Kek;
use crate::error::VaultError;
use crate::keys::Fingerprint;
use crate::payment::cvv::Cvk;
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

/// The CVV2 under a pair of card verification keys: what is compared with other implementations.
pub fn cvv2(pair: &[u8; 16], pan: &str, expiry: &str) -> Option<String> {
    let pair = SecretBytes::try_fill(|out| -> Result<(), ()> {
        out.copy_from_slice(pair);
        Ok(())
    });
    let (pan, expiry) = (Pan::parse(pan).ok()?, ExpiryYymm::parse(expiry).ok()?);
    Some(Cvk::new(&pair.ok()?).cvv2(&pan, expiry).expose().to_owned())
}

/// Adds `cards` cards to the database of the vault with this configuration file: rows as wide as real ones, under random
/// fingerprints, which no number leads to.
///
/// # Errors
/// What does not work.
pub async fn fill(config: &Path, cards: u64) -> Result<(), String> {
    let db = open(config).await?;
    let filled = fill_rows(&db, cards).await.map_err(|error| error.to_string());
    db.close().await;
    filled
}

async fn open(config: &Path) -> Result<Db, String> {
    let options = LoadOptions { file: Some(config.to_owned()), ..LoadOptions::default() };
    let loaded: config::Loaded<Config> =
        config::load(crate::config::DEFAULTS, &options).map_err(|error| error.to_string())?;
    let url = loaded.common.database.url.expose().to_owned();
    Db::connect(&DbOptions::new(&url)).await.map_err(|error| error.to_string())
}

/// Records that are moved from key to key, in the database of a vault that has none of its own.
pub struct Rewraps {
    db: Db,
    keks: TwoKeks,
    version: u32,
    records: u64,
}

struct TwoKeks {
    primary: u32,
    keys: Vec<Kek>,
}

impl Keks for TwoKeks {
    fn active(&self) -> (u32, &Kek) {
        (self.primary, &self.keys[0])
    }
    fn find(&self, _version: u32) -> Option<&Kek> {
        // All versions are one key: that does not change what a move costs.
        self.keys.first()
    }
}

impl std::fmt::Debug for Rewraps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rewraps")
    }
}

impl Rewraps {
    /// Fills the database of the vault with this configuration with `records` records.
    ///
    /// # Errors
    /// What does not work.
    pub async fn new(config: &Path, records: u64) -> Result<Self, String> {
        let db = open(config).await?;
        let keks = TwoKeks { primary: 1, keys: vec![Kek::new(&Key256::generate())] };
        let mut left = records;
        while left > 0 {
            let count = left.min(FILL_AT_ONCE);
            let rows: Vec<NewRow> = (0..count)
                .filter_map(|_| made_up())
                .map(|mut row| {
                    let card = row.card.card_id;
                    let id = RecordId { tenant: SOLE_TENANT, card, field: Field::Pan, version: 1 };
                    row.sealed = record::seal(&keks, &id, b"9900001234567899");
                    row
                })
                .collect();
            insert(&db, &rows).await.map_err(|error| error.to_string())?;
            left -= count;
        }
        Ok(Self { db, keks, version: 1, records })
    }

    /// Moves all records to another version, unwrapped and wrapped again as the vault does, or as they are; how many a
    /// second.
    ///
    /// # Errors
    /// What does not work.
    pub async fn pass(&mut self, with_keys: bool) -> Result<f64, String> {
        self.version += 1;
        self.keks.primary = self.version;
        let (keks, version) = (&self.keks, self.version);
        let began = std::time::Instant::now();
        loop {
            let moved = self.db.write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move {
                    if with_keys {
                        // What the vault does besides: it locks the log's end, reads its job and counts.
                        store::audit::lock(tx).await?;
                        store::rewrap::job(tx).await?;
                    }
                    let mut rows = store::rewrap::page(tx, version, crate::cases::REWRAP_BATCH).await?;
                    if with_keys {
                        for row in &mut rows {
                            row.wrapped = record::rewrap(keks, &row.wrapped)?;
                        }
                        store::rewrap::count_done(tx, rows.len() as u64).await?;
                    }
                    let count = rows.len();
                    store::rewrap::put(tx, version, rows).await?;
                    Ok::<_, VaultError>(count)
                })
            });
            if moved.await.map_err(|error| error.to_string())? == 0 {
                break;
            }
        }
        Ok(self.records as f64 / began.elapsed().as_secs_f64())
    }

    /// Leaves the database.
    pub async fn close(self) {
        self.db.close().await;
    }
}

async fn insert(db: &Db, rows: &[NewRow]) -> Result<(), DbError> {
    db.write_as(Isolation::ReadCommitted, Durability::Deferred, |tx| {
        Box::pin(
            async move { store::cards::insert_all(tx, rows, 1, Timestamp::from_micros(0)).await.map(drop) },
        )
    })
    .await
}

async fn fill_rows(db: &Db, cards: u64) -> Result<(), DbError> {
    let mut left = cards;
    while left > 0 {
        let count = left.min(FILL_AT_ONCE);
        let rows: Vec<NewRow> = (0..count).filter_map(|_| made_up()).collect();
        insert(db, &rows).await?;
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
        expiry: ExpiryYymm::new(2031, 12).ok()?,
        cvk_version: 1,
        record_version: 1,
        password_set: false,
        closed: false,
    };
    let sealed = SealedRecord { sealed: random::<46>().to_vec(), wrapped_dek: random::<46>().to_vec() };
    Some(NewRow { card, sealed, fingerprint: Fingerprint { value: random(), key_version: 1 } })
}
