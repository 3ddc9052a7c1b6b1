//! AccountService.

use bursar_ledger_engine::{
    AccountCode, Action, BalanceLimit, Command, Engine, Metadata, NormalSide, OpenAccount, Reference,
    RefusalReason,
};
use bursar_proto::ledger::v1 as proto;
use bursar_proto::ledger::v1::account_service_server::AccountService;
use bursar_service::paging::Page;
use bursar_service::{CallContext, Invalid, OrStatus as _, parse};
use bursar_types::id::{AccountId, CustomerId};
use tonic::{Request, Response, Status};

use super::account_changes::{close_order, freeze_order, limit_order, unfreeze_order};
use super::{Api, Caller, actor, listed_customer, own, reader};
use crate::derive;
use crate::error::LedgerError;
use crate::journal::Body;
use crate::project::public::{self, Reader};
use crate::store::projection;
use crate::writer::{Answer, Order};

#[tonic::async_trait]
impl AccountService for Api {
    async fn open_account(
        &self,
        request: Request<proto::OpenAccountRequest>,
    ) -> Result<Response<proto::OpenAccountResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let customer = context.require_customer()?.customer_id;
        let message = request.into_inner();
        let request_id = parse::request_id(&message.request_id).or_status()?;
        let asset = parse::asset("asset", &message.asset).or_status()?;
        if !self.0.program.assets.contains(&asset) {
            return Err(Invalid::new().field("asset", "must be one of the program's")).or_status();
        }
        let body = Body::new("OpenAccount", &context.principal()).field("asset", asset.code()).finish();
        let account: AccountId = self.0.handle.shared.ids.next();
        let open = OpenAccount {
            account,
            asset,
            normal: NormalSide::Credit,
            limit: BalanceLimit::NoOverdraft,
            code: AccountCode::CUSTOMER_WALLET,
            owner: Some(customer),
            funding_reference: Some(derive::funding_reference(account)),
            reference: Reference::default(),
            metadata: Metadata::default(),
        };
        let action = Action::OpenAccount(Box::new(open));
        let command = Command { request_id, actor: actor(&context), action };
        let order = Order { command, body: Some(body), proof: None };
        let (account, position) = self.open(order, customer).await.or_status()?;
        Ok(Response::new(proto::OpenAccountResponse { account: Some(account), position }))
    }

    async fn get_account(
        &self,
        request: Request<proto::GetAccountRequest>,
    ) -> Result<Response<proto::GetAccountResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let message = request.into_inner();
        let id: AccountId = parse::id("account_id", &message.account_id).or_status()?;
        let wanted =
            parse::number("at_least_position", message.at_least_position, 0..=i64::MAX).or_status()?;
        let (account, position) = self.account(&context, id).await.or_status()?;
        if position < wanted {
            return Err(LedgerError::NotYet { wanted, reached: position }).or_status();
        }
        let account = Some(public::account(&account, reader(&context)));
        Ok(Response::new(proto::GetAccountResponse { account, position }))
    }

    async fn list_accounts(
        &self,
        request: Request<proto::ListAccountsRequest>,
    ) -> Result<Response<proto::ListAccountsResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let message = request.into_inner();
        let asked: Option<CustomerId> =
            parse::optional_id("customer_id", &message.customer_id).or_status()?;
        let owner = listed_customer(&context, asked).or_status()?.map(|owner| owner.to_string());
        let query = format!("ListAccounts {}", owner.as_deref().unwrap_or_default());
        let page = Page::<String>::parse(message.page_size, &message.page_token, &query).or_status()?;
        // Everything acknowledged before this call is in what is read.
        self.0.handle.settled(0).await.or_status()?;
        let (db, shard, reader) = (&self.0.handle.shared.db, self.0.handle.shared.shard, reader(&context));
        let rows = db.read(|tx| {
            let (owner, page) = (owner.clone(), &page);
            Box::pin(projection::accounts(tx, shard, owner, page.after(), page.limit()))
        });
        let rows = rows.await.or_status()?;
        let (ids, next_page_token) = page.finish(rows, ToString::to_string);
        let look =
            move |engine: &Engine, _| ids.iter().filter_map(|id| engine.account(*id).cloned()).collect();
        let found: Vec<_> = self.0.handle.read(look).await.or_status()?;
        let accounts = found.iter().map(|account| public::account(account, reader)).collect();
        Ok(Response::new(proto::ListAccountsResponse { accounts, next_page_token }))
    }

    async fn create_account(
        &self,
        request: Request<proto::CreateAccountRequest>,
    ) -> Result<Response<proto::CreateAccountResponse>, Status> {
        let caller = Caller::of(CallContext::of(&request));
        let (account, position) = self.create(&caller, request.get_ref()).await.or_status()?;
        Ok(Response::new(proto::CreateAccountResponse { account: Some(account), position }))
    }

    async fn set_balance_limit(
        &self,
        request: Request<proto::SetBalanceLimitRequest>,
    ) -> Result<Response<proto::SetBalanceLimitResponse>, Status> {
        let caller = Caller::of(CallContext::of(&request));
        let order = limit_order(&caller, request.get_ref()).or_status()?;
        let (account, position) = self.changed(order).await.or_status()?;
        Ok(Response::new(proto::SetBalanceLimitResponse { account: Some(account), position }))
    }

    async fn freeze_account(
        &self,
        request: Request<proto::FreezeAccountRequest>,
    ) -> Result<Response<proto::FreezeAccountResponse>, Status> {
        let caller = Caller::of(CallContext::of(&request));
        let order = freeze_order(&caller, request.get_ref()).or_status()?;
        let (account, position) = self.changed(order).await.or_status()?;
        Ok(Response::new(proto::FreezeAccountResponse { account: Some(account), position }))
    }

    async fn unfreeze_account(
        &self,
        request: Request<proto::UnfreezeAccountRequest>,
    ) -> Result<Response<proto::UnfreezeAccountResponse>, Status> {
        let caller = Caller::of(CallContext::of(&request));
        let order = unfreeze_order(&caller, request.get_ref()).or_status()?;
        let (account, position) = self.changed(order).await.or_status()?;
        Ok(Response::new(proto::UnfreezeAccountResponse { account: Some(account), position }))
    }

    async fn close_account(
        &self,
        request: Request<proto::CloseAccountRequest>,
    ) -> Result<Response<proto::CloseAccountResponse>, Status> {
        let caller = Caller::of(CallContext::of(&request));
        let order = close_order(&caller, request.get_ref()).or_status()?;
        let (account, position) = self.changed(order).await.or_status()?;
        Ok(Response::new(proto::CloseAccountResponse { account: Some(account), position }))
    }

    async fn list_entries(
        &self,
        request: Request<proto::ListEntriesRequest>,
    ) -> Result<Response<proto::ListEntriesResponse>, Status> {
        let context = CallContext::of(&request).clone();
        self.entries_page(&context, request.into_inner()).await.map(Response::new)
    }

    async fn get_balance(
        &self,
        request: Request<proto::GetBalanceRequest>,
    ) -> Result<Response<proto::GetBalanceResponse>, Status> {
        let context = CallContext::of(&request).clone();
        self.balance(&context, request.into_inner()).await.map(Response::new)
    }

    async fn get_statement(
        &self,
        request: Request<proto::GetStatementRequest>,
    ) -> Result<Response<proto::GetStatementResponse>, Status> {
        let context = CallContext::of(&request).clone();
        self.statement(&context, request.into_inner()).await.map(Response::new)
    }
}

impl Api {
    /// Opens an account of a customer in good standing.
    async fn open(&self, order: Order, customer: CustomerId) -> Result<(proto::Account, i64), LedgerError> {
        self.0.issuer.verified_level(customer, order.command.request_id).await?;
        let answer = match self.0.handle.submit(order).await {
            // Two accounts with one reference: as good as impossible, and the next id has another.
            Err(LedgerError::Refused(refusal)) if refusal.reason == RefusalReason::AlreadyExists => {
                return Err(LedgerError::OutcomeUnknown);
            }
            other => other?,
        };
        opened(&answer, Reader::Customer)
    }

    /// An account from memory that the caller may see, with the position it is of.
    pub(super) async fn account(
        &self,
        context: &CallContext,
        id: AccountId,
    ) -> Result<(bursar_ledger_engine::Account, i64), LedgerError> {
        let look = self.0.handle.read(move |engine, position| (engine.account(id).cloned(), position));
        let (account, position) = look.await?;
        let account = account.ok_or(LedgerError::NotFound("account"))?;
        own(context, account.owner)?;
        Ok((account, position))
    }
}

/// The account as it was right after it was opened, also for a repeated request: an opening tells all of it.
pub(super) fn opened(answer: &Answer, reader: Reader) -> Result<(proto::Account, i64), LedgerError> {
    let Action::OpenAccount(open) = &answer.known.command.action else {
        return Err(LedgerError::Internal("an account was opened by another command".into()));
    };
    let account = bursar_ledger_engine::Account {
        id: open.account,
        asset: open.asset,
        normal: open.normal,
        limit: open.limit,
        code: open.code,
        owner: open.owner,
        funding_reference: open.funding_reference.clone(),
        reference: open.reference.clone(),
        metadata: open.metadata.clone(),
        opened_at: answer.known.time,
        freezes: Vec::new(),
        closed_at: None,
        balances: bursar_ledger_engine::Balances::default(),
    };
    Ok((public::account(&account, reader), answer.known.position))
}
