//! A customer hands the application in: checks and screening run, and the reviewers' clock begins.

use bursar_proto::identity::v1 as proto;
use bursar_service::db::Tx;
use bursar_service::events::NewEvent;
use bursar_service::idempotency::{self, Scope};
use bursar_service::parse::timestamp_message;
use bursar_types::Timestamp;
use bursar_types::id::{CustomerId, KycCaseId};

use super::applicant::Applicant;
use super::apply::Note;
use super::case::CaseStep;
use super::checks::{self, Check, Evidence};
use super::document::{self, DocumentKind};
use super::view::ApplicationView;
use crate::auth::Asked;
use crate::customer::{CustomerState, CustomerStep};
use crate::keys::CustomerKey;
use crate::screening::{ALGORITHM, Cause, Screened};
use crate::store::cases::{self, CaseRow};
use crate::store::findings::{self, RunRow};
use crate::store::{customers, documents};
use crate::{Core, Error};

impl Core {
    /// Hands an application in.
    ///
    /// # Errors
    /// [`Error::DocumentsMissing`], [`Error::CaseState`], [`Error::NotYours`].
    pub async fn submit_application(
        &self,
        asked: Asked<'_>,
        customer: CustomerId,
        case: KycCaseId,
    ) -> Result<ApplicationView, Error> {
        let digest = self.keys.request_digest(&[b"SubmitApplication", case.to_string().as_bytes()]);
        let scope = Scope { method: "SubmitApplication", principal: asked.principal };
        self.db
            .write(|tx| {
                Box::pin(async move {
                    let kept = idempotency::once(tx, scope, asked.request_id, digest, |tx| {
                        Box::pin(async move {
                            self.hand_in(tx, customer, case).await?;
                            Ok::<_, Error>(Vec::new())
                        })
                    });
                    kept.await?;
                    let case = self.own_case(tx, customer, case).await?;
                    self.application_view(tx, case).await
                })
            })
            .await
    }

    async fn hand_in(
        &self,
        tx: &mut Tx<'_>,
        customer_id: CustomerId,
        case_id: KycCaseId,
    ) -> Result<(), Error> {
        let case = self.own_case(tx, customer_id, case_id).await?;
        let to = case.state.after(CaseStep::Submit)?;
        let present: Vec<DocumentKind> =
            documents::of_case(tx, case_id).await?.iter().map(|document| document.kind).collect();
        let missing = document::missing(&present);
        if !missing.is_empty() {
            return Err(Error::DocumentsMissing(missing));
        }
        let key = self.customer_key(tx, customer_id).await?;
        let now = self.now();
        self.examine(tx, &key, &case, &present, now).await?;

        let deadline = now.plus(self.config.kyc.deadline());
        if !cases::submit(tx, &case, to, now, deadline).await? {
            return Err(Error::Corrupt("a case changed under its own transaction"));
        }
        let actor = customer_id.to_string();
        let note = Note { actor: &actor, action: CaseStep::Submit.as_str(), detail: "" };
        self.note(tx, &key, case_id, &note).await?;
        self.step_customer(tx, customer_id, CustomerStep::Submit).await?;
        let submitted = proto::KycSubmitted {
            customer_id: customer_id.to_string(),
            case_id: case_id.to_string(),
            deadline: Some(timestamp_message(deadline)),
        };
        self.events.publish(tx, NewEvent::new("identity.kyc.submitted", customer_id, &submitted))?;
        Ok(())
    }

    /// Runs checks and screening, and keeps what they find under the number of this hand-in.
    async fn examine(
        &self,
        tx: &mut Tx<'_>,
        key: &CustomerKey,
        case: &CaseRow,
        present: &[DocumentKind],
        now: Timestamp,
    ) -> Result<(), Error> {
        let applicant = open_applicant(key, case)?;
        let screened = self.screen_and_keep(tx, key, case, &applicant, Cause::Submitted).await?;
        let others = case.customer_id;
        let found = checks::run(&Evidence {
            applicant: &applicant,
            years_min: self.age_policy.years_min,
            today: self.age_policy.today(now),
            documents: present,
            same_id_number: cases::others_with_id_number(tx, case.id_number_index, others).await?,
            same_image: documents::others_with_images(tx, case.case_id, others).await?,
            screened: &screened,
        });
        self.keep_findings(tx, key, case, &found, &screened, now).await
    }

    async fn keep_findings(
        &self,
        tx: &mut Tx<'_>,
        key: &CustomerKey,
        case: &CaseRow,
        found: &[Check],
        screened: &Screened,
        now: Timestamp,
    ) -> Result<(), Error> {
        let attempt = case.attempt + 1;
        findings::insert_checks(tx, case.case_id, attempt, found).await?;
        let Screened::Run { list, version, hits, .. } = screened else { return Ok(()) };
        let row = findings::hits_row(case.case_id, attempt);
        let plain = serde_json::to_vec(hits).map_err(|_| Error::Corrupt("hits that cannot be written"))?;
        let plain = zeroize::Zeroizing::new(plain);
        let run = RunRow {
            list: list.clone(),
            list_version: version.clone(),
            algorithm: ALGORITHM,
            threshold_bps: self.screener.threshold_bps().into(),
            hits: i64::try_from(hits.len()).unwrap_or(i64::MAX),
            hits_sealed: key.seal(&findings::hits_place(&row), &plain),
            ran_at: now,
        };
        Ok(findings::insert_run(tx, case.case_id, attempt, &run).await?)
    }

    /// Takes a customer one step further and tells of it.
    pub(super) async fn step_customer(
        &self,
        tx: &mut Tx<'_>,
        customer_id: CustomerId,
        step: CustomerStep,
    ) -> Result<CustomerState, Error> {
        let customer = customers::get(tx, customer_id).await?.ok_or(Error::NotFound("customer"))?;
        let to = customer.state.after(step)?;
        if !customers::set_state(tx, customer_id, customer.state, to).await? {
            return Err(Error::Corrupt("a customer changed under their own transaction"));
        }
        let changed = proto::CustomerChanged {
            customer_id: customer_id.to_string(),
            state: to.as_str().to_owned(),
            kyc_level: i32::try_from(customer.kyc_level).unwrap_or(0),
        };
        self.events.publish(tx, NewEvent::new("identity.customer.changed", customer_id, &changed))?;
        Ok(to)
    }
}

/// What the applicant stated, opened. It held together when it was stated.
pub(crate) fn open_applicant(key: &CustomerKey, case: &CaseRow) -> Result<Applicant, Error> {
    let row = case.case_id.to_string();
    let text = |column, sealed: &[u8]| key.open_text(&cases::place(column, &row), sealed);
    let id_number = text("id_number_sealed", &case.id_number_sealed)?;
    let birth_date = text("birth_date_sealed", &case.birth_date_sealed)?;
    let corrupt = Error::Corrupt;
    Ok(Applicant {
        full_name: text("full_name_sealed", &case.full_name_sealed)?.to_string(),
        id_number: super::id_number::IdNumber::parse(&id_number)
            .map_err(|_| corrupt("a stored ID number"))?,
        birth_date: birth_date.parse().map_err(|_| corrupt("a stored birth date"))?,
        nationality: case.nationality.clone(),
        address: text("address_sealed", &case.address_sealed)?.to_string(),
    })
}
