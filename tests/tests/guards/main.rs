//! "What must never be" (ARCHITECTURE.md), as checks over the source and the dependency tree that fail the build.
#![allow(clippy::unwrap_used)] // a test may panic, in its helpers too

mod dependencies;
mod deploy;
mod sources;
