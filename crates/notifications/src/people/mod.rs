//! Messages to people: which events become messages ([`decision`]), what they say ([`facts`], [`catalog`]),
//! which ways they take and when ([`plan`], [`preferences`]), and their way out ([`outbox`]).

pub mod catalog;
pub mod codes;
pub mod decision;
pub mod facts;
pub mod inbox;
pub mod locale;
pub mod outbox;
pub mod plan;
pub mod preferences;
pub mod stream;
pub mod template;
