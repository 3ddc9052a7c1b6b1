//! Step-up: a one-time code in an open session makes an access token that tells when a second factor was shown.

use bursar_service::CustomerClaims;
use bursar_service::idempotency::{self, Scope};
use bursar_types::Timestamp;
use zeroize::Zeroizing;

use super::challenge::{Challenge, Verdict};
use super::sign_up::text_id;
use super::{Asked, ChallengeId, Started};
use crate::code::{self, Code, Purpose};
use crate::phone::Phone;
use crate::store::{codes, customers, sessions};
use crate::{Core, Error};

/// The answer to a challenge.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Which challenge.
    pub challenge_id: ChallengeId,
    /// The code.
    pub code: Code,
}

/// A fresh access token.
pub struct Stepped {
    /// The token.
    pub access_token: Zeroizing<String>,
    /// When it ends.
    pub access_expires_at: Timestamp,
}

impl Core {
    /// Has a code sent to the customer's phone. A repetition sends one only if the first is not known to be sent.
    ///
    /// # Errors
    /// [`Error`] of the limits, or notifications that are away.
    pub async fn start_step_up(
        &self,
        asked: Asked<'_>,
        claims: &CustomerClaims,
    ) -> Result<Started<ChallengeId>, Error> {
        let session = claims.session_id.to_string();
        let digest = self.keys.request_digest(&[b"StartStepUp", session.as_bytes()]);
        let scope = Scope { method: "StartStepUp", principal: asked.principal };
        let (session, customer_id) = (session.as_str(), claims.customer_id);
        let (id, prepared, phone, locale) = self
            .db
            .write(|tx| {
                Box::pin(async move {
                    let customer =
                        customers::get(tx, customer_id).await?.ok_or(Error::NotFound("customer"))?;
                    let text = customer_id.to_string();
                    let phone = customer
                        .key(&self.keys)?
                        .open_text(&customers::phone_place(&text), &customer.phone_sealed)?;
                    let phone = Phone::parse(&phone).map_err(|_| Error::Corrupt("a stored phone number"))?;
                    let phone_index = self.keys.phone_index(&phone);
                    let kept = idempotency::once(tx, scope, asked.request_id, digest, |tx| {
                        Box::pin(async move {
                            let id: ChallengeId = self.ids.next();
                            let text = id.to_string();
                            let challenge =
                                Challenge { id: &text, purpose: Purpose::StepUp, session_id: session };
                            self.open_challenge(tx, challenge, phone_index).await?;
                            Ok::<_, Error>(text.into_bytes())
                        })
                    });
                    let id: ChallengeId = text_id(&kept.await?)?;
                    let text = id.to_string();
                    let challenge = Challenge { id: &text, purpose: Purpose::StepUp, session_id: session };
                    let prepared = self.prepare(tx, challenge, phone_index, true).await?;
                    Ok::<_, Error>((id, prepared, phone, customer.locale))
                })
            })
            .await?;
        let code_expires_at = prepared.expires_at;
        self.hand_over(&id.to_string(), prepared, &phone, locale).await?;
        Ok(Started { id, code_expires_at })
    }

    /// Takes the code and gives a token that tells of it. A repetition gives another such token, for as long as the
    /// code would have lived.
    ///
    /// # Errors
    /// [`Error`] of the code.
    pub async fn complete_step_up(
        &self,
        asked: Asked<'_>,
        claims: &CustomerClaims,
        answer: Answer,
    ) -> Result<Stepped, Error> {
        let (text, session_text) = (answer.challenge_id.to_string(), claims.session_id.to_string());
        let challenge = Challenge { id: &text, purpose: Purpose::StepUp, session_id: &session_text };
        let mac = self.keys.code_mac(&text, Purpose::StepUp.as_str(), answer.code.expose());
        let verdict = self.judge(challenge, mac).await?;
        if !matches!(verdict, Verdict::Right | Verdict::Used) {
            verdict.check()?;
        }
        let digest =
            self.keys.request_digest(&[b"CompleteStepUp", text.as_bytes(), answer.code.expose().as_bytes()]);
        let scope = Scope { method: "CompleteStepUp", principal: asked.principal };
        let (session_id, now, challenge_id) = (claims.session_id, self.machine_now(), text.as_str());
        let session = self
            .db
            .write(|tx| {
                Box::pin(async move {
                    let kept = idempotency::once(tx, scope, asked.request_id, digest, |tx| {
                        Box::pin(async move {
                            verdict.check()?;
                            if !codes::consume(tx, challenge_id, mac, now).await? {
                                return Err(Error::CodeExpired);
                            }
                            sessions::set_second_factor(tx, session_id, now).await?;
                            Ok(now.as_micros().to_be_bytes().to_vec())
                        })
                    });
                    let at: [u8; 8] =
                        kept.await?.try_into().map_err(|_| Error::Corrupt("the kept answer of a step-up"))?;
                    let at = Timestamp::from_micros(i64::from_be_bytes(at));
                    if at.plus(code::LIFETIME) <= now {
                        return Err(Error::CodeExpired);
                    }
                    let session = sessions::get(tx, session_id).await?.filter(|session| !session.closed);
                    session.ok_or(Error::SessionRevoked)
                })
            })
            .await?;
        let (access_token, access_expires_at) = self.access_token(&session)?;
        Ok(Stepped { access_token, access_expires_at })
    }
}
