//! Translation between the contract and the service; nothing is decided here.

mod auth;
mod convert;
mod customer;
mod kyc;
mod messenger;
mod screening;

use std::sync::Arc;

use bursar_proto::identity::v1::auth_service_server::AuthServiceServer;
use bursar_proto::identity::v1::customer_service_server::CustomerServiceServer;
use bursar_proto::identity::v1::kyc_service_server::KycServiceServer;
use bursar_proto::identity::v1::screening_service_server::ScreeningServiceServer;
use bursar_service::{CallContext, CustomerClaims, OrStatus as _};
use tonic::service::Routes;
use tonic::{Request, Status};

use crate::Core;

pub use auth::AuthApi;
pub use customer::CustomerApi;
pub use kyc::KycApi;
pub use messenger::GrpcMessenger;
pub use screening::ScreeningApi;

/// All services of identity.
pub fn routes(core: &Arc<Core>, max_message_bytes: usize) -> Routes {
    let auth = AuthServiceServer::new(AuthApi::new(Arc::clone(core)));
    let customers = CustomerServiceServer::new(CustomerApi::new(Arc::clone(core)));
    let kyc = KycServiceServer::new(KycApi::new(Arc::clone(core)));
    let screening = ScreeningServiceServer::new(ScreeningApi::new(Arc::clone(core)));
    Routes::new(auth.max_decoding_message_size(max_message_bytes))
        .add_service(customers.max_decoding_message_size(max_message_bytes))
        .add_service(kyc.max_decoding_message_size(max_message_bytes))
        .add_service(screening.max_decoding_message_size(max_message_bytes))
}

/// Who calls, and for which customer: their session is looked up, so that a revoked one ends here at once.
async fn customer_of<T>(core: &Core, request: &Request<T>) -> Result<(String, CustomerClaims), Status> {
    let context = CallContext::of(request);
    let claims = context.require_customer()?.clone();
    core.check_session(&claims).await.or_status()?;
    Ok((context.principal(), claims))
}
