//! Screening over time: lists change, people are screened again, false hits are cleared and come back.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use bursar_identity::kyc::checks::CheckOutcome;
use bursar_identity::screening::{ClearHit, HitKey, MatchState};
use bursar_service::paging::Page;
use bursar_testkit::{TestDatabase, on_both_databases};
use bursar_types::id::CustomerId;
use bursar_types::id::TypedId as _;
use bursar_types::{Failure as _, Reason};
use tempfile::TempDir;

use crate::world::{OPERATOR, World, asked, folder, request};

const LIST: &str = "own";

/// A list file that a test writes again and again.
struct ListFile {
    folder: TempDir,
}

impl ListFile {
    fn new(text: &str) -> Self {
        let file = Self { folder: tempfile::tempdir().unwrap() };
        file.write(text);
        file
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(format!("{LIST}.json"))
    }

    /// Writes the list so that its time differs from the last one's.
    fn write(&self, text: &str) {
        static TIME: AtomicU64 = AtomicU64::new(1_000_000);
        std::fs::write(self.path(), text).unwrap();
        let time = UNIX_EPOCH + Duration::from_secs(TIME.fetch_add(10, Ordering::SeqCst));
        std::fs::File::options().write(true).open(self.path()).unwrap().set_modified(time).unwrap();
    }

    async fn world(&self, database: &TestDatabase) -> World {
        let set = format!("screening.list_file={}", self.path().display());
        World::with(database, folder(), &[&set]).await.unwrap()
    }
}

fn entity(id: &str, name: &str, born: &str, referents: &str) -> String {
    format!(
        "{{\"id\":\"{id}\",\"schema\":\"Person\",\"properties\":{{\"name\":[\"{name}\"],\"birthDate\":[\"{born}\"],\
         \"topics\":[\"sanction\"]}},\"referents\":[{referents}]}}\n"
    )
}

/// People whom nobody in these tests is like.
fn others() -> String {
    [
        "Zorblat Quathnir",
        "Brindle Ostrakov",
        "Velmira Kanthos",
        "Dorvan Ilskeld",
        "Peshka Umbriel",
        "Tolvane Garrosk",
    ]
    .iter()
    .enumerate()
    .map(|(number, name)| entity(&format!("O{number}"), name, "1950", ""))
    .collect()
}

fn listed() -> String {
    others() + &entity("W1", "王小明", "1949-12-31", "")
}

impl World {
    async fn take_lists(&self) -> (usize, usize) {
        self.pass(1);
        let problems = self.core.reload_lists().await.unwrap();
        assert!(problems.is_empty(), "{problems:?}");
        self.catch_up().await
    }

    /// How many people were taken until everyone was up to the lists, and how many of them were screened in full.
    async fn catch_up(&self) -> (usize, usize) {
        let mut all = (0, 0);
        loop {
            let (taken, full) = self.core.rescreen_step().await.unwrap();
            if taken == 0 {
                return all;
            }
            all = (all.0 + taken, all.1 + full);
        }
    }

    async fn matches(&self, state: MatchState) -> Vec<(String, i64)> {
        let page = Page::parse(10, "", "m").unwrap();
        let (matches, _) = self.core.list_matches(state, &page).await.unwrap();
        matches.into_iter().map(|found| (found.row.entry_id, found.row.reopened)).collect()
    }

    async fn runs(&self, customer: CustomerId) -> Vec<(String, i64)> {
        let page = Page::parse(10, "", "s").unwrap();
        let (runs, _) = self.core.list_screenings(customer, &page).await.unwrap();
        runs.into_iter().map(|run| (run.row.cause, run.row.hits)).collect()
    }

    async fn screening_events(&self) -> Vec<String> {
        let types = self.event_types().await;
        types.into_iter().filter_map(|name| name.strip_prefix("screening.").map(str::to_owned)).collect()
    }
}

fn clear(customer_id: CustomerId, entry: &str) -> ClearHit {
    ClearHit {
        hit: HitKey { customer_id, list: LIST.into(), entry_id: entry.into() },
        reviewer: "Chen".into(),
        reason: "born elsewhere, met in person".into(),
    }
}

on_both_databases! {
    async fn every_run_is_kept_the_empty_ones_too(database: TestDatabase) {
        let file = ListFile::new(&others());
        let world = file.world(&database).await;
        let (customer, _) = world.waiting_case().await;
        assert_eq!(world.runs(customer).await, [("SUBMITTED".to_owned(), 0)]);
        let page = Page::parse(10, "", "s").unwrap();
        let (runs, _) = world.core.list_screenings(customer, &page).await.unwrap();
        let run = world.core.screening(runs[0].row.screening_id).await.unwrap();
        assert_eq!((run.hits.len(), run.row.entries, run.row.lists.as_str()), (0, 6, LIST));
        assert_eq!(run.row.algorithm, bursar_identity::screening::ALGORITHM);
        assert_eq!(run.row.lists_hash.len(), 64);
    }

    async fn who_comes_to_stand_on_a_list_is_found_and_others_are_not_screened_in_full(database: TestDatabase) {
        let file = ListFile::new(&others());
        let world = file.world(&database).await;
        let (customer, _) = world.waiting_case().await;
        assert_eq!(world.catch_up().await, (0, 0), "everyone was screened when they applied");
        file.write(&(others() + &entity("X1", "Somebody Else", "1980", "")));
        assert_eq!(world.take_lists().await, (1, 0), "nothing that changed is like them");
        file.write(&listed());
        assert_eq!(world.take_lists().await, (1, 1));
        assert_eq!(world.runs(customer).await, [("LISTS_CHANGED".to_owned(), 1), ("SUBMITTED".to_owned(), 0)]);
        assert_eq!(world.matches(MatchState::Open).await, [("W1".to_owned(), 0)]);
        assert_eq!(world.screening_events().await, ["lists_changed", "lists_changed", "opened"]);
        file.write(&others());
        // One entry of seven went: more than a list may lose at once.
        assert_eq!(world.core.reload_lists().await.unwrap().len(), 1);
        assert_eq!(world.matches(MatchState::Open).await, [("W1".to_owned(), 0)]);
        assert_eq!(world.screening_events().await.last().unwrap(), "list_refused");
        let (lists, behind) = world.core.screening_lists().await.unwrap();
        assert!(lists[0].problem.contains("shrank") && lists[0].entries == 7 && behind == 0, "{lists:?}");
    }

    async fn an_entry_that_goes_takes_its_match_with_it(database: TestDatabase) {
        let file = ListFile::new(&listed());
        let world = file.world(&database).await;
        world.waiting_case().await;
        file.write(&(others() + &entity("X1", "Somebody Else", "1980", "")));
        assert_eq!(world.take_lists().await, (1, 1));
        assert!(world.matches(MatchState::Open).await.is_empty());
        assert_eq!(world.matches(MatchState::Gone).await, [("W1".to_owned(), 0)]);
    }

    async fn a_cleared_hit_stays_cleared_until_person_or_entry_changes(database: TestDatabase) {
        let file = ListFile::new(&listed());
        let world = file.world(&database).await;
        let (customer, case) = world.waiting_case().await;
        let view = world.core.case(case).await.unwrap();
        assert_eq!((view.hits.len(), view.hits[0].cleared), (1, false));
        let once = bursar_identity::auth::Asked { principal: OPERATOR, request_id: request() };
        let cleared = world.core.clear_hit(once, &clear(customer, "W1")).await.unwrap();
        assert_eq!((cleared.row.state, cleared.row.cleared_by.as_str()), (MatchState::Cleared, "Chen"));
        assert_eq!(cleared.reason.as_str(), "born elsewhere, met in person");
        let again = world.core.clear_hit(once, &clear(customer, "W1")).await.unwrap();
        assert_eq!(again.row.cleared_at, cleared.row.cleared_at);
        let other = ClearHit { reviewer: "Li".into(), ..clear(customer, "W1") };
        assert_eq!(world.core.clear_hit(once, &other).await.err().unwrap().reason(), Reason::RequestIdReused);

        // The entry is merged into another and says what it said: still the same two.
        let merged = others() + &entity("W9", "王小明", "1949-12-31", "\"W1\"");
        file.write(&merged);
        assert_eq!(world.take_lists().await, (1, 1));
        assert_eq!(world.matches(MatchState::Cleared).await, [("W9".to_owned(), 0)]);
        assert!(world.matches(MatchState::Open).await.is_empty());

        // It says something else: open again.
        file.write(&(others() + &entity("W9", "王小明", "1949", "\"W1\"")));
        assert_eq!(world.take_lists().await, (1, 1));
        assert_eq!(world.matches(MatchState::Open).await, [("W9".to_owned(), 1)]);
        assert_eq!(world.screening_events().await, ["opened", "cleared", "lists_changed", "lists_changed", "reopened"]);
    }

    async fn clearing_what_is_not_there_is_refused(database: TestDatabase) {
        let file = ListFile::new(&listed());
        let world = file.world(&database).await;
        let (customer, _) = world.waiting_case().await;
        for (customer, entry) in [(customer, "W2"), (customer, ""), (CustomerId::from_uuid(bursar_types::id::Uuid::nil()), "W1")] {
            let error = world.core.clear_hit(asked(OPERATOR), &clear(customer, entry)).await.err().unwrap();
            assert_eq!(error.reason(), Reason::NotFound);
        }
    }

    async fn an_application_under_a_stale_list_goes_to_a_person_and_is_screened_all_the_same(database: TestDatabase) {
        let file = ListFile::new(&listed());
        let world = file.world(&database).await;
        let customer = world.join(crate::world::PHONE).await.customer.customer_id;
        let case = world.apply(customer).await.unwrap().case_id;
        world.pass(25 * 3_600);
        world.hand_in(customer, case).await;
        let view = world.core.case(case).await.unwrap();
        let check = view.checks.iter().find(|check| check.name == "screening").unwrap();
        assert_eq!((check.outcome, view.hits.len()), (CheckOutcome::Review, 1));
    }

    async fn who_could_not_be_screened_is_when_there_is_a_list(database: TestDatabase) {
        let file = ListFile::new("");
        let world = file.world(&database).await;
        let (customer, case) = world.waiting_case().await;
        let view = world.core.case(case).await.unwrap();
        let check = view.checks.iter().find(|check| check.name == "screening").unwrap();
        assert_eq!(check.outcome, CheckOutcome::Review);
        assert!(check.detail.contains("not screened") && world.runs(customer).await.is_empty());
        assert_eq!(world.catch_up().await, (0, 0));
        file.write(&listed());
        assert_eq!(world.take_lists().await, (1, 1));
        assert_eq!(world.matches(MatchState::Open).await, [("W1".to_owned(), 0)]);
    }

    async fn the_re_screening_goes_on_where_a_process_ended(database: TestDatabase) {
        let file = ListFile::new(&others());
        let world = file.world(&database).await;
        world.waiting_case().await;
        let folder = world.folder;
        file.write(&listed());
        let set = format!("screening.list_file={}", file.path().display());
        let world = World::with(&database, folder, &[&set]).await.unwrap();
        assert_eq!(world.core.people_behind().await.unwrap(), 1);
        assert_eq!(world.catch_up().await, (1, 1), "what another process compared with is not known here: in full");
        assert_eq!(world.matches(MatchState::Open).await, [("W1".to_owned(), 0)]);
    }
}
