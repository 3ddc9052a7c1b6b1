//! The projections: rows that answer queries, made from the journal by one projector, in bulk, with the position they
//! have reached. They decide nothing, and can be made again.

pub(crate) mod controls;
mod events;
pub(crate) mod exchange;
mod model;
mod projector;
pub(crate) mod public;
mod records;
pub(crate) mod rules;
mod source;
mod step;
pub(crate) mod terms;
mod wants;

pub(crate) use events::{Event, EventChunk, EventRow};
pub(crate) use model::{Dirty, Model};
pub(crate) use projector::{Projector, Reached};
pub(crate) use records::{
    AccountRecord, CardRecord, HoldRecord, PaymentRecord, ProductRecord, TopUpRecord, change_text_of,
};
pub(crate) use source::JournalEvents;
pub(crate) use step::{Batch, Decided, Known, Step};
pub(crate) use wants::Wants;
