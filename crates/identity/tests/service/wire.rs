//! The contract on a socket: streams, field errors, and what a handler may not forget.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bursar_identity::grpc::{AuthApi, CustomerApi, KycApi};
use bursar_proto::identity::v1 as proto;
use bursar_proto::identity::v1::auth_service_client::AuthServiceClient;
use bursar_proto::identity::v1::auth_service_server::AuthServiceServer;
use bursar_proto::identity::v1::customer_service_client::CustomerServiceClient;
use bursar_proto::identity::v1::customer_service_server::CustomerServiceServer;
use bursar_proto::identity::v1::kyc_service_client::KycServiceClient;
use bursar_proto::identity::v1::kyc_service_server::KycServiceServer;
use bursar_proto::identity::v1::upload_document_request::Part;
use bursar_service::error::violations_of;
use bursar_service::{CallContext, Identity, reason_of};
use bursar_testkit::TestDatabase;
use bursar_types::Reason;
use futures::stream;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Request, Status};

use crate::world::{ADDRESS, BORN, ID_NUMBER, NAME, PASSWORD, PHONE, World, png, request, sha256};

/// The service on a socket; every call comes with the context that is set.
struct Wire {
    world: World,
    context: Arc<Mutex<CallContext>>,
    channel: Channel,
}

impl Wire {
    async fn new() -> Self {
        let database = Box::leak(Box::new(TestDatabase::sqlite()));
        let world = World::new(database).await;
        let context = Arc::new(Mutex::new(CallContext::of_caller(Identity::Backend)));
        let given = Arc::clone(&context);
        let put = move |mut request: Request<()>| -> Result<Request<()>, Status> {
            request.extensions_mut().insert(given.lock().unwrap().clone());
            Ok(request)
        };
        let incoming = TcpIncoming::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = incoming.local_addr().unwrap();
        let core = &world.core;
        let server = Server::builder()
            .add_service(AuthServiceServer::with_interceptor(AuthApi::new(core.clone()), put.clone()))
            .add_service(CustomerServiceServer::with_interceptor(CustomerApi::new(core.clone()), put.clone()))
            .add_service(KycServiceServer::with_interceptor(KycApi::new(core.clone()), put))
            .serve_with_incoming(incoming);
        bursar_service::Supervisor::new().spawn_once("server", async move { server.await.unwrap() });
        let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        Self { world, context, channel }
    }

    fn auth(&self) -> AuthServiceClient<Channel> {
        AuthServiceClient::new(self.channel.clone())
    }

    fn kyc(&self) -> KycServiceClient<Channel> {
        KycServiceClient::new(self.channel.clone())
    }

    /// From now on calls are made by the operator.
    fn as_operator(&self) {
        *self.context.lock().unwrap() = CallContext::of_caller(Identity::Operator);
    }

    /// Signs up; from now on calls are made for that customer.
    async fn join(&self) -> proto::ConfirmSignUpResponse {
        let sign_up = proto::SignUpRequest {
            request_id: request().to_string(),
            phone: PHONE.into(),
            password: PASSWORD.into(),
            locale: proto::Locale::ZhCn.into(),
        };
        let started = self.auth().sign_up(sign_up).await.unwrap().into_inner();
        let confirm = proto::ConfirmSignUpRequest {
            request_id: request().to_string(),
            sign_up_id: started.sign_up_id,
            code: self.world.notebook.code().expose().to_owned(),
        };
        let joined = self.auth().confirm_sign_up(confirm).await.unwrap().into_inner();
        let claims = self.world.claims(&joined.tokens.as_ref().unwrap().access_token);
        self.context.lock().unwrap().customer = Some(claims);
        joined
    }

    async fn apply(&self) -> String {
        let details = proto::ApplicantDetails {
            full_name: NAME.into(),
            resident_id_number: ID_NUMBER.into(),
            birth_date: BORN.into(),
            nationality: "CN".into(),
            address: ADDRESS.into(),
        };
        let create =
            proto::CreateApplicationRequest { request_id: request().to_string(), details: Some(details) };
        let created = self.kyc().create_application(create).await.unwrap().into_inner();
        created.application.unwrap().case_id
    }

    async fn upload(&self, parts: Vec<Part>) -> Result<proto::Document, Status> {
        let parts = parts.into_iter().map(|part| proto::UploadDocumentRequest { part: Some(part) });
        let response = self.kyc().upload_document(stream::iter(parts.collect::<Vec<_>>())).await?;
        Ok(response.into_inner().document.unwrap())
    }
}

fn start(case: &str, image: &[u8]) -> proto::UploadDocumentStart {
    proto::UploadDocumentStart {
        request_id: request().to_string(),
        case_id: case.to_owned(),
        kind: proto::DocumentKind::Selfie.into(),
        size_bytes: i64::try_from(image.len()).unwrap(),
        sha256: sha256(image).to_vec(),
    }
}

fn chunks(image: &[u8]) -> Vec<Part> {
    image.chunks(64 * 1024).map(|chunk| Part::Chunk(chunk.to_vec())).collect()
}

fn whole(start: proto::UploadDocumentStart, image: &[u8]) -> Vec<Part> {
    std::iter::once(Part::Start(start)).chain(chunks(image)).collect()
}

/// The reason of a refusal, and its `problem` or first wrong field.
fn told(status: &Status) -> (Reason, String) {
    let (reason, metadata) = reason_of(status).unwrap_or_else(|| panic!("no reason: {status}"));
    let field = violations_of(status).first().map(|violation| violation.field.clone());
    (reason, metadata.get("problem").cloned().or(field).unwrap_or_default())
}

#[tokio::test]
async fn a_document_goes_up_and_comes_down() {
    let wire = Wire::new().await;
    let joined = wire.join().await;
    let customer = joined.customer.unwrap();
    assert_eq!((customer.masked_phone.as_str(), customer.full_name.as_str()), ("+86*********21", ""));
    let case = wire.apply().await;
    let image = png(&vec![3; 1_000_000]);
    let begin = start(&case, &image);
    let document = wire.upload(whole(begin.clone(), &image)).await.unwrap();
    assert_eq!((document.media_type.as_str(), document.size_bytes), ("image/png", begin.size_bytes));
    let again = wire.upload(whole(begin, &image)).await.unwrap();
    assert_eq!(again.document_id, document.document_id, "a repetition stores nothing");
    let passport = png(b"passport");
    let begin =
        proto::UploadDocumentStart { kind: proto::DocumentKind::Passport.into(), ..start(&case, &passport) };
    wire.upload(whole(begin, &passport)).await.unwrap();
    let submit = proto::SubmitApplicationRequest { request_id: request().to_string(), case_id: case.clone() };
    let application = wire.kyc().submit_application(submit).await.unwrap().into_inner().application.unwrap();
    assert_eq!((application.state(), application.documents.len()), (proto::CaseState::Open, 2));

    wire.as_operator();
    let download =
        proto::DownloadDocumentRequest { document_id: document.document_id, reason: "review".into() };
    let mut parts = wire.kyc().download_document(download).await.unwrap().into_inner();
    let mut bytes = Vec::new();
    while let Some(part) = parts.message().await.unwrap() {
        assert_eq!(part.media_type, if bytes.is_empty() { "image/png" } else { "" });
        bytes.extend(part.chunk);
    }
    assert!(bytes == image);

    let list = proto::ListCasesRequest::default();
    let cases = wire.kyc().list_cases(list).await.unwrap().into_inner().cases;
    assert_eq!((cases.len(), cases[0].masked_id_number.as_str()), (1, "110105********002X"));
}

#[tokio::test]
async fn bad_uploads_are_refused_and_leave_nothing() {
    let wire = Wire::new().await;
    wire.join().await;
    let case = wire.apply().await;
    let image = png(&[3; 100_000]);
    let refusal = async |parts| told(&wire.upload(parts).await.unwrap_err());
    let problem = |problem: &str| (Reason::DocumentInvalid, problem.to_owned());
    let field = |field: &str| (Reason::InvalidField, field.to_owned());

    let gif = [b"GIF89a".to_vec(), vec![0; 100]].concat();
    assert_eq!(refusal(whole(start(&case, &gif), &gif)).await, problem("type"));
    let cut = &image[..image.len() - 1];
    assert_eq!(refusal(whole(start(&case, &image), cut)).await, problem("truncated"));
    assert_eq!(refusal(whole(start(&case, cut), cut)).await, problem("damaged"));
    assert_eq!(refusal(whole(start(&case, cut), &image)).await, problem("longer_than_announced"));
    let other = proto::UploadDocumentStart { sha256: vec![0; 32], ..start(&case, &image) };
    assert_eq!(refusal(whole(other, &image)).await, problem("digest"));
    let huge = proto::UploadDocumentStart { size_bytes: 10 * 1024 * 1024 + 1, ..start(&case, &image) };
    assert_eq!(refusal(whole(huge, &image)).await, problem("size"));
    let large = vec![Part::Start(start(&case, &image)), Part::Chunk(image.clone())];
    assert_eq!(refusal(large).await, problem("part_too_large"));

    assert_eq!(refusal(chunks(&image)).await, field("start"));
    assert_eq!(refusal(Vec::new()).await, field("start"));
    let twice = vec![Part::Start(start(&case, &image)), Part::Start(start(&case, &image))];
    assert_eq!(refusal(twice).await, field("start"));
    let kind = proto::UploadDocumentStart { kind: 0, ..start(&case, &image) };
    assert_eq!(refusal(whole(kind, &image)).await, field("start.kind"));
    let digest = proto::UploadDocumentStart { sha256: vec![0; 31], ..start(&case, &image) };
    assert_eq!(refusal(whole(digest, &image)).await, field("start.sha256"));
    let id = proto::UploadDocumentStart { request_id: String::new(), ..start(&case, &image) };
    assert_eq!(refusal(whole(id, &image)).await.0, Reason::RequestIdMissing);
    let nowhere = "kyc_00000000000000000000000000";
    assert_eq!(refusal(whole(start(nowhere, &image), &image)).await.0, Reason::NotFound);

    let get = proto::GetApplicationRequest { case_id: case };
    let application = wire.kyc().get_application(get).await.unwrap().into_inner().application.unwrap();
    assert!(application.documents.is_empty());
}

#[tokio::test]
async fn every_wrong_field_is_named() {
    let wire = Wire::new().await;
    let refusal = async |sign_up| told(&wire.auth().sign_up(sign_up).await.unwrap_err());
    let good = proto::SignUpRequest {
        request_id: request().to_string(),
        phone: PHONE.into(),
        password: PASSWORD.into(),
        locale: 0,
    };
    let cases = [
        (
            proto::SignUpRequest { request_id: String::new(), ..good.clone() },
            Reason::RequestIdMissing,
            "request_id",
        ),
        (
            proto::SignUpRequest { request_id: "7".into(), ..good.clone() },
            Reason::RequestIdMalformed,
            "request_id",
        ),
        (proto::SignUpRequest { phone: "13800138021".into(), ..good.clone() }, Reason::InvalidField, "phone"),
        (proto::SignUpRequest { password: "short".into(), ..good.clone() }, Reason::InvalidField, "password"),
        (
            proto::SignUpRequest { password: "password1".into(), ..good.clone() },
            Reason::PasswordWeak,
            "password",
        ),
        (proto::SignUpRequest { locale: 9, ..good.clone() }, Reason::InvalidField, "locale"),
    ];
    for (sign_up, reason, field) in cases {
        assert_eq!(refusal(sign_up).await, (reason, field.to_owned()));
    }

    wire.as_operator();
    let decide = proto::DecideCaseRequest {
        request_id: request().to_string(),
        case_id: "kyc_00000000000000000000000000".into(),
        reviewer: "Chen".into(),
        decision: proto::CaseState::Approved.into(),
        kyc_level: 2,
        internal_reason: "good".into(),
        customer_reason: String::new(),
    };
    let refusal = async |decide| told(&wire.kyc().decide_case(decide).await.unwrap_err());
    let rejected = i32::from(proto::CaseState::Rejected);
    let cases = [
        (proto::DecideCaseRequest { kyc_level: 4, ..decide.clone() }, "kyc_level"),
        (proto::DecideCaseRequest { decision: rejected, kyc_level: 0, ..decide.clone() }, "customer_reason"),
        (
            proto::DecideCaseRequest { decision: rejected, customer_reason: "no".into(), ..decide.clone() },
            "kyc_level",
        ),
        (
            proto::DecideCaseRequest {
                decision: 2,
                kyc_level: 0,
                customer_reason: "x".into(),
                ..decide.clone()
            },
            "decision",
        ),
        (proto::DecideCaseRequest { internal_reason: String::new(), ..decide.clone() }, "internal_reason"),
        (proto::DecideCaseRequest { reviewer: "x".repeat(65), ..decide.clone() }, "reviewer"),
        (proto::DecideCaseRequest { case_id: "doc_x".into(), ..decide.clone() }, "case_id"),
    ];
    for (decide, field) in cases {
        assert_eq!(refusal(decide).await, (Reason::InvalidField, field.to_owned()));
    }
    let list = proto::ListCasesRequest { page_size: 1001, ..Default::default() };
    assert_eq!(told(&wire.kyc().list_cases(list).await.unwrap_err()).1, "page_size");
    let list = proto::ListCasesRequest { page_token: "x".into(), ..Default::default() };
    assert_eq!(told(&wire.kyc().list_cases(list).await.unwrap_err()).0, Reason::PageTokenInvalid);
}

#[tokio::test]
async fn an_ended_session_ends_here_at_once() {
    let wire = Wire::new().await;
    wire.join().await;
    let mut customers = CustomerServiceClient::new(wire.channel.clone());
    customers.get_me(proto::GetMeRequest {}).await.unwrap();
    let out = proto::LogOutRequest { request_id: request().to_string() };
    wire.auth().log_out(out.clone()).await.unwrap();
    wire.auth().log_out(out).await.unwrap();
    let status = customers.get_me(proto::GetMeRequest {}).await.unwrap_err();
    assert_eq!(told(&status).0, Reason::SessionRevoked);
    wire.as_operator();
    let status = customers.get_me(proto::GetMeRequest {}).await.unwrap_err();
    assert_eq!(told(&status).0, Reason::TokenMissing);
}
