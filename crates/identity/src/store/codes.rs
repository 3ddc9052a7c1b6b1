//! One-time codes: how often they are sent, tried and used. The counting is done by the conditions of the statements,
//! so it holds however many processes and calls there are at once.

use bursar_service::db::{DbError, Tx};
use bursar_types::Timestamp;

use crate::code::{Purpose, TRIES_MAX};
use crate::keys::MAC_LENGTH;

/// A new challenge.
pub struct NewChallenge<'a> {
    /// Id of the sign-up or challenge.
    pub challenge: &'a str,
    /// What it is for.
    pub purpose: Purpose,
    /// Whose phone.
    pub phone_index: [u8; MAC_LENGTH],
    /// Session of a step-up; empty for a sign-up.
    pub session_id: &'a str,
}

/// A challenge as it stands.
pub struct Challenge {
    /// Codes made for it so far.
    pub sends: i64,
    /// When its code ends.
    pub expires_at: Timestamp,
    /// When its last code was known to be handed over.
    pub sent_at: Option<Timestamp>,
    /// When it was answered.
    pub used_at: Option<Timestamp>,
    /// Codes judged so far.
    pub tries: i64,
}

/// Keeps a challenge without a code: nothing answers it until [`renew`].
///
/// # Errors
/// What the database refused.
pub async fn insert(tx: &mut Tx<'_>, new: &NewChallenge<'_>) -> Result<(), DbError> {
    tx.query(
        "INSERT INTO one_time_codes (challenge, purpose, phone_index, session_id, code_mac, tries, sends, expires_at)
         VALUES ($1, $2, $3, $4, $5, 0, 0, 0)",
    )
    .bind(new.challenge)
    .bind(new.purpose.as_str())
    .bind(new.phone_index)
    .bind(new.session_id)
    .bind(&[][..] as &[u8])
    .execute()
    .await
    .map(drop)
}

/// Ends every challenge of this phone and purpose that waits: only the newest code works.
///
/// # Errors
/// What the database refused.
pub async fn supersede(
    tx: &mut Tx<'_>,
    phone_index: [u8; MAC_LENGTH],
    purpose: Purpose,
) -> Result<(), DbError> {
    tx.query("UPDATE one_time_codes SET expires_at = 0 WHERE phone_index = $1 AND purpose = $2 AND used_at IS NULL")
        .bind(phone_index)
        .bind(purpose.as_str())
        .execute()
        .await
        .map(drop)
}

/// The challenge.
///
/// # Errors
/// What the database refused.
pub async fn get(
    tx: &mut Tx<'_>,
    challenge: &str,
    purpose: Purpose,
    session_id: &str,
) -> Result<Option<Challenge>, DbError> {
    let row = tx
        .query(
            "SELECT sends, expires_at, sent_at, used_at, tries FROM one_time_codes
             WHERE challenge = $1 AND purpose = $2 AND session_id = $3",
        )
        .bind(challenge)
        .bind(purpose.as_str())
        .bind(session_id)
        .fetch_optional()
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Challenge {
        sends: row.get("sends")?,
        expires_at: row.get("expires_at")?,
        sent_at: row.get("sent_at")?,
        used_at: row.get("used_at")?,
        tries: row.get("tries")?,
    }))
}

/// Gives the challenge a new code; the tries that were used stay used.
///
/// # Errors
/// What the database refused.
pub async fn renew(
    tx: &mut Tx<'_>,
    challenge: &str,
    code_mac: [u8; MAC_LENGTH],
    expires_at: Timestamp,
) -> Result<(), DbError> {
    tx.query(
        "UPDATE one_time_codes SET code_mac = $2, expires_at = $3, sends = sends + 1, sent_at = NULL
         WHERE challenge = $1 AND used_at IS NULL",
    )
    .bind(challenge)
    .bind(code_mac)
    .bind(expires_at)
    .execute()
    .await
    .map(drop)
}

/// Notes that the code number `send` of the challenge was handed over; a later one is not affected.
///
/// # Errors
/// What the database refused.
pub async fn mark_sent(tx: &mut Tx<'_>, challenge: &str, send: i64, now: Timestamp) -> Result<(), DbError> {
    tx.query("UPDATE one_time_codes SET sent_at = $3 WHERE challenge = $1 AND sends = $2")
        .bind(challenge)
        .bind(send)
        .bind(now)
        .execute()
        .await
        .map(drop)
}

/// Uses up one try and gives what to compare with; `None` if there is no try left, or no such living challenge.
/// Committed before the comparison: a try that is not counted is never judged.
///
/// # Errors
/// What the database refused.
pub async fn use_try(
    tx: &mut Tx<'_>,
    challenge: &str,
    purpose: Purpose,
    session_id: &str,
    now: Timestamp,
) -> Result<Option<Vec<u8>>, DbError> {
    let row = tx
        .query(
            "UPDATE one_time_codes SET tries = tries + 1
             WHERE challenge = $1 AND purpose = $2 AND session_id = $3
               AND used_at IS NULL AND expires_at > $4 AND tries < $5
             RETURNING code_mac",
        )
        .bind(challenge)
        .bind(purpose.as_str())
        .bind(session_id)
        .bind(now)
        .bind(TRIES_MAX)
        .fetch_optional()
        .await?;
    row.map(|row| row.get("code_mac")).transpose()
}

/// Uses the code, once: false if it was used meanwhile, replaced, or past its time.
///
/// # Errors
/// What the database refused.
pub async fn consume(
    tx: &mut Tx<'_>,
    challenge: &str,
    code_mac: [u8; MAC_LENGTH],
    now: Timestamp,
) -> Result<bool, DbError> {
    let used = tx
        .query(
            "UPDATE one_time_codes SET used_at = $3
             WHERE challenge = $1 AND code_mac = $2 AND used_at IS NULL AND expires_at > $3",
        )
        .bind(challenge)
        .bind(code_mac)
        .bind(now)
        .execute()
        .await?;
    Ok(used == 1)
}

/// How often and when codes went to a phone since `since`.
pub struct Sends {
    /// Their number.
    pub count: i64,
    /// The earliest.
    pub first: Option<Timestamp>,
    /// The latest of this purpose.
    pub last_of_purpose: Option<Timestamp>,
}

/// What went to a phone since `since`.
///
/// # Errors
/// What the database refused.
pub async fn sends(
    tx: &mut Tx<'_>,
    phone_index: [u8; MAC_LENGTH],
    purpose: Purpose,
    since: Timestamp,
) -> Result<Sends, DbError> {
    let row = tx
        .query(
            "SELECT count(*) AS sends, min(sent_at) AS first,
                    max(CASE WHEN purpose = $2 THEN sent_at END) AS last_of_purpose
             FROM code_sends WHERE phone_index = $1 AND sent_at > $3",
        )
        .bind(phone_index)
        .bind(purpose.as_str())
        .bind(since)
        .fetch_one()
        .await?;
    Ok(Sends {
        count: row.get("sends")?,
        first: row.get("first")?,
        last_of_purpose: row.get("last_of_purpose")?,
    })
}

/// Counts one code on its way.
///
/// # Errors
/// What the database refused.
pub async fn count_send(
    tx: &mut Tx<'_>,
    phone_index: [u8; MAC_LENGTH],
    send_id: &str,
    purpose: Purpose,
    now: Timestamp,
) -> Result<(), DbError> {
    tx.query("INSERT INTO code_sends (phone_index, send_id, purpose, sent_at) VALUES ($1, $2, $3, $4)")
        .bind(phone_index)
        .bind(send_id)
        .bind(purpose.as_str())
        .bind(now)
        .execute()
        .await
        .map(drop)
}

/// Takes back the count of a code that certainly did not get out.
///
/// # Errors
/// What the database refused.
pub async fn give_back_send(
    tx: &mut Tx<'_>,
    phone_index: [u8; MAC_LENGTH],
    send_id: &str,
) -> Result<(), DbError> {
    tx.query("DELETE FROM code_sends WHERE phone_index = $1 AND send_id = $2")
        .bind(phone_index)
        .bind(send_id)
        .execute()
        .await
        .map(drop)
}

/// Removes what no limit looks at any more.
///
/// # Errors
/// What the database refused.
pub async fn purge(tx: &mut Tx<'_>, before: Timestamp) -> Result<u64, DbError> {
    let sends = tx.query("DELETE FROM code_sends WHERE sent_at < $1").bind(before).execute().await?;
    let codes = tx.query("DELETE FROM one_time_codes WHERE expires_at < $1").bind(before).execute().await?;
    Ok(sends + codes)
}
