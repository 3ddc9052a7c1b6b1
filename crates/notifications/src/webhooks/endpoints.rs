//! Declaring, listing, changing and removing endpoints, and looking at their deliveries.

use bursar_service::db::{DbError, Tx};
use bursar_service::idempotency::{Scope, once};
use bursar_service::paging::Page;
use bursar_types::Timestamp;
use bursar_types::id::{DeliveryId, WebhookEndpointId};
use zeroize::Zeroizing;

use super::book::open_key;
use super::signature::{Scheme, WebhookKey};
use super::target::Target;
use crate::core::{Core, Mutation};
use crate::error::NotificationsError;
use crate::keys::Kind;
use crate::store::attempts::{self, Logged};
use crate::store::deliveries::{self, Delivery, DeliveryState};
use crate::store::endpoints::{self, Endpoint};
use crate::store::{dispatch, secrets};

/// Most endpoints: every event is held against all of them.
const ENDPOINTS_MAX: i64 = 1_000;

/// Most attempts of one delivery that are told.
const LOG_MAX: i64 = 100;

/// An endpoint about to be declared.
#[derive(Debug)]
pub struct NewEndpoint {
    /// Where it is.
    pub target: Target,
    /// Types of events, as written.
    pub event_types: Vec<String>,
    /// Only this merchant's; empty: all.
    pub merchant_id: String,
    /// How its messages are signed; at least one.
    pub schemes: Vec<Scheme>,
    /// Whether the order per subject is kept.
    pub ordered: bool,
    /// Attempts a second; 0: no bound.
    pub rate_per_second: i64,
    /// Attempts at once; 0: as configured.
    pub concurrency: i64,
}

/// What the owner of an endpoint checks signatures with, told once.
#[derive(Debug, Default)]
pub struct Told {
    /// The secret of `v1`; empty if there is none.
    pub secret: Zeroizing<String>,
    /// The public key of `v1a`; empty if there is none.
    pub public_key: String,
}

impl Told {
    fn of(keys: &[WebhookKey]) -> Self {
        let mut told = Self::default();
        for key in keys {
            match key.scheme() {
                Scheme::V1 => told.secret = key.to_text(),
                Scheme::V1a => told.public_key = key.to_text().to_string(),
            }
        }
        told
    }
}

/// What is kept of a call that made keys: of which endpoint, and their numbers. Never the keys.
struct Made {
    endpoint_id: WebhookEndpointId,
    from: i64,
    to: i64,
}

impl Made {
    fn to_bytes(&self) -> Vec<u8> {
        format!("{} {} {}", self.endpoint_id, self.from, self.to).into_bytes()
    }

    /// Also reads the id alone, as an earlier release kept it.
    fn from_bytes(stored: &[u8]) -> Result<Self, DbError> {
        let corrupt = || DbError::Corrupt { what: "a stored response of an endpoint's call".into() };
        let text = std::str::from_utf8(stored).map_err(|_| corrupt())?;
        let mut words = text.split(' ');
        let endpoint_id = words.next().unwrap_or_default().parse().map_err(|_| corrupt())?;
        let mut number = || words.next().unwrap_or("1").parse().map_err(|_| corrupt());
        Ok(Self { endpoint_id, from: number()?, to: number()? })
    }
}

impl Core {
    /// Declares an endpoint and makes its keys. The same call again gets the same secret, opened from its sealed form,
    /// so that a caller who lost the answer need not begin anew; only that caller, with that request id, does.
    ///
    /// # Errors
    /// [`NotificationsError::AddressRefused`] if the platform does not call that address.
    pub(crate) async fn create_endpoint(
        &self,
        call: &Mutation,
        new: &NewEndpoint,
    ) -> Result<(Endpoint, Told), NotificationsError> {
        self.client.vet(&new.target).await?;
        let endpoint = &Endpoint {
            id: self.ids.next(),
            target: new.target.clone(),
            event_types: new.event_types.clone(),
            merchant_id: new.merchant_id.clone(),
            ordered: new.ordered,
            rate_per_second: new.rate_per_second,
            concurrency: new.concurrency,
            disable_reason: String::new(),
            failing_since: None,
            create_time: self.clock.now(),
            schemes: new.schemes.clone(),
        };
        let scope = Scope { method: "CreateWebhookEndpoint", principal: &call.principal };
        self.db
            .write(|tx| {
                Box::pin(async move {
                    // The id alone is kept as the response: the secret is nowhere but in its sealed form.
                    let stored = once(tx, scope, call.request_id, call.digest, |tx| {
                        Box::pin(async move {
                            if endpoints::count(tx).await? >= ENDPOINTS_MAX {
                                return Err(NotificationsError::TooManyEndpoints(ENDPOINTS_MAX));
                            }
                            endpoints::insert(tx, endpoint).await?;
                            let made = self.make_keys(tx, endpoint.id, &endpoint.schemes).await?;
                            let wake = self.wake_webhooks.clone();
                            tx.after_commit(move || wake.look());
                            Ok(made.to_bytes())
                        })
                    })
                    .await?;
                    let made = Made::from_bytes(&stored)?;
                    let endpoint = endpoints::get(tx, made.endpoint_id).await?;
                    let endpoint = endpoint.ok_or(NotificationsError::EndpointNotFound)?;
                    Ok((endpoint, self.tell_keys(tx, &made).await?))
                })
            })
            .await
    }

    /// Makes new keys of each scheme the endpoint has; the old ones end after `overlap`. The same call again gets the
    /// same keys.
    ///
    /// # Errors
    /// [`NotificationsError::EndpointNotFound`] if there is no such endpoint.
    pub(crate) async fn rotate_secret(
        &self,
        call: &Mutation,
        id: WebhookEndpointId,
        overlap: std::time::Duration,
    ) -> Result<Told, NotificationsError> {
        let now = self.clock.now();
        let scope = Scope { method: "RotateWebhookSecret", principal: &call.principal };
        self.db
            .write(|tx| {
                Box::pin(async move {
                    let stored = once(tx, scope, call.request_id, call.digest, |tx| {
                        Box::pin(async move {
                            endpoints::get(tx, id).await?.ok_or(NotificationsError::EndpointNotFound)?;
                            let schemes = secrets::schemes(tx, id).await?;
                            // Whoever rotates again within the overlap has three of a scheme at most: the last two
                            // and what was left of the one before.
                            secrets::remove_ended(tx, id, now).await?;
                            secrets::end(tx, id, now.plus(overlap)).await?;
                            let made = self.make_keys(tx, id, &schemes).await?;
                            dispatch::changed(tx).await?;
                            let wake = self.wake_webhooks.clone();
                            tx.after_commit(move || wake.look());
                            Ok::<_, NotificationsError>(made.to_bytes())
                        })
                    })
                    .await?;
                    let made = Made::from_bytes(&stored)?;
                    endpoints::get(tx, id).await?.ok_or(NotificationsError::EndpointNotFound)?;
                    self.tell_keys(tx, &made).await
                })
            })
            .await
    }

    async fn make_keys(
        &self,
        tx: &mut Tx<'_>,
        endpoint_id: WebhookEndpointId,
        schemes: &[Scheme],
    ) -> Result<Made, DbError> {
        let mut numbers = Vec::with_capacity(schemes.len());
        for scheme in schemes {
            let key = WebhookKey::generate(*scheme, &*self.entropy);
            let sealed = self.keys.seal(Kind::WebhookSecret, &endpoint_id.to_string(), key.expose());
            numbers.push(secrets::insert(tx, endpoint_id, *scheme, &sealed).await?);
        }
        let (from, to) = (numbers.iter().min(), numbers.iter().max());
        Ok(Made { endpoint_id, from: from.copied().unwrap_or(1), to: to.copied().unwrap_or(0) })
    }

    async fn tell_keys(&self, tx: &mut Tx<'_>, made: &Made) -> Result<Told, NotificationsError> {
        let mut keys = Vec::new();
        for stored in secrets::between(tx, made.endpoint_id, made.from, made.to).await? {
            keys.push(open_key(&self.keys, &stored).map_err(|what| DbError::Corrupt { what })?);
        }
        Ok(Told::of(&keys))
    }

    /// A page of the endpoints, by id.
    ///
    /// # Errors
    /// [`NotificationsError`] if the database refuses.
    pub(crate) async fn list_endpoints(
        &self,
        page: &Page<String>,
    ) -> Result<(Vec<Endpoint>, String), NotificationsError> {
        let after = page.after().map_or("", String::as_str);
        let rows = self.db.read(|tx| Box::pin(endpoints::list(tx, after, page.limit()))).await?;
        Ok(page.finish(rows, |last| last.id.to_string()))
    }

    /// Removes an endpoint, with its keys and what waits for it.
    ///
    /// # Errors
    /// [`NotificationsError::EndpointNotFound`] if there is none.
    pub(crate) async fn delete_endpoint(
        &self,
        call: &Mutation,
        id: WebhookEndpointId,
    ) -> Result<(), NotificationsError> {
        self.change(call, "DeleteWebhookEndpoint", move |tx, _| {
            Box::pin(async move {
                match endpoints::delete(tx, id).await? {
                    true => Ok(Vec::new()),
                    false => Err(NotificationsError::EndpointNotFound),
                }
            })
        })
        .await
        .map(drop)
    }

    /// A page of an endpoint's deliveries, newest first, of one state if it is given.
    ///
    /// # Errors
    /// [`NotificationsError::EndpointNotFound`] if there is no such endpoint.
    pub(crate) async fn list_deliveries(
        &self,
        id: WebhookEndpointId,
        state: Option<DeliveryState>,
        page: &Page<String>,
    ) -> Result<(Vec<Delivery>, String), NotificationsError> {
        let before = page.after().map_or("", String::as_str);
        let rows = self
            .db
            .read(|tx| {
                Box::pin(async move {
                    endpoints::get(tx, id).await?.ok_or(NotificationsError::EndpointNotFound)?;
                    Ok::<_, NotificationsError>(deliveries::list(tx, id, state, before, page.limit()).await?)
                })
            })
            .await?;
        Ok(page.finish(rows, |last| last.id.to_string()))
    }

    /// A delivery and its log.
    ///
    /// # Errors
    /// [`NotificationsError::DeliveryNotFound`] if there is none.
    pub(crate) async fn delivery(
        &self,
        endpoint_id: WebhookEndpointId,
        id: DeliveryId,
    ) -> Result<(Delivery, Vec<Logged>), NotificationsError> {
        self.db
            .read(|tx| {
                Box::pin(async move {
                    let delivery = deliveries::get(tx, endpoint_id, id).await?;
                    let delivery = delivery.ok_or(NotificationsError::DeliveryNotFound)?;
                    Ok((delivery, attempts::log(tx, endpoint_id, id, LOG_MAX).await?))
                })
            })
            .await
    }

    /// Changes something once, at a moment, and gives what it says.
    pub(crate) async fn change<F>(
        &self,
        call: &Mutation,
        method: &'static str,
        effect: F,
    ) -> Result<Vec<u8>, NotificationsError>
    where
        F: for<'t, 'e> Fn(
                &'t mut Tx<'e>,
                Timestamp,
            ) -> futures::future::BoxFuture<'t, Result<Vec<u8>, NotificationsError>>
            + Send
            + Sync,
    {
        let now = self.clock.now();
        let scope = Scope { method, principal: &call.principal };
        let effect = &effect;
        self.db
            .write(|tx| {
                Box::pin(async move {
                    once(tx, scope, call.request_id, call.digest, move |tx| effect(tx, now)).await
                })
            })
            .await
    }
}
