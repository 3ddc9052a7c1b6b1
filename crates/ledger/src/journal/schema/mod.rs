//! Fields and numbers of every engine type the journal holds, format 1. See [`crate::wire`] for the rules.

mod account;
mod card;
mod command;
mod controls;
mod outcome;
mod payment;
mod record;
mod snapshot;
mod transfer;
