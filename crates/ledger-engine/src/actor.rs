//! Who asks for a command, in which role, and who may lift whose freeze.

use crate::Name;

/// In which role somebody acts. The process derives it from the caller's certificate or token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The customer themselves.
    Customer,
    /// Support and operators of the issuer.
    Operator,
    /// The issuer's fraud desk, or the anomaly watch.
    FraudDesk,
    /// Legal and compliance.
    LegalDesk,
    /// Another process of the platform, or the ledger itself.
    Service,
    /// The card network, through the gateway.
    Network,
}

/// Who asks, as it is kept in every record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The role.
    pub role: Role,
    /// Who in that role: a customer id, an operator's name, a SPIFFE path. May be empty.
    pub name: Name,
}

/// Whose freeze it is. Several may lie on one card or account at once, at most one of each holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FreezeHolder {
    /// The customer's own switch.
    Customer,
    /// The issuer's, for any reason of its own.
    Issuer,
    /// The fraud desk's.
    Fraud,
    /// Placed by a report of loss or theft.
    Loss,
    /// A court's or an authority's.
    Legal,
}

impl FreezeHolder {
    /// Every holder.
    pub const ALL: &'static [Self] = &[Self::Customer, Self::Issuer, Self::Fraud, Self::Loss, Self::Legal];

    /// Whether somebody in `role` may place this freeze.
    pub const fn placeable_by(self, role: Role) -> bool {
        match self {
            Self::Customer => matches!(role, Role::Customer | Role::Operator | Role::Service),
            // A customer reports a loss; the report's freeze is not theirs to lift.
            Self::Loss => !matches!(role, Role::Network),
            Self::Issuer => {
                matches!(role, Role::Operator | Role::FraudDesk | Role::LegalDesk | Role::Service)
            }
            Self::Fraud => matches!(role, Role::Operator | Role::FraudDesk | Role::Service),
            Self::Legal => matches!(role, Role::LegalDesk),
        }
    }

    /// Whether somebody in `role` may lift this freeze: a customer only the customer's own.
    pub const fn liftable_by(self, role: Role) -> bool {
        match self {
            Self::Customer => matches!(role, Role::Customer | Role::Operator),
            Self::Issuer | Self::Loss => matches!(role, Role::Operator | Role::FraudDesk),
            Self::Fraud => matches!(role, Role::FraudDesk),
            Self::Legal => matches!(role, Role::LegalDesk),
        }
    }
}
