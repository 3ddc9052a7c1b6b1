//! Sign-up, login, second factor, sessions.

mod challenge;
mod guard;
pub mod housekeeping;
mod log_in;
mod recipients;
mod session;
mod sign_up;
mod step_up;

use bursar_types::typed_id;

pub use guard::LoginDelay;
pub use log_in::LogIn;
pub use session::{LOGGED_OUT, Tokens};
pub(crate) use sign_up::text_id;
pub use sign_up::{Confirm, SignUp};
pub use step_up::{Answer, Stepped};

use crate::store::customers::CustomerRow;

typed_id! {
    /// A sign-up that waits for its code.
    SignUpId = "signup",
    /// A challenge to show a second factor.
    ChallengeId = "chal",
}

/// Who asks, and under which request id: the scope of a repetition.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// [`CallContext::principal`](bursar_service::CallContext::principal).
    pub principal: &'a str,
    /// The request id.
    pub request_id: bursar_types::RequestId,
}

/// A customer who is logged in.
pub struct LoggedIn {
    /// The customer.
    pub customer: CustomerRow,
    /// The tokens of the session.
    pub tokens: Tokens,
}

/// A challenge whose code is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started<I> {
    /// Its id.
    pub id: I,
    /// When the code ends.
    pub code_expires_at: bursar_types::Timestamp,
}
