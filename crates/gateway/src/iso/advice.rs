//! What was done without us is taken as it is: advices of approvals and payments, and reversals. They are written down,
//! acknowledged, and told to the ledger afterwards. So are refunds: nobody is refused what a shop gives back.

use bursar_iso8583::{Message, Version};
use bursar_proto::ledger::v1::{DeclineReason, PaymentState};
use bursar_proto::vault::v1::{PaymentContext, VerifyCardRequest};
use bursar_service::Deadline;
use bursar_service::parse::money_message;
use bursar_types::Money;
use zeroize::Zeroizing;

use super::exchange::{Decision, Exchange, Judged, Outcome};
use super::purchase;
use super::reference::{self, Kind};
use super::work::{Reference, Task, Work};

/// Field 60 in the sandbox's profile, of a clearing: more parts follow.
const MORE_TO_COME: &str = "2";
/// Field 24 of 1993: reversal of a part.
const PARTIAL_REVERSAL: &str = "401";

impl Exchange {
    /// 0120 and 0220: approved or paid in our place; and 0200 where it gives back.
    pub(super) async fn advice(&self, message: &Message, kind: Kind, deadline: Deadline) -> Judged {
        let (pan, stripe) = purchase::card(message)?;
        let expiry = message.text(14).map_or(stripe, str::to_owned);
        let amount = purchase::amount(message)?;
        let merchant = purchase::merchant(message)?;
        let network = reference::network(message)?;
        let transaction =
            message.processing_code().ok().flatten().ok_or(DeclineReason::FormatError)?.transaction;
        let channel = purchase::channel(message, transaction);
        let sealed = Zeroizing::new(format!("{}/{expiry}", pan.expose()));
        let request = VerifyCardRequest {
            pan: pan.expose().to_owned(),
            expiry,
            cvv2: String::new(),
            payment: Some(PaymentContext {
                amount: Some(money_message(amount)),
                merchant_id: merchant.merchant_id.clone(),
            }),
        };
        drop(pan);
        let card_id = self.verify(request, deadline).await?.card_id;
        let original = reference::original(message).ok();
        let authorization_code = message.approval_code().unwrap_or_default().trim().to_owned();
        let key = reference::key(&card_id, &network, kind);
        let task = match kind {
            _ if !self.tells_of_approval(message) => None,
            Kind::Financial | Kind::FinancialAdvice if purchase::is_refund(message) => {
                Some(Task::Refund { amount: amount.into(), merchant: merchant.into() })
            }
            Kind::FinancialAdvice => Some(Task::Present {
                amount: amount.into(),
                merchant: merchant.into(),
                channel: channel.into(),
                authorization_code,
                more_to_come: message.text(60) == Some(MORE_TO_COME),
            }),
            _ => {
                let sealer = self.desk.sealer.as_ref();
                let sealed_card = sealer.and_then(|sealer| sealer.seal(&key, sealed.as_bytes()));
                Some(Task::StandIn {
                    amount: amount.into(),
                    merchant: merchant.into(),
                    channel: channel.into(),
                    authorization_code,
                    // Without a key the card data cannot wait: the network keeps the advice, and sends it again.
                    sealed_card: sealed_card.ok_or(DeclineReason::IssuerUnavailable)?,
                })
            }
        };
        let work = task.map(|task| Work {
            request_id: reference::request_id(&card_id, &network, kind),
            card_id: card_id.clone(),
            // What is presented was asked for by another message, where one is named.
            network: match (&task, message.has(90) || message.has(56)) {
                (Task::Present { .. }, true) => original.map(|it| it.network.into()).unwrap_or_default(),
                (Task::Present { .. }, false) => Reference::default(),
                _ => Reference::from(network.clone()),
            },
            original_key: String::new(),
            task,
        });
        Ok(Outcome { card_id, kind, network, decision: Decision::Taken(kind), work })
    }

    /// An advice may also tell that something was refused: then there is nothing to do.
    fn tells_of_approval(&self, message: &Message) -> bool {
        let codes = self.codes();
        let payment = |state: PaymentState| bursar_proto::ledger::v1::Payment {
            state: state.into(),
            amount: Some(bursar_proto::common::v1::Money { minor_units: 1, ..Default::default() }),
            ..Default::default()
        };
        match message.response_code() {
            None => true,
            Some(code) => [PaymentState::Approved, PaymentState::PartiallyApproved]
                .iter()
                .any(|state| codes.decision(&payment(*state)) == code),
        }
    }

    /// 0400, 0420: taken back, in full or in part.
    pub(super) async fn reversal(&self, message: &Message, deadline: Deadline) -> Judged {
        let (pan, expiry) = purchase::card(message)?;
        let network = reference::network(message)?;
        let original = reference::original(message)?;
        let reversed = reversed_amount(message)?;
        let payment = PaymentContext {
            amount: purchase::amount(message).ok().map(money_message),
            merchant_id: message.merchant_id().unwrap_or_default().trim().to_owned(),
        };
        let request = VerifyCardRequest {
            pan: pan.expose().to_owned(),
            expiry,
            cvv2: String::new(),
            payment: Some(payment),
        };
        drop(pan);
        let card_id = self.verify(request, deadline).await?.card_id;
        let original_key = reference::key(&card_id, &original.network, original.kind);
        let work = Work {
            request_id: reference::request_id(&card_id, &network, Kind::Reversal),
            card_id: card_id.clone(),
            network: Reference::from(original.network),
            original_key: data_encoding::HEXLOWER.encode(&original_key),
            task: Task::Reverse {
                amount: reversed.map(Into::into),
                paid: matches!(original.kind, Kind::Financial | Kind::FinancialAdvice),
            },
        };
        let decision = Decision::Taken(Kind::Reversal);
        Ok(Outcome { card_id, kind: Kind::Reversal, network, decision, work: Some(work) })
    }
}

/// How much is taken back; `None`: all. Field 95 (1987) has what remains, field 4 what there was; in 1993 field 4 has what
/// remains, field 30 what there was, and field 24 says that it is a part.
fn reversed_amount(message: &Message) -> Result<Option<Money>, DeclineReason> {
    let wrong = DeclineReason::FormatError;
    let first_12 = |field: u8| {
        let text = message.text(field)?;
        let digits = text.get(..12)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<i64>().ok())?
    };
    let (was, remains, asset) = match message.mti().version() {
        Version::V1993 if message.text(24) == Some(PARTIAL_REVERSAL) => {
            let remains = purchase::amount(message)?;
            (first_12(30).ok_or(wrong)?, remains.minor_units, remains.asset)
        }
        Version::V1993 => return Ok(None),
        _ if !message.has(95) => return Ok(None),
        _ => {
            let was = purchase::amount(message)?;
            (was.minor_units, first_12(95).ok_or(wrong)?, was.asset)
        }
    };
    match (remains, was.checked_sub(remains)) {
        (0, _) => Ok(None),
        (_, Some(reversed)) if reversed > 0 => Ok(Some(Money::new(reversed, asset))),
        // More remains than there was.
        _ => Err(DeclineReason::InvalidAmount),
    }
}

#[cfg(test)]
mod tests {
    use bursar_iso8583::Profile;

    use super::*;

    fn reversed(profile: &str, mti: &str, fields: &[(u8, &str)]) -> Result<Option<i64>, DeclineReason> {
        let mut message = Profile::builtin(profile).unwrap().message(mti.parse().unwrap());
        for (field, value) in fields {
            message.set(*field, value).unwrap();
        }
        reversed_amount(&message).map(|money| money.map(|it| it.minor_units))
    }

    #[test]
    fn a_reversal_may_be_of_a_part() {
        let replacement = |actual: &str| format!("{actual}{}", "0".repeat(30));
        let old = |actual: &str| {
            let text = replacement(actual);
            reversed("iso87-ascii", "0400", &[(4, "000000010000"), (49, "156"), (95, &text)])
        };
        assert_eq!(reversed("iso87-ascii", "0400", &[(4, "000000010000"), (49, "156")]), Ok(None));
        assert_eq!(old("000000003000"), Ok(Some(7_000)));
        assert_eq!(old("000000000000"), Ok(None), "nothing remains");
        assert_eq!(old("000000020000"), Err(DeclineReason::InvalidAmount));
        let was = format!("000000010000{}", "0".repeat(12));
        let new = [(4, "000000004000"), (49, "156"), (24, "401"), (30, was.as_str())];
        assert_eq!(reversed("iso93", "1420", &new), Ok(Some(6_000)));
        assert_eq!(reversed("iso93", "1420", &new[..2]), Ok(None));
    }
}
