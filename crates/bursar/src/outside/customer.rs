//! The customer: signs up, logs in, applies, and reads what the platform tells.

use std::time::Duration;

use bursar_proto::identity::v1::upload_document_request::Part;
use bursar_proto::identity::v1::{
    ApplicantDetails, CaseState, CompleteStepUpRequest, ConfirmSignUpRequest, CreateApplicationRequest,
    DocumentKind, Locale, LogInRequest, SignUpRequest, StartStepUpRequest, SubmitApplicationRequest,
    UploadDocumentRequest, UploadDocumentStart,
};
use bursar_proto::notifications::v1::{ListInboxRequest, ReadMailboxRequest};
use bursar_types::{Entropy, OsEntropy};
use data_encoding::BASE64URL_NOPAD;
use ring::digest::{SHA256, digest};

use crate::demo::callers::{Callers, ask, dressed, explain, patiently, request_id, until};
use crate::demo::image;
use crate::demo::person::Person;
use crate::demo::report::Report;

/// Longest wait for a text message.
const SMS_WAIT: Duration = Duration::from_secs(20);
/// Longest wait for the inbox to tell of everything that happened.
const INBOX_WAIT: Duration = Duration::from_secs(60);
/// Bytes of one upload chunk.
const CHUNK: usize = 64 * 1024;

/// Event types of which the customer must have been told at the end.
const TOLD_OF: [&str; 8] = [
    "identity.kyc.approved",
    "ledger.top_up.settled",
    "ledger.card.issued",
    "vault.card_password.set",
    "ledger.payment.approved",
    "ledger.payment.declined",
    "ledger.card.frozen",
    "ledger.card.unfrozen",
];

/// A customer with a session.
pub(in crate::demo) struct Customer {
    pub(super) id: String,
    pub(super) person: Person,
    /// Access token of the session.
    pub(super) token: String,
    pub(super) password: String,
    /// Every one-time code so far.
    pub(super) codes: Vec<String>,
    /// Last message read from the mailbox, so that an old code is never taken for a new one.
    last_message: String,
}

/// A password that nobody has guessed before.
fn invent_password() -> String {
    let mut random = [0_u8; 12];
    OsEntropy.fill(&mut random);
    format!("茶{}", BASE64URL_NOPAD.encode(&random))
}

impl Customer {
    /// Signs up with a phone number and a password, and proves the phone.
    pub(super) async fn sign_up(report: &mut Report, callers: &Callers) -> Result<Self, String> {
        report.begin("sign_up", "signing up");
        let customer = Self::register(callers, Person::invent(), Locale::ZhCn).await?;
        report.held(&format!("{} signed up and proved the phone with a one-time code", customer.id));
        Ok(customer)
    }

    async fn register(callers: &Callers, person: Person, locale: Locale) -> Result<Self, String> {
        let password = invent_password();
        let mut customer = Self {
            id: String::new(),
            person,
            token: String::new(),
            password,
            codes: Vec::new(),
            last_message: String::new(),
        };
        let request = SignUpRequest {
            request_id: request_id(),
            phone: customer.person.phone.clone(),
            password: customer.password.clone(),
            locale: locale.into(),
        };
        let started = ask!(callers.auth, sign_up, request)?;
        let code = customer.code_from_phone(callers).await?;
        let request = ConfirmSignUpRequest { request_id: request_id(), sign_up_id: started.sign_up_id, code };
        let confirmed = ask!(callers.auth, confirm_sign_up, request)?;
        customer.id = confirmed.customer.unwrap_or_default().customer_id;
        customer.token = confirmed.tokens.unwrap_or_default().access_token;
        Ok(customer)
    }

    /// Opens a session with the password.
    pub(super) async fn log_in(&mut self, report: &mut Report, callers: &Callers) -> Result<(), String> {
        report.begin("log_in", "logging in");
        let request = LogInRequest {
            request_id: request_id(),
            phone: self.person.phone.clone(),
            password: self.password.clone(),
        };
        let session = ask!(callers.auth, log_in, request)?.tokens.unwrap_or_default();
        if session.access_token.is_empty() {
            return Err("the login gave no token".into());
        }
        self.token = session.access_token;
        report.held(&format!("session {} with phone and password", session.session_id));
        Ok(())
    }

    /// Shows a second factor, so that sensitive methods take the token.
    pub(super) async fn step_up(&mut self, callers: &Callers) -> Result<(), String> {
        let request = StartStepUpRequest { request_id: request_id() };
        let challenge = ask!(callers.auth, start_step_up, request, &self.token)?;
        let code = self.code_from_phone(callers).await?;
        let request =
            CompleteStepUpRequest { request_id: request_id(), challenge_id: challenge.challenge_id, code };
        self.token = ask!(callers.auth, complete_step_up, request, &self.token)?.access_token;
        Ok(())
    }

    /// The one-time code of the newest text message.
    async fn code_from_phone(&mut self, callers: &Callers) -> Result<String, String> {
        let request = ReadMailboxRequest {
            address: self.person.phone.clone(),
            after_message_id: self.last_message.clone(),
            event_type: "one_time_code".into(),
            wait_ms: i32::try_from(SMS_WAIT.as_millis() / 4).unwrap_or(i32::MAX),
        };
        let message = until(SMS_WAIT, "the one-time code", || {
            let (mut mailbox, request) = (callers.mailbox.clone(), request.clone());
            async move {
                let answer = mailbox.read_mailbox(dressed(request, None)?).await?.into_inner();
                Ok(answer.messages.last().cloned().ok_or_else(|| "no message".to_owned()))
            }
        })
        .await?;
        self.last_message = message.message_id;
        self.codes.push(message.one_time_code.clone());
        Ok(message.one_time_code)
    }

    /// Applies with details and document images; gives the id of the case.
    pub(super) async fn apply(&mut self, report: &mut Report, callers: &Callers) -> Result<String, String> {
        report.begin("kyc_apply", "applying");
        let details = ApplicantDetails {
            full_name: self.person.full_name.clone(),
            resident_id_number: self.person.id_number.clone(),
            birth_date: self.person.birth_date.clone(),
            nationality: "CN".into(),
            address: "北京市东城区示范胡同1号".into(),
        };
        let request = CreateApplicationRequest { request_id: request_id(), details: Some(details) };
        let case_id = ask!(callers.kyc, create_application, request, &self.token)?
            .application
            .unwrap_or_default()
            .case_id;
        let images: [(DocumentKind, &[u8]); 3] = [
            (DocumentKind::ResidentIdFront, include_bytes!("../../../assets/id-front.png")),
            (DocumentKind::ResidentIdBack, include_bytes!("../../../assets/id-back.png")),
            (DocumentKind::Selfie, include_bytes!("../../../assets/selfie.png")),
        ];
        for (kind, image) in images {
            report.progress(&format!("uploading {}", kind.as_str_name()));
            let image = image::of_ones_own(image, &case_id);
            self.upload(callers, &case_id, kind, &image).await?;
        }
        let request = SubmitApplicationRequest { request_id: request_id(), case_id: case_id.clone() };
        let application =
            ask!(callers.kyc, submit_application, request, &self.token)?.application.unwrap_or_default();
        if application.state() != CaseState::Open || application.documents.len() != images.len() {
            return Err(format!(
                "the application is {} after it was handed in",
                application.state().as_str_name()
            ));
        }
        report.held(&format!("{case_id} with a resident ID number and three images, due within 24 hours"));
        Ok(case_id)
    }

    async fn upload(
        &self,
        callers: &Callers,
        case_id: &str,
        kind: DocumentKind,
        image: &[u8],
    ) -> Result<(), String> {
        let start = UploadDocumentStart {
            request_id: request_id(),
            case_id: case_id.to_owned(),
            kind: kind.into(),
            size_bytes: i64::try_from(image.len()).unwrap_or(i64::MAX),
            sha256: digest(&SHA256, image).as_ref().to_vec(),
        };
        let mut parts = vec![UploadDocumentRequest { part: Some(Part::Start(start)) }];
        parts.extend(
            image
                .chunks(CHUNK)
                .map(|chunk| UploadDocumentRequest { part: Some(Part::Chunk(chunk.to_vec())) }),
        );
        patiently(|| {
            let (mut kyc, parts) = (callers.kyc.clone(), parts.clone());
            async move { kyc.upload_document(dressed(tokio_stream::iter(parts), Some(&self.token))?).await }
        })
        .await
        .map(|_| ())
        .map_err(|status| format!("upload_document: {}", explain(&status)))
    }

    /// Waits until the inbox tells of everything that happened, in Chinese.
    pub(super) async fn notifications(&self, report: &mut Report, callers: &Callers) -> Result<(), String> {
        report.begin("inbox", "waiting for the inbox to tell of everything");
        let messages = inbox(callers, &self.token, &TOLD_OF).await?;
        if let Some(foreign) = messages.iter().find(|message| message.locale != "zh-CN") {
            return Err(format!("a message is in {}: {}", foreign.locale, foreign.title));
        }
        let declined = messages.iter().find(|message| message.event_type == "ledger.payment.declined");
        let example =
            declined.map(|message| format!("{}：{}", message.title, message.body)).unwrap_or_default();
        report.held(&format!("{} messages in zh-CN, such as 「{example}」", messages.len()));
        Ok(())
    }
}

/// A customer who reads English is told in English.
pub(super) async fn english_friend(report: &mut Report, callers: &Callers) -> Result<(), String> {
    report.begin("inbox_en", "a friend signs up in English");
    let mut person = Person::invent();
    person.full_name = "Robin Fairweather".into();
    let friend = Customer::register(callers, person, Locale::En).await?;
    let messages = inbox(callers, &friend.token, &["identity.customer.registered"]).await?;
    match messages.first() {
        Some(message) if message.locale == "en" => {
            report.held(&format!("{} in en: “{}: {}”", messages.len(), message.title, message.body));
            Ok(())
        }
        other => Err(format!("the first message is {other:?}")),
    }
}

async fn inbox(
    callers: &Callers,
    token: &str,
    types: &[&str],
) -> Result<Vec<bursar_proto::notifications::v1::InboxMessage>, String> {
    until(INBOX_WAIT, "the inbox", || {
        let mut messages = callers.messages.clone();
        async move {
            let request = ListInboxRequest { page_size: 1000, page_token: String::new() };
            let answer = messages.list_inbox(dressed(request, Some(token))?).await?.into_inner();
            let missing =
                types.iter().find(|wanted| !answer.messages.iter().any(|m| m.event_type == **wanted));
            Ok(match missing {
                Some(wanted) => Err(format!("nothing of {wanted}")),
                None => Ok(answer.messages),
            })
        }
    })
    .await
}
