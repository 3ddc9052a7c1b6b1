//! Reviewers: the queue, taking a case, deciding it. Of two who do the same at once one wins and the other is told.

use bursar_proto::identity::v1 as proto;
use bursar_service::db::Tx;
use bursar_service::events::NewEvent;
use bursar_service::idempotency::{self, Scope};
use bursar_service::paging::Page;
use bursar_types::id::KycCaseId;

use super::apply::Note;
use super::case::{CaseState, CaseStep, Decision, WrongCaseState};
use super::view::{CaseSummary, CaseView};
use crate::auth::Asked;
use crate::keys::CustomerKey;
use crate::store::cases::{self, CaseRow};
use crate::store::customers;
use crate::{Core, Error};

/// A decision as it came.
#[derive(Clone, Debug)]
pub struct Decide {
    /// Which case.
    pub case_id: KycCaseId,
    /// Who decides.
    pub reviewer: String,
    /// What.
    pub decision: Decision,
    /// Why, for the trail.
    pub internal_reason: String,
}

/// Last deadline and case of a page.
pub type QueueKey = (i64, String);

impl Core {
    /// The queue, nearest deadline first, and the token of its next page.
    ///
    /// # Errors
    /// [`Error`] of the database.
    pub async fn list_cases(
        &self,
        state: Option<CaseState>,
        page: &Page<QueueKey>,
    ) -> Result<(Vec<CaseSummary>, String), Error> {
        self.db
            .read(|tx| {
                Box::pin(async move {
                    let rows = cases::queue(tx, state, page.after(), page.limit()).await?;
                    let (rows, next) = page.finish(rows, |case| {
                        (case.deadline.unwrap_or_default().as_micros(), case.case_id.to_string())
                    });
                    let mut summaries = Vec::with_capacity(rows.len());
                    for case in &rows {
                        summaries.push(self.case_summary(tx, case).await?);
                    }
                    Ok((summaries, next))
                })
            })
            .await
    }

    /// One case with all that was found.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn case(&self, case: KycCaseId) -> Result<CaseView, Error> {
        self.db
            .read(|tx| {
                Box::pin(async move {
                    let case = self.any_case(tx, case).await?;
                    self.case_view(tx, &case).await
                })
            })
            .await
    }

    /// A case that was handed in; a draft is its customer's alone.
    pub(super) async fn any_case(&self, tx: &mut Tx<'_>, case: KycCaseId) -> Result<CaseRow, Error> {
        let case = cases::get(tx, case).await?.filter(|case| case.state != CaseState::Draft);
        case.ok_or(Error::NotFound("case"))
    }

    /// Takes a case for one reviewer.
    ///
    /// # Errors
    /// [`Error::CaseClaimed`] if another has it, [`Error::CaseState`] if it is decided or not handed in.
    pub async fn claim_case(
        &self,
        asked: Asked<'_>,
        case: KycCaseId,
        reviewer: &str,
    ) -> Result<CaseView, Error> {
        let digest =
            self.keys.request_digest(&[b"ClaimCase", case.to_string().as_bytes(), reviewer.as_bytes()]);
        let scope = Scope { method: "ClaimCase", principal: asked.principal };
        self.db
            .write(|tx| {
                Box::pin(async move {
                    let kept = idempotency::once(tx, scope, asked.request_id, digest, |tx| {
                        Box::pin(async move {
                            self.claim(tx, case, reviewer).await?;
                            Ok::<_, Error>(Vec::new())
                        })
                    });
                    kept.await?;
                    let case = self.any_case(tx, case).await?;
                    self.case_view(tx, &case).await
                })
            })
            .await
    }

    async fn claim(&self, tx: &mut Tx<'_>, case_id: KycCaseId, reviewer: &str) -> Result<(), Error> {
        let case = self.any_case(tx, case_id).await?;
        if case.state == CaseState::InReview && case.reviewer != reviewer {
            return Err(Error::CaseClaimed { reviewer: case.reviewer });
        }
        if case.state == CaseState::InReview {
            return Ok(());
        }
        let to = case.state.after(CaseStep::Claim)?;
        if !cases::claim(tx, &case, to, reviewer).await? {
            return Err(Error::Corrupt("a case changed under its own transaction"));
        }
        let key = self.customer_key(tx, case.customer_id).await?;
        let note = Note { actor: reviewer, action: CaseStep::Claim.as_str(), detail: "" };
        self.note(tx, &key, case_id, &note).await
    }

    /// Decides a case that the reviewer holds.
    ///
    /// # Errors
    /// [`Error::CaseClaimed`] if another holds it, [`Error::CaseState`] if it is not in review: who comes second is
    /// told so.
    pub async fn decide_case(&self, asked: Asked<'_>, decide: &Decide) -> Result<CaseView, Error> {
        let digest = self.keys.request_digest(&[
            b"DecideCase",
            decide.case_id.to_string().as_bytes(),
            decide.reviewer.as_bytes(),
            decide.decision.case_step().as_str().as_bytes(),
            &[decide.decision.level_number()],
            decide.decision.customer_reason().as_bytes(),
            decide.internal_reason.as_bytes(),
        ]);
        let scope = Scope { method: "DecideCase", principal: asked.principal };
        self.db
            .write(|tx| {
                Box::pin(async move {
                    let kept = idempotency::once(tx, scope, asked.request_id, digest, |tx| {
                        Box::pin(async move {
                            self.decide(tx, decide).await?;
                            Ok::<_, Error>(Vec::new())
                        })
                    });
                    kept.await?;
                    let case = self.any_case(tx, decide.case_id).await?;
                    self.case_view(tx, &case).await
                })
            })
            .await
    }

    async fn decide(&self, tx: &mut Tx<'_>, decide: &Decide) -> Result<(), Error> {
        let case = self.any_case(tx, decide.case_id).await?;
        let step = decide.decision.case_step();
        let to = case.state.after(step)?;
        if case.reviewer != decide.reviewer {
            return Err(Error::CaseClaimed { reviewer: case.reviewer });
        }
        let level = decide.decision.level_number();
        if !cases::decide(tx, &case, to, decide.decision.customer_reason(), level).await? {
            return Err(WrongCaseState { state: case.state, step }.into());
        }
        let key = self.customer_key(tx, case.customer_id).await?;
        let note = Note { actor: &decide.reviewer, action: step.as_str(), detail: &decide.internal_reason };
        self.note(tx, &key, case.case_id, &note).await?;
        if let Decision::Approve { .. } = decide.decision {
            self.verify_customer(tx, &key, &case, level).await?;
        }
        self.step_customer(tx, case.customer_id, decide.decision.customer_step()).await?;
        self.tell_decision(tx, &case, &decide.decision)
    }

    /// The name on an approved application becomes the customer's, and the level theirs.
    async fn verify_customer(
        &self,
        tx: &mut Tx<'_>,
        key: &CustomerKey,
        case: &CaseRow,
        level: u8,
    ) -> Result<(), Error> {
        let (row, customer) = (case.case_id.to_string(), case.customer_id.to_string());
        let name = key.open_text(&cases::place("full_name_sealed", &row), &case.full_name_sealed)?;
        let sealed = key.seal(&customers::name_place(&customer), name.as_bytes());
        Ok(customers::set_verified(tx, case.customer_id, level, &sealed).await?)
    }

    fn tell_decision(&self, tx: &mut Tx<'_>, case: &CaseRow, decision: &Decision) -> Result<(), Error> {
        let event_type = match decision {
            Decision::Approve { .. } => "identity.kyc.approved",
            Decision::Reject { .. } => "identity.kyc.rejected",
            Decision::AskForMore { .. } => "identity.kyc.more_info",
        };
        let decided = proto::KycDecided {
            customer_id: case.customer_id.to_string(),
            case_id: case.case_id.to_string(),
            kyc_level: decision.level_number().into(),
            customer_reason: decision.customer_reason().to_owned(),
        };
        self.events.publish(tx, NewEvent::new(event_type, case.customer_id, &decided))?;
        Ok(())
    }
}
