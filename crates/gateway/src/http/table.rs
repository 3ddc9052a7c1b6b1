//! Which methods of the contract are served over HTTP, and where.

/// How a method is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// The request message is the query.
    Get,
    /// The request message is the body.
    Post,
}

/// A method of the contract over HTTP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) verb: Verb,
    /// Path of the URL.
    pub(crate) url: &'static str,
    /// Full name of the service.
    pub(crate) service: &'static str,
    /// Name of the method.
    pub(crate) method: &'static str,
    /// What it does, in a line.
    pub(crate) summary: &'static str,
}

/// All of them.
pub(crate) static ENTRIES: &[Entry] = &[
    Entry {
        verb: Verb::Post,
        url: "/v1/payments",
        service: "bursar.gateway.v1.CheckoutService",
        method: "Pay",
        summary: "Pays a merchant with the card password. A decline is an answer.",
    },
    Entry {
        verb: Verb::Post,
        url: "/v1/bank-files",
        service: "bursar.gateway.v1.BankFileService",
        method: "ImportBankFile",
        summary: "Imports a statement (camt.053) or a notification (camt.054).",
    },
    Entry {
        verb: Verb::Get,
        url: "/v1/bank-files",
        service: "bursar.gateway.v1.BankFileService",
        method: "ListBankFiles",
        summary: "Files that were imported, newest first.",
    },
];

impl Entry {
    /// The method's path over gRPC.
    pub(crate) fn path(&self) -> String {
        format!("/{}/{}", self.service, self.method)
    }
}
