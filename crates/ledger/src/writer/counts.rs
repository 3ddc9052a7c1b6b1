//! How many commands of which kind came to what: counters that are looked up once, not with every command.

use bursar_ledger_engine::Action;
use metrics::Counter;

/// Kinds of commands, as the metric names them.
const KINDS: [&str; 15] = [
    "configure_program",
    "product",
    "set_controls",
    "customer",
    "account",
    "transfer",
    "bulk",
    "hold",
    "bank_credit",
    "freeze_card",
    "card",
    "authorize",
    "payment",
    "tick",
    "other",
];

/// What a command came to.
#[derive(Clone, Copy, Debug)]
pub(super) enum CameTo {
    /// It is in the journal.
    Journaled,
    /// It was decided before.
    Repeated,
    /// The database must be asked first.
    LookedUp,
    /// It was refused.
    Refused,
    /// Its deadline had passed.
    Expired,
}

const OUTCOMES: [&str; 5] = ["journaled", "repeated", "looked_up", "refused", "expired"];

/// The counters. One is made when it is first needed, so that what never happened is not shown.
#[derive(Debug, Default)]
pub(super) struct Counts([[Option<Counter>; OUTCOMES.len()]; KINDS.len()]);

impl Counts {
    /// Counts a command of the kind `kind`, as [`kind`] gives it.
    pub(super) fn count(&mut self, kind: usize, came_to: CameTo) {
        let outcome = came_to as usize;
        let counter = self.0[kind][outcome].get_or_insert_with(|| {
            metrics::counter!(
                "bursar_ledger_commands_total",
                "command" => KINDS[kind],
                "outcome" => OUTCOMES[outcome]
            )
        });
        counter.increment(1);
    }
}

/// Place of a command's kind in [`KINDS`].
pub(super) fn kind(action: &Action) -> usize {
    match action {
        Action::ConfigureProgram(_) => 0,
        Action::DraftProduct { .. } | Action::ActivateProduct { .. } | Action::RetireProduct { .. } => 1,
        Action::SetControls { .. } => 2,
        Action::SetCustomerStanding { .. } => 3,
        Action::OpenAccount(_)
        | Action::SetBalanceLimit { .. }
        | Action::FreezeAccount { .. }
        | Action::UnfreezeAccount { .. }
        | Action::CloseAccount { .. } => 4,
        Action::Transfer(_) | Action::ReverseTransfer(_) => 5,
        Action::TransferBatch { .. } => 6,
        Action::CaptureHold(_) | Action::IncrementHold { .. } | Action::VoidHold { .. } => 7,
        Action::BookBankCredit(_) => 8,
        Action::FreezeCard { .. } | Action::UnfreezeCard { .. } => 9,
        Action::RequestCard(_)
        | Action::CompleteCardIssue { .. }
        | Action::FailCardIssue { .. }
        | Action::ActivateCard { .. }
        | Action::CloseCard { .. } => 10,
        Action::Authorize(_) => 11,
        Action::IncrementPayment(_)
        | Action::ReversePayment(_)
        | Action::ClearPayment(_)
        | Action::ForcePost(_)
        | Action::RefundPayment(_) => 12,
        Action::Tick { .. } => 13,
        // A command that a newer engine adds is counted before it is named here.
        #[allow(unreachable_patterns)]
        _ => 14,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_has_its_name() {
        let named = [
            (CameTo::Journaled, "journaled"),
            (CameTo::Repeated, "repeated"),
            (CameTo::LookedUp, "looked_up"),
            (CameTo::Refused, "refused"),
            (CameTo::Expired, "expired"),
        ];
        for (came_to, name) in named {
            assert_eq!(OUTCOMES[came_to as usize], name);
        }
        assert_eq!(KINDS[kind(&Action::Tick { max: 1 })], "tick");
    }
}
