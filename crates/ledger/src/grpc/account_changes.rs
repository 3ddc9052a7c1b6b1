//! Accounts that are set up, limited, frozen and closed.

use bursar_ledger_engine::{
    AccountCode, Action, BalanceLimit, FreezeHolder, FreezeScope, MAX_METADATA_KEY, MAX_METADATA_PAIRS,
    MAX_METADATA_VALUE, Metadata, NormalSide, OpenAccount, Outcome,
};
use bursar_proto::ledger::v1 as proto;
use bursar_service::{Invalid, parse};
use bursar_types::id::{AccountId, CustomerId};

use super::accounts::opened;
use super::{Api, Caller, bounded, reason, reference};
use crate::error::LedgerError;
use crate::project::public::{self, OWN_CODES, Reader, holder_text};
use crate::writer::Order;

fn limit(message: Option<&proto::BalanceLimit>) -> Result<BalanceLimit, Invalid> {
    use proto::balance_limit::Bound;

    let wrong = |field: &str, what: &str| Err(Invalid::new().field(field, what));
    match message.and_then(|message| message.bound.as_ref()) {
        Some(Bound::Overdraft(0)) => Ok(BalanceLimit::NoOverdraft),
        Some(Bound::Overdraft(bound @ 1..)) => Ok(BalanceLimit::Overdraft(*bound)),
        Some(Bound::Overdraft(_)) => wrong("limit.overdraft", "must not be negative"),
        Some(Bound::Unlimited(true)) => Ok(BalanceLimit::Unlimited),
        Some(Bound::Unlimited(false)) => wrong("limit.unlimited", "must be true, or not be set"),
        None => wrong("limit", "is required: overdraft or unlimited"),
    }
}

/// The bytes of a limit in a request's digest.
fn limit_text(limit: BalanceLimit) -> String {
    match limit {
        BalanceLimit::NoOverdraft => "0".into(),
        BalanceLimit::Overdraft(bound) => bound.to_string(),
        BalanceLimit::Unlimited => "unlimited".into(),
    }
}

fn metadata(pairs: &std::collections::BTreeMap<String, String>) -> Result<Metadata, Invalid> {
    if pairs.len() > MAX_METADATA_PAIRS {
        return Err(Invalid::new().field("metadata", format!("must be at most {MAX_METADATA_PAIRS} pairs")));
    }
    let mut kept = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        let key = parse::text("metadata", key, 1..=MAX_METADATA_KEY)
            .and_then(|key| bounded("metadata", key, MAX_METADATA_KEY))?;
        kept.push((key, bounded("metadata", value, MAX_METADATA_VALUE)?));
    }
    Metadata::new(kept).map_err(|error| Invalid::new().field("metadata", error.to_string()))
}

fn holder(text: &str) -> Result<FreezeHolder, Invalid> {
    let found = FreezeHolder::ALL.iter().copied().find(|holder| holder_text(*holder) == text);
    found.ok_or_else(|| {
        let all: Vec<_> = FreezeHolder::ALL.iter().map(|holder| holder_text(*holder)).collect();
        Invalid::new().field("holder", format!("must be one of {}", all.join(", ")))
    })
}

fn code(number: i32) -> Result<AccountCode, Invalid> {
    let number = parse::number("code", number, i32::from(OWN_CODES)..=i32::from(u16::MAX))?;
    // In range, as has just been seen.
    Ok(AccountCode(u16::try_from(number).unwrap_or(u16::MAX)))
}

pub(super) fn limit_order(
    caller: &Caller,
    message: &proto::SetBalanceLimitRequest,
) -> Result<Order, Invalid> {
    let request_id = parse::request_id(&message.request_id)?;
    let account: AccountId = parse::id("account_id", &message.account_id)?;
    let limit = limit(message.limit.as_ref())?;
    let body = caller
        .body("SetBalanceLimit")
        .field("account_id", &message.account_id)
        .field("limit", limit_text(limit))
        .finish();
    Ok(caller.order(request_id, Action::SetBalanceLimit { account, limit }, body))
}

pub(super) fn freeze_order(caller: &Caller, message: &proto::FreezeAccountRequest) -> Result<Order, Invalid> {
    let request_id = parse::request_id(&message.request_id)?;
    let scope = match parse::enumeration("scope", message.scope)? {
        proto::FreezeScope::All => FreezeScope::All,
        proto::FreezeScope::Debits | proto::FreezeScope::Unspecified => FreezeScope::Debits,
    };
    let action = Action::FreezeAccount {
        account: parse::id("account_id", &message.account_id)?,
        holder: holder(&message.holder)?,
        scope,
        reason: reason("reason", &message.reason)?,
    };
    let body = caller
        .body("FreezeAccount")
        .field("account_id", &message.account_id)
        .field("holder", &message.holder)
        .number("scope", message.scope.into())
        .field("reason", &message.reason)
        .finish();
    Ok(caller.order(request_id, action, body))
}

pub(super) fn unfreeze_order(
    caller: &Caller,
    message: &proto::UnfreezeAccountRequest,
) -> Result<Order, Invalid> {
    let request_id = parse::request_id(&message.request_id)?;
    let action = Action::UnfreezeAccount {
        account: parse::id("account_id", &message.account_id)?,
        holder: holder(&message.holder)?,
        reason: reason("reason", &message.reason)?,
    };
    let body = caller
        .body("UnfreezeAccount")
        .field("account_id", &message.account_id)
        .field("holder", &message.holder)
        .field("reason", &message.reason)
        .finish();
    Ok(caller.order(request_id, action, body))
}

pub(super) fn close_order(caller: &Caller, message: &proto::CloseAccountRequest) -> Result<Order, Invalid> {
    let request_id = parse::request_id(&message.request_id)?;
    let account: AccountId = parse::id("account_id", &message.account_id)?;
    let body = caller.body("CloseAccount").field("account_id", &message.account_id).finish();
    Ok(caller.order(request_id, Action::CloseAccount { account }, body))
}

impl Api {
    /// Opens an account of the program's own, or of a customer in good standing.
    pub(super) async fn create(
        &self,
        caller: &Caller,
        message: &proto::CreateAccountRequest,
    ) -> Result<(proto::Account, i64), LedgerError> {
        let order = self.open_order(caller, message)?;
        if let Action::OpenAccount(open) = &order.command.action
            && let Some(customer) = open.owner
        {
            self.0.issuer.verified_level(customer, order.command.request_id).await?;
        }
        opened(&self.0.handle.submit(order).await?, Reader::Staff)
    }

    fn open_order(&self, caller: &Caller, message: &proto::CreateAccountRequest) -> Result<Order, Invalid> {
        let request_id = parse::request_id(&message.request_id)?;
        let asset = parse::asset("asset", &message.asset)?;
        // A currency needs the program's bank account in it; what is no currency of ISO 4217 needs none.
        if !self.0.program.assets.contains(&asset) && asset.numeric().is_some() {
            let wanted = "must be one of the program's, POINTS or a digital currency";
            return Err(Invalid::new().field("asset", wanted));
        }
        let normal = match parse::enumeration("normal_side", message.normal_side)? {
            proto::NormalSide::Debit => NormalSide::Debit,
            proto::NormalSide::Credit | proto::NormalSide::Unspecified => NormalSide::Credit,
        };
        let limit = match &message.limit {
            None => BalanceLimit::NoOverdraft,
            given => limit(given.as_ref())?,
        };
        let owner: Option<CustomerId> = parse::optional_id("customer_id", &message.customer_id)?;
        let open = OpenAccount {
            account: self.0.handle.shared.ids.next(),
            asset,
            normal,
            limit,
            code: code(message.code)?,
            owner,
            funding_reference: None,
            reference: reference("reference", &message.reference, 64)?,
            metadata: metadata(&message.metadata)?,
        };
        let pairs: Vec<_> = message.metadata.iter().collect();
        let body = caller
            .body("CreateAccount")
            .field("asset", asset.code())
            .number("normal_side", message.normal_side.into())
            .field("limit", limit_text(limit))
            .number("code", message.code.into())
            .field("reference", &message.reference)
            .items("metadata", &pairs, |(key, value), out| {
                // The key's length first, so that the two do not run into each other.
                out.extend((key.len() as u64).to_be_bytes());
                out.extend(key.bytes().chain(value.bytes()));
            })
            .field("customer_id", &message.customer_id)
            .finish();
        Ok(caller.order(request_id, Action::OpenAccount(Box::new(open)), body))
    }

    /// Has an account changed: the account as it was right after.
    pub(super) async fn changed(&self, order: Order) -> Result<(proto::Account, i64), LedgerError> {
        let answer = self.0.handle.submit(order).await?;
        let position = answer.known.position;
        match (&answer.known.outcome, &answer.known.command.action) {
            (Outcome::Account(account), _) => Ok((public::account(account, Reader::Staff), position)),
            // The first release did not write what became of the account: what it is now is all there is.
            (
                Outcome::Done,
                Action::SetBalanceLimit { account, .. }
                | Action::FreezeAccount { account, .. }
                | Action::UnfreezeAccount { account, .. }
                | Action::CloseAccount { account },
            ) => {
                let id = *account;
                let account = self.0.handle.read(move |engine, _| engine.account(id).cloned()).await?;
                let account = account.ok_or(LedgerError::NotFound("account"))?;
                Ok((public::account(&account, Reader::Staff), position))
            }
            _ => Err(LedgerError::Internal("an account was changed by another command".into())),
        }
    }
}
