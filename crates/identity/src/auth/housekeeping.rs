//! Removes what no rule looks at any more, and ends sessions that have lived long enough.

use std::time::Duration;

use bursar_service::db::Isolation;

use super::guard::FORGET_AFTER;
use super::session::EXPIRED;
use crate::store::{codes, guards, sessions, sign_ups};
use crate::{Core, Error, code};

/// How often.
pub const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(600);

/// Sessions that are ended in one transaction.
const SESSIONS_BATCH: i64 = 200;

impl Core {
    /// One round.
    ///
    /// # Errors
    /// [`Error`] of the database; the caller comes again after a wait.
    pub async fn keep_house(&self) -> Result<(), Error> {
        while self.end_expired_sessions().await? == SESSIONS_BATCH {}
        let now = self.machine_now();
        // Twice the window, so that a clock that is a little off takes nothing away that still counts.
        let before = now.minus(code::SENDS_WINDOW * 2);
        let removed = self
            .db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move {
                    let removed = codes::purge(tx, before).await?
                        + sign_ups::purge(tx, before).await?
                        + guards::purge(tx, now.minus(FORGET_AFTER)).await?
                        + sessions::purge_tokens(tx, before).await?;
                    Ok::<_, Error>(removed)
                })
            })
            .await?;
        tracing::debug!(removed, "house kept");
        Ok(())
    }

    async fn end_expired_sessions(&self) -> Result<i64, Error> {
        let now = self.machine_now();
        self.db
            .write(|tx| {
                Box::pin(async move {
                    let expired = sessions::expired(tx, now, SESSIONS_BATCH).await?;
                    for session in &expired {
                        self.close_session(tx, session.session_id, session.customer_id, EXPIRED).await?;
                    }
                    Ok(i64::try_from(expired.len()).unwrap_or(SESSIONS_BATCH))
                })
            })
            .await
    }
}
