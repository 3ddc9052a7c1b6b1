//! A ledger of the bench's own with cards under twenty controls, and the proofs of the vault that payments bring.

use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bursar_proto::access::Identity;
use bursar_proto::common::v1::Money;
use bursar_proto::ledger::v1::account_service_client::AccountServiceClient;
use bursar_proto::ledger::v1::card_service_client::CardServiceClient;
use bursar_proto::ledger::v1::payment_service_client::PaymentServiceClient;
use bursar_proto::ledger::v1::program_service_client::ProgramServiceClient;
use bursar_proto::ledger::v1::top_up_service_client::TopUpServiceClient;
use bursar_proto::ledger::v1::{
    ActivateCardRequest, AuthorizeRequest, BookBankCreditRequest, Channel, Controls, CountedPer,
    CreateCardProductRequest, IssueCardRequest, Limit, LimitWindow, ListPaymentsRequest, MccRange, Merchant,
    OpenAccountRequest, Rule, RuleEffect, RuleMatch,
};
use bursar_proto::vault::v1::CreateBinRangeRequest;
use bursar_proto::vault::v1::card_vault_service_client::CardVaultServiceClient;
use bursar_service::CustomerClaims;
use bursar_service::client::{PeerChannel, operator_channel, with_token};
use bursar_service::tls::TlsFiles;
use bursar_service::token::{Grant, TokenSigner};
use bursar_types::id::{CustomerId, SessionId};
use bursar_types::{
    CARD_PROOF_AUDIENCE, CardProofClaims, Clock as _, IdSource, OsEntropy, ProofResult, SystemClock,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tonic::{Code, Request, Status};

use super::holder;
use crate::bench::place::{Place, failed};
use crate::bench::tell;
use crate::cli::Databases;
use crate::exit::Exit;
use crate::platform::{Platform, Running};

/// Connections that the calls in flight share.
const CONNECTIONS: usize = 2;
/// Accounts and cards that are made at the same time.
const MAKING: usize = 128;
/// Cards that pay from one account.
const CARDS_OF_ACCOUNT: usize = 10;
/// What each account holds, in minor units: no bench pays so much.
const BALANCE: i64 = 1_000_000_000_000;
/// Life of the token that the customer comes with.
const TOKEN_LIFETIME: Duration = Duration::from_secs(3_600);
/// Life of a proof: the longest the ledger takes.
const PROOF_LIFETIME: Duration = Duration::from_secs(60);
/// Proofs that the vault signs at one go under load.
const SIGNED_TOGETHER: usize = 256;
/// Range the cards are of.
const RANGE: &str = "bench";
const ASSET: &str = "CNY";
const MERCHANT: &str = "BENCH-MERCHANT";
/// Wait before a call that was put off is made again.
const COME_AGAIN_AFTER: Duration = Duration::from_millis(20);
/// Longest wait for the projections.
const CATCH_UP_MAX: Duration = Duration::from_secs(600);

/// A ledger, its vault, and what the load shares.
pub(super) struct Stage {
    running: Running,
    identity: bursar_service::run::Running,
    place: Place,
    gateway: Channels,
    backend: Channels,
    product: String,
    token: String,
    load: Load,
}

/// Channels that are used in turn.
struct Channels {
    channels: Vec<PeerChannel>,
    next: AtomicUsize,
}

impl Channels {
    fn next(&self) -> PeerChannel {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        self.channels[next % self.channels.len()].clone()
    }
}

/// What workers share.
#[derive(Clone)]
pub(super) struct Load {
    ids: IdSource,
    signer: Arc<TokenSigner>,
    cards: Arc<[String]>,
    /// Payments made so far: each is of the next card.
    made: Arc<AtomicU64>,
    /// Requests that wait to be sent, with their proofs.
    ready: Arc<Mutex<Vec<AuthorizeRequest>>>,
    reached: Arc<AtomicI64>,
}

impl Load {
    /// Prepares `count` requests: the vault would have signed their proofs elsewhere.
    pub(super) fn prepare(&self, count: usize) -> Result<(), Exit> {
        let mut made = Vec::with_capacity(count);
        while made.len() < count {
            made.extend(self.signed(SIGNED_TOGETHER).map_err(|error| Exit::software(error.to_string()))?);
        }
        *self.ready.lock().unwrap_or_else(PoisonError::into_inner) = made;
        Ok(())
    }

    fn signed(&self, count: usize) -> Result<Vec<AuthorizeRequest>, bursar_service::token::TokenError> {
        let mut claims = Vec::with_capacity(count);
        for _ in 0..count {
            let next = usize::try_from(self.made.fetch_add(1, Ordering::Relaxed)).unwrap_or(0);
            // A step that shares no factor with the number of cards goes through all of them, none soon again.
            let card = &self.cards[next.wrapping_mul(7_919) % self.cards.len()];
            claims.push(CardProofClaims {
                jti: self.ids.next_uuid().to_string(),
                card_id: card.clone(),
                amount_minor: 1,
                asset: ASSET.to_owned(),
                merchant_id: MERCHANT.to_owned(),
                expiry: ProofResult::Match,
                cvv2: ProofResult::Match,
                card_password: ProofResult::Absent,
            });
        }
        let grant =
            Grant { audience: CARD_PROOF_AUDIENCE, issued_at: SystemClock.now(), lifetime: PROOF_LIFETIME };
        let proofs = self.signer.sign_all(&grant, &claims)?;
        Ok(proofs.into_iter().map(|proof| self.request(proof)).collect())
    }

    fn request(&self, proof: String) -> AuthorizeRequest {
        AuthorizeRequest {
            request_id: self.ids.next_uuid().to_string(),
            proof,
            amount: Some(Money { minor_units: 1, asset: ASSET.to_owned() }),
            merchant: Some(Merchant {
                merchant_id: MERCHANT.to_owned(),
                name: "Bench".to_owned(),
                mcc: "5411".to_owned(),
                country: String::new(),
            }),
            channel: Channel::Ecommerce.into(),
            ..AuthorizeRequest::default()
        }
    }

    /// The next request; made on the spot if none is left.
    pub(super) fn next(&self) -> Result<AuthorizeRequest, Status> {
        if let Some(request) = self.ready.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Ok(request);
        }
        let made = self.signed(1).map_err(|error| Status::internal(error.to_string()))?;
        made.into_iter().next().ok_or_else(|| Status::internal("no proof was signed"))
    }

    /// Notes an approval; a decline is a fault of the bench.
    pub(super) fn paid(&self, payment: Option<bursar_proto::ledger::v1::Payment>) -> Result<(), Status> {
        let payment = payment.ok_or_else(|| Status::internal("no payment came back"))?;
        if payment.authorization_code.is_empty() {
            return Err(Status::internal(format!("a payment was declined: {:?}", payment.decline_reason())));
        }
        self.reached.fetch_max(payment.position, Ordering::Relaxed);
        Ok(())
    }

    /// Waits a little where the ledger asks to come again.
    ///
    /// # Errors
    /// The refusal itself, if it is another one.
    pub(super) async fn come_again(&self, refusal: Status) -> Result<(), Status> {
        match refusal.code() {
            Code::Unavailable | Code::ResourceExhausted => {
                tokio::time::sleep(COME_AGAIN_AFTER).await;
                Ok(())
            }
            _ => Err(refusal),
        }
    }
}

/// Twenty controls, six of them with counters: fourteen kinds of merchants that are not this one, and six limits that
/// are never met.
fn controls() -> Controls {
    let deny = |number: i32| Rule {
        rule_id: 100 + number,
        effect: RuleEffect::Deny.into(),
        r#match: Some(RuleMatch {
            mccs: vec![MccRange {
                first: format!("{}", 7_900 + number),
                last: format!("{}", 7_900 + number),
            }],
            ..RuleMatch::default()
        }),
        ..Rule::default()
    };
    let windows = [
        LimitWindow::Day,
        LimitWindow::Week,
        LimitWindow::Month,
        LimitWindow::Year,
        LimitWindow::Lifetime,
        LimitWindow::Rolling,
    ];
    let limit = |(number, window): (i32, LimitWindow)| Rule {
        rule_id: 200 + number,
        effect: RuleEffect::Limit.into(),
        limit: Some(Limit {
            window: window.into(),
            amount_minor_max: i64::MAX,
            rolling_seconds: if window == LimitWindow::Rolling { 3_600 } else { 0 },
            ..Limit::default()
        }),
        per: CountedPer::Card.into(),
        ..Rule::default()
    };
    let rules = (0..14).map(deny).chain((0..).zip(windows).map(limit)).collect();
    Controls { rules, ..Controls::default() }
}

impl Stage {
    /// Starts a ledger and a vault, and makes `cards` cards.
    pub(super) async fn set(databases: &Databases, cards: usize) -> Result<Self, Exit> {
        let place = Place::new(databases)?;
        let platform = Platform::prepare(place.setup()).await?;
        let running = platform.start_only(&[Identity::Vault, Identity::Ledger], |_| {}).await?;
        let identity = holder::serve(&running.layout, &running.endpoints).await?;
        let tls = running.layout.tls();
        let load_signer = |name: &str| {
            TokenSigner::load(
                &tls.join(format!("{name}-signing.pem")),
                &tls.join(format!("{name}-signing.key")),
            )
            .map_err(|error| Exit::software(error.to_string()))
        };
        let ids = IdSource::new(Arc::new(SystemClock), Arc::new(OsEntropy));
        let now = SystemClock.now();
        let claims = CustomerClaims {
            customer_id: ids.next::<CustomerId>(),
            session_id: ids.next::<SessionId>(),
            issued_at: now,
            second_factor_at: Some(now),
            device: None,
        };
        let token = load_signer("identity")?
            .sign_customer(&claims, TOKEN_LIFETIME)
            .map_err(|error| Exit::software(error.to_string()))?;
        let load = Load {
            ids,
            signer: Arc::new(load_signer("vault")?),
            cards: Arc::from([]),
            made: Arc::default(),
            ready: Arc::default(),
            reached: Arc::default(),
        };
        let gateway = channels(&running, Identity::Ledger, Identity::Gateway)?;
        let backend = channels(&running, Identity::Ledger, Identity::Backend)?;
        let product = String::new();
        let mut stage = Self { running, identity, place, gateway, backend, product, token, load };
        let made = async {
            stage.product = stage.make_product().await?;
            stage.make_cards(cards).await
        };
        match made.await {
            Ok(()) => Ok(stage),
            Err(exit) => stage.clear(Err(exit)).await,
        }
    }

    async fn make_product(&self) -> Result<String, Exit> {
        let vault = channels(&self.running, Identity::Vault, Identity::Operator)?;
        let ledger = channels(&self.running, Identity::Ledger, Identity::Operator)?;
        let range = CreateBinRangeRequest {
            request_id: self.request_id(),
            bin_range_id: RANGE.to_owned(),
            bin: "990000".to_owned(),
            pan_length: 16,
        };
        let product = CreateCardProductRequest {
            request_id: self.request_id(),
            name: "Bench".to_owned(),
            bin_range_id: RANGE.to_owned(),
            asset: ASSET.to_owned(),
            validity_months: 36,
            controls: Some(controls()),
            terms: None,
        };
        let made = async {
            CardVaultServiceClient::new(vault.next()).create_bin_range(range).await?;
            ProgramServiceClient::new(ledger.next()).create_card_product(product).await
        };
        let made = made.await.map_err(|status| failed(&status))?.into_inner().card_product;
        Ok(made.unwrap_or_default().card_product_id)
    }

    fn request_id(&self) -> String {
        self.load.ids.next_uuid().to_string()
    }

    /// Makes more cards, until there are `wanted`.
    pub(super) async fn make_cards(&mut self, wanted: usize) -> Result<(), Exit> {
        let missing = wanted.saturating_sub(self.load.cards.len());
        tell::line(&format!("issuing {missing} cards"));
        let accounts = missing.div_ceil(CARDS_OF_ACCOUNT);
        let opened: Vec<Vec<String>> = stream::iter(0..accounts)
            .map(|number| {
                let cards = CARDS_OF_ACCOUNT.min(missing - number * CARDS_OF_ACCOUNT);
                self.open(cards)
            })
            .buffer_unordered(MAKING)
            .try_collect()
            .await
            .map_err(|status| failed(&status))?;
        self.load.cards = self.load.cards.iter().cloned().chain(opened.into_iter().flatten()).collect();
        Ok(())
    }

    fn mine<T>(&self, message: T) -> Result<Request<T>, Status> {
        with_token(Request::new(message), &self.token)
    }

    /// An account with money and cards.
    async fn open(&self, cards: usize) -> Result<Vec<String>, Status> {
        let request = OpenAccountRequest { request_id: self.request_id(), asset: ASSET.to_owned() };
        let mut accounts = AccountServiceClient::new(self.backend.next());
        let account =
            accounts.open_account(self.mine(request)?).await?.into_inner().account.unwrap_or_default();
        let credit = BookBankCreditRequest {
            request_id: self.request_id(),
            funding_reference: account.funding_reference,
            amount: Some(Money { minor_units: BALANCE, asset: ASSET.to_owned() }),
            bank_transaction_id: self.request_id(),
            ..BookBankCreditRequest::default()
        };
        TopUpServiceClient::new(self.gateway.next()).book_bank_credit(credit).await?;
        let mut made = Vec::with_capacity(cards);
        let mut client = CardServiceClient::new(self.backend.next());
        for _ in 0..cards {
            let request = IssueCardRequest {
                request_id: self.request_id(),
                account_id: account.account_id.clone(),
                card_product_id: self.product.clone(),
                ..IssueCardRequest::default()
            };
            let card = client.issue_card(self.mine(request)?).await?.into_inner().card.unwrap_or_default();
            let request =
                ActivateCardRequest { request_id: self.request_id(), card_id: card.card_id.clone() };
            client.activate_card(self.mine(request)?).await?;
            made.push(card.card_id);
        }
        Ok(made)
    }

    /// The next of the gateway's connections.
    pub(super) fn gateway(&self) -> PeerChannel {
        self.gateway.next()
    }

    /// The next of a back end's connections, which may ping.
    pub(super) fn backend(&self) -> PeerChannel {
        self.backend.next()
    }

    /// What workers share.
    pub(super) fn load(&self) -> Load {
        self.load.clone()
    }

    /// Waits until the projections hold every payment: only then does a clock stop.
    pub(super) async fn caught_up(&self) -> Result<(), Status> {
        let mut request = self.mine(ListPaymentsRequest {
            page_size: 1,
            at_least_position: self.load.reached.load(Ordering::Relaxed),
            ..ListPaymentsRequest::default()
        })?;
        request.set_timeout(CATCH_UP_MAX);
        PaymentServiceClient::new(self.backend.next()).list_payments(request).await.map(drop)
    }

    /// Stops everything and takes it away.
    pub(super) async fn clear<T>(self, measured: Result<T, Exit>) -> Result<T, Exit> {
        self.identity.stop().await;
        self.running.stop().await;
        self.place.remove().await;
        measured
    }
}

fn channels(running: &Running, service: Identity, caller: Identity) -> Result<Channels, Exit> {
    let files = TlsFiles::in_dir(&running.layout.tls(), caller.name());
    let url = &running.endpoints.of(service).grpc;
    let channel = || operator_channel(url, service, &files);
    let channels = (0..CONNECTIONS).map(|_| channel()).collect::<Result<_, _>>();
    let channels = channels.map_err(|error| Exit::usage(error.to_string()))?;
    Ok(Channels { channels, next: AtomicUsize::new(0) })
}
