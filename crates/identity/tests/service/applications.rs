//! Applications as their customers make them.

use bursar_identity::auth::Asked;
use bursar_identity::customer::CustomerState;
use bursar_identity::kyc::case::CaseState;
use bursar_identity::kyc::checks::CheckOutcome;
use bursar_identity::kyc::document::DocumentKind;
use bursar_identity::kyc::{CaseView, Stated};
use bursar_identity::{Error, screening};
use bursar_testkit::on_both_databases;
use bursar_types::id::{CustomerId, KycCaseId};
use bursar_types::{Failure as _, Reason};

use crate::world::{BACKEND, PHONE, START, World, asked, folder, png, request, stated};

fn outcome(view: &CaseView, name: &str) -> (CheckOutcome, String) {
    let check = view.checks.iter().find(|check| check.name == name).expect("the check ran");
    (check.outcome, check.detail.clone())
}

/// A second customer, who applies with these details and hands them in.
async fn second(world: &World, stated: Stated<'_>) -> (CustomerId, KycCaseId) {
    let customer = world.join("+8613800138022").await.customer.customer_id;
    let case = world.core.create_application(asked(BACKEND), customer, stated).await.unwrap().case_id;
    world.hand_in(customer, case).await;
    (customer, case)
}

on_both_databases! {
    async fn an_application_is_handed_in_and_waits_a_day(database: TestDatabase) {
        let world = World::new(&database).await;
        let customer = world.join(PHONE).await.customer.customer_id;
        let draft = world.apply(customer).await.unwrap();
        assert_eq!((draft.state, draft.deadline, draft.documents.len()), (CaseState::Draft, None, 0));

        let early = world.core.submit_application(asked(BACKEND), customer, draft.case_id).await.err().unwrap();
        assert_eq!(early.reason(), Reason::WrongState);
        assert_eq!(early.metadata(), [("missing", "SELFIE, RESIDENT_ID_FRONT, RESIDENT_ID_BACK".to_owned())]);

        let handed_in = world.hand_in(customer, draft.case_id).await;
        assert_eq!(handed_in.state, CaseState::Open);
        assert_eq!(handed_in.deadline, Some(START.plus(std::time::Duration::from_secs(24 * 3600))));
        let view = world.core.case(draft.case_id).await.unwrap();
        assert!(view.checks.iter().all(|check| check.outcome == CheckOutcome::Passed), "{:?}", view.checks);
        assert_eq!(view.summary.masked_id_number, "110105********002X");
        assert_eq!(world.core.customer(customer).await.unwrap().row.state, CustomerState::PendingReview);
        let types = world.event_types().await;
        assert_eq!(types[2..], ["customer.changed", "kyc.submitted"]);

        let late = world.upload(customer, draft.case_id, DocumentKind::Selfie, &png(b"late")).await.err().unwrap();
        assert_eq!(late.metadata(), [("state", "OPEN".to_owned())]);
        let again = world.core.submit_application(asked(BACKEND), customer, draft.case_id).await.err().unwrap();
        assert_eq!(again.reason(), Reason::WrongState);
    }

    async fn repetitions_do_it_once(database: TestDatabase) {
        let world = World::new(&database).await;
        let customer = world.join(PHONE).await.customer.customer_id;
        let once = Asked { principal: BACKEND, request_id: request() };
        let first = world.core.create_application(once, customer, stated()).await.unwrap();
        let again = world.core.create_application(once, customer, stated()).await.unwrap();
        assert_eq!(first.case_id, again.case_id);
        let other = Stated { address: "elsewhere", ..stated() };
        let error = world.core.create_application(once, customer, other).await.err().unwrap();
        assert_eq!(error.reason(), Reason::RequestIdReused);
        assert_eq!(world.apply(customer).await.err().unwrap().reason(), Reason::AlreadyExists);

        world.hand_in(customer, first.case_id).await;
        let submits = Asked { principal: BACKEND, request_id: request() };
        let before = world.event_types().await.len();
        let outcome = world.core.submit_application(submits, customer, first.case_id).await;
        assert!(outcome.is_err());
        assert_eq!(world.event_types().await.len(), before);
    }

    async fn details_that_do_not_hold_leave_nothing_behind(database: TestDatabase) {
        let world = World::new(&database).await;
        let customer = world.join(PHONE).await.customer.customer_id;
        let wrong = async |stated| { world.core.create_application(asked(BACKEND), customer, stated).await.err().unwrap() };
        let old_form = wrong(Stated { id_number: "110105491231002", ..stated() }).await;
        assert_eq!((old_form.reason(), old_form.metadata()), (Reason::IdNumberInvalid, vec![("problem", "old_form".to_owned())]));
        let checksum = wrong(Stated { id_number: "110105194912310021", ..stated() }).await;
        assert_eq!(checksum.metadata(), [("problem", "checksum".to_owned())]);
        assert_eq!(checksum.violations()[0].field, "details.resident_id_number");
        assert!(!checksum.to_string().contains("1949"), "an ID number is not repeated: {checksum}");
        let young = wrong(Stated { id_number: "110101201003071233", birth_date: "2010-03-07", ..stated() }).await;
        assert_eq!(young.violations()[0].field, "details.birth_date");
        assert!(world.core.list_cases(None, &page()).await.unwrap().0.is_empty());
        world.apply(customer).await.expect("a refusal burns nothing");
    }

    async fn another_customers_application_is_out_of_reach(database: TestDatabase) {
        let world = World::new(&database).await;
        let owner = world.join(PHONE).await.customer.customer_id;
        let case = world.apply(owner).await.unwrap().case_id;
        let other = world.join("+8613800138022").await.customer.customer_id;
        let reasons = [
            world.core.application(other, case).await.err().unwrap().reason(),
            world.core.submit_application(asked(BACKEND), other, case).await.err().unwrap().reason(),
            world.upload(other, case, DocumentKind::Selfie, &png(b"x")).await.err().unwrap().reason(),
            world.core.admit_upload(other, case).await.err().unwrap().reason(),
        ];
        assert_eq!(reasons, [Reason::NotYours; 4]);
    }

    async fn an_id_number_or_image_seen_before_goes_to_review(database: TestDatabase) {
        let world = World::new(&database).await;
        let (owner, _) = world.waiting_case().await;
        let (_, same_number) = second(&world, stated()).await;
        let view = world.core.case(same_number).await.unwrap();
        assert_eq!(outcome(&view, "duplicate").0, CheckOutcome::Review);

        let third = world.join("+8613800138023").await.customer.customer_id;
        let other = Stated { id_number: "810000199003071237", birth_date: "1990-03-07", ..stated() };
        let case = world.core.create_application(asked(BACKEND), third, other).await.unwrap().case_id;
        let borrowed = png(format!("{owner} selfie").as_bytes());
        world.upload(third, case, DocumentKind::Selfie, &borrowed).await.unwrap();
        world.upload(third, case, DocumentKind::Passport, &png(b"own")).await.unwrap();
        world.core.submit_application(asked(BACKEND), third, case).await.unwrap();
        let view = world.core.case(case).await.unwrap();
        assert_eq!(outcome(&view, "duplicate").0, CheckOutcome::Review);
    }

    async fn a_listed_name_is_a_hit_and_never_a_rejection(database: TestDatabase) {
        let world = World::new(&database).await;
        let listed = Stated {
            full_name: "欧阳朔寒",
            id_number: "110101197110010015",
            birth_date: "1971-10-01",
            ..stated()
        };
        let (customer, case) = second(&world, listed).await;
        let view = world.core.case(case).await.unwrap();
        assert_eq!(view.summary.state, CaseState::Open);
        assert_eq!((view.hits[0].entry_id.as_str(), view.hits[0].score_bps), ("S037", screening::PERFECT));
        assert!(view.hits[0].explanation.contains("birth dates agree"));
        assert_eq!(view.list, Some(("bursar-sample".to_owned(), "2026-11-1".to_owned())));
        assert_eq!(outcome(&view, "screening").0, CheckOutcome::Review);
        assert_eq!(world.core.customer(customer).await.unwrap().row.state, CustomerState::PendingReview);
    }

    async fn without_a_list_everyone_goes_to_review(database: TestDatabase) {
        let world = World::with(&database, folder(), &["screening.list_file=/nonexistent/list.csv"]).await.unwrap();
        let (_, case) = world.waiting_case().await;
        let (outcome, detail) = outcome(&world.core.case(case).await.unwrap(), "screening");
        assert_eq!(outcome, CheckOutcome::Review);
        assert!(detail.contains("not screened") && detail.contains("/nonexistent/list.csv"), "{detail}");
    }

    async fn an_application_takes_so_many_documents(database: TestDatabase) {
        let world = World::new(&database).await;
        let customer = world.join(PHONE).await.customer.customer_id;
        let case = world.apply(customer).await.unwrap().case_id;
        for number in 0..24 {
            let image = png(format!("{number}").as_bytes());
            world.upload(customer, case, DocumentKind::Selfie, &image).await.unwrap();
        }
        let outcome = world.upload(customer, case, DocumentKind::Selfie, &png(b"more")).await;
        assert!(matches!(outcome, Err(Error::TooManyDocuments)));
    }
}

fn page() -> bursar_service::paging::Page<bursar_identity::kyc::QueueKey> {
    bursar_service::paging::Page::parse(0, "", "q").unwrap()
}
