//! The engine's rules, one file a topic, and the engine against a slow and obvious model.
#![allow(missing_docs, clippy::unwrap_used)] // all of it is test code

mod accounts;
mod cards;
mod controls;
mod decisions;
mod exchange;
mod fixtures;
mod hostile;
mod model;
mod payments;
mod random;
mod reached;
mod records;
mod replacing;
mod support;
mod transfers;
