//! Sessions: an access token that everyone checks offline, and a refresh token that works once. A refresh token that
//! comes twice was stolen, from one side or the other: the session ends.

use aws_lc_rs::digest;
use bursar_proto::identity::v1 as proto;
use bursar_service::CustomerClaims;
use bursar_service::db::Tx;
use bursar_service::events::NewEvent;
use bursar_types::Timestamp;
use bursar_types::id::{CustomerId, SessionId};
use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use super::Asked;
use crate::store::sessions::{self, HASH_LENGTH, Session};
use crate::{Core, Error};

/// Random bytes of a refresh token.
const REFRESH_TOKEN_LENGTH: usize = 32;

/// Why a session ended: the customer wanted it.
pub const LOGGED_OUT: &str = "logout";

/// Why a session ended: a refresh token came twice.
const REUSED: &str = "refresh_token_reused";

/// Why a session ended: it had lived long enough.
pub(super) const EXPIRED: &str = "expired";

/// The tokens of a session. Wiped when dropped, never printed.
pub struct Tokens {
    /// The session.
    pub session_id: SessionId,
    /// Signed; names the customer.
    pub access_token: Zeroizing<String>,
    /// When it ends.
    pub access_expires_at: Timestamp,
    /// For the next pair, once.
    pub refresh_token: Zeroizing<String>,
    /// When it ends.
    pub refresh_expires_at: Timestamp,
}

/// A session with its next refresh token, before it is signed for.
pub(super) struct Opened {
    session: Session,
    refresh_token: Zeroizing<String>,
    refresh_expires_at: Timestamp,
}

/// What a refresh came to; a reuse must be committed before it is told.
enum Refreshed {
    Opened(Opened),
    Reused,
}

fn hash(token: &str) -> [u8; HASH_LENGTH] {
    let mut hash = [0_u8; HASH_LENGTH];
    hash.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    hash
}

impl Core {
    /// Opens a session of the customer.
    pub(super) async fn open_session(
        &self,
        tx: &mut Tx<'_>,
        customer_id: CustomerId,
        second_factor_at: Option<Timestamp>,
    ) -> Result<Opened, Error> {
        let now = self.machine_now();
        let session = Session {
            session_id: self.ids.next(),
            customer_id,
            second_factor_at,
            expires_at: now.plus(self.config.sessions.session()),
            closed: false,
        };
        sessions::insert(tx, &session, now).await?;
        let opened = proto::SessionOpened {
            customer_id: customer_id.to_string(),
            session_id: session.session_id.to_string(),
        };
        self.events.publish(tx, NewEvent::new("identity.session.opened", customer_id, &opened))?;
        self.next_refresh_token(tx, session).await
    }

    async fn next_refresh_token(&self, tx: &mut Tx<'_>, session: Session) -> Result<Opened, Error> {
        let mut bytes = Zeroizing::new([0_u8; REFRESH_TOKEN_LENGTH]);
        self.entropy.fill(&mut *bytes);
        let refresh_token = Zeroizing::new(BASE64URL_NOPAD.encode(&*bytes));
        let unused_until = self.machine_now().plus(self.config.sessions.refresh());
        let refresh_expires_at = unused_until.min(session.expires_at);
        sessions::insert_token(tx, hash(&refresh_token), session.session_id, refresh_expires_at).await?;
        Ok(Opened { session, refresh_token, refresh_expires_at })
    }

    /// Signs for an opened session.
    pub(super) fn tokens(&self, opened: Opened) -> Result<Tokens, Error> {
        let Opened { session, refresh_token, refresh_expires_at } = opened;
        let (access_token, access_expires_at) = self.access_token(&session)?;
        Ok(Tokens {
            session_id: session.session_id,
            access_token,
            access_expires_at,
            refresh_token,
            refresh_expires_at,
        })
    }

    /// An access token of the session, from now on.
    pub(super) fn access_token(&self, session: &Session) -> Result<(Zeroizing<String>, Timestamp), Error> {
        let now = self.machine_now();
        let claims = CustomerClaims {
            customer_id: session.customer_id,
            session_id: session.session_id,
            issued_at: now,
            second_factor_at: session.second_factor_at,
            device: None,
        };
        let lifetime = self.config.sessions.access();
        let token = Zeroizing::new(self.signer.sign_customer(&claims, lifetime)?);
        // The token tells whole seconds.
        let issued = Timestamp::from_micros(now.as_seconds().saturating_mul(1_000_000));
        Ok((token, issued.plus(lifetime)))
    }

    /// The next pair of tokens for a refresh token.
    ///
    /// # Errors
    /// [`Error::RefreshTokenReused`] if it came before: the session is ended then.
    pub async fn refresh_session(&self, refresh_token: &str) -> Result<Tokens, Error> {
        let hash = hash(refresh_token);
        let refreshed = self.db.write(|tx| Box::pin(async move { self.refresh(tx, hash).await })).await?;
        match refreshed {
            Refreshed::Opened(opened) => self.tokens(opened),
            Refreshed::Reused => Err(Error::RefreshTokenReused),
        }
    }

    async fn refresh(&self, tx: &mut Tx<'_>, hash: [u8; HASH_LENGTH]) -> Result<Refreshed, Error> {
        let now = self.machine_now();
        let token = sessions::token(tx, hash).await?.ok_or(Error::RefreshTokenInvalid)?;
        let session = sessions::get(tx, token.session_id).await?.ok_or(Error::RefreshTokenInvalid)?;
        if session.closed {
            return Err(if token.used { Error::RefreshTokenReused } else { Error::SessionRevoked });
        }
        if token.used || !sessions::use_token(tx, hash, now).await? {
            tracing::warn!(session = %session.session_id, "a refresh token came twice: the session is ended");
            self.close_session(tx, session.session_id, session.customer_id, REUSED).await?;
            return Ok(Refreshed::Reused);
        }
        if token.expires_at <= now || session.expires_at <= now {
            return Err(Error::RefreshTokenInvalid);
        }
        Ok(Refreshed::Opened(self.next_refresh_token(tx, session).await?))
    }

    /// Ends a session and tells so, once.
    pub(super) async fn close_session(
        &self,
        tx: &mut Tx<'_>,
        session_id: SessionId,
        customer_id: CustomerId,
        reason: &'static str,
    ) -> Result<(), Error> {
        if sessions::close(tx, session_id, reason, self.machine_now()).await? {
            let closed = proto::SessionClosed {
                customer_id: customer_id.to_string(),
                session_id: session_id.to_string(),
                reason: reason.to_owned(),
            };
            self.events.publish(tx, NewEvent::new("identity.session.closed", customer_id, &closed))?;
        }
        Ok(())
    }

    /// Ends the calling session. Doing so again changes nothing.
    ///
    /// # Errors
    /// [`Error`] of the database.
    pub async fn log_out(&self, asked: Asked<'_>, claims: &CustomerClaims) -> Result<(), Error> {
        let (session, customer) = (claims.session_id, claims.customer_id);
        let digest = self.keys.request_digest(&[b"LogOut", session.to_string().as_bytes()]);
        let scope = bursar_service::idempotency::Scope { method: "LogOut", principal: asked.principal };
        self.db
            .write(|tx| {
                Box::pin(async move {
                    let done = bursar_service::idempotency::once(tx, scope, asked.request_id, digest, |tx| {
                        Box::pin(async move {
                            self.close_session(tx, session, customer, LOGGED_OUT).await?;
                            Ok::<_, Error>(Vec::new())
                        })
                    });
                    done.await.map(drop)
                })
            })
            .await
    }

    /// Checks that the session of a token was not ended. Others trust the token until it ends; here the truth is at
    /// hand.
    ///
    /// # Errors
    /// [`Error::SessionRevoked`].
    pub async fn check_session(&self, claims: &CustomerClaims) -> Result<(), Error> {
        let id = claims.session_id;
        let session =
            self.db.read(|tx| Box::pin(async move { Ok::<_, Error>(sessions::get(tx, id).await?) })).await?;
        match session {
            Some(session) if !session.closed && session.customer_id == claims.customer_id => Ok(()),
            _ => Err(Error::SessionRevoked),
        }
    }
}
