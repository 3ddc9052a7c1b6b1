//! The platform in real processes, seen from outside: over mutual TLS, ISO 8583, HTTP, files and signals.

mod access;
mod bad_input;
mod faults;
mod journeys;
mod refusals;
mod secrets;
mod story;
