//! A vault in this process, its callers, and a customer's phone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bursar_proto::common::v1::Money;
use bursar_proto::vault::v1::audit_service_client::AuditServiceClient;
use bursar_proto::vault::v1::card_vault_service_client::CardVaultServiceClient;
use bursar_proto::vault::v1::cardholder_service_client::CardholderServiceClient;
use bursar_proto::vault::v1::key_service_client::KeyServiceClient;
use bursar_proto::vault::v1::seal_service_client::SealServiceClient;
use bursar_proto::vault::v1::verification_service_client::VerificationServiceClient;
use bursar_proto::vault::v1::*;
use bursar_service::cert::Authority;
use bursar_service::client::{operator_channel, with_token};
use bursar_service::config::{self, LoadOptions};
use bursar_service::db::{AssertSqlSafe, Db, DbError, DbOptions, Dialect};
use bursar_service::run::{self, Running, Sources};
use bursar_service::tls::Tls;
use bursar_service::token::{TokenSigner, TokenVerifier, Verified};
use bursar_service::{CustomerClaims, Identity, PeerChannel, StartError, reason_of};
use bursar_testkit::TestDatabase;
use bursar_types::id::{CardId, CustomerId, SessionId, Uuid};
use bursar_types::{
    CARD_PROOF_AUDIENCE, CardProofClaims, Clock as _, IdSource, ManualClock, OsEntropy, Reason, SystemClock,
    TypedId as _,
};
use futures::StreamExt as _;
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem, OpModeR, Serializable as _};
use prost::Message as _;
use tempfile::TempDir;
use tonic::{Request, Status};

pub(crate) const RANGE: &str = "cny-debit";
pub(crate) const MERCHANT: &str = "MERCHANT-01";
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A folder with certificates and a root key, a database, and a clock that stands still until it is moved.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) authority: Authority,
    pub(crate) url: String,
    pub(crate) clock: Arc<ManualClock>,
}

impl Place {
    pub(crate) fn new(database: &TestDatabase) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::open(folder.path(), Arc::new(SystemClock)).unwrap();
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        Self { folder, authority, url: database.url().to_owned(), clock }
    }

    pub(crate) fn root_file(&self) -> std::path::PathBuf {
        self.folder.path().join("root.key")
    }

    pub(crate) async fn try_start(&self, more: &[&str]) -> Result<Running, StartError> {
        let tls = self.authority.leaf(Identity::Vault).unwrap();
        let signing = self.authority.signing(Identity::Vault).unwrap();
        let mut sets = vec![
            format!("tls.ca={}", tls.ca.display()),
            format!("tls.cert={}", tls.cert.display()),
            format!("tls.key={}", tls.key.display()),
            format!("signing.cert={}", signing.cert.display()),
            format!("signing.key={}", signing.key.display()),
            format!("database.url={}", self.url),
            format!("keys.root_file={}", self.root_file().display()),
            "service.sandbox=true".to_owned(),
        ];
        sets.extend(more.iter().map(ToString::to_string));
        let spec = bursar_vault::spec();
        let loaded = config::load(spec.defaults, &LoadOptions { sets, ..LoadOptions::default() })?;
        let sources = Sources {
            clock: self.clock.clone(),
            machine_clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy),
        };
        run::start(spec, loaded, sources).await
    }

    /// A vault that serves, with one range.
    pub(crate) async fn start(&self) -> Vault<'_> {
        let vault = self.resume().await;
        vault.range(RANGE, "99000012", 16).await.unwrap();
        vault
    }

    /// A vault that serves, on what the database holds.
    pub(crate) async fn resume(&self) -> Vault<'_> {
        self.resume_with(&[]).await
    }

    /// The same, configured otherwise.
    pub(crate) async fn resume_with(&self, more: &[&str]) -> Vault<'_> {
        let running = self.try_start(more).await.unwrap();
        let files = self.authority.signing(Identity::Identity).unwrap();
        let identity = TokenSigner::load(&files.cert, &files.key).unwrap();
        Vault { place: self, running, identity }
    }

    /// Callers of a vault that is a process of its own.
    pub(crate) fn beside(&self, url: &str) -> Beside {
        let files = self.authority.signing(Identity::Identity).unwrap();
        let identity = TokenSigner::load(&files.cert, &files.key).unwrap();
        let backend = self.authority.leaf(Identity::Backend).unwrap();
        let channel = operator_channel(url, Identity::Vault, &backend).unwrap();
        Beside { holder: CardholderServiceClient::new(channel), identity }
    }

    /// Makes the tickets there are older than the time within which they are counted.
    pub(crate) async fn age_tickets(&self) {
        self.tamper("UPDATE reveal_ticket SET created_at = created_at - 700000000").await;
    }

    /// The database behind the vault's back.
    pub(crate) async fn database(&self) -> Db {
        Db::connect(&DbOptions::new(&self.url)).await.unwrap()
    }

    /// Changes the database behind the vault's back.
    pub(crate) async fn tamper(&self, sql: &'static str) -> u64 {
        let db = self.database().await;
        db.write(|tx| Box::pin(async move { tx.query(sql).execute().await })).await.unwrap()
    }

    /// Lets the two cards of a test exchange a column of bytes.
    pub(crate) async fn exchange(&self, table: &'static str, column: &'static str) {
        let select = format!("SELECT card_id, {column} AS cell FROM {table} ORDER BY card_id");
        let update = format!("UPDATE {table} SET {column} = $2 WHERE card_id = $1");
        let (select, update) = (&select, &update);
        let db = self.database().await;
        db.write(|tx| {
            Box::pin(async move {
                let rows = tx.query(AssertSqlSafe(select.clone())).fetch_all().await?;
                assert_eq!(rows.len(), 2);
                for (row, other) in [(&rows[0], &rows[1]), (&rows[1], &rows[0])] {
                    let (card, cell): (String, Vec<u8>) = (row.get("card_id")?, other.get("cell")?);
                    tx.query(AssertSqlSafe(update.clone())).bind(card).bind(cell).execute().await?;
                }
                Ok::<_, DbError>(())
            })
        })
        .await
        .unwrap();
    }

    /// The first column of a query, as text.
    pub(crate) async fn ask(&self, sql: &'static str) -> Vec<String> {
        let db = self.database().await;
        db.read(|tx| {
            Box::pin(async move {
                let rows = tx.query(sql).fetch_all().await?;
                rows.iter().map(|row| row.get("answer")).collect::<Result<Vec<String>, DbError>>()
            })
        })
        .await
        .unwrap()
    }

    /// Every cell of every table: where it is, and its text, bytes as `\x` and hexadecimal digits.
    pub(crate) async fn dump(&self) -> Vec<(String, String)> {
        let db = self.database().await;
        let (tables, cell) = match db.dialect() {
            Dialect::Sqlite => (
                "SELECT m.name AS t, c.name AS c FROM sqlite_master m JOIN pragma_table_info(m.name) c
                 WHERE m.type = 'table'",
                "CASE typeof(COL) WHEN 'blob' THEN '\\x' || lower(hex(COL)) ELSE CAST(COL AS TEXT) END",
            ),
            Dialect::Postgres => (
                "SELECT CAST(table_name AS TEXT) AS t, CAST(column_name AS TEXT) AS c
                 FROM information_schema.columns WHERE table_schema = 'public'",
                "CAST(COL AS TEXT)",
            ),
        };
        db.read(|tx| {
            Box::pin(async move {
                let columns = tx.query(tables).fetch_all().await?;
                let mut cells = Vec::new();
                for column in columns {
                    let (table, name): (String, String) = (column.get("t")?, column.get("c")?);
                    let cell = cell.replace("COL", &format!("\"{name}\""));
                    let sql = format!("SELECT COALESCE({cell}, '') AS cell FROM \"{table}\"");
                    for row in tx.query(AssertSqlSafe(sql)).fetch_all().await? {
                        cells.push((format!("{table}.{name}"), row.get::<String>("cell")?));
                    }
                }
                Ok::<_, DbError>(cells)
            })
        })
        .await
        .unwrap()
    }

    /// What a proof says, checked as the ledger would.
    pub(crate) fn check_proof(&self, proof: &str) -> Verified<CardProofClaims> {
        let tls = Tls::load(self.authority.leaf(Identity::Ledger).unwrap()).unwrap();
        TokenVerifier::new(tls, Arc::new(SystemClock))
            .verify(proof, Identity::Vault, CARD_PROOF_AUDIENCE, SystemClock.now())
            .unwrap()
    }
}

/// A vault that serves.
pub(crate) struct Vault<'a> {
    pub(crate) place: &'a Place,
    pub(crate) running: Running,
    identity: TokenSigner,
}

/// Cardholders of a vault that is a process of its own.
pub(crate) struct Beside {
    holder: CardholderServiceClient<PeerChannel>,
    identity: TokenSigner,
}

impl Beside {
    /// The card's details, as its holder sees them.
    pub(crate) async fn reveal(&self, card: &Card) -> Result<RevealedCard, Status> {
        let (phone, mut holder) = (Phone::new(), self.holder.clone());
        let request =
            token_of(&self.identity, card.customer, Some(Duration::ZERO), ticket_request(card, &phone));
        let ticket = holder.create_reveal_ticket(request).await?.into_inner();
        let request = RedeemRevealTicketRequest {
            ticket_id: ticket.ticket_id.clone(),
            ticket_secret: ticket.ticket_secret.clone(),
        };
        let request = token_of(&self.identity, card.customer, None, request);
        let sealed = holder.redeem_reveal_ticket(request).await?.into_inner();
        Ok(phone.open(&ticket.ticket_id, &sealed).unwrap())
    }
}

/// `message` with a token of `customer`, whose second factor is `age` old.
fn token_of<T>(
    identity: &TokenSigner,
    customer: CustomerId,
    age: Option<Duration>,
    message: T,
) -> Request<T> {
    let now = SystemClock.now();
    let claims = CustomerClaims {
        customer_id: customer,
        session_id: SessionId::from_uuid(Uuid::from_u128(8)),
        issued_at: now,
        second_factor_at: age.map(|age| now.minus(age)),
        device: None,
    };
    let token = identity.sign_customer(&claims, Duration::from_secs(600)).unwrap();
    with_token(Request::new(message), &token).unwrap()
}

/// What a test knows of a card.
#[derive(Clone, Debug)]
pub(crate) struct Card {
    pub(crate) id: String,
    pub(crate) customer: CustomerId,
    pub(crate) masked: String,
}

impl Vault<'_> {
    pub(crate) fn channel(&self, caller: Identity) -> PeerChannel {
        let files = self.place.authority.leaf(caller).unwrap();
        operator_channel(&self.running.grpc_url(), Identity::Vault, &files).unwrap()
    }

    pub(crate) fn cards(&self, caller: Identity) -> CardVaultServiceClient<PeerChannel> {
        CardVaultServiceClient::new(self.channel(caller))
    }

    pub(crate) fn holder(&self) -> CardholderServiceClient<PeerChannel> {
        CardholderServiceClient::new(self.channel(Identity::Backend))
    }

    pub(crate) fn auditor(&self) -> AuditServiceClient<PeerChannel> {
        AuditServiceClient::new(self.channel(Identity::Operator))
    }

    /// Every audit record, from the first.
    pub(crate) async fn records(&self) -> Vec<AuditRecord> {
        let mut all = Vec::new();
        let mut request = ListAuditRecordsRequest { page_size: 1_000, ..Default::default() };
        loop {
            let page = self.auditor().list_audit_records(request.clone()).await.unwrap().into_inner();
            all.extend(page.records);
            if page.next_page_token.is_empty() {
                return all;
            }
            request.page_token = page.next_page_token;
        }
    }

    pub(crate) fn custodian(&self) -> SealServiceClient<PeerChannel> {
        SealServiceClient::new(self.channel(Identity::Operator))
    }

    pub(crate) fn key_keeper(&self) -> KeyServiceClient<PeerChannel> {
        KeyServiceClient::new(self.channel(Identity::Operator))
    }

    pub(crate) async fn rotate(&self, purpose: &str) -> Result<i32, Status> {
        let request = RotateKeyRequest { request_id: request_id(), purpose: purpose.into() };
        Ok(self.key_keeper().rotate_key(request).await?.into_inner().version)
    }

    pub(crate) async fn retire(&self, purpose: &str, version: i32) -> Result<(), Status> {
        let request = RetireKeyRequest { request_id: request_id(), purpose: purpose.into(), version };
        self.key_keeper().retire_key(request).await.map(drop)
    }

    /// How far the newest rewrap is.
    pub(crate) async fn rewrap(&self) -> Rewrap {
        self.key_keeper().get_rewrap(GetRewrapRequest {}).await.unwrap().into_inner().rewrap.unwrap()
    }

    /// Waits for the end of a rewrap.
    pub(crate) async fn rewrapped(&self) -> Rewrap {
        loop {
            let rewrap = self.rewrap().await;
            if !rewrap.running {
                return rewrap;
            }
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn gateway(&self) -> VerificationServiceClient<PeerChannel> {
        VerificationServiceClient::new(self.channel(Identity::Gateway))
    }

    /// `message` with a token of `customer`, whose second factor is `age` old.
    pub(crate) fn signed<T>(&self, customer: CustomerId, age: Option<Duration>, message: T) -> Request<T> {
        token_of(&self.identity, customer, age, message)
    }

    pub(crate) async fn range(&self, name: &str, bin: &str, pan_length: i32) -> Result<BinRange, Status> {
        let request = CreateBinRangeRequest {
            request_id: request_id(),
            bin_range_id: name.into(),
            bin: bin.into(),
            pan_length,
        };
        let response = self.cards(Identity::Operator).create_bin_range(request).await?;
        Ok(response.into_inner().bin_range.unwrap())
    }

    pub(crate) async fn issue(&self) -> Card {
        self.issue_in(RANGE).await.unwrap()
    }

    pub(crate) async fn issue_in(&self, range: &str) -> Result<Card, Status> {
        let customer: CustomerId = ids().next();
        let request = issue_request(range, ids().next(), customer);
        let summary = self.cards(Identity::Ledger).issue_card(request).await?.into_inner().card.unwrap();
        Ok(Card { id: summary.card_id, customer, masked: summary.masked_pan })
    }

    /// Many cards over one connection, some at once.
    pub(crate) async fn issue_many(&self, count: usize, range: &str) -> Vec<Card> {
        let client = self.cards(Identity::Ledger);
        let issued = futures::stream::iter(0..count).map(|_| {
            let (mut client, customer): (_, CustomerId) = (client.clone(), ids().next());
            let request = issue_request(range, ids().next(), customer);
            async move {
                let summary = client.issue_card(request).await.unwrap().into_inner().card.unwrap();
                Card { id: summary.card_id, customer, masked: summary.masked_pan }
            }
        });
        issued.buffer_unordered(64).collect().await
    }

    pub(crate) async fn set_password(&self, card: &Card, password: &str) -> Result<(), Status> {
        let request = set_request(card, password);
        let request = self.signed(card.customer, Some(Duration::ZERO), request);
        self.holder().set_card_password(request).await.map(drop)
    }

    pub(crate) async fn try_password(&self, card: &Card, password: &str) -> VerifyCardPasswordResponse {
        let request = password_request(card, password);
        self.gateway().verify_card_password(request).await.unwrap().into_inner()
    }

    pub(crate) async fn verify(&self, pan: &str, expiry: &str, cvv2: &str) -> VerifyCardResponse {
        let request = VerifyCardRequest {
            pan: pan.into(),
            expiry: expiry.into(),
            cvv2: cvv2.into(),
            payment: Some(payment()),
        };
        self.gateway().verify_card(request).await.unwrap().into_inner()
    }

    pub(crate) async fn ticket(
        &self,
        card: &Card,
        phone: &Phone,
    ) -> Result<CreateRevealTicketResponse, Status> {
        let request = ticket_request(card, phone);
        let request = self.signed(card.customer, Some(Duration::ZERO), request);
        self.holder().create_reveal_ticket(request).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn redeem(
        &self,
        customer: CustomerId,
        ticket: &CreateRevealTicketResponse,
    ) -> Result<RedeemRevealTicketResponse, Status> {
        let request = RedeemRevealTicketRequest {
            ticket_id: ticket.ticket_id.clone(),
            ticket_secret: ticket.ticket_secret.clone(),
        };
        let request = self.signed(customer, None, request);
        self.holder().redeem_reveal_ticket(request).await.map(tonic::Response::into_inner)
    }

    /// The card's details, as its holder sees them.
    pub(crate) async fn reveal(&self, card: &Card) -> Result<RevealedCard, Status> {
        let phone = Phone::new();
        let ticket = self.ticket(card, &phone).await?;
        let sealed = self.redeem(card.customer, &ticket).await?;
        Ok(phone.open(&ticket.ticket_id, &sealed).unwrap())
    }

    pub(crate) async fn stop(self) {
        self.running.stop().await;
    }

    /// Stops this one and starts another on the same database.
    pub(crate) async fn restart(self) -> Self {
        let Self { place, running, .. } = self;
        running.stop().await;
        place.resume().await
    }
}

pub(crate) fn ids() -> IdSource {
    IdSource::new(Arc::new(SystemClock), Arc::new(OsEntropy))
}

pub(crate) fn request_id() -> String {
    ids().next_uuid().to_string()
}

pub(crate) fn payment() -> PaymentContext {
    PaymentContext {
        amount: Some(Money { minor_units: 31_240, asset: "CNY".into() }),
        merchant_id: MERCHANT.into(),
    }
}

pub(crate) fn issue_request(range: &str, card: CardId, customer: CustomerId) -> IssueCardRequest {
    IssueCardRequest {
        request_id: request_id(),
        card_id: card.to_string(),
        customer_id: customer.to_string(),
        bin_range_id: range.into(),
        expiry_month: 12,
        expiry_year: 2029,
    }
}

pub(crate) fn set_request(card: &Card, password: &str) -> SetCardPasswordRequest {
    SetCardPasswordRequest {
        request_id: request_id(),
        card_id: card.id.clone(),
        card_password: password.into(),
    }
}

pub(crate) fn password_request(card: &Card, password: &str) -> VerifyCardPasswordRequest {
    VerifyCardPasswordRequest {
        request_id: request_id(),
        card_id: card.id.clone(),
        card_password: password.into(),
        payment: Some(payment()),
        customer_id: card.customer.to_string(),
    }
}

pub(crate) fn ticket_request(card: &Card, phone: &Phone) -> CreateRevealTicketRequest {
    CreateRevealTicketRequest {
        request_id: request_id(),
        card_id: card.id.clone(),
        device_public_key: phone.public.clone(),
        purpose: "shown in the app".into(),
    }
}

/// The reason of a refusal.
pub(crate) fn reason(status: &Status) -> Reason {
    reason_of(status).unwrap_or_else(|| panic!("no reason in {status:?}")).0
}

/// The machine-readable words of a refusal.
pub(crate) fn words(status: &Status) -> HashMap<String, String> {
    reason_of(status).unwrap_or_else(|| panic!("no reason in {status:?}")).1
}

/// A customer's phone with a key of its own.
pub(crate) struct Phone {
    secret: <X25519HkdfSha256 as Kem>::PrivateKey,
    pub(crate) public: Vec<u8>,
}

impl Phone {
    pub(crate) fn new() -> Self {
        let (secret, public) = X25519HkdfSha256::gen_keypair();
        Self { secret, public: public.to_bytes().to_vec() }
    }

    pub(crate) fn open(&self, ticket_id: &str, sealed: &RedeemRevealTicketResponse) -> Option<RevealedCard> {
        let key = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(&sealed.encapsulated_key).ok()?;
        let plain = hpke::single_shot_open::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.secret,
            &key,
            b"bursar/reveal/v1",
            &sealed.ciphertext,
            ticket_id.as_bytes(),
        )
        .ok()?;
        RevealedCard::decode(plain.as_slice()).ok()
    }
}

/// A CVV2 that is not `right`.
pub(crate) fn other_cvv2(right: &str, by: u32) -> String {
    format!("{:03}", (right.parse::<u32>().unwrap() + 1 + by % 999) % 1000)
}
