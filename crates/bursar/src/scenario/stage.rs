//! What all scenarios of a run share: the platform, a customer who was verified, a card product, the connections.

use std::time::{Duration, Instant};

use bursar_proto::access::Identity;
use bursar_proto::identity::v1::Locale;
use bursar_proto::ledger::v1::card_service_client::CardServiceClient;
use bursar_proto::ledger::v1::payment_service_client::PaymentServiceClient;
use bursar_proto::ledger::v1::{
    CreateCardProductRequest, GetProgramRequest, ListCardProductsRequest, SetProgramControlsRequest,
};
use bursar_proto::vault::v1::verification_service_client::VerificationServiceClient;
use bursar_service::client::{PeerChannel, operator_channel};
use bursar_service::tls::TlsFiles;

use super::rules::{Controls, Product};
use crate::outside::callers::{Callers, ask, attempt, request_id};
use crate::outside::clock::Clocks;
use crate::outside::customer::Customer;
use crate::outside::desk;
use crate::outside::person::Person;
use crate::platform::Running;

/// Asset of the book.
pub(super) const ASSET: &str = "CNY";
/// Name of the card product of scenarios that bring none.
const PRODUCT: &str = "Scenario book";
/// Months that cards of the book are good for.
const VALIDITY_MONTHS: i32 = 36;
/// How long a second factor is taken as fresh: a little less than the vault does.
const FRESH: Duration = Duration::from_secs(540);

/// The stage the scenarios are played on.
pub(super) struct Stage {
    pub(super) callers: Callers,
    /// The ledger's payments, in the gateway's name.
    pub(super) network: PaymentServiceClient<PeerChannel>,
    /// The vault's checks, in the gateway's name.
    pub(super) verification: VerificationServiceClient<PeerChannel>,
    /// The desk's side of cards.
    pub(super) cards_desk: CardServiceClient<PeerChannel>,
    pub(super) clocks: Clocks,
    pub(super) customer: Customer,
    /// When the customer last showed a second factor.
    proved: Instant,
    /// The gateway's ISO 8583 port.
    pub(super) iso8583: String,
    /// The usual card product.
    pub(super) product: String,
    /// The program's time, in minutes east of UTC.
    pub(super) utc_offset_minutes: i32,
    /// Whether the program's controls are not as they were.
    pub(super) program_controls_set: bool,
}

impl Stage {
    /// Sets the stage on a platform that runs.
    pub(super) async fn set(running: &Running) -> Result<Self, String> {
        let endpoints = &running.endpoints;
        let callers = Callers::new(endpoints).map_err(|exit| exit.line)?;
        // The platform is ours, and with it the gateway's certificate.
        let gateway = TlsFiles::in_dir(&running.layout.tls(), Identity::Gateway.name());
        let as_gateway = |service: Identity| {
            operator_channel(&endpoints.of(service).grpc, service, &gateway)
                .map_err(|error| error.to_string())
        };
        let as_operator =
            |service: Identity| endpoints.channel(service, Identity::Operator).map_err(|exit| exit.line);
        let program = ask!(callers.program, get_program, GetProgramRequest {})?.program.unwrap_or_default();
        desk::bin_range(&callers).await?;
        let product = usual_product(&callers).await?;
        let mut customer = Customer::sign_up(&callers, Person::invent(), Locale::ZhCn).await?;
        let case = customer.apply(&callers).await?;
        desk::read_checks(&callers, &case).await?;
        desk::approve(&callers, &case).await?;
        customer.step_up(&callers).await?;
        Ok(Self {
            network: PaymentServiceClient::new(as_gateway(Identity::Ledger)?),
            verification: VerificationServiceClient::new(as_gateway(Identity::Vault)?),
            cards_desk: CardServiceClient::new(as_operator(Identity::Ledger)?),
            clocks: Clocks::of(endpoints).map_err(|exit| exit.line)?,
            customer,
            proved: Instant::now(),
            iso8583: endpoints.iso8583.clone(),
            product,
            utc_offset_minutes: program.utc_offset_minutes,
            program_controls_set: false,
            callers,
        })
    }

    /// Sees to it that the customer's second factor is fresh.
    pub(super) async fn prove(&mut self) -> Result<(), String> {
        if self.proved.elapsed() > FRESH {
            self.customer.log_in(&self.callers).await?;
            self.customer.step_up(&self.callers).await?;
            self.proved = Instant::now();
        }
        Ok(())
    }

    /// A card product with these terms; gives its id.
    pub(super) async fn make_product(&self, name: &str, terms: &Product) -> Result<String, String> {
        make_product(&self.callers, name, terms).await
    }

    /// Sets the program's controls.
    pub(super) async fn set_program_controls(&mut self, controls: &Controls) -> Result<(), tonic::Status> {
        let message = controls.message().map_err(tonic::Status::internal)?;
        let request = SetProgramControlsRequest { request_id: request_id(), controls: Some(message) };
        self.program_controls_set = true;
        attempt!(self.callers.program, set_program_controls, request).map(drop)
    }

    /// Takes away what a scenario left on the program, for the next one.
    pub(super) async fn clear(&mut self) -> Result<(), String> {
        if self.program_controls_set {
            let none = Controls::default();
            self.set_program_controls(&none).await.map_err(|status| status.message().to_owned())?;
            self.program_controls_set = false;
        }
        Ok(())
    }
}

async fn usual_product(callers: &Callers) -> Result<String, String> {
    let list = ListCardProductsRequest { page_size: 1000, ..Default::default() };
    let known = ask!(callers.program, list_card_products, list)?;
    match known.card_products.into_iter().find(|product| product.name == PRODUCT) {
        Some(product) => Ok(product.card_product_id),
        None => make_product(callers, PRODUCT, &Product::default()).await,
    }
}

async fn make_product(callers: &Callers, name: &str, terms: &Product) -> Result<String, String> {
    let request = CreateCardProductRequest {
        request_id: request_id(),
        name: name.to_owned(),
        bin_range_id: desk::BIN_RANGE.into(),
        asset: ASSET.into(),
        validity_months: terms.validity_months.unwrap_or(VALIDITY_MONTHS),
        controls: terms.controls()?,
        terms: Some(terms.terms()?),
    };
    let product = ask!(callers.program, create_card_product, request)?.card_product.unwrap_or_default();
    Ok(product.card_product_id)
}
