//! The customer: signs up, logs in, applies, shows a second factor, and looks at a card.

use std::time::Duration;

use bursar_proto::common::v1::Money;
use bursar_proto::gateway::v1::PayRequest;
use bursar_proto::identity::v1::upload_document_request::Part;
use bursar_proto::identity::v1::{
    ApplicantDetails, CaseState, CompleteStepUpRequest, ConfirmSignUpRequest, CreateApplicationRequest,
    DocumentKind, Locale, LogInRequest, SignUpRequest, StartStepUpRequest, SubmitApplicationRequest,
    UploadDocumentRequest, UploadDocumentStart,
};
use bursar_proto::ledger::v1::{Merchant, Payment};
use bursar_proto::notifications::v1::ReadMailboxRequest;
use bursar_proto::vault::v1::{
    CreateRevealTicketRequest, RedeemRevealTicketRequest, RevealedCard, SetCardPasswordRequest,
};
use bursar_types::{Entropy, OsEntropy};
use data_encoding::BASE64URL_NOPAD;
use ring::digest::{SHA256, digest};

use super::callers::{Callers, ask, dressed, explain, patiently, request_id, until};
use super::device::Device;
use super::image;
use super::person::{Person, random};

/// Longest wait for a text message.
const SMS_WAIT: Duration = Duration::from_secs(20);
/// Tries at seeing the card's details: a ticket whose answer got lost is spent, so the next try makes a new one.
const REVEAL_TRIES: u32 = 5;
/// Bytes of one upload chunk.
const CHUNK: usize = 64 * 1024;

/// A customer with a session.
pub(crate) struct Customer {
    pub(crate) id: String,
    pub(crate) person: Person,
    /// Access token of the session.
    pub(crate) token: String,
    pub(crate) password: String,
    /// Every one-time code so far.
    pub(crate) codes: Vec<String>,
    /// Last message read from the mailbox, so that an old code is never taken for a new one.
    last_message: String,
}

/// Six digits that are neither a run nor a repeat.
pub(crate) fn invent_card_password() -> String {
    let pairs = [27, 41, 58, 63, 74, 86, 92, 35];
    let pick = || pairs[usize::try_from(random(8)).unwrap_or(0)];
    let (first, third) = (pick(), pick());
    format!("{first:02}{:02}{third:02}", (first + third * 3 + 11) % 90 + 7)
}

/// A password that nobody has guessed before.
fn invent_password() -> String {
    let mut random = [0_u8; 12];
    OsEntropy.fill(&mut random);
    format!("茶{}", BASE64URL_NOPAD.encode(&random))
}

impl Customer {
    /// Signs up with a phone number and a password, and proves the phone.
    pub(crate) async fn sign_up(callers: &Callers, person: Person, locale: Locale) -> Result<Self, String> {
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

    /// Opens a session with the password; gives its id.
    pub(crate) async fn log_in(&mut self, callers: &Callers) -> Result<String, String> {
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
        Ok(session.session_id)
    }

    /// Shows a second factor, so that sensitive methods take the token.
    pub(crate) async fn step_up(&mut self, callers: &Callers) -> Result<(), String> {
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
    pub(crate) async fn apply(&mut self, callers: &Callers) -> Result<String, String> {
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
            (DocumentKind::ResidentIdFront, include_bytes!("../../assets/id-front.png")),
            (DocumentKind::ResidentIdBack, include_bytes!("../../assets/id-back.png")),
            (DocumentKind::Selfie, include_bytes!("../../assets/selfie.png")),
        ];
        for (kind, image) in images {
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

    /// Sets the card password; needs a fresh second factor.
    pub(crate) async fn set_card_password(
        &self,
        callers: &Callers,
        card_id: &str,
        password: &str,
    ) -> Result<(), String> {
        let request = SetCardPasswordRequest {
            request_id: request_id(),
            card_id: card_id.to_owned(),
            card_password: password.to_owned(),
        };
        ask!(callers.cardholder, set_card_password, request, &self.token).map(drop)
    }

    /// Pays a merchant in the wallet, with the card password.
    pub(crate) async fn pay(
        &self,
        callers: &Callers,
        card_id: &str,
        password: &str,
        amount: Money,
        merchant: Merchant,
    ) -> Result<Payment, String> {
        let request = PayRequest {
            request_id: request_id(),
            card_id: card_id.to_owned(),
            card_password: password.to_owned(),
            amount: Some(amount),
            merchant: Some(merchant),
        };
        Ok(ask!(callers.checkout, pay, request, &self.token)?.payment.unwrap_or_default())
    }

    /// Looks at the card's number, expiry and CVV2; needs a fresh second factor.
    pub(crate) async fn reveal(&self, callers: &Callers, card_id: &str) -> Result<RevealedCard, String> {
        let device = Device::new();
        let mut last = String::new();
        for _ in 0..REVEAL_TRIES {
            let request = CreateRevealTicketRequest {
                request_id: request_id(),
                card_id: card_id.to_owned(),
                device_public_key: device.public_key(),
                purpose: "the customer wants to use the card elsewhere".into(),
            };
            let ticket = ask!(callers.cardholder, create_reveal_ticket, request, &self.token)?;
            let request = RedeemRevealTicketRequest {
                ticket_id: ticket.ticket_id.clone(),
                ticket_secret: ticket.ticket_secret.clone(),
            };
            let mut cardholder = callers.cardholder.clone();
            let redeem = dressed(request, Some(&self.token)).map_err(|status| explain(&status))?;
            match cardholder.redeem_reveal_ticket(redeem).await {
                Ok(sealed) => return device.open(&ticket.ticket_id, sealed.get_ref()),
                Err(status) => last = explain(&status),
            }
        }
        Err(format!("redeem_reveal_ticket: {last}"))
    }
}
