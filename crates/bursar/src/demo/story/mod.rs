//! The journey, in the order of product.md's J1.

mod card;
mod customer;
mod desk;
mod money;

use std::path::Path;

use bursar_proto::common::v1::Money;
use bursar_proto::ledger::v1::{GetAccountRequest, ListPaymentsRequest, Merchant};
use serde::{Deserialize, Serialize};

use super::report::Report;
use super::secrets::Secrets;
use super::shop::Shop;
use crate::outside::callers::{Callers, ask};
use crate::outside::customer::Customer;
use crate::outside::{books, decimal};
use crate::platform::{Endpoints, recall, remember};

/// Asset of the journey.
const ASSET: &str = "CNY";
/// What the bank reports, in fen.
const TOP_UP: i64 = 1_000_000;
/// Bought in the wallet with the card password, in fen.
const IN_APP: i64 = 12_800;
/// Bought in a shop abroad of us, over ISO 8583, in fen.
const AT_POS: i64 = 8_850;
/// Over the product's limit of 5 000.00 a payment, in fen.
const TOO_MUCH: i64 = 600_000;
/// Tried while the card is frozen, in fen.
const WHILE_FROZEN: i64 = 2_000;
/// Bought after the freeze is lifted, in fen.
const AFTER: i64 = 1_200;

fn fen(minor_units: i64) -> Money {
    Money { minor_units, asset: ASSET.into() }
}

fn shop_as_merchant() -> Merchant {
    Merchant {
        merchant_id: "DEMOSHOP0000001".into(),
        name: "Demo Tea House".into(),
        mcc: "5499".into(),
        country: "CN".into(),
    }
}

/// What a run leaves for the next one to find again.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Memory {
    runs: Vec<Run>,
}

/// One earlier run.
#[derive(Debug, Serialize, Deserialize)]
struct Run {
    customer_id: String,
    account_id: String,
    posted: i64,
    payments: usize,
}

/// Plays it all.
pub(super) async fn play(
    report: &mut Report,
    endpoints: &Endpoints,
    memory: &Path,
    secrets: &mut Secrets,
) -> Result<(), String> {
    let callers = Callers::new(endpoints).map_err(|exit| exit.line)?;
    let mut remembered: Memory = recall(memory).map_err(|exit| exit.line)?;
    if !remembered.runs.is_empty() {
        report.begin("earlier_runs", "looking for what earlier runs left");
        let found = earlier_runs(&callers, &remembered).await?;
        report.held(&found);
    }

    let product = desk::product(report, &callers).await?;
    let mut customer = customer::sign_up(report, &callers).await?;
    customer::log_in(report, &callers, &mut customer).await?;
    let case = customer::apply(report, &callers, &mut customer).await?;
    desk::review(report, &callers, &case).await?;
    let account = money::open_account(report, &callers, &customer).await?;
    money::top_up(report, &callers, &customer, &account).await?;

    let card = card::issue(report, &callers, &mut customer, &account, &product).await?;
    secrets.card_password.push(card.password.clone());
    let shop = Shop::open().await?;
    desk::webhook(report, &callers, &shop).await?;
    card::pay_with_password(report, &callers, &customer, &card, &shop).await?;
    let plastic = card::reveal(report, &callers, &customer, &card).await?;
    secrets.pan.push(plastic.pan.clone());
    secrets.cvv2.push(plastic.cvv2.clone());
    secrets.password.push(customer.password.clone());
    secrets.one_time_code.append(&mut customer.codes);
    card::pay_at_pos(report, endpoints, &plastic).await?;
    card::over_the_limit(report, endpoints, &plastic).await?;
    card::freeze(report, &callers, &customer, &card, endpoints, &plastic).await?;
    card::unfreeze(report, &callers, &customer, &card, endpoints, &plastic).await?;

    let payments = money::history(report, &callers, &customer, &card.id).await?;
    customer::notifications(report, &callers, &customer).await?;
    customer::english_friend(report, &callers).await?;
    let posted = check_books(report, &callers, endpoints, &customer, &account.account_id).await?;

    remembered.runs.push(Run {
        customer_id: customer.id.clone(),
        account_id: account.account_id,
        posted,
        payments,
    });
    remember(memory, &remembered).map_err(|exit| exit.line)
}

async fn earlier_runs(callers: &Callers, memory: &Memory) -> Result<String, String> {
    for run in &memory.runs {
        let request = GetAccountRequest { account_id: run.account_id.clone(), at_least_position: 0 };
        let account = ask!(callers.desk, get_account, request)?.account.unwrap_or_default();
        if account.posted != run.posted || account.customer_id != run.customer_id {
            return Err(format!("{} had {} posted, and now {}", run.account_id, run.posted, account.posted));
        }
        let request = ListPaymentsRequest {
            customer_id: run.customer_id.clone(),
            page_size: 1000,
            ..ListPaymentsRequest::default()
        };
        let payments = ask!(callers.payments_desk, list_payments, request)?.payments.len();
        if payments != run.payments {
            return Err(format!("{} had {} payments, and now {payments}", run.customer_id, run.payments));
        }
    }
    Ok(format!("{} earlier customers are there with their balances and payments", memory.runs.len()))
}

async fn check_books(
    report: &mut Report,
    callers: &Callers,
    endpoints: &Endpoints,
    customer: &Customer,
    account_id: &str,
) -> Result<i64, String> {
    report.begin("balance", "reading the account");
    let request = GetAccountRequest { account_id: account_id.to_owned(), at_least_position: 0 };
    let account = ask!(callers.accounts, get_account, request, &customer.token)?.account.unwrap_or_default();
    let (posted, held) = (TOP_UP - IN_APP, AT_POS + AFTER);
    if (account.posted, account.held, account.available) != (posted, held, posted - held) {
        return Err(format!(
            "posted {}, held {}, available {}; expected {posted}, {held}, {}",
            account.posted,
            account.held,
            account.available,
            posted - held
        ));
    }
    report.held(&format!(
        "available {} = posted {} − held {}",
        decimal(account.available),
        decimal(account.posted),
        decimal(account.held)
    ));

    report.begin("trial_balance", "summing every asset");
    let told = books::trial_balance(callers).await?;
    report.held(&format!("debits equal credits: {told}"));

    report.begin("balances", "checking every account");
    let accounts = books::balances(callers).await?;
    report.held(&format!("available = posted − held on all {accounts} accounts"));

    report.begin("events", "waiting until every event is taken");
    let told = books::consumers(callers).await?;
    report.held(&format!("every event consumed: {told}"));

    report.begin("journal", "replaying the journal");
    let position =
        books::verify(callers, |at, of| report.progress(&format!("replayed {at} of {of}"))).await?;
    report.held(&format!("journal verified up to position {position}: hashes, outcomes, projections"));

    report.begin("receipt", "checking a receipt offline");
    let told = books::receipt(callers, &endpoints.tls.ca, account_id).await?;
    report.held(&told);
    Ok(account.posted)
}
