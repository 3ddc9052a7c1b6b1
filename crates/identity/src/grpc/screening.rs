//! `bursar.identity.v1.ScreeningService`.

use std::sync::Arc;

use bursar_proto::identity::v1 as proto;
use bursar_proto::identity::v1::screening_service_server::ScreeningService;
use bursar_service::paging::Page;
use bursar_service::parse::timestamp_message;
use bursar_service::{CallContext, Invalid, OrStatus as _, parse};
use tonic::{Request, Response, Status};

use crate::Core;
use crate::auth::Asked;
use crate::screening::{ClearHit, Hit, HitKey, ListStatus, MatchState, MatchView, RunView};

/// Most characters of a reviewer's name, by the contract.
const REVIEWER_CHARS_MAX: usize = 64;

/// Most characters of a reason, by the contract.
const REASON_CHARS_MAX: usize = 2_000;

/// Most characters of the name of a list and of an entry's id.
const NAME_CHARS_MAX: usize = 255;

/// Lists, runs and hits for the issuer's desk.
#[derive(Debug)]
pub struct ScreeningApi {
    core: Arc<Core>,
}

impl ScreeningApi {
    /// The service over `core`.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }
}

#[tonic::async_trait]
impl ScreeningService for ScreeningApi {
    async fn list_screening_lists(
        &self,
        _request: Request<proto::ListScreeningListsRequest>,
    ) -> Result<Response<proto::ListScreeningListsResponse>, Status> {
        let (lists, people_behind) = self.core.screening_lists().await.or_status()?;
        let lists = lists.iter().map(list_message).collect();
        Ok(Response::new(proto::ListScreeningListsResponse { lists, people_behind }))
    }

    async fn reload_screening_lists(
        &self,
        request: Request<proto::ReloadScreeningListsRequest>,
    ) -> Result<Response<proto::ReloadScreeningListsResponse>, Status> {
        parse::request_id(&request.get_ref().request_id)?;
        self.core.reload_lists().await.or_status()?;
        let (lists, _) = self.core.screening_lists().await.or_status()?;
        let lists = lists.iter().map(list_message).collect();
        Ok(Response::new(proto::ReloadScreeningListsResponse { lists }))
    }

    async fn list_screenings(
        &self,
        request: Request<proto::ListScreeningsRequest>,
    ) -> Result<Response<proto::ListScreeningsResponse>, Status> {
        let message = request.into_inner();
        let customer = parse::id("customer_id", &message.customer_id)?;
        let query = format!("ListScreenings {}", message.customer_id);
        let page = Page::parse(message.page_size, &message.page_token, &query).or_status()?;
        let (runs, next_page_token) = self.core.list_screenings(customer, &page).await.or_status()?;
        let screenings = runs.iter().map(run_message).collect();
        Ok(Response::new(proto::ListScreeningsResponse { screenings, next_page_token }))
    }

    async fn get_screening(
        &self,
        request: Request<proto::GetScreeningRequest>,
    ) -> Result<Response<proto::GetScreeningResponse>, Status> {
        let screening = parse::id("screening_id", &request.get_ref().screening_id)?;
        let run = self.core.screening(screening).await.or_status()?;
        Ok(Response::new(proto::GetScreeningResponse { screening: Some(run_message(&run)) }))
    }

    async fn list_screening_matches(
        &self,
        request: Request<proto::ListScreeningMatchesRequest>,
    ) -> Result<Response<proto::ListScreeningMatchesResponse>, Status> {
        use proto::ScreeningMatchState as P;
        let message = request.into_inner();
        let state = match P::try_from(message.state) {
            Ok(P::Unspecified | P::Open) => MatchState::Open,
            Ok(P::Cleared) => MatchState::Cleared,
            Ok(P::Gone) => MatchState::Gone,
            Err(_) => return Err(Invalid::new().field("state", "is no state of a match").into()),
        };
        let query = format!("ListScreeningMatches {state}");
        let page = Page::parse(message.page_size, &message.page_token, &query).or_status()?;
        let (matches, next_page_token) = self.core.list_matches(state, &page).await.or_status()?;
        let matches = matches.iter().map(match_message).collect();
        Ok(Response::new(proto::ListScreeningMatchesResponse { matches, next_page_token }))
    }

    async fn clear_screening_match(
        &self,
        request: Request<proto::ClearScreeningMatchRequest>,
    ) -> Result<Response<proto::ClearScreeningMatchResponse>, Status> {
        let principal = CallContext::of(&request).principal();
        let message = request.into_inner();
        let request_id = parse::request_id(&message.request_id)?;
        let mut invalid = Invalid::new();
        let customer = invalid.take(parse::id("customer_id", &message.customer_id));
        let list = invalid.take(parse::text("list", &message.list, 1..=NAME_CHARS_MAX));
        let entry = invalid.take(parse::text("entry_id", &message.entry_id, 1..=NAME_CHARS_MAX));
        let reviewer = invalid.take(parse::text("reviewer", &message.reviewer, 1..=REVIEWER_CHARS_MAX));
        let reason = invalid.take(parse::text("reason", &message.reason, 1..=REASON_CHARS_MAX));
        let (Some(customer_id), Some(list), Some(entry), Some(reviewer), Some(reason)) =
            (customer, list, entry, reviewer, reason)
        else {
            return Err(invalid.into());
        };
        let clear = ClearHit {
            hit: HitKey { customer_id, list: list.to_owned(), entry_id: entry.to_owned() },
            reviewer: reviewer.to_owned(),
            reason: reason.to_owned(),
        };
        let view =
            self.core.clear_hit(Asked { principal: &principal, request_id }, &clear).await.or_status()?;
        Ok(Response::new(proto::ClearScreeningMatchResponse { r#match: Some(match_message(&view)) }))
    }
}

fn list_message(list: &ListStatus) -> proto::ScreeningList {
    proto::ScreeningList {
        name: list.name.clone(),
        hash: list.hash.clone(),
        published: list.date.clone(),
        entries: i64::try_from(list.entries).unwrap_or(i64::MAX),
        load_time: list.loaded_at.map(timestamp_message),
        check_time: list.checked_at.map(timestamp_message),
        problem: list.problem.clone(),
        stale: list.stale,
    }
}

fn run_message(run: &RunView) -> proto::Screening {
    let row = &run.row;
    let small = |number: i64| i32::try_from(number).unwrap_or(i32::MAX);
    proto::Screening {
        screening_id: row.screening_id.to_string(),
        customer_id: row.customer_id.to_string(),
        case_id: row.case_id.to_string(),
        cause: row.cause.clone(),
        lists: row.lists.clone(),
        lists_version: row.lists_version.clone(),
        lists_hash: row.lists_hash.clone(),
        algorithm: row.algorithm.clone(),
        threshold_bps: small(row.threshold_bps),
        entries: row.entries,
        hit_count: small(row.hits),
        run_time: Some(timestamp_message(row.ran_at)),
        hits: run.hits.iter().map(hit_message).collect(),
    }
}

fn hit_message(hit: &Hit) -> proto::ScreenedEntry {
    proto::ScreenedEntry {
        list: hit.list.clone(),
        entry_id: hit.entry_id.clone(),
        entry_name: hit.entry_name.clone(),
        score_bps: hit.score_bps,
        explanation: hit.explanation.clone(),
        cleared: hit.cleared,
    }
}

fn match_message(view: &MatchView) -> proto::ScreeningMatch {
    use proto::ScreeningMatchState as P;
    let row = &view.row;
    let state = match row.state {
        MatchState::Open => P::Open,
        MatchState::Cleared => P::Cleared,
        MatchState::Gone => P::Gone,
    };
    proto::ScreeningMatch {
        customer_id: row.customer_id.to_string(),
        list: row.list.clone(),
        entry_id: row.entry_id.clone(),
        state: state.into(),
        score_bps: i32::try_from(row.score_bps).unwrap_or(0),
        screening_id: row.screening_id.to_string(),
        open_time: Some(timestamp_message(row.opened_at)),
        cleared_by: row.cleared_by.clone(),
        clear_time: row.cleared_at.map(timestamp_message),
        reason: view.reason.to_string(),
        reopen_count: i32::try_from(row.reopened).unwrap_or(i32::MAX),
    }
}
