//! Controls, their counters, and products.

use bursar_ledger_engine::{
    Channel, ChannelNeeds, Control, ControlScope, ControlSet, CountedPer, Counter, CounterKey, CounterOwner,
    FeeEvent, FeeItem, FeeTier, HoldPolicy, HoldRule, Hours, Match, Mcc, MccRange, Measure, Needs,
    ProductSpec, ProductState, ProductVersion, Rule, Slot, Tolerance, Window,
};

use crate::wire::{Raw, Wire, WireError, message, numbers, oneof};

numbers! {
    Channel { 1 Pos, 2 Atm, 3 Online, 4 InApp, 5 Moto, 6 Recurring }
    CountedPer { 1 Card, 2 Account, 3 Product, 4 Program }
    ProductState { 1 Draft, 2 Active, 3 Retired }
    Needs { 1 Nothing, 2 Cvv, 3 Password, 4 CvvOrPassword, 5 Pin }
    FeeEvent { 1 Purchase, 2 CrossBorder, 3 Cash, 4 NonDirect, 5 Exchange }
}

oneof! {
    Window { 1 Payment, 2 Day, 3 Week, 4 Month, 5 Year, 6 Lifetime, 7 Rolling { 1 seconds } }
    Measure { 1 Amount(minor_units), 2 Count(payments) }
    Rule { 1 Deny, 2 AllowOnly, 3 Limit { 1 measure, 2 window, 3 per } }
    ControlScope { 1 Program, 2 Product(product), 3 Account(account), 4 Card(card) }
    CounterOwner { 1 Card(card), 2 Account(account), 3 Product(product), 4 Program }
}

message! {
    MccRange { 1 first, 2 last }
    Hours { 1 days, 2 from, 3 until }
    Match { 1 channels, 2 mccs, 3 countries, 4 merchants, 5 cross_border, 6 entry_modes, 7 hours }
    Control { 1 id, 2 when, 3 rule, 4 customer_can_change, 5 unless, 6 except, 7 zone }
    ControlSet { 1 scope, 2 controls, 3 set_by }
    CounterKey { 1 owner, 2 scope, 3 control }
    Slot { 1 number, 2 amount, 3 count }
    Counter { 1 key, 2 window, 3 slots }
    ChannelNeeds { 1 channel, 2 needs }
    HoldRule { 1 mccs, 2 card_present, 3 at_most_major_units, 4 days }
    HoldPolicy { 1 rules, 2 default_days }
    Tolerance { 1 mccs, 2 basis_points, 3 flat }
    FeeTier { 1 up_to, 2 flat, 3 basis_points }
    FeeItem { 1 id, 2 event, 3 flat, 4 basis_points, 5 min, 6 max, 7 tiers, 8 free_per_month }
    ProductSpec {
        1 name, 2 bin_range, 3 asset, 4 validity_months, 5 min_kyc_level, 6 needs, 7 controls, 8 hold_policy,
        9 tolerances, 10 fees,
    }
    ProductVersion { 1 product, 2 version, 3 state, 4 since, 5 effective, 6 spec }
}

impl Wire for Mcc {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        self.number().put(tag, out);
    }
    fn from_raw(raw: Raw<'_>) -> Result<Self, WireError> {
        Self::new(u16::from_raw(raw)?).ok_or(WireError::Value("merchant category"))
    }
}
