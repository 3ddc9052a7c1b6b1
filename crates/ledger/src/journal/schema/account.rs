//! Accounts, who acts, the program.

use bursar_ledger_engine::{
    Account, AccountCode, AccountFreeze, Actor, AssetAccounts, BalanceLimit, Balances, Country,
    CustomerStanding, CustomerStatus, FreezeHolder, FreezeScope, Metadata, NormalSide, OpenAccount,
    ProgramSettings, Role, ZoneOffset,
};

use crate::wire::{Fields, Item, Raw, Wire, WireError, message, numbers, oneof, put_bytes};

numbers! {
    NormalSide { 1 Debit, 2 Credit }
    FreezeScope { 1 Debits, 2 All }
    FreezeHolder { 1 Customer, 2 Issuer, 3 Fraud, 4 Loss, 5 Legal }
    Role { 1 Customer, 2 Operator, 3 FraudDesk, 4 LegalDesk, 5 Service, 6 Network }
    CustomerStatus { 1 Active, 2 Suspended, 3 Closed }
}

oneof! {
    BalanceLimit { 1 NoOverdraft, 2 Overdraft(bound), 3 Unlimited }
}

message! {
    Actor { 1 role, 2 name }
    AccountFreeze { 1 holder, 2 scope, 3 reason, 4 at }
    Balances { 1 posted_debits, 2 posted_credits, 3 pending_debits, 4 pending_credits }
    Account {
        1 id, 2 asset, 3 normal, 4 limit, 5 code, 6 owner, 7 funding_reference, 8 reference, 9 opened_at,
        10 freezes, 11 closed_at, 12 balances, 13 metadata,
    }
    OpenAccount {
        1 account, 2 asset, 3 normal, 4 limit, 5 code, 6 owner, 7 funding_reference, 8 reference, 9 metadata,
    }
    AssetAccounts { 1 asset, 2 settlement, 3 nostro, 4 suspense, 5 fee_income, 6 receivable }
    ProgramSettings { 1 program, 2 name, 3 country, 4 zone, 5 accounts }
    CustomerStanding { 1 customer, 2 status, 3 kyc_level, 4 since }
}

impl Wire for AccountCode {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        self.0.put(tag, out);
    }
    fn from_raw(raw: Raw<'_>) -> Result<Self, WireError> {
        u16::from_raw(raw).map(Self)
    }
}

/// A list of pairs.
impl Wire for Metadata {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        for pair in self.pairs() {
            pair.put(tag, out);
        }
    }
    fn from_raw(raw: Raw<'_>) -> Result<Self, WireError> {
        metadata(std::iter::once(raw))
    }
    fn is_default(&self) -> bool {
        self.is_empty()
    }
    fn absent() -> Result<Self, WireError> {
        Ok(Self::default())
    }
    fn read(fields: &Fields<'_>, tag: u32) -> Result<Self, WireError> {
        metadata(fields.all(tag))
    }
}

fn metadata<'a>(raws: impl Iterator<Item = Raw<'a>>) -> Result<Metadata, WireError> {
    let pairs: Vec<_> = raws.map(Wire::from_raw).collect::<Result<_, _>>()?;
    Metadata::new(pairs).map_err(|_| WireError::Value("list of pairs within its bounds"))
}

impl Wire for Country {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        put_bytes(tag, self.as_str().as_bytes(), out);
    }
    fn from_raw(raw: Raw<'_>) -> Result<Self, WireError> {
        str::from_utf8(raw.bytes()?).ok().and_then(Self::new).ok_or(WireError::Value("country"))
    }
}

impl Item for Country {}

impl Wire for ZoneOffset {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        self.minutes().put(tag, out);
    }
    fn from_raw(raw: Raw<'_>) -> Result<Self, WireError> {
        Self::from_minutes(i16::from_raw(raw)?).ok_or(WireError::Value("offset from UTC"))
    }
    fn is_default(&self) -> bool {
        self.minutes() == 0
    }
    fn absent() -> Result<Self, WireError> {
        Ok(Self::default())
    }
}
