//! One identity service without its gRPC, and what tests do with it again and again.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bursar_identity::auth::{Asked, Confirm, LogIn, LoggedIn, SignUp, SignUpId, Started};
use bursar_identity::code::Code;
use bursar_identity::customer::Locale;
use bursar_identity::kyc::document::{DocumentKind, Upload};
use bursar_identity::kyc::{ApplicationView, NewDocument, Stated};
use bursar_identity::messenger::{Message, Messenger, MessengerError, Outgoing, Recipient};
use bursar_identity::password::Password;
use bursar_identity::phone::Phone;
use bursar_identity::{Config, Core, Error, Surroundings, store};
use bursar_proto::event::v1::Event;
use bursar_service::cert::Authority;
use bursar_service::config::{LoadOptions, load};
use bursar_service::db::Db;
use bursar_service::events::{EventLog, EventSource as _};
use bursar_service::run::StartError;
use bursar_service::tls::{Tls, install_provider};
use bursar_service::token::TokenVerifier;
use bursar_service::{CustomerClaims, Identity};
use bursar_testkit::TestDatabase;
use bursar_types::id::{CustomerId, KycCaseId, Uuid};
use bursar_types::{Clock, IdSource, ManualClock, OsEntropy, RequestId, SystemClock, Timestamp};
use futures::future::BoxFuture;
use tempfile::TempDir;

pub(crate) const BACKEND: &str = "service/backend";
pub(crate) const OPERATOR: &str = "service/operator";
pub(crate) const PHONE: &str = "+8613800138021";
pub(crate) const PASSWORD: &str = "correct-horse-battery";
pub(crate) const NAME: &str = "王小明";
pub(crate) const ID_NUMBER: &str = "11010519491231002X";
pub(crate) const BORN: &str = "1949-12-31";
pub(crate) const ADDRESS: &str = "北京市朝阳区百草园路八号";

/// 2026-11-22T12:00:00Z, when every test begins.
pub(crate) const START: Timestamp = Timestamp::from_micros(1_795_348_800_000_000);

/// A fresh request id.
pub(crate) fn request() -> RequestId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    RequestId::from_uuid(Uuid::from_u128(u128::from(NEXT.fetch_add(1, Ordering::SeqCst))))
}

pub(crate) fn asked(principal: &str) -> Asked<'_> {
    Asked { principal, request_id: request() }
}

/// Notifications as a notebook.
#[derive(Default)]
pub(crate) struct Notebook {
    pub(crate) messages: Mutex<Vec<Outgoing>>,
    pub(crate) recipients: Mutex<Vec<Recipient>>,
    /// So many of the next calls fail.
    pub(crate) away: AtomicU32,
    /// Whether there is not even a connection.
    pub(crate) unreached: AtomicBool,
    /// Whether notices without a code are refused.
    pub(crate) refuses_notices: Mutex<bool>,
}

impl Notebook {
    fn is_away(&self) -> bool {
        self.away.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }

    pub(crate) fn count(&self) -> usize {
        self.messages.lock().unwrap().len()
    }

    pub(crate) fn last(&self) -> Outgoing {
        self.messages.lock().unwrap().last().expect("a message was sent").clone()
    }

    /// The code of the last message.
    pub(crate) fn code(&self) -> Code {
        match self.last().message {
            Message::Code { code, .. } => code,
            Message::AccountExists => panic!("the last message has no code"),
        }
    }
}

impl Messenger for Notebook {
    fn send(&self, message: Outgoing) -> BoxFuture<'_, Result<(), MessengerError>> {
        Box::pin(async move {
            if self.unreached.load(Ordering::SeqCst) {
                return Err(MessengerError::Unreached("as asked".into()));
            }
            if self.is_away() {
                return Err(MessengerError::Away("as asked".into()));
            }
            if message.message == Message::AccountExists && *self.refuses_notices.lock().unwrap() {
                return Err(MessengerError::Refused("as asked".into()));
            }
            self.messages.lock().unwrap().push(message);
            Ok(())
        })
    }

    fn put_recipient(&self, recipient: Recipient) -> BoxFuture<'_, Result<(), MessengerError>> {
        Box::pin(async move {
            if self.is_away() {
                return Err(MessengerError::Away("as asked".into()));
            }
            self.recipients.lock().unwrap().push(recipient);
            Ok(())
        })
    }
}

pub(crate) struct World {
    pub(crate) core: Arc<Core>,
    pub(crate) db: Db,
    pub(crate) events: EventLog,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) notebook: Arc<Notebook>,
    pub(crate) folder: TempDir,
}

/// The configuration of a test: cheap hashes, files in `folder`.
pub(crate) fn config(folder: &TempDir, sets: &[&str]) -> Config {
    let path = |name: &str| folder.path().join(name).display().to_string();
    let mut all = vec![
        format!("keys.master_file={}", path("master.key")),
        format!("signing.cert={}", path("identity-signing.pem")),
        format!("signing.key={}", path("identity-signing.key")),
        "password.memory_kib=64".to_owned(),
        "password.iterations=1".to_owned(),
        "tls.ca=x".to_owned(),
        "tls.cert=x".to_owned(),
        "tls.key=x".to_owned(),
        "database.url=sqlite://x".to_owned(),
    ];
    all.extend(sets.iter().map(|set| (*set).to_owned()));
    let options = LoadOptions { file: None, sets: all, variables: Vec::new() };
    load::<Config>(bursar_identity::config::DEFAULTS, &options)
        .expect("the defaults are a configuration")
        .config
}

/// A folder with an authority's signing certificate for identity.
pub(crate) fn folder() -> TempDir {
    install_provider();
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::open(folder.path(), Arc::new(SystemClock)).unwrap();
    authority.signing(Identity::Identity).unwrap();
    authority.leaf(Identity::Identity).unwrap();
    folder
}

impl World {
    pub(crate) async fn new(database: &TestDatabase) -> Self {
        Self::with(database, folder(), &[]).await.expect("a service starts")
    }

    /// A world on the same database and keys, as another process or another configuration would be.
    pub(crate) async fn with(
        database: &TestDatabase,
        folder: TempDir,
        sets: &[&str],
    ) -> Result<Self, StartError> {
        let db = database.open(store::MIGRATIONS).await;
        let clock = Arc::new(ManualClock::at(START));
        let entropy = Arc::new(OsEntropy);
        let ids = IdSource::new(clock.clone(), entropy.clone());
        let events = EventLog::open(db.clone(), "identity", clock.clone(), ids.clone()).await?;
        let notebook = Arc::new(Notebook::default());
        let surroundings = Surroundings {
            db: db.clone(),
            events: events.clone(),
            clock: clock.clone(),
            machine_clock: clock.clone(),
            entropy,
            ids,
            messenger: notebook.clone(),
            sandbox: true,
        };
        let core = Core::build(config(&folder, sets), surroundings).await?;
        Ok(Self { core, db, events, clock, notebook, folder })
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// All events so far, in order.
    pub(crate) async fn events(&self) -> Vec<Event> {
        self.events.turn().await.unwrap();
        self.events.page(0, 1000).await.unwrap()
    }

    /// Types of all events so far, without `identity.`.
    pub(crate) async fn event_types(&self) -> Vec<String> {
        let events = self.events().await;
        events.iter().map(|event| event.r#type.trim_start_matches("identity.").to_owned()).collect()
    }

    pub(crate) async fn begin(&self, phone: &str) -> Result<Started<SignUpId>, Error> {
        self.core.sign_up(asked(BACKEND), sign_up(phone)).await
    }

    /// Signs up with this phone, to the end.
    pub(crate) async fn join(&self, phone: &str) -> LoggedIn {
        let started = self.begin(phone).await.unwrap();
        let confirm = Confirm { sign_up_id: started.id, code: self.notebook.code() };
        self.core.confirm_sign_up(asked(BACKEND), confirm).await.unwrap()
    }

    pub(crate) async fn log_in(&self, phone: &str, password: &str) -> Result<LoggedIn, Error> {
        let log_in =
            LogIn { phone: Phone::parse(phone).unwrap(), password: Password::parse(password).unwrap() };
        self.core.log_in(asked(BACKEND), log_in).await
    }

    /// What an access token says, checked as another service would.
    pub(crate) fn claims(&self, token: &str) -> CustomerClaims {
        let files = bursar_service::tls::TlsFiles::in_dir(self.folder.path(), "identity");
        let verifier = TokenVerifier::new(Tls::load(files).unwrap(), Arc::new(SystemClock));
        verifier.verify_customer(token, self.clock.now()).unwrap()
    }

    pub(crate) async fn apply(&self, customer: CustomerId) -> Result<ApplicationView, Error> {
        self.core.create_application(asked(BACKEND), customer, stated()).await
    }

    pub(crate) async fn upload(
        &self,
        customer: CustomerId,
        case_id: KycCaseId,
        kind: DocumentKind,
        bytes: &[u8],
    ) -> Result<store::documents::DocumentRow, Error> {
        let mut upload = Upload::announced(i64::try_from(bytes.len()).unwrap(), sha256(bytes))?;
        for part in bytes.chunks(60_000) {
            upload.push(part)?;
        }
        let new = NewDocument { case_id, kind };
        self.core.store_document(asked(BACKEND), customer, new, upload.finish()?).await
    }

    /// Uploads passport and selfie, and hands the application in.
    pub(crate) async fn hand_in(&self, customer: CustomerId, case: KycCaseId) -> ApplicationView {
        let seed = customer.to_string();
        self.upload(customer, case, DocumentKind::Passport, &png(format!("{seed} passport").as_bytes()))
            .await
            .unwrap();
        self.upload(customer, case, DocumentKind::Selfie, &png(format!("{seed} selfie").as_bytes()))
            .await
            .unwrap();
        self.core.submit_application(asked(BACKEND), customer, case).await.unwrap()
    }

    /// A customer with a case that waits for reviewers.
    pub(crate) async fn waiting_case(&self) -> (CustomerId, KycCaseId) {
        let customer = self.join(PHONE).await.customer.customer_id;
        let case = self.apply(customer).await.unwrap().case_id;
        self.hand_in(customer, case).await;
        (customer, case)
    }
}

pub(crate) fn sign_up(phone: &str) -> SignUp {
    SignUp {
        phone: Phone::parse(phone).unwrap(),
        password: Password::parse(PASSWORD).unwrap(),
        locale: Locale::ZhCn,
    }
}

pub(crate) fn stated() -> Stated<'static> {
    Stated { full_name: NAME, id_number: ID_NUMBER, birth_date: BORN, nationality: "CN", address: ADDRESS }
}

/// Another code than this one.
pub(crate) fn other_code(code: &Code) -> Code {
    let number: u32 = code.expose().parse().unwrap();
    Code::parse(&format!("{:06}", (number + 1) % 1_000_000)).unwrap()
}

/// What is taken for a PNG, with `body` in it.
pub(crate) fn png(body: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR".to_vec();
    bytes.extend_from_slice(&[0; 64]);
    bytes.extend_from_slice(body);
    bytes.extend_from_slice(b"IEND\xae\x42\x60\x82");
    bytes
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref().try_into().unwrap()
}
