//! Webhooks by the Standard Webhooks specification (1.0): what is sent ([`body`], [`signature`]), to whom ([`filter`],
//! [`target`], [`address`], [`book`]), when ([`schedule`]), how an event becomes deliveries (`fan_out`), and the engine
//! that delivers them ([`dispatcher`] with [`client`]).

pub mod address;
pub mod body;
pub mod book;
pub mod client;
pub mod dispatcher;
pub mod endpoints;
mod fan_out;
pub mod filter;
mod lanes;
pub mod mend;
pub mod schedule;
pub mod signature;
pub mod target;
pub mod wake;
