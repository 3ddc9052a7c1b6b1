//! Who calls, for whom, and until when: what a handler knows about the call besides its message.

use bursar_proto::access::Identity;
use bursar_types::id::{CustomerId, SessionId};
use bursar_types::{Failure, Reason, Timestamp};

use crate::deadline::Deadline;

/// The customer on whose behalf a call is made, as identity's access token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerClaims {
    /// The customer.
    pub customer_id: CustomerId,
    /// The login session.
    pub session_id: SessionId,
    /// When the token was issued.
    pub issued_at: Timestamp,
    /// When the customer last proved a second factor, if ever in this session.
    pub second_factor_at: Option<Timestamp>,
    /// The device the session is bound to, if any.
    pub device: Option<String>,
}

/// What the chassis found out about a call before its handler sees it. It lies in the request's extensions.
#[derive(Clone, Debug)]
pub struct CallContext {
    /// Whose certificate the call came with.
    pub caller: Identity,
    /// For which customer it is made, if a valid access token came with it.
    pub customer: Option<CustomerClaims>,
    /// Until when an answer is of use; `None` for streams without one.
    pub deadline: Option<Deadline>,
    /// Path of the method: `/bursar.ledger.v1.AccountService/GetAccount`.
    pub method: &'static str,
}

impl CallContext {
    /// The context of a call made by `caller`, without a customer: for tests of handlers, which call them directly.
    pub const fn of_caller(caller: Identity) -> Self {
        Self { caller, customer: None, deadline: None, method: "" }
    }

    /// The context of `request`.
    ///
    /// # Panics
    /// If the request did not come through the chassis' server. No other way leads to a handler; a test that calls
    /// one directly inserts a context itself.
    pub fn of<T>(request: &tonic::Request<T>) -> &Self {
        request.extensions().get::<Self>().expect("the chassis puts the context into every request it serves")
    }

    /// Who is answerable for the call: `customer/cust_…` if it is made for one, else `service/<name>`. The scope of
    /// request ids, and the actor of audit records.
    pub fn principal(&self) -> String {
        match &self.customer {
            Some(claims) => format!("customer/{}", claims.customer_id),
            None => format!("service/{}", self.caller),
        }
    }

    /// The customer the call is made for.
    ///
    /// # Errors
    /// [`NoCustomer`] if none came with it.
    pub fn require_customer(&self) -> Result<&CustomerClaims, NoCustomer> {
        self.customer.as_ref().ok_or(NoCustomer)
    }
}

/// The call needs a customer's access token and came without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this method needs a customer's access token: send `authorization: Bearer <token>`")]
pub struct NoCustomer;

impl Failure for NoCustomer {
    fn reason(&self) -> Reason {
        Reason::TokenMissing
    }
}

impl From<NoCustomer> for tonic::Status {
    fn from(error: NoCustomer) -> Self {
        crate::error::status(&error)
    }
}
