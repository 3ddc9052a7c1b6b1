//! `bursar.notifications.v1.WebhookService`.

use std::collections::HashSet;

use bursar_proto::notifications::v1 as proto;
use bursar_proto::notifications::v1::webhook_service_server::WebhookService;
use bursar_proto::notifications::v1::{
    CreateWebhookEndpointRequest, CreateWebhookEndpointResponse, DeleteWebhookEndpointRequest,
    DeleteWebhookEndpointResponse, ListWebhookDeliveriesRequest, ListWebhookDeliveriesResponse,
    ListWebhookEndpointsRequest, ListWebhookEndpointsResponse,
};
use bursar_service::error::Invalid;
use bursar_service::paging::Page;
use bursar_service::{OrStatus as _, parse};
use tonic::{Request, Response, Status};

use super::{mutation, text_as};
use crate::core::Core;
use crate::error::NotificationsError;
use crate::store::deliveries::{Delivery, DeliveryState};
use crate::store::endpoints::Endpoint;
use crate::webhooks::endpoints::NewEndpoint;
use crate::webhooks::filter::{EVENT_TYPES_MAX, Pattern};
use crate::webhooks::target::Target;

/// Longest merchant id: DE42 has 15 characters.
const MERCHANT_ID_LENGTH_MAX: usize = 15;

pub(crate) struct Webhooks {
    core: Core,
}

impl Webhooks {
    pub(crate) const fn new(core: Core) -> Self {
        Self { core }
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
        let (Some(call), Some(event_types), Some(merchant_id), Some(target)) =
            (call, event_types, merchant_id, target)
        else {
            return Err(wrong.into());
        };
        let new = NewEndpoint { target, event_types, merchant_id };
        let (endpoint, secret) = self.core.create_endpoint(&call, &new).await.or_status()?;
        Ok(Response::new(CreateWebhookEndpointResponse {
            webhook_endpoint: Some(endpoint_message(endpoint)),
            secret: secret.to_text().to_string(),
        }))
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
        let mut wrong = Invalid::new();
        let call = wrong.take(mutation(&self.core, &request, &body.request_id));
        let id = wrong.take(parse::id("webhook_endpoint_id", &body.webhook_endpoint_id));
        let (Some(call), Some(id)) = (call, id) else { return Err(wrong.into()) };
        self.core.delete_endpoint(&call, id).await.or_status()?;
        Ok(Response::new(DeleteWebhookEndpointResponse {}))
    }

    async fn list_webhook_deliveries(
        &self,
        request: Request<ListWebhookDeliveriesRequest>,
    ) -> Result<Response<ListWebhookDeliveriesResponse>, Status> {
        let body = request.get_ref();
        let id = parse::id("webhook_endpoint_id", &body.webhook_endpoint_id)?;
        let query = format!("ListWebhookDeliveries {id}");
        let page = Page::parse(body.page_size, &body.page_token, &query)
            .map_err(NotificationsError::from)
            .or_status()?;
        let (deliveries, next_page_token) = self.core.list_deliveries(id, &page).await.or_status()?;
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

/// A merchant id (DE42) or nothing.
fn merchant_id(text: &str) -> Result<String, Invalid> {
    parse::text("merchant_id", text, 0..=MERCHANT_ID_LENGTH_MAX).map(str::to_owned)
}

fn endpoint_message(endpoint: Endpoint) -> proto::WebhookEndpoint {
    proto::WebhookEndpoint {
        webhook_endpoint_id: endpoint.id.to_string(),
        url: endpoint.target.to_string(),
        event_types: endpoint.event_types,
        merchant_id: endpoint.merchant_id,
        create_time: Some(parse::timestamp_message(endpoint.create_time)),
        disabled: endpoint.disabled,
    }
}

fn delivery_message(delivery: Delivery) -> proto::WebhookDelivery {
    let state = match delivery.state {
        DeliveryState::Pending => proto::DeliveryState::Pending,
        DeliveryState::Delivered => proto::DeliveryState::Delivered,
        DeliveryState::Dead => proto::DeliveryState::Dead,
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
