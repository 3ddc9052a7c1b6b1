//! A program from nothing to a paid purchase, by the engine alone: `cargo run -p bursar-ledger-engine --example first_payment`.
#![allow(clippy::print_stdout)] // its purpose

use bursar_ledger_engine::*;
use bursar_types::id::Uuid;
use bursar_types::{Asset, Money, RequestId, Timestamp, TypedId};

type Anyhow = Box<dyn std::error::Error>;

/// In a real process ids come from an `IdSource`; here they are numbers one can follow.
fn id<I: TypedId>(number: u128) -> I {
    I::from_uuid(Uuid::from_u128(number))
}

fn account(number: u128, asset: Asset, normal: NormalSide, code: AccountCode) -> OpenAccount {
    OpenAccount {
        account: id(number),
        asset,
        normal,
        limit: BalanceLimit::Unlimited,
        code,
        owner: None,
        funding_reference: None,
        reference: Reference::default(),
        metadata: Metadata::default(),
    }
}

fn main() -> Result<(), Anyhow> {
    let cny = Asset::from_code("CNY")?;
    let mut engine = Engine::new();
    let mut number = 0;
    let mut at = Timestamp::from_micros(1_795_320_000_000_000);
    let mut apply = |action: Action| {
        number += 1;
        at = at.plus(std::time::Duration::from_secs(1));
        let actor = Actor { role: Role::Operator, name: Name::default() };
        let command = Command { request_id: RequestId::from_uuid(Uuid::from_u128(number)), actor, action };
        let applied = engine.apply(at, &command);
        println!("{:?}\n    {} effects", applied.outcome, applied.effects.len());
        engine.check_invariants().map(|()| applied.outcome)
    };
    let violated = |all: Vec<Violation>| format!("{all:?}");

    // The program's own accounts, then its settings.
    let internal = [
        (1, NormalSide::Credit, AccountCode::NETWORK_SETTLEMENT),
        (2, NormalSide::Debit, AccountCode::BANK_NOSTRO),
        (3, NormalSide::Credit, AccountCode::SUSPENSE),
        (4, NormalSide::Credit, AccountCode::FEE_INCOME),
        (5, NormalSide::Debit, AccountCode::RECEIVABLE),
    ];
    for (number, normal, code) in internal {
        apply(Action::OpenAccount(Box::new(account(number, cny, normal, code)))).map_err(violated)?;
    }
    let accounts = AssetAccounts {
        asset: cny,
        settlement: id(1),
        nostro: id(2),
        suspense: id(3),
        fee_income: id(4),
        receivable: id(5),
    };
    let china = Country::new("CN").ok_or("a country has two letters")?;
    let settings = ProgramSettings {
        program: id(9),
        name: Name::new("Example program")?,
        country: china,
        zone: ZoneOffset::from_minutes(480).ok_or("no such zone")?,
        accounts: vec![accounts],
    };
    apply(Action::ConfigureProgram(Box::new(settings))).map_err(violated)?;

    // A product with a limit of 500.00 a day.
    let daily = Rule::Limit { measure: Measure::Amount(50_000), window: Window::Day, per: CountedPer::Card };
    let spec = ProductSpec {
        name: Name::new("Wallet card")?,
        bin_range: Reference::new("range-1")?,
        asset: cny,
        validity_months: 36,
        min_kyc_level: 1,
        needs: vec![ChannelNeeds { channel: Channel::Online, needs: Needs::CvvOrPassword }],
        controls: vec![Control { customer_can_change: true, ..Control::new(1, Match::default(), daily) }],
        hold_policy: HoldPolicy::standard(),
        tolerances: Tolerance::standard(100_000),
        fees: Vec::new(),
    };
    apply(Action::DraftProduct { product: id(20), spec: Box::new(spec) }).map_err(violated)?;
    apply(Action::ActivateProduct { product: id(20), version: 1 }).map_err(violated)?;

    // A customer's wallet, money from the bank, a card.
    let wallet = OpenAccount {
        limit: BalanceLimit::NoOverdraft,
        owner: Some(id(30)),
        funding_reference: Some(Reference::new("WALLET-30")?),
        ..account(40, cny, NormalSide::Credit, AccountCode::CUSTOMER_WALLET)
    };
    apply(Action::OpenAccount(Box::new(wallet))).map_err(violated)?;
    let credit = BookBankCredit {
        transfer: id(1_000),
        funding_reference: Reference::new("WALLET-30")?,
        amount: Money::new(80_000, cny),
        bank_reference: Note::new("salary")?,
        bank_transaction_id: Reference::new("2026112200001")?,
        value_date: None,
    };
    apply(Action::BookBankCredit(Box::new(credit))).map_err(violated)?;
    let request = RequestCard {
        card: id(50),
        product: id(20),
        account: id(40),
        customer: id(30),
        kyc_level: 1,
        single_use: false,
        merchant_lock: None,
        channel: Name::new("app")?,
        replaces: None,
    };
    apply(Action::RequestCard(Box::new(request))).map_err(violated)?;
    let masked_pan = MaskedPan::new("622848******1234")?;
    let expiry = CardExpiry::new(2029, 11).ok_or("no such month")?;
    apply(Action::CompleteCardIssue { card: id(50), masked_pan, expiry }).map_err(violated)?;
    apply(Action::ActivateCard { card: id(50), channel: Name::new("app")? }).map_err(violated)?;

    // A purchase within the limit, and one beyond what the day has left.
    for (number, amount) in [(2_000, 31_240), (3_000, 20_000)] {
        let ask = Authorize {
            payment: id(number),
            transfers: id(number + 1),
            card: id(50),
            kind: PaymentKind::Purchase,
            amount: Money::new(amount, cny),
            channel: Channel::Online,
            entry_mode: EntryMode::Keyed,
            merchant: Merchant {
                id: Reference::new("M-1")?,
                name: Name::new("Bookshop")?,
                country: china,
                mcc: Mcc::new(5942).ok_or("at most four digits")?,
            },
            verification: Verification { cvv: CvvResult::Matched, ..Verification::NONE },
            partial_allowed: false,
            capture_now: false,
            network_reference: None,
            approval_code: Some(Text::new("314159")?),
            outside: None,
            stand_in: false,
        };
        apply(Action::Authorize(Box::new(ask))).map_err(violated)?;
    }
    let left = engine.account(id(40)).map(Account::available);
    println!("available: {left:?} minor units");
    Ok(())
}
