//! The codec from outside: conformance, round trips, hostile bytes.

mod hostile;
mod partial;
mod profiles;
mod roundtrip;
mod samples;
mod support;
mod vectors;
