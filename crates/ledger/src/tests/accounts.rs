//! Accounts of the issuer's own: opened, limited, frozen, closed.

use bursar_proto::ledger::v1 as proto;
use bursar_proto::ledger::v1::account_service_server::AccountService as _;
use bursar_service::Identity;
use bursar_testkit::on_both_databases;
use tonic::Status;

use crate::peers::CustomerFacts;

use super::desk::{Wrong, limit, opening, order, told};
use super::world::{Node, World, by, by_customer, customer, reason, uuid, yuan};

type Change = fn(&mut proto::CreateAccountRequest);

fn insert(request: &mut proto::CreateAccountRequest, key: &str, value: &str) {
    request.metadata.insert(key.into(), value.into());
}

/// What makes an opening wrong, with the field that is told.
const WRONG: &[(Change, &str)] = &[
    (|o| o.asset = String::new(), "asset"),
    (|o| o.asset = "XXXX".into(), "asset"),
    (|o| o.asset = "EUR".into(), "asset"),
    (|o| o.normal_side = 0, "normal_side"),
    (|o| o.normal_side = 3, "normal_side"),
    (|o| o.code = 0, "code"),
    (|o| o.code = 999, "code"),
    (|o| o.code = 65_536, "code"),
    (|o| o.reference = "r".repeat(65), "reference"),
    (|o| o.limit = Some(proto::BalanceLimit::default()), "limit"),
    (|o| o.limit = limit(Some(-1)), "limit.overdraft"),
    (
        |o| {
            let bound = Some(proto::balance_limit::Bound::Unlimited(false));
            o.limit = Some(proto::BalanceLimit { bound });
        },
        "limit.unlimited",
    ),
    (|o| insert(o, "", "x"), "metadata"),
    (|o| insert(o, &"k".repeat(33), "x"), "metadata"),
    (|o| insert(o, "k", &"v".repeat(141)), "metadata"),
    (|o| (0..17).for_each(|n| insert(o, &n.to_string(), "x")), "metadata"),
    (|o| o.customer_id = "acct_x".into(), "customer_id"),
];

fn freeze(account: &str, holder: &str, scope: proto::FreezeScope) -> proto::FreezeAccountRequest {
    proto::FreezeAccountRequest {
        request_id: uuid(),
        account_id: account.into(),
        holder: holder.into(),
        scope: scope.into(),
        reason: "looked at".into(),
    }
}

fn lift(account: &str, holder: &str) -> proto::UnfreezeAccountRequest {
    proto::UnfreezeAccountRequest {
        request_id: uuid(),
        account_id: account.into(),
        holder: holder.into(),
        reason: "cleared".into(),
    }
}

impl Node {
    async fn freeze(
        &self,
        caller: Identity,
        message: proto::FreezeAccountRequest,
    ) -> Result<proto::Account, Status> {
        Ok(self.api.freeze_account(by(caller, message)).await?.into_inner().account.unwrap())
    }

    async fn lift(
        &self,
        caller: Identity,
        message: proto::UnfreezeAccountRequest,
    ) -> Result<proto::Account, Status> {
        Ok(self.api.unfreeze_account(by(caller, message)).await?.into_inner().account.unwrap())
    }

    async fn limit(&self, message: proto::SetBalanceLimitRequest) -> Result<proto::Account, Status> {
        let answer = self.api.set_balance_limit(by(Identity::Operator, message)).await?;
        Ok(answer.into_inner().account.unwrap())
    }

    async fn close(&self, account: &str) -> Result<proto::CloseAccountResponse, Status> {
        let message = proto::CloseAccountRequest { request_id: uuid(), account_id: account.into() };
        Ok(self.api.close_account(by(Identity::Backend, message)).await?.into_inner())
    }
}

on_both_databases! {
    async fn an_account_is_told_as_it_was_opened(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let mut asked = proto::CreateAccountRequest {
            asset: "POINTS".into(),
            normal_side: proto::NormalSide::Debit.into(),
            code: 65_535,
            reference: "编".repeat(64),
            ..opening(limit(Some(500)))
        };
        insert(&mut asked, "team", "增长");
        insert(&mut asked, &"键".repeat(32), &"值".repeat(140));
        for (change, field) in WRONG {
            let mut wrong = asked.clone();
            change(&mut wrong);
            assert_eq!(told(&node.open(wrong).await.unwrap_err()), ("INVALID_FIELD", (*field).to_owned()));
        }
        let account = node.open(asked.clone()).await.unwrap();
        assert_eq!(account.kind(), proto::AccountKind::Other);
        assert_eq!((account.normal_side(), account.code), (proto::NormalSide::Debit, 65_535));
        assert_eq!((account.limit, account.asset.as_str()), (limit(Some(500)), "POINTS"));
        assert_eq!((&account.reference, &account.metadata), (&asked.reference, &asked.metadata));
        assert_eq!((account.customer_id.as_str(), account.funding_reference.as_str()), ("", ""));

        // Everywhere the same: from memory, from the projections, after a restart, and to who asks again.
        let listed = async |node: &Node| {
            let list = proto::ListAccountsRequest { page_size: 1_000, ..Default::default() };
            let page = node.api.list_accounts(by(Identity::Operator, list)).await.unwrap().into_inner();
            page.accounts.into_iter().find(|it| it.account_id == account.account_id).unwrap()
        };
        let same = async |node: &Node| {
            assert_eq!(node.balance(&account.account_id).await, account);
            assert_eq!(listed(node).await, account);
            assert_eq!(node.open(asked.clone()).await.unwrap(), account);
        };
        same(&node).await;
        node.stop().await;
        let node = world.node().await;
        same(&node).await;
        for (change, field) in [
            ((|o| o.asset = "BTC".into()) as Change, "asset"),
            (|o| o.normal_side = 2, "normal_side"),
            (|o| o.limit = limit(None), "limit"),
            (|o| o.code = 1_000, "code"),
            (|o| o.reference = String::new(), "reference"),
            (|o| insert(o, "team", "other"), "metadata"),
        ] {
            let mut other = asked.clone();
            change(&mut other);
            let refused = node.open(other).await.unwrap_err();
            assert_eq!(told(&refused), ("REQUEST_ID_REUSED", field.to_owned()));
        }
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;
    }

    async fn a_customer_must_be_active_for_an_account_too(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let owner = customer();
        let asked = proto::CreateAccountRequest { customer_id: owner.to_string(), ..opening(None) };
        let gone = CustomerFacts { active: false, state: "CLOSED".into(), kyc_level: 1 };
        node.peers.facts().customers.insert(owner, gone);
        assert_eq!(reason(&node.open(asked.clone()).await.unwrap_err()), "KYC_LEVEL_TOO_LOW");
        node.peers.facts().customers.clear();
        let account = node.open(asked).await.unwrap();
        assert_eq!(account.customer_id, owner.to_string());
        let own = proto::GetAccountRequest { account_id: account.account_id, at_least_position: 0 };
        node.api.get_account(by_customer(owner, own.clone())).await.unwrap();
        let stranger = node.api.get_account(by_customer(customer(), own)).await.unwrap_err();
        assert_eq!(reason(&stranger), "NOT_YOURS");
        node.stop().await;
    }

    async fn a_limit_is_not_set_below_where_the_account_stands(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let (from, to) = node.pair().await;
        let set = |account: &str, bound| proto::SetBalanceLimitRequest {
            request_id: uuid(), account_id: account.into(), limit: bound
        };
        let raised = node.limit(set(&to, limit(Some(100)))).await.unwrap();
        assert_eq!((raised.limit, raised.posted), (limit(Some(100)), 0));
        node.create(order(&to, &from, 100)).await.unwrap();
        assert_eq!(reason(&node.create(order(&to, &from, 1)).await.unwrap_err()), "INSUFFICIENT_FUNDS");
        let low = node.limit(set(&to, limit(Some(99)))).await.unwrap_err();
        assert_eq!(told(&low), ("INSUFFICIENT_FUNDS", "limit".to_owned()));
        for (bound, field) in [(None, "limit"), (limit(Some(-1)), "limit.overdraft")] {
            let wrong = node.limit(set(&to, bound)).await.unwrap_err();
            assert_eq!(told(&wrong), ("INVALID_FIELD", field.to_owned()));
        }
        let unknown = node.limit(set("acct_00000000000000000000000000", limit(None))).await.unwrap_err();
        assert_eq!(told(&unknown), ("ACCOUNT_NOT_FOUND", "account_id".to_owned()));
        // The program's own must always post.
        let list = proto::ListAccountsRequest { page_size: 1_000, ..Default::default() };
        let all = node.api.list_accounts(by(Identity::Operator, list)).await.unwrap().into_inner().accounts;
        let settlement = all.iter().find(|a| a.kind() == proto::AccountKind::Settlement).unwrap();
        let refused = node.limit(set(&settlement.account_id, limit(Some(0)))).await.unwrap_err();
        assert_eq!(told(&refused), ("WRONG_STATE", "account_id".to_owned()));

        let asked = set(&to, limit(None));
        let first = node.limit(asked.clone()).await.unwrap();
        node.create(order(&to, &from, 1)).await.unwrap();
        // As it was right after, for ever.
        assert_eq!(node.limit(asked.clone()).await.unwrap(), first);
        let other = proto::SetBalanceLimitRequest { limit: limit(Some(500)), ..asked.clone() };
        assert_eq!(told(&node.limit(other).await.unwrap_err()), ("REQUEST_ID_REUSED", "limit".to_owned()));
        node.stop().await;
        let node = world.node().await;
        assert_eq!(node.limit(asked).await.unwrap(), first);
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;
    }

    async fn a_freeze_stops_what_it_says_and_is_its_holders(database: TestDatabase) {
        use proto::FreezeScope::{All, Debits};
        const BACKEND: Identity = Identity::Backend;
        const OPERATOR: Identity = Identity::Operator;

        let world = World::new(database);
        let node = world.node().await;
        let (from, to) = node.pair().await;
        node.create(order(&from, &to, 100)).await.unwrap();

        let wrong: &[Wrong<proto::FreezeAccountRequest>] = &[
            (|f| f.holder = "court".into(), "INVALID_FIELD", "holder"),
            (|f| f.scope = 0, "INVALID_FIELD", "scope"),
            (|f| f.reason = String::new(), "INVALID_FIELD", "reason"),
            (|f| f.reason = "r".repeat(257), "INVALID_FIELD", "reason"),
            (|f| f.account_id = String::new(), "INVALID_FIELD", "account_id"),
        ];
        for (change, reason, field) in wrong {
            let mut message = freeze(&to, "issuer", Debits);
            change(&mut message);
            let refused = node.freeze(BACKEND, message).await.unwrap_err();
            assert_eq!(told(&refused), (*reason, (*field).to_owned()));
        }
        // Only the legal desk freezes for a court.
        let refused = node.freeze(OPERATOR, freeze(&to, "legal", All)).await.unwrap_err();
        assert_eq!(told(&refused), ("FREEZE_NOT_YOURS", "holder".to_owned()));

        let asked = freeze(&to, "issuer", Debits);
        let frozen = node.freeze(BACKEND, asked.clone()).await.unwrap();
        assert!(frozen.frozen);
        assert_eq!((frozen.freezes[0].holder.as_str(), frozen.freezes[0].scope()), ("issuer", Debits));
        assert_eq!((frozen.freezes[0].reason.as_str(), frozen.posted), ("looked at", 100));
        assert_eq!(reason(&node.create(order(&to, &from, 1)).await.unwrap_err()), "ACCOUNT_FROZEN");
        node.create(order(&from, &to, 1)).await.unwrap();
        // Again for the same holder, it replaces it.
        let wider = node.freeze(BACKEND, freeze(&to, "issuer", All)).await.unwrap();
        assert_eq!((wider.freezes.len(), wider.freezes[0].scope()), (1, All));
        assert_eq!(reason(&node.create(order(&from, &to, 1)).await.unwrap_err()), "ACCOUNT_FROZEN");
        assert_eq!(node.freeze(BACKEND, freeze(&to, "fraud", Debits)).await.unwrap().freezes.len(), 2);

        // The issuer's is lifted by an operator, the fraud desk's by neither.
        for (caller, holder) in [(BACKEND, "issuer"), (OPERATOR, "fraud")] {
            let refused = node.lift(caller, lift(&to, holder)).await.unwrap_err();
            assert_eq!(told(&refused), ("FREEZE_NOT_YOURS", "holder".to_owned()));
        }
        let none = node.lift(OPERATOR, lift(&to, "loss")).await.unwrap_err();
        assert_eq!(told(&none), ("NOT_FOUND", "holder".to_owned()));
        let lifted = node.lift(OPERATOR, lift(&to, "issuer")).await.unwrap();
        assert_eq!(lifted.freezes.iter().map(|f| f.holder.as_str()).collect::<Vec<_>>(), ["fraud"]);

        // For ever, whatever happened since.
        assert_eq!(node.freeze(BACKEND, asked.clone()).await.unwrap(), frozen);
        let other = proto::FreezeAccountRequest { scope: All.into(), ..asked.clone() };
        assert_eq!(told(&node.freeze(BACKEND, other).await.unwrap_err()), ("REQUEST_ID_REUSED", "scope".to_owned()));
        node.stop().await;
        let node = world.node().await;
        assert_eq!(node.freeze(BACKEND, asked).await.unwrap(), frozen);
        assert_eq!(node.balance(&to).await.freezes, lifted.freezes);
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;
    }

    async fn a_customer_is_told_of_their_own_freeze_only(database: TestDatabase) {
        use proto::FreezeScope::Debits;

        let world = World::new(database);
        let node = world.node().await;
        let owner = customer();
        let account = node.account(owner).await.account_id;
        node.freeze(Identity::Backend, freeze(&account, "fraud", Debits)).await.unwrap();
        node.freeze(Identity::Backend, freeze(&account, "customer", Debits)).await.unwrap();
        let get = proto::GetAccountRequest { account_id: account.clone(), at_least_position: 0 };
        let shown = node.api.get_account(by_customer(owner, get)).await.unwrap().into_inner().account.unwrap();
        let list = proto::ListAccountsRequest::default();
        let listed = node.api.list_accounts(by_customer(owner, list)).await.unwrap().into_inner().accounts;
        for account in [&shown, &listed[0]] {
            assert!(account.frozen);
            assert_eq!(account.freezes.iter().map(|f| f.holder.as_str()).collect::<Vec<_>>(), ["customer"]);
        }
        assert_eq!(node.balance(&account).await.freezes.len(), 2);
        node.stop().await;
    }

    async fn an_account_closes_at_zero_and_without_holds(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let (from, to) = node.pair().await;
        node.create(order(&from, &to, 10)).await.unwrap();
        assert_eq!(told(&node.close(&to).await.unwrap_err()), ("WRONG_STATE", "account_id".to_owned()));
        node.create(order(&to, &from, 10)).await.unwrap();
        let held = proto::CreateTransferRequest { hold_seconds: 60, ..order(&from, &to, 5) };
        let hold = node.create(held).await.unwrap().transfer.unwrap().transfer_id;
        assert_eq!(reason(&node.close(&to).await.unwrap_err()), "WRONG_STATE");
        let void = proto::VoidHoldRequest { request_id: uuid(), transfer_id: hold, amount: yuan(5) };
        node.void(void).await.unwrap();
        let closed = node.close(&to).await.unwrap();
        assert!(closed.position > 0 && closed.account.unwrap().close_time.is_some());
        assert_eq!(told(&node.close(&to).await.unwrap_err()), ("ACCOUNT_CLOSED", "account_id".to_owned()));
        assert_eq!(reason(&node.create(order(&from, &to, 1)).await.unwrap_err()), "ACCOUNT_CLOSED");
        // Cards pay from it, or the program works with it.
        let holder = node.holder(0).await;
        assert_eq!(reason(&node.close(&holder.account.account_id).await.unwrap_err()), "WRONG_STATE");
        assert!(node.balance(&to).await.close_time.is_some());
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;
    }
}
