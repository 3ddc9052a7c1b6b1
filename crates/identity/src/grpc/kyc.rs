//! `bursar.identity.v1.KycService`.

use std::pin::Pin;
use std::sync::Arc;

use bursar_proto::identity::v1 as proto;
use bursar_proto::identity::v1::kyc_service_server::KycService;
use bursar_proto::identity::v1::upload_document_request::Part;
use bursar_service::paging::Page;
use bursar_service::{CallContext, Invalid, OrStatus as _, parse};
use futures::{Stream, StreamExt as _, stream};
use tonic::{Request, Response, Status, Streaming};

use super::{convert, customer_of};
use crate::auth::Asked;
use crate::customer::KycLevel;
use crate::kyc::case::Decision;
use crate::kyc::document::{Image, Upload};
use crate::kyc::{Decide, Download, NewDocument, Stated};
use crate::{Core, Error};

/// Most characters of a reviewer's name, by the contract.
const REVIEWER_CHARS_MAX: usize = 64;

/// Most characters of a reason: a page of text.
const REASON_CHARS_MAX: usize = 2_000;

/// Applications of customers, cases of reviewers.
#[derive(Debug)]
pub struct KycApi {
    core: Arc<Core>,
}

impl KycApi {
    /// The service over `core`.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }
}

/// An upload as it was announced.
struct Announced {
    request_id: bursar_types::RequestId,
    new: NewDocument,
    upload: Upload,
}

fn announced(part: Option<Part>) -> Result<Announced, Status> {
    let Some(Part::Start(start)) = part else {
        return Err(Invalid::new().field("start", "must come first, before any chunk").into());
    };
    let request_id = parse::request_id(&start.request_id)?;
    let mut invalid = Invalid::new();
    let case_id = invalid.take(parse::id("start.case_id", &start.case_id));
    let kind = invalid.take(convert::document_kind("start.kind", start.kind));
    let sha256: Option<[u8; 32]> = invalid
        .take(parse::bytes("start.sha256", &start.sha256, 32..=32))
        .and_then(|bytes| bytes.try_into().ok());
    let (Some(case_id), Some(kind), Some(sha256)) = (case_id, kind, sha256) else {
        return Err(invalid.into());
    };
    let upload = Upload::announced(start.size_bytes, sha256).map_err(Error::from).or_status()?;
    Ok(Announced { request_id, new: NewDocument { case_id, kind }, upload })
}

/// Takes the chunks to the end of the stream.
async fn receive(
    mut upload: Upload,
    stream: &mut Streaming<proto::UploadDocumentRequest>,
) -> Result<Image, Status> {
    while let Some(message) = stream.message().await? {
        match message.part {
            Some(Part::Chunk(chunk)) => upload.push(&chunk).map_err(Error::from).or_status()?,
            Some(Part::Start(_)) => return Err(Invalid::new().field("start", "must come once only").into()),
            None => return Err(Invalid::new().field("part", "must be a chunk").into()),
        }
    }
    upload.finish().map_err(Error::from).or_status()
}

fn decision(message: &proto::DecideCaseRequest) -> Result<Decision, Invalid> {
    use proto::CaseState as P;
    let approved = message.decision == i32::from(P::Approved);
    let least = usize::from(!approved);
    let customer_reason =
        parse::text("customer_reason", &message.customer_reason, least..=REASON_CHARS_MAX)?.to_owned();
    if !approved && message.kyc_level != 0 {
        return Err(Invalid::new().field("kyc_level", "is given with an approval only"));
    }
    match P::try_from(message.decision) {
        Ok(P::Approved) => {
            let level = KycLevel::new(message.kyc_level);
            let level =
                level.ok_or_else(|| Invalid::new().field("kyc_level", "must be 1 to 3 with an approval"))?;
            Ok(Decision::Approve { level, customer_reason })
        }
        Ok(P::Rejected) => Ok(Decision::Reject { customer_reason }),
        Ok(P::MoreInfo) => Ok(Decision::AskForMore { customer_reason }),
        _ => Err(Invalid::new().field("decision", "must be APPROVED, REJECTED or MORE_INFO")),
    }
}

/// The image in parts; the first tells its type.
fn parts(download: Download) -> impl Stream<Item = Result<proto::DownloadDocumentResponse, Status>> {
    let media_type = download.media_type.as_str().to_owned();
    stream::unfold((Some(download), media_type), |(download, media_type)| async move {
        let mut download = download?;
        match download.next_part().await {
            Ok(Some(chunk)) => {
                let message = proto::DownloadDocumentResponse { media_type, chunk };
                Some((Ok(message), (Some(download), String::new())))
            }
            Ok(None) => None,
            Err(error) => Some((Err(bursar_service::status(&error)), (None, String::new()))),
        }
    })
}

#[tonic::async_trait]
impl KycService for KycApi {
    async fn create_application(
        &self,
        request: Request<proto::CreateApplicationRequest>,
    ) -> Result<Response<proto::CreateApplicationResponse>, Status> {
        let (principal, claims) = customer_of(&self.core, &request).await?;
        let message = request.into_inner();
        let request_id = parse::request_id(&message.request_id)?;
        let details = parse::required("details", message.details.as_ref())?;
        let stated = Stated {
            full_name: &details.full_name,
            id_number: &details.resident_id_number,
            birth_date: &details.birth_date,
            nationality: &details.nationality,
            address: &details.address,
        };
        let asked = Asked { principal: &principal, request_id };
        let view = self.core.create_application(asked, claims.customer_id, stated).await.or_status()?;
        let application = Some(convert::application_message(&view));
        Ok(Response::new(proto::CreateApplicationResponse { application }))
    }

    async fn upload_document(
        &self,
        request: Request<Streaming<proto::UploadDocumentRequest>>,
    ) -> Result<Response<proto::UploadDocumentResponse>, Status> {
        let (principal, claims) = customer_of(&self.core, &request).await?;
        let mut stream = request.into_inner();
        let Announced { request_id, new, upload } =
            announced(stream.message().await?.and_then(|first| first.part))?;
        let _place = self.core.admit_upload(claims.customer_id, new.case_id).await.or_status()?;
        let image = receive(upload, &mut stream).await?;
        let asked = Asked { principal: &principal, request_id };
        let row = self.core.store_document(asked, claims.customer_id, new, image).await.or_status()?;
        Ok(Response::new(proto::UploadDocumentResponse { document: Some(convert::document_message(&row)) }))
    }

    async fn submit_application(
        &self,
        request: Request<proto::SubmitApplicationRequest>,
    ) -> Result<Response<proto::SubmitApplicationResponse>, Status> {
        let (principal, claims) = customer_of(&self.core, &request).await?;
        let message = request.into_inner();
        let request_id = parse::request_id(&message.request_id)?;
        let case = parse::id("case_id", &message.case_id)?;
        let asked = Asked { principal: &principal, request_id };
        let view = self.core.submit_application(asked, claims.customer_id, case).await.or_status()?;
        let application = Some(convert::application_message(&view));
        Ok(Response::new(proto::SubmitApplicationResponse { application }))
    }

    async fn get_application(
        &self,
        request: Request<proto::GetApplicationRequest>,
    ) -> Result<Response<proto::GetApplicationResponse>, Status> {
        let (_, claims) = customer_of(&self.core, &request).await?;
        let case = parse::id("case_id", &request.get_ref().case_id)?;
        let view = self.core.application(claims.customer_id, case).await.or_status()?;
        let application = Some(convert::application_message(&view));
        Ok(Response::new(proto::GetApplicationResponse { application }))
    }

    async fn list_cases(
        &self,
        request: Request<proto::ListCasesRequest>,
    ) -> Result<Response<proto::ListCasesResponse>, Status> {
        let message = request.into_inner();
        let state = convert::case_state(message.state)?;
        let query = format!("ListCases {}", message.state);
        let page = Page::parse(message.page_size, &message.page_token, &query).or_status()?;
        let (cases, next_page_token) = self.core.list_cases(state, &page).await.or_status()?;
        let cases = cases.iter().map(convert::summary_message).collect();
        Ok(Response::new(proto::ListCasesResponse { cases, next_page_token }))
    }

    async fn get_case(
        &self,
        request: Request<proto::GetCaseRequest>,
    ) -> Result<Response<proto::GetCaseResponse>, Status> {
        let case = parse::id("case_id", &request.get_ref().case_id)?;
        let view = self.core.case(case).await.or_status()?;
        Ok(Response::new(proto::GetCaseResponse { kyc_case: Some(convert::case_message(&view)) }))
    }

    type DownloadDocumentStream =
        Pin<Box<dyn Stream<Item = Result<proto::DownloadDocumentResponse, Status>> + Send + 'static>>;

    async fn download_document(
        &self,
        request: Request<proto::DownloadDocumentRequest>,
    ) -> Result<Response<Self::DownloadDocumentStream>, Status> {
        let principal = CallContext::of(&request).principal();
        let message = request.into_inner();
        let mut invalid = Invalid::new();
        let document = invalid.take(parse::id("document_id", &message.document_id));
        let reason = invalid.take(parse::text("reason", &message.reason, 1..=REASON_CHARS_MAX));
        let (Some(document), Some(reason)) = (document, reason) else { return Err(invalid.into()) };
        let download = self.core.download_document(&principal, document, reason).await.or_status()?;
        Ok(Response::new(parts(download).boxed()))
    }

    async fn claim_case(
        &self,
        request: Request<proto::ClaimCaseRequest>,
    ) -> Result<Response<proto::ClaimCaseResponse>, Status> {
        let principal = CallContext::of(&request).principal();
        let message = request.into_inner();
        let request_id = parse::request_id(&message.request_id)?;
        let mut invalid = Invalid::new();
        let case = invalid.take(parse::id("case_id", &message.case_id));
        let reviewer = invalid.take(parse::text("reviewer", &message.reviewer, 1..=REVIEWER_CHARS_MAX));
        let (Some(case), Some(reviewer)) = (case, reviewer) else { return Err(invalid.into()) };
        let asked = Asked { principal: &principal, request_id };
        let view = self.core.claim_case(asked, case, reviewer).await.or_status()?;
        Ok(Response::new(proto::ClaimCaseResponse { kyc_case: Some(convert::case_message(&view)) }))
    }

    async fn decide_case(
        &self,
        request: Request<proto::DecideCaseRequest>,
    ) -> Result<Response<proto::DecideCaseResponse>, Status> {
        let principal = CallContext::of(&request).principal();
        let message = request.into_inner();
        let request_id = parse::request_id(&message.request_id)?;
        let mut invalid = Invalid::new();
        let case = invalid.take(parse::id("case_id", &message.case_id));
        let reviewer = invalid.take(parse::text("reviewer", &message.reviewer, 1..=REVIEWER_CHARS_MAX));
        let reason =
            invalid.take(parse::text("internal_reason", &message.internal_reason, 1..=REASON_CHARS_MAX));
        let decision = invalid.take(decision(&message));
        let (Some(case_id), Some(reviewer), Some(reason), Some(decision)) =
            (case, reviewer, reason, decision)
        else {
            return Err(invalid.into());
        };
        let decide =
            Decide { case_id, reviewer: reviewer.to_owned(), decision, internal_reason: reason.to_owned() };
        let asked = Asked { principal: &principal, request_id };
        let view = self.core.decide_case(asked, &decide).await.or_status()?;
        Ok(Response::new(proto::DecideCaseResponse { kyc_case: Some(convert::case_message(&view)) }))
    }
}
