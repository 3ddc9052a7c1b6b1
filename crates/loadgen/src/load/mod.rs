//! Three ways to load a server.

pub(crate) mod closed;
pub(crate) mod open;
pub(crate) mod window;
