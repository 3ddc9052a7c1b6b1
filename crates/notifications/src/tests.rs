//! Tests of the use cases, each on both databases.

mod addresses;
mod codes;
mod listener;
mod people;
mod support;
mod webhooks;
