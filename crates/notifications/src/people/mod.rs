//! Messages to people: which events become messages ([`decision`]), what they say ([`facts`], [`catalog`]), and
//! their way out ([`outbox`]).

pub mod catalog;
pub mod codes;
pub mod decision;
pub mod facts;
pub mod inbox;
pub mod locale;
pub mod outbox;
pub mod template;
