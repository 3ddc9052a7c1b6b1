//! Accounts, top-ups, transfers, products: what is booked, and what is refused.

use bursar_proto::ledger::v1 as proto;
use bursar_proto::ledger::v1::account_service_server::AccountService as _;
use bursar_proto::ledger::v1::books_service_server::BooksService as _;
use bursar_proto::ledger::v1::program_service_server::ProgramService as _;
use bursar_proto::ledger::v1::top_up_service_server::TopUpService as _;
use bursar_proto::ledger::v1::transfer_service_server::TransferService as _;
use bursar_service::Identity;
use bursar_testkit::on_both_databases;

use crate::peers::CustomerFacts;

use super::world::{World, by, by_customer, customer, eventually, reason, uuid, yuan};

on_both_databases! {
    async fn a_bank_credit_reaches_its_account_once(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let owner = customer();
        let account = node.account(owner).await;
        assert!(account.funding_reference.starts_with("RF"));

        let grouped = format!("{} {}", &account.funding_reference[..4], &account.funding_reference[4..]);
        let message = proto::BookBankCreditRequest {
            request_id: uuid(),
            funding_reference: grouped,
            amount: yuan(10_000),
            bank_transaction_id: "bank-1".into(),
            value_date: "2026-03-01".into(),
            debtor_name: "王小明".into(),
            ..proto::BookBankCreditRequest::default()
        };
        let first = node.api.book_bank_credit(by(Identity::Gateway, message.clone())).await.unwrap().into_inner();
        let top_up = first.top_up.clone().unwrap();
        assert_eq!((top_up.state(), first.duplicate), (proto::TopUpState::Settled, false));
        assert_eq!(top_up.account_id, account.account_id);

        // The same call again, and the same bank transaction under another request id.
        let again = node.api.book_bank_credit(by(Identity::Gateway, message.clone())).await.unwrap().into_inner();
        assert_eq!(again, first);
        let reported = proto::BookBankCreditRequest { request_id: uuid(), ..message.clone() };
        let twice = node.api.book_bank_credit(by(Identity::Gateway, reported)).await.unwrap().into_inner();
        assert!(twice.duplicate);
        assert_eq!(twice.top_up, first.top_up);
        let other = proto::BookBankCreditRequest { request_id: uuid(), amount: yuan(9), ..message };
        let refused = node.api.book_bank_credit(by(Identity::Gateway, other)).await.unwrap_err();
        assert_eq!(reason(&refused), "ALREADY_EXISTS");
        assert_eq!(node.balance(&account.account_id).await.available, 10_000);

        let lost = node.top_up("RF00NOBODY", 700).await.top_up.unwrap();
        assert_eq!(lost.state(), proto::TopUpState::Unmatched);

        let list = proto::ListEntriesRequest { account_id: account.account_id.clone(), ..Default::default() };
        let entries = node.api.list_entries(by_customer(owner, list.clone())).await.unwrap().into_inner().entries;
        assert_eq!(entries.len(), 1);
        assert_eq!((entries[0].posted_after, entries[0].r#type.as_str()), (10_000, "top_up"));
        assert_eq!(entries[0].cause_id, top_up.top_up_id);
        let stranger = node.api.list_entries(by_customer(customer(), list)).await.unwrap_err();
        assert_eq!(reason(&stranger), "NOT_YOURS");
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;
    }

    async fn a_request_id_belongs_to_one_request_for_ever(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let owner = customer();
        let message = proto::OpenAccountRequest { request_id: uuid(), asset: "CNY".into() };
        let first = node.api.open_account(by_customer(owner, message.clone())).await.unwrap().into_inner();
        let again = node.api.open_account(by_customer(owner, message.clone())).await.unwrap().into_inner();
        assert_eq!(first, again);
        // What was granted stays granted.
        let gone = CustomerFacts { active: false, state: "CLOSED".into(), kyc_level: 1 };
        node.peers.facts().customers.insert(owner, gone);
        let again = node.api.open_account(by_customer(owner, message.clone())).await.unwrap().into_inner();
        assert_eq!(first, again);
        let fresh = proto::OpenAccountRequest { request_id: uuid(), ..message.clone() };
        let refused = node.api.open_account(by_customer(owner, fresh)).await.unwrap_err();
        assert_eq!(reason(&refused), "KYC_LEVEL_TOO_LOW");
        node.peers.facts().customers.clear();
        let other = proto::OpenAccountRequest { asset: "USD".into(), ..message.clone() };
        let refused = node.api.open_account(by_customer(owner, other.clone())).await.unwrap_err();
        assert_eq!(reason(&refused), "REQUEST_ID_REUSED");
        let (_, metadata) = bursar_service::reason_of(&refused).unwrap();
        assert_eq!(metadata.get("field").map(String::as_str), Some("asset"));
        node.stop().await;

        // Another process knows it from the journal alone.
        let node = world.node().await;
        let again = node.api.open_account(by_customer(owner, message.clone())).await.unwrap().into_inner();
        assert_eq!(first, again);
        let refused = node.api.open_account(by_customer(owner, other)).await.unwrap_err();
        assert_eq!(reason(&refused), "REQUEST_ID_REUSED");
        let stranger = node.api.open_account(by_customer(customer(), message)).await.unwrap_err();
        assert_eq!(reason(&stranger), "REQUEST_ID_REUSED");
        node.stop().await;
    }

    async fn transfers_post_hold_capture_and_void(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let (a, b) = (node.account(customer()).await, node.account(customer()).await);
        node.top_up(&a.funding_reference, 1_000).await;
        let order = |amount, hold_seconds| proto::CreateTransferRequest {
            request_id: uuid(),
            debit_account_id: a.account_id.clone(),
            credit_account_id: b.account_id.clone(),
            amount: yuan(amount),
            hold_seconds,
            reference: "rent".into(),
            description: "March".into(),
            ..Default::default()
        };
        let create = async |message| {
            let answer = node.api.create_transfer(by(Identity::Operator, message)).await;
            answer.map(|answer| answer.into_inner().transfer.unwrap())
        };
        // A refusal burns nothing: the same request id succeeds once there is money.
        let big = order(1_500, 0);
        assert_eq!(reason(&create(big.clone()).await.unwrap_err()), "INSUFFICIENT_FUNDS");
        node.top_up(&a.funding_reference, 1_000).await;
        assert_eq!(create(big.clone()).await.unwrap().state(), proto::TransferState::Posted);
        assert_eq!(create(big.clone()).await.unwrap(), create(big).await.unwrap());

        let hold = create(order(400, 3_600)).await.unwrap();
        assert_eq!((hold.state(), hold.held), (proto::TransferState::Held, 400));
        assert_eq!(node.balance(&a.account_id).await.available, 100);
        let capture = proto::CaptureHoldRequest {
            request_id: uuid(),
            transfer_id: hold.transfer_id.clone(),
            amount: yuan(150),
            ..Default::default()
        };
        let after = node.api.capture_hold(by(Identity::Operator, capture)).await.unwrap().into_inner();
        let after = after.transfer.unwrap();
        assert_eq!((after.captured, after.held), (150, 250));
        let void = proto::VoidHoldRequest {
            request_id: uuid(), transfer_id: hold.transfer_id.clone(), amount: None
        };
        let after = node.api.void_hold(by(Identity::Operator, void.clone())).await.unwrap().into_inner();
        assert_eq!(after.transfer.unwrap().held, 0);
        let gone = proto::VoidHoldRequest { request_id: uuid(), ..void };
        assert_eq!(reason(&node.api.void_hold(by(Identity::Operator, gone)).await.unwrap_err()), "HOLD_NOT_OPEN");

        // Time ends a hold by itself.
        let hold = create(order(50, 60)).await.unwrap();
        world.clock.advance(std::time::Duration::from_secs(61));
        let get = || proto::GetTransferRequest { transfer_id: hold.transfer_id.clone() };
        let expired = async || {
            let answer = node.api.get_transfer(by(Identity::Operator, get())).await.unwrap().into_inner();
            answer.transfer.unwrap().state() == proto::TransferState::Expired
        };
        eventually("the hold expires", expired).await;
        assert_eq!(node.balance(&a.account_id).await.held, 0);

        let answer = node.api.get_trial_balance(by(Identity::Operator, proto::GetTrialBalanceRequest {})).await;
        let answer = answer.unwrap().into_inner();
        assert!(answer.balanced);
        assert_eq!(answer.lines.iter().find(|line| line.asset == "CNY").unwrap().posted_debits, "3650");
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;
    }

    async fn lists_are_paged(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let owner = customer();
        let mut made = Vec::new();
        for _ in 0..5 {
            made.push(node.account(owner).await.account_id);
        }
        made.sort();
        let mut seen = Vec::new();
        let mut page_token = String::new();
        loop {
            let list = proto::ListAccountsRequest { customer_id: String::new(), page_size: 2, page_token };
            let page = node.api.list_accounts(by_customer(owner, list)).await.unwrap().into_inner();
            seen.extend(page.accounts.into_iter().map(|account| account.account_id));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, made);
        for _ in 0..3 {
            node.product().await;
        }
        let list = proto::ListCardProductsRequest { page_size: 2, page_token: String::new() };
        let page = node.api.list_card_products(by(Identity::Operator, list)).await.unwrap().into_inner();
        assert_eq!(page.card_products.len(), 2);
        assert!(page.card_products.iter().all(|p| p.state() == proto::CardProductState::Active));
        let list = proto::ListCardProductsRequest { page_size: 2, page_token: page.next_page_token };
        let page = node.api.list_card_products(by(Identity::Operator, list)).await.unwrap().into_inner();
        assert_eq!((page.card_products.len(), page.next_page_token.as_str()), (1, ""));
        node.stop().await;
    }
}
