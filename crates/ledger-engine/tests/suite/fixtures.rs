//! The things a small program is made of.

use bursar_ledger_engine::*;
use bursar_types::id::{CardProductId, CustomerId, ProgramId, Uuid};
use bursar_types::{Asset, Money, TypedId};

pub(crate) fn id<I: TypedId>(n: u128) -> I {
    I::from_uuid(Uuid::from_u128(n))
}

pub(crate) fn asset(code: &str) -> Asset {
    Asset::from_code(code).unwrap()
}

pub(crate) fn cny(minor_units: i64) -> Money {
    Money::new(minor_units, asset("CNY"))
}

pub(crate) fn text<const MAX: usize>(words: &str) -> Text<MAX> {
    Text::new(words).unwrap()
}

/// 2026-11-22 12:00 in China.
pub(crate) const NOON: i64 = 1_795_320_000;

pub(crate) const CUSTOMER: u128 = 10;
pub(crate) const PRODUCT: u128 = 20;
pub(crate) const WALLET: u128 = 100;
pub(crate) const SETTLEMENT: u128 = 201;
pub(crate) const NOSTRO: u128 = 202;
pub(crate) const SUSPENSE: u128 = 203;
pub(crate) const FEES: u128 = 204;
pub(crate) const RECEIVABLE: u128 = 205;
pub(crate) const CARD: u128 = 300;

pub(crate) fn complete(card: u128) -> Action {
    Action::CompleteCardIssue {
        card: id(card),
        masked_pan: text("622848******1234"),
        expiry: CardExpiry::new(2029, 11).unwrap(),
    }
}

pub(crate) fn activate(card: u128) -> Action {
    Action::ActivateCard { card: id(card), channel: text("app") }
}

pub(crate) fn close(close: CloseReason) -> Action {
    Action::CloseCard { card: id(CARD), close, reason: text("why"), channel: text("app") }
}

pub(crate) fn merchant(mcc: u16, country: &str) -> Merchant {
    Merchant {
        id: text("M-1"),
        name: text("Corner shop"),
        country: Country::new(country).unwrap(),
        mcc: Mcc::new(mcc).unwrap(),
    }
}

pub(crate) fn spec() -> ProductSpec {
    ProductSpec {
        name: text("Wallet card"),
        bin_range: text("bin-1"),
        asset: asset("CNY"),
        validity_months: 36,
        min_kyc_level: 1,
        needs: Vec::new(),
        controls: Vec::new(),
        hold_policy: HoldPolicy::standard(),
        tolerances: Tolerance::standard(50_000),
        fees: Vec::new(),
    }
}

pub(crate) fn settings() -> ProgramSettings {
    ProgramSettings {
        program: id::<ProgramId>(1),
        name: text("Program"),
        country: Country::new("CN").unwrap(),
        zone: ZoneOffset::from_minutes(480).unwrap(),
        accounts: vec![AssetAccounts {
            asset: asset("CNY"),
            settlement: id(SETTLEMENT),
            nostro: id(NOSTRO),
            suspense: id(SUSPENSE),
            fee_income: id(FEES),
            receivable: id(RECEIVABLE),
        }],
    }
}

pub(crate) fn wallet() -> OpenAccount {
    OpenAccount {
        account: id(WALLET),
        asset: asset("CNY"),
        normal: NormalSide::Credit,
        limit: BalanceLimit::NoOverdraft,
        code: AccountCode::CUSTOMER_WALLET,
        owner: Some(id::<CustomerId>(CUSTOMER)),
        funding_reference: Some(text("WALLET")),
        reference: text(""),
        metadata: Metadata::default(),
    }
}

pub(crate) fn internal(account: u128) -> OpenAccount {
    OpenAccount {
        account: id(account),
        limit: BalanceLimit::Unlimited,
        owner: None,
        funding_reference: None,
        ..wallet()
    }
}

pub(crate) fn control(number: u16, rule: Rule) -> Control {
    Control::new(number, Match::default(), rule)
}

pub(crate) fn limit(number: u16, measure: Measure, window: Window) -> Control {
    control(number, Rule::Limit { measure, window, per: CountedPer::Card })
}

pub(crate) fn on_card() -> ControlScope {
    ControlScope::Card(id(CARD))
}

pub(crate) fn product() -> CardProductId {
    id(PRODUCT)
}
