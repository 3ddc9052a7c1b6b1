//! The card industry's own rules: how a number is drawn, a CVV2 computed, a password judged weak. Pure, and without
//! I/O; nothing here knows where keys come from.

pub(crate) mod allocate;
pub(crate) mod cvv;
pub(crate) mod range;
pub(crate) mod weakness;
