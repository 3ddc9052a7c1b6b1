//! Sign-up: a phone and a password become a customer once the phone is proved.
//!
//! A phone that has an account gets the same answer after the same work: a hash is made, a challenge kept, a message
//! handed over. Only that the message goes to the owner and says so, and that no code is right.

use bursar_proto::identity::v1 as proto;
use bursar_service::db::DbError;
use bursar_service::db::Tx;
use bursar_service::events::NewEvent;
use bursar_service::idempotency::{self, Scope};
use bursar_types::Timestamp;
use bursar_types::id::CustomerId;

use super::challenge::{Challenge, Verdict};
use super::{Asked, LoggedIn, SignUpId, Started};
use crate::code::{self, Code, Purpose};
use crate::customer::Locale;
use crate::keys::MAC_LENGTH;
use crate::password::Password;
use crate::phone::Phone;
use crate::store::customers::{self, NewCustomer};
use crate::store::sign_ups;
use crate::{Core, Error};

/// A sign-up as asked for.
#[derive(Clone, Debug)]
pub struct SignUp {
    /// Phone.
    pub phone: Phone,
    /// Password, not yet looked at for its strength.
    pub password: Password,
    /// Language of messages.
    pub locale: Locale,
}

/// The answer to the code.
#[derive(Clone, Debug)]
pub struct Confirm {
    /// Which sign-up.
    pub sign_up_id: SignUpId,
    /// The code.
    pub code: Code,
}

/// What is kept of a confirmation for its repetitions.
struct Confirmed {
    customer_id: CustomerId,
    at: Timestamp,
}

impl Core {
    /// Starts a sign-up and has a code sent. A repetition sends one only if the first is not known to be sent.
    ///
    /// # Errors
    /// [`Error`]: a weak password, the limits of the phone, another body under the same request id, notifications
    /// that are away (repeat with the same request id then).
    pub async fn sign_up(&self, asked: Asked<'_>, sign_up: SignUp) -> Result<Started<SignUpId>, Error> {
        let SignUp { phone, password, locale } = sign_up;
        let request = format!("{} {}", asked.principal, asked.request_id);
        let password_hash = self.hash_or_compare(&request, password, &phone).await?;
        let phone_index = self.keys.phone_index(&phone);
        let digest =
            self.keys.request_digest(&[b"SignUp", phone.expose().as_bytes(), locale.as_str().as_bytes()]);
        let scope = Scope { method: "SignUp", principal: asked.principal };
        let (phone_ref, request, password_hash) = (&phone, request.as_str(), password_hash.as_str());
        let (id, prepared, locale) = self
            .db
            .write(|tx| {
                Box::pin(async move {
                    let kept = idempotency::once(tx, scope, asked.request_id, digest, |tx| {
                        Box::pin(async move {
                            let new =
                                NewSignUp { request, phone: phone_ref, phone_index, password_hash, locale };
                            let id = self.keep_sign_up(tx, &new).await?;
                            Ok::<_, Error>(id.to_string().into_bytes())
                        })
                    });
                    let id: SignUpId = text_id(&kept.await?)?;
                    let kept = sign_ups::get(tx, id).await?.ok_or(Error::CodeExpired)?;
                    let text = id.to_string();
                    let challenge = Challenge { id: &text, purpose: Purpose::SignUp, session_id: "" };
                    let prepared = self.prepare(tx, challenge, phone_index, !kept.phone_known).await?;
                    Ok::<_, Error>((id, prepared, kept.locale))
                })
            })
            .await?;
        let code_expires_at = prepared.expires_at;
        self.hand_over(&id.to_string(), prepared, &phone, locale).await?;
        Ok(Started { id, code_expires_at })
    }

    /// The hash of a new password, or that of the first call if this is its repetition with the same password. One
    /// hash is made either way.
    async fn hash_or_compare(
        &self,
        request: &str,
        password: Password,
        phone: &Phone,
    ) -> Result<String, Error> {
        let earlier = self
            .db
            .read(|tx| Box::pin(async move { Ok::<_, Error>(sign_ups::password_of(tx, request).await?) }))
            .await?;
        let Some(hash) = earlier else {
            return self.passwords.admit(password, phone.clone()).await?.map_err(Error::Password);
        };
        if self.passwords.verify(password, Some(hash.clone())).await?.right {
            return Ok(hash);
        }
        Err(DbError::RequestIdReused { method: "SignUp".to_owned() }.into())
    }

    async fn keep_sign_up(&self, tx: &mut Tx<'_>, new: &NewSignUp<'_>) -> Result<SignUpId, Error> {
        let id: SignUpId = self.ids.next();
        let text = id.to_string();
        let challenge = Challenge { id: &text, purpose: Purpose::SignUp, session_id: "" };
        self.open_challenge(tx, challenge, new.phone_index).await?;
        let known = customers::by_phone(tx, new.phone_index).await?;
        let customer_id: CustomerId = self.ids.next();
        let (key, wrapped) = self.keys.new_customer_key(customer_id);
        let customer = customer_id.to_string();
        let sign_up = sign_ups::SignUp {
            sign_up_id: id,
            request: new.request.to_owned(),
            customer_id,
            phone_index: new.phone_index,
            phone_sealed: key.seal(&customers::phone_place(&customer), new.phone.expose().as_bytes()),
            password_hash: new.password_hash.to_owned(),
            // The owner is told in their own language, not in that of whoever tried.
            locale: known.as_ref().map_or(new.locale, |owner| owner.locale),
            phone_known: known.is_some(),
            created_at: self.machine_now(),
        };
        customers::insert_key(tx, customer_id, &wrapped).await?;
        sign_ups::insert(tx, &sign_up).await?;
        Ok(id)
    }

    /// Proves the phone, makes the customer and opens a session; the code counts as a second factor. A repetition
    /// opens another session of the same customer, for as long as the code would have lived.
    ///
    /// # Errors
    /// [`Error`] of the code, or that the phone got an account meanwhile.
    pub async fn confirm_sign_up(&self, asked: Asked<'_>, confirm: Confirm) -> Result<LoggedIn, Error> {
        let id = confirm.sign_up_id;
        let text = id.to_string();
        let challenge = Challenge { id: &text, purpose: Purpose::SignUp, session_id: "" };
        let mac = self.keys.code_mac(&text, Purpose::SignUp.as_str(), confirm.code.expose());
        let verdict = self.judge(challenge, mac).await?;
        if !matches!(verdict, Verdict::Right | Verdict::Used) {
            verdict.check()?;
        }
        let digest =
            self.keys.request_digest(&[b"ConfirmSignUp", text.as_bytes(), confirm.code.expose().as_bytes()]);
        let scope = Scope { method: "ConfirmSignUp", principal: asked.principal };
        let now = self.machine_now();
        let (customer, opened) = self
            .db
            .write(|tx| {
                Box::pin(async move {
                    let kept = idempotency::once(tx, scope, asked.request_id, digest, |tx| {
                        Box::pin(async move {
                            verdict.check()?;
                            let customer_id = self.make_customer(tx, id, mac, now).await?;
                            Ok::<_, Error>(Confirmed { customer_id, at: now }.encode())
                        })
                    });
                    let confirmed = Confirmed::decode(&kept.await?)?;
                    // A repetition is for a lost answer, not a way to log in for ever.
                    if confirmed.at.plus(code::LIFETIME) <= now {
                        return Err(Error::CodeExpired);
                    }
                    let customer = customers::get(tx, confirmed.customer_id)
                        .await?
                        .ok_or(Error::Corrupt("a confirmed customer is gone"))?;
                    let opened = self.open_session(tx, customer.customer_id, Some(confirmed.at)).await?;
                    Ok((customer, opened))
                })
            })
            .await?;
        self.new_customer.notify_one();
        Ok(LoggedIn { customer, tokens: self.tokens(opened)? })
    }

    async fn make_customer(
        &self,
        tx: &mut Tx<'_>,
        id: SignUpId,
        code_mac: [u8; MAC_LENGTH],
        now: Timestamp,
    ) -> Result<CustomerId, Error> {
        if !crate::store::codes::consume(tx, &id.to_string(), code_mac, now).await? {
            return Err(Error::CodeExpired);
        }
        let sign_up = sign_ups::get(tx, id).await?.ok_or(Error::CodeExpired)?;
        let new = NewCustomer {
            customer_id: sign_up.customer_id,
            phone_index: sign_up.phone_index,
            phone_sealed: &sign_up.phone_sealed,
            password_hash: &sign_up.password_hash,
            locale: sign_up.locale,
            created_at: self.now(),
        };
        // Who holds the code holds the phone, so this tells nobody anything new.
        if !customers::insert(tx, &new).await? {
            return Err(Error::AlreadyExists("an account with this phone"));
        }
        sign_ups::confirm(tx, id).await?;
        let registered = proto::CustomerRegistered {
            customer_id: sign_up.customer_id.to_string(),
            locale: sign_up.locale.as_str().to_owned(),
        };
        let event = NewEvent::new("identity.customer.registered", sign_up.customer_id, &registered);
        self.events.publish(tx, event)?;
        Ok(sign_up.customer_id)
    }
}

/// What a sign-up is kept from.
struct NewSignUp<'a> {
    request: &'a str,
    phone: &'a Phone,
    phone_index: [u8; MAC_LENGTH],
    password_hash: &'a str,
    locale: Locale,
}

impl Confirmed {
    fn encode(&self) -> Vec<u8> {
        format!("{} {}", self.customer_id, self.at.as_micros()).into_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let corrupt = || Error::Corrupt("the kept answer of a confirmation");
        let (customer, at) =
            std::str::from_utf8(bytes).ok().and_then(|text| text.split_once(' ')).ok_or_else(corrupt)?;
        Ok(Self {
            customer_id: customer.parse().map_err(|_| corrupt())?,
            at: Timestamp::from_micros(at.parse().map_err(|_| corrupt())?),
        })
    }
}

/// The id that was kept as text.
pub(crate) fn text_id<I: bursar_types::TypedId>(bytes: &[u8]) -> Result<I, Error> {
    std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(Error::Corrupt("the kept answer of a request"))
}
