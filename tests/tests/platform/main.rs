//! The platform in real processes, seen from outside: over mutual TLS, ISO 8583, HTTP, files and signals.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // a test may panic and tell its progress, in its helpers too

mod access;
mod bad_input;
mod faults;
mod journeys;
mod receipts;
mod refusals;
mod sandbox;
mod scenarios;
mod secrets;
mod story;
