//! Sign-ups that wait for their code.

use bursar_service::db::{DbError, Row, Tx};
use bursar_types::Timestamp;
use bursar_types::id::CustomerId;

use crate::auth::SignUpId;
use crate::customer::Locale;
use crate::keys::MAC_LENGTH;

/// A sign-up.
pub struct SignUp {
    /// Its id.
    pub sign_up_id: SignUpId,
    /// Principal and request id of the call that began it.
    pub request: String,
    /// Id that the customer gets.
    pub customer_id: CustomerId,
    /// What the phone is found by.
    pub phone_index: [u8; MAC_LENGTH],
    /// The phone, sealed for `customers.phone_sealed` of that customer.
    pub phone_sealed: Vec<u8>,
    /// Hash of the password.
    pub password_hash: String,
    /// Language of messages.
    pub locale: Locale,
    /// Whether the phone had an account already.
    pub phone_known: bool,
    /// When it began.
    pub created_at: Timestamp,
}

impl SignUp {
    fn of(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            sign_up_id: row.id("sign_up_id")?,
            request: row.get("request")?,
            customer_id: row.id("customer_id")?,
            phone_index: row.get("phone_index")?,
            phone_sealed: row.get("phone_sealed")?,
            password_hash: row.get("password_hash")?,
            locale: row.parse("locale")?,
            phone_known: row.get("phone_known")?,
            created_at: row.get("created_at")?,
        })
    }
}

/// Keeps a sign-up.
///
/// # Errors
/// What the database refused.
pub async fn insert(tx: &mut Tx<'_>, sign_up: &SignUp) -> Result<(), DbError> {
    tx.query(
        "INSERT INTO sign_ups (sign_up_id, request, customer_id, phone_index, phone_sealed, password_hash, locale,
                               phone_known, confirmed, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind_id(sign_up.sign_up_id)
    .bind(&sign_up.request)
    .bind_id(sign_up.customer_id)
    .bind(sign_up.phone_index)
    .bind(&sign_up.phone_sealed)
    .bind(&sign_up.password_hash)
    .bind(sign_up.locale.as_str())
    .bind(sign_up.phone_known)
    .bind(false)
    .bind(sign_up.created_at)
    .execute()
    .await
    .map(drop)
}

/// The sign-up with this id.
///
/// # Errors
/// What the database refused.
pub async fn get(tx: &mut Tx<'_>, id: SignUpId) -> Result<Option<SignUp>, DbError> {
    let row = tx.query("SELECT * FROM sign_ups WHERE sign_up_id = $1").bind_id(id).fetch_optional().await?;
    row.as_ref().map(SignUp::of).transpose()
}

/// Hash of the password of the sign-up that this request began, if it did.
///
/// # Errors
/// What the database refused.
pub async fn password_of(tx: &mut Tx<'_>, request: &str) -> Result<Option<String>, DbError> {
    let row = tx
        .query("SELECT password_hash FROM sign_ups WHERE request = $1")
        .bind(request)
        .fetch_optional()
        .await?;
    row.map(|row| row.get("password_hash")).transpose()
}

/// Notes that it became a customer.
///
/// # Errors
/// What the database refused.
pub async fn confirm(tx: &mut Tx<'_>, id: SignUpId) -> Result<(), DbError> {
    tx.query("UPDATE sign_ups SET confirmed = $2 WHERE sign_up_id = $1")
        .bind_id(id)
        .bind(true)
        .execute()
        .await
        .map(drop)
}

/// Removes sign-ups that began before `before`, and the keys of those that never became customers.
///
/// # Errors
/// What the database refused.
pub async fn purge(tx: &mut Tx<'_>, before: Timestamp) -> Result<u64, DbError> {
    tx.query(
        "DELETE FROM customer_keys WHERE customer_id IN
            (SELECT customer_id FROM sign_ups WHERE created_at < $1 AND confirmed = $2)",
    )
    .bind(before)
    .bind(false)
    .execute()
    .await?;
    tx.query("DELETE FROM sign_ups WHERE created_at < $1").bind(before).execute().await
}
