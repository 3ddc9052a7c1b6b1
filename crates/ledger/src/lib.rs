//! The ledger process: journal, batching, projections, sagas and gRPC around bursar-ledger-engine.
