//! Published vectors, and random logs against a slow obvious definition.
#![allow(clippy::unwrap_used)] // a test may panic, in its helpers too

mod checkpoints;
mod random;
mod slow;
mod tiled;
mod vectors;
