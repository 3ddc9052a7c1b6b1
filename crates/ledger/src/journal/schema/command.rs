//! Commands.

use bursar_ledger_engine::{Action, Command};

use crate::wire::{message, oneof};

message! {
    Command { 1 request_id, 2 actor, 3 action }
}

// The tens are the themes: 1 program, 20 accounts, 40 transfers, 60 cards, 80 payments, 100 time.
oneof! {
    Action {
        1 ConfigureProgram(settings),
        2 DraftProduct { 1 product, 2 spec },
        3 ActivateProduct { 1 product, 2 version },
        4 RetireProduct { 1 product },
        5 SetControls { 1 scope, 2 controls },
        6 SetCustomerStanding { 1 customer, 2 status, 3 kyc_level },
        20 OpenAccount(order),
        21 SetBalanceLimit { 1 account, 2 limit },
        22 FreezeAccount { 1 account, 2 holder, 3 scope, 4 reason },
        23 UnfreezeAccount { 1 account, 2 holder, 3 reason },
        24 CloseAccount { 1 account },
        40 Transfer(order),
        41 TransferBatch { 1 orders, 2 linked },
        42 CaptureHold(order),
        43 IncrementHold { 1 hold, 2 amount },
        44 VoidHold { 1 hold, 2 amount },
        45 ReverseTransfer(order),
        46 BookBankCredit(order),
        60 RequestCard(order),
        61 CompleteCardIssue { 1 card, 2 masked_pan, 3 expiry },
        62 FailCardIssue { 1 card, 2 reason },
        63 ActivateCard { 1 card, 2 channel },
        64 FreezeCard { 1 card, 2 holder, 3 reason, 4 channel },
        65 UnfreezeCard { 1 card, 2 holder, 3 reason, 4 channel },
        66 CloseCard { 1 card, 2 close, 3 reason, 4 channel },
        80 Authorize(order),
        81 IncrementPayment(order),
        82 ReversePayment(order),
        83 ClearPayment(order),
        84 ForcePost(order),
        85 RefundPayment(order),
        86 SetExchangeRates { 1 rates },
        100 Tick { 1 max },
    }
}
