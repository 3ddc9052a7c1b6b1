//! The vocabulary every Bursar crate shares, without I/O: [`Money`] and [`Asset`], typed [ids](id), the
//! injected [`Clock`] and [`Entropy`], the [`RequestId`] of a mutation, and the closed list of [`Reason`]s a
//! call can fail for.
//!
//! Nothing here knows about gRPC, SQL, or any one service.
#![deny(clippy::float_arithmetic)]

pub mod id;

mod card_proof;
mod clock;
mod entropy;
mod money;
mod reason;
mod request_id;

pub use card_proof::{CARD_PROOF_AUDIENCE, CardProofClaims, ProofResult};
pub use clock::{Clock, ManualClock, ShiftedClock, SystemClock, Timestamp};
pub use entropy::{Entropy, OsEntropy, SeededEntropy};
pub use id::{IdError, IdSource, TypedId};
pub use money::{Asset, Money, MoneyError};
pub use reason::{Code, Failure, FieldViolation, Reason, Severity};
pub use request_id::{RequestId, RequestIdError};
