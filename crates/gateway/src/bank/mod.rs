//! The issuer's bank: what its files say.

mod amount;
mod camt054;
mod xml;

pub(crate) use camt054::{Credit, Entry, Notification, parse};
pub(crate) use xml::Camt054Error;
