//! Notifications: messages to people, webhooks to systems, fed by the event streams of the others.
//!
//! [`intake`] reads the logs of identity, vault, ledger and gateway; each event becomes a message to a person
//! ([`people`], over [`sms`] and the inbox), deliveries of [`webhooks`], both, or nothing. What it keeps is in
//! `store/`: no card number, no one-time code, no phone number or webhook secret in plain.
//!
//! Nothing here calls another service but to read its event log, and nothing here moves money.

pub mod config;
pub mod core;
pub mod error;
pub mod intake;
pub mod keys;
pub mod people;
pub mod providers;
pub mod webhooks;

mod grpc;
#[cfg(test)]
mod samples;
mod start;
mod store;
#[cfg(test)]
mod tests;

pub use start::spec;
