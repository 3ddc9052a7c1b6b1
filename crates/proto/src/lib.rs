//! Bursar's public contract as Rust, generated from `proto/`; nothing here is written by hand but [`access`].
//!
//! `bursar.ledger.v1` is [`ledger::v1`] and so on; `bursar.type.v1` is [`common::v1`], for `type` is a keyword.

pub mod access;

#[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all, clippy::pedantic)]
mod tree {
    include!(concat!(env!("OUT_DIR"), "/tree.rs"));
}

mod hidden {
    include!(concat!(env!("OUT_DIR"), "/debug.rs"));
}

pub use tree::bursar::r#type as common;
pub use tree::bursar::*;

/// The compiled `proto/` tree (a `google.protobuf.FileDescriptorSet` with its imports), for server reflection and
/// for turning messages into JSON.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bursar.bin"));
