//! gRPC in and out: translation only.

mod bank_files;
mod checkout;

pub(crate) use bank_files::BankFiles;
pub(crate) use checkout::Checkout;
