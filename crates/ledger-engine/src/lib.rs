//! The deterministic heart of the ledger: state + command + time = outcome + effects.
//!
//! One [`Engine`] holds the state of one shard, a card program: accounts, holds, cards, controls, counters and
//! payments. [`Engine::apply`] decides one [`Command`] at one moment and says what became of it (the
//! [`Outcome`]) and everything it changed (the [`Effect`]s), so that the process around it can write its
//! projections and publish its events without deciding anything again.
//!
//! Nothing here reads a clock, draws randomness, does I/O, or depends on the order of a hash map: the same
//! commands at the same moments give the same state byte for byte. Ids arrive inside the commands.
//!
//! - A **refused** command ([`Outcome::Refused`]) changes nothing and burns nothing.
//! - A **declined** payment is a decision like an approval: recorded, and told again to who asks again.
//! - A command **without effects** left no trace: replaying the journal of those with effects gives the same state.
//! - Arithmetic on money is checked; there is no float and no panic on any input.
//!
//! Where things are: the modules beside `engine` are the vocabulary, plain data; `engine` holds the rules. There
//! `step` is the one place where balances move and can be taken back, `decide` looks at a payment and changes
//! nothing, `limits` and `counting` are controls before and after it, `invariants` recomputes everything.
//!
//! What is kept in memory: accounts, cards, open holds, controls, counters (at most 61 slots each), payments with
//! their elements (at most [`MAX_ELEMENTS`]), and of the bank's transactions and reversed transfers the ids. Posted
//! transfers are not kept: who reverses one brings its facts ([`ReverseTransfer`]).
#![deny(clippy::float_arithmetic)]

mod account;
mod actor;
mod card;
mod command;
mod controls;
mod decline;
mod effect;
mod engine;
mod exchange;
mod metadata;
mod outcome;
mod payment;
mod payment_request;
mod product;
mod program;
mod record;
mod refusal;
mod snapshot;
mod text;
mod transfer;

pub use account::*;
pub use actor::*;
pub use card::*;
pub use command::*;
pub use controls::*;
pub use decline::*;
pub use effect::*;
pub use engine::*;
pub use exchange::*;
pub use metadata::*;
pub use outcome::*;
pub use payment::*;
pub use payment_request::*;
pub use product::*;
pub use program::*;
pub use record::*;
pub use refusal::*;
pub use snapshot::*;
pub use text::*;
pub use transfer::*;
