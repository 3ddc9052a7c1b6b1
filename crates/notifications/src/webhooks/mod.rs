//! Webhooks by the Standard Webhooks specification (1.0): what is sent ([`body`], [`signature`]), to whom ([`filter`],
//! [`target`], [`address`]), when ([`schedule`]), and the engine that does it ([`dispatcher`] with [`client`]).

pub mod address;
pub mod body;
pub mod client;
pub mod dispatcher;
pub mod endpoints;
pub mod filter;
pub mod schedule;
pub mod signature;
pub mod target;
