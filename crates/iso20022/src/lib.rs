//! ISO 20022 files of a bank, without I/O of their own.
//!
//! - [`CamtReader`] reads statements (camt.053) and notifications (camt.054), versions 02 to 08, as a stream: an entry
//!   at a time, in memory that does not grow with the file, however the file is made.
//! - [`write_pain001`] writes a payment order (pain.001.001.09), as the schema wants it.
//! - [`read_status`] reads what became of one (pain.002, pacs.002).
//!
//! Amounts are exact minor units by the currency's exponent ([`amount`]); one that would lose money is refused. There are
//! no document type definitions and no entities but the five of XML itself, so nothing can be made to expand or to be
//! fetched. Networks' envelopes around a document are looked through.
//!
//! ```
//! use bursar_iso20022::{CamtReader, Event};
//!
//! let file = br#"<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"><BkToCstmrDbtCdtNtfctn>
//!   <GrpHdr><MsgId>M-1</MsgId></GrpHdr>
//!   <Ntfctn><Id>N-1</Id><Ntry><Amt Ccy="CNY">100.50</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts></Ntry></Ntfctn>
//! </BkToCstmrDbtCdtNtfctn></Document>"#;
//!
//! let mut reader = CamtReader::new(&file[..]);
//! let mut amounts = Vec::new();
//! while let Some(event) = reader.next()? {
//!     if let Event::Entry(entry) = event {
//!         amounts.push(entry.amount.to_string());
//!     }
//! }
//! assert_eq!(amounts, ["100.50 CNY"]);
//! # Ok::<(), bursar_iso20022::FileError>(())
//! ```

#![forbid(unsafe_code)]

pub mod amount;
mod bounded;
mod camt;
mod error;
mod pain001;
mod pull;
mod status;

pub use camt::{
    Balance, BalanceCheck, CamtReader, Direction, Entry, EntryStatus, Event, FileHeader, FileKind, Movement,
    StatementEnd, StatementHeader, TRANSACTIONS_MAX, Transaction,
};
pub use error::FileError;
pub use pain001::{Account, Agent, BadOrder, Order, Transfer, write_pain001};
pub use status::{PaymentStatus, StatusReport, TransactionStatus, read_status};
