//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::iso8583::Iso8583;
use crate::platform::{PortChoice, Setup};
use crate::sandbox::Sandbox;

/// Bursar: a card-issuing and wallet platform that you run yourself.
#[derive(Debug, Parser)]
#[command(name = "bursar", version, propagate_version = true, arg_required_else_help = true)]
#[command(
    after_help = "Examples:\n  bursar demo                       the whole platform plays a customer's journey, and stops\n  bursar up --data ./data           the platform, until Ctrl-C; ./data/endpoints.json says where\n  bursar ledger verify --data ./data   proves the journal of a running platform\n  bursar ledger check receipt.json --ca ca.pem   checks a receipt without any platform\n\nExit codes: 0 all well; 64 change the configuration; 69 something needed is away; 70 something did not hold."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Starts the platform, plays a customer's journey through its public interfaces, checks the books, and stops.
    #[command(
        after_help = "Examples:\n  bursar demo\n  bursar demo --json | jq .step\n  bursar demo --keep --data ./data     goes on serving after the journey\n  bursar demo --database-url postgres://postgres:secret@127.0.0.1:5432/postgres"
    )]
    Demo(Demo),
    /// Starts the five services, watches over them, and stops them in order on Ctrl-C or SIGTERM.
    #[command(
        after_help = "Examples:\n  bursar up\n  bursar up --data /var/lib/bursar --database-url postgres://admin:secret@db:5432/postgres\n\nThe services' logs are in DATA/log; DATA/endpoints.json names every address and certificate."
    )]
    Up(Up),
    /// Prepares a folder with certificates, keys, configurations and databases for services that run as containers or on
    /// machines of their own, each on a host that is called like the service.
    #[command(
        after_help = "Examples:\n  bursar init --data /bursar --database-url postgres://admin:secret@postgres:5432/postgres\n  then, on each host: bursar-ledger --config /bursar/config/ledger.toml"
    )]
    Init(Init),
    /// Runs one service in the foreground.
    #[command(
        after_help = "Examples:\n  bursar serve ledger --config ledger.toml\n  bursar serve vault --config vault.toml --check-config\n  BURSAR_SERVICE__GRPC_LISTEN=0.0.0.0:7103 bursar serve ledger --config ledger.toml"
    )]
    Serve(Serve),
    /// Works on the ledger of a running platform.
    #[command(subcommand)]
    Ledger(Ledger),
    /// Shows ISO 8583 messages to people, and makes them.
    #[command(subcommand)]
    Iso8583(Iso8583),
    /// Plays shops, a network and a bank to a running sandbox.
    #[command(subcommand)]
    Sandbox(Sandbox),
    /// The seal, the keys and the audit log of a running vault; and checks of the log that need none.
    #[command(subcommand)]
    Vault(Vault),
    /// Measures our path against its reference, side by side in one run.
    #[command(
        after_help = "Examples:\n  bursar bench ledger --quick\n  bursar bench webhooks\n  bursar bench events --json\n  bursar bench ledger --only unary_256,stream_1024 --plot ledger.svg\n  bursar bench ledger --json --database-url postgres://postgres:secret@127.0.0.1:5432/postgres\n\n`cargo xtask postgres` starts a server to measure on and prints its URL. Progress is told on standard error."
    )]
    Bench(Bench),
    /// Plays the book of card payments: small files that say what is done and what comes of it, against a platform of
    /// its own.
    #[command(
        subcommand,
        after_help = "Examples:\n  bursar scenario list\n  bursar scenario show tip-above-the-approval     its file\n  bursar scenario run tip-above-the-approval freeze-race\n  bursar scenario run all\n  bursar scenario run all --json --database-url postgres://postgres:secret@127.0.0.1:5432/postgres"
    )]
    Scenario(Scenarios),
    /// Tells the time of a running sandbox, or moves it forward in all five processes: holds run out, limits begin anew.
    #[command(
        after_help = "Examples:\n  bursar clock --data ./data\n  bursar clock --advance 8d --data ./data\n  bursar clock --advance-to 'sunday 23:59:30' --data ./data     the next such moment, in UTC"
    )]
    Clock(Clock),
    /// Looks at this machine and at a running platform, and says what is amiss and what to do.
    Doctor(Doctor),
}

#[derive(Debug, Args)]
pub(crate) struct Where {
    /// Folder that holds everything the platform keeps.
    #[arg(long, value_name = "DIR", env = "BURSAR_DATA", default_value = "./bursar-data")]
    pub(crate) data: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Databases {
    /// PostgreSQL role that may create roles and databases: every service gets one of each. Without it: a file each.
    #[arg(long, value_name = "URL", env = "BURSAR_DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: Option<String>,
    /// What roles and databases on PostgreSQL are called: PREFIX_ledger and so on.
    #[arg(long, value_name = "PREFIX", default_value = "bursar")]
    pub(crate) database_prefix: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PortArgument {
    /// The documented ones: gRPC 7101 to 7105, admin 7201 to 7205, ISO 8583 8583, HTTP 8080, JSON 8443.
    Fixed,
    /// Any that are free.
    Free,
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) place: Where,
    #[command(flatten)]
    pub(crate) databases: Databases,
    /// Which ports to take.
    #[arg(long, value_enum, default_value = "fixed")]
    pub(crate) ports: PortArgument,
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    #[command(flatten)]
    pub(crate) place: Where,
    /// PostgreSQL role that may create roles and databases: every service gets one of each.
    #[arg(long, value_name = "URL", env = "BURSAR_DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: String,
    /// What roles and databases are called: PREFIX_ledger and so on.
    #[arg(long, value_name = "PREFIX", default_value = "bursar")]
    pub(crate) database_prefix: String,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// One JSON object a line: {"step", "ok", "detail"}.
    #[arg(long)]
    pub(crate) json: bool,
    /// Go on serving after the journey, until Ctrl-C.
    #[arg(long)]
    pub(crate) keep: bool,
    /// Folder to use and keep; without it, a temporary one that is removed. A second run goes on with what is there.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Play against the platform that `bursar up` serves in DATA, instead of starting one.
    #[arg(long, requires = "data")]
    pub(crate) attach: bool,
    /// Write the secrets that only the customer knows into a file, for a test that searches the platform for them.
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) tell_secrets: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) databases: Databases,
    /// Which ports to take.
    #[arg(long, value_enum, default_value = "free")]
    pub(crate) ports: PortArgument,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Scenarios {
    /// Names and titles of all scenarios.
    List {
        /// One JSON object a line: {"scenario", "title", "shows", "steps"}.
        #[arg(long)]
        json: bool,
    },
    /// The file of a scenario: what it shows, what is done, and what comes of it.
    Show {
        /// Its name.
        name: String,
    },
    /// Plays scenarios one after another against the five processes, moving time where they need it, and checks the books.
    #[command(
        after_help = "Examples:\n  bursar scenario run freeze-race\n  bursar scenario run all --json | jq 'select(.ok == false)'\n  bursar scenario run all --data ./book     keeps what was booked there\n\nExit codes: 0 every step came to what its file says; 64 no such scenario; 69 something needed is away; 70 a step did not."
    )]
    Run(RunScenarios),
}

#[derive(Debug, Args)]
pub(crate) struct RunScenarios {
    /// Names of scenarios, or `all`.
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// One JSON object a line: {"scenario", "step", "does", "ok", "detail"} for each step, {"scenario", "ok", "detail",
    /// "steps", "ms"} after them, and {"scenarios", "failed", "ok", "ms"} at the end.
    #[arg(long)]
    pub(crate) json: bool,
    /// Folder to use and keep; without it, a temporary one that is removed.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) databases: Databases,
    /// Which ports to take.
    #[arg(long, value_enum, default_value = "free")]
    pub(crate) ports: PortArgument,
}

#[derive(Debug, Args)]
#[command(disable_help_flag = false)]
pub(crate) struct Serve {
    /// Which service.
    pub(crate) service: ServiceArgument,
    /// End when the process with this id, which started this one, ends.
    #[arg(long, hide = true, value_name = "PID")]
    pub(crate) die_with_parent: Option<u32>,
    /// Flags of the service: --config FILE, --set section.key=value, --check-config.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "FLAGS")]
    pub(crate) flags: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ServiceArgument {
    /// Customers, KYC, login.
    Identity,
    /// Card numbers and secrets.
    Vault,
    /// Money and decisions.
    Ledger,
    /// Messages and webhooks.
    Notifications,
    /// ISO 8583, bank files, HTTP.
    Gateway,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Ledger {
    /// Replays the journal from its start and compares every hash, outcome and projection.
    Verify(Verify),
    /// Fetches the receipt of a transfer: what was asked, what became of it, and the proof that the journal holds it.
    #[command(
        after_help = "Examples:\n  bursar ledger receipt tran_01m82mpp88eperg7kyzya9a3bt -o receipt.json\n  bursar ledger receipt tran_01m82mpp88eperg7kyzya9a3bt --data ./data | jq .receipt.position"
    )]
    Receipt(FetchReceipt),
    /// Fetches the newest signed checkpoint of the journal. Whoever keeps one holds the ledger to everything before it.
    #[command(
        after_help = "Examples:\n  bursar ledger checkpoint -o monday.json\n  bursar ledger checkpoint --since monday.json -o friday.json   with the proof that nothing was changed between"
    )]
    Checkpoint(FetchCheckpoint),
    /// Checks a receipt or a checkpoint in a file, without any ledger: the CA certificate is enough.
    #[command(
        after_help = "Examples:\n  bursar ledger check receipt.json --ca ./data/tls/ca.pem\n  bursar ledger check friday.json --since monday.json --ca ca.pem\n  bursar ledger check receipt.json --since monday.json --ca ca.pem --data ./data   fetches the proof between\n\nExit codes: 0 it is good; 64 not to be checked as asked; 69 the platform does not answer; 70 it is not good."
    )]
    Check(Check),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Vault {
    /// Whether the vault is open, and which shares are missing.
    Status(Where),
    /// Makes the keys of a vault whose root key comes from shares, and tells the shares.
    Init(VaultInit),
    /// Gives one custodian's share, from standard input or a file; the last one opens the vault.
    #[command(
        after_help = "Examples:\n  bursar vault unseal < my-share.txt\n  bursar vault unseal --share-file /media/stick/share.txt --data ./data"
    )]
    Unseal(VaultUnseal),
    /// Forgets all keys at once: everything is refused until the vault is unsealed again.
    Seal(VaultSeal),
    /// Makes another root key and wraps all keys under it; old shares are worth nothing then.
    Rekey(VaultRekey),
    /// All keys, what state they are in, and how many records are under each.
    Keys(Where),
    /// Makes a new key the primary one; what is under the old one still opens.
    Rotate(VaultRotate),
    /// Has all records wrapped under the primary key, and shows how far that is.
    Rewrap(Where),
    /// Destroys a key under which nothing is any more.
    Retire(VaultRetire),
    /// The audit log: who did what to which card.
    #[command(subcommand)]
    Audit(VaultAudit),
}

#[derive(Debug, Args)]
pub(crate) struct VaultInit {
    /// Custodians the root key is split among: 2 to 16. All of them are needed to open the vault.
    #[arg(long, value_name = "N")]
    pub(crate) shares: i32,
    #[command(flatten)]
    pub(crate) place: Where,
}

#[derive(Debug, Args)]
pub(crate) struct VaultUnseal {
    /// File that holds the share; without it, standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) share_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) place: Where,
}

#[derive(Debug, Args)]
pub(crate) struct VaultSeal {
    /// Why: kept in the audit log.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) place: Where,
}

#[derive(Debug, Args)]
pub(crate) struct VaultRekey {
    /// Custodians the new root key is split among; 0 where it does not come from shares.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) shares: i32,
    #[command(flatten)]
    pub(crate) place: Where,
}

#[derive(Debug, Args)]
pub(crate) struct VaultRotate {
    /// kek, password-pepper or reveal-ticket.
    pub(crate) purpose: String,
    #[command(flatten)]
    pub(crate) place: Where,
}

#[derive(Debug, Args)]
pub(crate) struct VaultRetire {
    /// kek or password-pepper.
    pub(crate) purpose: String,
    /// Version of the key.
    pub(crate) key_version: i32,
    #[command(flatten)]
    pub(crate) place: Where,
}

#[derive(Debug, Subcommand)]
pub(crate) enum VaultAudit {
    /// Writes the newest checkpoint and every record before it into a file.
    Export(VaultAuditExport),
    /// Checks such a file, without any vault: the CA certificate is enough.
    #[command(
        after_help = "Examples:\n  bursar vault audit verify audit.jsonl --ca ./data/tls/ca.pem\n  bursar vault audit verify friday.jsonl --since monday.jsonl --ca ca.pem   nothing was changed or taken back between\n\nExit codes: 0 it is good; 64 not to be checked as asked; 70 it is not good."
    )]
    Verify(VaultAuditVerify),
}

#[derive(Debug, Args)]
pub(crate) struct VaultAuditExport {
    /// File to write.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) place: Where,
}

#[derive(Debug, Args)]
pub(crate) struct VaultAuditVerify {
    /// File of an export.
    pub(crate) file: PathBuf,
    /// Certificate of the platform's authority (PEM): DATA/tls/ca.pem of a platform that `bursar up` runs.
    #[arg(long, value_name = "CA.pem")]
    pub(crate) ca: PathBuf,
    /// File of an older export, kept elsewhere: checks that the log goes on from it, unchanged.
    #[arg(long, value_name = "OLD")]
    pub(crate) since: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct FetchReceipt {
    /// The transfer, or a hold where it was placed (tran_…).
    pub(crate) transfer_id: String,
    #[command(flatten)]
    pub(crate) place: Where,
    /// File to write; without it, standard output.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct FetchCheckpoint {
    /// File of an older checkpoint or receipt: the proof from it to the new one is fetched too.
    #[arg(long, value_name = "OLD")]
    pub(crate) since: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) place: Where,
    /// File to write; without it, standard output.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// File of a receipt or a checkpoint.
    pub(crate) file: PathBuf,
    /// Certificate of the platform's authority (PEM): DATA/tls/ca.pem of a platform that `bursar up` runs.
    #[arg(long, value_name = "CA.pem")]
    pub(crate) ca: PathBuf,
    /// File of an older checkpoint or receipt: checks that the journal goes on from it, unchanged.
    #[arg(long, value_name = "OLD")]
    pub(crate) since: Option<PathBuf>,
    /// Folder of a running platform to fetch the proof from, if the file holds none.
    #[arg(long, value_name = "DIR", requires = "since")]
    pub(crate) data: Option<PathBuf>,
    /// One JSON object: {"ok", "program", "size", "root", "signed_at", …}.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) place: Where,
    /// Begin from the newest stored state instead of from the start of the journal; the projections are not compared.
    #[arg(long)]
    pub(crate) from_checkpoint: bool,
    /// One JSON object: {"ok", "position", "findings"}.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchName {
    /// Nine figures of the ledger, each against a reference in the same run.
    Ledger,
    /// Four figures of sanctions screening; with --pairs, how well names are told apart.
    Screening,
    /// Five figures of the authorization decision, likewise.
    Authorize,
    /// Two figures of the ISO 8583 codec: against pyiso8583, and against plain copies of the values.
    Iso8583,
    /// Three figures of the gateway: payments from the network's wire, how long they wait, and a bank's statement.
    Gateway,
    /// Six figures of the vault, likewise.
    Vault,
    /// Webhooks: durable deliveries against bare POSTs, what dead endpoints do to the others, memory under a backlog.
    Webhooks,
    /// A reader that catches up with an event log against a plain read of its rows.
    Events,
}

/// What is measured: the ledger's figures, the decision's, then the vault's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchFigure {
    /// Durable transfers, one a call, 256 in flight, against empty calls.
    #[value(name = "unary_256")]
    Unary256,
    /// Durable transfers, one a message of a stream, 1024 in flight, against empty messages.
    #[value(name = "stream_1024")]
    Stream1024,
    /// 99th percentile of such calls at half of their highest rate, against that of empty calls.
    #[value(name = "unary_p99")]
    UnaryP99,
    /// Transfers in requests of 1000, against hand-written SQL transactions.
    #[value(name = "bulk_uniform")]
    BulkUniform,
    /// The same with one account on every transfer, against the uniform one.
    #[value(name = "bulk_hot")]
    BulkHot,
    /// One a call, 64 in flight, to one account, against hand-written SQL transactions to one account.
    #[value(name = "unary_hot")]
    UnaryHot,
    /// The last of many transfers against the first; with 10 000 000 cards against 10 000.
    #[value(name = "growth")]
    Growth,
    /// Verification of the journal against its writing.
    #[value(name = "verify")]
    Verify,
    /// The start of a ledger with many accounts against a plain read of their rows.
    #[value(name = "start")]
    Start,
    /// Durable authorizations, one a call, 256 in flight, against empty calls.
    #[value(name = "authorize_256")]
    Authorize256,
    /// Durable authorizations, one a message of a stream, 1024 in flight, against empty messages.
    #[value(name = "authorize_stream")]
    AuthorizeStream,
    /// 99th percentile of such calls at half of their highest rate, against that of empty calls.
    #[value(name = "authorize_p99")]
    AuthorizeP99,
    /// The pure decision against one HMAC-SHA256 of 64 bytes.
    #[value(name = "decision")]
    Decision,
    /// Card numbers verified, one a call, 256 in flight, against empty calls.
    #[value(name = "verify_card")]
    VerifyCard,
    /// Card numbers verified, one a message of a stream, 1024 in flight, against empty messages.
    #[value(name = "verify_stream")]
    VerifyStream,
    /// Cards issued against one durable INSERT of the same bytes.
    #[value(name = "issue")]
    Issue,
    /// A sealed record opened, in process, against AES-256-GCM with a ready key.
    #[value(name = "open")]
    Open,
    /// Records rewrapped under a new key against reading and writing the same rows.
    #[value(name = "rewrap")]
    Rewrap,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// What is measured.
    pub(crate) name: BenchName,
    /// One JSON object on the last line.
    #[arg(long)]
    pub(crate) json: bool,
    /// End within a minute, with less certainty.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Measure these figures only.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub(crate) only: Vec<BenchFigure>,
    /// Draw the figures, as SVG.
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
    /// Screening: score these pairs of names instead (CSV with the columns name1, name2, match, or JSON lines with query,
    /// names, match) and tell precision, recall, F1 and what was missed.
    #[arg(long, value_name = "FILE")]
    pub(crate) pairs: Option<PathBuf>,
    /// Screening: screen these people instead (CSV with the columns name, birth_date, entry_id; entry_id empty for people who
    /// are on no list) against the lists, and tell how many were found and flagged.
    #[arg(long, value_name = "FILE")]
    pub(crate) people: Option<PathBuf>,
    /// Screening: lists to screen against, each a file or a folder with OFAC's CSV files; without it, one that is made up.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub(crate) list: Vec<PathBuf>,
    /// Screening: least score of a hit in basis points; without it, the library's own.
    #[arg(long, value_name = "BPS")]
    pub(crate) threshold: Option<u16>,
    /// PostgreSQL role that may create databases, for the hand-written transactions that bulk_uniform and unary_hot are
    /// compared with, and the plain rows of issue and rewrap. Without it: the server of --database-url; without that either: SQLite.
    #[arg(long, value_name = "URL")]
    pub(crate) reference_url: Option<String>,
    /// Python that has pyiso8583 installed, for `bench iso8583`. Without it, python3 installs it into a temporary folder.
    #[arg(long, value_name = "FILE", env = "BURSAR_PEER_PYTHON")]
    pub(crate) peer_python: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) databases: Databases,
}

#[derive(Debug, Args)]
pub(crate) struct Clock {
    #[command(flatten)]
    pub(crate) place: Where,
    /// By how much: 8d, 26h, 90m, 45s.
    #[arg(long, value_name = "LENGTH")]
    pub(crate) advance: Option<String>,
    /// To the next such moment in UTC: 23:59:30, sunday 23:59:30, 12-31 23:59:30.
    #[arg(long, value_name = "MOMENT", conflicts_with = "advance")]
    pub(crate) advance_to: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) place: Where,
    /// One JSON object a line: {"check", "ok", "detail"}.
    #[arg(long)]
    pub(crate) json: bool,
}

impl From<PortArgument> for PortChoice {
    fn from(argument: PortArgument) -> Self {
        match argument {
            PortArgument::Fixed => Self::Fixed,
            PortArgument::Free => Self::Free,
        }
    }
}

impl Up {
    pub(crate) fn setup(&self) -> Setup {
        Setup {
            data: self.place.data.clone(),
            database_url: self.databases.database_url.clone(),
            database_prefix: self.databases.database_prefix.clone(),
            ports: self.ports.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
