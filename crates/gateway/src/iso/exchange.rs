//! From a message to its reply. There is always one, within the time that is configured, if the message let itself be
//! read at least so far that it is known what to answer.

use std::sync::Arc;
use std::time::Duration;

use bursar_iso8583::{Decoded, EncodeError, Function, Message, MessageClass, Profile};
use bursar_proto::ledger::v1::{AuthorizeRequest, DeclineReason, Payment, PaymentState};
use bursar_proto::vault::v1::{PaymentContext, VerifyCardRequest};
use bursar_service::Deadline;
use bursar_service::parse::money_message;
use bursar_types::{Failure, Reason};
use zeroize::Zeroize as _;

use super::authorization::Purchase;
use super::response_codes::ResponseCodes;
use crate::derived;
use crate::error::GatewayError;
use crate::issuer::Issuer;

/// Field 39 of a network management reply.
const DONE: &str = "00";

/// What answers the messages of every connection.
#[derive(Debug)]
pub(super) struct Exchange {
    profile: Profile,
    codes: ResponseCodes,
    issuer: Arc<dyn Issuer>,
    answer_max: Duration,
}

/// What is decided about a request.
enum Decision {
    Refused(DeclineReason),
    Made(Box<Payment>),
}

impl Exchange {
    pub(super) fn new(
        profile: Profile,
        codes: ResponseCodes,
        issuer: Arc<dyn Issuer>,
        answer_max: Duration,
    ) -> Self {
        Self { profile, codes, issuer, answer_max }
    }

    pub(super) fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The reply to a message; `None` if it wants none, or cannot have one.
    pub(super) async fn answer(&self, decoded: Decoded) -> Option<Message> {
        let Decoded { message, error } = decoded;
        let Some(message) = message else {
            tracing::warn!(error = ?error, "a message whose type cannot be read is not answered");
            return None;
        };
        let Some(mut reply) = self.profile.reply_to(&message) else {
            tracing::debug!(mti = %message.mti().describe(), "a message that wants no answer");
            return None;
        };
        let decision = match error {
            Some(error) => {
                tracing::info!(%error, "a message that cannot be read to its end is answered with 30");
                Decision::Refused(DeclineReason::FormatError)
            }
            None => match message.mti().class() {
                MessageClass::NetworkManagement => {
                    return self.set(&mut reply, 39, DONE).then_some(reply);
                }
                // An advice tells of what was decided elsewhere: it must never be decided here as if it were asked.
                MessageClass::Authorization if message.mti().function() == Function::Request => {
                    self.authorize(&message).await
                }
                // Known to the standard, not served yet: refused rather than ignored.
                _ => Decision::Refused(DeclineReason::InvalidTransaction),
            },
        };
        self.decide(&mut reply, &decision).then_some(reply)
    }

    fn decide(&self, reply: &mut Message, decision: &Decision) -> bool {
        match decision {
            Decision::Refused(reason) => self.set(reply, 39, self.codes.declined(*reason)),
            Decision::Made(payment) => {
                let mut good = self.set(reply, 39, self.codes.decision(payment));
                if !payment.authorization_code.is_empty() {
                    good &= self.set(reply, 38, &payment.authorization_code);
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

    fn set(&self, reply: &mut Message, field: u8, value: &str) -> bool {
        let done: Result<(), EncodeError> = reply.set(field, value);
        if let Err(error) = &done {
            tracing::error!(%error, field, "a reply cannot be made");
        }
        done.is_ok()
    }

    async fn authorize(&self, message: &Message) -> Decision {
        let purchase = match Purchase::read(&self.profile, message) {
            Ok(purchase) => purchase,
            Err(reason) => return Decision::Refused(reason),
        };
        // Whatever happens inside, the answer is known in time.
        match Deadline::after(self.answer_max).bound(self.decide_purchase(purchase)).await {
            Ok(Ok(decision)) => decision,
            Ok(Err(error)) => Decision::Refused(reason_of(&error)),
            Err(_) => {
                tracing::warn!("a decision was not known in time: answered with 91");
                Decision::Refused(DeclineReason::IssuerUnavailable)
            }
        }
    }

    async fn decide_purchase(&self, purchase: Purchase) -> Result<Decision, GatewayError> {
        let Purchase { pan, expiry, cvv2, amount, merchant, channel, partial_allowed, network } = purchase;
        let payment =
            PaymentContext { amount: Some(money_message(amount)), merchant_id: merchant.merchant_id.clone() };
        let verified = self
            .issuer
            .verify_card(VerifyCardRequest {
                pan: pan.expose().to_owned(),
                expiry,
                cvv2: cvv2.as_ref().map(|cvv2| cvv2.expose().to_owned()).unwrap_or_default(),
                payment: Some(payment),
            })
            .await?;
        drop((pan, cvv2));
        if !verified.found {
            return Ok(Decision::Refused(DeclineReason::CardNotFound));
        }
        // What tells a repetition from a new purchase: token, DE7, DE11, DE32, DE37 and the class of the message.
        let request_id = derived::request_id(&[
            b"iso8583/authorization",
            verified.card_id.as_bytes(),
            network.transmission_time.as_bytes(),
            network.stan.as_bytes(),
            network.acquirer_id.as_bytes(),
            network.rrn.as_bytes(),
        ]);
        let mut proof = verified.proof;
        let decided = self
            .issuer
            .authorize(AuthorizeRequest {
                request_id: request_id.to_string(),
                proof: proof.clone(),
                amount: Some(money_message(amount)),
                merchant: Some(merchant),
                channel: channel.into(),
                partial_allowed,
                capture_now: false,
                network: Some(network),
            })
            .await;
        proof.zeroize();
        decided.map(|payment| Decision::Made(Box::new(payment)))
    }
}

/// What the network is told where vault or ledger gave no decision.
fn reason_of(error: &GatewayError) -> DeclineReason {
    let reason = error.reason();
    tracing::warn!(error = %error, reason = reason.as_str(), "no decision");
    match reason {
        // The same keys with another body: a repetition that is none.
        Reason::RequestIdReused => DeclineReason::Duplicate,
        Reason::InvalidAmount => DeclineReason::InvalidAmount,
        Reason::InvalidField => DeclineReason::FormatError,
        Reason::NotFound => DeclineReason::CardNotFound,
        reason if reason.retryable() || reason == Reason::Overloaded => DeclineReason::IssuerUnavailable,
        _ => DeclineReason::SystemError,
    }
}
