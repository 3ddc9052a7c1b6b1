//! A vault of the bench's own, with cards whose numbers the load knows: each is revealed to a phone of the bench's.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bursar_proto::access::Identity;
use bursar_proto::common::v1::Money;
use bursar_proto::vault::v1::card_vault_service_client::CardVaultServiceClient;
use bursar_proto::vault::v1::cardholder_service_client::CardholderServiceClient;
use bursar_proto::vault::v1::{
    CreateBinRangeRequest, CreateRevealTicketRequest, IssueCardRequest, PaymentContext,
    RedeemRevealTicketRequest, VerifyCardRequest,
};
use bursar_service::CustomerClaims;
use bursar_service::client::{PeerChannel, operator_channel, with_token};
use bursar_service::tls::TlsFiles;
use bursar_service::token::TokenSigner;
use bursar_types::id::{CardId, CustomerId, SessionId};
use bursar_types::{Clock as _, IdSource, OsEntropy, SystemClock};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tonic::{Request, Status};

use crate::bench::place::{Place, failed};
use crate::cli::Databases;
use crate::exit::Exit;
use crate::outside::Device;
use crate::platform::{Platform, Running};

/// Connections that the calls in flight share.
const CONNECTIONS: usize = 2;
/// Cards that are made and shown at the same time.
const SHOWING: usize = 64;
/// Life of the tokens that customers come with.
const TOKEN_LIFETIME: Duration = Duration::from_secs(600);
/// Range the cards are of.
const RANGE: &str = "bench";

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

/// What a card is asked for with.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) pan: String,
    pub(super) expiry: String,
    pub(super) cvv2: String,
}

/// A vault on a folder and databases of its own, which go with it.
pub(super) struct Stage {
    running: Running,
    place: Place,
    gateway: Channels,
    ledger: Channels,
    backend: Channels,
    load: Load,
}

/// What workers share.
#[derive(Clone)]
pub(super) struct Load {
    ids: IdSource,
    pub(super) known: Arc<[Known]>,
}

impl Load {
    fn request_id(&self) -> String {
        self.ids.next_uuid().to_string()
    }

    /// A card that wants a number.
    pub(super) fn issue_request(&self) -> IssueCardRequest {
        self.issue_request_for(self.ids.next())
    }

    fn issue_request_for(&self, customer: CustomerId) -> IssueCardRequest {
        IssueCardRequest {
            request_id: self.request_id(),
            card_id: self.ids.next::<CardId>().to_string(),
            customer_id: customer.to_string(),
            bin_range_id: RANGE.to_owned(),
            expiry_month: 12,
            expiry_year: 2031,
        }
    }

    /// The question about card `number`, which is taken modulo their count.
    pub(super) fn question(&self, number: usize) -> VerifyCardRequest {
        let Known { pan, expiry, cvv2 } = self.known[number % self.known.len()].clone();
        VerifyCardRequest { pan, expiry, cvv2, payment: Some(payment()) }
    }
}

impl Stage {
    /// Starts a vault with one range and `cards` cards.
    pub(super) async fn set(databases: &Databases, cards: usize) -> Result<Self, Exit> {
        let place = Place::new(databases)?;
        let platform = Platform::prepare(place.setup()).await?;
        let running = platform.start_only(&[Identity::Vault], |_| {}).await?;
        let channels = |caller: Identity| -> Result<Channels, Exit> {
            let files = TlsFiles::in_dir(&running.layout.tls(), caller.name());
            let url = &running.endpoints.of(Identity::Vault).grpc;
            let channel = || operator_channel(url, Identity::Vault, &files);
            let channels = (0..CONNECTIONS).map(|_| channel()).collect::<Result<_, _>>();
            let channels = channels.map_err(|error| Exit::usage(error.to_string()))?;
            Ok(Channels { channels, next: AtomicUsize::new(0) })
        };
        let (gateway, ledger, backend) =
            (channels(Identity::Gateway)?, channels(Identity::Ledger)?, channels(Identity::Backend)?);
        let operator = channels(Identity::Operator)?;
        let tls = running.layout.tls();
        let identity =
            TokenSigner::load(&tls.join("identity-signing.pem"), &tls.join("identity-signing.key"))
                .map_err(|error| Exit::software(error.to_string()))?;
        let ids = IdSource::new(Arc::new(SystemClock), Arc::new(OsEntropy));
        let load = Load { ids, known: Arc::from([]) };
        let mut stage = Self { running, place, gateway, ledger, backend, load };
        match stage.make_cards(&operator, &identity, cards).await {
            Ok(known) => stage.load.known = known.into(),
            Err(status) => return stage.clear(Err(failed(&status))).await,
        }
        Ok(stage)
    }

    async fn make_cards(
        &self,
        operator: &Channels,
        identity: &TokenSigner,
        cards: usize,
    ) -> Result<Vec<Known>, Status> {
        let range = CreateBinRangeRequest {
            request_id: self.load.request_id(),
            bin_range_id: RANGE.to_owned(),
            bin: "990000".to_owned(),
            pan_length: 16,
        };
        CardVaultServiceClient::new(operator.next()).create_bin_range(range).await?;
        let shown = stream::iter(0..cards).map(|_| self.shown_card(identity));
        shown.buffer_unordered(SHOWING).try_collect().await
    }

    async fn shown_card(&self, identity: &TokenSigner) -> Result<Known, Status> {
        let customer: CustomerId = self.load.ids.next();
        let request = self.load.issue_request_for(customer);
        let card_id = request.card_id.clone();
        CardVaultServiceClient::new(self.ledger.next()).issue_card(request).await?;
        let now = SystemClock.now();
        let claims = CustomerClaims {
            customer_id: customer,
            session_id: self.load.ids.next::<SessionId>(),
            issued_at: now,
            second_factor_at: Some(now),
            device: None,
        };
        let internal = |what: String| Status::internal(what);
        let token =
            identity.sign_customer(&claims, TOKEN_LIFETIME).map_err(|error| internal(error.to_string()))?;
        let device = Device::new();
        let mut holder = CardholderServiceClient::new(self.backend.next());
        let request = CreateRevealTicketRequest {
            request_id: self.load.request_id(),
            card_id,
            device_public_key: device.public_key(),
            purpose: "bench".to_owned(),
        };
        let request =
            with_token(Request::new(request), &token).map_err(|error| internal(error.to_string()))?;
        let ticket = holder.create_reveal_ticket(request).await?.into_inner();
        let ticket_id = ticket.ticket_id.clone();
        let request =
            RedeemRevealTicketRequest { ticket_id: ticket.ticket_id, ticket_secret: ticket.ticket_secret };
        let request =
            with_token(Request::new(request), &token).map_err(|error| internal(error.to_string()))?;
        let sealed = holder.redeem_reveal_ticket(request).await?.into_inner();
        let shown = device.open(&ticket_id, &sealed).map_err(internal)?;
        Ok(Known { pan: shown.pan, expiry: shown.expiry, cvv2: shown.cvv2 })
    }

    /// The configuration of the vault, in which its database stands.
    pub(super) fn config(&self) -> PathBuf {
        self.running.layout.config(Identity::Vault)
    }

    /// Its folder.
    pub(super) fn folder(&self) -> &std::path::Path {
        self.running.layout.root()
    }

    /// The next of the gateway's connections, which may verify.
    pub(super) fn gateway(&self) -> PeerChannel {
        self.gateway.next()
    }

    /// The next of the ledger's connections, which may issue.
    pub(super) fn ledger(&self) -> PeerChannel {
        self.ledger.next()
    }

    /// The next of a back end's connections, which may ping.
    pub(super) fn backend(&self) -> PeerChannel {
        self.backend.next()
    }

    /// What workers share.
    pub(super) fn load(&self) -> Load {
        self.load.clone()
    }

    /// Stops the vault and takes everything away.
    pub(super) async fn clear<T>(self, measured: Result<T, Exit>) -> Result<T, Exit> {
        self.running.stop().await;
        self.place.remove().await;
        measured
    }
}

/// What all cards are asked to pay.
pub(super) fn payment() -> PaymentContext {
    PaymentContext {
        amount: Some(Money { minor_units: 31_240, asset: "CNY".to_owned() }),
        merchant_id: "BENCH-MERCHANT".to_owned(),
    }
}
