//! The issuer's desk: the BIN range and the KYC queue.

use bursar_proto::identity::v1::{
    CaseState, CheckOutcome, ClaimCaseRequest, DecideCaseRequest, GetCaseRequest,
};
use bursar_proto::vault::v1::{CreateBinRangeRequest, ListBinRangesRequest};

use super::callers::{Callers, ask, request_id};

/// The BIN range of made-up cards. ISO/IEC 7812 leaves numbers that start with 9 to national bodies: no network uses it.
pub(crate) const BIN_RANGE: &str = "demo";
pub(crate) const BIN: &str = "99000001";
/// Name at the desk.
pub(crate) const REVIEWER: &str = "demo-reviewer";

/// Makes the BIN range, if there is none yet.
pub(crate) async fn bin_range(callers: &Callers) -> Result<(), String> {
    let ranges = ask!(
        callers.ranges,
        list_bin_ranges,
        ListBinRangesRequest { page_size: 1000, ..Default::default() }
    )?;
    if !ranges.bin_ranges.iter().any(|range| range.bin_range_id == BIN_RANGE) {
        let request = CreateBinRangeRequest {
            request_id: request_id(),
            bin_range_id: BIN_RANGE.into(),
            bin: BIN.into(),
            pan_length: 16,
        };
        ask!(callers.ranges, create_bin_range, request)?;
    }
    Ok(())
}

/// A reviewer reads the checks and the screening of a case; gives their names if all passed.
pub(crate) async fn read_checks(callers: &Callers, case_id: &str) -> Result<String, String> {
    let request = GetCaseRequest { case_id: case_id.to_owned() };
    let case = ask!(callers.review, get_case, request)?.kyc_case.unwrap_or_default();
    if let Some(check) = case.checks.iter().find(|check| check.outcome() != CheckOutcome::Passed) {
        return Err(format!("check {} is {}: {}", check.name, check.outcome().as_str_name(), check.detail));
    }
    let names: Vec<&str> = case.checks.iter().map(|check| check.name.as_str()).collect();
    if !names.contains(&"screening") || !case.hits.is_empty() {
        return Err(format!("screening did not run clean: checks {names:?}, {} hits", case.hits.len()));
    }
    Ok(names.join(", "))
}

/// The reviewer approves; gives the masked number of the document.
pub(crate) async fn approve(callers: &Callers, case_id: &str) -> Result<String, String> {
    let request =
        ClaimCaseRequest { request_id: request_id(), case_id: case_id.to_owned(), reviewer: REVIEWER.into() };
    ask!(callers.review, claim_case, request)?;
    let request = DecideCaseRequest {
        request_id: request_id(),
        case_id: case_id.to_owned(),
        reviewer: REVIEWER.into(),
        decision: CaseState::Approved.into(),
        kyc_level: 2,
        internal_reason: "images and number agree".into(),
        customer_reason: String::new(),
    };
    let decided = ask!(callers.review, decide_case, request)?.kyc_case.unwrap_or_default();
    if decided.state() != CaseState::Approved {
        return Err(format!("the case is {}", decided.state().as_str_name()));
    }
    Ok(decided.masked_id_number)
}
