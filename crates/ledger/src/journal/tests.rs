//! The journal's bytes.
