//! An application as its customer sees it, and a case as a reviewer sees it: opened, and masked where it must be.

use bursar_service::db::Tx;
use bursar_types::Timestamp;
use bursar_types::id::{CustomerId, KycCaseId};
use zeroize::{Zeroize as _, Zeroizing};

use super::case::CaseState;
use super::checks::Check;
use crate::keys::CustomerKey;
use crate::screening::Hit;
use crate::store::cases::{self, CaseRow};
use crate::store::documents::{self, DocumentRow};
use crate::store::{customers, findings};
use crate::{Core, Error};

/// An application as its customer sees it.
pub struct ApplicationView {
    /// Id.
    pub case_id: KycCaseId,
    /// Where it stands.
    pub state: CaseState,
    /// Documents so far.
    pub documents: Vec<DocumentRow>,
    /// Moment by which it is decided.
    pub deadline: Option<Timestamp>,
    /// What the customer may be told of the decision.
    pub customer_reason: String,
    /// Level that was given.
    pub kyc_level: i64,
}

/// A case in the queue.
pub struct CaseSummary {
    /// Id.
    pub case_id: KycCaseId,
    /// Whose.
    pub customer_id: CustomerId,
    /// Where it stands.
    pub state: CaseState,
    /// Name as stated.
    pub full_name: Zeroizing<String>,
    /// ID number with its middle masked.
    pub masked_id_number: String,
    /// Birth date.
    pub birth_date: Zeroizing<String>,
    /// Who works on it.
    pub reviewer: String,
    /// Moment by which it is to be decided.
    pub deadline: Option<Timestamp>,
    /// Whether it passed undecided.
    pub overdue: bool,
}

/// A case with all that was found.
pub struct CaseView {
    /// The case.
    pub summary: CaseSummary,
    /// Documents.
    pub documents: Vec<DocumentRow>,
    /// Automatic checks of the last hand-in.
    pub checks: Vec<Check>,
    /// List and version that were screened, if any was.
    pub list: Option<(String, String)>,
    /// Hits of the last hand-in.
    pub hits: Vec<Hit>,
}

impl Core {
    /// The key of a customer.
    pub(crate) async fn customer_key(
        &self,
        tx: &mut Tx<'_>,
        customer: CustomerId,
    ) -> Result<CustomerKey, Error> {
        let customer = customers::get(tx, customer).await?.ok_or(Error::NotFound("customer"))?;
        customer.key(&self.keys)
    }

    /// The case of that customer.
    pub(super) async fn own_case(
        &self,
        tx: &mut Tx<'_>,
        customer: CustomerId,
        case: KycCaseId,
    ) -> Result<CaseRow, Error> {
        let case = cases::get(tx, case).await?.ok_or(Error::NotFound("application"))?;
        if case.customer_id == customer { Ok(case) } else { Err(Error::NotYours("application")) }
    }

    pub(super) async fn application_view(
        &self,
        tx: &mut Tx<'_>,
        case: CaseRow,
    ) -> Result<ApplicationView, Error> {
        let documents = documents::of_case(tx, case.case_id).await?;
        Ok(ApplicationView {
            case_id: case.case_id,
            state: case.state,
            documents,
            deadline: case.deadline,
            customer_reason: case.customer_reason,
            kyc_level: case.kyc_level,
        })
    }

    pub(super) async fn case_summary(&self, tx: &mut Tx<'_>, case: &CaseRow) -> Result<CaseSummary, Error> {
        let key = self.customer_key(tx, case.customer_id).await?;
        let row = case.case_id.to_string();
        let id_number = key.open_text(&cases::place("id_number_sealed", &row), &case.id_number_sealed)?;
        let overdue =
            case.state.is_waiting_for_reviewers() && case.deadline.is_some_and(|by| by <= self.now());
        Ok(CaseSummary {
            case_id: case.case_id,
            customer_id: case.customer_id,
            state: case.state,
            full_name: key.open_text(&cases::place("full_name_sealed", &row), &case.full_name_sealed)?,
            masked_id_number: super::id_number::masked(&id_number),
            birth_date: key.open_text(&cases::place("birth_date_sealed", &row), &case.birth_date_sealed)?,
            reviewer: case.reviewer.clone(),
            deadline: case.deadline,
            overdue,
        })
    }

    pub(super) async fn case_view(&self, tx: &mut Tx<'_>, case: &CaseRow) -> Result<CaseView, Error> {
        let summary = self.case_summary(tx, case).await?;
        let documents = documents::of_case(tx, case.case_id).await?;
        let checks = findings::checks(tx, case.case_id, case.attempt).await?;
        let run = findings::run(tx, case.case_id, case.attempt).await?;
        let (list, hits) = match run {
            None => (None, Vec::new()),
            Some((list, version, sealed)) => {
                let key = self.customer_key(tx, case.customer_id).await?;
                let row = findings::hits_row(case.case_id, case.attempt);
                let mut plain = key.open(&findings::hits_place(&row), &sealed)?;
                let hits =
                    serde_json::from_slice(&plain).map_err(|_| Error::Corrupt("the hits of a screening"))?;
                plain.zeroize();
                (Some((list, version)), hits)
            }
        };
        Ok(CaseView { summary, documents, checks, list, hits })
    }
}
