//! What became of payment orders: pain.002 (from the own bank) and pacs.002 (between banks).

use std::io::BufRead;

use crate::error::FileError;
use crate::pull::{Place, Pull, Step};

/// Most transactions of one report.
const TRANSACTIONS_MAX: usize = 100_000;
/// Reasons that are kept of one status.
const REASONS_MAX: usize = 10;

/// What became of a payment, in the four-letter codes of ISO 20022.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentStatus {
    /// Received or checked in part, or under way: `RCVD`, `ACTC`, `ACCP`, `ACSP`, `ACWC`, `ACWP`, `ACFC`, `PDNG`, `PART`.
    UnderWay,
    /// Settled: `ACSC` (on the debtor's side) or `ACCC` (on the creditor's account).
    Settled,
    /// Refused: `RJCT`. No money moved.
    Rejected,
    /// Taken back before it was settled: `CANC`.
    Cancelled,
    /// A code that says none of these: nothing may be concluded from it.
    Unknown,
}

impl PaymentStatus {
    fn parse(code: &str) -> Self {
        match code {
            "RCVD" | "ACTC" | "ACCP" | "ACSP" | "ACWC" | "ACWP" | "ACFC" | "PDNG" | "PART" => Self::UnderWay,
            "ACSC" | "ACCC" => Self::Settled,
            "RJCT" => Self::Rejected,
            "CANC" => Self::Cancelled,
            _ => Self::Unknown,
        }
    }
}

/// The status of one payment, or of a whole group where `end_to_end_id` and `instruction_id` are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionStatus {
    /// `MsgId` of the order; empty: not given.
    pub original_message_id: String,
    /// `PmtInfId` of the order; empty: not given.
    pub original_payment_id: String,
    /// `InstrId` of the order; empty: not given.
    pub instruction_id: String,
    /// `EndToEndId` of the order; empty: not given.
    pub end_to_end_id: String,
    /// The code as it came, four letters.
    pub code: String,
    /// Reason codes or texts, such as `AC04`.
    pub reasons: Vec<String>,
}

impl TransactionStatus {
    /// What the code means.
    pub fn status(&self) -> PaymentStatus {
        PaymentStatus::parse(&self.code)
    }
}

/// A report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusReport {
    /// `pain.002.001.10`.
    pub document_type: String,
    /// `GrpHdr/MsgId`.
    pub message_id: String,
    /// Statuses in the file's order: of groups first where the file gives them.
    pub statuses: Vec<TransactionStatus>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Elsewhere,
    Document,
    Report,
    Header,
    MessageId,
    /// `OrgnlGrpInfAndSts`.
    Group,
    /// `OrgnlPmtInfAndSts` (pain.002).
    Payment,
    /// `TxInfAndSts`.
    Transaction,
    /// `OrgnlGrpInf` of a transaction (pacs.002).
    TransactionGroup,
    OriginalMessageId,
    OriginalPaymentId,
    InstructionId,
    EndToEndId,
    Code,
    ReasonInformation,
    Reason,
    ReasonCode,
    ReasonText,
}

impl Place for At {
    const DOCUMENT: Self = Self::Document;
    const ELSEWHERE: Self = Self::Elsewhere;

    fn child(self, name: &str) -> Self {
        match (self, name) {
            (Self::Document, "CstmrPmtStsRpt" | "FIToFIPmtStsRpt") => Self::Report,
            (Self::Report, "GrpHdr") => Self::Header,
            (Self::Header, "MsgId") => Self::MessageId,
            (Self::Report, "OrgnlGrpInfAndSts") => Self::Group,
            (Self::Report, "OrgnlPmtInfAndSts") => Self::Payment,
            (Self::Report | Self::Payment, "TxInfAndSts") => Self::Transaction,
            (Self::Transaction, "OrgnlGrpInf") => Self::TransactionGroup,
            (Self::Group | Self::TransactionGroup, "OrgnlMsgId") => Self::OriginalMessageId,
            (Self::Payment, "OrgnlPmtInfId") => Self::OriginalPaymentId,
            (Self::Transaction, "OrgnlInstrId") => Self::InstructionId,
            (Self::Transaction, "OrgnlEndToEndId") => Self::EndToEndId,
            (Self::Group, "GrpSts") | (Self::Payment, "PmtInfSts") | (Self::Transaction, "TxSts") => {
                Self::Code
            }
            (Self::Group | Self::Payment | Self::Transaction, "StsRsnInf") => Self::ReasonInformation,
            (Self::ReasonInformation, "Rsn") => Self::Reason,
            (Self::Reason, "Cd" | "Prtry") => Self::ReasonCode,
            (Self::ReasonInformation, "AddtlInf") => Self::ReasonText,
            _ => Self::Elsewhere,
        }
    }

    fn is_leaf(self) -> bool {
        matches!(
            self,
            Self::MessageId
                | Self::OriginalMessageId
                | Self::OriginalPaymentId
                | Self::InstructionId
                | Self::EndToEndId
                | Self::Code
                | Self::ReasonCode
                | Self::ReasonText
        )
    }
}

/// Reads a pain.002 or pacs.002 of any version.
///
/// # Errors
/// [`FileError`] if it is not well formed, another message, cut short, or longer than 100 000 transactions.
pub fn read_status(input: impl BufRead) -> Result<StatusReport, FileError> {
    let mut pull: Pull<_, At> = Pull::new(input);
    let mut report = StatusReport::default();
    // The drafts of the elements that are open: group or payment, and the transaction in it.
    let mut open: Vec<TransactionStatus> = Vec::new();
    let mut group_message_id = String::new();
    while let Some(step) = pull.next()? {
        match step {
            Step::Begin(At::Document) => {
                let known =
                    ["pain.002.001.", "pacs.002.001."].iter().any(|it| pull.message().starts_with(it));
                if !known {
                    return Err(pull.wrong(format!("it is {}; give pain.002 or pacs.002", pull.message())));
                }
                report.document_type = pull.message().to_owned();
            }
            Step::Begin(At::Group | At::Payment | At::Transaction) => {
                let outer = open.last();
                open.push(TransactionStatus {
                    original_message_id: outer
                        .map_or(&group_message_id, |it| &it.original_message_id)
                        .clone(),
                    original_payment_id: outer.map(|it| it.original_payment_id.clone()).unwrap_or_default(),
                    ..TransactionStatus::default()
                });
            }
            Step::Begin(_) => {}
            Step::End(place @ (At::Group | At::Payment | At::Transaction)) => {
                let Some(draft) = open.pop() else { continue };
                if place == At::Group {
                    group_message_id.clone_from(&draft.original_message_id);
                }
                if draft.code.is_empty() {
                    continue;
                }
                if report.statuses.len() >= TRANSACTIONS_MAX {
                    return Err(pull.wrong(format!("it has more than {TRANSACTIONS_MAX} statuses: split it")));
                }
                report.statuses.push(draft);
            }
            Step::End(At::MessageId) => report.message_id = bounded(&pull, 35)?,
            Step::End(place) => {
                let Some(draft) = open.last_mut() else { continue };
                match place {
                    At::OriginalMessageId => draft.original_message_id = bounded(&pull, 35)?,
                    At::OriginalPaymentId => draft.original_payment_id = bounded(&pull, 35)?,
                    At::InstructionId => draft.instruction_id = bounded(&pull, 35)?,
                    At::EndToEndId => draft.end_to_end_id = bounded(&pull, 35)?,
                    At::Code => draft.code = bounded(&pull, 4)?,
                    At::ReasonCode | At::ReasonText if draft.reasons.len() < REASONS_MAX => {
                        draft.reasons.push(bounded(&pull, 105)?);
                    }
                    _ => {}
                }
            }
        }
    }
    if report.message_id.is_empty() {
        return Err(pull.wrong("GrpHdr/MsgId is missing"));
    }
    Ok(report)
}

fn bounded<R: BufRead>(pull: &Pull<R, At>, max: usize) -> Result<String, FileError> {
    let text = pull.text();
    if text.chars().count() > max {
        return Err(pull.wrong(format!("a text is longer than {max} characters")));
    }
    Ok(text.to_owned())
}
