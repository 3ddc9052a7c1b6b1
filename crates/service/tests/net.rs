//! The chassis over real TLS on loopback: who gets in, who may call, deadlines, load, errors, tokens, the clock, stop.
#![allow(clippy::disallowed_methods)] // a test may spawn: it awaits what it spawned

#[cfg(test)]
mod net {
    mod config;
    mod deadlines;
    mod errors;
    mod life;
    mod policy;
    mod probe;
    mod process;
    mod sandbox;
    mod support;
    mod tls;
    mod tokens;
}
