//! From a message to its reply. There is always one, within the time that is configured, if the message let itself be
//! read at least so far that it is known what to answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bursar_iso8583::{Decoded, Envelope, Message, MessageClass, Profile, SecretBytes};
use bursar_proto::ledger::v1::{AuthorizeRequest, DeclineReason, NetworkReference, Payment, PaymentState};
use bursar_proto::vault::v1::{PaymentContext, VerifyCardRequest};
use bursar_service::Deadline;
use bursar_service::parse::money_message;
use bursar_types::{Clock, Failure, Reason};
use zeroize::Zeroize as _;

use super::keeper::{Keeper, Kept};
use super::mac::Mac;
use super::network::{Link, Wish};
use super::purchase::{self, Purchase};
use super::reference::{self, Kind};
use super::response_codes::ResponseCodes;
use super::seal::Sealer;
use super::work::{Reference, Task, Work};
use crate::error::GatewayError;
use crate::issuer::Issuer;
use crate::store::{AnswerRow, DeliveryRow, StoredAnswer};

/// Fields that are never kept: a repetition brings them again.
const SENSITIVE: [u8; 9] = [2, 14, 34, 35, 36, 45, 52, 53, 55];
/// Of the time for an answer, the part that is left to write it down.
const TO_KEEP: u32 = 8;

/// What all partners share.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) issuer: Arc<dyn Issuer>,
    pub(crate) keeper: Keeper,
    pub(crate) clock: Arc<dyn Clock>,
    /// Without one, an advice whose card data would have to wait is not taken.
    pub(crate) sealer: Option<Sealer>,
    pub(super) codes_87: ResponseCodes,
    pub(super) codes_93: ResponseCodes,
}

/// What answers the messages of one partner.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) profile: Profile,
    pub(super) mac: Option<Mac>,
    pub(super) answer_max: Duration,
    /// Whether a partner must sign on before it asks.
    pub(super) sign_on: bool,
    /// Trace numbers of our own messages.
    pub(super) stan: AtomicU32,
    pub(super) desk: Arc<Desk>,
}

/// A message as it came.
pub(super) struct Arrived {
    pub(super) decoded: Decoded,
    /// It has a code of message authentication.
    pub(super) has_mac: bool,
    /// The code is right, or none is asked for.
    pub(super) authentic: bool,
}

/// What is decided about a request.
pub(super) enum Decision {
    Refused(DeclineReason),
    Made(Box<Payment>),
    /// An advice or a reversal is taken: it will be told to the ledger.
    Taken(Kind),
}

/// A decision that is to be kept before it is answered.
pub(super) struct Outcome {
    pub(super) card_id: String,
    pub(super) kind: Kind,
    pub(super) network: NetworkReference,
    pub(super) decision: Decision,
    /// What the ledger is to be told with it.
    pub(super) work: Option<Work>,
}

/// A refusal that is not kept: the same message is refused again for the same reason, or may be taken next time.
pub(super) type Judged = Result<Outcome, DeclineReason>;

impl Exchange {
    /// The reply to a message; `None` if it wants none, or cannot have one.
    pub(super) async fn answer(&self, link: &Link, arrived: Arrived) -> Option<Message> {
        let Arrived { decoded: Decoded { message, error }, authentic, .. } = arrived;
        let Some(message) = message else {
            tracing::warn!(error = ?error, "a message whose type cannot be read is not answered");
            return None;
        };
        let Some(mut reply) = self.profile.reply_to(&message) else {
            link.heard(&message);
            return None;
        };
        if let Some(error) = error {
            tracing::info!(%error, "a message that cannot be read to its end is answered with 30");
            return self.fill(&mut reply, &Decision::Refused(DeclineReason::FormatError)).then_some(reply);
        }
        if message.mti().class() == MessageClass::NetworkManagement {
            return self.manage(link, &message, reply);
        }
        let deadline = Deadline::after(self.answer_max);
        let judged = match Kind::of(message.mti()) {
            // Known to the standard, not served here: refused rather than ignored.
            None => Err(DeclineReason::InvalidTransaction),
            Some(_) if !authentic => Err(DeclineReason::SecurityViolation),
            Some(_) if self.sign_on && !link.is_signed_on() => Err(DeclineReason::NotPermittedTerminal),
            Some(Kind::Financial) if purchase::is_refund(&message) => {
                self.advice(&message, Kind::Financial, deadline).await
            }
            Some(kind @ (Kind::Authorization | Kind::Financial)) => {
                self.purchase(&message, kind, deadline).await
            }
            Some(kind @ (Kind::AuthorizationAdvice | Kind::FinancialAdvice)) => {
                self.advice(&message, kind, deadline).await
            }
            Some(Kind::Reversal) => self.reversal(&message, deadline).await,
        };
        match judged {
            Err(reason) => self.fill(&mut reply, &Decision::Refused(reason)).then_some(reply),
            Ok(outcome) => self.kept(&message, reply, outcome, deadline).await,
        }
    }

    /// A reply that is kept before it is given; one that was kept before is given in its place.
    async fn kept(
        &self,
        message: &Message,
        mut reply: Message,
        outcome: Outcome,
        deadline: Deadline,
    ) -> Option<Message> {
        let taken = matches!(outcome.decision, Decision::Taken(_));
        if !self.fill(&mut reply, &outcome.decision) {
            return None;
        }
        let (row, delivery) = self.rows(message, &reply, outcome)?;
        let digest = row.digest;
        match deadline.bound(self.desk.keeper.keep(row, delivery)).await {
            Ok(Ok(Kept::Now)) => Some(reply),
            Ok(Ok(Kept::Before(stored))) => self.again(message, &digest, &stored),
            // What is not written down is not acknowledged. A decision is the ledger's, and written down there.
            Ok(Err(_)) | Err(_) if taken => {
                let mut refused = self.profile.reply_to(message)?;
                let away = Decision::Refused(DeclineReason::IssuerUnavailable);
                self.fill(&mut refused, &away).then_some(refused)
            }
            Ok(Err(_)) | Err(_) => {
                tracing::warn!("an answer was given before it was kept");
                Some(reply)
            }
        }
    }

    fn rows(
        &self,
        message: &Message,
        reply: &Message,
        outcome: Outcome,
    ) -> Option<(AnswerRow, Option<DeliveryRow>)> {
        let Outcome { card_id, kind, network, decision, work } = outcome;
        let mut kept = reply.clone();
        for field in SENSITIVE {
            kept.remove(field);
        }
        let answer = match self.profile.encode(&kept) {
            Ok(bytes) => bytes.to_vec(),
            Err(error) => {
                tracing::error!(%error, "a reply cannot be encoded");
                return None;
            }
        };
        let key = reference::key(&card_id, &network, kind);
        let created_at = self.desk.clock.now();
        let delivery = work.map(|work| DeliveryRow {
            key,
            kind: work.kind(),
            card_id: card_id.clone(),
            work: work.to_bytes(),
            created_at,
        });
        let NetworkReference { acquirer_id, stan, rrn, transmission_time } = network;
        let payment_id = match decision {
            Decision::Made(payment) => Some(payment.payment_id),
            _ => None,
        };
        let row = AnswerRow {
            key,
            claim: self.desk.keeper.claim(),
            digest: reference::content(message),
            card_id,
            stan,
            transmission_time,
            acquirer_id,
            rrn,
            answer,
            payment_id,
            created_at,
        };
        Some((row, delivery))
    }

    /// The answer that was given before, byte for byte; another message under the same key is told so.
    fn again(&self, message: &Message, digest: &[u8; 32], stored: &StoredAnswer) -> Option<Message> {
        let mut reply = self.profile.reply_to(message)?;
        if stored.digest != digest {
            return self.fill(&mut reply, &Decision::Refused(DeclineReason::Duplicate)).then_some(reply);
        }
        let Some(mut kept) = self.profile.decode(&stored.answer).message else {
            tracing::error!("a kept answer cannot be read: did the partner's profile change?");
            return self.fill(&mut reply, &Decision::Refused(DeclineReason::SystemError)).then_some(reply);
        };
        for field in SENSITIVE {
            // Copying cannot fail: the value was in a message already.
            let _ = kept.copy_from(&reply, field);
        }
        Some(kept)
    }

    /// The reply as it goes out, with a code of message authentication where the partner's message had one.
    pub(super) fn frame(
        &self,
        reply: &mut Message,
        envelope: &Envelope,
        signed: bool,
    ) -> Option<SecretBytes> {
        let bytes = match &self.mac {
            Some(mac) if signed => mac.encode(&self.profile, reply),
            _ => self.profile.encode(reply),
        };
        let mut framed = SecretBytes::default();
        self.profile.framing().write(envelope, &bytes.ok()?, &mut framed).ok().map(|()| framed)
    }

    /// A message of network management of our own.
    pub(super) fn wish(&self, wish: Wish) -> Option<SecretBytes> {
        // The 1993 version is known by its field 12 of twelve digits.
        let new = self.profile.field(12).is_some_and(|spec| spec.max_length() == 12);
        let mti = if new { "1804" } else { "0800" }.parse().ok()?;
        let mut message = self.profile.message(mti);
        let (field, code) = wish.code(message.mti().version());
        let now = self.desk.clock.now().to_rfc3339();
        // 2026-01-02T03:04:05Z → 0102030405
        let digits: String = now.chars().filter(char::is_ascii_digit).take(14).collect();
        message.set(7, digits.get(4..14)?).ok()?;
        if new {
            message.set(12, digits.get(2..14)?).ok()?;
        }
        let stan = self.stan.fetch_add(1, Ordering::Relaxed) % 999_999 + 1;
        message.set(11, format!("{stan:06}")).ok()?;
        message.set(field, code).ok()?;
        self.frame(&mut message, &self.profile.framing().blank_envelope(), false)
    }

    /// The codes that fit the partner's field 39: three digits in 1993, two letters or digits before.
    pub(super) fn codes(&self) -> &ResponseCodes {
        match self.profile.field(39).is_some_and(|spec| spec.max_length() == 3) {
            true => &self.desk.codes_93,
            false => &self.desk.codes_87,
        }
    }

    pub(super) fn fill(&self, reply: &mut Message, decision: &Decision) -> bool {
        let codes = self.codes();
        match decision {
            Decision::Refused(reason) => set(reply, 39, codes.declined(*reason)),
            Decision::Taken(Kind::Reversal) => set(reply, 39, codes.reversal_accepted()),
            Decision::Taken(Kind::Financial) => set(reply, 39, codes.approved()),
            Decision::Taken(_) => set(reply, 39, codes.advice_accepted()),
            Decision::Made(payment) => {
                let mut good = set(reply, 39, codes.decision(payment));
                if !payment.authorization_code.is_empty() {
                    good &= set(reply, 38, &payment.authorization_code);
                }
                if payment.state() == PaymentState::PartiallyApproved
                    && let Some(minor) =
                        payment.approved.as_ref().and_then(|it| u64::try_from(it.minor_units).ok())
                {
                    good &= reply.set_amount(4, minor).is_ok();
                }
                good
            }
        }
    }

    async fn purchase(&self, message: &Message, kind: Kind, deadline: Deadline) -> Judged {
        let Purchase { pan, expiry, cvv2, amount, merchant, channel, partial_allowed, network } =
            Purchase::read(&self.profile, message)?;
        let request = VerifyCardRequest {
            pan: pan.expose().to_owned(),
            expiry,
            cvv2: cvv2.as_ref().map(|cvv2| cvv2.expose().to_owned()).unwrap_or_default(),
            payment: Some(PaymentContext {
                amount: Some(money_message(amount)),
                merchant_id: merchant.merchant_id.clone(),
            }),
        };
        drop((pan, cvv2));
        let verified = self.verify(request, deadline).await?;
        let (card_id, mut proof) = (verified.card_id, verified.proof);
        let request = AuthorizeRequest {
            request_id: reference::request_id(&card_id, &network, kind),
            proof: proof.clone(),
            amount: Some(money_message(amount)),
            merchant: Some(merchant),
            channel: channel.into(),
            partial_allowed,
            capture_now: kind == Kind::Financial,
            network: Some(network.clone()),
            ..AuthorizeRequest::default()
        };
        let until = deadline.earlier(Deadline::after(deadline.remaining() / TO_KEEP * (TO_KEEP - 1)));
        let decided = until.bound(self.desk.issuer.authorize(request)).await;
        proof.zeroize();
        let (decision, doubt) = match decided {
            Ok(Ok(payment)) => (Decision::Made(Box::new(payment)), false),
            // The same keys with another body: a repetition that is none.
            Ok(Err(error)) if error.reason() == Reason::RequestIdReused => {
                return Err(DeclineReason::Duplicate);
            }
            Ok(Err(error)) => {
                let reason = reason_of(&error);
                // Who answers that the request is wrong has not decided it; anything else may have.
                let doubt = matches!(reason, DeclineReason::IssuerUnavailable | DeclineReason::SystemError);
                (Decision::Refused(reason), doubt)
            }
            Err(_) => {
                tracing::warn!("a decision was not known in time: answered with 91");
                (Decision::Refused(DeclineReason::IssuerUnavailable), true)
            }
        };
        // The ledger may have approved what is refused here, or do so yet: it is told to take that back.
        let work = doubt.then(|| Work {
            request_id: reference::request_id(&format!("compensate/{card_id}"), &network, kind),
            card_id: card_id.clone(),
            network: Reference::from(network.clone()),
            original_key: String::new(),
            task: Task::Reverse { amount: None, paid: kind == Kind::Financial },
        });
        Ok(Outcome { card_id, kind, network, decision, work })
    }

    /// The card of a number, and what the vault found.
    pub(super) async fn verify(
        &self,
        request: VerifyCardRequest,
        deadline: Deadline,
    ) -> Result<bursar_proto::vault::v1::VerifyCardResponse, DeclineReason> {
        match deadline.bound(self.desk.issuer.verify_card(request)).await {
            Ok(Ok(verified)) if verified.found => Ok(verified),
            Ok(Ok(_)) => Err(DeclineReason::CardNotFound),
            Ok(Err(error)) => Err(reason_of(&error)),
            Err(_) => {
                tracing::warn!("the vault did not answer in time: answered with 91");
                Err(DeclineReason::IssuerUnavailable)
            }
        }
    }
}

pub(super) fn set(reply: &mut Message, field: u8, value: &str) -> bool {
    let done = reply.set(field, value);
    if let Err(error) = &done {
        tracing::error!(%error, field, "a reply cannot be made");
    }
    done.is_ok()
}

/// What the network is told where vault or ledger gave no decision.
fn reason_of(error: &GatewayError) -> DeclineReason {
    let reason = error.reason();
    tracing::warn!(error = %error, reason = reason.as_str(), "no decision");
    match reason {
        Reason::InvalidAmount => DeclineReason::InvalidAmount,
        Reason::InvalidField => DeclineReason::FormatError,
        Reason::NotFound => DeclineReason::CardNotFound,
        Reason::DeadlineExceeded | Reason::ShuttingDown => DeclineReason::IssuerUnavailable,
        reason if reason.retryable() || reason == Reason::Overloaded => DeclineReason::IssuerUnavailable,
        _ => DeclineReason::SystemError,
    }
}
