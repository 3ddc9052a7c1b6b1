//! Who stands outside the platform: the customer with the phone, the reviewer's desk, the bank, the shop's acquirer.
//! Each knows only what such people know, and calls only what they may call. The demo and the scenarios are played by
//! them.

pub(crate) mod acquirer;
pub(crate) mod bank;
pub(crate) mod books;
pub(crate) mod callers;
pub(crate) mod clock;
pub(crate) mod customer;
pub(crate) mod desk;
pub(crate) mod device;
mod image;
pub(crate) mod person;

pub(crate) use device::Device;

/// Minor units with two decimals as people write them: `88.50`.
pub(crate) fn decimal(minor_units: i64) -> String {
    let sign = if minor_units < 0 { "-" } else { "" };
    let units = minor_units.unsigned_abs();
    format!("{sign}{}.{:02}", units / 100, units % 100)
}
