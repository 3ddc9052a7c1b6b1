//! Records of decisions.

use bursar_ledger_engine::{AccountFacts, CardFacts, CustomerFacts, DecisionFacts, DecisionRecord, Used};

use crate::wire::message;

message! {
    Used { 1 amount, 2 count }
    CustomerFacts { 1 status, 2 kyc_level }
    AccountFacts { 1 spendable, 2 freezes, 3 closed }
    CardFacts {
        1 chain, 2 product, 3 product_version, 4 account, 5 stage, 6 freezes, 7 expiry, 8 merchant_lock,
        9 program_controls, 10 account_controls, 11 card_controls,
    }
    DecisionFacts {
        1 at, 2 outside, 3 zone, 4 country, 5 bookable, 6 proof_spent, 7 card, 8 account, 9 customer, 10 used,
        11 carried_out, 12 rate,
    }
    DecisionRecord { 1 ask, 2 facts, 3 spec, 4 program_controls, 5 account_controls, 6 card_controls }
}
