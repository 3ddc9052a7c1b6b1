//! ISO 8583 over TCP: a connection's frames become messages, a message becomes one decision, a decision becomes the
//! reply.

mod authorization;
mod exchange;
mod listener;
mod response_codes;

pub(crate) use listener::serve;
