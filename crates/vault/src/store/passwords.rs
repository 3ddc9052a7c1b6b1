//! Card passwords, their try counters, and the tries themselves.

use bursar_service::db::{DbError, Row, Tx};
use bursar_types::id::CardId;
use bursar_types::{ProofResult, RequestId, Timestamp};

use super::damaged;

/// What a password is checked against.
#[derive(Clone, Debug)]
pub(crate) struct Verifier {
    pub(crate) pepper_version: u32,
    pub(crate) salt: [u8; 16],
    pub(crate) value: [u8; 32],
}

/// A try that was counted before the password was compared.
#[derive(Clone, Debug)]
pub(crate) struct CountedTry {
    pub(crate) verifier: Verifier,
    /// When the password was set: what tells it from one set meanwhile.
    pub(crate) set_at: Timestamp,
    /// Which of the allowed tries since the last right one this is, from 1.
    pub(crate) ordinal: i64,
}

/// The row of one request to verify.
#[derive(Clone, Debug)]
pub(crate) struct TryRow {
    pub(crate) digest: [u8; 32],
    pub(crate) jti: String,
    pub(crate) ordinal: i64,
    /// `None` while it is being compared, or after a crash in between.
    pub(crate) outcome: Option<ProofResult>,
    pub(crate) tries_left: i64,
    pub(crate) began_at: Timestamp,
}

/// Sets or replaces a card's password; its tries start anew.
pub(crate) async fn set(
    tx: &mut Tx<'_>,
    card_id: CardId,
    verifier: &Verifier,
    now: Timestamp,
) -> Result<(), DbError> {
    tx.query(
        "INSERT INTO card_password (card_id, pepper_version, salt, verifier, tries_used, locked_until, set_at)
         VALUES ($1, $2, $3, $4, 0, NULL, $5)
         ON CONFLICT (card_id) DO UPDATE SET pepper_version = excluded.pepper_version, salt = excluded.salt,
             verifier = excluded.verifier, tries_used = 0, locked_until = NULL, set_at = excluded.set_at",
    )
    .bind_id(card_id)
    .bind(i64::from(verifier.pepper_version))
    .bind(verifier.salt)
    .bind(verifier.value)
    .bind(now)
    .execute()
    .await
    .map(drop)
}

/// Gives a card whose lock has ended its tries back.
pub(crate) async fn end_lock(tx: &mut Tx<'_>, card_id: CardId, now: Timestamp) -> Result<(), DbError> {
    tx.query("UPDATE card_password SET tries_used = 0, locked_until = NULL WHERE card_id = $1 AND locked_until <= $2")
        .bind_id(card_id)
        .bind(now)
        .execute()
        .await
        .map(drop)
}

/// Counts one try if any is left: one statement, so that of any number at once no more pass than are allowed. The last
/// allowed one locks the card until `locked_until` already now; being right unlocks it again.
pub(crate) async fn count_try(
    tx: &mut Tx<'_>,
    card_id: CardId,
    tries_max: i64,
    locked_until: Timestamp,
) -> Result<Option<CountedTry>, DbError> {
    let row = tx
        .query(
            "UPDATE card_password SET tries_used = tries_used + 1,
                 locked_until = CASE WHEN tries_used + 1 >= $2 THEN $3 ELSE NULL END
             WHERE card_id = $1 AND tries_used < $2
             RETURNING pepper_version, salt, verifier, set_at, tries_used",
        )
        .bind_id(card_id)
        .bind(tries_max)
        .bind(locked_until)
        .fetch_optional()
        .await?;
    row.map(|row| {
        Ok(CountedTry {
            verifier: read_verifier(&row)?,
            set_at: row.get("set_at")?,
            ordinal: row.get("tries_used")?,
        })
    })
    .transpose()
}

/// The verifier of a card and when it was set, if it has a password.
pub(crate) async fn find(tx: &mut Tx<'_>, card_id: CardId) -> Result<Option<(Verifier, Timestamp)>, DbError> {
    let row = tx
        .query("SELECT pepper_version, salt, verifier, set_at FROM card_password WHERE card_id = $1")
        .bind_id(card_id)
        .fetch_optional()
        .await?;
    row.map(|row| Ok((read_verifier(&row)?, row.get("set_at")?))).transpose()
}

/// Gives the tries back after a right password, unless another was set meanwhile.
pub(crate) async fn reset_tries(tx: &mut Tx<'_>, card_id: CardId, set_at: Timestamp) -> Result<(), DbError> {
    tx.query(
        "UPDATE card_password SET tries_used = 0, locked_until = NULL WHERE card_id = $1 AND set_at = $2",
    )
    .bind_id(card_id)
    .bind(set_at)
    .execute()
    .await
    .map(drop)
}

/// Takes a request id for a try; false if it was taken before.
pub(crate) async fn claim_try(
    tx: &mut Tx<'_>,
    principal: &str,
    request_id: RequestId,
    card_id: CardId,
    fresh: &TryRow,
) -> Result<bool, DbError> {
    let inserted = tx
        .query(
            "INSERT INTO card_password_try
                 (principal, request_id, digest, card_id, jti, ordinal, outcome, tries_left, began_at)
             VALUES ($1, $2, $3, $4, $5, 0, NULL, 0, $6) ON CONFLICT DO NOTHING",
        )
        .bind(principal)
        .bind(request_id.as_uuid().into_bytes())
        .bind(fresh.digest)
        .bind_id(card_id)
        .bind(&fresh.jti)
        .bind(fresh.began_at)
        .execute()
        .await?;
    Ok(inserted == 1)
}

/// The try of a request id.
pub(crate) async fn find_try(
    tx: &mut Tx<'_>,
    principal: &str,
    request_id: RequestId,
) -> Result<Option<TryRow>, DbError> {
    let row = tx
        .query(
            "SELECT digest, jti, ordinal, outcome, tries_left, began_at FROM card_password_try
             WHERE principal = $1 AND request_id = $2",
        )
        .bind(principal)
        .bind(request_id.as_uuid().into_bytes())
        .fetch_optional()
        .await?;
    row.map(|row| {
        let outcome: Option<String> = row.get("outcome")?;
        Ok(TryRow {
            digest: row.get("digest")?,
            jti: row.get("jti")?,
            ordinal: row.get("ordinal")?,
            outcome: outcome.as_deref().map(result_from_text).transpose()?,
            tries_left: row.get("tries_left")?,
            began_at: row.get("began_at")?,
        })
    })
    .transpose()
}

/// Notes which try of its card this one was.
pub(crate) async fn number_try(
    tx: &mut Tx<'_>,
    principal: &str,
    request_id: RequestId,
    ordinal: i64,
) -> Result<(), DbError> {
    tx.query("UPDATE card_password_try SET ordinal = $3 WHERE principal = $1 AND request_id = $2")
        .bind(principal)
        .bind(request_id.as_uuid().into_bytes())
        .bind(ordinal)
        .execute()
        .await
        .map(drop)
}

/// Notes what came of a try; false if that is noted already.
pub(crate) async fn finish_try(
    tx: &mut Tx<'_>,
    principal: &str,
    request_id: RequestId,
    outcome: ProofResult,
    tries_left: i64,
) -> Result<bool, DbError> {
    let updated = tx
        .query(
            "UPDATE card_password_try SET outcome = $3, tries_left = $4
             WHERE principal = $1 AND request_id = $2 AND outcome IS NULL",
        )
        .bind(principal)
        .bind(request_id.as_uuid().into_bytes())
        .bind(result_text(outcome))
        .bind(tries_left)
        .execute()
        .await?;
    Ok(updated == 1)
}

fn read_verifier(row: &Row) -> Result<Verifier, DbError> {
    let version: i64 = row.get("pepper_version")?;
    Ok(Verifier {
        pepper_version: u32::try_from(version).map_err(|_| damaged("pepper_version", "not a key version"))?,
        salt: row.get("salt")?,
        value: row.get("verifier")?,
    })
}

/// As a result is stored; the same words as in a proof.
pub(crate) const fn result_text(result: ProofResult) -> &'static str {
    match result {
        ProofResult::Absent => "ABSENT",
        ProofResult::Match => "MATCH",
        ProofResult::Mismatch => "MISMATCH",
        ProofResult::Locked => "LOCKED",
        ProofResult::NotSet => "NOT_SET",
    }
}

fn result_from_text(text: &str) -> Result<ProofResult, DbError> {
    [ProofResult::Absent, ProofResult::Match, ProofResult::Mismatch, ProofResult::Locked, ProofResult::NotSet]
        .into_iter()
        .find(|result| result_text(*result) == text)
        .ok_or_else(|| damaged("outcome", "not a result"))
}
