//! Tests of the use cases, each on both databases.

mod addresses;
mod codes;
mod listener;
mod mending;
mod people;
mod support;
mod webhooks;
