//! `bursar sandbox`: the outside world of a running sandbox, played from the command line.

mod show;

use std::path::PathBuf;

use bursar_proto::access::Identity;
use bursar_proto::common::v1::Money;
use bursar_proto::gateway::v1::sandbox_service_client::SandboxServiceClient;
use bursar_proto::gateway::v1::{
    SandboxCard, SandboxFault, SendBankCreditRequest, SendClearingRequest, SendPurchaseRequest,
    SendRefundRequest, SendReversalRequest,
};
use bursar_proto::ledger::v1::NetworkReference;
use bursar_service::PeerChannel;
use bursar_types::{Asset, IdSource, OsEntropy, SystemClock};
use clap::{Args, Subcommand, ValueEnum};
use serde::Deserialize;

use crate::cli::Where;
use crate::exit::Exit;
use crate::platform::Endpoints;

#[derive(Debug, Subcommand)]
pub(crate) enum Sandbox {
    /// A shop asks for an approval over ISO 8583, and the network carries it, or fails to.
    #[command(
        after_help = "Examples:\n  bursar sandbox purchase 12.50 --card card.json\n  bursar sandbox purchase 12.50 --card card.json --fault lost-reply\n  echo '{\"pan\": \"9900001234567890\", \"expiry\": \"2912\", \"cvv2\": \"123\"}' | bursar sandbox purchase 5 --card -\n\nThe line that begins with `network` names the purchase for reverse and clear."
    )]
    Purchase(Purchase),
    /// The network takes a purchase back, in full or in part.
    #[command(
        after_help = "Example:\n  bursar sandbox reverse 12.50 --card card.json --network 990099/000042/633012000042/1126103000 --remaining 4"
    )]
    Reverse(Reverse),
    /// The network clears a purchase, at once or in parts.
    #[command(
        after_help = "Example:\n  bursar sandbox clear 12.50 --card card.json --network 990099/000042/633012000042/1126103000 --parts 3"
    )]
    Clear(Clear),
    /// A shop gives money back.
    #[command(after_help = "Example:\n  bursar sandbox refund 3 --card card.json")]
    Refund(Refund),
    /// Somebody transfers money to an account: the bank sends a file, and it is imported.
    #[command(
        after_help = "Examples:\n  bursar sandbox top-up 250 --reference RF73W4MW9XVQGGG7S72R\n  bursar sandbox top-up 250 --reference RF73W4MW9XVQGGG7S72R --statement --file statement.xml"
    )]
    TopUp(TopUp),
}

/// What all have.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Amount in major units: 12.50.
    #[arg(value_name = "AMOUNT")]
    pub(crate) amount: String,
    /// Currency.
    #[arg(long, value_name = "CODE", default_value = "CNY")]
    pub(crate) currency: String,
    #[command(flatten)]
    pub(crate) place: Where,
}

#[derive(Debug, Args)]
pub(crate) struct CardFile {
    /// File with the card as JSON: {"pan", "expiry", "cvv2"}; `-`: standard input.
    #[arg(long = "card", value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// What goes wrong on the way.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum FaultArgument {
    /// The answer is lost, and the message repeated.
    LostReply,
    /// The message comes twice at the same time.
    Duplicate,
    /// It is taken back before its answer is read.
    LateReversal,
    /// It is taken back before it arrives.
    OutOfOrder,
    /// It takes a second from its first byte to its last.
    Slow,
    /// The connection is cut in the middle.
    CutConnection,
}

#[derive(Debug, Args)]
pub(crate) struct Purchase {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) card: CardFile,
    /// What goes wrong.
    #[arg(long, value_enum)]
    pub(crate) fault: Option<FaultArgument>,
    /// The shop takes less than it asks for.
    #[arg(long)]
    pub(crate) partial: bool,
    /// The shop is paid at once (0200).
    #[arg(long)]
    pub(crate) capture: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Reverse {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) card: CardFile,
    /// The purchase, as `bursar sandbox purchase` names it.
    #[arg(long, value_name = "ACQUIRER/STAN/RRN/TIME")]
    pub(crate) network: String,
    /// What remains of it, of a reversal in part.
    #[arg(long, value_name = "AMOUNT")]
    pub(crate) remaining: Option<String>,
    /// The purchase was paid at once.
    #[arg(long)]
    pub(crate) captured: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Clear {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) card: CardFile,
    /// The purchase, as `bursar sandbox purchase` names it.
    #[arg(long, value_name = "ACQUIRER/STAN/RRN/TIME")]
    pub(crate) network: String,
    /// Parts it is cleared in.
    #[arg(long, value_name = "1-10", default_value = "1")]
    pub(crate) parts: i32,
}

#[derive(Debug, Args)]
pub(crate) struct Refund {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) card: CardFile,
}

#[derive(Debug, Args)]
pub(crate) struct TopUp {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Funding reference of the account.
    #[arg(long, value_name = "REFERENCE")]
    pub(crate) reference: String,
    /// The day's statement (camt.053) instead of a notification (camt.054).
    #[arg(long)]
    pub(crate) statement: bool,
    /// File to write the bank's file to.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

/// A card in a file.
#[derive(Deserialize)]
struct Card {
    pan: String,
    #[serde(default)]
    expiry: String,
    #[serde(default)]
    cvv2: String,
}

impl CardFile {
    fn read(&self) -> Result<Option<SandboxCard>, Exit> {
        let text = crate::iso8583::bytes(&self.file, 4_096)
            .map_err(|problem| Exit::usage(format!("--card {problem}")))?;
        // The reader's own words may repeat what it read.
        let card: Card = serde_json::from_slice(&text).map_err(|_| {
            Exit::usage(format!(
                "--card {}: is no {{\"pan\": …, \"expiry\": …, \"cvv2\": …}}",
                self.file.display()
            ))
        })?;
        Ok(Some(SandboxCard { pan: card.pan, expiry: card.expiry, cvv2: card.cvv2 }))
    }
}

impl Common {
    fn money(&self, text: &str) -> Result<Option<Money>, Exit> {
        let asset =
            Asset::from_code(&self.currency).map_err(|error| Exit::usage(format!("--currency: {error}")))?;
        let money = bursar_iso20022::amount::parse(text, asset);
        let money = money.ok_or_else(|| Exit::usage(format!("`{text}` is no amount of {asset}")))?;
        Ok(Some(Money { minor_units: money.minor_units, asset: asset.code().to_owned() }))
    }

    fn amount(&self) -> Result<Option<Money>, Exit> {
        self.money(&self.amount)
    }

    fn client(&self) -> Result<SandboxServiceClient<PeerChannel>, Exit> {
        let endpoints = Endpoints::read(&self.place.data)?;
        Ok(SandboxServiceClient::new(endpoints.channel(Identity::Gateway, Identity::Operator)?))
    }
}

fn network(text: &str) -> Result<Option<NetworkReference>, Exit> {
    let parts: Vec<&str> = text.split('/').collect();
    let [acquirer_id, stan, rrn, transmission_time] = parts[..] else {
        return Err(Exit::usage(format!("--network {text}: is no ACQUIRER/STAN/RRN/TIME")));
    };
    let [acquirer_id, stan, rrn, transmission_time] =
        [acquirer_id, stan, rrn, transmission_time].map(str::to_owned);
    Ok(Some(NetworkReference { acquirer_id, stan, rrn, transmission_time }))
}

/// Plays one of them.
pub(crate) async fn run(command: &Sandbox) -> Result<(), Exit> {
    let failed = |status: tonic::Status| show::failed(&status);
    match command {
        Sandbox::Purchase(arguments) => {
            let fault = match arguments.fault {
                None => SandboxFault::Unspecified,
                Some(FaultArgument::LostReply) => SandboxFault::LostReply,
                Some(FaultArgument::Duplicate) => SandboxFault::Duplicate,
                Some(FaultArgument::LateReversal) => SandboxFault::LateReversal,
                Some(FaultArgument::OutOfOrder) => SandboxFault::OutOfOrder,
                Some(FaultArgument::Slow) => SandboxFault::Slow,
                Some(FaultArgument::CutConnection) => SandboxFault::CutConnection,
            };
            let request = SendPurchaseRequest {
                card: arguments.card.read()?,
                amount: arguments.common.amount()?,
                merchant: None,
                partial_allowed: arguments.partial,
                capture_now: arguments.capture,
                fault: fault.into(),
            };
            let answer =
                arguments.common.client()?.send_purchase(request).await.map_err(failed)?.into_inner();
            show::exchanges(&answer.exchanges);
            show::network(&answer.network.unwrap_or_default());
        }
        Sandbox::Reverse(arguments) => {
            let common = &arguments.common;
            let request = SendReversalRequest {
                card: arguments.card.read()?,
                network: network(&arguments.network)?,
                amount: common.amount()?,
                remaining_amount: match &arguments.remaining {
                    Some(text) => common.money(text)?,
                    None => None,
                },
                captured: arguments.captured,
                fault: SandboxFault::Unspecified.into(),
            };
            let answer = common.client()?.send_reversal(request).await.map_err(failed)?.into_inner();
            show::exchanges(&answer.exchanges);
        }
        Sandbox::Clear(arguments) => {
            let request = SendClearingRequest {
                card: arguments.card.read()?,
                network: network(&arguments.network)?,
                amount: arguments.common.amount()?,
                parts: arguments.parts,
                ..SendClearingRequest::default()
            };
            let answer =
                arguments.common.client()?.send_clearing(request).await.map_err(failed)?.into_inner();
            show::exchanges(&answer.exchanges);
        }
        Sandbox::Refund(arguments) => {
            let (card, amount) = (arguments.card.read()?, arguments.common.amount()?);
            let request = SendRefundRequest { card, amount, merchant: None };
            let answer = arguments.common.client()?.send_refund(request).await.map_err(failed)?.into_inner();
            show::exchanges(&answer.exchanges);
        }
        Sandbox::TopUp(arguments) => {
            let ids = IdSource::new(std::sync::Arc::new(SystemClock), std::sync::Arc::new(OsEntropy));
            let request = SendBankCreditRequest {
                request_id: ids.next_uuid().to_string(),
                funding_reference: arguments.reference.clone(),
                amount: arguments.common.amount()?,
                debtor_name: String::new(),
                statement: arguments.statement,
            };
            let answer =
                arguments.common.client()?.send_bank_credit(request).await.map_err(failed)?.into_inner();
            if let Some(path) = &arguments.file {
                std::fs::write(path, &answer.content)
                    .map_err(|error| Exit::usage(format!("--file {}: {error}", path.display())))?;
            }
            show::entries(&answer.entries);
        }
    }
    Ok(())
}
