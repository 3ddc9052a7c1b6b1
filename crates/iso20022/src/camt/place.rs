//! Where the elements that are read stand, in all versions.

use crate::pull::Place;

macro_rules! places {
    ($($name:ident { $($child:literal => $place:ident),* $(,)? }),+ $(,)?) => {
        /// A place in a camt.053 or camt.054 document.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Camt {
            Elsewhere,
            $($name),+
        }

        impl Place for Camt {
            const DOCUMENT: Self = Self::Document;
            const ELSEWHERE: Self = Self::Elsewhere;

            #[inline]
            fn child(self, name: &str) -> Self {
                match self {
                    Self::Elsewhere => Self::Elsewhere,
                    $(Self::$name => match name {
                        $($child => Self::$place,)*
                        _ => Self::Elsewhere,
                    }),+
                }
            }

            #[inline]
            fn is_leaf(self) -> bool {
                // Up to version 04 the status is its text, from 08 on that of an element in it.
                self == Self::Status || match self {
                    Self::Elsewhere => false,
                    // What has no children here has text.
                    $(Self::$name => { const CHILDREN: &[&str] = &[$($child),*]; CHILDREN.is_empty() }),+
                }
            }

            #[inline]
            fn is_amount(self) -> bool {
                matches!(
                    self,
                    Self::BalanceAmount | Self::EntryAmount | Self::TransactionAmount | Self::DetailAmount
                )
            }
        }
    };
}

places! {
    Document { "BkToCstmrStmt" => Statements, "BkToCstmrDbtCdtNtfctn" => Notifications },
    Statements { "GrpHdr" => GroupHeader, "Stmt" => Statement },
    Notifications { "GrpHdr" => GroupHeader, "Ntfctn" => Statement },
    GroupHeader { "MsgId" => MessageId },
    MessageId {},
    Statement {
        "Id" => StatementId, "ElctrncSeqNb" => Sequence, "Acct" => Account, "Bal" => Balance, "Ntry" => Entry,
    },
    StatementId {},
    Sequence {},
    Account { "Id" => AccountId },
    AccountId { "IBAN" => Iban, "Othr" => OtherAccount },
    Iban {},
    OtherAccount { "Id" => OtherAccountId },
    OtherAccountId {},
    Balance {
        "Tp" => BalanceType, "Amt" => BalanceAmount, "CdtDbtInd" => BalanceDirection, "Dt" => BalanceDay,
    },
    BalanceDay { "Dt" => BalanceDate, "DtTm" => BalanceDate },
    BalanceDate {},
    BalanceType { "CdOrPrtry" => BalanceCodeChoice },
    BalanceCodeChoice { "Cd" => BalanceCode },
    BalanceCode {},
    BalanceAmount {},
    BalanceDirection {},
    Entry {
        "NtryRef" => EntryReference, "Amt" => EntryAmount, "CdtDbtInd" => EntryDirection, "RvslInd" => Reversal,
        "Sts" => Status, "BookgDt" => Booking, "ValDt" => Value, "AcctSvcrRef" => EntryServicer,
        "NtryDtls" => Details,
    },
    EntryReference {},
    EntryAmount {},
    EntryDirection {},
    Reversal {},
    Status { "Cd" => StatusCode },
    StatusCode {},
    Booking { "Dt" => BookingDate, "DtTm" => BookingDate },
    BookingDate {},
    Value { "Dt" => ValueDate, "DtTm" => ValueDate },
    ValueDate {},
    EntryServicer {},
    Details { "TxDtls" => Transaction },
    Transaction {
        "Refs" => References, "Amt" => TransactionAmount, "CdtDbtInd" => TransactionDirection,
        "AmtDtls" => AmountDetails, "RltdPties" => Parties, "RmtInf" => Remittance,
    },
    References { "AcctSvcrRef" => Servicer, "TxId" => TransactionId, "EndToEndId" => EndToEndId },
    Servicer {},
    TransactionId {},
    EndToEndId {},
    TransactionAmount {},
    TransactionDirection {},
    AmountDetails { "TxAmt" => DetailsAmount },
    DetailsAmount { "Amt" => DetailAmount },
    DetailAmount {},
    Parties { "Dbtr" => Debtor },
    Debtor { "Nm" => DebtorName, "Pty" => DebtorParty },
    DebtorParty { "Nm" => DebtorName },
    DebtorName {},
    Remittance { "Strd" => Structured, "Ustrd" => Unstructured },
    Structured { "CdtrRefInf" => CreditorReferenceInformation },
    CreditorReferenceInformation { "Ref" => CreditorReference },
    CreditorReference {},
    Unstructured {},
}
