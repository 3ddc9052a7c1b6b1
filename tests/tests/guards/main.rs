//! "What must never be" (ARCHITECTURE.md), as checks over the source and the dependency tree that fail the build.

mod dependencies;
mod deploy;
mod sources;
