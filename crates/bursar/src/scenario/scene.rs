//! One scenario under way: its account, its cards, its payments, and what the account looked like after the last step.

use std::collections::BTreeMap;

use bursar_proto::common::v1::Money;
use bursar_proto::ledger::v1::{
    Account, ActivateCardRequest, Entry, GetAccountRequest, GetPaymentRequest, IssueCardRequest,
    ListEntriesRequest, Merchant, NetworkReference, OpenAccountRequest, Payment,
};
use bursar_proto::vault::v1::RevealedCard;

use super::script::Setup;
use super::stage::{ASSET, Stage};
use crate::outside::acquirer::{self, Purchase};
use crate::outside::callers::{ask, attempt, request_id};
use crate::outside::{bank, customer};

/// Name of the card that a scenario begins with.
const FIRST_CARD: &str = "card";

/// A card of the scenario.
#[derive(Debug)]
pub(super) struct SceneCard {
    pub(super) name: String,
    pub(super) id: String,
    details: Option<RevealedCard>,
    password: Option<String>,
}

/// A payment of the scenario.
#[derive(Clone)]
pub(super) struct ScenePayment {
    /// Empty: there is none yet, or it left none behind.
    pub(super) id: String,
    pub(super) reference: NetworkReference,
    pub(super) merchant: Merchant,
    /// The message that asked for it, if it came over ISO 8583.
    pub(super) message: Option<Purchase>,
    /// The proof it was authorized with, if it did not.
    pub(super) proof: Option<String>,
}

/// A scenario under way.
pub(super) struct Scene {
    pub(super) account: Account,
    pub(super) product: String,
    pub(super) cards: Vec<SceneCard>,
    pub(super) payments: BTreeMap<String, ScenePayment>,
    /// Name of the last payment.
    pub(super) last: Option<String>,
    /// Entries on the account that earlier steps have told of.
    pub(super) entries_seen: usize,
    pub(super) posted: i64,
    pub(super) available: i64,
}

/// `minor_units` of the book's asset.
pub(super) fn money(minor_units: i64) -> Money {
    Money { minor_units, asset: ASSET.into() }
}

impl Scene {
    /// Opens a fresh account with a fresh card, and tops it up.
    pub(super) async fn open(stage: &mut Stage, name: &str, setup: &Setup) -> Result<Self, String> {
        stage.prove().await?;
        if let Some(moment) = &setup.at {
            stage.clocks.advance_to(stage.utc_offset_minutes, moment).await?;
        }
        let product = match &setup.product {
            Some(terms) => stage.make_product(name, terms).await?,
            None => stage.product.clone(),
        };
        let open = OpenAccountRequest { request_id: request_id(), asset: ASSET.into() };
        let account = ask!(stage.callers.accounts, open_account, open, &stage.customer.token)?;
        let mut scene = Self {
            account: account.account.unwrap_or_default(),
            product,
            cards: Vec::new(),
            payments: BTreeMap::new(),
            last: None,
            entries_seen: 0,
            posted: 0,
            available: 0,
        };
        let issue = IssueCardRequest::default();
        scene.issue(stage, FIRST_CARD, issue, true).await?;
        if let Some(controls) = &setup.controls {
            scene.set_card_controls(stage, controls.message()?).await.map_err(|status| status.to_string())?;
        }
        if setup.balance.0 > 0 {
            scene.top_up(stage, setup.balance.0).await?;
            scene.entries_seen = 1;
            (scene.posted, scene.available) = (setup.balance.0, setup.balance.0);
        }
        Ok(scene)
    }

    /// Issues a card on the scenario's account.
    pub(super) async fn issue(
        &mut self,
        stage: &Stage,
        name: &str,
        wish: IssueCardRequest,
        active: bool,
    ) -> Result<(), String> {
        let request = IssueCardRequest {
            request_id: request_id(),
            account_id: self.account.account_id.clone(),
            card_product_id: self.product.clone(),
            ..wish
        };
        let token = &stage.customer.token;
        let card = ask!(stage.callers.cards, issue_card, request, token)?.card.unwrap_or_default();
        self.know(name, &card.card_id);
        if active {
            let request = ActivateCardRequest { request_id: request_id(), card_id: card.card_id };
            ask!(stage.callers.cards, activate_card, request, token)?;
        }
        Ok(())
    }

    /// Keeps a card under a name.
    pub(super) fn know(&mut self, name: &str, card_id: &str) {
        let (name, id) = (name.to_owned(), card_id.to_owned());
        self.cards.push(SceneCard { name, id, details: None, password: None });
    }

    /// The card with this name; without one, the last.
    pub(super) fn card(&self, name: Option<&str>) -> Result<&SceneCard, String> {
        match name {
            Some(name) => self.cards.iter().find(|card| card.name == name).ok_or(format!("no card `{name}`")),
            None => self.cards.last().ok_or_else(|| "no card".to_owned()),
        }
    }

    fn card_mut(&mut self, name: Option<&str>) -> Result<&mut SceneCard, String> {
        match name {
            Some(name) => {
                self.cards.iter_mut().find(|card| card.name == name).ok_or(format!("no card `{name}`"))
            }
            None => self.cards.last_mut().ok_or_else(|| "no card".to_owned()),
        }
    }

    /// Number, expiry and CVV2 of a card, as its holder sees them.
    pub(super) async fn details(
        &mut self,
        stage: &mut Stage,
        name: Option<&str>,
    ) -> Result<RevealedCard, String> {
        let card = self.card_mut(name)?;
        if let Some(details) = &card.details {
            return Ok(details.clone());
        }
        stage.prove().await?;
        let details = stage.customer.reveal(&stage.callers, &card.id).await?;
        card.details = Some(details.clone());
        Ok(details)
    }

    /// The card password, set when it is first needed.
    pub(super) async fn password(&mut self, stage: &mut Stage, name: Option<&str>) -> Result<String, String> {
        let card = self.card_mut(name)?;
        if let Some(password) = &card.password {
            return Ok(password.clone());
        }
        stage.prove().await?;
        let password = customer::invent_card_password();
        stage.customer.set_card_password(&stage.callers, &card.id, &password).await?;
        card.password = Some(password.clone());
        Ok(password)
    }

    /// Sets the controls of the last card.
    pub(super) async fn set_card_controls(
        &self,
        stage: &Stage,
        controls: bursar_proto::ledger::v1::Controls,
    ) -> Result<(), tonic::Status> {
        let card_id = self.card(None).map_err(tonic::Status::internal)?.id.clone();
        let request = bursar_proto::ledger::v1::SetCardControlsRequest {
            request_id: request_id(),
            card_id,
            controls: Some(controls),
        };
        let cards = &stage.callers.cards;
        attempt!(cards, set_card_controls, request, &stage.customer.token).map(drop)
    }

    /// The bank credits the account.
    pub(super) async fn top_up(&self, stage: &Stage, minor_units: i64) -> Result<(), String> {
        let file = bank::file(&self.account.funding_reference, minor_units);
        bank::send(&stage.callers, file).await
    }

    /// The payment with this name; without one, the last.
    pub(super) fn payment(&self, name: Option<&str>) -> Result<&ScenePayment, String> {
        let name = name.or(self.last.as_deref()).ok_or("there is no payment yet")?;
        self.payments.get(name).ok_or_else(|| format!("no payment `{name}`"))
    }

    /// Keeps a payment under a name; the next steps are about it.
    pub(super) fn keep(&mut self, name: String, payment: ScenePayment) {
        self.last = Some(name.clone());
        self.payments.insert(name, payment);
    }

    /// The message of a payment that is to come under this name: the one that a reversal named before, or a new one.
    pub(super) fn reference(&self, name: &str) -> NetworkReference {
        let known = self.payments.get(name).filter(|payment| payment.id.is_empty());
        known.map_or_else(acquirer::reference, |payment| payment.reference.clone())
    }

    /// A payment as the desk sees it now.
    pub(super) async fn look_up(&self, stage: &Stage, id: &str) -> Result<Payment, String> {
        let request = GetPaymentRequest { payment_id: id.to_owned(), network: None };
        Ok(ask!(stage.callers.payments_desk, get_payment, request)?.payment.unwrap_or_default())
    }

    /// The account now, and the position in the journal it stands at.
    pub(super) async fn account_now(&self, stage: &Stage) -> Result<(Account, i64), String> {
        let account_id = self.account.account_id.clone();
        let request = GetAccountRequest { account_id, at_least_position: 0 };
        let answer = ask!(stage.callers.desk, get_account, request)?;
        Ok((answer.account.unwrap_or_default(), answer.position))
    }

    /// Every entry on the account up to a position, oldest first.
    pub(super) async fn entries(&self, stage: &Stage, position: i64) -> Result<Vec<Entry>, String> {
        let request = ListEntriesRequest {
            account_id: self.account.account_id.clone(),
            page_size: 1000,
            at_least_position: position,
            ..ListEntriesRequest::default()
        };
        let mut entries = ask!(stage.callers.desk, list_entries, request)?.entries;
        entries.reverse();
        Ok(entries)
    }
}
