//! Tests of the use cases, each on both databases.

mod addresses;
mod catalogue;
mod codes;
mod listener;
mod mending;
mod people;
mod reaching;
mod support;
mod webhooks;
