//! Customers and their keys.

use bursar_service::db::{DbError, Row, Tx};
use bursar_types::Timestamp;
use bursar_types::id::CustomerId;

use crate::customer::{CustomerState, Locale};
use crate::keys::{CustomerKey, Keys, MAC_LENGTH};
use crate::{Error, keys};

/// A customer as stored.
pub struct CustomerRow {
    /// Id.
    pub customer_id: CustomerId,
    /// Phone, sealed.
    pub phone_sealed: Vec<u8>,
    /// Hash of the password.
    pub password_hash: String,
    /// Language of messages.
    pub locale: Locale,
    /// Where the customer stands.
    pub state: CustomerState,
    /// KYC level, 0 to 3.
    pub kyc_level: i64,
    /// Name as verified, sealed.
    pub full_name_sealed: Option<Vec<u8>>,
    /// Moment of sign-up.
    pub created_at: Timestamp,
    /// The customer's key, wrapped; absent once it was shredded.
    pub wrapped_key: Option<Vec<u8>>,
}

macro_rules! select {
    ($tail:literal) => {
        concat!(
            "SELECT c.customer_id, c.phone_sealed, c.password_hash, c.locale, c.state, c.kyc_level, ",
            "c.full_name_sealed, c.created_at, k.wrapped_key ",
            "FROM customers c LEFT JOIN customer_keys k ON k.customer_id = c.customer_id ",
            $tail
        )
    };
}

impl CustomerRow {
    fn of(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            customer_id: row.id("customer_id")?,
            phone_sealed: row.get("phone_sealed")?,
            password_hash: row.get("password_hash")?,
            locale: row.parse("locale")?,
            state: row.parse("state")?,
            kyc_level: row.get("kyc_level")?,
            full_name_sealed: row.get("full_name_sealed")?,
            created_at: row.get("created_at")?,
            wrapped_key: row.get("wrapped_key")?,
        })
    }

    /// The customer's key.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it was shredded, [`Error::Damaged`] if it does not open.
    pub fn key(&self, keys: &Keys) -> Result<CustomerKey, Error> {
        let wrapped = self.wrapped_key.as_deref().ok_or(Error::Corrupt("the customer's key is gone"))?;
        Ok(keys.customer_key(self.customer_id, wrapped)?)
    }
}

/// Where the phone of a customer is sealed for.
pub fn phone_place(customer: &str) -> keys::Place<'_> {
    keys::Place { table: "customers", column: "phone_sealed", row: customer }
}

/// Where the verified name of a customer is sealed for.
pub fn name_place(customer: &str) -> keys::Place<'_> {
    keys::Place { table: "customers", column: "full_name_sealed", row: customer }
}

/// A customer to be.
pub struct NewCustomer<'a> {
    /// Id.
    pub customer_id: CustomerId,
    /// What the phone is found by.
    pub phone_index: [u8; MAC_LENGTH],
    /// The phone, sealed.
    pub phone_sealed: &'a [u8],
    /// Hash of the password.
    pub password_hash: &'a str,
    /// Language of messages.
    pub locale: Locale,
    /// Now.
    pub created_at: Timestamp,
}

/// Keeps a new customer, who is to be made known to notifications; false if the phone has one already.
///
/// # Errors
/// What the database refused.
pub async fn insert(tx: &mut Tx<'_>, new: &NewCustomer<'_>) -> Result<bool, DbError> {
    let inserted = tx
        .query(
            "INSERT INTO customers (customer_id, phone_index, phone_sealed, password_hash, locale, state, kyc_level,
                                    recipient_pending, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8) ON CONFLICT DO NOTHING",
        )
        .bind_id(new.customer_id)
        .bind(new.phone_index)
        .bind(new.phone_sealed)
        .bind(new.password_hash)
        .bind(new.locale.as_str())
        .bind(CustomerState::Unverified.as_str())
        .bind(true)
        .bind(new.created_at)
        .execute()
        .await?;
    Ok(inserted == 1)
}

/// Keeps a customer's wrapped key.
///
/// # Errors
/// What the database refused.
pub async fn insert_key(tx: &mut Tx<'_>, customer: CustomerId, wrapped: &[u8]) -> Result<(), DbError> {
    tx.query("INSERT INTO customer_keys (customer_id, wrapped_key) VALUES ($1, $2)")
        .bind_id(customer)
        .bind(wrapped)
        .execute()
        .await
        .map(drop)
}

/// The customer with this id.
///
/// # Errors
/// What the database refused.
pub async fn get(tx: &mut Tx<'_>, customer: CustomerId) -> Result<Option<CustomerRow>, DbError> {
    let row = tx.query(select!("WHERE c.customer_id = $1")).bind_id(customer).fetch_optional().await?;
    row.as_ref().map(CustomerRow::of).transpose()
}

/// The customer with this phone.
///
/// # Errors
/// What the database refused.
pub async fn by_phone(
    tx: &mut Tx<'_>,
    phone_index: [u8; MAC_LENGTH],
) -> Result<Option<CustomerRow>, DbError> {
    let row = tx.query(select!("WHERE c.phone_index = $1")).bind(phone_index).fetch_optional().await?;
    row.as_ref().map(CustomerRow::of).transpose()
}

/// Customers, newest first, after `after`; ids begin with their time.
///
/// # Errors
/// What the database refused.
pub async fn list(
    tx: &mut Tx<'_>,
    state: Option<CustomerState>,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<CustomerRow>, DbError> {
    /// Sorts after every id.
    const END: &str = "cust_~";
    let after = after.unwrap_or(END);
    let query = match state {
        None => tx.query(select!("WHERE c.customer_id < $1 ORDER BY c.customer_id DESC LIMIT $2")),
        Some(_) => tx
            .query(select!("WHERE c.customer_id < $1 AND c.state = $3 ORDER BY c.customer_id DESC LIMIT $2")),
    };
    let query = query.bind(after).bind(limit);
    let rows = match state {
        None => query.fetch_all().await?,
        Some(state) => query.bind(state.as_str()).fetch_all().await?,
    };
    rows.iter().map(CustomerRow::of).collect()
}

/// Moves a customer from one state to the next; false if they were moved meanwhile.
///
/// # Errors
/// What the database refused.
pub async fn set_state(
    tx: &mut Tx<'_>,
    customer: CustomerId,
    from: CustomerState,
    to: CustomerState,
) -> Result<bool, DbError> {
    let changed = tx
        .query("UPDATE customers SET state = $3 WHERE customer_id = $1 AND state = $2")
        .bind_id(customer)
        .bind(from.as_str())
        .bind(to.as_str())
        .execute()
        .await?;
    Ok(changed == 1)
}

/// Gives a customer a level and the name that was verified.
///
/// # Errors
/// What the database refused.
pub async fn set_verified(
    tx: &mut Tx<'_>,
    customer: CustomerId,
    kyc_level: u8,
    full_name_sealed: &[u8],
) -> Result<(), DbError> {
    tx.query("UPDATE customers SET kyc_level = $2, full_name_sealed = $3 WHERE customer_id = $1")
        .bind_id(customer)
        .bind(i64::from(kyc_level))
        .bind(full_name_sealed)
        .execute()
        .await
        .map(drop)
}

/// Replaces a password's hash by one of today's cost, if it is still the one that was verified.
///
/// # Errors
/// What the database refused.
pub async fn replace_hash(
    tx: &mut Tx<'_>,
    customer: CustomerId,
    old: &str,
    new: &str,
) -> Result<(), DbError> {
    tx.query("UPDATE customers SET password_hash = $3 WHERE customer_id = $1 AND password_hash = $2")
        .bind_id(customer)
        .bind(old)
        .bind(new)
        .execute()
        .await
        .map(drop)
}

/// Customers whom notifications does not know yet.
///
/// # Errors
/// What the database refused.
pub async fn recipients_pending(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<CustomerRow>, DbError> {
    let rows = tx
        .query(select!("WHERE c.recipient_pending = $1 ORDER BY c.customer_id LIMIT $2"))
        .bind(true)
        .bind(limit)
        .fetch_all()
        .await?;
    rows.iter().map(CustomerRow::of).collect()
}

/// Notes that notifications knows the customer.
///
/// # Errors
/// What the database refused.
pub async fn recipient_known(tx: &mut Tx<'_>, customer: CustomerId) -> Result<(), DbError> {
    tx.query("UPDATE customers SET recipient_pending = $2 WHERE customer_id = $1")
        .bind_id(customer)
        .bind(false)
        .execute()
        .await
        .map(drop)
}
