//! Hits as reviewers work them: runs and matches to read, false hits to clear.

use bursar_proto::identity::v1 as proto;
use bursar_service::db::Tx;
use bursar_service::events::NewEvent;
use bursar_service::idempotency::{self, Scope};
use bursar_service::paging::Page;
use bursar_types::id::{CustomerId, ScreeningId};
use zeroize::Zeroizing;

use super::lists::ListStatus;
use super::state::Hit;
use crate::auth::Asked;
use crate::customer::named_states;
use crate::store::screenings::{self, MatchRow, ScreeningRow};
use crate::{Core, Error};

named_states! {
    /// Where a person and an entry stand.
    MatchState {
        /// A person must look.
        Open = "OPEN",
        /// A reviewer found that they are two.
        Cleared = "CLEARED",
        /// The entry has gone, or is not like them any more.
        Gone = "GONE",
    }
}

/// A run with what it found.
pub struct RunView {
    /// The run.
    pub row: ScreeningRow,
    /// Its hits; empty where they were not asked for.
    pub hits: Vec<Hit>,
}

/// A match with the reason it was cleared for.
pub struct MatchView {
    /// The match.
    pub row: MatchRow,
    /// Why it was cleared; empty if it was not.
    pub reason: Zeroizing<String>,
}

/// Which match.
#[derive(Clone, Debug)]
pub struct HitKey {
    /// Who.
    pub customer_id: CustomerId,
    /// Name of the list.
    pub list: String,
    /// Id of the entry there.
    pub entry_id: String,
}

/// A clearing as it came.
#[derive(Clone, Debug)]
pub struct ClearHit {
    /// Which match.
    pub hit: HitKey,
    /// Who clears it.
    pub reviewer: String,
    /// Why, for the record.
    pub reason: String,
}

/// Last customer, list and entry of a page.
pub type MatchKey = (String, String, String);

impl Core {
    /// How each list stands, and how many people are not up to them yet.
    ///
    /// # Errors
    /// [`Error`] of the database.
    pub async fn screening_lists(&self) -> Result<(Vec<ListStatus>, i64), Error> {
        Ok((self.screener.lists(), self.people_behind().await?))
    }

    /// Runs of one customer, newest first, without their hits, and the token of the next page.
    ///
    /// # Errors
    /// [`Error`] of the database.
    pub async fn list_screenings(
        &self,
        customer: CustomerId,
        page: &Page<String>,
    ) -> Result<(Vec<RunView>, String), Error> {
        let rows = self
            .db
            .read(|tx| {
                Box::pin(async move {
                    let before = page.after().map(String::as_str);
                    Ok::<_, Error>(screenings::of_customer(tx, customer, before, page.limit()).await?)
                })
            })
            .await?;
        let (rows, next) = page.finish(rows, |run| run.screening_id.to_string());
        Ok((rows.into_iter().map(|row| RunView { row, hits: Vec::new() }).collect(), next))
    }

    /// One run with its hits.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn screening(&self, screening: ScreeningId) -> Result<RunView, Error> {
        self.db
            .read(|tx| {
                Box::pin(async move {
                    let row = screenings::get(tx, screening).await?.ok_or(Error::NotFound("screening"))?;
                    let key = self.customer_key(tx, row.customer_id).await?;
                    let text = screening.to_string();
                    let plain = key.open(&screenings::hits_place(&text), &row.hits_sealed)?;
                    let hits = serde_json::from_slice(&plain)
                        .map_err(|_| Error::Corrupt("the hits of a screening"))?;
                    Ok(RunView { row, hits })
                })
            })
            .await
    }

    /// Matches in one state, and the token of the next page.
    ///
    /// # Errors
    /// [`Error`] of the database.
    pub async fn list_matches(
        &self,
        state: MatchState,
        page: &Page<MatchKey>,
    ) -> Result<(Vec<MatchView>, String), Error> {
        self.db
            .read(|tx| {
                Box::pin(async move {
                    let rows = screenings::matches_in(tx, state, page.after(), page.limit()).await?;
                    let (rows, next) = page.finish(rows, |row| {
                        (row.customer_id.to_string(), row.list.clone(), row.entry_id.clone())
                    });
                    let mut views = Vec::with_capacity(rows.len());
                    for row in rows {
                        views.push(self.match_view(tx, row).await?);
                    }
                    Ok::<_, Error>((views, next))
                })
            })
            .await
    }

    /// Clears a false hit for this person and this entry, until either changes.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such match, or none that is open or cleared.
    pub async fn clear_hit(&self, asked: Asked<'_>, clear: &ClearHit) -> Result<MatchView, Error> {
        let ClearHit { hit, reviewer, reason } = clear;
        let customer = hit.customer_id.to_string();
        let parts: [&[u8]; 6] = [
            b"ClearScreeningHit",
            customer.as_bytes(),
            hit.list.as_bytes(),
            hit.entry_id.as_bytes(),
            reviewer.as_bytes(),
            reason.as_bytes(),
        ];
        let digest = self.keys.request_digest(&parts);
        let scope = Scope { method: "ClearScreeningHit", principal: asked.principal };
        self.db
            .write(|tx| {
                Box::pin(async move {
                    let kept = idempotency::once(tx, scope, asked.request_id, digest, |tx| {
                        Box::pin(async move {
                            self.clear(tx, clear).await?;
                            Ok::<_, Error>(Vec::new())
                        })
                    });
                    kept.await?;
                    let row = find(tx, hit).await?;
                    self.match_view(tx, row).await
                })
            })
            .await
    }

    async fn clear(&self, tx: &mut Tx<'_>, clear: &ClearHit) -> Result<(), Error> {
        let mut row = find(tx, &clear.hit).await?;
        if row.state == MatchState::Gone {
            return Err(Error::NotFound("open screening hit"));
        }
        let key = self.customer_key(tx, row.customer_id).await?;
        let place = reason_row(&row);
        row.reason_sealed = Some(key.seal(&screenings::reason_place(&place), clear.reason.as_bytes()));
        row.state = MatchState::Cleared;
        row.cleared_by.clone_from(&clear.reviewer);
        row.cleared_at = Some(self.now());
        screenings::put_match(tx, None, &row).await?;
        let event = proto::ScreeningHitCleared {
            customer_id: row.customer_id.to_string(),
            list: row.list.clone(),
            entry_id: row.entry_id.clone(),
        };
        self.events.publish(tx, NewEvent::new("identity.screening.cleared", row.customer_id, &event))?;
        Ok(())
    }

    async fn match_view(&self, tx: &mut Tx<'_>, row: MatchRow) -> Result<MatchView, Error> {
        let reason = match &row.reason_sealed {
            Some(sealed) if row.state == MatchState::Cleared => {
                let key = self.customer_key(tx, row.customer_id).await?;
                key.open_text(&screenings::reason_place(&reason_row(&row)), sealed)?
            }
            _ => Zeroizing::default(),
        };
        Ok(MatchView { row, reason })
    }
}

/// The row a reason is sealed for: an entry keeps it when its id changes by a merge.
fn reason_row(row: &MatchRow) -> String {
    format!("{}/{}/{}", row.customer_id, row.list, row.opened_at.as_micros())
}

async fn find(tx: &mut Tx<'_>, hit: &HitKey) -> Result<MatchRow, Error> {
    let rows = screenings::matches(tx, hit.customer_id).await?;
    let row = rows.into_iter().find(|row| row.list == hit.list && row.entry_id == hit.entry_id);
    row.ok_or(Error::NotFound("screening hit"))
}
