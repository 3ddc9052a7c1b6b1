//! AccountService.

use bursar_ledger_engine::{
    AccountCode, Action, BalanceLimit, Command, NormalSide, OpenAccount, Reference, RefusalReason,
};
use bursar_proto::ledger::v1 as proto;
use bursar_proto::ledger::v1::account_service_server::AccountService;
use bursar_service::paging::Page;
use bursar_service::{CallContext, Invalid, OrStatus as _, parse};
use bursar_types::id::{AccountId, CustomerId};
use tonic::{Request, Response, Status};

use super::{Api, actor, listed_customer, own};
use crate::derive;
use crate::error::LedgerError;
use crate::journal::Body;
use crate::project::public;
use crate::store::{projection, read};
use crate::writer::Order;

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
        let account = Some(public::account(&account));
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
        let (db, shard) = (&self.0.handle.shared.db, self.0.handle.shared.shard);
        let rows = db.read(|tx| {
            let (owner, page) = (owner.clone(), &page);
            Box::pin(projection::accounts(tx, shard, owner, page.after(), page.limit()))
        });
        let rows = rows.await.or_status()?;
        let (rows, next_page_token) = page.finish(rows, |record| record.account.id.to_string());
        let accounts = rows.iter().map(public::account_row).collect();
        Ok(Response::new(proto::ListAccountsResponse { accounts, next_page_token }))
    }

    async fn list_entries(
        &self,
        request: Request<proto::ListEntriesRequest>,
    ) -> Result<Response<proto::ListEntriesResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let message = request.into_inner();
        let id: AccountId = parse::id("account_id", &message.account_id).or_status()?;
        let wanted =
            parse::number("at_least_position", message.at_least_position, 0..=i64::MAX).or_status()?;
        let query = format!("ListEntries {id}");
        let page = Page::<(i64, i64)>::parse(message.page_size, &message.page_token, &query).or_status()?;
        let (_, position) = self.account(&context, id).await.or_status()?;
        self.0.handle.projected(position.max(wanted)).await.or_status()?;
        let before = page.after().copied().unwrap_or((i64::MAX, i64::MAX));
        let account = id.to_string();
        let shared = &self.0.handle.shared;
        let rows =
            read::entries(&shared.db, shared.shard, &account, before, page.limit()).await.or_status()?;
        let (rows, next_page_token) = page.finish(rows, |(place, _)| *place);
        let entries = rows
            .iter()
            .map(|((position, _), entry)| public::entry(account.clone(), *position, entry))
            .collect();
        Ok(Response::new(proto::ListEntriesResponse { entries, next_page_token }))
    }

    async fn create_account(
        &self,
        _request: Request<proto::CreateAccountRequest>,
    ) -> Result<Response<proto::CreateAccountResponse>, Status> {
        Err(Status::unimplemented("not in this build"))
    }

    async fn set_balance_limit(
        &self,
        _request: Request<proto::SetBalanceLimitRequest>,
    ) -> Result<Response<proto::SetBalanceLimitResponse>, Status> {
        Err(Status::unimplemented("not in this build"))
    }

    async fn freeze_account(
        &self,
        _request: Request<proto::FreezeAccountRequest>,
    ) -> Result<Response<proto::FreezeAccountResponse>, Status> {
        Err(Status::unimplemented("not in this build"))
    }

    async fn unfreeze_account(
        &self,
        _request: Request<proto::UnfreezeAccountRequest>,
    ) -> Result<Response<proto::UnfreezeAccountResponse>, Status> {
        Err(Status::unimplemented("not in this build"))
    }

    async fn close_account(
        &self,
        _request: Request<proto::CloseAccountRequest>,
    ) -> Result<Response<proto::CloseAccountResponse>, Status> {
        Err(Status::unimplemented("not in this build"))
    }

    async fn get_balance(
        &self,
        _request: Request<proto::GetBalanceRequest>,
    ) -> Result<Response<proto::GetBalanceResponse>, Status> {
        Err(Status::unimplemented("not in this build"))
    }

    async fn get_statement(
        &self,
        _request: Request<proto::GetStatementRequest>,
    ) -> Result<Response<proto::GetStatementResponse>, Status> {
        Err(Status::unimplemented("not in this build"))
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
        let Action::OpenAccount(open) = &answer.known.command.action else {
            return Err(LedgerError::Internal("an account was opened by another command".into()));
        };
        // As it was right after it was opened, also for a repeated request.
        let account = bursar_ledger_engine::Account {
            id: open.account,
            asset: open.asset,
            normal: open.normal,
            limit: open.limit,
            code: open.code,
            owner: open.owner,
            funding_reference: open.funding_reference.clone(),
            reference: open.reference.clone(),
            opened_at: answer.known.time,
            freezes: Vec::new(),
            closed_at: None,
            balances: bursar_ledger_engine::Balances::default(),
        };
        Ok((public::account(&account), answer.known.position))
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
