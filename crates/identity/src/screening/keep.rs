//! What a screening found is kept: the run for ever, the matches as they stand now.

use bursar_proto::identity::v1 as proto;
use bursar_service::db::Tx;
use bursar_service::events::NewEvent;
use bursar_types::Timestamp;
use bursar_types::id::ScreeningId;

use super::hits::MatchState;
use super::state::{Hit, Screened, Subject};
use crate::keys::{CustomerKey, MAC_LENGTH};
use crate::kyc::applicant::Applicant;
use crate::store::cases::CaseRow;
use crate::store::screenings::{self, MatchRow, ScreeningRow};
use crate::{Core, Error};

/// Why a screening ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// An application was handed in.
    Submitted,
    /// The lists or the scorer changed.
    ListsChanged,
}

impl Cause {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Submitted => "SUBMITTED",
            Self::ListsChanged => "LISTS_CHANGED",
        }
    }
}

impl Applicant {
    fn subject(&self) -> Subject<'_> {
        Subject {
            full_name: &self.full_name,
            birth_date: self.birth_date,
            nationality: &self.nationality,
            id_number: self.id_number.expose(),
        }
    }
}

impl Core {
    /// Keyed digest of what is screened of a person.
    fn subject_hash(&self, applicant: &Applicant) -> [u8; MAC_LENGTH] {
        let born = applicant.birth_date.to_string();
        self.keys.request_digest(&[
            b"screening subject",
            applicant.full_name.as_bytes(),
            born.as_bytes(),
            applicant.nationality.as_bytes(),
            applicant.id_number.expose().as_bytes(),
        ])
    }

    /// Whether the person can meet anything else now than at the lists `from`.
    pub(super) async fn can_meet_otherwise(
        &self,
        tx: &mut Tx<'_>,
        case: &CaseRow,
        applicant: &Applicant,
        from: &str,
    ) -> Result<bool, Error> {
        let met = screenings::matches(tx, case.customer_id).await?;
        let met: Vec<(String, String)> = met.into_iter().map(|row| (row.list, row.entry_id)).collect();
        Ok(self.screener.can_have_changed(from, &applicant.subject(), &met))
    }

    /// Screens a person and keeps what was found. Hits that were cleared for them, and are what they were, are marked.
    pub(crate) async fn screen_and_keep(
        &self,
        tx: &mut Tx<'_>,
        key: &CustomerKey,
        case: &CaseRow,
        applicant: &Applicant,
        cause: Cause,
    ) -> Result<Screened, Error> {
        let now = self.now();
        let mut screened = self.screener.screen(&applicant.subject());
        let Screened::Run { list, version, lists_hash, entries, hits, .. } = &mut screened else {
            // Screened by nobody: with the next good list they are.
            screenings::put_person(tx, case.customer_id, case.case_id, "", now).await?;
            return Ok(screened);
        };
        let screening_id: ScreeningId = self.ids.next();
        let subject_hash = self.subject_hash(applicant);
        self.match_up(tx, case, screening_id, subject_hash, hits, now).await?;
        let text = screening_id.to_string();
        let plain = serde_json::to_vec(hits).map_err(|_| Error::Corrupt("hits that cannot be written"))?;
        let plain = zeroize::Zeroizing::new(plain);
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let run = ScreeningRow {
            screening_id,
            customer_id: case.customer_id,
            case_id: case.case_id,
            cause: cause.as_str().to_owned(),
            subject_hash,
            lists: list.clone(),
            lists_version: version.clone(),
            lists_hash: lists_hash.clone(),
            algorithm: super::ALGORITHM.to_owned(),
            threshold_bps: self.screener.threshold_bps().into(),
            entries: number(*entries),
            hits: number(hits.len()),
            hits_sealed: key.seal(&screenings::hits_place(&text), &plain),
            ran_at: now,
        };
        screenings::insert(tx, &run).await?;
        screenings::put_person(tx, case.customer_id, case.case_id, lists_hash, now).await?;
        Ok(screened)
    }

    /// Brings the matches of a person in line with the hits of a run, and tells what is open that was not.
    async fn match_up(
        &self,
        tx: &mut Tx<'_>,
        case: &CaseRow,
        screening_id: ScreeningId,
        subject_hash: [u8; MAC_LENGTH],
        hits: &mut [Hit],
        now: Timestamp,
    ) -> Result<(), Error> {
        let known = screenings::matches(tx, case.customer_id).await?;
        let mut met = vec![false; known.len()];
        for hit in hits.iter_mut() {
            let is_it = |row: &MatchRow| {
                row.list == hit.list
                    && (row.entry_id == hit.entry_id || hit.referents.contains(&row.entry_id))
            };
            // The entry under its own id first, then under the ids it had before it was merged.
            let at = known
                .iter()
                .position(|row| row.list == hit.list && row.entry_id == hit.entry_id)
                .or_else(|| known.iter().position(is_it));
            known.iter().enumerate().filter(|(_, row)| is_it(row)).for_each(|(at, _)| met[at] = true);
            let was = at.map(|at| &known[at]);
            let same =
                was.is_some_and(|row| row.subject_hash == subject_hash && row.entry_hash == hit.entry_hash);
            let mut row = was.cloned().unwrap_or_else(|| MatchRow {
                customer_id: case.customer_id,
                list: hit.list.clone(),
                entry_id: hit.entry_id.clone(),
                state: MatchState::Open,
                subject_hash,
                entry_hash: hit.entry_hash.clone(),
                score_bps: 0,
                screening_id,
                opened_at: now,
                cleared_by: String::new(),
                cleared_at: None,
                reason_sealed: None,
                reopened: 0,
            });
            hit.cleared = same && row.state == MatchState::Cleared;
            let opens = was.is_none() || (!hit.cleared && row.state != MatchState::Open);
            if opens && was.is_some() {
                row.reopened += 1;
            }
            if !hit.cleared {
                (row.state, row.cleared_at) = (MatchState::Open, None);
                row.cleared_by.clear();
            }
            (row.subject_hash, row.entry_hash) = (subject_hash, hit.entry_hash.clone());
            (row.score_bps, row.screening_id) = (hit.score_bps.into(), screening_id);
            row.entry_id.clone_from(&hit.entry_id);
            screenings::put_match(tx, was.map(|row| row.entry_id.as_str()), &row).await?;
            if opens {
                let event_type =
                    if was.is_some() { "identity.screening.reopened" } else { "identity.screening.opened" };
                let event = proto::ScreeningHitOpened {
                    customer_id: case.customer_id.to_string(),
                    screening_id: screening_id.to_string(),
                    list: hit.list.clone(),
                    entry_id: hit.entry_id.clone(),
                    score_bps: hit.score_bps,
                };
                self.events.publish(tx, NewEvent::new(event_type, case.customer_id, &event))?;
            }
        }
        // What was open and is met no more has gone: delisted, or no longer like them.
        for (row, met) in known.iter().zip(&met) {
            if !met && row.state == MatchState::Open {
                let gone = MatchRow { state: MatchState::Gone, screening_id, ..row.clone() };
                screenings::put_match(tx, None, &gone).await?;
            }
        }
        Ok(())
    }
}
