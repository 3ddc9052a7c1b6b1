//! The service on both databases, with a recording stand-in for notifications and clocks that stand still.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

#[path = "service/world.rs"]
mod world;

#[path = "service/applications.rs"]
mod applications;
#[path = "service/codes.rs"]
mod codes;
#[path = "service/keeping.rs"]
mod keeping;
#[path = "service/process.rs"]
mod process;
#[path = "service/reviews.rs"]
mod reviews;
#[path = "service/screenings.rs"]
mod screenings;
#[path = "service/sessions.rs"]
mod sessions;
#[path = "service/sign_ups.rs"]
mod sign_ups;
#[path = "service/wire.rs"]
mod wire;
