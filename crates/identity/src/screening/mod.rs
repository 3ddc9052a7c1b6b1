//! Sanctions and PEP screening: lists that are reloaded while the service runs, people who are screened again when
//! lists change, hits that are kept and cleared. Who is like whom is decided in `bursar-screening`.
//!
//! A list that cannot be used never means "no hit": the last good one stays in force and it is told; where there never was
//! one, nobody counts as screened; and where the last good one is too old, every application goes to a person.

mod config;
mod hits;
mod keep;
mod lists;
mod rescreen;
mod state;

pub use bursar_screening::ALGORITHM;
pub use config::ScreeningConfig;
pub use hits::{ClearHit, HitKey, MatchKey, MatchState, MatchView, RunView};
pub(crate) use keep::Cause;
pub use lists::{ListStatus, SourceProblem};
pub use state::{Hit, Screened, Screener};

/// A perfect match, in basis points.
pub const PERFECT: i32 = bursar_screening::PERFECT as i32;
