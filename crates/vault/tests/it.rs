//! The vault over mutual TLS on loopback, on both databases: what it does, and what must not be got out of it.
#![allow(clippy::disallowed_methods)] // a test may spawn: it awaits what it spawned

#[cfg(test)]
mod it {
    mod audit;
    mod hsm;
    mod issue;
    mod keys;
    mod memory;
    mod password;
    mod purge;
    mod reveal;
    mod seal;
    mod secrecy;
    mod start;
    mod stream;
    mod support;
    mod verify;
}
