//! Passwords: what is accepted, and how they are kept.

mod hash;
mod policy;

pub use hash::{HashError, PasswordConfig, PasswordHasher};
pub use policy::{Password, PasswordProblem, Weakness};
