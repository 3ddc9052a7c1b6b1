//! Connections of the people outside, and the patience of a good client: what may be repeated is repeated with
//! the same `request_id`.

use std::time::Duration;

use bursar_proto::access::Identity;
use bursar_proto::event::v1::event_service_client::EventServiceClient;
use bursar_proto::gateway::v1::bank_file_service_client::BankFileServiceClient;
use bursar_proto::gateway::v1::checkout_service_client::CheckoutServiceClient;
use bursar_proto::identity::v1::auth_service_client::AuthServiceClient;
use bursar_proto::identity::v1::kyc_service_client::KycServiceClient;
use bursar_proto::ledger::v1::account_service_client::AccountServiceClient;
use bursar_proto::ledger::v1::books_service_client::BooksServiceClient;
use bursar_proto::ledger::v1::card_service_client::CardServiceClient;
use bursar_proto::ledger::v1::payment_service_client::PaymentServiceClient;
use bursar_proto::ledger::v1::program_service_client::ProgramServiceClient;
use bursar_proto::notifications::v1::mailbox_service_client::MailboxServiceClient;
use bursar_proto::notifications::v1::message_service_client::MessageServiceClient;
use bursar_proto::notifications::v1::webhook_service_client::WebhookServiceClient;
use bursar_proto::vault::v1::card_vault_service_client::CardVaultServiceClient;
use bursar_proto::vault::v1::cardholder_service_client::CardholderServiceClient;
use bursar_service::client::PeerChannel;
use bursar_service::error::reason_of;
use tokio::time::Instant;
use tonic::{Code, Request, Response, Status};
use uuid::Uuid;

use crate::exit::Exit;
use crate::platform::{Endpoints, SERVICES};

/// Longest time one attempt may take.
const ATTEMPT_MAX: Duration = Duration::from_secs(10);
/// Longest time a call is repeated for: a service that died is back long before.
const PATIENCE: Duration = Duration::from_secs(60);
/// Wait between attempts.
const AGAIN: Duration = Duration::from_millis(100);

/// Every connection the people outside have.
#[derive(Debug)]
pub(crate) struct Callers {
    // The product back end, which speaks for the customer.
    pub(crate) auth: AuthServiceClient<PeerChannel>,
    pub(crate) kyc: KycServiceClient<PeerChannel>,
    pub(crate) accounts: AccountServiceClient<PeerChannel>,
    pub(crate) cards: CardServiceClient<PeerChannel>,
    pub(crate) payments: PaymentServiceClient<PeerChannel>,
    pub(crate) cardholder: CardholderServiceClient<PeerChannel>,
    pub(crate) checkout: CheckoutServiceClient<PeerChannel>,
    pub(crate) messages: MessageServiceClient<PeerChannel>,
    pub(crate) mailbox: MailboxServiceClient<PeerChannel>,
    pub(crate) webhooks: WebhookServiceClient<PeerChannel>,
    // The bank.
    pub(crate) bank_files: BankFileServiceClient<PeerChannel>,
    // The issuer's desk.
    pub(crate) review: KycServiceClient<PeerChannel>,
    pub(crate) ranges: CardVaultServiceClient<PeerChannel>,
    pub(crate) program: ProgramServiceClient<PeerChannel>,
    pub(crate) desk: AccountServiceClient<PeerChannel>,
    pub(crate) payments_desk: PaymentServiceClient<PeerChannel>,
    pub(crate) books: BooksServiceClient<PeerChannel>,
    pub(crate) events: Vec<(Identity, EventServiceClient<PeerChannel>)>,
}

impl Callers {
    pub(crate) fn new(endpoints: &Endpoints) -> Result<Self, Exit> {
        let backend = |service| endpoints.channel(service, Identity::Backend);
        let operator = |service| endpoints.channel(service, Identity::Operator);
        let ledger = backend(Identity::Ledger)?;
        let notifications = backend(Identity::Notifications)?;
        let desk = operator(Identity::Ledger)?;
        let events = SERVICES
            .iter()
            .map(|service| Ok((*service, EventServiceClient::new(operator(*service)?))))
            .collect::<Result<_, Exit>>()?;
        Ok(Self {
            auth: AuthServiceClient::new(backend(Identity::Identity)?),
            kyc: KycServiceClient::new(backend(Identity::Identity)?),
            accounts: AccountServiceClient::new(ledger.clone()),
            cards: CardServiceClient::new(ledger.clone()),
            payments: PaymentServiceClient::new(ledger),
            cardholder: CardholderServiceClient::new(backend(Identity::Vault)?),
            checkout: CheckoutServiceClient::new(backend(Identity::Gateway)?),
            messages: MessageServiceClient::new(notifications.clone()),
            mailbox: MailboxServiceClient::new(notifications.clone()),
            webhooks: WebhookServiceClient::new(notifications),
            bank_files: BankFileServiceClient::new(endpoints.channel(Identity::Gateway, Identity::Partner)?),
            review: KycServiceClient::new(operator(Identity::Identity)?),
            ranges: CardVaultServiceClient::new(operator(Identity::Vault)?),
            program: ProgramServiceClient::new(desk.clone()),
            desk: AccountServiceClient::new(desk.clone()),
            payments_desk: PaymentServiceClient::new(desk.clone()),
            books: BooksServiceClient::new(desk),
            events,
        })
    }
}

/// A new request id.
pub(crate) fn request_id() -> String {
    Uuid::now_v7().to_string()
}

/// The request with the longest time an attempt may take, and the customer's token where there is one.
pub(crate) fn dressed<T>(body: T, token: Option<&str>) -> Result<Request<T>, Status> {
    let mut request = Request::new(body);
    request.set_timeout(ATTEMPT_MAX);
    match token {
        Some(token) => bursar_service::client::with_token(request, token),
        None => Ok(request),
    }
}

/// Asks until there is an answer, or one that repeating will not change.
pub(crate) async fn patiently<T, F, A>(mut attempt: F) -> Result<T, Status>
where
    F: FnMut() -> A,
    A: Future<Output = Result<Response<T>, Status>>,
{
    let late = Instant::now() + PATIENCE;
    loop {
        match attempt().await {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(status) if worth_repeating(&status) && Instant::now() < late => {
                tokio::time::sleep(AGAIN).await;
            }
            Err(status) => return Err(status),
        }
    }
}

fn worth_repeating(status: &Status) -> bool {
    match reason_of(status) {
        Some((reason, _)) => reason.retryable(),
        // Not an answer of a service of ours: the connection broke.
        None => matches!(
            status.code(),
            Code::Unavailable | Code::Unknown | Code::Cancelled | Code::DeadlineExceeded
        ),
    }
}

/// Looks until the condition holds, or for so long in all.
pub(crate) async fn until<T, F, A>(wait: Duration, what: &str, mut look: F) -> Result<T, String>
where
    F: FnMut() -> A,
    A: Future<Output = Result<Result<T, String>, Status>>,
{
    let late = Instant::now() + wait;
    loop {
        let seen = match look().await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(seen)) => seen,
            Err(status) if worth_repeating(&status) => explain(&status),
            Err(status) => return Err(format!("{what}: {}", explain(&status))),
        };
        if Instant::now() >= late {
            return Err(format!("{what}: not within {} s; last seen: {seen}", wait.as_secs()));
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// The error in one line, with its reason.
pub(crate) fn explain(status: &Status) -> String {
    match reason_of(status) {
        Some((reason, metadata)) => {
            let metadata: Vec<String> =
                metadata.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("{} ({} {})", status.message(), reason.as_str(), metadata.join(" "))
        }
        None => format!("{} ({:?})", status.message(), status.code()),
    }
}

/// Calls `method` of `client` patiently, as the customer of `token` where there is one.
macro_rules! ask {
    ($client:expr, $method:ident, $request:expr) => {
        ask!(@ $client, $method, $request, None)
    };
    ($client:expr, $method:ident, $request:expr, $token:expr) => {
        ask!(@ $client, $method, $request, Some(AsRef::<str>::as_ref($token)))
    };
    (@ $client:expr, $method:ident, $request:expr, $token:expr) => {
        $crate::outside::callers::attempt!(@ $client, $method, $request, $token)
            .map_err(|status| format!("{}: {}", stringify!($method), $crate::outside::callers::explain(&status)))
    };
}
pub(crate) use ask;

/// As [`ask`], with the status of a refusal.
macro_rules! attempt {
    ($client:expr, $method:ident, $request:expr) => {
        attempt!(@ $client, $method, $request, None)
    };
    ($client:expr, $method:ident, $request:expr, $token:expr) => {
        attempt!(@ $client, $method, $request, Some(AsRef::<str>::as_ref($token)))
    };
    (@ $client:expr, $method:ident, $request:expr, $token:expr) => {{
        let body = $request;
        let token: Option<&str> = $token;
        $crate::outside::callers::patiently(|| {
            let (mut client, body) = ($client.clone(), body.clone());
            async move { client.$method($crate::outside::callers::dressed(body, token)?).await }
        })
        .await
    }};
}
pub(crate) use attempt;
