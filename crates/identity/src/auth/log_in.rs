//! Login with phone and password, in equal time for phones that have an account and those that have none.

use bursar_service::idempotency::{self, Scope};

use super::sign_up::text_id;
use super::{Asked, LoggedIn};
use crate::password::Password;
use crate::phone::Phone;
use crate::store::{customers, guards};
use crate::{Core, Error};

/// A login as asked for.
#[derive(Clone, Debug)]
pub struct LogIn {
    /// Phone.
    pub phone: Phone,
    /// Password.
    pub password: Password,
}

impl Core {
    /// Opens a session. A repetition opens another: tokens are not kept, so they cannot be told twice.
    ///
    /// # Errors
    /// [`Error::CredentialsWrong`] whatever is wrong, [`Error::LoginLocked`] after too many tries.
    pub async fn log_in(&self, asked: Asked<'_>, log_in: LogIn) -> Result<LoggedIn, Error> {
        let LogIn { phone, password } = log_in;
        let phone_index = self.keys.phone_index(&phone);
        self.count_login(phone_index).await?;
        let found = self
            .db
            .read(|tx| Box::pin(async move { Ok::<_, Error>(customers::by_phone(tx, phone_index).await?) }))
            .await?;
        let stored = found.as_ref().map(|customer| customer.password_hash.clone());
        let verdict = self.passwords.verify(password.clone(), stored.clone()).await?;
        let customer = found.filter(|customer| verdict.right && customer.state.may_log_in());
        let customer = customer.ok_or(Error::CredentialsWrong)?;
        let better_hash = if verdict.outdated { Some(self.passwords.rehash(password).await?) } else { None };

        // The password is not part of the digest: one that is quick to compute would be a gift to whoever steals both
        // the database and the key. The password was just verified.
        let digest = self.keys.request_digest(&[b"LogIn", phone.expose().as_bytes()]);
        let scope = Scope { method: "LogIn", principal: asked.principal };
        let (id, old_hash, better_hash) = (customer.customer_id, stored.as_deref(), better_hash.as_deref());
        let opened = self
            .db
            .write(|tx| {
                Box::pin(async move {
                    let kept = idempotency::once(tx, scope, asked.request_id, digest, |_| {
                        Box::pin(async move { Ok::<_, Error>(id.to_string().into_bytes()) })
                    });
                    if text_id::<bursar_types::id::CustomerId>(&kept.await?)? != id {
                        return Err(Error::Corrupt("a login of another customer"));
                    }
                    guards::clear(tx, phone_index).await?;
                    if let (Some(old), Some(new)) = (old_hash, better_hash) {
                        customers::replace_hash(tx, id, old, new).await?;
                    }
                    self.open_session(tx, id, None).await
                })
            })
            .await?;
        Ok(LoggedIn { customer, tokens: self.tokens(opened)? })
    }
}
