//! Cases as reviewers work them.

use std::sync::Arc;

use bursar_identity::Error;
use bursar_identity::auth::Asked;
use bursar_identity::customer::{CustomerState, KycLevel};
use bursar_identity::kyc::Decide;
use bursar_identity::kyc::case::{CaseState, Decision};
use bursar_identity::kyc::document::DocumentKind;
use bursar_service::paging::Page;
use bursar_testkit::on_both_databases;
use bursar_types::id::KycCaseId;
use bursar_types::{Failure as _, Reason};
use futures::future::{join, join_all};

use crate::world::{BACKEND, NAME, OPERATOR, World, asked, png, request};

const DAY: u64 = 24 * 3600;

fn approve(case_id: KycCaseId, reviewer: &str) -> Decide {
    let level = KycLevel::new(2).unwrap();
    decide(case_id, reviewer, Decision::Approve { level, customer_reason: String::new() })
}

fn decide(case_id: KycCaseId, reviewer: &str, decision: Decision) -> Decide {
    Decide { case_id, reviewer: reviewer.into(), decision, internal_reason: "as it should be".into() }
}

fn more(case_id: KycCaseId, reviewer: &str) -> Decide {
    decide(case_id, reviewer, Decision::AskForMore { customer_reason: "the selfie is blurred".into() })
}

on_both_databases! {
    async fn an_approved_customer_is_active_at_the_level(database: TestDatabase) {
        let world = World::new(&database).await;
        let (customer, case) = world.waiting_case().await;
        let claimed = world.core.claim_case(asked(OPERATOR), case, "Chen").await.unwrap();
        assert_eq!((claimed.summary.state, claimed.summary.reviewer.as_str()), (CaseState::InReview, "Chen"));
        let once = Asked { principal: OPERATOR, request_id: request() };
        let decided = world.core.decide_case(once, &approve(case, "Chen")).await.unwrap();
        assert_eq!(decided.summary.state, CaseState::Approved);
        let again = world.core.decide_case(once, &approve(case, "Chen")).await.unwrap();
        assert_eq!(again.summary.state, CaseState::Approved);
        let view = world.core.customer(customer).await.unwrap();
        assert_eq!((view.row.state, view.row.kyc_level, view.full_name.as_str()), (CustomerState::Active, 2, NAME));
        let types = world.event_types().await;
        assert_eq!(types[4..], ["customer.changed", "kyc.approved"]);
        let trail = world.trail(case).await;
        let actions: Vec<_> = trail.iter().map(|(_, action)| action.as_str()).collect();
        assert_eq!(actions, ["CREATE", "UPLOAD", "UPLOAD", "SUBMIT", "CLAIM", "APPROVE"]);
        assert_eq!(world.apply(customer).await.err().unwrap().reason(), Reason::WrongState);
    }

    async fn of_two_who_claim_one_wins_and_the_other_is_told(database: TestDatabase) {
        let world = Arc::new(World::new(&database).await);
        let (_, case) = world.waiting_case().await;
        let names: Vec<String> = (0..8).map(|number| format!("reviewer {number}")).collect();
        let claims = names.iter().map(|name| world.core.claim_case(asked(OPERATOR), case, name));
        let outcomes = join_all(claims).await;
        let winner = world.core.case(case).await.unwrap().summary.reviewer;
        for (name, outcome) in names.iter().zip(outcomes) {
            match outcome {
                Ok(_) => assert_eq!(*name, winner),
                Err(Error::CaseClaimed { reviewer }) => assert_eq!(reviewer, winner),
                Err(error) => panic!("{name}: {error}"),
            }
        }
        let claims = world.trail(case).await.iter().filter(|(_, action)| action == "CLAIM").count();
        assert_eq!(claims, 1);
    }

    async fn of_two_decisions_one_wins_and_the_other_is_told(database: TestDatabase) {
        let world = World::new(&database).await;
        let (customer, case) = world.waiting_case().await;
        world.core.claim_case(asked(OPERATOR), case, "Chen").await.unwrap();
        let stranger = world.core.decide_case(asked(OPERATOR), &approve(case, "Li")).await.err().unwrap();
        assert_eq!(stranger.reason(), Reason::CaseClaimed);

        let reject = decide(case, "Chen", Decision::Reject { customer_reason: "no".into() });
        let approve = approve(case, "Chen");
        let (one, two) = join(
            world.core.decide_case(asked(OPERATOR), &approve),
            world.core.decide_case(asked(OPERATOR), &reject),
        )
        .await;
        let (winner, loser) = match (one, two) {
            (Ok(view), Err(error)) | (Err(error), Ok(view)) => (view, error),
            (Ok(_), Ok(_)) => panic!("both decided"),
            (Err(one), Err(two)) => panic!("{one}; {two}"),
        };
        assert_eq!(loser.reason(), Reason::WrongState);
        assert_eq!(loser.metadata(), [("state", winner.summary.state.to_string())]);
        let state = world.core.customer(customer).await.unwrap().row.state;
        let agrees = match winner.summary.state {
            CaseState::Approved => state == CustomerState::Active,
            CaseState::Rejected => state == CustomerState::Rejected,
            _ => false,
        };
        assert!(agrees, "{state} {}", winner.summary.state);
        let decided = world.event_types().await.into_iter().filter(|name| name.starts_with("kyc.")).count();
        assert_eq!(decided, 2, "handed in once, decided once");
    }

    async fn asked_for_more_the_customer_adds_and_hands_in_again(database: TestDatabase) {
        let world = World::new(&database).await;
        let (customer, case) = world.waiting_case().await;
        world.core.claim_case(asked(OPERATOR), case, "Chen").await.unwrap();
        world.core.decide_case(asked(OPERATOR), &more(case, "Chen")).await.unwrap();
        let view = world.core.application(customer, case).await.unwrap();
        assert_eq!((view.state, view.customer_reason.as_str()), (CaseState::MoreInfo, "the selfie is blurred"));
        assert_eq!(world.core.customer(customer).await.unwrap().row.state, CustomerState::PendingDocument);
        assert_eq!(world.apply(customer).await.err().unwrap().reason(), Reason::WrongState);

        world.pass(3 * DAY);
        assert_eq!(world.core.tell_overdue_cases().await.unwrap(), 0, "the reviewers' clock stands still");
        world.upload(customer, case, DocumentKind::Selfie, &png(b"sharp")).await.unwrap();
        let again = world.core.submit_application(asked(BACKEND), customer, case).await.unwrap();
        assert_eq!(again.state, CaseState::Open);
        let deadline = world.core.case(case).await.unwrap().summary.deadline.unwrap();
        assert_eq!(deadline, crate::world::START.plus(std::time::Duration::from_secs(4 * DAY)));
        let view = world.core.claim_case(asked(OPERATOR), case, "Li").await.unwrap();
        assert_eq!((view.checks.len(), view.documents.len()), (6, 3));
        world.core.decide_case(asked(OPERATOR), &approve(case, "Li")).await.unwrap();
        assert_eq!(world.core.customer(customer).await.unwrap().row.state, CustomerState::Active);
    }

    async fn a_rejected_customer_may_apply_again(database: TestDatabase) {
        let world = World::new(&database).await;
        let (customer, case) = world.waiting_case().await;
        world.core.claim_case(asked(OPERATOR), case, "Chen").await.unwrap();
        let reject = decide(case, "Chen", Decision::Reject { customer_reason: "not readable".into() });
        world.core.decide_case(asked(OPERATOR), &reject).await.unwrap();
        assert_eq!(world.core.customer(customer).await.unwrap().row.state, CustomerState::Rejected);
        let second = world.apply(customer).await.unwrap();
        assert_ne!(second.case_id, case);
    }

    async fn a_passed_deadline_is_told_once_and_decides_nothing(database: TestDatabase) {
        let world = World::new(&database).await;
        let (customer, case) = world.waiting_case().await;
        world.pass(DAY - 1);
        assert_eq!(world.core.tell_overdue_cases().await.unwrap(), 0);
        assert!(!world.core.case(case).await.unwrap().summary.overdue);
        world.pass(1);
        let (one, two) = join(world.core.tell_overdue_cases(), world.core.tell_overdue_cases()).await;
        assert_eq!(one.unwrap() + two.unwrap(), 1);
        world.pass(10 * DAY);
        assert_eq!(world.core.tell_overdue_cases().await.unwrap(), 0);
        let view = world.core.case(case).await.unwrap();
        assert!(view.summary.overdue);
        assert_eq!(view.summary.state, CaseState::Open);
        assert_eq!(world.core.customer(customer).await.unwrap().row.state, CustomerState::PendingReview);
        let overdue = world.event_types().await.into_iter().filter(|name| name == "kyc.overdue").count();
        assert_eq!(overdue, 1);
        world.core.claim_case(asked(OPERATOR), case, "Chen").await.unwrap();
        let decided = world.core.decide_case(asked(OPERATOR), &approve(case, "Chen")).await.unwrap();
        assert!(!decided.summary.overdue);
    }

    async fn the_queue_is_paged_by_deadline(database: TestDatabase) {
        let world = World::new(&database).await;
        let mut cases = Vec::new();
        for number in 0..5 {
            let customer = world.join(&format!("+861380013803{number}")).await.customer.customer_id;
            let case = world.apply(customer).await.unwrap().case_id;
            world.pass(60);
            world.hand_in(customer, case).await;
            cases.push(case);
        }
        world.core.claim_case(asked(OPERATOR), cases[1], "Chen").await.unwrap();
        let mut seen = Vec::new();
        let mut token = String::new();
        loop {
            let page = Page::parse(2, &token, "q").unwrap();
            let (summaries, next) = world.core.list_cases(None, &page).await.unwrap();
            seen.extend(summaries.iter().map(|case| case.case_id));
            if next.is_empty() {
                break;
            }
            token = next;
        }
        assert_eq!(seen, cases);
        let page = Page::parse(0, "", "q").unwrap();
        let (open, _) = world.core.list_cases(Some(CaseState::Open), &page).await.unwrap();
        let wanted: Vec<_> = [0, 2, 3, 4].map(|number| cases[number]).to_vec();
        assert_eq!(open.iter().map(|case| case.case_id).collect::<Vec<_>>(), wanted);

        let page = Page::parse(3, "", "q").unwrap();
        let (customers, next) = world.core.list_customers(None, &page).await.unwrap();
        assert_eq!((customers.len(), next.is_empty()), (3, false));
        let page = Page::parse(3, &next, "q").unwrap();
        assert_eq!(world.core.list_customers(None, &page).await.unwrap().0.len(), 2);
        let page = Page::parse(0, "", "q").unwrap();
        let (none, _) = world.core.list_customers(Some(CustomerState::Active), &page).await.unwrap();
        assert!(none.is_empty());
    }

    async fn a_draft_is_no_case_yet(database: TestDatabase) {
        let world = World::new(&database).await;
        let customer = world.join(crate::world::PHONE).await.customer.customer_id;
        let case = world.apply(customer).await.unwrap().case_id;
        assert_eq!(world.core.case(case).await.err().unwrap().reason(), Reason::NotFound);
        let claim = world.core.claim_case(asked(OPERATOR), case, "Chen").await;
        assert_eq!(claim.err().unwrap().reason(), Reason::NotFound);
    }
}

impl World {
    /// Who did what to a case, in order.
    async fn trail(&self, case: KycCaseId) -> Vec<(String, String)> {
        self.db
            .read(|tx| Box::pin(async move { bursar_identity::store::cases::trail(tx, case, 100).await }))
            .await
            .map_err(|error: bursar_service::db::DbError| error)
            .unwrap()
    }
}
