//! Cards: the saga with the vault, the life, who may do what.

use std::time::Duration;

use bursar_ledger_engine::{Action, Command, CustomerStatus};
use bursar_proto::ledger::v1 as proto;
use bursar_proto::ledger::v1::card_service_server::CardService as _;
use bursar_service::deadline::Deadline;
use bursar_service::{Backoff, Identity};
use bursar_testkit::on_both_databases;

use super::world::{World, by, by_customer, customer, eventually, reason, uuid};
use crate::peers::CustomerFacts;
use crate::program;
use crate::writer::Order;

on_both_databases! {
    async fn a_card_goes_through_its_life(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let holder = node.holder(0).await;
        let get = || proto::GetCardRequest { card_id: holder.card.clone() };
        let card = node.api.get_card(by_customer(holder.customer, get())).await.unwrap().into_inner().card.unwrap();
        assert_eq!(card.state(), proto::CardState::Active);
        assert_eq!(card.masked_pan, "990000******1234");
        let states: Vec<_> = card.transitions.iter().map(proto::CardTransition::to).collect();
        use proto::CardState as S;
        assert_eq!(states, [S::Issuing, S::PendingActivation, S::Active]);
        assert!(card.transitions.is_sorted_by_key(|step| step.position));

        let freeze = proto::FreezeCardRequest {
            request_id: uuid(), card_id: holder.card.clone(), reason: "on the beach".into()
        };
        let stranger = node.api.freeze_card(by_customer(customer(), freeze.clone())).await.unwrap_err();
        assert_eq!(reason(&stranger), "NOT_YOURS");
        let frozen = node.api.freeze_card(by_customer(holder.customer, freeze.clone())).await.unwrap().into_inner();
        assert_eq!(frozen.card.as_ref().unwrap().state(), S::Frozen);
        assert_eq!(frozen.card.as_ref().unwrap().transitions.last().unwrap().actor, "customer");

        let unfreeze = |request_id| proto::UnfreezeCardRequest {
            request_id, card_id: holder.card.clone(), reason: "found".into()
        };
        let thawed = node.api.unfreeze_card(by_customer(holder.customer, unfreeze(uuid()))).await.unwrap();
        assert_eq!(thawed.into_inner().card.unwrap().state(), S::Active);
        // The repeated freeze is answered as it was, though the card has gone on.
        let repeated = node.api.freeze_card(by_customer(holder.customer, freeze)).await.unwrap().into_inner();
        assert_eq!(repeated, frozen);

        let issuers = proto::FreezeCardRequest {
            request_id: uuid(), card_id: holder.card.clone(), reason: "review".into()
        };
        node.api.freeze_card(by(Identity::Operator, issuers)).await.unwrap();
        let refused = node.api.unfreeze_card(by_customer(holder.customer, unfreeze(uuid()))).await.unwrap_err();
        assert_eq!(reason(&refused), "FREEZE_NOT_YOURS");
        node.api.unfreeze_card(by(Identity::Operator, unfreeze(uuid()))).await.unwrap();
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;
    }

    async fn only_verified_customers_get_cards_on_their_own_accounts(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let holder = node.holder(0).await;
        let wish = |request_id| proto::IssueCardRequest {
            request_id,
            account_id: holder.account.account_id.clone(),
            card_product_id: holder.product.clone(),
            ..Default::default()
        };
        let other = node.issue(customer(), wish(uuid())).await.unwrap_err();
        assert_eq!(reason(&other), "NOT_YOURS");
        let id = uuid();
        let made = node.issue(holder.customer, wish(id.clone())).await.unwrap();
        let unverified = CustomerFacts { active: false, state: "SUSPENDED".into(), kyc_level: 1 };
        node.peers.facts().customers.insert(holder.customer, unverified);
        assert_eq!(reason(&node.issue(holder.customer, wish(uuid())).await.unwrap_err()), "KYC_LEVEL_TOO_LOW");
        // What was granted before is still told.
        assert_eq!(node.issue(holder.customer, wish(id)).await.unwrap(), made);
        node.stop().await;
    }

    async fn news_of_identity_that_is_on_its_way_is_waited_out(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let holder = node.holder(0).await;
        let told = async |status| {
            let action = Action::SetCustomerStanding { customer: holder.customer, status, kyc_level: 1 };
            let (request_id, actor) = (uuid().parse().unwrap(), program::itself());
            node.handle.submit(Order::internal(Command { request_id, actor, action })).await.unwrap();
        };
        // Identity calls the customer active; the ledger has heard so far only that it is not so.
        told(CustomerStatus::Suspended).await;
        let wish = proto::IssueCardRequest {
            request_id: uuid(),
            account_id: holder.account.account_id.clone(),
            card_product_id: holder.product.clone(),
            ..Default::default()
        };
        let mut asked = Box::pin(node.issue(holder.customer, wish));
        let early = Deadline::after(Duration::from_millis(300)).bound(&mut asked).await;
        assert!(early.is_err(), "neither refused nor issued: {early:?}");
        told(CustomerStatus::Active).await;
        assert_eq!(asked.as_mut().await.unwrap().state(), proto::CardState::PendingActivation);
        drop(asked);
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;
    }

    async fn the_issue_goes_on_after_a_crash(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let (owner, product) = (customer(), node.product().await);
        let account = node.account(owner).await;
        node.peers.facts().vault_away = true;
        let wish = proto::IssueCardRequest {
            request_id: uuid(), account_id: account.account_id, card_product_id: product, ..Default::default()
        };
        // The call gives up at its deadline; the wish is journaled.
        let asked = node.issue(owner, wish.clone());
        assert!(Deadline::after(Duration::from_millis(300)).bound(asked).await.is_err());
        node.stop().await;

        let node = world.node().await;
        world.clock.advance(Duration::from_secs(5));
        let issuer = node.api.0.issuer.clone();
        node.supervisor.spawn_loop("card issue", Backoff::default(), move || issuer.clone().resume());
        let list = || proto::ListCardsRequest::default();
        let made = async || {
            let cards = node.api.list_cards(by_customer(owner, list())).await.unwrap().into_inner().cards;
            cards.len() == 1 && cards[0].state() == proto::CardState::PendingActivation
        };
        eventually("the card is issued", made).await;
        let asked = node.peers.facts().asked.clone();
        // The same request id tells how it ended, and the vault is not asked for a second number.
        let card = node.issue(owner, wish).await.unwrap();
        assert_eq!(card.state(), proto::CardState::PendingActivation);
        assert_eq!(node.peers.facts().asked, asked);
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;
    }

    async fn a_number_that_cannot_be_made_ends_the_issue(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let (owner, product) = (customer(), node.product().await);
        let account = node.account(owner).await;
        node.peers.facts().never = Some("BIN_RANGE_EXHAUSTED".into());
        let wish = proto::IssueCardRequest {
            request_id: uuid(), account_id: account.account_id, card_product_id: product, ..Default::default()
        };
        let failed = node.issue(owner, wish).await.unwrap_err();
        assert_eq!(reason(&failed), "WRONG_STATE");
        assert!(failed.message().contains("BIN_RANGE_EXHAUSTED"));
        let cards = node.api.list_cards(by_customer(owner, proto::ListCardsRequest::default())).await.unwrap();
        assert_eq!(cards.into_inner().cards[0].state(), proto::CardState::Failed);
        node.stop().await;
    }
}
