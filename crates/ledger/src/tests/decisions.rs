//! Products, controls of every scope, quotes, and decisions explained and taken again.

use bursar_proto::ledger::v1 as proto;
use bursar_proto::ledger::v1::card_service_server::CardService as _;
use bursar_proto::ledger::v1::payment_service_server::PaymentService as _;
use bursar_proto::ledger::v1::program_service_server::ProgramService as _;
use bursar_service::Identity;
use bursar_testkit::on_both_databases;

use super::world::{Node, Wish, World, by, by_customer, customer, reason, uuid, yuan};

fn deny_abroad() -> Option<proto::Controls> {
    Some(proto::Controls { deny_cross_border: true, ..Default::default() })
}

async fn explain(node: &Node, payment: &proto::Payment) -> proto::ExplainDecisionResponse {
    let message = proto::ExplainDecisionRequest { payment_id: payment.payment_id.clone() };
    node.api.explain_decision(by(Identity::Operator, message)).await.unwrap().into_inner()
}

async fn replay(node: &Node, payment: &proto::Payment) -> proto::ReplayDecisionResponse {
    let message = proto::ReplayDecisionRequest { payment_id: payment.payment_id.clone() };
    node.api.replay_decision(by(Identity::Operator, message)).await.unwrap().into_inner()
}

on_both_databases! {
    async fn a_decision_comes_out_the_same_from_its_record_whatever_has_changed_since(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let holder = node.holder(90_000).await;
        let set = |controls| proto::SetCardControlsRequest {
            request_id: uuid(), card_id: holder.card.clone(), controls
        };
        node.api.set_card_controls(by_customer(holder.customer, set(deny_abroad()))).await.unwrap();
        let mut abroad = world.authorize(&Wish::online(&holder.card, 60_000));
        abroad.merchant.as_mut().unwrap().country = "US".into();
        let declined = node.pay(abroad).await.unwrap();
        let approved = node.pay(world.authorize(&Wish::online(&holder.card, 100))).await.unwrap();

        let before = replay(&node, &declined).await;
        assert!(before.same && !before.record.is_empty() && before.position == declined.position);
        // Controls, product, state of the card: all change, the record does not.
        node.api.set_card_controls(by_customer(holder.customer, set(Some(proto::Controls::default())))).await.unwrap();
        let freeze = proto::FreezeCardRequest { request_id: uuid(), card_id: holder.card.clone(), reason: "lost".into() };
        node.api.freeze_card(by_customer(holder.customer, freeze)).await.unwrap();
        assert_eq!(replay(&node, &declined).await, before);
        assert!(replay(&node, &approved).await.same);

        let told = explain(&node, &declined).await;
        let sources: Vec<_> = told.reasons.iter().map(|reason| (reason.name.as_str(), reason.within)).collect();
        assert_eq!(sources, [("AMOUNT_LIMIT_EXCEEDED", Some(50_000)), ("CONTROL_FORBIDS", None)]);
        assert!(told.reasons[1].source.contains(&holder.card), "{:?}", told.reasons[1]);
        let changes: Vec<_> = told.changes.iter().map(|change| change.text_en.as_str()).collect();
        assert_eq!(changes, ["the amount were at most CNY 500.00", "cross-border payments were on"]);
        assert_eq!((told.retry.as_str(), told.spendable_before), ("LATER", Some(90_000)));

        let message = proto::ExplainDecisionRequest { payment_id: declined.payment_id.clone() };
        let theirs = node.api.explain_decision(by_customer(holder.customer, message.clone())).await.unwrap().into_inner();
        assert_eq!((theirs.reasons.len(), theirs.changes.len(), theirs.spendable_before), (0, 2, None));
        assert!(!theirs.customer_en.is_empty() && theirs.customer_zh.chars().any(|c| c > '\u{4e00}'));
        let stranger = node.api.explain_decision(by_customer(customer(), message)).await.unwrap_err();
        assert_eq!(reason(&stranger), "NOT_YOURS");
        assert!(explain(&node, &approved).await.approved);

        // Another process finds all of it in the journal.
        node.stop().await;
        let node = world.node().await;
        assert_eq!(replay(&node, &declined).await, before);
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;
    }

    async fn a_customer_is_not_told_what_is_not_theirs_to_know(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let holder = node.holder(100).await;
        let card: bursar_types::id::CardId = holder.card.parse().unwrap();
        let action = bursar_ledger_engine::Action::FreezeCard {
            card,
            holder: bursar_ledger_engine::FreezeHolder::Fraud,
            reason: crate::issue::note("pattern"),
            channel: bursar_ledger_engine::Name::default(),
        };
        let actor = bursar_ledger_engine::Actor {
            role: bursar_ledger_engine::Role::FraudDesk, name: bursar_ledger_engine::Name::default()
        };
        let command = bursar_ledger_engine::Command { request_id: uuid().parse().unwrap(), actor, action };
        node.handle.submit(crate::writer::Order::internal(command)).await.unwrap();
        let declined = node.pay(world.authorize(&Wish::online(&holder.card, 500))).await.unwrap();
        let message = proto::ExplainDecisionRequest { payment_id: declined.payment_id.clone() };
        let theirs = node.api.explain_decision(by_customer(holder.customer, message)).await.unwrap().into_inner();
        // The balance would be theirs to know, but telling it alone would hide that more stands against it.
        assert_eq!(theirs.changes, []);
        assert!(!theirs.customer_en.contains("fraud"));
        assert_eq!(explain(&node, &declined).await.reasons.len(), 2);
        node.stop().await;
    }

    async fn a_product_has_versions_and_a_schedule_that_is_quoted(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let holder = node.holder(10_000).await;
        let fee = proto::Fee {
            fee_id: 1,
            event: proto::FeeEvent::CrossBorder.into(),
            basis_points: 150,
            min_minor: 20,
            free_per_month: 1,
            ..Default::default()
        };
        let draft = proto::DraftCardProductRequest {
            request_id: uuid(),
            card_product_id: holder.product.clone(),
            name: "Everyday II".into(),
            bin_range_id: "test".into(),
            validity_months: 48,
            controls: None,
            terms: Some(proto::CardProductTerms { fees: vec![fee], ..Default::default() }),
        };
        let drafted = node.api.draft_card_product(by(Identity::Operator, draft.clone())).await.unwrap().into_inner();
        let drafted = drafted.card_product.unwrap();
        assert_eq!((drafted.version, drafted.state()), (2, proto::CardProductState::Draft));
        let quote = |country: &str| proto::QuotePaymentRequest {
            card_id: holder.card.clone(),
            amount: yuan(2_000),
            merchant: Some(proto::Merchant {
                merchant_id: "M-9".into(), name: "Cafe".into(), mcc: "5814".into(), country: country.into()
            }),
            channel: proto::Channel::Ecommerce.into(),
        };
        let ask = async |country: &str| {
            node.api.quote_payment(by_customer(holder.customer, quote(country))).await.unwrap().into_inner()
        };
        let told = ask("US").await;
        assert_eq!((told.approved, told.fee.clone(), told.product_version), (true, yuan(0), 1), "a draft rules nothing");
        let activate = proto::ActivateCardProductRequest {
            request_id: uuid(), card_product_id: holder.product.clone(), version: 2
        };
        let active = node.api.activate_card_product(by(Identity::Operator, activate)).await.unwrap().into_inner();
        assert!(active.card_product.unwrap().effective);
        let told = ask("US").await;
        assert_eq!((told.fee, told.fees.len(), told.product_version), (yuan(0), 0, 2), "the first of the month is free");

        let mut abroad = world.authorize(&Wish::online(&holder.card, 2_000));
        abroad.merchant.as_mut().unwrap().country = "US".into();
        let paid = node.pay(abroad).await.unwrap();
        assert!(replay(&node, &paid).await.same);
        let told = ask("US").await;
        assert_eq!((told.fee.clone(), told.fees.len(), told.fees[0].event.as_str()), (yuan(30), 1, "cross_border"));
        assert_eq!((told.hold_days, ask("").await.fee), (10, yuan(0)));
        let stranger = node.api.quote_payment(by_customer(customer(), quote(""))).await.unwrap_err();
        assert_eq!(reason(&stranger), "NOT_YOURS");

        let retire = proto::RetireCardProductRequest { request_id: uuid(), card_product_id: holder.product.clone() };
        let retired = node.api.retire_card_product(by(Identity::Operator, retire)).await.unwrap().into_inner();
        assert_eq!(retired.card_product.unwrap().state(), proto::CardProductState::Retired);
        let wish = proto::IssueCardRequest {
            request_id: uuid(),
            account_id: holder.account.account_id.clone(),
            card_product_id: holder.product.clone(),
            ..Default::default()
        };
        assert_eq!(reason(&node.issue(holder.customer, wish).await.unwrap_err()), "WRONG_STATE");
        node.pay(world.authorize(&Wish::online(&holder.card, 1))).await.unwrap();
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;
    }

    async fn controls_hold_at_every_scope_and_their_exceptions_too(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let (one, other) = (node.holder(5_000).await, node.holder(5_000).await);
        let velocity = |count| proto::Rule {
            rule_id: 200,
            effect: proto::RuleEffect::Limit.into(),
            limit: Some(proto::Limit {
                window: proto::LimitWindow::Rolling.into(), count_max: count, rolling_seconds: 60, ..Default::default()
            }),
            per: proto::CountedPer::Program.into(),
            except: vec![other.card.clone()],
            ..Default::default()
        };
        let set = proto::SetProgramControlsRequest {
            request_id: uuid(),
            controls: Some(proto::Controls { rules: vec![velocity(1)], ..Default::default() }),
        };
        let first = node.api.set_program_controls(by(Identity::Operator, set.clone())).await.unwrap().into_inner();
        let again = node.api.set_program_controls(by(Identity::Operator, set)).await.unwrap().into_inner();
        assert_eq!(first, again);
        let pay = async |card: &str| node.pay(world.authorize(&Wish::online(card, 10))).await.unwrap().decline_reason();
        assert_eq!(pay(&one.card).await, proto::DeclineReason::Unspecified);
        assert_eq!(pay(&one.card).await, proto::DeclineReason::CountLimitExceeded);
        assert_eq!(pay(&other.card).await, proto::DeclineReason::Unspecified);
        assert_eq!(pay(&other.card).await, proto::DeclineReason::Unspecified, "an exception");
        let on_account = proto::SetAccountControlsRequest {
            request_id: uuid(),
            account_id: other.account.account_id.clone(),
            controls: Some(proto::Controls { denied_mccs: vec!["5814".into()], ..Default::default() }),
        };
        node.api.set_account_controls(by(Identity::Operator, on_account)).await.unwrap();
        assert_eq!(pay(&other.card).await, proto::DeclineReason::NotPermittedCardholder);
        let missing = proto::SetProgramControlsRequest { request_id: uuid(), controls: None };
        let refused = node.api.set_program_controls(by(Identity::Operator, missing)).await.unwrap_err();
        assert_eq!(bursar_service::error::violations_of(&refused)[0].field, "controls");
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;
    }

    async fn a_replacement_has_the_limits_and_the_counters_of_the_card_it_replaces(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let holder = node.holder(50_000).await;
        let limits = vec![proto::Limit {
            window: proto::LimitWindow::Month.into(), amount_minor_max: 1_000, ..Default::default()
        }];
        let controls = Some(proto::Controls { limits, ..Default::default() });
        let set = proto::SetCardControlsRequest { request_id: uuid(), card_id: holder.card.clone(), controls: controls.clone() };
        node.api.set_card_controls(by_customer(holder.customer, set)).await.unwrap();
        node.pay(world.authorize(&Wish::online(&holder.card, 700))).await.unwrap();
        let replace = proto::ReplaceCardRequest {
            request_id: uuid(),
            card_id: holder.card.clone(),
            close_reason: proto::CardCloseReason::Lost.into(),
        };
        let stranger = node.api.replace_card(by_customer(customer(), replace.clone())).await.unwrap_err();
        assert_eq!(reason(&stranger), "NOT_YOURS");
        let answer = node.api.replace_card(by_customer(holder.customer, replace.clone())).await.unwrap().into_inner();
        let again = node.api.replace_card(by_customer(holder.customer, replace)).await.unwrap().into_inner();
        assert_eq!(again.card.as_ref().unwrap().card_id, answer.card.as_ref().unwrap().card_id);
        let new = answer.card.unwrap();
        assert_eq!((new.replaces_card_id.as_str(), new.controls.clone()), (holder.card.as_str(), controls));
        let get = proto::GetCardRequest { card_id: holder.card.clone() };
        let old = node.api.get_card(by_customer(holder.customer, get)).await.unwrap().into_inner().card.unwrap();
        assert_eq!((old.close_reason(), old.replaced_by_card_id), (proto::CardCloseReason::Lost, new.card_id.clone()));
        let activate = proto::ActivateCardRequest { request_id: uuid(), card_id: new.card_id.clone() };
        node.api.activate_card(by_customer(holder.customer, activate)).await.unwrap();
        let paid = node.pay(world.authorize(&Wish::online(&new.card_id, 301))).await.unwrap();
        assert_eq!(paid.decline_reason(), proto::DeclineReason::AmountLimitExceeded);
        assert_eq!(explain(&node, &paid).await.changes[0].value, Some(300));
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;

        let node = world.node().await;
        let paid = node.pay(world.authorize(&Wish::online(&new.card_id, 300))).await.unwrap();
        assert_eq!(paid.state(), proto::PaymentState::Approved);
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;
    }

    async fn single_use_and_merchant_locked_cards_are_what_they_say(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let holder = node.holder(5_000).await;
        let issue = async |single_use, merchant_lock: &str| {
            let wish = proto::IssueCardRequest {
                request_id: uuid(),
                account_id: holder.account.account_id.clone(),
                card_product_id: holder.product.clone(),
                single_use,
                merchant_lock: merchant_lock.into(),
            };
            let card = node.issue(holder.customer, wish).await.unwrap();
            let activate = proto::ActivateCardRequest { request_id: uuid(), card_id: card.card_id.clone() };
            node.api.activate_card(by_customer(holder.customer, activate)).await.unwrap();
            card.card_id
        };
        let pay = async |card: &str| node.pay(world.authorize(&Wish::online(card, 10))).await.unwrap().decline_reason();
        let once = issue(true, "").await;
        assert_eq!(pay(&once).await, proto::DeclineReason::Unspecified);
        assert_eq!(pay(&once).await, proto::DeclineReason::CardClosed);
        let (here, elsewhere) = (issue(false, "M-1").await, issue(false, "M-2").await);
        assert_eq!(pay(&here).await, proto::DeclineReason::Unspecified);
        assert_eq!(pay(&elsewhere).await, proto::DeclineReason::InvalidMerchant);
        node.stop().await;
    }

    async fn a_payment_abroad_shows_its_four_amounts_and_its_rate(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let holder = node.holder(20_000).await;
        let set = |mantissa| proto::SetExchangeRatesRequest {
            request_id: uuid(),
            rates: vec![proto::ExchangeRate {
                from: "USD".into(),
                to: "CNY".into(),
                mantissa,
                scale: 4,
                source: "treasury".into(),
                time: Some(prost_types::Timestamp { seconds: 1_795_348_800, nanos: 0 }),
            }],
        };
        node.api.set_exchange_rates(by(Identity::Operator, set(71_250))).await.unwrap();
        let list = proto::ListExchangeRatesRequest::default();
        let rates = node.api.list_exchange_rates(by(Identity::Operator, list)).await.unwrap().into_inner().rates;
        assert_eq!((rates.len(), rates[0].mantissa, rates[0].source.as_str()), (1, 71_250, "treasury"));

        let usd = |minor_units| Some(bursar_proto::common::v1::Money { minor_units, asset: "USD".into() });
        let quote = proto::QuotePaymentRequest {
            card_id: holder.card.clone(),
            amount: usd(1_000),
            merchant: world.authorize(&Wish::online(&holder.card, 1)).merchant,
            channel: proto::Channel::Ecommerce.into(),
        };
        let quote = node.api.quote_payment(by_customer(holder.customer, quote)).await.unwrap().into_inner();
        assert_eq!((quote.billed, quote.rate.unwrap().mantissa), (yuan(7_125), 71_250));

        let wish = Wish { asset: "USD", ..Wish::online(&holder.card, 1_000) };
        let paid = node.pay(world.authorize(&wish)).await.unwrap();
        let exchange = paid.exchange.clone().unwrap();
        let amounts = (exchange.merchant, exchange.settlement, exchange.cardholder, exchange.hold);
        assert_eq!(amounts, (usd(1_000), yuan(7_125), yuan(7_125), yuan(7_125)));
        assert_eq!((paid.amount.clone(), node.balance(&holder.account.account_id).await.available), (yuan(7_125), 12_875));
        assert!(replay(&node, &paid).await.same);

        node.api.set_exchange_rates(by(Identity::Operator, set(100_000))).await.unwrap();
        let clear = proto::ClearPaymentRequest {
            request_id: uuid(), payment_id: paid.payment_id.clone(), amount: usd(1_000), last: true
        };
        // The dollar has risen beyond the tolerance: a clearing is refused, as a presentment would not be.
        let refused = node.api.clear_payment(by(Identity::Gateway, clear.clone())).await.unwrap_err();
        assert_eq!(reason(&refused), "INVALID_AMOUNT");
        node.api.set_exchange_rates(by(Identity::Operator, set(70_000))).await.unwrap();
        let cleared = node.api.clear_payment(by(Identity::Gateway, clear)).await.unwrap().into_inner().payment.unwrap();
        assert_eq!((cleared.cleared, cleared.exchange.unwrap().merchant_cleared_minor), (yuan(7_000), 1_000));
        assert!(replay(&node, &paid).await.same, "the rate of its day is in the record");
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;
        let node = world.node().await;
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;
    }
}
