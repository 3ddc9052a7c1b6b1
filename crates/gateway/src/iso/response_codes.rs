//! Field 39 by reason: data, not code.

use std::collections::HashMap;

use bursar_iso8583::Version;
use bursar_proto::ledger::v1::{DeclineReason, Payment, PaymentState};
use serde::Deserialize;

/// Prefix of the reasons' names in the contract.
const PREFIX: &str = "DECLINE_REASON_";

/// A network's codes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResponseCodes {
    approved: String,
    partially_approved: String,
    account_check: String,
    advice_accepted: String,
    reversal_accepted: String,
    network_accepted: String,
    declined: HashMap<String, String>,
}

impl ResponseCodes {
    /// The codes of a version of the standard.
    pub(super) fn builtin(version: Version) -> Result<Self, String> {
        match version {
            Version::V1987 | Version::Other(_) => {
                Self::parse(include_str!("../../data/response_codes_87.toml"), 2)
            }
            _ => Self::parse(include_str!("../../data/response_codes_93.toml"), 3),
        }
    }

    /// Reads a table whose codes have `width` characters.
    fn parse(text: &str, width: usize) -> Result<Self, String> {
        let codes: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        let others = [
            &codes.approved,
            &codes.partially_approved,
            &codes.account_check,
            &codes.advice_accepted,
            &codes.reversal_accepted,
            &codes.network_accepted,
        ];
        for code in codes.declined.values().chain(others) {
            if code.len() != width || !code.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(format!("`{code}` is no response code: field 39 has {width} letters or digits"));
            }
        }
        for reason in (1..).map_while(|number| DeclineReason::try_from(number).ok()) {
            if !codes.declined.contains_key(name(reason)) {
                return Err(format!("{} has no response code", name(reason)));
            }
        }
        Ok(codes)
    }

    /// It is approved, in full.
    pub(super) fn approved(&self) -> &str {
        &self.approved
    }

    /// An advice is taken.
    pub(super) fn advice_accepted(&self) -> &str {
        &self.advice_accepted
    }

    /// A reversal is taken.
    pub(super) fn reversal_accepted(&self) -> &str {
        &self.reversal_accepted
    }

    /// A message of network management is taken.
    pub(super) fn network_accepted(&self) -> &str {
        &self.network_accepted
    }

    /// The code of a reason.
    pub(super) fn declined(&self, reason: DeclineReason) -> &str {
        let known = self.declined.get(name(reason)).or_else(|| self.declined.get("SYSTEM_ERROR"));
        known.map_or("96", String::as_str)
    }

    /// The code of a decision.
    pub(super) fn decision(&self, payment: &Payment) -> &str {
        match payment.state() {
            PaymentState::Declined | PaymentState::Unspecified => self.declined(payment.decline_reason()),
            PaymentState::PartiallyApproved => &self.partially_approved,
            _ if payment.amount.as_ref().is_some_and(|amount| amount.minor_units == 0) => &self.account_check,
            _ => &self.approved,
        }
    }
}

fn name(reason: DeclineReason) -> &'static str {
    reason.as_str_name().strip_prefix(PREFIX).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_the_code_of_the_documents() {
        let codes = ResponseCodes::builtin(Version::V1987).unwrap();
        assert_eq!(codes.declined(DeclineReason::AmountLimitExceeded), "61");
        assert_eq!(codes.declined(DeclineReason::CardFrozen), "62");
        assert_eq!(codes.declined(DeclineReason::Unspecified), "96");
        let codes = ResponseCodes::builtin(Version::V1993).unwrap();
        assert_eq!(codes.declined(DeclineReason::InsufficientFunds), "116");
        assert_eq!(codes.reversal_accepted(), "400");
    }

    #[test]
    fn a_table_with_a_hole_or_a_bad_code_is_refused() {
        let text = include_str!("../../data/response_codes_87.toml");
        let hole = text.replace("LEGAL_BLOCK = \"93\"\n", "");
        assert!(ResponseCodes::parse(&hole, 2).unwrap_err().contains("LEGAL_BLOCK"));
        assert!(ResponseCodes::parse(&text.replace("\"93\"", "\"930\""), 2).unwrap_err().contains("930"));
    }
}
