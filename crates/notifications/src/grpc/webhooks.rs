//! `bursar.notifications.v1.WebhookService`.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use bursar_proto::notifications::v1 as proto;
use bursar_proto::notifications::v1::SignatureScheme;
use bursar_proto::notifications::v1::webhook_service_server::WebhookService;
use bursar_proto::notifications::v1::{
    CreateWebhookEndpointRequest, CreateWebhookEndpointResponse, DeleteWebhookEndpointRequest,
    DeleteWebhookEndpointResponse, EnableWebhookEndpointRequest, EnableWebhookEndpointResponse,
    GetWebhookDeliveryRequest, GetWebhookDeliveryResponse, ListWebhookDeliveriesRequest,
    ListWebhookDeliveriesResponse, ListWebhookEndpointsRequest, ListWebhookEndpointsResponse,
    RecoverWebhookEndpointRequest, RecoverWebhookEndpointResponse, ReplayMissingWebhooksRequest,
    ReplayMissingWebhooksResponse, RetryWebhookDeliveryRequest, RetryWebhookDeliveryResponse,
    RotateWebhookSecretRequest, RotateWebhookSecretResponse, SendTestWebhookRequest, SendTestWebhookResponse,
};
use bursar_service::error::Invalid;
use bursar_service::paging::Page;
use bursar_service::{OrStatus as _, parse};
use bursar_types::id::WebhookEndpointId;
use tonic::{Request, Response, Status};

use super::{mutation, text_as};
use crate::core::{Core, Mutation};
use crate::error::NotificationsError;
use crate::store::attempts::Logged;
use crate::store::deliveries::{Delivery, DeliveryState};
use crate::store::endpoints::Endpoint;
use crate::webhooks::endpoints::NewEndpoint;
use crate::webhooks::filter::{EVENT_TYPES_MAX, Pattern};
use crate::webhooks::signature::Scheme;
use crate::webhooks::target::Target;

/// Longest merchant id: DE42 has 15 characters.
const MERCHANT_ID_LENGTH_MAX: usize = 15;

/// Most attempts a second that an endpoint may bound itself to.
const RATE_MAX: i32 = 10_000;

/// Most attempts at once that an endpoint may ask for.
const CONCURRENCY_MAX: i32 = 1_000;

/// Longest overlap of old and new secrets, in seconds: a week.
const OVERLAP_SECONDS_MAX: i32 = 7 * 24 * 3600;

pub(crate) struct Webhooks {
    core: Core,
}

impl Webhooks {
    pub(crate) const fn new(core: Core) -> Self {
        Self { core }
    }

    /// A change of one endpoint.
    fn endpoint_call<T: prost::Message>(
        &self,
        request: &Request<T>,
        request_id: &str,
        endpoint_id: &str,
    ) -> Result<(Mutation, WebhookEndpointId), Invalid> {
        let mut wrong = Invalid::new();
        let call = wrong.take(mutation(&self.core, request, request_id));
        let id = wrong.take(parse::id("webhook_endpoint_id", endpoint_id));
        match (call, id) {
            (Some(call), Some(id)) => Ok((call, id)),
            _ => Err(wrong),
        }
    }
}

#[tonic::async_trait]
impl WebhookService for Webhooks {
    async fn create_webhook_endpoint(
        &self,
        request: Request<CreateWebhookEndpointRequest>,
    ) -> Result<Response<CreateWebhookEndpointResponse>, Status> {
        let body = request.get_ref();
        let mut wrong = Invalid::new();
        let call = wrong.take(mutation(&self.core, &request, &body.request_id));
        let event_types = wrong.take(event_types(&body.event_types));
        let merchant_id = wrong.take(merchant_id(&body.merchant_id));
        let target = wrong.take(text_as::<Target>("url", &body.url));
        let schemes = wrong.take(schemes(&body.schemes));
        let rate = wrong.take(parse::number("rate_per_second", body.rate_per_second, 0..=RATE_MAX));
        let at_once = wrong.take(parse::number("concurrency", body.concurrency, 0..=CONCURRENCY_MAX));
        let settings = (schemes, rate, at_once);
        let (Some(call), Some(event_types), Some(merchant_id), Some(target)) =
            (call, event_types, merchant_id, target)
        else {
            return Err(wrong.into());
        };
        let (Some(schemes), Some(rate), Some(at_once)) = settings else { return Err(wrong.into()) };
        let new = NewEndpoint {
            target,
            event_types,
            merchant_id,
            schemes,
            ordered: body.ordered,
            rate_per_second: rate.into(),
            concurrency: at_once.into(),
        };
        let (endpoint, told) = self.core.create_endpoint(&call, &new).await.or_status()?;
        Ok(Response::new(CreateWebhookEndpointResponse {
            webhook_endpoint: Some(endpoint_message(endpoint)),
            secret: told.secret.to_string(),
            public_key: told.public_key,
        }))
    }

    async fn rotate_webhook_secret(
        &self,
        request: Request<RotateWebhookSecretRequest>,
    ) -> Result<Response<RotateWebhookSecretResponse>, Status> {
        let body = request.get_ref();
        let mut wrong = Invalid::new();
        let call = wrong.take(mutation(&self.core, &request, &body.request_id));
        let id = wrong.take(parse::id("webhook_endpoint_id", &body.webhook_endpoint_id));
        let overlap =
            wrong.take(parse::number("overlap_seconds", body.overlap_seconds, 0..=OVERLAP_SECONDS_MAX));
        let (Some(call), Some(id), Some(overlap)) = (call, id, overlap) else { return Err(wrong.into()) };
        let overlap = Duration::from_secs(overlap.unsigned_abs().into());
        let told = self.core.rotate_secret(&call, id, overlap).await.or_status()?;
        let (secret, public_key) = (told.secret.to_string(), told.public_key);
        Ok(Response::new(RotateWebhookSecretResponse { secret, public_key }))
    }

    async fn enable_webhook_endpoint(
        &self,
        request: Request<EnableWebhookEndpointRequest>,
    ) -> Result<Response<EnableWebhookEndpointResponse>, Status> {
        let body = request.get_ref();
        let (call, id) = self.endpoint_call(&request, &body.request_id, &body.webhook_endpoint_id)?;
        self.core.enable_endpoint(&call, id).await.or_status()?;
        Ok(Response::new(EnableWebhookEndpointResponse {}))
    }

    async fn send_test_webhook(
        &self,
        request: Request<SendTestWebhookRequest>,
    ) -> Result<Response<SendTestWebhookResponse>, Status> {
        let body = request.get_ref();
        let (call, id) = self.endpoint_call(&request, &body.request_id, &body.webhook_endpoint_id)?;
        let delivery_id = self.core.send_test(&call, id).await.or_status()?.to_string();
        Ok(Response::new(SendTestWebhookResponse { delivery_id }))
    }

    async fn get_webhook_delivery(
        &self,
        request: Request<GetWebhookDeliveryRequest>,
    ) -> Result<Response<GetWebhookDeliveryResponse>, Status> {
        let body = request.get_ref();
        let mut wrong = Invalid::new();
        let endpoint_id = wrong.take(parse::id("webhook_endpoint_id", &body.webhook_endpoint_id));
        let id = wrong.take(parse::id("delivery_id", &body.delivery_id));
        let (Some(endpoint_id), Some(id)) = (endpoint_id, id) else { return Err(wrong.into()) };
        let (delivery, log) = self.core.delivery(endpoint_id, id).await.or_status()?;
        Ok(Response::new(GetWebhookDeliveryResponse {
            delivery: Some(delivery_message(delivery)),
            attempts: log.into_iter().map(attempt_message).collect(),
        }))
    }

    async fn retry_webhook_delivery(
        &self,
        request: Request<RetryWebhookDeliveryRequest>,
    ) -> Result<Response<RetryWebhookDeliveryResponse>, Status> {
        let body = request.get_ref();
        let mut wrong = Invalid::new();
        let call = wrong.take(mutation(&self.core, &request, &body.request_id));
        let endpoint_id = wrong.take(parse::id("webhook_endpoint_id", &body.webhook_endpoint_id));
        let id = wrong.take(parse::id("delivery_id", &body.delivery_id));
        let (Some(call), Some(endpoint_id), Some(id)) = (call, endpoint_id, id) else {
            return Err(wrong.into());
        };
        self.core.retry_delivery(&call, endpoint_id, id).await.or_status()?;
        Ok(Response::new(RetryWebhookDeliveryResponse {}))
    }

    async fn recover_webhook_endpoint(
        &self,
        request: Request<RecoverWebhookEndpointRequest>,
    ) -> Result<Response<RecoverWebhookEndpointResponse>, Status> {
        let body = request.get_ref();
        let since = parse::timestamp("since_time", body.since_time.as_ref());
        let (call, id) = self.endpoint_call(&request, &body.request_id, &body.webhook_endpoint_id)?;
        let deliveries = self.core.recover_endpoint(&call, id, since?).await.or_status()?;
        Ok(Response::new(RecoverWebhookEndpointResponse { deliveries }))
    }

    async fn replay_missing_webhooks(
        &self,
        request: Request<ReplayMissingWebhooksRequest>,
    ) -> Result<Response<ReplayMissingWebhooksResponse>, Status> {
        let body = request.get_ref();
        let since = parse::timestamp("since_time", body.since_time.as_ref());
        let until =
            body.until_time.as_ref().map(|until| parse::timestamp("until_time", Some(until))).transpose();
        let (call, id) = self.endpoint_call(&request, &body.request_id, &body.webhook_endpoint_id)?;
        let (deliveries, more) = self.core.replay_missing(&call, id, since?, until?).await.or_status()?;
        Ok(Response::new(ReplayMissingWebhooksResponse { deliveries, more }))
    }

    async fn list_webhook_endpoints(
        &self,
        request: Request<ListWebhookEndpointsRequest>,
    ) -> Result<Response<ListWebhookEndpointsResponse>, Status> {
        let body = request.get_ref();
        let page = Page::parse(body.page_size, &body.page_token, "ListWebhookEndpoints").or_status()?;
        let (endpoints, next_page_token) = self.core.list_endpoints(&page).await.or_status()?;
        let webhook_endpoints = endpoints.into_iter().map(endpoint_message).collect();
        Ok(Response::new(ListWebhookEndpointsResponse { webhook_endpoints, next_page_token }))
    }

    async fn delete_webhook_endpoint(
        &self,
        request: Request<DeleteWebhookEndpointRequest>,
    ) -> Result<Response<DeleteWebhookEndpointResponse>, Status> {
        let body = request.get_ref();
        let (call, id) = self.endpoint_call(&request, &body.request_id, &body.webhook_endpoint_id)?;
        self.core.delete_endpoint(&call, id).await.or_status()?;
        Ok(Response::new(DeleteWebhookEndpointResponse {}))
    }

    async fn list_webhook_deliveries(
        &self,
        request: Request<ListWebhookDeliveriesRequest>,
    ) -> Result<Response<ListWebhookDeliveriesResponse>, Status> {
        let body = request.get_ref();
        let id = parse::id("webhook_endpoint_id", &body.webhook_endpoint_id)?;
        let state = delivery_state(body.state)?;
        let wanted = state.map_or("", DeliveryState::as_str);
        let query = format!("ListWebhookDeliveries {id} {wanted}");
        let page = Page::parse(body.page_size, &body.page_token, &query)
            .map_err(NotificationsError::from)
            .or_status()?;
        let (deliveries, next_page_token) = self.core.list_deliveries(id, state, &page).await.or_status()?;
        let deliveries = deliveries.into_iter().map(delivery_message).collect();
        Ok(Response::new(ListWebhookDeliveriesResponse { deliveries, next_page_token }))
    }
}

/// The event types of an endpoint, each once.
fn event_types(texts: &[String]) -> Result<Vec<String>, Invalid> {
    parse::number("event_types", texts.len(), 1..=EVENT_TYPES_MAX)?;
    let mut wrong = Invalid::new();
    let mut seen = HashSet::new();
    for (index, text) in texts.iter().enumerate() {
        wrong.take(text_as::<Pattern>(&format!("event_types[{index}]"), text));
        seen.insert(text);
    }
    wrong.check()?;
    Ok(texts.iter().filter(|text| seen.remove(text)).cloned().collect())
}

/// The schemes of an endpoint, each once.
fn schemes(numbers: &[i32]) -> Result<Vec<Scheme>, Invalid> {
    let mut schemes = BTreeSet::new();
    for number in numbers {
        schemes.insert(match SignatureScheme::try_from(*number) {
            Ok(SignatureScheme::V1) => Scheme::V1,
            Ok(SignatureScheme::V1a) => Scheme::V1a,
            _ => return Err(Invalid::new().field("schemes", "must be v1 or v1a")),
        });
    }
    if schemes.is_empty() {
        schemes.insert(Scheme::V1);
    }
    Ok(schemes.into_iter().collect())
}

/// The state to list, if one is set.
fn delivery_state(number: i32) -> Result<Option<DeliveryState>, Invalid> {
    Ok(Some(match proto::DeliveryState::try_from(number) {
        Ok(proto::DeliveryState::Unspecified) => return Ok(None),
        Ok(proto::DeliveryState::Pending) => DeliveryState::Pending,
        Ok(proto::DeliveryState::Delivered) => DeliveryState::Delivered,
        Ok(proto::DeliveryState::Dead) => DeliveryState::Dead,
        Ok(proto::DeliveryState::Held) => DeliveryState::Held,
        Err(_) => return Err(Invalid::new().field("state", "is no state of a delivery")),
    }))
}

/// A merchant id (DE42) or nothing.
fn merchant_id(text: &str) -> Result<String, Invalid> {
    parse::text("merchant_id", text, 0..=MERCHANT_ID_LENGTH_MAX).map(str::to_owned)
}

fn endpoint_message(endpoint: Endpoint) -> proto::WebhookEndpoint {
    proto::WebhookEndpoint {
        disabled: endpoint.disabled(),
        webhook_endpoint_id: endpoint.id.to_string(),
        url: endpoint.target.to_string(),
        event_types: endpoint.event_types,
        merchant_id: endpoint.merchant_id,
        create_time: Some(parse::timestamp_message(endpoint.create_time)),
        disable_reason: endpoint.disable_reason,
        ordered: endpoint.ordered,
        rate_per_second: i32::try_from(endpoint.rate_per_second).unwrap_or(i32::MAX),
        concurrency: i32::try_from(endpoint.concurrency).unwrap_or(i32::MAX),
        schemes: endpoint
            .schemes
            .into_iter()
            .map(|scheme| match scheme {
                Scheme::V1 => SignatureScheme::V1.into(),
                Scheme::V1a => SignatureScheme::V1a.into(),
            })
            .collect(),
        failing_since_time: endpoint.failing_since.map(parse::timestamp_message),
    }
}

fn attempt_message(logged: Logged) -> proto::WebhookAttempt {
    proto::WebhookAttempt {
        attempt: i32::try_from(logged.attempt).unwrap_or(i32::MAX),
        start_time: Some(parse::timestamp_message(logged.start)),
        duration_micros: logged.duration_micros,
        status: i32::try_from(logged.status).unwrap_or(0),
        problem: logged.problem,
        response: logged.response,
    }
}

fn delivery_message(delivery: Delivery) -> proto::WebhookDelivery {
    let state = match delivery.state {
        DeliveryState::Pending => proto::DeliveryState::Pending,
        DeliveryState::Delivered => proto::DeliveryState::Delivered,
        DeliveryState::Dead => proto::DeliveryState::Dead,
        DeliveryState::Held => proto::DeliveryState::Held,
    };
    proto::WebhookDelivery {
        delivery_id: delivery.id.to_string(),
        webhook_endpoint_id: delivery.endpoint_id.to_string(),
        event_id: delivery.event_id,
        event_type: delivery.event_type,
        state: state.into(),
        attempts: i32::try_from(delivery.attempts).unwrap_or(i32::MAX),
        last_status: i32::try_from(delivery.last_status).unwrap_or(0),
        next_attempt_time: delivery.next_attempt.map(parse::timestamp_message),
    }
}
