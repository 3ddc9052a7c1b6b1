//! The SQL of this crate: making the databases of the five services. Nothing here reads or writes what they store.

pub(crate) mod provision;
