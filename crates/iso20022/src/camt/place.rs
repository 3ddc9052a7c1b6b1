//! Where the elements that are read stand, in all versions.

use crate::pull::Place;

/// A name as three numbers, which compare faster than so few letters: its length, its first eight and its last eight. Names
/// of more than sixteen letters that differ in the middle only are taken for the same; the schemas have no such two.
type Key = (usize, u64, u64);

#[inline]
const fn key(name: &str) -> Key {
    let bytes = name.as_bytes();
    match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(first), Some(last)) => (bytes.len(), u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => (bytes.len(), short(bytes), 0),
    }
}

/// Fewer than eight letters.
#[inline]
const fn short(bytes: &[u8]) -> u64 {
    if let (Some([a, b, c, d]), Some([e, f, g, h])) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
    }
    match bytes {
        [a] => *a as u64,
        [a, b] => u64::from_le_bytes([*a, *b, 0, 0, 0, 0, 0, 0]),
        [a, b, c] => u64::from_le_bytes([*a, *b, *c, 0, 0, 0, 0, 0]),
        _ => 0,
    }
}

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
            #[allow(unused_variables)] // places without children ask for none
            fn child(self, name: &str) -> Self {
                let name = key(name);
                match self {
                    Self::Elsewhere => Self::Elsewhere,
                    $(Self::$name => {
                        $(if name == const { key($child) } {
                            return Self::$place;
                        })*
                        Self::Elsewhere
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_have_keys_that_differ() {
        for length in 0..=16 {
            let name = "a".repeat(length);
            for at in 0..length {
                let mut other = name.clone();
                other.replace_range(at..=at, "b");
                assert_ne!(key(&name), key(&other), "letter {at} of {length}");
            }
            assert_ne!(key(&name), key(&format!("{name}a")));
        }
        assert_eq!(Camt::Document.child("BkToCstmrDbtCdtNtfctn"), Camt::Notifications);
        assert_eq!(Camt::Entry.child("Amt"), Camt::EntryAmount);
        assert_eq!(Camt::Entry.child("Amf"), Camt::Elsewhere);
    }
}
