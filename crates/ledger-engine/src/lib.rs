//! The deterministic heart of the ledger: state + command + time = outcome + events. No I/O, no clock, no randomness.
