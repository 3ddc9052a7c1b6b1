//! Between the contract's messages and the service's types.

use bursar_proto::identity::v1 as proto;
use bursar_service::Invalid;
use bursar_service::parse::timestamp_message;

use crate::customer::{CustomerState, Locale};
use crate::desk::CustomerView;
use crate::kyc::case::CaseState;
use crate::kyc::checks::{Check, CheckOutcome};
use crate::kyc::document::DocumentKind;
use crate::kyc::{ApplicationView, CaseSummary, CaseView};
use crate::phone::Phone;
use crate::store::documents::DocumentRow;

pub(super) fn phone(text: &str) -> Result<Phone, Invalid> {
    Phone::parse(text).map_err(|error| Invalid::new().field("phone", error.to_string()))
}

pub(super) fn locale(value: i32) -> Result<Locale, Invalid> {
    match proto::Locale::try_from(value) {
        Ok(proto::Locale::Unspecified | proto::Locale::En) => Ok(Locale::En),
        Ok(proto::Locale::ZhCn) => Ok(Locale::ZhCn),
        Err(_) => Err(Invalid::new().field("locale", "must be one of the values of the contract")),
    }
}

/// A filter: `None` if unspecified.
pub(super) fn customer_state(value: i32) -> Result<Option<CustomerState>, Invalid> {
    use proto::CustomerState as P;
    Ok(Some(match P::try_from(value) {
        Ok(P::Unspecified) => return Ok(None),
        Ok(P::Unverified) => CustomerState::Unverified,
        Ok(P::PendingReview) => CustomerState::PendingReview,
        Ok(P::PendingDocument) => CustomerState::PendingDocument,
        Ok(P::Active) => CustomerState::Active,
        Ok(P::Suspended) => CustomerState::Suspended,
        Ok(P::Closed) => CustomerState::Closed,
        Ok(P::Rejected) => CustomerState::Rejected,
        Err(_) => return Err(Invalid::new().field("state", "must be one of the values of the contract")),
    }))
}

/// A filter: `None` if unspecified.
pub(super) fn case_state(value: i32) -> Result<Option<CaseState>, Invalid> {
    use proto::CaseState as P;
    Ok(Some(match P::try_from(value) {
        Ok(P::Unspecified) => return Ok(None),
        Ok(P::Open) => CaseState::Open,
        Ok(P::InReview) => CaseState::InReview,
        Ok(P::Approved) => CaseState::Approved,
        Ok(P::Rejected) => CaseState::Rejected,
        Ok(P::MoreInfo) => CaseState::MoreInfo,
        Ok(P::Draft) => return Err(Invalid::new().field("state", "drafts are not part of the queue")),
        Err(_) => return Err(Invalid::new().field("state", "must be one of the values of the contract")),
    }))
}

pub(super) fn document_kind(field: &str, value: i32) -> Result<DocumentKind, Invalid> {
    use proto::DocumentKind as P;
    Ok(match P::try_from(value) {
        Ok(P::ResidentIdFront) => DocumentKind::ResidentIdFront,
        Ok(P::ResidentIdBack) => DocumentKind::ResidentIdBack,
        Ok(P::Passport) => DocumentKind::Passport,
        Ok(P::Selfie) => DocumentKind::Selfie,
        Ok(P::Unspecified) | Err(_) => {
            return Err(
                Invalid::new().field(field, "must be one of the values of the contract, not unspecified")
            );
        }
    })
}

fn kind_message(kind: DocumentKind) -> proto::DocumentKind {
    match kind {
        DocumentKind::ResidentIdFront => proto::DocumentKind::ResidentIdFront,
        DocumentKind::ResidentIdBack => proto::DocumentKind::ResidentIdBack,
        DocumentKind::Passport => proto::DocumentKind::Passport,
        DocumentKind::Selfie => proto::DocumentKind::Selfie,
    }
}

fn case_state_message(state: CaseState) -> proto::CaseState {
    match state {
        CaseState::Draft => proto::CaseState::Draft,
        CaseState::Open => proto::CaseState::Open,
        CaseState::InReview => proto::CaseState::InReview,
        CaseState::Approved => proto::CaseState::Approved,
        CaseState::Rejected => proto::CaseState::Rejected,
        CaseState::MoreInfo => proto::CaseState::MoreInfo,
    }
}

fn customer_state_message(state: CustomerState) -> proto::CustomerState {
    match state {
        CustomerState::Unverified => proto::CustomerState::Unverified,
        CustomerState::PendingReview => proto::CustomerState::PendingReview,
        CustomerState::PendingDocument => proto::CustomerState::PendingDocument,
        CustomerState::Active => proto::CustomerState::Active,
        CustomerState::Suspended => proto::CustomerState::Suspended,
        CustomerState::Closed => proto::CustomerState::Closed,
        CustomerState::Rejected => proto::CustomerState::Rejected,
    }
}

/// Levels are 0 to 3.
fn level(level: i64) -> i32 {
    i32::try_from(level).unwrap_or(0)
}

pub(super) fn customer_message(view: &CustomerView) -> proto::Customer {
    let locale = match view.row.locale {
        Locale::ZhCn => proto::Locale::ZhCn,
        Locale::En => proto::Locale::En,
    };
    proto::Customer {
        customer_id: view.row.customer_id.to_string(),
        state: customer_state_message(view.row.state).into(),
        kyc_level: level(view.row.kyc_level),
        masked_phone: view.masked_phone.clone(),
        full_name: view.full_name.to_string(),
        locale: locale.into(),
        create_time: Some(timestamp_message(view.row.created_at)),
    }
}

pub(super) fn document_message(row: &DocumentRow) -> proto::Document {
    proto::Document {
        document_id: row.document_id.to_string(),
        kind: kind_message(row.kind).into(),
        media_type: row.media_type.as_str().to_owned(),
        size_bytes: row.size_bytes,
        create_time: Some(timestamp_message(row.created_at)),
    }
}

pub(super) fn application_message(view: &ApplicationView) -> proto::Application {
    proto::Application {
        case_id: view.case_id.to_string(),
        state: case_state_message(view.state).into(),
        documents: view.documents.iter().map(document_message).collect(),
        deadline: view.deadline.map(timestamp_message),
        customer_reason: view.customer_reason.clone(),
        kyc_level: level(view.kyc_level),
    }
}

pub(super) fn summary_message(case: &CaseSummary) -> proto::KycCase {
    proto::KycCase {
        case_id: case.case_id.to_string(),
        customer_id: case.customer_id.to_string(),
        state: case_state_message(case.state).into(),
        full_name: case.full_name.to_string(),
        masked_id_number: case.masked_id_number.clone(),
        birth_date: case.birth_date.to_string(),
        reviewer: case.reviewer.clone(),
        deadline: case.deadline.map(timestamp_message),
        overdue: case.overdue,
        ..proto::KycCase::default()
    }
}

fn check_message(check: &Check) -> proto::Check {
    let outcome = match check.outcome {
        CheckOutcome::Passed => proto::CheckOutcome::Passed,
        CheckOutcome::Review => proto::CheckOutcome::Review,
        CheckOutcome::Failed => proto::CheckOutcome::Failed,
    };
    proto::Check { name: check.name.clone(), outcome: outcome.into(), detail: check.detail.clone() }
}

pub(super) fn case_message(view: &CaseView) -> proto::KycCase {
    let (list, list_version) = view.list.clone().unwrap_or_default();
    let hits = view.hits.iter().map(|hit| proto::ScreeningHit {
        list: list.clone(),
        list_version: list_version.clone(),
        entry_id: hit.entry_id.clone(),
        entry_name: hit.entry_name.clone(),
        score_bps: hit.score_bps,
        explanation: hit.explanation.clone(),
    });
    proto::KycCase {
        documents: view.documents.iter().map(document_message).collect(),
        checks: view.checks.iter().map(check_message).collect(),
        hits: hits.collect(),
        ..summary_message(&view.summary)
    }
}
