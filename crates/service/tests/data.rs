//! The chassis's half below the network: transactions, migrations, idempotency, the event log and its readers, on
//! both databases.
#![allow(clippy::disallowed_methods)] // tests start and kill tasks of their own

#[cfg(test)] // where clippy allows what tests may do
mod data {
    mod causality;
    mod chaos;
    mod connecting;
    mod consuming;
    mod idempotency;
    mod migrations;
    mod outage;
    mod retention;
    mod serving;
    mod support;
    mod transactions;
    mod values;
}
