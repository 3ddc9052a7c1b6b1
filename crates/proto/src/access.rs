//! Who may call what: the `(bursar.type.v1.access)` options of all methods, as a table.

use std::fmt;

/// The identities a certificate of the platform's CA can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity {
    /// The identity service.
    Identity,
    /// The vault.
    Vault,
    /// The ledger.
    Ledger,
    /// The notifications service.
    Notifications,
    /// The gateway.
    Gateway,
    /// A product back end of the issuer.
    Backend,
    /// An operator.
    Operator,
    /// A bank or network partner.
    Partner,
}

impl Identity {
    /// Every identity.
    pub const ALL: [Self; 8] = [
        Self::Identity,
        Self::Vault,
        Self::Ledger,
        Self::Notifications,
        Self::Gateway,
        Self::Backend,
        Self::Operator,
        Self::Partner,
    ];

    /// By the number of `bursar.type.v1.Caller`; the build refuses a table with others.
    const fn from_number(number: i32) -> Self {
        match number {
            1 => Self::Identity,
            2 => Self::Vault,
            3 => Self::Ledger,
            4 => Self::Notifications,
            5 => Self::Gateway,
            6 => Self::Backend,
            7 => Self::Operator,
            8 => Self::Partner,
            _ => panic!("a caller in proto/ that access.rs does not know"),
        }
    }

    /// The name in the certificate: `ledger` of `spiffe://bursar/ledger`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Vault => "vault",
            Self::Ledger => "ledger",
            Self::Notifications => "notifications",
            Self::Gateway => "gateway",
            Self::Backend => "backend",
            Self::Operator => "operator",
            Self::Partner => "partner",
        }
    }

    /// The identity with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|identity| identity.name() == name)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The access rule of one method.
#[derive(Clone, Copy, Debug)]
pub struct MethodAccess {
    /// Path on the wire: `/bursar.ledger.v1.AccountService/GetAccount`.
    pub path: &'static str,
    /// Full name of the service: `bursar.ledger.v1.AccountService`.
    pub service: &'static str,
    /// Full name of the request message.
    pub input: &'static str,
    /// Certificates that may call.
    pub callers: &'static [Identity],
    /// Whether a customer's access token must come with the call.
    pub customer: bool,
    /// Callers that may leave that token out; they act in their own name then.
    pub customer_exempt: &'static [Identity],
    /// Longest age of the customer's second factor in seconds; 0: none asked for.
    pub second_factor_max_age_seconds: u32,
    /// Absent outside the sandbox.
    pub sandbox_only: bool,
    /// Whether the request is a stream.
    pub client_streaming: bool,
    /// Whether the request carries a `request_id`.
    pub mutation: bool,
}

/// All methods of the contract, sorted by path.
pub static METHODS: &[MethodAccess] = include!(concat!(env!("OUT_DIR"), "/access.rs"));

/// The rule of the method at `path`.
pub fn method(path: &str) -> Option<&'static MethodAccess> {
    METHODS.iter().find(|method| method.path == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_callers_and_is_found() {
        assert!(!METHODS.is_empty());
        for rule in METHODS {
            assert!(!rule.callers.is_empty(), "{}", rule.path);
            assert_eq!(method(rule.path).map(|found| found.path), Some(rule.path));
        }
    }
}
