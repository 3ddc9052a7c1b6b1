//! Tells notifications where new customers are reached, until it says that it knows. The mark on the customer is the
//! work list, so nothing is forgotten when the process dies in between.

use std::time::Duration;

use bursar_service::db::Isolation;

use crate::messenger::Recipient;
use crate::phone::Phone;
use crate::store::customers::{self, CustomerRow};
use crate::{Core, Error};

/// Customers of one round.
const BATCH: i64 = 100;

/// Longest time until it is looked for work that another process left behind.
const POLL: Duration = Duration::from_secs(1);

impl Core {
    /// One round: tells of every customer that is not known yet, then waits for the next.
    ///
    /// # Errors
    /// [`Error`] of the database or of notifications; the caller comes again after a wait.
    pub async fn tell_recipients(&self) -> Result<(), Error> {
        if self.tell_pending_recipients().await? == 0 {
            let _ = tokio::time::timeout(POLL, self.new_customer.notified()).await;
        }
        Ok(())
    }

    /// Tells of the customers that are not known yet, and how many they were.
    ///
    /// # Errors
    /// As [`Core::tell_recipients`]; those before the one that failed are told.
    pub async fn tell_pending_recipients(&self) -> Result<usize, Error> {
        let pending = self
            .db
            .read(|tx| {
                Box::pin(async move { Ok::<_, Error>(customers::recipients_pending(tx, BATCH).await?) })
            })
            .await?;
        for customer in &pending {
            let recipient = self.recipient(customer)?;
            self.messenger.put_recipient(recipient).await?;
            let id = customer.customer_id;
            self.db
                .write_at(Isolation::ReadCommitted, |tx| {
                    Box::pin(async move { Ok::<_, Error>(customers::recipient_known(tx, id).await?) })
                })
                .await?;
        }
        Ok(pending.len())
    }

    fn recipient(&self, customer: &CustomerRow) -> Result<Recipient, Error> {
        let text = customer.customer_id.to_string();
        let phone =
            customer.key(&self.keys)?.open_text(&customers::phone_place(&text), &customer.phone_sealed)?;
        Ok(Recipient {
            request_id: self.keys.derived_request_id(&format!("recipient {text}")),
            customer_id: customer.customer_id,
            phone: Phone::parse(&phone).map_err(|_| Error::Corrupt("a stored phone number"))?,
            locale: customer.locale,
        })
    }
}
