//! The SQL of this crate: making the databases of the five services, and what bench compares the ledger with. Nothing
//! here reads or writes what the services store; only bench reads, from the ledger of its own that it has stopped.

pub(crate) mod provision;
pub(crate) mod reference;
