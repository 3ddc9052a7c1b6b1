//! Asking twice does it once: the outcome of each `request_id`, kept for ever, in the transaction of its effect.

use bursar_types::RequestId;
use futures::future::BoxFuture;
use prost::Message;
use ring::{digest, hmac};

use crate::db::{Cell, DbError, Tx};

/// Whose request it is, and of which method. Request ids of two principals never meet.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The method's name, such as `CreateCustomer`.
    pub method: &'a str,
    /// Who asks: [`CallContext::principal`](crate::CallContext::principal).
    pub principal: &'a str,
}

/// Digest of a request's protobuf bytes, by which a reuse of its id for something else is seen.
///
/// The digest is kept for ever. Of a request that holds something easy to guess (a card password, a one-time code)
/// take the [`keyed_digest`] or clear that field first: from a plain digest it could be found by trying.
pub fn body_digest(request: &impl Message) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, &request.encode_to_vec());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// As [`body_digest`], under a key of the service: worthless without it.
pub fn keyed_digest(key: &hmac::Key, request: &impl Message) -> [u8; 32] {
    let mut digest = [0_u8; 32];
    let tag = hmac::sign(key, &request.encode_to_vec());
    let length = tag.as_ref().len().min(digest.len());
    digest[..length].copy_from_slice(&tag.as_ref()[..length]);
    digest
}

/// Runs `effect` the first time `request_id` comes in this `scope`, and keeps the bytes it returns; gives those bytes
/// again each further time, without running it.
///
/// An effect that returns an error rolls all back: a refusal burns nothing, and the same id may be tried again.
/// Two of the same at once: one waits for the other and gets its answer. Do this first in the transaction. Two
/// statements the first time, two each further time.
///
/// # Errors
///
/// [`DbError::RequestIdReused`] if the id came before with another method or body; else what `effect` or the
/// database returned.
pub async fn once<'env, E, F>(
    tx: &mut Tx<'env>,
    scope: Scope<'_>,
    request_id: RequestId,
    body_digest: [u8; 32],
    effect: F,
) -> Result<Vec<u8>, E>
where
    F: for<'t> FnOnce(&'t mut Tx<'env>) -> BoxFuture<'t, Result<Vec<u8>, E>> + Send,
    E: From<DbError>,
{
    if let Some(response) = claim(tx, scope, request_id, body_digest).await? {
        return Ok(response);
    }
    let response = effect(tx).await?;
    tx.query("UPDATE bursar_requests SET response = $3 WHERE principal = $1 AND request_id = $2")
        .bind(scope.principal)
        .bind(request_id.as_uuid().into_bytes())
        .bind(&response)
        .execute()
        .await?;
    Ok(response)
}

/// [`once`] for protobuf messages: `effect` makes the response, and a repetition decodes it.
///
/// # Errors
///
/// As [`once`].
pub async fn once_message<'env, Req, Resp, E, F>(
    tx: &mut Tx<'env>,
    scope: Scope<'_>,
    request_id: RequestId,
    request: &Req,
    effect: F,
) -> Result<Resp, E>
where
    Req: Message,
    Resp: Message + Default + 'static,
    F: for<'t> FnOnce(&'t mut Tx<'env>) -> BoxFuture<'t, Result<Resp, E>> + Send,
    E: From<DbError> + 'static,
{
    let response = once(tx, scope, request_id, body_digest(request), |tx| {
        let made = effect(tx);
        Box::pin(async move { made.await.map(|response| response.encode_to_vec()) })
    });
    let response = response.await?;
    Resp::decode(response.as_slice()).map_err(|error| {
        E::from(DbError::Corrupt { what: format!("a stored response of {}: {error}", scope.method) })
    })
}

/// Takes the id for this transaction; the stored response if it was taken before.
async fn claim(
    tx: &mut Tx<'_>,
    scope: Scope<'_>,
    request_id: RequestId,
    body_digest: [u8; 32],
) -> Result<Option<Vec<u8>>, DbError> {
    // Insert first: of two at once the second waits here, before it has done anything.
    let claimed = tx
        .query(
            "INSERT INTO bursar_requests (principal, request_id, method, digest, response)
             VALUES ($1, $2, $3, $4, NULL) ON CONFLICT DO NOTHING",
        )
        .bind(scope.principal)
        .bind(request_id.as_uuid().into_bytes())
        .bind(scope.method)
        .bind(body_digest)
        .execute()
        .await?;
    if claimed == 1 {
        return Ok(None);
    }
    let row = tx
        .query(
            "SELECT method, digest, response FROM bursar_requests WHERE principal = $1 AND request_id = $2",
        )
        .bind(scope.principal)
        .bind(request_id.as_uuid().into_bytes())
        .fetch_one()
        .await?;
    let method: String = row.get("method")?;
    if method != scope.method || row.get::<Vec<u8>>("digest")? != body_digest {
        return Err(DbError::RequestIdReused { method });
    }
    match row.get::<Option<Vec<u8>>>("response")? {
        Some(response) => Ok(Some(response)),
        // Only a transaction that calls itself with its own request id gets here.
        None => Err(DbError::Corrupt { what: format!("a request of {method} without its response") }),
    }
}

/// A request whose effect is part of a group's, and what it is answered.
#[derive(Clone, Debug)]
pub struct Noted<'a> {
    /// Whose request, and of which method.
    pub scope: Scope<'a>,
    /// Its id.
    pub request_id: RequestId,
    /// Its [`body_digest`].
    pub digest: [u8; 32],
    /// The response's bytes.
    pub response: Vec<u8>,
}

/// Notes many requests at once, after their effects, in the same transaction. False if the id of any came before, or two
/// are the same: the transaction must be rolled back then, and each done alone with [`once`].
///
/// # Errors
///
/// What the database returned.
pub async fn note_all(tx: &mut Tx<'_>, requests: Vec<Noted<'_>>) -> Result<bool, DbError> {
    let wanted = requests.len() as u64;
    let rows = requests.into_iter().map(|noted| {
        [
            Cell::from(noted.scope.principal),
            noted.request_id.as_uuid().into_bytes().into(),
            noted.scope.method.into(),
            noted.digest.into(),
            noted.response.into(),
        ]
    });
    let columns = ["principal", "request_id", "method", "digest", "response"];
    let nothing = "ON CONFLICT DO NOTHING";
    Ok(tx.bulk_upsert("bursar_requests", columns, rows.collect(), nothing).await? == wanted)
}
