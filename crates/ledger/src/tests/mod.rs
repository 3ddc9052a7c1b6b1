//! The ledger as a whole, in this process: on both databases, with clocks, peers and faults in the test's hand.

mod books;
mod cards;
mod follow;
mod index;
mod money;
mod ownership;
mod payments;
mod reads;
mod receipts;
mod streams;
mod world;
