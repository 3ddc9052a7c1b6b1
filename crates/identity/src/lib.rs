//! Identity: people who sign up, log in, show who they are, and are reviewed.
//!
//! [`auth`] is sign-up, login, second factor and sessions; [`kyc`] applications, documents, checks and cases;
//! [`screening`] the watch list. All stand on [`Core`]; `grpc` translates the contract to it, `store` holds the SQL.
//! Everything personal is sealed under its owner's own key ([`keys`]).
//!
//! Nothing here knows a card number, and no event holds a phone number, an ID number or a name.

pub mod auth;
pub mod code;
pub mod config;
pub mod customer;
pub mod desk;
pub mod grpc;
pub mod keys;
pub mod kyc;
pub mod messenger;
pub mod password;
pub mod phone;
pub mod screening;
pub mod store;

mod core;
mod error;
mod start;

pub use crate::core::{Core, Surroundings};
pub use config::Config;
pub use error::Error;
pub use start::spec;
