//! The whole state, for checkpoints.

use bursar_ledger_engine::Snapshot;

use crate::wire::message;

message! {
    Snapshot {
        1 now, 2 program, 3 products, 4 controls, 5 customers, 6 accounts, 7 holds, 8 cards, 9 payments,
        10 counters, 11 bank_credits, 12 reversed, 13 proofs, 14 early_reversals, 15 rates,
    }
}
