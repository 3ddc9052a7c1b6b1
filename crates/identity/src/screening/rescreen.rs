//! Everyone is screened again when the lists or the scorer change: at once against what changed, and in full whom that can
//! concern. Where it stands is kept for each person, so it goes on after a restart where it was.

use std::sync::Arc;

use bursar_proto::identity::v1 as proto;
use bursar_service::events::NewEvent;

use super::keep::Cause;
use super::lists::SourceProblem;
use crate::kyc::open_applicant;
use crate::store::cases;
use crate::store::screenings::{self, PersonRow};
use crate::{Core, Error};

impl Core {
    /// How often the files of lists are looked at.
    pub fn reload_poll(&self) -> std::time::Duration {
        self.config.screening.reload_poll()
    }

    /// Looks at the files of all lists and takes what is new and good; what is not is told, once for each problem.
    ///
    /// # Errors
    /// [`Error`] of the database, to which the event goes.
    pub async fn reload_lists(self: &Arc<Self>) -> Result<Vec<SourceProblem>, Error> {
        let before = self.screener.lists_hash();
        let screener = self.screener.clone();
        let problems = tokio::task::spawn_blocking(move || screener.reload())
            .await
            .map_err(|_| Error::Corrupt("the reading of lists ended in the middle"))?;
        let now = self.screener.lists_hash();
        let refreshed = now != before && !now.is_empty();
        if refreshed || !problems.is_empty() {
            let (told, lists) = (problems.clone(), self.screener.lists());
            self.db
                .write(|tx| {
                    let (told, lists, now) = (told.clone(), lists.clone(), now.clone());
                    Box::pin(async move {
                        for problem in told {
                            let event = proto::ScreeningListRefused {
                                list: problem.list.clone(),
                                problem: problem.problem,
                            };
                            self.events.publish(
                                tx,
                                NewEvent::new("identity.screening.list_refused", problem.list, &event),
                            )?;
                        }
                        if refreshed {
                            let entries = lists.iter().map(|list| list.entries).sum::<usize>();
                            let event = proto::ScreeningListsChanged {
                                lists_hash: now.clone(),
                                entries: i64::try_from(entries).unwrap_or(i64::MAX),
                            };
                            self.events.publish(
                                tx,
                                NewEvent::new("identity.screening.lists_changed", "lists", &event),
                            )?;
                        }
                        Ok::<_, Error>(())
                    })
                })
                .await?;
        }
        Ok(problems)
    }

    /// One step of bringing everyone up to the lists in force: how many people it took, and how many of them were
    /// screened in full.
    ///
    /// # Errors
    /// [`Error`] of the database; the step is made again.
    pub async fn rescreen_step(&self) -> Result<(usize, usize), Error> {
        let hash = self.screener.lists_hash();
        if hash.is_empty() {
            return Ok((0, 0));
        }
        let limit = i64::from(self.config.screening.rescreen_batch);
        let behind = self
            .db
            .read(|tx| {
                let hash = hash.clone();
                Box::pin(async move { Ok::<_, Error>(screenings::people_behind(tx, &hash, limit).await?) })
            })
            .await?;
        let mut full = 0;
        for person in &behind {
            full += usize::from(self.rescreen(person, &hash).await?);
        }
        Ok((behind.len(), full))
    }

    /// Brings one person up to the lists; true if they were screened in full.
    async fn rescreen(&self, person: &PersonRow, hash: &str) -> Result<bool, Error> {
        self.db
            .write(|tx| {
                Box::pin(async move {
                    let now = self.now();
                    let Some(case) = cases::get(tx, person.case_id).await? else {
                        screenings::put_person(tx, person.customer_id, person.case_id, hash, now).await?;
                        return Ok(false);
                    };
                    let key = self.customer_key(tx, person.customer_id).await?;
                    let applicant = open_applicant(&key, &case)?;
                    if !self.can_meet_otherwise(tx, &case, &applicant, &person.lists_hash).await? {
                        screenings::put_person(tx, person.customer_id, person.case_id, hash, now).await?;
                        return Ok(false);
                    }
                    let screened =
                        self.screen_and_keep(tx, &key, &case, &applicant, Cause::ListsChanged).await?;
                    if matches!(screened, super::Screened::Unavailable { .. }) {
                        // A name that cannot be compared stays so: it waits for a person, not for a list.
                        screenings::put_person(tx, person.customer_id, person.case_id, hash, now).await?;
                    }
                    Ok::<_, Error>(true)
                })
            })
            .await
    }

    /// How many people are not up to the lists in force yet.
    ///
    /// # Errors
    /// [`Error`] of the database.
    pub async fn people_behind(&self) -> Result<i64, Error> {
        let hash = self.screener.lists_hash();
        self.db
            .read(|tx| {
                let hash = hash.clone();
                Box::pin(async move { Ok::<_, Error>(screenings::count_behind(tx, &hash).await?) })
            })
            .await
    }
}
