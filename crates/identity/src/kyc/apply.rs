//! A customer opens an application, and looks at it.

use bursar_service::db::Tx;
use bursar_service::idempotency::{self, Scope};
use bursar_types::Timestamp;
use bursar_types::id::{CustomerId, KycCaseId};

use super::applicant::Applicant;
use super::case::CaseState;
use super::view::ApplicationView;
use crate::auth::{Asked, text_id};
use crate::keys::CustomerKey;
use crate::store::cases::{self, CaseRow, TrailEntry};
use crate::store::customers;
use crate::{Core, Error};

/// What an applicant states, as it came.
#[derive(Clone, Copy)]
pub struct Stated<'a> {
    /// Full name.
    pub full_name: &'a str,
    /// Identity number.
    pub id_number: &'a str,
    /// Birth date, `YYYY-MM-DD`.
    pub birth_date: &'a str,
    /// ISO 3166-1 alpha-2.
    pub nationality: &'a str,
    /// Address.
    pub address: &'a str,
}

impl Core {
    /// Opens an application with what the customer states.
    ///
    /// # Errors
    /// [`Error::Applicant`] if that does not hold together, or the customer may not apply now.
    pub async fn create_application(
        &self,
        asked: Asked<'_>,
        customer: CustomerId,
        stated: Stated<'_>,
    ) -> Result<ApplicationView, Error> {
        let Stated { full_name, id_number, birth_date, nationality, address } = stated;
        let now = self.now();
        let applicant =
            Applicant::parse(full_name, id_number, birth_date, nationality, address, &self.age_policy, now)
                .map_err(Error::Applicant)?;
        let parts = [b"CreateApplication", full_name.as_bytes(), id_number.as_bytes(), birth_date.as_bytes()];
        let parts: Vec<&[u8]> =
            parts.into_iter().chain([nationality.as_bytes(), address.as_bytes()]).collect();
        let digest = self.keys.request_digest(&parts);
        let scope = Scope { method: "CreateApplication", principal: asked.principal };
        let applicant = &applicant;
        self.db
            .write(|tx| {
                Box::pin(async move {
                    let kept = idempotency::once(tx, scope, asked.request_id, digest, |tx| {
                        Box::pin(async move {
                            let id = self.keep_draft(tx, customer, applicant, now).await?;
                            Ok::<_, Error>(id.to_string().into_bytes())
                        })
                    });
                    let id: KycCaseId = text_id(&kept.await?)?;
                    let case = self.own_case(tx, customer, id).await?;
                    self.application_view(tx, case).await
                })
            })
            .await
    }

    async fn keep_draft(
        &self,
        tx: &mut Tx<'_>,
        customer_id: CustomerId,
        applicant: &Applicant,
        now: Timestamp,
    ) -> Result<KycCaseId, Error> {
        let customer = customers::get(tx, customer_id).await?.ok_or(Error::NotFound("customer"))?;
        if !customer.state.may_apply() {
            return Err(Error::CannotApply(customer.state));
        }
        let key = customer.key(&self.keys)?;
        let case_id: KycCaseId = self.ids.next();
        let row = case_id.to_string();
        let seal = |column, text: &str| key.seal(&cases::place(column, &row), text.as_bytes());
        let case = CaseRow {
            case_id,
            customer_id,
            state: CaseState::Draft,
            full_name_sealed: seal("full_name_sealed", &applicant.full_name),
            id_number_sealed: seal("id_number_sealed", applicant.id_number.expose()),
            id_number_index: self.keys.id_number_index(applicant.id_number.expose()),
            birth_date_sealed: seal("birth_date_sealed", &applicant.birth_date.to_string()),
            address_sealed: seal("address_sealed", &applicant.address),
            nationality: applicant.nationality.clone(),
            attempt: 0,
            reviewer: String::new(),
            customer_reason: String::new(),
            kyc_level: 0,
            created_at: now,
            deadline: None,
        };
        if !cases::insert(tx, &case).await? {
            return Err(Error::AlreadyExists("an open application"));
        }
        self.note(tx, &key, case_id, &Note { actor: &customer_id.to_string(), action: "CREATE", detail: "" })
            .await?;
        Ok(case_id)
    }

    /// The customer's view of an application.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NotYours`].
    pub async fn application(&self, customer: CustomerId, case: KycCaseId) -> Result<ApplicationView, Error> {
        self.db
            .read(|tx| {
                Box::pin(async move {
                    let case = self.own_case(tx, customer, case).await?;
                    self.application_view(tx, case).await
                })
            })
            .await
    }

    /// Adds to the trail of a case.
    pub(super) async fn note(
        &self,
        tx: &mut Tx<'_>,
        key: &CustomerKey,
        case_id: KycCaseId,
        note: &Note<'_>,
    ) -> Result<(), Error> {
        let entry = cases::next_trail_entry(tx, case_id).await?;
        let row = cases::trail_row(case_id, entry);
        let entry = TrailEntry {
            case_id,
            entry,
            at: self.now(),
            actor: note.actor,
            action: note.action,
            detail_sealed: key.seal(&cases::trail_place(&row), note.detail.as_bytes()),
        };
        Ok(cases::add_to_trail(tx, &entry).await?)
    }
}

/// What the trail is told.
pub(super) struct Note<'a> {
    /// Who.
    pub(super) actor: &'a str,
    /// What.
    pub(super) action: &'a str,
    /// Why, or more about it; kept sealed.
    pub(super) detail: &'a str,
}
