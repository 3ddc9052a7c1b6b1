//! The crate from outside: files that banks published, files that are made to hurt, orders that are written.
#![allow(clippy::unwrap_used)] // a test may panic, in its helpers too

mod hostile;
mod orders;
mod samples;
mod statements;
mod support;
