//! Know your customer: what an applicant states, the documents that show it, the checks, and the case that a
//! reviewer decides.

pub mod applicant;
pub mod case;
pub mod checks;
pub mod document;
pub mod id_number;

mod apply;
mod download;
mod overdue;
mod review;
mod submit;
mod upload;
mod view;

pub use apply::Stated;
pub use download::Download;
pub use review::{Decide, QueueKey};
pub(crate) use submit::open_applicant;
pub use upload::NewDocument;
pub use view::{ApplicationView, CaseSummary, CaseView};
