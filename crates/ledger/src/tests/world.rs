//! What the tests stand on: ledgers in this process on a database of their own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bursar_ledger_engine::{Country, Name, ZoneOffset};
use bursar_proto::ledger::v1 as proto;
use bursar_proto::ledger::v1::account_service_server::AccountService as _;
use bursar_proto::ledger::v1::card_service_server::CardService as _;
use bursar_proto::ledger::v1::payment_service_server::PaymentService as _;
use bursar_proto::ledger::v1::program_service_server::ProgramService as _;
use bursar_proto::ledger::v1::top_up_service_server::TopUpService as _;
use bursar_service::cert::Authority;
use bursar_service::db::Db;
use bursar_service::tls::Tls;
use bursar_service::token::{Grant, TokenSigner, TokenVerifier, Trust};
use bursar_service::{CallContext, CustomerClaims, Identity, Supervisor};
use bursar_testkit::TestDatabase;
use bursar_types::id::{CustomerId, SessionId};
use bursar_types::{
    Asset, CARD_PROOF_AUDIENCE, CardProofClaims, Clock, Entropy, IdSource, ManualClock, OsEntropy,
    ProofResult, SystemClock, Timestamp,
};
use futures::future::BoxFuture;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

use crate::config::{
    Config, LeaseConfig, Program, ProgramConfig, ProgramIdText, SigningConfig, WriterConfig,
};
use crate::error::LedgerError;
use crate::follow::Seal;
use crate::grpc::{Api, Core};
use crate::issue::Issuer;
use crate::peers::{CustomerFacts, NumberAnswer, NumberWanted, Peers};
use crate::proof::Proofs;
use crate::verify::Beginning;
use crate::writer::{self, Handle, JournalStore, Shared, SqlJournal};
use crate::{program, store};

/// What the peers answer; a test changes it.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Customers that are not ACTIVE at level 1.
    pub(super) customers: HashMap<CustomerId, CustomerFacts>,
    /// Whether the vault answers.
    pub(super) vault_away: bool,
    /// Why the vault makes no number.
    pub(super) never: Option<String>,
    /// How often the vault was asked, by card.
    pub(super) asked: HashMap<String, u32>,
}

#[derive(Debug, Default)]
pub(super) struct FakePeers(pub(super) Mutex<Facts>);

impl FakePeers {
    pub(super) fn facts(&self) -> std::sync::MutexGuard<'_, Facts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Peers for FakePeers {
    fn customer(&self, id: CustomerId) -> BoxFuture<'_, Result<CustomerFacts, LedgerError>> {
        let usual = CustomerFacts { active: true, state: "ACTIVE".into(), kyc_level: 1 };
        let facts = self.facts().customers.get(&id).cloned().unwrap_or(usual);
        Box::pin(async move { Ok(facts) })
    }

    fn number(&self, wanted: NumberWanted) -> BoxFuture<'_, Result<NumberAnswer, LedgerError>> {
        let mut facts = self.facts();
        *facts.asked.entry(wanted.card.to_string()).or_default() += 1;
        let answer = if facts.vault_away {
            Err(LedgerError::OutcomeUnknown)
        } else if let Some(reason) = facts.never.clone() {
            Ok(NumberAnswer::Never(reason))
        } else {
            Ok(NumberAnswer::Made {
                masked_pan: "990000******1234".into(),
                month: wanted.month.into(),
                year: wanted.year.into(),
            })
        };
        Box::pin(async move { answer })
    }
}

/// A database with the things that outlive a process.
pub(super) struct World {
    database: TestDatabase,
    pub(super) clock: Arc<ManualClock>,
    authority: Authority,
    /// Removed with the world.
    _folder: TempDir,
    signer: TokenSigner,
}

/// A ledger process.
pub(super) struct Node {
    pub(super) api: Api,
    pub(super) handle: Handle,
    pub(super) peers: Arc<FakePeers>,
    pub(super) supervisor: Supervisor,
    pub(super) db: Db,
    /// The owner; dropped, it is killed at once.
    owner: JoinSet<()>,
}

fn config(signing: SigningConfig) -> Config {
    Config {
        program: ProgramConfig {
            id: ProgramIdText("prog_00000000000000000000000001".parse().unwrap()),
            name: "Test".into(),
            country: "CN".into(),
            assets: vec!["CNY".into(), "USD".into()],
            utc_offset_minutes: 480,
        },
        writer: WriterConfig { queue_max: 128, batch_max: 16, checkpoint_commands: 40 },
        lease: LeaseConfig { ttl_ms: 2_000, renew_ms: 100 },
        signing,
    }
}

pub(super) fn cny() -> Asset {
    Asset::from_code("CNY").unwrap()
}

pub(super) fn yuan(minor_units: i64) -> Option<bursar_proto::common::v1::Money> {
    Some(bursar_proto::common::v1::Money { minor_units, asset: "CNY".into() })
}

pub(super) fn uuid() -> String {
    let ids = IdSource::new(Arc::new(SystemClock), Arc::new(OsEntropy));
    ids.next_uuid().to_string()
}

pub(super) fn customer() -> CustomerId {
    IdSource::new(Arc::new(SystemClock), Arc::new(OsEntropy)).next()
}

impl World {
    pub(super) fn new(database: TestDatabase) -> Self {
        bursar_service::tls::install_provider();
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::open(folder.path(), Arc::new(SystemClock)).unwrap();
        let files = authority.signing(Identity::Vault).unwrap();
        let signer = TokenSigner::load(&files.cert, &files.key).unwrap();
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        Self { database, clock, authority, _folder: folder, signer }
    }

    /// What everything the platform signs is checked under.
    pub(super) fn trust(&self) -> Trust {
        Trust::load(&self.authority.ca()).unwrap()
    }

    fn config(&self) -> Config {
        let signing = self.authority.signing(Identity::Ledger).unwrap();
        config(SigningConfig { cert: signing.cert, key: signing.key })
    }

    /// Starts a process and waits until it owns the shard.
    pub(super) async fn node(&self) -> Node {
        self.node_on(|db| Arc::new(SqlJournal(db))).await
    }

    pub(super) async fn node_on(&self, journal: impl FnOnce(Db) -> Arc<dyn JournalStore>) -> Node {
        let (node, program) = self.waiting_node(journal).await;
        node.handle.ready().await;
        program::establish(&node.handle, &program).await.unwrap();
        node
    }

    /// Starts a process.
    pub(super) async fn waiting_node(
        &self,
        journal: impl FnOnce(Db) -> Arc<dyn JournalStore>,
    ) -> (Node, Program) {
        self.waiting_node_of(self.config(), journal).await
    }

    /// Starts a process with a queue and batches that hold any number of commands.
    pub(super) async fn roomy_node(
        &self,
        journal: impl FnOnce(Db) -> Arc<dyn JournalStore>,
    ) -> (Node, Program) {
        let writer = WriterConfig { queue_max: 10_000, batch_max: 10_000, checkpoint_commands: 40 };
        self.waiting_node_of(Config { writer, ..self.config() }, journal).await
    }

    async fn waiting_node_of(
        &self,
        config: Config,
        journal: impl FnOnce(Db) -> Arc<dyn JournalStore>,
    ) -> (Node, Program) {
        let db = self.database.open(store::MIGRATIONS).await;
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy);
        let ids = IdSource::new(Arc::clone(&clock), Arc::clone(&entropy));
        let seal = Seal::load(&config.signing, Arc::new(SystemClock)).unwrap();
        let shared = Arc::new(Shared::new(
            db.clone(),
            Arc::clone(&clock),
            Arc::clone(&clock),
            entropy,
            ids,
            config.clone(),
        ));
        let handle = Handle { shared: Arc::clone(&shared) };
        let supervisor = Supervisor::new();
        let mut owner = JoinSet::new();
        owner.spawn(writer::own(shared, journal(db.clone()), seal, supervisor.shutdown()));
        let peers = Arc::new(FakePeers::default());
        let issuer = Issuer { handle: handle.clone(), peers: Arc::clone(&peers) as Arc<dyn Peers> };
        let program = Program {
            id: config.program.id.0,
            name: Name::new("Test").unwrap(),
            country: Country::new("CN").unwrap(),
            assets: vec![cny(), Asset::from_code("USD").unwrap()],
            zone: ZoneOffset::from_minutes(480).unwrap(),
        };
        let tls = Tls::load(self.authority.leaf(Identity::Ledger).unwrap()).unwrap();
        let machine_clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let proofs =
            Proofs { tokens: TokenVerifier::new(tls, Arc::clone(&machine_clock)), clock, machine_clock };
        let core = Core {
            handle: handle.clone(),
            issuer,
            proofs,
            program: program.clone(),
            draining: CancellationToken::new(),
        };
        (Node { api: Api(Arc::new(core)), handle, peers, supervisor, db, owner }, program)
    }

    /// A proof of the vault's.
    pub(super) fn proof(&self, wish: &Wish) -> String {
        let claims = CardProofClaims {
            jti: uuid(),
            card_id: wish.card.clone(),
            amount_minor: wish.amount,
            asset: wish.asset.into(),
            merchant_id: "M-1".into(),
            expiry: ProofResult::Match,
            cvv2: if wish.in_app { ProofResult::Absent } else { wish.verified },
            card_password: if wish.in_app { wish.verified } else { ProofResult::Absent },
        };
        let grant = Grant {
            audience: CARD_PROOF_AUDIENCE,
            issued_at: SystemClock.now(),
            lifetime: Duration::from_secs(60),
        };
        self.signer.sign(&grant, &claims).unwrap()
    }

    /// A payment's message.
    pub(super) fn authorize(&self, wish: &Wish) -> proto::AuthorizeRequest {
        proto::AuthorizeRequest {
            request_id: uuid(),
            proof: self.proof(wish),
            amount: Some(bursar_proto::common::v1::Money {
                minor_units: wish.amount,
                asset: wish.asset.into(),
            }),
            merchant: Some(proto::Merchant {
                merchant_id: "M-1".into(),
                name: "Tea House".into(),
                mcc: "5814".into(),
                country: String::new(),
            }),
            channel: if wish.in_app { proto::Channel::InApp } else { proto::Channel::Ecommerce }.into(),
            partial_allowed: false,
            capture_now: wish.in_app,
            ..proto::AuthorizeRequest::default()
        }
    }
}

/// A payment to be asked for.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) card: String,
    pub(super) amount: i64,
    pub(super) in_app: bool,
    pub(super) asset: &'static str,
    pub(super) verified: ProofResult,
}

impl Wish {
    pub(super) fn online(card: &str, amount: i64) -> Self {
        Self { card: card.into(), amount, in_app: false, asset: "CNY", verified: ProofResult::Match }
    }

    pub(super) fn in_app(card: &str, amount: i64) -> Self {
        Self { in_app: true, ..Self::online(card, amount) }
    }
}

/// A call in the name of a customer.
pub(super) fn by_customer<T>(customer: CustomerId, message: T) -> Request<T> {
    let claims = CustomerClaims {
        customer_id: customer,
        session_id: "sess_00000000000000000000000001".parse::<SessionId>().unwrap(),
        issued_at: Timestamp::default(),
        second_factor_at: None,
        device: None,
    };
    let mut context = CallContext::of_caller(Identity::Backend);
    context.customer = Some(claims);
    let mut request = Request::new(message);
    request.extensions_mut().insert(context);
    request
}

/// A call in a caller's own name.
pub(super) fn by<T>(caller: Identity, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(CallContext::of_caller(caller));
    request
}

/// The reason a status carries.
pub(super) fn reason(status: &Status) -> &'static str {
    bursar_service::reason_of(status).map_or("none", |(reason, _)| reason.as_str())
}

/// A customer with an account and an active card.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    pub(super) customer: CustomerId,
    pub(super) account: proto::Account,
    pub(super) product: String,
    pub(super) card: String,
}

impl Node {
    pub(super) async fn stop(self) {
        assert!(self.supervisor.stop().await, "the tasks did not end in time");
        let ended = tokio::time::timeout(Duration::from_secs(10), self.owner.join_all()).await;
        ended.expect("the owner did not end in time");
        self.db.close().await;
    }

    pub(super) async fn product(&self) -> String {
        let message = proto::CreateCardProductRequest {
            request_id: uuid(),
            name: "Everyday".into(),
            bin_range_id: "test".into(),
            asset: "CNY".into(),
            validity_months: 36,
            controls: Some(proto::Controls {
                limits: vec![proto::Limit {
                    window: proto::LimitWindow::Payment.into(),
                    amount_minor_max: 50_000,
                    ..proto::Limit::default()
                }],
                ..proto::Controls::default()
            }),
            terms: None,
        };
        let answer = self.api.create_card_product(by(Identity::Operator, message)).await.unwrap();
        answer.into_inner().card_product.unwrap().card_product_id
    }

    pub(super) async fn account(&self, customer: CustomerId) -> proto::Account {
        let message = proto::OpenAccountRequest { request_id: uuid(), asset: "CNY".into() };
        let answer = self.api.open_account(by_customer(customer, message)).await.unwrap();
        answer.into_inner().account.unwrap()
    }

    pub(super) async fn issue(
        &self,
        holder: CustomerId,
        message: proto::IssueCardRequest,
    ) -> Result<proto::Card, Status> {
        let answer = self.api.issue_card(by_customer(holder, message)).await?;
        Ok(answer.into_inner().card.unwrap())
    }

    /// A customer with `balance` on the account, and an active card.
    pub(super) async fn holder(&self, balance: i64) -> Holder {
        let (customer, product) = (customer(), self.product().await);
        let account = self.account(customer).await;
        let message = proto::IssueCardRequest {
            request_id: uuid(),
            account_id: account.account_id.clone(),
            card_product_id: product.clone(),
            ..Default::default()
        };
        let card = self.issue(customer, message).await.unwrap().card_id;
        let activate = proto::ActivateCardRequest { request_id: uuid(), card_id: card.clone() };
        self.api.activate_card(by_customer(customer, activate)).await.unwrap();
        if balance > 0 {
            self.top_up(&account.funding_reference, balance).await;
        }
        Holder { customer, account, product, card }
    }

    pub(super) async fn top_up(&self, reference: &str, amount: i64) -> proto::BookBankCreditResponse {
        let message = proto::BookBankCreditRequest {
            request_id: uuid(),
            funding_reference: reference.into(),
            amount: yuan(amount),
            bank_transaction_id: uuid(),
            ..proto::BookBankCreditRequest::default()
        };
        self.api.book_bank_credit(by(Identity::Gateway, message)).await.unwrap().into_inner()
    }

    pub(super) async fn pay(&self, message: proto::AuthorizeRequest) -> Result<proto::Payment, Status> {
        let answer = self.api.authorize(by(Identity::Gateway, message)).await?;
        Ok(answer.into_inner().payment.unwrap())
    }

    pub(super) async fn balance(&self, account: &str) -> proto::Account {
        let message = proto::GetAccountRequest { account_id: account.into(), at_least_position: 0 };
        let answer = self.api.get_account(by(Identity::Operator, message)).await.unwrap();
        answer.into_inner().account.unwrap()
    }

    /// What a verification from the start finds.
    pub(super) async fn findings(&self) -> Vec<String> {
        self.findings_from(Beginning::Start).await
    }

    /// What a verification finds.
    pub(super) async fn findings_from(&self, beginning: Beginning) -> Vec<String> {
        let (told, mut progress) = tokio::sync::mpsc::channel(64);
        crate::verify::run(&self.handle, beginning, &told).await.unwrap();
        drop(told);
        let mut last = crate::verify::Progress::default();
        while let Some(next) = progress.recv().await {
            last = next;
        }
        assert!(last.done);
        last.findings
    }
}

/// Looks until it is so; a test that waits in vain fails.
pub(super) async fn eventually(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let late = tokio::time::Instant::now() + Duration::from_secs(30);
    while !so().await {
        assert!(tokio::time::Instant::now() < late, "not within half a minute: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
