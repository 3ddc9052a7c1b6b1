//! The program's own settings and accounts, journaled at the first start and when the configuration has changed.

use bursar_ledger_engine::{
    AccountCode, Action, Actor, AssetAccounts, BalanceLimit, Command, Metadata, Name, NormalSide,
    OpenAccount, ProgramSettings, Reference, Role,
};
use bursar_types::id::{AccountId, ProgramId};
use bursar_types::{Asset, RequestId, TypedId as _};

use crate::config::Program;
use crate::derive;
use crate::error::LedgerError;
use crate::writer::{Handle, Order};

/// The program's own accounts of one asset: what each is for, and its normal side.
const OWN_ACCOUNTS: [(AccountCode, NormalSide, &str); 5] = [
    (AccountCode::NETWORK_SETTLEMENT, NormalSide::Credit, "settlement"),
    (AccountCode::BANK_NOSTRO, NormalSide::Debit, "bank"),
    (AccountCode::SUSPENSE, NormalSide::Credit, "suspense"),
    (AccountCode::FEE_INCOME, NormalSide::Credit, "fee_income"),
    (AccountCode::RECEIVABLE, NormalSide::Debit, "receivable"),
];

/// The actor of what the ledger does by itself.
pub(crate) fn itself() -> Actor {
    Actor { role: Role::Service, name: Name::new("ledger").unwrap_or_default() }
}

/// The id of the program's own account for a purpose: it follows from the program, so that a second start does not
/// open a second one.
fn own_account(program: ProgramId, asset: Asset, purpose: &str) -> AccountId {
    let program = program.as_uuid();
    let parts = [program.as_bytes().as_slice(), asset.code().as_bytes(), purpose.as_bytes()];
    AccountId::from_uuid(derive::uuid("bursar.ledger.own-account", &parts))
}

/// The settings that the configuration says.
fn settings(program: &Program) -> ProgramSettings {
    let accounts = program.assets.iter().map(|asset| {
        let account = |purpose| own_account(program.id, *asset, purpose);
        AssetAccounts {
            asset: *asset,
            settlement: account("settlement"),
            nostro: account("bank"),
            suspense: account("suspense"),
            fee_income: account("fee_income"),
            receivable: account("receivable"),
        }
    });
    ProgramSettings {
        program: program.id,
        name: program.name.clone(),
        country: program.country,
        zone: program.zone,
        accounts: accounts.collect(),
    }
}

/// Brings the journal's settings to those of the configuration.
pub(crate) async fn establish(handle: &Handle, program: &Program) -> Result<(), LedgerError> {
    let mut wanted = settings(program);
    let found = handle.read(|engine, _| engine.program().cloned()).await?;
    // An asset that was left out of the configuration keeps its accounts: there may be money on them.
    if let Some(found) = &found {
        let gone = found.accounts.iter().filter(|a| !wanted.accounts.iter().any(|b| a.asset == b.asset));
        wanted.accounts.extend(gone.copied().collect::<Vec<_>>());
    }
    if found.as_ref() == Some(&wanted) {
        return Ok(());
    }
    for asset in &program.assets {
        for (code, normal, purpose) in OWN_ACCOUNTS {
            let account = own_account(program.id, *asset, purpose);
            let request_id = derive::request_id("bursar.ledger.open-own", &[account.as_uuid().as_bytes()]);
            let open = OpenAccount {
                account,
                asset: *asset,
                normal,
                limit: BalanceLimit::Unlimited,
                code,
                owner: None,
                funding_reference: None,
                reference: Reference::new(purpose).unwrap_or_default(),
                metadata: Metadata::default(),
            };
            let action = Action::OpenAccount(Box::new(open));
            handle.submit(Order::internal(Command { request_id, actor: itself(), action })).await?;
        }
    }
    let request_id = RequestId::from_uuid(handle.shared.ids.next_uuid());
    let action = Action::ConfigureProgram(Box::new(wanted));
    handle.submit(Order::internal(Command { request_id, actor: itself(), action })).await?;
    tracing::info!(program = %program.id, "the program's settings are journaled");
    Ok(())
}
