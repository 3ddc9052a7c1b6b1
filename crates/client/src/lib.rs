//! Transfers as ordinary async functions, over one stream.
//!
//! The ledger takes the same commands one a call and one a message of `StreamTransfers`; a message costs a small part of
//! what a call does. [`TransferClient`] gives the stream the shape of calls: it numbers nothing, waits for nothing but
//! its own answer, and any number of tasks may share it.
//!
//! - **Once.** Every command has a request id; one that comes without gets a UUIDv7. A command whose answer was lost is
//!   sent again with the same id, on the next connection if need be, and the ledger answers with what it decided first.
//! - **Bounds.** At most [`Options::in_flight_max`] commands are on their way; beyond that a call waits for its turn.
//! - **Deadlines.** A call ends at its deadline, [`Options::deadline`] or [`TransferClient::with_deadline`]. Whether the
//!   command was decided is then not known; asking again with the request id in the [`ClientError`] tells.
//! - **Come again.** What the ledger answers with "come again" (it is overloaded, or another process takes over) is sent
//!   again after the wait it asks for, while the deadline allows.
//!
//! ```no_run
//! use bursar_client::{Options, TransferClient, proto};
//! use bursar_service::tls::TlsFiles;
//! use bursar_service::{Identity, client};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let files = TlsFiles::in_dir("/etc/bursar/tls".as_ref(), "backend");
//! let channel = client::operator_channel("https://ledger.internal:7103", Identity::Ledger, &files)?;
//! let ledger = TransferClient::new(channel, Options::default());
//!
//! let held = ledger
//!     .create_transfer(proto::CreateTransferRequest {
//!         debit_account_id: "acct_06f1c9p6xv2q4m8t3a7d5e0k1n".into(),
//!         credit_account_id: "acct_06f1c9p6xv2q4m8t3a7d5e0k2p".into(),
//!         amount: Some(bursar_client::Money { minor_units: 12_50, asset: "CNY".into() }),
//!         hold_seconds: 3_600,
//!         ..Default::default()
//!     })
//!     .await?;
//! let hold = held.transfer.unwrap_or_default();
//! let captured = ledger
//!     .capture(proto::CaptureHoldRequest {
//!         transfer_id: hold.transfer_id,
//!         amount: hold.amount,
//!         ..Default::default()
//!     })
//!     .await?;
//! println!("{:?}", captured.debit_after);
//! # Ok(())
//! # }
//! ```

mod calls;
mod driver;
mod error;
mod link;
mod options;
mod transfers;

/// The contract's messages.
pub use bursar_proto::ledger::v1 as proto;

pub use bursar_proto::common::v1::Money;
pub use error::{ClientError, Failure};
pub use options::Options;
pub use transfers::TransferClient;
