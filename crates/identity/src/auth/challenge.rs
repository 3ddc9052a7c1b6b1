//! One-time codes from the limits over the handing over to the verdict.
//!
//! A code exists in memory only, between the transaction that keeps its MAC and the call that hands it over. If the
//! process dies in between, the repetition of the request finds a challenge that is not known to be sent and makes it
//! a new code. A code counts for its phone's limits before it is handed over; only one that certainly never got out is
//! given back. A try is counted and committed before anything is compared.

use bursar_service::db::{Isolation, Tx};
use bursar_types::{RequestId, Timestamp};
use subtle::ConstantTimeEq as _;

use crate::code::{self, Code, Purpose};
use crate::customer::Locale;
use crate::keys::MAC_LENGTH;
use crate::messenger::{Message, MessengerError, Outgoing};
use crate::phone::Phone;
use crate::store::codes;
use crate::{Core, Error};

/// A challenge, by what must all be right for a code to be judged.
#[derive(Clone, Copy)]
pub(super) struct Challenge<'a> {
    /// Id of the sign-up or challenge.
    pub(super) id: &'a str,
    /// What it is for.
    pub(super) purpose: Purpose,
    /// Session of a step-up; empty for a sign-up.
    pub(super) session_id: &'a str,
}

/// What comes of preparing a challenge.
pub(super) struct Prepared {
    /// When its code ends.
    pub(super) expires_at: Timestamp,
    /// What is to be handed over, if anything is.
    pub(super) dispatch: Option<Dispatch>,
}

/// A message to hand over once the transaction is committed.
pub(super) struct Dispatch {
    message: Message,
    send: i64,
    /// How it is counted.
    send_id: String,
    phone_index: [u8; MAC_LENGTH],
}

/// What a try found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the code.
    Right,
    /// It is another.
    Wrong,
    /// It was answered before: only a repetition of that call may go on.
    Used,
    /// Past its time, replaced, or never there.
    Expired,
    /// No tries left.
    Exhausted,
}

impl Verdict {
    /// The error that it is where it is one.
    pub(super) fn check(self) -> Result<(), Error> {
        match self {
            Self::Right => Ok(()),
            Self::Wrong => Err(Error::CodeWrong),
            Self::Used | Self::Expired => Err(Error::CodeExpired),
            Self::Exhausted => Err(Error::CodeTriesExceeded),
        }
    }
}

impl Core {
    /// Opens a challenge in place of all that wait for the same phone and purpose, if the limits allow a code now.
    pub(super) async fn open_challenge(
        &self,
        tx: &mut Tx<'_>,
        challenge: Challenge<'_>,
        phone_index: [u8; MAC_LENGTH],
    ) -> Result<(), Error> {
        let now = self.machine_now();
        let window = now.minus(code::SENDS_WINDOW);
        let sends = codes::sends(tx, phone_index, challenge.purpose, window).await?;
        check_daily(&sends, now)?;
        if let Some(last) = sends.last_of_purpose {
            let free_at = last.plus(code::RESEND_AFTER);
            if free_at > now {
                return Err(Error::CodeLimit(free_at.since(now)));
            }
        }
        codes::supersede(tx, phone_index, challenge.purpose).await?;
        let new = codes::NewChallenge {
            challenge: challenge.id,
            purpose: challenge.purpose,
            phone_index,
            session_id: challenge.session_id,
        };
        Ok(codes::insert(tx, &new).await?)
    }

    /// Gives the challenge a code to be handed over, unless one is known to be sent. `real` is false where the owner
    /// of a known phone is told instead: then no code is right.
    pub(super) async fn prepare(
        &self,
        tx: &mut Tx<'_>,
        challenge: Challenge<'_>,
        phone_index: [u8; MAC_LENGTH],
        real: bool,
    ) -> Result<Prepared, Error> {
        let Challenge { id, purpose, session_id } = challenge;
        let stands = codes::get(tx, id, purpose, session_id).await?.ok_or(Error::CodeExpired)?;
        let replaced = stands.sends > 0 && stands.expires_at == Timestamp::default();
        let done = stands.sent_at.is_some() || stands.used_at.is_some() || stands.tries >= code::TRIES_MAX;
        if done || replaced {
            return Ok(Prepared { expires_at: stands.expires_at, dispatch: None });
        }
        let now = self.machine_now();
        let sends = codes::sends(tx, phone_index, purpose, now.minus(code::SENDS_WINDOW)).await?;
        check_daily(&sends, now)?;
        let code = Code::generate(&*self.entropy);
        let mut mac = self.keys.code_mac(id, purpose.as_str(), code.expose());
        if !real {
            self.entropy.fill(&mut mac);
        }
        let expires_at = now.plus(code::LIFETIME);
        codes::renew(tx, id, mac, expires_at).await?;
        let send_id = self.ids.next_uuid().to_string();
        codes::count_send(tx, phone_index, &send_id, purpose, now).await?;
        let message = if real { Message::Code { purpose, code } } else { Message::AccountExists };
        let dispatch = Dispatch { message, send: stands.sends + 1, send_id, phone_index };
        Ok(Prepared { expires_at, dispatch: Some(dispatch) })
    }

    /// Hands the message over, outside any transaction, and notes that it is known to be sent.
    pub(super) async fn hand_over(
        &self,
        challenge: &str,
        prepared: Prepared,
        phone: &Phone,
        locale: Locale,
    ) -> Result<(), Error> {
        let Some(Dispatch { message, send, send_id, phone_index }) = prepared.dispatch else { return Ok(()) };
        let is_notice = message == Message::AccountExists;
        let outgoing = Outgoing {
            request_id: RequestId::from_uuid(self.ids.next_uuid()),
            phone: phone.clone(),
            locale,
            message,
            expires_at: prepared.expires_at,
        };
        match self.messenger.send(outgoing).await {
            // The answer to a known phone must not differ from that to an unknown one.
            Err(MessengerError::Refused(reason)) if is_notice => {
                tracing::warn!(reason, "the owner of a phone was not told of a sign-up with it");
            }
            Err(unreached @ MessengerError::Unreached(_)) => {
                self.db
                    .write_at(Isolation::ReadCommitted, |tx| {
                        Box::pin(codes::give_back_send(tx, phone_index, &send_id))
                    })
                    .await?;
                return Err(unreached.into());
            }
            other => other?,
        }
        let now = self.machine_now();
        self.db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move { Ok(codes::mark_sent(tx, challenge, send, now).await?) })
            })
            .await
    }

    /// Judges a code: counts the try, commits that, and compares then.
    pub(super) async fn judge(
        &self,
        challenge: Challenge<'_>,
        offered: [u8; MAC_LENGTH],
    ) -> Result<Verdict, Error> {
        let now = self.machine_now();
        let Challenge { id, purpose, session_id } = challenge;
        self.db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move {
                    if let Some(kept) = codes::use_try(tx, id, purpose, session_id, now).await? {
                        let right = bool::from(kept.as_slice().ct_eq(&offered));
                        return Ok(if right { Verdict::Right } else { Verdict::Wrong });
                    }
                    let stands = codes::get(tx, id, purpose, session_id).await?;
                    Ok(match stands {
                        Some(stands) if stands.used_at.is_some() => Verdict::Used,
                        Some(stands) if stands.expires_at > now => Verdict::Exhausted,
                        Some(_) | None => Verdict::Expired,
                    })
                })
            })
            .await
    }
}

fn check_daily(sends: &codes::Sends, now: Timestamp) -> Result<(), Error> {
    if sends.count < code::SENDS_MAX {
        return Ok(());
    }
    let free_at = sends.first.unwrap_or(now).plus(code::SENDS_WINDOW);
    Err(Error::CodeLimit(free_at.since(now)))
}
