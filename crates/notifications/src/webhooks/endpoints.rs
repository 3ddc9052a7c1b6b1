//! Declaring, listing and removing endpoints, and looking at their deliveries.

use bursar_service::db::DbError;
use bursar_service::idempotency::{Scope, once};
use bursar_service::paging::Page;
use bursar_types::id::WebhookEndpointId;

use super::signature::WebhookSecret;
use super::target::Target;
use crate::core::{Core, Mutation};
use crate::error::NotificationsError;
use crate::keys::Kind;
use crate::store::deliveries::{self, Delivery};
use crate::store::endpoints::{self, Endpoint};

/// Most endpoints: every event is held against all of them.
const ENDPOINTS_MAX: i64 = 1_000;

/// An endpoint about to be declared.
#[derive(Debug)]
pub struct NewEndpoint {
    /// Where it is.
    pub target: Target,
    /// Types of events, as written.
    pub event_types: Vec<String>,
    /// Only this merchant's; empty: all.
    pub merchant_id: String,
}

impl Core {
    /// Declares an endpoint and makes its secret. The same call again gets the same secret, opened from its sealed
    /// form, so that a caller who lost the answer need not begin anew; only that caller, with that request id, does.
    ///
    /// # Errors
    /// [`NotificationsError::AddressRefused`] if the platform does not call that address.
    pub(crate) async fn create_endpoint(
        &self,
        call: &Mutation,
        new: &NewEndpoint,
    ) -> Result<(Endpoint, WebhookSecret), NotificationsError> {
        self.client.vet(&new.target).await?;
        let endpoint = &Endpoint {
            id: self.ids.next(),
            target: new.target.clone(),
            event_types: new.event_types.clone(),
            merchant_id: new.merchant_id.clone(),
            disabled: false,
            create_time: self.clock.now(),
        };
        let secret = WebhookSecret::generate(&*self.entropy);
        let sealed = &self.keys.seal(Kind::WebhookSecret, &endpoint.id.to_string(), secret.expose());
        let scope = Scope { method: "CreateWebhookEndpoint", principal: &call.principal };
        let (endpoint, sealed) = self
            .db
            .write(|tx| {
                Box::pin(async move {
                    // The id alone is kept as the response: the secret is nowhere but in its sealed form.
                    let stored = once(tx, scope, call.request_id, call.digest, |tx| {
                        Box::pin(async move {
                            if endpoints::count(tx).await? >= ENDPOINTS_MAX {
                                return Err(NotificationsError::TooManyEndpoints(ENDPOINTS_MAX));
                            }
                            endpoints::insert(tx, endpoint, sealed).await?;
                            Ok(endpoint.id.to_string().into_bytes())
                        })
                    })
                    .await?;
                    let id = std::str::from_utf8(&stored).unwrap_or_default().parse();
                    let id: WebhookEndpointId = id.map_err(|_| DbError::Corrupt {
                        what: "a stored response of CreateWebhookEndpoint".into(),
                    })?;
                    endpoints::get(tx, id).await?.ok_or(NotificationsError::EndpointNotFound)
                })
            })
            .await?;
        let secret = self.keys.open(Kind::WebhookSecret, &endpoint.id.to_string(), &sealed)?;
        Ok((endpoint, WebhookSecret::from_bytes(secret)))
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

    /// Removes an endpoint, with its secret and what waits for it.
    ///
    /// # Errors
    /// [`NotificationsError::EndpointNotFound`] if there is none.
    pub(crate) async fn delete_endpoint(
        &self,
        call: &Mutation,
        id: WebhookEndpointId,
    ) -> Result<(), NotificationsError> {
        let scope = Scope { method: "DeleteWebhookEndpoint", principal: &call.principal };
        self.db
            .write(|tx| {
                Box::pin(async move {
                    once(tx, scope, call.request_id, call.digest, |tx| {
                        Box::pin(async move {
                            if endpoints::delete(tx, id).await? {
                                Ok(Vec::new())
                            } else {
                                Err(NotificationsError::EndpointNotFound)
                            }
                        })
                    })
                    .await
                })
            })
            .await
            .map(drop)
    }

    /// A page of an endpoint's deliveries, newest first.
    ///
    /// # Errors
    /// [`NotificationsError::EndpointNotFound`] if there is no such endpoint.
    pub(crate) async fn list_deliveries(
        &self,
        id: WebhookEndpointId,
        page: &Page<String>,
    ) -> Result<(Vec<Delivery>, String), NotificationsError> {
        let before = page.after().map_or("", String::as_str);
        let rows = self
            .db
            .read(|tx| {
                Box::pin(async move {
                    endpoints::get(tx, id).await?.ok_or(NotificationsError::EndpointNotFound)?;
                    Ok::<_, NotificationsError>(deliveries::list(tx, id, before, page.limit()).await?)
                })
            })
            .await?;
        Ok(page.finish(rows, |last| last.id.to_string()))
    }
}
