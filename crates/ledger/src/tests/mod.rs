//! The ledger as a whole, in this process: on both databases, with clocks, peers and faults in the test's hand.

mod accounts;
mod books;
mod bulk;
mod cards;
mod decisions;
mod desk;
mod follow;
mod index;
mod lifecycle;
mod money;
mod ownership;
mod payments;
mod reads;
mod receipts;
mod streams;
mod transfer_stream;
mod transfers;
mod world;
