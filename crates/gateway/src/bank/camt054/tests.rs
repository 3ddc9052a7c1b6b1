use proptest::prelude::*;

use super::*;

const ONE: &str = r#"<?xml version="1.0"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"><BkToCstmrDbtCdtNtfctn>
<GrpHdr><MsgId>M-1</MsgId><CreDtTm>2026-01-02T03:04:05Z</CreDtTm></GrpHdr>
<Ntfctn><Id>N-1</Id><Ntry>
<Amt Ccy="CNY">100.50</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>
<ValDt><Dt>2026-01-02</Dt></ValDt><AcctSvcrRef>BANK-7</AcctSvcrRef>
<NtryDtls><TxDtls><Refs><EndToEndId>NOTPROVIDED</EndToEndId></Refs>
<RltdPties><Dbtr><Pty><Nm>A &amp; B</Nm></Pty></Dbtr></RltdPties>
<RmtInf><Strd><CdtrRefInf><Ref>RF18 5390</Ref></CdtrRefInf></Strd></RmtInf></TxDtls></NtryDtls>
</Ntry></Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"#;

fn cny(minor_units: i64) -> Money {
    Money::new(minor_units, Asset::from_code("CNY").unwrap())
}

#[test]
fn a_booked_credit_is_read_with_all_it_needs() {
    let read = parse(ONE.as_bytes()).unwrap();
    assert_eq!((read.message_id.as_str(), read.document_type.as_str()), ("M-1", "camt.054.001.08"));
    assert_eq!(
        read.entries,
        [Entry::Credit(Credit {
            bank_transaction_id: "BANK-7".into(),
            amount: cny(10_050),
            funding_reference: "RF185390".into(),
            value_date: "2026-01-02".into(),
            debtor_name: "A & B".into(),
        })]
    );
}

#[test]
fn several_transactions_of_one_entry_are_booked_apart_under_ids_of_their_own() {
    let details = "<NtryDtls><TxDtls><Amt Ccy=\"CNY\">60.50</Amt></TxDtls><TxDtls><Amt Ccy=\"CNY\">40</Amt></TxDtls></NtryDtls>";
    let start = ONE.find("<NtryDtls>").unwrap();
    let end = ONE.find("</Ntry>").unwrap();
    let document = format!("{}{details}{}", &ONE[..start], &ONE[end..]);
    let entries = parse(document.as_bytes()).unwrap().entries;
    let seen: Vec<(String, i64)> = entries
        .into_iter()
        .map(|entry| match entry {
            Entry::Credit(credit) => (credit.bank_transaction_id, credit.amount.minor_units),
            Entry::Other { .. } => panic!("not a credit"),
        })
        .collect();
    assert_eq!(seen, [("BANK-7/1".to_owned(), 6_050), ("BANK-7/2".to_owned(), 4_000)]);
}

#[test]
fn transactions_that_do_not_make_up_their_entry_wait_in_suspense_as_a_whole() {
    let start = ONE.find("<NtryDtls>").unwrap();
    let end = ONE.find("</Ntry>").unwrap();
    let with = |amounts: [&str; 2]| {
        let details: String = amounts
            .map(|amount| {
                format!("<TxDtls>{amount}<RmtInf><Ustrd>RF18539007547034</Ustrd></RmtInf></TxDtls>")
            })
            .concat();
        format!("{}<NtryDtls>{details}</NtryDtls>{}", &ONE[..start], &ONE[end..])
    };
    let amount = |text: &str| format!("<Amt Ccy=\"CNY\">{text}</Amt>");
    for amounts in [["", ""], [&amount("60.50"), ""], [&amount("100.50"), &amount("1")]] {
        let entries = parse(with(amounts).as_bytes()).unwrap().entries;
        let [Entry::Credit(credit)] = entries.as_slice() else { panic!("{entries:?}") };
        assert_eq!((credit.amount, credit.funding_reference.as_str()), (cny(10_050), ""));
        assert_eq!(credit.bank_transaction_id, "BANK-7");
    }
}

#[test]
fn a_payers_own_reference_never_stands_for_the_banks() {
    let document = ONE.replace("NOTPROVIDED", "RENT");
    let id = |document: &str| match parse(document.as_bytes()).unwrap().entries.as_slice() {
        [Entry::Credit(credit)] => credit.bank_transaction_id.clone(),
        entries => panic!("{entries:?}"),
    };
    assert_eq!(id(&document), "BANK-7");
    // Without the bank's reference, next month's rent is still another payment.
    let bare = document.replace("<AcctSvcrRef>BANK-7</AcctSvcrRef>", "");
    assert_ne!(id(&bare), id(&bare.replace("M-1", "M-2")));
}

#[test]
fn what_is_not_a_booked_credit_is_not_booked() {
    for (from, to) in [
        ("<CdtDbtInd>CRDT", "<CdtDbtInd>DBIT"),
        ("<Cd>BOOK", "<Cd>PDNG"),
        ("<Sts>", "<RvslInd>true</RvslInd><Sts>"),
        ("100.50", "0.00"),
    ] {
        let entries = parse(ONE.replace(from, to).as_bytes()).unwrap().entries;
        assert!(matches!(entries.as_slice(), [Entry::Other { .. }]), "{to}: {entries:?}");
    }
}

#[test]
fn bad_files_are_refused_and_the_place_is_named() {
    for (from, to, told) in [
        ("camt.054.001.08", "camt.053.001.08", "give camt.054"),
        ("camt.054.001.08", "camt.054.001.99", "give camt.054"),
        ("100.50", "100.505", "no amount"),
        ("100.50", "-1", "no amount"),
        (" Ccy=\"CNY\"", "", "no currency"),
        ("Ccy=\"CNY\"", "Ccy=\"XXQ\"", "unknown asset"),
        ("<AcctSvcrRef>BANK-7</AcctSvcrRef>", "", "no reference"),
        ("<MsgId>M-1</MsgId>", "", "MsgId is missing"),
        ("A &amp; B", "A &x; B", "not one of XML's own"),
        ("</BkToCstmrDbtCdtNtfctn></Document>", "", "cut short"),
        ("<?xml version=\"1.0\"?>", "<!DOCTYPE a [<!ENTITY x \"y\">]>", "document type"),
    ] {
        let error = parse(ONE.replace(from, to).as_bytes()).unwrap_err();
        assert!(error.problem.contains(told), "{to}: {error}");
    }
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let whole = ONE.trim_end().len();
    for cut in 0..whole {
        assert!(parse(&ONE.as_bytes()[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn the_published_samples_are_read_where_they_are_present() {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/iso20022/samples");
    let Ok(files) = std::fs::read_dir(&folder) else {
        println!("published samples not present, skipped");
        return;
    };
    let mut read = 0;
    for file in files.flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        if name.starts_with("camt.054") {
            let notification = parse(&std::fs::read(file.path()).unwrap());
            assert!(notification.as_ref().is_ok_and(|it| !it.entries.is_empty()), "{name}: {notification:?}");
            read += 1;
        }
    }
    assert!(read >= 5, "only {read} samples of camt.054 were there");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let _ = parse(&bytes);
    }

    #[test]
    fn no_damage_makes_it_panic(at in 0..ONE.len(), byte: u8) {
        let mut document = ONE.as_bytes().to_vec();
        document[at] = byte;
        let _ = parse(&document);
    }
}
