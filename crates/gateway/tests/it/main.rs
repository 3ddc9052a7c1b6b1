//! The gateway as its process starts it, from outside.
#![allow(clippy::unwrap_used)] // a test may panic, in its helpers too

mod http;
