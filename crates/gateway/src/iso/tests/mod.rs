//! Partners of the gateway over real connections; vault and ledger are played.

mod hostile;
mod lines;
mod payments;
mod reversals;
mod world;
