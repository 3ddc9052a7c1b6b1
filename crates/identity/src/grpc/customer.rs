//! `bursar.identity.v1.CustomerService`.

use std::sync::Arc;

use bursar_proto::identity::v1 as proto;
use bursar_proto::identity::v1::customer_service_server::CustomerService;
use bursar_service::paging::Page;
use bursar_service::{OrStatus as _, parse};
use tonic::{Request, Response, Status};

use super::{convert, customer_of};
use crate::Core;

/// Customers for the ledger, the desk and themselves.
#[derive(Debug)]
pub struct CustomerApi {
    core: Arc<Core>,
}

impl CustomerApi {
    /// The service over `core`.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }
}

#[tonic::async_trait]
impl CustomerService for CustomerApi {
    async fn get_customer(
        &self,
        request: Request<proto::GetCustomerRequest>,
    ) -> Result<Response<proto::GetCustomerResponse>, Status> {
        let id = parse::id("customer_id", &request.get_ref().customer_id)?;
        let view = self.core.customer(id).await.or_status()?;
        Ok(Response::new(proto::GetCustomerResponse { customer: Some(convert::customer_message(&view)) }))
    }

    async fn list_customers(
        &self,
        request: Request<proto::ListCustomersRequest>,
    ) -> Result<Response<proto::ListCustomersResponse>, Status> {
        let message = request.into_inner();
        let state = convert::customer_state(message.state)?;
        let query = format!("ListCustomers {}", message.state);
        let page = Page::parse(message.page_size, &message.page_token, &query).or_status()?;
        let (views, next_page_token) = self.core.list_customers(state, &page).await.or_status()?;
        let customers = views.iter().map(convert::customer_message).collect();
        Ok(Response::new(proto::ListCustomersResponse { customers, next_page_token }))
    }

    async fn get_me(
        &self,
        request: Request<proto::GetMeRequest>,
    ) -> Result<Response<proto::GetMeResponse>, Status> {
        let (_, claims) = customer_of(&self.core, &request).await?;
        let view = self.core.customer(claims.customer_id).await.or_status()?;
        Ok(Response::new(proto::GetMeResponse { customer: Some(convert::customer_message(&view)) }))
    }
}
