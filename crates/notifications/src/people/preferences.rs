//! What a customer wants to be told, and how.

use std::collections::BTreeSet;

use bursar_types::id::CustomerId;
use serde::{Deserialize, Serialize};

use super::decision::{Category, Channel};
use crate::core::{Core, Mutation};
use crate::error::NotificationsError;
use crate::store;

/// Minutes of a day.
pub const DAY_MINUTES: u16 = 24 * 60;

/// A time of day in which nothing but security notices is sent, in minutes from midnight: from `start` until `end`,
/// which is of the next day if it is before `start`. Equal: none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quiet {
    /// First minute.
    pub start: u16,
    /// First minute after them.
    pub end: u16,
}

impl Quiet {
    /// Whether a minute of the day is in it.
    pub const fn holds(self, minute: u16) -> bool {
        if self.start <= self.end {
            self.start <= minute && minute < self.end
        } else {
            minute >= self.start || minute < self.end
        }
    }
}

/// What a customer wants to be told, and how. The default: everything, at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preferences {
    /// Quiet hours, in the recipient's time zone.
    pub quiet: Option<Quiet>,
    /// Ways that messages of a category do not take.
    pub off: BTreeSet<(Category, Channel)>,
    /// Whether what is of no hurry comes once a day, and at which hour.
    pub digest_hour: Option<u8>,
}

impl Core {
    /// What a customer prefers.
    ///
    /// # Errors
    /// [`NotificationsError`] if the database refuses.
    pub async fn preferences(&self, customer_id: CustomerId) -> Result<Preferences, NotificationsError> {
        Ok(self.db.read(|tx| Box::pin(store::preferences::get(tx, customer_id))).await?)
    }

    /// Sets what a customer prefers. What is on its way already goes as it was planned.
    ///
    /// # Errors
    /// [`NotificationsError`] if the request id was used otherwise, or the database refuses.
    pub async fn put_preferences(
        &self,
        call: &Mutation,
        customer_id: CustomerId,
        preferences: &Preferences,
    ) -> Result<(), NotificationsError> {
        let preferences = preferences.clone();
        self.change(call, "PutPreferences", move |tx, now| {
            let preferences = preferences.clone();
            Box::pin(async move {
                store::preferences::put(tx, customer_id, &preferences, now).await?;
                Ok(Vec::new())
            })
        })
        .await
        .map(drop)
    }
}
