//! The reviewers' clock: a case that passes its deadline undecided is told of, once. It is never decided by that.

use std::time::Duration;

use bursar_proto::identity::v1 as proto;
use bursar_service::events::NewEvent;
use bursar_service::parse::timestamp_message;

use crate::store::cases;
use crate::{Core, Error};

/// Cases of one round.
const BATCH: i64 = 100;

impl Core {
    /// How often it is looked.
    pub fn overdue_poll(&self) -> Duration {
        Duration::from_millis(self.config.kyc.overdue_poll_ms)
    }

    /// Tells of the cases whose deadline passed, and how many they were.
    ///
    /// # Errors
    /// [`Error`] of the database.
    pub async fn tell_overdue_cases(&self) -> Result<usize, Error> {
        let now = self.now();
        self.db
            .write(|tx| {
                Box::pin(async move {
                    let overdue = cases::overdue(tx, now, BATCH).await?;
                    let mut told = 0;
                    for case in &overdue {
                        if !cases::mark_overdue(tx, case.case_id, now).await? {
                            continue;
                        }
                        let event = proto::KycOverdue {
                            customer_id: case.customer_id.to_string(),
                            case_id: case.case_id.to_string(),
                            deadline: case.deadline.map(timestamp_message),
                        };
                        self.events
                            .publish(tx, NewEvent::new("identity.kyc.overdue", case.customer_id, &event))?;
                        tracing::warn!(case = %case.case_id, "a case passed its deadline undecided");
                        told += 1;
                    }
                    Ok(told)
                })
            })
            .await
    }
}
