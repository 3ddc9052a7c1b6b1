//! A vault that knows a few cards and a ledger that holds money for them, in the test's hand.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bursar_proto::access::Identity;
use bursar_proto::common::v1::Money;
use bursar_proto::ledger::v1::{
    AuthorizeRequest, BookBankCreditRequest, BookBankCreditResponse, DeclineReason, GetPaymentRequest,
    NetworkReference, Payment, PaymentState, PostPresentmentRequest, RefundPaymentRequest,
    ReversePaymentRequest, TopUp, TopUpState,
};
use bursar_proto::vault::v1::{VerifyCardRequest, VerifyCardResponse};
use bursar_service::PeerError;
use bursar_types::id::TopUpId;
use bursar_types::{Failure, Reason, TypedId as _};

use crate::error::GatewayError;
use crate::issuer::{Answer, Issuer};

/// A test number that is somebody's card.
pub(crate) const PAN: &str = "4111111111111111";
/// Its token.
pub(crate) const CARD: &str = "card_00000000000000000000000001";
/// Above this, in minor units, the ledger declines.
pub(crate) const SPENDABLE: i64 = 100_000;
/// A funding reference that is somebody's.
pub(crate) const FUNDING: &str = "RF18539007547034";

/// How the ledger behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Answers,
    /// Nothing arrives.
    Away,
    /// It decides, and the answer comes so late.
    Slow(Duration),
}

/// What the two know.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) ledger: Mood,
    pub(crate) vault: Mood,
    /// By request id.
    pub(crate) payments: HashMap<String, Payment>,
    pub(crate) networks: HashMap<String, NetworkReference>,
    /// Of originals that had not come.
    pub(crate) remembered: Vec<NetworkReference>,
    pub(crate) reversals: Vec<ReversePaymentRequest>,
    pub(crate) presentments: Vec<PostPresentmentRequest>,
    pub(crate) refunds: Vec<RefundPaymentRequest>,
    pub(crate) stand_ins: Vec<AuthorizeRequest>,
    pub(crate) credits: HashMap<String, BookBankCreditRequest>,
    pub(crate) asked: HashSet<String>,
    pub(crate) decisions: u32,
}

#[derive(Debug, Default)]
pub(crate) struct FakeIssuer(Mutex<Known>);

impl FakeIssuer {
    pub(crate) fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that is held, in minor units.
    pub(crate) fn held(&self) -> i64 {
        self.known()
            .payments
            .values()
            .filter_map(|payment| payment.held.as_ref())
            .map(|it| it.minor_units)
            .sum()
    }
}

/// What a peer says that cannot be reached.
#[derive(Debug)]
struct Away;

impl std::fmt::Display for Away {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it is away")
    }
}

impl std::error::Error for Away {}

impl Failure for Away {
    fn reason(&self) -> Reason {
        Reason::PeerUnavailable
    }
}

/// What the ledger says of a payment of which nothing is held.
#[derive(Debug)]
struct NothingHeld;

impl std::fmt::Display for NothingHeld {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("nothing is held")
    }
}

impl std::error::Error for NothingHeld {}

impl Failure for NothingHeld {
    fn reason(&self) -> Reason {
        Reason::WrongState
    }
}

fn away(mood: Mood) -> Result<(), GatewayError> {
    let away = || PeerError::new(Identity::Ledger, &bursar_service::status(&Away));
    if mood == Mood::Away { Err(away().into()) } else { Ok(()) }
}

fn money(minor_units: i64) -> Option<Money> {
    Some(Money { minor_units, asset: "CNY".into() })
}

impl Known {
    fn decide(&mut self, request: &AuthorizeRequest) -> Payment {
        if let Some(known) = self.payments.get(&request.request_id) {
            return known.clone();
        }
        self.decisions += 1;
        if request.stand_in {
            self.stand_ins.push(request.clone());
        }
        let asked = request.amount.clone().unwrap_or_default().minor_units;
        let network = request.network.clone().unwrap_or_default();
        let mut payment = Payment {
            payment_id: format!("pay_{:026}", self.decisions),
            card_id: CARD.into(),
            amount: money(asked),
            ..Payment::default()
        };
        let reason = if self.remembered.contains(&network) {
            DeclineReason::InvalidTransaction
        } else if asked > SPENDABLE && !request.partial_allowed {
            DeclineReason::InsufficientFunds
        } else {
            DeclineReason::Unspecified
        };
        if reason == DeclineReason::Unspecified {
            let approved = asked.min(SPENDABLE);
            let state = match (request.capture_now, approved < asked) {
                (true, _) => PaymentState::Cleared,
                (_, true) => PaymentState::PartiallyApproved,
                _ => PaymentState::Approved,
            };
            payment.set_state(state);
            payment.approved = money(approved);
            payment.held = money(if request.capture_now { 0 } else { approved });
            payment.cleared = money(if request.capture_now { approved } else { 0 });
            payment.authorization_code = format!("{:06}", self.decisions);
        } else {
            payment.set_state(PaymentState::Declined);
            payment.set_decline_reason(reason);
        }
        self.payments.insert(request.request_id.clone(), payment.clone());
        self.networks.insert(payment.payment_id.clone(), network);
        payment
    }

    fn find(&mut self, payment_id: &str, network: Option<&NetworkReference>) -> Option<&mut Payment> {
        let networks = &self.networks;
        self.payments.values_mut().find(|payment| {
            payment.payment_id == payment_id
                || payment_id.is_empty() && networks.get(&payment.payment_id) == network
        })
    }

    fn take_back(&mut self, reversal: &ReversePaymentRequest) -> Result<(), GatewayError> {
        if self.asked.contains(&reversal.request_id) {
            return Ok(());
        }
        match self.find(&reversal.payment_id, reversal.network.as_ref()) {
            Some(payment) => {
                let held = payment.held.clone().unwrap_or_default().minor_units;
                if held == 0 {
                    return Err(
                        PeerError::new(Identity::Ledger, &bursar_service::status(&NothingHeld)).into()
                    );
                }
                let back = reversal.amount.as_ref().map_or(held, |amount| amount.minor_units);
                payment.held = money(held - back);
                if held == back {
                    payment.set_state(PaymentState::Reversed);
                }
            }
            None => self.remembered.push(reversal.network.clone().unwrap_or_default()),
        }
        self.asked.insert(reversal.request_id.clone());
        self.reversals.push(reversal.clone());
        Ok(())
    }
}

impl Issuer for FakeIssuer {
    fn verify_card(&self, request: VerifyCardRequest) -> Answer<'_, VerifyCardResponse> {
        let mood = self.known().vault;
        Box::pin(async move {
            away(mood)?;
            if let Mood::Slow(time) = mood {
                tokio::time::sleep(time).await;
            }
            let found = request.pan == PAN;
            let card_id = if found { CARD.to_owned() } else { String::new() };
            Ok(VerifyCardResponse { found, card_id, proof: "proof".into(), ..VerifyCardResponse::default() })
        })
    }

    fn authorize(&self, request: AuthorizeRequest) -> Answer<'_, Payment> {
        let mood = self.known().ledger;
        // A slow ledger has decided when nobody waits any more.
        let decided = away(mood).map(|()| self.known().decide(&request));
        Box::pin(async move {
            if let Mood::Slow(time) = mood {
                tokio::time::sleep(time).await;
            }
            decided
        })
    }

    fn reverse(&self, request: ReversePaymentRequest) -> Answer<'_, ()> {
        let mut known = self.known();
        assert!(request.payment_id.is_empty() != request.network.is_none(), "one of the two: {request:?}");
        let answer = away(known.ledger).and_then(|()| known.take_back(&request));
        Box::pin(async move { answer })
    }

    fn present(&self, request: PostPresentmentRequest) -> Answer<'_, ()> {
        let mut known = self.known();
        let answer = away(known.ledger).map(|()| {
            if known.asked.insert(request.request_id.clone()) {
                known.presentments.push(request);
            }
        });
        Box::pin(async move { answer })
    }

    fn refund(&self, request: RefundPaymentRequest) -> Answer<'_, ()> {
        let mut known = self.known();
        let answer = away(known.ledger).map(|()| {
            if known.asked.insert(request.request_id.clone()) {
                if let Some(payment) = known.find(&request.payment_id, None) {
                    payment.set_state(PaymentState::Refunded);
                }
                known.refunds.push(request);
            }
        });
        Box::pin(async move { answer })
    }

    fn payment(&self, request: GetPaymentRequest) -> Answer<'_, Payment> {
        let mut known = self.known();
        assert!(request.payment_id.is_empty() != request.network.is_none(), "one of the two: {request:?}");
        let answer = away(known.ledger)
            .map(|()| known.find(&request.payment_id, request.network.as_ref()).cloned().unwrap_or_default());
        Box::pin(async move { answer })
    }

    fn book_bank_credit(&self, request: BookBankCreditRequest) -> Answer<'_, BookBankCreditResponse> {
        let mut known = self.known();
        let mood = known.ledger;
        let answer = away(mood).map(|()| {
            let id = request.bank_transaction_id.clone();
            let state = match request.funding_reference == FUNDING {
                true => TopUpState::Settled,
                false => TopUpState::Unmatched,
            };
            let duplicate =
                known.credits.get(&id).is_some_and(|before| before.request_id != request.request_id);
            known.credits.entry(id).or_insert(request);
            let top_up_id = TopUpId::from_uuid(bursar_types::id::Uuid::from_u128(1)).to_string();
            let top_up = TopUp { top_up_id, state: state.into(), ..TopUp::default() };
            BookBankCreditResponse { top_up: Some(top_up), duplicate }
        });
        Box::pin(async move { answer })
    }
}
