//! Identity's stand-in: one customer, who is verified. The bench is of the ledger; that cards and their numbers are made
//! by the real ledger and the real vault is all the truth it needs.

use std::net::SocketAddr;

use bursar_proto::access::Identity;
use bursar_proto::identity::v1::customer_service_server::{CustomerService, CustomerServiceServer};
use bursar_proto::identity::v1::{
    Customer, CustomerState, GetCustomerRequest, GetCustomerResponse, GetMeRequest, GetMeResponse,
    ListCustomersRequest, ListCustomersResponse,
};
use bursar_service::config::{LoadOptions, load};
use bursar_service::run::{self, Chassis, Parts, Running, Sources, Spec, StartError};
use bursar_service::tls::TlsFiles;
use futures::future::BoxFuture;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::exit::Exit;
use crate::platform::{Endpoints, Layout};

/// Answers about any customer that they are verified.
#[derive(Clone, Copy, Debug)]
struct Verified;

#[tonic::async_trait]
impl CustomerService for Verified {
    async fn get_customer(
        &self,
        request: Request<GetCustomerRequest>,
    ) -> Result<Response<GetCustomerResponse>, Status> {
        let customer = Customer {
            customer_id: request.into_inner().customer_id,
            state: CustomerState::Active.into(),
            kyc_level: 1,
            ..Customer::default()
        };
        Ok(Response::new(GetCustomerResponse { customer: Some(customer) }))
    }

    async fn list_customers(
        &self,
        _: Request<ListCustomersRequest>,
    ) -> Result<Response<ListCustomersResponse>, Status> {
        Err(Status::unimplemented("the bench's identity knows one answer"))
    }

    async fn get_me(&self, _: Request<GetMeRequest>) -> Result<Response<GetMeResponse>, Status> {
        Err(Status::unimplemented("the bench's identity knows one answer"))
    }
}

/// It has no configuration of its own.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Nothing {}

fn start(_: Chassis, _: Nothing) -> BoxFuture<'static, Result<Parts, StartError>> {
    Box::pin(async { Ok(Parts::new(Routes::new(CustomerServiceServer::new(Verified)))) })
}

/// Serves where the platform expects identity.
pub(super) async fn serve(layout: &Layout, endpoints: &Endpoints) -> Result<Running, Exit> {
    let address = &endpoints.of(Identity::Identity).grpc;
    let address: SocketAddr = address
        .trim_start_matches("https://")
        .parse()
        .map_err(|_| Exit::software(format!("{address} is no address to listen at")))?;
    let files = TlsFiles::in_dir(&layout.tls(), Identity::Identity.name());
    let sets = vec![
        format!("service.grpc_listen={address}"),
        "service.admin_listen=127.0.0.1:0".to_owned(),
        format!("tls.ca={}", files.ca.display()),
        format!("tls.cert={}", files.cert.display()),
        format!("tls.key={}", files.key.display()),
        format!("database.url=sqlite://{}/stand-in.db", layout.root().display()),
    ];
    let spec = Spec { identity: Identity::Identity, defaults: "", migrations: &[], start };
    let loaded = load(spec.defaults, &LoadOptions { sets, ..LoadOptions::default() });
    let loaded = loaded.map_err(|error| Exit::software(error.to_string()))?;
    run::start(spec, loaded, Sources::default()).await.map_err(|error| Exit::software(error.to_string()))
}
